//! `picoclaw audit`: the audit log, whether the gateway runs or not.

use std::process::ExitCode;

use serde_json::{Map, Value};

use super::owner;
use crate::args;
use crate::config::LoadOptions;
use crate::error::{Context, Error, Result};
use crate::proto::text;
use crate::store::audit;

/// What a call or a question can end with.
const RESULTS: [&str; 8] =
    ["ok", "failed", "refused", "answered by hook", "yes", "no", "no answer", "not asked"];

/// Prints the lines that were asked for, oldest first.
///
/// # Errors
/// No such result; the log cannot be read.
pub fn run(args: &args::AuditArgs) -> Result<ExitCode> {
    if let Some(other) = args.result.as_deref().filter(|r| !RESULTS.contains(r)) {
        let all = RESULTS.join(", ");
        return Err(Error::new(format!(
            "--result {other:?}: no result is called so; there are {all}"
        )));
    }
    let home = LoadOptions::from_process().home()?;
    owner::become_owner(&home)?;
    let mut entries = audit::read(&home).context("cannot read the audit log")?;
    for (key, want) in [("tool", &args.tool), ("user", &args.user), ("result", &args.result)] {
        if let Some(want) = want {
            entries.retain(|entry| field(entry, key) == want);
        }
    }
    let skip = args.last.map_or(0, |last| entries.len().saturating_sub(last));
    for entry in entries.into_iter().skip(skip) {
        println!("{}", if args.json { Value::Object(entry).to_string() } else { shown(&entry) });
    }
    Ok(ExitCode::SUCCESS)
}

fn field<'a>(entry: &'a Map<String, Value>, key: &str) -> &'a str {
    entry.get(key).and_then(Value::as_str).unwrap_or_default()
}

/// `TIME CHANNEL/CHAT USER TOOL RESULT: WHY | ARGUMENTS`, or `TIME CHANNEL/CHAT USER question NUMBER RESULT | ASKED`
fn shown(entry: &Map<String, Value>) -> String {
    let get = |key| field(entry, key);
    let mut line = [get("time"), " ", get("channel"), "/", get("chat"), " ", get("user")].concat();
    for key in ["tool", "question", "result"] {
        if !get(key).is_empty() {
            line.push_str(if key == "question" { " question " } else { " " });
            line.push_str(get(key));
        }
    }
    for (before, key) in [(": ", "why"), (" | ", "arguments")] {
        if !get(key).is_empty() {
            line.push_str(before);
            line.push_str(&text::escape(get(key), true));
        }
    }
    if !get("asked").is_empty() {
        line.push_str(" | ");
        line.push_str(&text::escape(&get("asked").replace('\n', " "), true));
    }
    line
}
