//! Root at the command line does the daemon's work as the daemon's user.
//!
//! Must not be used where a second thread runs: it is called before there is one.

use std::io;
use std::path::Path;

use super::beneath::path_meta;
use super::service::{Identity, effective_uid};

/// What gives this process access to `path`, where `e` says that it has none: the owner, who runs, and a command; empty for
/// other errors. A closed folder above counts instead of what is in it.
pub fn access_cure(path: &Path, e: &io::Error) -> String {
    let nearest = || path.ancestors().find_map(|at| Some((at, path_meta(at)?.user)));
    let denied = e.kind() == io::ErrorKind::PermissionDenied;
    let Some((at, owner)) = denied.then(nearest).flatten() else { return String::new() };
    let (at, user) = (at.display(), effective_uid());
    if owner == user {
        return format!("`chmod u+rwX {at}`");
    }
    format!("it belongs to user {owner}, and this runs as user {user}: `chown {user} {at}` as root")
}

/// Becomes `identity` for good.
///
/// # Errors
/// The kernel's; the process may then be half of one and half of the other, and must end.
pub fn become_permanently(identity: &Identity) -> io::Result<()> {
    // SAFETY: plain system calls; the list of groups is as long as said.
    unsafe {
        check(libc::setgroups(identity.groups.len() as _, identity.groups.as_ptr()))?;
        check(libc::setgid(identity.gid))?;
        check(libc::setuid(identity.uid))
    }
}

/// Root, acting as somebody else until it is dropped.
pub struct ActingAs(());

impl ActingAs {
    /// From now on files are made and opened with the rights of `identity`.
    ///
    /// # Errors
    /// As [`become_permanently`].
    pub fn enter(identity: &Identity) -> io::Result<ActingAs> {
        // SAFETY: as above.
        unsafe {
            check(libc::setgroups(identity.groups.len() as _, identity.groups.as_ptr()))?;
            check(libc::setegid(identity.gid))?;
            check(libc::seteuid(identity.uid))?;
        }
        Ok(ActingAs(()))
    }
}

impl Drop for ActingAs {
    fn drop(&mut self) {
        // SAFETY: plain system calls; the saved user is still root, so none of them fails.
        unsafe {
            libc::seteuid(0);
            libc::setegid(0);
            libc::setgroups(0, std::ptr::null());
        }
    }
}

fn check(result: libc::c_int) -> io::Result<()> {
    if result == 0 { Ok(()) } else { Err(io::Error::last_os_error()) }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn who_is_denied_learns_what_to_do() {
        let here = std::env::temp_dir().join("missing/below");
        let denied = io::Error::from(io::ErrorKind::PermissionDenied);
        let cure = access_cure(&here, &denied);
        assert!(cure.contains("chmod u+rwX /") || cure.contains("chown"), "{cure}");
        assert_eq!(access_cure(&here, &io::ErrorKind::NotFound.into()), "");
    }
}
