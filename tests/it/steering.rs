//! Messages during a turn steer it or wait next to it, and none is lost.

use picoclaw_peer::{Marker, Peer};
use serde_json::{Value, json};

use crate::harness::{Home, OWNER, SOON, eventually, peer};
use crate::harness_daemon::{Daemon, Windows};
use crate::pause;

const SKIPPED: &str = "Skipped due to queued user message.";

fn say(peer: &Peer, text: &str) -> Marker {
    peer.say(OWNER, OWNER, text)
}

/// Begins a turn and returns when the model thinks about it.
#[track_caller]
fn begin(peer: &Peer, daemon: &Daemon, text: &str) -> Marker {
    let calls = peer.calls("llm.chat");
    let marker = say(peer, text);
    assert!(peer.wait_calls("llm.chat", calls + 1, SOON), "{}", daemon.log());
    marker
}

#[track_caller]
fn answered(peer: &Peer, daemon: &Daemon, marker: &Marker) -> String {
    let reply = peer.wait_reply(marker, SOON);
    reply.unwrap_or_else(|| panic!("{marker}: {:?}\n{}", peer.texts(OWNER), daemon.log()))
}

/// Roles in a request's messages, `u`, `a` and `t`, the system's left out.
fn shape(request: &Value) -> String {
    let messages = request["messages"].as_array().map(Vec::as_slice).unwrap_or_default();
    let roles = messages.iter().filter_map(|m| m["role"].as_str());
    roles.filter(|r| *r != "system").map(|r| &r[..1]).collect()
}

fn mode(peer: &Peer, mode: &str) -> Home {
    Home::patched(peer, &json!({ "agents": { "defaults": { "steering_mode": mode } } }))
}

#[test]
fn a_message_between_two_rounds_steers_the_turn() {
    let peer = peer(false);
    let home = Home::new(&peer);
    let daemon = Daemon::start(&home, &peer);
    let first = begin(&peer, &daemon, "[tool:list_dir x5] [delay:500]");
    let second = say(&peer, "rather this");
    let reply = answered(&peer, &daemon, &first);
    assert!(reply.contains(&second.answer()), "{reply}");
    let requests = peer.requests();
    assert_eq!(requests.len(), 2, "{}", daemon.log());
    assert_eq!(shape(&requests[1]), "uatu");
    // The next turn sees it all in that order.
    answered(&peer, &daemon, &say(&peer, "and now?"));
    assert_eq!(shape(&peer.requests()[2]), "uatuau");
    assert_eq!((peer.answers(&first).len(), peer.answers(&second).len()), (1, 1));
    assert_eq!(peer.refused(), Vec::<String>::new());
}

#[test]
fn calls_that_have_not_begun_are_skipped() {
    let peer = peer(false);
    let home = Home::new(&peer);
    let daemon = Daemon::start(&home, &peer);
    let file = r#"[call:write_file {"path":"a.txt","content":"x"}]"#;
    let first = begin(&peer, &daemon, "[tool:message+write_file+list_dir] [delay:500]");
    let second = say(&peer, &format!("rather this {file}"));
    answered(&peer, &daemon, &second);
    assert!(peer.wait_reply(&first, SOON).is_some(), "{}", daemon.log());
    let request = peer.requests().remove(1);
    let skipped = request["messages"].as_array().into_iter().flatten();
    let skipped = skipped.filter(|m| m["content"] == SKIPPED).count();
    assert_eq!((skipped, shape(&request).as_str()), (2, "uatttu"), "{request}");
    assert_eq!(home.read("workspace/a.txt"), "x", "the steering message's own calls run");
}

#[test]
fn all_at_once_but_no_more_than_ten() {
    let peer = peer(false);
    let home = mode(&peer, "all");
    let daemon = Daemon::start(&home, &peer);
    let first = begin(&peer, &daemon, "[tool:list_dir] [delay:1500]");
    let more: Vec<Marker> = (0..12).map(|n| say(&peer, &format!("and {n}"))).collect();
    answered(&peer, &daemon, &first);
    assert_eq!(shape(&peer.requests()[1]), format!("uat{}", "u".repeat(10)), "{}", daemon.log());
    assert!(peer.wait_all(SOON), "{:?}", peer.lost());
    assert!(more.iter().all(|m| peer.answers(m).len() == 1), "{:?}", peer.texts(OWNER));
}

#[test]
fn one_at_a_time_leaves_the_others_in_the_queue() {
    let peer = peer(false);
    let home = mode(&peer, "one-at-a-time");
    let daemon = Daemon::start(&home, &peer);
    let first = begin(&peer, &daemon, "[tool:list_dir] [delay:800]");
    say(&peer, "second");
    let third = say(&peer, "third");
    answered(&peer, &daemon, &first);
    assert_eq!(shape(&peer.requests()[1]), "uatu");
    answered(&peer, &daemon, &third);
    assert!(peer.wait_all(SOON), "{:?}", peer.lost());
}

