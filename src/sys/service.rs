//! Starting the daemon: cgroup, limits, user, all before exec, so that nothing of it ever runs outside them.

use std::ffi::{CStr, OsStr};
use std::fs::File;
use std::io;
use std::os::fd::{AsRawFd, BorrowedFd, FromRawFd, RawFd};
use std::os::unix::net::UnixDatagram;
use std::os::unix::process::CommandExt;
use std::path::Path;
use std::process::{Child, Command, Stdio};

/// The descriptor that the child finds its notify socket on.
pub const NOTIFY_FD: RawFd = 3;
/// The descriptor of the socket for commands (see [`super::exec_broker`]), where there is one.
pub const EXEC_BROKER_FD: RawFd = 4;

/// Who the child becomes.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Identity {
    /// User.
    pub uid: u32,
    /// First group.
    pub gid: u32,
    /// Further groups.
    pub groups: Vec<u32>,
}

/// What is set between fork and exec.
pub struct Confinement<'a> {
    /// `cgroup.procs` of the leaf, open for writing.
    pub cgroup: Option<&'a File>,
    /// RLIMIT_DATA in bytes.
    pub data: Option<u64>,
    /// `oom_score_adj`.
    pub oom_score_adj: Option<i32>,
    /// None: stay who we are (not started as root).
    pub identity: Option<&'a Identity>,
    /// Goes to [`EXEC_BROKER_FD`].
    pub broker: Option<BorrowedFd<'a>>,
}

/// Starts `program` with a pipe on stdout and stderr, its notify socket on [`NOTIFY_FD`], no new privileges, no core
/// file, umask 077, and SIGKILL when this process dies.
pub fn start(
    program: &Path,
    arguments: &[&OsStr],
    environment: &[(&str, &OsStr)],
    notify: BorrowedFd<'_>,
    confinement: &Confinement<'_>,
) -> io::Result<Child> {
    let mut command = Command::new(program);
    command.args(arguments).stdin(Stdio::null()).stdout(Stdio::piped()).stderr(Stdio::piped());
    for (name, value) in environment {
        command.env(name, value);
    }
    let cgroup = confinement.cgroup.map(|f| f.as_raw_fd());
    let (data, oom) = (confinement.data, confinement.oom_score_adj);
    let identity = confinement.identity.cloned();
    let notify = notify.as_raw_fd();
    let broker = confinement.broker.map(|fd| fd.as_raw_fd());
    // SAFETY: the closure runs in the forked child, which has this one thread; it makes system calls only, with
    // memory allocated before the fork, and takes no lock.
    unsafe {
        command.pre_exec(move || prepare(cgroup, data, oom, identity.as_ref(), notify, broker));
    }
    command.spawn()
}

/// Makes a child of this process start with no signal blocked: ours are, see [`super::wake`], and exec keeps that.
pub fn with_open_signals(command: &mut Command) -> &mut Command {
    // SAFETY: the closure makes one system call on stack memory.
    unsafe { command.pre_exec(unblock_signals) }
}

/// Between fork and exec.
pub(super) fn unblock_signals() -> io::Result<()> {
    // SAFETY: all-zero is a valid sigset_t; the pointer lives for the call.
    unsafe {
        let mut none: libc::sigset_t = std::mem::zeroed();
        libc::sigemptyset(&mut none);
        check(libc::sigprocmask(libc::SIG_SETMASK, &none, std::ptr::null_mut()))
    }
}

pub(super) fn check(result: libc::c_int) -> io::Result<()> {
    if result == 0 { Ok(()) } else { Err(io::Error::last_os_error()) }
}

