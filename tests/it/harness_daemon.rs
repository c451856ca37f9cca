//! The daemon under test: the real binary's `gateway`, killed at the latest when dropped.

use std::fs::{self, File};
use std::os::unix::process::ExitStatusExt;
use std::path::PathBuf;
use std::process::{Child, Command, ExitStatus};
use std::sync::atomic::{AtomicU64, Ordering};
use std::time::Duration;

use picoclaw_peer::Peer;
use rustix::process::{Pid, Signal, kill_process};

use crate::harness::{Home, SOON, wait};

/// A running gateway.
pub struct Daemon {
    child: Child,
    log: PathBuf,
}

impl Daemon {
    /// Starts `gateway` and waits for its first getUpdates.
    #[track_caller]
    pub fn start(home: &Home, peer: &Peer) -> Daemon {
        let polls = peer.calls("tg.getUpdates");
        let daemon = Daemon::spawn(home);
        assert!(peer.wait_calls("tg.getUpdates", polls + 1, SOON), "no poll\n{}", daemon.log());
        daemon
    }

    /// Starts `gateway` without waiting for anything.
    #[track_caller]
    pub fn spawn(home: &Home) -> Daemon {
        Daemon::spawn_command(home, home.command(&["gateway"]))
    }

    /// Starts a command that becomes a gateway.
    #[track_caller]
    pub fn spawn_command(home: &Home, mut command: Command) -> Daemon {
        // One log for each start: the second start must not hide what the first one said.
        static NEXT: AtomicU64 = AtomicU64::new(0);
        let log = home.path(&format!("stderr-{}.log", NEXT.fetch_add(1, Ordering::Relaxed)));
        let file = File::create(&log).expect("a log");
        command.stdout(file.try_clone().expect("a handle")).stderr(file);
        Daemon { child: command.spawn().expect("the daemon starts"), log }
    }

    /// Everything it printed.
    pub fn log(&self) -> String {
        let bytes = fs::read(&self.log).unwrap_or_default();
        String::from_utf8_lossy(&bytes).into_owned()
    }

    /// Its process id.
    pub fn pid(&self) -> u32 {
        self.child.id()
    }

    /// Still there.
    pub fn runs(&mut self) -> bool {
        self.child.try_wait().expect("a child of ours").is_none()
    }

    /// Sends a signal.
    #[track_caller]
    pub fn signal(&self, signal: Signal) {
        kill_process(Pid::from_child(&self.child), signal).expect("a signal");
    }

    /// `kill -9`, and gone when this returns.
    #[track_caller]
    pub fn kill9(mut self) {
        self.signal(Signal::KILL);
        let status = self.child.wait().expect("a child of ours");
        assert_eq!(status.signal(), Some(9), "it had ended before: {status}\n{}", self.log());
    }

    /// SIGTERM, and how it ended.
    #[track_caller]
    pub fn term(mut self) -> ExitStatus {
        self.signal(Signal::TERM);
        self.wait(SOON)
    }

    /// Waits for its end.
    #[track_caller]
    pub fn wait(&mut self, limit: Duration) -> ExitStatus {
        match wait(&mut self.child, limit) {
            Some(status) => status,
            None => panic!("it still runs after {limit:?}\n{}", self.log()),
        }
    }

    /// A line of `/proc/PID/status` in kB: `VmRSS`, `RssAnon`, `VmHWM`.
    #[track_caller]
    pub fn memory_kb(&self, line: &str) -> u64 {
        let status = fs::read_to_string(format!("/proc/{}/status", self.pid())).expect("a status");
        let found = status.lines().find_map(|l| l.strip_prefix(line)?.strip_prefix(':'));
        let number = found.and_then(|l| l.split_whitespace().next()?.parse().ok());
        number.unwrap_or_else(|| panic!("no {line} in\n{status}"))
    }
}

impl Drop for Daemon {
    fn drop(&mut self) {
        // It may have ended already.
        let _ = self.child.kill();
        let _ = self.child.wait();
        if std::thread::panicking() {
            eprintln!("--- what the daemon said\n{}", self.log());
        }
    }
}
