//! What the tools for sub-agents ask of the program, and its replies.

use std::cell::RefCell;
use std::pin::Pin;
use std::rc::Rc;

use smol::channel::Sender;

/// A request about sub-agents.
#[derive(Clone, Debug, PartialEq)]
pub enum SubagentRequest {
    /// Start one for this conversation.
    Start {
        /// What it is to do.
        task: String,
        /// A label for people.
        label: String,
        /// Whether the call waits for its end.
        wait: bool,
        /// Whether untrusted text may have led to the task.
        untrusted: bool,
    },
    /// List all, or the one with this id.
    Status(String),
    /// End the one with this id.
    Cancel(String),
}

/// The result of a sub-agent whose call waited.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct SubagentResult {
    /// Its answer, or why there is none.
    pub text: String,
    /// Whether it ended without an answer.
    pub failed: bool,
    /// Number of model calls.
    pub rounds: u32,
}

/// What a request came to.
#[derive(Debug)]
pub enum SubagentReply {
    /// A sentence for the model.
    Said(String),
    /// The result that the call waited for.
    Ended(SubagentResult),
}

/// A journal entry that ends when its result is recorded, or when this is dropped without that.
#[derive(Debug)]
pub struct UnrecordedResult {
    /// Number of the journal's entry ([`crate::store::ledger::OpenMessage::id`]).
    pub id: u64,
    /// Dropped after the result is recorded, which wakes the waiting task.
    pub held: Sender<()>,
}

/// Results that were returned to the turn and are not recorded yet.
pub type UnrecordedResults = Rc<RefCell<Vec<UnrecordedResult>>>;

/// A request's reply; the error is for the model.
type ReplyFuture = Pin<Box<dyn Future<Output = Result<SubagentReply, String>>>>;

/// Carries requests of one turn out.
#[derive(Clone)]
pub struct SubagentHandle {
    /// Carries out one request; resolves when the reply is known.
    pub request: Rc<dyn Fn(SubagentRequest) -> ReplyFuture>,
    /// Results that this turn has seen and the journal has not.
    pub unrecorded: UnrecordedResults,
}
