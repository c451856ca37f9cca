//! Messages for which the journal has no room: kept on the card ([`Spill`]) in each chat's order, and moved into the
//! journal as there is room.

use std::cell::{Cell, RefCell};
use std::path::Path;
use std::rc::Rc;
use std::time::{Duration, Instant};

use smol::lock::Mutex;

use crate::app::within::within;
use crate::bus::{Address, Inbound};
use crate::error::{Error, Result};
use crate::limits::{
    CHAT_OPEN_BYTES, CHAT_QUEUE, DISK_WAIT, JOURNAL_OPEN_BYTES, QUEUE, SPILL_LOG_PAUSE,
    SPILL_PAUSE, SPILL_TRIES,
};
use crate::store::frame::Frame;
use crate::store::ledger::{Ledger, OpenMessage, Stage};
use crate::store::spill::{AppendJob, Spill, SpillError, is_mark};
use crate::store::writer::Journal;
use crate::sys::{BlockingTask, spawn_blocking};

/// Whether the journal has room for a further message of this chat.
pub(super) fn has_capacity(ledger: &Ledger, chat: &Address) -> bool {
    let open = |e: &&OpenMessage| e.stage == Stage::Open && e.message.from == *chat;
    let own = || ledger.entries().filter(open);
    let bytes: usize = own().map(|e| e.message.text.len()).sum();
    ledger.len() < QUEUE
        && ledger.bytes() < JOURNAL_OPEN_BYTES
        && own().count() < CHAT_QUEUE
        && bytes < CHAT_OPEN_BYTES
}

/// What became of a message that was to be kept.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum SpillResult {
    /// It is the first one of its chat.
    First,
    /// It is behind others of its chat.
    Behind,
    /// A bound is reached.
    Refused,
    /// The disk does not take it now.
    Unwritable,
}

/// A write that took longer than [`DISK_WAIT`].
struct SlowWrite {
    task: BlockingTask<(AppendJob, Result<()>)>,
    channel: String,
    /// 0 where its channel does not send the message again.
    event: i64,
}

/// Accepted messages that wait on the card for space in the journal.
pub(super) struct SpillQueue {
    journal: Rc<Journal>,
    spill: RefCell<Spill>,
    /// Held while a file of the spill is written, read or removed.
    disk: Mutex<()>,
    hanging: RefCell<Option<SlowWrite>>,
    /// The card took longer than [`DISK_WAIT`] last time: it is asked again without waiting.
    slow: Cell<bool>,
    /// Reads that failed in a row.
    failures: Cell<u32>,
    /// When a failed write was logged last.
    logged: Cell<Option<Instant>>,
}

impl SpillQueue {
    /// With what the last run kept in the folder `state`.
    pub(super) fn new(journal: Rc<Journal>, state: &Path) -> SpillQueue {
        let read = |name: &str| journal.ledger(|l| l.offset(name));
        let (spill, notes) = Spill::open(state, &read);
        for note in notes {
            crate::log::error!("{note}");
        }
        // Kept, and perhaps not yet noted when the last run ended: it must not come in a second time.
        for (channel, event) in spill.events() {
            if journal.ledger(|l| l.offset(&channel)) < event {
                journal.record(&Frame::Skipped { channel, event });
            }
        }
        SpillQueue {
            journal,
            spill: RefCell::new(spill),
            disk: Mutex::new(()),
            hanging: RefCell::default(),
            slow: Cell::new(false),
            failures: Cell::new(0),
            logged: Cell::new(None),
        }
    }

    /// Whether no message waits on the card.
    pub(super) fn is_empty(&self) -> bool {
        self.spill.borrow().is_empty()
    }

    /// Messages of this chat are kept.
    pub(super) fn holds(&self, chat: &Address) -> bool {
        self.spill.borrow().holds(chat)
    }

    /// Whether the journal takes a message of this chat, and none of its chat is kept that must come first.
    pub(super) fn may_pass(&self, ledger: &Ledger, chat: &Address) -> bool {
        !self.holds(chat) && has_capacity(ledger, chat)
    }

    /// Keeps a message on the card.
    pub(super) async fn keep(&self, message: &Inbound) -> SpillResult {
        let limit = if self.slow.replace(true) { Duration::ZERO } else { DISK_WAIT };
        let Some(_alone) = within(limit, self.disk.lock()).await else {
            return SpillResult::Unwritable;
        };
        match self.settle_slow_write().await {
            // It is the one that was on its way: its channel has sent it again.
            Some((channel, event))
                if event > 0 && event == message.event && channel == message.from.channel =>
            {
                self.slow.set(false);
                return SpillResult::Behind;
            }
            _ if self.hanging.borrow().is_some() => return SpillResult::Unwritable,
            _ => {}
        }
        // An event that is kept confirms all before it: these must be on the card first.
        let before = self.journal.synced(self.journal.last());
        match within(limit, before).await {
            Some(true) => self.slow.set(false),
            Some(false) => {
                self.slow.set(false);
                return SpillResult::Unwritable;
            }
            None => return SpillResult::Unwritable,
        }
        let first = !self.holds(&message.from);
        match self.append(message).await {
            SpillResult::Behind if first => SpillResult::First,
            kept => kept,
        }
    }

