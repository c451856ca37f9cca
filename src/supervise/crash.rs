//! `state/crash.txt`: how the daemon ended, and its last words. The newest is `crash.txt`, older ones are
//! `crash.1.txt` to `crash.4.txt`.

use std::fmt::Write as _;
use std::fs::{self, DirBuilder, File};
use std::io::{self, Read};
use std::os::unix::fs::DirBuilderExt;
use std::os::unix::process::ExitStatusExt;
use std::path::Path;
use std::process::ExitStatus;
use std::time::SystemTime;

use crate::limits::CRASH_REPORTS;
use crate::proto::elf;
use crate::sys::files::write_private;

/// Facts of one end.
#[derive(Clone, Copy, Debug)]
pub struct DaemonEnd<'a> {
    /// e.g. `signal 11 (SIGSEGV)`.
    pub how: &'a str,
    /// Seconds the daemon ran.
    pub uptime: u64,
    /// Build id, or a dash.
    pub build_id: &'a str,
    /// Unix seconds by the system's clock.
    pub unix: u64,
}

/// The report's text.
pub fn report<'a>(end: &DaemonEnd<'_>, log: impl Iterator<Item = &'a str>) -> String {
    let mut text = String::with_capacity(1024);
    let _ = write!(
        text,
        "version: {}\nbuild id: {}\nunix time: {}\nuptime: {} s\nended by: {}\nlast log lines:\n",
        env!("CARGO_PKG_VERSION"),
        end.build_id,
        end.unix,
        end.uptime,
        end.how
    );
    for line in log {
        text.push_str("  ");
        text.push_str(line);
        text.push('\n');
    }
    text
}

/// How a process ended, in words. `oom`: its cgroup ran out of memory.
pub fn describe(status: ExitStatus, oom: bool) -> String {
    let Some(signal) = status.signal() else {
        return format!("exit status {}", status.code().unwrap_or(-1));
    };
    let name = match signal {
        libc::SIGSEGV => " (SIGSEGV)",
        libc::SIGBUS => " (SIGBUS)",
        libc::SIGILL => " (SIGILL)",
        libc::SIGFPE => " (SIGFPE)",
        libc::SIGTRAP => " (SIGTRAP)",
        libc::SIGABRT => " (SIGABRT)",
        libc::SIGTERM => " (SIGTERM)",
        libc::SIGKILL if oom => " (SIGKILL, out of memory: see PICOCLAW_MEMORY_MAX)",
        libc::SIGKILL => " (SIGKILL)",
        _ => "",
    };
    format!("signal {signal}{name}")
}

/// Writes a report into `state`, as the user it belongs to.
pub fn save(state: &Path, text: &str) -> io::Result<()> {
    DirBuilder::new().recursive(true).mode(0o700).create(state)?;
    let name = |n: usize| match n {
        0 => state.join("crash.txt"),
        n => state.join(format!("crash.{n}.txt")),
    };
    let new = state.join("crash.new");
    write_private(&new, text.as_bytes())?;
    for n in (1..CRASH_REPORTS).rev() {
        match fs::rename(name(n - 1), name(n)) {
            Err(e) if e.kind() != io::ErrorKind::NotFound => return Err(e),
            _ => {}
        }
    }
    fs::rename(&new, name(0))?;
    File::open(state)?.sync_all()
}

/// Build id of the running program, or a dash.
pub fn own_build_id() -> String {
    let mut head = Vec::with_capacity(4096);
    let read = File::open("/proc/self/exe").and_then(|f| f.take(4096).read_to_end(&mut head));
    read.ok().and_then(|_| elf::build_id(&head)).unwrap_or_else(|| "-".to_owned())
}

/// Unix seconds now.
pub fn unix_now() -> u64 {
    SystemTime::now().duration_since(SystemTime::UNIX_EPOCH).map_or(0, |d| d.as_secs())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn ends() {
        assert_eq!(describe(ExitStatus::from_raw(11), false), "signal 11 (SIGSEGV)");
        assert_eq!(
            describe(ExitStatus::from_raw(9), true),
            "signal 9 (SIGKILL, out of memory: see PICOCLAW_MEMORY_MAX)"
        );
        assert_eq!(describe(ExitStatus::from_raw(3 << 8), false), "exit status 3");
    }

    #[test]
    fn five_reports_are_kept() {
        let state = std::env::temp_dir()
            .join(format!("picoclaw-crash-{}", std::process::id()))
            .join("state");
        for n in 0..8 {
            let how = format!("exit status {n}");
            let end = DaemonEnd { how: &how, uptime: n, build_id: "ab", unix: 5 };
            save(&state, &report(&end, ["one", "two"].into_iter())).expect("save");
        }
        let mut names: Vec<_> = fs::read_dir(&state)
            .expect("folder")
            .map(|e| e.expect("entry").file_name().into_string().expect("name"))
            .collect();
        names.sort_unstable();
        assert_eq!(
            names,
            ["crash.1.txt", "crash.2.txt", "crash.3.txt", "crash.4.txt", "crash.txt"]
        );
        let text = |name: &str| fs::read_to_string(state.join(name)).expect("text");
        assert!(
            text("crash.txt").contains("ended by: exit status 7\nlast log lines:\n  one\n  two\n")
        );
        assert!(text("crash.4.txt").contains("ended by: exit status 3\n"));
        fs::remove_dir_all(state.parent().expect("parent")).expect("remove");
    }
}
