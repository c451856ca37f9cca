//! Telegram: the Bot API by long polling (https://core.telegram.org/bots/api).
//!
//! [`receive`] polls, [`inbound`] parses, [`send`] sends; [`poll`], [`answer`], [`rate_limit`] decide without I/O. Must never
//! confirm an update before the intake has it, nor let a URL (it contains the token) leave [`api`].

use std::time::{Duration, Instant};

use async_io::Timer;

use crate::bus::{Address, Attachment, Outbound, Question, Verdict};
use crate::channel::{Channel, Delivery, Intake, SendError, command};
use crate::limits;
use crate::store::spool::Spool;

pub mod answer;
mod api;
mod ask;
mod bot;
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

pub use bot::Telegram;
pub use inbound::{BotUser, ButtonPress, TelegramEvent, update};

/// Pauses in seconds before each try to set the command menu; the first lets polling start before it.
const MENU_PAUSES: [u64; 6] = [3, 5, 15, 60, 300, 600];

impl Telegram {
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
        let (state, pauses) = (self.health.text(), self.api.pauses());
        if pauses.is_empty() { state } else { format!("{state}, {pauses}") }
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
            if !self.api.is_paused(&to.chat) {
                if let Err(error) = self.api.call("sendChatAction", &body).await {
                    self.note_limit(&to.chat, &error);
                    if let answer::CallError::Refused(..) = error {
                        break;
                    }
                }
            }
            Timer::after(limits::TYPING_EVERY).await;
        }
        smol::future::pending().await
    }
}
