//! Messages outside an answer: of tools, and notices of the daemon itself.

use std::rc::Rc;

use super::hub::Hub;
use crate::bus::Outbound;
use crate::error::Result;
use crate::limits::{JOURNAL_OPEN_BYTES, OUTGOING_BYTES, QUEUE};
use crate::store::frame::Frame;
use crate::store::ledger::{Ledger, entry_bytes};
use crate::store::writer::Journal;

/// Every part is counted before the first is recorded: what is said must never weigh more than a journal carries.
///
/// # Errors
/// What a model can act on: the text is too long, or too much is waiting.
fn room_for(journal: &Journal, replies: &[Outbound]) -> Result<()> {
    let bytes: usize = replies.iter().map(entry_bytes).sum();
    if bytes > OUTGOING_BYTES {
        return Err(crate::Error::new(format!(
            "the text is too long to be sent at once: {bytes} bytes with its envelopes, at most {OUTGOING_BYTES}; send less of it, or a file"
        )));
    }
    let (open, waiting) = journal.ledger(|l| (l.len(), l.bytes()));
    if open + replies.len() > 2 * QUEUE || waiting + bytes > JOURNAL_OPEN_BYTES + OUTGOING_BYTES {
        return Err(crate::Error::new(
            "too much is waiting to be sent; wait until it has gone out, then try again",
        ));
    }
    Ok(())
}

impl Hub {
    /// Sends at once, through the journal.
    pub(super) fn message_sender(&self) -> Rc<dyn Fn(Outbound) -> Result<()>> {
        let (journal, outbox) = (self.journal.clone(), self.outbox.clone());
        Rc::new(move |message: Outbound| {
            if outbox.channel(&message.to.channel).is_none() {
                return Err(crate::Error::new(format!(
                    "there is no channel {:?}",
                    message.to.channel
                )));
            }
            let replies = outbox.split(&message.to, &message.text);
            room_for(&journal, &replies)?;
            for reply in replies {
                let id = journal.ledger(Ledger::next_id);
                journal.record(&Frame::Said { id, reply });
                outbox.push(id);
            }
            Ok(())
        })
    }

    /// Sends a notice to the chat that wrote last.
    pub fn notify(&self, text: &str) {
        if let Some(to) = self.last_chat() {
            if let Err(e) = self.message_sender()(Outbound { to, text: text.into(), reply_to: 0 }) {
                crate::log::warn!("a notice was not sent: {e}");
            }
        }
    }
}
