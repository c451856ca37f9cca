//! What is done at a place: read, replace, add to, list.

use std::ffi::{OsStr, OsString};
use std::fs::File;
use std::io::{self, Write};
use std::os::fd::OwnedFd;
use std::os::unix::ffi::{OsStrExt, OsStringExt};

use rustix::fs::{AtFlags, Dir, FileType, Mode, OFlags, RenameFlags, Stat};
use rustix::io::Errno;

use super::{Fault, ResolvedPath, file_type, regular};

/// What identifies a file's contents between a read and a write.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Stamp {
    device: u64,
    inode: u64,
    size: i64,
    seconds: i64,
    nanoseconds: i64,
}

impl Stamp {
    pub(super) fn of(stat: &Stat) -> Stamp {
        Stamp {
            device: stat.st_dev,
            inode: stat.st_ino,
            size: stat.st_size,
            seconds: stat.st_mtime,
            nanoseconds: stat.st_mtime_nsec as i64,
        }
    }
}

/// When [`ResolvedPath::save`] may take the place of a file that is there.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Replace {
    /// Never.
    No,
    /// Always.
    Yes,
    /// When it is still the one that was read.
    Same(Stamp),
}

/// One name of a folder.
#[derive(Debug, PartialEq, Eq)]
pub struct DirEntry {
    /// As stored.
    pub name: OsString,
    /// A folder; a link to one is not.
    pub folder: bool,
}

impl ResolvedPath {
    /// Opens a regular file for reading.
    pub fn read(&self) -> Result<(File, Stamp), Fault> {
        regular(self.stat.as_ref().ok_or(Fault::Io(Errno::NOENT.into()))?)?;
        // Non-blocking, for the case that a FIFO took the file's name just now.
        let flags =
            OFlags::RDONLY | OFlags::NOFOLLOW | OFlags::NONBLOCK | OFlags::NOCTTY | OFlags::CLOEXEC;
        let fd = rustix::fs::openat(&self.dir, &*self.name, flags, Mode::empty())?;
        let stat = rustix::fs::fstat(&fd)?;
        regular(&stat)?;
        Ok((File::from(fd), Stamp::of(&stat)))
    }

    /// Puts a file with these bytes here: written beside, fsynced, renamed, the folder fsynced. Permissions of
    /// the file it replaces are kept (not set-user-id and the like). After an error the old file is whole.
    pub fn save(&self, bytes: &[u8], replace: Replace) -> Result<(), Fault> {
        match (&self.stat, replace) {
            (Some(stat), Replace::No) => {
                return Err(regular(stat).err().unwrap_or(Fault::Exists));
            }
            (Some(stat), _) => regular(stat)?,
            (None, _) => {}
        }
        let (temp, fd) = self.temporary()?;
        let done = self.fill(fd, bytes).and_then(|()| self.put(&temp, replace));
        if done.is_err() {
            let _ = rustix::fs::unlinkat(&self.dir, &*temp, AtFlags::empty());
        }
        done
    }

    fn temporary(&self) -> Result<(OsString, OwnedFd), Fault> {
        let flags =
            OFlags::WRONLY | OFlags::CREATE | OFlags::EXCL | OFlags::NOFOLLOW | OFlags::CLOEXEC;
        let stem = self.name.as_bytes();
        let stem = &stem[..stem.len().min(200)];
        let mut number = std::process::id() ^ clock_noise();
        loop {
            let mut name = b".".to_vec();
            name.extend_from_slice(stem);
            name.extend_from_slice(format!(".{number:08x}.tmp").as_bytes());
            let name = OsString::from_vec(name);
            match rustix::fs::openat(&self.dir, &*name, flags, Mode::from_raw_mode(0o666)) {
                Ok(fd) => return Ok((name, fd)),
                Err(Errno::EXIST) => number = number.wrapping_add(1),
                Err(e) => return Err(e.into()),
            }
        }
    }

    fn fill(&self, fd: OwnedFd, bytes: &[u8]) -> Result<(), Fault> {
        if let Some(old) = &self.stat {
            let mode = Mode::from_raw_mode(old.st_mode & 0o777);
            // A file system without permissions (FAT) refuses; the file is as open as the mount then.
            match rustix::fs::fchmod(&fd, mode) {
                Ok(()) | Err(Errno::PERM) => {}
                Err(e) => return Err(e.into()),
            }
        }
        let mut file = File::from(fd);
        file.write_all(bytes)?;
        file.sync_all()?;
        Ok(())
    }

    fn put(&self, temp: &OsStr, replace: Replace) -> Result<(), Fault> {
        match replace {
            Replace::Yes => rustix::fs::renameat(&self.dir, temp, &self.dir, &*self.name)?,
            Replace::Same(stamp) => {
                let now = rustix::fs::statat(&self.dir, &*self.name, AtFlags::SYMLINK_NOFOLLOW);
                if !now.is_ok_and(|now| Stamp::of(&now) == stamp) {
                    return Err(Fault::Changed);
                }
                rustix::fs::renameat(&self.dir, temp, &self.dir, &*self.name)?;
            }
            Replace::No => self.put_new(temp)?,
        }
        self.sync_folder()
    }

