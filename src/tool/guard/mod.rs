//! Checks a command line before it runs: dangerous commands, and in a restricted workspace paths that lead
//! out of it.
//!
//! It protects against a model's mistakes and simple tricks. It cannot judge what a program does once it runs
//! (a build script, an interpreter): that is the sandbox's job (`sys::process::Sandbox`).

#[cfg(test)]
mod dash_tests;
mod deny;
#[cfg(test)]
mod generate_tests;
mod paths;
mod programs;
mod reason;
mod resolve;
pub mod risk;
mod sed;

pub use reason::Reason;

use std::path::Path;

use regex_lite::Regex;

use super::scope::{Scope, compile};
use crate::config::ExecConfig;
use crate::limits::SHELL_DEPTH;
use crate::proto::shell::{self, SimpleCommand};
use crate::proto::text;

/// The rules in force, ready to use off the loop's thread.
pub struct Guard {
    deny_list: bool,
    deny: Vec<Regex>,
    allow: Vec<Regex>,
}

impl Guard {
    /// Compiles the configuration's expressions; the error names the key and the expression.
    pub fn new(config: &ExecConfig) -> Result<Guard, String> {
        Ok(Guard {
            deny_list: config.enable_deny_patterns,
            deny: compile("tools.exec.custom_deny_patterns", &config.custom_deny_patterns)?,
            allow: compile("tools.exec.custom_allow_patterns", &config.custom_allow_patterns)?,
        })
    }

    /// Judges `command`, to be run in the folder `cwd`. In a restricted scope paths are looked up on disk.
    pub fn check(&self, command: &str, cwd: &Path, scope: &Scope) -> Result<(), Reason> {
        self.deny(command, 0)?;
        if scope.restricted() {
            paths::check(command, cwd, scope, 0)?;
        }
        Ok(())
    }

    /// Why `command`, which passed, asks first.
    pub fn asks(&self, command: &str) -> Option<&'static str> {
        risk::find(command, &self.allow)
    }

    /// A match of `custom_allow_patterns` exempts the simple commands that contain it; the whole line only if it
    /// spans the whole line, so that text appended to an allowed command is still judged.
    fn deny(&self, command: &str, depth: usize) -> Result<(), Reason> {
        if depth == SHELL_DEPTH {
            return Err(Reason::Dangerous);
        }
        let line = command.trim();
        let lower = text::lower(line);
        let whole = |r: &Regex| r.find(&lower).is_some_and(|m| m.range() == (0..lower.len()));
        if self.allow.iter().any(whole) {
            return Ok(());
        }
        if self.deny.iter().any(|r| r.is_match(&lower) || r.is_match(line)) {
            return Err(Reason::Dangerous);
        }
        if !self.deny_list {
            return Ok(());
        }
        let script = shell::parse(line);
        let exempt = |c: &SimpleCommand| {
            let text = text::lower(line.get(c.span.0..c.span.1).unwrap_or(""));
            self.allow.iter().any(|r| r.is_match(&text))
        };
        // A substitution may be anywhere, so it is exempt only if every command of the line is.
        let judged = script.commands.iter().any(|c| !exempt(c));
        if judged && (script.substitution || deny::fork_bomb(line)) {
            return Err(Reason::Dangerous);
        }
        for command in script.commands.iter().filter(|c| !exempt(c)) {
            for inner in deny::check(command)? {
                self.deny(&inner, depth + 1)?;
            }
        }
        Ok(())
    }
}

#[cfg(test)]
mod tests;
