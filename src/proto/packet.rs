//! The protocol between a command line and the daemon on the control socket: packets with a kind, a number and a text.
//!
//! On the wire: kind (1 byte), number and length (4 bytes each, little endian), then the text in UTF-8.

use crate::limits::CLI_PACKET_BYTES;

/// Client: first packet; the number contains the flags [`FLAG_CAN_ASK`] and [`FLAG_INTERACTIVE`], the text is the session key.
pub const HELLO: u8 = b'H';
/// Client: a message, under a number of its own choice (not 0).
pub const MESSAGE: u8 = b'M';
/// Client: yes to the question of this number.
pub const YES: u8 = b'Y';
/// Client: no to the question of this number.
pub const NO: u8 = b'N';

/// Daemon: accepted.
pub const WELCOME: u8 = b'W';
/// Daemon: refused, with the reason; then it closes the connection.
pub const REFUSED: u8 = b'E';
/// Daemon: the message of this number is accepted; the text is empty if it is on the card, else the reason why it is not.
pub const ACCEPTED: u8 = b'T';
/// Daemon: the turn of the message of this number has started.
pub const STARTED: u8 = b'P';
/// Daemon: a part of the answer to this number, or, with 0, a message outside an answer.
pub const TEXT: u8 = b'A';
/// Daemon: this number is finished; the text is empty on success.
pub const DONE: u8 = b'D';
/// Daemon: a question for yes or no.
pub const QUESTION: u8 = b'Q';
/// Daemon: the question of this number is closed.
pub const CLOSED: u8 = b'X';

/// Flag of [`HELLO`]: a person is there who can be asked.
pub const FLAG_CAN_ASK: u32 = 1;
/// Flag of [`HELLO`]: interactive; it also wants later messages of its session.
pub const FLAG_INTERACTIVE: u32 = 2;

/// Bytes before the text.
const HEAD: usize = 9;

/// One packet.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Packet {
    /// One of the constants above; anything else is for the reader to refuse.
    pub kind: u8,
    /// The number of a message or question.
    pub number: u32,
    /// At most [`CLI_PACKET_BYTES`].
    pub text: String,
}

/// Adds a packet to `out`; what is longer than [`CLI_PACKET_BYTES`] is the caller's to cut.
pub fn write(out: &mut Vec<u8>, kind: u8, number: u32, text: &str) {
    out.push(kind);
    out.extend_from_slice(&number.to_le_bytes());
    out.extend_from_slice(&(text.len() as u32).to_le_bytes());
    out.extend_from_slice(text.as_bytes());
}

/// Assembles packets from bytes. Holds at most one packet and the last input.
#[derive(Default)]
pub struct Packets(Vec<u8>);

impl Packets {
    /// Adds input.
    pub fn feed(&mut self, bytes: &[u8]) {
        self.0.extend_from_slice(bytes);
    }

    /// The next complete packet.
    ///
    /// # Errors
    /// A packet that is too long or not UTF-8: nothing after it can be read.
    pub fn take(&mut self) -> Result<Option<Packet>, &'static str> {
        let Some((head, rest)) = self.0.split_first_chunk::<HEAD>() else { return Ok(None) };
        let [kind, a, b, c, d, size @ ..] = *head;
        let size = u32::from_le_bytes(size) as usize;
        if size > CLI_PACKET_BYTES {
            return Err("a packet that is too long");
        }
        let Some(text) = rest.get(..size) else { return Ok(None) };
        let text = std::str::from_utf8(text).map_err(|_| "a packet that is no text")?.to_owned();
        self.0.drain(..HEAD + size);
        if self.0.is_empty() {
            // The buffer is freed while the conversation is idle.
            self.0 = Vec::new();
        }
        Ok(Some(Packet { kind, number: u32::from_le_bytes([a, b, c, d]), text }))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn packets_come_whole_wherever_they_are_cut() {
        let mut wire = Vec::new();
        write(&mut wire, MESSAGE, 7, "hallo ü");
        write(&mut wire, DONE, u32::MAX, "");
        for cut in 0..=wire.len() {
            let mut packets = Packets::default();
            let mut found = Vec::new();
            for part in [&wire[..cut], &wire[cut..]] {
                packets.feed(part);
                while let Some(packet) = packets.take().expect("good packets") {
                    found.push((packet.kind, packet.number, packet.text));
                }
            }
            let want = [(MESSAGE, 7, "hallo ü".to_owned()), (DONE, u32::MAX, String::new())];
            assert_eq!(found, want, "cut at {cut}");
        }
    }

    #[test]
    fn long_or_invalid_packets_are_refused() {
        let mut long = vec![MESSAGE, 0, 0, 0, 0];
        long.extend((CLI_PACKET_BYTES as u32 + 1).to_le_bytes());
        let mut packets = Packets::default();
        packets.feed(&long);
        assert!(packets.take().is_err(), "before its text is there");
        let mut packets = Packets::default();
        packets.feed(&[MESSAGE, 0, 0, 0, 0, 1, 0, 0, 0, 0xff]);
        assert!(packets.take().is_err());
    }
}
