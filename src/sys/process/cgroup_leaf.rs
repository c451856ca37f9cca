//! A control group for one command: `tools/<n>` below the folder that the supervisor gave us (`PICOCLAW_TOOLS_CGROUP`).
//!
//! Its limits are those of `tools`. It makes sure that the whole command ends when one of its processes runs out of
//! memory, and that nothing of it is left when it is over, whatever it did to its process groups.

use std::cell::RefCell;
use std::fs::{self, File, OpenOptions};
use std::io;
use std::os::fd::{AsRawFd, RawFd};
use std::path::{Path, PathBuf};
use std::sync::atomic::{AtomicU32, Ordering};

static NEXT: AtomicU32 = AtomicU32::new(1);

thread_local! {
    /// Groups whose last process had not gone when they were to be removed.
    static LEFT: RefCell<Vec<PathBuf>> = const { RefCell::new(Vec::new()) };
}

/// A group; ended and removed when dropped.
pub struct CgroupLeaf {
    number: u32,
    path: PathBuf,
    procs: File,
}

impl CgroupLeaf {
    /// Makes one in `tools`.
    ///
    /// # Errors
    /// The kernel's: no room, not ours.
    pub fn new(tools: &Path) -> io::Result<CgroupLeaf> {
        let number = NEXT.fetch_add(1, Ordering::Relaxed);
        let path = tools.join(number.to_string());
        match fs::create_dir(&path) {
            // Left by a daemon that was killed, and empty: the supervisor saw to that.
            Err(e) if e.kind() == io::ErrorKind::AlreadyExists => {}
            made => made?,
        }
        let procs = OpenOptions::new().write(true).open(path.join("cgroup.procs"))?;
        // Missing where the supervisor could not hand the controller on; then the kernel picks one process.
        let _ = fs::write(path.join("memory.oom.group"), "1");
        Ok(CgroupLeaf { number, path, procs })
    }

    /// Its name below `tools`.
    pub(super) fn number(&self) -> u32 {
        self.number
    }

    /// `cgroup.procs`, open for writing.
    pub(super) fn procs(&self) -> RawFd {
        self.procs.as_raw_fd()
    }

    /// Ends every process in it.
    pub(super) fn kill(&self) {
        if fs::write(self.path.join("cgroup.kill"), "1").is_ok() {
            return;
        }
        // Before Linux 5.14: one by one, as long as there are any.
        for _ in 0..10 {
            let list = fs::read_to_string(self.path.join("cgroup.procs")).unwrap_or_default();
            for pid in list.lines().filter_map(|line| line.parse::<u32>().ok()) {
                let _ = crate::sys::service::signal(pid, libc::SIGKILL);
            }
            if list.is_empty() {
                return;
            }
        }
    }
}

impl Drop for CgroupLeaf {
    fn drop(&mut self) {
        self.kill();
        LEFT.with_borrow_mut(|left| {
            left.push(std::mem::take(&mut self.path));
            left.retain(|path| {
                fs::remove_dir(path).is_err_and(|e| e.kind() != io::ErrorKind::NotFound)
            });
        });
    }
}
