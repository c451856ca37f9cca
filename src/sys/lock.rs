//! Locks among processes (flock(2)). The kernel releases them when a process ends, however it ends.

use std::io::{self, ErrorKind};
use std::os::fd::{AsFd, OwnedFd};
use std::os::unix::fs::DirBuilderExt;
use std::path::Path;
use std::time::{Duration, Instant};

use rustix::fs::{FlockOperation, Mode, OFlags};
use rustix::io::Errno;

use crate::limits::{COMMAND_LOCK_WAIT, LOCK_PAUSE};

/// Takes the exclusive lock on an open file or folder; false when another process has had it for all of `patience`. True
/// on file systems without locks.
pub fn wait(file: &impl AsFd, patience: Duration) -> bool {
    let end = Instant::now() + patience;
    loop {
        match rustix::fs::flock(file, FlockOperation::NonBlockingLockExclusive) {
            Err(Errno::WOULDBLOCK) if Instant::now() >= end => return false,
            Err(Errno::WOULDBLOCK | Errno::INTR) => std::thread::sleep(LOCK_PAUSE),
            Ok(()) | Err(_) => return true,
        }
    }
}

/// Reserves the small files of a folder for one change (read, modify, replace), until it is dropped. Not reentrant.
pub struct FolderLock {
    _folder: OwnedFd,
}

impl FolderLock {
    /// Waits for other processes that change something there, at most [`COMMAND_LOCK_WAIT`]. A missing folder is created,
    /// private to this user.
    ///
    /// # Errors
    /// `TimedOut`, with what to do; the kernel's.
    pub fn take(folder: &Path) -> io::Result<FolderLock> {
        let flags = OFlags::RDONLY | OFlags::DIRECTORY | OFlags::CLOEXEC;
        let open = || rustix::fs::open(folder, flags, Mode::empty());
        let opened = match open() {
            Err(Errno::NOENT) => {
                std::fs::DirBuilder::new().recursive(true).mode(0o700).create(folder)?;
                open()?
            }
            opened => opened?,
        };
        if wait(&opened, COMMAND_LOCK_WAIT) {
            return Ok(FolderLock { _folder: opened });
        }
        let seconds = COMMAND_LOCK_WAIT.as_secs();
        let text = format!(
            "another picoclaw command has been changing files there for {seconds} s; try again when it has ended"
        );
        Err(io::Error::new(ErrorKind::TimedOut, text))
    }
}
