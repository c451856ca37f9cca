//! Root at the command line does the daemon's work as the daemon's user.
//!
//! Must not be used where a second thread runs: it is called before there is one.

use std::io;

use super::service::Identity;

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
