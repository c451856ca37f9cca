//! Admission: how messages come in. Each is accepted once and safe on disk before its channel hears so; nobody waits here
//! for a turn to end.
//!
//! A command is carried out at once where that takes no time. Any other message goes into the journal and gets a turn; what
//! the journal has no room for is kept on the card ([`spill`]). While the disk takes nothing, what was accepted is not
//! confirmed to its channel until it is answered; polling goes on, so that buttons and `/stop` are heard.

pub mod internal;
mod spill;
mod unconfirmed;

use std::cell::{Cell, RefCell};
use std::rc::Rc;
use std::time::{Duration, Instant};

use smol::channel::{Receiver, Sender};
use smol::future::or;

use super::commands;
use super::notifier::Notifier;
use super::outbox::Outbox;
use super::session_key::session_key;
use super::turns::Turns;
use super::within::within;
use crate::agent::Agent;
use crate::bus::{Address, CLI, Inbound, Outbound};
use crate::channel::command::ChatCommand;
use crate::channel::{Intake, command_of};
use crate::error::Result;
use crate::limits::{COMMAND_REPLIES, DISK_WAIT, MESSAGE_BYTES, QUEUE, WAITING_NOTICE};
use crate::store::frame::Frame;
use crate::store::ledger::{Ledger, NO_EVENT, OpenMessage, Stage};
use crate::store::writer::Journal;
use spill::{SpillQueue, SpillResult};
use unconfirmed::Unconfirmed;

/// What became of a message.
enum Admission {
    /// It was accepted before.
    Known,
    /// It is in the journal under this number.
    Accepted(u64),
    /// It waits on the card until there is room.
    Kept,
    /// It is dealt with: too much of its chat is kept, and the chat was told, or it was a `/stop` without a reply.
    Done,
    /// The disk does not take it: its channel keeps it.
    Full,
}

/// Accepts messages of channels: journal first, then the queue of turns.
pub struct Inbox {
    agent: Rc<Agent>,
    journal: Rc<Journal>,
    outbox: Rc<Outbox>,
    notifier: Rc<Notifier>,
    turns: Rc<Turns>,
    spill: SpillQueue,
    unconfirmed: Unconfirmed,
    /// Chats with messages on the card that have not been told so, and when they are.
    untold: RefCell<Vec<(Address, Instant)>>,
    /// Chats that were told that their messages are refused, and have had none accepted since.
    refused: RefCell<Vec<Address>>,
    /// The card took longer than [`DISK_WAIT`] last time: it is asked again without waiting.
    slow: Cell<bool>,
    /// Wakes [`Inbox::run`] after a change of `untold`.
    look: (Sender<()>, Receiver<()>),
    /// The last chat was told that the disk takes no writes.
    told_off: Cell<bool>,
}

impl Inbox {
    /// With what the last run kept on the card.
    pub fn new(
        agent: Rc<Agent>,
        outbox: Rc<Outbox>,
        notifier: Rc<Notifier>,
        turns: Rc<Turns>,
    ) -> Inbox {
        let journal = agent.journal.clone();
        let spill = SpillQueue::new(journal.clone(), &agent.config.home.join("state"));
        Inbox {
            agent,
            journal,
            outbox,
            notifier,
            turns,
            spill,
            unconfirmed: Unconfirmed::default(),
            untold: RefCell::default(),
            refused: RefCell::default(),
            slow: Cell::new(false),
            look: smol::channel::bounded(1),
            told_off: Cell::new(false),
        }
    }

    /// Moves messages from the card into the journal as there is room, and tells chats that wait for long, for ever.
    pub async fn run(self: Rc<Self>) {
        loop {
            self.outbox.wants_capacity(!self.spill.is_empty());
            let room = async {
                self.spill.movable().await;
                true
            };
            let due = self.untold.borrow().iter().map(|(_, due)| *due).min();
            let tell = async {
                match due {
                    Some(due) => async_io::Timer::at(due).await,
                    None => std::future::pending().await,
                };
            };
            // The sender lives as long as this.
            let look = async {
                let _ = self.look.1.recv().await;
            };
            let told = async {
                or(tell, look).await;
                false
            };
            if or(room, told).await {
                self.spill.move_one(|id| self.turns.queue.start(id)).await;
            } else {
                self.announce_waiting();
            }
        }
    }

