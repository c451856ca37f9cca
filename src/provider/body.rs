//! Writes a request's JSON directly into one buffer: a tree of values would hold the conversation twice.
//!
//! Never grows past [`crate::limits::MODEL_REQUEST_BYTES`]; a longer request becomes a failure.

use std::collections::BTreeMap;
use std::sync::Arc;

use serde::de::IgnoredAny;
use serde_json::value::RawValue;

use super::server_rules::ServerRules;
use super::stored::{Stored, StoredRequest, WriteMessage};
use super::{ChatRequest, Class, Failure, Picture};
use crate::limits;
use crate::message::Message;
use crate::net::upload::{Splice, SpliceContent};
use crate::proto::text::hex_digits;

/// `extra_body`: fields that replace ours of the same name, or follow them.
pub type Extra = BTreeMap<String, Box<RawValue>>;

/// Parses `extra_body`; an empty text means no fields.
pub fn extra(text: &str) -> Result<Extra, serde_json::Error> {
    if text.trim().is_empty() { Ok(Extra::new()) } else { serde_json::from_str(text) }
}

/// What is posted: JSON, and what is put into it while it is sent.
#[derive(Debug)]
pub struct RequestBody {
    /// The JSON, with nothing in the places of what is sent from the card.
    pub json: Vec<u8>,
    /// Pictures as base64, messages that stay on the card.
    pub files: Vec<Splice>,
}

/// Writes a request's JSON piece by piece, without a tree in memory.
pub struct BodyWriter<'a> {
    out: Vec<u8>,
    extra: &'a Extra,
    pictures: &'a [Picture],
    files: Vec<Splice>,
    /// How the server wants the conversation.
    pub rules: ServerRules,
    /// What is written next follows something that ends with a comma.
    separated: bool,
}

