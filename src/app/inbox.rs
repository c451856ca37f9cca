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

use super::commands;
use super::hub::Hub;
use super::last_chat;
use super::session_key::session_key;
use crate::bus::{Address, CLI, Inbound, Outbound};
use crate::channel::Intake;
use crate::channel::command::{self, Command};
use crate::error::Result;
use crate::limits::{
    CHAT_OPEN_BYTES, CHAT_QUEUE, JOURNAL_OPEN_BYTES, MESSAGE_BYTES, QUEUE, TELL_WAITING,
};
use crate::store::frame::Frame;
use crate::store::ledger::{Entry, Ledger, Stage};
use crate::store::spill::{self, Spill};
use crate::store::writer::Journal;
use crate::sys::{clock, spawn_blocking};

/// What became of a message.
enum Admission {
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
struct Unconfirmed {
    channel: String,
    event: i64,
    id: u64,
}

/// See the module.
pub(super) struct Inbox {
    journal: Rc<Journal>,
    spill: RefCell<Spill>,
    unconfirmed: RefCell<Vec<Unconfirmed>>,
    /// Events of `/stop` that were acted upon and could not be taken; told again, they stop nothing.
    stopped: RefCell<Vec<(String, i64)>>,
    /// Chats with messages on the card that have not been told, and when they are.
    untold: RefCell<Vec<(Address, Instant)>>,
    /// Wakes the task that tells them.
    look: (Sender<()>, Receiver<()>),
    /// A message is being moved from the card; another one of its chat must not pass it.
    moving: Cell<bool>,
}

/// Is there room in the journal for a further message of this chat?
fn has_room(ledger: &Ledger, chat: &Address) -> bool {
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
        let spill = RefCell::new(spill);
        Inbox {
            journal,
            spill,
            unconfirmed: RefCell::default(),
            stopped: RefCell::default(),
            untold: RefCell::default(),
            look: smol::channel::bounded(1),
            moving: Cell::new(false),
        }
    }

    /// Whether a message must wait: there is no room, or others of its chat wait already.
    fn must_wait(&self, chat: &Address) -> bool {
        self.spill.borrow().holds(chat) || !self.journal.ledger(|l| has_room(l, chat))
    }

    /// Keeps a message on the card; true for the first one of its chat. `None` where it has no room or the disk refuses.
    async fn keep(&self, message: &Inbound) -> Option<bool> {
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
        !self.moving.get() && self.spill.borrow().next(&|chat| has_room(ledger, chat)).is_some()
    }

    /// Moves the next message from the card into the journal; its number.
    async fn move_one(&self) -> Option<u64> {
        let take = {
            let spill = self.spill.borrow();
            self.journal.ledger(|l| spill.next(&|chat| has_room(l, chat)))?
        };
        self.moving.set(true);
        let (take, read) = spawn_blocking(move || {
            let read = take.run();
            (take, read)
        })
        .await;
        self.moving.set(false);
        let (message, length) = match read {
            Ok((message, length)) => (Some(message), Some(length)),
            Err(e) => {
                crate::log::error!("{e}; the messages of one chat that waited there are lost");
                (None, None)
            }
        };
        let (offset, done) = self.spill.borrow_mut().advance(&take, length)?;
        // One write: a crash leaves both or none.
        let id = message.map(|message| {
            let id = self.journal.ledger(Ledger::next_id);
            self.journal.record(&Frame::Received { id, message });
            id
        });
        let ticket = self.journal.record(&offset);
        if let Some(path) = done {
            // Removed earlier, a power cut could leave neither.
            if self.journal.synced(ticket).await {
                let _ = spawn_blocking(move || spill::remove(&path)).await;
            }
        }
        id
    }

    /// The event up to which a channel may be confirmed, `next` at the most.
    fn confirmed(&self, channel: &str, next: i64) -> i64 {
        let mut unconfirmed = self.unconfirmed.borrow_mut();
        unconfirmed.retain(|u| self.journal.ledger(|l| l.get(u.id).is_some()));
        let own = unconfirmed.iter().filter(|u| u.channel == channel);
        own.map(|u| u.event).min().map_or(next, |first| first.min(next))
    }
}

