//! The report of a migration: what happened to each file.

use std::path::Path;

use serde_json::{Value, json};

use crate::proto::text;

/// What happened to a file.
#[derive(Clone, Copy)]
pub enum FileOutcome {
    /// Copied as it is.
    Imported,
    /// Written in our form, or to another place.
    Converted,
    /// It is there already.
    Unchanged,
    /// What was at the target is kept under this name.
    Kept,
    /// Not taken, for the reason given.
    LeftOut,
    /// It should have been taken and was not.
    Failed,
}

const WORDS: [&str; 6] = ["taken", "converted", "unchanged", "kept", "left out", "failed"];

/// A line for each file.
pub struct MigrationReport {
    json: Option<Vec<Value>>,
    counts: [u32; WORDS.len()],
}

impl MigrationReport {
    /// Lines at once, or one JSON object at the end.
    pub fn new(as_json: bool) -> MigrationReport {
        MigrationReport { json: as_json.then(Vec::new), counts: [0; WORDS.len()] }
    }

    /// Adds a line.
    pub fn add(&mut self, did: FileOutcome, file: &str, note: &str) {
        let word = WORDS[did as usize];
        self.counts[did as usize] += 1;
        match &mut self.json {
            Some(lines) => lines.push(line(word, file, note)),
            None if note.is_empty() => println!("{word:9}  {}", text::escape(file, true)),
            None => {
                println!("{word:9}  {}: {}", text::escape(file, true), text::escape(note, true));
            }
        }
    }

    /// Ends the report; true when something failed.
    pub fn end(&mut self, dry: bool, source: &Path, target: &Path) -> bool {
        let counts: serde_json::Map<String, Value> =
            WORDS.iter().zip(self.counts).map(|(w, n)| ((*w).to_owned(), n.into())).collect();
        if let Some(lines) = self.json.take() {
            let whole = json!({"dry_run": dry, "source": source, "target": target, "files": lines, "counts": counts});
            println!("{whole}");
        } else {
            let parts: Vec<String> =
                WORDS.iter().zip(self.counts).map(|(w, n)| format!("{n} {w}")).collect();
            let what = if dry { "Dry run, nothing is written" } else { "Migrated" };
            println!("{what}: {}; {} -> {}", parts.join(", "), source.display(), target.display());
        }
        self.counts[FileOutcome::Failed as usize] > 0
    }
}

/// One line of the report as JSON.
fn line(did: &str, file: &str, note: &str) -> Value {
    json!({"what": did, "file": file, "note": note})
}
