//! Journal frames: how one is laid out, and how a file of them is read back.
//!
//! A frame is `version u8, generation u32, length u32, crc32 u32, payload` (little endian); the CRC covers
//! generation, length and payload. The payload is nanoserde's binary form of [`Frame`]. Files are
//! preallocated and reused, so older frames may follow the last one; the generation distinguishes them.

use std::io::{self, Read};

use nanoserde::{DeBin, SerBin};

use crate::bus::{Inbound, Outbound, SubagentOrigin};
use crate::limits::JOURNAL_FRAME_BYTES;
use crate::proto::binschema;
pub use crate::proto::crc32::crc32;

/// Version of the frames this build writes.
pub const VERSION: u8 = 1;
/// Bytes before the payload.
pub const HEAD: usize = 13;

/// One recorded fact. Variants are only ever added at the end: the binary form numbers them.
#[derive(Clone, Debug, PartialEq, SerBin, DeBin)]
pub enum Frame {
    /// A message was accepted from its channel.
    Received {
        /// Number given by the ledger.
        id: u64,
        /// The message.
        message: Inbound,
    },
    /// An event that is not a message was skipped; its offset may be confirmed.
    Skipped {
        /// Channel instance.
        channel: String,
        /// The channel's number of the event.
        event: i64,
    },
    /// A turn's lines of the session file, also written there at `offset`. With neither a message nor lines it records
    /// that the file is synced up to `offset`; older versions ignore that form.
    Step {
        /// The message being answered; 0 for none.
        id: u64,
        /// File name of the session below `sessions/`.
        session: String,
        /// Offset of the lines in the file.
        offset: u64,
        /// JSONL; empty when they were long and the session file itself was synced instead.
        lines: Vec<u8>,
        /// Ids of calls that begin now and must not be repeated.
        started: Vec<String>,
    },
    /// The turn has ended; these replies go to the chat.
    Answered {
        /// The message that was answered.
        id: u64,
        /// In order.
        replies: Vec<Outbound>,
    },
    /// The channel's server has accepted a reply.
    Delivered {
        /// The message that was answered.
        id: u64,
        /// Index into the replies, plus one.
        count: u32,
    },
    /// Nothing is left to do for this message.
    Finished {
        /// The message.
        id: u64,
    },
    /// Highest event of a channel that may be confirmed; written by compaction.
    Offset {
        /// Channel instance.
        channel: String,
        /// The channel's number of the last event taken.
        event: i64,
    },
    /// Compaction wrote all live entries; a file without this frame is incomplete.
    Compacted {
        /// The next free id.
        next_id: u64,
    },
    /// A further message to a chat, outside the answer (the message tool, notices); delivered like an answer.
    Said {
        /// Its own number.
        id: u64,
        /// The message and its chat.
        reply: Outbound,
    },
    /// An attempt at this message begins; counted so that a message that crashes the program is set aside.
    Attempt {
        /// The message.
        id: u64,
        /// 1 for the first.
        count: u32,
    },
    /// A message that a turn created, and the entry that ends with it: a sub-agent's task or report.
    Delegated {
        /// Number given by the ledger.
        id: u64,
        /// The message.
        message: Inbound,
        /// Where it comes from.
        origin: SubagentOrigin,
        /// The entry that it finishes, 0 for none.
        ends: u64,
    },
}

/// Schema of each variant's fields, in order (see [`binschema`]).
const SHAPES: [&str; 11] =
    ["qI", "sq", "qsq[b][s]", "q[O]", "qd", "q", "sq", "q", "qO", "qd", "qIPq"];

/// Decodes a payload; `None` if it is not a frame of this version.
fn decode(payload: &[u8]) -> Option<Frame> {
    let (number, fields) = payload.split_first_chunk()?;
    let shape = SHAPES.get(usize::from(u16::from_le_bytes(*number)))?;
    // Strict: a length from another layout must not be trusted.
    if !binschema::fits(shape, fields) {
        return None;
    }
    DeBin::deserialize_bin(payload).ok()
}

