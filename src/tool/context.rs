//! The environment of a call: what a tool may use of the rest of the program.

use std::path::PathBuf;
use std::pin::Pin;
use std::rc::Rc;
use std::sync::Arc;

use super::cron_handle::CronHandle;
use super::subagent_handle::SubagentHandle;
use super::trust::Trust;
use crate::Result;
use crate::bus::{Address, Outbound, Sender, Upload};
use crate::config::Config;
use crate::net::http::HttpClient;

/// The environment of a call.
#[derive(Clone)]
pub struct ToolContext {
    /// The configuration in force.
    pub config: Rc<Config>,
    /// For the web tools.
    pub http: HttpClient,
    /// The chat the turn belongs to.
    pub chat: Address,
    /// Who started the turn.
    pub sender: Sender,
    /// Takes the message tool's messages; `None` if nothing can be sent.
    pub send_message: Option<MessageSender>,
    /// Sends files; `None` if none can be sent.
    pub files: Option<FileSender>,
    /// Values that never appear in a result.
    pub secrets: fn() -> Arc<[String]>,
    /// Folders outside the workspace that may be read (skills).
    pub readable_roots: Rc<[PathBuf]>,
    /// How far the turn is trusted.
    pub trust: Trust,
    /// Access to the cron jobs; `None` if there are none.
    pub cron: Option<CronHandle>,
    /// Runs sub-agents; `None` if there are none, as in a sub-agent.
    pub subagents: Option<SubagentHandle>,
}

/// Sends a file to a chat, now; the error says why it did not arrive, or that this is unknown.
pub type FileSender =
    Rc<dyn Fn(Address, Upload) -> Pin<Box<dyn Future<Output = Result<(), String>>>>>;

/// Queues a message for delivery; the error says why it is not.
pub type MessageSender = Rc<dyn Fn(Outbound) -> Result<()>>;
