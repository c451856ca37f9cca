//! The supervisor's loop.

use std::fs;
use std::io;
use std::os::fd::AsFd;
use std::os::unix::fs::{PermissionsExt, chown};
use std::os::unix::net::UnixDatagram;
use std::path::{Path, PathBuf};
use std::process::ExitCode;
use std::time::{Duration, Instant};

use super::cgroup::{self, Groups};
use super::daemon::Daemon;
use super::log_sink::LogSink;
use super::notify::{self, SupervisorMessage, Systemd};
use super::report::{self, LimitsInForce};
use super::respawn::Respawn;
use super::settings::{LimitMode, SupervisorSettings};
use super::time::Time;
use super::tools::Tools;
use super::user::identity_of;
use super::watchdog::{WatchdogDevice, WatchdogRules};
use crate::Result;
use crate::error::Context;
use crate::import;
use crate::limits::{BOOT_STATUS_EVERY, NOTIFY_BYTES, SHUTDOWN_TOTAL, SUPERVISOR_PAUSE};
use crate::sys::pages;
use crate::sys::service::Identity;
use crate::sys::wake::{self, PendingSignals};

/// `picoclaw supervise`: until SIGTERM. Settings come in the environment, from `/etc/default/picoclaw`.
pub fn run() -> Result<ExitCode> {
    pages::map_small_pieces();
    let settings = SupervisorSettings::read(|name| std::env::var(name).ok())?;
    let identity = identity_of(&settings)?;
    wake::catch_signals().context("cannot catch signals")?;
    let mut supervisor = Supervisor::new(settings, identity)?;
    supervisor.prepare();
    supervisor.run();
    Ok(ExitCode::SUCCESS)
}

pub(super) struct Supervisor {
    pub(super) settings: SupervisorSettings,
    pub(super) identity: Option<Identity>,
    pub(super) program: PathBuf,
    begin: Instant,
    pub(super) log: LogSink,
    pub(super) systemd: Systemd,
    pub(super) groups: Option<Groups>,
    /// Why there are no groups, or empty.
    pub(super) why: String,
    pub(super) mode: LimitsInForce,
    own_end: UnixDatagram,
    pub(super) daemon_end: UnixDatagram,
    /// Commands of another user.
    pub(super) tools: Option<Tools>,
    pub(super) daemon: Option<Daemon>,
    pub(super) respawn: Respawn,
    /// When to start the daemon, while there is none.
    pub(super) start_at: u64,
    /// When a daemon last showed life.
    pub(super) keepalive: Option<u64>,
    pub(super) rules: WatchdogRules,
    pub(super) device: Option<WatchdogDevice>,
    pub(super) fed: u64,
    pub(super) feed_every: u64,
    time: Time,
    pub(super) announcement: String,
    /// The announcement is to be written at this second, and was at that one.
    pub(super) announce_at: Option<u64>,
    pub(super) announced: Option<u64>,
    pub(super) oom_kills: u64,
    pub(super) stopping: Option<u64>,
}

impl Supervisor {
    fn new(settings: SupervisorSettings, identity: Option<Identity>) -> Result<Supervisor> {
        let systemd = Systemd::from_environment();
        let (own_end, daemon_end) =
            UnixDatagram::pair().context("cannot make the notify socket")?;
        own_end.set_nonblocking(true)?;
        daemon_end.set_nonblocking(true)?;
        let resets = fs::read_to_string(settings.system.join("watchdog"))
            .ok()
            .and_then(|text| text.trim().parse().ok())
            .unwrap_or(0);
        let sntp = settings.sntp.unwrap_or(!systemd.present());
        let own = std::env::current_exe().context("cannot name this program")?;
        let program = if settings.program.as_os_str().is_empty() {
            own.clone()
        } else {
            settings.program.clone()
        };
        Ok(Supervisor {
            program,
            begin: Instant::now(),
            log: LogSink::new(settings.syslog.unwrap_or(!systemd.present())),
            groups: None,
            why: String::new(),
            mode: LimitsInForce::None,
            own_end,
            daemon_end,
            tools: None,
            daemon: None,
            respawn: Respawn::new(settings.respawn),
            start_at: 0,
            keepalive: None,
            rules: WatchdogRules::new(resets, settings.keepalive),
            device: None,
            fed: 0,
            feed_every: 5,
            time: Time::new(own, &settings, sntp),
            announcement: String::new(),
            announce_at: None,
            announced: None,
            oom_kills: 0,
            stopping: None,
            systemd,
            settings,
            identity,
        })
    }