fn prepare(
    cgroup: Option<RawFd>,
    data: Option<u64>,
    oom: Option<i32>,
    identity: Option<&Identity>,
    notify: RawFd,
    broker: Option<RawFd>,
) -> io::Result<()> {
    unblock_signals()?;
    // SAFETY: plain system calls on our own descriptors and stack memory, each result checked.
    unsafe {
        if let Some(fd) = cgroup {
            if libc::write(fd, c"0".as_ptr().cast(), 1) != 1 {
                return Err(io::Error::last_os_error());
            }
        }
        if let Some(bytes) = data {
            let limit =
                libc::rlimit { rlim_cur: bytes as libc::rlim_t, rlim_max: bytes as libc::rlim_t };
            check(libc::setrlimit(libc::RLIMIT_DATA, &limit))?;
        }
        let none = libc::rlimit { rlim_cur: 0, rlim_max: 0 };
        check(libc::setrlimit(libc::RLIMIT_CORE, &none))?;
        if let Some(score) = oom {
            // Where the kernel does not let us, the daemon starts all the same; the report reads back what holds.
            let _ = write_small(c"/proc/self/oom_score_adj", score);
        }
        match broker {
            Some(broker) => place(&[(notify, NOTIFY_FD), (broker, EXEC_BROKER_FD)])?,
            None => place(&[(notify, NOTIFY_FD)])?,
        }
        match identity {
            Some(identity) => become_user(identity)?,
            None => dies_with_its_parent()?,
        }
        libc::umask(0o077);
    }
    Ok(())
}

/// Puts descriptors where the program to be started looks for them, each `(from, to)`; at most eight. Between fork and exec:
/// what had the new numbers before is closed.
pub(super) fn place(moves: &[(RawFd, RawFd)]) -> io::Result<()> {
    let mut high = [-1; 8];
    // SAFETY: plain system calls on integers; nothing of this process but the exec comes after them.
    unsafe {
        // Out of each other's way first.
        for (slot, (from, _)) in high.iter_mut().zip(moves) {
            *slot = libc::fcntl(*from, libc::F_DUPFD_CLOEXEC, 16);
            check((*slot).min(0))?;
        }
        for (from, (_, to)) in high.iter().zip(moves) {
            check(libc::dup2(*from, *to).min(0))?;
        }
    }
    Ok(())
}

/// Becomes `identity` for good: groups, user, no way back up. Between fork and exec.
pub(super) fn become_user(identity: &Identity) -> io::Result<()> {
    // SAFETY: plain system calls; the list of groups is as long as said.
    unsafe {
        check(libc::setgroups(identity.groups.len() as _, identity.groups.as_ptr()))?;
        check(libc::setgid(identity.gid))?;
        check(libc::setuid(identity.uid))?;
    }
    // After setuid, which clears it.
    dies_with_its_parent()
}

/// And gets no new privileges.
fn dies_with_its_parent() -> io::Result<()> {
    // SAFETY: plain system calls on integers.
    unsafe {
        check(libc::prctl(libc::PR_SET_PDEATHSIG, libc::SIGKILL as libc::c_ulong, 0, 0, 0))?;
        check(libc::prctl(libc::PR_SET_NO_NEW_PRIVS, 1 as libc::c_ulong, 0, 0, 0))
    }
}

/// Writes a number to a /proc file without allocating.
fn write_small(path: &CStr, value: i32) -> io::Result<()> {
    let mut text = [0u8; 12];
    let mut at = text.len();
    let mut rest = value.unsigned_abs();
    loop {
        at -= 1;
        text[at] = b'0' + (rest % 10) as u8;
        rest /= 10;
        if rest == 0 {
            break;
        }
    }
    if value < 0 {
        at -= 1;
        text[at] = b'-';
    }
    // SAFETY: `path` ends in NUL, the buffer is ours and as long as said; the descriptor is closed again.
    unsafe {
        let fd = libc::open(path.as_ptr(), libc::O_WRONLY | libc::O_CLOEXEC);
        if fd < 0 {
            return Err(io::Error::last_os_error());
        }
        let n = libc::write(fd, text[at..].as_ptr().cast(), text.len() - at);
        let result = if n < 0 { Err(io::Error::last_os_error()) } else { Ok(()) };
        libc::close(fd);
        result
    }
}

