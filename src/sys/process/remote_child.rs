//! Commands that the supervisor starts for us as another user ([`crate::sys::exec_broker`]): our side, and the started process's.

use std::ffi::{OsStr, OsString};
use std::fs::File;
use std::io::{self, Read, Write};
use std::os::fd::{AsFd, AsRawFd, BorrowedFd, FromRawFd, OwnedFd, RawFd};
use std::os::unix::ffi::OsStrExt;
use std::os::unix::net::{UnixDatagram, UnixStream};
use std::sync::OnceLock;

use async_io::Async;
use rustix::net::{AddressFamily, SocketFlags, SocketType, socketpair};

use super::child::{Child, output};
use super::control::Control;
use super::harden;
use super::keeper::{self, Post, Program};
use super::notify::{CallBroker, Hook, KeeperAnswers};
use super::peer::tasks;
use super::protected::ProtectedProcesses;
use super::sandbox::{Sandbox, SandboxEntry};
use super::seccomp::{self, Filter};
use crate::environment;
use crate::limits::{BROKER_REQUEST_BYTES, EXEC_PROCESSES};
use crate::sys::exec_broker::{self, ATTRIBUTES_FD, CONTROL_FD, FOLDER_FD, REQUEST_FD, RULES_FD};
use crate::sys::service;

/// There are Landlock rules.
const LANDLOCK: u8 = b'l';
/// Changes of attributes are answered, and sockets to other machines reported.
const ATTRIBUTES: u8 = b'a';

static SUPERVISOR: OnceLock<UnixDatagram> = OnceLock::new();

/// Takes over the supervisor's socket, where it left one (`PICOCLAW_TOOL_FD`). Once, at the daemon's start.
pub fn adopt() {
    let fd = std::env::var(environment::TOOL_FD).ok().and_then(|n| n.parse().ok());
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
    request.write_all(&compose(script, env, &sandbox)?)?;
    drop(request);
    let (control, control_theirs) = UnixStream::pair()?;
    let (stdout, stdout_theirs) = output(sandbox.duplex)?;
    let (stderr, stderr_theirs) = output(false)?;
    let kind = (AddressFamily::UNIX, SocketType::SEQPACKET, SocketFlags::CLOEXEC);
    let (wishes, wishes_theirs) = socketpair(kind.0, kind.1, kind.2, None)?;
    let cgroup = sandbox.cgroup.take();
    // SAFETY: the rules live as long as `sandbox`.
    let rules =
        sandbox.landlock.as_ref().map(|rules| unsafe { BorrowedFd::borrow_raw(rules.as_raw_fd()) });
    let descriptors = [
        theirs.as_fd(),
        control_theirs.as_fd(),
        stdout_theirs.as_fd(),
        stderr_theirs.as_fd(),
        dir.as_fd(),
        rules.unwrap_or(dir.as_fd()),
        wishes_theirs.as_fd(),
    ];
    let number = cgroup.as_ref().map_or(0, |cgroup| cgroup.number());
    exec_broker::ask(supervisor, number, descriptors)
        .map_err(|e| io::Error::other(format!("the supervisor does not answer: {e}")))?;
    let mut child = Child::new(None, cgroup);
    child.control = Some(Control::new(control)?);
    if let Some(rules) = sandbox.attributes.take() {
        child.broker = Some(CallBroker::shared(wishes, rules)?);
        child.watched = true;
    }
    child.stdout = Some(Async::new(stdout)?);
    child.stderr = Some(Async::new(stderr)?);
    Ok(child)
}

