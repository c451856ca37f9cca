//! What a command line may cost the gateway: connections, packets, words that it does not read.

use std::io::{Read, Write};
use std::os::unix::net::UnixStream;
use std::time::Duration;

use picoclaw::limits::{CLI_CLIENTS, CLI_PACKET_BYTES};
use picoclaw::proto::packet::{self, Packet, Packets};
use serde_json::json;

use crate::command_line::{start, wait_session};
use crate::harness::{Home, SOON, eventually};

/// A connection that speaks for itself.
struct Raw(UnixStream, Packets);

impl Raw {
    #[track_caller]
    fn attach(home: &Home, session: &str) -> Raw {
        let stream = UnixStream::connect(home.path("state/control.sock")).expect("a daemon");
        stream.set_read_timeout(Some(SOON)).expect("a limit");
        let mut raw = Raw(stream, Packets::default());
        raw.0.write_all(b"A").expect("the opcode");
        raw.send(packet::HELLO, packet::FLAG_INTERACTIVE, session);
        raw
    }

    fn send(&mut self, kind: u8, number: u32, text: &str) {
        let mut bytes = Vec::new();
        packet::write(&mut bytes, kind, number, text);
        self.0.write_all(&bytes).expect("sent");
    }

    /// `None` when the daemon has closed the connection.
    fn next(&mut self) -> Option<Packet> {
        loop {
            if let Some(packet) = self.1.take().expect("packets") {
                return Some(packet);
            }
            let mut part = [0; 4096];
            match self.0.read(&mut part) {
                Ok(n) if n > 0 => self.1.feed(&part[..n]),
                Err(e) if e.kind() == std::io::ErrorKind::WouldBlock => panic!("it is still open"),
                _ => return None,
            }
        }
    }
}

#[test]
fn connections_and_packets_are_bounded() {
    let (_peer, home, daemon) = start(&json!({}));
    let mut all: Vec<Raw> = (0..CLI_CLIENTS).map(|_| Raw::attach(&home, "cli:x")).collect();
    for raw in &mut all {
        assert_eq!(raw.next().map(|p| p.kind), Some(packet::WELCOME));
    }
    let refused = home.run(&["agent", "-m", "hello"]);
    assert!(!refused.status.success(), "{refused:?}");
    assert!(refused.stderr.contains("too many command lines"), "{refused:?}");
    // Other requests have room of their own.
    assert!(home.run(&["status"]).stdout.contains("running, PID"));
    // Too long, nothing at all, no text, no kind, and a long session key.
    let mut head = vec![packet::MESSAGE, 1, 0, 0, 0];
    head.extend((CLI_PACKET_BYTES as u32 + 1).to_le_bytes());
    all[0].0.write_all(&head).expect("sent");
    all[1].send(packet::MESSAGE, 1, " ");
    all[2].0.write_all(&[packet::MESSAGE, 0, 0, 0, 0, 1, 0, 0, 0, 0xff]).expect("sent");
    all[3].send(0, 1, "what?");
    for mut raw in all {
        assert_eq!(raw.next(), None);
    }
    let mut long = Raw::attach(&home, &"x".repeat(1000));
    assert_eq!(long.next().map(|p| p.kind), Some(packet::REFUSED));
    assert_eq!(long.next(), None);
    // A message over the limit of all channels has its answer, and the next one, too.
    let mut raw = Raw::attach(&home, "cli:x");
    raw.send(packet::MESSAGE, 1, &"x".repeat(33_000));
    raw.send(packet::MESSAGE, 2, "hello q999999");
    let mut texts = String::new();
    while let Some(packet) = raw.next() {
        if packet.kind == packet::TEXT {
            texts.push_str(&packet.text);
        }
        if packet.kind == packet::DONE && packet.number == 2 {
            break;
        }
    }
    assert!(texts.contains("too long for me") && texts.contains("re q999999 ok."), "{texts}");
    assert!(daemon.log().contains("a packet that is too long"), "{}", daemon.log());
}

#[test]
fn clients_that_never_read_are_dropped() {
    let (_peer, home, daemon) = start(&json!({}));
    let mut deaf = Raw::attach(&home, "cli:deaf");
    for n in 1..=12 {
        deaf.send(packet::MESSAGE, n, &format!("[long:39000] q7000{n:02}"));
        let other = home.run(&["agent", "-m", &format!("hello q6000{n:02}")]);
        assert!(other.stdout.contains(&format!("re q6000{n:02} ok.")), "{other:?}");
        if daemon.log().contains("does not read what it is told") {
            break;
        }
    }
    let dropped = || daemon.log().contains("does not read what it is told").then_some(());
    assert!(eventually(Duration::from_secs(30), dropped).is_some(), "{}", daemon.log());
    wait_session(&home, "cli_deaf", "re q700001 ok.");
    let other = home.run(&["agent", "-m", "hello q999999"]);
    assert!(other.stdout.contains("re q999999 ok."), "{other:?}");
}
