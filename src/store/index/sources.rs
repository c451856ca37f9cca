//! The indexed files, their keys, and excerpts of their chunks.
//!
//! Files are opened below the workspace only; links are not followed.

use std::io::Result;
use std::os::unix::fs::FileExt;
use std::path::Path;

use super::MemoryHit;
use super::query::query_terms;
use super::record::ChunkRecord;
use crate::limits::{INDEX_DOCS, SEARCH_EXCERPT, TREE_NAMES};
use crate::proto::fnv::{FNV, fnv, hash32};
use crate::proto::text::{floor_char, one_line};
use crate::proto::tokenizer::{self, TermUse};
use crate::store::dir::Dir;
use crate::store::memory::LONG_TERM;
use crate::store::session::{SessionMeta, Sessions};
use crate::sys::beneath::{File, FileInfo as Kernel};

/// Document key of MEMORY.md, which has no date.
pub const MEMORY: u64 = 1 << KIND;
/// Keys of daily notes: and `YYYYMMDD`.
pub const NOTE: u64 = 2 << KIND;
/// Keys of the notes' folders: and `YYYYMM`. They have no chunks.
pub const MONTH: u64 = 3 << KIND;
/// Keys of sessions: and a hash of their file stem.
pub const SESSION: u64 = 4 << KIND;
/// Bits of a key below its kind.
const KIND: u32 = 56;
/// Ending of a session's meta file.
const META: &str = ".meta.json";

/// The last key of a kind.
pub fn last(kind: u64) -> u64 {
    kind | ((1 << KIND) - 1)
}

/// Document key of a session, from its file's stem.
pub fn session(stem: &str) -> u64 {
    SESSION | (fnv(FNV, stem.as_bytes()) & ((1 << KIND) - 1))
}

/// What shows whether a file has changed.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct FileStamp {
    /// Inode; an atomic rewrite changes it.
    pub inode: u64,
    /// Modification time in nanoseconds, never 0.
    pub mtime: u64,
    /// Size in bytes.
    pub size: u64,
}

impl FileStamp {
    /// The status of a file or folder.
    pub fn of(meta: &Kernel) -> FileStamp {
        let mtime = (meta.changed.0 as u64).wrapping_mul(1_000_000_000);
        FileStamp {
            inode: meta.identity.1,
            mtime: mtime.wrapping_add(meta.changed.1 as u64).max(1),
            size: meta.length,
        }
    }
}

/// Path of a note, relative to the workspace.
pub fn note_path(number: u64) -> String {
    format!("memory/{:06}/{number:08}.md", number / 100)
}

/// Names of `length` digits and a suffix in a subfolder of `dir`, as ascending numbers with their status.
///
/// # Errors
/// I/O; a missing folder counts as empty.
pub fn numbered(
    dir: &Dir,
    folder: &str,
    length: usize,
    ending: &str,
) -> Result<Vec<(u64, FileStamp)>> {
    let mut found = Vec::new();
    listed(dir.folder(folder, false)?, &mut |name, meta| {
        let digits = name.strip_suffix(ending).filter(|d| d.len() == length);
        if let Some(number) = digits.and_then(|d| d.parse().ok()) {
            found.push((number, FileStamp::of(meta)));
        }
    })?;
    found.sort_unstable_by_key(|(number, _)| *number);
    Ok(found)
}

/// Sessions that have a meta file, by key.
///
/// # Errors
/// As [`numbered`].
pub fn sessions(home: &Path) -> Result<Vec<(u64, String, FileStamp)>> {
    let mut found = Vec::new();
    listed(Sessions::new(home).folder().ok().flatten(), &mut |name, meta| {
        if let Some(stem) = name.strip_suffix(META) {
            found.push((session(stem), stem.to_owned(), FileStamp::of(meta)));
        }
    })?;
    found.sort_unstable_by_key(|(key, _, _)| *key);
    Ok(found)
}

/// The meta of the session with this file stem; an empty one if it cannot be read.
pub fn meta(home: &Path, stem: &str) -> SessionMeta {
    Sessions::new(home).meta(stem).unwrap_or_default()
}

fn listed(dir: Option<Dir>, each: &mut dyn FnMut(&str, &Kernel)) -> Result<()> {
    let Some(dir) = dir else { return Ok(()) };
    let look = &mut |name: &str, _| {
        // Skip files that were removed meanwhile, and links.
        if let Ok(Some(meta)) = dir.meta(name) {
            each(name, &meta);
        }
    };
    dir.each(INDEX_DOCS, look).map(drop)
}

