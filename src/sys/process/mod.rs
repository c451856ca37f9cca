//! Commands: started in a sandbox and a process group of their own, watched without a thread, never left behind.
//!
//! A [`Child`] that is dropped is killed with its whole group and reaped; so a future that is cancelled leaves
//! neither process nor zombie. Nothing here decides what may run: that is the guard's work.

mod attributes;
mod cgroup_leaf;
mod control;
mod harden;
mod keeper;
mod landlock;
mod peer;
mod protected;
mod remote_child;
mod run;
mod sandbox;
mod seccomp;
mod selftest;

use std::cell::RefCell;
use std::ffi::{OsStr, OsString};
use std::fs::File;
use std::io::{self, Read};
use std::os::fd::{AsRawFd, OwnedFd, RawFd};
use std::os::unix::ffi::OsStrExt;
use std::os::unix::net::UnixStream;
use std::task::{Context, Poll};
use std::time::Duration;

use async_io::Async;
use rustix::io::Errno;
use rustix::pipe::{PipeFlags, pipe_with};
use rustix::process::{Pid, Signal, WaitId, WaitIdOptions, kill_process, waitid};

use attributes::{AttributeBroker, Hook};
use control::Control;
use keeper::{Post, Program};
use sandbox::Entry;

use crate::sys::service;

pub use attributes::AttributeRules;
pub use cgroup_leaf::CgroupLeaf;
pub use harden::harden;
pub use landlock::{LandlockRules, abi as landlock_version};
pub use peer::{is_tool, is_tool_behind, tasks};
pub use protected::ProtectedProcesses;
pub use remote_child::{adopt, become_command, has_exec_broker};
pub use run::{End, Outcome, run};
pub use sandbox::Sandbox;
pub use seccomp::Filter;
pub use selftest::{SelftestResult, strength};

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

/// A running command.
pub struct Child {
    /// The process between us and it, where that is our child ([`keeper`]).
    keeper: Option<Pid>,
    /// The number of its first process; 0 for one of the supervisor's.
    leader: u32,
    /// Closed, everything of it ends.
    control: Option<Control>,
    stdout: Option<Async<OwnedFd>>,
    stderr: Option<Async<OwnedFd>>,
    cgroup: Option<CgroupLeaf>,
    attributes: Option<AttributeBroker>,
}

/// Starts `/bin/sh -c script` in the folder `dir` with exactly this environment, standard input empty, output
/// in pipes, as leader of a new session, inside `sandbox`.
///
/// # Errors
/// A NUL in one of the texts, no room; what kept the sandbox from being closed.
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
    let variables =
        env.iter().map(|(name, value)| [name.as_bytes(), b"=", value.as_bytes()].concat());
    let program = Program::shell(script.as_bytes().to_vec(), variables.collect())?;
    let (hook, socket) = sandbox.attributes.as_ref().map(|_| Hook::new()).transpose()?.unzip();
    let entry = Entry::new(dir, &sandbox).with_hook(hook);
    let null = File::open("/dev/null")?;
    let (stdout, stdout_theirs) = pipe_with(PipeFlags::CLOEXEC)?;
    let (stderr, stderr_theirs) = pipe_with(PipeFlags::CLOEXEC)?;
    let (control, control_theirs) = UnixStream::pair()?;
    let (begun, begun_theirs) = pipe_with(PipeFlags::CLOEXEC)?;
    let streams = [null.as_raw_fd(), stdout_theirs.as_raw_fd(), stderr_theirs.as_raw_fd()];
    let pid = fork(&program, entry, streams, control_theirs.as_raw_fd(), begun_theirs.as_raw_fd())?;
    drop((null, stdout_theirs, stderr_theirs, control_theirs, begun_theirs));
    harden::started();
    // From here on dropping ends the process, whatever fails.
    let mut child = Child::new(Some(pid), sandbox.cgroup.take());
    child.control = Some(Control::new(control)?);
    child.leader = first_reports(begun)?;
    if let (Some(socket), Some(rules)) = (socket, sandbox.attributes.take()) {
        child.attributes = Some(AttributeBroker::new(&socket, rules)?);
    }
    child.stdout = Some(Async::new(stdout)?);
    child.stderr = Some(Async::new(stderr)?);
    Ok(child)
}

