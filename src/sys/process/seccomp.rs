//! The system calls a command has no use for (seccomp(2), filter mode; linux/filter.h).
//!
//! A list of what is denied, not of what is allowed: a shell runs any program. It closes what Landlock does not see
//! (mounts, modules, keys, tracing, sockets of services on this machine, limits and signals of other processes of the
//! same user), also where there is no Landlock. It cannot look behind pointers.

use std::io;

use libc::c_long;

use crate::limits::SANDBOX_THREADS;

/// Never, with EPERM.
const DENIED: &[c_long] = &[
    // Other processes' memory and descriptors.
    libc::SYS_ptrace,
    libc::SYS_process_vm_readv,
    libc::SYS_process_vm_writev,
    libc::SYS_process_madvise,
    libc::SYS_kcmp,
    libc::SYS_pidfd_getfd,
    libc::SYS_pidfd_send_signal,
    // Mounts and roots.
    libc::SYS_mount,
    libc::SYS_umount2,
    libc::SYS_pivot_root,
    libc::SYS_chroot,
    libc::SYS_fsopen,
    libc::SYS_fsconfig,
    libc::SYS_fsmount,
    libc::SYS_fspick,
    libc::SYS_move_mount,
    libc::SYS_open_tree,
    libc::SYS_mount_setattr,
    libc::SYS_open_by_handle_at,
    libc::SYS_quotactl,
    libc::SYS_setns,
    // The kernel itself.
    libc::SYS_init_module,
    libc::SYS_finit_module,
    libc::SYS_delete_module,
    libc::SYS_kexec_load,
    KEXEC_FILE_LOAD,
    libc::SYS_reboot,
    libc::SYS_swapon,
    libc::SYS_swapoff,
    libc::SYS_acct,
    libc::SYS_syslog,
    libc::SYS_settimeofday,
    libc::SYS_clock_settime,
    libc::SYS_sethostname,
    libc::SYS_setdomainname,
    libc::SYS_vhangup,
    // Keys.
    libc::SYS_keyctl,
    libc::SYS_add_key,
    libc::SYS_request_key,
    // Large parts of the kernel that commands do not need.
    libc::SYS_bpf,
    libc::SYS_perf_event_open,
    libc::SYS_userfaultfd,
    libc::SYS_io_uring_setup,
    libc::SYS_io_uring_enter,
    libc::SYS_io_uring_register,
    #[cfg(target_arch = "x86_64")]
    libc::SYS_iopl,
    #[cfg(target_arch = "x86_64")]
    libc::SYS_ioperm,
    #[cfg(target_arch = "x86_64")]
    libc::SYS_modify_ldt,
];

// asm-generic/unistd.h; not in every version of the C library's list.
#[cfg(target_arch = "x86_64")]
const KEXEC_FILE_LOAD: c_long = 320;
#[cfg(not(target_arch = "x86_64"))]
const KEXEC_FILE_LOAD: c_long = 294;

/// Only on oneself: the argument that names the process must be 0.
const OWN: &[(c_long, u32)] = &[
    (libc::SYS_prlimit64, 0),
    (libc::SYS_setpriority, 1),
    (libc::SYS_ioprio_set, 1),
    (libc::SYS_sched_setscheduler, 0),
    (libc::SYS_sched_setparam, 0),
    (libc::SYS_sched_setattr, 0),
    (libc::SYS_sched_setaffinity, 0),
    (libc::SYS_migrate_pages, 0),
    (libc::SYS_move_pages, 0),
];

/// Denied for these values of an argument: kinds of fcntl and ioctl that send signals to others or type on a terminal.
const VALUES: &[(c_long, u32, &[u32])] = &[
    // F_SETOWN, F_SETOWN_EX.
    (libc::SYS_fcntl, 1, &[8, 15]),
    // FIOSETOWN, SIOCSPGRP, TIOCSTI, TIOCLINUX.
    (libc::SYS_ioctl, 1, &[0x8901, 0x8902, 0x5412, 0x541c]),
];

/// CLONE_NEWNS, NEWCGROUP, NEWUTS, NEWIPC, NEWUSER, NEWPID, NEWNET: inside a user namespace one is root.
const NAMESPACES: u32 = 0x7e02_0000;

