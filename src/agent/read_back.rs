//! A conversation read back for a turn: the latest messages into memory, of those before them where they are, as many as the
//! model's window can hold. Blocks on the disk.

use super::history::{MessageShape, sendable};
use super::stored_messages::{StoredMessage, StoredMessages};
use crate::error::{Context, Result};
use crate::limits::{HISTORY_BYTES, HISTORY_MESSAGES};
use crate::message::{Message, Role};
use crate::store::session::Sessions;
use crate::store::session_read::{OpenSession, backwards, parse_line};

/// What a turn starts from.
#[derive(Default)]
pub struct ReadBack {
    /// The session's file.
    pub opened: OpenSession,
    /// Where the next line goes.
    pub end: u64,
    /// What stays on the card.
    pub past: StoredMessages,
    /// Later messages of earlier turns, oldest first.
    pub recent: Vec<Message>,
    /// What a restart left of the turn itself.
    pub running: Vec<Message>,
    /// Text of others may be in it.
    pub untrusted: bool,
    /// There are older messages, for which the window or [`HISTORY_MESSAGES`] has no room.
    pub left_out: bool,
    /// Lines that were no messages.
    pub corrupt: usize,
}

/// Reads a session back, as far as `most` guessed tokens go. The lines from byte `resumed` on are the running turn's.
/// `unsaved` are lines that may not be in the file yet, each piece with the place where it ends there.
///
/// # Errors
/// An unreadable folder or key; the disk's.
pub fn read_back(
    sessions: &Sessions,
    key: &str,
    resumed: Option<u64>,
    unsaved: &[(u64, Vec<u8>)],
    most: usize,
) -> Result<ReadBack> {
    let opened = sessions.open_session(key)?;
    let untrusted_bytes = opened.meta.untrusted_bytes;
    let mut reader = Reader { most, resumed, untrusted_bytes, ..Reader::default() };
    // A summary of such text alone has no line after it.
    reader.untrusted = opened.meta.has_untrusted_summary(opened.first);
    let unsaved = unsaved.iter().filter(|(end, _)| *end > opened.end);
    let end = unsaved.clone().map(|(end, _)| *end).max().unwrap_or(opened.end);
    for (_, bytes) in unsaved.rev() {
        for line in bytes.split(|b| *b == b'\n').rev().filter(|line| !line.is_empty()) {
            reader.line(None, line);
        }
    }
    if let Some(file) = &opened.file {
        let mut each = |at, line: &[u8]| reader.line(Some(at), line);
        backwards(file, opened.first, opened.end, &mut each).context("cannot read the session")?;
    }
    // A conversation may begin in the middle of a turn.
    reader.close();
    Ok(reader.done(opened, end))
}

/// A message of the turn that is being read, which is read from its end.
struct TurnMessage {
    item: StoredMessage,
    shape: MessageShape,
    /// Unless it stays on the card.
    message: Option<Message>,
    untrusted: bool,
}

/// Everything here is the latest first.
#[derive(Default)]
struct Reader {
    most: usize,
    resumed: Option<u64>,
    /// What is before this byte of the file is not trusted.
    untrusted_bytes: u64,
    running: Vec<Message>,
    turn: Vec<TurnMessage>,
    /// Bytes of messages in memory.
    held: usize,
    /// What is read now stays on the card.
    stays: bool,
    recent: Vec<Message>,
    items: Vec<StoredMessage>,
    /// Of both, with results shortened.
    tokens: usize,
    untrusted: bool,
    left_out: bool,
    corrupt: usize,
}

impl Reader {
    /// Takes the line before the last one, at its place in the file if it has one; false when there is no room for more.
    fn line(&mut self, at: Option<u64>, line: &[u8]) -> bool {
        if self.left_out {
            return false;
        }
        let Some(message) = parse_line(line) else {
            self.corrupt += 1;
            return true;
        };
        if self.resumed.is_some_and(|from| at.is_none_or(|at| at >= from)) {
            self.running.push(message);
            return true;
        }
        let begins = message.role == Role::User;
        self.held += line.len();
        if !self.stays && self.held > HISTORY_BYTES {
            self.stays = true;
            // Whole turns are on the card, but for what is not there yet.
            for found in self.turn.iter_mut().filter(|found| found.item.length > 0) {
                found.message = None;
            }
        }
        self.turn.push(TurnMessage {
            item: StoredMessage::of(&message, at.unwrap_or(0), at.map_or(0, |_| line.len())),
            shape: MessageShape::of(&message),
            untrusted: message.untrusted || at.is_some_and(|at| at < self.untrusted_bytes),
            message: Some(message).filter(|_| !self.stays || at.is_none()),
        });
        if begins {
            self.close();
        }
        !self.left_out
    }

    /// A turn is read whole.
    fn close(&mut self) {
        let mut turn = std::mem::take(&mut self.turn);
        if turn.is_empty() || self.left_out {
            return;
        }
        turn.reverse();
        let (shapes, mut turn): (Vec<MessageShape>, Vec<_>) =
            turn.into_iter().map(|f| (f.shape, (f.item, f.message, f.untrusted))).unzip();
        let mut kept = sendable(&shapes).into_iter();
        turn.retain(|_| kept.next() == Some(true));
        let tokens: usize = turn.iter().map(|(item, ..)| item.short as usize).sum();
        let all = self.items.len() + self.recent.len() + turn.len();
        if self.tokens + tokens > self.most || all > HISTORY_MESSAGES {
            self.left_out = true;
            return;
        }
        self.tokens += tokens;
        for (item, message, untrusted) in turn.into_iter().rev() {
            self.untrusted |= untrusted;
            match message {
                Some(message) => self.recent.push(message),
                None => self.items.push(item),
            }
        }
    }

    fn done(mut self, opened: OpenSession, end: u64) -> ReadBack {
        self.items.reverse();
        self.items.shrink_to_fit();
        self.recent.reverse();
        self.running.reverse();
        keep_sendable(&mut self.running);
        let calls = self.recent.iter_mut().flat_map(|m| &mut m.tool_calls);
        calls.for_each(crate::provider::stored::make_replayable);
        ReadBack {
            past: StoredMessages::new(
                opened.file.clone().filter(|_| !self.items.is_empty()),
                self.items,
            ),
            opened,
            end,
            recent: self.recent,
            running: self.running,
            untrusted: self.untrusted,
            left_out: self.left_out,
            corrupt: self.corrupt,
        }
    }
}

/// Leaves out what no provider takes of a turn that a restart cut short: its file may have been replaced while it ran. Calls
/// behind which nothing but results comes stay; the turn completes them.
fn keep_sendable(running: &mut Vec<Message>) {
    if running.first().is_some_and(|first| first.role != Role::User) {
        running.clear();
    }
    let behind = running.iter().rev().take_while(|m| m.role == Role::Tool).count();
    let open = running.len().saturating_sub(behind + 1);
    let has_calls = running.get(open).is_some_and(|m| !m.tool_calls.is_empty());
    let open = if has_calls { open } else { running.len() };
    let shapes: Vec<MessageShape> = running[..open].iter().map(MessageShape::of).collect();
    let mut kept = sendable(&shapes).into_iter();
    running.retain(|_| kept.next() != Some(false));
}

#[cfg(test)]
#[path = "read_back_tests.rs"]
mod tests;
