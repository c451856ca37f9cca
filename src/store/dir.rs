//! The one door to the disk: a folder of ours by its descriptor, and what lies below it by relative names.
//!
//! Commands and file tools may write to some of these folders at any moment, so no name is trusted: no link is followed, and
//! only a regular file with one name is opened, of an owner who belongs there, that not everybody may write to. Must never
//! wait for what it opens, and never hand out a file that is not below the folder. Blocks on the disk.

use std::io::{self, ErrorKind, Write};
use std::path::Path;

use crate::limits::DIR_ASIDE;
use crate::sys::beneath::{
    self, Access, Fault, File, Meta, NewFile, Owners, Replace, ResolvedPath, Root,
};
use crate::sys::files;

/// One name of a folder.
#[derive(Debug, PartialEq, Eq)]
pub struct Name {
    /// UTF-8; others are passed over.
    pub name: String,
    /// A folder; a link to one is not.
    pub folder: bool,
}

/// An open folder. Names are relative to it and may have several parts.
pub struct Dir {
    root: Root,
    owners: Owners,
}

impl Dir {
    /// Opens a folder that the owner named; links in `path` itself are followed. What is made in it is this user's alone.
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

    /// [`Dir::open`]; a folder that is missing is made, with those around it, for this user alone.
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

    /// Splits `path` into a folder that the owner named, links followed, and the last `parts` parts of it as a name to use with
    /// that folder: 1 where others cannot write beside the file, more where they can.
    ///
    /// # Errors
    /// The kernel's; a path that is no text, or has less parts.
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

    /// [`Dir::parent_of`]; a folder that is missing is made.
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

    /// The same, its names looked up by hand as on kernels without openat2(2).
    pub fn without_openat2(self) -> Dir {
        Dir { root: self.root.without_openat2(), ..self }
    }

    /// Where it is, without links.
    pub fn path(&self) -> &Path {
        self.root.path()
    }

    fn place(&self, name: &str) -> Result<ResolvedPath, Fault> {
        self.root.locate(Path::new(name), false)
    }

    fn place_for(&self, name: &str) -> Result<ResolvedPath, Fault> {
        self.root.locate(Path::new(name), true)
    }

    /// Where a name stands, whatever it stands for.
    fn name(&self, name: &str) -> Result<ResolvedPath, Fault> {
        self.root.name(Path::new(name))
    }

    /// A folder in it; missing ones are made with `make`, otherwise `None`.
    ///
    /// # Errors
    /// A link, a file, somebody else's; the kernel's.
    pub fn folder(&self, name: &str, make: bool) -> io::Result<Option<Dir>> {
        found(self.root.below(Path::new(name), make).and_then(|root| {
            self.owners.own(&root)?;
            Ok(Dir { root, owners: self.owners })
        }))
    }

    /// What stands under a name, without opening it; `None` where nothing does.
    ///
    /// # Errors
    /// A link on the way; the kernel's.
    pub fn meta(&self, name: &str) -> io::Result<Option<Meta>> {
        match self.place(name) {
            Err(fault) => missing(fault),
            Ok(place) => Ok(place.meta()),
        }
    }

    /// Does anything stand under a name, a link included?
    ///
    /// # Errors
    /// A link on the way; the kernel's.
    pub fn exists(&self, name: &str) -> io::Result<bool> {
        Ok(found(self.name(name))?.is_some_and(|place| place.exists()))
    }

    /// Opens a file to read it; `None` where there is none.
    ///
    /// # Errors
    /// What is there is no file of ours ([`unfit`]); the kernel's.
    pub fn read(&self, name: &str) -> io::Result<Option<File>> {
        found(self.place(name).and_then(|place| place.open(Access::Read, self.owners)))
    }

    /// Opens a file to read it and write anywhere; `None` where there is none.
    ///
    /// # Errors
    /// As [`Dir::read`].
    pub fn change(&self, name: &str) -> io::Result<Option<File>> {
        found(self.place(name).and_then(|place| place.open(Access::Change, self.owners)))
    }

    /// Opens a file to read it and write at its end; made with permissions `mode` where it is missing, folders included.
    ///
    /// # Errors
    /// As [`Dir::read`].
    pub fn append(&self, name: &str, mode: u32) -> io::Result<File> {
        let place = self.place_for(name)?;
        Ok(place.open(Access::Append(mode), self.owners)?)
    }

    /// The whole of a file; `None` where there is none.
    ///
    /// # Errors
    /// Longer than `limit` bytes; as [`Dir::read`].
    pub fn bytes(&self, name: &str, limit: u64) -> io::Result<Option<Vec<u8>>> {
        let Some(file) = self.read(name)? else { return Ok(None) };
        files::read_bounded(file, limit).map(Some)
    }

