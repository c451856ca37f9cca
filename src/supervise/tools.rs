//! Commands of the daemon as the user `picoclaw-tool`: see [`crate::sys::exec_broker`].
//!
//! Root starts, signals and buries; it reads nothing of what is run. That user owns nothing: it reaches the workspace
//! through its group, which the daemon is in, and the home is closed to it but for passing through.

use std::fs::{self, OpenOptions, Permissions};
use std::io;
use std::os::fd::BorrowedFd;
use std::os::unix::fs::{MetadataExt, OpenOptionsExt, PermissionsExt, chown, fchown};
use std::os::unix::net::UnixDatagram;
use std::path::{Path, PathBuf};

use super::settings::SupervisorSettings;
use super::user::{self, accounts};
use crate::limits::BROKER_COMMANDS;
use crate::sys::exec_broker::{self, BrokeredChild};
use crate::sys::process;
use crate::sys::service::Identity;

/// What in the home may be seen by commands: their permissions stay.
const SEEN: &[&str] = &["workspace", "skills", "hooks"];

/// The users and what runs.
pub struct Tools {
    /// Of the commands.
    pub user: Identity,
    owner: Identity,
    home: PathBuf,
    own_end: UnixDatagram,
    /// The daemon's end.
    pub daemon_end: UnixDatagram,
    running: Vec<BrokeredChild>,
}

impl Tools {
    /// Ready to start commands of the daemon's user `owner`; None where it is not wished, and the reason where it should be and
    /// is not possible.
    pub fn new(settings: &SupervisorSettings, owner: &Identity) -> Result<Option<Tools>, String> {
        if settings.tool_user.is_empty() {
            return Ok(None);
        }
        let (passwd, group) = accounts();
        let name = &settings.tool_user;
        let found = user::identity(&passwd, &group, name)
            .ok_or_else(|| format!("no user {name} in /etc/passwd"))?;
        if found.uid == 0 || found.uid == owner.uid || found.gid == 0 || found.gid == owner.gid {
            return Err(format!("{name} is not a user with a group of its own"));
        }
        let pair = || -> io::Result<_> {
            let (own_end, daemon_end) = UnixDatagram::pair()?;
            Ok((own_end, daemon_end))
        };
        let (own_end, daemon_end) = pair().map_err(|e| e.to_string())?;
        let tools = Tools {
            // Its first group alone: none of the devices'.
            user: Identity { groups: vec![found.gid], ..found },
            owner: owner.clone(),
            home: settings.home.clone(),
            own_end,
            daemon_end,
            running: Vec::new(),
        };
        tools
            .close_home()
            .map_err(|e| format!("{} cannot be closed: {e}", tools.home.display()))?;
        exec_broker::end_all_of(&tools.user);
        tools.remove_temporary();
        Ok(Some(tools))
    }

    /// Descriptors that are readable when [`Tools::turn`] has something to do.
    pub fn sockets(&self) -> impl Iterator<Item = BorrowedFd<'_>> {
        use std::os::fd::AsFd;
        std::iter::once(self.own_end.as_fd())
    }

    /// Starts what is asked for and watches what runs; `leaves` is the folder of its control groups. A word for the log
    /// when something went wrong.
    pub fn turn(&mut self, leaves: Option<&Path>) -> Option<String> {
        let mut word = None;
        let before = self.running.len();
        self.running.retain_mut(BrokeredChild::turn);
        // Bounded: a daemon gone mad must not keep us here.
        for _ in 0..BROKER_COMMANDS {
            let Some(asked) = exec_broker::receive(&self.own_end) else { break };
            let Some(asked) = asked else { continue };
            if self.running.len() == BROKER_COMMANDS {
                asked.refuse(&io::Error::from_raw_os_error(libc::EAGAIN));
                continue;
            }
            // Somebody may have laid a file there since.
            if let Err(e) = self.close_home() {
                asked.refuse(&e);
                word = Some(format!("{} cannot be closed: {e}", self.home.display()));
                continue;
            }
            match asked.start(leaves, &self.user) {
                Ok(command) => self.running.push(command),
                Err(e) => word = Some(format!("a command cannot be started: {e}")),
            }
        }
        if before > 0 && self.running.is_empty() {
            // What has slipped out of its group.
            exec_broker::end_all_of(&self.user);
        }
        word
    }

    /// The daemon has ended: nothing of it runs on, and nothing it asked for is started.
    pub fn end(&mut self) {
        while let Some(asked) = exec_broker::receive(&self.own_end) {
            drop(asked);
        }
        exec_broker::end_all_of(&self.user);
        self.remove_temporary();
        self.running.retain_mut(BrokeredChild::turn);
    }

    /// Removes what commands left in their folder for temporary files: some of it only they can.
    fn remove_temporary(&self) {
        let folder = self.home.join(exec_broker::TEMPORARY);
        exec_broker::remove_all_of(&self.user, &folder);
    }

    /// The home may be passed through by the group of the commands and listed by the daemon alone. What is in it and is
    /// open to everybody (a configuration that root has edited) is open to the daemon's group instead.
    fn close_home(&self) -> io::Result<()> {
        let now = fs::metadata(&self.home)?;
        if (now.uid(), now.gid(), now.mode() & 0o7777) != (self.owner.uid, self.user.gid, 0o710) {
            chown(&self.home, Some(self.owner.uid), Some(self.user.gid))?;
            fs::set_permissions(&self.home, Permissions::from_mode(0o710))?;
        }
        for entry in fs::read_dir(&self.home)? {
            let entry = entry?;
            let kind = entry.file_type()?;
            let seen = entry.file_name().to_str().is_some_and(|name| SEEN.contains(&name));
            if seen || !(kind.is_file() || kind.is_dir()) {
                continue;
            }
            if entry.metadata()?.mode() & 0o007 != 0 {
                close(&entry.path(), &self.owner)?;
            }
        }
        Ok(())
    }
}

