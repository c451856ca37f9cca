//! What people say to the bot: builds updates as Telegram sends them.

use serde_json::{Map, Value, json};

use super::messages::unix_now;
use super::{BOT_ID, BOT_NAME, bot};
use crate::ledger::Marker;
use crate::world::World;

/// A message to come. A negative chat is a group, a positive one a private chat.
#[derive(Debug, Clone)]
pub struct Say {
    chat: i64,
    user: i64,
    text: String,
    kind: &'static str,
    marked: bool,
    edits: Option<i64>,
    more: Map<String, Value>,
}

impl Say {
    /// `user` writes `text` in `chat`; the marker is put behind the text.
    pub fn new(chat: i64, user: i64, text: impl Into<String>) -> Say {
        Say {
            chat,
            user,
            text: text.into(),
            kind: "message",
            marked: true,
            edits: None,
            more: Map::new(),
        }
    }

    /// Leaves the marker away: commands, stickers, texts that must be exact.
    pub fn unmarked(mut self) -> Say {
        self.marked = false;
        self
    }

    /// The user edits an earlier message.
    pub fn editing(mut self, message_id: i64) -> Say {
        self.kind = "edited_message";
        self.edits = Some(message_id);
        self
    }

    /// The text replies to a message of the bot.
    pub fn replying_to_bot(self, message_id: i64, text: &str) -> Say {
        let chat = chat_object(self.chat, "someone");
        self.with(
            "reply_to_message",
            json!({ "message_id": message_id, "from": bot(), "chat": chat, "date": unix_now(), "text": text }),
        )
    }

    /// In a forum topic.
    pub fn topic(self, id: i64) -> Say {
        self.with("message_thread_id", json!(id)).with("is_topic_message", json!(true))
    }

    /// A photo with the text as its caption.
    pub fn photo(self, file_id: &str) -> Say {
        let size = |w: u32, id: &str| json!({ "file_id": id, "file_unique_id": format!("u{id}{w}"), "width": w, "height": w, "file_size": w * 10 });
        self.with("photo", json!([size(90, "thumb"), size(800, file_id)]))
    }

    /// A document with the text as its caption.
    pub fn document(self, file_id: &str, name: &str, bytes: usize) -> Say {
        self.with(
            "document",
            json!({ "file_id": file_id, "file_unique_id": "u", "file_name": name, "file_size": bytes }),
        )
    }

    /// A voice message.
    pub fn voice(self, file_id: &str) -> Say {
        self.with(
            "voice",
            json!({ "file_id": file_id, "file_unique_id": "u", "duration": 2, "mime_type": "audio/ogg" }),
        )
    }

    /// A place.
    pub fn location(self, latitude: f64, longitude: f64) -> Say {
        self.with("location", json!({ "latitude": latitude, "longitude": longitude }))
    }

    /// Any other field of the message.
    pub fn with(mut self, key: &str, value: Value) -> Say {
        self.more.insert(key.to_owned(), value);
        self
    }

    /// Queues it; the marker (an unused one if unmarked) and the message's number.
    pub fn enqueue(self, world: &mut World) -> (Marker, i64) {
        let marker = world.ledger.open();
        let id = self.edits.unwrap_or_else(|| world.telegram.new_message_id());
        let text = match (self.marked, self.text.is_empty()) {
            (true, true) => marker.to_string(),
            (true, false) => format!("{} {marker}", self.text),
            (false, _) => self.text.clone(),
        };
        if !self.marked {
            world.ledger.close(&marker);
        }
        world.telegram.remember(self.chat, id, text.clone());
        let mut message = json!({
            "message_id": id,
            "from": {
                "id": self.user, "is_bot": false, "first_name": format!("User {}", self.user),
                "username": format!("user{}", self.user), "language_code": "en",
            },
            "chat": chat_object(self.chat, &format!("user{}", self.user)),
            "date": unix_now(),
        });
        if self.edits.is_some() {
            message["edit_date"] = json!(unix_now());
        }
        let media = ["photo", "document", "voice", "audio", "video"];
        let caption = self.more.keys().any(|k| media.contains(&k.as_str()));
        let (field, entities_field) =
            if caption { ("caption", "caption_entities") } else { ("text", "entities") };
        if !text.is_empty() {
            let entities = entities(&text);
            message[field] = json!(text);
            if !entities.is_empty() {
                message[entities_field] = json!(entities);
            }
        }
        if let Some(fields) = message.as_object_mut() {
            fields.extend(self.more);
        }
        world.telegram.enqueue(json!({ self.kind: message }));
        (marker, id)
    }
}

/// A chat as messages carry it.
pub fn chat_object(id: i64, username: &str) -> Value {
    if id > 0 {
        json!({ "id": id, "type": "private", "first_name": "Someone", "username": username })
    } else if id < -1_000_000_000_000 {
        json!({ "id": id, "type": "supergroup", "title": "A group" })
    } else {
        json!({ "id": id, "type": "group", "title": "A group" })
    }
}

/// What the server marks in a text: a command at its beginning, and our name.
fn entities(text: &str) -> Vec<Value> {
    let units = |s: &str| s.encode_utf16().count();
    let mut found = Vec::new();
    if text.starts_with('/') {
        let command = text.split_whitespace().next().unwrap_or(text);
        found.push(json!({ "type": "bot_command", "offset": 0, "length": units(command) }));
    }
    let name = format!("@{BOT_NAME}");
    for (at, _) in
        text.match_indices(&name).filter(|(at, _)| *at == 0 || text.as_bytes()[at - 1] == b' ')
    {
        found.push(
            json!({ "type": "mention", "offset": units(&text[..at]), "length": units(&name) }),
        );
    }
    found
}

/// A button under one of the bot's messages is pressed.
pub fn press(world: &mut World, chat: i64, user: i64, message_id: i64, data: &str) -> i64 {
    let id = world.telegram.open_callback();
    world.telegram.enqueue(json!({ "callback_query": {
        "id": id, "chat_instance": "1", "data": data,
        "from": { "id": user, "is_bot": false, "first_name": "User", "username": format!("user{user}") },
        "message": {
            "message_id": message_id, "date": unix_now(), "chat": chat_object(chat, "someone"),
            "from": { "id": BOT_ID, "is_bot": true, "first_name": "Peer", "username": BOT_NAME },
            "text": "press",
        },
    } }))
}
