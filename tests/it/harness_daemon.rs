//! The daemon under test: the real binary's `gateway`, killed at the latest when dropped.

use std::fs::{self, File};
use std::os::unix::process::ExitStatusExt;
use std::path::{Path, PathBuf};
use std::process::{Child, Command, ExitStatus};
use std::sync::atomic::{AtomicU64, Ordering};
use std::time::Duration;

use picoclaw::app::control::{self, GatewayReport};
use picoclaw::proto::binschema;
use picoclaw::store::journal::Files;
use picoclaw::store::ledger::{Ledger, OpenMessage, Stage};
use picoclaw_peer::{Marker, Peer};
use rustix::process::{Pid, Signal, kill_process};

use crate::harness::{Home, SOON, eventually, wait};

/// A running gateway.
pub struct Daemon {
    child: Child,
    log: PathBuf,
    home: PathBuf,
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
        let child = command.spawn().expect("the daemon starts");
        Daemon { child, log, home: home.path("") }
    }

    /// Its home is found there: it is in a mount namespace of its own.
    pub fn at(mut self, home: PathBuf) -> Daemon {
        self.home = home;
        self
    }

    /// What it answers to `picoclaw status`; `None` while it does not.
    pub fn report(&self) -> Option<GatewayReport> {
        let answer = control::ask(&self.home, control::STATUS, &[]).ok()??;
        // Another's, where this one's socket is not there yet.
        binschema::decode::<GatewayReport>(GatewayReport::SHAPE, &answer)
            .filter(|r| r.pid == self.pid())
    }

    /// Waits until its report is like that.
    #[track_caller]
    pub fn until(&self, what: &str, holds: impl Fn(&GatewayReport) -> bool) {
        let held = eventually(SOON, || self.report().filter(&holds));
        assert!(held.is_some(), "not {what}: {:?}\n{}", self.report(), self.log());
    }

    /// Waits until its log has these words.
    #[track_caller]
    pub fn says(&self, words: &str) {
        let said = eventually(SOON, || self.log().contains(words).then_some(()));
        assert!(said.is_some(), "no {words:?} in\n{}", self.log());
    }

    /// Waits until everything has come of what was said so far: the peer has handed out and answered everything, and the
    /// daemon owes nothing, with no request in between. What has not happened by then happens only by the clock
    /// ([`Home::timed`] tells when).
    #[track_caller]
    pub fn rest(&self, peer: &Peer) {
        self.rest_within(peer, SOON);
    }

    /// [`Daemon::rest`] for what takes longer: a model whose answers are refused is asked for a summary again and again.
    #[track_caller]
    pub fn rest_within(&self, peer: &Peer, limit: Duration) {
        let owes_nothing = |r: GatewayReport| (r.unfinished, r.running, r.waiting) == (0, 0, 0);
        let rest = eventually(limit, || {
            let begun = peer.wait_rest(limit)?;
            let idle = self.report().is_some_and(owes_nothing);
            (idle && peer.wait_rest(limit) == Some(begun)).then_some(())
        });
        assert!(rest.is_some(), "it does not come to rest: {:?}\n{}", self.report(), self.log());
    }

    /// [`Daemon::rest`], and the disk has it.
    #[track_caller]
    pub fn idle(&self, peer: &Peer) {
        self.rest(peer);
        self.recorded();
    }

    /// Waits until the disk has it that everything said so far was answered and delivered.
    #[track_caller]
    pub fn recorded(&self) {
        let empty = eventually(SOON, || journal(&self.home).is_empty().then_some(()));
        assert!(empty.is_some(), "{:?}\n{}", journal(&self.home), self.log());
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

/// What the journal in a home says at this moment; a daemon may be writing it.
pub fn journal(home: &Path) -> Ledger {
    Files::recover(&home.join("state")).ledger
}

/// How often each of some replies may have been repeated by kills: once for each kill in one of two windows.
///
/// Between Telegram's acceptance of a reply and our record of it: the journal that the killed daemon leaves has the reply
/// as answered and not as delivered. And between a session's file and the journal, where what steers a turn is too long for
/// the journal: the file has the words, the journal has them as a message that nobody has begun with.
#[derive(Default)]
pub struct Windows {
    markers: Vec<Marker>,
    hit: Vec<usize>,
}

impl Windows {
    /// The reply to this message is watched from now on.
    pub fn watch(&mut self, marker: Marker) {
        self.markers.push(marker);
        self.hit.push(0);
    }

    /// A daemon of this home was killed.
    #[track_caller]
    pub fn killed(&mut self, home: &Home) {
        let ledger = journal(&home.path(""));
        let sessions: String = fs::read_dir(home.path("sessions"))
            .into_iter()
            .flatten()
            .flatten()
            .map(|file| {
                String::from_utf8_lossy(&fs::read(file.path()).unwrap_or_default()).into_owned()
            })
            .collect();
        for (hit, marker) in self.hit.iter_mut().zip(&self.markers) {
            let (name, answer) = (marker.to_string(), marker.answer());
            let repeats = |e: &OpenMessage| match &e.stage {
                Stage::Answered { replies, .. } => replies.iter().any(|r| r.text.contains(&answer)),
                Stage::Open => {
                    let untouched = e.attempts == 0 && e.progress.is_none() && e.origin.is_none();
                    untouched && e.message.text.contains(&name) && sessions.contains(&name)
                }
            };
            *hit += usize::from(ledger.entries().any(repeats));
        }
    }

    /// Each was seen `least` times or more, and repeated only by kills in its window.
    #[track_caller]
    pub fn judge(&self, least: usize, texts: &[String]) {
        for (marker, hit) in self.markers.iter().zip(&self.hit) {
            let answer = marker.answer();
            let copies = texts.iter().filter(|text| text.contains(&answer)).count();
            println!("{marker}: {copies} copies, {hit} kills in a window");
            let right = (least..=1 + hit).contains(&copies);
            assert!(right, "{marker}: {copies} copies, {hit} kills in a window\n{texts:?}");
        }
    }
}
