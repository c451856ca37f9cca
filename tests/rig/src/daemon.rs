//! The running gateway: started, looked at through /proc, stopped; never left behind.

use std::fs::{self, OpenOptions};
use std::process::{Child, ExitStatus};
use std::time::{Duration, Instant};

use picoclaw_peer::Peer;
use rustix::process::{Pid, Signal, kill_process};

use crate::Result;
use crate::home::Home;

/// From the start to the first poll, at the latest.
const START_LIMIT: Duration = Duration::from_secs(20);
/// Running turns get 10 s after SIGTERM, and then some.
const STOP_LIMIT: Duration = Duration::from_secs(15);

/// A running gateway; killed when dropped.
pub struct Daemon {
    child: Child,
    pid_file: std::path::PathBuf,
    log: std::path::PathBuf,
    /// From the start of the process to its first getUpdates.
    pub ready_after: Duration,
}

/// What the kernel says (proc(5)), kB where nothing else is said.
#[derive(Clone, Copy, Debug, Default)]
pub struct Usage {
    pub vm_rss: u64,
    pub rss_anon: u64,
    /// Highest VmRSS so far.
    pub peak: u64,
    pub threads: u64,
    /// Open descriptors.
    pub files: u64,
}

impl Daemon {
    /// Starts it and waits for its first getUpdates at the peer.
    pub fn start(home: &Home, peer: &Peer) -> Result<Daemon> {
        let polls = peer.calls("tg.getUpdates");
        let begun = Instant::now();
        let mut daemon = Daemon::spawn(home)?;
        // Looked for without a pause: the start is measured in milliseconds.
        while peer.calls("tg.getUpdates") == polls {
            if begun.elapsed() > START_LIMIT || !daemon.runs() {
                return Err(format!("the daemon does not poll; its log:\n{}", daemon.log()));
            }
            std::thread::sleep(Duration::from_micros(100));
        }
        daemon.ready_after = begun.elapsed();
        Ok(daemon)
    }

    /// Starts it and waits for nothing.
    pub fn spawn(home: &Home) -> Result<Daemon> {
        let log = home.log();
        let failed = |e: std::io::Error| format!("{}: {e}", home.binary().display());
        let file = OpenOptions::new().create(true).append(true).open(&log).map_err(failed)?;
        let mut command = home.command(&["gateway"]);
        command.stdout(file.try_clone().map_err(failed)?).stderr(file);
        let child = command.spawn().map_err(failed)?;
        let pid_file = home.pid_file();
        fs::write(&pid_file, child.id().to_string()).map_err(failed)?;
        Ok(Daemon { child, pid_file, log, ready_after: Duration::ZERO })
    }

    /// Everything it printed.
    pub fn log(&self) -> String {
        String::from_utf8_lossy(&fs::read(&self.log).unwrap_or_default()).into_owned()
    }

    /// It has not ended.
    pub fn runs(&mut self) -> bool {
        matches!(self.child.try_wait(), Ok(None))
    }

    pub fn pid(&self) -> u32 {
        self.child.id()
    }

    /// Memory and what else it holds now.
    pub fn usage(&self) -> Result<Usage> {
        let proc = format!("/proc/{}", self.pid());
        let status =
            fs::read_to_string(format!("{proc}/status")).map_err(|e| format!("{proc}: {e}"))?;
        let number = |name: &str| {
            let line = status.lines().find_map(|l| l.strip_prefix(name)?.strip_prefix(':'));
            line.and_then(|l| l.split_whitespace().next()?.parse().ok()).unwrap_or(0)
        };
        Ok(Usage {
            vm_rss: number("VmRSS"),
            rss_anon: number("RssAnon"),
            peak: number("VmHWM"),
            threads: number("Threads"),
            files: fs::read_dir(format!("{proc}/fd")).map_or(0, |d| d.count() as u64),
        })
    }

    /// `kill -9`, and gone when this returns.
    pub fn kill9(mut self) -> Result<()> {
        self.child.kill().and_then(|()| self.child.wait()).map_err(|e| e.to_string())?;
        Ok(())
    }

    /// SIGTERM, and how it ended.
    pub fn stop(mut self) -> Result<ExitStatus> {
        kill_process(Pid::from_child(&self.child), Signal::TERM)
            .map_err(|e| format!("kill: {e}"))?;
        let begun = Instant::now();
        while begun.elapsed() < STOP_LIMIT {
            if let Ok(Some(status)) = self.child.try_wait() {
                return Ok(status);
            }
            std::thread::sleep(Duration::from_millis(5));
        }
        Err(format!("the daemon did not stop within {} s", STOP_LIMIT.as_secs()))
    }
}

impl Drop for Daemon {
    fn drop(&mut self) {
        // It may have ended already.
        let _ = self.child.kill();
        let _ = self.child.wait();
        let _ = fs::remove_file(&self.pid_file);
    }
}
