//! Ranks chunks for a query: BM25 (Robertson, Walker), k1 = 1.2, b = 0.75.
//!
//! The postings of all terms are read in parallel, so memory does not grow with the number of matches.

use std::io::Result;

use super::cursor::{Cursor, PostingList, Postings};
use super::folder::IndexFolder;
use super::record::ChunkRecord;
use super::segment::Segment;
use crate::limits::SEARCH_TERMS;
use crate::proto::tokenizer::{self, TermHash, TermUse};

const K1: f32 = 1.2;
const B: f32 = 0.75;

/// The distinct terms of a query.
pub fn query_terms(query: &str) -> Vec<TermHash> {
    let mut asked = Vec::new();
    tokenizer::terms(query, TermUse::Query, &mut |term| {
        if asked.len() < SEARCH_TERMS && !asked.contains(&term) {
            asked.push(term);
        }
    });
    asked
}

/// The `limit` best chunks and their scores, the best first; of equal ones the newest first.
///
/// # Errors
/// I/O; corrupt data.
pub fn best(folder: &IndexFolder, query: &str, limit: usize) -> Result<Vec<(f32, ChunkRecord)>> {
    let asked = query_terms(query);
    let chunks: u64 = folder.segments.iter().map(|s| u64::from(s.foot.chunks)).sum();
    let length: u64 = folder.segments.iter().map(|s| s.foot.length).sum();
    let mut lists: Vec<Vec<Option<PostingList>>> = Vec::new();
    for segment in &folder.segments {
        lists.push(asked.iter().map(|term| segment.find(*term)).collect::<Result<_>>()?);
    }
    let in_all = |i: usize| lists.iter().flat_map(|l| l[i]).map(|l| u64::from(l.chunks)).sum();
    let counts: Vec<u64> = (0..asked.len()).map(in_all).collect();
    // A term in every second chunk carries no information and has the longest postings.
    let common = |count: u64| count * 2 > chunks && chunks > 32;
    let any_rare = counts.iter().any(|count| *count > 0 && !common(*count));
    let weight = |count: u64| match common(count) && any_rare {
        true => 0.0,
        false => (1.0 + (chunks as f32 - count as f32 + 0.5) / (count as f32 + 0.5)).max(1.0).ln(),
    };
    let weights: Vec<f32> = counts.iter().map(|count| weight(*count)).collect();
    let mut top = TopHits { limit, found: Vec::new() };
    let mean = (length as f32 / chunks.max(1) as f32).max(1.0);
    for (n, segment) in folder.segments.iter().enumerate().rev() {
        let open = lists[n].iter().zip(&weights).filter(|(_, weight)| **weight > 0.0);
        let open = open.filter_map(|(list, weight)| Some((segment.postings((*list)?), *weight)));
        score(segment, open.collect(), mean, &mut |score, place| {
            if top.takes(score) && !folder.is_replaced(n, place.key)? {
                top.put(score, place);
            }
            Ok(())
        })?;
    }
    Ok(top.found)
}

/// Calls `each` with the chunks of a segment that contain any of the terms.
fn score(
    segment: &Segment,
    open: Vec<(Postings<'_>, f32)>,
    mean: f32,
    each: &mut dyn FnMut(f32, ChunkRecord) -> Result<()>,
) -> Result<()> {
    let mut heads = Vec::new();
    for (mut postings, weight) in open {
        let head = postings.next()?;
        heads.push((postings, head, weight));
    }
    let mut places: Cursor<'_> = segment.chunks(0);
    let mut at = 0;
    while let Some(number) = heads.iter().filter_map(|(_, head, _)| head.map(|h| h.0)).min() {
        places.skip_chunks(number - at);
        at = number + 1;
        let Some(place) = places.chunk()? else { return Ok(()) };
        let norm = K1 * (1.0 - B + B * f32::from(place.terms) / mean);
        let mut sum = 0.0;
        for (postings, head, weight) in &mut heads {
            if let Some((_, count)) = head.filter(|head| head.0 == number) {
                let count = count as f32;
                sum += *weight * count * (K1 + 1.0) / (count + norm);
                *head = postings.next()?;
            }
        }
        each(sum, place)?;
    }
    Ok(())
}

/// The best so far.
struct TopHits {
    limit: usize,
    found: Vec<(f32, ChunkRecord)>,
}

impl TopHits {
    fn takes(&self, score: f32) -> bool {
        self.found.len() < self.limit || self.found.last().is_some_and(|last| score >= last.0)
    }

    fn put(&mut self, score: f32, place: ChunkRecord) {
        let order = |(other, has): &(f32, ChunkRecord)| {
            *other > score || (*other == score && has.key >= place.key)
        };
        let at = self.found.partition_point(order);
        self.found.insert(at, (score, place));
        self.found.truncate(self.limit);
    }
}
