//! Writes segments, from memory or by merging others.

use std::io::{Result, Write};

use super::cursor::{Cursor, PostingList, Postings};
use super::record::{ChunkRecord, DEAD, Doc, Footer, MARK_EVERY, REPLACES};
use super::segment::Segment;

/// Writes the parts of a segment in order.
struct Writer<'a> {
    out: &'a mut dyn Write,
    buffer: Vec<u8>,
    marks: Vec<u8>,
    next_mark: u64,
    terms: u64,
    foot: Footer,
}

impl<'a> Writer<'a> {
    fn new(out: &'a mut dyn Write) -> Writer<'a> {
        let foot = Footer { keys: (u64::MAX, 0), ..Footer::default() };
        Writer { out, buffer: Vec::new(), marks: Vec::new(), next_mark: 0, terms: 0, foot }
    }

    fn put(&mut self, bytes: &[u8]) -> Result<()> {
        self.buffer.extend_from_slice(bytes);
        if self.buffer.len() < 4096 {
            return Ok(());
        }
        self.out.write_all(&self.buffer)?;
        self.buffer.clear();
        Ok(())
    }

    fn doc(&mut self, doc: &Doc) -> Result<()> {
        self.foot.docs += 1;
        self.foot.keys = (self.foot.keys.0.min(doc.key), self.foot.keys.1.max(doc.key));
        self.put(&doc.bytes())
    }

    fn chunk(&mut self, place: &ChunkRecord) -> Result<()> {
        self.foot.chunks += 1;
        self.foot.length += u64::from(place.terms);
        self.put(&place.bytes())
    }

    /// Begins a term; its postings follow.
    fn term(&mut self, term: u32, chunks: u32, bytes: u32) -> Result<()> {
        if self.terms >= self.next_mark {
            self.next_mark = self.terms + MARK_EVERY;
            self.foot.marks += 1;
            self.marks.extend_from_slice(&term.to_le_bytes());
            self.marks.extend_from_slice(&(self.terms as u32).to_le_bytes());
        }
        self.terms += 4;
        self.put(&term.to_le_bytes())?;
        self.varint(chunks)?;
        self.varint(bytes)
    }

    fn posting(&mut self, step: u32, count: u32) -> Result<()> {
        self.varint(step << 1 | u32::from(count == 1))?;
        if count == 1 { Ok(()) } else { self.varint(count) }
    }

    fn varint(&mut self, mut n: u32) -> Result<()> {
        self.terms += u64::from(varint_bytes(n));
        while n >= 0x80 {
            self.put(&[n as u8 | 0x80])?;
            n >>= 7;
        }
        self.put(&[n as u8])
    }

    fn finish(mut self) -> Result<()> {
        self.foot.terms = self.terms as u32;
        let marks = std::mem::take(&mut self.marks);
        self.put(&marks)?;
        let foot = self.foot.bytes();
        self.put(&foot)?;
        self.out.write_all(&self.buffer)
    }
}

fn varint_bytes(n: u32) -> u32 {
    (38 - n.leading_zeros().min(31)) / 7
}

fn posting_bytes(step: u32, count: u32) -> u32 {
    varint_bytes(step << 1) + if count == 1 { 0 } else { varint_bytes(count) }
}

/// Builds a segment in memory.
#[derive(Default)]
pub struct SegmentBuilder {
    /// Term (high half) and chunk (low half) of each word.
    words: Vec<u64>,
    chunks: Vec<ChunkRecord>,
    docs: Vec<Doc>,
}

impl SegmentBuilder {
    /// Bytes of memory it uses.
    pub fn bytes(&self) -> usize {
        let (places, docs) = (self.chunks.len(), self.docs.len());
        self.words.len() * 8 + places * size_of::<ChunkRecord>() + docs * size_of::<Doc>()
    }

    /// Whether it is empty.
    pub fn is_empty(&self) -> bool {
        self.docs.is_empty()
    }

    /// Adds a document's record; once for each.
    pub fn doc(&mut self, doc: Doc) {
        self.docs.push(doc);
    }

    /// Adds a chunk and its terms.
    pub fn chunk(&mut self, mut place: ChunkRecord, terms: impl FnOnce(&mut dyn FnMut(u32))) {
        let number = self.chunks.len() as u64;
        let before = self.words.len();
        terms(&mut |term| self.words.push(u64::from(term) << 32 | number));
        place.terms = (self.words.len() - before).min(usize::from(u16::MAX)) as u16;
        self.chunks.push(place);
    }

