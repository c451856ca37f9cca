//! The journal: what was taken from a channel and what became of it, safe before anybody is told so.
//!
//! Two preallocated files take turns. Frames are appended to one; when it is full the open messages are written
//! to the other under the next generation number, and that one goes on. Because the files keep their size,
//! `fdatasync` writes one or two data blocks and no file-system metadata: that is what makes a message cost
//! a few kilobytes of card instead of tens.
//!
//! Nothing here runs on the blocking thread by itself: [`super::writer`] decides when.

use std::io::ErrorKind;
use std::os::unix::fs::FileExt;
use std::path::{Path, PathBuf};

use super::dir::Dir;
use super::frame::{self, Frame, Tail};
use super::ledger::Ledger;
use crate::error::{Context, Error, Result};
use crate::limits::{JOURNAL_BYTES, JOURNAL_STEP_BYTES};
use crate::sys::beneath::File;

const MAGIC: &[u8; 8] = b"PICOJRN1";
/// Magic, generation, CRC; frames begin behind it.
const HEADER: usize = 16;
const NAMES: [&str; 2] = ["journal.a", "journal.b"];

/// The two files and where writing goes on.
pub struct Files {
    dir: PathBuf,
    current: usize,
    generation: u32,
    /// Where the next frame goes.
    at: u64,
    /// Preallocated length of the current file.
    length: u64,
}

/// What recovery found.
pub struct Recovered {
    /// Goes on from here.
    pub files: Files,
    /// Open messages.
    pub ledger: Ledger,
    /// Session lines recorded, oldest first: file name, offset, bytes.
    pub lines: Vec<(String, u64, Vec<u8>)>,
    /// A write was cut short; it is gone and was never acted upon.
    pub torn: bool,
}

fn header(generation: u32) -> [u8; HEADER] {
    let mut h = [0; HEADER];
    h[..8].copy_from_slice(MAGIC);
    h[8..12].copy_from_slice(&generation.to_le_bytes());
    let crc = frame::crc32(&[&h[..12]]);
    h[12..].copy_from_slice(&crc.to_le_bytes());
    h
}

/// The generation of a journal file, `None` when its header is not one.
fn generation_of(bytes: &[u8]) -> Option<u32> {
    let head = bytes.get(..HEADER)?;
    let generation = u32::from_le_bytes([head[8], head[9], head[10], head[11]]);
    (head == header(generation)).then_some(generation)
}

struct Candidate {
    index: usize,
    generation: u32,
    frames: Vec<Frame>,
    at: u64,
    length: u64,
    tail: Tail,
}

fn read_candidate(dir: &Path, index: usize) -> Result<Option<Candidate>> {
    let path = dir.join(NAMES[index]);
    let Some(bytes) = super::atomic::read_bounded(&path, 2 * JOURNAL_BYTES)? else {
        return Ok(None);
    };
    let Some(generation) = generation_of(&bytes) else { return Ok(None) };
    let mut frames = Vec::new();
    let (at, tail) = frame::scan(&bytes[HEADER..], generation, |f| frames.push(f));
    if let Tail::Newer(version) = tail {
        return Err(Error::new(format!(
            "{} was written by a newer picoclaw (frame version {version}, this one knows {}); start the newer \
             version, or move the file away and lose what is still unanswered in it",
            path.display(),
            frame::VERSION
        )));
    }
    // Without its Compacted frame the file was being started when the power went: the other one still holds.
    if !frames.iter().any(|f| matches!(f, Frame::Compacted { .. })) {
        return Ok(None);
    }
    let at = (at + HEADER) as u64;
    Ok(Some(Candidate { index, generation, frames, at, length: bytes.len() as u64, tail }))
}

impl Files {
    /// Reads the journal in `dir` (made if absent).
    ///
    /// # Errors
    /// Unreadable files, or frames of a newer version: nothing is then changed on disk.
    pub fn recover(dir: &Path) -> Result<Recovered> {
        let mut found = [read_candidate(dir, 0)?, read_candidate(dir, 1)?];
        let generation = |c: &Option<Candidate>| c.as_ref().map_or(0, |c| c.generation);
        let newest = usize::from(generation(&found[1]) > generation(&found[0]));
        let mut ledger = Ledger::default();
        let mut lines = Vec::new();
        let mut torn = false;
        let mut files =
            Files { dir: dir.to_path_buf(), current: 1, generation: 0, at: 0, length: 0 };
        if let Some(c) = found[newest].take() {
            torn = c.tail == Tail::Torn;
            for frame in c.frames {
                ledger.apply(&frame);
                if let Frame::Step { session, offset, lines: bytes, .. } = frame {
                    if !bytes.is_empty() {
                        lines.push((session, offset, bytes));
                    }
                }
            }
            files = Files {
                dir: dir.to_path_buf(),
                current: c.index,
                generation: c.generation,
                at: c.at,
                length: c.length,
            };
        }
        Ok(Recovered { files, ledger, lines, torn })
    }

