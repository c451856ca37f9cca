//! Hardware tools through the real daemon: a pseudo terminal is the serial port, files of facts are the board.
//!
//! Buses and lines of real controllers are tested in QEMU; these tests run on any machine.

use std::fs::File;
use std::io::{Read, Write};

use picoclaw::tool::hardware::serial;
use picoclaw_peer::{Peer, Sent};
use rustix::pty::{OpenptFlags, grantpt, openpt, ptsname, unlockpt};
use serde_json::{Value, json};

use crate::harness::{Home, OWNER, SOON, eventually, peer};
use crate::harness_daemon::Daemon;
use crate::rows::{same, string};

const ON: [&str; 4] = ["i2c", "spi", "serial", "gpio"];

/// The other end of a serial port, and the port's path.
fn port() -> (File, String) {
    // The daemon would inherit it otherwise, and it would never be gone.
    let flags = OpenptFlags::RDWR | OpenptFlags::NOCTTY | OpenptFlags::CLOEXEC;
    let master = openpt(flags).expect("a pseudo terminal");
    grantpt(&master).and_then(|()| unlockpt(&master)).expect("unlocked");
    let path = ptsname(&master, Vec::new()).expect("its name").into_string().expect("text");
    (File::from(master), path)
}

fn home(peer: &Peer, ports: &[&str]) -> Home {
    let mut tools: Value =
        ON.iter().map(|t| ((*t).to_owned(), json!({ "enabled": true }))).collect();
    tools["serial"]["ports"] = json!(ports);
    Home::patched(peer, &json!({ "tools": tools }))
}

/// What the model read from its tool.
fn result(peer: &Peer) -> String {
    // The last request may be one for a summary.
    let requests = peer.requests();
    let messages = requests.iter().rev().filter_map(|r| r["messages"].as_array());
    let tool = messages.filter_map(|m| m.iter().rev().find(|m| m["role"] == "tool")).next();
    tool.and_then(|m| m["content"].as_str()).unwrap_or_default().to_owned()
}

/// A call that asks nobody.
#[track_caller]
fn call(peer: &Peer, daemon: &Daemon, name: &str, arguments: &Value) -> String {
    let marker = peer.say(OWNER, OWNER, &written(name, arguments));
    assert!(peer.wait_reply(&marker, SOON).is_some(), "{}", daemon.log());
    result(peer)
}

/// As the test's model takes it: its bracket ends at the first one.
fn written(name: &str, arguments: &Value) -> String {
    format!("[call:{name} {arguments}]")
}

#[track_caller]
fn question(peer: &Peer, daemon: &Daemon, from: usize) -> Sent {
    let find = || peer.sent().into_iter().skip(from).find(|s| !s.buttons.is_empty());
    eventually(SOON, find).unwrap_or_else(|| panic!("no question\n{}", daemon.log()))
}

/// A call that asks; `button` 0 is yes.
#[track_caller]
fn asked(peer: &Peer, daemon: &Daemon, name: &str, arguments: &Value, button: usize) -> String {
    let from = peer.sent().len();
    let marker = peer.say(OWNER, OWNER, &written(name, arguments));
    let asked = question(peer, daemon, from);
    assert!(asked.text.contains(name) && asked.text.contains("connected to the board"));
    peer.press(asked.chat, OWNER, asked.message_id, &asked.buttons[button].1);
    assert!(peer.wait_reply(&marker, SOON).is_some(), "{}", daemon.log());
    result(peer)
}

