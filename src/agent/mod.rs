//! The agent: from a message to an answer. Channels, the command line and later callers share it.
//!
//! - [`turn`]: one message, start to end, [`progress`] what it has come to so far; [`round`]: the tool calls of one model answer;
//!   [`history`]: what of a session goes to the model; [`summary`]: what becomes of the rest; [`fold`]: daily notes
//!   into MEMORY.md; `aside`: questions beside it; [`prompt`]: the system prompt.

mod aside;
mod ask;
mod consolidate;
pub mod fold;
pub mod history;
mod progress;
pub mod prompt;
pub mod round;
pub mod summary;
pub mod turn;

pub use turn::{Agent, Answer, Steering, Turn, Words};
