//! What the journal means: which messages are open, and how far each one is. No I/O.
//!
//! The same [`Ledger::apply`] serves the running daemon and recovery, so the two cannot disagree.

use std::collections::VecDeque;

use super::frame::Frame;
use crate::bus::{Inbound, Outbound, SUBAGENT, SubagentOrigin};
use crate::limits::{ATTEMPTS, RESTARTED_BYTES, SUBAGENT_TASK_BYTES};
use crate::message::Message;

/// How far a message is.
#[derive(Clone, Debug, PartialEq)]
pub enum Stage {
    /// Nothing has been done, or a turn was begun and its answer is not recorded.
    Open,
    /// The answer is known; `delivered` of the replies have been accepted.
    Answered {
        /// In order.
        replies: Vec<Outbound>,
        /// How many the channel's server has accepted or refused for good.
        delivered: u32,
    },
}

/// A message that was accepted and is not finished.
#[derive(Clone, Debug)]
pub struct OpenMessage {
    /// Number that frames refer to it by; unique in this home.
    pub id: u64,
    /// The message; empty for a reply outside an answer ([`Frame::Said`]).
    pub message: Inbound,
    /// How far it is.
    pub stage: Stage,
    /// Starts of its turn so far; a message that fails too often is given up.
    pub attempts: u32,
    /// Session file and offset of the turn's first line, once it has one.
    pub progress: Option<(String, u64)>,
    /// Calls of the running round that must not be repeated; those of earlier rounds have their results.
    pub started: Vec<String>,
    /// Where a sub-agent's task or report comes from.
    pub origin: Option<Box<SubagentOrigin>>,
}

impl OpenMessage {
    /// Whether it is a sub-agent's task and not a person's message.
    pub fn is_subagent(&self) -> bool {
        self.message.sender.platform == SUBAGENT
    }

    fn bytes(&self) -> usize {
        let replies = match &self.stage {
            Stage::Open => 0,
            Stage::Answered { replies, .. } => replies.iter().map(reply_bytes).sum(),
        };
        // A sub-agent's report takes the place of its task.
        let report = if self.is_subagent() { SUBAGENT_TASK_BYTES } else { 0 };
        self.message.text.len() + replies + report + ENVELOPE_BYTES
    }
}

/// About what an entry's numbers, names and addresses take.
const ENVELOPE_BYTES: usize = 256;

fn reply_bytes(reply: &Outbound) -> usize {
    reply.text.len() + 64
}

/// About how many bytes of a journal a message outside an answer takes ([`Frame::Said`]).
pub fn entry_bytes(reply: &Outbound) -> usize {
    reply_bytes(reply) + ENVELOPE_BYTES
}

/// All open messages, oldest first, and the offset of each channel.
#[derive(Debug, Default)]
pub struct Ledger {
    next_id: u64,
    entries: VecDeque<OpenMessage>,
    offsets: Vec<(String, i64)>,
}

/// Where a turn's first line is after a restart.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum FirstLine {
    /// Where it was recorded.
    InPlace,
    /// The session's file ends just before it: it was not written.
    Unwritten,
    /// The file is another one, or was changed.
    Gone,
}

/// Writes that a kill or a power cut left half done are counted as the offset of a channel of this name.
pub const TORN: &str = "(torn)";

/// Event numbers this far behind the offset are duplicates; farther ones are a new series
/// (Bot API, Update: after a quiet week the next identifier is chosen at random).
pub const DUPLICATE_WINDOW: i64 = 100_000;

/// Recorded as a channel's event, it lets any series begin: it is a window behind every number.
pub const NO_EVENT: i64 = -DUPLICATE_WINDOW;

impl Ledger {
    /// A number for a new entry.
    pub fn next_id(&mut self) -> u64 {
        self.next_id += 1;
        self.next_id
    }

    /// Was this event taken before?
    pub fn knows(&self, channel: &str, event: i64) -> bool {
        let last = self.offset(channel);
        let is_it = |m: &Inbound| m.event == event && m.from.channel == channel;
        let before = event <= last && last - event < DUPLICATE_WINDOW;
        event != 0 && (before || self.entries.iter().any(|e| is_it(&e.message)))
    }

