//! The rules of a turn: what is refused, what runs side by side, what is said once.

use picoclaw_peer::Peer;
use serde_json::Value;

use crate::harness::{Home, OWNER, SOON, peer};
use crate::harness_daemon::Daemon;

/// Says `text`, waits for the answer and returns the request behind it.
#[track_caller]
fn asked(peer: &Peer, daemon: &Daemon, text: &str) -> Value {
    let marker = peer.say(OWNER, OWNER, text);
    assert!(peer.wait_reply(&marker, SOON).is_some(), "{:?}\n{}", peer.texts(OWNER), daemon.log());
    peer.requests().pop().expect("a request")
}

/// Contents of all tool results in a request.
fn results(request: &Value) -> Vec<&str> {
    let messages = request["messages"].as_array().map(Vec::as_slice).unwrap_or_default();
    messages.iter().filter(|m| m["role"] == "tool").filter_map(|m| m["content"].as_str()).collect()
}

#[test]
fn an_identical_failing_call_is_refused_the_third_time() {
    let peer = peer(false);
    let home = Home::new(&peer);
    let daemon = Daemon::start(&home, &peer);
    let call = r#"[call:read_file {"path":"no/such/file"}]"#;
    let other = r#"[call:read_file {"path":"no/such/other"}]"#;
    let request = asked(&peer, &daemon, &format!("{call} {call} {call} {other}"));
    let results = results(&request);
    assert_eq!(results.len(), 4, "{results:?}");
    let refused: Vec<bool> = results.iter().map(|r| r.contains("not run: the same call")).collect();
    assert_eq!(refused, [false, false, true, false], "{results:?}");
}

#[test]
fn calls_that_only_read_run_together_and_keep_their_order() {
    let peer = peer(false);
    let home = Home::new(&peer);
    let daemon = Daemon::start(&home, &peer);
    asked(&peer, &daemon, r#"[call:write_file {"path":"a.txt","content":"first"}] done"#);
    let request = asked(&peer, &daemon, "[tool:list_dir+list_dir+list_dir+list_dir+list_dir] done");
    let results = results(&request);
    let listings = results.iter().filter(|r| r.contains("FILE: a.txt")).count();
    assert_eq!(listings, 5, "{results:?}");
}

#[test]
fn the_message_tool_speaks_and_the_closing_words_are_not_sent_twice() {
    let peer = peer(false);
    let home = Home::new(&peer);
    let daemon = Daemon::start(&home, &peer);
    let before = peer.calls("llm.chat");
    peer.say(OWNER, OWNER, r#"[call:message {"content":"said by the tool"}] bye"#);
    let said = peer.wait_sent(OWNER, SOON, |s| s.text.contains("said by the tool"));
    assert!(said.is_some(), "{:?}\n{}", peer.texts(OWNER), daemon.log());
    assert!(peer.wait_calls("llm.chat", before + 2, SOON), "{}", daemon.log());
    let marker = peer.say(OWNER, OWNER, "and now?");
    assert!(peer.wait_reply(&marker, SOON).is_some(), "{}", daemon.log());
    assert_eq!(peer.texts(OWNER).len(), 2, "{:?}", peer.texts(OWNER));
}

#[test]
fn a_placeholder_goes_with_a_turn_that_has_no_answer() {
    let peer = peer(false);
    let placeholder = serde_json::json!({ "enabled": true, "text": "Wait..." });
    let telegram = serde_json::json!({ "telegram": { "placeholder": placeholder } });
    let home = Home::patched(&peer, &serde_json::json!({ "channel_list": telegram }));
    let daemon = Daemon::start(&home, &peer);
    peer.say(OWNER, OWNER, r#"[call:message {"content":"said by the tool"}] bye"#);
    let shown = peer.wait_sent(OWNER, SOON, |s| s.text.contains("Wait..."));
    assert!(shown.is_some(), "{:?}\n{}", peer.texts(OWNER), daemon.log());
    assert!(peer.wait_calls("tg.deleteMessage", 1, SOON), "{}", daemon.log());
}

#[test]
fn a_message_to_another_chat_does_not_take_the_place_of_the_answer() {
    let peer = peer(false);
    let home = Home::new(&peer);
    let daemon = Daemon::start(&home, &peer);
    let other = OWNER + 1;
    let call = format!(r#"[call:message {{"content":"for the other","chat_id":"{other}"}}]"#);
    let marker = peer.say(OWNER, OWNER, &call);
    let told = peer.wait_sent(other, SOON, |s| s.text.contains("for the other"));
    assert!(told.is_some(), "{:?}\n{}", peer.texts(other), daemon.log());
    let answered = peer.wait_reply(&marker, SOON);
    assert!(answered.is_some(), "{:?}\n{}", peer.texts(OWNER), daemon.log());
}

#[test]
fn rounds_end_at_the_limit_with_advice() {
    let peer = peer(false);
    let home = Home::patched(
        &peer,
        &serde_json::json!({ "agents": { "defaults": { "max_tool_iterations": 3 } } }),
    );
    let daemon = Daemon::start(&home, &peer);
    peer.say(OWNER, OWNER, "[loop:list_dir]");
    let told = peer.wait_sent(OWNER, SOON, |s| s.text.contains("max_tool_iterations"));
    assert!(told.is_some(), "{:?}\n{}", peer.texts(OWNER), daemon.log());
    assert_eq!(peer.calls("llm.chat"), 3);
}
