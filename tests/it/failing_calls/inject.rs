//! Lets the Nth system call of a class fail in a program under test: a seccomp filter hands the calls of the class to a thread
//! of the test, which counts those that concern the home and answers one of them with an error (seccomp_unotify(2)).

use std::fs::{self, File};
use std::io::{self, IoSlice, IoSliceMut};
use std::mem::MaybeUninit;
use std::os::fd::{AsFd, AsRawFd, FromRawFd, OwnedFd};
use std::os::unix::fs::FileExt;
use std::os::unix::net::UnixDatagram;
use std::os::unix::process::CommandExt;
use std::path::{Path, PathBuf};
use std::process::Command;
use std::sync::atomic::{AtomicBool, AtomicU64, Ordering};
use std::sync::{Arc, Mutex, PoisonError};
use std::thread::JoinHandle;

use rustix::net::{
    RecvAncillaryBuffer, RecvAncillaryMessage, RecvFlags, SendAncillaryBuffer,
    SendAncillaryMessage, SendFlags, recvmsg, sendmsg,
};

use crate::old_kernel::filter;

/// What a call names that fails.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Target {
    /// The file behind the descriptor in the first argument.
    Descriptor,
    /// The path in the second argument, below the folder in the first one.
    Path,
    /// The path in the first argument.
    PlainPath,
    /// Memory.
    Nothing,
}

/// System calls that fail in the same way.
#[derive(Debug)]
pub struct Class {
    /// Its name on the command line and in reports.
    pub name: &'static str,
    calls: &'static [(libc::c_long, Target)],
    errno: i32,
}

const WRITES: &[(libc::c_long, Target)] = &[
    (libc::SYS_write, Target::Descriptor),
    (libc::SYS_pwrite64, Target::Descriptor),
    (libc::SYS_writev, Target::Descriptor),
    (libc::SYS_pwritev, Target::Descriptor),
    (libc::SYS_copy_file_range, Target::Descriptor),
];

/// All of them.
pub const CLASSES: [Class; 9] = [
    Class { name: "write-eio", calls: WRITES, errno: libc::EIO },
    Class { name: "write-enospc", calls: WRITES, errno: libc::ENOSPC },
    Class {
        name: "sync",
        calls: &[
            (libc::SYS_fsync, Target::Descriptor),
            (libc::SYS_fdatasync, Target::Descriptor),
            (libc::SYS_sync_file_range, Target::Descriptor),
        ],
        errno: libc::EIO,
    },
    Class {
        name: "rename",
        calls: &[
            #[cfg(target_arch = "x86_64")]
            (libc::SYS_rename, Target::PlainPath),
            (libc::SYS_renameat, Target::Path),
            (libc::SYS_renameat2, Target::Path),
        ],
        errno: libc::EIO,
    },
    Class {
        name: "open",
        calls: &[
            #[cfg(target_arch = "x86_64")]
            (libc::SYS_open, Target::PlainPath),
            (libc::SYS_openat, Target::Path),
            (libc::SYS_openat2, Target::Path),
        ],
        errno: libc::EIO,
    },
    Class { name: "link", calls: &[(libc::SYS_linkat, Target::Path)], errno: libc::EIO },
    Class {
        name: "truncate",
        calls: &[(libc::SYS_ftruncate, Target::Descriptor)],
        errno: libc::EIO,
    },
    Class {
        name: "read",
        calls: &[
            (libc::SYS_read, Target::Descriptor),
            (libc::SYS_pread64, Target::Descriptor),
            (libc::SYS_readv, Target::Descriptor),
            (libc::SYS_getdents64, Target::Descriptor),
        ],
        errno: libc::EIO,
    },
    Class { name: "mmap", calls: &[(libc::SYS_mmap, Target::Nothing)], errno: libc::ENOMEM },
];

/// The call that is to fail, counted over all programs that are started with it.
pub struct Injection {
    class: &'static Class,
    home: PathBuf,
    nth: u64,
    counted: AtomicU64,
    /// The program has opened something of the home: it is past its loader.
    begun: AtomicBool,
    hit: Mutex<Option<String>>,
}

/// Answers the calls of one program until it has ended.
pub struct Listener(Option<JoinHandle<()>>);

