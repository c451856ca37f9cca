//! More comes than fits: nothing is lost, nobody else waits, and what people need now is heard.

use picoclaw_peer::{Marker, Peer, Sent};
use serde_json::json;

use crate::harness::{Home, OWNER, SOON, eventually, peer};
use crate::harness_daemon::Daemon;

/// Risky by its name, harmless, and it leaves a trace.
const RISKY: &str = r#"[call:exec {"command":"crontab -l; echo x > ran"}]"#;
const OTHER: i64 = OWNER + 1;

fn question(peer: &Peer, daemon: &Daemon) -> Sent {
    let find = || peer.sent().into_iter().find(|s| !s.buttons.is_empty());
    eventually(SOON, find).unwrap_or_else(|| panic!("no question\n{}", daemon.log()))
}

fn start() -> (Peer, Home, Daemon) {
    let peer = peer(false);
    let allowed = json!([OWNER.to_string(), OTHER.to_string()]);
    let patch = json!({ "channel_list": { "telegram": { "allow_from": allowed } } });
    let home = Home::patched(&peer, &patch);
    let daemon = Daemon::start(&home, &peer);
    (peer, home, daemon)
}

/// Long messages of one chat behind an open question.
fn flood(peer: &Peer, count: usize) -> Vec<Marker> {
    (0..count).map(|n| peer.say(OWNER, OWNER, &format!("{n} {}", "x".repeat(4000)))).collect()
}

#[test]
fn a_button_and_another_chat_are_heard_behind_a_flood() {
    let (peer, home, daemon) = start();
    let asking = peer.say(OWNER, OWNER, RISKY);
    let asked = question(&peer, &daemon);
    let markers = flood(&peer, 60);
    let beside = peer.say(OTHER, OTHER, "what time is it?");
    assert!(peer.wait_reply(&beside, SOON).is_some(), "another chat waits\n{}", daemon.log());
    let told = peer.wait_sent(OWNER, SOON, |s| s.text.contains("answered in order"));
    assert!(told.is_some(), "the chat is not told\n{}", daemon.log());
    peer.press(OWNER, OWNER, asked.message_id, &asked.buttons[0].1);
    assert!(peer.wait_reply(&asking, SOON).is_some(), "the button was deaf\n{}", daemon.log());
    assert!(home.path("workspace/ran").exists());
    // Each of the flood reached the model, in order; some may have joined one turn.
    let all = || {
        let seen = peer.requests().iter().map(ToString::to_string).collect::<String>();
        markers.iter().all(|m| seen.contains(&m.to_string())).then_some(())
    };
    assert!(eventually(4 * SOON, all).is_some(), "messages are lost\n{}", daemon.log());
    let told = peer.sent().iter().filter(|s| s.text.contains("answered in order")).count();
    assert_eq!(told, 1, "the chat is told once");
    daemon.rest(&peer);
    let left = std::fs::read_dir(home.path("state")).expect("state").flatten();
    let left: Vec<_> =
        left.filter(|e| e.file_name().to_string_lossy().starts_with("spill")).collect();
    assert!(left.is_empty(), "{left:?}");
}

#[test]
fn stop_is_heard_behind_a_flood() {
    let (peer, _home, daemon) = start();
    peer.say(OWNER, OWNER, RISKY);
    question(&peer, &daemon);
    flood(&peer, 60);
    peer.command(OWNER, "/stop");
    let stopped = || peer.sent().into_iter().find(|s| s.text.contains("Stopped"));
    assert!(eventually(SOON, stopped).is_some(), "{}", daemon.log());
}

#[test]
fn spilled_messages_survive_a_kill() {
    let (peer, home, daemon) = start();
    peer.say(OWNER, OWNER, RISKY);
    question(&peer, &daemon);
    let markers = flood(&peer, 60);
    let beside = peer.say(OTHER, OTHER, "after all of them");
    assert!(peer.wait_reply(&beside, SOON).is_some(), "{}", daemon.log());
    daemon.kill9();
    let daemon = Daemon::start(&home, &peer);
    let all = || {
        let seen = peer.requests().iter().map(ToString::to_string).collect::<String>();
        markers.iter().all(|m| seen.contains(&m.to_string())).then_some(())
    };
    // The question that the kill ended is asked again, and nobody says no.
    let again = || peer.sent().into_iter().filter(|s| !s.buttons.is_empty()).nth(1);
    if let Some(asked) = eventually(SOON, again) {
        peer.press(OWNER, OWNER, asked.message_id, &asked.buttons[1].1);
    }
    let missing = || {
        let seen = peer.requests().iter().map(ToString::to_string).collect::<String>();
        markers.iter().filter(|m| !seen.contains(&m.to_string())).cloned().collect::<Vec<_>>()
    };
    let found = eventually(4 * SOON, all).is_some();
    assert!(found, "messages are lost: {:?}\n{}", missing(), daemon.log());
}

#[test]
fn a_tool_that_says_too_much_is_told_and_the_home_starts() {
    let (peer, home, daemon) = start();
    peer.faults(&["tg:sendMessage:500:1"]);
    let large = "y".repeat(20_000);
    peer.say(OWNER, OWNER, &format!("[loop:message {{\"content\":\"{large}\"}}]"));
    let told = || {
        let refused = |r: &serde_json::Value| r.to_string().contains("too much is waiting");
        peer.requests().iter().any(refused).then_some(())
    };
    assert!(eventually(SOON, told).is_some(), "{}", daemon.log());
    daemon.kill9();
    peer.faults(&[]);
    let daemon = Daemon::start(&home, &peer);
    let again = peer.say(OWNER, OWNER, "still there?");
    assert!(peer.wait_reply(&again, SOON).is_some(), "{}", daemon.log());
}
