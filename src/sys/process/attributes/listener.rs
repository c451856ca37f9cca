//! The filter that has calls wait, and the descriptor at which they are answered (seccomp_unotify(2)).

use std::io;
use std::os::fd::{AsRawFd, FromRawFd, OwnedFd, RawFd};
use std::sync::Arc;

use rustix::event::{PollFd, PollFlags, Timespec, poll};
use rustix::io::Errno;

use super::change::CALLS;

/// seccomp(2): SECCOMP_SET_MODE_FILTER, SECCOMP_FILTER_FLAG_NEW_LISTENER; linux/seccomp.h for the rest.
const SET_MODE_FILTER: libc::c_uint = 1;
const NEW_LISTENER: libc::c_ulong = 1 << 3;
const RET_USER_NOTIF: u32 = 0x7fc0_0000;
const RET_ALLOW: u32 = 0x7fff_0000;
const NOTIF_RECV: u32 = 0xc050_2100;
const NOTIF_SEND: u32 = 0xc018_2101;
/// In the direction that kernels before 5.9 knew, and later ones still do.
const NOTIF_ID_VALID: u32 = 0x8008_2102;

/// struct seccomp_notif.
#[repr(C)]
#[derive(Default)]
pub(super) struct Notification {
    id: u64,
    /// The thread that waits.
    pub(super) pid: u32,
    flags: u32,
    /// The system call's number.
    pub(super) call: i32,
    arch: u32,
    instruction: u64,
    /// Its arguments.
    pub(super) args: [u64; 6],
}

/// struct seccomp_notif_resp.
#[repr(C)]
struct Response {
    id: u64,
    value: i64,
    error: i32,
    flags: u32,
}

/// The filter that has [`CALLS`] wait, and the socket by which the child hands its listener over. Made before the fork.
#[derive(Clone)]
pub(in super::super) struct Hook {
    program: Arc<[libc::sock_filter]>,
    socket: Option<Arc<OwnedFd>>,
}

impl Hook {
    /// A hook, and the end of the socket at which [`receive`] takes the listener.
    pub(in super::super) fn new() -> io::Result<(Hook, OwnedFd)> {
        let (ours, theirs) = std::os::unix::net::UnixDatagram::pair()?;
        let hook = Hook { program: program(), socket: Some(Arc::new(theirs.into())) };
        Ok((hook, ours.into()))
    }

    /// One that hands nothing over: to see whether this kernel takes it.
    pub(in super::super) fn probe() -> Hook {
        Hook { program: program(), socket: None }
    }

    /// Puts the filter in force and hands the listener over. Called between fork and exec: system calls only.
    pub(in super::super) fn enter(&self) -> io::Result<()> {
        let program = libc::sock_fprog {
            len: self.program.len() as libc::c_ushort,
            filter: self.program.as_ptr().cast_mut(),
        };
        // SAFETY: `program` points to instructions that live in the parent's copy; the kernel only reads them.
        let listener = unsafe {
            libc::syscall(libc::SYS_seccomp, SET_MODE_FILTER, NEW_LISTENER, &raw const program)
        };
        if listener < 0 {
            return Err(io::Error::last_os_error());
        }
        match &self.socket {
            Some(socket) => send(socket.as_raw_fd(), listener as RawFd),
            None => Ok(()),
        }
    }
}

/// For each call "wait", else "allow". Other architectures are the other filters' affair.
fn program() -> Arc<[libc::sock_filter]> {
    let step = |code, jt, k| libc::sock_filter { code, jt, jf: 0, k };
    // BPF_LD | BPF_W | BPF_ABS: the call's number; BPF_JMP | BPF_JEQ | BPF_K; BPF_RET | BPF_K.
    let mut steps = vec![step(0x20, 0, 0)];
    for (n, call) in CALLS.iter().enumerate() {
        steps.push(step(0x15, (CALLS.len() - n) as u8, *call as u32));
    }
    steps.push(step(0x06, 0, RET_ALLOW));
    steps.push(step(0x06, 0, RET_USER_NOTIF));
    steps.into()
}