/// Moves messages from the card into the journal as there is room, and tells chats that wait for long, for ever.
pub(super) async fn run(hub: Rc<Hub>) {
    loop {
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
        if let Some(id) = hub.inbox.move_one().await {
            hub.start(id);
        }
        hub.outbox.wants_room(!hub.inbox.spill.borrow().is_empty());
    }
}

impl Hub {
    /// Takes one message over.
    async fn take(&self, message: Inbound) -> Admission {
        if self.journal.ledger(|l| l.knows(&message.from.channel, message.event)) {
            return Admission::Known;
        }
        // Nobody may be at the command line when there is something to tell.
        if !message.is_unattended() && message.from.channel != CLI {
            let chat = self.last_chat.borrow_mut().note(&message.from, clock::unix_now());
            last_chat::save(&self.agent.config.agent.workspace, chat).await;
        }
        let session = session_key(&self.agent.config.session, &message);
        let bytes = message.text.len();
        let too_long = bytes > MESSAGE_BYTES;
        let mut message = message;
        if too_long {
            message.text = "(too long)".into();
        }
        let to = message.from.clone();
        // /stop and /help do not wait behind the turn they are about; what asks or takes time does.
        let at_once = match command::parse(&message.text) {
            Some(Command::Stop) => {
                let event = (to.channel.clone(), message.event);
                let before = message.event != 0 && self.inbox.stopped.borrow().contains(&event);
                let stopped = before || self.stop(&session);
                Some(if stopped { "" } else { "Nothing is running." }.to_string())
            }
            Some(c) if !matches!(c, Command::Clear | Command::Skills(_) | Command::Btw(_)) => {
                let ask = self.outbox.asker(&message);
                Some(commands::answer(self, c, &session, &to.channel, ask).await)
            }
            _ if too_long => Some(format!(
                "Your message is too long for me: {bytes} bytes, at most {MESSAGE_BYTES} are read. Send it as a file or in parts."
            )),
            _ => None,
        };
        let Some(text) = at_once else { return self.admit(message).await };
        let id = self.journal.ledger(Ledger::next_id);
        self.journal.record(&Frame::Received { id, message });
        self.answered(id, &to, &text).await;
        Admission::Accepted(id)
    }

    /// A message for a turn: into the journal, or onto the card.
    async fn admit(&self, message: Inbound) -> Admission {
        let to = message.from.clone();
        if self.inbox.must_wait(&to) {
            self.outbox.wants_room(true);
            return match self.inbox.keep(&message).await {
                Some(first) => {
                    if first && !message.is_unattended() {
                        let due = Instant::now() + TELL_WAITING;
                        self.inbox.untold.borrow_mut().push((to, due));
                        // Full means that the task looks again anyway.
                        let _ = self.inbox.look.0.try_send(());
                    }
                    Admission::Kept
                }
                None => Admission::Full,
            };
        }
        let id = self.journal.ledger(Ledger::next_id);
        self.journal.record(&Frame::Received { id, message });
        self.start(id);
        Admission::Accepted(id)
    }

    /// Tells chats once whose messages have waited for [`TELL_WAITING`].
    fn tell_waiting(&self) {
        let now = Instant::now();
        let mut untold = std::mem::take(&mut *self.inbox.untold.borrow_mut());
        for (to, due) in std::mem::take(&mut untold) {
            if due > now {
                untold.push((to, due));
            } else if self.inbox.spill.borrow().holds(&to) {
                let text = "That is more than I can take in at once. Your messages are safe and are answered in order.";
                let notice = Outbound { to, text: text.into(), reply_to: 0 };
                if let Err(e) = self.message_sender()(notice) {
                    crate::log::info!("a chat was not told that its messages wait: {e}");
                }
            }
        }
        self.inbox.untold.borrow_mut().append(&mut untold);
    }

