//! Every key this program knows: one table for types, defaults, variables, `config show` and the documentation.
//!
//! Paths are canonical (schema version 3); `*` matches a name in an object, or an element of a list. Older shapes are
//! turned into this one by [`super::shapes`] before anything looks a key up.

use std::cmp::Ordering;

pub use super::key::{Key, Kind};
use super::key_table::{KeyTable, Packed, head};
use super::nearest::nearest;
use super::{channels, table};
use crate::error::Error;

const GENERAL: usize = KeyTable::count(table::ALL);
const KINDS: usize = channels::KEYS.len();

/// Where the keys of each kind of channel end.
const KIND_ENDS: [usize; KINDS] = {
    let (mut ends, mut end, mut i) = ([0; KINDS], GENERAL, 0);
    // A build may have no channel at all.
    let mut rest: &[_] = channels::KEYS;
    while let [kind, more @ ..] = rest {
        end += KeyTable::count(kind);
        ends[i] = end;
        (i, rest) = (i + 1, more);
    }
    ends
};

const ALL: usize = match KIND_ENDS.last() {
    Some(end) => *end,
    None => GENERAL,
};

const PACKED: Packed<ALL> = Packed::new(table::ALL, channels::KEYS);
static TEXT_BYTES: [u8; PACKED.texts_len] = head(&PACKED.texts);
static FORMS: [u8; PACKED.forms_len] = head(&PACKED.forms);

/// All of them. Those of every configuration come first, then those of each kind of channel.
pub(super) static TABLE: KeyTable = KeyTable {
    entries: &PACKED.entries,
    texts: match std::str::from_utf8(&TEXT_BYTES) {
        Ok(texts) => texts,
        Err(_) => panic!("keys are text"),
    },
    forms: &FORMS,
    kind_ends: &KIND_ENDS,
    general: GENERAL,
};

/// Every key, section by section.
pub fn all() -> impl Iterator<Item = Key> {
    TABLE.all().map(|entry| TABLE.key(entry))
}

/// The result of looking up a path.
pub enum KeyMatch {
    /// A key of the table; its value is checked by its type.
    Key(Key),
    /// There are keys below it.
    Section,
    /// Below a key that takes anything.
    Inside,
    /// No key, and no part of the path to one: reported with similar names.
    Unknown,
}

/// Compares a pattern (`*` is any one segment) with a path: `Less` where the pattern is a parent of the path, `Greater`
/// where it is below it; `None` where neither contains the other.
fn relation(pattern: &str, path: &[&str]) -> Option<Ordering> {
    // Most keys differ in the first letter, and hundreds are compared with each path of a file.
    let initial = path.first().and_then(|p| p.bytes().next());
    if initial.is_some() && initial != pattern.bytes().next() && !pattern.starts_with('*') {
        return None;
    }
    let mut parts = pattern.split('.');
    for p in path {
        match parts.next() {
            None => return Some(Ordering::Less),
            Some(q) if q == *p || q == "*" => {}
            Some(_) => return None,
        }
    }
    Some(if parts.next().is_some() { Ordering::Greater } else { Ordering::Equal })
}

/// Looks up a canonical path.
pub fn find(path: &[&str]) -> KeyMatch {
    let mut best: Option<Key> = None;
    let (mut section, mut inside) = (false, false);
    for entry in TABLE.all() {
        let pattern = TABLE.path(entry);
        match relation(pattern, path) {
            // A fixed name wins over `*`.
            Some(Ordering::Equal) => match best {
                Some(b) if wildcards(b.path) <= wildcards(pattern) => {}
                _ => best = Some(TABLE.key(entry)),
            },
            Some(Ordering::Greater) => section = true,
            Some(Ordering::Less) => {
                let key = TABLE.key(entry);
                inside |= key.unsupported() || key.kind == Kind::Free;
            }
            None => {}
        }
    }
    match best {
        Some(key) => KeyMatch::Key(key),
        None if section => KeyMatch::Section,
        None if inside => KeyMatch::Inside,
        None => KeyMatch::Unknown,
    }
}

fn wildcards(path: &str) -> usize {
    path.bytes().filter(|b| *b == b'*').count()
}

/// Names that may follow a canonical path.
pub fn children(path: &[&str]) -> impl Iterator<Item = &'static str> {
    let depth = path.len();
    TABLE
        .all()
        .map(|entry| TABLE.path(entry))
        .filter(move |p| relation(p, path) == Some(Ordering::Greater))
        .filter_map(move |p| p.split('.').nth(depth))
        .filter(|n| *n != "*")
}

/// Whether this build has no use for the path: for the key itself, or for all that is below one.
fn is_unused(path: &[&str]) -> bool {
    (1..=path.len()).any(|n| matches!(find(&path[..n]), KeyMatch::Key(key) if key.unsupported()))
}

/// The message for a path that is no key: not even the beginning of one, or one that a command cannot take.
pub(super) fn unknown(path: &str) -> Error {
    let segments: Vec<&str> = path.trim_end_matches('.').split('.').collect();
    match find(&segments) {
        KeyMatch::Section => return section(path.trim_end_matches('.'), &segments),
        KeyMatch::Key(_) | KeyMatch::Inside if is_unused(&segments) => {
            return Error::new(format!("{path} is not used by this build"));
        }
        KeyMatch::Key(_) | KeyMatch::Inside => {
            let cure = "write it into a file of config.d instead";
            return Error::new(format!(
                "`{path}` has a name that `config set` does not take: {cure}"
            ));
        }
        KeyMatch::Unknown => {}
    }
    // A name in the path is not checked.
    let name = path.split('.').nth(1).unwrap_or_default();
    let known: Vec<String> =
        all().filter(|k| !k.unsupported()).map(|k| k.path.replacen('*', name, 1)).collect();
    let sections = known.iter().filter_map(|k| k.split_once('.')).map(|(section, _)| section);
    let near = nearest(path, known.iter().map(String::as_str).chain(sections));
    let near = near.filter(|near| *near != path);
    let hint = near.map_or_else(
        || "`picoclaw config keys` lists them".to_owned(),
        |near| format!("did you mean `{near}`?"),
    );
    Error::new(format!("no key is called `{path}` ({hint})"))
}

