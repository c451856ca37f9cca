//! All file access: a folder is held as a descriptor, and everything below it is opened by a relative name.
//!
//! Commands and file tools may write to some of these folders at any moment, so no name is trusted: links are not followed,
//! and only regular files with a single hard link are opened, with the expected owner and not world-writable. Must never wait
//! on a special file, and never return a file that is not below the folder. Blocks on the disk.

use std::io::{self, ErrorKind, Write};
use std::path::Path;

use crate::limits::DIR_ASIDE;
use crate::sys::beneath::{
    self, Fault, File, FileAccess, FileInfo, NewFile, Owners, Replace, ResolvedPath, Root,
};
use crate::sys::files;

/// One name of a folder.
#[derive(Debug, PartialEq, Eq)]
pub struct Name {
    /// UTF-8; other names are skipped.
    pub name: String,
    /// Whether it is a folder; a link to one is not.
    pub folder: bool,
}

/// An open folder. Names are relative to it and may have several parts.
pub struct Dir {
    root: Root,
    owners: Owners,
}

impl Dir {
    /// Opens a folder that the owner named; links in `path` itself are followed. New files and folders are private to this
    /// user.
    ///
    /// # Errors
    /// The kernel's.
    pub fn open(path: &Path) -> io::Result<Dir> {
        Dir::of(Root::open(path)?, 0o700)
    }

    /// [`Dir::open`] for a folder that commands use as well: folders made in it are as open as the umask says.
    ///
    /// # Errors
    /// The kernel's.
    pub fn shared(path: &Path) -> io::Result<Dir> {
        Dir::of(Root::open(path)?, 0o777)
    }

    /// [`Dir::open`]; `None` where there is no such folder.
    ///
    /// # Errors
    /// The kernel's.
    pub fn find(path: &Path) -> io::Result<Option<Dir>> {
        found(Dir::open(path))
    }

    /// [`Dir::open`]; a missing folder is created with its parents, private to this user.
    ///
    /// # Errors
    /// The kernel's.
    pub fn make(path: &Path) -> io::Result<Dir> {
        if let Some(dir) = Dir::find(path)? {
            return Ok(dir);
        }
        let missing: Vec<&Path> = path.ancestors().take_while(|p| !p.is_dir()).collect();
        let mut dir = None;
        for path in missing.into_iter().rev().filter(|p| !p.as_os_str().is_empty()) {
            let (above, name) = Dir::parent_of(path, 1)?;
            match above.make_folder(name, 0o700) {
                Err(e) if e.kind() != ErrorKind::AlreadyExists => return Err(e),
                _ => dir = above.folder(name, false)?,
            }
        }
        dir.ok_or_else(|| ErrorKind::NotFound.into())
    }

    /// Splits `path` into a folder that the owner named, links followed, and the last `parts` parts of it as a name to use
    /// with that folder: 1 if others cannot write to the file's folder, more if they can.
    ///
    /// # Errors
    /// The kernel's; a path that is not UTF-8 or has fewer parts.
    pub fn parent_of(path: &Path, parts: usize) -> io::Result<(Dir, &str)> {
        let (folder, name) = split(path, parts)?;
        Ok((Dir::open(folder)?, name))
    }

    /// [`Dir::parent_of`]; `None` where there is no such folder.
    ///
    /// # Errors
    /// As there.
    pub fn find_parent_of(path: &Path, parts: usize) -> io::Result<Option<(Dir, &str)>> {
        found(Dir::parent_of(path, parts))
    }

    /// [`Dir::parent_of`]; a missing folder is created.
    ///
    /// # Errors
    /// As there.
    pub fn make_parent_of(path: &Path, parts: usize) -> io::Result<(Dir, &str)> {
        let (folder, name) = split(path, parts)?;
        Ok((Dir::make(folder)?, name))
    }

    fn of(root: Root, mode: u32) -> io::Result<Dir> {
        let root = root.strict(mode);
        let owners = root.owners()?;
        Ok(Dir { root, owners })
    }

    /// The same folder, with names resolved step by step as on kernels without openat2(2); for tests.
    pub fn without_openat2(self) -> Dir {
        Dir { root: self.root.without_openat2(), ..self }
    }

    /// Its path, without links.
    pub fn path(&self) -> &Path {
        self.root.path()
    }

    fn place(&self, name: &str) -> Result<ResolvedPath, Fault> {
        self.root.locate(Path::new(name), false)
    }

    fn place_for(&self, name: &str) -> Result<ResolvedPath, Fault> {
        self.root.locate(Path::new(name), true)
    }

    /// Resolves a name, whatever it refers to.
    fn name(&self, name: &str) -> Result<ResolvedPath, Fault> {
        self.root.name(Path::new(name))
    }

    /// Opens a subfolder; with `make` it is created if missing, otherwise the result is `None`.
    ///
    /// # Errors
    /// A link, a file, another user's folder; the kernel's.
    pub fn folder(&self, name: &str, make: bool) -> io::Result<Option<Dir>> {
        found(self.root.below(Path::new(name), make).and_then(|root| {
            self.owners.own(&root)?;
            Ok(Dir { root, owners: self.owners })
        }))
    }

