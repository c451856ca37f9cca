//! Removes a folder that commands have filled, whatever permissions they left behind.

use std::ffi::{CStr, CString};
use std::io;
use std::os::fd::{AsRawFd, OwnedFd};
use std::path::Path;

use rustix::fs::{AtFlags, Dir, Mode, OFlags};
use rustix::io::Errno;

use super::FOLDER;
use crate::limits::{REMOVE_DEPTH, REMOVE_PASSES};

/// What could not be removed.
#[derive(Debug, Default)]
pub struct Remains {
    /// Number of files and folders; a folder that stays because of what is in it does not count.
    pub count: u64,
    /// Name of the first one, and the kernel's reason.
    pub first: Option<(String, io::Error)>,
}

/// Removes the folder `name` of `parent` and all that is in it. What cannot be removed is skipped and counted. Links are
/// removed and not followed. Folders of the caller get the permissions that this needs.
///
/// # Errors
/// `parent` cannot be opened, or `name` has a NUL in it.
pub fn remove_folder(parent: &Path, name: &str) -> io::Result<Remains> {
    let name = &*CString::new(name)?;
    let parent = rustix::fs::open(parent, FOLDER, Mode::empty())?;
    let mut remains = Remains::default();
    let top = match open(&parent, name) {
        Ok(top) => top,
        Err(Errno::NOENT) => return Ok(remains),
        Err(_) => {
            // A file or a link in its place.
            if let Err(e) = rustix::fs::unlinkat(&parent, name, AtFlags::empty()) {
                remains.note(name, e);
            }
            return Ok(remains);
        }
    };
    for pass in 0..REMOVE_PASSES {
        let mut removal = Removal { top: &top, pass, moved: 0, remains: Remains::default() };
        if let Err(e) = removal.contents(&top, 0) {
            removal.remains.note(name, e);
        }
        remains = removal.remains;
        if removal.moved == 0 {
            break;
        }
    }
    match rustix::fs::unlinkat(&parent, name, AtFlags::REMOVEDIR) {
        Err(e) if e != Errno::NOENT && remains.count == 0 => remains.note(name, e),
        _ => {}
    }
    Ok(remains)
}

impl Remains {
    fn note(&mut self, name: &CStr, e: Errno) {
        self.count += 1;
        self.first.get_or_insert_with(|| (name.to_string_lossy().into_owned(), e.into()));
    }
}

/// One pass.
struct Removal<'a> {
    top: &'a OwnedFd,
    pass: u32,
    /// Folders that were too deep and are directly in `top` now, for the next pass.
    moved: u32,
    remains: Remains,
}

impl Removal<'_> {
    fn contents(&mut self, folder: &OwnedFd, depth: u32) -> Result<(), Errno> {
        for entry in Dir::read_from(folder)? {
            let entry = entry?;
            let name = entry.file_name();
            if matches!(name.to_bytes(), b"." | b"..") {
                continue;
            }
            let removed = match rustix::fs::unlinkat(folder, name, AtFlags::empty()) {
                Err(Errno::ISDIR | Errno::PERM) => self.folder(folder, name, depth),
                removed => removed,
            };
            match removed {
                Ok(()) | Err(Errno::NOENT) => {}
                Err(e) => self.remains.note(name, e),
            }
        }
        Ok(())
    }

    fn folder(&mut self, parent: &OwnedFd, name: &CStr, depth: u32) -> Result<(), Errno> {
        if depth == REMOVE_DEPTH {
            // Descriptors are limited.
            self.moved += 1;
            let new = format!(".deep-{}-{}", self.pass, self.moved);
            return rustix::fs::renameat(parent, name, self.top, new);
        }
        let before = self.remains.count;
        self.contents(&open(parent, name)?, depth + 1)?;
        match rustix::fs::unlinkat(parent, name, AtFlags::REMOVEDIR) {
            Err(_) if self.remains.count > before => Ok(()),
            removed => removed,
        }
    }
}

/// Opens a folder whose contents are to be listed and removed.
fn open(parent: &OwnedFd, name: &CStr) -> Result<OwnedFd, Errno> {
    let flags = OFlags::RDONLY | OFlags::DIRECTORY | OFlags::NOFOLLOW | OFlags::CLOEXEC;
    let all = Mode::from_raw_mode(0o700);
    match rustix::fs::openat(parent, name, flags, Mode::empty()) {
        Ok(folder) => {
            if rustix::fs::fstat(&folder)?.st_mode & 0o300 != 0o300 {
                // Another user's folder stays as it is, and what cannot be removed is counted.
                let _ = rustix::fs::fchmod(&folder, all);
            }
            Ok(folder)
        }
        Err(Errno::ACCESS) => {
            let path = rustix::fs::openat(parent, name, FOLDER | OFlags::NOFOLLOW, Mode::empty())?;
            let link = format!("/proc/self/fd/{}", path.as_raw_fd());
            let link = CString::new(link).map_err(|_| Errno::INVAL)?;
            rustix::fs::chmod(link.as_c_str(), all).map_err(|_| Errno::ACCESS)?;
            rustix::fs::openat(&path, ".", flags, Mode::empty())
        }
        Err(e) => Err(e),
    }
}

#[cfg(test)]
mod tests {
    use std::fs::{self, Permissions};
    use std::os::unix::fs::PermissionsExt;

    use super::*;
    use crate::sys::scratch::Scratch;

    #[test]
    fn permissions_depth_and_links_do_not_stop_it() {
        let scratch = Scratch::named("remove");
        let outside = scratch.file("outside/kept", "x");
        let deep = vec!["d"; 3 * REMOVE_DEPTH as usize].join("/");
        scratch.file(&format!("tmp/{deep}/file"), "x");
        for (name, mode) in [("closed", 0o000), ("read-only", 0o555), ("last", 0o755)] {
            scratch.file(&format!("tmp/{name}/in/file"), "x");
            let path = scratch.join("tmp").join(name);
            fs::set_permissions(path, Permissions::from_mode(mode)).expect("a mode");
        }
        scratch.link(scratch.join("outside"), "tmp/link");
        let remains = remove_folder(&scratch, "tmp").expect("removed");
        assert_eq!(remains.count, 0, "{:?}", remains.first);
        assert!(!scratch.join("tmp").exists() && outside.exists());
        assert_eq!(remove_folder(&scratch, "tmp").expect("nothing").count, 0);
        scratch.link("outside", "tmp");
        assert_eq!(remove_folder(&scratch, "tmp").expect("a link").count, 0);
        assert!(!scratch.join("tmp").is_symlink() && outside.exists());
    }
}
