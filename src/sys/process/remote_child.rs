//! Commands that the supervisor starts for us as another user ([`crate::sys::exec_broker`]): our side, and the started process's.

use std::ffi::{OsStr, OsString};
use std::fs::File;
use std::io::{self, Read, Write};
use std::os::fd::{AsFd, FromRawFd, OwnedFd};
use std::os::unix::ffi::OsStrExt;
use std::os::unix::net::{UnixDatagram, UnixStream};
use std::os::unix::process::CommandExt;
use std::process::Command;
use std::sync::OnceLock;
use std::task::{Context, Poll};

use async_io::Async;
use rustix::pipe::{PipeFlags, pipe_with};

use super::sandbox::{Entry, Sandbox};
use super::seccomp::{self, Filter, ProtectedProcesses};
use super::{Child, Exit, Watch, harden, tasks};
use crate::limits::{BROKER_REQUEST_BYTES, EXEC_PROCESSES};
use crate::sys::exec_broker::{self, FOLDER_FD, REQUEST_FD};
use crate::sys::service;

static SUPERVISOR: OnceLock<UnixDatagram> = OnceLock::new();

/// Takes over the supervisor's socket, where it left one (`PICOCLAW_TOOL_FD`). Once, at the daemon's start.
pub fn adopt() {
    let fd = std::env::var("PICOCLAW_TOOL_FD").ok().and_then(|n| n.parse().ok());
    let socket = fd.filter(|fd| *fd > 2).and_then(service::inherited_socket);
    if let Some(socket) = socket.filter(|s| s.set_nonblocking(true).is_ok()) {
        // The second call of a process finds no socket there.
        let _ = SUPERVISOR.set(socket);
    }
}

/// Commands can be started as another user.
pub fn has_exec_broker() -> bool {
    SUPERVISOR.get().is_some()
}

/// A command that the supervisor watches.
pub(super) struct RemoteChild {
    control: Async<OwnedFd>,
    exit: Option<Exit>,
}

/// As [`super::shell`].
pub(super) fn start(
    script: &OsStr,
    dir: &OwnedFd,
    env: &[(OsString, OsString)],
    mut sandbox: Sandbox,
) -> io::Result<Child> {
    let supervisor = SUPERVISOR.get().ok_or(io::ErrorKind::NotConnected)?;
    let (mut request, theirs) = UnixStream::pair()?;
    request.set_nonblocking(true)?;
    // Nobody reads before it is sent, so there is room for all of it or the call fails.
    request.write_all(&compose(script, env, sandbox.data)?)?;
    drop(request);
    let (control, control_theirs) = UnixStream::pair()?;
    let (stdout, stdout_theirs) = pipe_with(PipeFlags::CLOEXEC)?;
    let (stderr, stderr_theirs) = pipe_with(PipeFlags::CLOEXEC)?;
    let cgroup = sandbox.cgroup.take();
    let descriptors = [
        theirs.as_fd(),
        control_theirs.as_fd(),
        stdout_theirs.as_fd(),
        stderr_theirs.as_fd(),
        dir.as_fd(),
    ];
    exec_broker::ask(supervisor, cgroup.as_ref().map_or(0, |cgroup| cgroup.number()), descriptors)
        .map_err(|e| io::Error::other(format!("the supervisor does not answer: {e}")))?;
    let watch =
        Watch::Remote(RemoteChild { control: Async::new(OwnedFd::from(control))?, exit: None });
    harden::started();
    let mut child = Child::new(None, watch, cgroup);
    child.stdout = Some(Async::new(stdout)?);
    child.stderr = Some(Async::new(stderr)?);
    Ok(child)
}

