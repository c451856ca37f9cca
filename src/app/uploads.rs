//! Files that a tool sends: at once, again while the network fails, and never twice on purpose.

use std::rc::Rc;

use async_io::Timer;

use super::outbox::Outbox;
use crate::bus::{Address, Upload};
use crate::channel::SendError;
use crate::limits::{SEND_FILE_PAUSE, SEND_FILE_TRIES};
use crate::tool::FileSender;

/// What sends files to the chats of `outbox`.
pub fn file_sender(outbox: Rc<Outbox>) -> FileSender {
    Rc::new(move |to, upload| {
        let outbox = outbox.clone();
        Box::pin(async move { send(&outbox, to, upload).await })
    })
}

async fn send(outbox: &Outbox, mut to: Address, upload: Upload) -> Result<(), String> {
    let channel = outbox.channel(&to.channel).ok_or("there is no such channel")?;
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
