//! Reads values of a merged configuration, with the table's defaults.

use std::time::Duration;

use serde_json::Value;

use super::key::Key;
use super::key_table::KeyTable;
use super::layers::Layer;
use super::problem::Findings;
use super::secret::{Secret, is_placeholder};
use super::tree::{Node, Origin, scalar_text};

/// A part of the tree and the table's path of it, e.g. an entry of `model_list` and `model_list.*.`.
#[derive(Clone, Copy)]
pub struct Section<'a> {
    /// Part of the merged configuration that the paths are relative to.
    pub node: &'a Node,
    /// Path of it in the table, with its last dot.
    pub prefix: &'static str,
    /// The table of keys.
    pub(super) keys: &'static KeyTable,
    /// Schema version, whose defaults hold.
    pub version: u32,
    /// Kind of channel whose keys go before the others', by its place in the table.
    pub kind: Option<usize>,
}

impl Section<'_> {
    /// A path of the table that begins with this scope's, without that beginning.
    pub fn below<'p>(&self, path: &'p str) -> &'p str {
        path.strip_prefix(self.prefix).unwrap_or(path)
    }

    /// The value at a path below this scope, else the default, else null; arrays as JSON.
    pub fn value(&self, path: &str) -> Value {
        match self.node.at(path).filter(|n| !n.is_null()) {
            Some(node) => node.to_value(),
            None => self.default(path),
        }
    }

    fn default(&self, path: &str) -> Value {
        self.key(path).map_or(Value::Null, |k| k.default(self.version))
    }

    fn key(&self, path: &str) -> Option<Key> {
        let own = self.kind.and_then(|kind| self.keys.of_kind(kind, self.prefix, path));
        own.or_else(|| self.keys.below(self.prefix, path))
    }

    /// Trimmed text, empty for none.
    pub fn text(&self, path: &str) -> String {
        self.value(path).as_str().unwrap_or_default().trim().to_owned()
    }

    /// A string in lower case without white space around it, for keys with fixed words.
    pub fn word(&self, path: &str) -> String {
        self.text(path).to_ascii_lowercase()
    }

    /// An address without blanks around it and slashes behind it.
    pub fn address(&self, path: &str) -> String {
        self.text(path).trim_end_matches('/').to_owned()
    }

    /// A whole number; 0 for none.
    pub fn int(&self, path: &str) -> i64 {
        let value = self.value(path);
        value.as_i64().or_else(|| value.as_f64().map(|f| f as i64)).unwrap_or_default()
    }

    /// A whole number in force: the table says what 0 means, and the limits.
    pub fn count(&self, path: &str) -> u32 {
        let n = self.int(path);
        u32::try_from(self.key(path).map_or(n, |k| k.in_force(n, self.version))).unwrap_or_default()
    }

    /// The same of bytes.
    pub fn size(&self, path: &str) -> usize {
        self.count(path) as usize
    }

    /// The same of seconds.
    pub fn seconds(&self, path: &str) -> Duration {
        Duration::from_secs(self.count(path).into())
    }

    /// The same of minutes.
    pub fn minutes(&self, path: &str) -> Duration {
        Duration::from_secs(60 * u64::from(self.count(path)))
    }

    /// A port; 0 for none.
    pub fn port(&self, path: &str) -> u16 {
        u16::try_from(self.count(path)).unwrap_or_default()
    }

    /// A text that is never shown.
    pub fn secret(&self, path: &str) -> Secret {
        Secret::new(self.text(path))
    }

    /// The same; empty for what an example has there.
    pub fn own_secret(&self, path: &str) -> Secret {
        let text = self.text(path);
        Secret::new(if is_placeholder(&text) { String::new() } else { text })
    }

    /// A number; 0 where it is none and has no default.
    pub fn num(&self, path: &str) -> f64 {
        self.value(path).as_f64().unwrap_or_default()
    }

    /// A boolean; false where it is none and has no default.
    pub fn truth(&self, path: &str) -> bool {
        self.value(path).as_bool().unwrap_or_default()
    }

    /// Strings and numbers as texts, trimmed, empty ones left out.
    pub fn list(&self, path: &str) -> Vec<String> {
        let texts = match self.node.at(path).filter(|n| !n.is_null()) {
            Some(node) => node.texts(),
            None => match self.default(path) {
                Value::Array(items) => items.iter().filter_map(scalar_text).collect(),
                _ => Vec::new(),
            },
        };
        texts.into_iter().map(|t| t.trim().to_owned()).filter(|t| !t.is_empty()).collect()
    }

    /// Where the value at a path was written; the built-in layer for defaults.
    pub fn origin(&self, path: &str) -> Origin {
        self.node.at(path).map_or(Origin::default(), |n| n.origin)
    }
}

/// The context for building the typed configuration.
pub struct BuildContext<'a> {
    pub(super) keys: &'static KeyTable,
    pub(super) layers: &'a [Layer],
    pub(super) version: u32,
    pub(super) allow_empty: bool,
    pub(super) findings: &'a mut Findings,
}

impl BuildContext<'_> {
    /// Reports a problem that keeps this configuration from being used.
    pub fn error(
        &mut self,
        origin: Origin,
        key: &str,
        message: impl Into<String>,
        hint: impl Into<String>,
    ) {
        self.findings.error(self.layers, origin, key, message, hint);
    }

    /// Reports a problem that the program can work around.
    pub fn warn(
        &mut self,
        origin: Origin,
        key: &str,
        message: impl Into<String>,
        hint: impl Into<String>,
    ) {
        self.findings.warn(self.layers, origin, key, message, hint);
    }

    /// An error, or only a warning if an unfinished configuration is allowed.
    pub fn unfinished(
        &mut self,
        origin: Origin,
        key: &str,
        message: impl Into<String>,
        hint: impl Into<String>,
    ) {
        if self.allow_empty {
            self.warn(origin, key, message, hint);
        } else {
            self.error(origin, key, message, hint);
        }
    }

    /// A scope of the tree.
    pub fn section<'n>(&self, node: &'n Node, prefix: &'static str) -> Section<'n> {
        Section { node, prefix, keys: self.keys, version: self.version, kind: None }
    }
}
