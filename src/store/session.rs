//! Session files: append-only JSONL, one message per line, and meta files, as upstream has them (behaviour.md 3B.5).
//!
//! A turn reads the file backwards, as far as the model's window goes ([`super::session_read`]).

use std::os::unix::fs::FileExt;
use std::path::{Path, PathBuf};

use serde::Serialize;
use serde_json::{Map, Value};

use super::dir::Dir;
use super::jsonl::{self, count_lines, skip_lines};
use crate::error::{Context, Error, Result};
use crate::proto::json::{Json, TypeMismatch};
use crate::proto::text;
use crate::sys::beneath::File;
use crate::sys::files::read_bounded;

use crate::limits::SESSION_META_BYTES;
use crate::message::Message;

/// File stem of a session key: `:`, `/` and `\` become `_` (behaviour.md 3B.5).
///
/// # Errors
/// Keys that are empty, consist of dots, are longer than a file name may be, or contain a NUL.
pub fn file_stem(key: &str) -> Result<String> {
    let stem: String =
        key.chars().map(|c| if matches!(c, ':' | '/' | '\\') { '_' } else { c }).collect();
    if stem.chars().all(|c| c == '.') || stem.len() > 200 || stem.contains('\0') {
        return Err(Error::new(format!("session key {key:?} is no file name")));
    }
    Ok(stem)
}

/// The content of `<stem>.meta.json`.
#[derive(Clone, Debug, Default, PartialEq, Serialize)]
pub struct SessionMeta {
    /// Session key; the file's name is derived from it.
    pub key: String,
    /// Summary of the messages before the current ones.
    pub summary: String,
    /// Number of leading lines to ignore.
    pub skip: u64,
    /// Lines in the file when this was written.
    pub count: u64,
    /// Byte offset of line `skip`, if this program wrote it; saves counting lines of a long file.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub skip_bytes: Option<u64>,
    /// Time of creation (RFC 3339), or empty.
    #[serde(skip_serializing_if = "String::is_empty")]
    pub created_at: String,
    /// Time of the last change (RFC 3339), or empty.
    #[serde(skip_serializing_if = "String::is_empty")]
    pub updated_at: String,
    /// Text before this byte is untrusted: it came from files that commands could write to, or the summary that stands for
    /// it holds text of others.
    #[serde(skip_serializing_if = "is_zero")]
    pub untrusted_bytes: u64,
    /// Unknown fields of other versions.
    #[serde(flatten)]
    pub rest: Map<String, Value>,
}

impl SessionMeta {
    /// Reads a meta file.
    ///
    /// # Errors
    /// serde_json's if it is not a JSON object; a field of the wrong type.
    pub fn parse(text: &str) -> serde_json::Result<SessionMeta> {
        let mismatch = TypeMismatch::default();
        let json = Json::parse(text, &mismatch)?;
        let mut rest: Map<String, Value> = serde_json::from_str(text)?;
        let known = ["key", "summary", "skip", "count", "skip_bytes", "created_at", "updated_at"];
        known.iter().chain(&["untrusted_bytes"]).for_each(|key| drop(rest.remove(*key)));
        let meta = SessionMeta {
            key: json.get("key").string(),
            summary: json.get("summary").string(),
            skip: json.get("skip").uint(),
            count: json.get("count").uint(),
            skip_bytes: json.get("skip_bytes").non_null().map(Json::uint),
            created_at: json.get("created_at").string(),
            updated_at: json.get("updated_at").string(),
            untrusted_bytes: json.get("untrusted_bytes").uint(),
            rest,
        };
        match mismatch.get() {
            Some(mismatch) => Err(serde::de::Error::custom(format_args!("unexpected {mismatch}"))),
            None => Ok(meta),
        }
    }
}

impl SessionMeta {
    /// The summary holds untrusted text; `first` is where the messages that count begin.
    pub fn has_untrusted_summary(&self, first: u64) -> bool {
        !self.summary.is_empty() && self.untrusted_bytes > 0 && first <= self.untrusted_bytes
    }
}

fn is_zero(n: &u64) -> bool {
    *n == 0
}

/// The `sessions` folder of a home.
#[derive(Clone, Debug)]
pub struct Sessions {
    dir: PathBuf,
}

impl Sessions {
    /// Uses `<home>/sessions`; created at the first write.
    pub fn new(home: &Path) -> Sessions {
        Sessions { dir: home.join(super::SESSIONS) }
    }

    /// Folder with the session files.
    pub fn dir(&self) -> &Path {
        &self.dir
    }

    /// `<stem>.jsonl` of a key.
    pub fn file_name(key: &str) -> Result<String> {
        Ok(format!("{}.jsonl", file_stem(key)?))
    }

    pub(super) fn meta_name(key: &str) -> Result<String> {
        Ok(format!("{}.meta.json", file_stem(key)?))
    }

    /// Opens a file of the folder; `None` if there is none.
    pub(super) fn open(&self, name: &str) -> Result<Option<File>> {
        jsonl::read(&self.dir, name).with_context(|| self.cannot_read(name))
    }

    pub(super) fn cannot_read(&self, name: &str) -> String {
        format!("cannot read {}", self.dir.join(name).display())
    }

    fn bytes(&self, name: &str, limit: u64) -> Result<Option<Vec<u8>>> {
        let Some(file) = self.open(name)? else { return Ok(None) };
        read_bounded(file, limit).map(Some).with_context(|| self.cannot_read(name))
    }

    /// Writes a file of the folder, which is created if missing.
    fn save(&self, name: &str, bytes: &[u8], durable: bool) -> Result<()> {
        let path = self.dir.join(name);
        let saved = Dir::make_parent_of(&path, 2).and_then(|(top, name)| match durable {
            true => top.save(name, bytes, 0o600),
            false => top.save_soon(name, bytes, 0o600),
        });
        saved.with_context(|| format!("cannot save {}", path.display()))
    }

