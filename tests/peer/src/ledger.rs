//! Which message was answered, when and how often.
//!
//! Every message the peer makes ends in a marker of its own (`q000042`). The fake model answers it with
//! `re q000042 ok.`, so a reply in the chat can be told to belong to it. A message is **replied** when
//! at least one Telegram message carries the whole answer, **lost** when none does, **duplicated** when
//! more than one does (an edit of the same message is the same message).
//!
//! *Latency* runs from the update's creation to the moment the Bot API has the whole answer; *added*
//! is latency without the time the model server itself took for this marker.

use std::collections::BTreeMap;
use std::fmt;
use std::time::{Duration, Instant};

use serde_json::{Value, json};

/// Digits of a marker.
const DIGITS: usize = 6;
/// Markers and texts shown in a report; the counts are complete.
const SHOWN: usize = 20;

/// Names one message.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct Marker(String);

impl Marker {
    fn number(n: u64) -> Marker {
        Marker(format!("q{n:0DIGITS$}"))
    }

    /// The last marker in a text.
    pub fn last_in(text: &str) -> Option<Marker> {
        markers(text).last().map(|(_, m)| m)
    }

    /// The sentence that answers it.
    pub fn answer(&self) -> String {
        format!("re {self} ok.")
    }

    /// From its text form, e.g. out of a command line.
    pub fn parse(text: &str) -> Option<Marker> {
        Marker::last_in(text).filter(|m| m.0 == text)
    }
}

impl fmt::Display for Marker {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.0)
    }
}

/// Markers in a text with the byte they begin at, in order.
fn markers(text: &str) -> impl Iterator<Item = (usize, Marker)> + '_ {
    let bytes = text.as_bytes();
    let word = move |at: usize| bytes.get(at).is_some_and(u8::is_ascii_alphanumeric);
    text.match_indices('q').filter_map(move |(at, _)| {
        let digits = bytes.get(at + 1..at + 1 + DIGITS)?;
        let alone = (at == 0 || !word(at - 1)) && !word(at + 1 + DIGITS);
        (alone && digits.iter().all(u8::is_ascii_digit))
            .then(|| (at, Marker(text[at..at + 1 + DIGITS].to_owned())))
    })
}

struct Entry {
    said: Instant,
    delivered: Option<Instant>,
    deliveries: u32,
    /// Telegram messages with the whole answer: id, when first seen.
    answers: Vec<(i64, Instant)>,
    text: String,
    model_time: Duration,
    model_calls: u32,
}

/// The books.
pub struct Ledger {
    next: u64,
    entries: BTreeMap<Marker, Entry>,
    stray: u64,
    stray_texts: Vec<String>,
}

impl Ledger {
    pub fn new(first: u64) -> Ledger {
        let mut ledger =
            Ledger { next: first, entries: BTreeMap::new(), stray: 0, stray_texts: Vec::new() };
        ledger.reset();
        ledger
    }

    /// Forgets everything but the numbering: an old answer must not count for a new message.
    pub fn reset(&mut self) {
        self.entries.clear();
        self.stray = 0;
        self.stray_texts.clear();
    }

    /// Opens an account for the next message.
    pub fn open(&mut self) -> Marker {
        self.next = (self.next + 1) % 10u64.pow(DIGITS as u32);
        let marker = Marker::number(self.next);
        let entry = Entry {
            said: Instant::now(),
            delivered: None,
            deliveries: 0,
            answers: Vec::new(),
            text: String::new(),
            model_time: Duration::ZERO,
            model_calls: 0,
        };
        self.entries.insert(marker.clone(), entry);
        marker
    }

    /// Takes an account back: nothing was said with it.
    pub fn close(&mut self, marker: &Marker) {
        self.entries.remove(marker);
    }

    /// getUpdates handed it out.
    pub fn delivered(&mut self, text: &str) {
        if let Some(entry) = Marker::last_in(text).and_then(|m| self.entries.get_mut(&m)) {
            entry.deliveries += 1;
            entry.delivered.get_or_insert_with(Instant::now);
        }
    }

    /// The Bot API took a text.
    pub fn replied(&mut self, message_id: i64, text: &str) {
        let mut any = false;
        for (at, marker) in markers(text) {
            let whole =
                text[..at].ends_with("re ") && text[at + marker.0.len()..].starts_with(" ok.");
            let Some(entry) = self.entries.get_mut(&marker).filter(|_| whole) else { continue };
            any = true;
            if entry.answers.iter().all(|(id, _)| *id != message_id) {
                entry.answers.push((message_id, Instant::now()));
            }
            if entry.text.is_empty() {
                entry.text = text.to_owned();
            }
        }
        if !any {
            self.stray += 1;
            if self.stray_texts.len() < SHOWN {
                self.stray_texts.push(text.chars().take(200).collect());
            }
        }
    }

    /// A message was deleted: a draft that is taken back is no second reply.
    pub fn deleted(&mut self, message_id: i64) {
        for entry in self.entries.values_mut().filter(|e| e.answers.len() > 1) {
            entry.answers.retain(|(id, _)| *id != message_id);
        }
    }

    /// The model server worked on it for `time`.
    pub fn model(&mut self, marker: &Marker, time: Duration) {
        if let Some(entry) = self.entries.get_mut(marker) {
            entry.model_calls += 1;
            entry.model_time += time;
        }
    }

    /// How often the model server was asked about it and has answered.
    pub fn asked(&self, marker: &Marker) -> u32 {
        self.entries.get(marker).map_or(0, |e| e.model_calls)
    }

    /// The first text with the whole answer.
    pub fn answer(&self, marker: &Marker) -> Option<&str> {
        self.entries.get(marker).filter(|e| !e.answers.is_empty()).map(|e| e.text.as_str())
    }

