//! `picoclaw supervise`: the one root process. Starts the daemon as its user within limits, starts it again when it
//! ends, keeps the time, feeds the watchdog, and tells what is in force.
//!
//! One thread, one `poll`, no runtime: its memory counts against the megabyte. It never reads the daemon's
//! configuration, never speaks on the network itself, and parses nothing of the daemon's but the short messages of
//! [`notify`].
//!
//! - [`run`]: the loop; `duties`: what is due; [`daemon`]: one life of the daemon.
//! - [`settings`], [`user`]: what we were told; [`cgroup`], [`report`]: limits and what became of them.
//! - [`tools`]: commands as a user of their own, where the kernel cannot hold them otherwise.
//! - [`respawn`], [`watchdog`], [`clock`]: rules without I/O; [`time`] and [`ask_time`]: the child that asks time servers.
//! - [`journal`], [`crash`]: log lines and last words.

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

use std::fs;
use std::path::PathBuf;

use self::settings::Settings;
use crate::sys::service::{Identity, effective_uid};
use crate::{Error, Result};

/// What may be read about a running supervisor: `PICOCLAW_RUN`, or `/run/picoclaw`.
pub fn run_folder() -> PathBuf {
    let run = std::env::var_os("PICOCLAW_RUN").filter(|r| !r.is_empty());
    run.map_or_else(|| "/run/picoclaw".into(), PathBuf::from)
}

/// Who the daemon becomes; None where we are not root and it stays who we are.
pub fn identity_of(settings: &Settings) -> Result<Option<Identity>> {
    if effective_uid() != 0 {
        return Ok(None);
    }
    let (passwd, group) = accounts();
    let found = user::identity(&passwd, &group, &settings.user);
    match found {
        Some(identity) if identity.uid == 0 => {
            Err(Error::new("PICOCLAW_USER is root: name another user"))
        }
        Some(identity) => Ok(Some(identity)),
        None => Err(Error::new(format!(
            "no user {} in /etc/passwd: add it, or set PICOCLAW_USER",
            settings.user
        ))),
    }
}

/// `/etc/passwd` and `/etc/group`.
fn accounts() -> (String, String) {
    let read = |path: &str| fs::read_to_string(path).unwrap_or_default();
    (read("/etc/passwd"), read("/etc/group"))
}