/// Room for one descriptor in a control message (cmsg(3)), aligned as its header has to be.
#[repr(C, align(8))]
struct Control([u8; 32]);

/// Sends a descriptor (SCM_RIGHTS). Does not allocate.
fn send(socket: RawFd, descriptor: RawFd) -> io::Result<()> {
    let mut byte = [0u8; 1];
    let mut vector = libc::iovec { iov_base: byte.as_mut_ptr().cast(), iov_len: 1 };
    let mut control = Control([0; 32]);
    // SAFETY: the message is zeroed, which is valid, and its pointers are to this frame; the control buffer has room for one
    // descriptor, so the first header is there.
    let sent = unsafe {
        let mut message: libc::msghdr = std::mem::zeroed();
        message.msg_iov = &raw mut vector;
        message.msg_iovlen = 1;
        message.msg_control = control.0.as_mut_ptr().cast();
        message.msg_controllen = libc::CMSG_SPACE(size_of::<RawFd>() as u32) as _;
        let header = libc::CMSG_FIRSTHDR(&raw const message);
        (*header).cmsg_level = libc::SOL_SOCKET;
        (*header).cmsg_type = libc::SCM_RIGHTS;
        (*header).cmsg_len = libc::CMSG_LEN(size_of::<RawFd>() as u32) as _;
        libc::CMSG_DATA(header).cast::<RawFd>().write_unaligned(descriptor);
        libc::sendmsg(socket, &raw const message, 0)
    };
    if sent == 1 { Ok(()) } else { Err(io::Error::last_os_error()) }
}

/// Takes the listener that the child has sent; it has, once it runs.
pub(super) fn receive(socket: &OwnedFd) -> io::Result<OwnedFd> {
    let mut byte = [0u8; 1];
    let mut vector = libc::iovec { iov_base: byte.as_mut_ptr().cast(), iov_len: 1 };
    let mut control = Control([0; 32]);
    // SAFETY: as in `send`; what comes in a message of that type is a descriptor of ours to close.
    unsafe {
        let mut message: libc::msghdr = std::mem::zeroed();
        message.msg_iov = &raw mut vector;
        message.msg_iovlen = 1;
        message.msg_control = control.0.as_mut_ptr().cast();
        message.msg_controllen = libc::CMSG_SPACE(size_of::<RawFd>() as u32) as _;
        let flags = libc::MSG_DONTWAIT | libc::MSG_CMSG_CLOEXEC;
        if libc::recvmsg(socket.as_raw_fd(), &raw mut message, flags) < 0 {
            return Err(io::Error::last_os_error());
        }
        let header = libc::CMSG_FIRSTHDR(&raw const message);
        if header.is_null() || (*header).cmsg_type != libc::SCM_RIGHTS {
            return Err(io::ErrorKind::InvalidData.into());
        }
        Ok(OwnedFd::from_raw_fd(libc::CMSG_DATA(header).cast::<RawFd>().read_unaligned()))
    }
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
        let mut call = Notification::default();
        // SAFETY: the call fills this structure, which has the size that the request's number tells.
        let taken = unsafe { libc::ioctl(listener.as_raw_fd(), NOTIF_RECV as _, &raw mut call) };
        if taken == 0 {
            return Ok(Some(call));
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
    unsafe { libc::ioctl(listener.as_raw_fd(), NOTIF_ID_VALID as _, &raw const call.id) == 0 }
}

/// Lets the process continue with this result of its call.
pub(super) fn answer(listener: &OwnedFd, call: &Notification, result: Result<(), Errno>) {
    let error = result.err().map_or(0, |e| -e.raw_os_error());
    let response = Response { id: call.id, value: 0, error, flags: 0 };
    // SAFETY: the call reads this structure, whose size the request's number tells. One that has ended needs no answer.
    unsafe { libc::ioctl(listener.as_raw_fd(), NOTIF_SEND as _, &raw const response) };
}
