//! The running journal: frames are recorded in memory at once and written together by one job at a time on the blocking
//! thread, so that a stalling card never stops the loop. [`Journal::run`] must be polled for anything to reach the disk.

use std::cell::{Cell, RefCell};
use std::future::poll_fn;
use std::path::{Path, PathBuf};
use std::pin::pin;
use std::task::{Poll, Waker};

use smol::future::or;

use super::durability::Durability;
use super::failures::Failures;
use super::frame::{self, Frame};
use super::journal::{Files, PipelinedWrite};
use super::jsonl::SessionLines;
use super::ledger::Ledger;
pub use super::write_job::{WriteJob, WriteStats};
use crate::error::Error;
use crate::limits::JOURNAL_LINES_BYTES;

/// A position in the sequence of recorded frames; see [`Journal::written`] and [`Journal::synced`].
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub struct Ticket(u64);

/// Records frames at once in memory and writes them in batches.
pub struct Journal {
    inner: RefCell<Inner>,
    durability: Durability,
    costs: Cell<WriteStats>,
    sessions: PathBuf,
}

#[derive(Default)]
struct Inner {
    ledger: Ledger,
    /// `None` while a job owns them; always `None` in a journal that only writes sessions.
    files: Option<Files>,
    keeps_frames: bool,
    generation: u32,
    buffer: Vec<u8>,
    lines: Vec<SessionLines>,
    /// Lines of the running job, not yet known to be in their file.
    in_flight: Vec<SessionLines>,
    /// Session files with lines that are durable only through the journal.
    dirty: Vec<String>,
    recorded: u64,
    tried: u64,
    synced: u64,
    sync_wanted: u64,
    /// Session files that the last job could not write.
    failures: Failures,
    /// For recording that a reply was accepted while a job syncs.
    ahead: Option<PipelinedWrite>,
    has_acceptance: bool,
    /// Such a write failed.
    pipelined_failed: bool,
    /// The last job failed: the file may be torn, so the next job starts a new one.
    failed: bool,
    /// The daemon is stopping: the journal drops the lines that the sessions' files contain.
    closing: bool,
    wakers: Vec<Waker>,
}

impl Journal {
    /// A journal that continues with these files and open messages. `dirty` are session files that may not be synced,
    /// `unwritten` those that cannot be written, with their lines.
    pub(super) fn recovered(
        files: Files,
        ledger: Ledger,
        sessions: &Path,
        dirty: Vec<String>,
        (failures, lines): (Failures, Vec<SessionLines>),
    ) -> Journal {
        let inner = Inner {
            ledger,
            dirty,
            failures,
            lines,
            generation: files.generation(),
            files: Some(files),
            keeps_frames: true,
            // The first write starts a new file: compaction removes what a crash left behind.
            failed: true,
            ..Inner::default()
        };
        Journal::with(inner, sessions)
    }

    /// A journal without frames that only writes session files, for one-shot commands.
    pub fn sessions_only(sessions: &Path) -> Journal {
        Journal::with(Inner::default(), sessions)
    }

    fn with(inner: Inner, sessions: &Path) -> Journal {
        Journal {
            inner: RefCell::new(inner),
            durability: Durability::default(),
            costs: Cell::default(),
            sessions: sessions.to_path_buf(),
        }
    }

    /// The state of durability.
    pub fn durability(&self) -> &Durability {
        &self.durability
    }

    /// Statistics of all writes.
    pub fn costs(&self) -> WriteStats {
        self.costs.get()
    }

    /// Accesses the open messages. `look` must not call the journal.
    pub fn ledger<T>(&self, look: impl FnOnce(&mut Ledger) -> T) -> T {
        look(&mut self.inner.borrow_mut().ledger)
    }

    /// Records a frame: applied to the ledger at once, written soon.
    pub fn record(&self, frame: &Frame) -> Ticket {
        let mut inner = self.inner.borrow_mut();
        inner.ledger.apply(frame);
        let generation = inner.generation;
        if inner.keeps_frames && !frame::encode(frame, generation, &mut inner.buffer) {
            crate::log::error!("a frame over the limit is not in the journal");
        }
        // If the process dies before the kernel has these, a reply is sent twice.
        inner.has_acceptance |= matches!(frame, Frame::Delivered { .. } | Frame::Finished { .. });
        inner.next_ticket()
    }

