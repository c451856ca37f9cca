//! What the journal means: which messages are open, and how far each one is. No I/O.
//!
//! The same [`Ledger::apply`] serves the running daemon and recovery, so the two cannot disagree.

use std::collections::VecDeque;

use super::frame::Frame;
use crate::bus::{Inbound, Outbound, SUBAGENT, SubagentOrigin};
use crate::limits::SUBAGENT_TASK_BYTES;

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

/// What the model is told with a message whose turn begins again without the lines of its first attempt.
const RECORD_GONE: &str = "\n\n[A restart cut off an earlier attempt at this message, and the record of it is gone. Some of its calls may have been \
                           made: check before you make them again.]";

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
    /// and would be taken for its own. Returns the sessions of those whose record is gone.
    pub fn restart_turns(
        &mut self,
        mut first_line: impl FnMut(&str, u64) -> FirstLine,
    ) -> Vec<String> {
        let mut gone = Vec::new();
        for entry in self.entries.iter_mut().filter(|e| e.stage == Stage::Open) {
            let Some((session, offset)) = &entry.progress else { continue };
            let found = first_line(session, *offset);
            if found == FirstLine::Gone {
                gone.push(session.clone());
                if !entry.message.text.ends_with(RECORD_GONE) {
                    entry.message.text.push_str(RECORD_GONE);
                }
            }
            if found != FirstLine::InPlace {
                entry.progress = None;
                entry.started = Vec::new();
            }
        }
        gone
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
mod tests {
    use super::*;
    use crate::bus::Address;

    fn message(event: i64) -> Inbound {
        let from = Address { channel: "telegram".into(), chat: "5".into(), ..Address::default() };
        Inbound { event, from, text: format!("m{event}"), ..Inbound::default() }
    }

    fn reply(text: &str) -> Outbound {
        Outbound { text: text.into(), ..Outbound::default() }
    }

    /// A ledger with an open, a half delivered and a finished message and a notice.
    fn busy() -> Ledger {
        let mut ledger = Ledger::default();
        for frame in [
            Frame::Received { id: 1, message: message(10) },
            Frame::Received { id: 2, message: message(11) },
            Frame::Received { id: 3, message: message(12) },
            Frame::Skipped { channel: "telegram".into(), event: 13 },
            Frame::Attempt { id: 1, count: 2 },
            Frame::Step {
                id: 1,
                session: "s".into(),
                offset: 9,
                lines: vec![1],
                started: vec!["c".into()],
            },
            Frame::Step { id: 1, session: "s".into(), offset: 20, lines: vec![2], started: vec![] },
            Frame::Answered { id: 2, replies: vec![reply("a"), reply("b")] },
            Frame::Delivered { id: 2, count: 1 },
            Frame::Finished { id: 3 },
            Frame::Said { id: 4, reply: reply("notice") },
            Frame::Delegated {
                id: 5,
                message: message(0),
                origin: SubagentOrigin::default(),
                ends: 0,
            },
            Frame::Delegated {
                id: 6,
                message: message(0),
                origin: SubagentOrigin { depth: 2, ..SubagentOrigin::default() },
                ends: 5,
            },
        ] {
            ledger.apply(&frame);
        }
        ledger
    }

    #[test]
    fn a_turn_whose_lines_are_gone_begins_again() {
        let again = |found| {
            let mut ledger = busy();
            let gone = ledger.restart_turns(|session, offset| {
                assert_eq!((session, offset), ("s", 9));
                found
            });
            let entry = ledger.get(1).expect("open").clone();
            (gone.len(), entry.progress.is_some(), entry.started.len(), entry.message.text)
        };
        assert_eq!(again(FirstLine::InPlace), (0, true, 1, "m10".into()));
        assert_eq!(again(FirstLine::Unwritten), (0, false, 0, "m10".into()));
        assert_eq!(again(FirstLine::Gone), (1, false, 0, format!("m10{RECORD_GONE}")));
        // A second restart says it once.
        let mut ledger = busy();
        for _ in 0..2 {
            ledger.restart_turns(|_, _| FirstLine::Gone);
            let step = Frame::Step {
                id: 1,
                session: "s".into(),
                offset: 9,
                lines: vec![],
                started: vec![],
            };
            ledger.apply(&step);
        }
        assert_eq!(ledger.get(1).expect("open").message.text.matches("earlier attempt").count(), 1);
    }

    #[test]
    fn a_snapshot_makes_the_same_ledger() {
        let ledger = busy();
        let mut again = Ledger::default();
        ledger.snapshot(|f| again.apply(f));
        assert_eq!(format!("{ledger:?}"), format!("{again:?}"));
        assert_eq!(again.len(), 4);
        assert_eq!(again.next_id(), 7);
        assert!(again.get(5).is_none(), "a report ends its task");
        assert_eq!(again.get(6).and_then(|e| e.origin.as_ref()).map(|o| o.depth), Some(2));
        assert_eq!(again.get(1).expect("open").progress, Some(("s".into(), 9)));
        assert_eq!(again.get(1).expect("open").started, ["c"]);
    }

    #[test]
    fn started_calls_are_removed_by_their_results() {
        let mut ledger = Ledger::default();
        ledger.apply(&Frame::Received { id: 1, message: message(10) });
        let step = |started: &[&str]| Frame::Step {
            id: 1,
            session: "s".into(),
            offset: 0,
            lines: vec![1],
            started: started.iter().map(|s| s.to_string()).collect(),
        };
        for round in 0..1000 {
            ledger.apply(&step(&[&format!("a{round}"), &format!("b{round}")]));
            ledger.apply(&step(&[]));
        }
        assert_eq!(ledger.get(1).expect("open").started, ["a999", "b999"]);
        ledger.apply(&Frame::Answered { id: 1, replies: vec![reply("a")] });
        assert!(ledger.get(1).expect("open").started.is_empty());
    }

    #[test]
    fn events_are_taken_once_but_a_new_series_is_not_lost() {
        let ledger = busy();
        assert_eq!(ledger.offset("telegram"), 13);
        assert!(ledger.knows("telegram", 13));
        assert!(ledger.knows("telegram", 1));
        assert!(!ledger.knows("telegram", 14));
        assert!(!ledger.knows("other", 13));
        let mut late = Ledger::default();
        late.apply(&Frame::Offset { channel: "telegram".into(), event: 900_000_000 });
        assert!(!late.knows("telegram", 5));
        late.apply(&Frame::Received { id: 1, message: message(5) });
        assert_eq!(late.offset("telegram"), 5);
    }

    #[test]
    fn facts_about_unknown_messages_change_nothing() {
        let mut ledger = busy();
        let before = format!("{ledger:?}");
        ledger.apply(&Frame::Answered { id: 99, replies: vec![] });
        ledger.apply(&Frame::Delivered { id: 1, count: 1 });
        ledger.apply(&Frame::Finished { id: 99 });
        assert_eq!(format!("{ledger:?}"), before);
    }
}
