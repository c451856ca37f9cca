//! Who may talk: strangers, pairing, groups.

use picoclaw_peer::{Peer, Say};
use serde_json::{Value, json};

use crate::harness::{Home, OWNER, SOON, STRANGER, eventually, peer};
use crate::harness_daemon::Daemon;

/// A group the bot is in.
const GROUP: i64 = -77;
/// A code the owner chose.
const CODE: &str = "HERON427";

fn telegram(patch: Value) -> Value {
    json!({ "channel_list": { "telegram": patch } })
}

/// Waits for something new in a chat.
#[track_caller]
fn shown(peer: &Peer, daemon: &Daemon, chat: i64, words: &str) -> String {
    let sent = peer.wait_sent(chat, SOON, |s| s.text.to_lowercase().contains(words));
    match sent {
        Some(sent) => sent.text,
        None => panic!("no {words:?} in {:?}\n{}", peer.texts(chat), daemon.log()),
    }
}

/// The pairing code a text shows: eight capital letters and digits of their own.
fn code_in(text: &str) -> Option<String> {
    let words = text.split(|c: char| !c.is_ascii_alphanumeric());
    let looks = |w: &&str| {
        let plain = |b: u8| b.is_ascii_uppercase() || b.is_ascii_digit();
        w.len() == 8 && w.bytes().all(plain) && w.bytes().any(|b| b.is_ascii_uppercase())
    };
    let after = text.to_lowercase().find("pair").map_or(0, |at| at.min(text.len()));
    let near = text.get(after..).unwrap_or(text);
    let mut near = near.split(|c: char| !c.is_ascii_alphanumeric());
    near.find(looks).or_else(|| words.into_iter().find(looks)).map(str::to_owned)
}

#[test]
fn a_stranger_gets_one_answer_and_no_model() {
    let peer = peer(false);
    let home = Home::new(&peer);
    let daemon = Daemon::start(&home, &peer);
    let first = peer.say(STRANGER, STRANGER, "hello");
    shown(&peer, &daemon, STRANGER, "/pair");
    peer.say(STRANGER, STRANGER, "hello again");
    peer.say(STRANGER, STRANGER, "anybody?");
    let owner = peer.say(OWNER, OWNER, "hello");
    assert!(peer.wait_reply(&owner, SOON).is_some(), "{}", daemon.log());
    daemon.idle(&peer);
    assert!(peer.answers(&first).is_empty());
    assert_eq!(peer.texts(STRANGER).len(), 1, "{:?}", peer.texts(STRANGER));
    assert_eq!(peer.calls("llm.chat"), 1);
}

#[test]
fn an_empty_list_is_nobody_and_a_star_is_everybody() {
    let peer = peer(false);
    let home = Home::patched(&peer, &telegram(json!({ "allow_from": [] })));
    let daemon = Daemon::start(&home, &peer);
    peer.say(OWNER, OWNER, "hello");
    shown(&peer, &daemon, OWNER, "/pair");
    drop(daemon);
    let home = Home::patched(&peer, &telegram(json!({ "allow_from": ["*"] })));
    let daemon = Daemon::start(&home, &peer);
    let marker = peer.say(STRANGER, STRANGER, "hello");
    assert!(peer.wait_reply(&marker, SOON).is_some(), "{}", daemon.log());
    assert!(daemon.log().contains('*'), "an open bot is warned about:\n{}", daemon.log());
}

#[test]
fn the_code_in_the_log_pairs_for_good() {
    let peer = peer(false);
    let home = Home::new(&peer);
    let daemon = Daemon::start(&home, &peer);
    peer.say(STRANGER, STRANGER, "hello");
    shown(&peer, &daemon, STRANGER, "/pair");
    let code = eventually(SOON, || code_in(&daemon.log()));
    let code = code.unwrap_or_else(|| panic!("no code in the log\n{}", daemon.log()));
    let status = home.run(&["status"]);
    assert!(status.stdout.contains(&code), "{status:?}");
    peer.command(STRANGER, "/pair WRONG123");
    peer.command(STRANGER, &format!("/pair {code}"));
    let paired = eventually(SOON, || home.read("state/paired.json").contains("2002").then_some(()));
    assert!(paired.is_some(), "{:?}\n{}", peer.texts(STRANGER), daemon.log());
    let marker = peer.say(STRANGER, STRANGER, "and now?");
    assert!(peer.wait_reply(&marker, SOON).is_some(), "{}", daemon.log());
    // The owner sees who it was, and scripts read it.
    let told = home.run(&["status"]).stdout;
    assert!(told.contains("  paired telegram: [\"2002\"]\n"), "{told}");
    let told: Value = serde_json::from_str(&home.run(&["status", "--json"]).stdout).expect("JSON");
    assert_eq!(told["paired"], json!({ "telegram": ["2002"] }), "{told}");
    // One use.
    peer.command(STRANGER + 1, &format!("/pair {code}"));
    let other = peer.say(STRANGER + 1, STRANGER + 1, "me too?");
    daemon.idle(&peer);
    assert!(peer.answers(&other).is_empty());
    // For good.
    daemon.kill9();
    let daemon = Daemon::start(&home, &peer);
    let marker = peer.say(STRANGER, STRANGER, "still?");
    assert!(peer.wait_reply(&marker, SOON).is_some(), "{}", daemon.log());
}