    /// Records lines of a turn: for the session file, and in the journal if they are short.
    pub fn record_lines(
        &self,
        id: u64,
        session: &str,
        offset: u64,
        bytes: Vec<u8>,
        started: Vec<String>,
    ) -> Ticket {
        let carried = bytes.len() <= JOURNAL_LINES_BYTES && self.inner.borrow().keeps_frames;
        if id != 0 {
            self.record(&Frame::Step {
                id,
                session: session.into(),
                offset,
                lines: if carried { bytes.clone() } else { Vec::new() },
                started,
            });
        }
        let mut inner = self.inner.borrow_mut();
        let sync = !carried && inner.keeps_frames;
        inner.lines.push(SessionLines { session: session.into(), offset, bytes, sync });
        inner.next_ticket()
    }

    /// Session lines that may not be in their file yet, each with its end offset there.
    pub fn unsaved(&self, session: &str) -> Vec<(u64, Vec<u8>)> {
        let inner = self.inner.borrow();
        let own = inner.in_flight.iter().chain(&inner.lines).filter(|l| l.session == session);
        own.map(|l| (l.offset + l.bytes.len() as u64, l.bytes.clone())).collect()
    }

    /// Waits until everything up to `ticket` was written to the page cache, or writing failed.
    pub async fn written(&self, ticket: Ticket) {
        self.wait(|inner| inner.tried >= ticket.0).await;
    }

    /// Waits until everything up to `ticket` is synced; false if that failed.
    pub async fn synced(&self, ticket: Ticket) -> bool {
        {
            let mut inner = self.inner.borrow_mut();
            inner.sync_wanted = inner.sync_wanted.max(ticket.0);
            inner.wake();
        }
        // A job that started before the sync was requested does not count; wait for the next one.
        self.wait(|inner| inner.synced >= ticket.0 || inner.tried >= ticket.0 && inner.failed)
            .await;
        self.inner.borrow().synced >= ticket.0
    }

    /// The ticket of the latest record.
    pub fn last(&self) -> Ticket {
        Ticket(self.inner.borrow().recorded)
    }

    /// Accesses the sessions whose files cannot be written.
    pub fn failures<T>(&self, look: impl FnOnce(&Failures) -> T) -> T {
        look(&self.inner.borrow().failures)
    }

    /// Waits until the open messages satisfy `has_capacity`.
    pub async fn wait_for_capacity(&self, has_capacity: impl Fn(&Ledger) -> bool) {
        self.wait(|inner| has_capacity(&inner.ledger)).await;
    }

    /// Waits until `id` is no longer open.
    pub async fn finished(&self, id: u64) {
        self.wait(|inner| inner.ledger.get(id).is_none()).await;
    }

    async fn wait(&self, mut done: impl FnMut(&Inner) -> bool) {
        poll_fn(|cx| {
            let mut inner = self.inner.borrow_mut();
            if done(&inner) {
                return Poll::Ready(());
            }
            if !inner.wakers.iter().any(|w| w.will_wake(cx.waker())) {
                inner.wakers.push(cx.waker().clone());
            }
            Poll::Pending
        })
        .await;
    }

    /// Writes recorded frames; never ends.
    pub async fn run(&self) {
        loop {
            self.wait(Inner::has_work).await;
            // Let other tasks woken by the same message record first, so that one sync covers all.
            for _ in 0..3 {
                smol::future::yield_now().await;
            }
            self.write_once().await;
        }
    }

    /// Syncs everything recorded so far; false if that failed.
    pub async fn finish(&self) -> bool {
        self.synced(self.last()).await
    }

    /// [`Journal::finish`] for a clean stop: the journal keeps no session lines, so their owner may change the files.
    pub async fn close(&self) -> bool {
        self.inner.borrow_mut().closing = true;
        let ticket = self.inner.borrow_mut().next_ticket();
        self.synced(ticket).await
    }

    async fn write_once(&self) {
        let (mut job, upto) = {
            let mut inner = self.inner.borrow_mut();
            let Some(job) = inner.job(&self.sessions) else { return };
            (job, inner.recorded)
        };
        let mut work = pin!(crate::sys::spawn_blocking(move || {
            let result = job.run();
            (job, result)
        }));
        let (job, result) = loop {
            let over = async { Some(work.as_mut().await) };
            let passing = async {
                self.wait(Inner::may_pipeline).await;
                None
            };
            match or(over, passing).await {
                Some(ended) => break ended,
                None => self.write_ahead().await,
            }
        };
        self.costs.set(self.costs.get().plus(job.costs));
        let mut inner = self.inner.borrow_mut();
        inner.complete(job, upto, result.is_ok());
        drop(inner);
        match result {
            Ok(()) => {
                if self.durability.back() {
                    crate::log::warn!("the disk takes writes again: durability: on");
                }
            }
            Err(e) => self.report(&e),
        }
    }

