//! The chat that wrote last: where notices go, also after a restart.
//!
//! Where several chats take turns each message would write the file anew, so the rest of [`LAST_CHAT_SAVE`] is only
//! remembered, and written at the next chance or when the gateway stops.

use std::path::Path;

use crate::bus::Address;
use crate::limits::LAST_CHAT_SAVE;
use crate::store::state_file;
use crate::sys::clock;

/// The chat that wrote last, in memory and in the home's `state` folder.
#[derive(Default)]
pub struct LastChat {
    chat: Option<Address>,
    /// The file has another one.
    unsaved: bool,
    /// When it was written last by this program.
    saved: Option<i64>,
}

impl LastChat {
    /// The one of the home.
    pub fn read(home: &Path) -> LastChat {
        LastChat { chat: state_file::last_chat(home), ..LastChat::default() }
    }

    /// The chat that wrote last; `None` before the first message of this home.
    pub fn get(&self) -> Option<Address> {
        self.chat.clone()
    }

    /// Somebody wrote there; returns what is to be written now.
    pub fn note(&mut self, from: &Address, now: i64) -> Option<Address> {
        let chat = Address { topic: String::new(), ..from.clone() };
        if self.chat.as_ref() != Some(&chat) {
            self.chat = Some(chat);
            self.unsaved = true;
        }
        // A clock that went back says nothing about how long ago it was.
        let lately = |at: i64| (0..LAST_CHAT_SAVE).contains(&(now - at));
        if self.saved.is_some_and(lately) { None } else { self.due(now) }
    }

    /// What is to be written before the end.
    pub fn due(&mut self, now: i64) -> Option<Address> {
        if !std::mem::take(&mut self.unsaved) {
            return None;
        }
        self.saved = Some(now);
        self.get()
    }
}

/// Writes it to the home's `state` folder; a failure is logged.
pub async fn save(home: &Path, chat: Option<Address>) {
    let Some(chat) = chat else { return };
    let home = home.to_owned();
    let write = move || state_file::save_last_chat(&home, &chat, clock::unix_now());
    if let Err(e) = crate::sys::spawn_blocking(write).await {
        crate::log::info!("{e}");
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn chats_that_take_turns_are_written_once_in_a_while() {
        let chat = |id: &str| Address { chat: id.into(), ..Address::default() };
        let mut last = LastChat::default();
        let mut noted = |id: &str, now| last.note(&chat(id), now).map(|c| c.chat);
        assert_eq!(noted("a", 1000), Some("a".into()));
        assert_eq!(noted("b", 1001), None);
        assert_eq!(noted("a", 1002), None);
        assert_eq!(noted("b", 1000 + LAST_CHAT_SAVE), Some("b".into()));
        assert_eq!(noted("b", 1000 + 2 * LAST_CHAT_SAVE), None, "it is written already");
        assert_eq!(noted("a", 5), Some("a".into()), "the clock went back");
        assert_eq!(noted("b", 6), None);
        assert_eq!(last.get(), Some(chat("b")));
        assert_eq!(last.due(7), Some(chat("b")));
        assert_eq!(last.due(8), None);
    }
}
