//! Session files that somebody changes between a kill and the next start: nothing runs twice, no old answer is sent again,
//! and only their own conversation is affected.

use std::fs::{self, Permissions, set_permissions};
use std::os::unix::fs::PermissionsExt;
use std::os::unix::process::CommandExt;

use picoclaw_peer::Peer;
use serde_json::json;

use crate::harness::{Home, OWNER, SOON, peer};
use crate::harness_daemon::Daemon;

const SESSION: &str = "sessions/telegram_1001.jsonl";
const OTHER: i64 = OWNER + 1;

/// A home for two chats, and whom the daemon runs as: file permissions mean nothing to root.
fn home(peer: &Peer) -> (Home, Option<u32>) {
    let both = [OWNER, OTHER].map(|chat| chat.to_string());
    let home =
        Home::patched(peer, &json!({ "channel_list": { "telegram": { "allow_from": both } } }));
    fs::create_dir_all(home.path("workspace")).expect("a folder");
    let user = home.give_away();
    (home, user)
}

fn start(home: &Home, user: Option<u32>, peer: &Peer) -> Daemon {
    let mut command = home.command(&["gateway"]);
    if let Some(user) = user {
        command.uid(user).gid(user);
    }
    let polls = peer.calls("tg.getUpdates");
    let daemon = Daemon::spawn_command(home, command);
    assert!(peer.wait_calls("tg.getUpdates", polls + 1, SOON), "no start\n{}", daemon.log());
    daemon
}

/// A turn has appended a line to a file and asks the model again when the daemon is killed.
fn killed_behind_a_call(home: &Home, user: Option<u32>, peer: &Peer) {
    let daemon = start(home, user, peer);
    let before = peer.say(OWNER, OWNER, "remember the number 4711");
    assert!(peer.wait_reply(&before, SOON).is_some(), "{}", daemon.log());
    let asked = peer.calls("llm.chat");
    let call = json!({ "path": "effects.txt", "content": "ran\n" });
    peer.say(OWNER, OWNER, &format!("[call:append_file {call}] [delay:3000]"));
    assert!(peer.wait_calls("llm.chat", asked + 2, SOON), "{}", daemon.log());
    daemon.kill9();
    assert_eq!(home.read("workspace/effects.txt"), "ran\n");
}

fn told_aside(peer: &Peer) -> usize {
    peer.texts(OWNER).iter().filter(|text| text.contains("set your message aside")).count()
}

#[test]
fn a_turn_whose_record_was_edited_runs_no_call_again() {
    let peer = peer(false);
    let (home, user) = home(&peer);
    killed_behind_a_call(&home, user, &peer);
    let edited = home.read(SESSION).replace("4711", "secret number that is gone");
    fs::write(home.path(SESSION), edited).expect("edited");
    for _ in 0..2 {
        let daemon = start(&home, user, &peer);
        let marker = peer.say(OTHER, OTHER, "are you well?");
        assert!(peer.wait_reply(&marker, SOON).is_some(), "{}", daemon.log());
        let told = peer.wait_sent(OWNER, SOON, |s| s.text.contains("set your message aside"));
        assert!(told.is_some(), "{:?}\n{}", peer.texts(OWNER), daemon.log());
        daemon.kill9();
        assert_eq!(home.read("workspace/effects.txt"), "ran\n");
    }
    let daemon = start(&home, user, &peer);
    let marker = peer.say(OWNER, OWNER, "and me?");
    assert!(peer.wait_reply(&marker, SOON).is_some(), "{}", daemon.log());
    assert_eq!(told_aside(&peer), 1, "{:?}", peer.texts(OWNER));
    let kept: Vec<_> = fs::read_dir(home.path("state/quarantine")).expect("folder").collect();
    assert_eq!(kept.len(), 1);
}

#[test]
fn a_session_that_cannot_be_read_is_nobody_elses_affair() {
    let peer = peer(false);
    let (home, user) = home(&peer);
    killed_behind_a_call(&home, user, &peer);
    let mode = |mode| set_permissions(home.path(SESSION), Permissions::from_mode(mode));
    mode(0o000).expect("closed");
    let mut said = Vec::new();
    for _ in 0..3 {
        let daemon = start(&home, user, &peer);
        for chat in [OTHER, OWNER] {
            let marker = peer.say(chat, chat, "are you well?");
            assert!(peer.wait_reply(&marker, SOON).is_some(), "{}", daemon.log());
            said.push(marker);
        }
        daemon.rest(&peer);
        let status = home.run(&["status"]).stdout;
        assert!(!status.contains("Durability: off"), "{status}");
        daemon.kill9();
        assert_eq!(home.read("workspace/effects.txt"), "ran\n");
    }
    assert_eq!(told_aside(&peer), 1, "{:?}", peer.texts(OWNER));
    assert!(peer.duplicated().is_empty(), "{:?}", peer.duplicated());
    mode(0o600).expect("open again");
    let daemon = start(&home, user, &peer);
    let marker = peer.say(OWNER, OWNER, "and now?");
    assert!(peer.wait_reply(&marker, SOON).is_some(), "{}", daemon.log());
    assert!(daemon.term().success());
    // What was said meanwhile waited for the file.
    let lines = home.read(SESSION);
    for marker in said.iter().skip(1).step_by(2).chain([&marker]) {
        assert!(lines.contains(&marker.to_string()), "{marker:?} is not in\n{lines}");
    }
}

#[test]
fn a_session_that_was_shortened_hides_nothing() {
    let peer = peer(false);
    let (home, user) = home(&peer);
    let daemon = start(&home, user, &peer);
    for n in 0..3 {
        let marker = peer.say(OWNER, OWNER, &format!("fact {n}"));
        assert!(peer.wait_reply(&marker, SOON).is_some(), "{}", daemon.log());
    }
    assert!(daemon.term().success());
    // A summary that replaces two of them, and then the owner deletes the file.
    let skip = home.read(SESSION).lines().take(4).map(|line| line.len() + 1).sum::<usize>();
    let meta = json!({ "key": "telegram:1001", "skip": 4, "count": 6, "skip_bytes": skip, "summary": "facts" });
    let path = home.path("sessions/telegram_1001.meta.json");
    fs::write(&path, meta.to_string()).expect("a mark");
    std::os::unix::fs::chown(&path, user, user).expect("theirs");
    fs::remove_file(home.path(SESSION)).expect("deleted");
    let daemon = start(&home, user, &peer);
    for n in 3..6 {
        let marker = peer.say(OWNER, OWNER, &format!("fact {n}"));
        assert!(peer.wait_reply(&marker, SOON).is_some(), "{}", daemon.log());
    }
    let last = peer.requests().pop().expect("a request").to_string();
    for n in 3..6 {
        assert!(last.contains(&format!("fact {n}")), "{n}: {last}");
    }
}