/// Opens a file below the workspace; `None` when there is none of ours.
pub fn open(root: &Dir, path: &str) -> Option<File> {
    root.read(path).ok().flatten()
}

/// A chunk's text and the text before it in the file; sets the location in `hit`.
fn read(
    root: &Dir,
    home: &Path,
    place: ChunkRecord,
    hit: &mut MemoryHit,
) -> Option<(String, String)> {
    let (from, length) = (u64::from(place.offset), usize::from(place.length));
    let number = place.key & ((1 << KIND) - 1);
    if place.key >= SESSION {
        let mut found = None;
        let folder = Sessions::new(home).folder().ok().flatten()?;
        let look = &mut |name: &str, _| {
            if let Some(stem) = name.strip_suffix(META).filter(|stem| session(stem) == place.key) {
                found = Some(stem.to_owned());
            }
        };
        folder.each(TREE_NAMES, look).ok()?;
        let stem = found?;
        let meta = meta(home, &stem);
        let bytes = meta.summary.as_bytes().get(from as usize..)?;
        let text = String::from_utf8_lossy(&bytes[..length.min(bytes.len())]).into_owned();
        hit.file = format!("sessions/{stem}{META}");
        hit.section = "summary of this conversation".into();
        hit.date = meta.updated_at.get(..10).unwrap_or("").to_owned();
        return Some((text, String::new()));
    }
    if place.key >= NOTE {
        hit.file = note_path(number);
        hit.date = format!("{:04}-{:02}-{:02}", number / 10_000, number / 100 % 100, number % 100);
    } else {
        hit.file = LONG_TERM.to_owned();
    }
    let file = open(root, &hit.file)?;
    let before = from.min(2048);
    let mut bytes = vec![0; before as usize + length];
    file.read_exact_at(&mut bytes, from - before).ok()?;
    hit.line = place.line;
    let (before, text) = bytes.split_at(before as usize);
    let string = |bytes: &[u8]| String::from_utf8_lossy(bytes).into_owned();
    Some((string(text), string(before)))
}

/// A chunk as a search result; `None` if the file has changed and no longer contains any of the words.
pub fn hit(root: &Dir, home: &Path, place: ChunkRecord, query: &str) -> Option<MemoryHit> {
    let mut hit = MemoryHit::default();
    let (text, before) = read(root, home, place, &mut hit)?;
    if !before.is_empty() {
        hit.section = heading(&before);
    }
    // A changed chunk is shown only if it still contains one of the words.
    let same = hash32(fnv(FNV, text.as_bytes())) == place.sum;
    let at = first_match(&text, &query_terms(query)).or(same.then_some(0))?;
    let line = text[at..].find('\n').map_or(text.len(), |n| at + n);
    let own = heading(&text[..line]);
    if !own.is_empty() {
        hit.section = own;
    }
    if hit.line > 0 {
        hit.line += text[..at].matches('\n').count() as u32;
    }
    hit.text = excerpt(&text, at);
    Some(hit)
}

/// A chunk as it was indexed; `None` when it has changed.
#[cfg(feature = "embeddings")]
pub fn text(root: &Dir, home: &Path, place: ChunkRecord) -> Option<String> {
    let (text, _) = read(root, home, place, &mut MemoryHit::default())?;
    (hash32(fnv(FNV, text.as_bytes())) == place.sum).then_some(text)
}

/// The last heading before a chunk.
fn heading(before: &str) -> String {
    let found = before.lines().rev().find(|line| line.starts_with('#'));
    found.map_or(String::new(), |line| one_line(line.trim_matches(['#', ' ']), 80))
}

/// Where the line with the first of the words begins.
fn first_match(text: &str, asked: &[tokenizer::TermHash]) -> Option<usize> {
    let mut at = 0;
    for line in text.split_inclusive('\n') {
        let mut found = false;
        tokenizer::terms(line, TermUse::Text, &mut |term| found |= asked.contains(&term));
        if found {
            return Some(at);
        }
        at += line.len();
    }
    None
}

/// At most [`SEARCH_EXCERPT`] bytes, all of a short chunk, else from a little before the match.
fn excerpt(text: &str, at: usize) -> String {
    let spare = text.len().saturating_sub(SEARCH_EXCERPT);
    let from = floor_char(text, at.saturating_sub(SEARCH_EXCERPT / 4).min(spare));
    let to = floor_char(text, from + SEARCH_EXCERPT);
    let dots = |cut: bool| if cut { "…" } else { "" };
    format!("{}{}{}", dots(from > 0), text[from..to].trim(), dots(to < text.len()))
}
