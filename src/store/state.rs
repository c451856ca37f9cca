//! `<workspace>/state/state.json`: the chat that wrote last, as upstream keeps it (behaviour.md 7A).

use std::path::{Path, PathBuf};

use serde::Serialize;

use super::atomic;
use crate::bus::Address;
use crate::error::{Context, Result};
use crate::proto::json::{Json, TypeMismatch};
use crate::proto::text;

#[derive(Serialize)]
struct File {
    /// `platform:chat`.
    last_channel: String,
    last_chat_id: String,
    /// RFC 3339.
    timestamp: String,
}

fn path(workspace: &Path) -> PathBuf {
    workspace.join("state/state.json")
}

/// The chat that wrote last; also from the place where v0.1.2 kept it first.
pub fn last_chat(workspace: &Path) -> Option<Address> {
    let read = |path: &Path| atomic::read_bounded(path, 64 * 1024).ok().flatten();
    let bytes = read(&path(workspace)).or_else(|| read(&workspace.join("state.json")))?;
    let mismatch = TypeMismatch::default();
    let file = text::utf8(&bytes).and_then(|text| Json::parse(text, &mismatch)).ok()?;
    let (last, id) = (file.get("last_channel").str(), file.get("last_chat_id").str());
    let (channel, chat) = last.split_once(':')?;
    let chat = if id.is_empty() { chat } else { &id };
    Some(Address { channel: channel.into(), chat: chat.into(), topic: String::new() })
}

/// Keeps the chat that wrote last, on the card some seconds later. Blocks on the disk.
///
/// # Errors
/// The disk's.
pub fn save_last_chat(workspace: &Path, chat: &Address, now: i64) -> Result<()> {
    let file = File {
        last_channel: format!("{}:{}", chat.channel, chat.chat),
        last_chat_id: chat.chat.clone(),
        timestamp: crate::proto::date::rfc3339(now),
    };
    let path = path(workspace);
    if let Some(dir) = path.parent() {
        std::fs::create_dir_all(dir).with_context(|| dir.display().to_string())?;
    }
    atomic::write_soon(&path, &serde_json::to_vec_pretty(&file).context("state.json")?, 0o600)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_last_chat_is_kept_and_upstreams_is_read() {
        let dir = crate::sys::scratch::Scratch::named("state");
        assert_eq!(last_chat(&dir), None);
        std::fs::write(dir.join("state.json"), r#"{"last_channel":"telegram:7","extra":1}"#)
            .expect("write");
        assert_eq!(last_chat(&dir).expect("old place").chat, "7");
        let chat = Address { channel: "telegram".into(), chat: "-8".into(), topic: String::new() };
        save_last_chat(&dir, &chat, 0).expect("save");
        assert_eq!(last_chat(&dir), Some(chat));
        std::fs::write(dir.join("state/state.json"), "broken").expect("write");
        assert_eq!(last_chat(&dir), None);
    }
}
