//! The environment as the highest layer: one variable for each key of the table, under the Go original's names.
//!
//! An empty variable counts as not set. Lists are split at commas (also the full-width one). Names in objects are taken
//! from what the lower layers have, besides the channels of this program and the known providers.

use std::collections::BTreeSet;

use serde_json::Value;

use super::channels;
use super::keys::{self, Kind};
use super::layers::{Layer, LayerKind, LoadOptions};
use super::nearest::suggestion;
use super::problem::{Findings, Problem};
use super::providers;
use super::tree::{Node, NodeKind, Origin};
use crate::environment;
use crate::proto::text::{number, size};

/// Whose entries have variables.
const SECTIONS: [&str; 3] = ["channel_list", "providers", "model_list"];

/// Whether it is none of a key.
fn is_other(variable: &str) -> bool {
    let name = variable.strip_prefix(environment::PREFIX).unwrap_or_default();
    environment::NAMES.split_ascii_whitespace().any(|other| other == name)
}

/// A list written in one variable: commas of both widths, blanks trimmed, empty parts left out.
pub fn split_list(text: &str) -> Vec<String> {
    text.split([',', '，']).map(str::trim).filter(|p| !p.is_empty()).map(str::to_owned).collect()
}

/// Parses a text for a key of this kind, or says what is needed instead.
pub(super) fn value_of(kind: Kind, text: &str) -> Result<Value, &'static str> {
    match kind {
        Kind::Bool => match text.to_ascii_lowercase().as_str() {
            "true" | "1" | "t" | "yes" | "on" => Ok(Value::Bool(true)),
            "false" | "0" | "f" | "no" | "off" => Ok(Value::Bool(false)),
            _ => Err("true or false is needed"),
        },
        Kind::Int(..) => match text.parse::<i64>() {
            Ok(n) => Ok(n.into()),
            Err(_) => Err("a whole number is needed"),
        },
        Kind::Num(..) => match number(text) {
            Some(n) => Ok(n.into()),
            None => Err("a number is needed"),
        },
        Kind::List | Kind::Secrets => Ok(split_list(text).into()),
        _ => Ok(text.into()),
    }
}

struct Reader<'a> {
    options: &'a LoadOptions,
    layer: u16,
    root: Node,
    /// Names of the variables that set something; their index is the origin.
    names: Vec<String>,
    known: BTreeSet<String>,
    /// Known ones below which anything may follow: keys that this program does not read.
    opaque: BTreeSet<String>,
    findings: &'a mut Findings,
}

/// The layer and its patch; the patch is empty where no variable is set.
pub(super) fn read(
    options: &LoadOptions,
    merged: &Node,
    layer: u16,
    findings: &mut Findings,
) -> (Layer, Node) {
    let root = Node::map(Origin { layer, at: 0 });
    let (known, opaque) = Default::default();
    let mut reader = Reader { options, layer, root, names: Vec::new(), known, opaque, findings };
    for name in &options.not_text {
        reader.findings.push_warning(Problem {
            file: name.clone(),
            message: "the value is not UTF-8 text, so this variable is ignored".to_owned(),
            ..Problem::default()
        });
    }
    let ours = |k: &String| k.starts_with(environment::PREFIX) && !is_other(k);
    if options.env.keys().any(ours) {
        reader.table(merged);
        reader.aliases();
        reader.leftovers();
    }
    if options.var(environment::MEM_LIMIT).is_some_and(|text| size(text).is_none()) {
        reader.fault(environment::MEM_LIMIT, "a size such as 8MiB or 8388608 is needed");
    }
    let layer = Layer {
        kind: LayerKind::Environment,
        name: "environment".to_owned(),
        dir: Default::default(),
        text: reader.names.join("\n"),
    };
    (layer, reader.root)
}

fn names_for(section: &str, merged: &Node) -> Vec<String> {
    let list = merged.get(section);
    let mut names: Vec<String> = match section {
        "channel_list" => channels::KINDS.iter().map(|kind| kind.name.to_owned()).collect(),
        "providers" => providers::names().map(str::to_owned).collect(),
        _ => Vec::new(),
    };
    for (name, _) in list.map(Node::entries).unwrap_or_default() {
        if !names.iter().any(|n| **n == **name) {
            names.push(name.to_string());
        }
    }
    for item in list.map(Node::items).unwrap_or_default() {
        let name = item.text_of("model_name").unwrap_or_default().to_owned();
        if !name.is_empty() && !names.contains(&name) {
            names.push(name);
        }
    }
    names
}

