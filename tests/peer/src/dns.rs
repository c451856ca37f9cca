//! A name server with a fixed table (A and AAAA), whose manners can be set (RFC 1035).

use std::collections::BTreeMap;
use std::io;
use std::net::{IpAddr, SocketAddr};
use std::sync::{Arc, Mutex, PoisonError};
use std::time::Duration;

use crate::udp::Responder;

/// What the server does with a question.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Mode {
    /// Answers from the table; names that are not in it do not exist.
    Answer,
    /// REFUSED.
    Refuse,
    /// SERVFAIL.
    Fail,
    /// Says nothing.
    Drop,
    /// Answers after this time.
    Delay(Duration),
}

impl Mode {
    /// `answer`, `refuse`, `fail`, `drop` or `delay:MILLISECONDS`.
    pub fn parse(name: &str) -> Option<Mode> {
        Some(match name.split_once(':') {
            Some(("delay", ms)) => Mode::Delay(Duration::from_millis(ms.parse().ok()?)),
            None if name == "answer" => Mode::Answer,
            None if name == "refuse" => Mode::Refuse,
            None if name == "fail" => Mode::Fail,
            None if name == "drop" => Mode::Drop,
            _ => return None,
        })
    }
}

struct Table {
    mode: Mode,
    names: BTreeMap<String, Vec<IpAddr>>,
    asked: BTreeMap<String, u64>,
}

/// The running server; stops when dropped.
pub struct Dns {
    table: Arc<Mutex<Table>>,
    responder: Responder,
}

impl Dns {
    /// Starts on `address` (port 0 picks one) with an empty table.
    pub fn start(address: SocketAddr) -> io::Result<Dns> {
        let table = Table { mode: Mode::Answer, names: BTreeMap::new(), asked: BTreeMap::new() };
        let table = Arc::new(Mutex::new(table));
        let shared = table.clone();
        let responder = Responder::start(address, move |question| {
            let (reply, mode) = {
                let mut table = shared.lock().unwrap_or_else(PoisonError::into_inner);
                (answer(question, &mut table), table.mode)
            };
            if let Mode::Delay(time) = mode {
                std::thread::sleep(time);
            }
            reply
        })?;
        Ok(Dns { table, responder })
    }

    /// Where it listens.
    pub fn address(&self) -> SocketAddr {
        self.responder.address()
    }

    /// Adds an address to a name.
    pub fn add(&self, name: &str, address: IpAddr) {
        self.with(|t| t.names.entry(key(name)).or_default().push(address));
    }

    /// Changes the manners.
    pub fn set_mode(&self, mode: Mode) {
        self.with(|t| t.mode = mode);
    }

    /// Questions for a name, answered or not.
    pub fn asked(&self, name: &str) -> u64 {
        self.with(|t| t.asked.get(&key(name)).copied().unwrap_or(0))
    }

    fn with<T>(&self, f: impl FnOnce(&mut Table) -> T) -> T {
        f(&mut self.table.lock().unwrap_or_else(PoisonError::into_inner))
    }
}

fn key(name: &str) -> String {
    name.trim_end_matches('.').to_ascii_lowercase()
}

fn answer(packet: &[u8], table: &mut Table) -> Option<Vec<u8>> {
    let (name, end) = question_name(packet)?;
    let kind = u16::from_be_bytes(packet.get(end..end + 2)?.try_into().ok()?);
    let question = packet.get(12..end + 4)?;
    if packet[2] & 0x80 != 0 {
        return None; // an answer, not a question
    }
    *table.asked.entry(name.clone()).or_insert(0) += 1;
    let known = table.names.get(&name);
    let (code, addresses) = match table.mode {
        Mode::Drop => return None,
        Mode::Refuse => (5, Vec::new()),
        Mode::Fail => (2, Vec::new()),
        Mode::Answer | Mode::Delay(_) => match known {
            // A name with addresses of the other family exists and has no record of this one.
            Some(all) => (0, all.iter().filter(|a| record_type(a) == kind).collect()),
            None => (3, Vec::new()),
        },
    };
    let mut reply = packet[..2].to_vec();
    let recursion_desired = packet[2] & 1;
    reply.extend([0x84 | recursion_desired, 0x80 | code, 0, 1]);
    reply.extend((addresses.len() as u16).to_be_bytes());
    reply.extend([0; 4]);
    reply.extend(question);
    for address in addresses {
        reply.extend([0xc0, 12]); // the name of the question
        reply.extend(kind.to_be_bytes());
        reply.extend([0, 1, 0, 0, 0, 5]); // IN, five seconds
        match address {
            IpAddr::V4(a) => {
                reply.extend([0, 4]);
                reply.extend(a.octets());
            }
            IpAddr::V6(a) => {
                reply.extend([0, 16]);
                reply.extend(a.octets());
            }
        }
    }
    Some(reply)
}

fn record_type(address: &IpAddr) -> u16 {
    if address.is_ipv4() { 1 } else { 28 }
}

/// The name of the first question, lower case, and where it ends.
fn question_name(packet: &[u8]) -> Option<(String, usize)> {
    let mut at = 12;
    let mut name = String::new();
    loop {
        let length = usize::from(*packet.get(at)?);
        at += 1;
        match length {
            0 => return Some((name, at)),
            1..=63 => {
                let label = packet.get(at..at + length)?;
                if !name.is_empty() {
                    name.push('.');
                }
                name.push_str(&String::from_utf8_lossy(label).to_ascii_lowercase());
                at += length;
            }
            _ => return None,
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::net::UdpSocket;

    fn ask(server: &Dns, name: &str, kind: u8) -> Option<Vec<u8>> {
        let mut question = vec![7, 7, 1, 0, 0, 1, 0, 0, 0, 0, 0, 0];
        for label in name.split('.') {
            question.push(label.len() as u8);
            question.extend(label.as_bytes());
        }
        question.extend([0, 0, kind, 0, 1]);
        let socket = UdpSocket::bind("127.0.0.1:0").expect("a socket");
        socket.set_read_timeout(Some(Duration::from_millis(300))).expect("a timeout");
        socket.send_to(&question, server.address()).expect("sent");
        let mut reply = [0; 512];
        let n = socket.recv(&mut reply).ok()?;
        Some(reply[..n].to_vec())
    }

    #[test]
    fn the_table_is_told() {
        let server = Dns::start(([127, 0, 0, 1], 0).into()).expect("a server");
        server.add("Peer.test.", [10, 0, 2, 2].into());
        let reply = ask(&server, "peer.TEST", 1).expect("an answer");
        assert_eq!((reply[3] & 15, reply[7]), (0, 1));
        assert!(reply.ends_with(&[10, 0, 2, 2]));
        let reply = ask(&server, "peer.test", 28).expect("an answer");
        assert_eq!((reply[3] & 15, reply[7]), (0, 0));
        assert_eq!(ask(&server, "other.test", 1).expect("an answer")[3] & 15, 3);
        server.set_mode(Mode::Refuse);
        assert_eq!(ask(&server, "peer.test", 1).expect("an answer")[3] & 15, 5);
        server.set_mode(Mode::parse("drop").expect("a mode"));
        assert_eq!(ask(&server, "peer.test", 1), None);
        assert_eq!(server.asked("PEER.test"), 4);
    }
}
