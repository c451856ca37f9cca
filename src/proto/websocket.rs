//! WebSocket (RFC 6455), the server's side without I/O: the handshake, and frames. No extensions, text only.

use ring::digest::{SHA1_FOR_LEGACY_USE_ONLY, digest};

use super::base64::STANDARD;
use super::http1::field;

/// The suffix of the key (section 1.3).
const GUID: &[u8] = b"258EAFA5-E914-47DA-95CA-C5AB0DC85B11";

/// Normal closure (section 7.4.1).
pub const NORMAL: u16 = 1000;
/// The client broke the protocol.
pub const PROTOCOL: u16 = 1002;
/// Binary, which is not supported.
pub const UNSUPPORTED: u16 = 1003;
/// A text that is not UTF-8.
pub const NOT_TEXT: u16 = 1007;
/// Too many bytes.
pub const TOO_BIG: u16 = 1009;

const CONTINUATION: u8 = 0;
/// Opcode of a text.
pub const TEXT: u8 = 1;
const BINARY: u8 = 2;
/// Opcode of a close frame.
pub const CLOSE: u8 = 8;
/// Opcode of a ping.
pub const PING: u8 = 9;
/// Opcode of a pong.
pub const PONG: u8 = 10;

/// The value of Sec-WebSocket-Accept, where the head of a GET asks for this protocol in its one version (section 4.2.1).
pub fn accept(head: &[u8]) -> Option<String> {
    let has = |name, word: &[u8]| {
        let words = field(head, name).unwrap_or_default();
        words.split(|b| *b == b',').any(|w| w.trim_ascii().eq_ignore_ascii_case(word))
    };
    let key = field(head, b"sec-websocket-key")?;
    let asks = head.starts_with(b"GET ")
        && has(b"upgrade", b"websocket")
        && has(b"connection", b"upgrade")
        && has(b"sec-websocket-version", b"13")
        && STANDARD.decode(key).is_some_and(|key| key.len() == 16);
    asks.then(|| STANDARD.encode(digest(&SHA1_FOR_LEGACY_USE_ONLY, &[key, GUID].concat())))
}

/// Encodes a server frame: complete and unmasked.
pub fn frame(opcode: u8, payload: &[u8]) -> Vec<u8> {
    let mut out = Vec::with_capacity(payload.len() + 10);
    out.push(0x80 | opcode);
    match payload.len() {
        n @ 0..=125 => out.push(n as u8),
        n @ 126..=0xffff => {
            out.push(126);
            out.extend_from_slice(&(n as u16).to_be_bytes());
        }
        n => {
            out.push(127);
            out.extend_from_slice(&(n as u64).to_be_bytes());
        }
    }
    out.extend_from_slice(payload);
    out
}

/// An event from a client.
#[derive(Debug, PartialEq, Eq)]
pub enum WsEvent {
    /// A message.
    Text(String),
    /// A ping, to be answered with the same bytes.
    Ping(Vec<u8>),
    /// A pong.
    Pong,
    /// A close frame.
    Close,
}

/// A partially received frame.
struct WsFrame {
    last: bool,
    opcode: u8,
    left: usize,
    mask: [u8; 4],
    /// Which byte of the mask is next.
    at: usize,
}

/// Parses a client's bytes in pieces of any size; holds one message and one control frame.
pub struct WsReader {
    head: Vec<u8>,
    frame: Option<WsFrame>,
    message: Vec<u8>,
    control: Vec<u8>,
    /// Whether more fragments of the message follow.
    fragmented: bool,
    most: usize,
}

impl WsReader {
    /// For messages of at most `most` bytes.
    pub fn new(most: usize) -> WsReader {
        WsReader {
            head: Vec::new(),
            frame: None,
            message: Vec::new(),
            control: Vec::new(),
            fragmented: false,
            most,
        }
    }