impl Reader<'_> {
    fn table(&mut self, merged: &Node) {
        for section in SECTIONS {
            // Names times keys are many: only if any variable of the section is set.
            let begin = keys::variable(&[section]);
            if !self.options.env.keys().any(|k| k.starts_with(&begin)) {
                continue;
            }
            for name in names_for(section, merged) {
                let own = |k: &keys::Key| k.path.split('.').next() == Some(section);
                let mut seen = BTreeSet::new();
                // Kinds of channels share keys.
                for key in keys::all().filter(own).filter(|k| seen.insert(k.path)) {
                    let fill = |p| if p == "*" { name.as_str() } else { p };
                    let path: Vec<&str> = key.path.split('.').map(fill).collect();
                    self.key(&key, &path);
                }
            }
        }
        for key in keys::all().filter(|k| !k.path.contains('*')) {
            let path: Vec<&str> = key.path.split('.').collect();
            self.key(&key, &path);
        }
    }

    fn key(&mut self, key: &keys::Key, path: &[&str]) {
        let variable = keys::variable(path);
        if keys::variable_allowed(key) {
            if let Some(one) = variable.strip_suffix("_API_KEYS") {
                self.take(&format!("{one}_API_KEY"), key.kind, path);
            }
            self.take(&variable, key.kind, path);
        } else {
            self.opaque.insert(variable.clone());
            self.known.insert(variable);
        }
    }

    /// Names that differ from their key's path.
    fn aliases(&mut self) {
        let level = keys::by_pattern("gateway.log_level").map_or(Kind::Text, |k| k.kind);
        self.take(environment::LOG_LEVEL, level, &["gateway", "log_level"]);
        if self.options.var(environment::MODEL_NAME).is_none() {
            self.take(environment::MODEL, Kind::Text, &["agents", "defaults", "model_name"]);
        }
        self.known.insert(environment::MODEL.to_owned());
    }

    fn take(&mut self, variable: &str, kind: Kind, path: &[&str]) {
        self.known.insert(variable.to_owned());
        let Some(text) = self.options.var(variable) else { return };
        let origin =
            Origin { layer: self.layer, at: u32::try_from(self.names.len()).unwrap_or(u32::MAX) };
        let text = text.trim();
        let node = match value_of(kind, text) {
            Ok(Value::Array(items)) => {
                let items = items.into_iter().map(|item| Node::leaf(origin, item)).collect();
                Some(Node { origin, kind: NodeKind::List(items) })
            }
            Ok(value) => Some(Node::leaf(origin, value)),
            Err(message) => self.fault(variable, message),
        };
        if let Some(node) = node {
            self.names.push(variable.to_owned());
            put(&mut self.root, path, node, origin);
        }
    }

    fn fault(&mut self, variable: &str, message: &str) -> Option<Node> {
        self.findings.push_error(Problem {
            file: variable.to_owned(),
            message: message.to_owned(),
            ..Problem::default()
        });
        None
    }

    /// Variables that set nothing are probably mistyped.
    fn leftovers(&mut self) {
        let unknown = |k: &&String| {
            k.starts_with(environment::PREFIX) && !self.known.contains(*k) && !is_other(k)
        };
        for name in self.options.env.keys().filter(unknown) {
            let rest = name.strip_prefix(environment::PREFIX).unwrap_or_default();
            let inside = |upper: &String| {
                name.strip_prefix(upper.as_str()).is_some_and(|r| r.starts_with('_'))
            };
            if self.opaque.iter().any(inside) {
                continue;
            }
            let channel = rest.strip_prefix("CHANNELS_").unwrap_or_default().to_ascii_lowercase();
            if channels::missing_types().any(|name| channel.starts_with(name)) {
                continue;
            }
            let hint = suggestion(name, self.known.iter().map(String::as_str));
            self.findings.push_warning(Problem {
                file: name.clone(),
                message: "this variable sets nothing".to_owned(),
                hint,
                ..Problem::default()
            });
        }
    }
}

