//! `picoclaw audit`: the audit log, whether the gateway runs or not.

use std::process::ExitCode;

use serde_json::{Map, Value};

use super::owner;
use crate::args;
use crate::config::LoadOptions;
use crate::error::{Context, Result};
use crate::store::audit;

/// Prints the lines that were asked for, oldest first.
///
/// # Errors
/// The log cannot be read.
pub fn run(args: &args::AuditArgs) -> Result<ExitCode> {
    let home = LoadOptions::from_process().home()?;
    owner::become_owner(&home)?;
    let mut entries = audit::read(&home).context("cannot read the audit log")?;
    for (key, want) in [("tool", &args.tool), ("user", &args.user), ("result", &args.result)] {
        if let Some(want) = want {
            entries.retain(|entry| text(entry, key) == want);
        }
    }
    let skip = args.last.map_or(0, |last| entries.len().saturating_sub(last));
    for entry in entries.into_iter().skip(skip) {
        println!("{}", if args.json { Value::Object(entry).to_string() } else { shown(&entry) });
    }
    Ok(ExitCode::SUCCESS)
}

fn text<'a>(entry: &'a Map<String, Value>, key: &str) -> &'a str {
    entry.get(key).and_then(Value::as_str).unwrap_or_default()
}

/// `TIME CHANNEL/CHAT USER TOOL RESULT: WHY | ARGUMENTS`
fn shown(entry: &Map<String, Value>) -> String {
    let get = |key| text(entry, key);
    let mut line = [get("time"), " ", get("channel"), "/", get("chat"), " ", get("user")].concat();
    for key in ["tool", "question", "result"] {
        if !get(key).is_empty() {
            line.push(' ');
            line.push_str(get(key));
        }
    }
    for (before, key) in [(": ", "why"), (" | ", "arguments")] {
        if !get(key).is_empty() {
            line.push_str(before);
            line.push_str(&get(key).escape_debug().to_string());
        }
    }
    line
}
