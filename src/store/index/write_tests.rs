//! Segments as they are written, read and merged.

use super::*;
use crate::store::index::cursor::SegmentStorage;
use crate::store::index::segment::Segment;

/// A document, its flags and chunks, the terms of each.
type Sample<'a> = (u64, u32, &'a [&'a [u32]]);

fn segment(docs: &[Sample<'_>]) -> Segment {
    let mut run = SegmentBuilder::default();
    for (key, flags, chunks) in docs {
        for (n, terms) in chunks.iter().enumerate() {
            let place =
                ChunkRecord { key: *key, offset: n as u32, line: 1, length: 9, terms: 0, sum: 0 };
            run.chunk(place, |emit| terms.iter().for_each(|term| emit(*term)));
        }
        run.doc(Doc { key: *key, flags: *flags, end: chunks.len() as u32, ..Doc::default() });
    }
    written(&mut |out| run.write(out))
}

fn written(write: &mut dyn FnMut(&mut dyn std::io::Write) -> Result<()>) -> Segment {
    let mut bytes = Vec::new();
    write(&mut bytes).expect("written");
    Segment::open(SegmentStorage::Bytes(bytes), (1, 1)).expect("a segment")
}

/// Key, offset and count of a term's chunks.
fn found(segment: &Segment, term: u32) -> Vec<(u64, u32, u32)> {
    let Some(list) = segment.find(term).expect("looked up") else { return Vec::new() };
    let mut postings = segment.postings(list);
    let mut all = Vec::new();
    while let Some((number, count)) = postings.next().expect("a posting") {
        let place = segment.chunks(number).chunk().expect("read").expect("a chunk");
        all.push((place.key, place.offset, count));
    }
    assert_eq!(all.len(), list.chunks as usize);
    all
}

#[test]
fn written_terms_are_found() {
    let s = segment(&[(7, REPLACES, &[&[1, 2, 1], &[2]]), (5, REPLACES, &[&[u32::MAX]])]);
    assert_eq!(found(&s, 1), [(7, 0, 2)]);
    assert_eq!(found(&s, 2), [(7, 0, 1), (7, 1, 1)]);
    assert_eq!(found(&s, u32::MAX), [(5, 0, 1)]);
    assert_eq!(found(&s, 3), []);
    assert_eq!((s.foot.docs, s.foot.chunks, s.foot.length, s.foot.keys), (2, 3, 5, (5, 7)));
    assert_eq!(s.doc(7).expect("read").map(|d| d.end), Some(2));
    assert_eq!(s.doc(6).expect("read"), None);
    let none = segment(&[]);
    assert_eq!(found(&none, 0), []);
}

#[test]
fn many_terms_are_found_behind_their_marks() {
    let terms: Vec<u32> = (0..3000).map(|n| n * 1_400_000 + 7).collect();
    let s = segment(&[(1, REPLACES, &[&terms])]);
    assert!(s.foot.marks > 5, "{} marks", s.foot.marks);
    assert!(terms.iter().all(|term| found(&s, *term) == [(1, 0, 1)]));
    assert!(terms.iter().all(|term| found(&s, term + 1).is_empty()));
}

#[test]
fn the_newest_counts_in_a_merger() {
    let parts = [
        segment(&[(1, REPLACES, &[&[1], &[1, 2]]), (2, REPLACES, &[&[1]]), (3, REPLACES, &[&[3]])]),
        // 1 has grown, 2 is another one, 3 is gone.
        segment(&[(1, 0, &[&[1, 1]]), (2, REPLACES, &[&[2]]), (3, REPLACES | DEAD, &[])]),
        segment(&[(4, REPLACES, &[&[1]])]),
    ];
    let merged = written(&mut |out| merge(&parts, false, out));
    assert_eq!(found(&merged, 1), [(1, 0, 1), (1, 1, 1), (1, 0, 2), (4, 0, 1)]);
    assert_eq!(found(&merged, 2), [(1, 1, 1), (2, 0, 1)]);
    assert_eq!(found(&merged, 3), []);
    assert_eq!(merged.doc(3).expect("read"), None);
    let one = merged.doc(1).expect("read").expect("known");
    assert_eq!((one.flags, one.end, merged.foot.docs), (REPLACES, 1, 3));
    // Where older segments may have it, that it is gone stays noted.
    let noted = written(&mut |out| merge(&parts, true, out));
    assert_eq!(noted.doc(3).expect("read").map(|d| d.flags), Some(REPLACES | DEAD));
    let both = [noted, segment(&[(3, 0, &[])])];
    let again = written(&mut |out| merge(&both, false, out));
    assert_eq!(found(&again, 1), found(&merged, 1));
}

#[test]
fn damage_is_noticed_or_harmless() {
    let mut run = SegmentBuilder::default();
    let place = ChunkRecord { key: 1, offset: 0, line: 1, length: 9, terms: 0, sum: 0 };
    run.chunk(place, |emit| (0..50).for_each(|n| emit(n * 80_000_000)));
    run.doc(Doc { key: 1, flags: REPLACES, ..Doc::default() });
    let mut whole = Vec::new();
    run.write(&mut whole).expect("written");
    for at in 0..whole.len() {
        let mut bytes = whole.clone();
        bytes[at] ^= 0xff;
        let Ok(segment) = Segment::open(SegmentStorage::Bytes(bytes), (1, 1)) else { continue };
        for n in 0..50 {
            let Ok(Some(list)) = segment.find(n * 80_000_000) else { continue };
            let mut postings = segment.postings(list);
            while let Ok(Some(_)) = postings.next() {}
        }
        let _ = merge(&[segment], true, &mut Vec::new());
    }
    for length in 0..whole.len() {
        let cut = Segment::open(SegmentStorage::Bytes(whole[..length].to_vec()), (1, 1));
        assert!(cut.is_err(), "cut to {length}");
    }
}
