//! What turns need of whoever hands work to sub-agents. Turns do not know it; it knows turns.

use std::pin::Pin;
use std::rc::Rc;

use super::claimed::Claimed;
use crate::agent::Answer;
use crate::tool::MessageSender;
use crate::tool::subagent_handle::SubagentHandle;

/// How a sub-agent's turn ended.
pub enum SubagentEnd {
    /// With a result, or the reason why there is none.
    Answer(Answer),
    /// It was stopped: nothing more comes from it.
    Cancelled,
}

/// Starts, lists and ends sub-agents on behalf of a turn.
pub trait Delegation {
    /// What the tools of a turn start sub-agents with; `None` where it may have none.
    fn handle(self: Rc<Self>, claimed: &Claimed) -> Option<SubagentHandle>;
    /// What the message tool of a sub-agent sends with, in the place of `send`.
    fn message_sender(self: Rc<Self>, claimed: &Claimed, send: MessageSender) -> MessageSender;
    /// Brings a sub-agent's end where it belongs and ends its entry in the journal.
    fn turn_ended(
        self: Rc<Self>,
        claimed: Claimed,
        end: SubagentEnd,
    ) -> Pin<Box<dyn Future<Output = ()>>>;
    /// Stops the sub-agents of a session; true when there was any.
    fn cancel(&self, session: &str) -> bool;
}
