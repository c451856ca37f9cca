//! Conversations beside large results and beside each other: nothing of them is lost, and few calls are made for it.

use std::collections::BTreeMap;

use picoclaw_peer::Peer;
use serde_json::{Value, json};

use crate::harness::{Home, OWNER, SOON, peer};
use crate::harness_daemon::Daemon;

/// Says `text` and gives the last request behind its answer.
#[track_caller]
fn asked(peer: &Peer, daemon: &Daemon, text: &str) -> String {
    let marker = peer.say(OWNER, OWNER, text);
    let reply = peer.wait_reply(&marker, SOON);
    assert!(reply.is_some(), "no answer to {text}\n{}", daemon.log());
    peer.requests().pop().expect("a request")["messages"].to_string()
}

/// Files of 47 kB, and a directive that reads them all in one answer.
fn files(home: &Home, count: usize) -> String {
    let call = |n: usize| {
        home.write(&format!("workspace/f{n}.txt"), &format!("file {n}\n").repeat(47_000 / 7));
        format!("[call:read_file {{\"path\":\"f{n}.txt\",\"length\":47000}}]")
    };
    (0..count).map(call).collect()
}

fn wide(peer: &Peer) -> Home {
    let defaults = json!({ "context_window": 200_000, "max_tokens": 8192 });
    Home::patched(peer, &json!({ "agents": { "defaults": defaults } }))
}

#[test]
fn two_large_files_do_not_push_the_conversation_out() {
    let peer = peer(false);
    let home = wide(&peer);
    let daemon = Daemon::start(&home, &peer);
    asked(&peer, &daemon, "my bicycle is green");
    asked(&peer, &daemon, &format!("read {}", files(&home, 2)));
    let request = asked(&peer, &daemon, "what colour is it?");
    assert!(request.contains("my bicycle is green"));
    assert!(request.contains("file 0") && request.contains("file 1"));
    assert!(request.len() > 90_000, "the window has room for both: {}", request.len());
    // After a restart, and from the file alone.
    daemon.idle(&peer);
    daemon.term();
    let daemon = Daemon::start(&home, &peer);
    let request = asked(&peer, &daemon, "and again?");
    assert!(request.contains("my bicycle is green") && request.len() > 90_000);
    assert_eq!(peer.refused(), Vec::<String>::new());
}

#[test]
fn parallel_results_stay_in_the_conversation_together() {
    let peer = peer(false);
    let home = wide(&peer);
    let daemon = Daemon::start(&home, &peer);
    asked(&peer, &daemon, "my bicycle is green");
    let directives = files(&home, 4).replace("][", "] [");
    let together = "[tool:list_dir+list_dir+list_dir]";
    asked(&peer, &daemon, &format!("read {directives} {together}"));
    let request = asked(&peer, &daemon, "what colour is it?");
    assert!(request.contains("my bicycle is green"));
    for n in 0..4 {
        assert!(request.contains(&format!("file {n}")), "file {n} is gone");
    }
    daemon.idle(&peer);
    let kept = home.read(&format!("sessions/telegram_{OWNER}.jsonl"));
    let results = kept.lines().filter(|l| l.contains("\"role\":\"tool\"")).count();
    assert_eq!((results, kept.len() > 4 * 47_000), (7, true));
    assert_eq!(peer.refused(), Vec::<String>::new());
}

#[test]
fn twenty_chats_at_once_keep_all_their_answers() {
    let peer = peer(false);
    let users: Vec<String> = (1..=20).map(|n| n.to_string()).collect();
    let patch = json!({ "channel_list": { "telegram": { "allow_from": users } } });
    let home = Home::patched(&peer, &patch);
    let daemon = Daemon::start(&home, &peer);
    for round in 0..4 {
        let said: Vec<_> =
            (1..=20).map(|user| peer.say(user, user, &format!("round {round}"))).collect();
        for marker in &said {
            assert!(peer.wait_reply(marker, SOON).is_some(), "{}", daemon.log());
        }
    }
    daemon.idle(&peer);
    for user in 1..=20 {
        let kept = home.read(&format!("sessions/telegram_{user}.jsonl"));
        let roles: Vec<bool> = kept.lines().map(|l| l.contains("\"role\":\"user\"")).collect();
        assert_eq!(roles, [true, false, true, false, true, false, true, false], "{kept}");
    }
    // Each request has all that was said in its chat.
    let mut sizes = BTreeMap::new();
    for request in peer.requests() {
        let messages = request["messages"].as_array().expect("messages").clone();
        let count = |role: &str| messages.iter().filter(|m| m["role"] == role).count();
        assert_eq!(count("user"), count("assistant") + 1, "{messages:?}");
        *sizes.entry(count("user")).or_insert(0) += 1;
    }
    assert_eq!(sizes.get(&4), Some(&20), "{sizes:?}");
}

#[test]
fn two_hundred_small_messages_cost_few_model_calls() {
    let peer = peer(false);
    let users: Vec<String> = (1..=4).map(|n| n.to_string()).collect();
    let patch = json!({ "channel_list": { "telegram": { "allow_from": users } } });
    let home = Home::patched(&peer, &patch);
    let daemon = Daemon::start(&home, &peer);
    let mut said = Vec::new();
    for n in 0..200 {
        let chat = n % 4 + 1;
        let tool = if n % 10 == 0 { "[tool:list_dir]" } else { "" };
        said.push(peer.say(chat, chat, &format!("a small message, number {n} {tool}")));
        if n % 4 == 3 {
            for marker in said.drain(..) {
                assert!(peer.wait_reply(&marker, SOON).is_some(), "{}", daemon.log());
            }
        }
    }
    daemon.idle(&peer);
    let calls = peer.calls("llm.chat");
    assert!((220..=230).contains(&calls), "{calls} calls");
    // It is in a request of the end, or in what the last summaries were made of.
    let latest: Vec<Value> = peer.requests().into_iter().rev().take(16).collect();
    let remembers = |r: &Value| r["messages"].to_string().contains("message, number 3 ");
    assert!(latest.iter().any(remembers), "{latest:?}");
}

#[test]
fn a_long_conversation_takes_no_more_memory_than_a_shorter_one() {
    let peer = peer(false);
    let users = json!(["1", "2"]);
    let patch = json!({
        "channel_list": { "telegram": { "allow_from": users } },
        "agents": { "defaults": { "context_window": 1_000_000, "max_tokens": 8192 } },
    });
    let home = Home::patched(&peer, &patch);
    let turn = |n: usize| {
        let words = "some words ".repeat(180);
        let user = json!({ "role": "user", "content": format!("{n} {words}") });
        format!("{user}\n{}\n", json!({ "role": "assistant", "content": "yes" }))
    };
    for (user, turns) in [(1, 60), (2, 1_000)] {
        let lines: String = (0..turns).map(turn).collect();
        home.write(&format!("sessions/telegram_{user}.jsonl"), &lines);
    }
    let daemon = Daemon::start(&home, &peer);
    let mut peaks = Vec::new();
    for user in [1, 1, 2] {
        let marker = peer.say(user, user, "how long is it?");
        assert!(peer.wait_reply(&marker, SOON).is_some(), "{}", daemon.log());
        peaks.push(daemon.memory_kb("VmHWM"));
    }
    let sent = peer.requests().pop().expect("a request")["messages"].to_string().len();
    assert!(sent > 2_000_000, "{sent}");
    // 2 MB were sent; what a request of 120 kB takes is enough, and a list of 2,000 places.
    assert!(peaks[2] - peaks[1] < 300, "{peaks:?} kB");
}
