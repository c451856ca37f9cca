//! Reads the frames of one journal file, also those behind damaged bytes.

use std::io::{BufReader, Read, Seek, SeekFrom};

use super::frame::{self, Frame, ReadEnd};
use super::journal::HEADER;
use crate::sys::beneath::File;
use crate::sys::random;

/// Lower generations could be guessed: those of journals that counted from 1. Recovery looks for frames in damaged bytes too,
/// and those may be a message in which somebody has written a frame; only who knows the generation can.
pub(super) const GUESSABLE: u32 = 1 << 24;

/// A step from a generation that could be guessed to one of two thousand million.
pub(super) fn jump() -> u32 {
    GUESSABLE + (u32::from_le_bytes(random().unwrap_or_default()) >> 1)
}

/// Where the frames of a file end.
pub(super) struct Walk {
    /// The position after the last frame.
    pub(super) end: u64,
    /// What follows it.
    pub(super) tail: ReadEnd,
    /// Where the first damaged bytes with frames behind them begin.
    pub(super) damaged: Option<u64>,
}

/// Calls `each` with every frame of `generation`, and whether damaged bytes precede it: behind those, reading continues at the
/// next valid frame. One frame is in memory.
pub(super) fn walk(
    input: &mut BufReader<File>,
    generation: u32,
    each: &mut dyn FnMut(Frame, bool),
) -> Walk {
    let (mut at, mut again) = (HEADER as u64, true);
    let mut walk = Walk { end: at, tail: ReadEnd::Clean, damaged: None };
    while input.seek(SeekFrom::Start(at)).is_ok() {
        let skipped = (at > walk.end).then_some(walk.end);
        let damaged = walk.damaged.or(skipped);
        let (bytes, tail) = frame::scan(input, generation, &mut |f| each(f, damaged.is_some()));
        let is_newer = tail == ReadEnd::Newer(frame::VERSION);
        if bytes > 0 || skipped.is_none() || is_newer {
            at += bytes;
            walk = Walk { end: at, tail, damaged };
            // The disk may have failed once.
            if tail == ReadEnd::Torn && std::mem::replace(&mut again, bytes > 0) {
                continue;
            }
        }
        match next_frame(input, at + 1, generation) {
            Some(next) if !is_newer => at = next,
            _ => break,
        }
    }
    walk
}

/// The position of the next bytes, from `from` on, that look like a frame's first ones.
fn next_frame(input: &mut BufReader<File>, from: u64, generation: u32) -> Option<u64> {
    let [a, b, c, d] = generation.to_le_bytes();
    let wanted = u64::from_be_bytes([0, 0, 0, frame::VERSION, a, b, c, d]);
    input.seek(SeekFrom::Start(from)).ok()?;
    let (mut at, mut last) = (from, 0);
    for byte in input.bytes() {
        last = (last << 8 | u64::from(byte.ok()?)) & 0xff_ffff_ffff;
        at += 1;
        if last == wanted {
            return Some(at - 5);
        }
    }
    None
}
