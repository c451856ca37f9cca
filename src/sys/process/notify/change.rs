//! A call that changes attributes: which file it means, and the change itself.

use std::fs::File;
use std::os::fd::{AsRawFd, OwnedFd};
use std::os::unix::fs::FileExt;

use rustix::event::Timespec;
use rustix::fs::{AtFlags, CWD, Mode, OFlags, Stat, Timestamps, chmodat, openat, utimensat};
use rustix::io::Errno;

use super::calls::FCHMODAT2;
use super::listener::Notification;
use crate::limits::SANDBOX_PATH_BYTES;

/// What a call wants of a file.
pub(super) enum FileChange {
    Mode(u32),
    Owner(u32, u32),
    Times(Timestamps),
}

impl FileChange {
    /// Makes it; of one of the folders that are the command's (`is_root`) the owner keeps his rights.
    pub(super) fn make(&self, file: &OwnedFd, stat: &Stat, is_root: bool) -> Result<(), Errno> {
        let kind = stat.st_mode & libc::S_IFMT;
        match *self {
            FileChange::Mode(mode) => {
                let mode = mode & 0o7777;
                let folder = kind == libc::S_IFDIR;
                if mode & libc::S_ISUID != 0 || (mode & libc::S_ISGID != 0 && !folder) {
                    return Err(Errno::PERM);
                }
                if is_root && mode & 0o700 != 0o700 {
                    return Err(Errno::PERM);
                }
                if kind == libc::S_IFLNK {
                    return Err(Errno::OPNOTSUPP);
                }
                chmodat(CWD, own_path(file), Mode::from_raw_mode(mode), AtFlags::empty())
            }
            // Without capabilities only what changes nothing, or the group, which no program here needs.
            FileChange::Owner(user, group) => {
                let same = |asked: u32, is: u32| asked == u32::MAX || asked == is;
                let same = same(user, stat.st_uid) && same(group, stat.st_gid);
                if same { Ok(()) } else { Err(Errno::PERM) }
            }
            FileChange::Times(ref times) => utimensat(file, "", times, AtFlags::EMPTY_PATH),
        }
    }
}

/// The file behind a descriptor of this process, by a name.
fn own_path(file: &OwnedFd) -> String {
    format!("/proc/self/fd/{}", file.as_raw_fd())
}

/// Which file a call means.
pub(super) struct CallTarget {
    /// A descriptor of the caller, or AT_FDCWD, its working directory.
    base: i32,
    /// From there, or from the root; none: `base` itself.
    path: Option<Vec<u8>>,
    /// A link at the end is meant itself.
    nofollow: bool,
}

impl CallTarget {
    /// Opens it without any rights but to look at it and to change its attributes.
    pub(super) fn open(&self, pid: u32) -> Result<OwnedFd, Errno> {
        let from = match self.base {
            libc::AT_FDCWD => format!("/proc/{pid}/cwd"),
            fd => format!("/proc/{pid}/fd/{fd}"),
        };
        let flags = OFlags::PATH | OFlags::CLOEXEC;
        let Some(path) = &self.path else {
            return openat(CWD, from, flags, Mode::empty());
        };
        let last = if self.nofollow { OFlags::NOFOLLOW } else { OFlags::empty() };
        // What names the caller must not name the daemon. C libraries change modes by such paths.
        for own in [&b"/proc/self/"[..], b"/proc/thread-self/", b"/dev/fd/"] {
            if let Some(rest) = path.strip_prefix(own) {
                let of_caller = if own == b"/dev/fd/" { "/fd" } else { "" };
                let path = [format!("/proc/{pid}{of_caller}/").as_bytes(), rest].concat();
                return openat(CWD, &*path, flags | last, Mode::empty());
            }
        }
        if path.first() == Some(&b'/') {
            return openat(CWD, &**path, flags | last, Mode::empty());
        }
        let folder = openat(CWD, from, flags, Mode::empty())?;
        openat(folder, &**path, flags | last, Mode::empty())
    }
}

