//! Starts a command in the sandbox, as a child of the daemon's own or by the supervisor.

use std::ffi::{OsStr, OsString};
use std::fs::File;
use std::io;
use std::os::fd::{AsRawFd, OwnedFd, RawFd};
use std::os::unix::ffi::OsStrExt;
use std::os::unix::net::UnixStream;
use std::time::Duration;

use async_io::{Async, Timer};
use rustix::pipe::{PipeFlags, pipe_with};
use rustix::process::Pid;
use smol::future::or;

use super::child::{Child, output};
use super::control::Control;
use super::keeper::{self, Post, Program};
use super::notify::{AttributeRules, CallBroker, Hook};
use super::sandbox::{Sandbox, SandboxEntry};
use super::{reaper, remote_child};
use crate::limits::EXEC_START_WAIT;
use crate::sys::service;

/// Starts `/bin/sh -c script` in the folder `dir` with exactly this environment, standard input empty, output
/// in pipes, as leader of a new session, inside `sandbox`. Waits until the shell runs, at most [`EXEC_START_WAIT`].
///
/// # Errors
/// A NUL in one of the texts, no room; what kept the sandbox from being closed; a shell that did not begin in time.
pub async fn shell(
    script: &OsStr,
    dir: &OwnedFd,
    env: &[(OsString, OsString)],
    sandbox: Sandbox,
) -> io::Result<Child> {
    if sandbox.remote {
        return remote_child::start(script, dir, env, sandbox);
    }
    let variables =
        env.iter().map(|(name, value)| [name.as_bytes(), b"=", value.as_bytes()].concat());
    let program = Program::shell(script.as_bytes().to_vec(), variables.collect())?;
    // Boxed: what it holds is not part of the turn's future.
    let starting = Box::new(begin(program, dir, sandbox)?);
    starting.begun(EXEC_START_WAIT).await
}

/// A command that was forked, and may not run yet.
struct Starting {
    child: Child,
    /// Takes the first reports; closed when the command runs.
    begun: Async<OwnedFd>,
    /// Where its calls are answered: what brings the listener, and what it may change.
    broker: Option<(OwnedFd, AttributeRules)>,
}

fn begin(program: Program, dir: &OwnedFd, mut sandbox: Sandbox) -> io::Result<Starting> {
    let judged = sandbox.attributes.is_some();
    let hook = (judged || sandbox.internet).then(|| Hook::new(judged)).transpose()?;
    let (hook, socket) = hook.unzip();
    let entry = SandboxEntry::new(dir, &sandbox).with_hook(hook);
    let null = File::open("/dev/null")?;
    let (stdout, stdout_theirs) = output(sandbox.duplex)?;
    let (stderr, stderr_theirs) = output(false)?;
    let (control, control_theirs) = UnixStream::pair()?;
    let (begun, begun_theirs) = pipe_with(PipeFlags::CLOEXEC)?;
    let streams = [null.as_raw_fd(), stdout_theirs.as_raw_fd(), stderr_theirs.as_raw_fd()];
    let (control_fd, begun_fd) = (control_theirs.as_raw_fd(), begun_theirs.as_raw_fd());
    let pid = reaper::started(|| fork(&program, entry, streams, control_fd, begun_fd))?;
    // From here on dropping ends the process, whatever fails.
    let mut child = Child::new(Some(pid), sandbox.cgroup.take());
    drop((null, stdout_theirs, stderr_theirs, control_theirs, begun_theirs));
    child.control = Some(Control::new(control)?);
    child.stdout = Some(Async::new(stdout)?);
    child.stderr = Some(Async::new(stderr)?);
    let broker = socket.map(|socket| (socket, sandbox.attributes.take().unwrap_or_default()));
    Ok(Starting { child, begun: Async::new(begun)?, broker })
}

impl Starting {
    /// Waits until the command runs.
    async fn begun(mut self: Box<Self>, limit: Duration) -> io::Result<Child> {
        let late = async {
            Timer::after(limit).await;
            let text =
                format!("the shell did not begin within {} s; the disk may hang", limit.as_secs());
            Err(io::Error::new(io::ErrorKind::TimedOut, text))
        };
        self.child.leader = or(first_reports(&self.begun), late).await?;
        if let Some((socket, rules)) = self.broker {
            self.child.broker = Some(CallBroker::new(&socket, rules)?);
            self.child.watched = true;
        }
        Ok(self.child)
    }
}

/// Makes the keeper, which makes the command with `streams` as its standard three.
fn fork(
    program: &Program,
    mut entry: SandboxEntry,
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
async fn first_reports(begun: &Async<OwnedFd>) -> io::Result<u32> {
    let mut leader = None;
    loop {
        // A report is written at once, so it is read as a whole.
        let mut report = [0; 5];
        match begun.read_with(|fd| Ok(rustix::io::read(fd, &mut report)?)).await? {
            0 => return leader.ok_or_else(|| io::ErrorKind::BrokenPipe.into()),
            5 => {}
            _ => return Err(io::ErrorKind::InvalidData.into()),
        }
        let [kind, value @ ..] = report;
        let value = i32::from_ne_bytes(value);
        match kind {
            b'p' => leader = u32::try_from(value).ok(),
            _ => return Err(io::Error::from_raw_os_error(value)),
        }
    }
}

#[cfg(test)]
#[path = "spawn_tests.rs"]
mod tests;
