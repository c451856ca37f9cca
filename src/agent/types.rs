//! What the files of this folder share: the agent, a message that it is to answer, and what comes of it.

use std::cell::RefCell;
use std::pin::Pin;
use std::rc::Rc;
use std::sync::{Arc, Mutex};

use super::prompt::Prompt;
use crate::bus::{Inbound, Outbound};
use crate::config::Config;
use crate::error::Result;
use crate::limits::REPLY_BYTES;
use crate::net::http::HttpClient;
use crate::proto::text::floor_char;
use crate::provider::{Failure, Models};
use crate::store::session::Sessions;
use crate::store::writer::Journal;
use crate::tool::subagent_handle::SubagentHandle;
use crate::tool::{self, Asker, FileSender};

/// What all turns share.
pub struct Agent {
    /// The configuration in force.
    pub config: Rc<Config>,
    /// Model servers.
    pub models: Models,
    /// For the web tools.
    pub http: HttpClient,
    /// Where steps are recorded.
    pub journal: Rc<Journal>,
    /// Where sessions are read from.
    pub sessions: Sessions,
    /// The system prompt. On the loop it is not waited for: a thread holds it while the disk is read.
    pub prompt: Arc<Mutex<Prompt>>,
    /// Keeps the cron jobs; set by whoever runs the agent.
    pub cron: RefCell<Option<tool::cron_handle::CronHandle>>,
    /// Skill folders the file tools may read.
    pub readable_roots: Rc<[std::path::PathBuf]>,
    /// Processes of the owner that see and judge what happens.
    #[cfg(feature = "hooks")]
    pub hooks: crate::hook::Hooks,
}

/// One message to be answered.
pub struct Turn<'a> {
    /// Sends files to chats; `None` where none can be sent.
    pub files: Option<FileSender>,
    /// Paths of pictures that came with the message.
    pub pictures: &'a [String],
    /// The journal's number, 0 for a turn that is not journalled (command line).
    pub id: u64,
    /// Session key.
    pub session: &'a str,
    /// The message.
    pub message: &'a Inbound,
    /// Where the turn's lines began, when a restart cut it short.
    pub resumed: Option<u64>,
    /// Calls begun before the restart that must not be repeated.
    pub started: &'a [String],
    /// Sends a message to a chat at once (the message tool, what tools show the user).
    pub send_message: Rc<dyn Fn(Outbound) -> Result<()>>,
    /// How the sender is asked for approval; `None` where nobody can be.
    pub ask: Option<Asker>,
    /// No message started it (heartbeat, cron, consolidation): tools that act on the machine have to be granted.
    pub unattended: bool,
    /// Streamed text as it comes; used by the command line.
    pub on_text: Option<&'a dyn Fn(&str)>,
    /// Runs its sub-agents; `None` where it may have none.
    pub subagents: Option<SubagentHandle>,
    /// Tokens it may use, 0 for no limit.
    pub budget: u32,
    /// Text of others may be behind the message.
    pub untrusted: bool,
    /// Where messages for the running turn come from; `None` where they wait.
    pub steering: Option<Steering>,
}

impl<'a> Turn<'a> {
    /// A turn of a message alone: not journalled, without files, sub-agents and steering, and nobody who could be asked.
    pub fn plain(
        session: &'a str,
        message: &'a Inbound,
        send_message: Rc<dyn Fn(Outbound) -> Result<()>>,
    ) -> Turn<'a> {
        Turn {
            files: None,
            pictures: &[],
            id: 0,
            session,
            message,
            resumed: None,
            started: &[],
            send_message,
            ask: None,
            unattended: false,
            on_text: None,
            subagents: None,
            budget: 0,
            untrusted: false,
            steering: None,
        }
    }

    /// What hooks are told of it after this many rounds.
    #[cfg(feature = "hooks")]
    pub(super) fn scope(&self, round: u32) -> crate::hook::TurnScope<'_> {
        let message = self.message;
        crate::hook::TurnScope {
            turn: self.id,
            session: self.session,
            round,
            chat: &message.from,
            sender: &message.sender,
        }
    }
}

/// Messages that arrive while a turn runs.
#[derive(Clone)]
pub struct Steering {
    /// Is there one?
    pub waits: Rc<dyn Fn() -> bool>,
    /// The next ones, each with its number in the journal; they are this turn's from then on.
    pub claim: Rc<dyn Fn() -> SteeringFuture>,
}

/// What [`Steering::claim`] gives, awaited.
pub type SteeringFuture = Pin<Box<dyn Future<Output = Vec<(u64, UserContent)>>>>;

/// A message as the model gets it.
#[derive(Clone, Debug, Default)]
pub struct UserContent {
    /// Its text, with marks for its files.
    pub text: String,
    /// Paths of its pictures.
    pub pictures: Vec<String>,
    /// Text of others is in it or in its files.
    pub untrusted: bool,
}

/// What a turn came to.
#[derive(Debug, Clone, Default, PartialEq)]
pub struct Answer {
    /// Markdown for the chat; empty when the message tool has said it already.
    pub text: String,
    /// The model gave no answer; `text` says why.
    pub failed: bool,
    /// The conversation has become long; see `summary`.
    pub summarise: bool,
    /// Text of others may be behind it.
    pub untrusted: bool,
    /// Model calls made.
    pub rounds: u32,
}

/// What a chat is told when no model gave an answer.
pub(super) fn failure_text(failure: &Failure) -> String {
    let retries = if failure.class.is_retried() { " after retries" } else { "" };
    format!("Error processing message: LLM call failed{retries}: {}", failure.message)
}

/// Shortens an answer to [`REPLY_BYTES`] at a character, and says so.
pub(super) fn cut(text: &mut String) {
    if text.len() > REPLY_BYTES {
        text.truncate(floor_char(text, REPLY_BYTES));
        text.push_str("\n\n(The answer is cut here: it was longer than 40 kB.)");
    }
}
