//! Updates an index: finds changed files and reads only those.
//!
//! A change shows in inode, time or size. A note that only grew is read from its old end. Of the months, the
//! latest are checked each time; of the others those whose folder has changed, and [`INDEX_MONTHS`] in rotation:
//! a file of an old month that was changed in place is found within a few searches.

use std::io::{Read, Result, Seek, SeekFrom};
use std::os::unix::fs::FileExt;
use std::path::Path;
use std::sync::atomic::{AtomicUsize, Ordering};

use super::folder::IndexFolder;
use super::record::{ChunkRecord, DEAD, Doc, REPLACES};
use super::sources::{self, FileStamp, MEMORY, MONTH, NOTE, SESSION};
use super::write::SegmentBuilder;
use crate::limits::{INDEX_FILE_BYTES, INDEX_MONTHS, INDEX_RUN_BYTES, INDEX_UPDATE_BYTES};
use crate::proto::fnv::{FNV, fnv, hash32};
use crate::proto::note_chunks::Splitter;
use crate::proto::tokenizer::{self, TermUse};
use crate::store::dir::Dir;
use crate::store::memory::LONG_TERM;
use crate::sys::beneath::{File, FileInfo as Kernel};
use crate::sys::clock;

/// Months that are checked each time.
const LATEST: usize = 3;
/// Bytes at the end of the indexed part that must be unchanged if a file has only grown.
const CHECKED: u64 = 256;

struct Update<'a> {
    folder: &'a mut IndexFolder,
    root: &'a Dir,
    run: SegmentBuilder,
    /// Bytes that this update may still read.
    left: u64,
}

/// Updates the index; returns warnings for the user.
///
/// # Errors
/// A corrupt index. Unreadable notes are skipped.
pub fn update(folder: &mut IndexFolder, root: &Dir, home: &Path) -> Result<Vec<String>> {
    let mut update =
        Update { folder, root, run: SegmentBuilder::default(), left: INDEX_UPDATE_BYTES };
    let known = update.folder.known(MEMORY, MEMORY)?.pop();
    let status = root.meta(LONG_TERM).ok().flatten().map(|m| FileStamp::of(&m));
    update.file(MEMORY, LONG_TERM, status, known)?;
    update.notes()?;
    update.sessions(home)?;
    let mut run = std::mem::take(&mut update.run);
    let left = update.left;
    folder.add(&mut run)?;
    let mut notes = Vec::new();
    if left == 0 {
        notes
            .push("there is more to index than one search may read; the next one continues".into());
    }
    Ok(notes)
}

/// Whether the document exists according to the index.
fn alive(doc: &Doc) -> bool {
    doc.flags & DEAD == 0
}

