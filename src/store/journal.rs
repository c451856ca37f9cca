//! The journal: the write-ahead log of accepted messages and their progress.
//!
//! Two preallocated files alternate. Frames are appended to one; when it is full the open messages are written
//! to the other under the next generation number, and writing continues there. Because the files keep their size,
//! `fdatasync` writes one or two data blocks and no file-system metadata, so a message costs
//! a few kilobytes of card instead of tens.
//!
//! These functions block; [`super::writer`] calls them on the blocking thread.

use std::io::{BufRead, BufReader, ErrorKind, Read};
use std::os::unix::fs::FileExt;
use std::path::{Path, PathBuf};

use super::dir::Dir;
use super::frame::{self, Frame, ReadEnd};
use super::journal_walk::{GUESSABLE, Walk, jump, walk};
use super::ledger::Ledger;
use super::session_steps::SessionSteps;
use crate::error::{Context, Result};
use crate::limits::{BACKUP_JOURNAL_BYTES, JOURNAL_BYTES, JOURNAL_STEP_BYTES};
use crate::sys::beneath::File;

const MAGIC: &[u8; 8] = b"PICOJRN1";
/// Bytes of the header: magic, generation, CRC. Frames follow it.
pub(super) const HEADER: usize = 16;
const NAMES: [&str; 2] = ["journal.a", "journal.b"];

/// The two files and the write position.
pub struct Files {
    dir: PathBuf,
    current: usize,
    generation: u32,
    /// Added to a generation that could be guessed.
    jump: u32,
    /// Where the next frame goes.
    at: u64,
    /// Preallocated length of the current file.
    length: u64,
}

/// State of the journal after a start, from what is on the card.
pub struct Recovered {
    /// The files, ready for the next write.
    pub files: Files,
    /// Messages that the last run did not finish.
    pub ledger: Ledger,
    /// A write was torn; its frames are lost and were never acted upon.
    pub torn: bool,
    /// Messages for the log: what could not be used, and where it is now.
    pub notes: Vec<String>,
}

impl Recovered {
    /// Calls `each` with the recorded session lines that their file may lack, oldest first: file name, offset, bytes. Lines
    /// that were synced with their file are skipped, because its owner may have changed them since.
    pub fn lines(&self, each: &mut dyn FnMut(String, u64, Vec<u8>)) {
        let mut sessions: Vec<SessionSteps> = Vec::new();
        let mut n = 0;
        self.steps(&mut |id, session, offset, lines| {
            n += 1;
            let at = sessions.iter().position(|s| s.session == session).unwrap_or_else(|| {
                sessions.push(SessionSteps::of(session));
                sessions.len() - 1
            });
            sessions[at].note(n, id == 0 && lines.is_empty(), offset, lines.len() as u64);
        });
        let mut n = 0;
        self.steps(&mut |_, session, offset, lines| {
            n += 1;
            let end = offset + lines.len() as u64;
            let may_lack = |s: &SessionSteps| s.session == session && s.may_lack(n, end);
            if !lines.is_empty() && sessions.iter().any(may_lack) {
                each(session, offset, lines);
            }
        });
    }

    /// Calls `each` with every recorded step: message, session file, offset, lines.
    pub fn steps(&self, each: &mut dyn FnMut(u64, String, u64, Vec<u8>)) {
        let files = &self.files;
        let path = files.dir.join(NAMES[files.current]);
        let open = || Dir::parent_of(&path, 1).and_then(|(dir, name)| dir.read(name));
        let file = match open().or_else(|_| open()) {
            Ok(Some(file)) => file,
            Ok(None) => return,
            Err(e) => return crate::log::error!("cannot read {}: {e}", path.display()),
        };
        let mut input = BufReader::with_capacity(READ_BYTES, file);
        // Nobody else writes here: it reads what the first pass has read.
        walk(&mut input, files.generation, &mut |frame, _| {
            if let Frame::Step { id, session, offset, lines, .. } = frame {
                each(id, session, offset, lines);
            }
        });
    }
}

/// Bytes read at once when a journal is recovered.
const READ_BYTES: usize = 16 * 1024;

