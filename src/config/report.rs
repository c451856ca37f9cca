//! `config check` and `config show`: errors, and the effective values with their sources. Secrets are never shown.

use std::collections::BTreeSet;
use std::io::Write;

use serde_json::{Map, Value, json};

use super::channels;
use super::config_keys::Resolved;
use super::keys::{self, Key, KeyMatch, Kind};
use super::layers::{Layer, LayerKind, LoadOptions};
use super::load::{Loaded, load};
use super::problem::Problem;
use super::providers;
use super::secret::{is_secret_name, url_userinfo};
use super::table::ModelConfig;
use super::tree::Node;
use crate::error::Result;
use crate::proto::json::object;

const REDACTED: &str = "[redacted]";
/// Variables of a hook: they are how it gets its keys, under names of its own.
const HOOK_ENV: &str = "hooks.processes.*.env.*";

/// Checks the configuration as a first start would; `true` if it is valid.
pub fn check(options: &LoadOptions, as_json: bool, out: &mut dyn Write) -> Result<bool> {
    let (ok, errors, more, warnings, layers) = match load(options) {
        Ok(loaded) => (true, Vec::new(), 0, loaded.warnings, names(&loaded.layers)),
        Err(e) => (false, e.problems, e.more, e.warnings, Vec::new()),
    };
    if as_json {
        let list = |problems: &[Problem]| Value::Array(problems.iter().map(problem_json).collect());
        let report = json!({"ok": ok, "errors": list(&errors), "more_errors": more, "warnings": list(&warnings), "layers": layers});
        writeln!(out, "{report}")?;
        return Ok(ok);
    }
    for problem in &errors {
        writeln!(out, "error: {problem}")?;
    }
    if more > 0 {
        writeln!(out, "and {more} more errors")?;
    }
    for problem in &warnings {
        writeln!(out, "warning: {problem}")?;
    }
    if ok {
        for layer in &layers {
            writeln!(out, "read {layer}")?;
        }
        writeln!(out, "The configuration is good.")?;
    }
    Ok(ok)
}

fn names(layers: &[Layer]) -> Vec<String> {
    let read = |l: &&Layer| match l.kind {
        LayerKind::BuiltIn => false,
        LayerKind::Environment => !l.text.is_empty(),
        LayerKind::Json | LayerKind::Security => true,
    };
    layers.iter().filter(read).map(|l| l.name.clone()).collect()
}

fn problem_json(p: &Problem) -> Value {
    json!({"file": p.file, "line": p.line, "column": p.column, "key": p.key, "message": p.message, "hint": p.hint})
}

/// One line of `config show`.
struct Line {
    key: String,
    value: Value,
    source: String,
}

/// Prints every value in force with the file and line or variable that set it; `only` keeps keys that begin so. Without it
/// warnings follow, e.g. of variables that set nothing.
///
/// # Errors
/// An invalid configuration, no key begins with `only`, or `out` is closed.
pub fn show(options: &LoadOptions, only: &str, as_json: bool, out: &mut dyn Write) -> Result<()> {
    let loaded = load(&LoadOptions { allow_empty: true, ..options.clone() })?;
    let mut lines = collect(&loaded);
    lines.retain(|l| l.key.starts_with(only));
    let path: Vec<&str> = only.trim_end_matches('.').split('.').collect();
    let begins = || keys::all().any(|key| key.path.starts_with(only));
    if lines.is_empty() && matches!(keys::find(&path), KeyMatch::Unknown) && !begins() {
        return Err(keys::unknown(only));
    }
    if as_json {
        let map: Map<String, Value> = lines
            .into_iter()
            .map(|l| (l.key, json!({"value": l.value, "source": l.source})))
            .collect();
        writeln!(out, "{}", Value::Object(map))?;
        return Ok(());
    }
    let width = lines.iter().map(|l| l.key.chars().count()).max().unwrap_or_default();
    for line in lines {
        writeln!(out, "{:width$} = {}  # {}", line.key, line.value, line.source)?;
    }
    for warning in loaded.warnings.iter().filter(|_| only.is_empty()) {
        writeln!(out, "# warning: {warning}")?;
    }
    Ok(())
}

fn collect(loaded: &Loaded) -> Vec<Line> {
    let mut lines = Vec::new();
    for key in keys::all().filter(|k| !k.path.contains('*') && !k.unsupported()) {
        let node = loaded.tree.at(key.path).filter(|n| !n.is_null());
        let written = node.map_or_else(|| key.default(loaded.config.version), Node::to_value);
        let value = loaded.config.resolved_value(key.path).unwrap_or(written);
        if node.is_some() || !value.is_null() {
            push(&mut lines, key.path.to_owned(), &key, value, node, loaded);
        }
    }
    for section in ["model_list", "providers", "channel_list", "session", "hooks.processes"] {
        entries(section, &mut lines, loaded);
    }
    unsupported(&loaded.tree, &mut Vec::new(), &mut lines, loaded);
    lines
}

