//! Commands as a user of their own, for kernels without Landlock: the daemon asks, the supervisor, which is root, starts.
//!
//! Between them is a socket pair that nobody else has. One datagram asks for one command: the number of its control group
//! (4 bytes, native order; 0 for none), and with it [`DESCRIPTORS`] descriptors (SCM_RIGHTS, unix(7)): what to run, control
//! socket, stdout, stderr, working directory. Root reads nothing of what is to be run: a child reads it when it is the
//! other user already (`picoclaw exec-child`, [`super::process::become_command`]).
//!
//! On the control socket the daemon writes signals, a byte each: SIGTERM or SIGKILL, for the command's process group. The
//! supervisor answers once in 5 bytes: `n` and why it cannot be started (errno), or, when its first process has ended, `x` and
//! its status or `s` and a signal. What the command left behind lives until SIGKILL or until the daemon closes the socket.

use std::fs::OpenOptions;
use std::io::{self, IoSlice, IoSliceMut, Read, Write};
use std::mem::MaybeUninit;
use std::os::fd::{AsFd, AsRawFd, BorrowedFd, OwnedFd, RawFd};
use std::os::unix::net::{UnixDatagram, UnixStream};
use std::os::unix::process::CommandExt;
use std::path::Path;
use std::process::{Command, Stdio};

use rustix::net::{
    RecvAncillaryBuffer, RecvAncillaryMessage, RecvFlags, SendAncillaryBuffer,
    SendAncillaryMessage, SendFlags, recvmsg, sendmsg,
};
use rustix::process::{Pid, WaitId, WaitIdOptions, waitid};

use super::service::{self, Identity, check};

/// Descriptors of one request.
pub const DESCRIPTORS: usize = 5;
/// Where the started process finds what to run, and its working directory.
pub const REQUEST_FD: RawFd = 3;
/// See [`REQUEST_FD`].
pub const FOLDER_FD: RawFd = 4;

