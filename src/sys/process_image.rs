//! This program, started again in its own place.

use std::os::unix::process::CommandExt;

/// Replaces the process by a fresh image of the same program with the same arguments; returns only on failure.
pub fn restart() -> crate::Error {
    for name in ["PICOCLAW_NOTIFY_FD", "PICOCLAW_TOOL_FD"] {
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
    let e = command.args(args).exec();
    crate::Error::new(format!("cannot start again: {e}"))
}
