//! Builds the JSON for the Bot API (https://core.telegram.org/bots/api), and decodes its answers.
//!
//! Answers are read by name in place ([`crate::proto::json`]): unknown members are ignored and missing ones
//! are empty, so that a new kind of message is one without content. A known field of another type is an error.

use std::borrow::Cow;

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
pub struct JsonObject(String);

impl JsonObject {
    /// An empty object; [`JsonObject::end`] closes it.
    pub fn new() -> JsonObject {
        JsonObject(String::from("{"))
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
    pub fn raw(mut self, key: &str, json: &str) -> JsonObject {
        self.key(key);
        self.0.push_str(json);
        self
    }
    /// Adds a whole number; the caller does not repeat a key.
    pub fn int(self, key: &str, value: i64) -> JsonObject {
        self.raw(key, &value.to_string())
    }
    /// Adds a string, escaped for JSON.
    pub fn str(mut self, key: &str, value: &str) -> JsonObject {
        self.key(key);
        escape(value, &mut self.0);
        self
    }
    /// A chat: a number unless it is a channel's `@name`.
    pub fn chat(self, chat: &str) -> JsonObject {
        match chat.parse() {
            Ok(id) => self.int("chat_id", id),
            Err(_) => self.str("chat_id", chat),
        }
    }
    /// Closes the object; gives its JSON text.
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
        let json = JsonObject::new().chat("-5").str("text", "a\"b\\\n\u{1}é").raw("x", "[]").end();
        assert_eq!(json, r#"{"chat_id":-5,"text":"a\"b\\\n\u0001é","x":[]}"#);
        assert_eq!(JsonObject::new().chat("@news").end(), r#"{"chat_id":"@news"}"#);
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
}
