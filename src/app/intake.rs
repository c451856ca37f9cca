//! How messages get into the hub: taken over once, safe on disk before their channel hears so.

use super::commands;
use super::hub::Hub;
use super::last_chat;
use super::session_key::session_key;
use crate::bus::{CLI, Inbound};
use crate::channel::Intake;
use crate::channel::command::{self, Command};
use crate::error::Result;
use crate::limits::MESSAGE_BYTES;
use crate::store::frame::Frame;
use crate::store::ledger::{Entry, Ledger, Stage};
use crate::sys::clock;

impl Hub {
    /// Takes one message over; returns its number, 0 when it was known.
    async fn take(&self, message: Inbound) -> u64 {
        if self.journal.ledger(|l| l.knows(&message.from.channel, message.event)) {
            return 0;
        }
        let command = command::parse(&message.text);
        // What stops a turn does not wait until the queue behind that turn has room.
        if command != Some(Command::Stop) {
            self.outbox.room().await;
        }
        // Nobody may be at the command line when there is something to tell.
        if !message.is_unattended() && message.from.channel != CLI {
            let chat = self.last_chat.borrow_mut().note(&message.from, clock::unix_now());
            last_chat::save(&self.agent.config.agent.workspace, chat).await;
        }
        let session = session_key(&self.agent.config.session, &message);
        let id = self.journal.ledger(Ledger::next_id);
        let too_long = message.text.len() > MESSAGE_BYTES;
        let bytes = message.text.len();
        let mut message = message;
        if too_long {
            message.text = "(too long)".into();
        }
        let to = message.from.clone();
        // /stop and /help do not wait behind the turn they are about; what asks or takes time does.
        let at_once = match command::parse(&message.text) {
            Some(Command::Stop) => {
                Some(if self.stop(&session) { "" } else { "Nothing is running." }.to_string())
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
        self.journal.record(&Frame::Received { id, message });
        match at_once {
            Some(text) => self.answered(id, &to, &text).await,
            None => self.start(id),
        }
        id
    }

    /// Takes a message of the command line over; returns its number, and why it is not on the card, or nothing.
    pub(super) async fn take_local(&self, message: Inbound) -> (u64, String) {
        let id = self.take(message).await;
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
}

impl Intake for Hub {
    fn offset(&self, channel: &str) -> i64 {
        match self.journal.ledger(|l| l.offset(channel)) {
            0 => 0,
            last => last + 1,
        }
    }

    async fn submit(&self, channel: &str, batch: Vec<Inbound>, next: i64) {
        let mut ids = Vec::with_capacity(batch.len());
        for message in batch {
            ids.push(self.take(message).await);
        }
        if next > 0 && self.journal.ledger(|l| l.offset(channel)) != next - 1 {
            self.journal.record(&Frame::Skipped { channel: channel.into(), event: next - 1 });
        }
        let safe = self.journal.synced(self.journal.last()).await;
        self.tell_durability(self.journal.durability().off());
        if !safe {
            for id in ids.into_iter().filter(|id| *id != 0) {
                self.journal.finished(id).await;
            }
        }
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
