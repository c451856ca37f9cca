//! Files below a folder, reached so that neither symbolic links nor races lead out of it.
//!
//! A path is resolved to a [`ResolvedPath`]: an open folder and a last name that is no link. All work then goes
//! through that descriptor, so what is swapped afterwards is not followed. `openat2(2)` resolves where the
//! kernel has it (5.6); [`walk`] does the same by hand where it is missing or forbidden, and where a link
//! is absolute. Must never open a path by its text, never follow a last link unseen, and never open
//! anything but regular files and folders (opening a watchdog device arms it).
//!
//! Hard links are indistinguishable from files of the folder; [`ResolvedPath::append`] refuses files with more
//! than one name, [`ResolvedPath::save`] replaces the name and leaves the other one as it was.

mod empty;
mod file;
mod folder;
mod fresh;
mod incoming;
mod strict;
mod walk;

use std::ffi::{OsStr, OsString};
use std::fmt;
use std::io;
use std::os::fd::{AsFd, AsRawFd, OwnedFd};
use std::os::unix::ffi::OsStrExt;
use std::path::{Component, Path, PathBuf};

use rustix::fs::{AtFlags, FileType, Mode, OFlags, ResolveFlags, Stat};
use rustix::io::Errno;

pub use empty::{Remains, remove_folder};
pub use file::{DirEntry, Replace, Stamp};
pub use fresh::NewFile;
pub use std::fs::File;
pub use strict::{FileAccess, FileInfo, Owners, hard_link, open_path, path_meta, set_mode};

use crate::limits::PATH_LINKS;

/// Why a path is not opened.
#[derive(Debug)]
pub enum Fault {
    /// It leads out of the folder.
    Outside,
    /// It is there, but no regular file: `a folder`, `a FIFO`, ...
    Not(&'static str),
    /// There is a file already.
    Exists,
    /// The file is not the one that was read.
    Changed,
    /// It has this many names.
    Linked(u64),
    /// It belongs to this user, who has no business here.
    WrongOwner(u32),
    /// Anybody may write to it.
    Open,
    /// Anything else.
    Io(io::Error),
}

impl fmt::Display for Fault {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Fault::Outside => f.write_str("leads out of the folder"),
            Fault::Not(what) => write!(f, "is {what}, not a regular file"),
            Fault::Exists => f.write_str("already exists"),
            Fault::Changed => f.write_str("was changed by someone else meanwhile"),
            Fault::Linked(n) => write!(f, "has {n} names (hard links)"),
            Fault::WrongOwner(user) => write!(f, "belongs to user {user}"),
            Fault::Open => f.write_str("may be written by everybody"),
            Fault::Io(e) => write!(f, "{e}"),
        }
    }
}

impl From<Errno> for Fault {
    fn from(e: Errno) -> Fault {
        Fault::Io(e.into())
    }
}

impl From<io::Error> for Fault {
    fn from(e: io::Error) -> Fault {
        Fault::Io(e)
    }
}

impl From<Fault> for io::Error {
    fn from(fault: Fault) -> io::Error {
        let cure = match fault {
            Fault::Io(e) => return e,
            Fault::Exists => {
                return io::Error::new(io::ErrorKind::AlreadyExists, "it already exists");
            }
            Fault::Outside | Fault::Not(_) | Fault::Changed => "move it away",
            Fault::Linked(_) => "replace it by a copy",
            Fault::WrongOwner(_) => "chown it",
            Fault::Open => "chmod o-w",
        };
        io::Error::new(io::ErrorKind::InvalidData, format!("it {fault}: {cure}"))
    }
}

const LINK: &str = "a symbolic link";
const FOLDER: OFlags = OFlags::PATH.union(OFlags::DIRECTORY).union(OFlags::CLOEXEC);

/// A folder that paths are resolved below.
pub struct Root {
    dir: OwnedFd,
    path: PathBuf,
    openat2: bool,
    /// Links that stay below are followed.
    links: bool,
    /// Permissions of folders that are made, less the umask.
    mode: u32,
}

impl Root {
    /// Opens the folder itself; links in `path` are followed.
    pub fn open(path: &Path) -> io::Result<Root> {
        let dir = rustix::fs::open(path, FOLDER, Mode::empty())?;
        let path = match path_of(&dir) {
            Ok(path) => path,
            Err(_) => path.canonicalize()?,
        };
        Ok(Root { dir, path, openat2: true, links: true, mode: 0o777 })
    }

    /// The same folder, resolved by hand as on kernels without `openat2`.
    pub fn without_openat2(self) -> Root {
        Root { openat2: false, ..self }
    }

    /// Where the folder is, without links.
    pub fn path(&self) -> &Path {
        &self.path
    }

