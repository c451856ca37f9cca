//! The heartbeat, from HEARTBEAT.md to the last chat.

use std::time::Duration;

use picoclaw_peer::Peer;
use serde_json::json;

use crate::harness::{Home, OWNER, SOON, eventually, peer};
use crate::harness_daemon::Daemon;

const FILE: &str = "workspace/HEARTBEAT.md";

fn knows_the_owner(home: &Home) {
    let state =
        json!({"last_channel": format!("telegram:{OWNER}"), "last_chat_id": OWNER.to_string()});
    home.write("state/state.json", &state.to_string());
}

/// Waits until the next heartbeat is more than a minute away and everything has come of the last.
#[track_caller]
fn rests(peer: &Peer, daemon: &Daemon) {
    let far = || {
        let log = daemon.log();
        let (_, seconds) = log.rsplit_once("heartbeat: the next one in ")?;
        let seconds: u64 = seconds.split(' ').next()?.parse().ok()?;
        (seconds > 60).then_some(())
    };
    assert!(eventually(SOON, far).is_some(), "{}", daemon.log());
    daemon.idle(peer);
}

#[test]
fn heartbeat_results_reach_the_last_chat_once() {
    let peer = peer(false);
    let home = Home::timed(&peer, &json!({}));
    knows_the_owner(&home);
    home.write(FILE, "# Tasks\n\n- look at the plants q777777\n");
    let daemon = Daemon::start(&home, &peer);
    let told = || peer.texts(OWNER).iter().filter(|t| t.contains("re q777777 ok.")).count();
    assert!(eventually(SOON, || (told() > 0).then_some(())).is_some(), "{}", daemon.log());
    let request = peer.requests().pop().expect("a request")["messages"].to_string();
    assert!(request.contains("HEARTBEAT_OK") && request.contains("look at the plants"));
    // Its delivery is recorded before the kill.
    daemon.idle(&peer);
    daemon.kill9();
    // The next one comes half an hour after the last, restart or not.
    let daemon = Daemon::start(&home, &peer);
    rests(&peer, &daemon);
    assert_eq!((told(), peer.calls("llm.chat")), (1, 1), "{}", daemon.log());
}

#[test]
fn all_is_well_is_not_told() {
    let peer = peer(false);
    let home = Home::timed(&peer, &json!({}));
    knows_the_owner(&home);
    home.write(FILE, "- look at the plants\n");
    let daemon = Daemon::start(&home, &peer);
    assert!(peer.wait_calls("llm.chat", 1, SOON), "{}", daemon.log());
    daemon.idle(&peer);
    assert_eq!(peer.texts(OWNER), Vec::<String>::new());
}

#[test]
fn without_tasks_no_model_is_asked() {
    let peer = peer(false);
    let home = Home::timed(&peer, &json!({}));
    knows_the_owner(&home);
    let daemon = Daemon::start(&home, &peer);
    let written = eventually(SOON, || home.path(FILE).exists().then_some(()));
    assert!(written.is_some(), "{}", daemon.log());
    rests(&peer, &daemon);
    assert_eq!(peer.calls("llm.chat"), 0);
    // One that was deleted stays away.
    std::fs::remove_file(home.path(FILE)).expect("deleted");
    assert!(daemon.term().success());
    let daemon = Daemon::start(&home, &peer);
    rests(&peer, &daemon);
    assert!(!home.path(FILE).exists(), "{}", daemon.log());
}

#[test]
fn a_file_that_is_there_stays() {
    let peer = peer(false);
    let home = Home::patched(&peer, &json!({ "heartbeat": { "enabled": false } }));
    let daemon = Daemon::start(&home, &peer);
    // A file is written first thing; long before a message is answered.
    let marker = peer.say(OWNER, OWNER, "hello");
    assert!(peer.wait_reply(&marker, SOON).is_some(), "{}", daemon.log());
    daemon.idle(&peer);
    assert!(!home.path(FILE).exists(), "{}", daemon.log());
    drop(daemon);
    let home = Home::timed(&peer, &json!({}));
    home.write(FILE, "");
    let daemon = Daemon::start(&home, &peer);
    rests(&peer, &daemon);
    assert_eq!(home.read(FILE), "", "{}", daemon.log());
}

/// Kills the daemon when `rule` holds it during a heartbeat, and counts what is told after restarts.
#[track_caller]
fn killed_at(rule: &str) -> usize {
    let peer = peer(false);
    let home = Home::timed(&peer, &json!({}));
    knows_the_owner(&home);
    home.write(FILE, "- look at the plants q777777\n");
    peer.faults(&[rule]);
    let daemon = Daemon::start(&home, &peer);
    assert!(peer.wait_faults(1, SOON), "{}", daemon.log());
    daemon.kill9();
    peer.faults(&[]);
    let told = || peer.texts(OWNER).iter().filter(|t| t.contains("re q777777 ok.")).count();
    for _ in 0..2 {
        let daemon = Daemon::start(&home, &peer);
        assert!(eventually(SOON, || (told() > 0).then_some(())).is_some(), "{}", daemon.log());
        rests(&peer, &daemon);
        daemon.kill9();
    }
    told()
}

#[test]
fn a_kill_during_a_heartbeat_is_made_good_once() {
    assert_eq!(killed_at("llm:chat:hang:1:max=1"), 1);
    assert_eq!(killed_at("tg:sendMessage:hang:1:max=1"), 1);
}

#[test]
fn it_beats_at_least_five_minutes_apart() {
    let peer = peer(false);
    for (interval, want) in [(0, 30), (1, 5), (5, 5), (45, 45)] {
        let home = Home::patched(&peer, &json!({ "heartbeat": { "interval": interval } }));
        let mut options = picoclaw::config::LoadOptions::from_process();
        options.env.retain(|name, _| !name.starts_with("PICOCLAW_"));
        options.env.insert("PICOCLAW_HOME".into(), home.path("").display().to_string());
        let config = picoclaw::config::load(&options).expect("a configuration").config;
        assert_eq!(config.heartbeat, Duration::from_secs(60 * want), "{interval}");
    }
}
