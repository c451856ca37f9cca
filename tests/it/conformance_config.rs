//! Conformance rows of the areas config, model_ref, netbind and (level names) log.

use std::path::PathBuf;

use picoclaw::config::{self, providers};
use serde_json::Value;

use crate::config_folder::Folder;

/// Rows of a test of an area: name, input, expected. `None` where the folder of rows is not there.
fn rows(area: &str, test: &str) -> Option<Vec<(String, Value, Value)>> {
    let folder = match std::env::var_os("PICOCLAW_CASES") {
        Some(folder) => PathBuf::from(folder),
        None => PathBuf::from(concat!(env!("CARGO_MANIFEST_DIR"), "/../shared/cases")),
    };
    let Ok(text) = std::fs::read_to_string(folder.join(format!("{area}.json"))) else {
        println!("skipped: no ../shared/cases");
        return None;
    };
    let file: Value = serde_json::from_str(&text).unwrap();
    let suites = file["suites"].as_array().unwrap();
    let suite = suites
        .iter()
        .find(|s| s["source"]["test"] == test)
        .unwrap_or_else(|| panic!("{area}: no {test}"));
    let cases = suite["cases"].as_array().unwrap();
    assert!(!cases.is_empty());
    Some(
        cases
            .iter()
            .map(|c| (c["name"].to_string(), c["input"].clone(), c["expected"].clone()))
            .collect(),
    )
}

fn texts(value: &Value) -> Vec<String> {
    value
        .as_array()
        .map(|a| a.iter().map(|v| v.as_str().unwrap().to_owned()).collect())
        .unwrap_or_default()
}

#[test]
fn lists_from_the_environment() {
    for (name, input, want) in
        rows("config", "TestFlexibleStringSlice_UnmarshalText").unwrap_or_default()
    {
        assert_eq!(
            config::split_list(input["input"].as_str().unwrap()),
            texts(&want["expected"]),
            "{name}"
        );
    }
}

#[test]
fn redaction() {
    let folder = Folder::with(
        r#"{"version":3,"model_list":[{"model_name":"m","model":"x","api_keys":["sk-model-key-12345"]}],
        "channel_list":{"telegram":{"settings":{"token":"telegram-bot-token-abcdef"}},"discord":{"settings":{"token":"discord-bot-token-xyz789"}}}}"#,
    );
    let secrets = folder.good().secrets();
    for (name, input, want) in
        rows("config", "TestFilterSensitiveData_AllTokenTypes").unwrap_or_default()
    {
        let got = config::redact(input["content"].as_str().unwrap(), &secrets, 8);
        assert_eq!(got, want["want"].as_str().unwrap(), "{name}");
    }
}

#[test]
fn session_scopes() {
    for (name, input, want) in rows("config", "TestSessionConfig_ApplyDmScope").unwrap_or_default()
    {
        let mut session = serde_json::json!({"dm_scope": input["dmScope"]});
        if !input["dimensions"].is_null() {
            session["dimensions"] = input["dimensions"].clone();
        }
        let text = serde_json::json!({"session": session, "model_list": [{"model_name": "m", "model": "ollama/x"}]}).to_string();
        assert_eq!(
            Folder::with(&text).good().config.session.dimensions,
            texts(&want["want"]),
            "{name}"
        );
    }
    for (name, input, want) in rows("config", "TestSessionConfig_DeriveDmScope").unwrap_or_default()
    {
        let dimensions = texts(&input["dimensions"]);
        let dimensions: Vec<&str> = dimensions.iter().map(String::as_str).collect();
        assert_eq!(
            config::scope_of(&dimensions).unwrap_or_default(),
            want["wantScope"].as_str().unwrap(),
            "{name}"
        );
    }
}