/// RLIMIT_DATA or nothing, what is to be put in force ([`LANDLOCK`], [`ATTRIBUTES`]), the script, the variables; NUL behind each.
fn compose(script: &OsStr, env: &[(OsString, OsString)], sandbox: &Sandbox) -> io::Result<Vec<u8>> {
    let mut text = sandbox.data.map(|n| n.to_string()).unwrap_or_default().into_bytes();
    text.push(0);
    text.extend(sandbox.landlock.as_ref().map(|_| LANDLOCK));
    text.extend(sandbox.attributes.as_ref().map(|_| ATTRIBUTES));
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

/// `picoclaw exec-child`, which the supervisor starts as the other user: reads what to run, and keeps it.
///
/// # Errors
/// Always: it does not return otherwise.
pub fn become_command() -> io::Error {
    match prepare() {
        Ok(never) => never,
        Err(e) => e,
    }
}

fn prepare() -> io::Result<io::Error> {
    harden::close_to_others();
    // SAFETY: the supervisor has put them there, and nothing else in this process, which has just begun, owns them.
    let [request, dir, rules, daemon] = unsafe {
        [REQUEST_FD, FOLDER_FD, RULES_FD, ATTRIBUTES_FD].map(|fd| OwnedFd::from_raw_fd(fd))
    };
    for fd in [dir.as_raw_fd(), rules.as_raw_fd(), daemon.as_raw_fd(), CONTROL_FD] {
        service::close_on_exec(fd)?;
    }
    let mut text = Vec::new();
    File::from(request).take(BROKER_REQUEST_BYTES).read_to_end(&mut text)?;
    let mut parts = text.split(|b| *b == 0);
    let data = parts.next().and_then(|n| std::str::from_utf8(n).ok()?.parse().ok());
    let (Some(force), Some(script)) = (parts.next(), parts.next()) else {
        return Err(io::ErrorKind::InvalidData.into());
    };
    let variables = parts.filter(|v| v.contains(&b'=') && v[0] != b'=').map(<[u8]>::to_vec);
    let program = Program::shell(script.to_vec(), variables.collect())?;
    let filter = Filter::new(&ProtectedProcesses::parent())?;
    let sandbox = Sandbox {
        data,
        processes: tasks().map(|now| now + EXEC_PROCESSES),
        filter: seccomp::available().then_some(filter),
        ..Sandbox::default()
    };
    let hook = force.contains(&ATTRIBUTES).then(|| Hook::new(true)).transpose()?;
    let (hook, socket) = hook.unzip();
    let rules = force.contains(&LANDLOCK).then_some(rules);
    let mut entry = SandboxEntry::new(&dir, &sandbox)
        .with_rules(rules.as_ref().map(AsRawFd::as_raw_fd))
        .with_hook(hook);
    let mut answers = socket.map(|socket| KeeperAnswers::new(socket, daemon, tell_internet));
    let also = answers.as_ref().map_or(-1, KeeperAnswers::first);
    let mut serve = |_: RawFd| answers.as_mut().map_or(-1, KeeperAnswers::serve);
    let post = Post { control: CONTROL_FD, begun: -1, copied: false, also, serve: &mut serve };
    keeper::keep(&program, &mut entry, post)
}

/// Reports to the daemon that the command opens a socket to other machines.
fn tell_internet() {
    keeper::tell(CONTROL_FD, keeper::report(b'i', 0));
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_request_is_bounded_and_fits_into_a_socket() {
        let env = |bytes: usize| [("A".into(), "v".repeat(bytes).into())];
        let none = Sandbox::default();
        let limited = Sandbox { data: Some(7), ..Sandbox::default() };
        let text = compose(OsStr::new("x y"), &env(1), &limited).expect("a request");
        assert_eq!(text, b"7\0\0x y\0A=v\0");
        let room = BROKER_REQUEST_BYTES as usize - 7;
        let text = compose(OsStr::new("x"), &env(room), &none).expect("a request");
        assert_eq!(text.len() as u64, BROKER_REQUEST_BYTES);
        let (mut request, _theirs) = UnixStream::pair().expect("a pair");
        request.set_nonblocking(true).expect("a mode");
        request.write_all(&text).expect("room");
        assert!(compose(OsStr::new("x"), &env(room + 1), &none).is_err());
    }
}