fn put(root: &mut Node, path: &[&str], node: Node, origin: Origin) {
    match path {
        [] => {}
        [last] => root.set(last, node),
        [first, rest @ ..] => {
            if let Some(child) = root.child(first, origin) {
                put(child, rest, node, origin);
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use super::super::tree::from_json;
    use super::*;

    #[track_caller]
    fn check(vars: &[(&str, &str)], want: &str) -> Findings {
        let merged = from_json(
            r#"{"model_list":[{"model_name":"my gpt"}],"channel_list":{"second":{}}}"#,
            0,
            &mut Vec::new(),
        )
        .unwrap();
        let env = vars.iter().map(|(k, v)| ((*k).to_owned(), (*v).to_owned())).collect();
        let options = LoadOptions { env, ..LoadOptions::default() };
        let mut findings = Findings::default();
        let (_, patch) = read(&options, &merged, 1, &mut findings);
        assert_eq!(patch.to_value(), serde_json::from_str::<Value>(want).unwrap());
        findings
    }

    #[test]
    fn variables_become_a_patch() {
        check(&[("HOME", "/root"), ("PICOCLAW_HOME", "/x")], "{}");
        check(&[("PICOCLAW_GATEWAY_PORT", " 80 ")], r#"{"gateway":{"port":80}}"#);
        check(&[("PICOCLAW_GATEWAY_HOST", "")], "{}");
        check(
            &[("PICOCLAW_AGENTS_DEFAULTS_MODEL", "m")],
            r#"{"agents":{"defaults":{"model_name":"m"}}}"#,
        );
        check(
            &[("PICOCLAW_AGENTS_DEFAULTS_TEMPERATURE", "0.5")],
            r#"{"agents":{"defaults":{"temperature":0.5}}}"#,
        );
        check(
            &[
                ("PICOCLAW_CHANNELS_TELEGRAM_ENABLED", "True"),
                ("PICOCLAW_CHANNELS_TELEGRAM_TOKEN", "1:a"),
                ("PICOCLAW_CHANNELS_SECOND_ALLOW_FROM", "1，2, x"),
            ],
            r#"{"channel_list":{"telegram":{"enabled":true,"settings":{"token":"1:a"}},"second":{"allow_from":["1","2","x"]}}}"#,
        );
        check(
            &[("PICOCLAW_PROVIDERS_OPENAI_API_KEY", "k")],
            r#"{"providers":{"openai":{"api_keys":["k"]}}}"#,
        );
        check(
            &[("PICOCLAW_MODEL_LIST_MY_GPT_API_BASE", "http://h")],
            r#"{"model_list":{"my gpt":{"api_base":"http://h"}}}"#,
        );
        check(
            &[("PICOCLAW_LOG_LEVEL", "debug"), ("PICOCLAW_GATEWAY_LOG_LEVEL", "info")],
            r#"{"gateway":{"log_level":"debug"}}"#,
        );
        check(&[("PICOCLAW_TOOLS_EXEC_ENABLED", "0")], r#"{"tools":{"exec":{"enabled":false}}}"#);
    }

    #[test]
    fn faults_name_the_variable() {
        let findings = check(
            &[
                ("PICOCLAW_GATEWAY_PORT", "eighty"),
                ("PICOCLAW_TOOLS_EXEC_ENABLED", "perhaps"),
                ("PICOCLAW_MEM_LIMIT", "abc"),
            ],
            "{}",
        );
        let texts: Vec<String> = findings.errors.iter().map(ToString::to_string).collect();
        assert_eq!(
            texts,
            [
                "PICOCLAW_MEM_LIMIT: a size such as 8MiB or 8388608 is needed",
                "PICOCLAW_TOOLS_EXEC_ENABLED: true or false is needed",
                "PICOCLAW_GATEWAY_PORT: a whole number is needed"
            ]
            .into_iter()
            .rev()
            .collect::<Vec<_>>()
        );
    }

    #[test]
    fn mistyped_variables_are_reported() {
        let findings = check(
            &[
                ("PICOCLAW_GATEWAY_PROT", "1"),
                ("PICOCLAW_TOOLS_MCP_ENABLED", "1"),
                ("PICOCLAW_CHANNELS_DISCORD_TOKEN", "x"),
                ("PICOCLAW_OTHER", "x"),
                ("PICOCLAW_AGENTS_DEFAULTS_MODEL_NAM", "x"),
                ("PICOCLAW_CHANNELS_TELEGRAM_TOKEN_X", "x"),
            ],
            "{}",
        );
        let texts: Vec<String> = findings.warnings.iter().map(ToString::to_string).collect();
        assert_eq!(
            texts,
            [
                "PICOCLAW_AGENTS_DEFAULTS_MODEL_NAM: this variable sets nothing (did you mean `PICOCLAW_AGENTS_DEFAULTS_MODEL_NAME`?)",
                "PICOCLAW_CHANNELS_TELEGRAM_TOKEN_X: this variable sets nothing (did you mean `PICOCLAW_CHANNELS_TELEGRAM_TOKEN`?)",
                "PICOCLAW_GATEWAY_PROT: this variable sets nothing (did you mean `PICOCLAW_GATEWAY_PORT`?)",
                "PICOCLAW_OTHER: this variable sets nothing",
            ]
        );
    }

    #[test]
    fn names_have_variables_only_in_sections_whose_variables_are_read() {
        for key in keys::all().filter(|k| k.path.contains('*') && keys::variable_allowed(k)) {
            assert!(SECTIONS.iter().any(|s| key.path.split('.').next() == Some(s)), "{}", key.path);
        }
    }

    #[test]
    fn lists() {
        assert_eq!(split_list("a, b，c,,"), ["a", "b", "c"]);
        assert!(split_list("").is_empty());
    }
}