/// Appends `frame` to `out`; false (and nothing appended) when it is over [`JOURNAL_FRAME_BYTES`].
pub fn encode(frame: &Frame, generation: u32, out: &mut Vec<u8>) -> bool {
    let start = out.len();
    out.extend_from_slice(&[0; HEAD]);
    frame.ser_bin(out);
    close(start, generation, out)
}

/// Wraps any payload in a frame, for tests of the reader.
pub fn encode_raw(payload: &[u8], generation: u32, out: &mut Vec<u8>) -> bool {
    let start = out.len();
    out.extend_from_slice(&[0; HEAD]);
    out.extend_from_slice(payload);
    close(start, generation, out)
}

/// Fills in the head of the frame that ends `out`.
fn close(start: usize, generation: u32, out: &mut Vec<u8>) -> bool {
    let length = out.len() - start - HEAD;
    if length > JOURNAL_FRAME_BYTES {
        out.truncate(start);
        return false;
    }
    let generation = generation.to_le_bytes();
    let size = (length as u32).to_le_bytes();
    let crc = crc32(&[&generation, &size, &out[start + HEAD..]]).to_le_bytes();
    let head = &mut out[start..start + HEAD];
    head[0] = VERSION;
    head[1..5].copy_from_slice(&generation);
    head[5..9].copy_from_slice(&size);
    head[9..13].copy_from_slice(&crc);
    true
}

/// Why the reader gives no more frames; tells a torn write from a clean end.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum ReadEnd {
    /// Zeros or an older generation: all frames have been read.
    Clean,
    /// A frame of this generation is damaged: the write was cut short.
    Torn,
    /// A frame of a later version than this build knows.
    Newer(u8),
}

/// Reads the frames of `generation`, one at a time, and hands each to `each`; returns how many bytes they take, which is
/// where the next frame goes, and why reading stopped. Holds one frame in memory; a read error counts as a torn write.
pub fn scan(input: &mut dyn Read, generation: u32, each: &mut dyn FnMut(Frame)) -> (u64, ReadEnd) {
    let (mut at, mut payload) = (0, Vec::new());
    loop {
        let mut head = [0; HEAD];
        match fill(input, &mut head) {
            Ok(true) => {}
            Ok(false) => return (at, ReadEnd::Clean),
            Err(_) => return (at, ReadEnd::Torn),
        }
        let word = |i: usize| u32::from_le_bytes([head[i], head[i + 1], head[i + 2], head[i + 3]]);
        if head[0] == 0 || word(1) != generation {
            return (at, ReadEnd::Clean);
        }
        let length = word(5) as usize;
        if length > JOURNAL_FRAME_BYTES {
            return (at, ReadEnd::Torn);
        }
        payload.resize(length, 0);
        if !matches!(fill(input, &mut payload), Ok(true)) {
            return (at, ReadEnd::Torn);
        }
        if crc32(&[&head[1..5], &head[5..9], &payload]) != word(9) {
            return (at, ReadEnd::Torn);
        }
        // Checked only now: anything may follow the last frame, and old bytes can look like this generation's number.
        if head[0] > VERSION {
            return (at, ReadEnd::Newer(head[0]));
        }
        // The CRC matches, so some build wrote this payload; if it does not parse, it is from another version.
        match decode(&payload) {
            Some(frame) => each(frame),
            None => return (at, ReadEnd::Newer(head[0])),
        }
        at += (HEAD + length) as u64;
    }
}

