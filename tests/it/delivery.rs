//! Replies that are long, that are refused, and servers that fail: what is delivered, and how often.

use std::time::Duration;

use picoclaw_peer::{Drive, Mode, Peer, Say};
use serde_json::{Value, json};

use crate::harness::{Home, OWNER, SOON, eventually, peer};
use crate::harness_daemon::Daemon;

/// A load under rules: everything is answered; returns the books.
#[track_caller]
fn under(rules: &[&str], n: u64) -> Value {
    let peer = peer(true);
    let home = Home::new(&peer);
    let daemon = Daemon::start(&home, &peer);
    peer.faults_seeded(rules, 11);
    let stats = peer.drive(&Drive {
        n,
        mode: Mode::Closed,
        tool_every: 4,
        patience: Duration::from_secs(40),
        ..Drive::default()
    });
    peer.faults(&[]);
    assert!(peer.wait_all(SOON), "lost: {:?}\n{}", peer.lost(), daemon.log());
    assert_eq!(peer.refused(), Vec::<String>::new());
    stats
}

#[track_caller]
fn answers(peer: &Peer, daemon: &Daemon, text: &str) {
    let marker = peer.say(OWNER, OWNER, text);
    assert!(peer.wait_reply(&marker, SOON).is_some(), "{:?}\n{}", peer.texts(OWNER), daemon.log());
}

#[test]
fn a_long_reply_comes_in_whole_messages() {
    let peer = peer(false);
    let home = Home::new(&peer);
    let daemon = Daemon::start(&home, &peer);
    answers(&peer, &daemon, "tell me everything [long:10000]");
    let texts = peer.texts(OWNER);
    assert!(texts.len() >= 3, "{}", texts.len());
    assert!(texts.iter().all(|t| t.encode_utf16().count() <= 4096));
    let all = texts.join("\n");
    assert!((1..=800).all(|i| all.contains(&format!("word{i}"))), "words got lost");
}

#[test]
fn code_stays_code_over_a_split_and_surrogates_stay_whole() {
    let peer = peer(false);
    let home = Home::new(&peer);
    let daemon = Daemon::start(&home, &peer);
    let code = format!("```rust\n{}```\n", "let x = 1; // 😀 & <tag>\n".repeat(300));
    answers(&peer, &daemon, &format!("show [say:{}]", json!(code)));
    let parts: Vec<_> = peer.sent().into_iter().filter(|s| s.text.contains("let x")).collect();
    assert!(parts.len() >= 2);
    for part in &parts {
        assert!(part.entities.iter().any(|e| e["type"] == "pre"), "{}", part.raw);
        assert!(!part.text.contains("```"), "{}", part.text);
    }
    let lines: usize =
        parts.iter().map(|p| p.text.matches("let x = 1; // 😀 & <tag>").count()).sum();
    assert_eq!(lines, 300);
}

