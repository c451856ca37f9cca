//! This program, started again in its own place.

use std::os::unix::process::CommandExt;

use crate::environment;

/// The variable with what an image hands to the next one.
const HANDED: &str = environment::RELOADED;

/// What the image before this one handed over; `None` where this is the first one of its process.
pub fn handed() -> Option<String> {
    std::env::var(HANDED).ok()
}

/// Replaces the process by a fresh image of the same program with the same arguments, which finds `hand` in
/// [`handed`]; returns only on failure.
pub fn restart(hand: &str) -> crate::Error {
    for name in [environment::NOTIFY_FD, environment::TOOL_FD] {
        // Closed on exec so that no command gets it; the new image is to have it.
        if let Some(fd) = std::env::var(name).ok().and_then(|n| n.parse().ok()) {
            super::service::keep_socket(fd);
        }
    }
    super::signal::hold();
    let mut args = std::env::args_os();
    let name = args.next().unwrap_or_default();
    // /proc/self/exe would run a deleted file after an update; the name it was started by finds the new one.
    let mut command = std::process::Command::new(
        std::env::current_exe().ok().filter(|p| p.exists()).unwrap_or_else(|| name.into()),
    );
    let e = command.args(args).env(HANDED, hand).exec();
    crate::Error::new(format!("cannot start again: {e}"))
}
