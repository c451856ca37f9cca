//! `picoclaw doctor`: every look that can fail fails here once, and says what to do.

use std::io::{BufRead, BufReader, Read, Write};
use std::net::TcpListener;
use std::os::unix::fs::PermissionsExt;
use std::process::Command;
use std::time::{Duration, Instant};

use picoclaw_peer::Peer;
use serde_json::{Value, json};

use crate::harness::{Finished, Home, SOON, eventually, finish, peer};
use crate::harness_daemon::Daemon;
use crate::harness_disk::OwnDisk;

/// What it found, after its exit status was held against it.
struct Doctor(Value);

impl Doctor {
    #[track_caller]
    fn read(done: Finished) -> Doctor {
        let report: Value = match serde_json::from_str(&done.stdout) {
            Ok(report) => report,
            Err(e) => panic!("{e}: {done:?}"),
        };
        assert_eq!(done.status.success(), report["ok"] == true, "{done:?}");
        for secret in ["k-test-123456", "1:test"] {
            assert!(!done.all().contains(secret), "{done:?}");
        }
        Doctor(report)
    }

    #[track_caller]
    fn of(home: &Home) -> Doctor {
        Doctor::read(home.run(&["doctor", "--json"]))
    }

    /// `what → do` of all looks of this name and state.
    fn all(&self, check: &str, state: &str) -> Vec<String> {
        let all = self.0["checks"].as_array().into_iter().flatten();
        let found = all.filter(|c| c["check"] == check && c["state"] == state);
        let text = |v: &Value| v.as_str().unwrap_or_default().to_owned();
        found.map(|c| format!("{} → {}", text(&c["what"]), text(&c["do"]))).collect()
    }

    /// The one failed look of this name says so and names the cure.
    #[track_caller]
    fn failed(&self, check: &str, what: &str, cure: &str) {
        let all = self.all(check, "failed");
        let hit = all.iter().any(|f| f.contains(what) && f.contains(cure));
        assert!(hit && self.0["ok"] == false, "{check}: {what:?} {cure:?} not in {:#}", self.0);
    }
}

fn closed(home: &Home) {
    let mode = std::fs::Permissions::from_mode(0o600);
    std::fs::set_permissions(home.path("config.json"), mode).expect("a mode");
}

fn healthy(peer: &Peer, patch: &Value) -> Home {
    let home = Home::patched(peer, patch);
    closed(&home);
    home
}

/// A home whose one model is at `base`, through `proxy` where it is not empty.
fn with_model(peer: &Peer, base: &str, proxy: &str) -> Home {
    let model = json!([{
        "model_name": "m", "model": "openai/test", "api_base": base, "proxy": proxy,
        "api_keys": ["k-test-123456"],
    }]);
    healthy(peer, &json!({ "model_list": model }))
}

/// Answers every connection with these bytes, or with nothing at all.
fn server(answer: Option<String>) -> String {
    let listener = TcpListener::bind("127.0.0.1:0").expect("a port");
    let address = listener.local_addr().expect("an address");
    std::thread::spawn(move || {
        for mut stream in listener.incoming().flatten() {
            let Some(answer) = answer.clone() else {
                std::thread::spawn(move || stream.read_to_end(&mut Vec::new()));
                continue;
            };
            let mut lines = BufReader::new(stream.try_clone().expect("a handle")).lines();
            while lines.next().is_some_and(|l| l.is_ok_and(|l| !l.is_empty())) {}
            let _ = stream.write_all(answer.as_bytes());
        }
    });
    format!("http://{address}/v1")
}

fn refused() -> String {
    let listener = TcpListener::bind("127.0.0.1:0").expect("a port");
    listener.local_addr().expect("an address").to_string()
}

#[test]
fn a_healthy_home_passes() {
    let peer = peer(true);
    let home = healthy(&peer, &json!({}));
    let doctor = Doctor::of(&home);
    assert_eq!(doctor.0["ok"], true, "{:#}", doctor.0);
    for (check, count) in [
        ("config", 1),
        ("secrets", 1),
        ("clock", 1),
        ("dns", 1),
        ("network", 2),
        ("limits", 1),
        ("disk", 1),
    ] {
        assert_eq!(doctor.all(check, "ok").len(), count, "{check}: {:#}", doctor.0);
    }
    assert_eq!(doctor.all("gateway", "ok"), ["not running → "]);
    let left = std::fs::read_dir(home.path("")).expect("a folder").flatten();
    assert!(!left.map(|e| e.file_name()).any(|n| n.to_string_lossy().contains("doctor")));
    let text = home.run(&["doctor"]);
    assert!(text.stdout.contains("Nothing is wrong."), "{text:?}");
    // And with a gateway, whose token is refused later on.
    let daemon = Daemon::start(&home, &peer);
    let ready = || Doctor::of(&home).all("channel", "ok").pop();
    assert!(eventually(SOON, ready).is_some_and(|c| c.starts_with("telegram: running")));
    peer.revoke_token(true);
    let refused = || (!Doctor::of(&home).all("channel", "failed").is_empty()).then_some(());
    assert!(eventually(Duration::from_secs(60), refused).is_some(), "{}", daemon.log());
    Doctor::of(&home).failed("key", "telegram (127.0.0.1): refuses our key or token", "@BotFather");
}

