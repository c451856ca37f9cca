//! Turns an update into an event for the agent. No I/O, no clock.
//!
//! - An album arrives as one message per picture, as Telegram sends it.
//! - An edited message becomes a new one that names the replaced one, unless it is a command, a moving location, older than
//!   [`limits::EDITED_MESSAGE_AGE`] or unchanged as far as we can see (no text).
//! - A pressed button (callback query) may answer a question of ours ([`super::ask`]).
//! - Channel posts, messages from bots and service messages are ignored.

use super::content;
use crate::bus::{Address, Inbound, Sender};
use crate::channel::{command, group};
use crate::config::GroupTrigger;
use crate::limits;
use crate::proto::json::Json;
use crate::proto::{text, utf16};

/// A button that was pressed.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct ButtonPress {
    /// Id of the callback query.
    pub id: String,
    /// Id of the user who pressed it, not of the one who was asked.
    pub user: i64,
    /// Chat of the message with the button; 0 if Telegram no longer says.
    pub chat: i64,
    /// That message; 0 if Telegram does not say.
    pub message: i64,
    /// What we gave the button when it was sent; at most 64 bytes (Bot API).
    pub data: String,
}

/// Who we are (getMe).
#[derive(Clone, Debug, Default)]
pub struct BotUser {
    /// The bot's user id, to recognise replies to our own messages.
    pub id: i64,
    /// User name without `@`, for mentions in groups; empty if the bot has none.
    pub username: String,
}

/// The event in an update.
// Only one exists at a time and is moved into the batch at once: a box would only cost an allocation per message.
#[allow(clippy::large_enum_variant)]
#[derive(Clone, Debug, PartialEq)]
pub enum TelegramEvent {
    /// A message to answer, if its sender may talk.
    Message(Inbound),
    /// A chat got a new id: old, new.
    Migrated(i64, i64),
    /// A button was pressed.
    Button(ButtonPress),
    /// An update of a kind that is not used here, confirmed and ignored.
    Nothing,
}

/// Reads one update: its number and what it means; `None` if it has no number, or if a field that is used has another type
/// than the Bot API's. `name` is the channel's.
pub fn update(
    update: Json,
    name: &str,
    me: &BotUser,
    rule: &GroupTrigger,
) -> Option<(i64, TelegramEvent)> {
    let id = update.get("update_id").non_null()?.int();
    let event = event(id, update, name, me, rule).unwrap_or(TelegramEvent::Nothing);
    update.mismatch().is_none().then_some((id, event))
}

fn event(
    id: i64,
    update: Json,
    name: &str,
    me: &BotUser,
    rule: &GroupTrigger,
) -> Option<TelegramEvent> {
    if let Some(pressed) = update.get("callback_query").non_null() {
        return Some(TelegramEvent::Button(ButtonPress {
            id: pressed.get("id").string(),
            user: pressed.get("from").get("id").int(),
            chat: pressed.get("message").get("chat").get("id").int(),
            message: pressed.get("message").get("message_id").int(),
            data: pressed.get("data").string(),
        }));
    }
    let message = update.get("message");
    let edited = message.is_null();
    let message = if edited { update.get("edited_message").non_null()? } else { message };
    let chat = message.get("chat");
    let chat_id = chat.get("id").int();
    let (to, from) =
        (message.get("migrate_to_chat_id").int(), message.get("migrate_from_chat_id").int());
    if to != 0 {
        return Some(TelegramEvent::Migrated(chat_id, to));
    }
    if from != 0 {
        return Some(TelegramEvent::Migrated(from, chat_id));
    }
    let sender = sender(message)?;
    let group = match &*chat.get("type").str() {
        "private" => false,
        "group" | "supergroup" => true,
        _ => return None,
    };
    let text = text(message, edited, group, me, rule)?;
    let thread = message.get("message_thread_id").int();
    let topic = if message.get("is_topic_message").bool() && thread != 0 {
        thread.to_string()
    } else {
        String::new()
    };
    // The sender's own command comes without what it quotes.
    let own = command::parse(&text).is_some() && !content::is_forwarded(message);
    let untrusted = !own && content::is_of_others(message, me.id);
    Some(TelegramEvent::Message(Inbound {
        event: id,
        message: message.get("message_id").int(),
        from: Address { channel: name.into(), chat: chat_id.to_string(), topic },
        sender,
        text,
        attachments: content::attachments(message),
        date: message.get(if edited { "edit_date" } else { "date" }).int(),
        group,
        untrusted,
    }))
}

