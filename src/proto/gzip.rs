//! Decompresses gzip (RFC 1952) piece by piece; miniz_oxide decodes the deflate stream.
//!
//! Needs 43 kB, however large the file: the window of 32 kB and the decoder's tables.

use miniz_oxide::inflate::TINFLStatus as Status;
use miniz_oxide::inflate::core::{DecompressorOxide, decompress, inflate_flags};

use super::crc32;

/// The window of deflate; its size must be a power of two.
const WINDOW: usize = 32 * 1024;
/// Maximum bytes of a header with its optional fields; real ones contain a file name.
const HEADER_BYTES: usize = 4096;

const CUT: &str = "the gzip header is wrong";

/// The next part to read.
enum State {
    /// The ten fixed bytes and the optional fields, collected until complete.
    Header(Vec<u8>),
    Deflate,
    /// Checksum and length.
    Trailer(Vec<u8>),
    /// Between two members, or after the last.
    Between,
}

/// A gzip file being read.
pub struct Gunzip {
    state: State,
    inflate: Box<DecompressorOxide>,
    window: Vec<u8>,
    at: usize,
    crc: u32,
    length: u32,
}

impl Default for Gunzip {
    fn default() -> Gunzip {
        Gunzip {
            state: State::Header(Vec::new()),
            inflate: Box::default(),
            window: vec![0; WINDOW],
            at: 0,
            crc: 0,
            length: 0,
        }
    }
}

impl Gunzip {
    /// Consumes bytes from `input`; returns the next piece of the content, empty if it needs more input.
    ///
    /// # Errors
    /// Not gzip, corrupt, or a wrong checksum.
    pub fn feed(&mut self, input: &mut &[u8]) -> Result<&[u8], &'static str> {
        while !input.is_empty() {
            match &mut self.state {
                State::Header(have) => {
                    // One byte at a time, so that nothing of the following stream is consumed.
                    have.push(input[0]);
                    *input = &input[1..];
                    if header_is_whole(have)? {
                        self.inflate.init();
                        (self.crc, self.length, self.at) = (0, 0, 0);
                        self.state = State::Deflate;
                    }
                }
                State::Deflate => {
                    let start = self.at;
                    let flags = inflate_flags::TINFL_FLAG_HAS_MORE_INPUT;
                    let (status, used, made) =
                        decompress(&mut self.inflate, input, &mut self.window, start, flags);
                    *input = &input[used..];
                    match status {
                        Status::Done => self.state = State::Trailer(Vec::with_capacity(8)),
                        Status::NeedsMoreInput | Status::HasMoreOutput => {}
                        _ => return Err("the compressed data is broken"),
                    }
                    self.at = (start + made) % WINDOW;
                    if made > 0 {
                        let piece = &self.window[start..start + made];
                        self.crc = crc32::more(self.crc, piece);
                        self.length = self.length.wrapping_add(made as u32);
                        return Ok(piece);
                    }
                }
                State::Trailer(have) => {
                    have.push(input[0]);
                    *input = &input[1..];
                    if let [a, b, c, d, e, f, g, h] = have[..] {
                        if u32::from_le_bytes([a, b, c, d]) != self.crc
                            || u32::from_le_bytes([e, f, g, h]) != self.length
                        {
                            return Err("the checksum of the compressed data is wrong");
                        }
                        self.state = State::Between;
                    }
                }
                State::Between if input[0] == 0 => *input = &input[1..],
                State::Between => self.state = State::Header(Vec::new()),
            }
        }
        Ok(&[])
    }

    /// Whether the input may end here.
    pub fn is_whole(&self) -> bool {
        matches!(self.state, State::Between)
    }
}

