//! Starts a command in the sandbox, as a child of the daemon's own or by the supervisor.

use std::ffi::{OsStr, OsString};
use std::fs::File;
use std::io::{self, Read};
use std::os::fd::{AsRawFd, OwnedFd, RawFd};
use std::os::unix::ffi::OsStrExt;
use std::os::unix::net::UnixStream;

use async_io::Async;
use rustix::pipe::{PipeFlags, pipe_with};
use rustix::process::Pid;

use super::child::{Child, output, reap_unreaped};
use super::control::Control;
use super::keeper::{self, Post, Program};
use super::notify::{CallBroker, Hook};
use super::sandbox::{Entry, Sandbox};
use super::{harden, remote_child};
use crate::sys::service;

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
    let judged = sandbox.attributes.is_some();
    let hook = (judged || sandbox.internet).then(|| Hook::new(judged)).transpose()?;
    let (hook, socket) = hook.unzip();
    let entry = Entry::new(dir, &sandbox).with_hook(hook);
    let null = File::open("/dev/null")?;
    let (stdout, stdout_theirs) = output(sandbox.duplex)?;
    let (stderr, stderr_theirs) = output(false)?;
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
    if let Some(socket) = socket {
        let rules = sandbox.attributes.take().unwrap_or_default();
        child.broker = Some(CallBroker::new(&socket, rules)?);
        child.watched = true;
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
