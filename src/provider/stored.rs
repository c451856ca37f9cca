//! Messages of a conversation that stay in their file until a request is written: they are read one after the other, once to
//! know the request's length and once to send it, so that a long conversation takes no more memory than its longest message.

use std::fs::File;
use std::io;
use std::os::unix::fs::FileExt;
use std::sync::Arc;

use super::body::{BodyWriter, Extra};
use super::server_rules::ServerRules;
use crate::message::{Message, Role, ToolCall};
use crate::net::upload::PieceSource;
use crate::proto::excerpt::shorten_noting;
use crate::proto::text;

/// Where a message is in its file.
#[derive(Clone, Copy, Debug)]
pub struct StoredPosition {
    /// Its line's first byte.
    pub at: u64,
    /// Bytes of the line.
    pub length: u32,
    /// It is the result of a tool that is sent shortened.
    pub short: bool,
    /// The assistant says it.
    pub answer: bool,
}

/// Messages of a conversation, whole turns, oldest first.
pub struct Stored {
    /// The session's file, from which messages are read while a request is sent.
    pub file: Arc<File>,
    /// Each message that is sent.
    pub places: Vec<StoredPosition>,
    /// Guessed tokens of all of them, as they are sent.
    pub tokens: usize,
}

impl Stored {
    /// The messages as JSON, a comma before each.
    ///
    /// # Errors
    /// As [`Stored::read`]; they are longer than `most` bytes.
    #[cfg(feature = "hooks")]
    pub fn json(&self, most: usize) -> io::Result<String> {
        let mut out = String::new();
        for place in &self.places {
            out.push(',');
            out.push_str(&serde_json::to_string(&self.read(place)?)?);
            if out.len() > most {
                return Err(io::Error::other(format!("it has more than {most} bytes")));
            }
        }
        Ok(out)
    }

    /// Reads a message as it is sent.
    ///
    /// # Errors
    /// The disk's; a line that is no message any more.
    fn read(&self, place: &StoredPosition) -> io::Result<Message> {
        let mut line = vec![0; place.length as usize];
        self.file.read_exact_at(&mut line, place.at)?;
        let message = text::utf8(&line).ok().and_then(|line| Message::parse(line).ok());
        let mut message = message.ok_or(io::ErrorKind::InvalidData)?;
        message.tool_calls.iter_mut().for_each(make_replayable);
        if place.short {
            shorten(&mut message);
        }
        Ok(message)
    }
}

/// Cuts the middle out of a long result of an earlier turn, and says how to come by it.
pub fn shorten(message: &mut Message) {
    let limit = crate::limits::SHORT_RESULT_BYTES;
    if message.role == Role::Tool && message.content.len() > limit {
        let how = "of this earlier result are left out to save room; read the source again, \
                   a part at a time, where they are needed";
        message.content = shorten_noting(std::mem::take(&mut message.content), limit, how);
    }
}

/// Whether a call of this name is valid in a later request (OpenAI API reference: `^[a-zA-Z0-9_-]{1,64}$`).
fn is_replayable(name: &str) -> bool {
    (1..=64).contains(&name.len())
        && name.bytes().all(|b| b.is_ascii_alphanumeric() || matches!(b, b'_' | b'-'))
}

/// Gives a call that a model named wrongly a name that providers take back, so that one bad answer does not
/// spoil the conversation; the call itself still fails.
pub fn make_replayable(call: &mut ToolCall) {
    if !is_replayable(&call.name) {
        call.name = call
            .name
            .chars()
            .filter(|c| c.is_ascii_alphanumeric() || matches!(c, '_' | '-'))
            .take(60)
            .collect();
        if call.name.is_empty() {
            call.name = "unnamed".into();
        }
    }
}

/// Whether the neighbours of a message are of its side, the assistant's or not.
#[derive(Clone, Copy)]
pub struct Neighbours {
    /// The message before it.
    pub before: bool,
    /// The one behind it.
    pub after: bool,
}

/// Writes one message as an element of the open list, or nothing.
pub type WriteMessage = for<'a> fn(&mut BodyWriter<'a>, &'a Message, Neighbours);

/// [`Stored`] in a dialect.
pub(super) struct StoredRequest {
    pub(super) stored: Arc<Stored>,
    pub(super) write: WriteMessage,
    pub(super) rules: ServerRules,
}

impl PieceSource for StoredRequest {
    fn piece(&self, n: usize, out: &mut Vec<u8>) -> io::Result<bool> {
        let places = &self.stored.places;
        let Some(place) = places.get(n) else { return Ok(false) };
        let is_same =
            |other: Option<&StoredPosition>| other.is_some_and(|o| o.answer == place.answer);
        let near = Neighbours {
            before: n.checked_sub(1).is_some_and(|n| is_same(places.get(n))),
            after: is_same(places.get(n + 1)),
        };
        let message = self.stored.read(place)?;
        let extra = Extra::new();
        let mut body = BodyWriter::element(&extra, self.rules);
        (self.write)(&mut body, &message, near);
        let json = body.written();
        out.extend_from_slice(json);
        // Something always follows: the next message, or those in memory.
        if !json.is_empty() {
            out.push(b',');
        }
        Ok(true)
    }
}

#[cfg(test)]
#[path = "stored_tests.rs"]
mod tests;