fn header(generation: u32) -> [u8; HEADER] {
    let mut h = [0; HEADER];
    h[..8].copy_from_slice(MAGIC);
    h[8..12].copy_from_slice(&generation.to_le_bytes());
    let crc = frame::crc32(&[&h[..12]]);
    h[12..].copy_from_slice(&crc.to_le_bytes());
    h
}

/// The generation in a journal file's header; `None` if the header is invalid.
fn generation_of(bytes: &[u8]) -> Option<u32> {
    let head = bytes.get(..HEADER)?;
    let generation = u32::from_le_bytes([head[8], head[9], head[10], head[11]]);
    (head == header(generation)).then_some(generation)
}

/// One of the two files, as far as its header says.
struct Candidate {
    index: usize,
    generation: u32,
    /// The header is damaged; the generation comes from the first frame.
    headless: bool,
    length: u64,
    input: BufReader<File>,
}

/// Opens a file; `None` if it does not exist or was never used.
fn candidate(dir: &Path, index: usize, notes: &mut Vec<String>) -> Option<Candidate> {
    let open = || -> std::io::Result<Option<_>> {
        let Some(dir) = Dir::find(dir)? else { return Ok(None) };
        let Some(file) = dir.read(NAMES[index])? else { return Ok(None) };
        let length = file.metadata()?.len();
        let mut input = BufReader::with_capacity(READ_BYTES, file);
        let mut head = [0; HEADER];
        match input.read_exact(&mut head) {
            Err(e) if e.kind() == ErrorKind::UnexpectedEof => Ok(None),
            read => read.map(|()| Some((length, input, head))),
        }
    };
    // A disk may fail once; without this file accepted messages would be lost.
    let (length, mut input, head) = match open().or_else(|_| open()) {
        Ok(opened) => opened?,
        Err(e) => {
            notes.push(set_aside(dir, index, &e.to_string()));
            return None;
        }
    };
    let own = generation_of(&head);
    let generation = match (own, input.fill_buf()) {
        (Some(generation), _) => generation,
        // A header reaches the card completely or not at all, so this is damage. Frames contain the generation too.
        (None, Ok([_, a, b, c, d, ..])) if head != [0; HEADER] => {
            u32::from_le_bytes([*a, *b, *c, *d])
        }
        (None, _) => return None,
    };
    Some(Candidate { index, generation, headless: own.is_none(), length, input })
}

/// Copies a file of which a part is damaged, before it is overwritten; returns a message for the log.
fn copy_aside(dir: &Path, index: usize, at: u64) -> String {
    let from = dir.join(NAMES[index]);
    let copy = || -> std::io::Result<String> {
        let dir = Dir::open(dir)?;
        let file = dir.read(NAMES[index])?.ok_or(ErrorKind::NotFound)?;
        let name = format!("{}.damaged", NAMES[index]);
        let mut file = file.take(BACKUP_JOURNAL_BYTES);
        dir.replace(&name, 0o600, &mut |out| std::io::copy(&mut file, out).map(drop))?;
        Ok(name)
    };
    let what = format!("{} is damaged at byte {at}; what follows is used", from.display());
    match copy() {
        Ok(name) => format!("{what}, and the file is kept in {name}"),
        Err(e) => format!("{what}, but the file could not be kept: {e}"),
    }
}

/// Renames an unusable file, so that it is kept and the daemon starts; returns a message for the log.
fn set_aside(dir: &Path, index: usize, why: &str) -> String {
    let from = dir.join(NAMES[index]);
    match Dir::open(dir).and_then(|dir| dir.set_aside(NAMES[index])) {
        Ok(aside) => format!(
            "{} cannot be used ({why}); it is now {aside}, and what was unanswered in it stays there",
            from.display()
        ),
        Err(e) => format!("{} cannot be used ({why}), nor renamed: {e}", from.display()),
    }
}

