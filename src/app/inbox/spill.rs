//! Messages for which the journal has no room: kept on the card ([`Spill`]) in each chat's order, and moved into the
//! journal as there is room.

use std::cell::{Cell, RefCell};
use std::path::Path;
use std::rc::Rc;

use smol::lock::Mutex;

use crate::bus::{Address, Inbound};
use crate::limits::{
    CHAT_OPEN_BYTES, CHAT_QUEUE, JOURNAL_OPEN_BYTES, QUEUE, SPILL_PAUSE, SPILL_TRIES,
};
use crate::store::frame::Frame;
use crate::store::ledger::{Entry, Ledger, Stage};
use crate::store::spill::Spill;
use crate::store::writer::Journal;
use crate::sys::spawn_blocking;

/// Whether the journal has room for a further message of this chat.
pub(super) fn has_capacity(ledger: &Ledger, chat: &Address) -> bool {
    let open = |e: &&Entry| e.stage == Stage::Open && e.message.from == *chat;
    let own = || ledger.entries().filter(open);
    let bytes: usize = own().map(|e| e.message.text.len()).sum();
    ledger.len() < QUEUE
        && ledger.bytes() < JOURNAL_OPEN_BYTES
        && own().count() < CHAT_QUEUE
        && bytes < CHAT_OPEN_BYTES
}

/// See the module.
pub(super) struct SpillQueue {
    journal: Rc<Journal>,
    spill: RefCell<Spill>,
    /// Held while a file of the spill is written, read or removed.
    disk: Mutex<()>,
    /// Reads that failed in a row.
    failures: Cell<u32>,
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
        let spill = RefCell::new(spill);
        SpillQueue { journal, spill, disk: Mutex::new(()), failures: Cell::new(0) }
    }

    /// Nothing is kept.
    pub(super) fn is_empty(&self) -> bool {
        self.spill.borrow().is_empty()
    }

    /// Messages of this chat are kept.
    pub(super) fn holds(&self, chat: &Address) -> bool {
        self.spill.borrow().holds(chat)
    }

    /// Whether a message must be kept: there is no room, or others of its chat are kept already.
    pub(super) fn must_keep(&self, chat: &Address) -> bool {
        self.holds(chat) || !self.journal.ledger(|l| has_capacity(l, chat))
    }

    /// Keeps a message on the card; true for the first one of its chat. `None` where it has no room or the disk refuses.
    pub(super) async fn keep(&self, message: &Inbound) -> Option<bool> {
        let _turn = self.disk.lock().await;
        // An event that is kept confirms all before it: these must be on the card first.
        if !self.journal.synced(self.journal.last()).await {
            return None;
        }
        let read = |name: &str| self.journal.ledger(|l| l.offset(name));
        let first = !self.holds(&message.from);
        let append = self.spill.borrow_mut().append(message, &read)?;
        let (append, result) = spawn_blocking(move || {
            let result = append.run();
            (append, result)
        })
        .await;
        match result {
            Ok(()) => {
                self.spill.borrow_mut().written(&append);
                Some(first)
            }
            Err(e) => {
                self.spill.borrow_mut().failed(&append);
                crate::log::error!("{e}");
                None
            }
        }
    }

    /// Waits until the next message can be moved.
    pub(super) async fn movable(&self) {
        let may_move = |ledger: &Ledger| {
            self.spill.borrow().next(&|chat| has_capacity(ledger, chat)).is_some()
        };
        self.journal.room(may_move).await;
    }

    /// Moves the next message from the card into the journal and starts it.
    pub(super) async fn move_one(&self, start: impl FnOnce(u64)) {
        let _turn = self.disk.lock().await;
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
        let id = message.map(|message| {
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
