//! `picoclaw supervise`: the one root process. Starts the daemon as its user within limits, starts it again when it
//! ends, keeps the time, feeds the watchdog, and tells what is in force.
//!
//! One thread, one `poll`, no runtime: its memory counts against the megabyte. It never reads the daemon's
//! configuration, never speaks on the network itself, and parses nothing of the daemon's but the short messages of
//! [`notify`].
//!
//! - [`mod@run`]: the loop; `duties`: what is due; [`daemon`]: one life of the daemon.
//! - [`settings`], [`user`]: what we were told; [`cgroup`], [`report`]: limits and what became of them.
//! - [`tools`]: commands as a user of their own, where the kernel cannot hold them otherwise.
//! - [`respawn`], [`watchdog`], [`clock`]: rules without I/O; [`time`] and [`ask_time`]: the child that asks time servers.
//! - [`log_sink`], [`crash`]: log lines and last words.

pub mod ask_time;
pub mod cgroup;
pub mod clock;
pub mod crash;
pub mod daemon;
mod duties;
pub mod log_sink;
pub mod notify;
pub mod report;
pub mod respawn;
pub mod run;
pub mod settings;
pub mod time;
pub mod tools;
pub mod user;
pub mod watchdog;

pub use run::run;
pub use user::identity_of;

use std::path::PathBuf;

use crate::environment;

/// What may be read about a running supervisor: `PICOCLAW_RUN`, or `/run/picoclaw`.
pub fn run_folder() -> PathBuf {
    let run = std::env::var_os(environment::RUN).filter(|r| !r.is_empty());
    run.map_or_else(|| "/run/picoclaw".into(), PathBuf::from)
}
