//! Jobs that run a command: only what a person approved, in the sandbox, never twice.

use picoclaw_peer::{Peer, Sent};
use serde_json::{Value, json};

use crate::cron::{cron, id_in, job, jobs, now_ms, told, wait_told, write_jobs};
use crate::harness::{Home, OWNER, SOON, eventually, peer};
use crate::harness_daemon::Daemon;

/// A call of the tool that sets `command` for two seconds from now.
fn set(command: &str) -> String {
    let args = json!({"action": "add", "message": "m", "command": command, "at_seconds": 2});
    format!("[call:cron {args}]")
}

#[track_caller]
fn question(peer: &Peer, daemon: &Daemon) -> Sent {
    let find = || peer.sent().into_iter().rev().find(|s| !s.buttons.is_empty());
    eventually(SOON, find).unwrap_or_else(|| panic!("no question\n{}", daemon.log()))
}

/// What the model read last from a tool.
fn result(peer: &Peer) -> String {
    let request = peer.requests().pop().expect("a request");
    let messages = request["messages"].as_array().expect("messages");
    let tool = messages.iter().rev().find(|m| m["role"] == "tool");
    tool.and_then(|m| m["content"].as_str()).unwrap_or_default().to_owned()
}

#[test]
fn a_command_approved_in_its_chat_runs_in_the_sandbox() {
    let peer = peer(false);
    // Not even `never` lets a model set one by itself.
    let home = Home::patched(&peer, &json!({"tools": {"cron": {"approval": "never"}}}));
    let daemon = Daemon::start(&home, &peer);
    let marker = peer.say(
        OWNER,
        OWNER,
        &set("echo tick $((40+2)) > ran; cat ran; cat $PICOCLAW_HOME/config.json"),
    );
    let asked = question(&peer, &daemon);
    assert!(
        asked.text.contains("echo tick") && asked.text.contains("without asking again"),
        "{}",
        asked.text
    );
    assert_eq!(jobs_if_any(&home), 0, "set before the answer");
    peer.press(OWNER, OWNER, asked.message_id, &asked.buttons[0].1);
    assert!(peer.wait_reply(&marker, SOON).is_some(), "{}", daemon.log());
    let calls = peer.calls("llm.chat");
    wait_told(&peer, &daemon, "executed:\ntick 42");
    assert_eq!(home.read("workspace/ran"), "tick 42\n");
    assert!(peer.texts(OWNER).iter().all(|t| !t.contains("k-test-123456")));
    assert_eq!(peer.calls("llm.chat"), calls, "no model is asked");
}

fn jobs_if_any(home: &Home) -> usize {
    if home.path("cron/jobs.json").exists() { jobs(home).len() } else { 0 }
}

#[test]
fn a_no_sets_nothing() {
    let peer = peer(false);
    let home = Home::new(&peer);
    let daemon = Daemon::start(&home, &peer);
    let marker = peer.say(OWNER, OWNER, &set("touch ran"));
    let asked = question(&peer, &daemon);
    peer.press(OWNER, OWNER, asked.message_id, &asked.buttons[1].1);
    assert!(peer.wait_reply(&marker, SOON).is_some(), "{}", daemon.log());
    assert!(result(&peer).contains("the user said no"), "{}", result(&peer));
    assert_eq!(jobs_if_any(&home), 0);
    // What could never run is refused before anybody is asked.
    let asked = peer.sent().iter().filter(|s| !s.buttons.is_empty()).count();
    for command in ["rm -rf /", "cat /etc/shadow"] {
        let marker = peer.say(OWNER, OWNER, &set(command));
        assert!(peer.wait_reply(&marker, SOON).is_some(), "{}", daemon.log());
        assert!(result(&peer).contains("blocked by safety guard"), "{}", result(&peer));
    }
    assert_eq!(peer.sent().iter().filter(|s| !s.buttons.is_empty()).count(), asked);
}

#[test]
fn switched_off_means_off() {
    let peer = peer(false);
    let home = Home::patched(&peer, &json!({"tools": {"cron": {"allow_command": false}}}));
    let daemon = Daemon::start(&home, &peer);
    let marker = peer.say(OWNER, OWNER, &set("touch ran"));
    assert!(peer.wait_reply(&marker, SOON).is_some(), "{}", daemon.log());
    assert!(result(&peer).contains("tools.cron.allow_command"), "{}", result(&peer));
    let to = OWNER.to_string();
    cron(&home, &["add", "-n", "x", "-m", "m", "--command", "touch ran", "--at", "1", "--to", &to]);
    wait_told(&peer, &daemon, "was not run: commands are switched off");
    assert!(!home.path("workspace/ran").exists());
}

