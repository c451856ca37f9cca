//! Files of every age load unchanged and mean what they meant.

use std::time::Duration;

use crate::config_folder::{Folder, bots};
use picoclaw::config::ModelConfig;

/// A file as v0.1.2's users have it.
const V0: &str = r#"{
  "agents": {
    "defaults": {
      "workspace": "~/.picoclaw/workspace",
      "restrict_to_workspace": true,
      "model": "anthropic/claude-opus-4-5",
      "max_tokens": 8192,
      "temperature": 0.7,
      "max_tool_iterations": 20
    }
  },
  "channels": {
    "telegram": {
      "enabled": true,
      "token": "123456:AAtoken",
      "proxy": "socks5://127.0.0.1:1080",
      "allow_from": ["YOUR_USER_ID", "alice", 4711, 9007199254740993]
    },
    "discord": { "enabled": false, "token": "YOUR_DISCORD_BOT_TOKEN", "allow_from": [] },
    "maixcam": { "enabled": false, "host": "0.0.0.0", "port": 18790, "allow_from": [] },
    "onebot": { "enabled": false, "ws_url": "ws://127.0.0.1:3001", "reconnect_interval": 5, "group_trigger_prefix": [] }
  },
  "providers": {
    "anthropic": { "api_key": "", "api_base": "" },
    "openrouter": { "api_key": "sk-or-v1-key", "api_base": "" },
    "groq": { "api_key": "gsk_xxx", "api_base": "" },
    "vllm": { "api_key": "", "api_base": "" }
  },
  "tools": { "web": { "search": { "api_key": "YOUR_BRAVE_API_KEY", "max_results": 5 } } },
  "heartbeat": { "enabled": true, "interval": 30 },
  "devices": { "enabled": false, "monitor_usb": true },
  "gateway": { "host": "0.0.0.0", "port": 18790 }
}"#;

/// A file as today's Go version writes it, secrets elsewhere.
const V3: &str = r#"{
  "version": 3,
  "isolation": { "enabled": false },
  "agents": {
    "defaults": {
      "workspace": "/data/ws", "restrict_to_workspace": false, "allow_read_outside_workspace": true,
      "model_name": "fast", "model_fallbacks": ["slow"], "max_tokens": 0, "context_window": 0,
      "temperature": null, "max_tool_iterations": 0, "max_parallel_turns": 0, "max_llm_retries": 3, "llm_retry_backoff_secs": 5,
      "summarize_message_threshold": 20, "summarize_token_percent": 75, "steering_mode": "one-at-a-time",
      "subturn": { "max_depth": 3 }, "tool_feedback": { "enabled": false, "max_args_length": 300 },
      "turn_profile": { "enabled": false, "history": { "mode": "default" } }
    },
    "list": []
  },
  "session": { "dimensions": ["chat", "topic"], "identity_links": { "alice": ["telegram:1", 2] } },
  "model_list": [
    { "model_name": "fast", "provider": "openai", "model": "openai/gpt-x", "api_keys": ["k1", " k2 ", "k1"], "api_base": "https://proxy.test/v1/",
      "rpm": 30, "max_tokens_field": "max_completion_tokens", "request_timeout": 90, "streaming": { "enabled": true },
      "thinking_level": "High", "extra_body": { "a": { "b": 1 } }, "custom_headers": { "X-Team": "pico" }, "user_agent": "me/1",
      "proxy": "http://p:3128", "fallbacks": ["slow"] },
    { "model_name": "fast", "model": "groq/llama", "api_keys": ["g"] },
    { "model_name": "slow", "model": "ollama/qwen:8b" },
    { "model_name": "nokey", "model": "deepseek/chat" },
    { "model_name": "off", "model": "zai/glm", "api_keys": ["z"], "enabled": false },
    { "model_name": "cli", "model": "claude-cli/x" }
  ],
  "channel_list": {
    "telegram": {
      "enabled": true, "type": "telegram", "allow_from": ["*"], "reasoning_channel_id": "",
      "group_trigger": { "mention_only": true, "prefixes": ["!", "bot"] },
      "typing": { "enabled": false }, "placeholder": { "enabled": true, "text": "Wait..." },
      "settings": { "token": "123456:AAtoken", "base_url": "http://127.0.0.1:8081/", "streaming": { "enabled": false, "throttle_seconds": 3 }, "use_markdown_v2": false }
    },
    "second": { "enabled": false, "type": "telegram", "settings": { "pairing_code": "LongEnough1" } },
    "pico": { "enabled": false, "type": "pico", "settings": { "token": "", "max_connections": 100 } }
  },
  "gateway": { "host": "localhost, [::1],localhost", "port": 18791, "hot_reload": false, "log_level": "WARNING" },
  "hooks": { "enabled": true }, "events": { "logging": { "enabled": false } }, "voice": {}, "evolution": { "enabled": false },
  "tools": {
    "filter_min_length": 0, "allow_read_paths": ["^/proc/"], "mcp": { "enabled": false, "servers": {} },
    "cron": { "enabled": true }, "i2c": { "enabled": false },
    "exec": { "enabled": false, "timeout_seconds": 0, "env": ["LANG"], "custom_deny_patterns": ["\\bformat\\b"] },
    "read_file": { "enabled": true, "mode": "lines", "max_read_file_size": 900000 },
    "web": { "enabled": true, "provider": "brave", "fetch_limit_bytes": 10485760, "format": "plaintext",
      "brave": { "enabled": true, "api_key": "b1", "max_results": 50 }, "searxng": { "enabled": true, "base_url": "http://sx.test/" },
      "sogou": { "enabled": true }, "private_host_whitelist": ["10.0.0.0/8"] }
  },
  "time": { "servers": ["ntp.test"] },
  "build_info": { "version": "x" }
}"#;