impl Injection {
    /// Lets the `nth` call of `class` fail that concerns `home`; 0: none.
    pub fn new(class: &'static Class, home: &Path, nth: u64) -> Arc<Injection> {
        let home = home.to_owned();
        let (counted, begun, hit) = (AtomicU64::new(0), AtomicBool::new(false), Mutex::new(None));
        Arc::new(Injection { class, home, nth, counted, begun, hit })
    }

    /// How many calls of the class there were so far.
    pub fn counted(&self) -> u64 {
        self.counted.load(Ordering::SeqCst)
    }

    /// Whether it is memory that is refused.
    pub fn is_memory(&self) -> bool {
        self.class.errno == libc::ENOMEM
    }

    /// What the call that failed was about, once it has failed.
    pub fn hit(&self) -> Option<String> {
        self.hit.lock().unwrap_or_else(PoisonError::into_inner).clone()
    }

    /// Prepares a command; after it has started, [`Handover::listen`] must be called.
    pub fn attach(self: &Arc<Injection>, command: &mut Command) -> Handover {
        self.begun.store(false, Ordering::SeqCst);
        let (ours, theirs) = UnixDatagram::pair().expect("sockets");
        let mut calls: Vec<_> = self.class.calls.iter().map(|(number, _)| *number).collect();
        // Tells when the program is past its loader.
        calls.extend([libc::SYS_openat, libc::SYS_openat2]);
        let mut program = filter(&calls, libc::SECCOMP_RET_USER_NOTIF);
        // SAFETY: the closure makes system calls with memory allocated before the fork.
        unsafe { command.pre_exec(move || install(&mut program, &theirs)) };
        Handover { socket: ours, injection: self.clone() }
    }

    /// The error that this call gets, if any.
    fn judge(&self, call: &libc::seccomp_notif) -> Option<i32> {
        let number = libc::c_long::from(call.data.nr);
        let own = self.class.calls.iter().find(|(known, _)| *known == number).map(|(_, t)| *t);
        let path = match own.unwrap_or(Target::Path) {
            Target::Descriptor => descriptor(call.pid, call.data.args[0]),
            Target::Path => named(call.pid, Some(call.data.args[0]), call.data.args[1]),
            Target::PlainPath => named(call.pid, None, call.data.args[0]),
            Target::Nothing => self.begun.load(Ordering::SeqCst).then(PathBuf::new),
        }?;
        let ours = path.starts_with(&self.home);
        if ours && !self.begun.swap(true, Ordering::SeqCst) && own == Some(Target::Nothing) {
            return None;
        }
        let relative = path.strip_prefix(&self.home).unwrap_or(&path).display().to_string();
        // The logs are the test's.
        let counts = ours || own == Some(Target::Nothing);
        if own.is_none() || !counts || relative.starts_with("stderr-") {
            return None;
        }
        if self.counted.fetch_add(1, Ordering::SeqCst) + 1 != self.nth {
            return None;
        }
        *self.hit.lock().unwrap_or_else(PoisonError::into_inner) = Some(relative);
        Some(self.class.errno)
    }
}

/// The path behind a descriptor of another process.
fn descriptor(pid: u32, number: u64) -> Option<PathBuf> {
    fs::read_link(format!("/proc/{pid}/fd/{}", number as i32)).ok()
}

/// The path that a call names: text in the memory of another process, below a folder that is open there.
fn named(pid: u32, folder: Option<u64>, address: u64) -> Option<PathBuf> {
    const PAGE: u64 = 4096;
    let memory = File::open(format!("/proc/{pid}/mem")).ok()?;
    let (mut text, mut at) = (Vec::new(), address);
    while !text.contains(&0) {
        // Up to the end of the page: what follows may not be there.
        let mut piece = vec![0; (PAGE - at % PAGE) as usize];
        memory.read_exact_at(&mut piece, at).ok()?;
        at += piece.len() as u64;
        text.extend(piece);
        if text.len() as u64 > 2 * PAGE {
            return None;
        }
    }
    text.truncate(text.iter().position(|b| *b == 0)?);
    let path = PathBuf::from(String::from_utf8_lossy(&text).into_owned());
    if path.is_absolute() {
        return Some(path);
    }
    let folder = match folder.map(|f| f as i32) {
        None | Some(libc::AT_FDCWD) => fs::read_link(format!("/proc/{pid}/cwd")).ok()?,
        Some(number) => descriptor(pid, number as u64)?,
    };
    Some(folder.join(path))
}