    /// When each message with the whole answer was first seen.
    pub fn answers(&self, marker: &Marker) -> Vec<Instant> {
        self.entries.get(marker).map_or(Vec::new(), |e| e.answers.iter().map(|(_, t)| *t).collect())
    }

    /// Messages answered at least once.
    pub fn replied_count(&self) -> usize {
        self.entries.values().filter(|e| !e.answers.is_empty()).count()
    }

    /// Messages never answered.
    pub fn lost(&self) -> Vec<Marker> {
        let open = self.entries.iter().filter(|(_, e)| e.answers.is_empty());
        open.map(|(m, _)| m.clone()).collect()
    }

    /// Messages answered more than once.
    pub fn duplicated(&self) -> Vec<Marker> {
        let twice = self.entries.iter().filter(|(_, e)| e.answers.len() > 1);
        twice.map(|(m, _)| m.clone()).collect()
    }

    /// Everything as numbers; milliseconds unless the name says otherwise.
    pub fn report(&self) -> Value {
        let entries = self.entries.values();
        let count = |f: fn(&Entry) -> bool| self.entries.values().filter(|e| f(e)).count();
        let done: Vec<(&Entry, Instant)> =
            entries.filter_map(|e| Some((e, e.answers.first()?.1))).collect();
        let first = self.entries.values().map(|e| e.said).min();
        let last = done.iter().map(|(_, t)| *t).max();
        let span = first.zip(last).map_or(0.0, |(a, b)| (b - a).as_secs_f64());
        let times = |f: &dyn Fn(&Entry, Instant) -> Duration| {
            percentiles(done.iter().map(|(e, t)| f(e, *t).as_secs_f64() * 1e3).collect())
        };
        let names =
            |all: Vec<Marker>| all.iter().take(SHOWN).map(|m| m.0.clone()).collect::<Vec<_>>();
        json!({
            "in": self.entries.len(),
            "delivered": count(|e| e.deliveries > 0),
            "redelivered": count(|e| e.deliveries > 1),
            "replied": done.len(),
            "lost": self.entries.len() - done.len(),
            "lost_markers": names(self.lost()),
            "duplicated": count(|e| e.answers.len() > 1),
            "duplicated_markers": names(self.duplicated()),
            // Seconds since each repeated answer was accepted first.
            "duplicated_ages_s": self.entries.values().filter(|e| e.answers.len() > 1)
                .filter_map(|e| Some(round(e.answers.first()?.1.elapsed().as_secs_f64())))
                .collect::<Vec<_>>(),
            "extra_replies": self.entries.values().map(|e| e.answers.len().saturating_sub(1)).sum::<usize>(),
            "model_asked_again": count(|e| e.model_calls > 1),
            "stray_replies": self.stray,
            "stray_texts": self.stray_texts,
            "span_s": round(span),
            "messages_per_s": if span > 0.0 { json!(round(done.len() as f64 / span)) } else { Value::Null },
            "latency_ms": times(&|e, t| t - e.said),
            "added_ms": times(&|e, t| (t - e.said).saturating_sub(e.model_time)),
            "added_after_delivery_ms": times(&|e, t| {
                (t - e.delivered.unwrap_or(e.said)).saturating_sub(e.model_time)
            }),
            "model_ms": times(&|e, _| e.model_time),
        })
    }
}

/// p50, p90, p99 and the largest, by nearest rank; null without a value.
fn percentiles(mut values: Vec<f64>) -> Value {
    values.sort_by(f64::total_cmp);
    let at = |p: f64| {
        let rank = (p * values.len() as f64).ceil() as usize;
        values.get(rank.max(1) - 1).copied().map(round)
    };
    json!({ "p50": at(0.50), "p90": at(0.90), "p99": at(0.99), "max": at(1.0) })
}

fn round(x: f64) -> f64 {
    (x * 1000.0).round() / 1000.0
}

#[cfg(test)]
mod tests {
    use super::*;

    #[track_caller]
    fn check(text: &str, want: Option<&str>) {
        assert_eq!(Marker::last_in(text).map(|m| m.0), want.map(str::to_owned));
    }

    #[test]
    fn markers_are_words_of_their_own() {
        check("hello q000001", Some("q000001"));
        check("q000001 and q000002", Some("q000002"));
        check("[quoted: q000001]\nq000002.", Some("q000002"));
        check("xq000001", None);
        check("q0000012", None);
        check("q00001", None);
        check("ä q000007 ö", Some("q000007"));
    }

    #[test]
    fn only_the_whole_answer_counts_and_a_second_message_is_a_duplicate() {
        let mut ledger = Ledger::new(0);
        let (a, b) = (ledger.open(), ledger.open());
        ledger.replied(1, &format!("re {a}"));
        assert_eq!(ledger.replied_count(), 0);
        ledger.replied(1, &format!("re {a} ok."));
        ledger.replied(1, &format!("re {a} ok. edited"));
        assert!(ledger.duplicated().is_empty());
        ledger.replied(2, &format!("re {a} ok."));
        assert_eq!((ledger.duplicated(), ledger.lost()), (vec![a.clone()], vec![b]));
        ledger.deleted(2);
        assert!(ledger.duplicated().is_empty());
        assert_eq!(ledger.report()["stray_replies"], 1);
    }

    #[test]
    fn percentiles_go_by_nearest_rank() {
        let got = percentiles((1..=100).map(f64::from).collect());
        assert_eq!(got, json!({"p50": 50.0, "p90": 90.0, "p99": 99.0, "max": 100.0}));
        assert_eq!(percentiles(vec![])["p50"], Value::Null);
    }
}
