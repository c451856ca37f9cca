//! A gateway with the Pico protocol, and a client of it that can misbehave.

use std::io::{Read, Write};
use std::net::TcpStream;

use picoclaw_peer::Peer;
use serde_json::{Value, json};

use crate::harness::{Home, SOON, eventually, merge, peer};
use crate::harness_daemon::Daemon;

pub const TOKEN: &str = "let-me-talk-1";

pub struct Scene {
    pub peer: Peer,
    pub home: Home,
    pub daemon: Daemon,
}

#[track_caller]
pub fn start(settings: &Value) -> Scene {
    let peer = peer(false);
    let mut all = json!({ "token": TOKEN });
    merge(&mut all, settings);
    let patch = json!({ "channel_list": { "pico": { "enabled": true, "settings": all } } });
    let home = Home::patched(&peer, &patch);
    let daemon = Daemon::start(&home, &peer);
    Scene { peer, home, daemon }
}

/// A client that was let in.
pub struct Client {
    pub stream: TcpStream,
    bytes: Vec<u8>,
}

impl Scene {
    /// The answer's head, and the connection.
    #[track_caller]
    pub fn knock(&self, target: &str, fields: &str) -> (String, TcpStream) {
        let connect = || TcpStream::connect(("127.0.0.1", self.home.health_port)).ok();
        let mut stream = eventually(SOON, connect)
            .unwrap_or_else(|| panic!("nobody listens\n{}", self.daemon.log()));
        stream.set_read_timeout(Some(SOON)).expect("a limit");
        let head = format!(
            "GET {target} HTTP/1.1\r\nHost: x\r\nUpgrade: websocket\r\nConnection: Upgrade\r\nSec-WebSocket-Key: dGhlIHNhbXBsZSBub25jZQ==\r\nSec-WebSocket-Version: 13\r\n{fields}\r\n"
        );
        stream.write_all(head.as_bytes()).expect("written");
        let mut answer = Vec::new();
        while !answer.ends_with(b"\r\n\r\n") {
            let mut byte = [0];
            let n = stream.read(&mut byte).expect("an answer");
            assert!(n > 0, "closed after {:?}", String::from_utf8_lossy(&answer));
            answer.push(byte[0]);
        }
        (String::from_utf8(answer).expect("a head"), stream)
    }

    /// The status of a request that is not let in; nothing else comes.
    #[track_caller]
    pub fn refused(&self, target: &str, fields: &str) -> String {
        let (head, mut stream) = self.knock(target, fields);
        let mut rest = Vec::new();
        stream.read_to_end(&mut rest).expect("the end");
        assert!(rest.is_empty(), "{head}{rest:?}");
        head.lines().next().unwrap_or_default().to_owned()
    }

    /// With the token, in this session.
    #[track_caller]
    pub fn client(&self, session: &str) -> Client {
        let fields = format!("Authorization: Bearer {TOKEN}\r\n");
        let (head, stream) = self.knock(&format!("/pico/ws?session_id={session}"), &fields);
        assert!(head.contains("101 Switching Protocols"), "{head}");
        assert!(head.contains("Sec-WebSocket-Accept: s3pPLMBiTxaQ9kYGzzhZRbK+xOo="), "{head}");
        Client { stream, bytes: Vec::new() }
    }

    #[track_caller]
    pub fn says(&self, words: &str) {
        let said = eventually(SOON, || self.daemon.log().contains(words).then_some(()));
        assert!(said.is_some(), "no {words:?} in\n{}", self.daemon.log());
    }
}

impl Client {
    /// A masked frame.
    #[track_caller]
    pub fn frame(&mut self, first: u8, payload: &[u8]) {
        let mut out = vec![first];
        match payload.len() {
            n @ 0..=125 => out.push(0x80 | n as u8),
            n => {
                out.push(0x80 | 127);
                out.extend_from_slice(&(n as u64).to_be_bytes());
            }
        }
        out.extend_from_slice(&[9, 8, 7, 6]);
        out.extend(payload.iter().enumerate().map(|(i, b)| b ^ [9, 8, 7, 6][i & 3]));
        self.stream.write_all(&out).expect("written");
    }

    #[track_caller]
    pub fn send(&mut self, envelope: &Value) {
        self.frame(0x81, envelope.to_string().as_bytes());
    }

    #[track_caller]
    pub fn say(&mut self, text: &str) {
        self.send(&json!({ "type": "message.send", "id": "1", "payload": { "content": text } }));
    }

    /// The next frame: opcode and payload.
    #[track_caller]
    pub fn next(&mut self) -> (u8, Vec<u8>) {
        loop {
            if let [first, short, rest @ ..] = &self.bytes[..] {
                assert_eq!(first & 0x80, 0x80, "it is whole");
                let (wide, mut n) = match short {
                    126 => (2, 0),
                    127 => (8, 0),
                    n => (0, usize::from(*n)),
                };
                if rest.len() >= wide {
                    n = rest[..wide].iter().fold(n, |sum, b| sum << 8 | usize::from(*b));
                    if rest.len() >= wide + n {
                        let found = (first & 0x0f, rest[wide..wide + n].to_vec());
                        self.bytes.drain(..2 + wide + n);
                        return found;
                    }
                }
            }
            let mut more = [0; 4096];
            let n = self.stream.read(&mut more).expect("a frame");
            assert!(n > 0, "it was closed");
            self.bytes.extend_from_slice(&more[..n]);
        }
    }

    /// The next envelope of this type; those of others are passed over.
    #[track_caller]
    pub fn hear(&mut self, kind: &str) -> Value {
        loop {
            let (opcode, payload) = self.next();
            if opcode == 9 {
                self.frame(0x8a, &payload);
                continue;
            }
            assert_eq!(opcode, 1, "{payload:?}");
            let envelope: Value = serde_json::from_slice(&payload).expect("JSON");
            if envelope["type"] == kind {
                return envelope;
            }
        }
    }

    /// Closed with this status, and gone.
    #[track_caller]
    pub fn ends(mut self, status: u16) {
        loop {
            let (opcode, payload) = self.next();
            if opcode == 8 {
                assert_eq!(payload, status.to_be_bytes());
                break;
            }
        }
        let mut rest = Vec::new();
        self.stream.read_to_end(&mut rest).expect("the end");
        assert!(rest.is_empty(), "{rest:?}");
    }
}
