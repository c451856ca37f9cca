//! Conformance rows ([`crate::rows`]) for the tools: `tool_args`, `exec_guard`, `edit_file`, `text_utils`.

use picoclaw::config::Config;
use picoclaw::tool::file::find_once;
use picoclaw::tool::guard::{Guard, Reason};
use picoclaw::tool::scope::Scope;
use picoclaw::tool::{schema, spec};
use serde_json::{Value, json};

use crate::rows::rows;

#[test]
fn arguments() {
    rows("tool_args", |test, name, input, expected| {
        let found = match &input["schema"] {
            // The original's own test fixture; what the rows tell of it.
            Value::String(s) if s == "baseSchema" => json!({"type": "object", "required": ["name"],
                "properties": {"name": {"type": "string"}, "age": {"type": "integer"}}}),
            Value::String(s) => {
                let tool = match s.as_str() {
                    "execSchema" => "exec",
                    "webSearchSchema" => "web_search",
                    other => panic!("{test}: {name}: no schema for {other}"),
                };
                serde_json::from_str(spec(tool).expect("a tool").schema).expect("a schema")
            }
            schema => schema.clone(),
        };
        let want = expected["wantErr"].as_str().expect("an error or none");
        match schema::parse("t", &found.to_string(), &input["args"].to_string()) {
            Ok(_) => assert_eq!(want, "", "{test}: {name}"),
            Err(e) => assert!(!want.is_empty() && e.contains(want), "{test}: {name}: {e}"),
        }
        Ok(())
    });
}

#[test]
fn edits() {
    rows("edit_file", |test, name, input, expected| {
        let text = |key: &str| input[key].as_str().expect("text").to_owned();
        let (content, old) = (text("content"), text("oldText"));
        let got = find_once(&content, &old)
            .map(|at| [&content[..at], &text("newText"), &content[at + old.len()..]].concat());
        assert_eq!(got.is_err(), expected["expectError"] == true, "{test}: {name}");
        if let Ok(got) = got {
            assert_eq!(expected["expected"], got, "{test}");
        }
        Ok(())
    });
}

#[test]
fn guard() {
    let folder = std::env::temp_dir().join(format!("picoclaw-guard-{}", std::process::id()));
    std::fs::create_dir_all(&folder).expect("a workspace");
    let folder = folder.canonicalize().expect("its path");
    rows("exec_guard", |test, _, input, expected| {
        let command = input["command"].as_str().expect("a command");
        let command = command.replace("{WORKSPACE}", &folder.to_string_lossy());
        let mut config = Config::default();
        config.agent.workspace = folder.clone();
        config.agent.restrict_to_workspace = input["restrict_to_workspace"] == true;
        config.tools.exec.enable_deny_patterns = true;
        for pattern in input["custom_allow_patterns"].as_array().into_iter().flatten() {
            let pattern = pattern.as_str().expect("an expression").to_owned();
            config.tools.exec.custom_allow_patterns.push(pattern);
        }
        let guard = Guard::new(&config.tools.exec).expect("a guard");
        let scope = Scope::new(&config, &[]).expect("a scope");
        let reason = guard.check(&command, &folder, &scope).err();
        let text = reason.map_or("", Reason::text);
        for (key, want) in expected.as_object().expect("expectations") {
            let got = match key.as_str() {
                "blocked" => json!(reason.is_some()),
                "blocked_by_path_check" => json!(reason == Some(Reason::Outside)),
                "blocked_by_traversal_check" => json!(reason == Some(Reason::Traversal)),
                "reason_contains" => {
                    assert!(text.contains(want.as_str().expect("text")), "{command}: {text:?}");
                    continue;
                }
                other => panic!("{test}: {other} is not known"),
            };
            assert_eq!(&got, want, "{test}: {command}: {key} ({text})");
        }
        Ok(())
    });
    let _ = std::fs::remove_dir_all(&folder);
}

#[test]
fn texts() {
    use picoclaw::proto::text::{sanitize, truncate};
    rows("text_utils", |test, name, input, expected| {
        let want = &expected["want"];
        let text = input["input"].as_str().unwrap_or("");
        match test {
            "TestTruncate" => {
                let max = input["maxLen"].as_i64().expect("a length").max(0);
                assert_eq!(want, &truncate(text, max as usize), "{name}");
            }
            "TestSanitizeMessageContent" => assert_eq!(want, &sanitize(text), "{name}"),
            "TestBM25Tokenize" => return Err("there is no search among tools".into()),
            _ => return Err("history is bounded in bytes and messages".into()),
        }
        Ok(())
    });
}
