//! What a command is denied before its first instruction: the one place where the sandbox is closed.
//!
//! [`SandboxEntry::enter`] runs between fork and exec: plain system calls only. It must not allocate, lock, log or
//! panic, since another thread may have held any lock at the moment of the fork.

use std::io;
use std::os::fd::{AsRawFd, RawFd};

use super::cgroup_leaf::CgroupLeaf;
use super::landlock::{self, LandlockRules};
use super::notify::{AttributeRules, Hook};
use super::seccomp::Filter;
use crate::limits::EXEC_FILE_BYTES;

/// Limits of one command. Where the kernel refuses one that protects the daemon, the command is not run.
pub struct Sandbox {
    /// RLIMIT_FSIZE, bytes.
    pub file_bytes: u64,
    /// RLIMIT_NPROC: processes of this user, not of this command. The kernel does not hold root to it.
    pub processes: Option<u64>,
    /// RLIMIT_DATA, bytes of each process.
    pub data: Option<u64>,
    /// RLIMIT_AS, bytes of each process.
    pub address_space: Option<u64>,
    /// oom_score_adj: how much sooner than the daemon the kernel picks it when memory runs out.
    pub oom_score: i16,
    /// Files it may open.
    pub landlock: Option<LandlockRules>,
    /// Files whose modes and times it may change; `None`: as its user may.
    pub attributes: Option<AttributeRules>,
    /// Its sockets to other machines are noticed ([`super::Outcome::internet`]); with `attributes` they always are.
    pub internet: bool,
    /// System calls it may make.
    pub filter: Option<Filter>,
    /// Its control group.
    pub cgroup: Option<CgroupLeaf>,
    /// The supervisor starts it, as another user: what else is held is decided over there.
    pub remote: bool,
    /// Its standard output is a socket that it can read from as well; for what is talked with.
    pub duplex: bool,
}

impl Default for Sandbox {
    fn default() -> Sandbox {
        Sandbox {
            file_bytes: EXEC_FILE_BYTES,
            processes: None,
            data: None,
            address_space: None,
            oom_score: 500,
            landlock: None,
            attributes: None,
            internet: false,
            filter: None,
            cgroup: None,
            remote: false,
            duplex: false,
        }
    }
}

/// The sandbox as the child needs it: integers, and memory that stays until the exec.
pub(super) struct SandboxEntry {
    /// Working directory.
    dir: RawFd,
    /// Descriptors up to here are closed one by one where close_range is missing.
    last_fd: RawFd,
    limits: [(i32, Option<u64>); 5],
    oom_score: i16,
    landlock: Option<RawFd>,
    hook: Option<Hook>,
    filter: Option<Filter>,
    cgroup: Option<RawFd>,
}

impl SandboxEntry {
    /// `sandbox` and `dir` have to live until the exec.
    pub(super) fn new(dir: &impl AsRawFd, sandbox: &Sandbox) -> SandboxEntry {
        // The type of a resource differs between C libraries.
        let limits = [
            (libc::RLIMIT_CORE as i32, Some(0)),
            (libc::RLIMIT_FSIZE as i32, Some(sandbox.file_bytes)),
            (libc::RLIMIT_NPROC as i32, sandbox.processes),
            (libc::RLIMIT_DATA as i32, sandbox.data),
            (libc::RLIMIT_AS as i32, sandbox.address_space),
        ];
        SandboxEntry {
            dir: dir.as_raw_fd(),
            last_fd: last_fd(),
            limits,
            oom_score: sandbox.oom_score,
            landlock: sandbox.landlock.as_ref().map(LandlockRules::as_raw_fd),
            hook: None,
            filter: sandbox.filter.clone(),
            cgroup: sandbox.cgroup.as_ref().map(CgroupLeaf::procs),
        }
    }

    /// With calls that the daemon answers ([`super::notify`]).
    pub(super) fn with_hook(self, hook: Option<Hook>) -> SandboxEntry {
        SandboxEntry { hook, ..self }
    }

    /// With the rules that another process has made ([`LandlockRules`]).
    pub(super) fn with_rules(self, landlock: Option<RawFd>) -> SandboxEntry {
        SandboxEntry { landlock, ..self }
    }

    /// The command must not signal its keeper.
    pub(super) fn protect(&mut self, keeper: libc::pid_t) {
        if let Some(filter) = &mut self.filter {
            filter.protect(keeper as u32);
        }
    }

    /// Descriptors beyond are not open.
    pub(super) fn last_fd(&self) -> RawFd {
        self.last_fd
    }

    /// Closes this process's end of the hook, which is the command's.
    pub(super) fn forget_hook(&mut self) {
        self.hook = None;
    }

    /// Called in the child of `parent`, which it does not outlive, between fork and exec.
    pub(super) fn enter(&self, parent: libc::pid_t) -> io::Result<()> {
        // SAFETY: every call below is a plain system call on integers or on memory of this frame, all of them
        // async-signal-safe (signal-safety(7)); the descriptors belong to this process.
        unsafe {
            if let Some(procs) = self.cgroup {
                if libc::write(procs, c"0".as_ptr().cast(), 1) != 1 {
                    return Err(io::Error::last_os_error());
                }
            }
            if libc::fchdir(self.dir) != 0 {
                return Err(io::Error::last_os_error());
            }
            // A session of its own: no terminal to type on, no way into the daemon's process group.
            if libc::setsid() < 0 && libc::getsid(0) != libc::getpid() {
                return Err(io::Error::last_os_error());
            }
            // The kernel ends the command when the daemon ends; if that was a moment ago, end here.
            libc::prctl(libc::PR_SET_PDEATHSIG, libc::SIGKILL as libc::c_ulong);
            if libc::getppid() != parent {
                return Err(io::Error::from_raw_os_error(libc::ECANCELED));
            }
            for signal in 1..32 {
                libc::signal(signal, libc::SIG_DFL);
            }
        }
        for (resource, value) in self.limits {
            if let Some(value) = value {
                limit(resource, value)?;
            }
        }
        oom_score(self.oom_score);
        close_descriptors(self.last_fd);
        self.lock()
    }

