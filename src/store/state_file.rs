//! `<home>/state/state.json`: the last active chat, as upstream stores it (behaviour.md 7A).

use std::path::Path;

use serde::Serialize;

use super::dir::{self, Dir};
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

/// Below the home.
const FILE: &str = "state/state.json";
/// Upper bound of its size.
const FILE_BYTES: u64 = 64 * 1024;

/// The last active chat.
pub fn last_chat(home: &Path) -> Option<Address> {
    read(&Dir::open(home).ok()?, FILE)
}

/// The last active chat in the workspace of another version, also where v0.1.2 stored it first.
pub fn last_chat_in(workspace: &Dir) -> Option<Address> {
    read(workspace, FILE).or_else(|| read(workspace, "state.json"))
}

fn read(dir: &Dir, name: &str) -> Option<Address> {
    let bytes = match dir.bytes(name, FILE_BYTES) {
        Ok(bytes) => bytes?,
        Err(e) => {
            crate::log::warn!("{name}: {e}");
            return None;
        }
    };
    let mismatch = TypeMismatch::default();
    let file = text::utf8(&bytes).and_then(|text| Json::parse(text, &mismatch)).ok()?;
    let (last, id) = (file.get("last_channel").str(), file.get("last_chat_id").str());
    let (channel, chat) = last.split_once(':')?;
    let chat = if id.is_empty() { chat } else { &id };
    Some(Address { channel: channel.into(), chat: chat.into(), topic: String::new() })
}

/// Saves the last active chat without a sync. Blocks on the disk.
///
/// # Errors
/// The disk's.
pub fn save_last_chat(home: &Path, chat: &Address, now: i64) -> Result<()> {
    let file = File {
        last_channel: format!("{}:{}", chat.channel, chat.chat),
        last_chat_id: chat.chat.clone(),
        timestamp: crate::proto::date::rfc3339(now),
    };
    let bytes = serde_json::to_vec_pretty(&file).context(FILE)?;
    Dir::make(home)
        .and_then(|dir| {
            dir.save_soon(FILE, &bytes, 0o600).or_else(|e| {
                if !dir::unfit(&e) {
                    return Err(e);
                }
                // The next message restores its content.
                dir.set_aside(FILE)?;
                dir.save_soon(FILE, &bytes, 0o600)
            })
        })
        .context(FILE)
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
        assert_eq!(last_chat(&dir), None);
        let workspace = Dir::open(&dir).expect("a folder");
        assert_eq!(last_chat_in(&workspace).expect("old place").chat, "7");
        let chat = Address { channel: "telegram".into(), chat: "-8".into(), topic: String::new() };
        save_last_chat(&dir, &chat, 0).expect("save");
        assert_eq!(last_chat(&dir), Some(chat));
        std::fs::write(dir.join("state/state.json"), "broken").expect("write");
        assert_eq!(last_chat(&dir), None);
    }
}