impl Update<'_> {
    fn stopped(&self) -> bool {
        self.left == 0 || self.folder.trouble.is_some() && self.run.bytes() >= INDEX_RUN_BYTES
    }

    fn notes(&mut self) -> Result<()> {
        let Ok(mut months) = sources::numbered(self.root, "memory", 6, "") else { return Ok(()) };
        months.reverse();
        let known = self.folder.known(MONTH, sources::last(MONTH))?;
        // A process that searches only once starts at a different month each time.
        static SEARCHES: AtomicUsize = AtomicUsize::new(0);
        let turn = SEARCHES.fetch_add(INDEX_MONTHS, Ordering::Relaxed);
        let turn = turn.wrapping_add(clock::unix_now() as usize) % months.len().max(1);
        for (n, (month, status)) in months.iter().enumerate() {
            let key = MONTH | month;
            let same = known.iter().any(|d| d.key == key && alive(d) && d.mtime == status.mtime);
            let in_turn = (n + months.len() - turn) % months.len() < INDEX_MONTHS;
            if same && n >= LATEST && !in_turn {
                continue;
            }
            if self.stopped() {
                return Ok(());
            }
            let whole = self.month(&format!("memory/{month:06}"), *month)?;
            if whole && !same && !self.stopped() {
                let mtime = status.mtime;
                self.run.doc(Doc { key, mtime, flags: REPLACES, ..Doc::default() });
            }
        }
        for doc in known.iter().filter(|d| alive(d)) {
            if !months.iter().any(|(month, _)| MONTH | month == doc.key) {
                self.month("memory/gone", doc.key - MONTH)?;
                self.run.doc(gone(doc.key));
            }
        }
        Ok(())
    }

    /// Checks one month's notes; false if it could not finish.
    fn month(&mut self, folder: &str, month: u64) -> Result<bool> {
        let Ok(mut notes) = sources::numbered(self.root, folder, 8, ".md") else {
            return Ok(false);
        };
        notes.retain(|(number, _)| number / 100 == month);
        let known = self.folder.known(NOTE | (month * 100), NOTE | (month * 100 + 99))?;
        for (number, status) in notes.iter().rev() {
            let key = NOTE | number;
            let before = known.iter().find(|doc| doc.key == key).copied();
            self.file(key, &sources::note_path(*number), Some(*status), before)?;
        }
        for doc in known.iter().filter(|doc| alive(doc)) {
            if !notes.iter().any(|(number, _)| NOTE | number == doc.key) {
                self.run.doc(gone(doc.key));
            }
        }
        Ok(true)
    }

    fn sessions(&mut self, home: &Path) -> Result<()> {
        let Ok(found) = sources::sessions(home) else { return Ok(()) };
        let known = self.folder.known(SESSION, sources::last(SESSION))?;
        let before = |key: &u64| known.binary_search_by_key(key, |d| d.key).ok().map(|n| known[n]);
        for (key, stem, status) in &found {
            if self.stopped() {
                return Ok(());
            }
            if before(key).is_some_and(|doc| alive(&doc) && is_same(&doc, status)) {
                continue;
            }
            let summary = sources::meta(home, stem).summary;
            let whole = as_doc(*key, status);
            self.text(whole, &mut summary.as_bytes(), summary.len() as u64, None)?;
        }
        for doc in known.iter().filter(|doc| alive(doc)) {
            if found.binary_search_by_key(&doc.key, |(key, _, _)| *key).is_err() {
                self.run.doc(gone(doc.key));
            }
        }
        Ok(())
    }

    /// Indexes a file if it has changed.
    fn file(
        &mut self,
        key: u64,
        path: &str,
        status: Option<FileStamp>,
        known: Option<Doc>,
    ) -> Result<()> {
        let known = known.filter(alive);
        let unchanged = |doc: &Doc| status.is_some_and(|status| is_same(doc, &status));
        if known.as_ref().is_some_and(unchanged) || self.stopped() {
            return Ok(());
        }
        let opened = status.and_then(|_| sources::open(self.root, path));
        let Some((mut file, status)) =
            opened.and_then(|file| Kernel::of_file(&file).ok().map(|m| (file, FileStamp::of(&m))))
        else {
            if known.is_some() {
                self.run.doc(gone(key));
            }
            return Ok(());
        };
        let size = status.size.min(INDEX_FILE_BYTES);
        let grown = |doc: &Doc| {
            let end = u64::from(doc.end);
            doc.inode == status.inode && end < size && check(&file, end) == Some(doc.check)
        };
        let before = known.filter(grown);
        let from = before.map_or(0, |doc| u64::from(doc.end));
        if file.seek(SeekFrom::Start(from)).is_err() {
            return Ok(());
        }
        let whole = as_doc(key, &status);
        let copy = file.try_clone().ok();
        let summed = AppendState { file: copy.as_ref(), before };
        self.text(whole, &mut file, size - from, Some(summed))
    }

    /// Indexes `length` bytes of a document; `whole` is its record afterwards.
    fn text(
        &mut self,
        whole: Doc,
        reader: &mut dyn Read,
        length: u64,
        summed: Option<AppendState<'_>>,
    ) -> Result<()> {
        let before = summed.as_ref().and_then(|s| s.before);
        let file = summed.as_ref().and_then(|s| s.file);
        let (from, lines) = before.map_or((0, 0), |doc| (u64::from(doc.end), doc.lines));
        let mut flags = if before.is_some() { 0 } else { REPLACES };
        let mut splitter = Splitter::new(from, lines);
        let mut left = length;
        let mut buffer = [0; 4096];
        let sum = |end: u64| file.and_then(|file| check(file, end)).unwrap_or(0);
        while left > 0 {
            let wanted = left.min(buffer.len() as u64) as usize;
            // A file that was truncated meanwhile ends here; the next search sees the change.
            let n = reader.read(&mut buffer[..wanted]).unwrap_or(0);
            if n == 0 {
                break;
            }
            left -= n as u64;
            self.left = self.left.saturating_sub(n as u64);
            let run = &mut self.run;
            splitter.feed(&buffer[..n], &mut |p| {
                run.chunk(place(whole.key, &p), |emit| {
                    tokenizer::terms(&String::from_utf8_lossy(p.text), TermUse::Text, emit);
                });
            });
            if left > 0 && (self.run.bytes() >= INDEX_RUN_BYTES || self.left == 0) {
                let (end, lines) = splitter.done();
                let check = sum(end);
                let so_far = Doc { mtime: 0, end: end as u32, lines, check, flags, ..whole };
                flags = 0;
                self.run.doc(so_far);
                self.flush()?;
                if self.stopped() {
                    return Ok(());
                }
            }
        }
        let run = &mut self.run;
        splitter.end(&mut |p| {
            run.chunk(place(whole.key, &p), |emit| {
                tokenizer::terms(&String::from_utf8_lossy(p.text), TermUse::Text, emit);
            });
        });
        let (end, lines) = splitter.done();
        self.run.doc(Doc { end: end as u32, lines, check: sum(end), flags, ..whole });
        if self.run.bytes() >= INDEX_RUN_BYTES { self.flush() } else { Ok(()) }
    }

    fn flush(&mut self) -> Result<()> {
        self.folder.add(&mut self.run)?;
        if self.folder.trouble.is_some() {
            // Memory allows only one segment at a time.
            self.left = 0;
        }
        Ok(())
    }
}

/// What is needed to index only the new end of a file.
struct AppendState<'a> {
    file: Option<&'a File>,
    before: Option<Doc>,
}

fn place(key: u64, chunk: &crate::proto::note_chunks::Chunk<'_>) -> ChunkRecord {
    ChunkRecord {
        key,
        offset: chunk.offset as u32,
        line: chunk.line,
        length: chunk.text.len() as u16,
        terms: 0,
        sum: hash32(fnv(FNV, chunk.text)),
    }
}

fn as_doc(key: u64, status: &FileStamp) -> Doc {
    Doc { key, inode: status.inode, mtime: status.mtime, ..Doc::default() }
}

fn gone(key: u64) -> Doc {
    Doc { key, flags: REPLACES | DEAD, ..Doc::default() }
}

fn is_same(doc: &Doc, status: &FileStamp) -> bool {
    let size = status.size.min(INDEX_FILE_BYTES);
    let sized = doc.key >= SESSION || u64::from(doc.end) == size;
    doc.inode == status.inode && doc.mtime == status.mtime && sized
}

/// Checksum of the last bytes before `end`.
fn check(file: &File, end: u64) -> Option<u32> {
    let mut bytes = [0; CHECKED as usize];
    let length = end.min(CHECKED);
    let bytes = &mut bytes[..length as usize];
    file.read_exact_at(bytes, end - length).ok()?;
    Some(hash32(fnv(FNV, bytes)))
}
