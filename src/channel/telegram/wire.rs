//! The fields of the Bot API that are used (https://core.telegram.org/bots/api), borrowed from the answer's bytes.
//!
//! Everything unknown is passed over and everything missing has a default, so that a new kind of message is one
//! without content, not an error.

use std::borrow::Cow;

use serde::Deserialize;
use serde::de::IgnoredAny;

/// The frame of every answer; `T` is what `result` holds.
#[derive(Deserialize)]
pub struct Answer<T> {
    /// Success. A frame without it is none of the Bot API's.
    pub ok: bool,
    pub result: Option<T>,
}

/// The frame of a refusal.
#[derive(Deserialize, Default)]
#[serde(default)]
pub struct Refusal<'a> {
    #[serde(borrow)]
    pub description: Cow<'a, str>,
    pub parameters: Parameters,
}

/// ResponseParameters.
#[derive(Deserialize, Default)]
#[serde(default)]
pub struct Parameters {
    pub retry_after: u64,
    pub migrate_to_chat_id: i64,
}

/// What is wanted of the results of sendMessage, getMe and getFile.
#[derive(Deserialize, Default)]
#[serde(default)]
pub struct Sent<'a> {
    pub message_id: i64,
    pub id: i64,
    #[serde(borrow)]
    pub username: Cow<'a, str>,
    #[serde(borrow)]
    pub file_path: Cow<'a, str>,
    pub file_size: u64,
}

/// Update; the kinds not asked for have no field.
#[derive(Deserialize)]
pub struct Update<'a> {
    pub update_id: i64,
    #[serde(borrow, default)]
    pub message: Option<Box<Message<'a>>>,
    #[serde(borrow, default)]
    pub edited_message: Option<Box<Message<'a>>>,
    #[serde(borrow, default)]
    pub callback_query: Option<Callback<'a>>,
}

/// CallbackQuery.
#[derive(Deserialize, Default)]
#[serde(default)]
pub struct Callback<'a> {
    #[serde(borrow)]
    pub id: Cow<'a, str>,
    #[serde(borrow)]
    pub from: User<'a>,
    #[serde(borrow)]
    pub message: Option<Box<Message<'a>>>,
    #[serde(borrow)]
    pub data: Cow<'a, str>,
}

/// User, and the one name of a Chat.
#[derive(Deserialize, Default)]
#[serde(default)]
pub struct User<'a> {
    pub id: i64,
    pub is_bot: bool,
    #[serde(borrow)]
    pub first_name: Cow<'a, str>,
    #[serde(borrow)]
    pub last_name: Cow<'a, str>,
    #[serde(borrow)]
    pub username: Cow<'a, str>,
    #[serde(borrow)]
    pub title: Cow<'a, str>,
    /// A Chat's type: `private`, `group`, `supergroup`, `channel`.
    #[serde(borrow, rename = "type")]
    pub kind: Cow<'a, str>,
}

/// MessageEntity, offsets in UTF-16 units.
#[derive(Deserialize, Default)]
#[serde(default)]
pub struct Entity<'a> {
    #[serde(borrow, rename = "type")]
    pub kind: Cow<'a, str>,
    pub offset: usize,
    pub length: usize,
    #[serde(borrow)]
    pub user: Option<User<'a>>,
}

/// Any file: PhotoSize, Document, Voice, Audio, Video, VideoNote, Animation, Sticker.
#[derive(Deserialize, Default)]
#[serde(default)]
pub struct File<'a> {
    #[serde(borrow)]
    pub file_id: Cow<'a, str>,
    #[serde(borrow)]
    pub file_name: Cow<'a, str>,
    pub file_size: u64,
    /// A sticker's.
    #[serde(borrow)]
    pub emoji: Cow<'a, str>,
}

/// Location, Contact, Venue, Poll: what has its own fields, all in one.
#[derive(Deserialize, Default)]
#[serde(default)]
pub struct Item<'a> {
    pub latitude: f64,
    pub longitude: f64,
    #[serde(borrow)]
    pub first_name: Cow<'a, str>,
    #[serde(borrow)]
    pub last_name: Cow<'a, str>,
    #[serde(borrow)]
    pub phone_number: Cow<'a, str>,
    #[serde(borrow)]
    pub title: Cow<'a, str>,
    #[serde(borrow)]
    pub address: Cow<'a, str>,
    #[serde(borrow)]
    pub question: Cow<'a, str>,
    #[serde(borrow)]
    pub emoji: Cow<'a, str>,
    pub value: i64,
}

/// MessageOrigin.
#[derive(Deserialize, Default)]
#[serde(default)]
pub struct Origin<'a> {
    #[serde(borrow)]
    pub sender_user: Option<User<'a>>,
    #[serde(borrow)]
    pub sender_user_name: Cow<'a, str>,
    #[serde(borrow)]
    pub sender_chat: Option<User<'a>>,
    #[serde(borrow)]
    pub chat: Option<User<'a>>,
}

/// TextQuote.
#[derive(Deserialize, Default)]
#[serde(default)]
pub struct Quote<'a> {
    #[serde(borrow)]
    pub text: Cow<'a, str>,
}

