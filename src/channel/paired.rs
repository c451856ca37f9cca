//! The users that paired, as `state/paired.json` holds them: `{"telegram":["123"],"used_codes":{"telegram":"<hash>"}}`.
//!
//! Must never contain a code itself, only the SHA-256 of an owner's code that has been used.

use std::collections::BTreeMap;
use std::path::Path;

use ring::digest;
use serde_json::{Map, Value};

use crate::error::{Context, Result};
use crate::limits;
use crate::proto::json::object;
use crate::proto::text;
use crate::store::atomic;
use crate::store::dir::Dir;

/// Not a channel: its value is an object.
const USED: &str = "used_codes";

/// Everybody who paired, by channel.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Paired {
    users: BTreeMap<String, Vec<String>>,
    used: BTreeMap<String, String>,
}

impl Paired {
    /// Those of a home; nobody where it has no such file. Blocks on the disk.
    ///
    /// # Errors
    /// The disk's, and those of [`Paired::parse`].
    pub fn load(home: &Path) -> Result<Paired> {
        let path = home.join("state/paired.json");
        let bytes = atomic::read_bounded(&path, limits::CONFIG_BYTES)?.unwrap_or_default();
        Paired::parse(&String::from_utf8_lossy(&bytes)).map_err(|e| e.context(path.display()))
    }

    /// As [`Paired::load`] for a start, which no file may keep from happening: one that cannot be read is set aside, never
    /// overwritten, and nobody is paired.
    pub fn load_or_set_aside(home: &Path) -> Paired {
        Paired::load(home).unwrap_or_else(|e| {
            let aside = Dir::find(&home.join("state")).and_then(|state| match state {
                Some(state) => state.set_aside("paired.json"),
                None => Err(std::io::ErrorKind::NotFound.into()),
            });
            let now = aside.unwrap_or_else(|e| format!("still there ({e})"));
            crate::log::error!("{e}. It is now {now}, and nobody is paired: pair again, or mend it and name it paired.json");
            Paired::default()
        })
    }

    /// Reads the file's text; empty text is nobody. What is not a list of ids is an error, so that a damaged file is
    /// noticed and not overwritten.
    pub fn parse(text: &str) -> Result<Paired> {
        let mut paired = Paired::default();
        if text.trim().is_empty() {
            return Ok(paired);
        }
        let all: Map<String, Value> = serde_json::from_str(text).context("paired users")?;
        for (key, value) in all {
            match value {
                Value::Array(ids) => {
                    let ids = ids.iter().filter_map(|id| match id {
                        Value::String(id) => Some(id.clone()),
                        Value::Number(id) => Some(id.to_string()),
                        _ => None,
                    });
                    paired.users.insert(key, ids.collect());
                }
                Value::Object(codes) if key == USED => {
                    let codes = codes.into_iter();
                    paired
                        .used
                        .extend(codes.filter_map(|(k, v)| Some((k, v.as_str()?.to_string()))));
                }
                _ => return Err(crate::Error::new(format!("paired users: {key} is not a list"))),
            }
        }
        Ok(paired)
    }

    /// Content of the file that holds the paired users (JSON).
    pub fn to_json(&self) -> String {
        let users = self.users.iter().map(|(k, ids)| (k.clone(), ids.clone().into()));
        let used = object(self.used.iter().map(|(k, v)| (k.clone(), v.clone().into())));
        let used = (!self.used.is_empty()).then(|| (USED.to_owned(), used));
        object(users.chain(used)).to_string()
    }

    /// Those who paired, by channel.
    pub fn users(&self) -> impl Iterator<Item = (&str, &[String])> {
        self.users.iter().map(|(channel, ids)| (channel.as_str(), ids.as_slice()))
    }

    /// Whether `id` has paired with `channel`.
    pub fn contains(&self, channel: &str, id: &str) -> bool {
        self.users.get(channel).is_some_and(|ids| ids.iter().any(|known| known == id))
    }

    /// Users of this channel.
    pub fn count(&self, channel: &str) -> usize {
        self.users.get(channel).map_or(0, Vec::len)
    }