    /// The name must still be free at this very moment.
    pub(super) fn put_new(&self, temp: &OsStr) -> Result<(), Fault> {
        let (dir, name) = (&self.dir, &*self.name);
        match rustix::fs::renameat_with(dir, temp, dir, name, RenameFlags::NOREPLACE) {
            Ok(()) => Ok(()),
            Err(Errno::EXIST) => Err(Fault::Exists),
            // Not every kernel and file system knows the flag; a hard link says the same.
            Err(Errno::INVAL | Errno::NOSYS | Errno::PERM) => {
                match rustix::fs::linkat(dir, temp, dir, name, AtFlags::empty()) {
                    Ok(()) => {
                        rustix::fs::unlinkat(dir, temp, AtFlags::empty())?;
                        Ok(())
                    }
                    Err(Errno::EXIST) => Err(Fault::Exists),
                    // FAT on an old kernel has neither; the name was free a moment ago.
                    Err(_) => Ok(rustix::fs::renameat(dir, temp, dir, name)?),
                }
            }
            Err(e) => Err(e.into()),
        }
    }

    /// Adds bytes to the end of a regular file, made when missing, and fsyncs it. Refused when the file
    /// would have more than `limit` bytes, or has several names.
    pub fn append(&self, bytes: &[u8], limit: u64) -> Result<(), Fault> {
        if let Some(stat) = &self.stat {
            regular(stat)?;
        }
        let flags = OFlags::WRONLY
            | OFlags::APPEND
            | OFlags::CREATE
            | OFlags::NOFOLLOW
            | OFlags::NONBLOCK
            | OFlags::NOCTTY
            | OFlags::CLOEXEC;
        let fd = rustix::fs::openat(&self.dir, &*self.name, flags, Mode::from_raw_mode(0o666))?;
        let stat = rustix::fs::fstat(&fd)?;
        regular(&stat)?;
        if stat.st_nlink > 1 {
            return Err(Fault::Linked(stat.st_nlink as u64));
        }
        if stat.st_size as u64 + bytes.len() as u64 > limit {
            return Err(
                io::Error::other(format!("the file would grow beyond {limit} bytes")).into()
            );
        }
        let mut file = File::from(fd);
        if let Err(e) = file.write_all(bytes) {
            // Half of an addition is worse than none; O_APPEND has moved the end.
            return Err(match file.set_len(stat.st_size as u64) {
                Ok(()) => e.into(),
                Err(stays) => io::Error::new(
                    e.kind(),
                    format!(
                        "{e}; a part was added and cannot be cut off again ({stays}); remove it"
                    ),
                )
                .into(),
            });
        }
        file.sync_all()?;
        if self.stat.is_none() {
            self.sync_folder()?;
        }
        Ok(())
    }

    pub(super) fn sync_folder(&self) -> Result<(), Fault> {
        // The place's own descriptor is O_PATH, which cannot be synced.
        let flags = OFlags::RDONLY | OFlags::DIRECTORY | OFlags::CLOEXEC;
        let fd = rustix::fs::openat(&self.dir, ".", flags, Mode::empty())?;
        match rustix::fs::fsync(&fd) {
            Ok(()) | Err(Errno::INVAL) => Ok(()),
            Err(e) => Err(e.into()),
        }
    }

    /// At most `limit` names of a folder, in the order of the disk, and whether there are more.
    pub fn list(&self, limit: usize) -> Result<(Vec<DirEntry>, bool), Fault> {
        let fd = self.open_folder()?;
        let mut entries = Vec::new();
        for entry in Dir::read_from(&fd)? {
            let entry = entry?;
            let name = OsStr::from_bytes(entry.file_name().to_bytes());
            if name == "." || name == ".." {
                continue;
            }
            if entries.len() == limit {
                return Ok((entries, true));
            }
            let folder = match entry.file_type() {
                FileType::Unknown => rustix::fs::statat(&fd, name, AtFlags::SYMLINK_NOFOLLOW)
                    .is_ok_and(|s| file_type(&s) == FileType::Directory),
                kind => kind == FileType::Directory,
            };
            entries.push(DirEntry { name: name.to_owned(), folder });
        }
        Ok((entries, false))
    }
}

/// Only makes a collision of temporary names unlikely; O_EXCL makes it harmless.
pub(super) fn clock_noise() -> u32 {
    let now = std::time::SystemTime::now().duration_since(std::time::UNIX_EPOCH);
    now.map_or(0, |d| d.subsec_nanos() ^ d.as_secs() as u32)
}