/// Families of sockets: IPv4, IPv6, netlink (which libraries ask for addresses). Not Unix: its sockets are services of
/// this machine, the control socket among them, which Landlock does not guard.
const FAMILIES: [u32; 3] = [libc::AF_INET as u32, libc::AF_INET6 as u32, libc::AF_NETLINK as u32];

#[cfg(target_arch = "x86_64")]
const ARCH: u32 = 0xc000_003e;
#[cfg(target_arch = "riscv64")]
const ARCH: u32 = 0xc000_00f3;
#[cfg(target_arch = "aarch64")]
const ARCH: u32 = 0xc000_00b7;

const ALLOW: u32 = libc::SECCOMP_RET_ALLOW;
const fn errno(number: libc::c_int) -> u32 {
    libc::SECCOMP_RET_ERRNO | number as u32
}

/// Opcodes (linux/bpf_common.h): load a word of seccomp_data, jump if equal, if any bit is set, if not below, and, return.
const LD: u16 = 0x20;
const JEQ: u16 = 0x15;
const JSET: u16 = 0x45;
const JGE: u16 = 0x35;
const AND: u16 = 0x54;
const RET: u16 = 0x06;

/// A filter in the kernel's form, made before the fork.
pub struct Filter(Vec<libc::sock_filter>);

/// Processes that must not be signalled.
pub struct Guarded {
    /// The daemon.
    pub pid: u32,
    /// Its process group.
    pub group: u32,
    /// Its threads.
    pub threads: Vec<u32>,
}

impl Guarded {
    /// This process.
    pub fn this() -> Guarded {
        // SAFETY: neither call has preconditions.
        let (pid, group) = unsafe { (libc::getpid() as u32, libc::getpgrp() as u32) };
        let tasks = std::fs::read_dir("/proc/self/task").into_iter().flatten().flatten();
        let threads = tasks.filter_map(|t| t.file_name().to_str()?.parse().ok());
        Guarded { pid, group, threads: threads.take(SANDBOX_THREADS).collect() }
    }
}

impl Guarded {
    /// Who started this process, for one that closes its own sandbox.
    pub fn parent() -> Guarded {
        // SAFETY: neither call has preconditions.
        let (pid, group) = unsafe {
            let pid = libc::getppid();
            (pid as u32, libc::getpgid(pid) as u32)
        };
        Guarded { pid, group, threads: vec![pid] }
    }
}

impl Filter {
    /// The filter for a command of the process `of`.
    pub fn new(of: &Guarded) -> Filter {
        let mut f = Filter(Vec::with_capacity(256));
        f.push(LD, 4, 0, 0);
        f.push(JEQ, ARCH, 1, 0);
        f.ret(errno(libc::EPERM));
        f.push(LD, 0, 0, 0);
        if cfg!(target_arch = "x86_64") {
            // The x32 numbers of the same calls.
            f.push(JGE, 0x4000_0000, 0, 1);
            f.ret(errno(libc::EPERM));
        }
        for number in DENIED {
            f.call(*number, 1);
            f.ret(errno(libc::EPERM));
        }
        // Its flags are behind a pointer; a library falls back to clone.
        f.call(libc::SYS_clone3, 1);
        f.ret(errno(libc::ENOSYS));
        for number in [libc::SYS_clone, libc::SYS_unshare] {
            f.call(number, 4);
            f.argument(0);
            f.push(JSET, NAMESPACES, 0, 1);
            f.ret(errno(libc::EPERM));
            f.ret(ALLOW);
        }
        f.call(libc::SYS_socket, 6);
        f.argument(0);
        for (i, family) in FAMILIES.iter().enumerate() {
            f.push(JEQ, *family, 3 - i as u8, 0);
        }
        f.ret(errno(libc::EAFNOSUPPORT));
        f.ret(ALLOW);
        for (number, argument) in OWN {
            f.call(*number, 4);
            f.argument(*argument);
            f.push(JEQ, 0, 1, 0);
            f.ret(errno(libc::EPERM));
            f.ret(ALLOW);
        }
        for (number, argument, values) in VALUES {
            f.denied_values(*number, *argument, values);
        }
        // Everybody (-1), the daemon, its group; 0 is the command's own group, as it leads a session.
        let others = [u32::MAX, of.pid, of.group.wrapping_neg(), of.pid.wrapping_neg()];
        f.denied_values(libc::SYS_kill, 0, &others);
        for number in [
            libc::SYS_tgkill,
            libc::SYS_rt_sigqueueinfo,
            libc::SYS_rt_tgsigqueueinfo,
            libc::SYS_pidfd_open,
        ] {
            f.denied_values(number, 0, &[of.pid]);
        }
        f.denied_values(libc::SYS_tkill, 0, &of.threads);
        // Character and block devices: S_IFCHR and S_IFBLK have this bit pattern and no other type has.
        f.device(libc::SYS_mknodat, 2);
        #[cfg(target_arch = "x86_64")]
        f.device(libc::SYS_mknod, 1);
        f.ret(ALLOW);
        f
    }

