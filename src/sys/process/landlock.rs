//! Landlock (linux/landlock.h, since Linux 5.13): which files a command may open at all, whatever its user may.
//!
//! A [`LandlockRules`] is a rule set that allows nothing but what is added. It is made before the fork and put in force by
//! the child; no descendant can leave it. By number, as C libraries have no wrappers.

use std::fs;
use std::io;
use std::os::fd::{AsRawFd, FromRawFd, OwnedFd, RawFd};
use std::os::unix::fs::OpenOptionsExt;
use std::path::{Path, PathBuf};

use crate::limits::{SANDBOX_DEPTH, SANDBOX_PIECES, SANDBOX_RULES};
use crate::sys::beneath::path_of;

const VERSION: u32 = 1;
const PATH_BENEATH: u32 = 1;

const EXECUTE: u64 = 1;
const WRITE_FILE: u64 = 1 << 1;
const READ_FILE: u64 = 1 << 2;
const READ_DIR: u64 = 1 << 3;
const MAKE_CHAR: u64 = 1 << 6;
const MAKE_BLOCK: u64 = 1 << 11;
const TRUNCATE: u64 = 1 << 14;
const IOCTL_DEV: u64 = 1 << 15;

/// Rights that a rule on something else than a folder may carry.
const OF_FILES: u64 = EXECUTE | WRITE_FILE | READ_FILE | TRUNCATE | IOCTL_DEV;

/// No abstract sockets and no signals across the wall (ABI 6).
const SCOPED: u64 = 1 | 2;

/// The version this kernel has; 0 for none, or switched off at boot.
pub fn abi() -> u32 {
    // SAFETY: with this flag the call reads no memory (landlock_create_ruleset(2)).
    let version = unsafe {
        libc::syscall(libc::SYS_landlock_create_ruleset, std::ptr::null::<u8>(), 0usize, VERSION)
    };
    u32::try_from(version).unwrap_or(0)
}

/// File rights that kernels of this version know.
fn known(abi: u32) -> u64 {
    let bits = match abi {
        0 => 0,
        1 => 13,
        2 => 14,
        3 | 4 => 15,
        _ => 16,
    };
    (1 << bits) - 1
}

#[repr(C)]
struct RulesetAttr {
    handled_fs: u64,
    handled_net: u64,
    scoped: u64,
}

#[repr(C, packed)]
struct PathBeneathAttr {
    allowed: u64,
    parent: i32,
}

/// A rule set under construction.
pub struct LandlockRules {
    fd: OwnedFd,
    abi: u32,
    hidden: Vec<PathBuf>,
    rules: usize,
    left_closed: Option<PathBuf>,
}

impl LandlockRules {
    /// Allows nothing yet.
    ///
    /// # Errors
    /// A kernel without Landlock, or out of memory.
    pub fn new() -> io::Result<LandlockRules> {
        let abi = abi();
        let attr = RulesetAttr {
            handled_fs: known(abi),
            handled_net: 0,
            scoped: if abi >= 6 { SCOPED } else { 0 },
        };
        // The kernel takes a longer structure only when the rest is zero: told the size it knows.
        let size = match abi {
            0..=3 => 8,
            4 | 5 => 16,
            _ => size_of::<RulesetAttr>(),
        };
        // SAFETY: `attr` lives for the call and is at least `size` bytes long; the result is a new descriptor of ours.
        let fd = unsafe {
            let fd = libc::syscall(libc::SYS_landlock_create_ruleset, &raw const attr, size, 0u32);
            if fd < 0 {
                return Err(io::Error::last_os_error());
            }
            OwnedFd::from_raw_fd(fd as RawFd)
        };
        Ok(LandlockRules { fd, abi, hidden: Vec::new(), rules: 0, left_closed: None })
    }

    /// From here on these (absolute) paths stay closed, whatever is allowed around them; replaces the earlier ones.
    pub fn hide(&mut self, paths: &[PathBuf]) {
        // By name and by what a link of that name leads to.
        let real = paths.iter().filter_map(|h| h.canonicalize().ok());
        self.hidden = paths.iter().cloned().chain(real).collect();
        self.hidden.sort_unstable();
        self.hidden.dedup();
    }

