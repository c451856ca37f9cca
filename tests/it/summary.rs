//! Long conversations: summarised in the background, compressed when the model has no room.

use picoclaw_peer::Peer;
use serde_json::{Value, json};

use crate::harness::{Home, OWNER, SOON, eventually, peer};
use crate::harness_daemon::Daemon;

#[track_caller]
fn ask(peer: &Peer, daemon: &Daemon, text: &str) -> Value {
    let marker = peer.say(OWNER, OWNER, text);
    assert!(peer.wait_reply(&marker, SOON).is_some(), "no answer to {text}\n{}", daemon.log());
    let mut requests = peer.requests();
    requests.retain(|r| !is_summary(r));
    requests.pop().expect("a request")
}

fn is_summary(request: &Value) -> bool {
    request["messages"][0]["content"].to_string().contains("You write summaries")
}

fn summaries(peer: &Peer) -> Vec<Value> {
    peer.requests().into_iter().filter(is_summary).collect()
}

fn meta(home: &Home) -> Value {
    let text = home.read(&format!("sessions/telegram_{OWNER}.meta.json"));
    serde_json::from_str(&text).unwrap_or_default()
}

fn wait_cut(home: &Home, daemon: &Daemon, more_than: u64) -> Value {
    let cut = || Some(meta(home)).filter(|m| m["skip"].as_u64() > Some(more_than));
    eventually(SOON, cut).unwrap_or_else(|| panic!("no summary\n{}", daemon.log()))
}

/// The parts of a request that are no system prompt.
fn spoken(request: &Value) -> usize {
    request["messages"].as_array().expect("messages").len() - 1
}

#[test]
fn older_messages_become_a_summary_that_is_kept() {
    let peer = peer(false);
    let patch = json!({ "agents": { "defaults": { "summarize_message_threshold": 20 } } });
    let home = Home::patched(&peer, &patch);
    let daemon = Daemon::start(&home, &peer);
    ask(&peer, &daemon, "my bicycle is green");
    for n in 1..10 {
        ask(&peer, &daemon, &format!("this is message {n}"));
    }
    daemon.idle(&peer);
    assert_eq!(summaries(&peer).len(), 0, "20 messages are not too many");
    ask(&peer, &daemon, "one more");
    let first = wait_cut(&home, &daemon, 0);
    assert_eq!((&first["skip"], &first["count"]), (&json!(18), &json!(22)));
    let calls = summaries(&peer);
    assert_eq!(calls.len(), 1, "{calls:?}");
    assert!(calls[0].to_string().contains("my bicycle is green"));
    assert!(calls[0]["tools"].is_null() && calls[0]["max_tokens"] == 1024, "{}", calls[0]);
    let request = ask(&peer, &daemon, "what now?");
    let text = request["messages"].to_string();
    assert!(text.contains("CONTEXT_SUMMARY") && !text.contains("bicycle is green"));
    assert_eq!(spoken(&request), 5, "four are kept, and the question");
    // The second summary knows the first.
    let earlier = first["summary"].as_str().expect("a summary").to_owned();
    for n in 0..9 {
        ask(&peer, &daemon, &format!("second part, message {n}"));
    }
    wait_cut(&home, &daemon, 18);
    let later = summaries(&peer).split_off(calls.len());
    let knows = |request: &Value| request["messages"][1].to_string().contains(&earlier);
    assert!(later.iter().any(knows), "{later:?}");
    let file = home.read(&format!("sessions/telegram_{OWNER}.jsonl"));
    assert!(file.contains("my bicycle is green"), "the file keeps everything");
    assert!(home.run(&["status"]).stdout.contains("% off ("), "{:?}", home.run(&["status"]));
}

#[test]
fn thresholds_are_the_configurations() {
    let peer = peer(false);
    let patch = json!({ "agents": { "defaults": { "summarize_message_threshold": 6 } } });
    let home = Home::patched(&peer, &patch);
    let daemon = Daemon::start(&home, &peer);
    for n in 0..4 {
        ask(&peer, &daemon, &format!("message {n}"));
    }
    let cut = wait_cut(&home, &daemon, 0);
    assert_eq!((&cut["skip"], summaries(&peer).len()), (&json!(4), 1));
}

#[test]
fn without_a_model_excerpts_stand_in() {
    let peer = peer(false);
    let patch = json!({ "agents": { "defaults": { "summarize_message_threshold": 6 } } });
    let home = Home::patched(&peer, &patch);
    let daemon = Daemon::start(&home, &peer);
    ask(&peer, &daemon, "my bicycle is green");
    ask(&peer, &daemon, "and the gate is blue");
    ask(&peer, &daemon, "third");
    peer.faults(&["llm:chat:400:1:skip=1:max=3"]);
    ask(&peer, &daemon, "fourth");
    let cut = wait_cut(&home, &daemon, 0);
    let summary = cut["summary"].as_str().expect("a summary");
    assert!(summary.starts_with("User: my bicycle is green"), "{summary}");
    let request = ask(&peer, &daemon, "what colour is it?").to_string();
    assert!(request.contains("my bicycle is green"));
}

