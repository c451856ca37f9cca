//! The user that the daemon becomes, looked up in `/etc/passwd` and `/etc/group`.

use std::fs;

use super::settings::SupervisorSettings;
use crate::sys::service::{Identity, effective_uid};
use crate::{Error, Result};

/// The user's ids, with every group that lists the name. `passwd` and `group` are the files' texts.
pub fn identity(passwd: &str, group: &str, name: &str) -> Option<Identity> {
    let line = passwd.lines().find(|line| line.split(':').next() == Some(name))?;
    let mut fields = line.split(':').skip(2);
    let uid = fields.next()?.parse().ok()?;
    let gid = fields.next()?.parse().ok()?;
    let mut groups = vec![gid];
    for line in group.lines() {
        let mut fields = line.split(':');
        let (Some(_), Some(_), Some(id), Some(members)) =
            (fields.next(), fields.next(), fields.next(), fields.next())
        else {
            continue;
        };
        let Ok(id) = id.parse() else { continue };
        if members.split(',').any(|member| member == name)
            && !groups.contains(&id)
            && groups.len() < 32
        {
            groups.push(id);
        }
    }
    Some(Identity { uid, gid, groups })
}

/// The same of the user with this number.
pub fn owner(passwd: &str, group: &str, uid: u32) -> Option<Identity> {
    let is = |line: &&str| line.split(':').nth(2).and_then(|n| n.parse().ok()) == Some(uid);
    let name = passwd.lines().find(is)?.split(':').next()?;
    identity(passwd, group, name).filter(|found| found.uid == uid)
}

/// Who the daemon becomes; None where we are not root and it stays who we are.
pub fn identity_of(settings: &SupervisorSettings) -> Result<Option<Identity>> {
    if effective_uid() != 0 {
        return Ok(None);
    }
    let (passwd, group) = accounts();
    let found = identity(&passwd, &group, &settings.user);
    match found {
        Some(identity) if identity.uid == 0 => {
            Err(Error::new("PICOCLAW_USER is root: name another user"))
        }
        Some(identity) => Ok(Some(identity)),
        None => Err(Error::new(format!(
            "no user {} in /etc/passwd: add it, or set PICOCLAW_USER",
            settings.user
        ))),
    }
}

/// `/etc/passwd` and `/etc/group`.
pub(super) fn accounts() -> (String, String) {
    let read = |path: &str| fs::read_to_string(path).unwrap_or_default();
    (read("/etc/passwd"), read("/etc/group"))
}

#[cfg(test)]
mod tests {
    use super::*;

    const PASSWD: &str =
        "root:x:0:0:root:/root:/bin/sh\npicoclaw:x:200:201:PicoClaw:/x:/bin/false\nbroken:x::\n";
    const GROUP: &str = "root:x:0:\npicoclaw:x:201:picoclaw\ni2c:x:5:other,picoclaw\nspi:x:6:picoclawx\n\ngpio:x:7:picoclaw\nbad:x:y:picoclaw\n";

    #[track_caller]
    fn check(name: &str, want: Option<(u32, u32, &[u32])>) {
        let got = identity(PASSWD, GROUP, name);
        assert_eq!(got.as_ref().map(|i| (i.uid, i.gid, &i.groups[..])), want);
    }

    #[test]
    fn users() {
        check("picoclaw", Some((200, 201, &[201, 5, 7])));
        check("root", Some((0, 0, &[0])));
        check("broken", None);
        check("nobody", None);
        check("", None);
        assert_eq!(owner(PASSWD, GROUP, 200).map(|i| i.gid), Some(201));
        assert!(owner(PASSWD, GROUP, 201).is_none());
    }
}
