//! A message that a turn was begun for, and the session it belongs to. Pure.

use crate::app::session_key::session_key;
use crate::bus::{CLI, Inbound, SUBAGENT, Sender, SubagentOrigin};
use crate::channel::command::ChatCommand;
use crate::config::SessionConfig;
use crate::store::ledger::OpenMessage;

/// Prefix of the sessions of side questions, one for each.
pub const SIDE_QUESTION: &str = "btw-";

/// What a turn needs to know of its message, copied from the journal when the turn begins.
pub struct Claimed {
    /// Number in the journal.
    pub id: u64,
    /// Session key of the conversation that the turn continues.
    pub session: String,
    /// The message as it was accepted, attachments not fetched yet.
    pub message: Inbound,
    /// Where a sub-agent's task or report comes from.
    pub origin: Option<Box<SubagentOrigin>>,
    /// Offset in the session file where the turn's lines begin, when a restart cut it short.
    pub resumed: Option<u64>,
    /// Calls begun before the restart that must not be repeated.
    pub started: Vec<String>,
    /// Tries that ended in a crash or were cut off; see [`super::attempts`].
    pub attempts: u32,
}

impl Claimed {
    /// Copies what the journal has of `entry`.
    pub fn new(entry: OpenMessage, session: String) -> Claimed {
        Claimed {
            id: entry.id,
            session,
            attempts: entry.attempts,
            resumed: entry.progress.map(|(_, offset)| offset),
            started: entry.started,
            origin: entry.origin,
            message: entry.message,
        }
    }

    /// No person started it, neither directly nor through a sub-agent.
    pub fn is_unattended(&self) -> bool {
        self.origin.as_ref().map_or(crate::channel::is_unattended(&self.message), |o| o.unattended)
    }

    /// Text of others is in the message, or may be behind it.
    pub fn is_untrusted(&self) -> bool {
        self.message.untrusted || self.origin.as_ref().is_some_and(|o| o.untrusted)
    }

    /// It is a sub-agent's task.
    pub fn is_subagent(&self) -> bool {
        self.message.sender.platform == SUBAGENT
    }
}

/// The session that an entry belongs to.
pub fn session_of(config: &SessionConfig, entry: &OpenMessage) -> String {
    match &entry.origin {
        Some(origin) if entry.is_subagent() => origin.own.clone(),
        Some(origin) => origin.parent.clone(),
        None if is_side_question(entry) => format!("{SIDE_QUESTION}{}", entry.id),
        None => session_key(config, &entry.message),
    }
}

/// A person's `/btw` with a question.
pub fn is_side_question(entry: &OpenMessage) -> bool {
    let command = crate::channel::command_of(&entry.message);
    matches!(command, Some(ChatCommand::Btw(_))) && !entry.message.is_internal()
}

/// Whether a `/stop` in `session` is about an entry: a side question has a session of its own, but belongs to its chat.
pub fn is_stopped_with(config: &SessionConfig, entry: &OpenMessage, session: &str) -> bool {
    session_of(config, entry) == session
        || is_side_question(entry) && session_key(config, &entry.message) == session
}

/// May a message become part of a turn of `sender`? Only who started a turn steers it: calls are approved in that name.
pub fn may_steer(entry: &OpenMessage, sender: &Sender) -> bool {
    let message = &entry.message;
    let same = message.sender.platform == sender.platform && message.sender.id == sender.id;
    let untouched = entry.attempts == 0 && entry.progress.is_none();
    // Each command line waits for an answer of its own.
    same && message.from.channel != CLI
        && untouched
        && !message.is_internal()
        && crate::channel::command_of(message).is_none()
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::store::frame::Frame;
    use crate::store::ledger::Ledger;

    fn entry(user: &str, text: &str) -> OpenMessage {
        let sender = Sender { platform: "t".into(), id: user.into(), ..Sender::default() };
        let message = Inbound { sender, text: text.into(), ..Inbound::default() };
        let mut ledger = Ledger::default();
        ledger.apply(&Frame::Received { id: 1, message });
        ledger.get(1).cloned().expect("an entry")
    }

    #[test]
    fn only_words_of_who_began_a_turn_steer_it() {
        let owner = Sender { platform: "t".into(), id: "5".into(), ..Sender::default() };
        assert!(may_steer(&entry("5", "rather this"), &owner));
        assert!(may_steer(&entry("5", "/usr/bin is full"), &owner));
        assert!(!may_steer(&entry("6", "rather this"), &owner), "approvals are asked of another");
        assert!(!may_steer(&entry("5", "/clear"), &owner));
        assert!(!may_steer(&entry("5", "/btw why?"), &owner));
        let mut forwarded = entry("5", "/clear");
        forwarded.message.untrusted = true;
        assert!(may_steer(&forwarded, &owner), "a forwarded command is text");
        let mut tried = entry("5", "rather this");
        tried.attempts = 1;
        assert!(!may_steer(&tried, &owner), "it has a turn of its own, begun before a restart");
    }

    #[test]
    fn side_questions_are_known() {
        assert!(is_side_question(&entry("5", " /btw why?")));
        assert!(!is_side_question(&entry("5", "/btw")), "answered with its usage");
        assert!(!is_side_question(&entry("5", "btw, why?")));
        let mut forwarded = entry("5", "/btw why?");
        forwarded.message.untrusted = true;
        assert!(!is_side_question(&forwarded), "of others");
    }
}
