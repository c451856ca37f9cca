//! Commands: started in a sandbox and a process group of their own, watched without a thread, never left behind.
//!
//! A [`Child`] that is dropped is killed with its whole group and reaped; so a future that is cancelled leaves
//! neither process nor zombie. Nothing here decides what may run: that is the guard's work.

mod attributes;
mod cgroup_leaf;
mod harden;
mod landlock;
mod peer;
mod remote_child;
mod run;
mod sandbox;
mod seccomp;
mod selftest;

use std::cell::RefCell;
use std::ffi::{OsStr, OsString};
use std::io;
use std::os::fd::OwnedFd;
use std::os::unix::process::CommandExt;
use std::process::{Command, Stdio};
use std::task::{Context, Poll};
use std::time::Duration;
use std::{future::Future, pin::Pin};

use async_io::{Async, Timer};
use rustix::io::Errno;
use rustix::process::{
    Pid, PidfdFlags, Signal, WaitId, WaitIdOptions, kill_process_group, pidfd_open, waitid,
};

use attributes::{AttributeBroker, Hook};

pub use attributes::AttributeRules;
pub use cgroup_leaf::CgroupLeaf;
pub use harden::harden;
pub use landlock::{LandlockRules, abi as landlock_version};
pub use peer::{is_tool, is_tool_behind, tasks};
pub use remote_child::{adopt, become_command, has_exec_broker};
pub use run::{End, Outcome, run};
pub use sandbox::Sandbox;
pub use seccomp::{Filter, ProtectedProcesses};
pub use selftest::{SelftestResult, strength};

/// First and longest pause between two looks at a child where the kernel has no pidfd_open (Linux 5.3).
const LOOK: (Duration, Duration) = (Duration::from_millis(10), Duration::from_millis(200));

/// How a process ended.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Exit {
    /// By itself, with this status.
    Code(i32),
    /// By this signal.
    Signal(i32),
    /// Reaped by someone else.
    Unknown,
    /// The supervisor could not start it: errno.
    NotStarted(i32),
}

enum Watch {
    Pidfd(Async<OwnedFd>),
    Timer(Timer, Duration),
    /// Not our child: the supervisor's.
    Remote(remote_child::RemoteChild),
}

/// A running command.
pub struct Child {
    /// Where it is ours.
    pid: Option<Pid>,
    watch: Watch,
    reaped: bool,
    stdout: Option<Async<OwnedFd>>,
    stderr: Option<Async<OwnedFd>>,
    cgroup: Option<CgroupLeaf>,
    attributes: Option<AttributeBroker>,
}

/// Starts `/bin/sh -c script` in the folder `dir` with exactly this environment, standard input empty, output
/// in pipes, as leader of a new session, inside `sandbox`.
pub fn shell(
    script: &OsStr,
    dir: &OwnedFd,
    env: &[(OsString, OsString)],
    mut sandbox: Sandbox,
) -> io::Result<Child> {
    if sandbox.remote {
        return remote_child::start(script, dir, env, sandbox);
    }
    reap_unreaped();
    let mut command = Command::new("/bin/sh");
    command.arg("-c").arg(script);
    command.env_clear().envs(env.iter().map(|(k, v)| (k, v)));
    command.stdin(Stdio::null()).stdout(Stdio::piped()).stderr(Stdio::piped());
    let (hook, socket) = sandbox.attributes.as_ref().map(|_| Hook::new()).transpose()?.unzip();
    let entry = sandbox::Entry::new(dir, &sandbox).with_hook(hook);
    // SAFETY: `enter` makes only async-signal-safe calls; it captures integers, and filters that it only reads. `dir`
    // and `sandbox` live until spawn returns, which is after the exec.
    unsafe { command.pre_exec(move || entry.enter()) };
    let mut child = command.spawn()?;
    let pid = Pid::from_child(&child);
    harden::started();
    let watch = match pidfd_open(pid, PidfdFlags::empty()).map(Async::new_nonblocking) {
        Ok(Ok(fd)) => Watch::Pidfd(fd),
        _ => Watch::Timer(Timer::after(LOOK.0), LOOK.0),
    };
    // From here on dropping ends the process, whatever fails.
    let (stdout, stderr) = (child.stdout.take(), child.stderr.take());
    let cgroup = sandbox.cgroup.take();
    let mut child = Child::new(Some(pid), watch, cgroup);
    if let (Some(socket), Some(rules)) = (socket, sandbox.attributes.take()) {
        child.attributes = Some(AttributeBroker::new(&socket, rules)?);
    }
    child.stdout = stdout.map(|p| Async::new(OwnedFd::from(p))).transpose()?;
    child.stderr = stderr.map(|p| Async::new(OwnedFd::from(p))).transpose()?;
    Ok(child)
}

impl Child {
    fn new(pid: Option<Pid>, watch: Watch, cgroup: Option<CgroupLeaf>) -> Child {
        let (stdout, stderr, attributes) = (None, None, None);
        Child { pid, watch, reaped: false, stdout, stderr, cgroup, attributes }
    }

