//! Layers over each other, `.security.yml`, variables, the last good configuration.

use std::os::unix::fs::symlink;

use crate::config_folder::{Folder, bots};
use picoclaw::config::{self, LAST_GOOD};

const BASE: &str = r#"{"version":3,"model_list":[{"model_name":"a","model":"openai/x","api_key":"k"},{"model_name":"b","model":"ollama/y"}],"gateway":{"port":1}}"#;

#[test]
fn layers_lie_over_each_other_in_order() {
    let folder = Folder::with(
        r#"{"gateway":{"port":4},"agents":{"defaults":{"max_llm_retries":4}}}"#,
    )
    .file("etc/config.json", BASE)
    .file("etc/config.d/20-b.json", r#"{"gateway":{"port":3,"log_level":"info"}}"#)
    .file(
        "etc/config.d/10-a.json",
        r#"{"gateway":{"port":2,"log_level":"debug"},"agents":{"defaults":{"max_llm_retries":9}}}"#,
    )
    .file("etc/config.d/30.json.bak", "not read")
    .file("etc/config.d/.hidden.json", "not read")
    .file(
        "home/config.d/50.json",
        r#"{"agents":{"defaults":{"max_tokens":77}},"gateway":{"log_level":null}}"#,
    )
    .env("PICOCLAW_AGENTS_DEFAULTS_MAX_TOKENS", "88");
    let loaded = folder.good();
    let c = &loaded.config;
    assert_eq!(
        (c.gateway.port, c.gateway.log_level.as_str(), c.agent.max_llm_retries, c.agent.max_tokens),
        (4, "warn", 4, 88)
    );
    let names: Vec<String> = loaded.layers.iter().map(|l| folder.short(&l.name)).collect();
    assert_eq!(
        names,
        [
            "built-in",
            "etc/config.json",
            "etc/config.d/10-a.json",
            "etc/config.d/20-b.json",
            "home/config.json",
            "home/config.d/50.json",
            "environment"
        ]
    );
    let source =
        |path: &str| loaded.source(path).map(|p| (folder.short(&p.file), p.line, p.column));
    assert_eq!(source("gateway.port"), Some(("home/config.json".to_owned(), 1, 13)));
    assert_eq!(
        source("agents.defaults.max_tokens"),
        Some(("PICOCLAW_AGENTS_DEFAULTS_MAX_TOKENS".to_owned(), 0, 0))
    );
    assert_eq!(source("gateway.log_level"), None);
}

#[test]
fn an_overlay_patches_and_adds_models_by_name() {
    let folder = Folder::with(BASE)
        .file("home/config.d/1.json", r#"{"model_list":{"a":{"rpm":5,"api_key":"new"},"c":{"model":"groq/z","api_key":"g"}}}"#)
        .file("home/config.d/2.json", r#"{"model_list":{"b":null}}"#);
    let models = folder.good().config.models;
    let got: Vec<(&str, u32, &str)> =
        models.iter().map(|m| (m.model_name.as_str(), m.rpm, m.api_key.expose())).collect();
    assert_eq!(got, [("a", 5, "new"), ("c", 0, "g")]);
    let folder = Folder::with(BASE).file(
        "home/config.d/1.json",
        r#"{"model_list":[{"model_name":"only","model":"ollama/y"}]}"#,
    );
    assert_eq!(folder.good().config.models.len(), 1);
}

#[test]
fn an_old_overlay_fits_a_new_base() {
    let folder = Folder::with(r#"{"model_list":{"m":{"model":"ollama/x"}},"channel_list":{"telegram":{"enabled":true,"type":"telegram","allow_from":["1"]}}}"#)
        .file("home/config.d/50-boot.json", r#"{"channels":{"telegram":{"token":"1:abc","pairing_code":"abcd1234"}},"agents":{"defaults":{"model":"m"}}}"#);
    let c = folder.good().config;
    assert_eq!(
        (bots(&c)[0].1.token.expose(), bots(&c)[0].0.enabled, bots(&c)[0].0.allow_from.len()),
        ("1:abc", true, 1)
    );
    assert_eq!(c.agent.model, "m");
}

#[test]
fn picoclaw_config_replaces_both_base_files() {
    let folder = Folder::with(r#"{"gateway":{"port":4}, "broken": 1}"#)
        .file("etc/config.json", r#"{"gateway":{"port":3,"log_level":"debug"}}"#)
        .file("etc/config.d/1.json", r#"{"gateway":{"port":5},"time":{"servers":["t"]}}"#)
        .file("home/config.d/1.json", r#"{"session":{"dimensions":["sender"]}}"#)
        .file("other/mine.json", BASE)
        .file("other/.security.yml", "model_list:\n  b: {}\n");
    let path = folder.path("other/mine.json").display().to_string();
    let folder = folder.env("PICOCLAW_CONFIG", &path);
    let loaded = folder.good();
    let c = &loaded.config;
    assert_eq!(
        (
            c.gateway.port,
            c.gateway.log_level.as_str(),
            c.time_servers.len(),
            c.session.dimensions.clone()
        ),
        (1, "warn", 1, vec!["sender".to_owned()])
    );
    assert!(loaded.layers.iter().any(|l| l.name.ends_with("other/.security.yml")));
}

const SECURITY: &str = "\
# written by hand
---
model_list:
  'a:0':
    api_keys:
      - k1
      - \"k2\"
  b:
    api_keys: [] # none
channels:
  telegram:
    settings:
      token: file://tg.token
web:
  brave:
    api_keys:
    - brave-key
skills:
  registries:
    github:
      auth_token: ghp
";

const NO_SECRETS: &str = r#"{"version":3,"model_list":[{"model_name":"a","model":"openai/x","api_keys":["[NOT_HERE]"]},{"model_name":"b","model":"ollama/y"}],
"channel_list":{"telegram":{"enabled":true,"settings":{"token":"[NOT_HERE]"}}},"tools":{"web":{"brave":{"enabled":true}}}}"#;

#[test]
fn secrets_come_from_security_yml() {
    let folder = Folder::with(NO_SECRETS)
        .file("home/.security.yml", SECURITY)
        .file("home/tg.token", "\u{feff} 123:abc\r\n");
    let loaded = folder.good();
    let c = &loaded.config;
    assert_eq!(loaded.warnings, []);
    let got: Vec<(&str, &str)> =
        c.models.iter().map(|m| (m.model_name.as_str(), m.api_key.expose())).collect();
    assert_eq!(got, [("a", "k1"), ("a__key_1", "k2"), ("b", "")]);
    assert_eq!(
        (bots(c)[0].1.token.expose(), c.tools.web.engine("brave").expect("set").api_key.expose()),
        ("123:abc", "brave-key")
    );
    assert_eq!(loaded.secrets(), ["123:abc", "brave-key"]);
    assert_eq!(loaded.source("channel_list.telegram.settings.token").map(|p| p.line), Some(13));
}

#[test]
fn overlays_win_over_security_yml_and_gaps_are_filled() {
    let folder = Folder::with(NO_SECRETS)
        .file("home/.security.yml", "model_list:\n  a:\n    api_keys:\n    - old\n  late:\n    api_keys:\n    - l1\n  ghost:\n    api_keys:\n    - g\nchannel_list:\n  telegram:\n    settings:\n      token: 1:a\n")
        .file("home/config.d/1.json", r#"{"model_list":{"a":{"api_key":"new"},"late":{"model":"groq/x"}}}"#);
    let c = folder.good().config;
    let got: Vec<(&str, &str)> =
        c.models.iter().map(|m| (m.model_name.as_str(), m.api_key.expose())).collect();
    assert_eq!(got, [("a", "new"), ("b", ""), ("late", "l1")]);
    assert_eq!(
        folder.warnings(),
        "home/.security.yml:8:3: model_list.ghost: no entry of model_list has this name"
    );
}

#[test]
fn security_errors_have_their_line() {
    let check = |yaml: &str, want: &str| {
        let folder = Folder::with(NO_SECRETS)
            .file("home/.security.yml", yaml)
            .file("home/empty", " \n")
            .file("secret", "x")
            .file("home/big", "x".repeat(20_000));
        symlink("../secret", folder.path("home/link")).unwrap();
        assert!(folder.errors().starts_with(want), "{}", folder.errors());
    };
    check("model_list:\n  a:\n\tb: c\n", "home/.security.yml:3:1: a tab in the indentation");
    check("model_list: &x\n  a: b\n", "home/.security.yml:1:13: anchors (&) are not supported");
    check(
        "- nothing\n- here\n",
        "home/.security.yml:1:1: sections such as model_list are needed at the top",
    );
    let token =
        |value: &str| format!("channels:\n  telegram:\n    settings:\n      token: {value}\n");
    let at = "home/.security.yml:4:7: channel_list.telegram.settings.token: ";
    check(
        &token("enc://AAAA"),
        &format!("{at}this is not an encrypted value: enc:// and base64 are needed"),
    );
    check(&token("file://empty"), &format!("{at}empty is empty"));
    check(&token("file://"), &format!("{at}file:// needs a file name"));
    check(&token("file://nothing"), &format!("{at}cannot read nothing: No such file"));
    check(
        &token("file://../secret"),
        &format!("{at}../secret is outside the configuration's folder"),
    );
    check(&token("file://link"), &format!("{at}link is outside the configuration's folder"));
    check(
        &token("file:///etc/hostname"),
        &format!("{at}/etc/hostname is outside the configuration's folder"),
    );
    check(&token("file://big"), &format!("{at}cannot read big: larger than 16 KiB"));
    check(
        "channel_list:\n  telegram:\n    settings:\n      token:\n        - x\n",
        "home/.security.yml:4:7: channel_list.telegram.settings.token: a string is needed, this is an array",
    );
    let folder = Folder::with(BASE).file("home/.security.yml", "modell_list:\n  a: b\n");
    assert_eq!(
        folder.warnings(),
        "home/.security.yml:1:1: modell_list: unknown section, ignored (did you mean `model_list`?)"
    );
}

#[test]
fn file_values_work_in_json_and_not_in_variables() {
    let folder = Folder::with(
        r#"{"model_list":[{"model_name":"a","model":"openai/x","api_key":"file://k"}]}"#,
    )
    .file("home/k", "from-file\n");
    assert_eq!(folder.good().config.models[0].api_key.expose(), "from-file");
    let folder = Folder::with(BASE).env("PICOCLAW_MODEL_LIST_A_API_KEY", "file://k");
    assert_eq!(
        folder.errors(),
        "PICOCLAW_MODEL_LIST_A_API_KEY: model_list.0.api_keys: file:// works only in a configuration file"
    );
}

#[test]
fn variables_are_the_highest_layer() {
    let folder = Folder::with(BASE)
        .env("PICOCLAW_CHANNELS_TELEGRAM_ENABLED", "true")
        .env("PICOCLAW_CHANNELS_TELEGRAM_TOKEN", "9:env")
        .env("PICOCLAW_CHANNELS_TELEGRAM_ALLOW_FROM", "1，2")
        .env("PICOCLAW_PROVIDERS_GROQ_API_KEY", "gk")
        .env("PICOCLAW_AGENTS_DEFAULTS_PROVIDER", "groq")
        .env("PICOCLAW_AGENTS_DEFAULTS_MODEL", "llama")
        .env("PICOCLAW_LOG_LEVEL", "error")
        .env("PICOCLAW_GATEWAY_HOST", "127.0.0.1,::1");
    let loaded = folder.good();
    let c = &loaded.config;
    assert_eq!(
        (bots(c)[0].1.token.expose(), bots(c)[0].0.allow_from.clone()),
        ("9:env", vec!["1".to_owned(), "2".to_owned()])
    );
    assert_eq!(
        (
            c.agent.model.as_str(),
            c.models.last().unwrap().provider.as_str(),
            c.models.last().unwrap().api_key.expose()
        ),
        ("llama", "groq", "gk")
    );
    assert_eq!((c.gateway.log_level.as_str(), c.gateway.hosts.len()), ("error", 2));
    assert_eq!(
        Folder::with(BASE).env("PICOCLAW_GATEWAY_PORT", "99999").errors(),
        "PICOCLAW_GATEWAY_PORT: gateway.port: 99999 is outside 0 to 65535"
    );
    assert_eq!(
        Folder::with(BASE).env("PICOCLAW_GATEWAY_PORT", "x").errors(),
        "PICOCLAW_GATEWAY_PORT: a whole number is needed"
    );
}

#[test]
fn the_last_good_configuration_is_kept() {
    let folder = Folder::with(NO_SECRETS)
        .file("home/.security.yml", SECURITY)
        .file("home/tg.token", "123:abc")
        .env("PICOCLAW_GATEWAY_PORT", "5");
    assert!(config::load_last_good(&folder.home(), &folder.options).is_err());
    let loaded = folder.good();
    config::save_last_good(&folder.home(), &loaded).unwrap();
    config::save_last_good(&folder.home(), &loaded).unwrap();
    let path = format!("home/{LAST_GOOD}");
    assert_eq!(folder.mode(&path), 0o600);
    assert_eq!(std::fs::read_dir(folder.path("home/state")).unwrap().count(), 1);
    let folder = folder
        .file("home/config.json", "{ broken, broken")
        .file("home/.security.yml", "also: [broken");
    assert!(folder.load().is_err());
    let last = config::load_last_good(&folder.home(), &folder.options).unwrap();
    assert_eq!(format!("{:?}", last.config), format!("{:?}", loaded.config));
    assert_eq!(
        (bots(&last.config)[0].1.token.expose(), last.secrets()),
        ("123:abc", loaded.secrets())
    );
    let folder = folder.file(&path, "{\"version\": 9, \"x\": ");
    assert!(
        config::load_last_good(&folder.home(), &folder.options)
            .unwrap_err()
            .to_string()
            .contains("not JSON")
    );
}

#[test]
fn secrets_are_gathered_from_everywhere() {
    let folder = Folder::with(
        r#"{"model_list":[{"model_name":"m","model":"ollama/x","proxy":"http://user:pass1@h:1","custom_headers":{"Authorization":"Bearer tok-123"}}],
        "channels":{"slack":{"bot_token":"xoxb-1","enabled":false},"telegram":{"pairing_code":"abcd-1234","token":"abc"}}}"#,
    );
    assert_eq!(
        folder.good().secrets(),
        ["Bearer tok-123", "abcd-1234", "pass1", "tok-123", "user:pass1", "xoxb-1"]
    );
}

#[test]
fn a_link_that_leads_nowhere_is_no_missing_file() {
    for (name, want) in [
        ("config.json", "home/config.json: cannot read: "),
        (".security.yml", "home/.security.yml: cannot read: "),
        ("config.d", "home/config.d: cannot read the folder: "),
        ("config.d/20-x.json", "home/config.d/20-x.json: cannot read: "),
    ] {
        let folder = Folder::with(BASE).file("etc/config.json", BASE);
        let place = folder.path(&format!("home/{name}"));
        std::fs::create_dir_all(place.parent().unwrap()).unwrap();
        // config.json is there already.
        let _ = std::fs::remove_file(&place);
        symlink("/nowhere/at/all", &place).unwrap();
        assert!(folder.errors().contains(want), "{name}: {}", folder.errors());
    }
}
