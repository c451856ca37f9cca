//! The daemon as a service: health, signals, one instance, secrets.

use std::time::{Duration, Instant};

use picoclaw_peer::client::Client;
use rustix::process::Signal;
use serde_json::{Value, json};

use crate::harness::{Home, OWNER, SOON, eventually, peer};
use crate::harness_daemon::Daemon;

fn get(home: &Home, path: &str) -> Option<(u16, Value)> {
    let mut client = Client::new(&format!("http://127.0.0.1:{}", home.health_port), None).ok()?;
    client.timeout = Some(Duration::from_secs(5));
    let (status, body) = client.get(path).ok()?;
    Some((status, serde_json::from_slice(&body).ok()?))
}

#[test]
fn health_and_readiness_are_told() {
    let peer = peer(false);
    let home = Home::new(&peer);
    let daemon = Daemon::start(&home, &peer);
    let health = eventually(SOON, || get(&home, "/health"));
    let (status, body) = health.unwrap_or_else(|| panic!("no answer\n{}", daemon.log()));
    assert_eq!((status, &body["status"]), (200, &json!("ok")));
    let ready = eventually(SOON, || get(&home, "/ready").filter(|(s, _)| *s == 200));
    assert_eq!(ready.map(|(_, b)| b["status"].clone()), Some(json!("ready")));
}

#[test]
fn sigterm_lets_a_running_turn_finish() {
    let peer = peer(false);
    let home = Home::new(&peer);
    let mut daemon = Daemon::start(&home, &peer);
    let marker = peer.say(OWNER, OWNER, "slow [delay:1500]");
    assert!(peer.wait_calls("llm.chat", 1, SOON), "{}", daemon.log());
    let start = Instant::now();
    daemon.signal(Signal::TERM);
    assert!(daemon.wait(Duration::from_secs(12)).success(), "{}", daemon.log());
    assert!(start.elapsed() < Duration::from_secs(10));
    assert_eq!(peer.answers(&marker).len(), 1, "{}", daemon.log());
}

#[test]
fn sigint_ends_a_turn_that_takes_too_long_and_a_restart_answers() {
    let peer = peer(false);
    let home = Home::new(&peer);
    let mut daemon = Daemon::start(&home, &peer);
    let marker = peer.say(OWNER, OWNER, "for ever [delay:60000]");
    assert!(peer.wait_calls("llm.chat", 1, SOON), "{}", daemon.log());
    daemon.signal(Signal::INT);
    assert!(daemon.wait(Duration::from_secs(14)).success(), "{}", daemon.log());
    assert!(peer.answers(&marker).is_empty());
}

#[test]
fn sighup_reads_the_configuration_again() {
    let peer = peer(false);
    let home = Home::new(&peer);
    let daemon = Daemon::start(&home, &peer);
    let other = OWNER + 1;
    let allowed = json!([OWNER.to_string(), other.to_string()]);
    let overlay = json!({ "channel_list": { "telegram": { "allow_from": allowed } } });
    home.write("config.d/10-more.json", &overlay.to_string());
    daemon.signal(Signal::HUP);
    let reloaded = eventually(SOON, || {
        let marker = peer.say(other, other, "hello");
        peer.wait_reply(&marker, Duration::from_secs(1))
    });
    assert!(reloaded.is_some(), "{}", daemon.log());
    // A broken layer changes nothing.
    home.write("config.d/20-broken.json", "{\"agents\": ");
    daemon.signal(Signal::HUP);
    let marker = peer.say(OWNER, OWNER, "still there?");
    assert!(peer.wait_reply(&marker, SOON).is_some(), "{}", daemon.log());
    assert!(daemon.log().contains("20-broken.json"), "{}", daemon.log());
}

#[test]
fn a_home_has_one_gateway() {
    let peer = peer(false);
    let home = Home::new(&peer);
    let daemon = Daemon::start(&home, &peer);
    let second = home.run(&["gateway"]);
    assert!(!second.status.success(), "{second:?}");
    assert!(second.all().contains("already running"), "{second:?}");
    let marker = peer.say(OWNER, OWNER, "hello");
    assert!(peer.wait_reply(&marker, SOON).is_some(), "{}", daemon.log());
    // A dead one does not block the next.
    daemon.kill9();
    drop(Daemon::start(&home, &peer));
}

#[test]
fn a_first_start_with_a_bad_layer_fails_and_a_later_one_goes_on_with_the_last_good() {
    let peer = peer(false);
    let home = Home::new(&peer);
    let good = home.read("config.json");
    home.write("config.json", "{\n  \"agents\": {,\n");
    let failed = home.run(&["gateway"]);
    assert!(!failed.status.success() && failed.all().contains("config.json"), "{failed:?}");
    home.write("config.json", &good);
    drop(Daemon::start(&home, &peer));
    home.write("config.json", "{\n  \"agents\": {,\n");
    let daemon = Daemon::start(&home, &peer);
    let marker = peer.say(OWNER, OWNER, "hello");
    assert!(peer.wait_reply(&marker, SOON).is_some(), "{}", daemon.log());
    assert!(daemon.log().contains("config.json"), "{}", daemon.log());
    let status = home.run(&["status"]);
    assert!(status.stdout.to_lowercase().contains("last good"), "{status:?}");
}

#[test]
fn no_secret_is_printed() {
    let peer = peer(true);
    let home = Home::new(&peer).env("PICOCLAW_LOG_LEVEL", "debug");
    let daemon = Daemon::start(&home, &peer);
    peer.faults(&[
        "tg:sendMessage:500:1:max=1",
        "llm:*:500:1:max=1",
        "tg:getUpdates:drop_before:1:max=1",
    ]);
    let marker = peer.say(OWNER, OWNER, "hello");
    assert!(peer.wait_reply(&marker, SOON).is_some(), "{}", daemon.log());
    let shown = home.run(&["config", "show"]).all() + &home.run(&["status"]).all() + &daemon.log();
    for secret in ["1:test", "k-test-123456"] {
        assert!(!shown.contains(secret), "{secret} was printed:\n{shown}");
    }
}