    /// Highest event of a channel that was taken, 0 for none.
    pub fn offset(&self, channel: &str) -> i64 {
        self.offsets.iter().find(|(c, _)| c == channel).map_or(0, |(_, n)| *n)
    }

    /// Open entries, oldest first.
    pub fn entries(&self) -> impl Iterator<Item = &OpenMessage> {
        self.entries.iter()
    }

    /// The message with this number; `None` once it is finished.
    pub fn get(&self, id: u64) -> Option<&OpenMessage> {
        self.entries.iter().find(|e| e.id == id)
    }

    /// Number of messages that are not finished.
    pub fn len(&self) -> usize {
        self.entries.len()
    }

    /// Whether everything that was accepted is finished.
    pub fn is_empty(&self) -> bool {
        self.entries.is_empty()
    }

    /// About how many bytes a compacted journal takes.
    pub fn bytes(&self) -> usize {
        self.entries.iter().map(OpenMessage::bytes).sum()
    }

    fn note_offset(&mut self, channel: &str, event: i64) {
        if event == 0 {
            return;
        }
        match self.offsets.iter_mut().find(|(c, _)| c == channel) {
            Some((_, last)) => {
                if event > *last || *last - event >= DUPLICATE_WINDOW {
                    *last = event;
                }
            }
            None => self.offsets.push((channel.to_string(), event)),
        }
    }

    fn entry(&mut self, id: u64) -> Option<&mut OpenMessage> {
        self.entries.iter_mut().find(|e| e.id == id)
    }

    /// Takes one recorded fact in. Facts about unknown messages say nothing and are passed over.
    pub fn apply(&mut self, frame: &Frame) {
        match frame {
            Frame::Received { id, message } => {
                self.note_offset(&message.from.channel, message.event);
                self.open(*id, message.clone(), Stage::Open);
            }
            Frame::Delegated { id, message, origin, ends } => {
                self.entries.retain(|e| e.id != *ends);
                self.open(*id, message.clone(), Stage::Open);
                if let Some(entry) = self.entry(*id) {
                    entry.origin = Some(Box::new(origin.clone()));
                }
            }
            Frame::Said { id, reply } => {
                let stage = Stage::Answered { replies: vec![reply.clone()], delivered: 0 };
                self.open(*id, Inbound::default(), stage);
            }
            Frame::Skipped { channel, event } | Frame::Offset { channel, event } => {
                self.note_offset(channel, *event);
            }
            Frame::Step { id, session, offset, started, .. } => {
                if let Some(entry) = self.entry(*id) {
                    if entry.progress.is_none() {
                        entry.progress = Some((session.clone(), *offset));
                    }
                    // Calls begin when those before them have their results.
                    if !started.is_empty() {
                        entry.started = started.clone();
                    }
                }
            }
            Frame::Attempt { id, count } => {
                if let Some(entry) = self.entry(*id) {
                    entry.attempts = *count;
                }
            }
            Frame::Answered { id, replies } => {
                if let Some(entry) = self.entry(*id) {
                    entry.started = Vec::new();
                    entry.stage = Stage::Answered { replies: replies.clone(), delivered: 0 };
                }
            }
            Frame::Delivered { id, count } => {
                if let Some(OpenMessage { stage: Stage::Answered { delivered, .. }, .. }) =
                    self.entry(*id)
                {
                    *delivered = *count;
                }
            }
            Frame::Finished { id } => self.entries.retain(|e| e.id != *id),
            Frame::Compacted { next_id } => self.next_id = self.next_id.max(*next_id),
        }
    }