fn sender(message: Json) -> Option<Sender> {
    let from = match message.get("sender_chat").non_null() {
        // A group's anonymous administrator or a channel: there is no person to name.
        Some(chat) if !message.get("is_automatic_forward").bool() => chat,
        Some(_) => return None,
        None => message.get("from").non_null().filter(|user| !user.get("is_bot").bool())?,
    };
    Some(Sender {
        platform: "telegram".into(),
        id: from.get("id").int().to_string(),
        username: from.get("username").string(),
        name: content::name(from),
    })
}

/// The text for the agent; `None` when the message is not for the bot or has nothing in it.
fn text(
    message: Json,
    edited: bool,
    in_group: bool,
    me: &BotUser,
    rule: &GroupTrigger,
) -> Option<String> {
    let mut written = message.get("text").str();
    let mut entities = "entities";
    if written.is_empty() {
        written = message.get("caption").str();
        entities = "caption_entities";
    }
    let (stripped, mentioned) = address(&written, message.get(entities), me)?;
    // In a forum every message "replies" to the one that opened the topic.
    let earlier = message.get("reply_to_message").non_null();
    let earlier = earlier.filter(|earlier| earlier.get("forum_topic_created").is_null());
    let answers_us = earlier.is_some_and(|earlier| is_user(earlier.get("from"), me.id));
    let said = stripped.trim();
    let said = if in_group { group::trigger(rule, mentioned || answers_us, said)? } else { said };
    if edited {
        let age = message.get("edit_date").int().saturating_sub(message.get("date").int());
        let old = age > limits::EDITED_MESSAGE_AGE.as_secs() as i64;
        let moving = !message.get("location").is_null();
        if old || said.is_empty() || moving || command::parse(said).is_some() {
            return None;
        }
    } else if command::parse(said).is_some() && !content::is_forwarded(message) {
        // A quote in front would hide the command; it is the sender's own, so what is quoted does not go with it.
        return Some(said.into());
    }
    let mut out = String::new();
    if edited {
        let replaced = message.get("message_id").int();
        out.push_str(&format!("[edited, replaces message {replaced}]\n"));
    }
    if let Some(origin) = message.get("forward_origin").non_null() {
        out.push_str(&format!("[forwarded from {}]\n", content::origin(origin)));
    }
    if let Some(earlier) = earlier {
        content::quote(earlier, message.get("quote"), me.id, &mut out);
    }
    let start = out.len();
    out.push_str(said);
    content::describe(message, &mut out);
    if out.len() == start {
        // Only our name: the name is the message.
        out.push_str(written.trim());
    }
    let empty = out[start..].trim().is_empty();
    (!empty).then(|| text::readable(&out)).filter(|text| !text.trim().is_empty())
}

/// The text without our own name, and whether it was there; `None` for a command to another bot.
fn address(text: &str, entities: Json, me: &BotUser) -> Option<(String, bool)> {
    let mut mentioned = false;
    let mut out = String::with_capacity(text.len());
    let mut at = 0;
    let is_me = |name: &str| !me.username.is_empty() && name.eq_ignore_ascii_case(&me.username);
    for entity in entities.items() {
        let offset = entity.get("offset").uint() as usize;
        let part = utf16::slice(text, offset, entity.get("length").uint() as usize);
        let start = utf16::floor(text, offset);
        let end = start + part.len();
        let cut = match &*entity.get("type").str() {
            "mention" if part.strip_prefix('@').is_some_and(is_me) => (start, end),
            // The address behind the words, which are all that the text has.
            "text_link" if start >= at => {
                out.push_str(&text[at..end]);
                out.push_str(&format!(" ({})", entity.get("url").str()));
                at = end;
                continue;
            }
            "text_mention" if is_user(entity.get("user"), me.id) => (start, end),
            "bot_command" => match part.split_once('@') {
                Some((name, bot)) if is_me(bot) => (start + name.len(), end),
                Some(_) if text[..start].trim().is_empty() => return None,
                None if text[..start].trim().is_empty() => (end, end),
                _ => continue,
            },
            _ => continue,
        };
        mentioned = true;
        // Entities are sorted; one that is not is skipped.
        if cut.0 >= at {
            out.push_str(&text[at..cut.0]);
            at = cut.1;
        }
    }
    out.push_str(&text[at..]);
    Some((out, mentioned))
}

fn is_user(user: Json, id: i64) -> bool {
    id != 0 && user.get("id").int() == id
}

#[cfg(test)]
mod tests;
