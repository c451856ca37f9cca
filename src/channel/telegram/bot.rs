//! The bot, which the other files of this folder share.

use std::cell::RefCell;
use std::rc::Rc;

use super::answer::CallError;
use super::{api, ask, health};
use crate::channel::paired::Paired;
use crate::channel::pairing::{Entropy, Pairing};
use crate::channel::{Shared, access};
use crate::config::channels::telegram::Settings;
use crate::config::{ChannelConfig, GroupTrigger};
use crate::limits;

/// One bot: a token, polled by one task.
pub struct Telegram {
    pub(super) name: String,
    pub(super) api: api::Api,
    pub(super) allow_from: Vec<String>,
    pub(super) group: GroupTrigger,
    pub(super) shows_typing: bool,
    pub(super) placeholders: Vec<String>,
    pub(super) paired: Rc<RefCell<Paired>>,
    pub(super) pairing: RefCell<Pairing>,
    pub(super) asks: ask::OpenQuestions,
    /// Result of the last polls, for `status`.
    pub health: health::Health,
}

impl Telegram {
    /// A bot that does nothing until it runs.
    pub fn build(config: &ChannelConfig, settings: &Settings, shared: &Shared) -> Telegram {
        if access::open_to_all(&config.allow_from) {
            crate::log::warn!("{}: allow_from holds \"*\": everybody may talk to it", config.name);
        }
        Telegram {
            name: config.name.clone(),
            api: api::Api::new(settings, shared.client.clone()),
            allow_from: config.allow_from.clone(),
            group: config.group.clone(),
            shows_typing: config.typing,
            placeholders: config.placeholder.clone(),
            paired: shared.paired.clone(),
            pairing: RefCell::new(Pairing::new(&config.name, settings.pairing_code.clone())),
            asks: ask::OpenQuestions::default(),
            health: health::Health::new(),
        }
    }

    /// If `error` asks for a pause, notes it for `chat` and logs it.
    pub(super) fn note_limit(&self, chat: &str, error: &CallError) {
        if let CallError::RateLimited(pause) = error {
            self.api.limited(chat, *pause);
            let seconds = pause.as_secs();
            crate::log::warn!("{}: chat {chat}: too fast, paused for {seconds} s", self.name);
        }
    }

    /// Sees to it that a pairing code is valid, and logs a new one. Without random bytes there is no code, and nobody pairs.
    pub(super) fn renew_code(&self, now: u64) {
        let Some(entropy) = entropy() else { return };
        let code = self.pairing.borrow_mut().renew(now, &self.paired.borrow(), entropy);
        if let Some(code) = code {
            let minutes = limits::PAIRING_LIFE.as_secs() / 60;
            crate::log::warn!("{}: pairing code {code}, good for {minutes} minutes", self.name);
        }
    }
}

/// Random bytes from the kernel; `None` if it has none.
pub(super) fn entropy() -> Option<Entropy> {
    crate::sys::random().ok()
}

/// A random number that spreads retries and picks a placeholder; its quality does not matter.
pub(super) fn random() -> u32 {
    entropy().map_or(0, |bytes| u32::from_le_bytes([bytes[0], bytes[1], bytes[2], bytes[3]]))
}
