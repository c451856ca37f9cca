//! One key of the configuration: its type, defaults and limits.

use serde_json::Value;

/// The type of a key.
#[derive(Clone, Copy, Debug, PartialEq)]
pub enum Kind {
    /// `true` or `false`; a variable may also say 1, 0, yes or no.
    Bool,
    /// A whole number in a range, both ends included.
    Int(i64, i64),
    /// A number in a range.
    Num(f64, f64),
    /// A string of any content.
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
    /// Any JSON, passed on without a check.
    Free,
    /// A key of upstream that this build does not use; anything below it is accepted.
    Unsupported,
    /// The same, with a warning if it is enabled.
    UnsupportedWarn,
}

/// A row of the table of keys: everything the program knows about one key.
#[derive(Clone, Copy, PartialEq)]
pub struct Key {
    /// Path with dots, `*` for the name of an entry: `channel_list.*.enabled`.
    pub path: &'static str,
    /// Decides what is accepted, in files as in variables.
    pub kind: Kind,
    /// Default (JSON) of a configuration without `version`, which is v0.1.2's; empty for none.
    pub v0: &'static str,
    /// Default (JSON) from `version` 1 on; empty for none.
    pub v3: &'static str,
    /// Limits of a number.
    pub limits: Limits,
    /// One line of documentation.
    pub doc: &'static str,
}

/// Upper limit of keys that need none: fits every counter of the program.
pub(super) const ANY: i64 = u32::MAX as i64;

/// Converts a number from the file to the effective one.
#[derive(Clone, Copy, PartialEq)]
pub struct Limits {
    /// What 0 and negative numbers mean; upstream uses them for "default".
    pub zero: ZeroMeaning,
    /// Smaller numbers become this.
    pub least: i64,
    /// Larger numbers become this.
    pub most: i64,
}

/// The meaning of 0 and below.
#[derive(Clone, Copy, PartialEq)]
pub enum ZeroMeaning {
    /// 0 is a value like any other.
    Itself,
    /// 0 selects the key's default.
    Default,
    /// 0 selects this number.
    Means(i64),
}

/// 0 means the default.
pub(super) const ZERO: Limits = Limits { zero: ZeroMeaning::Default, ..Limits::NONE };

/// 0 and below mean `n`, because upstream documents it so.
pub(super) const fn zero(n: i64) -> Limits {
    Limits { zero: ZeroMeaning::Means(n), ..Limits::NONE }
}

impl Limits {
    /// Every number is used as it is.
    pub const NONE: Limits = Limits { zero: ZeroMeaning::Itself, least: i64::MIN, most: i64::MAX };

    /// These, and nothing below `least`.
    pub const fn from(self, least: i64) -> Limits {
        Limits { least, ..self }
    }

    /// These, and nothing above `most`.
    pub const fn to(self, most: i64) -> Limits {
        Limits { most, ..self }
    }
}

impl Key {
    /// A key of upstream that this build does not use.
    pub(super) const fn without_use(path: &'static str, kind: Kind) -> Key {
        Key { path, kind, v0: "", v3: "", limits: Limits::NONE, doc: "" }
    }

    /// The effective number for a number in a file of schema `version`.
    pub fn in_force(&self, number: i64, version: u32) -> i64 {
        let number = match self.limits.zero {
            ZeroMeaning::Default if number <= 0 => self.default(version).as_i64().unwrap_or(number),
            ZeroMeaning::Means(other) if number <= 0 => other,
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

    /// Whether no command and no log may print the value.
    pub fn secret(&self) -> bool {
        matches!(self.kind, Kind::Secret | Kind::Secrets)
    }
}
