//! What the supervisor and import left: how the daemon ended, and what the boot partition brought.

use picoclaw_peer::Peer;

use crate::harness::{Home, OWNER, SOON, peer};
use crate::harness_daemon::Daemon;

const REPORT: &str = "version: 0.1.0\nbuild id: ab\nunix time: 1800000000\nuptime: 77 s\nended by: signal 11 (SIGSEGV)\n\
                      last log lines:\n  ended by: nonsense\n";

/// How often the owner was told.
fn told(peer: &Peer) -> usize {
    peer.texts(OWNER).iter().filter(|t| t.contains("signal 11 (SIGSEGV) after 77 s")).count()
}

#[test]
fn the_owner_is_told_of_a_crash_once_and_status_keeps_it() {
    let peer = peer(false);
    let home = Home::new(&peer);
    let daemon = Daemon::start(&home, &peer);
    let marker = peer.say(OWNER, OWNER, "hello");
    assert!(peer.wait_reply(&marker, SOON).is_some(), "{}", daemon.log());
    assert!(!home.run(&["status"]).stdout.contains("unexpected exit"));
    daemon.kill9();
    home.write("state/crash.txt", REPORT);
    for _ in 0..2 {
        let daemon = Daemon::start(&home, &peer);
        let sent = peer.wait_sent(OWNER, SOON, |s| s.text.contains("SIGSEGV"));
        assert!(sent.is_some(), "{:?}\n{}", peer.texts(OWNER), daemon.log());
        daemon.idle(&peer);
        assert_eq!(told(&peer), 1, "{:?}", peer.texts(OWNER));
        let status = home.run(&["status"]).stdout;
        assert!(
            status.contains("Last unexpected exit: signal 11 (SIGSEGV) after 77 s, 2027-01-15"),
            "{status}"
        );
        assert!(daemon.term().success());
    }
}

#[test]
fn status_says_what_the_boot_partition_brought() {
    let peer = peer(false);
    let home = Home::new(&peer);
    let run = home.path("run").display().to_string();
    let home = home.env("PICOCLAW_RUN", &run);
    home.write(
        "run/import.txt",
        "Imported from this card: hostname\nNOT imported: picoclaw.json: not JSON\n",
    );
    let status = home.run(&["status"]).stdout;
    assert!(status.contains("Boot partition: NOT imported: picoclaw.json: not JSON\n"), "{status}");
    let json = home.run(&["status", "--json"]).stdout;
    let json: serde_json::Value = serde_json::from_str(&json).expect("JSON");
    assert_eq!(json["boot_partition"][0], "Imported from this card: hostname");
}

#[test]
fn a_home_that_takes_no_socket_has_it_in_ram() {
    let peer = peer(false);
    let home = Home::new(&peer);
    let run = home.path("run").display().to_string();
    let home = home.env("PICOCLAW_RUN", &run);
    std::fs::create_dir_all(home.path("run/user")).expect("a folder");
    // Something that can neither be removed as a file nor bound to.
    std::fs::create_dir_all(home.path("state/control.sock/x")).expect("a folder");
    let daemon = Daemon::start(&home, &peer);
    let status = home.run(&["status"]).stdout;
    assert!(status.contains("running, PID"), "{status}\n{}", daemon.log());
    assert!(daemon.term().success());
    assert!(!home.path("run/user/control.sock").exists());
}