/// The message for a path that has keys below it.
fn section(path: &str, segments: &[&str]) -> Error {
    const SHOWN: usize = 8;
    let names: std::collections::BTreeSet<_> = children(segments).collect();
    let mut list = names.iter().copied().take(SHOWN).collect::<Vec<_>>().join(", ");
    if names.is_empty() {
        list.push_str("names that you choose");
    } else if names.len() > SHOWN {
        list.push_str(" and more");
    }
    let first = segments.first().copied().unwrap_or_default();
    let cure = format!("`picoclaw config keys {first}` describes them");
    Error::new(format!("`{path}` is a section; its keys are {list} ({cure})"))
}

/// The key with exactly this pattern.
pub fn by_pattern(pattern: &str) -> Option<Key> {
    TABLE.below("", pattern)
}

/// The same among the keys of a kind of channel, by its place in the table of kinds.
pub fn of_kind(kind: usize, pattern: &str) -> Option<Key> {
    TABLE.of_kind(kind, "", pattern)
}

/// Every key, and the kind of channel that alone has it.
pub fn all_with_kind() -> impl Iterator<Item = (Option<usize>, Key)> {
    TABLE.all_with_kind().map(|(kind, entry)| (kind, TABLE.key(entry)))
}

/// The environment variable of a path without stars, with upstream's names (`PICOCLAW_CHANNELS_TELEGRAM_TOKEN`).
pub fn variable(path: &[&str]) -> String {
    let mut name = String::from("PICOCLAW");
    for (i, part) in path.iter().enumerate() {
        let part = match (i, *part) {
            (0, "channel_list") => "CHANNELS",
            (2, "settings") if path.first() == Some(&"channel_list") => continue,
            (_, part) => part,
        };
        name.push('_');
        name.extend(
            part.chars()
                .map(|c| if c.is_ascii_alphanumeric() { c.to_ascii_uppercase() } else { '_' }),
        );
    }
    name
}

/// Objects of any shape, list elements and hooks have no variable.
pub fn variable_allowed(key: &Key) -> bool {
    !key.unsupported()
        && !matches!(key.kind, Kind::Free)
        && key.path != "version"
        && !key.path.starts_with("session.identity_links")
        && !key.path.starts_with("hooks.processes.")
        && !key.path.contains("custom_headers")
}

#[cfg(test)]
mod tests {
    use serde_json::Value;

    use super::*;

    #[test]
    fn table_is_sound() {
        for (i, key) in all().enumerate() {
            // Kinds of channels may share a key when it takes the same.
            let alike =
                |k: &Key| k.kind == key.kind && k.path.starts_with("channel_list.*.settings.");
            let mut before = all().take(i).filter(|k| k.path == key.path);
            assert!(before.all(|k| alike(&k)), "{} is there twice", key.path);
            for default in [key.v0, key.v3] {
                assert!(
                    default.is_empty() || serde_json::from_str::<Value>(default).is_ok(),
                    "{}: {default}",
                    key.path
                );
            }
            assert!(key.unsupported() || !key.doc.is_empty(), "{} has no text", key.path);
        }
    }

    #[test]
    fn paths_are_looked_up() {
        assert!(matches!(find(&["gateway", "port"]), KeyMatch::Key(k) if k.path == "gateway.port"));
        assert!(matches!(find(&["model_list", "gpt", "api_base"]), KeyMatch::Key(_)));
        assert!(matches!(find(&["model_list", "gpt", "extra_body", "x", "y"]), KeyMatch::Inside));
        assert!(matches!(find(&["tools", "mcp", "servers", "x"]), KeyMatch::Inside));
        assert!(matches!(find(&["agents", "defaults"]), KeyMatch::Section));
        assert!(matches!(find(&["agents", "defaults", "nope"]), KeyMatch::Unknown));
        assert!(children(&["gateway"]).any(|c| c == "port"));
    }

    #[test]
    fn variables_have_the_known_names() {
        let name = |p: &str| variable(&p.split('.').collect::<Vec<_>>());
        assert_eq!(name("agents.defaults.max_tokens"), "PICOCLAW_AGENTS_DEFAULTS_MAX_TOKENS");
        assert_eq!(
            name("channel_list.telegram.settings.token"),
            "PICOCLAW_CHANNELS_TELEGRAM_TOKEN"
        );
        assert_eq!(name("channel_list.my-bot.allow_from"), "PICOCLAW_CHANNELS_MY_BOT_ALLOW_FROM");
        assert_eq!(name("providers.openai.api_base"), "PICOCLAW_PROVIDERS_OPENAI_API_BASE");
    }

    #[test]
    fn each_key_comes_back_from_the_packed_table_as_it_was() {
        let written =
            table::ALL.iter().chain(channels::KEYS.iter().flatten()).copied().flatten().copied();
        assert!(all().eq(written), "packed or read wrongly");
        assert!(all().all(|k| by_pattern(k.path).is_some_and(|found| found.path == k.path)));
        assert!(all().count() > 200);
    }
}
