//! Each parser's fuzz feed, briefly and the same in every run: its seeds, then seeded mutations of them.
//!
//! Seeds are the strings of the parsers' own test tables. With PICOCLAW_FUZZ_CORPUS set they are also written
//! there, one folder a target, which is how `scripts/check/fuzz` begins.

#[path = "../../fuzz/src/archives.rs"]
mod archives;
#[path = "../../fuzz/src/feeds.rs"]
mod feeds;
#[path = "../../fuzz/src/guests.rs"]
mod guests;
#[path = "../../fuzz/src/notes.rs"]
mod notes;
#[path = "../../fuzz/src/streams.rs"]
mod streams;
#[path = "../../fuzz/src/wires.rs"]
mod wires;

use std::collections::BTreeSet;
use std::panic::{self, AssertUnwindSafe};
use std::path::Path;

use feeds::{FEEDS, Feed};

/// Mutations of each feed: a second or two in all.
const ROUNDS: usize = 600;
/// What parsers look for.
const MARKS: &[u8] = b"<>{}[]()\"'\\`*_~|\n\r\t\0 :;,.-#&=/%!?09\x7f\x80\xc3\xff";
/// Bytes of an input.
const LONGEST: usize = 2048;

/// The strings of a Rust source, escapes resolved: what its test tables are made of.
fn strings(source: &str) -> BTreeSet<Vec<u8>> {
    let mut found = BTreeSet::new();
    let mut rest = source;
    while let Some(at) = rest.find(['"', '/', '\'']) {
        let (before, tail) = rest.split_at(at);
        let hashes = before.len() - before.trim_end_matches('#').len();
        let is_raw = before.trim_end_matches('#').ends_with('r');
        rest = &tail[1..];
        if tail.starts_with("//") {
            rest = tail.split_once('\n').map_or("", |(_, next)| next);
        } else if tail.starts_with("'\"'") || tail.starts_with("'\\") {
            rest = tail.get(3..).unwrap_or("");
        } else if tail.starts_with('"') && is_raw {
            let (text, next) =
                rest.split_once(&format!("\"{}", "#".repeat(hashes))).unwrap_or((rest, ""));
            found.insert(text.as_bytes().to_vec());
            rest = next;
        } else if tail.starts_with('"') {
            let mut escaped = false;
            let end = rest.find(|c| {
                let ends = c == '"' && !escaped;
                escaped = c == '\\' && !escaped;
                ends
            });
            let end = end.unwrap_or(rest.len());
            found.insert(unescape(&rest[..end]));
            rest = rest.get(end + 1..).unwrap_or("");
        }
    }
    found
}

fn unescape(text: &str) -> Vec<u8> {
    let mut out = Vec::new();
    let mut chars = text.chars().peekable();
    let mut push = |c: char| out.extend_from_slice(c.encode_utf8(&mut [0; 4]).as_bytes());
    let mut raw = Vec::new();
    while let Some(c) = chars.next() {
        if c != '\\' {
            push(c);
            continue;
        }
        match chars.next() {
            Some('n') => push('\n'),
            Some('r') => push('\r'),
            Some('t') => push('\t'),
            Some('0') => push('\0'),
            Some('x') => {
                let hex: String = chars.by_ref().take(2).collect();
                raw.push(u8::from_str_radix(&hex, 16).unwrap_or(b'x'));
                push(char::from(raw[raw.len() - 1]));
            }
            Some('u') => {
                let hex: String = chars.by_ref().skip(1).take_while(|c| *c != '}').collect();
                push(u32::from_str_radix(&hex, 16).ok().and_then(char::from_u32).unwrap_or('u'));
            }
            // A line goes on.
            Some('\n') => while chars.next_if(|c| c.is_whitespace()).is_some() {},
            Some(other) => push(other),
            None => {}
        }
    }
    out
}

/// xorshift64: the same numbers in each run.
struct Dice(u64);

impl Dice {
    fn below(&mut self, n: usize) -> usize {
        self.0 ^= self.0 << 13;
        self.0 ^= self.0 >> 7;
        self.0 ^= self.0 << 17;
        (self.0 % n.max(1) as u64) as usize
    }
}

