//! Converts a layer of any version to the shape of schema version 3, in memory only.
//!
//! What counts is what a layer contains, not the version it states: an overlay seldom states one. Nodes are moved, so they
//! keep their origin. A value of a wrong type is moved like any other; [`super::inspect`] reports it.
//!
//! - `agents.defaults.model` becomes `model_name` (which wins where both are given).
//! - `channels` becomes `channel_list`; whatever of an entry is not common to all channels moves under `settings`;
//!   `mention_only` and `group_trigger_prefix` move into `group_trigger`.
//! - `api_key` and `api_keys` become one list: trimmed, each key once.
//! - `session.dm_scope` becomes `session.dimensions` (which win where both are given).
//! - `tools.web.search` of the v0 example means Brave.
//! - `[NOT_HERE]` and keys that are comments (`_x`, `//x`) are removed.

use serde_json::Value;

use super::secret::is_placeholder;
use super::tree::{Node, NodeKind};

/// What upstream leaves in config.json for a value that is in `.security.yml`.
const NOT_HERE: &str = "[NOT_HERE]";

/// Members of a channel entry that every kind of channel has.
pub const CHANNEL_COMMON: &[&str] = &[
    "enabled",
    "type",
    "name",
    "allow_from",
    "reasoning_channel_id",
    "group_trigger",
    "typing",
    "placeholder",
    "settings",
];

/// Turns a layer into the canonical shape.
pub fn normalise(root: &mut Node) {
    remove_comments(root);
    if let Some(defaults) = root.get_mut("agents").and_then(|a| a.get_mut("defaults")) {
        rename(defaults, "model", "model_name");
    }
    rename_channels(root);
    if let Some(list) = root.get_mut("channel_list") {
        for_each(list, channel);
    }
    for section in ["model_list", "providers"] {
        if let Some(list) = root.get_mut(section) {
            for_each(list, merge_keys);
        }
    }
    if let Some(session) = root.get_mut("session") {
        scope(session);
    }
    if let Some(web) = root.get_mut("tools").and_then(|t| t.get_mut("web")) {
        if web.get("brave").is_none() {
            if let Some(mut search) = web.remove("search") {
                let on =
                    search.text_of("api_key").is_some_and(|k| !k.is_empty() && !is_placeholder(k));
                search.set("enabled", Node::leaf(search.origin, on));
                web.set("brave", search);
            }
        }
        for_each(web, merge_keys);
    }
}

/// The dimensions that an older `dm_scope` means; `None` for an unknown one.
fn dimensions_of(scope: &str) -> Option<&'static [&'static str]> {
    match scope {
        "per-channel-peer" => Some(&["chat", "sender"]),
        "per-peer" => Some(&["sender"]),
        "global" => Some(&[]),
        _ => None,
    }
}

/// Calls `f` on every object in an object or array.
fn for_each(list: &mut Node, f: fn(&mut Node)) {
    let nodes: Vec<&mut Node> = match &mut list.kind {
        NodeKind::Map(m) => m.iter_mut().map(|(_, n)| n).collect(),
        NodeKind::List(l) => l.iter_mut().collect(),
        NodeKind::Leaf(_) => Vec::new(),
    };
    nodes.into_iter().filter(|n| n.is_map()).for_each(f);
}

fn rename(node: &mut Node, from: &str, to: &str) {
    if let Some(old) = node.remove(from) {
        if node.get(to).is_none() {
            node.set(to, old);
        }
    }
}

fn remove_comments(node: &mut Node) {
    let gone = |n: &Node| n.text() == Some(NOT_HERE);
    match &mut node.kind {
        NodeKind::Map(map) => {
            map.retain(|(k, n)| !k.starts_with('_') && !k.starts_with("//") && !gone(n));
            map.retain_mut(|(_, n)| {
                let had = !n.items().is_empty();
                remove_comments(n);
                // A list of nothing but placeholders says nothing about the list.
                !(had && n.items().is_empty())
            });
        }
        NodeKind::List(list) => {
            list.retain(|n| !gone(n));
            list.iter_mut().for_each(remove_comments);
        }
        NodeKind::Leaf(_) => {}
    }
}