    /// Writes one message; the caller holds `disk`.
    async fn append(&self, message: &Inbound) -> SpillResult {
        let read = |name: &str| self.journal.ledger(|l| l.offset(name));
        let append = match self.spill.borrow_mut().append(message, &read) {
            Ok(append) => append,
            Err(SpillError::Full) => return SpillResult::Refused,
            Err(SpillError::Damaged) => return SpillResult::Unwritable,
        };
        let mut task = spawn_blocking(move || {
            let result = append.run();
            (append, result)
        });
        match within(DISK_WAIT, &mut task).await {
            Some((append, result)) => self.written(&append, result),
            None => {
                let (channel, event) = (message.from.channel.clone(), message.event);
                self.hanging.replace(Some(SlowWrite { task, channel, event }));
                self.log(&Error::new("a message could not be written to the card in time"));
                SpillResult::Unwritable
            }
        }
    }

    fn written(&self, append: &AppendJob, result: Result<()>) -> SpillResult {
        let mut spill = self.spill.borrow_mut();
        match result {
            Ok(()) => {
                spill.written(append);
                SpillResult::Behind
            }
            Err(e) => {
                spill.failed(append);
                self.log(&e);
                SpillResult::Unwritable
            }
        }
    }

    /// Logs a failed write, unless one was logged lately.
    fn log(&self, e: &Error) {
        let lately = |at: Instant| at.elapsed() < SPILL_LOG_PAUSE;
        if !self.logged.get().is_some_and(lately) {
            self.logged.set(Some(Instant::now()));
            crate::log::error!("{e}");
        }
    }

    /// Ends a write that took too long, if it can be ended by now. Returns the channel and event of a message that is on the
    /// card although its channel was told otherwise. The caller holds `disk`.
    async fn settle_slow_write(&self) -> Option<(String, i64)> {
        let SlowWrite { mut task, channel, event } = self.hanging.take()?;
        let Some((append, result)) = within(Duration::ZERO, &mut task).await else {
            self.hanging.replace(Some(SlowWrite { task, channel, event }));
            return None;
        };
        if event == 0 {
            // Its channel sends it once, so it was accepted in another way.
            self.spill.borrow_mut().failed(&append);
            return None;
        }
        if self.written(&append, result) != SpillResult::Behind {
            return None;
        }
        // Sent again by its channel, it is known.
        self.journal.record(&Frame::Skipped { channel: channel.clone(), event });
        Some((channel, event))
    }

    /// A chat has another id: what is kept of it moves along.
    pub(super) async fn rename(&self, channel: &str, old: &str, new: &str) {
        let _alone = self.disk.lock().await;
        let marks = self.spill.borrow_mut().rename(channel, old, new);
        for mark in marks {
            if self.append(&mark).await != SpillResult::Behind {
                crate::log::warn!("after a restart, messages of chat {old} have its old id");
            }
        }
    }

    /// Waits until the next message can be moved.
    pub(super) async fn movable(&self) {
        let may_move = |ledger: &Ledger| {
            self.spill.borrow().next(&|chat| has_capacity(ledger, chat)).is_some()
        };
        self.journal.wait_for_capacity(may_move).await;
    }

    /// Moves the next message from the card into the journal and starts it.
    pub(super) async fn move_one(&self, start: impl FnOnce(u64)) {
        let _alone = self.disk.lock().await;
        let take = {
            let spill = self.spill.borrow();
            self.journal.ledger(|l| spill.next(&|chat| has_capacity(l, chat)))
        };
        let Some(take) = take else { return };
        let (take, read) = spawn_blocking(move || {
            let read = take.run();
            (take, read)
        })
        .await;
        let (message, length) = match read {
            Ok((message, length)) => (Some(message), Some(length)),
            Err(e) => {
                self.failures.set(self.failures.get() + 1);
                crate::log::error!("{e}");
                if self.failures.get() < SPILL_TRIES {
                    async_io::Timer::after(SPILL_PAUSE).await;
                    return;
                }
                (None, None)
            }
        };
        self.failures.set(0);
        let advanced = self.spill.borrow_mut().advance(&take, length);
        let Some((offset, done)) = advanced else { return };
        // One write: a crash leaves both or none.
        let id = message.filter(|message| !is_mark(message)).map(|message| {
            let id = self.journal.ledger(Ledger::next_id);
            self.journal.record(&Frame::Received { id, message });
            id
        });
        let ticket = self.journal.record(&offset);
        // Before any wait: what comes in next must not pass it.
        if let Some(id) = id {
            start(id);
        }
        let Some(done) = done else { return };
        // Removed earlier, a power cut could leave neither.
        if self.journal.synced(ticket).await {
            if let Err(e) = spawn_blocking(move || done.run()).await {
                crate::log::error!("{e}");
            }
        }
    }
}
