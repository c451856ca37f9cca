//! Files that come with messages: into the workspace, and their paths into the text.

use std::os::unix::fs::DirBuilderExt;
use std::path::Path;

use super::hub::Hub;
use crate::bus::Inbound;
use crate::channel::{SendError, media};
use crate::error::{Context, Result};

/// Folder below the workspace.
const FOLDER: &str = "media";

/// The message's text with a mark for each file: `[file:/path]`, or why it is not there.
pub async fn text_with_files(hub: &Hub, message: &Inbound) -> String {
    let mut text = message.text.clone();
    for (index, file) in message.attachments.iter().enumerate() {
        let kind = match file.kind.as_str() {
            "photo" => "image",
            "voice" | "audio" => "audio",
            "video" => "video",
            _ => "file",
        };
        // The message's number comes first, so that the same file after a restart is the same file.
        let number = message.message.wrapping_mul(10).wrapping_add(index as i64);
        let name = media::file_name(number, &file.name, &file.kind);
        text = match download(hub, message, index, &name).await {
            Ok(path) => media::inject(&text, &format!("[{kind}:{path}]")),
            Err(e) => {
                crate::log::warn!("{e}");
                format!("{text}\n({kind} {name} could not be downloaded: {e})")
            }
        };
    }
    text
}

async fn download(hub: &Hub, message: &Inbound, index: usize, name: &str) -> Result<String> {
    let folder = hub.agent.config.agent.workspace.join(FOLDER);
    std::fs::DirBuilder::new()
        .recursive(true)
        .mode(0o770)
        .create(&folder)
        .context("media folder")?;
    let path = folder.join(name);
    let channel = hub
        .outbox
        .channel(&message.from.channel)
        .ok_or_else(|| crate::Error::new("its channel is gone"))?;
    for attempt in 0u32.. {
        let mut sink = std::fs::File::create(&path).with_context(|| path.display().to_string())?;
        match channel.fetch(&message.attachments[index], &mut sink).await {
            Ok(_) => break,
            Err(e) => {
                discard(&path);
                match (&e, e.retry_in(attempt)) {
                    (SendError::Permanent(_), _) | (_, None) => {
                        return Err(crate::Error::new(e.to_string()));
                    }
                    (_, Some(_)) if attempt >= 3 => return Err(crate::Error::new(e.to_string())),
                    (_, Some(pause)) => {
                        async_io::Timer::after(pause).await;
                    }
                }
            }
        }
    }
    Ok(path.display().to_string())
}

/// A part of a file is worse than none.
fn discard(path: &Path) {
    if let Err(e) = std::fs::remove_file(path) {
        crate::log::warn!("{}: {e}", path.display());
    }
}
