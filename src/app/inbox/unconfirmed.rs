//! What may not be confirmed to its channel yet, since the disk takes nothing: messages that were accepted and are not
//! answered, and commands that were acted upon and not accepted.

use std::cell::RefCell;

use crate::limits::QUEUE;
use crate::store::ledger::Ledger;

/// A message that was accepted while the disk took nothing.
struct UnconfirmedMessage {
    channel: String,
    event: i64,
    /// Its number in the journal.
    id: u64,
}

/// What its channel must send again after a crash, because it is not on the card yet.
#[derive(Default)]
pub(super) struct Unconfirmed {
    messages: RefCell<Vec<UnconfirmedMessage>>,
    /// Channel and event of `/stop` that were acted upon and could not be accepted: they come again, and stop nothing then.
    stops: RefCell<Vec<(String, i64)>>,
}

impl Unconfirmed {
    /// A message was accepted and is not on disk; those without an event number cannot be confirmed at all.
    pub(super) fn note(&self, channel: &str, event: i64, id: u64) {
        if event > 0 {
            let channel = channel.to_owned();
            self.messages.borrow_mut().push(UnconfirmedMessage { channel, event, id });
        }
    }

    /// Everything accepted so far is on disk.
    pub(super) fn clear(&self) {
        self.messages.borrow_mut().clear();
    }

    /// The event up to which a channel may be confirmed: `next`, or the first one below it that is still open.
    pub(super) fn confirmed(&self, channel: &str, next: i64, ledger: &Ledger) -> i64 {
        let mut messages = self.messages.borrow_mut();
        messages.retain(|m| ledger.get(m.id).is_some());
        let own = messages.iter().filter(|m| m.channel == channel);
        own.map(|m| m.event).min().map_or(next, |first| first.min(next))
    }

    /// Whether this `/stop` was acted upon before.
    pub(super) fn is_stopped(&self, channel: &str, event: i64) -> bool {
        event != 0 && self.stops.borrow().iter().any(|(c, e)| c == channel && *e == event)
    }

    /// This `/stop` is acted upon, and comes again.
    pub(super) fn note_stop(&self, channel: &str, event: i64) {
        let mut stops = self.stops.borrow_mut();
        stops.push((channel.to_owned(), event));
        if stops.len() > QUEUE {
            stops.remove(0);
        }
    }
}
