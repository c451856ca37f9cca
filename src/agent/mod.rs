//! The agent: from a message to an answer. Channels, the command line and later callers share it.
//!
//! - `types`: what all files share; [`turn`]: one message, start to end, [`turn_state`]: what it has come to so far; [`round`]: the tool calls of one model answer;
//!   [`history`]: what of a session may go to the model, `read_back`: how it is found, `stored_messages`: what there is room for; [`summary`]: what becomes of the rest, `transcript`: as which text; [`consolidation`]: daily notes
//!   into MEMORY.md; `side_question`: questions beside it; `hooked`: what hooks make of all that; [`prompt`]: the system prompt.

mod ask;
pub mod consolidation;
pub mod history;
#[cfg(feature = "hooks")]
mod hooked;
#[cfg(feature = "hooks")]
mod hooked_requests;
pub mod prompt;
mod read_back;
pub mod round;
mod side_question;
mod stored_messages;
pub mod summary;
mod tools;
mod transcript;
pub mod turn;
mod turn_calls;
mod turn_state;
mod types;

pub use types::{Agent, Answer, Steering, SteeringFuture, Turn, UserContent};
