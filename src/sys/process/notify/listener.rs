//! The filter that has calls wait, and the descriptor at which they are answered (seccomp_unotify(2)).

use std::io;
use std::os::fd::{AsFd, AsRawFd, FromRawFd, OwnedFd};
use std::os::unix::net::UnixDatagram;

use rustix::event::{PollFd, PollFlags, Timespec, poll};
use rustix::io::Errno;
use seccompiler::{BpfProgram, SeccompAction, SeccompCmpOp};

use super::super::call_rules::CallRules;
use super::calls::{ATTRIBUTES, INTERNET};
use crate::sys::fd_passing;

/// SECCOMP_IOCTL_NOTIF_ID_VALID in the direction that kernels before 5.9 knew, and later ones still do.
const NOTIF_ID_VALID: libc::Ioctl = 0x8008_2102u32 as libc::Ioctl;

/// A call that waits.
pub(super) type Notification = libc::seccomp_notif;

/// The filter that has calls wait, and the socket by which the child hands its listener over. Made before the fork.
pub struct Hook {
    program: BpfProgram,
    socket: Option<UnixDatagram>,
}

impl Hook {
    /// A hook for sockets and, where they are to be judged, changes of `attributes`; and the end of the socket at which
    /// [`receive`] takes the listener.
    ///
    /// # Errors
    /// No room for a socket.
    pub fn new(attributes: bool) -> io::Result<(Hook, OwnedFd)> {
        let (ours, theirs) = UnixDatagram::pair()?;
        Ok((Hook { program: program(attributes)?, socket: Some(theirs) }, ours.into()))
    }

    /// One that hands nothing over: to see whether this kernel takes it.
    ///
    /// # Errors
    /// A processor that seccompiler does not know.
    pub fn probe() -> io::Result<Hook> {
        Ok(Hook { program: program(true)?, socket: None })
    }

    /// Puts the filter in force and hands the listener over. Called between fork and exec: system calls only.
    pub fn enter(&self) -> io::Result<()> {
        // seccompiler's structure has the same form; it puts filters in force, too, but gives no listener back.
        let program = libc::sock_fprog {
            len: self.program.len() as libc::c_ushort,
            filter: self.program.as_ptr().cast_mut().cast(),
        };
        let (mode, flags) = (libc::SECCOMP_SET_MODE_FILTER, libc::SECCOMP_FILTER_FLAG_NEW_LISTENER);
        // SAFETY: `program` points to instructions that live in the parent's copy; the kernel only reads them. What comes back is
        // a new descriptor, ours to close.
        let listener = unsafe {
            let listener = libc::syscall(libc::SYS_seccomp, mode, flags, &raw const program);
            if listener < 0 {
                return Err(io::Error::last_os_error());
            }
            OwnedFd::from_raw_fd(listener as libc::c_int)
        };
        match &self.socket {
            Some(socket) => Ok(fd_passing::send(socket, &[0], &[listener.as_fd()])?),
            None => can_proceed(&listener),
        }
    }
}

/// Does this kernel let a call proceed (since Linux 5.5)? Before, it does not know the flag; else it does not know the number.
fn can_proceed(listener: &OwnedFd) -> io::Result<()> {
    let known = respond(listener, 0, 0, true).is_err_and(|e| e == Errno::NOENT);
    if known { Ok(()) } else { Err(io::Error::from_raw_os_error(libc::EINVAL)) }
}

/// seccompiler has no action for that: its place is held by one that the filters here do not use.
fn program(attributes: bool) -> io::Result<BpfProgram> {
    let mut rules = CallRules::always(if attributes { ATTRIBUTES } else { &[] });
    for family in INTERNET {
        rules.when(libc::SYS_socket, &[(0, SeccompCmpOp::Eq, family as u32)])?;
    }
    let mut program = rules.program(SeccompAction::Trace(0))?;
    for step in program.iter_mut().filter(|step| step.k == libc::SECCOMP_RET_TRACE) {
        step.k = libc::SECCOMP_RET_USER_NOTIF;
    }
    Ok(program)
}

/// Takes the listener that the child has sent; it has, once it runs.
///
/// # Errors
/// It has sent none.
pub(super) fn receive(socket: &OwnedFd) -> io::Result<OwnedFd> {
    let (_, mut found) = fd_passing::receive(socket, &mut [0])?;
    found.pop().ok_or(io::ErrorKind::InvalidData.into())
}

/// Takes a call that waits; `None`: there is none now.
///
/// # Errors
/// Nobody is left who could make one.
pub(super) fn take(listener: &OwnedFd) -> io::Result<Option<Notification>> {
    loop {
        // Taking one where there is none would block.
        let mut polled = [PollFd::new(listener, PollFlags::IN)];
        match poll(&mut polled, Some(&Timespec { tv_sec: 0, tv_nsec: 0 })) {
            Ok(0) | Err(Errno::INTR) => return Ok(None),
            Ok(_) if polled[0].revents().contains(PollFlags::IN) => {}
            _ => return Err(io::ErrorKind::BrokenPipe.into()),
        }
        // SAFETY: all-zero is a valid value, and what the call wants; it fills this structure, whose size the request's number
        // tells.
        unsafe {
            let mut call: Notification = std::mem::zeroed();
            let request = libc::SECCOMP_IOCTL_NOTIF_RECV;
            if libc::ioctl(listener.as_raw_fd(), request, &raw mut call) == 0 {
                return Ok(Some(call));
            }
        }
        let e = io::Error::last_os_error();
        // ENOENT: the process was ended while it waited.
        if !matches!(e.raw_os_error(), Some(libc::ENOENT | libc::EINTR)) {
            return Err(e);
        }
    }
}

/// Does the process still wait for this answer? Only then was what was read under its number its own.
pub(super) fn waits(listener: &OwnedFd, call: &Notification) -> bool {
    // SAFETY: the call reads eight bytes.
    unsafe { libc::ioctl(listener.as_raw_fd(), NOTIF_ID_VALID, &raw const call.id) == 0 }
}

/// Does the process open a socket that leads to other machines? Only such ones wait.
pub(super) fn is_socket(call: &Notification) -> bool {
    libc::c_long::from(call.data.nr) == libc::SYS_socket
}

/// Lets the process continue with this result of its call. One that has ended needs no answer.
pub(super) fn answer(listener: &OwnedFd, call: &Notification, result: Result<(), Errno>) {
    let error = result.err().map_or(0, |e| -e.raw_os_error());
    let _ = respond(listener, call.id, error, false);
}

/// Has the kernel do what the process has called for. Only for calls that point to no memory.
pub(super) fn proceed(listener: &OwnedFd, call: &Notification) {
    let _ = respond(listener, call.id, 0, true);
}

fn respond(listener: &OwnedFd, id: u64, error: i32, proceed: bool) -> Result<(), Errno> {
    let flags = if proceed { libc::SECCOMP_USER_NOTIF_FLAG_CONTINUE as u32 } else { 0 };
    let response = libc::seccomp_notif_resp { id, val: 0, error, flags };
    // SAFETY: the call reads this structure, whose size the request's number tells.
    let sent = unsafe {
        libc::ioctl(listener.as_raw_fd(), libc::SECCOMP_IOCTL_NOTIF_SEND, &raw const response)
    };
    match sent {
        0 => Ok(()),
        _ => Err(Errno::from_io_error(&io::Error::last_os_error()).unwrap_or(Errno::IO)),
    }
}
