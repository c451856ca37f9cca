//! An update -> what it means for the agent. No I/O, no clock.
//!
//! - An album arrives as one message for each picture, as Telegram sends it.
//! - An edited message is a new one that says which it replaces, unless it is a command, a moving location, older than
//!   [`limits::EDITED_MESSAGE_AGE`] or unchanged as far as we can see (no text).
//! - A pressed button (callback query) may answer a question of ours ([`super::ask`]).
//! - Channel posts, messages of bots and service messages are passed over.

use super::ask::Press;
use super::content;
use super::wire::{Entity, Message, Update, User};
use crate::bus::{Address, Inbound, Sender};
use crate::channel::{command, group};
use crate::config::GroupTrigger;
use crate::limits;
use crate::proto::{text, utf16};

/// Who we are (getMe).
#[derive(Clone, Debug, Default)]
pub struct Me {
    /// User id.
    pub id: i64,
    /// Without `@`.
    pub username: String,
}

/// What an update means.
// One lives at a time, and is moved into the batch at once: a box would only cost an allocation a message.
#[allow(clippy::large_enum_variant)]
#[derive(Clone, Debug, PartialEq)]
pub enum Event {
    /// A message to answer, if its sender may talk.
    Message(Inbound),
    /// A chat got another id: old, new.
    Migrated(i64, i64),
    /// A button was pressed.
    Button(Press),
    /// Nothing to do.
    Nothing,
}

/// Reads one update. `name` is the channel's.
pub fn event(update: Update, name: &str, me: &Me, rule: &GroupTrigger) -> Event {
    if let Some(pressed) = update.callback_query {
        return Event::Button(Press {
            id: pressed.id.into_owned(),
            user: pressed.from.id,
            chat: pressed.message.map_or(0, |message| message.chat.id),
            data: pressed.data.into_owned(),
        });
    }
    let (message, edited) = match (update.message, update.edited_message) {
        (Some(message), _) => (message, false),
        (None, Some(message)) => (message, true),
        _ => return Event::Nothing,
    };
    let chat = message.chat.id;
    if message.migrate_to_chat_id != 0 {
        return Event::Migrated(chat, message.migrate_to_chat_id);
    }
    if message.migrate_from_chat_id != 0 {
        return Event::Migrated(message.migrate_from_chat_id, chat);
    }
    let Some(sender) = sender(&message) else { return Event::Nothing };
    let in_group = match &*message.chat.kind {
        "private" => false,
        "group" | "supergroup" => true,
        _ => return Event::Nothing,
    };
    let Some(text) = text(&message, edited, in_group, me, rule) else { return Event::Nothing };
    let topic = if message.is_topic_message && message.message_thread_id != 0 {
        message.message_thread_id.to_string()
    } else {
        String::new()
    };
    Event::Message(Inbound {
        event: update.update_id,
        message: message.message_id,
        from: Address { channel: name.into(), chat: chat.to_string(), topic },
        sender,
        text,
        attachments: content::attachments(&message),
        date: if edited { message.edit_date } else { message.date },
        group: in_group,
    })
}

fn sender(message: &Message) -> Option<Sender> {
    let from = match (&message.sender_chat, &message.from) {
        // A group's anonymous administrator or a channel: there is no person to name.
        (Some(chat), _) if !message.is_automatic_forward => chat,
        (None, Some(user)) if !user.is_bot => user,
        _ => return None,
    };
    Some(Sender {
        platform: "telegram".into(),
        id: from.id.to_string(),
        username: from.username.clone().into_owned(),
        name: content::name(from),
    })
}

/// The text for the agent; `None` when the message is not for the bot or has nothing in it.
fn text(
    message: &Message,
    edited: bool,
    in_group: bool,
    me: &Me,
    rule: &GroupTrigger,
) -> Option<String> {
    let (written, entities) = if message.text.is_empty() {
        (&*message.caption, &message.caption_entities)
    } else {
        (&*message.text, &message.entities)
    };
    let (stripped, mentioned) = address(written, entities, me)?;
    let answers_us = message
        .reply_to_message
        .as_ref()
        .filter(|m| is_reply(m))
        .is_some_and(|m| m.from.as_ref().is_some_and(|from| from.id == me.id && me.id != 0));
    let said = stripped.trim();
    let said = if in_group { group::trigger(rule, mentioned || answers_us, said)? } else { said };
    if edited {
        let age = message.edit_date.saturating_sub(message.date);
        let old = age > limits::EDITED_MESSAGE_AGE.as_secs() as i64;
        if old || said.is_empty() || message.location.is_some() || command::parse(said).is_some() {
            return None;
        }
    } else if command::parse(said).is_some() {
        // A quote in front would hide the command.
        return Some(said.into());
    }
    let mut out = String::new();
    if edited {
        out.push_str(&format!("[edited, replaces message {}]\n", message.message_id));
    }
    if let Some(origin) = &message.forward_origin {
        out.push_str(&format!("[forwarded from {}]\n", content::origin(origin)));
    }
    if let Some(earlier) = message.reply_to_message.as_ref().filter(|m| is_reply(m)) {
        content::quote(earlier, message.quote.as_ref(), me.id, &mut out);
    }
    let start = out.len();
    out.push_str(said);
    content::describe(message, &mut out);
    if out.len() == start {
        // Nothing but our name: the name is the message.
        out.push_str(written.trim());
    }
    let empty = out[start..].trim().is_empty();
    (!empty).then(|| text::readable(&out)).filter(|text| !text.trim().is_empty())
}

/// In a forum every message "replies" to the one that opened the topic.
fn is_reply(message: &Message) -> bool {
    message.forum_topic_created.is_none()
}

/// The text without our own name, and whether it stood there; `None` when it is a command for another bot.
fn address(text: &str, entities: &[Entity], me: &Me) -> Option<(String, bool)> {
    let mut mentioned = false;
    let mut out = String::with_capacity(text.len());
    let mut at = 0;
    let is_me = |name: &str| !me.username.is_empty() && name.eq_ignore_ascii_case(&me.username);
    for entity in entities {
        let part = utf16::slice(text, entity.offset, entity.length);
        let start = utf16::floor(text, entity.offset);
        let end = start + part.len();
        let cut = match &*entity.kind {
            "mention" if part.strip_prefix('@').is_some_and(is_me) => (start, end),
            "text_mention" if is_user(&entity.user, me.id) => (start, end),
            "bot_command" => match part.split_once('@') {
                Some((name, bot)) if is_me(bot) => (start + name.len(), end),
                Some(_) if text[..start].trim().is_empty() => return None,
                None if text[..start].trim().is_empty() => (end, end),
                _ => continue,
            },
            _ => continue,
        };
        mentioned = true;
        // Entities come in order; one that does not is no reason to fail.
        if cut.0 >= at {
            out.push_str(&text[at..cut.0]);
            at = cut.1;
        }
    }
    out.push_str(&text[at..]);
    Some((out, mentioned))
}

fn is_user(user: &Option<User>, id: i64) -> bool {
    id != 0 && user.as_ref().is_some_and(|user| user.id == id)
}

#[cfg(test)]
mod tests;
