//! What the owner does to the files of sessions while the daemon is stopped stays done.

use std::fs;

use picoclaw_peer::Peer;

use crate::harness::{Home, OWNER, SOON, peer};
use crate::harness_daemon::Daemon;

#[track_caller]
fn ask(peer: &Peer, daemon: &Daemon, text: &str) {
    let marker = peer.say(OWNER, OWNER, text);
    assert!(peer.wait_reply(&marker, SOON).is_some(), "no answer to {text}\n{}", daemon.log());
}

fn session() -> String {
    format!("sessions/telegram_{OWNER}.jsonl")
}

#[test]
fn after_a_stop_a_session_that_was_deleted_stays_deleted() {
    let peer = peer(false);
    let home = Home::new(&peer);
    let daemon = Daemon::start(&home, &peer);
    ask(&peer, &daemon, "my bicycle is green");
    assert!(daemon.term().success());
    assert!(home.read(&session()).contains("bicycle"));
    fs::remove_file(home.path(&session())).expect("deleted");
    let daemon = Daemon::start(&home, &peer);
    assert!(!home.path(&session()).exists(), "{}", daemon.log());
    ask(&peer, &daemon, "what colour is it?");
    daemon.idle(&peer);
    assert!(!home.read(&session()).contains("bicycle"));
    let request = peer.requests().pop().expect("a request").to_string();
    assert!(!request.contains("bicycle"), "{request}");
}

#[test]
fn after_a_stop_a_session_that_was_edited_stays_edited() {
    let peer = peer(false);
    let home = Home::new(&peer);
    let daemon = Daemon::start(&home, &peer);
    ask(&peer, &daemon, "my bicycle is green");
    ask(&peer, &daemon, "and my gate is blue");
    daemon.term();
    let edited = home.read(&session()).replace("green", "mauve");
    let shorter: String = edited.lines().take(2).map(|l| format!("{l}\n")).collect();
    for text in [edited, shorter] {
        fs::write(home.path(&session()), &text).expect("edited");
        let daemon = Daemon::start(&home, &peer);
        assert_eq!(home.read(&session()), text, "{}", daemon.log());
        // Not even a stop without any message in between brings it back.
        assert!(daemon.term().success());
        assert_eq!(home.read(&session()), text);
    }
}

#[test]
fn after_a_kill_only_what_was_not_on_the_card_comes_back() {
    let peer = peer(false);
    let home = Home::new(&peer);
    home.write("workspace/long.txt", &"a long file\n".repeat(2_000));
    let daemon = Daemon::start(&home, &peer);
    ask(&peer, &daemon, "my bicycle is green");
    // Too long for the journal: with it the file is on the card, and all that was in it.
    ask(&peer, &daemon, r#"look [call:read_file {"path":"long.txt"}]"#);
    daemon.idle(&peer);
    ask(&peer, &daemon, "and my gate is blue");
    daemon.recorded();
    daemon.kill9();
    let before = home.read(&session());
    assert!(before.contains("bicycle") && before.contains("a long file"));
    fs::remove_file(home.path(&session())).expect("deleted");
    let daemon = Daemon::start(&home, &peer);
    let after = home.read(&session());
    assert!(after.contains("my gate is blue"), "{after}\n{}", daemon.log());
    assert!(!after.contains("bicycle") && !after.contains("a long file"), "{after}");
}