/// False if more bytes belong to it.
fn header_is_whole(have: &[u8]) -> Result<bool, &'static str> {
    const MAGIC: [u8; 3] = [0x1f, 0x8b, 8];
    if have.iter().zip(MAGIC).any(|(a, b)| *a != b) {
        return Err("this is not gzip");
    }
    let Some((head, mut rest)) = have.split_at_checked(10) else { return Ok(false) };
    let flags = head[3];
    if flags & 0xe0 != 0 || have.len() > HEADER_BYTES {
        return Err(CUT);
    }
    if flags & 4 != 0 {
        let Some(([low, high], after)) = rest.split_first_chunk() else { return Ok(false) };
        match after.get(usize::from(u16::from_le_bytes([*low, *high]))..) {
            Some(after) => rest = after,
            None => return Ok(false),
        }
    }
    for field in [8, 16] {
        if flags & field != 0 {
            match rest.iter().position(|b| *b == 0) {
                Some(end) => rest = &rest[end + 1..],
                None => return Ok(false),
            }
        }
    }
    Ok(rest.len() >= if flags & 2 != 0 { 2 } else { 0 })
}

#[cfg(test)]
mod tests {
    use super::*;

    /// "hello hello hello\n" as `gzip -9n` writes it.
    const HELLO: &[u8] =
        b"\x1f\x8b\x08\x00\x00\x00\x00\x00\x02\x03\xcb\x48\xcd\xc9\xc9\x57\xc8\x40\x90\x5c\x00\x3b\x7c\x8a\xdf\x12\x00\x00\x00";

    fn whole(input: &[u8], step: usize) -> Result<(Vec<u8>, bool), &'static str> {
        let (mut gunzip, mut out) = (Gunzip::default(), Vec::new());
        for mut piece in input.chunks(step) {
            loop {
                let made = gunzip.feed(&mut piece)?;
                if made.is_empty() {
                    break;
                }
                out.extend_from_slice(made);
            }
        }
        Ok((out, gunzip.is_whole()))
    }

    /// The content in a block of its own, uncompressed (RFC 1951, section 3.2.4).
    fn stored(header: &[u8], content: &[u8]) -> Vec<u8> {
        let mut out = header.to_vec();
        out.push(1);
        out.extend((content.len() as u16).to_le_bytes());
        out.extend((!(content.len() as u16)).to_le_bytes());
        out.extend_from_slice(content);
        out.extend(crc32::crc32(&[content]).to_le_bytes());
        out.extend((content.len() as u32).to_le_bytes());
        out
    }

    #[test]
    fn any_cut_gives_the_same() {
        for step in [1, 2, 3, 7, 1000] {
            assert_eq!(whole(HELLO, step), Ok((b"hello hello hello\n".to_vec(), true)), "{step}");
        }
        assert_eq!(whole(&HELLO[..HELLO.len() - 1], 4).map(|w| w.1), Ok(false));
        assert_eq!(whole(&HELLO[..15], 4).map(|w| w.1), Ok(false));
    }

    #[test]
    fn optional_fields_and_members() {
        let plain = b"\x1f\x8b\x08\0\0\0\0\0\0\xff";
        let full = b"\x1f\x8b\x08\x1e\0\0\0\0\0\xff\x03\0abcname\0comment\0\x12\x34";
        let mut two = stored(full, b"one ");
        two.extend(stored(plain, b"two"));
        two.extend([0; 5]);
        for step in [1, 5, 1000] {
            assert_eq!(whole(&two, step), Ok((b"one two".to_vec(), true)));
        }
        let long = vec![7; 60_000];
        assert_eq!(whole(&stored(plain, &long), 999), Ok((long, true)));
    }

    #[test]
    fn errors_are_specific() {
        assert_eq!(whole(b"PK\x03\x04", 9), Err("this is not gzip"));
        assert_eq!(whole(b"\x1f\x8b\x08\xff\0\0\0\0\0\0", 99), Err(CUT));
        let mut bad = HELLO.to_vec();
        bad[24] ^= 1;
        assert_eq!(whole(&bad, 99), Err("the checksum of the compressed data is wrong"));
        let endless = [b"\x1f\x8b\x08\x08\0\0\0\0\0\0".to_vec(), vec![b'x'; HEADER_BYTES]].concat();
        assert_eq!(whole(&endless, 99), Err(CUT));
        let broken = [&HELLO[..10], &[0xff; 20]].concat();
        assert_eq!(whole(&broken, 99), Err("the compressed data is broken"));
    }
}
