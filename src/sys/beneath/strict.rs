//! Files that only this program and its owner have a hand in: no link is followed, and what was opened is looked at before it
//! is used: a regular file with one name, of an owner who belongs there, that not everybody may write to.
//!
//! Must never wait (a FIFO), wake a driver (a device), or leave half a file under its name.

use std::os::fd::AsFd;
use std::path::Path;

use rustix::fs::{AtFlags, CWD, Dir, FileType, Gid, Mode, OFlags, RenameFlags, Stat, Uid};
use rustix::io::Errno;

use super::{Fault, File, ResolvedPath, Root, Stamp, file_type, regular};

/// What a file is opened for.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum FileAccess {
    /// To be read.
    Read,
    /// To be read and written anywhere; it must be there.
    Change,
    /// To be read, and written at its end; made with these permissions where it is missing.
    Append(u32),
}

/// Whose files are used in a folder.
#[derive(Clone, Copy, Debug)]
pub struct Owners {
    /// The folder's own owner, besides root and this process's user.
    user: u32,
    /// Of a folder that is shared with a group (set-group-id): its members' files, too.
    group: Option<u32>,
}

impl Owners {
    /// A regular file with one name, of theirs, that not everybody may write to. Where everybody may replace it anyway (a file
    /// system without permissions), that is what the owner wants.
    fn check(self, stat: &Stat, folder: &Stat) -> Result<(), Fault> {
        regular(stat)?;
        if stat.st_nlink > 1 {
            // Of 32 bits on riscv64.
            #[allow(clippy::unnecessary_cast)]
            return Err(Fault::Linked(stat.st_nlink as u64));
        }
        self.owns(stat)?;
        let open = stat.st_mode & 0o002 != 0 && folder.st_mode & 0o1002 != 0o002;
        if open { Err(Fault::Open) } else { Ok(()) }
    }

    /// Is the folder one of theirs?
    ///
    /// # Errors
    /// [`Fault::WrongOwner`]; the kernel's.
    pub fn own(self, folder: &Root) -> Result<(), Fault> {
        self.owns(&rustix::fs::fstat(&folder.dir)?)
    }

    pub(super) fn owns(self, stat: &Stat) -> Result<(), Fault> {
        let own = rustix::process::geteuid().as_raw();
        let known = [0, own, self.user].contains(&stat.st_uid) || self.group == Some(stat.st_gid);
        if known { Ok(()) } else { Err(Fault::WrongOwner(stat.st_uid)) }
    }
}

/// What is known of a name without opening it.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct FileInfo {
    /// A regular file.
    pub file: bool,
    /// A folder.
    pub folder: bool,
    /// Bytes.
    pub length: u64,
    /// Owner.
    pub user: u32,
    /// Its group.
    pub group: u32,
    /// Type and permissions, as stat(2) has them.
    pub mode: u32,
    /// Device and inode.
    pub identity: (u64, u64),
    /// When its content changed: seconds and nanoseconds since 1970.
    pub changed: (i64, i64),
    /// When anything of it changed.
    pub touched: (i64, i64),
}

impl FileInfo {
    fn of(stat: &Stat) -> FileInfo {
        let kind = file_type(stat);
        FileInfo {
            file: kind == FileType::RegularFile,
            folder: kind == FileType::Directory,
            length: stat.st_size as u64,
            user: stat.st_uid,
            group: stat.st_gid,
            mode: stat.st_mode,
            identity: (stat.st_dev, stat.st_ino),
            changed: (stat.st_mtime, stat.st_mtime_nsec as i64),
            touched: (stat.st_ctime, stat.st_ctime_nsec as i64),
        }
    }
}

impl Root {
    /// The same folder, where no link is followed; folders are made with permissions `mode` less the umask.
    pub fn strict(self, mode: u32) -> Root {
        Root { links: false, mode, ..self }
    }

    /// A folder below it, with the same rules.
    ///
    /// # Errors
    /// As [`Root::locate`].
    pub fn below(&self, path: &Path, create: bool) -> Result<Root, Fault> {
        let dir = self.folder(path, create)?;
        Ok(Root { dir, path: self.path.join(path), ..*self })
    }

