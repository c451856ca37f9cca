//! PicoClaw: an AI assistant that lives on a small board, in one megabyte.
//!
//! # Layout
//! Arrows point down only; `tests/it/tidy/layers.rs` checks it.
//!
//! - [`command`]: one file per subcommand; [`app`]: wires a gateway together.
//! - [`agent`]: a turn: prompt, history, model and tool rounds, reply.
//! - [`channel`]: where messages come from and go to, one folder per kind.
//! - [`provider`]: model servers; [`tool`]: what the model may call; [`skill`]: SKILL.md folders.
//! - `hook`: processes of the owner that judge calls and requests.
//! - [`sched`]: cron jobs: what is due when.
//! - [`bus`]: the types between channels and the agent.
//! - [`store`]: journal, sessions, memory, state: everything on disk; [`net`]: HTTP, TLS, proxies, names.
//! - [`supervise`]: the small root process that starts the daemon on a board; [`import`]: what a person left on the
//!   boot partition.
//! - [`proto`]: parsers without I/O, each with a fuzz target; [`sys`]: the kernel, the only `unsafe`.
//! - [`environment`], [`config`], [`limits`], [`message`], [`error`], [`log`]: what everybody uses.

#![deny(unsafe_code)]

/// As std's, which panics when nobody reads any more: `picoclaw config keys | head -1` ends quietly.
#[macro_export]
macro_rules! print {
    ($($text:tt)*) => { $crate::sys::terminal::print(format_args!($($text)*)) };
}

/// See [`print!`].
#[macro_export]
macro_rules! println {
    () => { $crate::print!("\n") };
    ($($text:tt)*) => { $crate::print!("{}\n", format_args!($($text)*)) };
}

/// As std's, which panics when nobody reads any more; a command's work is worth more than its remarks.
#[macro_export]
macro_rules! eprint {
    ($($text:tt)*) => { $crate::sys::terminal::print_error(format_args!($($text)*)) };
}

/// See [`eprint!`].
#[macro_export]
macro_rules! eprintln {
    () => { $crate::eprint!("\n") };
    ($($text:tt)*) => { $crate::eprint!("{}\n", format_args!($($text)*)) };
}

pub mod agent;
pub mod app;
pub mod args;
pub mod bus;
pub mod channel;
pub mod command;
pub mod config;
pub mod environment;
pub mod error;
pub mod exit_code;
#[cfg(feature = "hooks")]
pub mod hook;
pub mod import;
pub mod limits;
pub mod log;
pub mod message;
pub mod net;
pub mod proto;
pub mod provider;
mod registry;
pub mod sched;
pub mod skill;
pub mod store;
pub mod supervise;
#[allow(unsafe_code)]
pub mod sys;
pub mod tool;
pub mod version;

pub use error::{Error, Result};