fn mutate(input: &mut Vec<u8>, other: &[u8], dice: &mut Dice) {
    let at = dice.below(input.len() + 1);
    let end = at + dice.below(input.len() - at + 1);
    match dice.below(8) {
        0 => input.truncate(at),
        1 => drop(input.drain(at..end)),
        2 => input.insert(at, dice.below(256) as u8),
        3 => input.insert(at, MARKS[dice.below(MARKS.len())]),
        4 => {
            if let Some(byte) = input.get_mut(at) {
                *byte ^= 1 << dice.below(8);
            }
        }
        5 => {
            let piece = input[at..end].to_vec();
            (0..1 + dice.below(8)).for_each(|_| drop(input.splice(at..at, piece.iter().copied())));
        }
        6 => {
            let begin = dice.below(other.len() + 1);
            let stop = begin + dice.below(other.len() - begin + 1);
            input.splice(at..at, other[begin..stop].iter().copied());
        }
        _ => input[at..end].reverse(),
    }
    input.truncate(LONGEST);
}

fn run((name, feed, sources): &Feed) {
    let root = Path::new(env!("CARGO_MANIFEST_DIR"));
    let read =
        |f: &&str| std::fs::read_to_string(root.join(f)).unwrap_or_else(|e| panic!("{f}: {e}"));
    let mut seeds: Vec<Vec<u8>> = sources.iter().map(read).flat_map(|s| strings(&s)).collect();
    seeds.extend(feeds::made(name));
    seeds.retain(|s| s.len() <= LONGEST);
    assert!(seeds.len() >= 5, "{name}: only {} seeds in {sources:?}", seeds.len());
    save(name, &seeds);
    let mut dice = Dice(0x9E37_79B9_7F4A_7C15);
    let try_one = |input: &[u8]| {
        let caught = panic::catch_unwind(AssertUnwindSafe(|| feed(input)));
        assert!(caught.is_ok(), "{name} fails on b\"{}\"", input.escape_ascii());
    };
    seeds.iter().for_each(|seed| try_one(seed));
    for _ in 0..ROUNDS {
        let mut input = seeds[dice.below(seeds.len())].clone();
        for _ in 0..1 + dice.below(4) {
            let other = dice.below(seeds.len());
            mutate(&mut input, &seeds[other], &mut dice);
        }
        try_one(&input);
    }
}

fn save(name: &str, seeds: &[Vec<u8>]) {
    let Ok(corpus) = std::env::var("PICOCLAW_FUZZ_CORPUS") else { return };
    let dir = Path::new(&corpus).join(name);
    std::fs::create_dir_all(&dir).expect("a folder");
    for (n, seed) in seeds.iter().enumerate() {
        std::fs::write(dir.join(format!("seed-{n:04}")), seed).expect("a seed");
    }
}

#[test]
fn parsers_keep_their_promises() {
    // Side by side on as many threads as there are processors; a failing feed does not hide the others.
    let next = std::sync::atomic::AtomicUsize::new(0);
    let failed = std::sync::Mutex::new(Vec::new());
    let workers = std::thread::available_parallelism().map_or(1, usize::from);
    std::thread::scope(|scope| {
        for _ in 0..workers {
            scope.spawn(|| {
                while let Some(feed) =
                    FEEDS.get(next.fetch_add(1, std::sync::atomic::Ordering::Relaxed))
                {
                    if panic::catch_unwind(AssertUnwindSafe(|| run(feed))).is_err() {
                        failed.lock().expect("not poisoned").push(feed.0);
                    }
                }
            });
        }
    });
    let failed = failed.into_inner().expect("not poisoned");
    assert!(failed.is_empty(), "{failed:?}: see above for the inputs");
}

#[test]
fn seeds_are_the_strings_of_a_source() {
    let source = "f(\"a\\n\\\"b\", r#\"c \"d\"\"#, 'x', '\"', b\"\\x41\") // \"no\"\n\"\\u{e4}\"";
    let want: BTreeSet<Vec<u8>> =
        ["a\n\"b", "c \"d\"", "A", "ä"].iter().map(|s| s.as_bytes().to_vec()).collect();
    assert_eq!(strings(source), want);
}