    /// Takes a message of the command line over; returns its number, and why it is not on the card, or nothing. 0 where there is
    /// no room: then the second says so.
    pub(super) async fn take_local(&self, message: Inbound) -> (u64, String) {
        if command::parse(&message.text).is_none() {
            self.journal.room(|ledger| has_room(ledger, &message.from)).await;
        }
        let Admission::Accepted(id) = self.take(message).await else {
            return (0, "there is no room for it; try again later".into());
        };
        self.journal.synced(self.journal.last()).await;
        let off = self.journal.durability().off();
        self.tell_durability(off.clone());
        (id, off.unwrap_or_default())
    }

    /// Tells the chat once when the disk stops taking writes, and once when it takes them again.
    fn tell_durability(&self, off: Option<String>) {
        if self.told_off.replace(off.is_some()) == off.is_some() {
            return;
        }
        match off {
            Some(why) => self.notify(&format!(
                "⚠️ durability: off ({why}). I go on answering, but what is said now may be lost in a power cut."
            )),
            None => self.notify("durability: on. The disk takes writes again."),
        }
    }

    /// What the channel keeps is not taken, but a `/stop` among it is acted upon, once.
    fn stop_ahead(&self, rest: &[Inbound]) {
        for message in rest {
            let event = (message.from.channel.clone(), message.event);
            let mut stopped = self.inbox.stopped.borrow_mut();
            if command::parse(&message.text) == Some(Command::Stop) && !stopped.contains(&event) {
                stopped.push(event);
                if stopped.len() > QUEUE {
                    stopped.remove(0);
                }
                drop(stopped);
                self.stop(&session_key(&self.agent.config.session, message));
            }
        }
    }
}

impl Intake for Hub {
    fn offset(&self, channel: &str) -> i64 {
        match self.journal.ledger(|l| l.offset(channel)) {
            0 => 0,
            last => last + 1,
        }
    }

    async fn submit(&self, channel: &str, batch: Vec<Inbound>, next: i64) -> i64 {
        let mut taken = Vec::with_capacity(batch.len());
        let mut next = next;
        let mut batch = batch.into_iter();
        while let Some(message) = batch.next() {
            let (event, again) = (message.event, message.clone());
            match self.take(message).await {
                Admission::Accepted(id) => taken.push((event, id)),
                Admission::Known | Admission::Kept => {}
                Admission::Full => {
                    let mut rest = vec![again];
                    rest.extend(batch);
                    self.stop_ahead(&rest);
                    next = event.max(0);
                    break;
                }
            }
        }
        if next > 0 && self.journal.ledger(|l| l.offset(channel)) != next - 1 {
            self.journal.record(&Frame::Skipped { channel: channel.into(), event: next - 1 });
        }
        let safe = self.journal.synced(self.journal.last()).await;
        self.tell_durability(self.journal.durability().off());
        if safe {
            self.inbox.unconfirmed.borrow_mut().clear();
            return next;
        }
        // A channel without numbers confirms one message at a time, and waits for it.
        let (numbered, others): (Vec<_>, Vec<_>) = taken.into_iter().partition(|(e, _)| *e > 0);
        for (_, id) in others {
            self.journal.finished(id).await;
        }
        for (event, id) in numbered {
            let channel = channel.to_owned();
            self.inbox.unconfirmed.borrow_mut().push(Unconfirmed { channel, event, id });
        }
        self.inbox.confirmed(channel, next)
    }

    fn open(&self, platform: &str) -> usize {
        let waits = |e: &&Entry| e.stage == Stage::Open && e.message.sender.platform == platform;
        self.journal.ledger(|l| l.entries().filter(waits).count())
    }

    async fn migrated(&self, channel: &str, old: &str, new: &str) {
        self.outbox.moved(channel, old, new).await;
    }

    async fn save_paired(&self, json: String) -> Result<()> {
        let path = self.agent.config.home.join("state/paired.json");
        crate::store::atomic::write_later(path, json.into_bytes(), 0o600).await
    }
}