    /// Monotonic seconds since the start.
    fn now(&self) -> u64 {
        self.begin.elapsed().as_secs()
    }

    /// Everything before the daemon's first start. What fails is said and lived with.
    fn prepare(&mut self) {
        if let Err(e) = self.folders() {
            self.log.write(&e.to_string());
        }
        self.tool_user();
        self.time.begin(&mut self.log);
        if !self.settings.boot.as_os_str().is_empty() {
            match import::accept(&self.settings.import_places(), self.identity.as_ref()) {
                Ok(report) => {
                    for (name, wrong) in &report.broken {
                        self.log.write(&format!("boot partition: {name} not taken: {wrong}"));
                    }
                }
                Err(e) => self.log.write(&format!("boot partition: {e}")),
            }
        }
        if matches!(self.settings.limits, LimitMode::Auto | LimitMode::Cgroup) {
            match self.cgroups() {
                Ok(groups) => {
                    if !groups.memory_holds() {
                        self.why = "memory.max is not in force in cgroup v2".to_owned();
                    }
                    self.groups = Some(groups);
                }
                Err(why) => self.why = why,
            }
        }
        self.mode = report::plan(&self.settings, self.groups.as_ref());
        if self.rules.refused() {
            self.log.write("watchdog: stays closed, three resets without a healthy minute");
        }
    }

    /// The home belongs to the user, the system folder to root, `/run/picoclaw` is readable for all.
    fn folders(&self) -> Result<()> {
        // `user` is for the daemon's control socket when its home takes no files.
        let user = self.settings.run.join("user");
        for (path, mode, for_user) in [
            (&self.settings.run, 0o755, false),
            (&user, 0o700, true),
            (&self.settings.system, 0o700, false),
            (&self.settings.home, 0o750, true),
        ] {
            fs::create_dir_all(path).with_context(|| format!("cannot make {}", path.display()))?;
            if let Some(user) = self.identity.as_ref().filter(|_| for_user) {
                chown(path, Some(user.uid), Some(user.gid))?;
            }
            if self.identity.is_some() {
                fs::set_permissions(path, fs::Permissions::from_mode(mode))?;
            }
        }
        Ok(())
    }

    /// A user for commands.
    fn tool_user(&mut self) {
        let Some(identity) = &mut self.identity else { return };
        match Tools::new(&self.settings, identity) {
            Ok(None) => {}
            Ok(Some(tools)) => {
                // What commands make in the workspace is their group's.
                identity.groups.push(tools.user.gid);
                self.log.write(&format!("commands run as user {}", self.settings.tool_user));
                self.tools = Some(tools);
            }
            Err(why) => {
                self.log.write(&format!(
                    "commands run as the daemon's user, as there is none of their own: {why}"
                ));
            }
        }
    }

    fn cgroups(&self) -> Result<Groups, String> {
        let text = fs::read_to_string("/proc/self/cgroup")
            .map_err(|_| "this kernel has no cgroups".to_owned())?;
        let own = cgroup::own(&text).ok_or("cgroup v2 is not mounted")?;
        let root = Path::new("/sys/fs/cgroup");
        cgroup::set_up(root, own, std::process::id(), &self.settings, self.identity.as_ref())
    }

    fn run(&mut self) {
        loop {
            let now = self.now();
            self.step(now);
            if self.stopping.is_some() && self.daemon.is_none() {
                break;
            }
            pages::release();
            let timeout = self.next(now).saturating_sub(now).max(1);
            let signals = match self.wait(Duration::from_secs(timeout)) {
                Ok(signals) => signals,
                Err(e) => {
                    // Out of memory or descriptors: say it, and do not spin.
                    self.log.write(&format!("cannot wait: {e}"));
                    std::thread::sleep(SUPERVISOR_PAUSE);
                    PendingSignals::default()
                }
            };
            self.signals(signals);
        }
        if let Some(device) = self.device.take() {
            if let Err(e) = device.close() {
                self.log.write(&format!("watchdog: cannot be stopped: {e}"));
            }
        }
        self.time.end(&mut self.log);
        let _ = fs::remove_file(self.settings.run.join("daemon.pid"));
    }