/// Asks for a command in control group `leaf`.
///
/// # Errors
/// The kernel's; the supervisor is gone.
pub fn ask(
    socket: &UnixDatagram,
    leaf: u32,
    descriptors: [BorrowedFd<'_>; DESCRIPTORS],
) -> io::Result<()> {
    let mut space = [MaybeUninit::uninit(); rustix::cmsg_space!(ScmRights(DESCRIPTORS))];
    let mut rights = SendAncillaryBuffer::new(&mut space);
    rights.push(SendAncillaryMessage::ScmRights(&descriptors));
    let text = leaf.to_ne_bytes();
    sendmsg(socket, &[IoSlice::new(&text)], &mut rights, SendFlags::NOSIGNAL)?;
    Ok(())
}

/// A request as root has it.
pub struct CommandRequest {
    leaf: u32,
    request: OwnedFd,
    control: UnixStream,
    stdout: OwnedFd,
    stderr: OwnedFd,
    folder: OwnedFd,
}

/// Takes one waiting request; `None` when there is none. What is no request is thrown away.
pub fn receive(socket: &UnixDatagram) -> Option<Option<CommandRequest>> {
    let mut space = [MaybeUninit::uninit(); rustix::cmsg_space!(ScmRights(DESCRIPTORS))];
    let mut rights = RecvAncillaryBuffer::new(&mut space);
    let mut text = [0; 4];
    let flags = RecvFlags::DONTWAIT | RecvFlags::CMSG_CLOEXEC;
    let got = recvmsg(socket, &mut [IoSliceMut::new(&mut text)], &mut rights, flags).ok()?;
    let mut found = Vec::with_capacity(DESCRIPTORS);
    for message in rights.drain() {
        if let RecvAncillaryMessage::ScmRights(descriptors) = message {
            found.extend(descriptors);
        }
    }
    let Ok([request, control, stdout, stderr, folder]) = <[OwnedFd; DESCRIPTORS]>::try_from(found)
    else {
        return Some(None);
    };
    let (control, leaf) = (UnixStream::from(control), u32::from_ne_bytes(text));
    let fine = got.bytes == text.len() && control.set_nonblocking(true).is_ok();
    Some(fine.then_some(CommandRequest { leaf, request, control, stdout, stderr, folder }))
}

impl CommandRequest {
    /// Tells the daemon why it was not run. Nothing is written to descriptors that the daemon chose, but to its socket.
    pub fn refuse(self, why: &io::Error) {
        let number = why.raw_os_error().unwrap_or(libc::EACCES);
        let _ = (&self.control).write(&report(b'n', number));
    }

    /// Starts it as `user`, in a session of its own, in its group below `leaves`.
    ///
    /// # Errors
    /// The kernel's; the daemon is told.
    pub fn start(self, leaves: Option<&Path>, user: &Identity) -> io::Result<BrokeredChild> {
        match self.spawn(leaves, user) {
            Ok(pid) => Ok(BrokeredChild { pid, control: self.control, told: false, over: false }),
            Err(e) => {
                self.refuse(&e);
                Err(e)
            }
        }
    }

    fn spawn(&self, leaves: Option<&Path>, user: &Identity) -> io::Result<Pid> {
        // Named by us and not by a descriptor of the daemon's: whatever is written as root, it is written here.
        let leaf = match leaves.filter(|_| self.leaf > 0) {
            Some(leaves) => {
                let procs = leaves.join(self.leaf.to_string()).join("cgroup.procs");
                Some(OpenOptions::new().write(true).open(procs)?)
            }
            None => None,
        };
        let mut command = Command::new("/proc/self/exe");
        command.arg("exec-child").env_clear().stdin(Stdio::null());
        command.stdout(self.stdout.try_clone()?).stderr(self.stderr.try_clone()?);
        let (leaf_fd, user) = (leaf.as_ref().map(AsRawFd::as_raw_fd), user.clone());
        let (request, folder) = (self.request.as_raw_fd(), self.folder.as_raw_fd());
        // SAFETY: the closure runs in the forked child, which has this one thread; it makes system calls only, with
        // memory allocated before the fork, and takes no lock. Its descriptors are open until spawn returns.
        unsafe {
            command.pre_exec(move || enter(leaf_fd, request, folder, &user));
        }
        let child = command.spawn()?;
        // Watched by its number from here on: reaped in `BrokeredChild::turn`.
        Ok(Pid::from_child(&child))
    }
}

/// Between fork and exec.
fn enter(leaf: Option<RawFd>, request: RawFd, folder: RawFd, user: &Identity) -> io::Result<()> {
    service::unblock_signals()?;
    // SAFETY: plain system calls on our own descriptors and memory of before the fork, each result checked.
    unsafe {
        if let Some(procs) = leaf {
            if libc::write(procs, c"0".as_ptr().cast(), 1) != 1 {
                return Err(io::Error::last_os_error());
            }
        }
        check(libc::setsid().min(0))?;
        service::place(&[(request, REQUEST_FD), (folder, FOLDER_FD)])?;
        service::become_user(user)?;
        libc::umask(0o007);
    }
    Ok(())
}

fn report(kind: u8, value: i32) -> [u8; 5] {
    let [a, b, c, d] = value.to_ne_bytes();
    [kind, a, b, c, d]
}

/// A command that runs, or that has ended and whose number is kept until the daemon lets go of it.
pub struct BrokeredChild {
    pid: Pid,
    control: UnixStream,
    /// The daemon knows that it ended.
    told: bool,
    /// The daemon has let go.
    over: bool,
}

impl BrokeredChild {
    /// Readable when the daemon wants something.
    pub fn control(&self) -> BorrowedFd<'_> {
        self.control.as_fd()
    }

    /// The daemon is done with it, or has gone.
    pub fn is_over(&self) -> bool {
        self.over
    }

    /// Does what the daemon wants and tells it what it has to know; false when all is done.
    pub fn turn(&mut self) -> bool {
        let mut wanted = [0; 16];
        // Bounded, whatever the daemon has sent as its socket.
        for _ in 0..4 {
            match (&self.control).read(&mut wanted) {
                Ok(n) if n > 0 => wanted[..n]
                    .iter()
                    .map(|signal| i32::from(*signal))
                    .filter(|signal| [libc::SIGTERM, libc::SIGKILL].contains(signal))
                    .for_each(|signal| self.signal(signal)),
                Err(e) if e.kind() == io::ErrorKind::WouldBlock => break,
                Err(e) if e.kind() == io::ErrorKind::Interrupted => {}
                _ => {
                    self.over = true;
                    break;
                }
            }
        }
        let (ended, look) = (WaitIdOptions::EXITED, WaitIdOptions::NOHANG);
        if self.over {
            self.signal(libc::SIGKILL);
            let gone = waitid(WaitId::Pid(self.pid), ended | look);
            return matches!(gone, Ok(None) | Err(rustix::io::Errno::INTR));
        }
        if !self.told {
            // Not reaped: as long as it is there its number, which names the group, is nobody else's.
            let options = ended | look | WaitIdOptions::NOWAIT;
            if let Ok(Some(status)) = waitid(WaitId::Pid(self.pid), options) {
                let text = match (status.exit_status(), status.terminating_signal()) {
                    (Some(code), _) => report(b'x', code),
                    (_, signal) => report(b's', signal.unwrap_or(0)),
                };
                self.told = true;
                // A daemon that has gone needs no answer.
                let _ = (&self.control).write(&text);
            }
        }
        true
    }

    fn signal(&self, signal: i32) {
        // SAFETY: kill takes no pointers; the number is our child's, which is not reaped.
        unsafe {
            libc::kill(-self.pid.as_raw_nonzero().get(), signal);
        }
    }
}

/// Ends every process of a user, whatever it has done to its groups and sessions.
pub fn end_all_of(user: &Identity) {
    // SAFETY: the child makes system calls only and leaves by _exit; the parent waits for exactly that child.
    unsafe {
        let child = libc::fork();
        if child == 0 {
            if service::become_user(user).is_ok() {
                // Everybody this user may signal, but for this process (kill(2)).
                libc::kill(-1, libc::SIGKILL);
            }
            libc::_exit(0);
        }
        let mut status = 0;
        while child > 0
            && libc::waitpid(child, &mut status, 0) < 0
            && *libc::__errno_location() == libc::EINTR
        {}
    }
}