    /// Process id, which is the group's id too; 0 for one of the supervisor's.
    pub fn id(&self) -> u32 {
        self.pid.map_or(0, |pid| pid.as_raw_nonzero().get() as u32)
    }

    /// Watches by looking now and then, as on kernels without pidfd_open.
    pub fn without_pidfd(mut self) -> Child {
        self.watch = Watch::Timer(Timer::after(LOOK.0), LOOK.0);
        self
    }

    /// Ready when the leader has ended. It is not reaped yet, so its id still belongs to it.
    fn poll_exited(&mut self, cx: &mut Context<'_>) -> Poll<()> {
        loop {
            let Some(pid) = self.pid else {
                let Watch::Remote(remote) = &mut self.watch else { return Poll::Ready(()) };
                return remote.poll(cx);
            };
            let options = WaitIdOptions::EXITED | WaitIdOptions::NOHANG | WaitIdOptions::NOWAIT;
            match waitid(WaitId::Pid(pid), options) {
                Ok(None) | Err(Errno::INTR) => {}
                Ok(Some(_)) | Err(_) => return Poll::Ready(()),
            }
            match &mut self.watch {
                Watch::Pidfd(fd) => match fd.poll_readable(cx) {
                    Poll::Ready(Ok(())) => {}
                    Poll::Ready(Err(_)) => {
                        self.watch = Watch::Timer(Timer::after(LOOK.0), LOOK.0);
                    }
                    Poll::Pending => return Poll::Pending,
                },
                Watch::Timer(timer, pause) => {
                    if Pin::new(&mut *timer).poll(cx).is_pending() {
                        return Poll::Pending;
                    }
                    *pause = (*pause * 2).min(LOOK.1);
                    timer.set_after(*pause);
                }
                Watch::Remote(_) => return Poll::Ready(()),
            }
        }
    }

    /// Has what the command waits for answered.
    fn poll_attributes(&mut self, cx: &mut Context<'_>) {
        if self.attributes.as_mut().is_some_and(|broker| broker.poll(cx).is_ready()) {
            self.attributes = None;
        }
    }

    /// Signals every process of the group. Only before the reaping: the number may be someone else's later.
    fn signal(&self, signal: Signal) {
        if !self.reaped {
            match (self.pid, &self.watch) {
                // ESRCH: nobody left, which is what was wanted.
                (Some(pid), _) => drop(kill_process_group(pid, signal)),
                (None, Watch::Remote(remote)) => remote.signal(signal.as_raw()),
                _ => {}
            }
            if signal == Signal::KILL {
                // Also what has left the group.
                if let Some(cgroup) = &self.cgroup {
                    cgroup.kill();
                }
            }
        }
    }

    /// Takes the dead leader away; `None` while it lives.
    fn reap(&mut self) -> Option<Exit> {
        let Some(pid) = self.pid else {
            // The supervisor reaps it when our end of its socket is closed.
            let Watch::Remote(remote) = &self.watch else { return None };
            return remote.exit();
        };
        let exit = match waitid(WaitId::Pid(pid), WaitIdOptions::EXITED | WaitIdOptions::NOHANG) {
            Ok(None) | Err(Errno::INTR) => return None,
            Ok(Some(status)) => match (status.exit_status(), status.terminating_signal()) {
                (Some(code), _) => Exit::Code(code),
                (_, Some(signal)) => Exit::Signal(signal),
                _ => Exit::Unknown,
            },
            Err(_) => Exit::Unknown,
        };
        self.reaped = true;
        Some(exit)
    }
}

impl Drop for Child {
    fn drop(&mut self) {
        self.end();
        self.cgroup = None;
        harden::ended();
    }
}

impl Child {
    fn end(&mut self) {
        if self.reaped {
            return;
        }
        self.signal(Signal::KILL);
        let Some(pid) = self.pid else { return };
        // A killed process is gone within a scheduler tick, unless it hangs in a driver.
        for _ in 0..20 {
            if self.reap().is_some() {
                return;
            }
            std::thread::sleep(Duration::from_millis(1));
        }
        UNREAPED.with_borrow_mut(|list| list.push(pid));
    }
}

thread_local! {
    /// Killed children that hang in the kernel, reaped when the next command starts: waiting for one would
    /// block whoever waits. A blocking thread would be the only one there is.
    static UNREAPED: RefCell<Vec<Pid>> = const { RefCell::new(Vec::new()) };
}

fn reap_unreaped() {
    let options = WaitIdOptions::EXITED | WaitIdOptions::NOHANG;
    UNREAPED.with_borrow_mut(|list| {
        list.retain(|pid| {
            matches!(waitid(WaitId::Pid(*pid), options), Ok(None) | Err(Errno::INTR))
        });
    });
}

#[cfg(test)]
mod tests;
