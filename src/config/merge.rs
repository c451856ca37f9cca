//! Layers over layers: JSON Merge Patch (RFC 7396), and the two lists that may also be patched by name.
//!
//! `channel_list` is an object by name at the end, `model_list` an array. What a layer may bring for them:
//!
//! - an array replaces everything below it, as RFC 7396 says;
//! - an object patches by name. In `model_list` the key is a `model_name` (all entries of that name are patched) or
//!   `name:N` (the Nth entry of that name, from 0); a name that is not there adds an entry; null removes.

use super::tree::{Node, NodeKind};

/// What happens to names in a patch that the list does not have.
#[derive(Clone, Copy, PartialEq, Eq)]
pub enum Unknown {
    /// They are added to the list.
    Add,
    /// They are left out (`.security.yml` adds secrets to entries, never entries).
    Skip,
}

/// Applies one layer, in its canonical shape, to the result of the lower ones.
pub fn merge_layer(target: &mut Node, patch: Node, unknown: Unknown) {
    let NodeKind::Map(entries) = patch.kind else { return };
    for (key, value) in entries {
        match &*key {
            "model_list" => merge_models(target, value, unknown),
            "channel_list" => merge_channels(target, value, unknown),
            _ => merge_member(target, &key, value),
        }
    }
}

/// RFC 7396 for one member of an object.
pub fn merge_member(target: &mut Node, key: &str, patch: Node) {
    if patch.is_null() {
        target.remove(key);
    } else if let Some(old) = target.get_mut(key) {
        merge(old, patch);
    } else {
        let mut fresh = Node::map(patch.origin);
        merge(&mut fresh, patch);
        target.set(key, fresh);
    }
}

/// Merges by RFC 7396: objects member by member, null removes, all else replaces.
pub fn merge(target: &mut Node, patch: Node) {
    match patch.kind {
        NodeKind::Map(entries) => {
            if !target.is_map() {
                *target = Node::map(patch.origin);
            }
            for (key, value) in entries {
                merge_member(target, &key, value);
            }
        }
        _ => *target = patch,
    }
}

/// Positions of the model entries that a name in an object means.
pub fn models_named(list: &[Node], name: &str) -> Vec<usize> {
    let called = |wanted: &str| -> Vec<usize> {
        (0..list.len())
            .filter(|&i| list.get(i).and_then(|n| n.text_of("model_name")) == Some(wanted))
            .collect()
    };
    let exact = called(name);
    if !exact.is_empty() {
        return exact;
    }
    let Some((base, number)) = name.rsplit_once(':') else { return exact };
    let number: Option<usize> = number.parse().ok();
    number.and_then(|n| called(base).get(n).copied()).into_iter().collect()
}

fn merge_models(target: &mut Node, patch: Node, unknown: Unknown) {
    let by_name = match patch.kind {
        NodeKind::Map(entries) => entries,
        _ => return merge_member(target, "model_list", patch),
    };
    let is_list = matches!(target.get("model_list").map(|n| &n.kind), Some(NodeKind::List(_)));
    if !is_list {
        if unknown == Unknown::Skip {
            return;
        }
        target.set("model_list", Node { origin: patch.origin, kind: NodeKind::List(Vec::new()) });
    }
    let Some(Node { kind: NodeKind::List(list), .. }) = target.get_mut("model_list") else {
        return;
    };
    for (name, value) in by_name {
        let found = models_named(list, &name);
        if value.is_null() {
            for i in found.into_iter().rev() {
                list.remove(i);
            }
        } else if found.is_empty() {
            if unknown == Unknown::Add {
                let mut entry = Node::map(value.origin);
                entry.set("model_name", Node::leaf(value.origin, &*name));
                merge(&mut entry, value);
                list.push(entry);
            }
        } else {
            for i in found {
                if let Some(entry) = list.get_mut(i) {
                    merge(entry, value.clone());
                }
            }
        }
    }
}

fn merge_channels(target: &mut Node, patch: Node, unknown: Unknown) {
    let origin = patch.origin;
    match patch.kind {
        NodeKind::List(items) => {
            let mut all = Node::map(origin);
            for mut item in items {
                let name =
                    item.text_of("name").or(item.text_of("type")).unwrap_or_default().to_owned();
                item.remove("name");
                merge_member(&mut all, &name, item);
            }
            target.set("channel_list", all);
        }
        NodeKind::Map(entries) => {
            if target.get("channel_list").is_none_or(|n| !n.is_map()) {
                target.set("channel_list", Node::map(origin));
            }
            let Some(all) = target.get_mut("channel_list") else { return };
            for (name, value) in entries {
                if unknown == Unknown::Add || all.get(&name).is_some() {
                    merge_member(all, &name, value);
                }
            }
        }
        NodeKind::Leaf(_) => {
            merge_member(target, "channel_list", Node { origin, kind: patch.kind })
        }
    }
}

