//! Every key this program knows: one table for types, defaults, variables, `config show` and the documentation.
//!
//! Paths are canonical (schema version 3); `*` stands for a name in an object, or an element of a list. Older shapes are
//! turned into this one by [`super::shapes`] before anything looks a key up.

use std::cmp::Ordering;

use serde_json::Value;

pub use super::keys_list::write_markdown;
use super::keys_pack;
use super::nearest::nearest;
use crate::error::Error;

/// What a key takes.
#[derive(Clone, Copy, Debug, PartialEq)]
pub enum Kind {
    /// `true` or `false`.
    Bool,
    /// A whole number in a range, both ends included.
    Int(i64, i64),
    /// A number in a range.
    Num(f64, f64),
    /// A string.
    Text,
    /// An `http://` or `https://` address, or empty.
    Url,
    /// A proxy address (`http://`, `https://`, `socks5://`, `socks5h://`), or empty.
    Proxy,
    /// A string that is never shown; `file://name` reads it from a file.
    Secret,
    /// Several of those; one string counts as a list of one.
    Secrets,
    /// Strings and numbers mixed; one counts as a list of one.
    List,
    /// One of these, in any case, with `|` between them.
    Word(&'static str),
    /// Any JSON.
    Free,
    /// A key of the Go original that this build does not use; anything below it is accepted.
    Unsupported,
    /// The same, and a warning tells when it is switched on.
    UnsupportedWarn,
}

/// One key.
#[derive(Clone, Copy, PartialEq)]
pub struct Key {
    /// Canonical path.
    pub path: &'static str,
    /// What it takes.
    pub kind: Kind,
    /// Default (JSON) of a configuration without `version`, which is v0.1.2's; empty for none.
    pub v0: &'static str,
    /// Default (JSON) from `version` 1 on; empty for none.
    pub v3: &'static str,
    /// What counts of a number.
    pub limits: Limits,
    /// One line for people.
    pub doc: &'static str,
}

/// No upper end.
pub(super) const ANY: i64 = u32::MAX as i64;

/// How a number that may be written becomes the one that counts.
#[derive(Clone, Copy, PartialEq)]
pub struct Limits {
    /// What 0 means.
    pub zero: Zero,
    /// Smaller ones count as this.
    pub least: i64,
    /// Larger ones count as this.
    pub most: i64,
}

/// What 0, and whatever is below it, means.
#[derive(Clone, Copy, PartialEq)]
pub enum Zero {
    /// Itself.
    Itself,
    /// The default.
    Default,
    /// This.
    Means(i64),
}

/// 0 means the default.
pub(super) const ZERO: Limits = Limits { zero: Zero::Default, ..Limits::NONE };

/// 0 means `n`.
pub(super) const fn zero(n: i64) -> Limits {
    Limits { zero: Zero::Means(n), ..Limits::NONE }
}

impl Limits {
    /// Every number counts as it is.
    pub const NONE: Limits = Limits { zero: Zero::Itself, least: i64::MIN, most: i64::MAX };

    /// These, and nothing below `least`.
    pub const fn from(self, least: i64) -> Limits {
        Limits { least, ..self }
    }