/// In a folder of the daemon's user, who may change what a name leads to at any moment: all goes through one descriptor,
/// and a file with a second name is left alone, as it may be anybody's.
fn close(path: &Path, owner: &Identity) -> io::Result<()> {
    let flags = libc::O_NOFOLLOW | libc::O_NONBLOCK | libc::O_NOCTTY;
    let file = match OpenOptions::new().read(true).custom_flags(flags).open(path) {
        Ok(file) => file,
        Err(e) if e.kind() == io::ErrorKind::NotFound => return Ok(()),
        Err(e) => return Err(e),
    };
    let now = file.metadata()?;
    if !now.is_dir() && (!now.is_file() || now.nlink() > 1) {
        return Ok(());
    }
    let mode = now.mode() & 0o770;
    file.set_permissions(Permissions::from_mode(mode))?;
    if now.gid() != owner.gid {
        fchown(&file, None, Some(owner.gid))?;
    }
    // What everybody had, so that the daemon can still read it.
    file.set_permissions(Permissions::from_mode(mode | (now.mode() & 0o7) << 3))
}

/// `picoclaw exec-child`: the process that becomes the command; it is no root's any more. Does not return otherwise.
pub fn become_command() -> crate::Error {
    crate::Error::new(format!("the command was not run: {}", process::become_command()))
}

#[cfg(test)]
mod tests {
    use std::io::{Read, Write};
    use std::os::fd::AsFd;
    use std::os::unix::net::UnixStream;

    use super::*;
    use crate::sys::scratch::Scratch;

    #[test]
    fn a_bounded_number_runs_at_a_time_and_what_is_no_request_is_dropped() {
        if crate::sys::service::effective_uid() != 0 {
            crate::sys::skip::skip("only root starts processes of another user");
            return;
        }
        let scratch = Scratch::new();
        let (own_end, daemon_end) = UnixDatagram::pair().expect("a pair");
        // Nobody's numbers. The program is this one, which finds no test of that name and ends.
        let user = Identity { uid: 61_234, gid: 61_234, groups: vec![61_234] };
        let owner = Identity { uid: 61_233, gid: 61_233, groups: vec![61_233] };
        let home = scratch.path().to_owned();
        let mut tools = Tools { user, owner, home, own_end, daemon_end, running: Vec::new() };
        tools.daemon_end.send(b"what?").expect("sent");
        let null = OpenOptions::new().read(true).write(true).open("/dev/null").expect("null");
        // It waits for room to say so.
        let (reader, full) =
            rustix::pipe::pipe_with(rustix::pipe::PipeFlags::CLOEXEC).expect("a pipe");
        let mut full = fs::File::from(full);
        rustix::io::ioctl_fionbio(&full, true).expect("a mode");
        while full.write(&[0; 4096]).is_ok() {}
        rustix::io::ioctl_fionbio(&full, false).expect("a mode");
        let mut controls = Vec::new();
        for _ in 0..=BROKER_COMMANDS {
            let (control, other) = UnixStream::pair().expect("a pair");
            let fd = null.as_fd();
            let fds = [fd, other.as_fd(), full.as_fd(), fd, fd, fd, fd];
            exec_broker::ask(&tools.daemon_end, 0, fds).expect("asked");
            controls.push(control);
            assert_eq!(tools.turn(None), None);
        }
        assert_eq!(tools.running.len(), BROKER_COMMANDS);
        let mut report = [0; 5];
        controls[BROKER_COMMANDS].read_exact(&mut report).expect("a report");
        assert_eq!(report[0], b'n');
        assert_eq!(report[1..], libc::EAGAIN.to_ne_bytes());
        // The home was closed on the way.
        let mode = fs::metadata(scratch.path()).expect("metadata").mode();
        assert_eq!(mode & 0o7777, 0o710);
        drop(reader);
        let gone = (0..500).any(|_| {
            std::thread::sleep(std::time::Duration::from_millis(10));
            tools.turn(None);
            tools.running.is_empty()
        });
        assert!(gone, "they are not buried");
    }
}
