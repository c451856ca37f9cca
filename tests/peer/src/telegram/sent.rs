//! What the bot sent.

use std::time::Instant;

use serde_json::{Value, json};

/// One accepted sendMessage, editMessageText or upload.
#[derive(Debug, Clone)]
pub struct Sent {
    /// `sendMessage`, `editMessageText`, `sendPhoto`, ...
    pub method: String,
    /// Where it went.
    pub chat: i64,
    /// The number it got, or the edited message's.
    pub message_id: i64,
    /// What the user reads: markup parsed away.
    pub text: String,
    /// What the bot wrote.
    pub raw: String,
    /// `HTML`, `MarkdownV2`, `Markdown` or empty.
    pub parse_mode: String,
    /// Formatting in `text`.
    pub entities: Vec<Value>,
    /// Forum topic, 0 for none.
    pub topic: i64,
    /// The message it replies to, 0 for none.
    pub reply_to: i64,
    /// Name and bytes of an upload.
    pub upload: Option<(String, usize)>,
    /// Texts and data of the buttons under it.
    pub buttons: Vec<(String, String)>,
    /// When it was accepted.
    pub at: Instant,
}

impl Sent {
    /// For the control endpoint.
    pub fn json(&self) -> Value {
        json!({
            "method": self.method, "chat": self.chat, "message_id": self.message_id,
            "text": self.text, "parse_mode": self.parse_mode, "topic": self.topic,
            "reply_to": self.reply_to, "upload": self.upload.as_ref().map(|u| &u.0),
            "buttons": self.buttons,
        })
    }
}
