//! A running command, as the daemon holds it. Dropped, it is killed with all that it started; [`reaper`] reaps it.

use std::io;
use std::os::fd::OwnedFd;
use std::os::unix::net::UnixStream;
use std::task::{Context, Poll};

use async_io::Async;
use rustix::pipe::{PipeFlags, pipe_with};
use rustix::process::{Pid, Signal, kill_process};

use super::cgroup_leaf::CgroupLeaf;
use super::control::{Control, Exit};
use super::notify::CallBroker;
use super::reaper;

/// A running command.
pub struct Child {
    /// The process between us and it, where that is our child ([`super::keeper`]).
    keeper: Option<Pid>,
    /// The number of its first process; 0 for one of the supervisor's.
    pub(super) leader: u32,
    /// Closed, everything of it ends.
    pub(super) control: Option<Control>,
    pub(super) stdout: Option<Async<OwnedFd>>,
    pub(super) stderr: Option<Async<OwnedFd>>,
    cgroup: Option<CgroupLeaf>,
    /// Answers the calls that wait.
    pub(super) broker: Option<CallBroker>,
    /// Its sockets are noticed.
    pub(super) watched: bool,
    /// It has opened one that leads to other machines.
    internet: bool,
}

impl Child {
    pub(super) fn new(keeper: Option<Pid>, cgroup: Option<CgroupLeaf>) -> Child {
        let (control, stdout, stderr, broker) = (None, None, None, None);
        let (watched, internet) = (false, false);
        Child { keeper, leader: 0, control, stdout, stderr, cgroup, broker, watched, internet }
    }

    /// Number of its first process, which is its group's too; 0 for one of the supervisor's.
    pub fn id(&self) -> u32 {
        self.leader
    }

    /// Ready when the first process has ended.
    pub(super) fn poll_exited(&mut self, cx: &mut Context<'_>) -> Poll<()> {
        self.control.as_mut().map_or(Poll::Ready(()), |control| control.poll_exited(cx))
    }

    /// Ready when nothing of it is left.
    pub(super) fn poll_over(&mut self, cx: &mut Context<'_>) -> Poll<()> {
        self.control.as_mut().map_or(Poll::Ready(()), |control| control.poll_over(cx))
    }

    /// Has what the command waits for answered.
    pub(super) fn poll_calls(&mut self, cx: &mut Context<'_>) {
        let Some(broker) = &mut self.broker else { return };
        let over = broker.poll(cx).is_ready();
        self.internet |= broker.internet();
        if over {
            self.broker = None;
        }
    }

    /// Whether a process of it has opened a socket that leads to other machines; `None` where nobody looks.
    pub(super) fn internet(&self) -> Option<bool> {
        let noted = self.broker.as_ref().is_some_and(CallBroker::internet);
        let reported = self.control.as_ref().is_some_and(Control::internet);
        self.watched.then_some(self.internet || noted || reported)
    }

    /// Signals every process of the group; SIGKILL is for everything that descends from it.
    pub(super) fn signal(&self, signal: Signal) {
        if let Some(control) = &self.control {
            control.signal(signal.as_raw());
        }
        if let Some(cgroup) = self.cgroup.as_ref().filter(|_| signal == Signal::KILL) {
            cgroup.kill();
        }
    }

    /// How its first process ended; `None` while it lives.
    pub(super) fn exit(&self) -> Option<Exit> {
        self.control.as_ref().and_then(Control::exit)
    }
}

/// Our end and the command's: a pipe, or a socket that it can read from as well.
pub(super) fn output(duplex: bool) -> io::Result<(OwnedFd, OwnedFd)> {
    if cfg!(feature = "hooks") && duplex {
        let (ours, theirs) = UnixStream::pair()?;
        return Ok((ours.into(), theirs.into()));
    }
    Ok(pipe_with(PipeFlags::CLOEXEC)?)
}

impl Drop for Child {
    fn drop(&mut self) {
        self.control = None;
        self.cgroup = None;
        self.broker = None;
        if let Some(keeper) = self.keeper.take() {
            // One that a command without a filter has stopped.
            let _ = kill_process(keeper, Signal::CONT);
            reaper::reap_keeper(keeper);
        }
    }
}