#[test]
fn files_and_their_modes() {
    let peer = peer(false);
    let home = Home::new(&peer);
    let shown = home.path("config.json").display().to_string();
    Doctor::of(&home).failed("secrets", "may read it (644)", &format!("chmod 600 {shown}"));
    home.write("config.json", "{\n  \"version\": 3,,\n}");
    Doctor::of(&home).failed("config", "config.json:2:16", "correct it");
    // The last good one is looked at instead.
    let home = healthy(&peer, &json!({}));
    drop(Daemon::start(&home, &peer));
    home.write("config.json", r#"{"version": 3, "gateway": {"port": "x"}}"#);
    let doctor = Doctor::of(&home);
    doctor.failed("config", "gateway.port", "correct it");
    assert_eq!(doctor.all("network", "ok").len(), 2, "{:#}", doctor.0);
}

#[test]
fn unreachable_servers() {
    let peer = peer(false);
    let (port, proxy) = (refused(), refused());
    let answer = |status: &str, fields: &str| {
        server(Some(format!("HTTP/1.1 {status}\r\n{fields}Content-Length: 0\r\n\r\n")))
    };
    for (base, proxy, check, what, cure) in [
        ("http://no-such-host.invalid/v1", "", "dns", "no-such-host.invalid", "/etc/resolv.conf"),
        (&*format!("http://{port}/v1"), "", "network", "refused", "does the server run"),
        ("http://192.0.2.1/v1", &*format!("http://{proxy}"), "network", "refused", "proxy"),
        ("ftp://192.0.2.1/v1", "", "config", "api_base", "correct"),
        (&*server(Some("SSH-2.0-x\r\n".into())), "", "network", "", "the port right"),
        (&*answer("401 Unauthorized", ""), "", "key", "status 401", "api_keys"),
        (&*answer("407 X", ""), "", "proxy", "407", "a user and a password"),
        (
            &*answer("200 OK", "Date: Sun, 06 Nov 2061 08:49:37 GMT\r\n"),
            "",
            "clock",
            "s away from the servers'",
            "time.servers",
        ),
        (
            &*format!("https://{}/v1", peer.base_url().trim_start_matches("http://")),
            "",
            "tls",
            "",
            "SSL_CERT_FILE",
        ),
    ] {
        let home = with_model(&peer, base, proxy);
        let doctor = Doctor::of(&home);
        doctor.failed(check, what, cure);
    }
    let sick = with_model(&peer, &answer("503 Busy", ""), "");
    assert_eq!(Doctor::of(&sick).all("network", "warning").len(), 1);
    // A variable that nothing can be done with.
    let home = healthy(&peer, &json!({})).env("HTTPS_PROXY", "ftp://x");
    Doctor::of(&home).failed("environment", "HTTPS_PROXY", "correct the variable");
}

#[test]
fn certificates_of_nobody_we_know() {
    let peer = peer(true);
    let home = healthy(&peer, &json!({}));
    let mut command = home.command(&["doctor", "--json"]);
    command.env_remove("SSL_CERT_FILE");
    let doctor = Doctor::read(finish(command));
    doctor.failed("tls", "m (127.0.0.1)", "SSL_CERT_FILE adds roots");
    doctor.failed("tls", "telegram (127.0.0.1)", "is the clock right");
}

#[test]
fn a_server_that_says_nothing_is_waited_for_so_long() {
    let peer = peer(false);
    let home = with_model(&peer, &server(None), "");
    let begin = Instant::now();
    Doctor::of(&home).failed("network", "no answer within 20 s", "firewall");
    // Once: a second wait would end after 40 s at the earliest.
    assert!(begin.elapsed() < Duration::from_secs(39), "{:?}", begin.elapsed());
}

#[test]
fn few_files_may_be_open() {
    let peer = peer(false);
    let home = healthy(&peer, &json!({}));
    let mut command = Command::new("sh");
    home.furnish(&mut command);
    let line = format!("ulimit -n 40; exec {} doctor --json", crate::harness::program().display());
    command.args(["-c", &line]);
    Doctor::read(finish(command)).failed("limits", "40 open files", "ulimit -n");
}

#[test]
fn disks_that_take_nothing() {
    let peer = peer(false);
    let home = healthy(&peer, &json!({}));
    let missing = home.run(&["doctor", "--json"]);
    assert!(missing.status.success(), "{missing:?}");
    let mut command = home.command(&["doctor", "--json"]);
    command.env("PICOCLAW_HOME", home.path("elsewhere"));
    command.env("PICOCLAW_CONFIG", home.path("config.json"));
    Doctor::read(finish(command)).failed("disk", "elsewhere", "picoclaw onboard");
    // A folder that is somebody else's to write.
    let command = home.command_of_nobody(&["doctor", "--json"]);
    std::fs::set_permissions(home.path(""), std::fs::Permissions::from_mode(0o555))
        .expect("a mode");
    let doctor = Doctor::read(finish(command));
    std::fs::set_permissions(home.path(""), std::fs::Permissions::from_mode(0o755))
        .expect("a mode");
    doctor.failed("disk", "denied", "gateway's user");
    if let Some(user) = home.give_away() {
        std::os::unix::fs::chown(home.path("config.json"), Some(0), Some(0)).expect("root's");
        Doctor::of(&home).failed("disk", "config.json is another", &format!("chown -R {user}"));
    }
    let home = healthy(&peer, &json!({}));
    let Some(disk) = OwnDisk::new(home) else { return };
    disk.mount(&["-t", "tmpfs", "-o", "size=256k", "none"]);
    let look = || disk.run(&[&crate::harness::program().display().to_string(), "doctor", "--json"]);
    Doctor::read(look()).failed("disk", "kB free", "make room");
    disk.fill();
    Doctor::read(look()).failed("disk", "No space left", "make room");
    disk.free();
    disk.remount("ro");
    Doctor::read(look()).failed("disk", "Read-only", "remount,rw");
}