#[test]
fn v0_example() {
    let folder = Folder::with(V0);
    let loaded = folder.good();
    let c = &loaded.config;
    assert!(loaded.warnings.iter().all(|w| w.key == "gateway.host"), "{:?}", loaded.warnings);
    assert_eq!(
        (c.version, c.agent.max_tokens, c.agent.context_window, c.agent.max_tool_iterations),
        (0, 8192, 32768, 20)
    );
    assert_eq!(
        (c.agent.temperature, c.agent.max_parallel_turns, c.agent.restrict_to_workspace),
        (0.7, 4, true)
    );
    assert_eq!(c.agent.workspace, folder.path("home/workspace"));
    let [m] = &c.models[..] else { panic!("{:?}", c.models) };
    assert_eq!(
        (m.provider.as_str(), m.model.as_str()),
        ("openrouter", "anthropic/claude-opus-4-5")
    );
    assert_eq!(
        (m.model_name.as_str(), m.api_base.as_str()),
        ("anthropic/claude-opus-4-5", "https://openrouter.ai/api/v1")
    );
    assert_eq!(
        (m.api_key.expose(), c.agent.model.as_str()),
        ("sk-or-v1-key", "anthropic/claude-opus-4-5")
    );
    let [(channel, bot)] = bots(c)[..] else { panic!("{:?}", c.channels) };
    assert_eq!(
        (channel.name.as_str(), channel.enabled, bot.token.expose()),
        ("telegram", true, "123456:AAtoken")
    );
    assert_eq!(
        (bot.base_url.as_str(), bot.proxy.as_str()),
        ("https://api.telegram.org", "socks5://127.0.0.1:1080")
    );
    assert_eq!(channel.allow_from, ["alice", "4711", "9007199254740993"]);
    assert!(channel.typing && channel.placeholder.is_empty() && bot.pairing_code.is_empty());
    assert_eq!(
        (c.gateway.hosts.clone(), c.gateway.port, c.gateway.log_level.as_str()),
        (vec!["0.0.0.0".to_owned()], 18790, "info")
    );
    let brave = c.tools.web.engine("brave").expect("set");
    assert!(
        !brave.enabled
            && brave.api_key.is_empty()
            && c.tools.web.engine("duckduckgo").expect("set").enabled
    );
    assert_eq!(
        (c.session.dimensions.clone(), c.tools.disabled.join(" ")),
        (vec!["chat".to_owned()], "serial gpio".to_owned())
    );
}