impl Files {
    /// Reads the journal in `dir`, frame by frame. Whatever is there, the daemon can start: unusable files are set aside
    /// and reported in the notes. Nothing else is changed on disk.
    pub fn recover(dir: &Path) -> Recovered {
        let mut notes = Vec::new();
        let mut found = [candidate(dir, 0, &mut notes), candidate(dir, 1, &mut notes)];
        found.sort_by_key(|c| std::cmp::Reverse(c.as_ref().map_or(0, |c| c.generation)));
        let dir_of = dir.to_path_buf();
        let jump = jump();
        let files = Files { dir: dir_of, current: 1, generation: 0, jump, at: 0, length: 0 };
        let mut recovered = Recovered { files, ledger: Ledger::default(), torn: false, notes };
        let mut best: Option<(Candidate, Walk, Ledger)> = None;
        for mut candidate in found.into_iter().flatten() {
            let Candidate { index, generation, headless, .. } = candidate;
            let (mut ledger, mut compacted, mut whole) = (Ledger::default(), false, false);
            let walk = walk(&mut candidate.input, generation, &mut |frame, damaged| {
                // A power cut during a compaction leaves any part of it. What only comes after it proves that it ended.
                let later = match frame {
                    Frame::Finished { .. } | Frame::Skipped { .. } => true,
                    Frame::Step { id: 0, .. } => false,
                    _ => compacted,
                };
                compacted |= matches!(frame, Frame::Compacted { .. });
                whole |= if damaged { later } else { compacted };
                if damaged { ledger.apply_after_damage(&frame) } else { ledger.apply(&frame) }
            });
            if let ReadEnd::Newer(version) = walk.tail {
                let why = format!(
                    "a newer picoclaw wrote frames of version {version}, this one knows {}",
                    frame::VERSION
                );
                // The other file is older and its entries are done; the next generation must be newer than both.
                recovered.files.generation = generation;
                recovered.notes.push(set_aside(dir, index, &why));
                return recovered;
            }
            if whole {
                best = Some((candidate, walk, ledger));
                break;
            }
            // Incomplete, it is used only if the other file cannot be.
            if walk.end > HEADER as u64 && best.is_none() {
                best = Some((candidate, walk, ledger));
            } else if headless {
                recovered.notes.push(set_aside(dir, index, "its header is damaged"));
            }
        }
        let Some((candidate, walk, ledger)) = best else { return recovered };
        let Candidate { index, generation, length, .. } = candidate;
        if candidate.headless {
            let path = dir.join(NAMES[index]);
            recovered
                .notes
                .push(format!("{}: the header is damaged, not the rest", path.display()));
        }
        if let Some(at) = walk.damaged {
            recovered.notes.push(copy_aside(dir, index, at));
        }
        recovered.ledger = ledger;
        recovered.torn = walk.tail == ReadEnd::Torn || walk.damaged.is_some();
        let (dir, at) = (dir.to_path_buf(), walk.end);
        recovered.files = Files { dir, current: index, generation, jump, at, length };
        recovered
    }

    /// Generation of the file in use, which its frames carry.
    pub fn generation(&self) -> u32 {
        self.generation
    }

    /// Generation of the file that [`Files::compact`] starts.
    pub fn next_generation(&self) -> u32 {
        let step = if self.generation < GUESSABLE { self.jump } else { 1 };
        self.generation.wrapping_add(step)
    }

    /// Whether `more` bytes do not fit into the current file; then call [`Files::compact`] first.
    pub fn is_full(&self, more: usize) -> bool {
        self.at == 0
            || self.generation < GUESSABLE
            || self.at + more as u64 > JOURNAL_STEP_BYTES.max(self.length).min(JOURNAL_BYTES)
    }

    /// Appends encoded frames; with `sync` they are on the card when this returns. Returns bytes written.
    ///
    /// # Errors
    /// The disk's; the frames may then be torn, and the caller compacts before it appends again.
    pub fn append(&mut self, bytes: &[u8], sync: bool) -> Result<()> {
        let path = self.dir.join(NAMES[self.current]);
        let name = || format!("cannot write {}", path.display());
        // Opened for each write: a disk with a file open for writing cannot be remounted read-only.
        let file = open(&path).with_context(name)?;
        file.write_all_at(bytes, self.at).with_context(name)?;
        if sync {
            file.sync_data().with_context(name)?;
        }
        self.at += bytes.len() as u64;
        self.length = self.length.max(self.at);
        Ok(())
    }

    /// The position for frames that are written while the `in_flight` bytes before them still are; see [`Files::join`].
    pub fn ahead(&self, in_flight: usize) -> PipelinedWrite {
        let at = self.at + in_flight as u64;
        PipelinedWrite { path: self.dir.join(NAMES[self.current]), at, end: self.length.max(at) }
    }

