//! What becomes of a message that comes in: a command is carried out, the rest is admitted ([`super::inbox`]) for a turn.

use std::time::Instant;

use super::commands;
use super::hub::Hub;
use super::inbox::{Admission, Unconfirmed, has_room};
use super::last_chat;
use super::session_key::session_key;
use crate::bus::{CLI, Inbound, Outbound};
use crate::channel::Intake;
use crate::channel::command::{self, Command};
use crate::error::Result;
use crate::limits::{MESSAGE_BYTES, QUEUE, WAITING_NOTICE};
use crate::store::frame::Frame;
use crate::store::ledger::{Entry, Ledger, Stage};
use crate::sys::clock;

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
                        let due = Instant::now() + WAITING_NOTICE;
                        self.inbox.untold.borrow_mut().push((to, due));
                        // Full means that the task looks again anyway.
                        let _ = self.inbox.look.0.try_send(());
                    }
                    Admission::Kept
                }
                None => Admission::Full,
            };
        }
        Admission::Accepted(self.accept(message))
    }

    /// Records a message for a turn and starts it.
    fn accept(&self, message: Inbound) -> u64 {
        let id = self.journal.ledger(Ledger::next_id);
        self.journal.record(&Frame::Received { id, message });
        self.start(id);
        id
    }

    /// Tells chats once whose messages have waited for [`WAITING_NOTICE`].
    pub(super) fn tell_waiting(&self) {
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
            let new = message.event == 0 || !stopped.contains(&event);
            if command::parse(&message.text) == Some(Command::Stop) && new {
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
                // Its channel keeps nothing.
                Admission::Full if event == 0 => taken.push((0, self.accept(again))),
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
        // A channel without numbers confirms nothing, and its client's yes must not wait behind this.
        let numbered = taken.into_iter().filter(|(event, _)| *event > 0);
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
