//! Keeps the clock: floor at the start, servers asked by a child, time saved each hour and at the end.

use std::io::Read;
use std::os::fd::{AsFd, BorrowedFd};
use std::os::unix::process::CommandExt;
use std::path::PathBuf;
use std::process::{Child, Command, Stdio};
use std::time::{Duration, SystemTime};

use super::clock::{self, SyncSchedule};
use super::crash::unix_now;
use super::log_sink::LogSink;
use super::settings::SupervisorSettings;
use crate::limits::{TIME_ANSWER, TIME_SAVE, TIME_SERVERS};
use crate::sys::board;
use crate::sys::service::{Identity, effective_uid, with_open_signals};

/// In the run folder, for `picoclaw status` and the daemon: `floor`, or `synced <unix> <server>`.
const STATUS_FILE: &str = "clock";

/// The clock's keeper.
pub struct Time {
    program: PathBuf,
    saved: PathBuf,
    status_file: PathBuf,
    floor: u64,
    enabled: bool,
    servers: Vec<String>,
    schedule: SyncSchedule,
    child: Option<(Child, u64)>,
    save_at: u64,
    /// Failures in a row; only the first is logged.
    failures: u32,
    /// The time could not be saved; only the first failure in a row is logged.
    unsaved: bool,
}

impl Time {
    /// `program`: this one, to be run as `ask-time`; `enabled`: servers are asked.
    pub fn new(program: PathBuf, settings: &SupervisorSettings, enabled: bool) -> Time {
        let saved = settings.system.join("time");
        let floor = clock::floor(clock::saved(&saved));
        Time {
            program,
            saved,
            status_file: settings.run.join(STATUS_FILE),
            floor,
            enabled,
            servers: settings.time_servers.clone(),
            schedule: SyncSchedule::new(0),
            child: None,
            save_at: TIME_SAVE,
            failures: 0,
            unsaved: false,
        }
    }

    /// Lifts the clock to the floor.
    pub fn begin(&mut self, log: &mut LogSink) {
        log.publish(&self.status_file, "floor\n");
        if unix_now() >= self.floor || effective_uid() != 0 {
            return;
        }
        match board::set_clock(SystemTime::UNIX_EPOCH + Duration::from_secs(self.floor)) {
            Ok(()) => {
                log.write("clock: was before this program's date, lifted to the last known time")
            }
            Err(e) => log.write(&format!("clock: cannot be set: {e}")),
        }
    }

    /// Other servers, from the daemon's configuration; none keeps ours.
    pub fn servers(&mut self, now: u64, servers: &[&str]) {
        if servers.is_empty() || self.servers == servers {
            return;
        }
        self.servers = servers.iter().take(TIME_SERVERS).map(|s| (*s).to_owned()).collect();
        // Whoever is asked now is not asked any more.
        self.kill_child();
        self.schedule.ask_soon(now);
    }

    fn kill_child(&mut self) {
        if let Some((mut child, _)) = self.child.take() {
            let _ = child.kill();
            let _ = child.wait();
        }
    }

    /// The child's answer, to be waited for.
    pub fn answer(&self) -> Option<BorrowedFd<'_>> {
        let (child, _) = self.child.as_ref()?;
        child.stdout.as_ref().map(AsFd::as_fd)
    }

    /// When something is due.
    pub fn next(&self, now: u64) -> u64 {
        let ask = match &self.child {
            Some((_, deadline)) => *deadline,
            None if self.enabled => self.schedule.next(),
            None => u64::MAX,
        };
        ask.min(self.save_at).max(now)
    }

    /// Asks, gives up on a child that hangs, saves.
    pub fn step(&mut self, now: u64, log: &mut LogSink, identity: Option<&Identity>) {
        match &mut self.child {
            Some((child, deadline)) if now >= *deadline => {
                let _ = child.kill();
                self.answered(now, log);
            }
            None if self.enabled && !self.servers.is_empty() && now >= self.schedule.next() => {
                self.ask(now, log, identity);
            }
            _ => {}
        }
        if now >= self.save_at {
            self.save_at = now + TIME_SAVE;
            self.save(log);
        }
    }

    fn ask(&mut self, now: u64, log: &mut LogSink, identity: Option<&Identity>) {
        let mut command = Command::new(&self.program);
        command.arg("ask-time").args(&self.servers);
        command.env_clear().stdin(Stdio::null()).stdout(Stdio::piped()).stderr(Stdio::null());
        if let Some(identity) = identity {
            // Root's further groups go with the change of user.
            command.uid(identity.uid).gid(identity.gid);
        }
        match with_open_signals(&mut command).spawn() {
            Ok(child) => {
                // Each server: a name to look up, an answer to wait for.
                let patience = self.servers.len() as u64 * (TIME_ANSWER.as_secs() + 10);
                self.child = Some((child, now + patience));
            }
            Err(e) => {
                log.write(&format!("clock: cannot ask: {e}"));
                self.schedule.failed(now);
            }
        }
    }

    /// Reads what the child said; its stdout is readable or closed.
    pub fn answered(&mut self, now: u64, log: &mut LogSink) {
        let Some((mut child, _)) = self.child.take() else { return };
        let mut text = String::new();
        if let Some(out) = child.stdout.take() {
            let _ = out.take(512).read_to_string(&mut text);
        }
        let _ = child.wait();
        let offset = text
            .split_once(' ')
            .and_then(|(n, server)| Some((n.parse::<i64>().ok()?, server.trim())));
        let Some((offset, server)) = offset else {
            self.failed(now, log, "no time server answers");
            return;
        };
        match clock::correction(SystemTime::now(), offset, self.floor) {
            Err(why) => self.failed(now, log, why),
            Ok(None) => self.trust(now, log, server),
            Ok(Some(right)) => match board::set_clock(right) {
                Ok(()) => {
                    log.write(&format!("clock: set by {} s from {server}", offset / 1_000_000_000));
                    self.trust(now, log, server);
                }
                Err(e) => self.failed(now, log, &format!("cannot be set: {e}")),
            },
        }
    }

    fn trust(&mut self, now: u64, log: &mut LogSink, server: &str) {
        let first = !self.schedule.trusted;
        self.failures = 0;
        self.schedule.answered(now);
        log.publish(&self.status_file, &format!("synced {} {server}\n", unix_now()));
        if first {
            // So that a cut within the hour does not fall back by days.
            self.save_at = now + TIME_SAVE;
            self.save(log);
        }
    }

    fn failed(&mut self, now: u64, log: &mut LogSink, why: &str) {
        self.schedule.failed(now);
        if self.failures == 0 {
            log.write(&format!("clock: {why}; trying for ever"));
        }
        self.failures = self.failures.saturating_add(1);
    }

    /// Saves the time if it is known to be right, or to have moved on.
    fn save(&mut self, log: &mut LogSink) {
        let unix = unix_now();
        if unix <= self.floor {
            return;
        }
        let done = clock::save(&self.saved, unix);
        let known = std::mem::replace(&mut self.unsaved, done.is_err());
        if let Err(e) = done {
            if !known {
                log.write(&format!(
                    "clock: {} cannot be written: {e}; until the disk has room and takes writes, a start without a \
                     network begins with an older time",
                    self.saved.display()
                ));
            }
        }
    }

    /// The supervisor stops.
    pub fn end(&mut self, log: &mut LogSink) {
        self.kill_child();
        self.save(log);
    }
}