    /// Consumes bytes from `input` up to the end of an event; returns the event once it is complete.
    ///
    /// # Errors
    /// The status to close with; the rest of the stream is unusable.
    pub fn feed(&mut self, input: &mut &[u8]) -> Result<Option<WsEvent>, u16> {
        loop {
            let Some(frame) = &mut self.frame else {
                let Some((byte, rest)) = input.split_first() else { return Ok(None) };
                *input = rest;
                self.head.push(*byte);
                self.frame = self.begin()?;
                continue;
            };
            let n = frame.left.min(input.len());
            if n == 0 && frame.left > 0 {
                return Ok(None);
            }
            let (piece, rest) = input.split_at(n);
            *input = rest;
            let buffer = if frame.opcode < CLOSE { &mut self.message } else { &mut self.control };
            for byte in piece {
                buffer.push(byte ^ frame.mask[frame.at & 3]);
                frame.at += 1;
            }
            frame.left -= n;
            if frame.left > 0 {
                continue;
            }
            let (opcode, last) = (frame.opcode, frame.last);
            self.frame = None;
            let control = std::mem::take(&mut self.control);
            return Ok(Some(match opcode {
                PING => WsEvent::Ping(control),
                PONG => WsEvent::Pong,
                CLOSE => WsEvent::Close,
                _ if last => {
                    self.fragmented = false;
                    let text = String::from_utf8(std::mem::take(&mut self.message));
                    WsEvent::Text(text.map_err(|_| NOT_TEXT)?)
                }
                _ => {
                    self.fragmented = true;
                    continue;
                }
            }));
        }
    }

    /// The frame whose head is there in full (section 5.2).
    fn begin(&mut self) -> Result<Option<WsFrame>, u16> {
        let [first, second, rest @ ..] = &self.head[..] else { return Ok(None) };
        let (opcode, short) = (first & 0x0f, usize::from(second & 0x7f));
        let wide = match short {
            126 => 2,
            127 => 8,
            _ => 0,
        };
        let control = opcode >= CLOSE;
        let fine = first & 0x70 == 0
            && second & 0x80 != 0
            && match opcode {
                CONTINUATION => self.fragmented,
                TEXT | BINARY => !self.fragmented,
                CLOSE..=PONG => first & 0x80 != 0 && short <= 125,
                _ => false,
            };
        if !fine {
            return Err(PROTOCOL);
        }
        if opcode == BINARY {
            return Err(UNSUPPORTED);
        }
        if rest.len() < wide + 4 {
            return Ok(None);
        }
        let (length, mask) = rest.split_at(wide);
        let long = length.iter().fold(0, |sum: u64, byte| sum << 8 | u64::from(*byte));
        let left = if wide == 0 { short } else { usize::try_from(long).unwrap_or(usize::MAX) };
        if !control && left.saturating_add(self.message.len()) > self.most {
            return Err(TOO_BIG);
        }
        let mask = [mask[0], mask[1], mask[2], mask[3]];
        let last = first & 0x80 != 0;
        self.head.clear();
        Ok(Some(WsFrame { last, opcode, left, mask, at: 0 }))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// A client's frame.
    fn masked(first: u8, payload: &[u8]) -> Vec<u8> {
        let mut out = frame(first & 0x0f, payload);
        out[0] = first;
        out[1] |= 0x80;
        let head = out.len() - payload.len();
        let mask = [1, 2, 3, 4];
        out.iter_mut().skip(head).enumerate().for_each(|(i, b)| *b ^= mask[i & 3]);
        out.splice(head..head, mask);
        out
    }

    /// The events of `bytes` however they are cut, and the status behind them.
    #[track_caller]
    fn check(bytes: &[u8], want: &[WsEvent], status: u16) {
        for step in [1, 2, 3, 7, bytes.len().max(1)] {
            let mut reader = WsReader::new(300);
            let (mut found, mut closed) = (Vec::new(), 0);
            'pieces: for mut piece in bytes.chunks(step) {
                loop {
                    match reader.feed(&mut piece) {
                        Ok(Some(event)) => found.push(event),
                        Ok(None) => break,
                        Err(status) => {
                            closed = status;
                            break 'pieces;
                        }
                    }
                }
            }
            assert_eq!((&found[..], closed), (want, status), "by {step}");
        }
    }

