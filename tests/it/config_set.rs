//! `config set`, and `config show` of keys that are not there.

use crate::config_folder::Folder;
use picoclaw::config::{NewValue, SET_FILE, set, show};

pub const CONFIG: &str =
    r#"{"version":3,"model_list":[{"model_name":"gpt-4.1","model":"ollama/y"}]}"#;

pub fn given(folder: &Folder, key: &str, value: NewValue) -> Result<String, String> {
    let mut out = Vec::new();
    let done = set(&folder.options, key, &value, &mut out);
    let text = folder.short(&String::from_utf8(out).unwrap());
    done.map(|()| text).map_err(|e| folder.short(e.as_str()))
}

pub fn argument(folder: &Folder, key: &str, value: &str) -> Result<String, String> {
    given(folder, key, NewValue::Argument(value.into()))
}

pub fn file() -> String {
    format!("home/config.d/{SET_FILE}")
}

#[test]
fn keys_are_set_one_after_the_other() {
    let folder = Folder::with(CONFIG);
    let said = argument(&folder, "gateway.port", "7").unwrap();
    assert_eq!(
        said,
        "✓ gateway.port is set in home/config.d/99-set.json\n\
         A running gateway reads it on SIGHUP, or when it is started again.\n"
    );
    argument(&folder, "heartbeat.enabled", "off").unwrap();
    argument(&folder, "tools.exec.env", "A,B").unwrap();
    argument(&folder, "time.servers", r#"["a","b"]"#).unwrap();
    argument(&folder, "model_list.gpt-4.1.streaming.enabled", "true").unwrap();
    argument(&folder, "model_list.gpt-4.1.extra_body", r#"{"x":1}"#).unwrap();
    given(&folder, "gateway.token", NewValue::Input(" t0ken \n".into())).unwrap();
    let config = folder.good().config;
    assert_eq!((config.gateway.port, config.gateway.token.expose()), (7, "t0ken"));
    assert!(config.heartbeat.is_zero() && config.models[0].streaming);
    assert_eq!(config.models[0].extra_body, r#"{"x":1}"#);
    assert_eq!(
        (config.tools.exec.env, config.time_servers.len()),
        (vec!["A".into(), "B".into()], 2)
    );
    assert_eq!(folder.mode(&file()), 0o600);
    argument(&folder, "gateway.port", "null").unwrap();
    assert_eq!(folder.good().config.gateway.port, 18790);
}

/// Two names that the user chose: of the hook or model, and of the variable or header.
#[test]
fn names_below_names_are_set() {
    let folder = Folder::with(CONFIG);
    argument(&folder, "model_list.gpt-4.1.custom_headers.X-Team", "t").unwrap();
    let headers = &folder.good().config.models[0].custom_headers;
    assert_eq!(headers, &[("X-Team".to_owned(), "t".to_owned())]);
    let said = argument(&folder, "model_list.gpt-4.1.custom_headers.Authorization", "x");
    assert!(said.unwrap_err().contains("is a secret"));
    assert!(argument(&folder, "model_list.gpt-4.1.custom_headers.", "t").is_err());
    argument(&folder, "model_list.gpt-4.1.custom_headers.X-Team", "null").unwrap();
    assert!(folder.good().config.models[0].custom_headers.is_empty());
}

#[cfg(feature = "hooks")]
#[test]
fn a_hook_is_set_key_by_key_and_shown_without_its_variables() {
    let folder = Folder::with(CONFIG);
    let said = argument(&folder, "hooks.processes.gate", "null").unwrap_err();
    assert!(said.contains("is not set in home/config.d/"), "{said}");
    for (key, value) in [("env.FOO", "bar"), ("command", r#"["sh"]"#), ("observe", "*")] {
        argument(&folder, &format!("hooks.processes.gate.{key}"), value).unwrap();
    }
    argument(&folder, "hooks.processes.gate.enabled", "true").unwrap();
    let hooks = folder.good().config.hooks;
    assert_eq!(hooks.processes[0].env, [("FOO".to_owned(), "bar".to_owned())]);
    let shown = |key| {
        let mut out = Vec::new();
        show(&folder.options, key, false, &mut out).unwrap();
        folder.short(&String::from_utf8(out).unwrap())
    };
    let text = shown("hooks.processes.gate.");
    let env = "env.FOO   = \"[redacted]\"  # home/config.d/99-set.json:";
    let enabled = "enabled   = true  # home/config.d/99-set.json:";
    for line in [env, enabled, "priority  = 0  # default", "command   = [\"sh\"]  # home/"] {
        assert!(text.contains(&format!("hooks.processes.gate.{line}")), "{line}: {text}");
    }
}

#[test]
fn null_takes_back_what_was_set() {
    let folder = Folder::with(CONFIG);
    let said = argument(&folder, "gateway.port", "null").unwrap_err();
    assert_eq!(said, "gateway.port is not set in home/config.d/99-set.json: nothing to take back");
    for name in ["channel_list.foo", "model_list.nosuch", "model_list.gpt-4.1"] {
        let said = argument(&folder, name, "null").unwrap_err();
        assert!(said.starts_with(&format!("{name} is not set in {}", file())), "{said}");
    }
    let said = argument(&folder, "gateway.prot", "null").unwrap_err();
    assert!(said.contains("did you mean `gateway.port`?"), "{said}");
    argument(&folder, "model_list.v1.5.model", "ollama/z").unwrap();
    argument(&folder, "model_list.v1.5.rpm", "3").unwrap();
    argument(&folder, "heartbeat.interval", "60").unwrap();
    let said = argument(&folder, "model_list.v1.5", "null").unwrap();
    assert!(said.starts_with("✓ model_list.v1.5 is no longer set in home/config.d/"), "{said}");
    assert_eq!(folder.read(&file()), "{\n  \"heartbeat\": {\n    \"interval\": 60\n  }\n}\n");
    // What is left would not be good.
    argument(&folder, "model_list.new.model", "ollama/z").unwrap();
    argument(&folder, "model_list.new.rpm", "3").unwrap();
    let said = argument(&folder, "model_list.new.model", "null").unwrap_err();
    assert!(said.contains("model_list.new.model stays as it is"), "{said}");
    argument(&folder, "model_list.new", "null").unwrap();
    argument(&folder, "heartbeat", "null").unwrap();
    assert!(!folder.path(&file()).exists());
    assert_eq!(folder.warnings(), "");
}

#[test]
fn what_a_lower_layer_says_is_named_when_a_key_is_taken_back() {
    let config = CONFIG.replace(r#""version":3,"#, r#""version":3,"gateway":{"port":8},"#);
    let folder = Folder::with(&config);
    let said = argument(&folder, "gateway.port", "null").unwrap_err();
    assert!(said.ends_with("nothing to take back; home/config.json sets it"), "{said}");
    argument(&folder, "gateway.port", "9").unwrap();
    let said = argument(&folder, "gateway.port", "null").unwrap();
    assert!(said.contains("\nIt is now what home/config.json says.\n"), "{said}");
    assert_eq!(folder.good().config.gateway.port, 8);
}

#[test]
fn values_in_force_that_differ_are_shown() {
    let folder = Folder::with(CONFIG);
    for (key, value, want) in [
        ("heartbeat.interval", "1", "in force: 5 (at least 5)"),
        ("heartbeat.interval", "0", "in force: 30 (0 means 30)"),
        ("agents.defaults.max_tool_iterations", "0", "in force: 20 (0 means 20)"),
        ("tools.read_file.max_read_file_size", "70000", "in force: 65536 (at most 65536)"),
        ("agents.defaults.workspace", "~/w", "in force: \"user/w\""),
        ("model_list.gpt-4.1.rpm", "5", ""),
        ("heartbeat.interval", "7", ""),
    ] {
        let said = argument(&folder, key, value).unwrap();
        let line = said.lines().find(|line| line.starts_with("in force: ")).unwrap_or_default();
        assert!(line.ends_with(want) && want.is_empty() == line.is_empty(), "{key}: {said}");
    }
}

#[test]
fn empty_secrets_are_refused_with_the_cure() {
    let folder = Folder::with(CONFIG);
    for (key, value) in [
        ("gateway.token", ""),
        ("gateway.token", " \n"),
        ("gateway.token", "\"\""),
        ("model_list.gpt-4.1.api_keys", ""),
        ("model_list.gpt-4.1.api_keys", "[]"),
        ("model_list.gpt-4.1.api_keys", "[\"\", \" \"]"),
        ("model_list.gpt-4.1.api_keys", ","),
    ] {
        let said = given(&folder, key, NewValue::Input(value.into())).unwrap_err();
        let want = format!(
            "{key}: the secret is empty; `picoclaw config set {key} null` takes back what was set"
        );
        assert_eq!(said, want, "{value:?}");
    }
    assert!(!folder.path(&file()).exists());
}

#[test]
fn refused_values_name_no_line_of_a_file_that_was_not_written() {
    let folder = Folder::with(CONFIG);
    for written in [false, true] {
        for (key, value) in [
            ("gateway.port", "70000"),
            ("gateway.host", "http://x"),
            ("gateway.log_level", "loud"),
            ("memory.consolidation.time", "25:00"),
            ("model_list.gpt-4.1.model", "a b"),
            ("model_list.gpt-4.1.api_base", "x"),
            ("agents.defaults.model_name", "nosuch"),
            ("tools.allow_read_paths", "("),
            ("tools.exec.env", "A=B"),
            ("channel_list.foo.type", "bar"),
        ] {
            let said = argument(&folder, key, value).unwrap_err();
            assert!(said.contains("stays as it is") && !said.contains("99-set.json"), "{said}");
        }
        assert_eq!(folder.path(&file()).exists(), written);
        argument(&folder, "heartbeat.interval", "60").unwrap();
    }
}

#[test]
fn invalid_values_are_not_written() {
    let folder = Folder::with(CONFIG);
    for (key, value, want) in [
        ("gateway.prot", "7", "no key is called `gateway.prot` (did you mean `gateway.port`?)"),
        ("gateway.port", "eighty", "gateway.port: a whole number is needed"),
        (
            "gateway.port",
            "70000",
            "gateway.port stays as it is, because the configuration would have errors:\n\
             gateway.port: 70000 is outside 0 to 65535",
        ),
        ("version", "null", "version stays as it is: it says how the file that has it is read"),
        ("model_list.gpt-4.1.api_key", "s3cret", "model_list.gpt-4.1.api_keys is a secret"),
        ("tools.mcp", "x", "tools.mcp is not used by this build"),
        ("isolation.enabled", "true", "isolation.enabled is not used by this build"),
        (
            "gateway.token",
            "s3cret",
            "gateway.token is a secret, and arguments can be read by every process: write \
             `picoclaw config set gateway.token -` and give it on standard input",
        ),
        ("model_list.new.proxy", "", "model_list.new.proxy stays as it is"),
    ] {
        let said = argument(&folder, key, value).unwrap_err();
        assert!(said.starts_with(want), "{said}");
        assert!(!said.contains("s3cret"), "{said}");
    }
    assert!(!folder.path(&file()).exists());
}

/// No suggestion is what was typed, and each can be obeyed.
#[test]
fn paths_of_no_key_are_explained() {
    let folder = Folder::with(CONFIG);
    let said = argument(&folder, "gateway", "5").unwrap_err();
    assert!(said.contains("`gateway` is a section; its keys are host, "), "{said}");
    assert!(!said.contains("did you mean"), "{said}");
    let said = argument(&folder, "model_list[0].rpm", "5").unwrap_err();
    assert!(said.ends_with("takes its name: `model_list.gpt-4.1.rpm`"), "{said}");
    argument(&folder, "model_list.gpt-4.1.rpm", "5").unwrap();
}

#[test]
fn errors_of_before_are_named_as_such() {
    let folder = Folder::with("{\"gateway\": {\"port\": \"x\"}}");
    let said = argument(&folder, "heartbeat.interval", "60").unwrap_err();
    assert!(said.contains("because the configuration has errors already:"), "{said}");
}

#[test]
fn a_host_without_a_token_is_warned_about() {
    let folder = Folder::with(CONFIG);
    let said = argument(&folder, "gateway.host", "0.0.0.0").unwrap();
    assert!(said.contains("0.0.0.0 without a token serves this machine only"), "{said}");
    assert!(said.contains("`picoclaw config set gateway.token -`"), "{said}");
}

#[test]
fn commands_that_never_ask_are_warned_about() {
    let said = argument(&Folder::with(CONFIG), "tools.exec.approval", "never").unwrap();
    assert!(said.contains("commands run without your yes"), "{said}");
}

#[test]
fn overriding_layers_are_reported() {
    let folder = Folder::with(CONFIG).env("PICOCLAW_GATEWAY_PORT", "9");
    let said = argument(&folder, "gateway.port", "7").unwrap();
    assert!(said.contains("warning: PICOCLAW_GATEWAY_PORT sets it too, and wins"), "{said}");
}

#[test]
fn show_of_no_key_is_an_error_that_names_the_nearest() {
    let folder = Folder::with(CONFIG);
    let said = |only: &str| {
        let mut out = Vec::new();
        show(&folder.options, only, false, &mut out).map_err(|e| e.to_string())
    };
    assert_eq!(
        said("gateway.prot").unwrap_err(),
        "no key is called `gateway.prot` (did you mean `gateway.port`?)"
    );
    assert_eq!(said("gatway").unwrap_err(), "no key is called `gatway` (did you mean `gateway`?)");
    assert_eq!(
        said("nosuch").unwrap_err(),
        "no key is called `nosuch` (`picoclaw config keys` lists them)"
    );
    for only in ["", "gateway", "gateway.", "gateway.po", "channel_list", "session.identity_links"]
    {
        assert_eq!(said(only), Ok(()), "{only}");
    }
}

#[test]
fn modes_that_are_not_known_are_errors() {
    for (path, known) in [
        ("turn_profile.history", "default, off"),
        ("turn_profile.system_prompt", "default, off, custom"),
        ("turn_profile.skills", "default, off, custom"),
        ("turn_profile.tools", "default, off, custom"),
    ] {
        let name = path.split('.').nth(1).unwrap();
        let folder = Folder::with(&format!(
            r#"{{"version":3,"agents":{{"defaults":{{"turn_profile":{{"{name}":{{"mode":"odd"}}}}}}}},
"model_list":[{{"model_name":"a","model":"ollama/y"}}]}}"#
        ));
        let errors = folder.errors();
        let want = format!(": agents.defaults.{path}.mode: `odd` is not one of {known}");
        assert!(errors.starts_with("home/config.json:1:") && errors.ends_with(&want), "{errors}");
    }
    let folder = Folder::with(
        r#"{"version":3,"model_list":[{"model_name":"a","model":"ollama/y","tool_schema_transform":"odd"}]}"#,
    );
    assert!(
        folder.errors().contains(
            "tool_schema_transform: `odd` is not one of off, none, native, simple, basic, strict, flat"
        ),
        "{}",
        folder.errors()
    );
}

#[test]
fn a_list_is_no_configuration() {
    let folder = Folder::with("[1,2]");
    assert!(folder.errors().contains("an object is needed at the top"), "{}", folder.errors());
}

/// What the supervisor is told and tells the gateway is no mistyped key.
#[test]
fn variables_of_the_program_itself_are_known() {
    let names = picoclaw::environment::NAMES.split_whitespace();
    let mut names: std::collections::BTreeSet<String> =
        names.map(|name| format!("PICOCLAW_{name}")).collect();
    let root = std::path::Path::new(env!("CARGO_MANIFEST_DIR"));
    let mut folders = vec![root.join("rootfs-overlay/etc")];
    while let Some(folder) = folders.pop() {
        for entry in std::fs::read_dir(folder).unwrap().flatten() {
            if entry.file_type().unwrap().is_dir() {
                folders.push(entry.path());
                continue;
            }
            let text = std::fs::read(entry.path()).unwrap();
            let text = String::from_utf8_lossy(&text);
            for (at, _) in text.match_indices("PICOCLAW_") {
                let name = |c: char| c.is_ascii_uppercase() || c.is_ascii_digit() || c == '_';
                let end = text[at..].find(|c| !name(c)).unwrap_or(text.len() - at);
                if end > "PICOCLAW_".len() {
                    names.insert(text[at..at + end].to_owned());
                }
            }
        }
    }
    for build in ["PICOCLAW_BUILD_EPOCH", "PICOCLAW_GIT"] {
        names.remove(build);
    }
    assert!(names.contains("PICOCLAW_TOOLS_CGROUP") && names.contains("PICOCLAW_KEEPALIVE"));
    names.retain(|name| !["PICOCLAW_HOME", "PICOCLAW_CONFIG"].contains(&&**name));
    let mut folder = Folder::with(CONFIG);
    for name in &names {
        folder = folder.env(name, "1");
    }
    assert_eq!(folder.warnings(), "");
    let folder = Folder::with(CONFIG).env("PICOCLAW_HEARTBEAT_INTERVALL", "5");
    assert!(folder.warnings().contains("PICOCLAW_HEARTBEAT_INTERVAL`"), "{}", folder.warnings());
}