#[test]
fn filter_length() {
    let key = config::keys::by_pattern("tools.filter_min_length").unwrap();
    for (name, input, want) in
        rows("config", "TestToolsConfig_GetFilterMinLength").unwrap_or_default()
    {
        let counts = key.in_force(input["minLen"].as_i64().unwrap(), 3);
        assert_eq!(counts, want["expected"].as_i64().unwrap(), "{name}");
    }
}

#[test]
fn model_entries() {
    for (name, input, want) in rows("config", "TestModelConfig_Validate").unwrap_or_default() {
        let text = serde_json::json!({"model_list": [input["config"]]}).to_string();
        assert_eq!(
            Folder::with(&text).load().is_err(),
            want["wantErr"].as_bool().unwrap(),
            "{name}"
        );
    }
    for (name, input, want) in rows("config", "TestMergeAPIKeys").unwrap_or_default() {
        let entry = serde_json::json!({"model_name": "m", "model": "x", "api_key": input["apiKey"], "api_keys": input["apiKeys"]});
        let config =
            Folder::with(&serde_json::json!({"model_list": [entry]}).to_string()).good().config;
        let keys: Vec<&str> = config.models.iter().map(|m| m.api_key.expose()).collect();
        assert_eq!(keys, texts(&want["expected"]), "{name}");
    }
}

#[test]
fn rejected_channel_settings() {
    for (name, input, _) in
        rows("config", "TestInitChannelList_RejectsNegativeStreamingDeliveryValues")
            .unwrap_or_default()
    {
        let settings: Value = serde_json::from_str(input["settings"].as_str().unwrap()).unwrap();
        let channel = serde_json::json!({"type": input["channelType"], "settings": settings});
        let text = serde_json::json!({"channel_list": {"c": channel}, "model_list": [{"model_name": "m", "model": "ollama/x"}]}).to_string();
        assert!(Folder::with(&text).errors().contains("outside 0 and up"), "{name}");
    }
}

#[test]
fn rejected_turn_profiles() {
    for (name, input, want) in
        rows("config", "TestTurnProfileConfig_ValidationRejectsUnsupportedModes")
            .unwrap_or_default()
    {
        let errors = Folder::with(input["raw"].as_str().unwrap()).errors();
        assert!(errors.contains(want["want"].as_str().unwrap()), "{name}: {errors}");
    }
}

#[test]
fn providers_and_models() {
    for (name, input, want) in rows("model_ref", "TestNormalizeProvider").unwrap_or_default() {
        let got = providers::canonical(input["input"].as_str().unwrap()).unwrap_or_default();
        assert_eq!(got, want["want"].as_str().unwrap(), "{name}");
    }
    for (name, input, want) in rows("model_ref", "TestExtractProtocol").unwrap_or_default() {
        let text = |key: &str| input["config"][key].as_str().unwrap_or_default().to_owned();
        let (provider, model) = (text("provider"), text("model"));
        let got = providers::split_model(&provider, &model).unwrap_or_default();
        assert_eq!(
            got,
            (want["wantProtocol"].as_str().unwrap(), want["wantModelID"].as_str().unwrap()),
            "{name}"
        );
    }
}

#[test]
fn gateway_hosts() {
    for (name, input, want) in rows("netbind", "TestNormalizeHostInput").unwrap_or_default() {
        let got = config::hosts(&[input["raw"].as_str().unwrap().to_owned()]);
        assert_eq!(got.is_err(), want["wantErr"].as_bool().unwrap(), "{name}");
        assert_eq!(got.unwrap_or_default().join(","), want["want"].as_str().unwrap(), "{name}");
    }
}

#[test]
fn log_levels() {
    for (name, input, want) in rows("log", "TestParseLevelValid").unwrap_or_default() {
        let text = serde_json::json!({"gateway": {"log_level": input["input"]}, "model_list": [{"model_name": "m", "model": "ollama/x"}]}).to_string();
        let level = Folder::with(&text).good().config.gateway.log_level;
        assert_eq!(level.to_ascii_uppercase(), want["want"].as_str().unwrap(), "{name}");
    }
}