#[test]
fn a_serial_port_is_read_asked_about_written_and_may_vanish() {
    let (mut other, path) = port();
    let peer = peer(false);
    let home = home(&peer, &[&path]);
    let daemon = Daemon::start(&home, &peer);
    let read = json!({"action": "read", "port": path, "timeout_ms": 300});
    let text = call(&peer, &daemon, "serial", &read);
    assert!(text.contains("\"length\":0"), "{text}");
    other.write_all(b"21.5 C\r\n").expect("sent");
    let text = call(&peer, &daemon, "serial", &read);
    assert!(text.contains("\"text\":\"21.5 C\\r\\n\"") && text.contains("32 31 2e"), "{text}");
    let write = json!({"action": "write", "port": path, "data": "AT"});
    let text = asked(&peer, &daemon, "serial", &write, 1);
    assert!(text.contains("the user said no"), "{text}");
    let text = asked(&peer, &daemon, "serial", &write, 0);
    assert!(text.contains("\"written\":2"), "{text}");
    let mut room = [0; 8];
    let n = other.read(&mut room).expect("arrived");
    assert_eq!(&room[..n], b"AT", "what was refused was sent, too");
    // It is unplugged while somebody reads.
    let long = json!({"action": "read", "port": path, "timeout_ms": 10_000});
    let marker = peer.say(OWNER, OWNER, &written("serial", &long));
    let open = || {
        let files = std::fs::read_dir(format!("/proc/{}/fd", daemon.pid())).expect("descriptors");
        let mut targets = files.flatten().filter_map(|f| std::fs::read_link(f.path()).ok());
        targets.any(|t| t.to_str() == Some(&path)).then_some(())
    };
    assert!(eventually(SOON, open).is_some(), "{}", daemon.log());
    drop(other);
    assert!(peer.wait_reply(&marker, SOON).is_some(), "{}", daemon.log());
    let text = result(&peer);
    assert!(text.contains(&format!("{path}: went away")), "{text}");
    // The rest goes on.
    let text = call(&peer, &daemon, "board", &json!({}));
    assert!(text.contains("uptime_seconds") && text.contains("unknown"), "{text}");
}

#[test]
fn vital_devices_are_refused_before_asking() {
    let (_other, path) = port();
    let peer = peer(false);
    let home = home(&peer, &[&path]);
    home.write(
        "board.conf",
        &format!(
            "TITLE='Test board'\nI2C_REFUSED='/dev/i2c-1:Wi-Fi'\nSPI_REFUSED='/dev/spidev2.0:Wi-Fi'\n\
             GPIO_REFUSED='PF2@2000000.pinctrl/162:boot_card'\nUART_REFUSED='{path}:Bluetooth'\n"
        ),
    );
    let facts = home.path("board.conf").to_str().expect("text").to_owned();
    let home = home.env("PICOCLAW_BOARD_FILE", &facts);
    let daemon = Daemon::start(&home, &peer);
    for (name, arguments, why) in [
        (
            "i2c",
            json!({"action": "write", "bus": "1", "address": 9, "register": 1}),
            "data must be",
        ),
        (
            "i2c",
            json!({"action": "scan", "bus": "1"}),
            "refused: /dev/i2c-1 carries Wi-Fi on this board (Test board)",
        ),
        (
            "spi",
            json!({"action": "read", "device": "2.0", "length": 1}),
            "/dev/spidev2.0 carries Wi-Fi",
        ),
        (
            "gpio",
            json!({"action": "write", "line": 162, "value": 1}),
            "/dev/gpiochip0 line 162 carries boot card (PF2)",
        ),
        ("serial", json!({"action": "write", "port": path, "data": "x"}), "carries Bluetooth"),
        ("serial", json!({"action": "write", "port": "tty1", "data": "x"}), "no serial port"),
    ] {
        let text = call(&peer, &daemon, name, &arguments);
        assert!(text.contains(why), "{name}: {text}");
    }
    assert!(!peer.sent().iter().any(|s| !s.buttons.is_empty()), "somebody was asked");
    let text = call(&peer, &daemon, "board", &json!({}));
    assert!(text.contains("Test board") && text.contains("/dev/i2c-1:Wi-Fi"), "{text}");
}

#[test]
fn devices_that_are_not_there_and_words_of_the_model_do_nothing() {
    let peer = peer(false);
    let home = home(&peer, &[]);
    let daemon = Daemon::start(&home, &peer);
    let write = json!({"action": "write", "line": 1, "value": 1, "chip": "gpiochip999"});
    let text = asked(&peer, &daemon, "gpio", &write, 0);
    assert!(text.contains("there is no /dev/gpiochip999"), "{text}");
    let mut confirmed = write.clone();
    confirmed["confirm"] = json!(true);
    let text = call(&peer, &daemon, "gpio", &confirmed);
    assert!(text.contains("unexpected property \"confirm\""), "{text}");
    let text = call(&peer, &daemon, "i2c", &json!({"action": "scan", "bus": "999"}));
    assert!(text.contains("there is no /dev/i2c-999") && text.contains("i2c_dev"), "{text}");
}

#[test]
fn rows() {
    crate::rows::rows("serial", |_, name, input, want| {
        if let Some(port) = input["port"].as_str() {
            return same(name, serial::path(port).as_deref(), Ok(string(&want["want"])));
        }
        same(name, serial::baud(input["baud"].as_i64()).is_err(), want["wantErr"] == true)
    });
}