    /// The place of a name, whatever it names: a link counts as itself. Only to move or remove it.
    ///
    /// # Errors
    /// A link on the way; the kernel's.
    pub fn name(&self, path: &Path) -> Result<ResolvedPath, Fault> {
        let name = path.file_name().ok_or(Fault::Outside)?.to_owned();
        let dir = self.folder(path.parent().unwrap_or(Path::new("")), false)?;
        let stat = rustix::fs::statat(&dir, &*name, AtFlags::SYMLINK_NOFOLLOW).ok();
        Ok(ResolvedPath { dir, name, stat })
    }

    /// Each name of the folder and whether it is a folder, at most `limit` of them; true where there are more. What is no
    /// UTF-8 is passed over.
    ///
    /// # Errors
    /// The kernel's.
    pub fn each(&self, limit: usize, each: &mut dyn FnMut(&str, bool)) -> Result<bool, Fault> {
        let how = OFlags::RDONLY | OFlags::DIRECTORY | OFlags::CLOEXEC;
        let fd = rustix::fs::openat(&self.dir, ".", how, Mode::empty())?;
        let mut left = limit;
        for entry in Dir::read_from(&fd)? {
            let entry = entry?;
            let Ok(name) = entry.file_name().to_str() else { continue };
            if name == "." || name == ".." {
                continue;
            }
            if left == 0 {
                return Ok(true);
            }
            left -= 1;
            let folder = match entry.file_type() {
                FileType::Unknown => rustix::fs::statat(&fd, name, AtFlags::SYMLINK_NOFOLLOW)
                    .is_ok_and(|s| file_type(&s) == FileType::Directory),
                kind => kind == FileType::Directory,
            };
            each(name, folder);
        }
        Ok(false)
    }

    /// Whose files are used below it.
    ///
    /// # Errors
    /// The kernel's.
    pub fn owners(&self) -> Result<Owners, Fault> {
        let stat = rustix::fs::fstat(&self.dir)?;
        let shared = stat.st_mode & 0o2020 == 0o2020;
        Ok(Owners { user: stat.st_uid, group: shared.then_some(stat.st_gid) })
    }
}

impl ResolvedPath {
    /// What is here, a link included; `None` where nothing is.
    pub fn meta(&self) -> Option<FileInfo> {
        self.stat.as_ref().map(FileInfo::of)
    }

    /// Opens the file for `access`.
    ///
    /// # Errors
    /// What is here is no file of `owners` alone, or is in a folder of somebody else; the kernel's.
    pub fn open(&self, access: FileAccess, owners: Owners) -> Result<File, Fault> {
        let folder = rustix::fs::fstat(&self.dir)?;
        owners.owns(&folder)?;
        if let Some(stat) = &self.stat {
            // Not even opened: a driver would notice.
            owners.check(stat, &folder)?;
        }
        let (how, mode) = match access {
            FileAccess::Read => (OFlags::RDONLY, 0),
            FileAccess::Change => (OFlags::RDWR, 0),
            FileAccess::Append(mode) => (OFlags::RDWR | OFlags::APPEND | OFlags::CREATE, mode),
        };
        let how = how | OFlags::NOFOLLOW | OFlags::NONBLOCK | OFlags::NOCTTY | OFlags::CLOEXEC;
        let opened = rustix::fs::openat(&self.dir, &*self.name, how, Mode::from_raw_mode(mode));
        let fd = opened.map_err(|e| match e {
            // The name was exchanged just now.
            Errno::LOOP => Fault::Not(super::LINK),
            Errno::ISDIR => Fault::Not("a folder"),
            Errno::NXIO => Fault::Not("a FIFO"),
            e => e.into(),
        })?;
        owners.check(&rustix::fs::fstat(&fd)?, &folder)?;
        Ok(File::from(fd))
    }

    /// Removes the name, of a file or of an empty folder; false where nothing is.
    ///
    /// # Errors
    /// The kernel's.
    pub fn remove(&self) -> Result<bool, Fault> {
        let folder = self.meta().is_some_and(|meta| meta.folder);
        let how = if folder { AtFlags::REMOVEDIR } else { AtFlags::empty() };
        match rustix::fs::unlinkat(&self.dir, &*self.name, how) {
            Ok(()) => Ok(true),
            Err(Errno::NOENT) => Ok(false),
            Err(e) => Err(e.into()),
        }
    }

