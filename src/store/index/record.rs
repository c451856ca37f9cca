//! The format of a segment: a file that is written once and read in small pieces.
//!
//! # Format (little endian)
//! | part | what |
//! |---|---|
//! | documents | 40 bytes each, by key: key u64, inode u64, mtime u64 (ns), end u32, lines u32, check u32, flags u32 |
//! | chunks | 24 bytes each: key u64, offset u32, line u32, bytes u16, terms u16, sum u32 |
//! | terms | by term: term u32, chunks varint, bytes varint, postings |
//! | marks | 8 bytes each, one every [`MARK_EVERY`] bytes of terms: term u32, offset in terms u32 |
//! | foot | 64 bytes: see [`Footer`] |
//!
//! A posting is the distance from the previous chunk (from -1 for the first) times two, plus one if the term occurs
//! once; otherwise its count follows. All are varints. Inconsistent data is [`ErrorKind::InvalidData`]: nothing read here
//! is trusted.

use std::io::{Error, ErrorKind, Result};

use crate::proto::fnv::{FNV, fnv, hash32};

/// First bytes of the foot; another number for another format.
pub const MAGIC: &[u8; 8] = b"PCIDX-2\n";
/// Bytes of the foot.
pub const FOOT: usize = 64;
/// Bytes of a document's record.
pub const DOC: u64 = 40;
/// Bytes of a chunk's record.
pub const CHUNK: u64 = 24;
/// Bytes of a mark.
pub const MARK: u64 = 8;
/// Bytes of terms between two marks.
pub const MARK_EVERY: u64 = 2048;
/// Replaces the document's chunks in older segments.
pub const REPLACES: u32 = 1;
/// The document is gone.
pub const DEAD: u32 = 2;

/// The error for corrupt data.
pub fn broken(what: &'static str) -> Error {
    Error::new(ErrorKind::InvalidData, what)
}

/// A file as it was when it was indexed.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Doc {
    /// Which file; see [`super::sources`].
    pub key: u64,
    /// Inode of the file; a new one means that the file was replaced.
    pub inode: u64,
    /// Its modification time in nanoseconds; 0 if indexing is not complete.
    pub mtime: u64,
    /// Bytes that are indexed.
    pub end: u32,
    /// Line ends in them.
    pub lines: u32,
    /// Checksum of the last of them.
    pub check: u32,
    /// Bits [`REPLACES`] and [`DEAD`].
    pub flags: u32,
}

impl Doc {
    /// Encodes the record, little-endian.
    pub fn bytes(&self) -> [u8; DOC as usize] {
        let mut out = [0; DOC as usize];
        for (at, n) in [(0, self.key), (8, self.inode), (16, self.mtime)] {
            out[at..at + 8].copy_from_slice(&n.to_le_bytes());
        }
        for (at, n) in [(24, self.end), (28, self.lines), (32, self.check), (36, self.flags)] {
            out[at..at + 4].copy_from_slice(&n.to_le_bytes());
        }
        out
    }

    /// Decodes what [`Doc::bytes`] wrote; every content is valid.
    pub fn parse(b: &[u8; DOC as usize]) -> Doc {
        Doc {
            key: u64_at(b, 0),
            inode: u64_at(b, 8),
            mtime: u64_at(b, 16),
            end: u32_at(b, 24),
            lines: u32_at(b, 28),
            check: u32_at(b, 32),
            flags: u32_at(b, 36),
        }
    }
}

/// Where one chunk of a document is, and how long.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct ChunkRecord {
    /// Key of the document that it is part of.
    pub key: u64,
    /// Its byte offset in the document.
    pub offset: u32,
    /// Its first line, from 1.
    pub line: u32,
    /// Length in bytes.
    pub length: u16,
    /// Number of terms, for the length norm of BM25.
    pub terms: u16,
    /// Hash of its bytes.
    pub sum: u32,
}

impl ChunkRecord {
    /// An id derived from the document's key and the chunk's bytes, stable across merges.
    pub fn id(&self) -> u64 {
        fnv(
            fnv(FNV, &self.key.to_le_bytes()),
            &[self.sum.to_le_bytes(), self.offset.to_le_bytes()].concat(),
        )
    }