    /// Number of the frames written now.
    pub fn generation(&self) -> u32 {
        self.generation
    }

    /// Would `more` bytes overfill the current file? Then [`Files::compact`] comes first.
    pub fn is_full(&self, more: usize) -> bool {
        self.generation == 0
            || self.at + more as u64 > JOURNAL_STEP_BYTES.max(self.length).min(JOURNAL_BYTES)
    }

    /// Appends encoded frames; with `sync` they are on the card when this returns. Returns bytes written.
    ///
    /// # Errors
    /// The disk's; the frames may then be torn, and the caller compacts before it appends again.
    pub fn append(&mut self, bytes: &[u8], sync: bool) -> Result<()> {
        let path = self.dir.join(NAMES[self.current]);
        let name = || format!("cannot write {}", path.display());
        // Opened for each write and not kept: a disk with a file open for writing cannot be remounted read-only.
        let file = open(&path).with_context(name)?;
        file.write_all_at(bytes, self.at).with_context(name)?;
        if sync {
            file.sync_data().with_context(name)?;
        }
        self.at += bytes.len() as u64;
        self.length = self.length.max(self.at);
        Ok(())
    }

    /// Where frames may be written while the `under_way` bytes before them are: they join by [`Files::join`].
    pub fn ahead(&self, under_way: usize) -> Ahead {
        let at = self.at + under_way as u64;
        Ahead { path: self.dir.join(NAMES[self.current]), at, end: self.length.max(at) }
    }

    /// What [`Ahead::write`] wrote belongs to the file.
    pub fn join(&mut self, ahead: &Ahead) {
        self.at = self.at.max(ahead.at);
    }