    /// [`Ledger::apply`] for a frame behind damaged ones. What was lost with those may not have been confirmed, so no
    /// channel's offset passes it: the channel's server sends again what it still has, and [`Ledger::knows`] what is open.
    pub fn apply_after_damage(&mut self, frame: &Frame) {
        match frame {
            Frame::Received { id, message } => self.open(*id, message.clone(), Stage::Open),
            // Counters of our own have names in parentheses.
            Frame::Skipped { channel, .. } | Frame::Offset { channel, .. }
                if !channel.starts_with('(') || channel.starts_with("(spill") => {}
            _ => self.apply(frame),
        }
    }

    /// Lets the turns begin again whose first line is no longer where it was recorded: another turn's lines may be there now,
    /// and would be taken for its own. One that has made calls which must not be repeated gets no further attempt instead.
    /// Returns those whose record is gone, and where it began.
    pub fn restart_turns(
        &mut self,
        mut first_line: impl FnMut(&str, u64) -> FirstLine,
    ) -> Vec<(u64, String, u64)> {
        let mut gone = Vec::new();
        for entry in self.entries.iter_mut().filter(|e| e.stage == Stage::Open) {
            let Some((session, offset)) = entry.progress.take() else { continue };
            match first_line(&session, offset) {
                FirstLine::Unwritten if entry.started.is_empty() => {}
                // A call without lines of its own, as a job's command.
                FirstLine::InPlace | FirstLine::Unwritten => {
                    entry.progress = Some((session, offset));
                }
                FirstLine::Gone => {
                    // What has run must not run twice: its owner is told, and the message is set aside.
                    if !entry.started.is_empty() {
                        entry.attempts = ATTEMPTS;
                    }
                    gone.push((entry.id, session, offset));
                }
            }
        }
        gone
    }

    /// Adds what was said to a turn while it ran to the message that it begins again with. Words that would make the message
    /// longer than [`RESTARTED_BYTES`] are left out; false then.
    pub fn add_words(&mut self, id: u64, words: &Message) -> bool {
        let Some(entry) = self.entry(id) else { return true };
        let message = &mut entry.message;
        if message.text.len() + 2 + words.content.len() > RESTARTED_BYTES {
            return false;
        }
        message.text.push_str("\n\n");
        message.text.push_str(&words.content);
        message.untrusted |= words.untrusted;
        true
    }

    fn open(&mut self, id: u64, message: Inbound, stage: Stage) {
        self.next_id = self.next_id.max(id);
        if self.entry(id).is_none() {
            self.entries.push_back(OpenMessage {
                id,
                message,
                stage,
                attempts: 0,
                progress: None,
                started: Vec::new(),
                origin: None,
            });
        }
    }

    /// The frames from which [`Ledger::apply`] makes this ledger again.
    pub fn snapshot(&self, mut each: impl FnMut(&Frame)) {
        for (channel, event) in &self.offsets {
            each(&Frame::Offset { channel: channel.clone(), event: *event });
        }
        for entry in &self.entries {
            let id = entry.id;
            match &entry.stage {
                // A reply of its own has no message behind it; delivery is all or nothing there.
                Stage::Answered { replies, .. } if entry.message == Inbound::default() => {
                    for reply in replies {
                        each(&Frame::Said { id, reply: reply.clone() });
                    }
                    continue;
                }
                _ => {
                    let message = entry.message.clone();
                    each(&match &entry.origin {
                        None => Frame::Received { id, message },
                        Some(o) => Frame::Delegated { id, message, origin: (**o).clone(), ends: 0 },
                    });
                }
            }
            if entry.attempts > 0 {
                each(&Frame::Attempt { id, count: entry.attempts });
            }
            if let Some((session, offset)) = &entry.progress {
                each(&Frame::Step {
                    id,
                    session: session.clone(),
                    offset: *offset,
                    lines: Vec::new(),
                    started: entry.started.clone(),
                });
            }
            if let Stage::Answered { replies, delivered } = &entry.stage {
                each(&Frame::Answered { id, replies: replies.clone() });
                if *delivered > 0 {
                    each(&Frame::Delivered { id, count: *delivered });
                }
            }
        }
        each(&Frame::Compacted { next_id: self.next_id });
    }
}

#[cfg(test)]
#[path = "ledger_tests.rs"]
mod tests;
