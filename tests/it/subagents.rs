//! Sub-agents: what comes back from them, how often, and what bounds them.

use std::collections::BTreeSet;

use picoclaw_peer::{Marker, Peer};
use serde_json::{Value, json};

use crate::harness::{Home, OWNER, SOON, eventually, peer};
use crate::harness_daemon::{Daemon, Windows};
use crate::pause;

/// A call that the model makes; brackets in it are for whoever reads the arguments, not for the model that calls.
fn call(name: &str, arguments: &Value) -> String {
    let arguments = arguments.to_string().replace('[', "\\u005b");
    format!("[call:{name} {arguments}]")
}

fn spawn(task: &str) -> String {
    call("spawn", &json!({ "task": task, "label": "look" }))
}

/// How many messages to the owner hold this text.
fn told(peer: &Peer, text: &str) -> usize {
    peer.texts(OWNER).iter().filter(|t| t.contains(text)).count()
}

#[track_caller]
fn wait_told(peer: &Peer, daemon: &Daemon, text: &str) {
    let there = eventually(SOON, || (told(peer, text) > 0).then_some(()));
    assert!(there.is_some(), "{text} is not in {:?}\n{}", peer.texts(OWNER), daemon.log());
}

#[track_caller]
fn ask(peer: &Peer, daemon: &Daemon, text: &str) {
    let marker = peer.say(OWNER, OWNER, text);
    assert!(peer.wait_reply(&marker, SOON).is_some(), "{:?}\n{}", peer.texts(OWNER), daemon.log());
}

/// All requests that hold a text, as text.
fn requests(peer: &Peer, text: &str) -> Vec<String> {
    let all = peer.requests().into_iter().map(|r| r.to_string());
    all.filter(|r| r.contains(text)).collect()
}

/// Names of the tools in a request.
fn tools(request: &Value) -> Vec<&str> {
    let tools = request["tools"].as_array().map(Vec::as_slice).unwrap_or_default();
    tools.iter().filter_map(|t| t["function"]["name"].as_str()).collect()
}

/// A home with limits of its own.
fn limited(peer: &Peer, subturn: &Value) -> Home {
    Home::patched(peer, &json!({ "agents": { "defaults": { "subturn": subturn } } }))
}

#[test]
fn a_spawned_result_comes_back_into_the_chat_once() {
    let peer = peer(false);
    let home = Home::new(&peer);
    let daemon = Daemon::start(&home, &peer);
    ask(&peer, &daemon, &spawn("[call:list_dir {\"path\":\".\"}] q800001"));
    wait_told(&peer, &daemon, "re q800001 ok.");
    daemon.idle(&peer);
    assert_eq!(told(&peer, "re q800001 ok."), 1, "{:?}", peer.texts(OWNER));
    assert_eq!(requests(&peer, "Task 'look' completed").len(), 1);
    let own: Vec<Value> = peer.requests();
    let own = own.iter().find(|r| r.to_string().contains("You are the sub-agent")).expect("asked");
    assert!(
        !tools(own).iter().any(|t| t.contains("spawn") || *t == "subagent"),
        "{:?}",
        tools(own)
    );
    assert!(tools(own).contains(&"exec"), "{:?}", tools(own));
    assert!(own["messages"].to_string().contains("scratch/telegram_"), "{own}");
    // The next turn knows of it.
    ask(&peer, &daemon, "what was it?");
    let next = peer.requests().pop().expect("a request").to_string();
    assert!(next.contains("re q800001 ok."), "{next}");
}

#[test]
fn a_result_that_is_waited_for_goes_to_the_model_and_in_short_to_the_user() {
    let peer = peer(false);
    let home = Home::new(&peer);
    let daemon = Daemon::start(&home, &peer);
    let task = json!({ "task": "[long:3000] q800001" });
    ask(&peer, &daemon, &call("subagent", &task));
    let seen = peer.requests().pop().expect("a request");
    let result = seen["messages"].as_array().and_then(|m| m.last()).expect("a result").to_string();
    assert!(
        result.contains("after 1 model calls") && result.contains("re q800001 ok."),
        "{result}"
    );
    let shown: Vec<String> =
        peer.texts(OWNER).into_iter().filter(|t| t.contains("word1")).collect();
    assert!(shown.len() == 1 && shown[0].chars().count() <= 520, "{shown:?}");
    daemon.idle(&peer);
    assert_eq!(requests(&peer, "Task '").len(), 0, "it was reported besides");
}

