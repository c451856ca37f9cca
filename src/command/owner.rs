//! Root at the command line first becomes the owner of the home: what commands of the model have put in its folders has no
//! more power over a subcommand than over the daemon, and what is written can be read by the daemon.

use std::path::Path;

use crate::error::{Context, Result};
use crate::supervise::user;
use crate::sys::beneath::{open_path, path_meta};
use crate::sys::owner::{self, ActingAs};
use crate::sys::service::{Identity, effective_uid};

/// Bytes of `/etc/passwd` and `/etc/group` that are looked at.
const USERS_BYTES: u64 = 1 << 20;

/// Whom root has to become for `home`; `None` for everybody else, where the home is root's, and where there is none.
fn other(home: &Path) -> Option<Identity> {
    let meta = path_meta(home).filter(|meta| effective_uid() == 0 && meta.user != 0)?;
    let text = |path: &str| {
        let file = open_path(Path::new(path)).ok()?;
        String::from_utf8(crate::sys::files::read_bounded(file, USERS_BYTES).ok()?).ok()
    };
    let (passwd, group) = (text("/etc/passwd"), text("/etc/group").unwrap_or_default());
    let known = passwd.and_then(|passwd| user::owner(&passwd, &group, meta.user));
    let alone = Identity { uid: meta.user, gid: meta.group, groups: vec![meta.group] };
    Some(known.unwrap_or(alone))
}

/// Root becomes the owner of `home` for good.
///
/// # Errors
/// The kernel's.
pub fn become_owner(home: &Path) -> Result<()> {
    let Some(identity) = other(home) else { return Ok(()) };
    let name = || format!("cannot become the owner of {}", home.display());
    owner::become_permanently(&identity).with_context(name)
}

/// Root acts as the owner of `home` until what is returned is dropped.
///
/// # Errors
/// The kernel's.
pub fn act_as_owner(home: &Path) -> Result<Option<ActingAs>> {
    let Some(identity) = other(home) else { return Ok(None) };
    let name = || format!("cannot act as the owner of {}", home.display());
    ActingAs::enter(&identity).map(Some).with_context(name)
}