/// Takes over the notify socket that [`start`] left; None if the descriptor is no socket. Call once: two owners of
/// one descriptor would close it for each other.
pub fn inherited_socket(fd: RawFd) -> Option<UnixDatagram> {
    // SAFETY: fstat and fcntl on any number are safe; the descriptor is ours to own, as the caller promises.
    unsafe {
        let mut status: libc::stat = std::mem::zeroed();
        if libc::fstat(fd, &mut status) != 0 || status.st_mode & libc::S_IFMT != libc::S_IFSOCK {
            return None;
        }
        // Tools must not speak in the daemon's name.
        if libc::fcntl(fd, libc::F_SETFD, libc::FD_CLOEXEC) != 0 {
            return None;
        }
        Some(UnixDatagram::from_raw_fd(fd))
    }
}

/// Lets a socket that [`inherited_socket`] took over stay open over the next exec.
pub fn keep_socket(fd: RawFd) {
    // SAFETY: fstat and fcntl on any number are safe.
    unsafe {
        let mut status: libc::stat = std::mem::zeroed();
        if libc::fstat(fd, &mut status) == 0 && status.st_mode & libc::S_IFMT == libc::S_IFSOCK {
            libc::fcntl(fd, libc::F_SETFD, 0);
        }
    }
}

/// Closes a descriptor at the next exec.
pub(super) fn close_on_exec(fd: RawFd) -> io::Result<()> {
    // SAFETY: fcntl on any number is safe.
    check(unsafe { libc::fcntl(fd, libc::F_SETFD, libc::FD_CLOEXEC) }.min(0))
}

/// Sends `signal` to one process.
pub fn signal(pid: u32, signal: i32) -> io::Result<()> {
    // SAFETY: kill takes no pointers.
    check(unsafe { libc::kill(pid as libc::pid_t, signal) })
}

/// The user id this process acts with.
pub fn effective_uid() -> u32 {
    // SAFETY: geteuid cannot fail.
    unsafe { libc::geteuid() }
}

/// Runs `body` with file access as `identity`, then as before. For writing into folders that belong to a user, where
/// root would follow whatever links that user laid. Only in a process of one thread.
pub fn as_user<T>(
    identity: Option<&Identity>,
    body: impl FnOnce() -> io::Result<T>,
) -> io::Result<T> {
    let Some(identity) = identity.filter(|_| effective_uid() == 0) else { return body() };
    // SAFETY: plain system calls; on musl these act on the whole process, which has one thread.
    unsafe {
        check(libc::setegid(identity.gid))?;
        if let Err(e) = check(libc::seteuid(identity.uid)) {
            libc::setegid(0);
            return Err(e);
        }
    }
    let result = body();
    // SAFETY: as above; the saved ids are still root's, so these cannot be refused.
    unsafe {
        check(libc::seteuid(0))?;
        check(libc::setegid(0))?;
    }
    result
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::io::Read;
    use std::os::fd::AsFd;

    #[test]
    fn the_child_has_its_limits_before_it_runs() {
        crate::sys::wake::catch_signals().expect("signals");
        let (ours, theirs) = UnixDatagram::pair().expect("a pair");
        let confinement = Confinement {
            cgroup: None,
            data: Some(1 << 26),
            oom_score_adj: Some(7),
            identity: None,
            broker: None,
        };
        let script = "echo -n ping >&3; cat /proc/self/oom_score_adj; ulimit -d; umask; grep -E 'NoNewPrivs|SigBlk' /proc/self/status";
        let arguments = [OsStr::new("-c"), OsStr::new(script)];
        let mut child = start(Path::new("/bin/sh"), &arguments, &[], theirs.as_fd(), &confinement)
            .expect("start");
        let mut out = String::new();
        child.stdout.take().expect("stdout").read_to_string(&mut out).expect("read");
        assert!(child.wait().expect("wait").success());
        assert_eq!(out, "7\n65536\n0077\nSigBlk:\t0000000000000000\nNoNewPrivs:\t1\n");
        let mut message = [0; 8];
        assert_eq!(ours.recv(&mut message).expect("recv"), 4);
    }
}
