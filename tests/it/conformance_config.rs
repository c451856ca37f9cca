//! Conformance rows ([`crate::rows`]) of the areas config, model_ref, netbind and (level names) log.

use picoclaw::config::{self, providers};
use serde_json::Value;

use crate::config_folder::Folder;
use crate::rows::{Row, rows_of, strings as texts};

#[test]
fn lists_from_the_environment() {
    for Row { name, input, expected: want, .. } in
        rows_of("config", "TestFlexibleStringSlice_UnmarshalText")
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
    for Row { name, input, expected: want, .. } in
        rows_of("config", "TestFilterSensitiveData_AllTokenTypes")
    {
        let got = config::redact(input["content"].as_str().unwrap(), &secrets, 8);
        assert_eq!(got, want["want"].as_str().unwrap(), "{name}");
    }
}

#[test]
fn session_scopes() {
    for Row { name, input, expected: want, .. } in
        rows_of("config", "TestSessionConfig_ApplyDmScope")
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
}

#[test]
fn filter_length() {
    let key = config::keys::by_pattern("tools.filter_min_length").unwrap();
    for Row { name, input, expected: want, .. } in
        rows_of("config", "TestToolsConfig_GetFilterMinLength")
    {
        let counts = key.in_force(input["minLen"].as_i64().unwrap(), 3);
        assert_eq!(counts, want["expected"].as_i64().unwrap(), "{name}");
    }
}

#[test]
fn model_entries() {
    for Row { name, input, expected: want, .. } in rows_of("config", "TestModelConfig_Validate") {
        let text = serde_json::json!({"model_list": [input["config"]]}).to_string();
        assert_eq!(
            Folder::with(&text).load().is_err(),
            want["wantErr"].as_bool().unwrap(),
            "{name}"
        );
    }
    for Row { name, input, expected: want, .. } in rows_of("config", "TestMergeAPIKeys") {
        let entry = serde_json::json!({"model_name": "m", "model": "x", "api_key": input["apiKey"], "api_keys": input["apiKeys"]});
        let config =
            Folder::with(&serde_json::json!({"model_list": [entry]}).to_string()).good().config;
        let keys: Vec<&str> = config.models.iter().map(|m| m.api_key.expose()).collect();
        assert_eq!(keys, texts(&want["expected"]), "{name}");
    }
}

#[test]
fn rejected_channel_settings() {
    for Row { name, input, .. } in
        rows_of("config", "TestInitChannelList_RejectsNegativeStreamingDeliveryValues")
    {
        let settings: Value = serde_json::from_str(input["settings"].as_str().unwrap()).unwrap();
        let channel = serde_json::json!({"type": input["channelType"], "settings": settings});
        let text = serde_json::json!({"channel_list": {"c": channel}, "model_list": [{"model_name": "m", "model": "ollama/x"}]}).to_string();
        assert!(Folder::with(&text).errors().contains("outside 0 and up"), "{name}");
    }
}

#[test]
fn rejected_turn_profiles() {
    for Row { name, input, expected: want, .. } in
        rows_of("config", "TestTurnProfileConfig_ValidationRejectsUnsupportedModes")
    {
        let errors = Folder::with(input["raw"].as_str().unwrap()).errors();
        assert!(errors.contains(want["want"].as_str().unwrap()), "{name}: {errors}");
    }
}

#[test]
fn providers_and_models() {
    for Row { name, input, expected: want, .. } in rows_of("model_ref", "TestNormalizeProvider") {
        let got = providers::canonical(input["input"].as_str().unwrap()).unwrap_or_default();
        assert_eq!(got, want["want"].as_str().unwrap(), "{name}");
    }
    for Row { name, input, expected: want, .. } in rows_of("model_ref", "TestExtractProtocol") {
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
    for Row { name, input, expected: want, .. } in rows_of("netbind", "TestNormalizeHostInput") {
        let got = config::hosts(&[input["raw"].as_str().unwrap().to_owned()]);
        assert_eq!(got.is_err(), want["wantErr"].as_bool().unwrap(), "{name}");
        assert_eq!(got.unwrap_or_default().join(","), want["want"].as_str().unwrap(), "{name}");
    }
}

#[test]
fn log_levels() {
    for Row { name, input, expected: want, .. } in rows_of("log", "TestParseLevelValid") {
        let text = serde_json::json!({"gateway": {"log_level": input["input"]}, "model_list": [{"model_name": "m", "model": "ollama/x"}]}).to_string();
        let level = Folder::with(&text).good().config.gateway.log_level;
        assert_eq!(level.to_ascii_uppercase(), want["want"].as_str().unwrap(), "{name}");
    }
}
