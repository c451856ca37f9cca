//! The poll loop: getUpdates, who may talk, the intake, and only then the next offset.

use std::time::Instant;

use async_io::Timer;

use super::answer::{self, AnswerError, CallError};
use super::bot::{Telegram, random};
use super::health::{State, count};
use super::inbound::{self, BotUser, TelegramEvent};
use super::poll::Poller;
use super::wire::{self, JsonObject};
use crate::bus::Inbound;
use crate::channel::pairing::{self, PairingResult, StrangerReply};
use crate::channel::{Intake, access, command};
use crate::limits;
use crate::proto::json::TypeMismatch;

/// Messages to people outside of any turn, sent after their own messages are safe.
enum Notice {
    Tell {
        chat: String,
        text: String,
    },
    /// The id of a callback query, the text for the user who pressed, the edit that removes the buttons.
    Button(String, &'static str, Option<String>),
}

/// The content of one getUpdates answer.
#[derive(Default)]
struct Updates {
    messages: Vec<Inbound>,
    asides: Vec<Notice>,
    /// Chats with a new id: old, new.
    moves: Vec<(String, String)>,
    /// The first update after these.
    next: i64,
    /// Somebody paired.
    paired: bool,
    /// One of them could not be read.
    unreadable: bool,
}

impl Updates {
    /// The migration is reported before the batch, so that earlier messages move as well.
    fn migrate(&mut self, old: String, new: String) {
        for message in self.messages.iter_mut().filter(|m| m.from.chat == old) {
            message.from.chat.clone_from(&new);
        }
        self.moves.push((old, new));
    }
}

impl Telegram {
    /// Polls until it is dropped; failures are retried after growing pauses.
    pub(super) async fn receive<I: Intake>(&self, intake: &I) {
        let mut poller = Poller::new(intake.offset(&self.name, self.api.account()));
        let mut me = None;
        let mut last_update = Instant::now();
        loop {
            let error = match self.round(&mut poller, &mut me, &mut last_update, intake).await {
                Ok(()) => {
                    if !self.health.is_running() {
                        crate::log::info!("{}: receiving again", self.name);
                    }
                    self.health.ok();
                    continue;
                }
                Err(error) => error,
            };
            let step = poller.failed(&error, random() as u8);
            let why = match &error {
                CallError::Token(why) => super::health::token_cure(&self.name, why),
                error => error.to_string(),
            };
            if self.health.failed(step.state, why) {
                if step.state == State::TokenRefused {
                    crate::log::error!("{}: {}", self.name, self.health.text());
                } else {
                    crate::log::warn!("{}: cannot receive: {error}", self.name);
                }
            }
            if step.skipped {
                count(&self.health.skipped);
                let skipped = poller.next - 1;
                crate::log::error!("{}: update {skipped} cannot be read, skipped", self.name);
                // A confirmation must survive a restart, like a message.
                intake.submit(&self.name, Vec::new(), poller.next).await;
            }
            if step.delete_webhook {
                crate::log::warn!("{}: removing the webhook that keeps polling out", self.name);
                if let Err(e) = self.api.call("deleteWebhook", "{}").await {
                    crate::log::warn!("{}: webhook not removed: {e}", self.name);
                }
            }
            Timer::after(step.pause).await;
        }
    }

    async fn round<I: Intake>(
        &self,
        poller: &mut Poller,
        me: &mut Option<BotUser>,
        last_update: &mut Instant,
        intake: &I,
    ) -> Result<(), CallError> {
        let me = match me {
            Some(me) => me,
            None => {
                let me = me.insert(self.get_me().await?);
                crate::log::info!("{}: connected as @{}", self.name, me.username);
                self.health.username.borrow_mut().clone_from(&me.username);
                self.health.ok();
                me
            }
        };
        let method = "getUpdates";
        let (wait, most) = (limits::TELEGRAM_POLL_FIRST_BYTE, limits::TELEGRAM_BODY_BYTES);
        let bytes = self.api.call_within(method, &poller.body(), wait, most).await?;
        let mut updates = self.sort(&bytes, poller, me)?;
        // The body can be large, and the following steps can take long.
        drop(bytes);
        for (old, new) in &updates.moves {
            crate::log::info!("{}: chat {old} is now {new}", self.name);
            intake.migrated(&self.name, old, new).await;
        }
        if updates.paired {
            self.save_paired(&mut updates.asides, intake).await;
        }
        let (mut next, mut all) = (updates.next, true);
        if updates.unreadable && next == poller.next {
            // Nothing to confirm: requesting again at once would return the same answer forever.
            return Err(CallError::Unreadable {
                status: 200,
                why: AnswerError::Broken,
                head: Vec::new(),
            });
        }
        if next != poller.next {
            let confirmed = intake.submit(&self.name, updates.messages, next).await;
            *last_update = Instant::now();
            all = confirmed == next;
            if !all {
                // The same updates are requested again at once: buttons and /stop are handled, the rest waits.
                Timer::after(limits::TELEGRAM_UNCONFIRMED_PAUSE).await;
            }
            next = confirmed;
        } else if next > 0 && last_update.elapsed() > limits::TELEGRAM_OFFSET_AGE {
            // Everything is confirmed, and numbering may restart: an offset above the new numbers would hide them.
            next = 0;
        }
        poller.succeeded(next, all);
        for aside in updates.asides {
            if let Err(e) = self.send_notice(aside).await {
                // Optional: not worth delaying the messages. One that is refused says nothing about the others.
                crate::log::debug!("{}: {e}", self.name);
                if !matches!(e, CallError::Refused(..)) {
                    break;
                }
            }
        }
        Ok(())
    }