/// Message.
#[derive(Deserialize, Default)]
#[serde(default)]
pub struct Message<'a> {
    pub message_id: i64,
    pub message_thread_id: i64,
    pub is_topic_message: bool,
    pub is_automatic_forward: bool,
    pub date: i64,
    pub edit_date: i64,
    #[serde(borrow)]
    pub chat: User<'a>,
    #[serde(borrow)]
    pub from: Option<User<'a>>,
    #[serde(borrow)]
    pub sender_chat: Option<User<'a>>,
    #[serde(borrow)]
    pub text: Cow<'a, str>,
    #[serde(borrow)]
    pub caption: Cow<'a, str>,
    #[serde(borrow)]
    pub entities: Vec<Entity<'a>>,
    #[serde(borrow)]
    pub caption_entities: Vec<Entity<'a>>,
    #[serde(borrow)]
    pub photo: Vec<File<'a>>,
    #[serde(borrow)]
    pub document: Option<File<'a>>,
    #[serde(borrow)]
    pub voice: Option<File<'a>>,
    #[serde(borrow)]
    pub audio: Option<File<'a>>,
    #[serde(borrow)]
    pub video: Option<File<'a>>,
    #[serde(borrow)]
    pub video_note: Option<File<'a>>,
    #[serde(borrow)]
    pub animation: Option<File<'a>>,
    #[serde(borrow)]
    pub sticker: Option<File<'a>>,
    #[serde(borrow)]
    pub location: Option<Item<'a>>,
    #[serde(borrow)]
    pub venue: Option<Item<'a>>,
    #[serde(borrow)]
    pub contact: Option<Item<'a>>,
    #[serde(borrow)]
    pub poll: Option<Item<'a>>,
    #[serde(borrow)]
    pub dice: Option<Item<'a>>,
    #[serde(borrow)]
    pub forward_origin: Option<Origin<'a>>,
    #[serde(borrow)]
    pub quote: Option<Quote<'a>>,
    #[serde(borrow)]
    pub reply_to_message: Option<Box<Message<'a>>>,
    pub forum_topic_created: Option<IgnoredAny>,
    pub migrate_to_chat_id: i64,
    pub migrate_from_chat_id: i64,
}

/// The text of an answer; bytes that are not UTF-8 become U+FFFD.
pub fn text(body: &[u8]) -> Cow<'_, str> {
    String::from_utf8_lossy(body)
}

/// The first number called `key` in a body that could not be read, from its first bytes.
pub fn first_number(body: &[u8], key: &str) -> Option<i64> {
    let body = text(body.get(..4096).unwrap_or(body));
    let rest = body.split_once(key)?.1.strip_prefix('"')?.trim_start();
    let rest = rest.strip_prefix(':')?.trim_start();
    let end = rest.find(|c: char| !c.is_ascii_digit())?;
    rest[..end].parse().ok()
}

/// A JSON object under construction.
pub struct Object(String);

impl Object {
    /// `{`.
    pub fn new() -> Object {
        Object(String::from("{"))
    }
    fn key(&mut self, key: &str) {
        if self.0.len() > 1 {
            self.0.push(',');
        }
        self.0.push('"');
        self.0.push_str(key);
        self.0.push_str("\":");
    }
    /// A member whose value is JSON already.
    pub fn raw(mut self, key: &str, json: &str) -> Object {
        self.key(key);
        self.0.push_str(json);
        self
    }
    /// A number.
    pub fn int(self, key: &str, value: i64) -> Object {
        self.raw(key, &value.to_string())
    }
    /// A string.
    pub fn str(mut self, key: &str, value: &str) -> Object {
        self.key(key);
        escape(value, &mut self.0);
        self
    }
    /// A chat: a number unless it is a channel's `@name`.
    pub fn chat(self, chat: &str) -> Object {
        match chat.parse() {
            Ok(id) => self.int("chat_id", id),
            Err(_) => self.str("chat_id", chat),
        }
    }
    /// The text.
    pub fn end(mut self) -> String {
        self.0.push('}');
        self.0
    }
}

fn escape(value: &str, out: &mut String) {
    out.reserve(value.len() + 2);
    out.push('"');
    for c in value.chars() {
        match c {
            '"' => out.push_str("\\\""),
            '\\' => out.push_str("\\\\"),
            '\n' => out.push_str("\\n"),
            c if c.is_control() => out.push_str(&format!("\\u{:04x}", u32::from(c))),
            c => out.push(c),
        }
    }
    out.push('"');
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn objects() {
        let json = Object::new().chat("-5").str("text", "a\"b\\\n\u{1}é").raw("x", "[]").end();
        assert_eq!(json, r#"{"chat_id":-5,"text":"a\"b\\\n\u0001é","x":[]}"#);
        assert_eq!(Object::new().chat("@news").end(), r#"{"chat_id":"@news"}"#);
        let value: serde_json::Value = serde_json::from_str(&json).expect("JSON");
        assert_eq!(value["text"], "a\"b\\\n\u{1}é");
    }

    #[test]
    fn numbers_in_unreadable_bodies() {
        let cut = br#"{"ok":true,"result":[{"update_id": 77,"message":{"text":"..."#;
        let id = |body| first_number(body, "update_id");
        assert_eq!(id(cut), Some(77));
        assert_eq!(id(b"{\"ok\":true"), None);
        assert_eq!(id(b"\"update_id\":7"), None);
        assert_eq!(id(b"\"update_id\":99999999999999999999,"), None);
    }

    #[test]
    fn unknown_and_missing_fields() {
        let text = r#"{"ok":true,"result":[{"update_id":1,"boost":{"x":[1]}},
            {"update_id":2,"message":{"new":1,"chat":{"id":5},"text":"a\nb"}}]}"#;
        let answer: Answer<Vec<Update>> = serde_json::from_str(text).expect("an answer");
        let updates = answer.result.expect("a result");
        assert!(updates[0].message.is_none());
        assert_eq!(updates[1].message.as_ref().expect("a message").text, "a\nb");
    }
}