    /// Encodes the record, little-endian.
    pub fn bytes(&self) -> [u8; CHUNK as usize] {
        let mut out = [0; CHUNK as usize];
        out[..8].copy_from_slice(&self.key.to_le_bytes());
        out[8..12].copy_from_slice(&self.offset.to_le_bytes());
        out[12..16].copy_from_slice(&self.line.to_le_bytes());
        out[16..18].copy_from_slice(&self.length.to_le_bytes());
        out[18..20].copy_from_slice(&self.terms.to_le_bytes());
        out[20..].copy_from_slice(&self.sum.to_le_bytes());
        out
    }

    /// Decodes what [`ChunkRecord::bytes`] wrote; every content is valid.
    pub fn parse(b: &[u8; CHUNK as usize]) -> ChunkRecord {
        ChunkRecord {
            key: u64_at(b, 0),
            offset: u32_at(b, 8),
            line: u32_at(b, 12),
            length: u16::from_le_bytes([b[16], b[17]]),
            terms: u16::from_le_bytes([b[18], b[19]]),
            sum: u32_at(b, 20),
        }
    }
}

/// The footer: sizes of the parts.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Footer {
    /// Number of documents in the segment.
    pub docs: u32,
    /// Number of chunks in the segment.
    pub chunks: u32,
    /// Size of the dictionary of terms in bytes.
    pub terms: u32,
    /// Number of marks: entry points into the dictionary.
    pub marks: u32,
    /// Terms of all chunks together.
    pub length: u64,
    /// Smallest and largest key of a document.
    pub keys: (u64, u64),
}

impl Footer {
    /// Encodes the footer, with magic number and checksum.
    pub fn bytes(&self) -> [u8; FOOT] {
        let mut out = [0; FOOT];
        out[..8].copy_from_slice(MAGIC);
        for (at, n) in [(8, self.docs), (12, self.chunks), (16, self.terms), (20, self.marks)] {
            out[at..at + 4].copy_from_slice(&n.to_le_bytes());
        }
        for (at, n) in [(24, self.length), (32, self.keys.0), (40, self.keys.1)] {
            out[at..at + 8].copy_from_slice(&n.to_le_bytes());
        }
        let sum = hash32(fnv(FNV, &out[..60]));
        out[60..].copy_from_slice(&sum.to_le_bytes());
        out
    }

    /// Decodes it.
    ///
    /// # Errors
    /// [`ErrorKind::InvalidData`] when it is none.
    pub fn parse(bytes: &[u8; FOOT]) -> Result<Footer> {
        if bytes[..8] != MAGIC[..] {
            return Err(broken("it is of another version or no index"));
        }
        if bytes[60..] != hash32(fnv(FNV, &bytes[..60])).to_le_bytes() {
            return Err(broken("its checksum is wrong"));
        }
        Ok(Footer {
            docs: u32_at(bytes, 8),
            chunks: u32_at(bytes, 12),
            terms: u32_at(bytes, 16),
            marks: u32_at(bytes, 20),
            length: u64_at(bytes, 24),
            keys: (u64_at(bytes, 32), u64_at(bytes, 40)),
        })
    }
}

/// The u32 at offset `at`, little endian; 0 beyond the end.
pub fn u32_at(bytes: &[u8], at: usize) -> u32 {
    bytes.get(at..at + 4).and_then(|b| b.try_into().ok()).map_or(0, u32::from_le_bytes)
}

/// The u64 at offset `at`, little endian; 0 beyond the end.
pub fn u64_at(bytes: &[u8], at: usize) -> u64 {
    bytes.get(at..at + 8).and_then(|b| b.try_into().ok()).map_or(0, u64::from_le_bytes)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn records_are_read_as_they_were_written() {
        let doc = Doc { key: 1 << 56, inode: 2, mtime: 3, end: 4, lines: 5, check: 6, flags: 7 };
        assert_eq!(Doc::parse(&doc.bytes()), doc);
        let place = ChunkRecord { key: 9, offset: 8, line: 7, length: 6, terms: 5, sum: 4 };
        assert_eq!(ChunkRecord::parse(&place.bytes()), place);
        let foot = Footer { docs: 1, chunks: 2, terms: 3, marks: 4, length: 5, keys: (6, 7) };
        let mut bytes = foot.bytes();
        assert_eq!(Footer::parse(&bytes).expect("a foot"), foot);
        bytes[9] ^= 1;
        let e = Footer::parse(&bytes).expect_err("changed");
        assert_eq!(e.to_string(), "its checksum is wrong");
        bytes[5] ^= 1;
        assert!(Footer::parse(&bytes).expect_err("changed").to_string().contains("version"));
    }
}