    fn text(text: &str) -> WsEvent {
        WsEvent::Text(text.into())
    }

    #[test]
    fn the_standards_examples() {
        let head = b"GET /chat HTTP/1.1\r\nHost: x\r\nUpgrade: websocket\r\nConnection: keep-alive, Upgrade\r\nSec-WebSocket-Key: dGhlIHNhbXBsZSBub25jZQ==\r\nSec-WebSocket-Version: 13\r\n\r\n";
        assert_eq!(accept(head).as_deref(), Some("s3pPLMBiTxaQ9kYGzzhZRbK+xOo="));
        check(b"\x81\x85\x37\xfa\x21\x3d\x7f\x9f\x4d\x51\x58", &[text("Hello")], 0);
        assert_eq!(frame(TEXT, b"Hello"), b"\x81\x05Hello");
    }

    #[test]
    fn other_requests_are_no_handshake() {
        let good = "GET / HTTP/1.1\r\nUpgrade: WebSocket\r\nConnection: upgrade\r\nSec-WebSocket-Key: dGhlIHNhbXBsZSBub25jZQ==\r\nSec-WebSocket-Version: 13\r\n\r\n";
        assert!(accept(good.as_bytes()).is_some());
        for (from, to) in [
            ("GET", "POST"),
            ("WebSocket", "h2c"),
            ("upgrade", "close"),
            ("13", "8"),
            ("Key: dGhl", "Key: "),
            ("Key", "Kay"),
        ] {
            assert_eq!(accept(good.replace(from, to).as_bytes()), None, "{from} {to}");
        }
        assert_eq!(accept(b""), None);
    }

    #[test]
    fn messages_come_in_fragments_with_control_frames_between() {
        let bytes = [
            masked(0x01, b"a"),
            masked(0x89, b"there?"),
            masked(0x00, b""),
            masked(0x80, "é".as_bytes()),
            masked(0x8a, b""),
            masked(0x81, b""),
            masked(0x88, b"\x03\xe8"),
        ];
        let want =
            [WsEvent::Ping(b"there?".into()), text("aé"), WsEvent::Pong, text(""), WsEvent::Close];
        check(&bytes.concat(), &want, 0);
    }

    #[test]
    fn lengths() {
        for n in [125, 126, 127, 300] {
            let long = "x".repeat(n);
            check(&masked(0x81, long.as_bytes()), &[text(&long)], 0);
        }
        check(&masked(0x81, &[b'x'; 301]), &[], TOO_BIG);
        check(&[masked(0x01, &[b'x'; 200]), masked(0x80, &[b'x'; 101])].concat(), &[], TOO_BIG);
        check(&[0x81, 0xff, 255, 255, 255, 255, 255, 255, 255, 255, 1, 2, 3, 4], &[], TOO_BIG);
        for n in [0, 125, 126, 65_535, 65_536] {
            let head = frame(TEXT, &vec![0; n]).len() - n;
            assert_eq!(
                head,
                if n < 126 {
                    2
                } else if n < 65_536 {
                    4
                } else {
                    10
                }
            );
        }
    }

    #[test]
    fn protocol_violations_end_the_connection() {
        check(b"\x81\x05Hello", &[], PROTOCOL);
        for first in [0xc1, 0xa1, 0x91, 0x83, 0x8b, 0x80, 0x09] {
            check(&masked(first, b"x"), &[], PROTOCOL);
        }
        check(&masked(0x89, &[0; 126]), &[], PROTOCOL);
        check(&[masked(0x01, b"x"), masked(0x81, b"y")].concat(), &[], PROTOCOL);
        check(&masked(0x82, b"x"), &[], UNSUPPORTED);
        check(&masked(0x81, b"\xff"), &[], NOT_TEXT);
        check(&[masked(0x81, b"x"), masked(0x81, b"\xc3")].concat(), &[text("x")], NOT_TEXT);
    }
}