    /// Rules so far.
    pub fn rules(&self) -> usize {
        self.rules
    }

    /// The last folder of which a part stays closed, as it holds something hidden beside more than [`SANDBOX_PIECES`]
    /// other entries.
    pub fn left_closed(&self) -> Option<&Path> {
        self.left_closed.as_deref()
    }

    /// The tree at `path` may be read and its programs run. What does not exist is passed over.
    ///
    /// # Errors
    /// More than [`SANDBOX_RULES`] rules, or the kernel's.
    pub fn read(&mut self, path: &Path) -> io::Result<()> {
        self.add(path, EXECUTE | READ_FILE | READ_DIR, 0)
    }

    /// The tree at `path` may be read and changed, except that no devices are made in it.
    ///
    /// # Errors
    /// As [`LandlockRules::read`].
    pub fn write(&mut self, path: &Path) -> io::Result<()> {
        self.add(path, known(self.abi) & !(MAKE_CHAR | MAKE_BLOCK | IOCTL_DEV), 0)
    }

    /// The file at `path` may be read and written: a device.
    ///
    /// # Errors
    /// As [`LandlockRules::read`].
    pub fn device(&mut self, path: &Path) -> io::Result<()> {
        self.add(path, READ_FILE | WRITE_FILE | TRUNCATE, 0)
    }

    fn add(&mut self, path: &Path, rights: u64, depth: usize) -> io::Result<()> {
        let file = match fs::OpenOptions::new().read(true).custom_flags(libc::O_PATH).open(path) {
            Ok(file) => file,
            // Gone, a link to nowhere, or closed to this user: then closed to its commands too.
            Err(_) => return Ok(()),
        };
        let real = path_of(&file)?;
        // Judged by where it really is, which is what the rule is then tied to.
        if self.hidden.iter().any(|hidden| real.starts_with(hidden)) {
            return Ok(());
        }
        let folder = file.metadata()?.is_dir();
        if folder && self.hidden.iter().any(|hidden| hidden.starts_with(&real)) {
            // A rule cannot have holes: what lies beside the hidden is allowed piece by piece.
            return self.pieces(&real, rights, depth);
        }
        if self.rules == SANDBOX_RULES {
            return Err(io::Error::other("too many rules"));
        }
        self.rules += 1;
        let allowed = rights & known(self.abi) & if folder { u64::MAX } else { OF_FILES };
        let attr = PathBeneathAttr { allowed, parent: file.as_raw_fd() };
        // SAFETY: `attr` lives for the call, its descriptor is open.
        let result = unsafe {
            libc::syscall(
                libc::SYS_landlock_add_rule,
                self.fd.as_raw_fd(),
                PATH_BENEATH,
                &raw const attr,
                0u32,
            )
        };
        if result == 0 { Ok(()) } else { Err(io::Error::last_os_error()) }
    }

    fn pieces(&mut self, folder: &Path, rights: u64, depth: usize) -> io::Result<()> {
        if depth == SANDBOX_DEPTH {
            return Ok(());
        }
        let Ok(entries) = fs::read_dir(folder) else { return Ok(()) };
        let mut beside = 0;
        for entry in entries {
            let path = entry?.path();
            // What leads to the hidden is never left out: the folder of a command is often beside it.
            let leads = self.hidden.iter().any(|hidden| hidden.starts_with(&path));
            if leads {
                self.add(&path, rights, depth + 1)?;
            } else if beside < SANDBOX_PIECES {
                beside += 1;
                self.add(&path, rights, depth + 1)?;
            } else {
                self.left_closed = Some(folder.to_owned());
            }
        }
        Ok(())
    }
}

impl AsRawFd for LandlockRules {
    fn as_raw_fd(&self) -> RawFd {
        self.fd.as_raw_fd()
    }
}

/// Puts the rule set in force for this process and all it starts. Called between fork and exec.
pub(super) fn enter(walls: RawFd) -> io::Result<()> {
    // SAFETY: a plain system call on integers; async-signal-safe.
    let result = unsafe { libc::syscall(libc::SYS_landlock_restrict_self, walls, 0u32) };
    if result == 0 { Ok(()) } else { Err(io::Error::last_os_error()) }
}