/// Fills `buffer`; false where the input ends before it is full.
fn fill(input: &mut dyn Read, buffer: &mut [u8]) -> io::Result<bool> {
    match input.read_exact(buffer) {
        Ok(()) => Ok(true),
        Err(e) if e.kind() == io::ErrorKind::UnexpectedEof => Ok(false),
        Err(e) => Err(e),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn received(id: u64, text: &str) -> Frame {
        Frame::Received {
            id,
            message: Inbound { text: text.into(), event: id as i64, ..Inbound::default() },
        }
    }

    fn read(bytes: &[u8], generation: u32) -> (Vec<Frame>, usize, ReadEnd) {
        let mut frames = Vec::new();
        let (at, tail) = scan(&mut &*bytes, generation, &mut |f| frames.push(f));
        (frames, at as usize, tail)
    }

    #[test]
    fn crc_is_the_ieee_one() {
        assert_eq!(crc32(&[b"123456789"]), 0xcbf4_3926);
        assert_eq!(crc32(&[b"1234", b"", b"56789"]), 0xcbf4_3926);
    }

    #[test]
    fn every_cut_of_the_tail_keeps_the_frames_before_it() {
        let mut bytes = Vec::new();
        assert!(encode(&received(1, "one"), 7, &mut bytes));
        let first = bytes.len();
        assert!(encode(&received(2, "two"), 7, &mut bytes));
        for cut in first..bytes.len() {
            let mut torn = bytes[..cut].to_vec();
            torn.resize(bytes.len() + 64, 0xaa);
            let (frames, at, tail) = read(&torn, 7);
            assert_eq!(frames, [received(1, "one")], "cut at {cut}");
            assert_eq!(at, first);
            // Cut inside the version and generation fields, it looks like nothing was written there.
            assert_eq!(
                tail,
                if cut < first + 5 { ReadEnd::Clean } else { ReadEnd::Torn },
                "cut at {cut}"
            );
        }
    }

    #[test]
    fn frames_of_an_older_generation_are_not_read() {
        let mut bytes = Vec::new();
        encode(&received(1, "new"), 8, &mut bytes);
        let new = bytes.len();
        encode(&received(2, "old"), 7, &mut bytes);
        assert_eq!(read(&bytes, 8), (vec![received(1, "new")], new, ReadEnd::Clean));
    }

    #[test]
    fn a_newer_version_is_told_apart_from_damage() {
        let mut bytes = Vec::new();
        encode(&received(1, "x"), 1, &mut bytes);
        bytes[0] = VERSION + 1;
        assert_eq!(read(&bytes, 1).2, ReadEnd::Newer(VERSION + 1));
    }

    #[test]
    fn old_bytes_are_no_newer_version() {
        // Generation 513 ends one byte before an old frame of generation 2: `1 2 0 0` reads as 513.
        let mut bytes = Vec::new();
        encode(&received(1, "new"), 513, &mut bytes);
        let new = bytes.len();
        bytes.push(b'}');
        encode(&received(2, "old"), 2, &mut bytes);
        assert_eq!(read(&bytes, 513), (vec![received(1, "new")], new, ReadEnd::Torn));
    }

    #[test]
    fn a_flipped_bit_is_found_wherever_it_is() {
        let mut bytes = Vec::new();
        encode(&received(1, "hello"), 1, &mut bytes);
        for bit in 5 * 8..bytes.len() * 8 {
            let mut bad = bytes.clone();
            bad[bit / 8] ^= 1 << (bit % 8);
            assert_eq!(read(&bad, 1).2, ReadEnd::Torn, "bit {bit}");
        }
    }

    #[test]
    fn lengths_that_cannot_be_are_not_believed() {
        for payload in [
            // Answered, more replies than memory; Skipped, a name of as many bytes as wrap around; half an id.
            &[&[3, 0][..], &[0; 8], &(1u64 << 44).to_le_bytes()].concat()[..],
            &[&[3, 0][..], &[0; 8], &u64::MAX.to_le_bytes()].concat(),
            &[&[1, 0][..], &(u64::MAX - 9).to_le_bytes(), &[0; 40]].concat(),
            &[0, 0, 7],
            &[99, 0],
            &[],
        ] {
            let mut bytes = Vec::new();
            encode_raw(payload, 1, &mut bytes);
            assert_eq!(read(&bytes, 1).2, ReadEnd::Newer(VERSION), "{payload:?}");
        }
    }

    #[test]
    fn frames_over_the_limit_are_refused() {
        let mut bytes = vec![9];
        assert!(!encode(&received(1, &"x".repeat(JOURNAL_FRAME_BYTES)), 1, &mut bytes));
        assert_eq!(bytes, [9]);
    }
}
