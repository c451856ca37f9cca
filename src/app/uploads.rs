//! Files that a tool sends: at once, with some patience, and never twice on purpose.

use std::rc::Rc;

use async_io::Timer;

use super::hub::{Claimed, Hub};
use super::outbox::Outbox;
use crate::bus::{Address, Upload};
use crate::channel::SendError;
use crate::limits::{SEND_FILE_PAUSE, SEND_FILE_TRIES};
use crate::tool::FileSender;

impl Hub {
    /// What sends files in the turn of `taken`; a sub-agent has its parent for that.
    pub(super) fn files(&self, claimed: &Claimed) -> Option<FileSender> {
        (!claimed.is_subagent()).then(|| self.outbox.file_sender())
    }
}

impl Outbox {
    /// What sends files to chats.
    fn file_sender(self: &Rc<Self>) -> FileSender {
        let outbox = self.clone();
        Rc::new(move |to, upload| {
            let outbox = outbox.clone();
            Box::pin(async move { outbox.send_upload(to, upload).await })
        })
    }

    async fn send_upload(&self, mut to: Address, upload: Upload) -> Result<(), String> {
        let channel = self.channel(&to.channel).ok_or("there is no such channel")?;
        for attempt in 1.. {
            let Err(e) = channel.upload(&to, &upload).await else { return Ok(()) };
            let again = attempt < SEND_FILE_TRIES;
            let pause = e.retry_in(attempt).filter(|pause| *pause <= SEND_FILE_PAUSE);
            match (e, pause) {
                (SendError::MigratedTo(chat), _) if again => to.chat = chat,
                (SendError::RateLimited(_) | SendError::Temporary(_), Some(pause)) if again => {
                    Timer::after(pause).await;
                }
                // What may have arrived is not sent again: the model is told.
                (e, _) => return Err(e.to_string()),
            }
        }
        Ok(())
    }
}
