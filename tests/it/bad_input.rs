//! What no server and no model should send: a clear error or a bounded retry, never a crash, a stuck
//! chat or unbounded memory.

use std::time::Duration;

use picoclaw_peer::{Peer, Say};
use serde_json::{Value, json};

use crate::harness::{Home, OWNER, SOON, eventually, peer};
use crate::harness_daemon::Daemon;

/// The daemon's memory never grows beyond this, debug build and all.
const PEAK_KB: u64 = 24 * 1024;
/// A broken answer may be asked for again before the chat is told.
const RETRIES: Duration = Duration::from_secs(60);

/// Retries follow each other at once, so that the tests do not wait for politeness.
fn start(peer: &Peer) -> (Home, Daemon) {
    let home = Home::patched(
        peer,
        &json!({ "agents": { "defaults": { "llm_retry_backoff_secs": 1, "max_llm_retries": 1 } } }),
    );
    let daemon = Daemon::start(&home, peer);
    (home, daemon)
}

/// It lives, answers the next message, and is no larger than it was.
#[track_caller]
fn is_well(peer: &Peer, daemon: &mut Daemon) {
    assert!(daemon.runs(), "it died\n{}", daemon.log());
    let marker = peer.say(OWNER, OWNER, "are you well?");
    assert!(
        peer.wait_reply(&marker, RETRIES).is_some(),
        "stuck: {:?}\n{}",
        peer.texts(OWNER),
        daemon.log()
    );
    let peak = daemon.memory_kb("VmHWM");
    assert!(peak < PEAK_KB, "{peak} kB\n{}", daemon.log());
}

/// The model breaks as `directive` says: the chat hears of it, and the next message is answered.
#[track_caller]
fn model_that(directive: &str, streaming: bool) {
    let peer = peer(false);
    let model = json!([{
        "model_name": "m", "model": "openai/test", "api_base": format!("{}/v1", peer.base_url()),
        "api_keys": ["k-test-123456"], "streaming": { "enabled": streaming },
    }]);
    let home = Home::patched(
        &peer,
        &json!({
            "model_list": model,
            "agents": { "defaults": { "llm_retry_backoff_secs": 1, "max_llm_retries": 1 } },
        }),
    );
    let mut daemon = Daemon::start(&home, &peer);
    peer.say(OWNER, OWNER, directive);
    let told = eventually(RETRIES, || (!peer.sent().is_empty()).then_some(()));
    assert!(told.is_some(), "the chat heard nothing of {directive}\n{}", daemon.log());
    let calls = peer.calls("llm.chat");
    assert!(calls <= 60, "{calls} requests for {directive}");
    is_well(&peer, &mut daemon);
    assert_eq!(peer.refused(), Vec::<String>::new(), "after {directive}");
}

/// Telegram sends `updates`: they are survived, and the next message is answered.
#[track_caller]
fn telegram_that_sends(updates: &[Value]) {
    let peer = peer(false);
    let (_home, mut daemon) = start(&peer);
    for update in updates {
        peer.update(update.clone());
    }
    is_well(&peer, &mut daemon);
    let drained = eventually(SOON, || (peer.stats()["pending_updates"] == 0).then_some(()));
    assert!(drained.is_some(), "updates are stuck\n{}", daemon.log());
}

#[test]
fn model_malformed_json() {
    model_that("[notjson]", false);
    model_that("[notjson]", true);
}

#[test]
fn model_body_of_20_mb() {
    model_that("[huge:20000000]", false);
    model_that("[huge:20000000]", true);
}

#[test]
fn model_missing_fields() {
    for field in ["choices", "message", "content", "finish_reason", "id"] {
        model_that(&format!("[missing:{field}]"), false);
    }
    model_that("[missing:delta]", true);
    model_that("[missing:arguments] [tool:list_dir]", false);
    model_that("[missing:function] [tool:list_dir]", false);
}

#[test]
fn model_invalid_utf8() {
    model_that("[invalid-utf8]", false);
    model_that("[invalid-utf8]", true);
}

#[test]
fn model_empty_answer() {
    model_that("[empty]", false);
    model_that("[empty]", true);
}

#[test]
fn model_arguments_that_are_not_json() {
    model_that("[badargs:read_file]", false);
    model_that("[badargs:read_file]", true);
}

#[test]
fn model_calls_an_unknown_tool() {
    model_that("[call:no_such_tool {}]", false);
}

#[test]
fn model_arguments_that_do_not_fit_the_schema() {
    model_that(
        r#"[call:read_file {"path":7}] [call:read_file {}] [call:read_file {"path":"a","colour":1}]"#,
        false,
    );
}

