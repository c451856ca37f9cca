//! Messages outside an answer: what tools send to chats, and the daemon's notices to the chat that wrote last.

use std::cell::RefCell;
use std::path::PathBuf;
use std::rc::Rc;

use super::last_chat::{self, LastChat};
use super::outbox::Outbox;
use crate::bus::{Address, Outbound};
use crate::error::{Error, Result};
use crate::limits::{JOURNAL_OPEN_BYTES, OUTGOING_BYTES, QUEUE};
use crate::store::frame::Frame;
use crate::store::ledger::{Ledger, entry_bytes};
use crate::store::writer::Journal;
use crate::sys::clock;

/// Sends messages that answer nobody: notices, and what tools send to chats.
pub struct Notifier {
    journal: Rc<Journal>,
    outbox: Rc<Outbox>,
    home: PathBuf,
    last_chat: RefCell<LastChat>,
}

/// Counts every part before the first is recorded: what is sent must never weigh more than a journal carries.
///
/// # Errors
/// What a model can act on: the text is too long, or too much is waiting.
fn check_capacity(journal: &Journal, parts: &[Outbound]) -> Result<()> {
    let bytes: usize = parts.iter().map(entry_bytes).sum();
    if bytes > OUTGOING_BYTES {
        return Err(Error::new(format!(
            "the text is too long to be sent at once: {bytes} bytes with its envelopes, at most {OUTGOING_BYTES}; send less of it, or a file"
        )));
    }
    let (open, waiting) = journal.ledger(|l| (l.len(), l.bytes()));
    if open + parts.len() > 2 * QUEUE || waiting + bytes > JOURNAL_OPEN_BYTES + OUTGOING_BYTES {
        return Err(Error::new(
            "too much is waiting to be sent; wait until it has gone out, then try again",
        ));
    }
    Ok(())
}

impl Notifier {
    /// With the chat that wrote last, from the home.
    pub fn new(journal: Rc<Journal>, outbox: Rc<Outbox>, home: PathBuf) -> Notifier {
        let last_chat = RefCell::new(LastChat::read(&home));
        Notifier { journal, outbox, home, last_chat }
    }

    /// Sends a message to its chat, through the journal.
    ///
    /// # Errors
    /// There is no such channel, the text is too long, or too much is waiting; a model can act on each.
    pub fn send(&self, message: &Outbound) -> Result<()> {
        if self.outbox.channel(&message.to.channel).is_none() {
            return Err(Error::new(format!("there is no channel {:?}", message.to.channel)));
        }
        let parts = self.outbox.split(&message.to, &message.text);
        check_capacity(&self.journal, &parts)?;
        for reply in parts {
            let id = self.journal.ledger(Ledger::next_id);
            self.journal.record(&Frame::Said { id, reply });
            self.outbox.push(id);
        }
        Ok(())
    }

    /// Sends a notice to the chat that wrote last; one that cannot be sent is logged only.
    pub fn notify(&self, text: &str) {
        if let Some(to) = self.last_chat() {
            if let Err(e) = self.send(&Outbound { to, text: text.into(), reply_to: 0 }) {
                crate::log::warn!("a notice was not sent: {e}");
            }
        }
    }

    /// The chat that wrote last.
    pub fn last_chat(&self) -> Option<Address> {
        self.last_chat.borrow().get()
    }

    /// The chat that wrote last, where its channel is still configured.
    pub fn reachable_chat(&self) -> Option<Address> {
        self.last_chat().filter(|to| self.has_channel(to))
    }

    /// The chat that something for `to` goes to: that one, or the last that wrote where `to` names none. What was meant for
    /// one chat never goes to another.
    ///
    /// # Errors
    /// Why it goes nowhere.
    pub fn destination(&self, to: Address) -> Result<Address, String> {
        if to.chat.is_empty() {
            let none = || "no chat has written yet, so there is none to answer in".to_owned();
            return self.reachable_chat().ok_or_else(none);
        }
        if self.has_channel(&to) {
            return Ok(to);
        }
        Err(format!("there is no channel {:?}; nothing is sent to another chat", to.channel))
    }

    /// Whether there is a channel for this chat.
    fn has_channel(&self, to: &Address) -> bool {
        !to.chat.is_empty() && self.outbox.channel(&to.channel).is_some()
    }

    /// Somebody wrote in this chat.
    pub async fn note_chat(&self, from: &Address) {
        let due = self.last_chat.borrow_mut().note(from, clock::unix_now());
        last_chat::save(&self.home, due).await;
    }

    /// Writes the last chat down before the gateway ends.
    pub async fn save_last_chat(&self) {
        let due = self.last_chat.borrow_mut().due(clock::unix_now());
        last_chat::save(&self.home, due).await;
    }
}