#[test]
fn a_bot_without_users_logs_its_code_before_anybody_writes() {
    let peer = peer(false);
    let home = Home::patched(&peer, &telegram(json!({ "allow_from": [] })));
    let daemon = Daemon::start(&home, &peer);
    let code = eventually(SOON, || code_in(&daemon.log()));
    let code = code.unwrap_or_else(|| panic!("no code in the log\n{}", daemon.log()));
    assert!(home.run(&["status"]).stdout.contains(&code));
    peer.say(STRANGER, STRANGER, "hello");
    shown(&peer, &daemon, STRANGER, "/pair");
    assert_eq!(daemon.log().matches(&code).count(), 1, "{}", daemon.log());
    peer.command(STRANGER, &format!("/pair {code}"));
    let marker = peer.say(STRANGER, STRANGER, "and now?");
    assert!(peer.wait_reply(&marker, SOON).is_some(), "{}", daemon.log());
}

#[test]
fn a_code_the_owner_chose_works_and_guessing_ends() {
    let peer = peer(false);
    let patch = json!({ "allow_from": [], "settings": { "pairing_code": CODE } });
    let home = Home::patched(&peer, &telegram(patch));
    let daemon = Daemon::start(&home, &peer);
    for i in 0..5 {
        peer.command(STRANGER, &format!("/pair WRONG00{i}"));
    }
    peer.command(STRANGER, &format!("/pair {CODE}"));
    let locked = peer.say(STRANGER, STRANGER, "let me in");
    daemon.idle(&peer);
    assert!(peer.answers(&locked).is_empty(), "five tries were up");
    peer.command(OWNER, &format!("/pair {CODE}"));
    let paired = eventually(SOON, || home.read("state/paired.json").contains("1001").then_some(()));
    assert!(paired.is_some(), "{:?}\n{}", peer.texts(OWNER), daemon.log());
    let marker = peer.say(OWNER, OWNER, "hello");
    assert!(peer.wait_reply(&marker, SOON).is_some(), "{}", daemon.log());
    assert!(!daemon.log().contains(CODE), "the owner's code was printed\n{}", daemon.log());
}

#[test]
fn groups_never_answer_strangers_and_wait_to_be_asked() {
    let peer = peer(false);
    let home =
        Home::patched(&peer, &telegram(json!({ "group_trigger": { "mention_only": true } })));
    let daemon = Daemon::start(&home, &peer);
    peer.tell(Say::new(GROUP, STRANGER, "@peer_bot hello"));
    peer.tell(Say::new(GROUP, OWNER, "not for the bot"));
    let (marker, _) = peer.tell(Say::new(GROUP, OWNER, "@peer_bot this is"));
    assert!(peer.wait_reply(&marker, SOON).is_some(), "{}", daemon.log());
    let reply = peer.sent().pop().expect("a message");
    let (marker, _) =
        peer.tell(Say::new(GROUP, OWNER, "go on").replying_to_bot(reply.message_id, "x"));
    assert!(peer.wait_reply(&marker, SOON).is_some(), "{}", daemon.log());
    assert_eq!(peer.texts(GROUP).len(), 2, "{:?}", peer.texts(GROUP));
}

#[test]
fn a_prefix_calls_the_bot_and_topics_are_answered_in_their_topic() {
    let peer = peer(false);
    let trigger = json!({ "group_trigger": { "prefixes": ["hey claw"] } });
    let home = Home::patched(&peer, &telegram(trigger));
    let daemon = Daemon::start(&home, &peer);
    let silent = peer.tell(Say::new(GROUP, OWNER, "hello all")).0;
    let marker = peer.tell(Say::new(GROUP, OWNER, "hey claw, hello").topic(5)).0;
    assert!(peer.wait_reply(&marker, SOON).is_some(), "{}", daemon.log());
    daemon.idle(&peer);
    assert!(peer.answers(&silent).is_empty());
    let answer = peer.wait_sent(GROUP, SOON, |s| s.text.contains(&marker.answer()));
    assert_eq!(answer.map(|s| s.topic), Some(5));
}