/// Adds members of `extra` that `target` lacks or has as empty strings; never changes others.
pub fn fill(target: &mut Node, extra: &Node) {
    for (key, value) in extra.entries() {
        match target.get_mut(key) {
            Some(old) if old.is_map() => fill(old, value),
            Some(old) if old.text() != Some("") => {}
            _ => target.set(key, value.clone()),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::super::tree::from_json;
    use super::*;

    fn node(text: &str) -> Node {
        from_json(text, 0, &mut Vec::new()).unwrap()
    }

    #[track_caller]
    fn check(target: &str, patch: &str, want: &str) {
        let mut t = node(target);
        merge_layer(&mut t, node(patch), Unknown::Add);
        assert_eq!(t.to_value(), serde_json::from_str::<serde_json::Value>(want).unwrap());
    }

    #[test]
    fn merge_patch() {
        check(r#"{"a":"b"}"#, r#"{"a":"c"}"#, r#"{"a":"c"}"#);
        check(r#"{"a":"b"}"#, r#"{"a":null}"#, "{}");
        check(r#"{"a":{"x":1,"y":2}}"#, r#"{"a":{"y":null,"z":3}}"#, r#"{"a":{"x":1,"z":3}}"#);
        check(r#"{"a":[1,2]}"#, r#"{"a":[3]}"#, r#"{"a":[3]}"#);
        check(r#"{"a":1}"#, r#"{"a":{"b":{"c":null}}}"#, r#"{"a":{"b":{}}}"#);
        check("{}", r#"{"a":{"b":null,"c":[null]}}"#, r#"{"a":{"c":[null]}}"#);
        check(r#"{"a":{"b":1}}"#, r#"{"a":7}"#, r#"{"a":7}"#);
    }

    #[test]
    fn models_are_patched_by_name() {
        let base = r#"{"model_list":[{"model_name":"a","model":"x"},{"model_name":"b","model":"y"},{"model_name":"a","model":"z"}]}"#;
        check(
            base,
            r#"{"model_list":{"b":{"rpm":3}}}"#,
            r#"{"model_list":[{"model_name":"a","model":"x"},{"model_name":"b","model":"y","rpm":3},{"model_name":"a","model":"z"}]}"#,
        );
        check(
            base,
            r#"{"model_list":{"a:1":{"rpm":3},"b":null}}"#,
            r#"{"model_list":[{"model_name":"a","model":"x"},{"model_name":"a","model":"z","rpm":3}]}"#,
        );
        check(
            base,
            r#"{"model_list":{"a":null,"c":{"model":"w","rpm":null}}}"#,
            r#"{"model_list":[{"model_name":"b","model":"y"},{"model_name":"c","model":"w"}]}"#,
        );
        check(
            base,
            r#"{"model_list":[{"model_name":"q"}]}"#,
            r#"{"model_list":[{"model_name":"q"}]}"#,
        );
        check(base, r#"{"model_list":null}"#, "{}");
        check(
            "{}",
            r#"{"model_list":{"llama3:8b":{"model":"m"}}}"#,
            r#"{"model_list":[{"model_name":"llama3:8b","model":"m"}]}"#,
        );
    }

    #[test]
    fn channels_are_objects_by_name_in_the_end() {
        check(
            r#"{"channel_list":{"t":{"enabled":true}}}"#,
            r#"{"channel_list":{"t":{"enabled":false},"u":{}}}"#,
            r#"{"channel_list":{"t":{"enabled":false},"u":{}}}"#,
        );
        check(
            r#"{"channel_list":{"t":{}}}"#,
            r#"{"channel_list":[{"name":"w","type":"telegram"},{"type":"telegram"}]}"#,
            r#"{"channel_list":{"w":{"type":"telegram"},"telegram":{"type":"telegram"}}}"#,
        );
    }

    #[test]
    fn security_adds_no_entries_and_fills_gaps() {
        let mut t = node(r#"{"model_list":[{"model_name":"a"}],"channel_list":{"t":{}}}"#);
        merge_layer(
            &mut t,
            node(r#"{"model_list":{"a":{"k":1},"b":{"k":2}},"channel_list":{"u":{},"t":{"k":3}}}"#),
            Unknown::Skip,
        );
        assert_eq!(
            t.to_value().to_string(),
            r#"{"channel_list":{"t":{"k":3}},"model_list":[{"k":1,"model_name":"a"}]}"#
        );
        let mut t = node(r#"{"a":"x","b":"","d":{"e":1}}"#);
        fill(&mut t, &node(r#"{"a":"y","b":"y","c":"y","d":{"e":2,"f":2}}"#));
        assert_eq!(t.to_value().to_string(), r#"{"a":"x","b":"y","c":"y","d":{"e":1,"f":2}}"#);
    }
}
