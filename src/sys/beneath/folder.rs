//! Whole folders moved to and from a place.

use std::io;
use std::path::Path;

use rustix::fs::{CWD, RenameFlags, renameat, renameat_with};

use super::ResolvedPath;

impl ResolvedPath {
    /// Moves the folder `from` here; with `swap`, what is here goes to `from` in the same step (renameat2(2)). Both names
    /// are on the card when this returns.
    ///
    /// # Errors
    /// The kernel's: something is here and `swap` is not set, another disk, no such call.
    pub fn take_over(&self, from: &Path, swap: bool) -> io::Result<()> {
        if swap {
            renameat_with(CWD, from, &self.dir, &*self.name, RenameFlags::EXCHANGE)?;
        } else {
            // A folder with something in it is never replaced (rename(2)).
            renameat(CWD, from, &self.dir, &*self.name)?;
        }
        self.sync_both(from)
    }

    /// Moves the folder that is here to `to`.
    ///
    /// # Errors
    /// The kernel's.
    pub fn hand_over(&self, to: &Path) -> io::Result<()> {
        renameat(&self.dir, &*self.name, CWD, to)?;
        self.sync_both(to)
    }

    fn sync_both(&self, other: &Path) -> io::Result<()> {
        let flags = rustix::fs::OFlags::RDONLY | rustix::fs::OFlags::CLOEXEC;
        let here = rustix::fs::openat(&self.dir, ".", flags, rustix::fs::Mode::empty())?;
        rustix::fs::fsync(&here)?;
        std::fs::File::open(other.parent().unwrap_or(Path::new(".")))?.sync_all()
    }
}