    /// Gives what is here the place `to`; what is there is replaced only with `replace`.
    ///
    /// # Errors
    /// The kernel's.
    pub fn move_to(&self, to: &ResolvedPath, replace: bool) -> Result<(), Fault> {
        if !replace && to.exists() {
            return Err(Fault::Exists);
        }
        let how = if replace { RenameFlags::empty() } else { RenameFlags::NOREPLACE };
        let (from, name) = (&self.dir, &*self.name);
        match rustix::fs::renameat_with(from, name, &to.dir, &*to.name, how) {
            // Not every kernel and file system knows the flag; the name was free a moment ago.
            Err(Errno::INVAL | Errno::NOSYS | Errno::PERM) => {
                Ok(rustix::fs::renameat(from, name, &to.dir, &*to.name)?)
            }
            Err(Errno::EXIST) if !replace => Err(Fault::Exists),
            done => Ok(done?),
        }
    }

    /// Makes a folder here.
    ///
    /// # Errors
    /// [`Fault::Exists`]; the kernel's.
    pub fn make_folder(&self, mode: u32) -> Result<(), Fault> {
        match rustix::fs::mkdirat(&self.dir, &*self.name, Mode::from_raw_mode(mode)) {
            Err(Errno::EXIST) => return Err(Fault::Exists),
            done => done?,
        }
        if rustix::process::geteuid().is_root() {
            let around = rustix::fs::fstat(&self.dir)?;
            let (user, group) = (Uid::from_raw(around.st_uid), Gid::from_raw(around.st_gid));
            let nofollow = AtFlags::SYMLINK_NOFOLLOW;
            // Not every file system has owners.
            let _ = rustix::fs::chownat(&self.dir, &*self.name, Some(user), Some(group), nofollow);
        }
        Ok(())
    }

    /// Brings the folder's names onto the card.
    ///
    /// # Errors
    /// The kernel's.
    pub fn sync(&self) -> Result<(), Fault> {
        self.sync_folder()
    }
}

/// Sets permissions of what is open.
///
/// # Errors
/// The kernel's; a file system without permissions is fine.
pub fn set_mode(file: &impl AsFd, mode: u32) -> Result<(), Fault> {
    match rustix::fs::fchmod(file, Mode::from_raw_mode(mode)) {
        Ok(()) | Err(Errno::PERM | Errno::OPNOTSUPP) => Ok(()),
        Err(e) => Err(e.into()),
    }
}

impl Stamp {
    /// Of what is open.
    ///
    /// # Errors
    /// The kernel's.
    pub fn of_file(file: &impl AsFd) -> std::io::Result<Stamp> {
        Ok(Stamp::of(&rustix::fs::fstat(file)?))
    }
}

impl FileInfo {
    /// Of what is open.
    ///
    /// # Errors
    /// The kernel's.
    pub fn of_file(file: &impl AsFd) -> std::io::Result<FileInfo> {
        Ok(FileInfo::of(&rustix::fs::fstat(file)?))
    }
}

/// What `path` leads to, links followed: for what the machine's owner named. `None` where that is nothing.
pub fn path_meta(path: &Path) -> Option<FileInfo> {
    rustix::fs::stat(path).ok().as_ref().map(FileInfo::of)
}

/// Opens a regular file that the machine's owner named, links followed, to read it. Does not wait for what is none.
///
/// # Errors
/// [`Fault::Not`]; the kernel's.
pub fn open_path(path: &Path) -> Result<File, Fault> {
    let how = OFlags::RDONLY | OFlags::NONBLOCK | OFlags::NOCTTY | OFlags::CLOEXEC;
    regular(&rustix::fs::stat(path)?)?;
    let fd = rustix::fs::open(path, how, Mode::empty())?;
    regular(&rustix::fs::fstat(&fd)?)?;
    Ok(File::from(fd))
}

/// Gives a file a second name; a link in the file's place gets it itself.
///
/// # Errors
/// The kernel's.
pub fn hard_link(path: &Path, new: &Path) -> std::io::Result<()> {
    Ok(rustix::fs::linkat(CWD, path, CWD, new, AtFlags::empty())?)
}
