//! The daemon as a service: health, signals, one instance, secrets.

use std::io::{Read, Write};
use std::net::TcpStream;
use std::time::{Duration, Instant};

use picoclaw::limits::LOCAL_CLIENTS;
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

/// Status and body of a GET with these header lines.
fn get_with(address: &str, path: &str, fields: &str) -> Option<(u16, String)> {
    let mut stream = TcpStream::connect(address).ok()?;
    stream.set_read_timeout(Some(SOON)).ok()?;
    write!(stream, "GET {path} HTTP/1.1\r\nHost: x\r\n{fields}\r\n").ok()?;
    let mut text = String::new();
    stream.read_to_string(&mut text).ok()?;
    let (head, body) = text.split_once("\r\n\r\n")?;
    Some((head.split(' ').nth(1)?.parse().ok()?, body.to_owned()))
}

#[test]
fn listening_sockets_reveal_little_without_a_token() {
    let peer = peer(false);
    let home = Home::patched(&peer, &json!({ "gateway": { "token": "let-me-look-1" } }));
    let home = home.env("TZ", "Mars/Olympus");
    let daemon = Daemon::start(&home, &peer);
    // A wrong name is said once, at the start.
    let line = r#"TZ is "Mars/Olympus", which names no time zone: local time is UTC"#;
    assert_eq!(daemon.log().matches(line).count(), 1, "{}", daemon.log());
    let address = format!("127.0.0.1:{}", home.health_port);
    let get = |fields: &str| {
        let answer = eventually(SOON, || get_with(&address, "/health", fields));
        answer.unwrap_or_else(|| panic!("no answer\n{}", daemon.log()))
    };
    assert_eq!(get(""), (200, r#"{"status":"ok"}"#.to_owned()));
    assert_eq!(get("Authorization: Bearer let-me-look-2\r\n").1, r#"{"status":"ok"}"#);
    let (status, body) = get("Authorization: Bearer let-me-look-1\r\n");
    assert!(status == 200 && body.contains(&format!("\"pid\":{}", daemon.pid())), "{body}");
    let status = home.run(&["status", "--json"]);
    let state: Value = serde_json::from_str(&status.stdout).expect("JSON");
    let listening = state["listening"].as_object().expect("a list");
    assert_eq!(listening.len(), 2, "{listening:?}");
    let health = listening[&format!("http://{address}/health")].as_str().expect("a text");
    assert!(health.contains("gateway.token"), "{health}");
    let socket = format!("unix:{}", home.path("state/control.sock").display());
    assert!(listening.contains_key(&socket), "{listening:?}");
    let text = home.run(&["status"]).stdout;
    assert!(text.contains(&format!("listening http://{address}/health: ")), "{text}");
    // And nothing else listens: of its TCP sockets by the kernel's list, of its Unix sockets by path.
    if let Some(found) = listeners(daemon.pid()) {
        assert_eq!(found, [format!("127.0.0.1:{}", home.health_port), socket]);
    }
    assert!(!(text + &daemon.log()).contains("let-me-look-1"));
}

/// Sockets of a process that listen, as `status` names them; `None` where only root may look (the daemon is closed to its
/// own user).
pub fn listeners(pid: u32) -> Option<Vec<String>> {
    let Ok(fds) = std::fs::read_dir(format!("/proc/{pid}/fd")) else {
        assert!(!rustix::process::geteuid().is_root(), "root may look");
        return None;
    };
    let own: Vec<String> = fds
        .flatten()
        .filter_map(|fd| {
            let target = std::fs::read_link(fd.path()).ok()?;
            let name = target.to_str()?.strip_prefix("socket:[")?.strip_suffix(']')?;
            Some(name.to_owned())
        })
        .collect();
    let read = |file: &str| std::fs::read_to_string(format!("/proc/{pid}/net/{file}"));
    let mut found = Vec::new();
    for file in ["tcp", "tcp6"] {
        for line in read(file).unwrap_or_default().lines().skip(1) {
            // proc(5): slot, local address, remote, state (0A: listening), ..., inode.
            let words: Vec<&str> = line.split_whitespace().collect();
            if words[3] == "0A" && own.iter().any(|inode| inode == words[9]) {
                let (ip, port) = words[1].split_once(':').expect("an address");
                let ip = if ip == "0100007F" { "127.0.0.1" } else { ip };
                found.push(format!("{ip}:{}", u16::from_str_radix(port, 16).expect("a port")));
            }
        }
    }
    for line in read("unix").unwrap_or_default().lines().skip(1) {
        // Flags 00010000: it accepts connections.
        let words: Vec<&str> = line.split_whitespace().collect();
        if words[3] == "00010000" && own.iter().any(|inode| inode == words[6]) {
            found.push(format!("unix:{}", words.get(7).copied().unwrap_or_default()));
        }
    }
    Some(found)
}

#[test]
fn other_addresses_than_loopback_need_the_token() {
    let peer = peer(false);
    let home = Home::patched(&peer, &json!({ "gateway": { "host": "0.0.0.0,192.0.2.1" } }));
    let checked = home.run(&["config", "check"]);
    assert!(checked.all().contains("gateway.token"), "{checked:?}");
    let daemon = Daemon::start(&home, &peer);
    assert!(daemon.log().contains("needs a gateway.token"), "{}", daemon.log());
    if let Some(found) = listeners(daemon.pid()) {
        assert!(found.len() == 2 && found[0].starts_with("127.0.0.1:"), "{found:?}");
    }
    let home = Home::patched(
        &peer,
        &json!({ "gateway": { "host": "0.0.0.0", "token": "let-me-look-1" } }),
    );
    drop(daemon);
    let daemon = Daemon::start(&home, &peer);
    let address = format!("127.0.0.1:{}", home.health_port);
    for path in ["/health", "/ready", "/", "/health?token=let-me-look-1"] {
        let answer = eventually(SOON, || get_with(&address, path, ""));
        let (status, body) = answer.unwrap_or_else(|| panic!("no answer\n{}", daemon.log()));
        assert!(status == 401 && !body.contains("pid"), "{path} {body}");
    }
    let answer = get_with(&address, "/ready", "authorization: bearer let-me-look-1\r\n");
    assert!(answer.as_ref().is_some_and(|(_, body)| body.contains("checks")), "{answer:?}");
    let text = home.run(&["status"]).stdout;
    assert!(text.contains("0.0.0.0") && text.contains("requests need gateway.token"), "{text}");
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

/// Connections that say nothing displace each other, not who asks.
#[test]
fn idle_connections_do_not_close_health() {
    let peer = peer(false);
    let home = Home::new(&peer);
    let daemon = Daemon::start(&home, &peer);
    assert!(eventually(SOON, || get(&home, "/health")).is_some(), "{}", daemon.log());
    let address = format!("127.0.0.1:{}", home.health_port);
    let idle: Vec<TcpStream> = (0..4 * LOCAL_CLIENTS)
        .map(|_| TcpStream::connect(&address).expect("a connection"))
        .collect();
    for _ in 0..5 {
        assert_eq!(get(&home, "/health").map(|(status, _)| status), Some(200), "{}", daemon.log());
    }
    drop(idle);
}

#[test]
fn sigterm_lets_a_running_turn_finish() {
    let peer = peer(false);
    let home = Home::new(&peer);
    let mut daemon = Daemon::start(&home, &peer);
    let marker = peer.say(OWNER, OWNER, "slow [delay:1500]");
    assert!(peer.wait_calls("llm.chat", 1, SOON), "{}", daemon.log());
    daemon.signal(Signal::TERM);
    assert!(daemon.wait(2 * SOON).success(), "{}", daemon.log());
    assert!(!daemon.log().contains("was still running"), "{}", daemon.log());
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
    // Long before the model would have answered.
    assert!(daemon.wait(2 * SOON).success(), "{}", daemon.log());
    assert!(daemon.log().contains("was still running"), "{}", daemon.log());
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
    let status = home.run(&["status"]);
    assert!(
        status.stdout.contains("an older one, because the configuration was not reloaded"),
        "{status:?}"
    );
}

#[test]
fn reloads_that_overtake_each_other_do_not_end_the_daemon() {
    let peer = peer(false);
    let home = Home::new(&peer);
    let daemon = Daemon::start(&home, &peer);
    // Many of them while the program replaces itself.
    let begun = Instant::now();
    while begun.elapsed() < Duration::from_millis(500) {
        daemon.signal(Signal::HUP);
    }
    let marker = peer.say(OWNER, OWNER, "still there?");
    assert!(peer.wait_reply(&marker, 2 * SOON).is_some(), "{}", daemon.log());
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
fn a_bad_layer_fails_the_first_start_and_later_uses_the_last_good() {
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