    /// Metadata of a name, without opening it; `None` if there is nothing.
    ///
    /// # Errors
    /// A link in the way; the kernel's.
    pub fn meta(&self, name: &str) -> io::Result<Option<FileInfo>> {
        match self.place(name) {
            Err(fault) => missing(fault),
            Ok(place) => Ok(place.meta()),
        }
    }

    /// Whether the name exists, dangling links included.
    ///
    /// # Errors
    /// A link in the way; the kernel's.
    pub fn exists(&self, name: &str) -> io::Result<bool> {
        Ok(found(self.name(name))?.is_some_and(|place| place.exists()))
    }

    /// Opens a file for reading; `None` if there is none.
    ///
    /// # Errors
    /// Not a regular file of ours ([`unfit`]); the kernel's.
    pub fn read(&self, name: &str) -> io::Result<Option<File>> {
        found(self.place(name).and_then(|place| place.open(FileAccess::Read, self.owners)))
    }

    /// Opens a file for reading and writing; `None` if there is none.
    ///
    /// # Errors
    /// As [`Dir::read`].
    pub fn change(&self, name: &str) -> io::Result<Option<File>> {
        found(self.place(name).and_then(|place| place.open(FileAccess::Change, self.owners)))
    }

    /// Opens a file for reading and appending; created with permissions `mode` if missing, folders included.
    ///
    /// # Errors
    /// As [`Dir::read`].
    pub fn append(&self, name: &str, mode: u32) -> io::Result<File> {
        let place = self.place_for(name)?;
        Ok(place.open(FileAccess::Append(mode), self.owners)?)
    }

    /// A file's whole content; `None` if there is none.
    ///
    /// # Errors
    /// Longer than `limit` bytes; as [`Dir::read`].
    pub fn bytes(&self, name: &str, limit: u64) -> io::Result<Option<Vec<u8>>> {
        let Some(file) = self.read(name)? else { return Ok(None) };
        files::read_bounded(file, limit).map(Some)
    }

    /// Replaces a file atomically: temporary file, fsync, rename, fsync of the folder. A power cut leaves the old one or
    /// the new one. Missing folders are created.
    ///
    /// # Errors
    /// The name is a folder, or a link is in the way; the kernel's. The old file is then unchanged.
    pub fn save(&self, name: &str, bytes: &[u8], mode: u32) -> io::Result<()> {
        self.put(name, mode, true, &mut |file| file.write_all(bytes))
    }

    /// [`Dir::save`] without syncs, for derived data: the new file is durable some seconds later, at half the writes.
    ///
    /// # Errors
    /// As there.
    pub fn save_soon(&self, name: &str, bytes: &[u8], mode: u32) -> io::Result<()> {
        self.put(name, mode, false, &mut |file| file.write_all(bytes))
    }

    /// [`Dir::save`] with the content written piece by piece.
    ///
    /// # Errors
    /// As there, and those of `fill`.
    pub fn replace(&self, name: &str, mode: u32, fill: WriteContent<'_>) -> io::Result<()> {
        self.put(name, mode, true, fill)
    }

    /// [`Dir::save`] for a file that others change as well: keeps its permissions, and replaces it only as `replace` allows.
    ///
    /// # Errors
    /// As there; it was changed or created meanwhile ([`unfit`]).
    pub fn save_over(&self, name: &str, bytes: &[u8], replace: Replace) -> io::Result<()> {
        Ok(self.place_for(name)?.save(bytes, replace)?)
    }

    fn put(&self, name: &str, mode: u32, durable: bool, fill: WriteContent<'_>) -> io::Result<()> {
        let fresh = self.place_for(name)?.fresh(mode, Some(self.owners))?;
        let mut file = fresh.file();
        fill(&mut file)?;
        Ok(fresh.finish(true, durable)?)
    }

    /// Begins a file that is written in pieces, see [`NewFile`].
    ///
    /// # Errors
    /// A link in the way, another user's folder; the kernel's.
    pub fn begin(&self, name: &str, mode: u32) -> io::Result<NewFile> {
        Ok(self.place_for(name)?.fresh(mode, Some(self.owners))?)
    }

    /// At most `limit` names, in directory order, and whether there are more.
    ///
    /// # Errors
    /// The kernel's.
    pub fn list(&self, limit: usize) -> io::Result<(Vec<Name>, bool)> {
        let mut names = Vec::new();
        let more = self.each(limit, &mut |name, folder| {
            names.push(Name { name: name.to_owned(), folder });
        })?;
        Ok((names, more))
    }

    /// [`Dir::list`] one name at a time, without allocating a list; true if there are more.
    ///
    /// # Errors
    /// The kernel's.
    pub fn each(&self, limit: usize, each: &mut dyn FnMut(&str, bool)) -> io::Result<bool> {
        Ok(self.root.each(limit, each)?)
    }

