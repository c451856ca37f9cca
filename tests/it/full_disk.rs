//! A disk that is full, or read-only: the assistant goes on and says what it cannot promise.
//!
//! The home is on a small tmpfs in the daemon's own mount namespace; where that is not allowed
//! the tests say so and end.

use picoclaw_peer::Peer;

use crate::harness::{Home, OWNER, SOON, eventually, peer};
use crate::harness_daemon::Daemon;
use crate::harness_disk::OwnDisk;

/// A daemon whose home is a file system of its own.
struct Confined {
    daemon: Daemon,
    disk: OwnDisk,
}

impl Confined {
    /// `None` where mount namespaces are not to be had.
    fn start(peer: &Peer) -> Option<Confined> {
        let disk = OwnDisk::new(Home::new(peer))?;
        disk.mount(&["-t", "tmpfs", "-o", "size=600k", "none"]);
        Some(Confined { daemon: disk.start(peer), disk })
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
        let status = self.disk.status();
        assert!(status.stdout.contains("Durability: off"), "{status:?}\n{}", log());
    }

    /// It recovers when the disk does.
    #[track_caller]
    fn promises_again(&self, peer: &Peer) {
        let on = eventually(SOON, || {
            let marker = peer.say(OWNER, OWNER, "and now?");
            assert!(peer.wait_reply(&marker, SOON).is_some(), "{}", self.daemon.log());
            let status = self.disk.status();
            (!status.stdout.contains("Durability: off")).then_some(())
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
    confined.disk.fill();
    confined.goes_on_without_promises(&peer);
    confined.disk.free();
    confined.promises_again(&peer);
    assert!(peer.duplicated().is_empty(), "{}", peer.stats());
}

#[test]
fn an_approval_is_answered_while_the_disk_refuses() {
    let peer = peer(false);
    let Some(confined) = Confined::start(&peer) else { return };
    let log = || confined.daemon.log();
    confined.disk.remount("ro");
    let marker = peer.say(OWNER, OWNER, "hello");
    assert!(peer.wait_reply(&marker, SOON).is_some(), "{}", log());
    let told = peer.wait_sent(OWNER, SOON, |s| s.text.contains("durability: off"));
    assert!(told.is_some(), "{}", log());
    let risky = peer.say(OWNER, OWNER, r#"[call:exec {"command":"crontab -l"}]"#);
    let asked = peer.wait_sent(OWNER, SOON, |s| !s.buttons.is_empty()).expect("a question");
    // Others write meanwhile, and the question is neither confirmed nor forgotten.
    peer.say(OWNER, OWNER, "are you there?");
    peer.press(asked.chat, OWNER, asked.message_id, &asked.buttons[0].1);
    assert!(peer.wait_reply(&risky, SOON).is_some(), "the button is not read\n{}", log());
    let edited = |s: &picoclaw_peer::Sent| s.text.contains("Allowed");
    assert!(peer.wait_sent(OWNER, SOON, edited).is_some(), "{:?}", peer.texts(OWNER));
}

#[test]
fn a_read_only_disk_stops_nothing() {
    let peer = peer(false);
    let Some(confined) = Confined::start(&peer) else { return };
    let marker = peer.say(OWNER, OWNER, "hello");
    assert!(peer.wait_reply(&marker, SOON).is_some(), "{}", confined.daemon.log());
    confined.disk.remount("ro");
    confined.goes_on_without_promises(&peer);
    confined.disk.remount("rw");
    confined.promises_again(&peer);
    assert!(peer.duplicated().is_empty(), "{}", peer.stats());
}