#[test]
fn a_kill_during_a_summary_loses_nothing() {
    let peer = peer(false);
    let patch = json!({ "agents": { "defaults": { "summarize_message_threshold": 6 } } });
    let home = Home::patched(&peer, &patch);
    let daemon = Daemon::start(&home, &peer);
    for text in ["my bicycle is green", "second", "third"] {
        ask(&peer, &daemon, text);
    }
    peer.faults(&["llm:chat:hang:1:skip=1:max=1"]);
    ask(&peer, &daemon, "fourth");
    assert!(peer.wait_faults(1, SOON), "{}", daemon.log());
    // Meanwhile the chat goes on.
    ask(&peer, &daemon, "fifth");
    // Its delivery is recorded before the kill.
    daemon.recorded();
    daemon.kill9();
    let daemon = Daemon::start(&home, &peer);
    let request = ask(&peer, &daemon, "sixth").to_string();
    assert!(request.contains("my bicycle is green") && request.contains("fifth"));
    wait_cut(&home, &daemon, 0);
    let request = ask(&peer, &daemon, "seventh").to_string();
    assert!(request.contains("CONTEXT_SUMMARY"));
    assert_eq!(peer.duplicated(), Vec::new());
}

#[test]
fn a_model_without_room_gets_less_and_the_rest_is_summarised() {
    let peer = peer(false);
    let home = Home::new(&peer);
    let daemon = Daemon::start(&home, &peer);
    for n in 0..6 {
        ask(&peer, &daemon, &format!("message number {n}."));
    }
    let request = ask(&peer, &daemon, "go on [status:413 x1] [tool:list_dir]");
    let text = request["messages"].to_string();
    assert!(text.contains("[Emergency compression dropped 8 oldest messages"), "{text}");
    assert!(!text.contains("message number 2.") && text.contains("message number 5."));
    assert!(text.contains("go on"), "the running turn stays");
    wait_cut(&home, &daemon, 0);
    let text = ask(&peer, &daemon, "and then?")["messages"].to_string();
    assert!(text.contains("CONTEXT_SUMMARY"), "what was dropped is in the summary now");
    assert_eq!(peer.refused().iter().filter(|w| !w.contains("status")).count(), 0);
}

#[test]
fn the_window_and_its_percentage_are_kept() {
    let peer = peer(false);
    // The prompt's own part and the answer take about 4,000 tokens of it.
    let patch = json!({ "agents": { "defaults": {
        "context_window": 9000, "max_tokens": 500, "summarize_token_percent": 25,
    } } });
    let home = Home::patched(&peer, &patch);
    let daemon = Daemon::start(&home, &peer);
    let long = |n: usize| format!("message {n}: {}", "some more words of it ".repeat(150));
    for n in 0..6 {
        ask(&peer, &daemon, &long(n));
    }
    // Long before there are 20 messages: three of these are a quarter of the window.
    wait_cut(&home, &daemon, 0);
    let request = ask(&peer, &daemon, &format!("the last one, {}", "word ".repeat(6000)));
    let text = request["messages"].to_string();
    assert!(text.contains("the last one"), "the running turn stays");
    assert!(!text.contains("message 5:"), "what has no room beside it is left out");
    assert_eq!(peer.refused(), Vec::<String>::new());
}

#[test]
fn cjk_is_counted_as_what_it_is() {
    let peer = peer(false);
    let patch = json!({ "agents": { "defaults": {
        "context_window": 20000, "max_tokens": 500, "summarize_token_percent": 10,
    } } });
    let home = Home::patched(&peer, &patch);
    let daemon = Daemon::start(&home, &peer);
    // 2,400 characters each: 600 tokens of Latin, 2,000 of Chinese. Only the latter go beyond a tenth of the window.
    for n in 0..2 {
        ask(&peer, &daemon, &format!("{n} {}", "word ".repeat(250)));
    }
    daemon.idle(&peer);
    assert_eq!(summaries(&peer).len(), 0);
    for n in 0..3 {
        ask(&peer, &daemon, &format!("{n} {}", "敏捷的棕色狐狸".repeat(180)));
    }
    wait_cut(&home, &daemon, 0);
    let tokens = home.run(&["status"]).stdout;
    assert!(tokens.contains("% off (") && tokens.contains("tokens for each guessed)"), "{tokens}");
}