    /// Sorts an answer of getUpdates; buttons are handled here, before anything can block.
    fn sort(&self, bytes: &[u8], poller: &mut Poller, me: &BotUser) -> Result<Updates, CallError> {
        let mut sorted = Updates { next: poller.next, ..Updates::default() };
        let text = wire::text(bytes);
        let mismatch = TypeMismatch::default();
        for update in answer::updates(&text, &mismatch)?.items() {
            // One unreadable update does not delay the others.
            let mismatch = TypeMismatch::default();
            let read =
                inbound::update(update.with_mismatch(&mismatch), &self.name, me, &self.group);
            let Some((id, event)) = read else {
                count(&self.health.skipped);
                sorted.unreadable = true;
                if let Some(id) = wire::first_number(update.raw().as_bytes(), "update_id") {
                    crate::log::error!("{}: update {id} cannot be read, skipped", self.name);
                    if !poller.is_behind(id) {
                        self.note_number(id, poller, &mut sorted);
                    }
                }
                continue;
            };
            if poller.is_behind(id) {
                count(&self.health.skipped);
                if poller.is_first_skip() {
                    let next = poller.next;
                    crate::log::warn!("{}: updates below {next} are skipped: {id}", self.name);
                }
                continue;
            }
            self.note_number(id, poller, &mut sorted);
            match event {
                TelegramEvent::Nothing => {}
                // Unconfirmed updates arrive again.
                TelegramEvent::Button(_) if !poller.is_new(id) => {}
                TelegramEvent::Button(press) => {
                    let reaction = self.asks.press(&press);
                    sorted.asides.push(Notice::Button(press.id, reaction.note, reaction.edit));
                }
                TelegramEvent::Migrated(..) if !poller.is_new(id) => {}
                TelegramEvent::Migrated(old, new) => {
                    sorted.migrate(old.to_string(), new.to_string())
                }
                TelegramEvent::Message(message) if self.is_allowed(&message) => {
                    sorted.messages.push(message)
                }
                TelegramEvent::Message(_) if !poller.is_new(id) => {}
                TelegramEvent::Message(message) => {
                    count(&self.health.strangers);
                    let known = self.paired_count();
                    sorted.asides.extend(self.stranger(&message));
                    sorted.paired |= self.paired_count() != known;
                }
            }
        }
        Ok(sorted)
    }

    /// Saves the paired users; a user who was told of the pairing is also told if that failed.
    async fn save_paired<I: Intake>(&self, asides: &mut [Notice], intake: &I) {
        let json = self.paired.borrow().to_json();
        let Err(e) = intake.save_paired(json).await else { return };
        crate::log::error!("{}: paired users not saved: {e}", self.name);
        for aside in asides {
            if let Notice::Tell { text, .. } = aside {
                if text == PAIRED {
                    text.push_str(" (Only until I restart: the list could not be saved.)");
                }
            }
        }
    }

    async fn get_me(&self) -> Result<BotUser, CallError> {
        let bytes = self.api.call("getMe", "{}").await?;
        let text = wire::text(&bytes);
        answer::result(&text, |me| BotUser {
            id: me.get("id").int(),
            username: me.get("username").string(),
        })
    }

    async fn send_notice(&self, aside: Notice) -> Result<(), CallError> {
        let (method, body) = match aside {
            Notice::Tell { chat, text } => {
                ("sendMessage", JsonObject::new().chat(&chat).str("text", &text).end())
            }
            Notice::Button(id, note, edit) => {
                if let Some(body) = edit {
                    self.api.call("editMessageText", &body).await?;
                }
                let body = JsonObject::new().str("callback_query_id", &id);
                ("answerCallbackQuery", body.str("text", note).end())
            }
        };
        self.api.call(method, &body).await.map(drop)
    }

    /// Update `id` has been seen. Below the next one it begins a new series.
    fn note_number(&self, id: i64, poller: &mut Poller, sorted: &mut Updates) {
        if id < poller.next {
            crate::log::warn!("{}: update numbers start again at {id}", self.name);
            poller.next = id;
            sorted.next = id;
        }
        sorted.next = sorted.next.max(id.saturating_add(1));
    }

    fn is_allowed(&self, message: &Inbound) -> bool {
        access::allows(&self.allow_from, &message.sender)
            || self.paired.borrow().contains(&self.name, &message.sender.id)
    }

    fn paired_count(&self) -> usize {
        self.paired.borrow().count(&self.name)
    }

    /// The answer to a stranger; groups never get one.
    fn stranger(&self, message: &Inbound) -> Option<Notice> {
        if message.group {
            return None;
        }
        let id = &message.sender.id;
        let now = self.api.now();
        self.renew_code(now);
        let mut paired = self.paired.borrow_mut();
        let mut pairing = self.pairing.borrow_mut();
        let text = match command::of_person(message) {
            Some(command::ChatCommand::Pair(code)) if !code.is_empty() => {
                match pairing.attempt(id, code, now, &mut paired) {
                    PairingResult::Paired => {
                        crate::log::warn!("{}: user {id} paired", self.name);
                        PAIRED.to_string()
                    }
                    PairingResult::Wrong(left) => {
                        format!("That code is wrong or outdated. Tries left: {left}.")
                    }
                    PairingResult::Last => {
                        "That code is wrong or outdated. I answer no more wrong ones for an hour."
                            .into()
                    }
                    PairingResult::Refused => return None,
                }
            }
            _ => match pairing.on_message(id, now) {
                StrangerReply::Tell => pairing::HOW_TO_PAIR.into(),
                StrangerReply::Ignored => return None,
            },
        };
        Some(Notice::Tell { chat: message.from.chat.clone(), text })
    }
}

const PAIRED: &str = "Paired: you can talk to me from now on. /help lists the commands.";