#[test]
fn markdown_arrives_as_html_and_refused_markup_as_plain_text() {
    let peer = peer(false);
    let home = Home::new(&peer);
    let daemon = Daemon::start(&home, &peer);
    answers(&peer, &daemon, r#"[say:"**bold** and `code` 1 < 2 & 3"]"#);
    let sent = peer.sent().pop().expect("a message");
    let kinds: Vec<_> = sent.entities.iter().filter_map(|e| e["type"].as_str()).collect();
    assert_eq!((sent.parse_mode.as_str(), kinds), ("HTML", vec!["bold", "code"]));
    assert!(sent.text.starts_with("bold and code 1 < 2 & 3"), "{}", sent.text);
    // A server that likes no markup at all still gets the words.
    peer.faults(&["tg:sendMessage:400:1:max=1"]);
    answers(&peer, &daemon, r#"[say:"**bold**"]"#);
}

#[test]
fn refusals_and_errors_of_telegram_lose_and_repeat_nothing() {
    let stats = under(&["tg:sendMessage:429:0.2", "tg:*:500:0.1", "tg:*:drop_before:0.1"], 20);
    assert_eq!(stats["duplicated"], 0, "{stats}");
}

#[test]
fn chats_that_are_refused_for_long_hold_up_nobody_elsewhere() {
    let peer = peer(false);
    let home =
        Home::patched(&peer, &json!({ "channel_list": { "telegram": { "allow_from": ["*"] } } }));
    let daemon = Daemon::start(&home, &peer);
    peer.faults(&["tg:sendMessage:429:1:retry_after=600"]);
    for chat in 1..=6 {
        peer.say(2000 + chat, 2000 + chat, "hello");
    }
    assert!(peer.wait_faults(3, SOON), "{}", daemon.log());
    let done = home.run(&["agent", "-m", "hello"]);
    assert!(done.status.success() && done.stdout.contains("HEARTBEAT_OK"), "{done:?}");
    peer.faults(&[]);
}

#[test]
fn broken_answers_of_telegram_lose_nothing() {
    // After a lost answer nobody can know whether the message was taken: repeats are allowed, losses are not.
    let stats = under(&["tg:*:drop_after:0.1", "tg:*:malformed:0.1", "tg:*:reset:0.05"], 20);
    assert_eq!(stats["lost"], 0, "{stats}");
}

#[test]
fn a_model_that_fails_now_and_then_is_asked_again() {
    let rules = ["llm:*:500:0.03", "llm:*:429:0.03", "llm:*:drop_before:0.03", "llm:*:reset:0.02"];
    let stats = under(&rules, 15);
    assert_eq!((&stats["lost"], &stats["duplicated"]), (&json!(0), &json!(0)), "{stats}");
}

#[test]
fn a_poll_that_hangs_or_conflicts_is_taken_up_again() {
    let peer = peer(false);
    let home = Home::new(&peer);
    peer.faults(&[
        "tg:getUpdates:409:1:max=2",
        "tg:getUpdates:502:1:max=1",
        "tg:getUpdates:malformed:1:max=1",
    ]);
    let daemon = Daemon::start(&home, &peer);
    let marker = peer.say(OWNER, OWNER, "hello");
    // The other program's poll is given 5 s, then 10 s.
    assert!(peer.wait_reply(&marker, 3 * SOON).is_some(), "{}", daemon.log());
}

#[test]
fn a_network_that_comes_back_is_used() {
    let peer = peer(true);
    let home = Home::new(&peer);
    peer.offline(true);
    let mut daemon = Daemon::spawn(&home);
    let marker = peer.say(OWNER, OWNER, "said in the dark");
    daemon.says("cannot receive");
    assert!(daemon.runs(), "{}", daemon.log());
    peer.offline(false);
    assert!(peer.wait_reply(&marker, SOON).is_some(), "{}", daemon.log());
}

#[test]
fn a_blocked_chat_ends_its_delivery_only() {
    let peer = peer(false);
    let other = OWNER + 1;
    let allowed = json!([OWNER.to_string(), other.to_string()]);
    let home =
        Home::patched(&peer, &json!({ "channel_list": { "telegram": { "allow_from": allowed } } }));
    let daemon = Daemon::start(&home, &peer);
    peer.block(other, true);
    peer.say(other, other, "hello");
    assert!(peer.wait_calls("llm.chat", 1, SOON), "{}", daemon.log());
    answers(&peer, &daemon, "hello");
    let refused = || daemon.log().contains("refused for good").then_some(());
    assert!(eventually(SOON, refused).is_some(), "{}", daemon.log());
    let tries = peer.calls("tg.sendMessage");
    daemon.idle(&peer);
    assert_eq!(peer.calls("tg.sendMessage"), tries, "a 403 was tried again");
    peer.block(other, false);
    let marker = peer.say(other, other, "hello again");
    assert!(peer.wait_reply(&marker, SOON).is_some(), "{}", daemon.log());
}

#[test]
fn a_group_that_became_a_supergroup_keeps_its_session() {
    let peer = peer(false);
    let home = Home::new(&peer);
    let daemon = Daemon::start(&home, &peer);
    let (old, new) = (-88, -1_000_000_000_088);
    let (marker, _) = peer.tell(Say::new(old, OWNER, "my bicycle is green"));
    assert!(peer.wait_reply(&marker, SOON).is_some(), "{}", daemon.log());
    peer.migrate(old, new);
    let (marker, _) = peer.tell(Say::new(old, OWNER, "still here?"));
    let there = peer.wait_sent(new, SOON, |s| s.text.contains(&marker.answer()));
    assert!(there.is_some(), "{:?}\n{}", peer.texts(new), daemon.log());
    let (marker, _) = peer.tell(Say::new(new, OWNER, "what colour is it?"));
    assert!(peer.wait_reply(&marker, SOON).is_some(), "{}", daemon.log());
    let request = peer.requests().pop().expect("a request").to_string();
    assert!(request.contains("my bicycle is green"));
}

#[test]
fn a_rejected_token_is_reported_and_not_hammered() {
    let peer = peer(false);
    let home = Home::new(&peer);
    peer.revoke_token(true);
    let mut daemon = Daemon::spawn(&home);
    daemon.says("trying again every 5 minutes");
    let calls = |p: &Peer| p.calls("tg.getMe") + p.calls("tg.getUpdates");
    let before = calls(&peer);
    assert!(daemon.runs());
    let status = home.run(&["status"]);
    assert_eq!((before, calls(&peer)), (1, 1), "it asks again and again");
    assert!(status.stdout.to_lowercase().contains("token"), "{status:?}");
    assert!(!(daemon.log() + &status.all()).contains("1:test"), "the token was printed");
}
