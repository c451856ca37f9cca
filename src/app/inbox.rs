//! Admission: how messages come in. Each is taken over once and safe on disk before its channel hears so; nobody waits here
//! for a turn to end.
//!
//! What the journal has no room for is kept on the card ([`Spill`]), in each chat's order. While the disk takes nothing, what
//! was taken is not confirmed to its channel until it is answered; polling goes on, so that buttons and `/stop` are heard.

use std::cell::{Cell, RefCell};
use std::rc::Rc;
use std::time::Instant;

use smol::channel::{Receiver, Sender};
use smol::future::or;
use smol::lock::Mutex;

use super::hub::Hub;
use crate::bus::{Address, Inbound};
use crate::limits::{
    CHAT_OPEN_BYTES, CHAT_QUEUE, JOURNAL_OPEN_BYTES, QUEUE, SPILL_PAUSE, SPILL_TRIES,
};
use crate::store::frame::Frame;
use crate::store::ledger::{Entry, Ledger, Stage};
use crate::store::spill::Spill;
use crate::store::writer::Journal;
use crate::sys::spawn_blocking;

/// What became of a message.
pub(super) enum Admission {
    /// It was taken before.
    Known,
    /// It is in the journal under this number.
    Accepted(u64),
    /// It waits on the card until there is room.
    Kept,
    /// There is no room anywhere: its channel keeps it.
    Full,
}

/// A message that was taken while the disk took nothing.
pub(super) struct Unconfirmed {
    pub(super) channel: String,
    pub(super) event: i64,
    pub(super) id: u64,
}

/// See the module.
pub(super) struct Inbox {
    journal: Rc<Journal>,
    pub(super) spill: RefCell<Spill>,
    pub(super) unconfirmed: RefCell<Vec<Unconfirmed>>,
    /// Events of `/stop` that were acted upon and could not be taken; told again, they stop nothing.
    pub(super) stopped: RefCell<Vec<(String, i64)>>,
    /// Chats with messages on the card that have not been told, and when they are.
    pub(super) untold: RefCell<Vec<(Address, Instant)>>,
    /// Wakes the task that tells them.
    pub(super) look: (Sender<()>, Receiver<()>),
    /// Held while a file of the spill is written, read or removed.
    disk: Mutex<()>,
    /// Reads of the spill that failed in a row.
    failures: Cell<u32>,
}

/// Is there room in the journal for a further message of this chat?
pub(super) fn has_room(ledger: &Ledger, chat: &Address) -> bool {
    let open = |e: &&Entry| e.stage == Stage::Open && e.message.from == *chat;
    let own = || ledger.entries().filter(open);
    let bytes: usize = own().map(|e| e.message.text.len()).sum();
    ledger.len() < QUEUE
        && ledger.bytes() < JOURNAL_OPEN_BYTES
        && own().count() < CHAT_QUEUE
        && bytes < CHAT_OPEN_BYTES
}

impl Inbox {
    /// With what the last run kept in the state folder of `home`.
    pub(super) fn new(journal: Rc<Journal>, home: &std::path::Path) -> Inbox {
        let read = |name: &str| journal.ledger(|l| l.offset(name));
        let (spill, notes) = Spill::open(&home.join("state"), &read);
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
        Inbox {
            journal,
            spill,
            unconfirmed: RefCell::default(),
            stopped: RefCell::default(),
            untold: RefCell::default(),
            look: smol::channel::bounded(1),
            disk: Mutex::new(()),
            failures: Cell::new(0),
        }
    }

    /// Whether a message must wait: there is no room, or others of its chat wait already.
    pub(super) fn must_wait(&self, chat: &Address) -> bool {
        self.spill.borrow().holds(chat) || !self.journal.ledger(|l| has_room(l, chat))
    }

    /// Keeps a message on the card; true for the first one of its chat. `None` where it has no room or the disk refuses.
    pub(super) async fn keep(&self, message: &Inbound) -> Option<bool> {
        let _turn = self.disk.lock().await;
        // An event that is kept stands for all before it: these must be on the card first.
        if !self.journal.synced(self.journal.last()).await {
            return None;
        }
        let read = |name: &str| self.journal.ledger(|l| l.offset(name));
        let first = !self.spill.borrow().holds(&message.from);
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

    /// May a message on the card go on into the journal?
    fn may_move(&self, ledger: &Ledger) -> bool {
        self.spill.borrow().next(&|chat| has_room(ledger, chat)).is_some()
    }

    /// Moves the next message from the card into the journal and starts it.
    async fn move_one(&self, start: &dyn Fn(u64)) {
        let _turn = self.disk.lock().await;
        let take = {
            let spill = self.spill.borrow();
            self.journal.ledger(|l| spill.next(&|chat| has_room(l, chat)))
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

    /// The event up to which a channel may be confirmed, `next` at the most.
    pub(super) fn confirmed(&self, channel: &str, next: i64) -> i64 {
        let mut unconfirmed = self.unconfirmed.borrow_mut();
        unconfirmed.retain(|u| self.journal.ledger(|l| l.get(u.id).is_some()));
        let own = unconfirmed.iter().filter(|u| u.channel == channel);
        own.map(|u| u.event).min().map_or(next, |first| first.min(next))
    }
}

/// Moves messages from the card into the journal as there is room, and tells chats that wait for long, for ever.
pub(super) async fn run(hub: Rc<Hub>) {
    loop {
        hub.outbox.wants_room(!hub.inbox.spill.borrow().is_empty());
        let room = async {
            hub.journal.room(|ledger| hub.inbox.may_move(ledger)).await;
            true
        };
        let due = hub.inbox.untold.borrow().iter().map(|(_, due)| *due).min();
        let tell = async {
            match due {
                Some(due) => async_io::Timer::at(due).await,
                None => std::future::pending().await,
            };
        };
        // The sender lives as long as the hub.
        let look = async {
            let _ = hub.inbox.look.1.recv().await;
        };
        let told = async {
            or(tell, look).await;
            false
        };
        if !or(room, told).await {
            hub.tell_waiting();
            continue;
        }
        hub.inbox.move_one(&|id| hub.start(id)).await;
    }
}