#[test]
fn commands_hold_up_what_was_said_behind_them() {
    let peer = peer(false);
    let home = Home::new(&peer);
    let daemon = Daemon::start(&home, &peer);
    let first = begin(&peer, &daemon, "[tool:list_dir] [delay:800]");
    peer.command(OWNER, "/clear");
    let after = say(&peer, "after it");
    answered(&peer, &daemon, &first);
    answered(&peer, &daemon, &after);
    let requests = peer.requests();
    assert_eq!((shape(&requests[1]).as_str(), shape(&requests[2]).as_str()), ("uat", "u"));
}

#[test]
fn a_kill_after_steering_answers_both_once() {
    let peer = peer(false);
    let home = Home::new(&peer);
    let daemon = Daemon::start(&home, &peer);
    let first = begin(&peer, &daemon, "[tool:list_dir x5] [delay:400]");
    let second = say(&peer, "rather this [tool:list_dir x2] [delay:600]");
    let steered =
        eventually(SOON, || peer.requests().iter().any(|r| shape(r) == "uatuat").then_some(()));
    assert!(steered.is_some(), "{}", daemon.log());
    daemon.kill9();
    let daemon = Daemon::start(&home, &peer);
    let reply = answered(&peer, &daemon, &second);
    assert!(reply.contains(&first.answer()), "{reply}");
    daemon.idle(&peer);
    assert_eq!((peer.answers(&first).len(), peer.answers(&second).len()), (1, 1));
    // The turn that was cut short is whole: nothing of it was taken for history, or twice.
    let last = peer.requests().pop().expect("a request");
    assert_eq!(shape(&last), "uatuatat");
    assert_eq!(peer.refused(), Vec::<String>::new());
}

#[test]
fn kills_around_steering_lose_nothing() {
    let peer = peer(false);
    let home = mode(&peer, "all");
    let mut windows = Windows::default();
    // More than the journal carries: it is safe in the session's file alone.
    let long = format!("and this {}", "長".repeat(3_000));
    for round in 0..6 {
        let daemon = Daemon::start(&home, &peer);
        windows.watch(say(&peer, "[tool:list_dir x2] [delay:60]"));
        pause::moment(30 + 25 * round);
        ["this too", &long].iter().for_each(|text| windows.watch(say(&peer, text)));
        pause::moment(20 + 30 * round);
        daemon.kill9();
        windows.killed(&home);
    }
    let daemon = Daemon::start(&home, &peer);
    assert!(peer.wait_all(SOON), "{:?}\n{}", peer.lost(), daemon.log());
    daemon.idle(&peer);
    windows.judge(1, &peer.texts(OWNER));
}

#[test]
fn a_side_question_is_answered_beside_the_turn_and_forgotten() {
    let peer = peer(false);
    let home = Home::new(&peer);
    let daemon = Daemon::start(&home, &peer);
    answered(&peer, &daemon, &say(&peer, "my bicycle is green"));
    let first = begin(&peer, &daemon, "[delay:2500] long work");
    let aside = say(&peer, "/btw what colour is it?");
    answered(&peer, &daemon, &aside);
    assert_eq!(peer.answers(&first).len(), 0, "it waited for the turn");
    let request = peer.requests().pop().expect("a request").to_string();
    assert!(request.contains("my bicycle is green") && request.contains("A side question"));
    answered(&peer, &daemon, &first);
    answered(&peer, &daemon, &say(&peer, "next"));
    let request = peer.requests().pop().expect("a request").to_string();
    assert!(!request.contains("what colour is it?"), "{request}");
    assert_eq!(peer.answers(&aside).len(), 1);
}

#[test]
fn only_so_many_side_questions_at_one_time() {
    let peer = peer(false);
    let home = Home::new(&peer);
    let daemon = Daemon::start(&home, &peer);
    let all: Vec<Marker> = (0..4).map(|_| say(&peer, "/btw [delay:1500] x")).collect();
    assert!(peer.wait_calls("llm.chat", 2, SOON), "{}", daemon.log());
    daemon.until("two answered and two waiting", |r| (r.running, r.waiting) == (2, 2));
    assert_eq!(peer.calls("llm.chat"), 2);
    for marker in &all {
        answered(&peer, &daemon, marker);
    }
}

#[test]
fn a_kill_during_a_side_question_is_made_good_once() {
    let peer = peer(false);
    let home = Home::new(&peer);
    let daemon = Daemon::start(&home, &peer);
    let aside = begin(&peer, &daemon, "/btw [delay:900] x");
    daemon.kill9();
    let daemon = Daemon::start(&home, &peer);
    answered(&peer, &daemon, &aside);
    daemon.idle(&peer);
    assert_eq!(peer.answers(&aside).len(), 1);
}