#[test]
fn v3_example() {
    let folder = Folder::with(V3);
    let loaded = folder.good();
    let c = &loaded.config;
    let a = &c.agent;
    assert_eq!(
        (c.version, a.max_tokens, a.context_window, a.max_tool_iterations, a.max_parallel_turns),
        (3, 32768, 131_072, 20, 4)
    );
    assert_eq!(
        (a.workspace.to_str(), a.temperature, a.max_llm_retries, a.llm_retry_backoff),
        (Some("/data/ws"), 0.7, 3, Duration::from_secs(5))
    );
    assert!(!a.restrict_to_workspace && a.allow_read_outside_workspace);
    let names: Vec<&str> = c.models.iter().map(|m| m.model_name.as_str()).collect();
    assert_eq!(names, ["fast", "fast__key_1", "fast", "slow"]);
    let want = ModelConfig {
        model_name: "fast".into(),
        provider: "openai".into(),
        model: "openai/gpt-x".into(),
        api_base: "https://proxy.test/v1".into(),
        api_key: picoclaw::config::Secret::new("k1"),
        proxy: "http://p:3128".into(),
        fallbacks: vec!["fast__key_1".into(), "slow".into()],
        rpm: 30,
        max_tokens_field: "max_completion_tokens".into(),
        request_timeout: Duration::from_secs(90),
        streaming: true,
        thinking_level: "high".into(),
        extra_body: r#"{"a":{"b":1}}"#.into(),
        custom_headers: vec![("X-Team".into(), "pico".into())],
        user_agent: "me/1".into(),
        signed_in: None,
    };
    assert_eq!(format!("{:?}", c.models[0]), format!("{want:?}"));
    assert_eq!((c.models[0].api_key.expose(), c.models[1].api_key.expose()), ("k1", "k2"));
    assert!(c.models[1].fallbacks.is_empty());
    assert_eq!((c.models[3].provider.as_str(), c.models[3].model.as_str()), ("ollama", "qwen:8b"));
    let [(channel, bot), (second, paired)] = bots(c)[..] else { panic!("{:?}", c.channels) };
    assert_eq!(
        (bot.base_url.as_str(), channel.allow_from.clone(), channel.typing),
        ("http://127.0.0.1:8081", vec!["*".to_owned()], false)
    );
    assert_eq!(
        (channel.group.mention_only, channel.group.prefixes.clone(), channel.placeholder.clone()),
        (true, vec!["!".into(), "bot".into()], vec!["Wait...".to_owned()])
    );
    assert_eq!(
        (second.name.as_str(), second.enabled, paired.pairing_code.expose()),
        ("second", false, "LongEnough1")
    );
    assert_eq!(
        (c.gateway.hosts.clone(), c.gateway.port, c.gateway.log_level.as_str()),
        (vec!["localhost".to_owned(), "::1".to_owned()], 18791, "warn")
    );
    assert_eq!(
        (c.tools.disabled.join(" "), c.tools.exec.timeout, c.tools.exec.env.clone()),
        ("exec i2c spi serial gpio".to_owned(), Duration::from_secs(60), vec!["LANG".to_owned()])
    );
    assert_eq!(
        (c.tools.read_file_lines, c.tools.max_read_file_size, c.tools.filter_min_length),
        (true, 65536, 8)
    );
    assert_eq!(
        (c.tools.web.provider.as_str(), c.tools.web.format.as_str(), c.tools.web.fetch_limit_bytes),
        ("brave", "plaintext", 10_485_760)
    );
    assert_eq!(
        (
            c.tools.web.engine("brave").expect("set").max_results,
            c.tools.web.engine("brave").expect("set").api_key.expose()
        ),
        (10, "b1")
    );
    assert_eq!(c.tools.web.engine("searxng").expect("set").base_url, "http://sx.test");
    assert_eq!(c.session.dimensions, ["chat", "topic"]);
    assert_eq!(c.session.identity_links[0].1, ["telegram:1", "2"]);
    assert_eq!(c.time_servers, ["ntp.test"]);
    assert_eq!(
        folder.warnings(),
        "home/config.json:35:76: channel_list.pico.settings.max_connections: not used by this build, nor are tools.web.sogou, build_info\n\
         home/config.json:23:5: model_list[3]: no API key configured for model: nokey; left out (`picoclaw config set model_list.nokey.api_keys -` reads one from standard input)\n\
         home/config.json:29:44: channel_list.telegram.allow_from: telegram answers everybody (`*`) (list ids, or leave it empty and pair)"
    );
}