impl RemoteChild {
    /// Ready when its first process has ended.
    pub(super) fn poll(&mut self, cx: &mut Context<'_>) -> Poll<()> {
        while self.exit.is_none() {
            let mut report = [0; 5];
            match rustix::io::read(&self.control, &mut report) {
                Ok(5) => {
                    let [kind, a, b, c, d] = report;
                    let value = i32::from_ne_bytes([a, b, c, d]);
                    self.exit = Some(match kind {
                        b'x' => Exit::Code(value),
                        b's' => Exit::Signal(value),
                        _ => Exit::NotStarted(value),
                    });
                }
                Err(rustix::io::Errno::INTR) => {}
                Err(rustix::io::Errno::AGAIN) => {
                    if self.control.poll_readable(cx).is_pending() {
                        return Poll::Pending;
                    }
                }
                // The supervisor has gone, and the command with it.
                _ => self.exit = Some(Exit::Unknown),
            }
        }
        Poll::Ready(())
    }

    pub(super) fn signal(&self, signal: i32) {
        // Gone is as good.
        let _ = rustix::io::write(&self.control, &[signal as u8]);
    }

    pub(super) fn exit(&self) -> Option<Exit> {
        self.exit
    }
}

/// RLIMIT_DATA or nothing, the script, the variables; NUL behind each.
fn compose(script: &OsStr, env: &[(OsString, OsString)], data: Option<u64>) -> io::Result<Vec<u8>> {
    let mut text = data.map(|n| n.to_string()).unwrap_or_default().into_bytes();
    text.push(0);
    text.extend_from_slice(script.as_bytes());
    text.push(0);
    for (name, value) in env {
        for part in [name.as_bytes(), b"=", value.as_bytes(), b"\0"] {
            text.extend_from_slice(part);
        }
    }
    if text.len() as u64 > BROKER_REQUEST_BYTES {
        return Err(io::Error::other("it is too long, with its environment"));
    }
    Ok(text)
}

/// `picoclaw exec-child`, which the supervisor starts as the other user: reads what to run, closes the sandbox, becomes it.
///
/// # Errors
/// Always: it does not return otherwise.
pub fn become_command() -> io::Error {
    // SAFETY: the supervisor has put both there, and nothing else in this process, which has just begun, owns them.
    let (request, dir) =
        unsafe { (File::from_raw_fd(REQUEST_FD), OwnedFd::from_raw_fd(FOLDER_FD)) };
    let mut text = Vec::new();
    if let Err(e) = request.take(BROKER_REQUEST_BYTES).read_to_end(&mut text) {
        return e;
    }
    let mut parts = text.split(|b| *b == 0);
    let data = parts.next().and_then(|n| std::str::from_utf8(n).ok()?.parse().ok());
    let Some(script) = parts.next() else { return io::ErrorKind::InvalidData.into() };
    let filter = match Filter::new(&ProtectedProcesses::parent()) {
        Ok(filter) => seccomp::available().then_some(filter),
        Err(e) => return e,
    };
    let sandbox = Sandbox {
        data,
        processes: tasks().map(|now| now + EXEC_PROCESSES),
        filter,
        ..Sandbox::default()
    };
    let mut command = Command::new("/bin/sh");
    command.arg("-c").arg(OsStr::from_bytes(script)).env_clear();
    for variable in parts {
        let at = variable.iter().position(|b| *b == b'=').unwrap_or(0);
        let (name, value) = variable.split_at(at);
        if !name.is_empty() {
            command.env(OsStr::from_bytes(name), OsStr::from_bytes(&value[1..]));
        }
    }
    match Entry::new(&dir, &sandbox).of_parent().enter() {
        Ok(()) => command.exec(),
        Err(e) => e,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_request_is_bounded_and_fits_into_a_socket() {
        let env = |bytes: usize| [("A".into(), "v".repeat(bytes).into())];
        let text = compose(OsStr::new("x y"), &env(1), Some(7)).expect("a request");
        assert_eq!(text, b"7\0x y\0A=v\0");
        let room = BROKER_REQUEST_BYTES as usize - 6;
        let text = compose(OsStr::new("x"), &env(room), None).expect("a request");
        assert_eq!(text.len() as u64, BROKER_REQUEST_BYTES);
        let (mut request, _theirs) = UnixStream::pair().expect("a pair");
        request.set_nonblocking(true).expect("a mode");
        request.write_all(&text).expect("room");
        assert!(compose(OsStr::new("x"), &env(room + 1), None).is_err());
    }
}
