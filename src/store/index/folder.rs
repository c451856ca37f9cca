//! The segments of an index: how they are listed, added and merged.
//!
//! A segment is called `FIRST-LAST.idx`, after the numbers of the segments merged into it. There is no other bookkeeping: one
//! whose range is contained in another's is a leftover of a merge. Each is written to a temporary file and renamed, so a
//! power cut leaves the old ones or the new one. Four neighbours of similar size are merged into one: each byte is written
//! about as often as the index has grown fourfold.

use std::io::{Error, ErrorKind, Result};
use std::path::{Path, PathBuf};

use super::cursor::SegmentStorage;
use super::record::{Doc, REPLACES, broken};
use super::segment::Segment;
use super::write::{self, SegmentBuilder};
use crate::limits::{INDEX_DOCS, INDEX_SEGMENTS, LOCK_PAUSE, TREE_NAMES};
use crate::store::dir::Dir;
use crate::sys::beneath::File;

/// Number of neighbours of one size that are merged.
const MERGE: usize = 4;
/// Bytes of the smallest size class.
const SMALL: u64 = 4096;

/// An open index. While it lives no other process or thread changes it.
pub struct IndexFolder {
    dir: PathBuf,
    /// Open segments, the oldest first.
    pub segments: Vec<Segment>,
    /// Why the card cannot be written; new segments are kept in memory then.
    pub trouble: Option<String>,
    /// Why a segment is corrupt; nothing can be searched then.
    pub broken: Option<Error>,
    _lock: Option<File>,
}

fn parse(name: &str) -> Option<(u32, u32)> {
    let (first, last) = name.strip_suffix(".idx")?.split_once('-')?;
    Some((first.parse().ok()?, last.parse().ok()?))
}

impl IndexFolder {
    /// Opens the index in `dir`, or creates one. Waits while another process has it open.
    pub fn open(dir: &Path) -> IndexFolder {
        let mut folder = IndexFolder {
            dir: dir.to_owned(),
            segments: Vec::new(),
            trouble: None,
            broken: None,
            _lock: None,
        };
        match folder.lock() {
            Ok(lock) => folder._lock = Some(lock),
            Err(e) => folder.cannot_save(&e),
        }
        if let Err(e) = folder.load() {
            folder.broken = Some(e);
        }
        folder
    }

    fn lock(&self) -> Result<File> {
        let file = Dir::make(&self.dir)?.append("lock", 0o600)?;
        // Half a minute: another search that reads everything for the first time.
        for _ in 0..1500 {
            if crate::sys::files::try_lock(&file) {
                return Ok(file);
            }
            std::thread::sleep(LOCK_PAUSE);
        }
        Err(Error::other("another search has it"))
    }

    fn cannot_save(&mut self, e: &dyn std::fmt::Display) {
        let text =
            format!("the index cannot be saved ({e}); only a part of the notes was searched");
        crate::log::warn!("memory in {}: {text}", self.dir.display());
        self.trouble = Some(text);
    }

    fn load(&mut self) -> Result<()> {
        let Ok(dir) = Dir::open(&self.dir) else { return Ok(()) };
        let mut ranges: Vec<(u32, u32)> = Vec::new();
        dir.each(TREE_NAMES, &mut |name, _| ranges.extend(parse(name)))?;
        // Of ranges with the same start the widest comes first.
        ranges.sort_unstable_by_key(|(first, last)| (*first, std::cmp::Reverse(*last)));
        let mut next = 0;
        for range in ranges {
            if range.0 > range.1 || (next > 0 && range.1 < next) {
                // An interrupted merge left it behind.
                let _ = dir.remove(&name(range));
                continue;
            }
            if range.0 < next || self.segments.len() > 2 * INDEX_SEGMENTS {
                return Err(broken("its segments overlap"));
            }
            next = range.1 + 1;
            self.segments.push(segment(&dir, range)?);
        }
        Ok(())
    }

    /// Removes the segments to make way for a new index; keeps the newest as `broken` for inspection.
    pub fn set_aside(&mut self) {
        self.segments.clear();
        let Ok(dir) = Dir::open(&self.dir) else { return };
        let Ok((names, _)) = dir.list(TREE_NAMES) else { return };
        for name in names.iter().map(|n| &*n.name).filter(|n| n.ends_with(".idx")) {
            if dir.rename(name, "broken", true).is_err() {
                let _ = dir.remove(name);
            }
        }
    }

