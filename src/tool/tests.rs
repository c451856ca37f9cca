//! The tool table, and the code around a call.

use serde_json::Value;

use super::call::prepare;
use super::list::TOOLS;
use super::result::finish;
use super::*;
use crate::config::Config;
use crate::limits::TOOL_RESULT_BYTES;

#[test]
fn every_schema_is_an_object_and_every_name_unique() {
    for (i, spec) in TOOLS.iter().enumerate() {
        let schema: Value = serde_json::from_str(spec.schema).expect(spec.name);
        assert_eq!(schema["type"], "object", "{}", spec.name);
        assert!(schema["properties"].is_object(), "{}", spec.name);
        for required in schema["required"].as_array().into_iter().flatten() {
            let name = required.as_str().expect("a name");
            assert!(schema["properties"].get(name).is_some(), "{}.{name}", spec.name);
        }
        assert!(TOOLS[i + 1..].iter().all(|other| other.name != spec.name), "{}", spec.name);
        assert!(spec.description.len() > 10 && spec.description.ends_with('.'), "{}", spec.name);
    }
}

#[test]
fn tools_can_be_switched_off() {
    let mut config = Config::default();
    assert!(specs(&config).iter().all(|s| !s.name.starts_with("web_")), "tools.web is off");
    config.tools.web.enabled = true;
    assert_eq!(specs(&config).len(), TOOLS.len());
    config.tools.disabled = vec!["exec".into(), "nothing".into()];
    assert_eq!(specs(&config).len(), TOOLS.len() - 1);
    assert!(spec("exec").is_some() && spec("teleport").is_none());
    let error = prepare(&config, "exec", "{}").expect_err("switched off");
    assert!(
        error.starts_with("tool \"exec\" not found; there are read_file, write_file"),
        "{error}"
    );
}

#[test]
fn an_unknown_tool_gets_a_hint() {
    #[track_caller]
    fn check(name: &str, want: &str) {
        let error = prepare(&Config::default(), name, "{}").expect_err("no such tool");
        assert!(error.starts_with("tool \"") && error.contains(want), "{error}");
    }
    check("readfile", "tool \"readfile\" not found; did you mean \"read_file\"?");
    check("list_dirs", "did you mean \"list_dir\"?");
    check("Exec", "did you mean \"exec\"?");
    check("teleport", "not found; there are read_file, write_file");
    check("", "not found; there are");
    check(&"x".repeat(9000), "xxx...\" not found");
    check("日本", "not found");
}

#[test]
fn results_are_bounded_and_without_secrets() {
    let secrets = ["123456:very-secret-token".to_owned(), "short".to_owned()];
    let result = ToolResult {
        for_model: format!("a {} short", secrets[0]),
        for_user: Some(secrets[0].clone()),
        ..ToolResult::default()
    };
    let mut config = Config::default();
    config.tools.filter_sensitive_data = true;
    let kept = result.clone();
    let result = finish(result, &config, &secrets);
    assert_eq!(result.for_model, "a [FILTERED] [FILTERED]");
    assert_eq!(result.for_user.as_deref(), Some("[FILTERED]"));
    let long = finish(ToolResult::text("é".repeat(TOOL_RESULT_BYTES)), &config, &[]);
    config.tools.filter_sensitive_data = false;
    assert_eq!(finish(kept.clone(), &config, &secrets), kept);
    assert!(long.for_model.len() <= TOOL_RESULT_BYTES && long.for_model.contains("left out"));
}

#[test]
fn every_tool_can_be_switched_off_and_made_to_ask() {
    for spec in TOOLS {
        let name = spec.name;
        assert!(crate::config::TOOLS.contains(&name), "{name} is not read from the configuration");
        for key in ["enabled", "approval"] {
            let key = format!("tools.{name}.{key}");
            assert!(crate::config::keys::by_pattern(&key).is_some(), "no key {key}");
        }
    }
}