#[test]
fn v1_and_v2_shapes() {
    let text = r#"{"version":1,"agents":{"defaults":{"model_name":"m"}},
      "model_list":[{"model_name":"m","model":"gpt-x","api_key":"k"}],
      "channels":{"telegram":{"enabled":true,"token":"1:a","mention_only":true,"base_url":"http://h:1","pairing_code":"12345678"}},
      "session":{"dm_scope":"per-channel-peer"},"bindings":[{"agent_id":"x"}]}"#;
    let folder = Folder::with(text);
    let loaded = folder.good();
    let c = &loaded.config;
    assert_eq!(
        (c.version, c.agent.max_tool_iterations, c.models[0].provider.as_str()),
        (1, 50, "openai")
    );
    let (channel, bot) = bots(c)[0];
    assert_eq!(
        (channel.group.mention_only, bot.base_url.as_str(), bot.pairing_code.expose()),
        (true, "http://h:1", "12345678")
    );
    assert_eq!(c.session.dimensions, ["chat", "sender"]);
    assert_eq!(
        folder.warnings(),
        "home/config.json:4:49: bindings: not supported by this build, ignored"
    );
}

/// Provider and model id that a v0 file comes to.
#[track_caller]
fn v0(defaults: &str, providers: &str, want: Result<(&str, &str), &str>) {
    let folder = Folder::with(&format!(
        r#"{{"agents":{{"defaults":{{{defaults}}}}},"providers":{providers}}}"#
    ));
    match (folder.load(), want) {
        (Ok(l), Ok((provider, model))) => assert_eq!(
            (l.config.models[0].provider.as_str(), l.config.models[0].model.as_str()),
            (provider, model)
        ),
        (Err(e), Err(part)) => assert!(e.to_string().contains(part), "{e}"),
        (Ok(l), Err(part)) => panic!("{part}: accepted as {:?}", l.config.models),
        (Err(e), Ok(_)) => panic!("{e}"),
    }
}