/// `channels` and `channel_list` of one file: entries of the latter win.
fn rename_channels(root: &mut Node) {
    let Some(mut old) = root.remove("channels") else { return };
    match root.remove("channel_list") {
        Some(new) if new.is_map() && old.is_map() => {
            for (name, entry) in new.entries() {
                old.set(name, entry.clone());
            }
        }
        Some(new) => old = new,
        None => {}
    }
    root.set("channel_list", old);
}

fn channel(entry: &mut Node) {
    let origin = entry.origin;
    let NodeKind::Map(members) = &mut entry.kind else { return };
    let mut own = Vec::new();
    let mut i = 0;
    while let Some((key, _)) = members.get(i) {
        if CHANNEL_COMMON.contains(&&**key) {
            i += 1;
        } else {
            own.push(members.remove(i));
        }
    }
    for (key, node) in own {
        let (section, key) = match &*key {
            "bindings" => continue,
            "mention_only" => ("group_trigger", "mention_only"),
            "group_trigger_prefix" => ("group_trigger", "prefixes"),
            other => ("settings", other),
        };
        if let Some(section) = entry.child(section, origin) {
            if section.get(key).is_none() {
                section.set(key, node);
            }
        }
    }
}

fn merge_keys(entry: &mut Node) {
    let Some(single) = entry.remove("api_key") else {
        if let Some(keys) = entry.get_mut("api_keys") {
            trim_and_dedup(keys);
        }
        return;
    };
    let empty = single.text() == Some("");
    let mut keys = match entry.remove("api_keys") {
        Some(Node { kind: NodeKind::List(list), origin }) => {
            Node { origin, kind: NodeKind::List(list) }
        }
        Some(other) if !other.is_null() => {
            Node { origin: other.origin, kind: NodeKind::List(vec![other]) }
        }
        _ if single.is_null() => single.clone(),
        _ => Node { origin: single.origin, kind: NodeKind::List(Vec::new()) },
    };
    if let NodeKind::List(list) = &mut keys.kind {
        if !empty && !single.is_null() {
            list.insert(0, single);
        }
    }
    trim_and_dedup(&mut keys);
    entry.set("api_keys", keys);
}

/// Trims the texts of a list and keeps the first of equal ones.
fn trim_and_dedup(keys: &mut Node) {
    let NodeKind::List(list) = &mut keys.kind else { return };
    let mut seen: Vec<String> = Vec::new();
    list.retain_mut(|node| {
        let NodeKind::Leaf(Value::String(text)) = &mut node.kind else { return true };
        let trimmed = text.trim().to_owned();
        let new = !trimmed.is_empty() && !seen.contains(&trimmed);
        seen.push(trimmed.clone());
        *text = trimmed;
        new
    });
}

fn scope(session: &mut Node) {
    let known = session.text_of("dm_scope").and_then(dimensions_of);
    let Some(words) = known else { return };
    let Some(old) = session.remove("dm_scope") else { return };
    if session.get("dimensions").is_none() {
        let list = words.iter().map(|w| Node::leaf(old.origin, *w)).collect();
        session.set("dimensions", Node { origin: old.origin, kind: NodeKind::List(list) });
    }
}

#[cfg(test)]
mod tests {
    use super::super::tree::from_json;
    use super::*;

    #[track_caller]
    fn check(text: &str, want: &str) {
        let mut node = from_json(text, 0, &mut Vec::new()).unwrap();
        normalise(&mut node);
        assert_eq!(node.to_value(), serde_json::from_str::<Value>(want).unwrap());
    }

