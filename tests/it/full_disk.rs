//! A disk that is full, or read-only: the assistant goes on and says what it cannot promise.
//!
//! The home lies on a tiny tmpfs in a mount namespace of the daemon's own; where that is not allowed
//! the tests say so and end.

use std::path::PathBuf;
use std::process::Command;

use picoclaw_peer::Peer;

use crate::harness::{Finished, Home, OWNER, SOON, eventually, finish, peer, program};
use crate::harness_daemon::Daemon;

/// Size of the file system.
const DISK: &str = "600k";

/// A daemon whose home is a file system of its own.
struct Confined {
    home: Home,
    daemon: Daemon,
}

impl Confined {
    /// `None` where mount namespaces are not to be had.
    fn start(peer: &Peer) -> Option<Confined> {
        let allowed =
            Command::new("unshare").args(["-m", "mount", "-t", "tmpfs", "none", "/mnt"]).output();
        if !allowed.is_ok_and(|o| o.status.success()) {
            println!("skipped: no mount namespaces here (needs root and unshare)");
            return None;
        }
        let home = Home::new(peer);
        let dir = home.path("").display().to_string();
        let script = format!(
            "config=$(cat {dir}/config.json) && mount -t tmpfs -o size={DISK} none {dir} && cd {dir} && \
             printf %s \"$config\" >config.json && exec \"$0\" gateway"
        );
        let mut command = Command::new("unshare");
        command.args(["-m", "sh", "-c", &script]).arg(program());
        let polls = peer.calls("tg.getUpdates");
        home.furnish(&mut command);
        let daemon = Daemon::spawn_command(&home, command);
        assert!(peer.wait_calls("tg.getUpdates", polls + 1, SOON), "no poll\n{}", daemon.log());
        Some(Confined { home, daemon })
    }

    /// A path as the daemon sees it.
    fn inside(&self, relative: &str) -> PathBuf {
        let path = self.home.path(relative);
        PathBuf::from(format!("/proc/{}/root{}", self.daemon.pid(), path.display()))
    }

    /// A command in the daemon's namespace.
    fn run(&self, arguments: &[&str]) -> Finished {
        let mut command = Command::new("nsenter");
        self.home.furnish(command.arg(format!("--mount=/proc/{}/ns/mnt", self.daemon.pid())));
        command.args(arguments).current_dir("/");
        finish(command)
    }

    fn status(&self) -> Finished {
        self.run(&[&program().display().to_string(), "status"])
    }

    fn fill(&self) {
        let mut file = std::fs::File::create(self.inside("filler")).expect("a file");
        while std::io::Write::write_all(&mut file, &[b'x'; 512]).is_ok() {}
    }

    fn remount(&self, how: &str) {
        let dir = self.home.path("").display().to_string();
        let done = self.run(&["mount", "-o", &format!("remount,{how}"), &dir]);
        assert!(done.status.success(), "{done:?}");
    }

    /// Everything is answered and the offset waits for the reply; the chat, the log and `status` say why.
    #[track_caller]
    fn goes_on_without_promises(&self, peer: &Peer) {
        let log = || self.daemon.log();
        // The journal has its room beforehand, so a full disk is first noticed when a session grows.
        for _ in 0..4 {
            // Longer than what is left of the file's last page.
            let text = format!("hello {} [tool:list_dir]", "x".repeat(3500));
            let marker = peer.say(OWNER, OWNER, &text);
            assert!(peer.wait_reply(&marker, SOON).is_some(), "{}", log());
        }
        let slow = peer.say(OWNER, OWNER, "slowly [delay:700]");
        let calls = peer.calls("llm.chat");
        assert!(peer.wait_calls("llm.chat", calls + 1, SOON), "{}", log());
        let pending = peer.stats()["pending_updates"].clone();
        assert_ne!(pending, 0, "the offset was confirmed before the reply\n{}", log());
        assert!(peer.wait_reply(&slow, SOON).is_some(), "{}", log());
        let told = peer.wait_sent(OWNER, SOON, |s| s.text.contains("durability: off"));
        assert!(told.is_some(), "{:?}\n{}", peer.texts(OWNER), log());
        assert!(log().contains("durability: off"), "{}", log());
        let status = self.status();
        assert!(status.stdout.contains("durability: off"), "{status:?}\n{}", log());
    }

    /// It recovers when the disk does.
    #[track_caller]
    fn promises_again(&self, peer: &Peer) {
        let on = eventually(SOON, || {
            let marker = peer.say(OWNER, OWNER, "and now?");
            assert!(peer.wait_reply(&marker, SOON).is_some(), "{}", self.daemon.log());
            let status = self.status();
            (!status.stdout.contains("durability: off")).then_some(())
        });
        assert!(on.is_some(), "{}", self.daemon.log());
    }
}

#[test]
fn a_full_disk_stops_nothing() {
    let peer = peer(false);
    let Some(confined) = Confined::start(&peer) else { return };
    let marker = peer.say(OWNER, OWNER, "hello");
    assert!(peer.wait_reply(&marker, SOON).is_some(), "{}", confined.daemon.log());
    confined.fill();
    confined.goes_on_without_promises(&peer);
    std::fs::remove_file(confined.inside("filler")).expect("removed");
    confined.promises_again(&peer);
    assert!(peer.duplicated().is_empty(), "{}", peer.stats());
}

#[test]
fn a_read_only_disk_stops_nothing() {
    let peer = peer(false);
    let Some(confined) = Confined::start(&peer) else { return };
    let marker = peer.say(OWNER, OWNER, "hello");
    assert!(peer.wait_reply(&marker, SOON).is_some(), "{}", confined.daemon.log());
    confined.remount("ro");
    confined.goes_on_without_promises(&peer);
    confined.remount("rw");
    confined.promises_again(&peer);
    assert!(peer.duplicated().is_empty(), "{}", peer.stats());
}