#[test]
fn model_that_loops() {
    model_that("[loop:list_dir]", false);
    model_that(r#"[loop:read_file {"path":"no/such/file"}]"#, false);
    model_that("[loop:no_such_tool {}]", false);
}

#[test]
fn model_arguments_without_end() {
    model_that("[bigargs:write_file x1000000]", false);
    model_that("[bigargs:write_file x1000000]", true);
}

#[test]
fn truncated_and_garbled_responses() {
    for rule in [
        "tg:getUpdates:malformed:1:max=3",
        "tg:getUpdates:garbled:1:max=3",
        "tg:sendMessage:malformed:1:max=1",
        "tg:sendMessage:garbled:1:max=1",
        "tg:getMe:malformed:1:max=1",
        "tg:sendChatAction:garbled:1:max=3",
        "llm:chat:malformed:1:max=1",
        "llm:chat:garbled:1:max=1",
    ] {
        let peer = peer(false);
        let (_home, mut daemon) = start(&peer);
        peer.faults(&[rule]);
        is_well(&peer, &mut daemon);
    }
}

#[test]
fn telegram_unknown_update_kinds() {
    telegram_that_sends(&[
        json!({ "telepathy": { "thought": "hello" } }),
        json!({ "poll_answer": { "poll_id": "1", "option_ids": [0] } }),
        json!({}),
    ]);
}

#[test]
fn telegram_missing_and_wrong_fields() {
    let chat = json!({ "id": OWNER, "type": "private" });
    let from = json!({ "id": OWNER, "is_bot": false, "first_name": "x" });
    telegram_that_sends(&[
        json!({ "message": {} }),
        json!({ "message": null }),
        json!({ "message": "text" }),
        json!({ "message": { "message_id": 1, "date": 0, "chat": chat } }),
        json!({ "message": { "message_id": 2, "date": 0, "from": from, "text": "no chat" } }),
        json!({ "message": { "message_id": 3, "date": 0, "from": from, "chat": chat } }),
        json!({ "message": { "message_id": 4, "date": 0, "from": from, "chat": chat, "text": 7 } }),
        json!({ "message": { "message_id": "5", "date": "x", "from": from, "chat": { "id": "1001" }, "text": "x" } }),
        json!({ "message": { "message_id": 6, "date": 0, "from": from, "chat": chat, "photo": [] } }),
        json!({ "message": { "message_id": 7, "date": 0, "from": from, "chat": chat, "photo": [{}] } }),
        json!({ "message": { "message_id": 8, "date": 0, "from": from, "chat": chat, "document": {} } }),
        json!({ "message": { "message_id": 9, "date": 0, "from": from, "chat": chat, "text": "x",
            "entities": [{ "type": "mention", "offset": 900, "length": 9 }, { "type": "mention", "offset": -1, "length": -1 }] } }),
        json!({ "callback_query": { "id": "1" } }),
    ]);
}

#[test]
fn telegram_updates_that_are_no_objects() {
    telegram_that_sends(&[json!(7), json!("x"), json!([]), json!(null)]);
}

#[test]
fn telegram_body_of_20_mb() {
    telegram_that_sends(&[json!({ "message": {
        "message_id": 1, "date": 0, "chat": { "id": OWNER, "type": "private" },
        "from": { "id": OWNER, "is_bot": false, "first_name": "x" }, "text": "x".repeat(20_000_000),
    } })]);
}

#[test]
fn telegram_message_of_100_kb() {
    let peer = peer(false);
    let (_home, mut daemon) = start(&peer);
    peer.tell(Say::new(OWNER, OWNER, "y".repeat(100_000)).unmarked());
    let told = eventually(SOON, || (!peer.sent().is_empty()).then_some(()));
    assert!(told.is_some(), "no answer\n{}", daemon.log());
    is_well(&peer, &mut daemon);
}

#[test]
fn a_burst_is_neither_lost_nor_hoarded() {
    let peer = peer(true);
    let (_home, mut daemon) = start(&peer);
    let markers: Vec<_> = (0..300).map(|_| peer.say(OWNER, OWNER, "hello")).collect();
    assert!(peer.wait_all(Duration::from_secs(120)), "{:?}\n{}", peer.lost(), daemon.log());
    let firsts: Vec<_> = markers.iter().map(|m| peer.answers(m)[0]).collect();
    assert!(firsts.is_sorted(), "the order of a chat was lost");
    is_well(&peer, &mut daemon);
}
