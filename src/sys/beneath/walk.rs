//! The way down, one component at a time, for kernels without `openat2(2)`.
//!
//! Each step is an `openat(O_PATH | O_NOFOLLOW)` on the descriptor of the step before, so a name swapped
//! behind us changes nothing; links are read from their own descriptor and their text walked like the rest.
//! `..` goes back to the descriptor we came from, and never above the first.

use std::collections::VecDeque;
use std::ffi::{OsStr, OsString};
use std::os::fd::{AsFd, OwnedFd};
use std::os::unix::ffi::OsStrExt;
use std::path::{Component, Path};

use rustix::fs::{FileType, Mode, OFlags};
use rustix::io::Errno;

use super::{Fault, Root, file_type};
use crate::limits::{PATH_COMPONENTS, PATH_LINKS};

/// The folder `path` below `root`; with `create`, missing folders are made.
pub(super) fn folder(root: &Root, path: &Path, create: bool) -> Result<OwnedFd, Fault> {
    let top = root.path() == Path::new("/");
    let mut stack: Vec<OwnedFd> = Vec::new();
    let mut todo: VecDeque<OsString> = VecDeque::new();
    push_front(&mut todo, path)?;
    let mut links = 0;
    while let Some(name) = todo.pop_front() {
        if name == ".." {
            if stack.pop().is_none() && !top {
                return Err(Fault::Outside);
            }
            continue;
        }
        let here = stack.last().unwrap_or(&root.dir);
        let step = match open_step(here, &name) {
            Err(Errno::NOENT) if create => {
                match rustix::fs::mkdirat(here, &*name, Mode::from_raw_mode(root.mode)) {
                    Ok(()) | Err(Errno::EXIST) => open_step(here, &name)?,
                    Err(e) => return Err(e.into()),
                }
            }
            step => step?,
        };
        match file_type(&rustix::fs::fstat(&step)?) {
            FileType::Directory if stack.len() == PATH_COMPONENTS => {
                return Err(Errno::NAMETOOLONG.into());
            }
            FileType::Directory => stack.push(step),
            FileType::Symlink if !root.links => return Err(Fault::Not(super::LINK)),
            FileType::Symlink => {
                links += 1;
                if links > PATH_LINKS {
                    return Err(Errno::LOOP.into());
                }
                let target = rustix::fs::readlinkat(&step, "", Vec::new())?;
                let target = Path::new(OsStr::from_bytes(target.as_bytes()));
                if target.is_absolute() {
                    push_front(&mut todo, root.inside(target)?)?;
                    stack.clear();
                } else {
                    push_front(&mut todo, target)?;
                }
            }
            _ => return Err(Errno::NOTDIR.into()),
        }
    }
    match stack.pop() {
        Some(dir) => Ok(dir),
        None => Ok(root.dir.try_clone()?),
    }
}

fn open_step(here: &impl AsFd, name: &OsStr) -> Result<OwnedFd, Errno> {
    let flags = OFlags::PATH | OFlags::NOFOLLOW | OFlags::CLOEXEC;
    rustix::fs::openat(here, name, flags, Mode::empty())
}

fn push_front(todo: &mut VecDeque<OsString>, path: &Path) -> Result<(), Fault> {
    for part in path.components().rev() {
        match part {
            Component::Normal(name) => todo.push_front(name.to_owned()),
            Component::ParentDir => todo.push_front("..".into()),
            _ => {}
        }
    }
    // Links that name each other double the rest of the way at every step.
    if todo.len() > 4 * PATH_COMPONENTS { Err(Errno::NAMETOOLONG.into()) } else { Ok(()) }
}
