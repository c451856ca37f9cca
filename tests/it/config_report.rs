//! `config check`, `config show`, `onboard`.

use crate::config_folder::Folder;
use picoclaw::config::{check, onboard, show};
use serde_json::{Value, json};

const CONFIG: &str = r#"{"version":3,
"model_list":[{"model_name":"a","model":"groq/x","api_key":"sk-secret-1","proxy":"http://u:sk-secret-2@h:1","custom_headers":{"X-Api-Key":"sk-secret-3","X-Team":"t"}},
 {"model_name":"a","model":"ollama/y"}],
"channel_list":{"telegram":{"enabled":true,"settings":{"token":"1:sk-secret-4"}},"slack":{"settings":{"bot_token":"sk-secret-5"}}},
"tools":{"mcp":{"servers":{"x":{"env":{"KEY":"sk-secret-6"}}}}},"session":{"identity_links":{"me":[1]}}}"#;

fn shown(folder: &Folder, only: &str, as_json: bool) -> String {
    let mut out = Vec::new();
    show(&folder.options, only, as_json, &mut out).unwrap();
    folder.short(&String::from_utf8(out).unwrap())
}

#[test]
fn show_names_value_and_source_and_no_secret() {
    let folder =
        Folder::with(CONFIG).env("PICOCLAW_GATEWAY_PORT", "7").env("PICOCLAW_GATEWAY_PROT", "8");
    let text = shown(&folder, "", false);
    assert!(!text.contains("sk-secret"), "{text}");
    let line = |key: &str| {
        let found = text
            .lines()
            .find(|l| l.split(' ').next() == Some(key))
            .unwrap_or_else(|| panic!("no {key} in {text}"));
        let (_, rest) = found.split_once(" = ").unwrap();
        rest.to_owned()
    };
    assert_eq!(line("gateway.port"), "7  # PICOCLAW_GATEWAY_PORT");
    let warned = "# warning: PICOCLAW_GATEWAY_PROT: this variable sets nothing";
    assert!(text.lines().any(|l| l.starts_with(warned)), "{text}");
    assert_eq!(line("gateway.host"), r#"["127.0.0.1"]  # default"#);
    assert_eq!(line("version"), "3  # home/config.json:1");
    assert_eq!(line("agents.defaults.context_window"), "131072  # default");
    assert_eq!(line("agents.defaults.model_name"), r#""a"  # default"#);
    assert_eq!(line("agents.defaults.workspace"), r#""home/workspace"  # default"#);
    assert_eq!(line("model_list.a.api_keys"), r#"["[redacted]"]  # home/config.json:2"#);
    assert_eq!(line("model_list.a.proxy"), r#""http://[redacted]@h:1"  # home/config.json:2"#);
    assert_eq!(line("model_list.a.api_base"), r#""https://api.groq.com/openai/v1"  # default"#);
    assert_eq!(
        line("model_list.a.custom_headers.X-Api-Key"),
        r#""[redacted]"  # home/config.json:2"#
    );
    assert_eq!(line("model_list.a.custom_headers.X-Team"), r#""t"  # home/config.json:2"#);
    assert_eq!(line("model_list.a:1.model"), r#""ollama/y"  # home/config.json:3"#);
    assert_eq!(line("model_list.a.provider"), r#""groq"  # default"#);
    // Two entries share the name, and each has its own address.
    assert_eq!(line("model_list.a:1.provider"), r#""ollama"  # default"#);
    assert_eq!(line("model_list.a:1.api_base"), r#""http://localhost:11434/v1"  # default"#);
    assert_eq!(
        line("channel_list.telegram.settings.token"),
        r#""[redacted]"  # home/config.json:4"#
    );
    assert_eq!(
        line("channel_list.telegram.settings.base_url"),
        r#""https://api.telegram.org"  # default"#
    );
    assert_eq!(line("session.identity_links.me"), "[1]  # home/config.json:5");
    assert_eq!(line("tools.mcp"), r#""(not used by this build)"  # home/config.json:5"#);
}

#[test]
fn show_prints_what_counts_and_not_what_was_written() {
    const FILE: &str = r#"{"version":3,"heartbeat":{"interval":1},
"agents":{"defaults":{"max_tool_iterations":0,"context_window":0,"max_tokens":100,"subturn":{"max_depth":0,"max_concurrent":2}}},
"tools":{"web":{"brave":{"max_results":50},"fetch_limit_bytes":20000000},"read_file":{"max_read_file_size":1000000},"filter_min_length":-3},
"model_list":[{"model_name":"a","model":"ollama/y"}]}"#;
    let folder = Folder::with(FILE).env("PICOCLAW_AGENTS_DEFAULTS_MAX_PARALLEL_TURNS", "0");
    let text = shown(&folder, "", false);
    for (key, want) in [
        ("heartbeat.interval", "5  # home/config.json:1, limited"),
        ("agents.defaults.subturn.max_depth", "3  # home/config.json:2, 0 is the default"),
        ("agents.defaults.subturn.max_concurrent", "2  # home/config.json:2"),
        ("agents.defaults.subturn.default_timeout_minutes", "5  # default"),
        ("agents.defaults.max_tool_iterations", "20  # home/config.json:2, 0 is the default"),
        ("agents.defaults.context_window", "400  # home/config.json:2, 0 is the default"),
        (
            "agents.defaults.max_parallel_turns",
            "4  # PICOCLAW_AGENTS_DEFAULTS_MAX_PARALLEL_TURNS, 0 is the default",
        ),
        ("agents.defaults.max_media_size", "20971520  # default"),
        ("tools.web.brave.max_results", "10  # home/config.json:3, limited"),
        ("tools.web.fetch_limit_bytes", "10485760  # home/config.json:3, limited"),
        ("tools.read_file.max_read_file_size", "65536  # home/config.json:3, limited"),
        ("tools.filter_min_length", "8  # home/config.json:3, 0 is the default"),
    ] {
        let line = text.lines().find(|l| l.split(' ').next() == Some(key)).unwrap_or_default();
        assert_eq!(line.split_once(" = ").map(|(_, rest)| rest), Some(want), "{key}");
    }
}

/// What `config show` prints of one key, and what the program uses, for a file that says only this.
fn in_force(file: &str, key: &str, used: fn(&picoclaw::config::Config) -> u64) -> (String, u64) {
    let file =
        format!(r#"{{"version":3,{file},"model_list":[{{"model_name":"a","model":"ollama/y"}}]}}"#);
    let folder = Folder::with(&file);
    let text = shown(&folder, key, false);
    let loaded = picoclaw::config::load(&folder.options).unwrap();
    (text.split_once(" = ").unwrap().1.trim_end().to_owned(), used(&loaded.config))
}

#[test]
fn show_prints_the_limits_that_the_program_uses() {
    for (written, shown, used) in [
        (0, "3  # home/config.json:1, 0 is the default", 3),
        (1, "1  # home/config.json:1", 1),
        (3, "3  # home/config.json:1", 3),
        (100, "100  # home/config.json:1", 100),
    ] {
        let file = format!(r#""agents":{{"defaults":{{"subturn":{{"max_depth":{written}}}}}}}"#);
        let depth = in_force(&file, "agents.defaults.subturn.max_depth", |c| {
            c.agent.subturn.max_depth.into()
        });
        assert_eq!(depth, (shown.to_owned(), used), "{file}");
    }
    for (written, shown, minutes) in [
        (0, "30  # home/config.json:1, 0 is the default", 30),
        (1, "5  # home/config.json:1, limited", 5),
        (5, "5  # home/config.json:1", 5),
        (6, "6  # home/config.json:1", 6),
        (10_080, "10080  # home/config.json:1", 10_080),
    ] {
        let file = format!(r#""heartbeat":{{"interval":{written}}}"#);
        let interval = in_force(&file, "heartbeat.interval", |c| c.heartbeat.as_secs() / 60);
        assert_eq!(interval, (shown.to_owned(), minutes), "{file}");
    }
    // Beyond what may be written there is no value in force.
    for file in [
        r#"{"version":3,"agents":{"defaults":{"subturn":{"max_depth":101}}}}"#,
        r#"{"version":3,"agents":{"defaults":{"subturn":{"max_depth":-1}}}}"#,
        r#"{"version":3,"heartbeat":{"interval":10081}}"#,
    ] {
        let mut out = Vec::new();
        let error = show(&Folder::with(file).options, "", false, &mut out).unwrap_err();
        assert!(error.as_str().contains("is outside "), "{file}: {error}");
    }
}

#[test]
fn show_as_json_and_in_part() {
    let folder = Folder::with(CONFIG);
    let value: Value = serde_json::from_str(&shown(&folder, "gateway.", true)).unwrap();
    assert_eq!(
        value,
        json!({
            "gateway.host": {"value": ["127.0.0.1"], "source": "default"},
            "gateway.log_level": {"value": "warn", "source": "default"},
            "gateway.port": {"value": 18790, "source": "default"},
        })
    );
    let mut out = Vec::new();
    assert!(show(&Folder::with("{ broken, broken").options, "", false, &mut out).is_err());
}

fn checked(folder: &Folder, as_json: bool) -> (bool, String) {
    let mut out = Vec::new();
    let ok = check(&folder.options, as_json, &mut out).unwrap();
    (ok, folder.short(&String::from_utf8(out).unwrap()))
}

#[test]
fn check_says_what_is_wrong() {
    let (ok, text) = checked(&Folder::with(CONFIG), false);
    assert!(ok, "{text}");
    assert!(text.ends_with("read home/config.json\nThe configuration is good.\n"), "{text}");
    let broken = Folder::with("{\"gateway\": {\"port\": true}}");
    let (ok, text) = checked(&broken, false);
    assert!(!ok);
    assert_eq!(
        text,
        "error: home/config.json:1:14: gateway.port: a whole number is needed, this is true or false\n"
    );
    let typo = r#"{"model_list":[{"model_name":"m","model":"ollama/x"}],"channels":{"telegram":{"enabled":true,"tokn":"1:a"}}}"#;
    let (_, text) = checked(&Folder::with(typo), false);
    assert!(text.contains("error: ") && text.contains("(did you mean `token`?)"), "{text}");
    let (ok, text) = checked(&broken, true);
    let value: Value = serde_json::from_str(&text).unwrap();
    assert_eq!(
        (ok, &value["ok"], value["errors"].as_array().map(Vec::len)),
        (false, &json!(false), Some(1))
    );
    assert_eq!(
        value["errors"][0],
        json!({"file": "home/config.json", "line": 1, "column": 14, "key": "gateway.port", "message": "a whole number is needed, this is true or false", "hint": ""})
    );
}

#[test]
fn onboard_writes_once() {
    let folder = Folder::new();
    let run = || {
        let mut out = Vec::new();
        let wrote = onboard(&folder.options, &mut out).unwrap();
        (wrote, folder.short(&String::from_utf8(out).unwrap()))
    };
    let (wrote, text) = run();
    assert!(
        wrote
            && text.starts_with(
                "Wrote home/config.json.\nWrote 4 files into the workspace home/workspace.\nNext: "
            ),
        "{text}"
    );
    assert_eq!(folder.mode("home/config.json"), 0o600);
    assert!(folder.errors().contains("no API key configured for model: main"));
    let finished =
        folder.read("home/config.json").replace("\"api_keys\": []", "\"api_keys\": [\"k\"]");
    std::fs::write(folder.path("home/config.json"), &finished).unwrap();
    std::fs::write(folder.path("home/workspace/USER.md"), "mine").unwrap();
    std::fs::remove_file(folder.path("home/workspace/SOUL.md")).unwrap();
    assert_eq!(folder.warnings(), "");
    let (wrote, text) = run();
    assert_eq!(
        (wrote, text.as_str()),
        (
            false,
            "Found home/config.json; it stays as it is.\nWrote 1 files into the workspace home/workspace.\n"
        )
    );
    assert_eq!(
        (folder.read("home/workspace/USER.md").as_str(), folder.read("home/config.json")),
        ("mine", finished)
    );
    let (_, text) = run();
    assert!(text.ends_with("is complete.\n"), "{text}");
    assert_eq!(std::fs::read_dir(folder.home()).unwrap().count(), 2);
}

#[test]
fn onboard_leaves_broken_files_alone() {
    let folder = Folder::with("{ broken, broken");
    let mut out = Vec::new();
    let refused = onboard(&folder.options, &mut out).unwrap_err();
    assert!(refused.as_str().contains("has errors"), "{refused}");
    let text = String::from_utf8(out).unwrap();
    assert!(text.contains("it stays as it is"), "{text}");
    assert_eq!(folder.read("home/config.json"), "{ broken, broken");
}
