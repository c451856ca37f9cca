//! Files that come with messages: into the workspace, their paths and what is said in them into the text.

use std::time::Duration;

use async_io::Timer;
use smol::future::or;

use super::hub::Hub;
use crate::agent::UserContent;
use crate::bus::{Attachment, Inbound, Outbound};
use crate::channel::{SendError, media};
use crate::error::{Error, Result};
use crate::limits::{MEDIA_FETCH, MEDIA_FETCH_IDLE, MEDIA_FETCH_TRIES, VOICE_TIMEOUT};
#[cfg(feature = "media")]
use crate::provider::voice;
use crate::store::spool::{self, MEDIA, Spool};
use crate::sys::spawn_blocking;

/// How long the files of a message are waited for; what is here by default holds, tests are less patient.
pub struct Patience {
    /// For one file to come, all tries together.
    pub fetch: Duration,
    /// For the next piece of it.
    pub idle: Duration,
    /// For what is said in it, each try.
    pub voice: Duration,
}

impl Default for Patience {
    fn default() -> Patience {
        Patience { fetch: MEDIA_FETCH, idle: MEDIA_FETCH_IDLE, voice: VOICE_TIMEOUT }
    }
}

/// The message for the model: for each file a mark (`[file:/path]`, or why it is not there) and what is said in it; its
/// pictures.
pub async fn user_content(hub: &Hub, message: Inbound) -> UserContent {
    let mut words = UserContent { text: message.text.clone(), pictures: Vec::new() };
    for (index, file) in message.attachments.iter().enumerate() {
        let kind = match file.kind.as_str() {
            "photo" => "image",
            "voice" | "audio" => "audio",
            "video" => "video",
            _ => "file",
        };
        // The event's number comes first: messages are numbered in each chat anew, and the same file after a restart is
        // the same file.
        let number = message.event.wrapping_mul(10).wrapping_add(index as i64);
        let name = media::file_name(number, &file.name, &file.kind);
        // Boxed: turns without files need not be as large.
        if let Err(e) = Box::pin(download(hub, &message.from.channel, file, &name)).await {
            crate::log::warn!("{e}");
            let why = format!("{kind} {name} could not be downloaded: {e}");
            words.text.push_str(&format!("\n({why})"));
            tell(hub, &message, why);
            continue;
        }
        let path = hub.agent.config.agent.workspace.join(MEDIA).join(&name).display().to_string();
        if kind == "audio" && Box::pin(hear(hub, &message, file, &path, &mut words.text)).await {
            continue;
        }
        words.text = media::inject(&words.text, &format!("[{kind}:{path}]"));
        // A picture sent as a document is a picture, too: its bytes tell.
        if matches!(kind, "image" | "file") {
            words.pictures.push(path);
        }
    }
    words
}

fn tell(hub: &Hub, message: &Inbound, text: String) {
    let said = Outbound { to: message.from.clone(), text, reply_to: message.message };
    if let Err(e) = hub.message_sender()(said) {
        crate::log::warn!("the chat was not told: {e}");
    }
}

/// Puts what is said in the place of the file's mark; false where its path is to stand in the text.
#[cfg(feature = "media")]
async fn hear(
    hub: &Hub,
    message: &Inbound,
    file: &Attachment,
    path: &str,
    text: &mut String,
) -> bool {
    let config = &hub.agent.config;
    let Some(writer) = voice::transcriber(config) else { return false };
    let workspace = config.agent.workspace.clone();
    let kind = &file.kind;
    match voice::transcribe(&hub.agent.http, writer, workspace, path, hub.patience.voice).await {
        Ok(said) => {
            *text = media::put(text, kind, &format!("[{kind} transcription: {said}]"));
            if config.agent.voice.echo {
                tell(hub, message, format!("Transcript: {said}"));
            }
            true
        }
        Err(e) => {
            crate::log::warn!("transcription failed: {e}");
            *text = media::put(text, kind, &format!("[{kind} (transcription failed)]"));
            false
        }
    }
}

#[cfg(not(feature = "media"))]
async fn hear(_: &Hub, _: &Inbound, _: &Attachment, _: &str, _: &mut String) -> bool {
    false
}

/// Fetches one file, with some patience for the network. A file that is there already, from before a restart, is it.
async fn download(hub: &Hub, channel: &str, file: &Attachment, name: &str) -> Result<()> {
    let workspace = &hub.agent.config.agent.workspace;
    let (folder, known, size) = (workspace.clone(), name.to_owned(), file.size);
    if spawn_blocking(Box::new(move || spool::prepare(&folder, &known, size))).await? {
        return Ok(());
    }
    let channel = hub.outbox.channel(channel);
    let channel = channel.ok_or_else(|| Error::new("its channel is gone"))?;
    let fetched = async {
        for attempt in 1.. {
            let mut spool = Spool::create(workspace, name).await?;
            let e = match channel.fetch(file, &mut spool, hub.patience.idle).await {
                Ok(_) => return spool.finish().await,
                Err(e) => e,
            };
            let pause = e.retry_in(attempt).filter(|_| attempt < MEDIA_FETCH_TRIES);
            match (pause, &e) {
                (Some(pause), e) if !matches!(e, SendError::Permanent(_)) => {
                    crate::log::info!("{name} is fetched again: {e}");
                    Timer::after(pause).await;
                }
                _ => return Err(Error::new(e.to_string())),
            }
        }
        Ok(())
    };
    let late = async {
        Timer::after(hub.patience.fetch).await;
        Err(Error::new(format!("it did not come within {} s", hub.patience.fetch.as_secs())))
    };
    or(fetched, late).await
}