/// A call's arguments in one form.
pub(super) fn decode(call: &Notification) -> Result<(CallTarget, FileChange), Errno> {
    let [a, b, c, d, e, _] = call.data.args;
    let memory = Memory::of(call.pid)?;
    let base = |fd: u64| fd as i32;
    let flags = |bits: u64| bits as libc::c_int;
    let at = |fd: u64, path: u64, bits: libc::c_int| -> Result<CallTarget, Errno> {
        let path = memory.path(path)?;
        let nofollow = bits & libc::AT_SYMLINK_NOFOLLOW != 0;
        match path {
            path if !path.is_empty() => {
                Ok(CallTarget { base: base(fd), path: Some(path), nofollow })
            }
            _ if bits & libc::AT_EMPTY_PATH != 0 => {
                Ok(CallTarget { base: base(fd), path: None, nofollow })
            }
            _ => Err(Errno::NOENT),
        }
    };
    let open = |fd: u64| CallTarget { base: base(fd), path: None, nofollow: false };
    let owner = |user: u64, group: u64| FileChange::Owner(user as u32, group as u32);
    #[cfg(target_arch = "x86_64")]
    let here = libc::AT_FDCWD as u64;
    Ok(match libc::c_long::from(call.data.nr) {
        libc::SYS_fchmod => (open(a), FileChange::Mode(b as u32)),
        libc::SYS_fchmodat => (at(a, b, 0)?, FileChange::Mode(c as u32)),
        FCHMODAT2 => (at(a, b, flags(d))?, FileChange::Mode(c as u32)),
        libc::SYS_fchown => (open(a), owner(b, c)),
        libc::SYS_fchownat => (at(a, b, flags(e))?, owner(c, d)),
        libc::SYS_utimensat => {
            let target = if b == 0 { open(a) } else { at(a, b, flags(d))? };
            (target, FileChange::Times(memory.times(c, 1)?))
        }
        #[cfg(target_arch = "x86_64")]
        libc::SYS_chmod => (at(here, a, 0)?, FileChange::Mode(b as u32)),
        #[cfg(target_arch = "x86_64")]
        libc::SYS_chown => (at(here, a, 0)?, owner(b, c)),
        #[cfg(target_arch = "x86_64")]
        libc::SYS_lchown => (at(here, a, libc::AT_SYMLINK_NOFOLLOW)?, owner(b, c)),
        #[cfg(target_arch = "x86_64")]
        libc::SYS_utime => (at(here, a, 0)?, FileChange::Times(memory.seconds(b)?)),
        #[cfg(target_arch = "x86_64")]
        libc::SYS_utimes => (at(here, a, 0)?, FileChange::Times(memory.times(b, 1000)?)),
        #[cfg(target_arch = "x86_64")]
        libc::SYS_futimesat => {
            let target = if b == 0 { open(a) } else { at(a, b, 0)? };
            (target, FileChange::Times(memory.times(c, 1000)?))
        }
        _ => return Err(Errno::NOSYS),
    })
}

/// The memory of a process that waits.
struct Memory(File);

impl Memory {
    fn of(pid: u32) -> Result<Memory, Errno> {
        let file = openat(
            CWD,
            format!("/proc/{pid}/mem"),
            OFlags::RDONLY | OFlags::CLOEXEC,
            Mode::empty(),
        )?;
        Ok(Memory(file.into()))
    }

    /// A text up to its NUL, at most PATH_MAX.
    fn path(&self, address: u64) -> Result<Vec<u8>, Errno> {
        const PAGE: u64 = 4096;
        let mut text = Vec::new();
        while text.len() < SANDBOX_PATH_BYTES {
            let from = address + text.len() as u64;
            // What is behind the page may not be there.
            let mut piece = vec![0; ((PAGE - from % PAGE) as usize).min(SANDBOX_PATH_BYTES)];
            self.0.read_exact_at(&mut piece, from).map_err(|_| Errno::FAULT)?;
            let end = piece.iter().position(|b| *b == 0);
            text.extend_from_slice(&piece[..end.unwrap_or(piece.len())]);
            if end.is_some() {
                return Ok(text);
            }
        }
        Err(Errno::NAMETOOLONG)
    }

    fn read_integers<const N: usize>(&self, address: u64) -> Result<[i64; N], Errno> {
        let mut bytes = vec![0; N * 8];
        self.0.read_exact_at(&mut bytes, address).map_err(|_| Errno::FAULT)?;
        let mut integers = [0; N];
        for (integer, bytes) in integers.iter_mut().zip(bytes.chunks_exact(8)) {
            *integer = i64::from_ne_bytes(bytes.try_into().unwrap_or_default());
        }
        Ok(integers)
    }

    /// Access and modification: pairs of seconds and parts of them, of `nanos` nanoseconds each. No address: now.
    fn times(&self, address: u64, nanos: i64) -> Result<Timestamps, Errno> {
        let time = |tv_sec, part: i64| Timespec { tv_sec, tv_nsec: part.saturating_mul(nanos) };
        if address == 0 {
            let now = Timespec { tv_sec: 0, tv_nsec: libc::UTIME_NOW };
            return Ok(Timestamps { last_access: now, last_modification: now });
        }
        let [access, part, modification, part_of_that] = self.read_integers(address)?;
        Ok(Timestamps {
            last_access: time(access, part),
            last_modification: time(modification, part_of_that),
        })
    }

    /// struct utimbuf. No address: now.
    #[cfg(target_arch = "x86_64")]
    fn seconds(&self, address: u64) -> Result<Timestamps, Errno> {
        if address == 0 {
            return self.times(0, 1);
        }
        let [access, modification] = self.read_integers(address)?;
        let time = |tv_sec| Timespec { tv_sec, tv_nsec: 0 };
        Ok(Timestamps { last_access: time(access), last_modification: time(modification) })
    }
}