    /// Puts a file with these bytes there: written beside, synced, renamed, the folder synced. A power cut leaves the old one or
    /// the new one. Missing folders are made.
    ///
    /// # Errors
    /// A folder is there, or a link on the way; the kernel's. The old file is then whole.
    pub fn save(&self, name: &str, bytes: &[u8], mode: u32) -> io::Result<()> {
        self.put(name, mode, true, &mut |file| file.write_all(bytes))
    }

    /// [`Dir::save`] for what can be made again: the new file is promised only some seconds later, for half the writes.
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

    /// [`Dir::save`] for a file that others change as well: keeps its permissions, and takes its place only as `replace` says.
    ///
    /// # Errors
    /// As there; it was changed, or made, meanwhile ([`unfit`]).
    pub fn save_over(&self, name: &str, bytes: &[u8], replace: Replace) -> io::Result<()> {
        Ok(self.place_for(name)?.save(bytes, replace)?)
    }

    fn put(&self, name: &str, mode: u32, durable: bool, fill: WriteContent<'_>) -> io::Result<()> {
        let fresh = self.place_for(name)?.fresh(mode, Some(self.owners))?;
        let mut file = fresh.file();
        fill(&mut file)?;
        Ok(fresh.finish(true, durable)?)
    }

    /// Begins a file that comes in pieces, see [`NewFile`].
    ///
    /// # Errors
    /// A link on the way, somebody else's folder; the kernel's.
    pub fn begin(&self, name: &str, mode: u32) -> io::Result<NewFile> {
        Ok(self.place_for(name)?.fresh(mode, Some(self.owners))?)
    }

    /// At most `limit` names, in the order of the disk, and whether there are more.
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

    /// [`Dir::list`] one at a time, so that nothing is remembered; true where there are more.
    ///
    /// # Errors
    /// The kernel's.
    pub fn each(&self, limit: usize, each: &mut dyn FnMut(&str, bool)) -> io::Result<bool> {
        Ok(self.root.each(limit, each)?)
    }

    /// Removes a name, of a file, a link or an empty folder; false where nothing is.
    ///
    /// # Errors
    /// A link on the way; the kernel's.
    pub fn remove(&self, name: &str) -> io::Result<bool> {
        match self.name(name) {
            Err(fault) => missing(fault).map(|_: Option<()>| false),
            Ok(place) => Ok(place.remove()?),
        }
    }

    /// Gives what is at `from` the name `to`; what is there is replaced only with `replace`.
    ///
    /// # Errors
    /// A link on the way; the kernel's.
    pub fn rename(&self, from: &str, to: &str, replace: bool) -> io::Result<()> {
        let from = self.name(from)?;
        Ok(from.move_to(&self.name(to)?, replace)?)
    }

    /// Moves what another folder has under a name to the same name here; what is here stays.
    ///
    /// # Errors
    /// A link on the way, something is here; the kernel's, on another file system `EXDEV`.
    pub fn take(&self, name: &str, from: &Dir) -> io::Result<()> {
        Ok(from.name(name)?.move_to(&self.name(name)?, false)?)
    }

    /// Puts what is no file of ours out of the way, as `NAME.unfit-N`, so that there can be a new one; the new name.
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

    /// Makes a folder that must not be there yet. Root's is given to the owner of the folder around it.
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

    /// Closes a folder of it to everybody but its owner.
    ///
    /// # Errors
    /// It is none of ours; the kernel's.
    pub fn close(&self, name: &str) -> io::Result<()> {
        let open = self.meta(name)?.is_some_and(|meta| meta.mode & 0o077 != 0);
        let Some(folder) = self.folder(name, false)?.filter(|_| open) else { return Ok(()) };
        Ok(beneath::set_mode(&folder.place(".")?.open_folder()?, 0o700)?)
    }

    /// Brings the names in it onto the card.
    ///
    /// # Errors
    /// The kernel's.
    pub fn sync(&self) -> io::Result<()> {
        Ok(self.place(".")?.sync()?)
    }
}

/// Writes a file's content.
pub type WriteContent<'a> = &'a mut dyn FnMut(&mut dyn Write) -> io::Result<()>;

/// Begins a file that a command line names, for this user alone. Nobody can have it open, or have put something in its place
/// that is written to: the name is given when the file is whole.
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

/// Is this about what stands under the name (a link, a FIFO, a second name, a stranger's file) and not about the disk?
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
