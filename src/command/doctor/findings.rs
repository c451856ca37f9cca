//! What `doctor` has found, said as it is found.

use std::borrow::Cow;

use serde_json::{Value, json};

use crate::config;
use crate::proto::text;

/// What helps against a wrong clock.
pub const CLOCK: &str = "set the time (`date -s`), or let it be set: time.servers in the configuration, UDP port 123 open";

/// What became of one look.
#[derive(Clone, Copy, PartialEq)]
pub enum Severity {
    /// As it should be.
    Good,
    /// Works, but not as well as it could.
    Warning,
    /// Does not work.
    Bad,
}
use Severity::{Bad, Good, Warning};

/// Says things as they are found.
pub struct Reporter {
    /// The findings, where they are printed as JSON at the end.
    pub json: Option<Vec<Value>>,
    /// Values that no line shows.
    pub secrets: Vec<String>,
    /// Something does not work.
    pub failed: bool,
}

impl Reporter {
    /// `cure` is what to do; shown where something is to be done.
    pub fn note(&mut self, grade: Severity, check: &str, what: &str, cure: &str) {
        self.failed |= grade == Bad;
        let what: Cow<str> = config::redact(what, &self.secrets, 0);
        let cure = if grade == Good { "" } else { cure };
        let (mark, state) = match grade {
            Good => ("✓", "ok"),
            Warning => ("!", "warning"),
            Bad => ("✗", "failed"),
        };
        match &mut self.json {
            Some(all) => {
                all.push(json!({ "check": check, "state": state, "what": what, "do": cure }));
            }
            None => {
                // What files and servers say forges no line.
                println!("{mark} {check}: {}", text::escape(&what, true));
                if !cure.is_empty() {
                    println!("    → {cure}");
                }
            }
        }
    }
}
