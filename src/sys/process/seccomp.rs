//! The system calls a command has no use for (seccomp(2), filter mode), as rules of which seccompiler makes filters.
//!
//! A list of what is denied, not of what is allowed: a shell runs any program. It closes what Landlock does not see
//! (mounts, modules, keys, tracing, sockets of services on this machine, limits and signals of other processes of the
//! same user), also where there is no Landlock. It cannot look behind pointers.

use std::io;

use seccompiler::SeccompCmpOp::{MaskedEq, Ne};
use seccompiler::{BpfProgram, SeccompAction};

use super::call_rules::{CallRules, Unbuilt};
use super::notify::FCHMODAT2;
use super::protected::ProtectedProcesses;

/// Never, with EPERM.
const DENIED: &[i64] = &[
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
const KEXEC_FILE_LOAD: i64 = 320;
#[cfg(not(target_arch = "x86_64"))]
const KEXEC_FILE_LOAD: i64 = 294;

/// Only on oneself: the argument that names the process must be 0.
const OWN: &[(i64, u8)] = &[
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

/// As if the kernel lacked them (ENOSYS). What System V and POSIX queues hold outlives the command, and everybody of the user has
/// it; the others have their arguments behind pointers, where no filter looks, and programs manage without.
const MISSING: &[i64] = &[
    libc::SYS_clone3,
    libc::SYS_openat2,
    libc::SYS_shmget,
    libc::SYS_shmat,
    libc::SYS_shmctl,
    libc::SYS_semget,
    libc::SYS_semop,
    libc::SYS_semctl,
    libc::SYS_semtimedop,
    libc::SYS_msgget,
    libc::SYS_msgsnd,
    libc::SYS_msgrcv,
    libc::SYS_msgctl,
    libc::SYS_mq_open,
    FILE_SETATTR,
];

/// Extended attributes and lists of access (EOPNOTSUPP): as on a file system without them, which copying programs know.
const UNSUPPORTED: &[i64] = &[
    libc::SYS_setxattr,
    libc::SYS_lsetxattr,
    libc::SYS_fsetxattr,
    libc::SYS_removexattr,
    libc::SYS_lremovexattr,
    libc::SYS_fremovexattr,
    SETXATTRAT,
    REMOVEXATTRAT,
];

// The same in all 64-bit tables; since Linux 6.13 and 6.17.
const SETXATTRAT: i64 = 463;
const REMOVEXATTRAT: i64 = 466;
const FILE_SETATTR: i64 = 469;

/// PRIO_PROCESS and IOPRIO_WHO_PROCESS: of a process, not of a group or of all of a user.
const WHO: &[(i64, u32)] = &[(libc::SYS_setpriority, 0), (libc::SYS_ioprio_set, 1)];

/// S_ISUID and S_ISGID in the mode of a new file, with one of [`CREATING`] in the flags: call, flags, mode.
const NEW_FILES: &[(i64, u8, u8)] = &[
    (libc::SYS_openat, 2, 3),
    #[cfg(target_arch = "x86_64")]
    (libc::SYS_open, 1, 2),
];

/// Flags with which a call makes a file: O_CREAT, and what O_TMPFILE has besides O_DIRECTORY.
const CREATING: [i32; 2] = [libc::O_CREAT, libc::O_TMPFILE & !libc::O_DIRECTORY];

/// Calls that change a mode, and which argument is the new one.
const CHANGED: &[(i64, u8)] = &[
    (libc::SYS_fchmod, 1),
    (libc::SYS_fchmodat, 2),
    (FCHMODAT2, 2),
    #[cfg(target_arch = "x86_64")]
    (libc::SYS_chmod, 1),
];

/// Denied for these values of an argument: kinds of fcntl and ioctl that send signals to others, type on a terminal, or change a
/// file that is open for reading only.
const VALUES: &[(i64, u8, &[u32])] = &[
    // F_SETOWN, F_SETOWN_EX.
    (libc::SYS_fcntl, 1, &[8, 15]),
    // FIOSETOWN, SIOCSPGRP, TIOCSTI, TIOCLINUX.
    (libc::SYS_ioctl, 1, &[0x8901, 0x8902, 0x5412, 0x541c]),
    // FS_IOC_SETFLAGS, FS_IOC_FSSETXATTR, FS_IOC_SETVERSION, FS_IOC_ENABLE_VERITY.
    (libc::SYS_ioctl, 1, &[0x4008_6602, 0x401c_5820, 0x4008_7602, 0x4080_6685]),
];

/// CLONE_NEWNS, NEWCGROUP, NEWUTS, NEWIPC, NEWUSER, NEWPID, NEWNET: inside a user namespace one is root.
const NAMESPACES: [u32; 7] =
    [0x0002_0000, 0x0200_0000, 0x0400_0000, 0x0800_0000, 0x1000_0000, 0x2000_0000, 0x4000_0000];

/// Families of sockets: IPv4, IPv6, netlink (which libraries ask for addresses). Not Unix: its sockets are services of
/// this machine, the control socket among them, which Landlock does not guard.
const FAMILIES: [i32; 3] = [libc::AF_INET, libc::AF_INET6, libc::AF_NETLINK];

/// Kinds of files that are devices (S_IFCHR, S_IFBLK) have the second of these bits alone among the first.
const DEVICES: (u64, u32) = (0xb000, 0x2000);

/// In the place of the keeper's number, which is not known before the fork; more than any process has.
const KEEPER: u32 = 0x7b4b_4550;

/// Filters in the kernel's form, made before the fork. One for each error number that a denied call gets.
#[derive(Clone)]
pub struct Filter(Vec<BpfProgram>);

impl Filter {
    /// The filter for a command of the process `of`.
    ///
    /// # Errors
    /// None that a caller could cure: the rules are this file's.
    pub fn new(of: &ProtectedProcesses) -> io::Result<Filter> {
        Ok(Filter::build(of)?)
    }

    fn build(of: &ProtectedProcesses) -> Result<Filter, Unbuilt> {
        let mut denied = CallRules::always(DENIED);
        for call in [libc::SYS_clone, libc::SYS_unshare] {
            for flag in NAMESPACES {
                denied.when(call, &[(0, MaskedEq(flag.into()), flag)])?;
            }
        }
        for (call, argument) in OWN {
            denied.when(*call, &[(*argument, Ne, 0)])?;
        }
        for (call, argument, values) in VALUES {
            denied.values(*call, *argument, values)?;
        }
        for (call, kind) in WHO {
            denied.when(*call, &[(0, Ne, *kind)])?;
        }
        set_id(&mut denied)?;
        // A pair of datagram sockets can send to any path: only connected kinds. SOCK_RAW is the same for them; the bits above
        // the kind are flags.
        for kind in [libc::SOCK_DGRAM, libc::SOCK_RAW] {
            denied.when(libc::SYS_socketpair, &[(1, MaskedEq(0xf), kind as u32)])?;
        }
        // Everybody (-1), the daemon, its group; 0 is the command's own group, as it leads a session.
        let others = [
            u32::MAX,
            of.pid,
            of.group.wrapping_neg(),
            of.pid.wrapping_neg(),
            KEEPER,
            KEEPER.wrapping_neg(),
        ];
        denied.values(libc::SYS_kill, 0, &others)?;
        // A thread's number means its process, too.
        denied.values(libc::SYS_kill, 0, &of.threads)?;
        denied.values(libc::SYS_rt_sigqueueinfo, 0, &of.threads)?;
        for call in [
            libc::SYS_tgkill,
            libc::SYS_rt_sigqueueinfo,
            libc::SYS_rt_tgsigqueueinfo,
            libc::SYS_pidfd_open,
        ] {
            denied.values(call, 0, &[of.pid, KEEPER])?;
        }
        denied.values(libc::SYS_tkill, 0, &of.threads)?;
        denied.values(libc::SYS_tkill, 0, &[KEEPER])?;
        let (mask, device) = DEVICES;
        denied.when(libc::SYS_mknodat, &[(2, MaskedEq(mask), device)])?;
        #[cfg(target_arch = "x86_64")]
        denied.when(libc::SYS_mknod, &[(1, MaskedEq(mask), device)])?;

        let missing = CallRules::always(MISSING);
        let unsupported = CallRules::always(UNSUPPORTED);
        let mut families = CallRules::default();
        families.when(libc::SYS_socket, &FAMILIES.map(|family| (0, Ne, family as u32)))?;

        let answer = |error: libc::c_int| SeccompAction::Errno(error as u32);
        let mut denied = denied.program(answer(libc::EPERM))?;
        if cfg!(target_arch = "x86_64") {
            denied.splice(..0, without_x32());
        }
        let programs = [
            denied,
            missing.program(answer(libc::ENOSYS))?,
            unsupported.program(answer(libc::EOPNOTSUPP))?,
            families.program(answer(libc::EAFNOSUPPORT))?,
        ];
        Ok(Filter(programs.into()))
    }

    /// Puts the number of the command's keeper in its place. Does not allocate.
    pub(super) fn protect(&mut self, keeper: u32) {
        for step in self.0.iter_mut().flatten() {
            if step.k == KEEPER {
                step.k = keeper;
            } else if step.k == KEEPER.wrapping_neg() {
                step.k = keeper.wrapping_neg();
            }
        }
    }

    /// Puts the filters in force for this process and all it starts, which needs no_new_privs. Called between fork and
    /// exec.
    pub(super) fn enter(&self) -> io::Result<()> {
        // Two system calls each, on memory that this process copied from its parent.
        self.0.iter().try_for_each(|program| match seccompiler::apply_filter(program) {
            Ok(()) => Ok(()),
            Err(seccompiler::Error::Prctl(e) | seccompiler::Error::Seccomp(e)) => Err(e),
            Err(_) => Err(io::Error::from_raw_os_error(libc::EINVAL)),
        })
    }
}

/// Denies new files that run as their owner or their group. What changes modes later is [`super::notify`]' affair,
/// and without it this filter's.
fn set_id(denied: &mut CallRules) -> Result<(), Unbuilt> {
    for bit in [libc::S_ISUID, libc::S_ISGID] {
        for (call, flags, mode) in NEW_FILES {
            for flag in CREATING.map(|flag| flag as u32) {
                let conditions =
                    [(*flags, MaskedEq(flag.into()), flag), (*mode, MaskedEq(bit.into()), bit)];
                denied.when(*call, &conditions)?;
            }
        }
        denied.when(libc::SYS_mknodat, &[(2, MaskedEq(bit.into()), bit)])?;
        #[cfg(target_arch = "x86_64")]
        for call in [libc::SYS_mknod, libc::SYS_creat] {
            denied.when(call, &[(1, MaskedEq(bit.into()), bit)])?;
        }
    }
    let bit = libc::S_ISUID;
    for (call, mode) in CHANGED {
        denied.when(*call, &[(*mode, MaskedEq(bit.into()), bit)])?;
    }
    Ok(())
}

/// What seccompiler does not look at: the same calls under their x32 numbers are denied (linux/filter.h: load the number;
/// where it is at least 0x40000000, return EPERM).
fn without_x32() -> [seccompiler::sock_filter; 3] {
    let eperm = libc::SECCOMP_RET_ERRNO | libc::EPERM as u32;
    [(0x20, 0, 0), (0x35, 1, 0x4000_0000), (0x06, 0, eperm)]
        .map(|(code, jf, k)| seccompiler::sock_filter { code, jt: 0, jf, k })
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