    /// What cannot be taken back: no new privileges, no capabilities, landlock, filter.
    pub(super) fn lock(&self) -> io::Result<()> {
        // Variadic: the kernel looks at whole registers.
        let (yes, no): (libc::c_ulong, libc::c_ulong) = (1, 0);
        // SAFETY: a plain system call on integers.
        if unsafe { libc::prctl(libc::PR_SET_NO_NEW_PRIVS, yes, no, no, no) } != 0 {
            return Err(io::Error::last_os_error());
        }
        drop_capabilities()?;
        if let Some(landlock) = self.landlock {
            landlock::enter(landlock)?;
        }
        if let Some(hook) = &self.hook {
            hook.enter()?;
        }
        if let Some(filter) = &self.filter {
            filter.enter()?;
        }
        Ok(())
    }
}

/// Commands of a daemon that runs as root are root's without its powers; with no_new_privs no exec gives them back.
fn drop_capabilities() -> io::Result<()> {
    // capget(2): _LINUX_CAPABILITY_VERSION_3 and the calling process, then three sets in two halves.
    let header: [u32; 2] = [0x2008_0522, 0];
    let none = [0u32; 6];
    // SAFETY: both arrays have the size that this version of the call reads, and live for it.
    let result = unsafe { libc::syscall(libc::SYS_capset, header.as_ptr(), none.as_ptr()) };
    if result == 0 { Ok(()) } else { Err(io::Error::last_os_error()) }
}

/// The highest descriptor open now, or a generous guess without /proc.
fn last_fd() -> RawFd {
    let Ok(list) = std::fs::read_dir("/proc/self/fd") else { return 1024 };
    list.flatten()
        .filter_map(|e| e.file_name().to_str().and_then(|n| n.parse().ok()))
        .max()
        .unwrap_or(1024)
}

/// Raises the kernel's score for this process; only root may lower one. Best effort: a kernel without /proc has no such
/// file.
fn oom_score(score: i16) {
    let mut text = [0u8; 8];
    let mut at = text.len();
    let mut n = score.unsigned_abs();
    while n > 0 || at == text.len() {
        at -= 1;
        text[at] = b'0' + (n % 10) as u8;
        n /= 10;
    }
    if score < 0 {
        at -= 1;
        text[at] = b'-';
    }
    let (yes, no): (libc::c_ulong, libc::c_ulong) = (1, 0);
    // SAFETY: the path is a NUL-terminated literal, the buffer lives in this frame; plain system calls.
    unsafe {
        let path = c"/proc/self/oom_score_adj".as_ptr();
        let mut fd = libc::open(path, libc::O_WRONLY | libc::O_CLOEXEC);
        if fd < 0 {
            // Up to the exec this is a copy of the daemon and as closed as it is (PR_SET_DUMPABLE), to itself too. Opened
            // for this moment: who could look in now is a command without Landlock, which can read the same in files.
            libc::prctl(libc::PR_SET_DUMPABLE, yes, no, no, no);
            fd = libc::open(path, libc::O_WRONLY | libc::O_CLOEXEC);
            libc::prctl(libc::PR_SET_DUMPABLE, no, no, no, no);
        }
        if fd >= 0 {
            libc::write(fd, text.as_ptr().add(at).cast(), text.len() - at);
            libc::close(fd);
        }
    }
}

/// Lowers the soft and the hard limit to `value`; a lower hard limit stays.
fn limit(resource: i32, value: u64) -> io::Result<()> {
    let mut now = libc::rlimit { rlim_cur: 0, rlim_max: 0 };
    // SAFETY: `now` is a valid rlimit of this frame for both calls.
    unsafe {
        if libc::getrlimit(resource as _, &mut now) != 0 {
            return Err(io::Error::last_os_error());
        }
        let value = (value as libc::rlim_t).min(now.rlim_max);
        let new = libc::rlimit { rlim_cur: value, rlim_max: value };
        if libc::setrlimit(resource as _, &new) != 0 {
            return Err(io::Error::last_os_error());
        }
    }
    Ok(())
}

/// Marks everything but the standard three close-on-exec: the report channel of the spawn is among them and
/// has to live until the exec.
fn close_descriptors(last: RawFd) {
    // SAFETY: plain system calls on integers; no descriptor is closed before the exec.
    unsafe {
        // CLOSE_RANGE_CLOEXEC is of Linux 5.11, the call of 5.9; by number, as C libraries lack both for long.
        let flag: libc::c_uint = 4;
        if libc::syscall(libc::SYS_close_range, 3 as libc::c_uint, libc::c_uint::MAX, flag) == 0 {
            return;
        }
        for fd in 3..=last.saturating_add(16) {
            let flags = libc::fcntl(fd, libc::F_GETFD);
            if flags >= 0 {
                libc::fcntl(fd, libc::F_SETFD, flags | libc::FD_CLOEXEC);
            }
        }
    }
}