    /// Starts the other file with `snapshot` (frames encoded for generation + 1); it is on the card on return.
    /// Returns how many syncs that took.
    ///
    /// One is enough where the file has its size: a header that reached the card without all of its frames is told by
    /// the missing `Compacted` at their end, frames without their header by the generation in them.
    ///
    /// # Errors
    /// The disk's; the current file is untouched, but nothing more is appended to it: the next try starts a file again.
    pub fn compact(&mut self, snapshot: &[u8]) -> Result<u64> {
        let next = 1 - self.current;
        // Counted up even if it fails: frames of a try that failed must not look like those of the next one.
        self.generation = self.generation.wrapping_add(1);
        let head = header(self.generation);
        let path = self.dir.join(NAMES[next]);
        let written = || -> std::io::Result<(u64, u64)> {
            let dir = Dir::make(&self.dir)?;
            drop(dir.append(NAMES[next], 0o600)?);
            let file = dir.change(NAMES[next])?.ok_or(ErrorKind::NotFound)?;
            let end = (HEADER + snapshot.len()) as u64;
            let mut length = file.metadata()?.len();
            let wanted = end.max(JOURNAL_STEP_BYTES);
            let resized = length != wanted;
            // A file once grown by a burst goes back to its usual size; zeros are written, not just promised
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
                // It may be new: its name goes along.
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

/// Opens a file of the journal, which is there.
fn open(path: &Path) -> std::io::Result<File> {
    let (dir, name) = Dir::around(path, 1)?;
    dir.change(name)?.ok_or_else(|| ErrorKind::NotFound.into())
}

/// A place behind a write that is under way. A kill before that one reached the kernel leaves a gap, which recovery takes
/// for the end of the journal.
#[derive(Clone)]
pub struct Ahead {
    path: PathBuf,
    at: u64,
    end: u64,
}

impl Ahead {
    /// Whether `more` bytes fit.
    pub fn has_capacity(&self, more: usize) -> bool {
        self.at + more as u64 <= self.end
    }

    /// Hands frames to the kernel; they are on the card with the next sync.
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
mod tests {
    use super::*;
    use crate::bus::Inbound;
    use crate::sys::scratch::Scratch;
    use std::fs;

    fn received(id: u64) -> Frame {
        Frame::Received {
            id,
            message: Inbound { event: id as i64, text: "x".repeat(500), ..Inbound::default() },
        }
    }

    fn encoded(frame: &Frame, generation: u32) -> Vec<u8> {
        let mut bytes = Vec::new();
        assert!(frame::encode(frame, generation, &mut bytes));
        bytes
    }

    fn snapshot(ledger: &Ledger, generation: u32) -> Vec<u8> {
        let mut bytes = Vec::new();
        ledger.snapshot(|f| assert!(frame::encode(f, generation, &mut bytes)));
        bytes
    }

    /// What the writer does with one frame.
    fn put(files: &mut Files, ledger: &mut Ledger, frame: &Frame) {
        ledger.apply(frame);
        if files.is_full(1000) {
            files.compact(&snapshot(ledger, files.generation() + 1)).expect("compact");
        } else {
            files.append(&encoded(frame, files.generation()), true).expect("append");
        }
    }

    #[test]
    fn an_empty_folder_is_an_empty_journal() {
        let dir = Scratch::named("journal-empty");
        let r = Files::recover(&dir.join("state")).expect("recover");
        assert!(r.ledger.is_empty() && !r.torn && r.files.is_full(0));
    }

    #[test]
    fn thousands_of_frames_stay_under_the_limit_and_come_back() {
        let dir = Scratch::named("journal-many");
        let Recovered { mut files, mut ledger, .. } = Files::recover(&dir).expect("recover");
        for id in 1..=2000 {
            put(&mut files, &mut ledger, &received(id));
            if id > 3 {
                put(&mut files, &mut ledger, &Frame::Finished { id: id - 3 });
            }
            for name in NAMES {
                assert!(fs::metadata(dir.join(name)).map_or(0, |m| m.len()) <= JOURNAL_BYTES);
            }
        }
        let again = Files::recover(&dir).expect("recover");
        assert_eq!(again.ledger.entries().map(|e| e.id).collect::<Vec<_>>(), [1998, 1999, 2000]);
        assert!(!again.torn);
        assert!(files.generation() > 3, "it was compacted");
    }

    #[test]
    fn a_compaction_cut_short_leaves_the_old_file_in_force() {
        let dir = Scratch::named("journal-cut");
        let Recovered { mut files, mut ledger, .. } = Files::recover(&dir).expect("recover");
        put(&mut files, &mut ledger, &received(1));
        put(&mut files, &mut ledger, &received(2));
        let other = dir.join(NAMES[1 - files.current]);
        let whole = {
            let mut bytes = header(files.generation() + 1).to_vec();
            bytes.extend(snapshot(&Ledger::default(), files.generation() + 1));
            bytes
        };
        for cut in 0..whole.len() {
            fs::write(&other, &whole[..cut]).expect("write");
            assert_eq!(Files::recover(&dir).expect("recover").ledger.len(), 2, "cut at {cut}");
        }
        fs::write(&other, &whole).expect("write");
        assert_eq!(Files::recover(&dir).expect("recover").ledger.len(), 0);
    }

    #[test]
    fn sectors_of_a_compaction_may_reach_the_card_in_any_order() {
        let dir = Scratch::named("journal-sectors");
        let Recovered { mut files, mut ledger, .. } = Files::recover(&dir).expect("recover");
        let mut compact = |ids: std::ops::Range<u64>| {
            ids.for_each(|id| ledger.apply(&received(id)));
            files.compact(&snapshot(&ledger, files.generation() + 1)).expect("compact");
            dir.join(NAMES[files.current])
        };
        let other = compact(1..3);
        let old = fs::read(&other).expect("old");
        compact(3..4);
        assert_eq!(compact(4..6), other);
        let new = fs::read(&other).expect("new");
        let sectors = new.chunks(512).zip(old.chunks(512)).take_while(|(n, o)| n != o).count();
        assert!(sectors > 4);
        for there in 0u32..1 << sectors {
            let mut mixed = old.clone();
            for at in (0..sectors).filter(|i| there & 1 << i != 0).map(|i| i * 512) {
                mixed[at..at + 512].copy_from_slice(&new[at..at + 512]);
            }
            fs::write(&other, &mixed).expect("write");
            let found = Files::recover(&dir).expect("recover").ledger.len();
            assert_eq!(found, if mixed == new { 5 } else { 3 }, "sectors {there:b}");
        }
    }

    #[test]
    fn a_torn_tail_is_cut_and_told() {
        let dir = Scratch::named("journal-torn");
        let Recovered { mut files, mut ledger, .. } = Files::recover(&dir).expect("recover");
        put(&mut files, &mut ledger, &received(1));
        let bytes = encoded(&received(2), files.generation());
        files.append(&bytes[..bytes.len() - 200], true).expect("append");
        let again = Files::recover(&dir).expect("recover");
        assert!(again.torn);
        assert_eq!(again.ledger.len(), 1);
    }

    #[test]
    fn a_newer_journal_is_refused_with_the_cure() {
        let dir = Scratch::named("journal-newer");
        let Recovered { mut files, mut ledger, .. } = Files::recover(&dir).expect("recover");
        put(&mut files, &mut ledger, &received(1));
        let mut bytes = encoded(&received(2), files.generation());
        bytes[0] = frame::VERSION + 1;
        files.append(&bytes, true).expect("append");
        let before = NAMES.map(|name| fs::read(dir.join(name)).ok());
        let e = Files::recover(&dir).err().expect("refused");
        for part in ["newer picoclaw", "start the newer version, or move the file away", "journal."]
        {
            assert!(e.as_str().contains(part), "{e}");
        }
        assert_eq!(
            NAMES.map(|name| fs::read(dir.join(name)).ok()),
            before,
            "nothing is overwritten"
        );
    }
}
