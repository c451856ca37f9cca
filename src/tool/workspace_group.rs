//! Shares the workspace with commands that run as a separate user: that user's group gets access to the daemon's files
//! there.
//!
//! New files get the group by the set-group-id bit of their folder and its rights by the umask. This is for existing
//! files, at the daemon's start.

use std::fs::DirBuilder;
use std::os::fd::{AsFd, OwnedFd};
use std::os::unix::fs::DirBuilderExt;
use std::path::Path;

use rustix::fs::{AtFlags, CWD, Dir, FileType, Gid, Mode, OFlags};
use rustix::io::Result;

use crate::config::Config;
use crate::environment;
use crate::limits::{SANDBOX_DEPTH, SHARED_ENTRIES};
use crate::store::PRIVATE_FOLDERS;
use crate::sys::beneath::Root;
use crate::sys::process;

/// Gives the commands' group (`PICOCLAW_TOOL_GROUP`), if there is one, access to the workspace.
pub fn prepare(config: &Config) {
    let Some(group) = group().filter(|_| is_shared(config)) else { return };
    // The daemon's own group has no other member, so its own files remain private.
    rustix::process::umask(Mode::from_raw_mode(0o007));
    let workspace = &config.agent.workspace;
    let _ = DirBuilder::new().recursive(true).mode(0o770).create(workspace);
    let user = rustix::process::geteuid().as_raw();
    let mut walk = Walk { group, user, rights: 0o070, left: SHARED_ENTRIES };
    let flags = OFlags::RDONLY | OFlags::DIRECTORY | OFlags::CLOEXEC;
    let open = |path: &Path| rustix::fs::openat(CWD, path, flags, Mode::empty());
    let done = open(workspace).and_then(|folder| walk.folder(folder, 0));
    // The skills of the home must be readable.
    if let Ok(skills) = open(&config.home.join("skills")) {
        walk.rights = 0o050;
        // Commands cannot use files whose group cannot be changed.
        let _ = walk.folder(skills, 0);
    }
    match done {
        Ok(()) if walk.left == 0 => crate::log::warn!(
            "the workspace has more than {SHARED_ENTRIES} entries; commands may not reach all of them"
        ),
        Ok(()) => {}
        Err(e) => crate::log::warn!("commands may not reach the workspace: {e}"),
    }
}

/// The commands' group.
fn group() -> Option<u32> {
    std::env::var(environment::TOOL_GROUP).ok().and_then(|n| n.parse().ok())
}

/// Whether commands run as a user of their own.
pub fn is_shared(config: &Config) -> bool {
    !config.tools.exec.unsandboxed && process::has_exec_broker()
}

/// Gives the commands' group access to one folder of ours.
///
/// # Errors
/// The kernel's.
pub fn share(folder: &Path) -> std::io::Result<()> {
    let Some(group) = group() else { return Ok(()) };
    let user = rustix::process::geteuid().as_raw();
    let folder = Root::open(folder)?.locate(Path::new("."), false)?.open_folder()?;
    Ok(Walk { group, user, rights: 0o070, left: 0 }.share(&folder)?)
}

struct Walk {
    group: u32,
    user: u32,
    /// The permissions that the group gets.
    rights: u32,
    left: usize,
}

impl Walk {
    /// Commands may rename files at any moment, so all changes go through open descriptors.
    fn folder(&mut self, folder: OwnedFd, depth: usize) -> Result<()> {
        self.share(&folder)?;
        if depth == SANDBOX_DEPTH {
            return Ok(());
        }
        for entry in Dir::read_from(&folder)? {
            let entry = entry?;
            let name = entry.file_name();
            let text = name.to_str().unwrap_or_default();
            if text == "." || text == ".." || (depth == 0 && PRIVATE_FOLDERS.contains(&text)) {
                continue;
            }
            if self.left == 0 {
                return Ok(());
            }
            self.left -= 1;
            let Ok(stat) = rustix::fs::statat(&folder, name, AtFlags::SYMLINK_NOFOLLOW) else {
                continue;
            };
            let kind = FileType::from_raw_mode(stat.st_mode);
            let is_folder = kind == FileType::Directory;
            if !(is_folder || kind == FileType::RegularFile && stat.st_uid == self.user) {
                continue;
            }
            let flags = OFlags::RDONLY | OFlags::NOFOLLOW | OFlags::NONBLOCK | OFlags::CLOEXEC;
            let Ok(file) = rustix::fs::openat(&folder, name, flags, Mode::empty()) else {
                continue;
            };
            if is_folder {
                self.folder(file, depth + 1)?;
            } else {
                self.share(&file)?;
            }
        }
        Ok(())
    }

    /// Gives our file or folder to the group, with part of our permissions. A file with a second hard link may also be elsewhere.
    fn share(&self, file: &impl AsFd) -> Result<()> {
        let stat = rustix::fs::fstat(file)?;
        let folder = FileType::from_raw_mode(stat.st_mode) == FileType::Directory;
        if stat.st_uid != self.user || (!folder && stat.st_nlink > 1) {
            return Ok(());
        }
        let ours = stat.st_mode & 0o700;
        let mode =
            stat.st_mode & 0o7777 | ours >> 3 & self.rights | if folder { 0o2000 } else { 0 };
        if stat.st_gid != self.group {
            rustix::fs::fchown(file, None, Some(Gid::from_raw(self.group)))?;
        } else if mode == stat.st_mode & 0o7777 {
            return Ok(());
        }
        rustix::fs::fchmod(file, Mode::from_raw_mode(mode))
    }
}

#[cfg(test)]
mod tests {
    use std::fs;
    use std::os::unix::fs::{MetadataExt, PermissionsExt};

    use super::*;
    use crate::sys::scratch::Scratch;

    #[test]
    fn own_files_are_shared_and_hard_links_are_not() {
        let scratch = Scratch::new();
        scratch.file("ws/a.txt", "x");
        scratch.file("ws/sub/run.sh", "x");
        scratch.file("ws/sessions/s.jsonl", "x");
        scratch.file("secret", "x");
        let path = |name: &str| scratch.path().join(name);
        for (name, mode) in [
            ("ws/a.txt", 0o600),
            ("ws/sub/run.sh", 0o700),
            ("ws/sessions", 0o700),
            ("secret", 0o600),
        ] {
            fs::set_permissions(path(name), fs::Permissions::from_mode(mode)).expect("a mode");
        }
        fs::hard_link(path("secret"), path("ws/linked")).expect("a link");
        scratch.link("../secret", "ws/soft");
        let stat = fs::metadata(path("secret")).expect("metadata");
        let mut walk =
            Walk { group: stat.gid(), user: stat.uid(), rights: 0o070, left: SHARED_ENTRIES };
        let open = || {
            let flags = OFlags::RDONLY | OFlags::CLOEXEC;
            rustix::fs::openat(CWD, path("ws"), flags, Mode::empty()).expect("a folder")
        };
        walk.folder(open(), 0).expect("shared");
        let mode = |name: &str| fs::metadata(path(name)).expect("metadata").mode() & 0o7777;
        assert_eq!(mode("ws/a.txt"), 0o660);
        assert_eq!(mode("ws/sub/run.sh"), 0o770);
        assert_eq!(mode("ws/sub") & 0o2070, 0o2070);
        assert_eq!((mode("ws/sessions"), mode("secret")), (0o700, 0o600));
        // The bound.
        fs::set_permissions(path("ws/a.txt"), fs::Permissions::from_mode(0o600)).expect("a mode");
        walk.left = 0;
        walk.folder(open(), 0).expect("left");
        assert_eq!(mode("ws/a.txt"), 0o600);
    }
}