    /// Advances the write position past what [`PipelinedWrite::write`] wrote.
    pub fn join(&mut self, ahead: &PipelinedWrite) {
        self.at = self.at.max(ahead.at);
    }

    /// Starts the other file with `snapshot` (frames of [`Files::next_generation`]); it is on the card on return.
    /// Returns how many syncs that took.
    ///
    /// One sync is enough if the file has its size: a header that reached the card without all of its frames is detected by
    /// the missing `Compacted` at their end, frames without their header by the generation in them.
    ///
    /// # Errors
    /// The disk's; the current file is untouched, but nothing more is appended to it: the next try starts a file again.
    pub fn compact(&mut self, snapshot: &[u8]) -> Result<u64> {
        let next = 1 - self.current;
        // Incremented even on failure: frames of a failed attempt must not look like those of the next one.
        self.generation = self.next_generation();
        let head = header(self.generation);
        let path = self.dir.join(NAMES[next]);
        let written = || -> std::io::Result<(u64, u64)> {
            let dir = Dir::make(&self.dir)?;
            drop(dir.append(NAMES[next], 0o600)?);
            let file = dir.change(NAMES[next])?.ok_or(ErrorKind::NotFound)?;
            let end = (HEADER + snapshot.len()) as u64;
            let mut length = file.metadata()?.len();
            let wanted = preallocated(end);
            let resized = length != wanted;
            // A file that a burst enlarged shrinks to its usual size; zeros are written, not just reserved
            // (fallocate), because converting unwritten extents would cost metadata on every sync.
            if resized {
                file.set_len(wanted.min(length))?;
                length = length.min(wanted);
                let zeros = [0u8; 4096];
                while length < wanted {
                    let n = zeros.len().min((wanted - length) as usize);
                    file.write_all_at(&zeros[..n], length)?;
                    length += n as u64;
                }
            }
            file.write_all_at(&head, 0)?;
            file.write_all_at(snapshot, HEADER as u64)?;
            file.sync_data()?;
            if resized {
                // The file may be new, so its name must be synced too.
                dir.sync()?;
            }
            Ok((wanted, 1 + u64::from(resized)))
        };
        let (length, syncs) =
            written().with_context(|| format!("cannot write {}", path.display()))?;
        self.current = next;
        self.at = (HEADER + snapshot.len()) as u64;
        self.length = length;
        Ok(syncs)
    }
}

/// Preallocated length for a file that starts with `end` bytes: with room for the next frames, so that not every write starts
/// a file, and in steps, so that most files keep their length.
fn preallocated(end: u64) -> u64 {
    let step = JOURNAL_STEP_BYTES / 2;
    let roomy = (end + JOURNAL_STEP_BYTES / 4).next_multiple_of(step);
    roomy.clamp(JOURNAL_STEP_BYTES, JOURNAL_BYTES).max(end)
}

/// Opens an existing file of the journal.
fn open(path: &Path) -> std::io::Result<File> {
    let (dir, name) = Dir::parent_of(path, 1)?;
    dir.change(name)?.ok_or_else(|| ErrorKind::NotFound.into())
}

/// The position after a write that is still in progress. If the process is killed before that write reached the kernel, a gap
/// remains, which recovery skips as it does damage.
#[derive(Clone)]
pub struct PipelinedWrite {
    path: PathBuf,
    at: u64,
    end: u64,
}

impl PipelinedWrite {
    /// Whether `more` bytes fit.
    pub fn has_capacity(&self, more: usize) -> bool {
        self.at + more as u64 <= self.end
    }

    /// Writes frames to the page cache; they are on the card with the next sync.
    ///
    /// # Errors
    /// The disk's.
    pub fn write(&mut self, bytes: &[u8]) -> Result<()> {
        let name = || format!("cannot write {}", self.path.display());
        let file = open(&self.path).with_context(name)?;
        file.write_all_at(bytes, self.at).with_context(name)?;
        self.at += bytes.len() as u64;
        Ok(())
    }
}

#[cfg(test)]
#[path = "journal_tests.rs"]
mod tests;