    /// Writes the buffer after the job in progress.
    async fn write_ahead(&self) {
        let (mut ahead, frames) = {
            let mut inner = self.inner.borrow_mut();
            let Some(ahead) = inner.ahead.take() else { return };
            inner.has_acceptance = false;
            (ahead, std::mem::take(&mut inner.buffer))
        };
        let bytes = frames.len() as u64;
        // Not on the thread that syncs: a kill during the sync would send the reply again.
        let work = move || ahead.write(&frames).map(|()| ahead);
        let written = crate::sys::spawn_thread("accepted", work).await;
        let mut inner = self.inner.borrow_mut();
        match written {
            Some(Ok(ahead)) => {
                inner.ahead = Some(ahead);
                self.costs.set(self.costs.get().plus(WriteStats { bytes, syncs: 0 }));
            }
            // The next job starts a file with all live entries.
            _ => inner.pipelined_failed = true,
        }
    }

    fn report(&self, e: &Error) {
        if self.durability.lost(e.as_str()) {
            crate::log::error!("{e}; messages are still answered, but durability: off");
        }
    }
}

impl Inner {
    fn next_ticket(&mut self) -> Ticket {
        self.recorded += 1;
        self.wake();
        Ticket(self.recorded)
    }

    fn wake(&mut self) {
        for waker in self.wakers.drain(..) {
            waker.wake();
        }
    }

    fn has_work(&self) -> bool {
        self.recorded > self.tried || self.sync_wanted > self.synced && !self.failed
    }

    fn may_pipeline(&self) -> bool {
        self.has_acceptance
            && self.ahead.as_ref().is_some_and(|a| a.has_capacity(self.buffer.len()))
    }

    fn job(&mut self, sessions: &Path) -> Option<WriteJob> {
        if self.keeps_frames && self.files.is_none() {
            return None;
        }
        let files = self.files.take();
        let carries = self.closing && !(self.dirty.is_empty() && self.lines.is_empty());
        let renews = |f: &Files| self.failed || carries || f.is_full(self.buffer.len());
        let snapshot = files.as_ref().is_some_and(renews);
        if snapshot {
            self.generation = files.as_ref().map_or(1, Files::next_generation);
            self.buffer.clear();
            let generation = self.generation;
            let buffer = &mut self.buffer;
            self.ledger.snapshot(|f| {
                frame::encode(f, generation, buffer);
            });
        }
        self.in_flight = std::mem::take(&mut self.lines);
        let sync = self.sync_wanted > self.synced || snapshot;
        self.ahead = match &files {
            Some(files) if sync && !snapshot => Some(files.ahead(self.buffer.len())),
            _ => None,
        };
        self.has_acceptance = false;
        Some(WriteJob {
            files,
            frames: std::mem::take(&mut self.buffer),
            snapshot,
            lines: self.in_flight.clone(),
            dirty: std::mem::take(&mut self.dirty),
            sessions: sessions.to_path_buf(),
            sync,
            costs: WriteStats::default(),
            synced: Vec::new(),
            failures: Vec::new(),
            disk_fault: false,
        })
    }

    fn complete(&mut self, mut job: WriteJob, upto: u64, ok: bool) {
        let noted = job.note_synced(self.generation);
        self.files = job.files;
        if let (Some(files), Some(ahead)) = (&mut self.files, self.ahead.take()) {
            files.join(&ahead);
        }
        self.tried = upto;
        if ok && (job.sync || job.snapshot) {
            self.synced = upto;
        }
        self.failed = !ok || std::mem::take(&mut self.pipelined_failed);
        // Lines that were not written come before newer ones.
        self.in_flight = Vec::new();
        self.failures.note(std::mem::take(&mut job.failures));
        job.lines.append(&mut self.lines);
        self.lines = job.lines;
        self.failures.bound(&mut self.lines);
        for session in job.dirty {
            if !self.dirty.contains(&session) {
                self.dirty.push(session);
            }
        }
        // The job's buffer is reused, unless a burst made it large.
        if self.buffer.is_empty() && job.frames.capacity() <= 16 * 1024 {
            job.frames.clear();
            self.buffer = job.frames;
        }
        self.buffer.extend(noted);
        self.wake();
    }
}

#[cfg(test)]
#[path = "writer_tests.rs"]
mod tests;
