//! Values that cannot work: said when they are set, and whenever the configuration is checked.

use crate::config_folder::Folder;
use crate::config_set::{CONFIG, argument, given};
use picoclaw::config::NewValue;

#[test]
fn models_without_a_key_are_named() {
    let folder = Folder::with(CONFIG);
    let said = argument(&folder, "model_list.second.model", "foo").unwrap();
    let want = "model_list.second: no API key configured for model: second; left out (`picoclaw \
         config set model_list.second.api_keys -` reads one from standard input)";
    assert!(said.contains(want), "{said}");
    assert!(folder.warnings().ends_with(want), "{}", folder.warnings());
    // Others are warned about together, and none twice.
    for name in ["third", "fourth", "fifth"] {
        argument(&folder, &format!("model_list.{name}.model"), "groq/x").unwrap();
    }
    let said = folder.warnings();
    let names = said.split("for model: ").nth(1).unwrap();
    assert!(names.contains(" and 1 more; left out") && said.lines().count() == 1, "{said}");
    argument(&folder, "agents.defaults.model_fallbacks", "second").unwrap();
    let said = folder.warnings();
    assert_eq!(said.matches("second").count(), 1, "{said}");
    // A server of one's own needs none.
    let folder = Folder::with(CONFIG);
    for model in ["ollama/x", "vllm/x"] {
        let said = argument(&folder, "model_list.second.model", model).unwrap();
        assert!(!said.contains("warning"), "{said}");
    }
    let own = r#"{"version":3,"model_list":[
        {"model_name":"a","model":"openai/y","api_base":"http://127.0.0.1:8080/v1"}]}"#;
    assert_eq!(Folder::with(own).warnings(), "");
}

#[test]
fn workspaces_that_cannot_be_made_are_warned_about() {
    let folder = Folder::with(CONFIG).file("home/file", "");
    for below in ["", "/x", "/x/y"] {
        let value = format!("{}{below}", folder.path("home/file").display());
        let said = argument(&folder, "agents.defaults.workspace", &value).unwrap();
        let want = format!("home/file{below} cannot be used: home/file: not a directory");
        assert!(said.contains(&format!("agents.defaults.workspace: {want}")), "{said}");
        assert!(folder.warnings().contains(&want), "{}", folder.warnings());
    }
    let value = format!("{}/new/folder", folder.home().display());
    let said = argument(&folder, "agents.defaults.workspace", &value).unwrap();
    assert!(!said.contains("warning") && !folder.path("home/new").exists(), "{said}");
}

/// A header or a request line must not get a second line from a value.
#[test]
fn line_breaks_are_refused_where_a_request_would_have_them() {
    let folder = Folder::with(CONFIG);
    for bad in ["a\r\nX: y", "a\nb", "a\rb", "a\0b"] {
        for key in [
            "model_list.gpt-4.1.user_agent",
            "model_list.gpt-4.1.api_base",
            "model_list.gpt-4.1.proxy",
            "model_list.gpt-4.1.model",
            "tools.web.brave.base_url",
            "tools.skills.registries.github.base_url",
            #[cfg(feature = "telegram")]
            "channel_list.telegram.settings.base_url",
        ] {
            let base = if key.ends_with("base_url") || key.ends_with("api_base") {
                "http://a/"
            } else {
                ""
            };
            let said = argument(&folder, key, &format!("{base}{bad}")).unwrap_err();
            assert!(said.starts_with(&format!("{key} stays as it is")), "{said}");
            assert!(!said.contains("99-set.json"), "{said}");
        }
        for key in [
            "model_list.gpt-4.1.api_keys",
            "gateway.token",
            "tools.web.brave.api_keys",
            "tools.skills.registries.github.auth_token",
            "tools.skills.registries.clawhub.auth_token",
            #[cfg(feature = "telegram")]
            "channel_list.telegram.settings.token",
        ] {
            let said = given(&folder, key, NewValue::Input(bad.into())).unwrap_err();
            assert!(said.contains("control character cannot be sent in a request"), "{said}");
            assert!(!said.contains("99-set.json") && !said.contains(bad), "{said}");
        }
    }
    // The line end of a file does no harm; one inside does.
    let config = CONFIG.replace("\"ollama/y\"", "\"ollama/y\",\"api_keys\":[\"file://key\"]");
    let folder = Folder::with(&config).file("home/key", "abc\r\n");
    assert_eq!(folder.good().config.models[0].api_key.expose(), "abc");
    let errors = folder.file("home/key", "abc\r\ndef").errors();
    assert!(errors.starts_with("home/config.json:1:") && errors.contains("api_keys"), "{errors}");
}

#[test]
fn variables_that_are_no_text_are_named() {
    use std::os::unix::ffi::OsStrExt;
    let folder = Folder::with(CONFIG);
    let out = std::process::Command::new(env!("CARGO_BIN_EXE_picoclaw"))
        .args(["config", "check"])
        .env("PICOCLAW_HOME", folder.home())
        .env("PICOCLAW_GATEWAY_PORT", std::ffi::OsStr::from_bytes(b"80\xff"))
        .output()
        .unwrap();
    let said = String::from_utf8_lossy(&out.stdout);
    let want = "warning: PICOCLAW_GATEWAY_PORT: the value is not UTF-8 text, so this variable is";
    assert!(out.status.success() && said.contains(want), "{said}");
}

#[test]
#[cfg(feature = "migrate")]
fn an_old_file_without_a_key_is_told_which_provider_needs_it() {
    for (model, provider) in [("gpt-4o", "openai"), ("claude-x", "anthropic")] {
        let old = format!(
            r#"{{"agents":{{"defaults":{{"model":"{model}"}}}},"providers":{{"openai":{{"api_key":""}}}}}}"#
        );
        let (said, key) = (Folder::with(&old).errors(), format!("providers.{provider}.api_keys"));
        assert!(
            said.ends_with(&format!(
                "(`picoclaw config set {key} -` reads one from standard input)"
            )),
            "{said}"
        );
        let folder = Folder::with(&old);
        given(&folder, &key, NewValue::Input("k".into())).unwrap();
        assert_eq!(folder.good().config.models[0].provider, provider);
    }
}

#[test]
fn a_list_of_nothing_but_unknown_dimensions_is_the_default() {
    let with = |list: &str| {
        let text = CONFIG.trim_end().strip_suffix('}').unwrap();
        let text = format!(r#"{text},"session":{{"dimensions":{list}}}}}"#);
        Folder::with(&text).good().config.session.dimensions
    };
    assert_eq!(with(r#"["foo"]"#), ["chat"]);
    assert_eq!(with(r#"["foo","sender"]"#), ["sender"]);
    assert!(with("[]").is_empty());
}