    /// Takes one message.
    async fn admit_one(&self, mut message: Inbound) -> Admission {
        let (event, to) = (message.event, message.from.clone());
        if self.journal.ledger(|l| l.knows(&to.channel, event)) {
            return Admission::Known;
        }
        // Nobody may be at the command line when there is something to tell.
        if !crate::channel::is_unattended(&message) && to.channel != CLI {
            self.in_time(self.notifier.note_chat(&to)).await;
        }
        let bytes = message.text.len();
        let too_long = bytes > MESSAGE_BYTES;
        if too_long {
            message.text = "(too long)".into();
        }
        if command_of(&message) == Some(ChatCommand::Stop) && !self.may_reply_at_once() {
            self.stop_ahead(std::slice::from_ref(&message));
            return Admission::Done;
        }
        let reply = match self.reply_at_once(&message).await {
            None if too_long => Some(format!(
                "Your message is too long for me: {bytes} bytes, at most {MESSAGE_BYTES} are read. Send it as a file or in parts."
            )),
            reply => reply,
        };
        let Some(text) = reply else { return self.admit(message).await };
        let id = self.journal.ledger(Ledger::next_id);
        self.journal.record(&Frame::Received { id, message });
        self.outbox.answer(id, &to, &text);
        Admission::Accepted(id)
    }

    /// The answer of a command that does not wait behind the turn it is about, like `/stop` and `/help`. Those that ask the
    /// user or take time have a turn: `None`.
    async fn reply_at_once(&self, message: &Inbound) -> Option<String> {
        let session = session_key(&self.agent.config.session, message);
        let channel = &message.from.channel;
        match command_of(message)? {
            ChatCommand::Clear
            | ChatCommand::Skills(_)
            | ChatCommand::ListSkills
            | ChatCommand::Btw(_) => None,
            // Its turn answers it, when others have their replies.
            command if command != ChatCommand::Stop && !self.may_reply_at_once() => None,
            ChatCommand::Stop => {
                let before = self.unconfirmed.is_stopped(channel, message.event);
                let stopped = if before { Some("") } else { self.turns.stop(&session) };
                Some(stopped.unwrap_or("Nothing is running.").to_string())
            }
            command => {
                let ask = self.outbox.asker(message);
                let (agent, names) = (&self.agent, || self.outbox.channel_names());
                Some(commands::answer(agent, &names, command, &session, channel, ask).await)
            }
        }
    }

    /// Waits for what needs the card, but not long; `None` when it takes longer.
    async fn in_time<T>(&self, work: impl Future<Output = T>) -> Option<T> {
        let limit = if self.slow.get() { Duration::ZERO } else { DISK_WAIT };
        let done = within(limit, work).await;
        self.slow.set(done.is_none());
        done
    }

    /// Whether the journal may hold one more reply to a command that has no turn.
    fn may_reply_at_once(&self) -> bool {
        let is = |e: &&OpenMessage| e.stage != Stage::Open && command_of(&e.message).is_some();
        self.journal.ledger(|l| l.entries().filter(is).count() < COMMAND_REPLIES)
    }

    /// A message for a turn: into the journal, or onto the card.
    async fn admit(&self, message: Inbound) -> Admission {
        let to = message.from.clone();
        if self.journal.ledger(|l| self.spill.may_pass(l, &to)) {
            self.refused.borrow_mut().retain(|chat| *chat != to);
            return Admission::Accepted(self.accept(message));
        }
        self.outbox.wants_capacity(true);
        match self.spill.keep(&message).await {
            SpillResult::First if !crate::channel::is_unattended(&message) => {
                self.untold.borrow_mut().push((to, Instant::now() + WAITING_NOTICE));
                // Full means that the task looks again anyway.
                let _ = self.look.0.try_send(());
                Admission::Kept
            }
            SpillResult::First | SpillResult::Behind => Admission::Kept,
            SpillResult::Refused => {
                self.announce_refused(to, message.message);
                Admission::Done
            }
            SpillResult::Unwritable => Admission::Full,
        }
    }

    /// Tells a chat once that its messages are refused: with which one that begins.
    fn announce_refused(&self, to: Address, reply_to: i64) {
        let mut refused = self.refused.borrow_mut();
        if refused.contains(&to) {
            return;
        }
        if refused.len() == QUEUE {
            refused.remove(0);
        }
        refused.push(to.clone());
        drop(refused);
        crate::log::warn!("too many messages of a chat wait: further ones are refused");
        let text = "Too many of your messages wait for an answer. I do not keep this one, nor later ones until I have answered some: please send them again then.";
        let notice = Outbound { to, text: text.into(), reply_to };
        if let Err(e) = self.notifier.send(&notice) {
            crate::log::warn!("a chat was not told that its messages are refused: {e}");
        }
    }

    /// Records a message for a turn and starts it.
    fn accept(&self, message: Inbound) -> u64 {
        let id = self.journal.ledger(Ledger::next_id);
        self.journal.record(&Frame::Received { id, message });
        self.turns.queue.start(id);
        id
    }

