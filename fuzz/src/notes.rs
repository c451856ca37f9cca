//! Feeds for what the memory is searched by: chunks, words, the index.

use super::feeds::lossy;
use picoclaw::proto::{fnv, note_chunks, tokenizer};
use picoclaw::store::index;

pub fn feed_chunks(data: &[u8]) {
    let whole = chunks(data, data.len().max(1));
    assert_eq!(whole, chunks(data, 1), "in pieces");
    let mut next = 0;
    for (offset, line, text) in whole {
        let from = offset as usize;
        assert!(from >= next && data[from..].starts_with(&text), "{offset} is no such place");
        assert!(text.len() <= picoclaw::limits::CHUNK_BYTES);
        assert_eq!(data[..from].iter().filter(|b| **b == b'\n').count() as u32 + 1, line);
        assert!(data[next..from].iter().all(u8::is_ascii_whitespace), "text is lost before {from}");
        next = from + text.len();
    }
    assert!(data[next..].iter().all(u8::is_ascii_whitespace), "text is lost at the end");
}

fn chunks(data: &[u8], piece: usize) -> Vec<(u64, u32, Vec<u8>)> {
    let mut found = Vec::new();
    let mut each = |p: note_chunks::Chunk<'_>| found.push((p.offset, p.line, p.text.to_vec()));
    let mut splitter = note_chunks::Splitter::new(0, 0);
    data.chunks(piece).for_each(|part| splitter.feed(part, &mut each));
    splitter.end(&mut each);
    assert_eq!(splitter.done().0, data.len() as u64);
    found
}

pub fn feed_tokenizer(data: &[u8]) {
    let text = lossy(data);
    let all = |side| {
        let mut found = Vec::new();
        tokenizer::terms(&text, side, &mut |term| found.push(term));
        found
    };
    let (have, asked) = (all(tokenizer::TermUse::Text), all(tokenizer::TermUse::Query));
    assert!(asked.iter().all(|term| have.contains(term)), "{text:?} does not find itself");
    assert!(have.len() <= 2 * text.chars().count());
}

/// A segment of the index of the memory: texts and the documents they are in.
pub fn index_segment(texts: &[(&str, u64)]) -> Vec<u8> {
    let mut run = index::write::SegmentBuilder::default();
    for (text, key) in texts {
        let length = text.len() as u16;
        let place =
            index::record::ChunkRecord { key: *key, offset: 0, line: 1, length, terms: 0, sum: 0 };
        run.chunk(place, |emit| tokenizer::terms(text, tokenizer::TermUse::Text, emit));
        run.doc(index::record::Doc { key: *key, flags: 1, ..Default::default() });
    }
    let mut bytes = Vec::new();
    run.write(&mut bytes).expect("memory takes everything");
    bytes
}

/// Whatever a segment holds: reading it ends, and so does merging it.
pub fn feed_memory_index(data: &[u8]) {
    let open = |bytes: &[u8]| {
        let source = index::cursor::SegmentStorage::Bytes(bytes.to_vec());
        index::segment::Segment::open(source, (1, 1))
    };
    let mut made = data.to_vec();
    if let Some(at) = made.len().checked_sub(index::record::FOOT) {
        // The foot's checksum would keep everything else from being read.
        let sum = fnv::hash32(fnv::fnv(fnv::FNV, &made[at..at + 60]));
        made[at + 60..].copy_from_slice(&sum.to_le_bytes());
    }
    let Ok(segment) = open(&made) else { return };
    for term in [0, 1, u32::MAX / 2, u32::MAX] {
        let Ok(Some(list)) = segment.find(term) else { continue };
        let mut postings = segment.postings(list);
        let mut last = None;
        while let Ok(Some((number, count))) = postings.next() {
            assert!(last < Some(number) && number < segment.foot.chunks && count > 0);
            last = Some(number);
        }
    }
    let _ = segment.doc(1);
    let fresh = open(&index_segment(&[("two", 1)])).expect("our own");
    let _ = index::write::merge(&[segment, fresh], true, &mut Vec::new());
}