    /// Adds a user; false when there are [`limits::PAIRED_USERS`] already.
    pub fn add(&mut self, channel: &str, id: &str) -> bool {
        if self.contains(channel, id) {
            return true;
        }
        let ids = self.users.entry(channel.into()).or_default();
        let room = ids.len() < limits::PAIRED_USERS;
        if room {
            ids.push(id.into());
        }
        room
    }

    /// Remembers that the owner's code with this hash was used.
    pub fn spend(&mut self, channel: &str, hash: String) {
        self.used.insert(channel.into(), hash);
    }

    /// Whether the owner's code was used.
    pub fn is_spent(&self, channel: &str, code: &str) -> bool {
        self.used.get(channel).is_some_and(|used| *used == hash(code))
    }
}

/// SHA-256 in hexadecimal digits.
pub fn hash(code: &str) -> String {
    text::hex(digest::digest(&digest::SHA256, code.as_bytes()).as_ref())
}

/// Whether the two are equal. Compares complete digests, so that the time does not reveal where they differ.
pub fn constant_time_eq(code: &str, given: &str) -> bool {
    let code = digest::digest(&digest::SHA256, code.as_bytes());
    let given = digest::digest(&digest::SHA256, given.as_bytes());
    let pairs = code.as_ref().iter().zip(given.as_ref());
    pairs.fold(0, |different, (a, b)| different | (a ^ b)) == 0
}

#[cfg(test)]
mod tests {
    use super::*;

    #[track_caller]
    fn check(text: &str, want: Option<&str>) {
        let got = Paired::parse(text).ok().map(|paired| paired.to_json());
        assert_eq!(got.as_deref(), want);
    }

    #[test]
    fn the_file() {
        check("", Some("{}"));
        check("{}", Some("{}"));
        check(r#"{"telegram":["1",2]}"#, Some(r#"{"telegram":["1","2"]}"#));
        check(r#"{"a":[],"used_codes":{"a":"ff"}}"#, Some(r#"{"a":[],"used_codes":{"a":"ff"}}"#));
        check(r#"{"telegram":"1"}"#, None);
        check("[1]", None);
        check("{", None);
    }

    #[test]
    fn a_file_that_cannot_be_read_is_set_aside() {
        let home = crate::sys::scratch::Scratch::named("paired-aside");
        assert_eq!(Paired::load_or_set_aside(&home), Paired::default(), "there is none");
        let path = home.join("state/paired.json");
        std::fs::create_dir(home.join("state")).expect("a folder");
        std::fs::write(&path, r#"{"t":["1"]}"#).expect("write");
        assert!(Paired::load_or_set_aside(&home).contains("t", "1") && path.is_file());
        for n in 1..=3 {
            match n {
                1 => std::fs::write(&path, r#"{"t":["#).expect("damage"),
                2 => {
                    std::fs::remove_file(&path).unwrap_or_default();
                    std::fs::create_dir(&path).expect("a folder");
                }
                _ => std::os::unix::fs::symlink("/etc/passwd", &path).expect("a link"),
            }
            assert_eq!(Paired::load_or_set_aside(&home), Paired::default(), "{n}");
            assert!(path.symlink_metadata().is_err(), "{n}: out of the way");
            let aside = home.join(format!("state/paired.json.unfit-{n}"));
            assert!(aside.symlink_metadata().is_ok(), "{n}: and kept");
        }
    }

    #[test]
    fn users_are_kept_once_and_bounded() {
        let mut paired = Paired::default();
        for n in 0..limits::PAIRED_USERS {
            assert!(paired.add("t", &n.to_string()));
            assert!(paired.add("t", &n.to_string()));
        }
        assert!(!paired.add("t", "one too many"));
        assert!(paired.add("t", "0"));
        assert_eq!(paired.users["t"].len(), limits::PAIRED_USERS);
    }

    #[test]
    fn comparison() {
        assert!(constant_time_eq("abc", "abc"));
        assert!(!constant_time_eq("abc", "abd"));
        assert!(!constant_time_eq("abc", "ab"));
        assert_eq!(&hash("abc")[..8], "ba7816bf");
    }
}
