//! A time server (SNTP, RFC 4330) whose clock and manners can be set.

use std::io;
use std::net::SocketAddr;
use std::sync::{Arc, Mutex, PoisonError};
use std::time::{Duration, Instant, SystemTime, UNIX_EPOCH};

use crate::udp::Responder;

/// Seconds from 1900 (NTP's era 0) to 1970.
const NTP_TO_UNIX: u64 = 2_208_988_800;

/// What the server does with a question.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Mode {
    /// Answers with its time.
    Answer,
    /// Says nothing.
    Drop,
    /// Stratum 0 with the code RATE: the client must go away.
    KissOfDeath,
    /// Leap indicator 3: the server itself has no time.
    Unsynchronised,
    /// The answer belongs to another question.
    WrongOriginate,
}

impl Mode {
    /// `answer`, `drop`, `kiss`, `unsync` or `wrong`.
    pub fn parse(name: &str) -> Option<Mode> {
        Some(match name {
            "answer" => Mode::Answer,
            "drop" => Mode::Drop,
            "kiss" => Mode::KissOfDeath,
            "unsync" => Mode::Unsynchronised,
            "wrong" => Mode::WrongOriginate,
            _ => return None,
        })
    }
}

struct Clock {
    mode: Mode,
    /// A time of ours and when it was set; `None` follows the host's clock.
    set: Option<(Duration, Instant)>,
    asked: u64,
}

/// The running server; stops when dropped.
pub struct Sntp {
    clock: Arc<Mutex<Clock>>,
    responder: Responder,
}

impl Sntp {
    /// Starts on `address` (port 0 picks one), on the host's time.
    pub fn start(address: SocketAddr) -> io::Result<Sntp> {
        let clock = Arc::new(Mutex::new(Clock { mode: Mode::Answer, set: None, asked: 0 }));
        let shared = clock.clone();
        let responder = Responder::start(address, move |question| {
            answer(question, &mut shared.lock().unwrap_or_else(PoisonError::into_inner))
        })?;
        Ok(Sntp { clock, responder })
    }

    /// Where it listens.
    pub fn address(&self) -> SocketAddr {
        self.responder.address()
    }

    /// From now on the server says it is `unix` seconds, and counts on; `None` is the host's clock.
    pub fn set_time(&self, unix: Option<u64>) {
        self.with(|c| c.set = unix.map(|s| (Duration::from_secs(s), Instant::now())));
    }

    /// Changes the manners.
    pub fn set_mode(&self, mode: Mode) {
        self.with(|c| c.mode = mode);
    }

    /// Questions that came, answered or not.
    pub fn asked(&self) -> u64 {
        self.with(|c| c.asked)
    }

    fn with<T>(&self, f: impl FnOnce(&mut Clock) -> T) -> T {
        f(&mut self.clock.lock().unwrap_or_else(PoisonError::into_inner))
    }
}

fn answer(question: &[u8], clock: &mut Clock) -> Option<Vec<u8>> {
    let first = *question.first()?;
    let (version, mode) = (first >> 3 & 7, first & 7);
    // 3 is "client"; RFC 4330 section 5.
    if question.len() < 48 || mode != 3 || !(1..=4).contains(&version) {
        return None;
    }
    clock.asked += 1;
    let now = match clock.set {
        Some((time, at)) => time + at.elapsed(),
        None => SystemTime::now().duration_since(UNIX_EPOCH).unwrap_or_default(),
    };
    let stamp = stamp(now);
    let leap = if clock.mode == Mode::Unsynchronised { 3 } else { 0 };
    let mut reply = vec![0; 48];
    reply[0] = leap << 6 | version << 3 | 4;
    reply[1] = 1;
    reply[2] = question[2];
    reply[3] = 0xec; // precision: 2^-20 s
    reply[12..16].copy_from_slice(b"LOCL");
    reply[16..24].copy_from_slice(&stamp);
    reply[24..32].copy_from_slice(&question[40..48]);
    reply[32..40].copy_from_slice(&stamp);
    reply[40..48].copy_from_slice(&stamp);
    match clock.mode {
        Mode::Drop => return None,
        Mode::KissOfDeath => {
            reply[1] = 0;
            reply[12..16].copy_from_slice(b"RATE");
        }
        Mode::WrongOriginate => reply[24] ^= 0xff,
        Mode::Answer | Mode::Unsynchronised => {}
    }
    Some(reply)
}

fn stamp(unix: Duration) -> [u8; 8] {
    let seconds = (unix.as_secs() + NTP_TO_UNIX) as u32; // wraps in 2036, as NTP's eras do
    let fraction = (u64::from(unix.subsec_nanos()) << 32) / 1_000_000_000;
    let mut out = [0; 8];
    out[..4].copy_from_slice(&seconds.to_be_bytes());
    out[4..].copy_from_slice(&(fraction as u32).to_be_bytes());
    out
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::net::UdpSocket;

    fn ask(server: &Sntp) -> Option<Vec<u8>> {
        let socket = UdpSocket::bind("127.0.0.1:0").expect("a socket");
        socket.set_read_timeout(Some(Duration::from_millis(300))).expect("a timeout");
        let mut question = [0; 48];
        question[0] = 0x23;
        question[40..].copy_from_slice(b"question");
        socket.send_to(&question, server.address()).expect("sent");
        let mut reply = [0; 64];
        let n = socket.recv(&mut reply).ok()?;
        Some(reply[..n].to_vec())
    }

    #[test]
    fn a_set_clock_is_told() {
        let server = Sntp::start(([127, 0, 0, 1], 0).into()).expect("a server");
        server.set_time(Some(1_800_000_000));
        let reply = ask(&server).expect("an answer");
        assert_eq!(reply.len(), 48);
        assert_eq!(&reply[24..32], b"question");
        let seconds = u32::from_be_bytes(reply[40..44].try_into().expect("four bytes"));
        assert_eq!(u64::from(seconds), 1_800_000_000 + NTP_TO_UNIX);
        server.set_mode(Mode::KissOfDeath);
        assert_eq!(ask(&server).expect("an answer")[1], 0);
        server.set_mode(Mode::Drop);
        assert_eq!(ask(&server), None);
        assert_eq!(server.asked(), 3);
    }
}
