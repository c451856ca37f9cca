//! Checks one layer, in its canonical shape, against the table of keys: wrong types are errors, unknown keys are warnings.

use serde_json::Value;

use super::channels;
use super::keys::{self, Key, KeyMatch, Kind};
use super::layers::Layer;
use super::nearest::suggestion;
use super::problem::Findings;
use super::providers;
use super::shapes;
use super::tree::{self, Node};
use super::unused;
use crate::proto::text;

/// The agents of the Go original; here there is one.
const AGENTS: &str = "agents.list";

/// Types of the channels by name, gathered over all layers: an overlay need not repeat `type`.
pub type ChannelTypes = std::collections::BTreeMap<String, String>;

/// Adds what a layer says about channel types.
pub fn gather_types(root: &Node, types: &mut ChannelTypes) {
    let Some(list) = root.get("channel_list") else { return };
    for (name, entry) in list.entries() {
        if let Some(kind) = entry.text_of("type").filter(|t| !t.is_empty()) {
            types.insert(name.to_string(), kind.to_owned());
        }
    }
    for entry in list.items() {
        let kind = entry.text_of("type").unwrap_or_default();
        let name = entry.text_of("name").unwrap_or(kind);
        if !kind.is_empty() {
            types.insert(name.to_owned(), kind.to_owned());
        }
    }
}

/// Reports unknown keys, wrong types and values outside their limits, each with its position.
pub fn inspect(root: &Node, layers: &[Layer], types: &ChannelTypes, findings: &mut Findings) {
    Walk { layers, types, findings }.members(root, &mut Vec::new());
}

struct Walk<'a> {
    layers: &'a [Layer],
    types: &'a ChannelTypes,
    findings: &'a mut Findings,
}

impl Walk<'_> {
    fn members<'n>(&mut self, node: &'n Node, path: &mut Vec<&'n str>) {
        for (name, child) in node.entries() {
            path.push(name);
            self.node(child, path);
            path.pop();
        }
    }

    fn node<'n>(&mut self, node: &'n Node, path: &mut Vec<&'n str>) {
        if let ["providers", name] = path[..] {
            if providers::canonical(name).is_none() {
                let hint = suggestion(name, providers::names());
                return self.error(node, path, format!("no provider is called `{name}`"), hint);
            }
        }
        if node.is_null() {
            return;
        }
        if self.unsupported_setting(path) {
            return;
        }
        match keys::find(path) {
            KeyMatch::Key(key) => self.value(node, &key, path),
            KeyMatch::Section => self.section(node, path),
            KeyMatch::Inside => {}
            KeyMatch::Unknown => self.unknown(node, path),
        }
    }

    /// A setting of a channel type that this build lacks: only dangerous mistakes are checked.
    fn unsupported_setting(&self, path: &[&str]) -> bool {
        let ["channel_list", name, "settings", rest @ ..] = path else { return false };
        let kind = self.types.get(*name).map_or(*name, String::as_str);
        channels::place(kind).is_none() && !rest.is_empty() && rest.first() != Some(&"streaming")
    }

    fn section<'n>(&mut self, node: &'n Node, path: &mut Vec<&'n str>) {
        match &node.kind {
            tree::NodeKind::Map(_) => self.members(node, path),
            tree::NodeKind::List(items) if matches!(path[..], ["model_list" | "channel_list"]) => {
                for item in items {
                    let name = item.text_of("name").or(item.text_of("type")).unwrap_or_default();
                    path.push(name);
                    if path.first() == Some(&"channel_list") && name.is_empty() {
                        self.error(item, path, "this channel has neither `name` nor `type`", "");
                    } else if item.is_map() {
                        self.members_of_item(item, path);
                    } else {
                        self.error(
                            item,
                            path,
                            format!("an object is needed, this is {}", item.kind_name()),
                            "",
                        );
                    }
                    path.pop();
                }
            }
            _ => {
                let needed = if path == &["model_list"] {
                    "an array, or an object by name,"
                } else {
                    "an object"
                };
                self.error(
                    node,
                    path,
                    format!("{needed} is needed, this is {}", node.kind_name()),
                    "",
                );
            }
        }
    }

    fn members_of_item<'n>(&mut self, item: &'n Node, path: &mut Vec<&'n str>) {
        let channel = path.first() == Some(&"channel_list");
        for (name, child) in item.entries().iter().filter(|(k, _)| !channel || &**k != "name") {
            path.push(name);
            self.node(child, path);
            path.pop();
        }
    }

    fn unknown(&mut self, node: &Node, path: &[&str]) {
        let Some((name, upper)) = path.split_last() else { return };
        let mut known: Vec<&str> = keys::children(upper).collect();
        match upper {
            [] => known.extend(["channels", "providers"]),
            ["agents", "defaults"] => known.push("model"),
            ["channel_list", _, "settings"] => {
                known.extend(shapes::CHANNEL_COMMON.iter().copied().filter(|k| *k != "name"))
            }
            ["model_list" | "providers", _] | ["tools", "web", _] => known.push("api_key"),
            _ => {}
        }
        let hint = suggestion(name, known.into_iter());
        self.findings.warn(self.layers, node.origin, &path.join("."), "unknown key, ignored", hint);
    }

    fn value(&mut self, node: &Node, key: &Key, path: &[&str]) {
        let wrong = match key.kind {
            Kind::Free | Kind::Unsupported => None,
            Kind::UnsupportedWarn => {
                let (used, message) = match key.path {
                    AGENTS => (only_skills(node), "only `skills` of the default entry is used"),
                    _ => (node.text() == Some("legacy"), "not supported by this build, ignored"),
                };
                if unused::is_set(node) && !used {
                    self.findings.warn(self.layers, node.origin, key.path, message, "");
                }
                None
            }
            Kind::Secrets => list_fault(node, |v| v.is_string(), "strings"),
            Kind::List => list_fault(node, |v| v.is_string() || v.is_number(), "strings"),
            kind => match node.value() {
                Some(value) => scalar_fault(value, kind),
                None => Some((
                    format!("{} is needed, this is {}", needed(kind), node.kind_name()),
                    String::new(),
                )),
            },
        };
        if let Some((message, hint)) = wrong {
            self.error(node, path, message, hint);
        }
    }

    fn error(
        &mut self,
        node: &Node,
        path: &[&str],
        message: impl Into<String>,
        hint: impl Into<String>,
    ) {
        self.findings.error(self.layers, node.origin, &path.join("."), message, hint);
    }
}