    /// Removes a file, a link or an empty folder; false if there is none.
    ///
    /// # Errors
    /// A link in the way; the kernel's.
    pub fn remove(&self, name: &str) -> io::Result<bool> {
        match self.name(name) {
            Err(fault) => missing(fault).map(|_: Option<()>| false),
            Ok(place) => Ok(place.remove()?),
        }
    }

    /// Renames `from` to `to`; an existing `to` is replaced only with `replace`.
    ///
    /// # Errors
    /// A link in the way; the kernel's.
    pub fn rename(&self, from: &str, to: &str, replace: bool) -> io::Result<()> {
        let from = self.name(from)?;
        Ok(from.move_to(&self.name(to)?, replace)?)
    }

    /// Moves `name` from another folder to here; never replaces.
    ///
    /// # Errors
    /// A link in the way, the name exists here; the kernel's, `EXDEV` for another file system.
    pub fn take(&self, name: &str, from: &Dir) -> io::Result<()> {
        Ok(from.name(name)?.move_to(&self.name(name)?, false)?)
    }

    /// Renames something that is not a file of ours to `NAME.unfit-N`, to make way for a new file; returns the new name.
    ///
    /// # Errors
    /// The kernel's; there are too many already.
    pub fn set_aside(&self, name: &str) -> io::Result<String> {
        for n in 1..=DIR_ASIDE {
            let to = format!("{name}.unfit-{n}");
            match self.rename(name, &to, false) {
                Err(e) if e.kind() == ErrorKind::AlreadyExists => {}
                Err(e) => return Err(e),
                Ok(()) => return Ok(to),
            }
        }
        Err(ErrorKind::AlreadyExists.into())
    }

    /// Creates a folder that must not exist yet. If root creates it, the parent folder's owner gets it.
    ///
    /// # Errors
    /// The kernel's.
    pub fn make_folder(&self, name: &str, mode: u32) -> io::Result<()> {
        Ok(self.place_for(name)?.make_folder(mode)?)
    }

    /// Sets permissions of a file.
    ///
    /// # Errors
    /// As [`Dir::read`]; there is none.
    pub fn set_mode(&self, name: &str, mode: u32) -> io::Result<()> {
        let file = self.read(name)?.ok_or(ErrorKind::NotFound)?;
        Ok(beneath::set_mode(&file, mode)?)
    }

    /// Makes a subfolder accessible to its owner only.
    ///
    /// # Errors
    /// It is not ours; the kernel's.
    pub fn close(&self, name: &str) -> io::Result<()> {
        let open = self.meta(name)?.is_some_and(|meta| meta.mode & 0o077 != 0);
        let Some(folder) = self.folder(name, false)?.filter(|_| open) else { return Ok(()) };
        Ok(beneath::set_mode(&folder.place(".")?.open_folder()?, 0o700)?)
    }

    /// Sets permissions of the folder itself.
    ///
    /// # Errors
    /// The kernel's.
    pub fn set_folder_mode(&self, mode: u32) -> io::Result<()> {
        Ok(beneath::set_mode(&self.place(".")?.open_folder()?, mode)?)
    }

    /// Syncs the folder (fsync), so that its names are on the card.
    ///
    /// # Errors
    /// The kernel's.
    pub fn sync(&self) -> io::Result<()> {
        Ok(self.place(".")?.sync()?)
    }
}

/// Writes a file's content.
pub type WriteContent<'a> = &'a mut dyn FnMut(&mut dyn Write) -> io::Result<()>;

/// Begins a file named on the command line, private to this user. Nobody can have it open, or substitute something
/// that would be written to: it gets its name when it is complete.
///
/// # Errors
/// The kernel's.
pub fn output(path: &Path, mode: u32) -> io::Result<NewFile> {
    let (folder, name) = split(path, 1)?;
    Ok(Root::open(folder)?.strict(mode).name(Path::new(name))?.fresh(mode, None)?)
}

fn split(path: &Path, parts: usize) -> io::Result<(&Path, &str)> {
    let folder = path.ancestors().nth(parts).ok_or(ErrorKind::InvalidInput)?;
    let name = path.strip_prefix(folder).ok().and_then(Path::to_str);
    let folder = if folder.as_os_str().is_empty() { Path::new(".") } else { folder };
    Ok((folder, name.filter(|name| !name.is_empty()).ok_or(ErrorKind::InvalidInput)?))
}

/// Whether the error is about what has the name (a link, a FIFO, a hard link, another user's file) and not about the disk.
pub fn unfit(e: &io::Error) -> bool {
    e.kind() == ErrorKind::InvalidData
}

fn found<T>(result: Result<T, impl Into<io::Error>>) -> io::Result<Option<T>> {
    match result {
        Ok(found) => Ok(Some(found)),
        Err(e) => missing(e),
    }
}

fn missing<T>(e: impl Into<io::Error>) -> io::Result<Option<T>> {
    let e = e.into();
    let gone = matches!(e.kind(), ErrorKind::NotFound | ErrorKind::NotADirectory);
    if gone { Ok(None) } else { Err(e) }
}

#[cfg(test)]
#[path = "dir_tests.rs"]
mod tests;
