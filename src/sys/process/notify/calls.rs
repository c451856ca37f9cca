//! The system calls that wait for an answer.

/// In all 64-bit tables (asm-generic/unistd.h); since Linux 6.6.
pub const FCHMODAT2: libc::c_long = 452;

/// Calls that change attributes of files.
pub(super) const ATTRIBUTES: &[libc::c_long] = &[
    libc::SYS_fchmod,
    libc::SYS_fchmodat,
    FCHMODAT2,
    libc::SYS_fchown,
    libc::SYS_fchownat,
    libc::SYS_utimensat,
    #[cfg(target_arch = "x86_64")]
    libc::SYS_chmod,
    #[cfg(target_arch = "x86_64")]
    libc::SYS_chown,
    #[cfg(target_arch = "x86_64")]
    libc::SYS_lchown,
    #[cfg(target_arch = "x86_64")]
    libc::SYS_utime,
    #[cfg(target_arch = "x86_64")]
    libc::SYS_utimes,
    #[cfg(target_arch = "x86_64")]
    libc::SYS_futimesat,
];

/// Families of sockets that lead to other machines. The family is a register's value, which no thread of the command can
/// exchange while the call waits.
pub(super) const INTERNET: [libc::c_int; 2] = [libc::AF_INET, libc::AF_INET6];