    /// Resolves `path`, which is relative to the folder (a leading `/` counts for nothing). Links are followed
    /// as long as they stay below; `..` at the top is [`Fault::Outside`]. With `create`, missing folders are made.
    pub fn locate(&self, path: &Path, create: bool) -> Result<ResolvedPath, Fault> {
        let mut path = relative(path).to_path_buf();
        for _ in 0..=PATH_LINKS {
            let (parent, name) = match path.components().next_back() {
                Some(Component::Normal(name)) => {
                    (path.parent().unwrap_or(Path::new("")), name.to_owned())
                }
                _ => (path.as_path(), OsString::from(".")),
            };
            let dir = self.folder(parent, create)?;
            let stat = match rustix::fs::statat(&dir, &*name, AtFlags::SYMLINK_NOFOLLOW) {
                Ok(stat) => Some(stat),
                Err(Errno::NOENT) => None,
                Err(e) => return Err(e.into()),
            };
            let link = stat.as_ref().is_some_and(|s| file_type(s) == FileType::Symlink);
            if !link {
                return Ok(ResolvedPath { dir, name, stat });
            }
            if !self.links {
                return Err(Fault::Not(LINK));
            }
            let target = rustix::fs::readlinkat(&dir, &*name, Vec::new())?;
            let target = Path::new(OsStr::from_bytes(target.as_bytes()));
            path = if target.is_absolute() {
                relative(self.inside(target)?).to_path_buf()
            } else {
                parent.join(target)
            };
        }
        Err(Errno::LOOP.into())
    }

    /// A folder below this one, as a descriptor for `*at` calls and fchdir.
    fn folder(&self, path: &Path, create: bool) -> Result<OwnedFd, Fault> {
        if self.openat2 {
            let text = if path.as_os_str().is_empty() { Path::new(".") } else { path };
            let mut how = ResolveFlags::BENEATH | ResolveFlags::NO_MAGICLINKS;
            how.set(ResolveFlags::NO_SYMLINKS, !self.links);
            match rustix::fs::openat2(&self.dir, text, FOLDER, Mode::empty(), how) {
                Ok(dir) => return Ok(dir),
                Err(e @ (Errno::NOTDIR | Errno::ACCESS | Errno::NAMETOOLONG)) => {
                    return Err(e.into());
                }
                Err(Errno::NOENT) if !create => return Err(Errno::NOENT.into()),
                // No such call (ENOSYS, or EPERM from a filter), a race with a rename (EAGAIN), a link that
                // is absolute or leads out (EXDEV), or a folder to make: the walk tells.
                Err(_) => {}
            }
        }
        walk::folder(self, path, create)
    }

    /// What follows the folder's own path in the absolute path `target`.
    fn inside<'a>(&self, target: &'a Path) -> Result<&'a Path, Fault> {
        target.strip_prefix(&self.path).map_err(|_| Fault::Outside)
    }
}

/// An open folder and a name in it that is not a symbolic link.
pub struct ResolvedPath {
    dir: OwnedFd,
    name: OsString,
    stat: Option<Stat>,
}

impl ResolvedPath {
    /// Something is there.
    pub fn exists(&self) -> bool {
        self.stat.is_some()
    }

    /// Device and inode of what is there.
    pub fn identity(&self) -> Option<(u64, u64)> {
        self.stat.as_ref().map(|s| (s.st_dev, s.st_ino))
    }

    /// Where it is, without links, as the kernel tells it now.
    pub fn path(&self) -> io::Result<PathBuf> {
        let folder = path_of(&self.dir)?;
        Ok(if self.name == "." { folder } else { folder.join(&self.name) })
    }

    /// The folder itself, for listing and as a working directory.
    pub fn open_folder(&self) -> Result<OwnedFd, Fault> {
        match &self.stat {
            None => return Err(Errno::NOENT.into()),
            Some(stat) if file_type(stat) != FileType::Directory => {
                return Err(Errno::NOTDIR.into());
            }
            Some(_) => {}
        }
        let flags = OFlags::RDONLY | OFlags::DIRECTORY | OFlags::NOFOLLOW | OFlags::CLOEXEC;
        Ok(rustix::fs::openat(&self.dir, &*self.name, flags, Mode::empty())?)
    }
}

/// Where an open descriptor is now (`/proc/self/fd`, proc(5)); an error without /proc or after removal.
pub fn path_of(fd: &impl AsFd) -> io::Result<PathBuf> {
    let link = format!("/proc/self/fd/{}", fd.as_fd().as_raw_fd());
    let path = std::fs::read_link(link)?;
    if !path.is_absolute() || path.as_os_str().as_bytes().ends_with(b" (deleted)") {
        return Err(io::ErrorKind::NotFound.into());
    }
    Ok(path)
}

/// Device and inode of what `path` leads to.
pub fn identity(path: &Path) -> Option<(u64, u64)> {
    rustix::fs::stat(path).ok().map(|s| (s.st_dev, s.st_ino))
}

fn file_type(stat: &Stat) -> FileType {
    FileType::from_raw_mode(stat.st_mode)
}

/// Only regular files are opened.
fn regular(stat: &Stat) -> Result<(), Fault> {
    Err(Fault::Not(match file_type(stat) {
        FileType::RegularFile => return Ok(()),
        FileType::Directory => "a folder",
        FileType::Fifo => "a FIFO",
        FileType::Socket => "a socket",
        FileType::CharacterDevice | FileType::BlockDevice => "a device",
        FileType::Symlink => LINK,
        _ => "something unknown",
    }))
}

fn relative(path: &Path) -> &Path {
    path.strip_prefix("/").unwrap_or(path)
}

#[cfg(test)]
mod tests;