    /// Tells chats once whose messages have waited for [`WAITING_NOTICE`].
    fn announce_waiting(&self) {
        let now = Instant::now();
        let (due, later): (Vec<_>, Vec<_>) =
            self.untold.take().into_iter().partition(|(_, due)| *due <= now);
        self.untold.replace(later);
        for (to, _) in due {
            if self.spill.holds(&to) {
                let text = "That is more than I can take in at once. Your messages are safe and are answered in order.";
                let notice = Outbound { to, text: text.into(), reply_to: 0 };
                if let Err(e) = self.notifier.send(&notice) {
                    crate::log::info!("a chat was not told that its messages wait: {e}");
                }
            }
        }
    }

    /// Takes a message of the command line; returns its number, and why it is not on the card, or nothing. 0 where there is
    /// no room: then the second says so.
    pub async fn take_local(&self, message: Inbound) -> (u64, String) {
        if command_of(&message) != Some(ChatCommand::Stop) {
            let from = &message.from;
            self.outbox.capacity_for(|ledger| self.spill.may_pass(ledger, from)).await;
        }
        let Admission::Accepted(id) = self.admit_one(message).await else {
            return (0, "there is no room for it; try again later".into());
        };
        self.in_time(self.journal.synced(self.journal.last())).await;
        let off = self.journal.durability().off();
        self.announce_durability(off.clone());
        (id, off.unwrap_or_default())
    }

    /// Tells the last chat once when the disk stops taking writes, and once when it takes them again.
    fn announce_durability(&self, off: Option<String>) {
        if self.told_off.replace(off.is_some()) == off.is_some() {
            return;
        }
        match off {
            Some(why) => self.notifier.notify(&format!(
                "⚠️ durability: off ({why}). I keep answering, but messages sent now may be lost in a power cut."
            )),
            None => self.notifier.notify("durability: on. The disk takes writes again."),
        }
    }

    /// What the channel keeps is not accepted, but a `/stop` among it is acted upon, once.
    fn stop_ahead(&self, rest: &[Inbound]) {
        for message in rest {
            let (channel, event) = (&message.from.channel, message.event);
            if command_of(message) == Some(ChatCommand::Stop)
                && !self.unconfirmed.is_stopped(channel, event)
            {
                self.unconfirmed.note_stop(channel, event);
                self.turns.stop(&session_key(&self.agent.config.session, message));
            }
        }
    }
}

impl Intake for Inbox {
    fn offset(&self, channel: &str, account: i64) -> i64 {
        let owner = format!("(account {channel})");
        let known = self.journal.ledger(|l| l.offset(&owner));
        let set = |channel: &str, event| {
            self.journal.record(&Frame::Skipped { channel: channel.into(), event });
        };
        if account != 0 && known != account {
            // A journal without an account belongs to the present one.
            if known != 0 {
                crate::log::warn!(
                    "{channel}: bot {account} replaces {known}; it starts at offset 0"
                );
                set(channel, NO_EVENT);
                set(&owner, NO_EVENT);
            }
            set(&owner, account);
        }
        match self.journal.ledger(|l| l.offset(channel)) {
            ..=0 => 0,
            last => last + 1,
        }
    }

    async fn submit(&self, channel: &str, batch: Vec<Inbound>, next: i64) -> i64 {
        let mut accepted = Vec::with_capacity(batch.len());
        let mut next = next;
        let mut batch = batch.into_iter();
        while let Some(message) = batch.next() {
            let (event, again) = (message.event, message.clone());
            match self.admit_one(message).await {
                Admission::Accepted(id) => accepted.push((event, id)),
                Admission::Known | Admission::Kept | Admission::Done => {}
                // Its channel keeps nothing.
                Admission::Full if event == 0 => accepted.push((0, self.accept(again))),
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
        let safe = self.in_time(self.journal.synced(self.journal.last())).await == Some(true);
        self.announce_durability(self.journal.durability().off());
        if safe {
            self.unconfirmed.clear();
            return next;
        }
        // A channel without numbers confirms nothing, and its client's yes must not wait behind this.
        for (event, id) in accepted {
            self.unconfirmed.note(channel, event, id);
        }
        self.journal.ledger(|l| self.unconfirmed.confirmed(channel, next, l))
    }

    fn open(&self, platform: &str) -> usize {
        let waits =
            |e: &&OpenMessage| e.stage == Stage::Open && e.message.sender.platform == platform;
        self.journal.ledger(|l| l.entries().filter(waits).count())
    }

    async fn migrated(&self, channel: &str, old: &str, new: &str) {
        self.outbox.chat_moved(channel, old, new).await;
        self.spill.rename(channel, old, new).await;
        for (chat, _) in self.untold.borrow_mut().iter_mut() {
            if chat.channel == channel && chat.chat == old {
                chat.chat = new.to_owned();
            }
        }
    }

    async fn save_paired(&self, json: String) -> Result<()> {
        let path = self.agent.config.home.join("state/paired.json");
        crate::store::atomic::write_later(path, json.into_bytes(), 0o600).await
    }
}

#[cfg(test)]
#[path = "tests.rs"]
mod tests;