#[test]
fn unapproved_commands_do_not_run() {
    let peer = peer(false);
    let home = Home::new(&peer);
    let at = |n: u64| json!({"kind": "at", "atMs": now_ms() + n});
    // One as the first release wrote it, one with an approval of somebody's making.
    let forged = json!({"command": "touch ran", "approval": "00".repeat(32)});
    write_jobs(
        &home,
        &[
            job("old", at(0), json!({"command": "touch ran", "deliver": false})),
            job("forged", at(0), forged),
        ],
    );
    let daemon = Daemon::start(&home, &peer);
    wait_told(&peer, &daemon, "picoclaw cron enable old approves it");
    wait_told(&peer, &daemon, "picoclaw cron enable forged approves it");
    assert!(!home.path("workspace/ran").exists());
    // The owner at the command line may.
    assert!(cron(&home, &["enable", "old"]).contains("it may run: touch ran"));
    cron(&home, &["run", "old"]);
    wait_told(&peer, &daemon, "'touch ran' executed:\n(no output)");
    assert!(home.path("workspace/ran").exists());
    // Another command in its place, another time for it, another job with the same words: none is what was approved.
    assert!(daemon.term().success());
    let approved = jobs(&home).swap_remove(0);
    let with = |pointer: &str, value: Value| {
        let mut job = approved.clone();
        *job.pointer_mut(pointer).expect("a field") = value;
        job
    };
    std::fs::remove_file(home.path("workspace/ran")).expect("it ran");
    let often = json!({"kind": "every", "everyMs": 60_000});
    write_jobs(&home, &[with("/schedule", often), with("/id", json!("new"))]);
    let daemon = Daemon::start(&home, &peer);
    let refused = |id: &str| told(&peer, &format!("picoclaw cron enable {id} approves it"));
    let both = || (refused("old") > 1 && refused("new") > 0).then_some(());
    for id in ["old", "new"] {
        cron(&home, &["run", id]);
    }
    assert!(eventually(SOON, both).is_some(), "{:?}\n{}", peer.texts(OWNER), daemon.log());
    assert!(!home.path("workspace/ran").exists());
    assert!(daemon.term().success());
    let changed = [with("/payload/command", json!("touch other"))];
    write_jobs(&home, &changed);
    let daemon = Daemon::start(&home, &peer);
    let before = told(&peer, "picoclaw cron enable old");
    cron(&home, &["run", "old"]);
    let again = || (told(&peer, "picoclaw cron enable old") > before).then_some(());
    assert!(eventually(SOON, again).is_some(), "{:?}\n{}", peer.texts(OWNER), daemon.log());
    assert!(!home.path("workspace/other").exists());
}

#[test]
fn the_command_line_sets_one_and_its_failure_is_kept() {
    let peer = peer(false);
    let home = Home::new(&peer);
    let daemon = Daemon::start(&home, &peer);
    let to = OWNER.to_string();
    let add = [
        "add",
        "-n",
        "check",
        "-m",
        "m",
        "--command",
        "echo bad; exit 3",
        "-e",
        "3600",
        "--to",
        &to,
    ];
    let id = id_in(&cron(&home, &add));
    assert!(cron(&home, &["list"]).contains(", shell command\n"), "{}", cron(&home, &["list"]));
    cron(&home, &["run", &id]);
    wait_told(&peer, &daemon, "executed:\nbad\n[Command exited with code 3]");
    let failed = || (jobs(&home)[0]["state"]["lastStatus"] == "error").then_some(());
    assert!(eventually(SOON, failed).is_some(), "{}", home.read("cron/jobs.json"));
}

/// Orders, firings and ends come at the same time; each end is written down and no change is lost.
#[test]
fn ends_are_not_lost_between_orders() {
    const JOBS: usize = 24;
    let peer = peer(false);
    let home = Home::new(&peer);
    let daemon = Daemon::start(&home, &peer);
    let to = OWNER.to_string();
    let ids: Vec<String> = (0..JOBS)
        .map(|n| {
            let (name, command) = (format!("j{n}"), format!("echo failed {n}.; exit 3"));
            let more = ["--command", &command, "-e", "3600", "--to", &to];
            id_in(&cron(&home, &[&["add", "-n", &name, "-m", "m"][..], &more].concat()))
        })
        .collect();
    for pair in ids.chunks(2) {
        cron(&home, &["run", &pair[0]]);
        cron(&home, &["disable", &pair[1]]);
        cron(&home, &["run", &pair[1]]);
    }
    for n in 0..JOBS {
        wait_told(&peer, &daemon, &format!("failed {n}."));
    }
    let all = || {
        let jobs = jobs(&home);
        let failed = jobs.iter().filter(|j| j["state"]["lastStatus"] == "error").count();
        let off = jobs.iter().filter(|j| j["enabled"] == false).count();
        ((failed, off) == (JOBS, JOBS / 2)).then_some(())
    };
    assert!(eventually(SOON, all).is_some(), "{}", home.read("cron/jobs.json"));
}

#[test]
fn a_kill_during_a_command_does_not_run_it_twice() {
    let peer = peer(false);
    let home = Home::new(&peer);
    let to = OWNER.to_string();
    let command = "echo x >> ran; sleep 30";
    let add = ["add", "-n", "k", "-m", "m", "--command", command, "-e", "3600", "--to", &to];
    let id = id_in(&cron(&home, &add));
    let daemon = Daemon::start(&home, &peer);
    cron(&home, &["run", &id]);
    let runs = || (home.read("workspace/ran") == "x\n").then_some(());
    assert!(eventually(SOON, runs).is_some(), "{}", daemon.log());
    daemon.kill9();
    let daemon = Daemon::start(&home, &peer);
    wait_told(&peer, &daemon, "was cut off by a restart");
    daemon.idle(&peer);
    assert_eq!(home.read("workspace/ran"), "x\n");
    assert_eq!(told(&peer, "was cut off by a restart"), 1);
    let jobs: Vec<Value> = jobs(&home);
    assert_eq!(jobs.len(), 1);
}
