//! Finds what a conversation in the workspace has that the session does not. Only reads.
//!
//! Go rewrites a file when it compacts it, and copies conversations to other names, so offsets alone are not enough: then the
//! session's last messages are searched for in the file. This also makes adoption idempotent, wherever the power
//! failed.

use std::collections::VecDeque;
use std::io::{self, BufRead, BufReader, Read, SeekFrom};

use ring::digest;

use super::record::AdoptedFile;
use super::source::Text;
use crate::limits::{ADOPT_OVERLAP, SESSION_LINE_BYTES};
use crate::message::{Message, Role};
use crate::proto::fnv::{FNV, fnv};
use crate::proto::text;

/// The result of one pass over a text.
pub struct TextScan {
    /// Length of the text in bytes.
    pub length: u64,
    /// SHA-256 in hexadecimal digits.
    pub hash: String,
    /// Hash of the last two messages.
    pub last: u64,
    /// Hashes of the last messages, and the offset at which each ends.
    messages: VecDeque<(u64, u64)>,
}

/// Scans a text and remembers at most the last `most` messages.
///
/// # Errors
/// The kernel's.
pub fn scan(text: &mut dyn Text, most: usize) -> io::Result<TextScan> {
    text.seek(SeekFrom::Start(0))?;
    let mut reader = BufReader::new(text);
    let mut sha = digest::Context::new(&digest::SHA256);
    let (mut line, mut length) = (Vec::new(), 0);
    let mut messages = VecDeque::new();
    loop {
        let piece = reader.fill_buf()?;
        let newline = piece.iter().position(|b| *b == b'\n');
        let used = newline.map_or(piece.len(), |at| at + 1);
        sha.update(&piece[..used]);
        let room = SESSION_LINE_BYTES.saturating_sub(line.len());
        line.extend_from_slice(&piece[..newline.unwrap_or(used).min(room)]);
        length += used as u64;
        reader.consume(used);
        if newline.is_none() && used > 0 {
            continue;
        }
        if !line.trim_ascii().is_empty() {
            if messages.len() == most {
                messages.pop_front();
            }
            messages.push_back((message_hash(&line), length));
        }
        line.clear();
        if used == 0 {
            break;
        }
    }
    let hash = text::hex(sha.finish().as_ref());
    let last = messages.len().checked_sub(1).map_or(0, |at| pair_hash(&messages, at));
    Ok(TextScan { length, hash, last, messages })
}

/// A message's hash over the fields that every version writes, independent of formatting.
fn message_hash(line: &[u8]) -> u64 {
    let Ok(message) = text::utf8(line).and_then(Message::parse) else { return fnv(FNV, line) };
    let role = match message.role {
        Role::System => "s",
        Role::User => "u",
        Role::Assistant => "a",
        Role::Tool => "t",
    };
    let calls = message.tool_calls.iter().flat_map(|c| [&*c.id, &*c.name, &*c.arguments]);
    let id = message.tool_call_id.as_deref().unwrap_or_default();
    let parts = [role, &*message.content, id].into_iter().chain(calls);
    parts.fold(FNV, |sum, part| fnv(fnv(sum, part.as_bytes()), &[0]))
}

/// Hash of a message and the one before it.
fn pair_hash(messages: &VecDeque<(u64, u64)>, at: usize) -> u64 {
    let before = at.checked_sub(1).map_or(0, |at| messages[at].0);
    fnv(before, &messages[at].0.to_le_bytes())
}

/// Offset of the first new message in a scanned text; its length if there is none. `seen` is what was adopted of this file
/// before, `session` the current session.
///
/// # Errors
/// The kernel's.
pub fn begin(
    text: &mut dyn Text,
    survey: &TextScan,
    seen: Option<&AdoptedFile>,
    session: Option<&mut dyn Text>,
) -> io::Result<u64> {
    let found = match session {
        Some(session) => overlap(&survey.messages, &self::scan(session, ADOPT_OVERLAP)?.messages),
        None => None,
    };
    let end = |at: Option<usize>| at.map(|at| survey.messages[at].1);
    // All of it has been adopted, perhaps just before a power cut.
    if found.is_some_and(|at| at + 1 == survey.messages.len()) {
        return Ok(survey.length);
    }
    if let Some(seen) = seen {
        if seen.length <= survey.length && hash(text, seen.length)? == seen.hash {
            return Ok(seen.length);
        }
        let known = || (0..survey.messages.len()).rev().find(|at| is_last(survey, *at, seen));
        return Ok(end(found.or_else(known)).unwrap_or(0));
    }
    Ok(end(found).unwrap_or(0))
}

fn is_last(survey: &TextScan, at: usize, seen: &AdoptedFile) -> bool {
    at > 0 && seen.length > 0 && pair_hash(&survey.messages, at) == seen.last
}

/// The last index of `messages` at which they match the end of `session`: over [`ADOPT_OVERLAP`] messages, or all if there
/// are fewer.
fn overlap(messages: &VecDeque<(u64, u64)>, session: &VecDeque<(u64, u64)>) -> Option<usize> {
    let agrees = |at: usize| {
        let wanted = ADOPT_OVERLAP.min(session.len()).min(at + 1);
        let ours = session.iter().rev().map(|m| m.0);
        let theirs = messages.iter().take(at + 1).rev().map(|m| m.0);
        ours.zip(theirs).take(wanted).all(|(a, b)| a == b)
    };
    if session.is_empty() {
        return None;
    }
    (0..messages.len()).rev().find(|at| agrees(*at))
}

/// SHA-256 of the first `length` bytes.
fn hash(text: &mut dyn Text, length: u64) -> io::Result<String> {
    text.seek(SeekFrom::Start(0))?;
    let (mut text, mut buffer) = (Read::take(text, length), [0; 4096]);
    let mut sha = digest::Context::new(&digest::SHA256);
    loop {
        match text.read(&mut buffer)? {
            0 => return Ok(text::hex(sha.finish().as_ref())),
            n => sha.update(&buffer[..n]),
        }
    }
}