/// Keys with a name in their path.
fn entries(section: &str, lines: &mut Vec<Line>, loaded: &Loaded) {
    let Some(list) = loaded.tree.at(section) else { return };
    let mut named: Vec<(String, &Node)> =
        list.entries().iter().map(|(n, e)| (n.to_string(), e)).collect();
    for item in list.items() {
        let name = item.text_of("model_name").unwrap_or_default();
        let same = named
            .iter()
            .filter(|(n, _)| n == name || n.strip_prefix(name).is_some_and(|r| r.starts_with(':')))
            .count();
        named.push((if same == 0 { name.to_owned() } else { format!("{name}:{same}") }, item));
    }
    let prefix = if section == "session" { "session.identity_links." } else { "" };
    let named = if prefix.is_empty() { named } else { vec![(String::new(), list)] };
    for (name, entry) in &named {
        let model = loaded.config.models.iter().find(|m| section == "model_list" && is(m, entry));
        let kind = channels::place(entry.text_of("type").filter(|t| !t.is_empty()).unwrap_or(name));
        let ours = section != "channel_list" || kind.is_some();
        for (own, key) in keys_of(section, kind) {
            let Some((_, below)) = key.path.split_once(".*.") else { continue };
            if let Some(map) = below.strip_suffix(".*") {
                for (inner, node) in entry.at(map).map(Node::entries).unwrap_or_default() {
                    push(
                        lines,
                        format!("{section}.{name}.{map}.{inner}"),
                        &key,
                        node.to_value(),
                        Some(node),
                        loaded,
                    );
                }
                continue;
            }
            let node = entry.at(below).filter(|n| !n.is_null());
            let value = model
                .and_then(|m| m.resolved(key.path))
                .or_else(|| node.map(Node::to_value))
                .unwrap_or_else(|| key.default(loaded.config.version));
            if node.is_some() || (ours && own && !value.is_null()) {
                push(lines, format!("{section}.{name}.{below}"), &key, value, node, loaded);
            }
        }
        if let (true, Some(key)) =
            (section == "session", keys::by_pattern("session.identity_links.*"))
        {
            for (person, node) in entry.get("identity_links").map(Node::entries).unwrap_or_default()
            {
                push(
                    lines,
                    format!("session.identity_links.{person}"),
                    &key,
                    node.to_value(),
                    Some(node),
                    loaded,
                );
            }
        }
    }
}

/// The keys of a section, each once, and whether they are those of an entry of this kind of channel. Kinds share keys: the
/// entry's own go before those of others.
fn keys_of(section: &str, kind: Option<usize>) -> impl Iterator<Item = (bool, Key)> {
    let mut shown = BTreeSet::new();
    let below =
        move |path: &str| path.strip_prefix(section).is_some_and(|rest| rest.starts_with('.'));
    let used = move |k: &Key| !k.unsupported() && below(k.path);
    keys::all_with_kind().filter(move |(_, key)| used(key)).filter_map(move |(owner, key)| {
        let own = owner.is_none() || owner == kind;
        let twin = || kind.is_some_and(|kind| keys::of_kind(kind, key.path).is_some());
        let left_out = !own && (twin() || !shown.insert(key.path));
        (!left_out).then_some((own, key))
    })
}

/// Whether a model was made of this entry: several may share a name.
fn is(model: &ModelConfig, entry: &Node) -> bool {
    let text = |key| entry.text_of(key).unwrap_or_default().trim();
    model.model_name == text("model_name")
        && providers::split_model(text("provider"), text("model"))
            .is_some_and(|(provider, id)| provider == model.provider && id == model.model)
}

/// Keys that are set and have no use here.
fn unsupported<'n>(
    node: &'n Node,
    path: &mut Vec<&'n str>,
    lines: &mut Vec<Line>,
    loaded: &Loaded,
) {
    for (name, child) in node.entries() {
        path.push(name);
        match keys::find(path) {
            KeyMatch::Key(key) if key.unsupported() => {
                let value = "(not used by this build)".into();
                lines.push(Line {
                    key: path.join("."),
                    value,
                    source: source(Some(child), loaded),
                });
            }
            KeyMatch::Section => unsupported(child, path, lines, loaded),
            _ => {}
        }
        path.pop();
    }
}

fn push(
    lines: &mut Vec<Line>,
    name: String,
    key: &Key,
    value: Value,
    node: Option<&Node>,
    loaded: &Loaded,
) {
    let last = name.rsplit('.').next().unwrap_or_default();
    let mut source = source(node, loaded);
    let mut value = value;
    if let (Kind::Int(..), Some(number)) = (key.kind, value.as_i64()) {
        value = key.in_force(number, loaded.config.version).into();
        // The effective number may differ from what was written (0 means the default; limits).
        let written = node.and_then(Node::value).and_then(Value::as_i64);
        if let Some(written) = written.filter(|w| value != *w) {
            source.push_str(if written <= 0 { ", 0 is the default" } else { ", limited" });
        }
    }
    let value = hide(value, key.secret() || key.path == HOOK_ENV || is_secret_name(last));
    lines.push(Line { key: name, value, source });
}

fn source(node: Option<&Node>, loaded: &Loaded) -> String {
    let place =
        node.and_then(|n| Some(loaded.layers.get(usize::from(n.origin.layer))?.place(n.origin)));
    match place {
        Some(place) if place.line > 0 => format!("{}:{}", place.file, place.line),
        Some(place) => place.file,
        None => "default".to_owned(),
    }
}

/// A value fit to be shown: secrets, and user names and passwords in addresses, taken out.
fn hide(value: Value, secret: bool) -> Value {
    match value {
        Value::String(text) if secret => if text.is_empty() { "" } else { REDACTED }.into(),
        Value::String(text) => match url_userinfo(&text).filter(|_| text.contains("://")) {
            Some(user) => text.replacen(user, REDACTED, 1).into(),
            None => text.into(),
        },
        Value::Array(items) => items.into_iter().map(|i| hide(i, secret)).collect(),
        Value::Object(map) => object(map.into_iter().map(|(k, v)| {
            let s = secret || is_secret_name(&k);
            (k, hide(v, s))
        })),
        other if secret => {
            if other.is_null() {
                other
            } else {
                REDACTED.into()
            }
        }
        other => other,
    }
}