    #[test]
    fn models_and_keys() {
        check(
            r#"{"agents":{"defaults":{"model":"a"}}}"#,
            r#"{"agents":{"defaults":{"model_name":"a"}}}"#,
        );
        check(
            r#"{"agents":{"defaults":{"model":"a","model_name":"b"}}}"#,
            r#"{"agents":{"defaults":{"model_name":"b"}}}"#,
        );
        check(r#"{"model_list":[{"api_key":" k "}]}"#, r#"{"model_list":[{"api_keys":["k"]}]}"#);
        check(
            r#"{"model_list":[{"api_key":" k ","api_keys":["l"," k","","l"]}]}"#,
            r#"{"model_list":[{"api_keys":["k","l"]}]}"#,
        );
        check(
            r#"{"model_list":{"m":{"api_key":null}}}"#,
            r#"{"model_list":{"m":{"api_keys":null}}}"#,
        );
        check(r#"{"providers":{"p":{"api_key":""}}}"#, r#"{"providers":{"p":{"api_keys":[]}}}"#);
        check(r#"{"model_list":[{"api_key":7}]}"#, r#"{"model_list":[{"api_keys":[7]}]}"#);
    }

    #[test]
    fn channels() {
        check(
            r#"{"channels":{"telegram":{"enabled":true,"token":"t","allow_from":[1],"mention_only":true,"base_url":null}}}"#,
            r#"{"channel_list":{"telegram":{"enabled":true,"allow_from":[1],"group_trigger":{"mention_only":true},"settings":{"token":"t","base_url":null}}}}"#,
        );
        check(
            r#"{"channels":{"onebot":{"group_trigger_prefix":["x"],"bindings":[]}}}"#,
            r#"{"channel_list":{"onebot":{"group_trigger":{"prefixes":["x"]}}}}"#,
        );
        check(
            r#"{"channel_list":{"t":{"token":"flat","settings":{"proxy":"p"}}}}"#,
            r#"{"channel_list":{"t":{"settings":{"proxy":"p","token":"flat"}}}}"#,
        );
        check(
            r#"{"channels":{"a":{"enabled":true},"b":{}},"channel_list":{"b":{"enabled":false}}}"#,
            r#"{"channel_list":{"a":{"enabled":true},"b":{"enabled":false}}}"#,
        );
        check(r#"{"channels":5}"#, r#"{"channel_list":5}"#);
        check(
            r#"{"channel_list":[{"name":"t","token":"x"}]}"#,
            r#"{"channel_list":[{"name":"t","settings":{"token":"x"}}]}"#,
        );
    }

    #[test]
    fn the_rest() {
        check(r#"{"session":{"dm_scope":"per-peer"}}"#, r#"{"session":{"dimensions":["sender"]}}"#);
        check(
            r#"{"session":{"dm_scope":"per-peer","dimensions":["chat"]}}"#,
            r#"{"session":{"dimensions":["chat"]}}"#,
        );
        check(r#"{"session":{"dm_scope":"odd"}}"#, r#"{"session":{"dm_scope":"odd"}}"#);
        check(
            r#"{"_comment":"x","//":"y","gateway":{"_why":1,"port":2}}"#,
            r#"{"gateway":{"port":2}}"#,
        );
        check(
            r#"{"model_list":[{"api_key":"[NOT_HERE]"},{"api_keys":["[NOT_HERE]"],"fallbacks":[]}]}"#,
            r#"{"model_list":[{},{"fallbacks":[]}]}"#,
        );
        check(
            r#"{"tools":{"web":{"search":{"api_key":"b","max_results":3}}}}"#,
            r#"{"tools":{"web":{"brave":{"api_keys":["b"],"max_results":3,"enabled":true}}}}"#,
        );
        check(
            r#"{"tools":{"web":{"search":{"api_key":"YOUR_KEY"}}}}"#,
            r#"{"tools":{"web":{"brave":{"api_keys":["YOUR_KEY"],"enabled":false}}}}"#,
        );
    }
}