#[test]
fn v0_providers() {
    v0(
        r#""provider":"groq","model":"groq/llama""#,
        r#"{"groq":{"api_key":"k"}}"#,
        Ok(("groq", "llama")),
    );
    v0(
        r#""provider":"GPT","model":"gpt-4o""#,
        r#"{"openai":{"api_key":"k"}}"#,
        Ok(("openai", "gpt-4o")),
    );
    v0(
        r#""model":"glm-4.7""#,
        r#"{"zhipu":{"api_key":"k"},"openai":{"api_key":"k"}}"#,
        Ok(("zhipu", "glm-4.7")),
    );
    v0(
        r#""model":"claude-x""#,
        r#"{"anthropic":{"api_key":"k"},"openrouter":{"api_key":"r"}}"#,
        Ok(("anthropic", "claude-x")),
    );
    v0(
        r#""model":"claude-x""#,
        r#"{"anthropic":{"api_key":""},"openrouter":{"api_key":"r"}}"#,
        Ok(("openrouter", "claude-x")),
    );
    v0(r#""model":"mystery""#, r#"{"vllm":{"api_base":"http://h/v1"}}"#, Ok(("vllm", "mystery")));
    v0(r#""model":"ollama/llama3""#, r#"{"ollama":{}}"#, Ok(("ollama", "llama3")));
    v0("", r#"{"zhipu":{"api_key":"k"}}"#, Ok(("zhipu", "glm-4.7")));
    v0(
        r#""model":"gpt-4o""#,
        r#"{"openai":{"api_key":""}}"#,
        Err("no API key configured for model: gpt-4o"),
    );
    v0(r#""provider":"vllm","model":"x""#, r#"{"vllm":{}}"#, Ok(("vllm", "x")));
    v0(
        r#""provider":"antropic","model":"x""#,
        "{}",
        Err("no provider is called `antropic` (did you mean `anthropic`?)"),
    );
    v0(
        r#""model":"gpt-4o""#,
        r#"{"openi":{"api_key":"k"}}"#,
        Err("providers.openi: no provider is called `openi` (did you mean `openai`?)"),
    );
}

#[test]
fn a_providers_proxy_and_base_are_honoured() {
    let folder = Folder::with(
        r#"{"agents":{"defaults":{"provider":"openai","model":"m"}},"providers":{"openai":{"api_key":"a","api_keys":["b"],"api_base":"http://h/v1/","proxy":"http://p:1"}}}"#,
    );
    let c = folder.good().config;
    assert_eq!(
        (c.models[0].proxy.as_str(), c.models[0].api_base.as_str(), c.models.len()),
        ("http://p:1", "http://h/v1", 2)
    );
    assert_eq!(
        (c.models[1].model_name.as_str(), c.models[0].fallbacks.clone()),
        ("m__key_1", vec!["m__key_1".to_owned()])
    );
}

#[test]
fn gemini_is_used_through_its_openai_address() {
    for base in ["", "https://generativelanguage.googleapis.com/v1beta"] {
        let folder = Folder::with(&format!(
            r#"{{"model_list":[{{"model_name":"g","model":"gemini/pro","api_key":"k","api_base":"{base}"}}]}}"#
        ));
        assert_eq!(
            folder.good().config.models[0].api_base,
            "https://generativelanguage.googleapis.com/v1beta/openai"
        );
    }
}

#[test]
fn workspaces() {
    let at = |text: &str| {
        let folder = Folder::with(&format!(
            r#"{{"model_list":{{"m":{{"model":"ollama/x"}}}},"agents":{{"defaults":{{"workspace":"{text}"}}}}}}"#
        ));
        folder.short(&folder.good().config.agent.workspace.display().to_string())
    };
    let got = ["", "~/.picoclaw/workspace", "~/ws", "/srv/ws", "here"].map(at);
    assert_eq!(got, ["home/workspace", "home/workspace", "user/ws", "/srv/ws", "home/here"]);
}

#[test]
fn the_first_model_is_the_default() {
    let folder = Folder::with(
        r#"{"model_list":[{"model_name":"a","model":"openai/x"},{"model_name":"b","model":"ollama/y"}]}"#,
    );
    assert_eq!(folder.good().config.agent.model, "b");
}

/// Loads a text through the function that reads no other file.
fn survives(folder: &Folder, text: &[u8]) {
    std::fs::write(folder.path("home/state/config.last-good.json"), text).unwrap();
    if let Err(e) = picoclaw::config::load_last_good(&folder.home(), &folder.options) {
        assert!(!e.as_str().is_empty());
    }
}

#[test]
fn cut_and_damaged_files_are_survived() {
    let folder = Folder::new().file("home/state/x", "");
    for text in [V0, V3] {
        for end in (0..text.len()).step_by(41) {
            survives(&folder, &text.as_bytes()[..end]);
        }
        // Each value in turn of another type.
        for (at, _) in text.match_indices(": ") {
            for other in ["[]", "\"x\"", "-1"] {
                let rest = text[at + 2..].trim_start();
                let end = picoclaw::proto::json_pos::value_end(rest, 0).unwrap_or(0);
                survives(&folder, format!("{}: {other}{}", &text[..at], &rest[end..]).as_bytes());
            }
        }
    }
}