    /// The records of the documents with keys from `from` to `to` inclusive, sorted by key.
    ///
    /// # Errors
    /// I/O.
    pub fn known(&self, from: u64, to: u64) -> Result<Vec<Doc>> {
        let mut found: Vec<Doc> = Vec::new();
        for segment in &self.segments {
            if segment.foot.keys.0 > to || segment.foot.keys.1 < from {
                continue;
            }
            let mut cursor = segment.docs(segment.first_doc(from)?);
            for _ in 0..INDEX_DOCS {
                match cursor.doc()?.filter(|doc| doc.key <= to) {
                    Some(doc) => found.push(doc),
                    None => break,
                }
            }
        }
        // The newest record of a key comes last; a stable sort keeps it last.
        found.sort_by_key(|doc| doc.key);
        let mut newest: Vec<Doc> = Vec::with_capacity(found.len());
        for doc in found {
            match newest.last_mut() {
                Some(last) if last.key == doc.key => *last = doc,
                _ => newest.push(doc),
            }
        }
        Ok(newest)
    }

    /// Whether a newer segment replaces the document's chunks in segment `n`.
    ///
    /// # Errors
    /// I/O.
    pub fn is_replaced(&self, n: usize, key: u64) -> Result<bool> {
        for newer in self.segments.iter().skip(n + 1) {
            if newer.doc(key)?.is_some_and(|doc| doc.flags & REPLACES != 0) {
                return Ok(true);
            }
        }
        Ok(false)
    }

    /// Adds a segment, on the card or, if that cannot be written, in memory.
    ///
    /// # Errors
    /// Corrupt older segments.
    pub fn add(&mut self, run: &mut SegmentBuilder) -> Result<()> {
        if run.is_empty() {
            return Ok(());
        }
        let mut run = std::mem::take(run);
        let number = self.segments.last().map_or(1, |s| s.range.1.saturating_add(1));
        let range = (number, number);
        if self.trouble.is_none() {
            match self.write(range, &mut |out| run.write(out)) {
                Ok(segment) => {
                    self.segments.push(segment);
                    return self.compact();
                }
                Err(e) => self.cannot_save(&e),
            }
        }
        let mut bytes = Vec::new();
        run.write(&mut bytes)?;
        self.segments.push(Segment::open(SegmentStorage::Bytes(bytes), range)?);
        Ok(())
    }

    fn write(
        &self,
        range: (u32, u32),
        fill: &mut dyn FnMut(&mut dyn std::io::Write) -> Result<()>,
    ) -> Result<Segment> {
        let dir = Dir::open(&self.dir)?;
        dir.replace(&name(range), 0o600, fill)?;
        segment(&dir, range)
    }

    /// Merges neighbours of similar size.
    fn compact(&mut self) -> Result<()> {
        loop {
            let Some(last) = self.segments.last() else { return Ok(()) };
            let size = level(last.size);
            let mut count =
                self.segments.iter().rev().take_while(|s| level(s.size) <= size).count();
            if self.segments.len() > INDEX_SEGMENTS {
                count = self.segments.len();
            }
            if count < MERGE {
                return Ok(());
            }
            let from = self.segments.len() - count;
            let parts = self.segments.split_off(from);
            let range = (parts[0].range.0, parts[count - 1].range.1);
            match self.write(range, &mut |out| write::merge(&parts, from > 0, out)) {
                Ok(merged) => {
                    for part in parts.iter().filter(|part| part.range != range) {
                        // The next start removes leftovers.
                        let _ = Dir::open(&self.dir).and_then(|dir| dir.remove(&name(part.range)));
                    }
                    self.segments.push(merged);
                }
                Err(e) if is_broken(&e) => return Err(e),
                Err(e) => {
                    crate::log::info!("the index of the memory was not merged: {e}");
                    self.segments.extend(parts);
                    return Ok(());
                }
            }
        }
    }
}

fn name(range: (u32, u32)) -> String {
    format!("{:08}-{:08}.idx", range.0, range.1)
}

fn segment(dir: &Dir, range: (u32, u32)) -> Result<Segment> {
    let file = dir.read(&name(range))?.ok_or(ErrorKind::NotFound)?;
    Segment::open(SegmentStorage::File(file), range)
}

/// Whether the data, not the disk, is at fault.
fn is_broken(e: &Error) -> bool {
    matches!(e.kind(), ErrorKind::InvalidData | ErrorKind::UnexpectedEof)
}

/// Size class: 0 below [`SMALL`] bytes, one more for each factor of four.
fn level(size: u64) -> u32 {
    (size / SMALL).checked_ilog(4).map_or(0, |n| n + 1)
}
