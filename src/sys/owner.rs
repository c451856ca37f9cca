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
    let folder = at.parent().and_then(path_meta).map(|meta| meta.user);
    cure(at, owner, effective_uid(), folder)
}

/// For `user`, who has no access to `at` of `owner`, in a folder of `folder`. What another user keeps in folders of his own stays
/// his: it may be the home of a service, or root's.
fn cure(at: &Path, owner: u32, user: u32, folder: Option<u32>) -> String {
    let at = at.display();
    if owner == user {
        return format!("`chmod u+rwX {at}`");
    }
    let who = format!("{at} belongs to user {owner}, and this runs as user {user}");
    if folder == Some(user) {
        return format!("{who}: `chown {user} {at}` as root");
    }
    format!("{who}: run it as that user, `sudo -u '#{owner}' picoclaw ...`")
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
        let scratch = crate::sys::scratch::Scratch::named("owner");
        let here = scratch.path().join("missing/below");
        let denied = io::Error::from(io::ErrorKind::PermissionDenied);
        let own = format!("`chmod u+rwX {}`", scratch.path().display());
        assert_eq!(access_cure(&here, &denied), own);
        assert_eq!(access_cure(&here, &io::ErrorKind::NotFound.into()), "");
        let of = |path: &str, folder| cure(Path::new(path), 0, 1000, Some(folder));
        let own = "/home/pi/c.json belongs to user 0, and this runs as user 1000: `chown 1000 /home/pi/c.json` as root";
        assert_eq!(of("/home/pi/c.json", 1000), own);
        let roots = "/etc/x belongs to user 0, and this runs as user 1000: run it as that user, `sudo -u '#0' picoclaw ...`";
        assert_eq!(of("/etc/x", 0), roots);
    }
}
