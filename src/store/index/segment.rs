//! Lookups in one segment. [`super::record`] defines its format.

use std::io::Result;

use super::cursor::{Cursor, PostingList, Postings, SegmentStorage};
use super::record::{CHUNK, DOC, Doc, FOOT, Footer, MARK, broken, u32_at};
#[cfg(doc)]
use std::io::ErrorKind;

/// One file of the index, open for searches.
pub struct Segment {
    source: SegmentStorage,
    /// First and last number of the segments it was merged from; see [`super::folder`].
    pub range: (u32, u32),
    /// Bytes of the file.
    pub size: u64,
    /// Sizes of the segment's parts.
    pub foot: Footer,
}

impl Segment {
    /// Reads the foot.
    ///
    /// # Errors
    /// I/O; [`ErrorKind::InvalidData`] when it is no segment.
    pub fn open(source: SegmentStorage, range: (u32, u32)) -> Result<Segment> {
        let size = source.len()?;
        let mut bytes = [0; FOOT];
        let at = size.checked_sub(FOOT as u64).ok_or(broken("it is too short"))?;
        source.read(&mut bytes, at)?;
        let foot = Footer::parse(&bytes)?;
        let segment = Segment { source, range, size, foot };
        if segment.marks_at() + u64::from(foot.marks) * MARK + FOOT as u64 != size {
            return Err(broken("its parts do not fill it"));
        }
        Ok(segment)
    }

    fn chunks_at(&self) -> u64 {
        u64::from(self.foot.docs) * DOC
    }

    fn terms_at(&self) -> u64 {
        self.chunks_at() + u64::from(self.foot.chunks) * CHUNK
    }

    fn marks_at(&self) -> u64 {
        self.terms_at() + u64::from(self.foot.terms)
    }

    /// A cursor from document `n` on.
    pub fn docs(&self, n: u32) -> Cursor<'_> {
        let at = u64::from(n.min(self.foot.docs)) * DOC;
        Cursor::new(&self.source, at, self.chunks_at())
    }

    /// Index of the first document whose key is at least `key`.
    ///
    /// # Errors
    /// I/O.
    pub fn first_doc(&self, key: u64) -> Result<u32> {
        let mut bytes = [0; 8];
        let (mut low, mut high) = (0, self.foot.docs);
        while low < high {
            let middle = low + (high - low) / 2;
            self.source.read(&mut bytes, u64::from(middle) * DOC)?;
            if u64::from_le_bytes(bytes) < key { low = middle + 1 } else { high = middle }
        }
        Ok(low)
    }

    /// The record of a document.
    ///
    /// # Errors
    /// I/O.
    pub fn doc(&self, key: u64) -> Result<Option<Doc>> {
        if key < self.foot.keys.0 || key > self.foot.keys.1 {
            return Ok(None);
        }
        Ok(self.docs(self.first_doc(key)?).doc()?.filter(|doc| doc.key == key))
    }

    /// A cursor from chunk `n` on.
    pub fn chunks(&self, n: u32) -> Cursor<'_> {
        let at = self.chunks_at() + u64::from(n.min(self.foot.chunks)) * CHUNK;
        Cursor::new(&self.source, at, self.terms_at())
    }

    /// A cursor over all terms.
    pub fn terms(&self) -> Cursor<'_> {
        Cursor::new(&self.source, self.terms_at(), self.marks_at())
    }

    /// A term's postings.
    ///
    /// # Errors
    /// I/O; corrupt data.
    pub fn find(&self, term: u32) -> Result<Option<PostingList>> {
        let mut mark = [0; MARK as usize];
        let (mut low, mut high) = (0, self.foot.marks);
        let mut from = 0;
        while low < high {
            let middle = low + (high - low) / 2;
            self.source.read(&mut mark, self.marks_at() + u64::from(middle) * MARK)?;
            if u32_at(&mark, 0) <= term {
                (low, from) = (middle + 1, u32_at(&mark, 4));
            } else {
                high = middle;
            }
        }
        let at = self.terms_at() + u64::from(from);
        let mut cursor = Cursor::new(&self.source, at, self.marks_at());
        while let Some((found, list)) = cursor.term()? {
            if found >= term {
                return Ok((found == term).then_some(list));
            }
        }
        Ok(None)
    }

    /// Reads a term's postings.
    pub fn postings(&self, list: PostingList) -> Postings<'_> {
        Postings::new(&self.source, list, self.foot.chunks)
    }
}