impl<'a> BodyWriter<'a> {
    /// An open object with capacity for `request`, so that the buffer grows once.
    pub fn open(extra: &'a Extra, request: &ChatRequest<'a>) -> BodyWriter<'a> {
        let mut room = 1024 + request.system_static.len() + request.system_dynamic.len();
        for m in request.messages {
            room += 96 + m.content.len() + m.reasoning_content.as_ref().map_or(0, String::len);
            room += m.tool_calls.iter().map(|c| 128 + c.arguments.len()).sum::<usize>();
        }
        for t in request.tools {
            room += 96 + t.name.len() + t.description.len() + t.schema.len();
        }
        // Line feeds and quotes take two bytes each: about one byte in sixteen of prose.
        room += room / 16;
        let mut out = Vec::with_capacity(room.min(limits::MODEL_REQUEST_BYTES));
        out.push(b'{');
        BodyWriter { out, pictures: request.pictures, ..BodyWriter::empty(extra) }
    }

    /// Elements of a list that somebody else has opened.
    pub(super) fn element(extra: &'a Extra, rules: ServerRules) -> BodyWriter<'a> {
        BodyWriter { out: vec![b'['], rules, ..BodyWriter::empty(extra) }
    }

    fn empty(extra: &'a Extra) -> BodyWriter<'a> {
        let (out, files, rules) = (Vec::new(), Vec::new(), ServerRules::default());
        BodyWriter { out, extra, pictures: &[], files, rules, separated: false }
    }

    /// The elements so far.
    pub(super) fn written(&self) -> &[u8] {
        &self.out[1..]
    }

    /// Messages that stay on the card, each written by `write` while the request is sent; one in memory has to follow.
    pub fn stored(&mut self, stored: Option<&Arc<Stored>>, write: WriteMessage) {
        let Some(stored) = stored.filter(|s| !s.places.is_empty()) else { return };
        self.separate();
        let content = SpliceContent::Made(Arc::new(StoredRequest {
            stored: stored.clone(),
            write,
            rules: self.rules,
        }));
        self.files.push(Splice { at: self.out.len(), content, bytes: 0 });
        self.separated = true;
    }

    /// Appends JSON text unchanged; the caller vouches that it is valid.
    pub fn raw(&mut self, json: &str) -> &mut Self {
        if self.out.len() <= limits::MODEL_REQUEST_BYTES {
            self.out.extend_from_slice(json.as_bytes());
        }
        self
    }

    /// A string with its quotes (RFC 8259, section 7).
    pub fn string(&mut self, text: &str) -> &mut Self {
        self.raw("\"").escaped(text).raw("\"")
    }

    /// A piece of a string whose quotes the caller writes.
    pub fn escaped(&mut self, text: &str) -> &mut Self {
        if self.out.len() + text.len() > limits::MODEL_REQUEST_BYTES {
            // One byte over the limit is enough for `close` to notice; the text itself would only cost memory.
            self.out.resize(limits::MODEL_REQUEST_BYTES + 1, b' ');
            return self;
        }
        let mut rest = text.as_bytes();
        while let Some(at) = rest.iter().position(|&b| b < 0x20 || b == b'"' || b == b'\\') {
            let (plain, special) = rest.split_at(at);
            self.out.extend_from_slice(plain);
            match special[0] {
                b'\n' => self.out.extend_from_slice(b"\\n"),
                b'\r' => self.out.extend_from_slice(b"\\r"),
                b'\t' => self.out.extend_from_slice(b"\\t"),
                b @ (b'"' | b'\\') => self.out.extend_from_slice(&[b'\\', b]),
                b => {
                    let [high, low] = hex_digits(b);
                    self.out.extend_from_slice(&[b'\\', b'u', b'0', b'0', high, low]);
                }
            }
            rest = &special[1..];
        }
        self.out.extend_from_slice(rest);
        self
    }

    /// Starts a field of the outermost object; false, and nothing written, if `extra_body` has one of that name.
    pub fn field(&mut self, name: &str) -> bool {
        if self.extra.contains_key(name) {
            return false;
        }
        self.separate();
        self.string(name).raw(":");
        true
    }

    /// A comma unless this is the first element of its object or array.
    pub fn separate(&mut self) -> &mut Self {
        let separated = std::mem::take(&mut self.separated);
        if !separated && !matches!(self.out.last(), Some(b'{' | b'[' | b':')) {
            self.out.push(b',');
        }
        self
    }

    /// Appends a whole number in decimal.
    pub fn number(&mut self, n: u64) -> &mut Self {
        self.raw(&n.to_string())
    }

    /// The pictures of a message that the request includes.
    pub fn pictures_of(&self, message: &'a Message) -> impl Iterator<Item = &'a Picture> + use<'a> {
        let all = self.pictures;
        message.media.iter().filter_map(|path| all.iter().find(|picture| picture.path == *path))
    }

    /// The bytes of a picture as base64, in a string whose quotes the caller writes.
    pub fn picture(&mut self, picture: &Picture) -> &mut Self {
        let (content, bytes) = (SpliceContent::Base64(picture.file.clone()), picture.bytes);
        self.files.push(Splice { at: self.out.len(), content, bytes });
        self
    }

    /// `arguments` of a call as an object; if the model wrote none, its text is wrapped as `{"raw": …}`,
    /// because a server would otherwise refuse the whole conversation.
    pub fn arguments(&mut self, arguments: &str) -> &mut Self {
        if is_object(arguments) {
            self.raw(arguments.trim())
        } else if arguments.trim().is_empty() {
            self.raw("{}")
        } else {
            self.raw("{\"raw\":").string(arguments).raw("}")
        }
    }

    /// The same as a string, for OpenAI's dialect.
    pub fn arguments_text(&mut self, arguments: &str) -> &mut Self {
        if is_object(arguments) {
            self.string(arguments)
        } else if arguments.trim().is_empty() {
            self.string("{}")
        } else {
            self.string(&serde_json::json!({ "raw": arguments }).to_string())
        }
    }

    /// Adds the fields of `extra_body` and closes the object.
    pub fn close(mut self) -> Result<RequestBody, Failure> {
        let extra = self.extra;
        for (name, value) in extra {
            self.separate().string(name).raw(":").raw(value.get());
        }
        self.raw("}");
        if self.out.len() > limits::MODEL_REQUEST_BYTES {
            return Err(Failure::new(
                Class::ContextOverflow,
                format!("the request is longer than {} bytes", limits::MODEL_REQUEST_BYTES),
            ));
        }
        Ok(RequestBody { json: self.out, files: self.files })
    }
}

/// The text is one JSON object.
pub fn is_object(json: &str) -> bool {
    json.trim_start().starts_with('{') && serde_json::from_str::<IgnoredAny>(json).is_ok()
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::message::{Message, Role};

    fn request(messages: &[Message]) -> ChatRequest<'_> {
        ChatRequest {
            system_static: "",
            system_dynamic: "",
            history: None,
            messages,
            tools: &[],
            max_tokens: 1,
            temperature: 0.0,
            cache_key: "",
            pictures: &[],
        }
    }

    fn written(extra: &Extra, write: impl FnOnce(&mut BodyWriter<'_>)) -> String {
        let mut body = BodyWriter::open(extra, &request(&[]));
        write(&mut body);
        String::from_utf8(body.close().expect("a body").json).expect("utf-8")
    }

    #[test]
    fn strings_read_back_as_they_were() {
        let all: String =
            (0..0x300).filter_map(char::from_u32).chain("😀\u{2028}".chars()).collect();
        for text in ["", "a", "\"", "\\", "\n\r\t", "a\u{0}b\u{1f}", all.as_str()] {
            let json = written(&Extra::new(), |b| {
                b.field("t");
                b.string(text);
            });
            let value: serde_json::Value = serde_json::from_str(&json).expect("json");
            assert_eq!(value["t"], text);
        }
    }

    #[test]
    fn extra_fields_replace_ours_and_follow_them() {
        let extra = extra(r#" {"b": [1, 2], "z": null} "#).expect("an object");
        let json = written(&extra, |b| {
            assert!(b.field("a"));
            b.number(1);
            assert!(!b.field("b"));
        });
        assert_eq!(json, r#"{"a":1,"b":[1, 2],"z":null}"#);
    }

    #[test]
    fn extra_must_be_an_object() {
        assert!(extra("").expect("nothing").is_empty());
        assert!(extra("[1]").is_err());
        assert!(extra("{\"a\":").is_err());
    }

    #[track_caller]
    fn check_arguments(arguments: &str, want: &str) {
        let json = written(&Extra::new(), |b| {
            b.field("x");
            b.arguments(arguments);
        });
        assert_eq!(json, format!("{{\"x\":{want}}}"));
    }

    #[test]
    fn arguments_go_out_as_an_object_always() {
        check_arguments(r#" {"a": 1} "#, r#"{"a": 1}"#);
        check_arguments("", "{}");
        check_arguments("  ", "{}");
        check_arguments("[1]", r#"{"raw":"[1]"}"#);
        check_arguments(r#"{"a":"#, r#"{"raw":"{\"a\":"}"#);
        check_arguments("{} {}", r#"{"raw":"{} {}"}"#);
        check_arguments("ls -l", r#"{"raw":"ls -l"}"#);
    }

    #[test]
    fn a_request_over_the_limit_is_an_overflow_not_a_longer_buffer() {
        let messages = [Message::text(Role::User, "x".repeat(limits::MODEL_REQUEST_BYTES))];
        let extra = Extra::new();
        let mut body = BodyWriter::open(&extra, &request(&messages));
        body.field("m");
        body.string(&messages[0].content);
        body.field("n");
        body.string("more").raw("more");
        assert!(body.out.len() <= limits::MODEL_REQUEST_BYTES + 2, "{}", body.out.len());
        assert_eq!(body.close().expect_err("too long").class, Class::ContextOverflow);
    }
}