#[test]
fn a_kill_during_a_sub_agent_loses_nothing_and_repeats_nothing() {
    let peer = peer(false);
    let home = Home::new(&peer);
    let daemon = Daemon::start(&home, &peer);
    ask(&peer, &daemon, &spawn("[call:list_dir {\"path\":\".\"}] [delay:1500] q800001"));
    daemon.kill9();
    let daemon = Daemon::start(&home, &peer);
    wait_told(&peer, &daemon, "re q800001 ok.");
    // Once more, with everything done.
    daemon.idle(&peer);
    daemon.kill9();
    let daemon = Daemon::start(&home, &peer);
    ask(&peer, &daemon, "and now?");
    daemon.idle(&peer);
    assert_eq!(told(&peer, "re q800001 ok."), 1, "{:?}\n{}", peer.texts(OWNER), daemon.log());
}

/// The sub-agents that reported this result: the report's first line contains `(subagent-7)`.
fn reporters(peer: &Peer, marker: &str) -> BTreeSet<String> {
    let end = format!("Result:\\nre {marker} ok.");
    let mut names = BTreeSet::new();
    for request in requests(peer, &end) {
        for (at, _) in request.match_indices(&end) {
            let name =
                request[..at].rfind("(subagent-").and_then(|n| request[n + 1..].split(')').next());
            names.extend(name.map(str::to_owned));
        }
    }
    names
}

#[test]
fn kills_at_any_moment_bring_one_result_each() {
    let peer = peer(false);
    let home = Home::new(&peer);
    let mut daemon = Daemon::start(&home, &peer);
    let begun: Vec<String> = (0..6).map(|n| format!("q81000{n}")).collect();
    let mut windows = Windows::default();
    begun.iter().for_each(|m| windows.watch(Marker::parse(m).expect("a marker")));
    for (n, marker) in begun.iter().enumerate() {
        peer.say(OWNER, OWNER, &spawn(&format!("[tool:list_dir] [delay:30] {marker}")));
        pause::moment(40 + 35 * n as u64);
        daemon.kill9();
        windows.killed(&home);
        daemon = Daemon::start(&home, &peer);
    }
    assert!(peer.wait_all(SOON), "{:?}\n{}", peer.lost(), daemon.log());
    daemon.idle(&peer);
    // A spawn whose call was cut off is not repeated; one that began has its result, and only once.
    for marker in &begun {
        let task = format!("Task: [tool:list_dir] [delay:30] {marker}");
        let open =
            !requests(&peer, &task).is_empty() && told(&peer, &format!("re {marker} ok.")) == 0;
        assert!(!open, "{marker}: {:?}\n{}", peer.texts(OWNER), daemon.log());
    }
    windows.judge(0, &peer.texts(OWNER));
    for marker in &begun {
        let by = reporters(&peer, marker);
        assert!(by.len() <= 1, "{marker} was done by {by:?}");
    }
}

#[test]
fn a_kill_while_a_result_is_waited_for_brings_it_later() {
    let peer = peer(false);
    let home = Home::new(&peer);
    let daemon = Daemon::start(&home, &peer);
    let task = json!({ "task": "[delay:1200] q800001" });
    let marker = peer.say(OWNER, OWNER, &call("subagent", &task));
    assert!(peer.wait_calls("llm.chat", 2, SOON), "{}", daemon.log());
    daemon.kill9();
    let daemon = Daemon::start(&home, &peer);
    assert!(peer.wait_reply(&marker, SOON).is_some(), "{}", daemon.log());
    assert_eq!(requests(&peer, "interrupted by a restart").len(), 1);
    wait_told(&peer, &daemon, "re q800001 ok.");
    daemon.idle(&peer);
    assert_eq!((told(&peer, "re q800001 ok."), peer.answers(&marker).len()), (1, 1));
}

#[test]
fn only_so_many_at_one_time() {
    let peer = peer(false);
    let home = limited(&peer, &json!({ "max_concurrent": 2, "concurrency_timeout_sec": 1 }));
    let daemon = Daemon::start(&home, &peer);
    let slow = spawn("[delay:4000] q800001");
    ask(&peer, &daemon, &format!("{slow} {slow} {slow}"));
    assert_eq!(requests(&peer, "2 sub-agents are at work already").len(), 1, "{}", daemon.log());
}

#[test]
fn only_so_many_one_after_the_other() {
    let peer = peer(false);
    let home = limited(&peer, &json!({ "max_depth": 1 }));
    let daemon = Daemon::start(&home, &peer);
    let again = json!(spawn("and once more"));
    ask(
        &peer,
        &daemon,
        &spawn(&format!("[say:{}] q800001", again.to_string().replace('[', "\\u005b"))),
    );
    wait_told(&peer, &daemon, "re q800001 ok.");
    let refused = requests(&peer, "1 sub-agents one after the other are the most");
    assert!(!refused.is_empty(), "{}", daemon.log());
}

