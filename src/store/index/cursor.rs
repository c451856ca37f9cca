//! Reads a segment's parts from front to back, a small window at a time.

use std::io::{ErrorKind, Result};
use std::os::unix::fs::FileExt;

use super::record::{CHUNK, ChunkRecord, Doc, broken};
use crate::sys::beneath::File;

/// Bytes read at a time.
const WINDOW: usize = 512;

/// The storage of a segment.
pub enum SegmentStorage {
    /// A file on the card, read in blocks.
    File(File),
    /// In memory, when the card cannot be written.
    Bytes(Vec<u8>),
}

impl SegmentStorage {
    /// Fills `buffer` from byte `at`.
    ///
    /// # Errors
    /// I/O; unexpected end.
    pub fn read(&self, buffer: &mut [u8], at: u64) -> Result<()> {
        match self {
            SegmentStorage::File(file) => file.read_exact_at(buffer, at),
            SegmentStorage::Bytes(bytes) => {
                let from = usize::try_from(at).unwrap_or(usize::MAX);
                let found = bytes.get(from..).and_then(|rest| rest.get(..buffer.len()));
                buffer.copy_from_slice(found.ok_or(ErrorKind::UnexpectedEof)?);
                Ok(())
            }
        }
    }

    /// Bytes.
    ///
    /// # Errors
    /// I/O.
    #[allow(clippy::len_without_is_empty)]
    pub fn len(&self) -> Result<u64> {
        match self {
            SegmentStorage::File(file) => Ok(file.metadata()?.len()),
            SegmentStorage::Bytes(bytes) => Ok(bytes.len() as u64),
        }
    }
}

/// Where a term's postings are.
#[derive(Clone, Copy, Debug, Default)]
pub struct PostingList {
    /// Number of chunks that contain it.
    pub chunks: u32,
    /// Start offset in the file.
    pub at: u64,
    /// End offset in the file.
    pub end: u64,
}

/// Reads a part from front to back through a small window.
pub struct Cursor<'a> {
    source: &'a SegmentStorage,
    /// Offset after the window.
    at: u64,
    end: u64,
    window: [u8; WINDOW],
    used: usize,
    filled: usize,
}

impl<'a> Cursor<'a> {
    /// A cursor over bytes `at` to `end` of a source.
    pub fn new(source: &'a SegmentStorage, at: u64, end: u64) -> Cursor<'a> {
        Cursor { source, at, end, window: [0; WINDOW], used: 0, filled: 0 }
    }

    fn place(&self) -> u64 {
        self.at - (self.filled - self.used) as u64
    }

    fn is_done(&self) -> bool {
        self.place() >= self.end
    }

    fn byte(&mut self) -> Result<u8> {
        if self.used == self.filled {
            let n = self.end.saturating_sub(self.at).min(WINDOW as u64) as usize;
            if n == 0 {
                return Err(broken("a part ends too early"));
            }
            self.source.read(&mut self.window[..n], self.at)?;
            self.at += n as u64;
            (self.used, self.filled) = (0, n);
        }
        self.used += 1;
        Ok(self.window[self.used - 1])
    }

    fn number<const N: usize>(&mut self) -> Result<[u8; N]> {
        let mut out = [0; N];
        for byte in &mut out {
            *byte = self.byte()?;
        }
        Ok(out)
    }

    /// A varint: seven bits per byte, lowest first (LEB128).
    fn varint(&mut self) -> Result<u32> {
        let mut value = 0_u64;
        for shift in (0..35).step_by(7) {
            let byte = self.byte()?;
            value |= u64::from(byte & 0x7f) << shift;
            if byte < 0x80 {
                return u32::try_from(value).map_err(|_| broken("a number is too large"));
            }
        }
        Err(broken("a number has no end"))
    }

    fn skip_to(&mut self, place: u64) {
        let ahead = place - self.place();
        if ahead <= (self.filled - self.used) as u64 {
            self.used += ahead as usize;
        } else {
            (self.at, self.used, self.filled) = (place, 0, 0);
        }
    }

    /// The next document.
    ///
    /// # Errors
    /// I/O.
    pub fn doc(&mut self) -> Result<Option<Doc>> {
        if self.is_done() {
            return Ok(None);
        }
        Ok(Some(Doc::parse(&self.number()?)))
    }

    /// The next chunk.
    ///
    /// # Errors
    /// I/O.
    pub fn chunk(&mut self) -> Result<Option<ChunkRecord>> {
        if self.is_done() {
            return Ok(None);
        }
        Ok(Some(ChunkRecord::parse(&self.number()?)))
    }

    /// Moves past `n` chunks without decoding their postings.
    pub fn skip_chunks(&mut self, n: u32) {
        self.skip_to(self.place() + u64::from(n) * CHUNK);
    }

    /// The next term; its postings are skipped.
    ///
    /// # Errors
    /// I/O; corrupt data.
    pub fn term(&mut self) -> Result<Option<(u32, PostingList)>> {
        if self.is_done() {
            return Ok(None);
        }
        let term = u32::from_le_bytes(self.number()?);
        let chunks = self.varint()?;
        let bytes = self.varint()?;
        let at = self.place();
        let end = at + u64::from(bytes);
        if end > self.end || chunks == 0 || chunks > bytes {
            return Err(broken("a term has no postings"));
        }
        self.skip_to(end);
        Ok(Some((term, PostingList { chunks, at, end })))
    }
}

/// A term's chunks, ascending.
pub struct Postings<'a> {
    cursor: Cursor<'a>,
    next: u64,
    chunks: u32,
}

impl<'a> Postings<'a> {
    /// The postings of `list` in a segment of `chunks` chunks.
    pub fn new(source: &'a SegmentStorage, list: PostingList, chunks: u32) -> Postings<'a> {
        Postings { cursor: Cursor::new(source, list.at, list.end), next: 0, chunks }
    }

    /// Chunk number and term frequency.
    ///
    /// # Errors
    /// I/O; corrupt data.
    #[allow(clippy::should_implement_trait)]
    pub fn next(&mut self) -> Result<Option<(u32, u32)>> {
        if self.cursor.is_done() {
            return Ok(None);
        }
        let coded = self.cursor.varint()?;
        let count = if coded & 1 == 1 { 1 } else { self.cursor.varint()? };
        self.next += u64::from(coded >> 1);
        if coded < 2 || count == 0 || self.next > u64::from(self.chunks) {
            return Err(broken("a posting leads nowhere"));
        }
        Ok(Some((self.next as u32 - 1, count)))
    }
}
