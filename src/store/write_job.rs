//! One write of the journal, on the blocking thread.

use std::path::PathBuf;

use super::frame::{self, Frame};
use super::journal::Files;
use super::jsonl::{self, SessionLines};
use crate::error::{Error, Result};

/// Write statistics, for `status` and the benchmark.
#[derive(Clone, Copy, Debug, Default)]
pub struct WriteStats {
    /// fsync and fdatasync calls.
    pub syncs: u64,
    /// Bytes handed to the file system.
    pub bytes: u64,
}

impl WriteStats {
    /// The counts of two jobs added up.
    pub fn plus(self, other: WriteStats) -> WriteStats {
        WriteStats { syncs: self.syncs + other.syncs, bytes: self.bytes + other.bytes }
    }
}

/// One job for the blocking thread.
pub struct WriteJob {
    /// The journal's files, owned by the job meanwhile; `None` for a journal that only writes sessions.
    pub files: Option<Files>,
    /// Frames to append, encoded, in the order of their recording.
    pub frames: Vec<u8>,
    /// The frames are a snapshot of all live entries and start a file.
    pub snapshot: bool,
    /// For the session files, oldest first.
    pub lines: Vec<SessionLines>,
    /// Session files with lines that are durable only through the journal.
    pub dirty: Vec<String>,
    /// Folder of the session files that the job writes.
    pub sessions: PathBuf,
    /// Whether to sync at the end.
    pub sync: bool,
    /// Counts of syncs and bytes, shared with the loop.
    pub costs: WriteStats,
    /// Session files that are synced up to so many bytes, while the journal still has lines of theirs.
    pub synced: Vec<(String, u64)>,
    /// Session files that could not be written or synced, and why.
    pub failures: Vec<(String, String)>,
    /// One of the failures was the disk's.
    pub disk_fault: bool,
}

impl WriteJob {
    /// Writes the journal first, then the sessions one by one. If a session fails, only its own lines stay in the
    /// job, in order, and [`WriteJob::failures`] says why.
    ///
    /// # Errors
    /// The journal's file cannot be written, or the disk refuses the sessions' files too.
    pub fn run(&mut self) -> Result<()> {
        if !self.snapshot && (self.sync || !self.frames.is_empty()) {
            if let Some(files) = &mut self.files {
                files.append(&self.frames, self.sync)?;
                self.costs.bytes += self.frames.len() as u64;
                self.costs.syncs += u64::from(self.sync);
            }
        }
        self.append_lines();
        // Without a journal that contains the lines, or with one about to drop them, the files must be synced themselves.
        if self.snapshot || self.files.is_none() && self.sync {
            self.sync_sessions();
            // The journal must not drop lines that the card refused.
            if self.disk_fault {
                let why = self.failures.first().map_or("the disk refuses", |(_, why)| why.as_str());
                return Err(Error::new(why));
            }
        }
        if let (true, Some(files)) = (self.snapshot, &mut self.files) {
            // Until then the journal keeps lines that have no file yet.
            for lines in &self.lines {
                let lines = lines.clone();
                let (session, offset, lines) = (lines.session, lines.offset, lines.bytes);
                let step = Frame::Step { id: 0, session, offset, lines, started: Vec::new() };
                frame::encode(&step, files.generation().wrapping_add(1), &mut self.frames);
            }
            self.costs.syncs += files.compact(&self.frames)?;
            self.costs.bytes += self.frames.len() as u64;
        }
        match self.failures.first() {
            Some((_, why)) if self.disk_fault || self.files.is_none() => Err(Error::new(why)),
            _ => Ok(()),
        }
    }

    /// Frames for the next job that record which session files are synced; none if this job started a file, which has
    /// no lines of theirs.
    pub fn note_synced(&mut self, generation: u32) -> Vec<u8> {
        let mut frames = Vec::new();
        for (session, offset) in std::mem::take(&mut self.synced) {
            let step = Frame::Step { id: 0, session, offset, lines: vec![], started: vec![] };
            if self.files.is_some() && !self.snapshot {
                frame::encode(&step, generation, &mut frames);
            }
        }
        frames
    }

    fn fails(&self, session: &str) -> bool {
        self.failures.iter().any(|(failing, _)| failing == session)
    }

    fn append_lines(&mut self) {
        for lines in std::mem::take(&mut self.lines) {
            // Later lines must not overtake waiting ones.
            if self.fails(&lines.session) {
                self.lines.push(lines);
                continue;
            }
            let appended = jsonl::append(&self.sessions, &lines);
            self.disk_fault |= appended.is_err();
            match appended {
                Ok(None) => {
                    self.costs.bytes += lines.bytes.len() as u64;
                    self.costs.syncs += u64::from(lines.sync);
                    if lines.sync {
                        let length = lines.offset + lines.bytes.len() as u64;
                        self.synced.push((lines.session, length));
                    } else if !self.dirty.contains(&lines.session) {
                        self.dirty.push(lines.session);
                    }
                }
                Ok(Some(e)) | Err(e) => {
                    self.failures.push((lines.session.clone(), e.to_string()));
                    self.lines.push(lines);
                }
            }
        }
    }

    fn sync_sessions(&mut self) {
        for session in std::mem::take(&mut self.dirty) {
            let synced = jsonl::sync(&self.sessions, &session);
            self.disk_fault |= synced.is_err();
            match synced {
                Ok(None) => self.costs.syncs += 1,
                Ok(Some(e)) | Err(e) => {
                    if !self.fails(&session) {
                        self.failures.push((session.clone(), e.to_string()));
                    }
                    self.dirty.push(session);
                }
            }
        }
    }
}