/// Whether `agents.list` says nothing but which skills its one agent has.
fn only_skills(list: &Node) -> bool {
    let [agent] = list.items() else { return false };
    let used = |name: &str| matches!(name, "id" | "name" | "default" | "skills");
    agent.entries().iter().all(|(name, _)| used(name))
}

fn list_fault(node: &Node, good: fn(&Value) -> bool, of: &str) -> Option<(String, String)> {
    match &node.kind {
        tree::NodeKind::Map(_) => {
            Some((format!("an array of {of} is needed, this is an object"), String::new()))
        }
        tree::NodeKind::Leaf(v) if good(v) => None,
        tree::NodeKind::Leaf(_) => Some((
            format!("an array of {of} is needed, this is {}", node.kind_name()),
            String::new(),
        )),
        tree::NodeKind::List(items) => {
            let bad = items.iter().position(|i| !i.value().is_some_and(good))?;
            let kind = items.get(bad).map_or("", Node::kind_name);
            Some((format!("an array of {of} is needed, element {bad} is {kind}"), String::new()))
        }
    }
}

fn needed(kind: Kind) -> &'static str {
    match kind {
        Kind::Bool => "true or false",
        Kind::Int(..) => "a whole number",
        Kind::Num(..) => "a number",
        _ => "a string",
    }
}

/// What is wrong with a scalar, and how to fix it.
fn scalar_fault(value: &Value, kind: Kind) -> Option<(String, String)> {
    let number = value.as_f64();
    let plain = |message: String| Some((message, String::new()));
    match kind {
        Kind::Bool if value.is_boolean() => None,
        Kind::Int(low, high) if number.is_some_and(|n| n.fract() == 0.0) => {
            let n = number.unwrap_or_default();
            let inside = n >= low as f64 && n <= high as f64;
            if inside {
                None
            } else {
                plain(format!("{} is outside {}", text::plain(n), range(low, high)))
            }
        }
        Kind::Num(low, high) if number.is_some() => {
            let inside = number.is_some_and(|n| n >= low && n <= high);
            if inside {
                None
            } else {
                plain(format!("outside {} to {}", text::plain(low), text::plain(high)))
            }
        }
        Kind::Text | Kind::Secret if value.is_string() => None,
        Kind::Url | Kind::Proxy if value.is_string() => {
            let text = value.as_str().unwrap_or_default();
            let (schemes, names): (&[&str], &str) = match kind {
                Kind::Url => (&["http", "https"], "http:// or https://"),
                _ => (
                    &["http", "https", "socks5", "socks5h"],
                    "http://, https://, socks5:// or socks5h://",
                ),
            };
            if text.trim().is_empty() || address_ok(text.trim(), schemes) {
                None
            } else {
                plain(format!("an address with {names} and a host is needed"))
            }
        }
        Kind::Word(words) if value.is_string() => {
            let text = value.as_str().unwrap_or_default().trim();
            if words.split('|').any(|w| w.eq_ignore_ascii_case(text)) {
                return None;
            }
            let known: Vec<&str> = words.split('|').filter(|w| !w.is_empty()).collect();
            Some((
                format!("`{text}` is not one of {}", known.join(", ")),
                suggestion(text, known.iter().copied()),
            ))
        }
        _ => {
            let given = match value {
                Value::Bool(_) => "true or false",
                Value::Number(_) => "a number",
                _ => "a string",
            };
            let quoted = value
                .as_str()
                .is_some_and(|s| text::number(s).is_some() || s == "true" || s == "false");
            let hint =
                if quoted && !matches!(kind, Kind::Text) { "write it without quotes" } else { "" };
            let given = if value.is_number() && matches!(kind, Kind::Int(..)) {
                "a fraction"
            } else {
                given
            };
            Some((format!("{} is needed, this is {given}", needed(kind)), hint.to_owned()))
        }
    }
}

fn range(low: i64, high: i64) -> String {
    if high >= i64::from(u32::MAX) { format!("{low} and up") } else { format!("{low} to {high}") }
}

fn address_ok(text: &str, schemes: &[&str]) -> bool {
    let Some((scheme, rest)) = text.split_once("://") else { return false };
    let authority = rest.split(['/', '?', '#']).next().unwrap_or_default();
    let host = authority.rsplit_once('@').map_or(authority, |(_, h)| h);
    let fine = !host.is_empty()
        && !host.starts_with(':')
        && !text.chars().any(|c| c.is_whitespace() || c.is_control());
    fine && schemes.iter().any(|s| s.eq_ignore_ascii_case(scheme))
}
