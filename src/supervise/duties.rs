//! What the supervisor's loop does when it is due: start, reap, watch, feed, tell.

use std::fs;
use std::process::ExitStatus;

use super::cgroup::Groups;
use super::crash;
use super::daemon::Daemon;
use super::report::{self, ProcessState};
use super::run::Supervisor;
use super::settings::LimitMode;
use super::watchdog::{Action, WatchdogDevice};
use crate::import::{self, status};
use crate::limits::KEEPALIVE_START;
use crate::sys::service::as_user;

impl Supervisor {
    pub(super) fn start(&mut self, now: u64) {
        self.respawn.started(now);
        let groups = self.groups.as_ref().filter(|_| self.settings.limits != LimitMode::None);
        let daemon = Daemon::start(
            &self.program,
            &self.settings,
            self.mode,
            groups,
            self.identity.as_ref(),
            (&self.daemon_end, self.tools.as_ref()),
            now,
        );
        match daemon {
            Ok(daemon) => {
                let seen = ProcessState::of(daemon.pid());
                let mode = seen.confirm(self.mode, &self.settings);
                let line = report::line(mode, &self.why, self.groups.as_ref(), &seen);
                self.log.write(&line);
                let json = report::json(mode, &self.why, self.groups.as_ref(), &seen);
                self.log.publish(&self.settings.run.join("limits.json"), &json);
                let pid = format!("{}\n", daemon.pid());
                self.log.publish(&self.settings.run.join("daemon.pid"), &pid);
                self.oom_kills = self.groups.as_ref().map_or(0, Groups::oom_kills);
                self.daemon = Some(daemon);
            }
            Err(e) => {
                self.log.write(&format!("cannot start the daemon: {e}"));
                self.schedule_restart(now);
            }
        }
    }

    pub(super) fn schedule_restart(&mut self, now: u64) {
        let next = self.respawn.next_start(now);
        self.start_at = next.at;
        let seconds = next.at.saturating_sub(now);
        if next.rest {
            self.log.write(&format!(
                "the daemon ends again and again: next try in {seconds} s, or on reload"
            ));
        } else {
            self.log.write(&format!("starting the daemon again in {seconds} s"));
        }
        // A broken configuration must not make systemd start us over and over.
        self.systemd.notify("READY=1\nSTATUS=the daemon ended, to be started again");
    }

    pub(super) fn daemon_ended(&mut self, now: u64, status: ExitStatus) {
        let Some(daemon) = self.daemon.take() else { return };
        let _ = fs::remove_file(self.settings.run.join("daemon.pid"));
        self.rules.daemon_ended();
        if let Some(groups) = &self.groups {
            groups.kill_tools();
        }
        if let Some(tools) = &mut self.tools {
            tools.end();
        }
        if self.stopping.is_some() {
            return;
        }
        let oom = self.groups.as_ref().is_some_and(|g| g.oom_kills() > self.oom_kills);
        let mut how = crash::describe(status, oom);
        if daemon.shot.is_some() {
            how.push_str(", after its main loop had been silent");
        }
        self.report_end(&how, now.saturating_sub(daemon.started));
        self.schedule_restart(now);
    }

    /// Logs how the daemon ended and writes the crash report.
    pub(super) fn report_end(&mut self, how: &str, uptime: u64) {
        self.log.write(&format!("the daemon ended after {uptime} s: {how}"));
        let build_id = crash::own_build_id();
        let end = crash::DaemonEnd { how, uptime, build_id: &build_id, unix: crash::unix_now() };
        let text = crash::report(&end, self.log.last());
        let state = self.settings.home.join("state");
        if let Err(e) = as_user(self.identity.as_ref(), || crash::save(&state, &text)) {
            self.log.write(&format!("cannot write {}/crash.txt: {e}", state.display()));
        }
    }

    /// A main loop that hangs: the watchdog's affair if it runs, else the daemon is shot. SIGABRT first, so that the
    /// report has the address it hung at.
    pub(super) fn silence(&mut self, now: u64) {
        let Some(daemon) = &mut self.daemon else { return };
        if self.rules.armed() || self.stopping.is_some() {
            return;
        }
        let grace = if daemon.alive { self.settings.keepalive } else { KEEPALIVE_START };
        let since = self.keepalive.unwrap_or(0).max(daemon.started);
        match daemon.shot {
            None if now.saturating_sub(since) > grace => {
                self.log.write(&format!("no sign of life for {grace} s: the daemon is ended"));
                daemon.shot = Some(now);
                daemon.signal(libc::SIGABRT);
            }
            Some(at) if now >= at + 2 => daemon.signal(libc::SIGKILL),
            _ => {}
        }
    }

    pub(super) fn watchdog(&mut self, now: u64) {
        if self.settings.watchdog.as_os_str().is_empty() {
            return;
        }
        // While stopping there is no keepalive to wait for; the time for that is bounded.
        let keepalive = if self.stopping.is_some() { Some(now) } else { self.keepalive };
        match self.rules.step(now, keepalive) {
            Action::Idle => {}
            Action::Arm if self.stopping.is_some() => self.rules.give_up(),
            Action::Arm => {
                match WatchdogDevice::open(&self.settings.watchdog, self.settings.watchdog_timeout)
                {
                    Ok((device, timeout)) => {
                        self.device = Some(device);
                        self.feed_every = u64::from(timeout / 3).clamp(1, 10);
                        self.fed = now;
                        self.log.write(&format!("watchdog: on, {timeout} s"));
                    }
                    Err(e) => {
                        self.rules.give_up();
                        self.log.write(&format!(
                            "watchdog: cannot open {}: {e}",
                            self.settings.watchdog.display()
                        ));
                    }
                }
            }
            Action::Feed => self.feed(now),
            Action::Starve { resets } => {
                self.log.write(&format!(
                    "watchdog: the main loop is silent, no more food (reset {resets})"
                ));
                self.count_resets(resets);
                let uptime = self.daemon.as_ref().map_or(0, |d| now.saturating_sub(d.started));
                self.report_end("watchdog: its main loop was silent, the machine resets", uptime);
            }
            Action::Clear => {
                self.count_resets(0);
                self.feed(now);
            }
        }
    }

    pub(super) fn feed(&mut self, now: u64) {
        if now < self.fed + self.feed_every {
            return;
        }
        self.fed = now;
        if let Some(Err(e)) = self.device.as_mut().map(WatchdogDevice::feed) {
            self.log.write(&format!("watchdog: {e}"));
        }
    }

    pub(super) fn count_resets(&mut self, resets: u32) {
        let path = self.settings.system.join("watchdog");
        if let Err(e) = import::files::store(&path, resets.to_string().as_bytes()) {
            self.log.write(&format!("cannot write {}: {e}", path.display()));
        }
    }

    /// Writes the status file of the boot partition, at most once a minute.
    pub(super) fn announce(&mut self, now: u64) {
        if self.settings.boot.as_os_str().is_empty() || self.announce_at.is_none_or(|at| now < at) {
            return;
        }
        self.announce_at = None;
        let report = fs::read_to_string(self.settings.run.join(import::REPORT)).unwrap_or_default();
        let text = status::compose(&report, &self.announcement);
        let boot = &self.settings.boot;
        if status::is_current(boot, &text) {
            return;
        }
        self.announced = Some(now);
        if let Err(e) = status::writable(boot, || status::write(boot, &text)) {
            self.log.write(&format!("cannot write {}/{}: {e}", boot.display(), status::NAME));
        }
    }
}
