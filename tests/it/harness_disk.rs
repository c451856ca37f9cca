//! A home on a file system of its own, in a mount namespace that outlives the daemon: for disks that are full, read-only,
//! or lose power.

use std::fs::File;
use std::io::{Read, Write};
use std::path::PathBuf;
use std::process::{Child, Command, Stdio};

use picoclaw_peer::Peer;

use crate::harness::{Finished, Home, SOON, finish, program};
use crate::harness_daemon::Daemon;

/// The home and the process that keeps the namespace; with it go the namespace and all that is mounted in it.
pub struct OwnDisk {
    pub home: Home,
    holder: Child,
    config: String,
}

impl OwnDisk {
    /// Nothing is mounted yet. `None` where mount namespaces are not to be had.
    pub fn new(home: Home) -> Option<OwnDisk> {
        // It ends with its standard input, so also with us.
        let holder = Command::new("unshare")
            .args(["-m", "sh", "-c", "mount -t tmpfs none /mnt && echo && exec cat"])
            .stdin(Stdio::piped())
            .stdout(Stdio::piped())
            .stderr(Stdio::null())
            .spawn();
        let mut told = [0; 1];
        let ready = holder.ok().and_then(|mut h| {
            let ready = h.stdout.take()?.read_exact(&mut told);
            if ready.is_err() {
                let _ = h.wait();
            }
            ready.is_ok().then_some(h)
        });
        let Some(holder) = ready else {
            crate::skip::skip(crate::skip::Missing::MountNamespace);
            return None;
        };
        let config = home.read("config.json");
        Some(OwnDisk { home, holder, config })
    }

    /// Mounts a file system on the home: `mount ARGUMENTS <home>`; lays the configuration on it where it has none.
    #[track_caller]
    pub fn mount(&self, arguments: &[&str]) {
        let dir = self.home.path("").display().to_string();
        let done = self.run(&[&["mount"], arguments, &[&dir]].concat());
        assert!(done.status.success(), "{done:?}");
        if !self.inside("config.json").exists() {
            let mut file = File::create(self.inside("config.json")).expect("a configuration");
            let written = file.write_all(self.config.as_bytes()).and_then(|()| file.sync_all());
            written.expect("a configuration");
        }
    }

    /// A command in the namespace, ready to start.
    pub fn command(&self, arguments: &[&str]) -> Command {
        let mut command = Command::new("nsenter");
        command.arg(format!("--mount=/proc/{}/ns/mnt", self.holder.id())).args(arguments);
        self.home.furnish(&mut command);
        command.current_dir("/");
        command
    }

    /// Runs a command in the namespace to its end.
    #[track_caller]
    pub fn run(&self, arguments: &[&str]) -> Finished {
        finish(self.command(arguments))
    }

    /// A path as the daemon sees it.
    pub fn inside(&self, relative: &str) -> PathBuf {
        self.at(&self.home.path(relative).display().to_string())
    }

    /// An absolute path of the namespace. `/mnt` is a file system of its own.
    pub fn at(&self, path: &str) -> PathBuf {
        PathBuf::from(format!("/proc/{}/root{path}", self.holder.id()))
    }

    /// Starts `gateway` and waits for its first getUpdates.
    #[track_caller]
    pub fn start(&self, peer: &Peer) -> Daemon {
        let polls = peer.calls("tg.getUpdates");
        let daemon = self.spawn();
        assert!(peer.wait_calls("tg.getUpdates", polls + 1, SOON), "no poll\n{}", daemon.log());
        daemon
    }

    /// Starts `gateway` without waiting for anything.
    #[track_caller]
    pub fn spawn(&self) -> Daemon {
        let program = program().display().to_string();
        let daemon = Daemon::spawn_command(&self.home, self.command(&[&program, "gateway"]));
        daemon.at(self.inside(""))
    }

    /// What `picoclaw status` says.
    pub fn status(&self) -> Finished {
        self.run(&[&program().display().to_string(), "status"])
    }

    /// Takes all room that is left.
    pub fn fill(&self) {
        let Ok(mut file) = File::create(self.inside("filler")) else { return };
        while file.write_all(&[b'x'; 512]).is_ok() {}
    }

    /// Gives it back.
    pub fn free(&self) {
        // It may never have been taken.
        let _ = std::fs::remove_file(self.inside("filler"));
    }

    /// `ro` or `rw`.
    #[track_caller]
    pub fn remount(&self, how: &str) {
        let dir = self.home.path("").display().to_string();
        let done = self.run(&["mount", "-o", &format!("remount,{how}"), &dir]);
        assert!(done.status.success(), "{done:?}");
    }
}

impl Drop for OwnDisk {
    fn drop(&mut self) {
        // It may have ended already.
        let _ = self.holder.kill();
        let _ = self.holder.wait();
    }
}