#[test]
fn tokens_are_bounded() {
    let peer = peer(false);
    let home = limited(&peer, &json!({ "default_token_budget": 1 }));
    let daemon = Daemon::start(&home, &peer);
    ask(&peer, &daemon, &spawn("[tool:list_dir x9] q800001"));
    let failed = eventually(SOON, || requests(&peer, "Task 'look' failed").pop());
    assert!(failed.is_some_and(|r| r.contains("token budget")), "{}", daemon.log());
}

#[test]
fn tasks_have_a_size_and_messages_a_number() {
    let peer = peer(false);
    let home = Home::new(&peer);
    let daemon = Daemon::start(&home, &peer);
    ask(&peer, &daemon, &spawn(&"x".repeat(5000)));
    assert_eq!(requests(&peer, "task has more than 4096 bytes").len(), 1);
    let note = |n: usize| call("message", &json!({ "content": format!("half way q80001{n}") }));
    let notes: String = (0..6).map(note).collect();
    ask(&peer, &daemon, &spawn(&format!("{notes} q800001")));
    wait_told(&peer, &daemon, "re q800001 ok.");
    for n in 0..5 {
        wait_told(&peer, &daemon, &format!("re q80001{n} ok."));
    }
    daemon.idle(&peer);
    assert_eq!(told(&peer, "re q800015 ok."), 0);
    assert!(!requests(&peer, "a sub-agent has few messages").is_empty(), "{}", daemon.log());
}

#[test]
fn one_can_be_looked_at_and_cancelled() {
    let peer = peer(false);
    let home = Home::new(&peer);
    let daemon = Daemon::start(&home, &peer);
    ask(&peer, &daemon, &spawn("[delay:3000] q800001"));
    ask(&peer, &daemon, &call("spawn_status", &json!({})));
    let status = requests(&peer, "'look': running").pop().expect("a status");
    let at = status.find("subagent-").expect("an id");
    let id: String =
        status[at..].chars().take_while(|c| *c == '-' || c.is_alphanumeric()).collect();
    ask(&peer, &daemon, &call("spawn_cancel", &json!({ "task_id": id })));
    ask(&peer, &daemon, &call("spawn_status", &json!({ "task_id": id })));
    assert!(!requests(&peer, "'look': cancelled").is_empty(), "{}", daemon.log());
    daemon.idle(&peer);
    assert_eq!((told(&peer, "re q800001 ok."), requests(&peer, "Task 'look'").len()), (0, 0));
}

#[test]
fn stop_ends_the_sub_agents_too() {
    let peer = peer(false);
    let home = Home::new(&peer);
    let daemon = Daemon::start(&home, &peer);
    ask(&peer, &daemon, &spawn("[delay:1500] q800001"));
    assert!(peer.wait_calls("llm.chat", 3, SOON), "{}", daemon.log());
    let before = peer.texts(OWNER).len();
    peer.command(OWNER, "/stop");
    daemon.idle(&peer);
    let texts = peer.texts(OWNER);
    assert!(!texts[before..].iter().any(|t| t.contains("Nothing is running")), "{texts:?}");
    assert_eq!((told(&peer, "re q800001 ok."), requests(&peer, "Task 'look'").len()), (0, 0));
    ask(&peer, &daemon, "still there?");
}

#[test]
fn ten_sub_agents_leave_no_memory_behind() {
    let peer = peer(false);
    let home = Home::new(&peer);
    let daemon = Daemon::start(&home, &peer);
    let ten = |from: usize| {
        for n in from..from + 10 {
            ask(&peer, &daemon, &spawn(&format!("[tool:list_dir x2] [long:2000] q82{n:04}")));
            wait_told(&peer, &daemon, &format!("re q82{n:04} ok."));
        }
        daemon.idle(&peer);
        pause::pages_are_released();
        daemon.memory_kb("RssAnon")
    };
    let (first, second) = (ten(0), ten(10));
    println!("RssAnon after 10: {first} kB, after 20: {second} kB");
    assert!(second <= first + 200, "RssAnon grew from {first} to {second} kB");
    let sessions = std::fs::read_dir(home.path("sessions")).expect("sessions");
    let own =
        sessions.flatten().filter(|e| e.file_name().to_string_lossy().starts_with("subagent"));
    assert!(own.count() <= 5, "each left a session behind");
}