    /// These, and nothing above `most`.
    pub const fn to(self, most: i64) -> Limits {
        Limits { most, ..self }
    }
}

pub(super) const fn key(
    path: &'static str,
    kind: Kind,
    default: &'static str,
    doc: &'static str,
) -> Key {
    Key { path, kind, v0: default, v3: default, limits: Limits::NONE, doc }
}

pub(super) const fn unsupported(path: &'static str) -> Key {
    Key::without_use(path, Kind::Unsupported)
}

/// Every key, section by section.
pub fn all() -> impl Iterator<Item = Key> {
    keys_pack::all().map(keys_pack::Entry::key)
}

/// What the table says about a path.
pub enum Found {
    /// A key.
    Key(Key),
    /// Keys stand below it.
    Section,
    /// Below a key that takes anything.
    Inside,
    /// Nothing.
    Unknown,
}

/// How a pattern (`*` meaning any one segment) lies to a path: `Equal`, `Less` where it ends above the path,
/// `Greater` where it goes on below it; `None` where they part.
fn relation(pattern: &str, path: &[&str]) -> Option<Ordering> {
    // Most keys part at the first letter: hundreds of them are looked at for each path of a file.
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

/// The table's word on a canonical path.
pub fn find(path: &[&str]) -> Found {
    let mut best: Option<Key> = None;
    let (mut section, mut inside) = (false, false);
    for entry in keys_pack::all() {
        match relation(entry.path(), path) {
            // A fixed name wins over `*`.
            Some(Ordering::Equal) => match best {
                Some(b) if stars(b.path) <= stars(entry.path()) => {}
                _ => best = Some(entry.key()),
            },
            Some(Ordering::Greater) => section = true,
            Some(Ordering::Less) => {
                let key = entry.key();
                inside |= key.unsupported() || key.kind == Kind::Free;
            }
            None => {}
        }
    }
    match best {
        Some(key) => Found::Key(key),
        None if section => Found::Section,
        None if inside => Found::Inside,
        None => Found::Unknown,
    }
}

fn stars(path: &str) -> usize {
    path.bytes().filter(|b| *b == b'*').count()
}

/// Names that may stand under a canonical path.
pub fn children(path: &[&str]) -> impl Iterator<Item = &'static str> {
    let depth = path.len();
    keys_pack::all()
        .map(keys_pack::Entry::path)
        .filter(move |p| relation(p, path) == Some(Ordering::Greater))
        .filter_map(move |p| p.split('.').nth(depth))
        .filter(|n| *n != "*")
}

/// The complaint about a path that no key has and none begins with.
pub(super) fn unknown(path: &str) -> Error {
    // The name in it is taken as it is.
    let name = path.split('.').nth(1).unwrap_or_default();
    let known: Vec<String> =
        all().filter(|k| !k.unsupported()).map(|k| k.path.replacen('*', name, 1)).collect();
    let sections = known.iter().filter_map(|k| k.split_once('.')).map(|(section, _)| section);
    let near = nearest(path, known.iter().map(String::as_str).chain(sections));
    let hint = near.map_or_else(
        || "`picoclaw config keys` lists them".to_owned(),
        |near| format!("did you mean `{near}`?"),
    );
    Error::new(format!("no key is called `{path}` ({hint})"))
}

/// The key with exactly this pattern.
pub fn by_pattern(pattern: &str) -> Option<Key> {
    below("", pattern)
}

/// The key whose pattern is `prefix`, which has its dot, and `path`.
pub fn below(prefix: &str, path: &str) -> Option<Key> {
    keys_pack::below(prefix, path).map(keys_pack::Entry::key)
}

/// The same among the keys of a kind of channel, by its place in the table of kinds.
pub fn of_kind(kind: usize, prefix: &str, path: &str) -> Option<Key> {
    let path = |entry: &keys_pack::Entry| entry.path().strip_prefix(prefix) == Some(path);
    keys_pack::of_kind(kind).iter().copied().find(path).map(keys_pack::Entry::key)
}

/// Every key, and the kind of channel that alone has it.
pub fn all_with_kind() -> impl Iterator<Item = (Option<usize>, Key)> {
    keys_pack::all_with_kind().map(|(kind, entry)| (kind, entry.key()))
}

impl Key {
    /// A key of the Go original that has no use here.
    pub(super) const fn without_use(path: &'static str, kind: Kind) -> Key {
        Key { path, kind, v0: "", v3: "", limits: Limits::NONE, doc: "" }
    }

    /// What a number of a file of schema `version` counts as.
    pub fn in_force(&self, number: i64, version: u32) -> i64 {
        let number = match self.limits.zero {
            Zero::Default if number <= 0 => self.default(version).as_i64().unwrap_or(number),
            Zero::Means(other) if number <= 0 => other,
            _ => number,
        };
        number.clamp(self.limits.least, self.limits.most)
    }

    /// The default of a schema version, null for none.
    pub fn default(&self, version: u32) -> Value {
        let text = if version == 0 { self.v0 } else { self.v3 };
        serde_json::from_str(text).unwrap_or(Value::Null)
    }

    /// Not used by this build.
    pub fn unsupported(&self) -> bool {
        matches!(self.kind, Kind::Unsupported | Kind::UnsupportedWarn)
    }

    /// Never shown.
    pub fn secret(&self) -> bool {
        matches!(self.kind, Kind::Secret | Kind::Secrets)
    }
}

/// The variable of a path whose stars have been filled in; the Go original's names (`PICOCLAW_CHANNELS_TELEGRAM_TOKEN`).
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

/// Objects of any shape and list elements have no variable.
pub fn variable_allowed(key: &Key) -> bool {
    !key.unsupported()
        && !matches!(key.kind, Kind::Free)
        && key.path != "version"
        && !key.path.starts_with("session.identity_links")
        && !key.path.contains("custom_headers")
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn table_is_sound() {
        for (i, key) in all().enumerate() {
            // Kinds of channels may share a key when it takes the same.
            let alike =
                |k: &Key| k.kind == key.kind && k.path.starts_with("channel_list.*.settings.");
            let mut before = all().take(i).filter(|k| k.path == key.path);
            assert!(before.all(|k| alike(&k)), "{} stands twice", key.path);
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
        assert!(matches!(find(&["gateway", "port"]), Found::Key(k) if k.path == "gateway.port"));
        assert!(matches!(find(&["model_list", "gpt", "api_base"]), Found::Key(_)));
        assert!(matches!(find(&["model_list", "gpt", "extra_body", "x", "y"]), Found::Inside));
        assert!(matches!(find(&["tools", "mcp", "servers", "x"]), Found::Inside));
        assert!(matches!(find(&["agents", "defaults"]), Found::Section));
        assert!(matches!(find(&["agents", "defaults", "nope"]), Found::Unknown));
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
}
