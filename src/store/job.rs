//! One write of the journal, on the blocking thread, and the one that may pass it.

use std::path::PathBuf;

use super::journal::Files;
use super::lines::{self, Lines};
use crate::error::Result;

/// Costs, for `status` and the benchmark.
#[derive(Clone, Copy, Debug, Default)]
pub struct Costs {
    /// fsync and fdatasync calls.
    pub syncs: u64,
    /// Bytes handed to the file system.
    pub bytes: u64,
}

/// One job for the blocking thread.
pub struct Job {
    /// Away from the journal meanwhile; absent in one that only keeps sessions.
    pub files: Option<Files>,
    /// Encoded, in order.
    pub frames: Vec<u8>,
    /// The frames are all that is alive, and begin a file.
    pub snapshot: bool,
    /// For the session files, oldest first.
    pub lines: Vec<Lines>,
    /// Session files with lines that are only safe through the journal.
    pub dirty: Vec<String>,
    /// Their folder.
    pub sessions: PathBuf,
    /// Everything is on the card when it ends.
    pub sync: bool,
    /// What it took.
    pub costs: Costs,
}

impl Job {
    /// Writes.
    ///
    /// # Errors
    /// The disk's; lines that did not reach their file are still in the job.
    pub fn run(&mut self) -> Result<()> {
        if !self.snapshot && !self.frames.is_empty()
            || self.sync && !self.snapshot && self.files.is_some()
        {
            if let Some(files) = &mut self.files {
                files.append(&self.frames, self.sync)?;
                self.costs.bytes += self.frames.len() as u64;
                self.costs.syncs += u64::from(self.sync);
            }
        }
        while let Some(lines) = self.lines.first() {
            lines::append(&self.sessions, lines)?;
            self.costs.bytes += lines.bytes.len() as u64;
            self.costs.syncs += u64::from(lines.sync);
            if !lines.sync && !self.dirty.contains(&lines.session) {
                self.dirty.push(lines.session.clone());
            }
            self.lines.remove(0);
        }
        // Without a journal to carry the lines, or with one that is about to drop them, the files must stand alone.
        if self.snapshot || self.files.is_none() && self.sync {
            while let Some(session) = self.dirty.last() {
                lines::sync(&self.sessions, session)?;
                self.costs.syncs += 1;
                self.dirty.pop();
            }
        }
        if let (true, Some(files)) = (self.snapshot, &mut self.files) {
            self.costs.syncs += files.compact(&self.frames)?;
            self.costs.bytes += self.frames.len() as u64;
        }
        Ok(())
    }
}
