//! Telegram: the Bot API by long polling (https://core.telegram.org/bots/api).
//!
//! [`receive`] polls, [`inbound`] parses, [`send`] sends; [`poll`], [`answer`], [`rate_limit`] decide without I/O. Must never
//! confirm an update before the intake has it, nor let a URL (it contains the token) leave [`api`].

use std::cell::RefCell;
use std::rc::Rc;
use std::time::{Duration, Instant};

use async_io::Timer;

use crate::bus::{Address, Attachment, Outbound, Question, Verdict};
use crate::channel::paired::Paired;
use crate::channel::pairing::{Entropy, Pairing};
use crate::channel::{Channel, Delivery, Intake, SendError, Shared, access, command};
use crate::config::channels::telegram::Settings;
use crate::config::{ChannelConfig, GroupTrigger};
use crate::limits;
use crate::store::spool::Spool;

pub mod answer;
mod api;
mod ask;
mod content;
pub mod health;
mod inbound;
mod poll;
mod rate_limit;
mod receive;
mod send;
#[cfg(feature = "media")]
mod upload;
mod wire;

pub use inbound::{BotUser, ButtonPress, TelegramEvent, update};

/// Pauses in seconds before each try to set the command menu; the first lets polling start before it.
const MENU_PAUSES: [u64; 6] = [3, 5, 15, 60, 300, 600];

/// One bot: a token, polled by one task.
pub struct Telegram {
    name: String,
    api: api::Api,
    allow_from: Vec<String>,
    group: GroupTrigger,
    shows_typing: bool,
    placeholders: Vec<String>,
    paired: Rc<RefCell<Paired>>,
    pairing: RefCell<Pairing>,
    asks: ask::OpenQuestions,
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

    /// Sees to it that a pairing code is valid, and logs a new one. Without random bytes there is no code, and nobody pairs.
    fn renew_code(&self, now: u64) {
        let Some(entropy) = entropy() else { return };
        let code = self.pairing.borrow_mut().renew(now, &self.paired.borrow(), entropy);
        if let Some(code) = code {
            let minutes = limits::PAIRING_LIFE.as_secs() / 60;
            crate::log::warn!("{}: pairing code {code}, good for {minutes} minutes", self.name);
        }
    }

    /// Sets the command menu in the background, with retries; never returns.
    async fn menu(&self) {
        let mut list = String::from("[");
        for (name, description) in command::MENU {
            if list.len() > 1 {
                list.push(',');
            }
            let entry =
                wire::JsonObject::new().str("command", name).str("description", description);
            list.push_str(&entry.end());
        }
        list.push(']');
        let body = wire::JsonObject::new().raw("commands", &list).end();
        drop(list);
        for pause in MENU_PAUSES {
            Timer::after(Duration::from_secs(pause)).await;
            match self.api.call("setMyCommands", &body).await {
                Ok(_) => break,
                Err(e) => crate::log::debug!("{}: command menu not set: {e}", self.name),
            }
        }
        drop(body);
        smol::future::pending().await
    }
}

impl Channel for Telegram {
    const NAME: &'static str = "telegram";

    fn name(&self) -> &str {
        &self.name
    }

    fn split(&self, text: &str) -> Vec<String> {
        send::split(text)
    }

    fn state(&self) -> String {
        self.health.text()
    }

    fn is_healthy(&self) -> bool {
        self.health.is_running()
    }

    fn link(&self) -> String {
        let username = self.health.username.borrow();
        if username.is_empty() { String::new() } else { format!("https://t.me/{username}") }
    }

    fn pairing_code(&self) -> String {
        let now = self.api.now();
        // A bot without users always shows its owner a valid code.
        if self.allow_from.is_empty() && self.paired.borrow().count(&self.name) == 0 {
            self.renew_code(now);
        }
        self.pairing.borrow().code_for_status(now).map_or_else(String::new, |(code, _)| code)
    }

    async fn run<I: Intake>(&self, intake: &I) {
        smol::future::or(self.receive(intake), self.menu()).await;
    }

    async fn send(&self, message: &Outbound, delivery: &mut Delivery) -> Result<(), SendError> {
        self.deliver(message, delivery).await
    }

    async fn placeholder(&self, to: &Address, reply_to: i64) -> Result<i64, SendError> {
        self.show_placeholder(to, reply_to).await
    }

    async fn fetch(
        &self,
        file: &Attachment,
        sink: &mut Spool,
        idle: Duration,
    ) -> Result<u64, SendError> {
        self.api.fetch(file, sink, idle).await
    }

    #[cfg(feature = "media")]
    async fn upload(&self, to: &Address, file: &crate::bus::Upload) -> Result<(), SendError> {
        self.send_upload(to, file).await
    }

    async fn ask(&self, to: &Address, user: &str, question: &Question) -> Verdict {
        self.question(to, user, question, crate::limits::APPROVAL_WAIT).await
    }

    async fn typing(&self, to: &Address) {
        let body =
            send::topic(wire::JsonObject::new().chat(&to.chat), to).str("action", "typing").end();
        let began = Instant::now();
        while self.shows_typing && began.elapsed() < limits::TYPING_FOR {
            if !self.api.is_paused() {
                if let Err(answer::CallError::Refused(..)) =
                    self.api.call("sendChatAction", &body).await
                {
                    break;
                }
            }
            Timer::after(limits::TYPING_EVERY).await;
        }
        smol::future::pending().await
    }
}

/// Random bytes from the kernel; `None` if it has none.
fn entropy() -> Option<Entropy> {
    crate::sys::random().ok()
}

/// A random number that spreads retries and picks a placeholder; its quality does not matter.
fn random() -> u32 {
    entropy().map_or(0, |bytes| u32::from_le_bytes([bytes[0], bytes[1], bytes[2], bytes[3]]))
}