    /// Writes it.
    ///
    /// # Errors
    /// Those of `out`.
    pub fn write(&mut self, out: &mut dyn Write) -> Result<()> {
        let mut writer = Writer::new(out);
        self.docs.sort_unstable_by_key(|doc| doc.key);
        self.docs.iter().try_for_each(|doc| writer.doc(doc))?;
        self.chunks.iter().try_for_each(|place| writer.chunk(place))?;
        self.words.sort_unstable();
        for words in self.words.chunk_by(|a, b| a >> 32 == b >> 32) {
            // Two passes: the length comes first.
            let (mut chunks, mut bytes) = (0, 0);
            postings(words, &mut |step, count| {
                chunks += 1;
                bytes += posting_bytes(step, count);
                Ok(())
            })?;
            writer.term((words[0] >> 32) as u32, chunks, bytes)?;
            postings(words, &mut |step, count| writer.posting(step, count))?;
        }
        writer.finish()
    }
}

/// Calls `each` with the distance and count of each posting of one term.
fn postings(words: &[u64], each: &mut dyn FnMut(u32, u32) -> Result<()>) -> Result<()> {
    let mut next = 0;
    words.chunk_by(|a, b| a == b).try_for_each(|same| {
        let chunk = same[0] as u32 + 1;
        let step = chunk - std::mem::replace(&mut next, chunk);
        each(step, same.len() as u32)
    })
}

/// Maps a segment's chunk numbers to those of the merged segment.
#[derive(Default)]
struct ChunkMapping {
    /// Documents that a newer segment replaces, ascending.
    replaced: Vec<u64>,
    /// New number of its first chunk.
    base: u32,
    /// Start and end of dropped chunks, and how many were dropped up to there.
    gaps: Vec<(u32, u32, u32)>,
}

impl ChunkMapping {
    fn note_gap(&mut self, chunk: u32) {
        match self.gaps.last_mut() {
            Some((_, end, gone)) if *end == chunk => (*end, *gone) = (*end + 1, *gone + 1),
            last => {
                let gone = last.map_or(0, |(_, _, gone)| *gone);
                self.gaps.push((chunk, chunk + 1, gone + 1));
            }
        }
    }

    fn number(&self, old: u32) -> Option<u32> {
        match self.gaps[..self.gaps.partition_point(|gap| gap.0 <= old)].last() {
            Some((_, end, _)) if old < *end => None,
            Some((_, _, gone)) => Some(self.base + old - gone),
            None => Some(self.base + old),
        }
    }
}

/// Merges `parts`, oldest first, into one segment. Deletions are kept only if there are
/// `older` segments that they may apply to.
///
/// # Errors
/// I/O; corrupt parts.
pub fn merge(parts: &[Segment], older: bool, out: &mut dyn Write) -> Result<()> {
    let mut writer = Writer::new(out);
    let mut moves: Vec<ChunkMapping> = parts.iter().map(|_| ChunkMapping::default()).collect();
    merge_docs(parts, older, &mut moves, &mut writer)?;
    for (part, to) in parts.iter().zip(&mut moves) {
        to.base = writer.foot.chunks;
        let mut cursor = part.chunks(0);
        let mut number = 0;
        while let Some(place) = cursor.chunk()? {
            match to.replaced.binary_search(&place.key) {
                Ok(_) => to.note_gap(number),
                Err(_) => writer.chunk(&place)?,
            }
            number += 1;
        }
    }
    merge_terms(parts, &moves, &mut writer)?;
    writer.finish()
}

fn merge_docs(
    parts: &[Segment],
    older: bool,
    moves: &mut [ChunkMapping],
    writer: &mut Writer<'_>,
) -> Result<()> {
    let mut cursors: Vec<Cursor<'_>> = parts.iter().map(|part| part.docs(0)).collect();
    let mut heads = cursors.iter_mut().map(Cursor::doc).collect::<Result<Vec<_>>>()?;
    while let Some(key) = heads.iter().flatten().map(|doc| doc.key).min() {
        let mut merged: Option<Doc> = None;
        let mut had: Vec<usize> = Vec::new();
        for (i, head) in heads.iter_mut().enumerate() {
            let Some(doc) = head.filter(|doc| doc.key == key) else { continue };
            if doc.flags & REPLACES != 0 {
                had.drain(..).for_each(|i| moves[i].replaced.push(key));
                merged = Some(doc);
            } else {
                let flags = merged.map_or(0, |doc| doc.flags & REPLACES);
                merged = Some(Doc { flags, ..doc });
            }
            had.push(i);
            *head = cursors[i].doc()?;
        }
        match merged {
            Some(doc) if doc.flags & DEAD == 0 || older => writer.doc(&doc)?,
            _ => {}
        }
    }
    Ok(())
}

fn merge_terms(parts: &[Segment], moves: &[ChunkMapping], writer: &mut Writer<'_>) -> Result<()> {
    let mut cursors: Vec<Cursor<'_>> = parts.iter().map(Segment::terms).collect();
    let mut heads = cursors.iter_mut().map(Cursor::term).collect::<Result<Vec<_>>>()?;
    while let Some(term) = heads.iter().flatten().map(|head| head.0).min() {
        let mut lists: Vec<(usize, PostingList)> = Vec::new();
        for (i, head) in heads.iter_mut().enumerate() {
            let Some((_, list)) = head.filter(|head| head.0 == term) else { continue };
            lists.push((i, list));
            *head = cursors[i].term()?;
        }
        let (mut chunks, mut bytes) = (0, 0);
        moved(parts, moves, &lists, &mut |step, count| {
            chunks += 1;
            bytes += posting_bytes(step, count);
            Ok(())
        })?;
        if chunks > 0 {
            writer.term(term, chunks, bytes)?;
            moved(parts, moves, &lists, &mut |step, count| writer.posting(step, count))?;
        }
    }
    Ok(())
}

/// Calls `each` with the distances and counts of a term's postings in the merged segment.
fn moved(
    parts: &[Segment],
    moves: &[ChunkMapping],
    lists: &[(usize, PostingList)],
    each: &mut dyn FnMut(u32, u32) -> Result<()>,
) -> Result<()> {
    let mut next = 0;
    for (i, list) in lists {
        let mut postings: Postings<'_> = parts[*i].postings(*list);
        while let Some((old, count)) = postings.next()? {
            if let Some(number) = moves[*i].number(old) {
                each(number + 1 - std::mem::replace(&mut next, number + 1), count)?;
            }
        }
    }
    Ok(())
}

#[cfg(test)]
#[path = "write_tests.rs"]
mod tests;