    fn push(&mut self, code: u16, k: u32, jt: u8, jf: u8) {
        self.0.push(libc::sock_filter { code, jt, jf, k });
    }

    fn ret(&mut self, action: u32) {
        self.push(RET, action, 0, 0);
    }

    /// The next `length` instructions are for this call.
    fn call(&mut self, number: c_long, length: u8) {
        self.push(JEQ, number as u32, 0, length);
    }

    /// Loads the low half of an argument; what is looked at are ints.
    fn argument(&mut self, n: u32) {
        let high_first = if cfg!(target_endian = "big") { 4 } else { 0 };
        self.push(LD, 16 + 8 * n + high_first, 0, 0);
    }

    fn denied_values(&mut self, number: c_long, argument: u32, values: &[u32]) {
        let count = values.len() as u8;
        self.call(number, count + 3);
        self.argument(argument);
        for (i, value) in values.iter().enumerate() {
            self.push(JEQ, *value, count - i as u8, 0);
        }
        self.ret(ALLOW);
        self.ret(errno(libc::EPERM));
    }

    fn device(&mut self, number: c_long, argument: u32) {
        self.call(number, 5);
        self.argument(argument);
        self.push(AND, 0xb000, 0, 0);
        self.push(JEQ, 0x2000, 0, 1);
        self.ret(errno(libc::EPERM));
        self.ret(ALLOW);
    }

    /// As the kernel takes it. Valid while the filter lives.
    pub(super) fn program(&self) -> libc::sock_fprog {
        libc::sock_fprog { len: self.0.len() as u16, filter: self.0.as_ptr().cast_mut() }
    }
}

/// Puts the filter in force for this process and all it starts, which needs no_new_privs. Called between fork and exec.
pub(super) fn enter(program: &libc::sock_fprog) -> io::Result<()> {
    // SAFETY: the program points to a filter that lives in the parent's memory, of which this process has a copy;
    // the call is async-signal-safe.
    let result = unsafe {
        libc::prctl(
            libc::PR_SET_SECCOMP,
            libc::SECCOMP_MODE_FILTER as libc::c_ulong,
            std::ptr::from_ref(program),
        )
    };
    if result == 0 { Ok(()) } else { Err(io::Error::last_os_error()) }
}

/// The kernel has filters that answer with an error number.
pub fn available() -> bool {
    let action = libc::SECCOMP_RET_ERRNO;
    // SAFETY: the call reads one word of this frame (SECCOMP_GET_ACTION_AVAIL).
    let result = unsafe {
        libc::syscall(libc::SYS_seccomp, libc::SECCOMP_GET_ACTION_AVAIL, 0u32, &raw const action)
    };
    result == 0
}

/// The number of filters a process is under (`Seccomp_filters` of `/proc/<pid>/status`, before Linux 5.9 only whether
/// there is one), `None` when it cannot be read.
pub fn filters(pid: u32) -> Option<u32> {
    let status = std::fs::read_to_string(format!("/proc/{pid}/status")).ok()?;
    let field = |name: &str| {
        let line = status.lines().find_map(|line| line.strip_prefix(name));
        line.and_then(|rest| rest.trim().parse::<u32>().ok())
    };
    // 2: filtered. A kernel without seccomp has neither line.
    let mode = field("Seccomp:").unwrap_or(0);
    Some(field("Seccomp_filters:").unwrap_or(u32::from(mode == 2)))
}
