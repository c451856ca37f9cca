//! One life of the daemon: started in its limits, its output cut into lines, its end noted.

use std::ffi::OsStr;
use std::io::{self, Read};
use std::os::fd::{AsFd, BorrowedFd};
use std::os::unix::net::UnixDatagram;
use std::path::Path;
use std::process::{Child, ChildStderr, ChildStdout, ExitStatus};

use super::cgroup::Groups;
use super::log_sink::{LineSplitter, LogSink};
use super::report::LimitsInForce;
use super::settings::SupervisorSettings;
use super::tools::Tools;
use crate::environment;
use crate::sys::service::{self, Confinement, EXEC_BROKER_FD, Identity, NOTIFY_FD};

/// A daemon that runs.
pub struct Daemon {
    child: Child,
    out: Option<(ChildStdout, LineSplitter)>,
    err: Option<(ChildStderr, LineSplitter)>,
    /// Monotonic second of the start.
    pub started: u64,
    /// A keepalive came.
    pub alive: bool,
    /// Killed by us for being silent, at this second.
    pub shot: Option<u64>,
}

impl Daemon {
    /// Starts `picoclaw gateway`. `mode` is the limit to apply.
    pub fn start(
        program: &Path,
        settings: &SupervisorSettings,
        mode: LimitsInForce,
        groups: Option<&Groups>,
        identity: Option<&Identity>,
        (notify, broker): (&UnixDatagram, Option<&Tools>),
        now: u64,
    ) -> io::Result<Daemon> {
        let procs = match groups {
            Some(groups) => Some(groups.daemon_procs()?),
            None => None,
        };
        let mut arguments = vec![OsStr::new("gateway")];
        arguments.extend(settings.gateway_args.iter().map(OsStr::new));
        let descriptor = NOTIFY_FD.to_string();
        let tools = groups.map(Groups::tools).unwrap_or_default();
        let tools_data = settings.tools_data_max.to_string();
        let mut environment: Vec<(&str, &OsStr)> = vec![
            (environment::HOME, settings.home.as_os_str()),
            ("HOME", settings.home.as_os_str()),
            ("USER", OsStr::new(&settings.user)),
            (environment::NOTIFY_FD, OsStr::new(&descriptor)),
            (environment::LIMITS_IN_FORCE, OsStr::new(mode.name())),
        ];
        if groups.is_some() {
            environment.push((environment::TOOLS_CGROUP, tools.as_os_str()));
        }
        if mode == LimitsInForce::Rlimit && settings.tools_data_max != u64::MAX {
            environment.push((environment::TOOLS_RLIMIT_DATA, OsStr::new(&tools_data)));
        }
        let broker_fd = EXEC_BROKER_FD.to_string();
        let group = broker.map(|tools| tools.user.gid.to_string()).unwrap_or_default();
        // Our own variables are the daemon's too; these say whether there is such a user now.
        environment.push((environment::TOOL_FD, OsStr::new(broker.map_or("", |_| &broker_fd))));
        environment.push((environment::TOOL_GROUP, OsStr::new(&group)));
        let rlimit = mode == LimitsInForce::Rlimit && effective_root();
        let confinement = Confinement {
            cgroup: procs.as_ref(),
            data: (mode == LimitsInForce::Rlimit && settings.data_max != u64::MAX)
                .then_some(settings.data_max),
            oom_score_adj: rlimit.then_some(settings.oom_score_adj),
            identity,
            broker: broker.map(|tools| tools.daemon_end.as_fd()),
        };
        let mut child =
            service::start(program, &arguments, &environment, notify.as_fd(), &confinement)?;
        let out = child.stdout.take().map(|pipe| (pipe, LineSplitter::default()));
        let err = child.stderr.take().map(|pipe| (pipe, LineSplitter::default()));
        Ok(Daemon { child, out, err, started: now, alive: false, shot: None })
    }

    /// Process id.
    pub fn pid(&self) -> u32 {
        self.child.id()
    }

    /// stdout and stderr, as long as they are open.
    pub fn pipes(&self) -> [Option<BorrowedFd<'_>>; 2] {
        [
            self.out.as_ref().map(|(pipe, _)| pipe.as_fd()),
            self.err.as_ref().map(|(pipe, _)| pipe.as_fd()),
        ]
    }

    /// Reads once from a pipe that is ready: 0 stdout, 1 stderr.
    pub fn read(&mut self, which: usize, log: &mut LogSink) {
        let pid = self.child.id();
        let open = match which {
            0 => self.out.as_mut().map(|(pipe, lines)| once(pipe, lines, pid, log)),
            _ => self.err.as_mut().map(|(pipe, lines)| once(pipe, lines, pid, log)),
        };
        match (open, which) {
            (Some(false), 0) => self.out = None,
            (Some(false), _) => self.err = None,
            _ => {}
        }
    }

    /// Reaps it if it has ended. What it wrote last is read first: the pipes hold at most 64 KiB each.
    pub fn reap(&mut self, log: &mut LogSink) -> Option<ExitStatus> {
        let status = self.child.try_wait().ok()??;
        for which in 0..2 {
            // A tool that outlived the daemon may hold the pipe open: only what is there now.
            for _ in 0..64 {
                let Some(fd) = self.pipes()[which] else { break };
                match crate::sys::wake::wait(&[fd], std::time::Duration::ZERO) {
                    Ok((1, _)) => self.read(which, log),
                    _ => break,
                }
            }
        }
        Some(status)
    }

    /// Sends a signal.
    pub fn signal(&self, signal: i32) {
        // It may have ended just now; then the next wait reaps it.
        let _ = service::signal(self.child.id(), signal);
    }
}

fn effective_root() -> bool {
    service::effective_uid() == 0
}

/// False at the end of the stream.
fn once(pipe: &mut impl Read, lines: &mut LineSplitter, pid: u32, log: &mut LogSink) -> bool {
    let mut buffer = [0; 1024];
    match pipe.read(&mut buffer) {
        Ok(n) if n > 0 => {
            lines.feed(&buffer[..n], |line| log.daemon(pid, line));
            true
        }
        Err(e) if e.kind() == io::ErrorKind::Interrupted => true,
        _ => {
            lines.end(|line| log.daemon(pid, line));
            false
        }
    }
}