/// The end of the socket at which a started program's listener arrives.
pub struct Handover {
    socket: UnixDatagram,
    injection: Arc<Injection>,
}

impl Handover {
    /// Answers the program's calls from now on.
    pub fn listen(self) -> Listener {
        let mut space = [MaybeUninit::uninit(); rustix::cmsg_space!(ScmRights(1))];
        let mut control = RecvAncillaryBuffer::new(&mut space);
        let mut byte = [0];
        let mut bytes = [IoSliceMut::new(&mut byte)];
        recvmsg(&self.socket, &mut bytes, &mut control, RecvFlags::CMSG_CLOEXEC)
            .expect("a message");
        let listener = control.drain().find_map(|message| match message {
            RecvAncillaryMessage::ScmRights(mut found) => found.next(),
            _ => None,
        });
        let (listener, injection) = (listener.expect("a listener"), self.injection);
        Listener(Some(std::thread::spawn(move || {
            while let Some(call) = receive(&listener) {
                let errno = injection.judge(&call);
                answer(&listener, call.id, errno);
            }
        })))
    }
}

impl Drop for Listener {
    fn drop(&mut self) {
        if let Some(thread) = self.0.take() {
            let _ = thread.join();
        }
    }
}

/// Installs the filter in the process that becomes the program, and hands its listener over.
fn install(program: &mut [libc::sock_filter], socket: &UnixDatagram) -> io::Result<()> {
    let list = libc::sock_fprog { len: program.len() as u16, filter: program.as_mut_ptr() };
    let (mode, flags) = (libc::SECCOMP_SET_MODE_FILTER, libc::SECCOMP_FILTER_FLAG_NEW_LISTENER);
    // SAFETY: plain system calls; the filter lives for the call that copies it, and the descriptor is new.
    let listener = unsafe {
        if libc::prctl(libc::PR_SET_NO_NEW_PRIVS, 1, 0, 0, 0) != 0 {
            return Err(io::Error::last_os_error());
        }
        let listener = libc::syscall(libc::SYS_seccomp, mode, flags, &raw const list);
        if listener < 0 {
            return Err(io::Error::last_os_error());
        }
        OwnedFd::from_raw_fd(listener as libc::c_int)
    };
    let mut space = [MaybeUninit::uninit(); rustix::cmsg_space!(ScmRights(1))];
    let mut control = SendAncillaryBuffer::new(&mut space);
    let sent = [listener.as_fd()];
    control.push(SendAncillaryMessage::ScmRights(&sent));
    sendmsg(socket, &[IoSlice::new(&[0])], &mut control, SendFlags::empty())?;
    Ok(())
}

/// The next call; `None` when the program has ended.
fn receive(listener: &OwnedFd) -> Option<libc::seccomp_notif> {
    loop {
        let mut polled =
            libc::pollfd { fd: listener.as_raw_fd(), events: libc::POLLIN, revents: 0 };
        // SAFETY: all-zero is a valid value and what the request wants; the calls fill these structures.
        unsafe {
            if libc::poll(&raw mut polled, 1, -1) < 0 {
                continue;
            }
            if polled.revents & libc::POLLIN == 0 {
                return None;
            }
            let mut call: libc::seccomp_notif = std::mem::zeroed();
            let request = libc::SECCOMP_IOCTL_NOTIF_RECV;
            if libc::ioctl(listener.as_raw_fd(), request, &raw mut call) == 0 {
                return Some(call);
            }
        }
    }
}

/// Lets a call fail, or has the kernel carry it out.
fn answer(listener: &OwnedFd, id: u64, errno: Option<i32>) {
    let flags = if errno.is_none() { libc::SECCOMP_USER_NOTIF_FLAG_CONTINUE as u32 } else { 0 };
    let error = -errno.unwrap_or(0);
    let response = libc::seccomp_notif_resp { id, val: 0, error, flags };
    // SAFETY: the call reads this structure. A process that has ended needs no answer.
    unsafe {
        libc::ioctl(listener.as_raw_fd(), libc::SECCOMP_IOCTL_NOTIF_SEND, &raw const response)
    };
}
