//! `.skill-origin.json` in an installed skill: its source, files and size.

use std::path::Path;

use serde_json::{Value, json};

use crate::proto::{date, text};
use crate::store::atomic;

/// The file's name, as upstream has it.
pub const FILE: &str = ".skill-origin.json";
/// Maximum bytes of it that are read.
const BYTES: u64 = 16 * 1024;

/// The origin of an installed skill.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct InstallOrigin {
    /// `github`, `archive` or `folder`.
    pub registry: String,
    /// `owner/repo/path`, an address or a path.
    pub slug: String,
    /// Branch or tag that was asked for, or empty.
    pub version: String,
    /// Hash of the commit, or empty if the archive does not say.
    pub commit: String,
    /// Unix seconds.
    pub installed_at: i64,
    /// Files of the skill.
    pub files: u64,
    /// Their bytes.
    pub bytes: u64,
}

impl InstallOrigin {
    /// As the file has it.
    pub fn to_json(&self) -> Value {
        json!({
            "version": 1, "registry": self.registry, "slug": self.slug,
            "installed_version": self.version, "commit": self.commit,
            "installed_at": self.installed_at * 1000, "files": self.files, "bytes": self.bytes,
        })
    }

    /// The origin of the skill in `folder`; `None` for one that was written here, or where the file cannot be read.
    pub fn of(folder: &Path) -> Option<InstallOrigin> {
        let bytes = atomic::read_bounded(&folder.join(FILE), BYTES).ok()??;
        let value: Value = text::utf8(&bytes).and_then(serde_json::from_str).ok()?;
        // Anybody may have written it, so each field is limited to one line.
        let word = |key: &str| text::one_line(value[key].as_str().unwrap_or(""), 300);
        Some(InstallOrigin {
            registry: word("registry"),
            slug: word("slug"),
            version: word("installed_version"),
            commit: word("commit"),
            installed_at: value["installed_at"].as_i64().unwrap_or(0) / 1000,
            files: value["files"].as_u64().unwrap_or(0),
            bytes: value["bytes"].as_u64().unwrap_or(0),
        })
    }

    /// One line of documentation.
    pub fn text(&self) -> String {
        let mut out = format!("{} {}", self.registry, self.slug);
        for (mark, part) in [(" @", &*self.version), (", commit ", &*self.commit)] {
            if !part.is_empty() {
                out.push_str(mark);
                out.push_str(part);
            }
        }
        let plural = if self.files == 1 { "" } else { "s" };
        out.push_str(&format!(", {} file{plural}, {} bytes", self.files, self.bytes));
        if self.installed_at > 0 {
            out.push_str(", installed ");
            out.push_str(&date::rfc3339(self.installed_at));
        }
        out
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn written_and_read_back() {
        let dir = crate::sys::scratch::Scratch::named("origin");
        assert_eq!(InstallOrigin::of(&dir), None);
        let origin = InstallOrigin {
            registry: "github".into(),
            slug: "o/r/a".into(),
            version: "v1".into(),
            commit: "0123".into(),
            installed_at: 1_700_000_000,
            files: 2,
            bytes: 30,
        };
        std::fs::write(dir.join(FILE), origin.to_json().to_string()).expect("written");
        assert_eq!(InstallOrigin::of(&dir), Some(origin.clone()));
        assert_eq!(
            origin.text(),
            "github o/r/a @v1, commit 0123, 2 files, 30 bytes, installed 2023-11-14T22:13:20Z"
        );
        std::fs::write(dir.join(FILE), "broken").expect("written");
        assert_eq!(InstallOrigin::of(&dir), None);
    }
}