/// Makes the keeper, which makes the command with `streams` as its standard three.
fn fork(
    program: &Program,
    mut entry: Entry,
    streams: [RawFd; 3],
    control: RawFd,
    begun: RawFd,
) -> io::Result<Pid> {
    // SAFETY: the child makes system calls only, on memory of before the fork, and does not return.
    let pid = unsafe { libc::fork() };
    if pid == 0 {
        let [input, output, errors] = streams;
        let moved = service::place(&[(input, 0), (output, 1), (errors, 2)]);
        let post = Post { control, begun, copied: true, also: -1, serve: &mut |_| -1 };
        match moved {
            Ok(()) => keeper::keep(program, &mut entry, post),
            // SAFETY: ends this process, which is a copy.
            Err(_) => unsafe { libc::_exit(127) },
        }
    }
    Pid::from_raw(pid).filter(|_| pid > 0).ok_or_else(io::Error::last_os_error)
}

/// Waits until the command runs; the number of its first process.
fn first_reports(begun: OwnedFd) -> io::Result<u32> {
    let mut reports = Vec::new();
    File::from(begun).take(15).read_to_end(&mut reports)?;
    let mut leader = None;
    for report in reports.chunks_exact(5) {
        let value = i32::from_ne_bytes([report[1], report[2], report[3], report[4]]);
        match report[0] {
            b'p' => leader = u32::try_from(value).ok(),
            _ => return Err(io::Error::from_raw_os_error(value)),
        }
    }
    leader.ok_or_else(|| io::ErrorKind::BrokenPipe.into())
}

impl Child {
    fn new(keeper: Option<Pid>, cgroup: Option<CgroupLeaf>) -> Child {
        let (control, stdout, stderr, attributes) = (None, None, None, None);
        Child { keeper, leader: 0, control, stdout, stderr, cgroup, attributes }
    }

    /// Number of its first process, which is its group's too; 0 for one of the supervisor's.
    pub fn id(&self) -> u32 {
        self.leader
    }

    /// Ready when the first process has ended.
    fn poll_exited(&mut self, cx: &mut Context<'_>) -> Poll<()> {
        self.control.as_mut().map_or(Poll::Ready(()), |control| control.poll_exited(cx))
    }

    /// Ready when nothing of it is left.
    fn poll_over(&mut self, cx: &mut Context<'_>) -> Poll<()> {
        self.control.as_mut().map_or(Poll::Ready(()), |control| control.poll_over(cx))
    }

    /// Has what the command waits for answered.
    fn poll_attributes(&mut self, cx: &mut Context<'_>) {
        if self.attributes.as_mut().is_some_and(|broker| broker.poll(cx).is_ready()) {
            self.attributes = None;
        }
    }

    /// Signals every process of the group; SIGKILL is for everything that descends from it.
    fn signal(&self, signal: Signal) {
        if let Some(control) = &self.control {
            control.signal(signal.as_raw());
        }
        if let Some(cgroup) = self.cgroup.as_ref().filter(|_| signal == Signal::KILL) {
            cgroup.kill();
        }
    }

    /// How its first process ended; `None` while it lives.
    fn exit(&self) -> Option<Exit> {
        self.control.as_ref().and_then(Control::exit)
    }
}

impl Drop for Child {
    fn drop(&mut self) {
        self.control = None;
        self.cgroup = None;
        self.attributes = None;
        if let Some(keeper) = self.keeper.take() {
            // One that a command without a filter has stopped.
            let _ = kill_process(keeper, Signal::CONT);
            // All is gone within a scheduler tick, unless something hangs in a driver.
            let gone = (0..20).any(|n| {
                if n > 0 {
                    std::thread::sleep(Duration::from_millis(1));
                }
                !is_running(keeper)
            });
            if !gone {
                UNREAPED.with_borrow_mut(|list| list.push(keeper));
            }
        }
        UNREAPED.with_borrow(|busy| harden::ended(busy));
    }
}

thread_local! {
    /// Keepers of processes that hang in the kernel, reaped when the next command starts: waiting for one would
    /// block whoever waits. A blocking thread would be the only one there is.
    static UNREAPED: RefCell<Vec<Pid>> = const { RefCell::new(Vec::new()) };
}

/// Reaps a child of ours that has ended.
fn is_running(pid: Pid) -> bool {
    let options = WaitIdOptions::EXITED | WaitIdOptions::NOHANG;
    matches!(waitid(WaitId::Pid(pid), options), Ok(None) | Err(Errno::INTR))
}

fn reap_unreaped() {
    UNREAPED.with_borrow_mut(|list| list.retain(|pid| is_running(*pid)));
}

#[cfg(test)]
mod tests;
