//! What the cron tool, commands and the control socket ask of the scheduler.

use std::pin::Pin;
use std::rc::Rc;

use nanoserde::{DeBin, SerBin};

use crate::bus::Address;

/// A request to the scheduler; also sent over the control socket.
#[derive(Clone, Debug, Default, PartialEq, SerBin, DeBin)]
pub struct CronRequest {
    /// `add`, `list`, `get`, `update`, `remove`, `enable`, `disable` or `run`.
    pub action: String,
    /// Id of the job, or its name if it is unique; for all but add and list.
    pub id: String,
    /// Short name, or empty.
    pub name: String,
    /// What the job says to the chat, or the task of its turn.
    pub message: String,
    /// Once, seconds from now; 0 for none. Takes precedence over the next two.
    pub at_seconds: i64,
    /// Seconds between two firings; 0 for none.
    pub every_seconds: i64,
    /// Cron expression with five fields; empty for other schedules.
    pub cron_expr: String,
    /// Its zone, or empty for the system's.
    pub tz: String,
    /// Sent without a model; `None` if unspecified.
    pub deliver: Option<bool>,
    /// Shell command, or empty.
    pub command: String,
    /// Where output goes; empty for the chat that wrote last.
    pub to: Address,
    /// Only jobs of `to` exist for this request.
    pub scoped: bool,
    /// Whether the list is wanted as JSON.
    pub json: bool,
    /// A person has approved `command`; with `enable`, the job's existing command.
    pub approved: bool,
    /// Once, at this unix second; 0 for none. Takes precedence over `at_seconds`.
    pub at: i64,
    /// Update: removes the job's command.
    pub clear_command: bool,
    /// Text of others may be behind it: the job's turns are untrusted.
    pub untrusted: bool,
}

impl CronRequest {
    /// The fields above, in their request; see [`crate::proto::binschema`].
    pub const SHAPE: &str = "ssssqqss?bsAbbbqbb";
}

/// Carries requests out; the error is for the one who gave it.
pub type CronHandle =
    Rc<dyn Fn(CronRequest) -> Pin<Box<dyn Future<Output = Result<String, String>>>>>;
