//! Commands as a user of their own: the daemon asks, the supervisor, which is root, starts.
//!
//! Between them is a socket pair that nobody else has. One datagram asks for one command: the number of its control group
//! (4 bytes, native order; 0 for none), and with it [`DESCRIPTORS`] descriptors (SCM_RIGHTS, unix(7)): what to run, control
//! socket, stdout, stderr, working directory, Landlock rules (where there are none the working directory once more), and the
//! socket on which changes of the daemon's files are asked for. Root reads nothing of what is to be run: a child reads it when
//! it is the other user already (`picoclaw exec-child`, [`super::process::become_command`]), and keeps the command then
//! ([`super::process`], keeper).
//!
//! The control socket is between daemon and keeper. The supervisor writes to it twice at most: `n` and why there is no command
//! (errno), or `s` and the signal that ended the keeper. It ends a keeper that lives on after the daemon has closed its end.

use std::fs::OpenOptions;
use std::io::{self, Write};
use std::os::fd::{AsRawFd, BorrowedFd, OwnedFd, RawFd};
use std::os::unix::net::{UnixDatagram, UnixStream};
use std::os::unix::process::CommandExt;
use std::path::Path;
use std::process::{Command, Stdio};
use std::time::Instant;

use rustix::event::{PollFd, PollFlags, Timespec, poll};
use rustix::process::{Pid, Signal, WaitId, WaitIdOptions, kill_process, waitid};

use super::beneath::remove_folder;
use super::fd_passing::{self, DESCRIPTORS};
use super::service::{self, Identity, check};
use crate::limits::BROKER_KEEPER_END;

/// The folder for temporary files of commands, in the home.
pub const TEMPORARY: &str = "tmp";
/// Where the started process finds what to run, and its working directory.
pub const REQUEST_FD: RawFd = 3;
/// See [`REQUEST_FD`].
pub const FOLDER_FD: RawFd = 4;
/// Where it has the control socket.
pub const CONTROL_FD: RawFd = 5;
/// Where it has the Landlock rules.
pub const RULES_FD: RawFd = 6;
/// Where it asks for changes of the daemon's files.
pub const ATTRIBUTES_FD: RawFd = 7;

/// Asks for a command in control group `leaf`.
///
/// # Errors
/// The kernel's; the supervisor is gone.
pub fn ask(
    socket: &UnixDatagram,
    leaf: u32,
    descriptors: [BorrowedFd<'_>; DESCRIPTORS],
) -> io::Result<()> {
    fd_passing::send(socket, &leaf.to_ne_bytes(), &descriptors)?;
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
    rules: OwnedFd,
    attributes: OwnedFd,
}

/// Takes one waiting request; `None` when there is none. What is no request is thrown away.
pub fn receive(socket: &UnixDatagram) -> Option<Option<CommandRequest>> {
    let mut text = [0; 4];
    let (got, found) = fd_passing::receive(socket, &mut text).ok()?;
    let Ok([request, control, stdout, stderr, folder, rules, attributes]) =
        <[OwnedFd; DESCRIPTORS]>::try_from(found)
    else {
        return Some(None);
    };
    let (control, leaf) = (UnixStream::from(control), u32::from_ne_bytes(text));
    let fine = got == text.len() && control.set_nonblocking(true).is_ok();
    Some(fine.then_some(CommandRequest {
        leaf,
        request,
        control,
        stdout,
        stderr,
        folder,
        rules,
        attributes,
    }))
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
            Ok(pid) => Ok(BrokeredChild { pid, control: self.control, left: None }),
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
        let moves = [
            (self.request.as_raw_fd(), REQUEST_FD),
            (self.folder.as_raw_fd(), FOLDER_FD),
            (self.control.as_raw_fd(), CONTROL_FD),
            (self.rules.as_raw_fd(), RULES_FD),
            (self.attributes.as_raw_fd(), ATTRIBUTES_FD),
        ];
        // SAFETY: the closure runs in the forked child, which has this one thread; it makes system calls only, with
        // memory allocated before the fork, and takes no lock. Its descriptors are open until spawn returns.
        unsafe {
            command.pre_exec(move || enter(leaf_fd, &moves, &user));
        }
        let child = command.spawn()?;
        // Watched by its number from here on: reaped in `BrokeredChild::turn`.
        Ok(Pid::from_child(&child))
    }
}

/// Between fork and exec.
fn enter(leaf: Option<RawFd>, moves: &[(RawFd, RawFd)], user: &Identity) -> io::Result<()> {
    service::unblock_signals()?;
    // SAFETY: plain system calls on our own descriptors and memory of before the fork, each result checked.
    unsafe {
        if let Some(procs) = leaf {
            if libc::write(procs, c"0".as_ptr().cast(), 1) != 1 {
                return Err(io::Error::last_os_error());
            }
        }
        check(libc::setsid().min(0))?;
        service::place(moves)?;
        service::become_user(user)?;
        libc::umask(0o007);
    }
    Ok(())
}

fn report(kind: u8, value: i32) -> [u8; 5] {
    let [a, b, c, d] = value.to_ne_bytes();
    [kind, a, b, c, d]
}

/// A command that runs: its keeper.
pub struct BrokeredChild {
    pid: Pid,
    control: UnixStream,
    /// Since when the daemon has let go of it.
    left: Option<Instant>,
}

impl BrokeredChild {
    /// Buries it when it has ended, and ends it when the daemon has let go and it does not; false when all is done.
    pub fn turn(&mut self) -> bool {
        match waitid(WaitId::Pid(self.pid), WaitIdOptions::EXITED | WaitIdOptions::NOHANG) {
            Ok(None) | Err(rustix::io::Errno::INTR) => {}
            Ok(Some(status)) => {
                if let Some(signal) = status.terminating_signal() {
                    // A daemon that has gone needs no answer.
                    let _ = (&self.control).write(&report(b's', signal));
                }
                return false;
            }
            Err(_) => return false,
        }
        let mut polled = [PollFd::new(&self.control, PollFlags::RDHUP)];
        let now = Timespec { tv_sec: 0, tv_nsec: 0 };
        if poll(&mut polled, Some(&now)).is_ok() && !polled[0].revents().is_empty() {
            let since = *self.left.get_or_insert_with(Instant::now);
            if since.elapsed() > BROKER_KEEPER_END {
                // The command ends with its keeper, and what slipped out of it with the last command.
                let _ = kill_process(self.pid, Signal::KILL);
            }
        }
        true
    }
}

/// Ends every process of a user, whatever it has done to its groups and sessions.
pub fn end_all_of(user: &Identity) {
    in_child_as(user, || {
        // SAFETY: kill takes no pointers. Everybody this user may signal, but for this process (kill(2)).
        unsafe { libc::kill(-1, libc::SIGKILL) };
    });
}

/// Removes what a user may remove of a folder.
pub fn remove_all_of(user: &Identity, folder: &Path) {
    in_child_as(user, || {
        // The folder itself may be another's, and stays then.
        if let (Some(parent), Some(name)) = (folder.parent(), folder.file_name()) {
            let _ = remove_folder(parent, &name.to_string_lossy());
        }
    });
}

/// Does something in a child that is this user, and waits for it. Only in a process of one thread.
fn in_child_as(user: &Identity, work: impl FnOnce()) {
    // SAFETY: this process has one thread, so its child is as free as it is; the child leaves by _exit, and the parent waits for
    // exactly that child.
    unsafe {
        let child = libc::fork();
        if child == 0 {
            if service::become_user(user).is_ok() {
                work();
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