    /// Opens the folder; `None` if there is none yet.
    ///
    /// # Errors
    /// It is not ours; the kernel's.
    pub fn folder(&self) -> Result<Option<Dir>> {
        jsonl::folder(&self.dir).with_context(|| self.dir.display().to_string())
    }

    /// The meta file, or an empty one.
    ///
    /// # Errors
    /// Names a broken meta file, which stays unchanged.
    pub fn meta(&self, key: &str) -> Result<SessionMeta> {
        let name = Self::meta_name(key)?;
        match self.bytes(&name, SESSION_META_BYTES)? {
            None => Ok(SessionMeta { key: key.into(), ..SessionMeta::default() }),
            Some(bytes) => text::utf8(&bytes)
                .and_then(SessionMeta::parse)
                .with_context(|| self.cannot_read(&name)),
        }
    }

    /// Byte offset of the first current line. A mark that is in no file of this length, or in the middle of a line, was made
    /// for another file: then it is the file's first line.
    pub(super) fn first(
        &self,
        file: &mut File,
        meta: &SessionMeta,
        end: u64,
    ) -> std::io::Result<u64> {
        match meta.skip_bytes {
            _ if meta.skip == 0 => Ok(0),
            Some(at) if at <= end && is_between_lines(file, at, end)? => Ok(at),
            Some(_) => Ok(0),
            None => skip_lines(file, meta.skip),
        }
    }

    /// Changes a session's key (Telegram: a group became a supergroup). If both exist, the older lines are put
    /// in front of the newer ones.
    ///
    /// # Errors
    /// The disk's; the old session is then still there.
    pub fn rename(&self, from: &str, to: &str) -> Result<()> {
        let (old, new) = (file_stem(from)?, file_stem(to)?);
        let Some(folder) = self.folder()? else { return Ok(()) };
        self.join_marks(&folder, from, to)?;
        for suffix in ["jsonl", "meta.json", "json"] {
            let (source, target) = (format!("{old}.{suffix}"), format!("{new}.{suffix}"));
            let moved = (|| {
                if folder.meta(&source)?.is_none() {
                    return Ok(());
                }
                if folder.meta(&target)?.is_none() {
                    return folder.rename(&source, &target, false);
                }
                if suffix != "jsonl" {
                    return Ok(());
                }
                let (old, new) = (folder.read(&source)?, folder.read(&target)?);
                folder.replace(&target, 0o600, &mut |out| {
                    for mut file in old.iter().chain(&new) {
                        std::io::copy(&mut file, out)?;
                    }
                    Ok(())
                })?;
                folder.remove(&source).map(drop)
            })();
            moved.with_context(|| {
                format!("cannot move session {}", self.dir.join(source).display())
            })?;
        }
        Ok(())
    }

    /// Combines the untrusted ranges of two sessions before they are joined, `from` in front.
    fn join_marks(&self, folder: &Dir, from: &str, to: &str) -> Result<()> {
        let length = |key: &str| -> Result<Option<u64>> {
            Ok(folder.meta(&Self::file_name(key)?)?.map(|meta| meta.length))
        };
        let (Some(front), Some(_)) = (length(from)?, length(to)?) else { return Ok(()) };
        let (mut meta, old) = (self.meta(to)?, self.meta(from)?.untrusted_bytes);
        match meta.untrusted_bytes {
            0 => meta.untrusted_bytes = old,
            own => meta.untrusted_bytes = front + own,
        }
        if meta.untrusted_bytes > 0 { self.save_meta(to, &meta) } else { Ok(()) }
    }

    /// Writes the meta file. Blocks on the disk.
    ///
    /// # Errors
    /// The disk's.
    pub fn save_meta(&self, key: &str, meta: &SessionMeta) -> Result<()> {
        self.put_meta(key, meta, true)
    }

    /// [`Sessions::save_meta`]; if not `durable`, a power cut in the next seconds may bring back the old one.
    pub(super) fn put_meta(&self, key: &str, meta: &SessionMeta, durable: bool) -> Result<()> {
        let text = serde_json::to_vec_pretty(meta).context("session meta")?;
        self.save(&Self::meta_name(key)?, &text, durable)
    }

    /// Clears a session logically: later turns start after its last line; the file is not truncated.
    ///
    /// # Errors
    /// The disk's.
    pub fn clear(&self, key: &str) -> Result<()> {
        let name = Self::file_name(key)?;
        let mut meta = self.meta(key)?;
        let (lines, bytes) = match self.open(&name)? {
            Some(mut file) => count_lines(&mut file).with_context(|| self.cannot_read(&name))?,
            None => (0, 0),
        };
        meta.skip = lines;
        meta.count = lines;
        meta.skip_bytes = Some(bytes);
        meta.summary.clear();
        meta.untrusted_bytes = 0;
        self.save_meta(key, &meta)
    }
}

/// Whether no line crosses byte `at`; one that is torn ends where the file did.
fn is_between_lines(file: &File, at: u64, end: u64) -> std::io::Result<bool> {
    let mut around = [b'\n'; 2];
    if at > 0 && at < end {
        file.read_exact_at(&mut around, at - 1)?;
    }
    Ok(around.contains(&b'\n'))
}

/// Appends one session line to `out`.
pub fn push_line(out: &mut Vec<u8>, message: &Message) {
    let start = out.len();
    // Writing to a Vec cannot fail, and a Message has no map keys that JSON could refuse.
    if serde_json::to_writer(&mut *out, message).is_err() {
        out.truncate(start);
        return;
    }
    out.push(b'\n');
}

#[cfg(test)]
#[path = "session_tests.rs"]
mod tests;
