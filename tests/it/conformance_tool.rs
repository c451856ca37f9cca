//! Rows of the Go original for the tools: `tool_args`, `exec_guard`, `edit_file`, `text_utils`.

use std::path::{Path, PathBuf};

use picoclaw::config::Config;
use picoclaw::tool::file::find_once;
use picoclaw::tool::guard::{Guard, Reason};
use picoclaw::tool::scope::Scope;
use picoclaw::tool::{schema, spec};
use serde_json::{Value, json};

/// Every case of an area, or none where the rows are not there.
fn cases(area: &str) -> Vec<(String, Value)> {
    let base = std::env::var_os("PICOCLAW_CASES").map_or_else(
        || Path::new(env!("CARGO_MANIFEST_DIR")).join("../shared/cases"),
        PathBuf::from,
    );
    let Ok(text) = std::fs::read_to_string(base.join(format!("{area}.json"))) else {
        eprintln!("skipped: no ../shared/cases");
        return Vec::new();
    };
    let rows: Value = serde_json::from_str(&text).expect("rows");
    let mut list = Vec::new();
    for suite in rows["suites"].as_array().expect("suites") {
        let test = suite["source"]["test"].as_str().expect("a test's name");
        for case in suite["cases"].as_array().expect("cases") {
            list.push((test.to_owned(), case.clone()));
        }
    }
    list
}

#[test]
fn arguments() {
    for (test, case) in cases("tool_args") {
        let (input, name) = (&case["input"], &case["name"]);
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
        let want = case["expected"]["wantErr"].as_str().expect("an error or none");
        match schema::validate(&found, &input["args"]) {
            Ok(()) => assert_eq!(want, "", "{test}: {name}"),
            Err(e) => assert!(!want.is_empty() && e.contains(want), "{test}: {name}: {e}"),
        }
    }
}

#[test]
fn edits() {
    for (test, case) in cases("edit_file") {
        let text = |key: &str| case["input"][key].as_str().expect("text").to_owned();
        let (content, old) = (text("content"), text("oldText"));
        let got = find_once(&content, &old)
            .map(|at| [&content[..at], &text("newText"), &content[at + old.len()..]].concat());
        assert_eq!(got.is_err(), case["expected"]["expectError"] == true, "{test}: {case}");
        if let Ok(got) = got {
            assert_eq!(case["expected"]["expected"], got, "{test}");
        }
    }
}

#[test]
fn guard() {
    let folder = std::env::temp_dir().join(format!("picoclaw-guard-{}", std::process::id()));
    std::fs::create_dir_all(&folder).expect("a workspace");
    let folder = folder.canonicalize().expect("its path");
    for (test, case) in cases("exec_guard") {
        let input = &case["input"];
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
        for (key, want) in case["expected"].as_object().expect("expectations") {
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
    }
    let _ = std::fs::remove_dir_all(&folder);
}

#[test]
fn texts() {
    use picoclaw::proto::text::{sanitize, truncate};
    for (test, case) in cases("text_utils") {
        let (input, want) = (&case["input"], &case["expected"]["want"]);
        let text = input["input"].as_str().unwrap_or("");
        match test.as_str() {
            "TestTruncate" => {
                let max = input["maxLen"].as_i64().expect("a length").max(0);
                assert_eq!(want, &truncate(text, max as usize), "{case}");
            }
            "TestSanitizeMessageContent" => assert_eq!(want, &sanitize(text), "{case}"),
            // The rune budget of summaries is not ours: history is bounded in bytes and messages. The tokeniser
            // belongs to tool discovery, which is later work.
            "TestCalculateDefaultMaxContextRunes"
            | "TestResolveMaxContextRunes"
            | "TestMeasureContextRunes"
            | "TestBM25Tokenize" => {}
            other => panic!("{other} is not known"),
        }
    }
}
