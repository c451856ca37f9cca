//! Messages outside an answer: of tools, and notices of the daemon itself.

use std::rc::Rc;

use super::hub::Hub;
use crate::bus::Outbound;
use crate::error::Result;
use crate::limits::QUEUE;
use crate::store::frame::Frame;
use crate::store::ledger::Ledger;

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
            if journal.ledger(|l| l.len()) >= 2 * QUEUE {
                return Err(crate::Error::new("too many messages are waiting to be sent"));
            }
            for reply in outbox.split(&message.to, &message.text) {
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
