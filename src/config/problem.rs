//! Errors and warnings of a configuration: where, what, and how to fix it.

use std::fmt;

use super::layers::{Layer, LayerKind};
use super::tree::Origin;
use crate::limits::CONFIG_PROBLEMS;

/// One error or warning. Never contains a secret's value.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Problem {
    /// File, or the variable in the environment; empty where the whole configuration is meant.
    pub file: String,
    /// From 1; 0 where there is none.
    pub line: u32,
    /// From 1, in characters; 0 where there is none.
    pub column: u32,
    /// Key path as it is written in that file, or empty.
    pub key: String,
    /// What is wrong and what to do, without the position.
    pub message: String,
    /// What to do, or empty.
    pub hint: String,
}

impl fmt::Display for Problem {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        if !self.file.is_empty() {
            f.write_str(&self.file)?;
            if self.line > 0 {
                write!(f, ":{}:{}", self.line, self.column)?;
            }
            f.write_str(": ")?;
        }
        if !self.key.is_empty() {
            write!(f, "{}: ", self.key)?;
        }
        f.write_str(&self.message)?;
        if !self.hint.is_empty() {
            write!(f, " ({})", self.hint)?;
        }
        Ok(())
    }
}

/// Everything that is wrong, at most [`CONFIG_PROBLEMS`] entries; displays one a line.
#[derive(Clone, PartialEq, Eq)]
pub struct ConfigErrors {
    /// In the order of the layers.
    pub problems: Vec<Problem>,
    /// How many more there were.
    pub more: usize,
    /// Not displayed with the errors; a mistyped key may be the reason of one.
    pub warnings: Vec<Problem>,
}

impl fmt::Display for ConfigErrors {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        for (i, problem) in self.problems.iter().enumerate() {
            if i > 0 {
                f.write_str("\n")?;
            }
            problem.fmt(f)?;
        }
        if self.more > 0 {
            write!(f, "\nand {} more", self.more)?;
        }
        Ok(())
    }
}

impl fmt::Debug for ConfigErrors {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        fmt::Display::fmt(self, f)
    }
}

impl std::error::Error for ConfigErrors {}

impl From<ConfigErrors> for crate::Error {
    fn from(e: ConfigErrors) -> crate::Error {
        crate::Error::new(e.to_string())
    }
}

/// Collects errors and warnings while a configuration is read.
#[derive(Default)]
pub(super) struct Findings {
    pub errors: Vec<Problem>,
    pub warnings: Vec<Problem>,
    more: usize,
}

impl Findings {
    pub fn push_error(&mut self, problem: Problem) {
        // Only the first problem of a place is kept: consequences would only confuse.
        if self.errors.iter().any(|p| {
            p.line > 0
                && (&p.file, p.line, p.column) == (&problem.file, problem.line, problem.column)
        }) {
            return;
        }
        if self.errors.len() < CONFIG_PROBLEMS {
            self.errors.push(problem);
        } else {
            self.more += 1;
        }
    }

    pub fn push_warning(&mut self, problem: Problem) {
        if self.warnings.len() < CONFIG_PROBLEMS {
            self.warnings.push(problem);
        }
    }

    /// An error about the value written at `origin`; `key` is its path where the layer has none of its own.
    pub fn error(
        &mut self,
        layers: &[Layer],
        origin: Origin,
        key: &str,
        message: impl Into<String>,
        hint: impl Into<String>,
    ) {
        self.push_error(locate(layers, origin, key, message.into(), hint.into()));
    }

    /// The same as a warning.
    pub fn warn(
        &mut self,
        layers: &[Layer],
        origin: Origin,
        key: &str,
        message: impl Into<String>,
        hint: impl Into<String>,
    ) {
        self.push_warning(locate(layers, origin, key, message.into(), hint.into()));
    }

    /// The errors, if there are any; the warnings stay where there are none.
    pub fn take_errors(&mut self) -> Option<ConfigErrors> {
        if self.errors.is_empty() {
            return None;
        }
        let problems = std::mem::take(&mut self.errors);
        let warnings = std::mem::take(&mut self.warnings);
        Some(ConfigErrors { problems, more: self.more, warnings })
    }
}

fn locate(layers: &[Layer], origin: Origin, key: &str, message: String, hint: String) -> Problem {
    let mut problem = Problem { key: key.to_owned(), message, hint, ..Problem::default() };
    let layer = layers.get(usize::from(origin.layer)).filter(|l| l.kind != LayerKind::BuiltIn);
    if let Some(layer) = layer {
        let place = layer.place(origin);
        problem.file = place.file;
        problem.line = place.line;
        problem.column = place.column;
        if !place.key.is_empty() {
            problem.key = place.key;
        }
    }
    problem
}