    /// Waits, and reads what came.
    fn wait(&mut self, timeout: Duration) -> io::Result<PendingSignals> {
        let pipes = self.daemon.as_ref().map(Daemon::pipes).unwrap_or_default();
        let mut fds = vec![self.own_end.as_fd()];
        let mut kinds = vec![0];
        for (kind, fd) in [(1, pipes[0]), (2, pipes[1]), (3, self.time.answer())] {
            if let Some(fd) = fd {
                fds.push(fd);
                kinds.push(kind);
            }
        }
        // Looked at in every step.
        fds.extend(self.tools.iter().flat_map(Tools::sockets));
        let (ready, signals) = wake::wait(&fds, timeout)?;
        drop(fds);
        for (i, kind) in kinds.into_iter().enumerate() {
            if ready & 1 << i == 0 {
                continue;
            }
            match kind {
                0 => self.messages(),
                1 | 2 => {
                    if let Some(daemon) = &mut self.daemon {
                        daemon.read(kind - 1, &mut self.log);
                    }
                }
                _ => {
                    let now = self.begin.elapsed().as_secs();
                    self.time.answered(now, &mut self.log);
                }
            }
        }
        Ok(signals)
    }

    fn messages(&mut self) {
        let now = self.now();
        let mut buffer = [0; NOTIFY_BYTES];
        // Bounded: a daemon gone mad must not keep us here.
        for _ in 0..16 {
            match notify::receive(&self.own_end, &mut buffer) {
                None => break,
                Some(Some(SupervisorMessage::Keepalive)) => {
                    self.keepalive = Some(now);
                    self.systemd.notify("WATCHDOG=1");
                    if let Some(daemon) = self.daemon.as_mut().filter(|d| !d.alive) {
                        daemon.alive = true;
                        self.systemd.notify("READY=1\nSTATUS=running");
                    }
                }
                Some(Some(SupervisorMessage::TimeServers(servers))) => {
                    self.time.servers(now, &servers)
                }
                Some(Some(SupervisorMessage::Announce(text))) => {
                    if text != self.announcement {
                        text.clone_into(&mut self.announcement);
                        let earliest = self.announced.map_or(0, |at| at + BOOT_STATUS_EVERY);
                        self.announce_at.get_or_insert(now.max(earliest));
                    }
                }
                Some(None) => {}
            }
        }
    }

    fn signals(&mut self, signals: PendingSignals) {
        let now = self.now();
        if signals.reload() {
            self.respawn.reset();
            match &self.daemon {
                Some(daemon) => daemon.signal(libc::SIGHUP),
                None => self.start_at = now,
            }
        }
        if signals.stop() && self.stopping.is_none() {
            self.systemd.notify("STOPPING=1");
            self.stopping = Some(now);
            if let Some(daemon) = &self.daemon {
                daemon.signal(libc::SIGTERM);
                // A stopped process takes no signal but these two.
                daemon.signal(libc::SIGCONT);
            }
        }
    }

    /// Everything that is due.
    fn step(&mut self, now: u64) {
        if let Some(tools) = &mut self.tools {
            let leaves = self.groups.as_ref().map(Groups::tools);
            if let Some(word) = tools.turn(leaves.as_deref()) {
                self.log.write(&word);
            }
        }
        if let Some(status) = self.daemon.as_mut().and_then(|d| d.reap(&mut self.log)) {
            self.daemon_ended(now, status);
        }
        self.time.step(now, &mut self.log, self.identity.as_ref());
        if let Some(since) = self.stopping {
            let late = now >= since + SHUTDOWN_TOTAL.as_secs();
            if let Some(daemon) = self.daemon.as_ref().filter(|_| late) {
                daemon.signal(libc::SIGKILL);
            }
        } else if self.daemon.is_none() && now >= self.start_at {
            self.start(now);
        }
        self.silence(now);
        self.watchdog(now);
        self.announce(now);
        if self.daemon.is_none() {
            self.systemd.notify("WATCHDOG=1");
        }
    }

    /// When the next thing is due.
    fn next(&self, now: u64) -> u64 {
        let mut next = now + 10;
        if self.daemon.is_none() {
            next = next.min(self.start_at);
        }
        if self.device.is_some() {
            next = next.min(self.fed + self.feed_every);
        }
        if self.stopping.is_some() || self.daemon.as_ref().is_some_and(|d| d.shot.is_some()) {
            next = next.min(now + 1);
        }
        next.min(self.announce_at.unwrap_or(u64::MAX)).min(self.time.next(now)).max(now)
    }
}
