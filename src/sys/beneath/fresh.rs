//! Files that nobody else has a name for until they are whole.

use std::ffi::{OsStr, OsString};
use std::os::fd::{AsFd, AsRawFd};

use rustix::fs::{AtFlags, CWD, Gid, Mode, OFlags, Uid};
use rustix::io::Errno;

use crate::sys::random::random_at_once;

use super::{Fault, File, Owners, ResolvedPath, regular};

impl ResolvedPath {
    /// Begins a file that will be here when it is whole. In a folder of `owners`, root makes it that folder's owner's; without,
    /// it is this process's user's in whatever folder that is.
    ///
    /// # Errors
    /// The folder is somebody else's; the kernel's.
    pub fn fresh(self, mode: u32, owners: Option<Owners>) -> Result<NewFile, Fault> {
        let mut owner = None;
        if let Some(owners) = owners {
            if let Some(stat) = &self.stat {
                // It would be replaced; whoever uses the folder shall hear of it first.
                regular(stat)?;
            }
            let folder = rustix::fs::fstat(&self.dir)?;
            owners.owns(&folder)?;
            owner = rustix::process::geteuid().is_root().then_some((folder.st_uid, folder.st_gid));
        }
        let how = OFlags::RDWR | OFlags::CLOEXEC;
        let mode = Mode::from_raw_mode(mode);
        if let Ok(fd) = rustix::fs::openat(&self.dir, ".", how | OFlags::TMPFILE, mode) {
            // A file without a name gets one by /proc, which is not everywhere.
            if rustix::fs::stat(own_name(&fd)).is_ok() {
                return Ok(NewFile { place: self, temp: None, owner, file: File::from(fd) });
            }
        }
        let how = how | OFlags::CREATE | OFlags::EXCL | OFlags::NOFOLLOW;
        let (temp, fd) = unused(|name| rustix::fs::openat(&self.dir, name, how, mode))?;
        Ok(NewFile { place: self, temp: Some(temp), owner, file: File::from(fd) })
    }
}

/// A file under way: nobody has a name for it yet, or only one that cannot be guessed. Dropped, it is gone.
pub struct NewFile {
    place: ResolvedPath,
    temp: Option<OsString>,
    /// User and group that it will belong to.
    owner: Option<(u32, u32)>,
    file: File,
}

impl NewFile {
    /// To be written.
    pub fn file(&self) -> &File {
        &self.file
    }

    /// Gives it the name it was begun for; `durable`, the name is on the card when this returns. The content is in any case.
    ///
    /// # Errors
    /// [`Fault::Exists`] where something is there and `replace` is not set; the kernel's.
    pub fn finish(mut self, replace: bool, durable: bool) -> Result<(), Fault> {
        self.file.sync_all()?;
        if let Some((user, group)) = self.owner {
            let (user, group) = (Uid::from_raw(user), Gid::from_raw(group));
            // Not every file system has owners.
            let _ = rustix::fs::fchown(&self.file, Some(user), Some(group));
        }
        let temp = match self.temp.take() {
            Some(temp) => temp,
            None => {
                let own = own_name(&self.file);
                let dir = &self.place.dir;
                let link = |name: &OsStr| {
                    rustix::fs::linkat(CWD, &*own, dir, name, AtFlags::SYMLINK_FOLLOW)
                };
                unused(link)?.0
            }
        };
        let place = &self.place;
        let done = if replace {
            rustix::fs::renameat(&place.dir, &*temp, &place.dir, &*place.name).map_err(Fault::from)
        } else {
            place.put_new(&temp)
        };
        if done.is_err() {
            self.temp = Some(temp);
        }
        done?;
        if durable { self.place.sync_folder() } else { Ok(()) }
    }
}

impl Drop for NewFile {
    fn drop(&mut self) {
        if let Some(temp) = &self.temp {
            let _ = rustix::fs::unlinkat(&self.place.dir, &**temp, AtFlags::empty());
        }
    }
}

fn own_name(fd: &impl AsFd) -> String {
    format!("/proc/self/fd/{}", fd.as_fd().as_raw_fd())
}

/// Tries names that nobody can guess until one is free.
fn unused<T>(mut make: impl FnMut(&OsStr) -> Result<T, Errno>) -> Result<(OsString, T), Fault> {
    let mut number = 0;
    loop {
        // O_EXCL makes a number that somebody guessed harmless; the kernel may have none this early.
        number = match random_at_once() {
            Ok(bytes) => u64::from_ne_bytes(bytes),
            Err(_) => number.wrapping_add(super::file::clock_noise().into()),
        };
        let name = OsString::from(format!(".{number:016x}.tmp"));
        match make(&name) {
            Ok(made) => return Ok((name, made)),
            Err(Errno::EXIST) => {}
            Err(e) => return Err(e.into()),
        }
    }
}
