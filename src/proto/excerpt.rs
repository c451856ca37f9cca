//! Keeps the head and the tail of unbounded output. Never cuts inside a character.

use std::collections::VecDeque;

use super::text::{ceil_char, floor_char};

/// `text` in at most `limit` bytes: its head and its tail, with the number of omitted bytes between them.
pub fn keep_ends(text: String, limit: usize) -> String {
    shorten_noting(text, limit, "left out")
}

/// The same, where `what` says more about the bytes that are left out.
pub fn shorten_noting(text: String, limit: usize, what: &str) -> String {
    if text.len() <= limit {
        return text;
    }
    let half = limit.saturating_sub(56 + what.len()) / 2;
    let (head, tail) = (floor_char(&text, half), ceil_char(&text, text.len() - half));
    let mut kept = String::with_capacity(limit);
    kept.push_str(&text[..head]);
    kept.push_str(&left_out((tail - head) as u64, what));
    kept.push_str(&text[tail..]);
    kept
}

fn left_out(bytes: u64, what: &str) -> String {
    format!("\n... ({bytes} bytes {what}) ...\n")
}

/// Keeps the first and the last `half` bytes of an unbounded stream.
pub struct HeadTail {
    half: usize,
    head: Vec<u8>,
    tail: VecDeque<u8>,
    total: u64,
}

impl HeadTail {
    /// Holds at most 2 x `half` bytes.
    pub fn new(half: usize) -> HeadTail {
        HeadTail { half, head: Vec::new(), tail: VecDeque::new(), total: 0 }
    }

    /// Takes the next bytes.
    pub fn feed(&mut self, bytes: &[u8]) {
        self.total += bytes.len() as u64;
        let room = (self.half - self.head.len()).min(bytes.len());
        self.head.extend_from_slice(&bytes[..room]);
        let rest = &bytes[room..];
        let rest = &rest[rest.len().saturating_sub(self.half)..];
        let over = (self.tail.len() + rest.len()).saturating_sub(self.half);
        self.tail.drain(..over);
        self.tail.extend(rest);
    }

    /// Bytes fed.
    pub fn total(&self) -> u64 {
        self.total
    }

    /// Removes fragments of these words (four bytes and more) at the edges of the cut: a search for whole words
    /// (redaction) would miss them.
    pub fn drop_halves(&mut self, words: &[String]) {
        if (self.head.len() + self.tail.len()) as u64 == self.total {
            return;
        }
        let tail = self.tail.make_contiguous();
        let mut skip = 0;
        // Repeated, because a removed fragment may have hidden one of another word.
        loop {
            let (mut before, mut after) = (0, 0);
            for word in words.iter().map(|w| w.as_bytes()) {
                let lengths = || (4..word.len()).rev();
                let ends = lengths().find(|&n| self.head.ends_with(&word[..n]));
                let begins = lengths().find(|&n| tail[skip..].starts_with(&word[word.len() - n..]));
                before = before.max(ends.unwrap_or(0));
                after = after.max(begins.unwrap_or(0));
            }
            if before == 0 && after == 0 {
                break;
            }
            self.head.truncate(self.head.len() - before);
            skip += after;
        }
        self.tail.drain(..skip);
    }

    /// The kept text, with the number of omitted bytes if there are any; invalid UTF-8 is replaced.
    pub fn text(mut self) -> String {
        let kept = (self.head.len() + self.tail.len()) as u64;
        if kept == self.total {
            self.head.extend(&self.tail);
            return String::from_utf8_lossy(&self.head).into_owned();
        }
        // A character cut at either edge is dropped, so that the cut produces no replacement characters.
        let mut cut = self.head.len();
        while cut > 0 && self.head.len() - cut < 4 && self.head[cut - 1] & 0xC0 == 0x80 {
            cut -= 1;
        }
        if cut > 0 && self.head[cut - 1] >= 0xC0 {
            let width = self.head[cut - 1].leading_ones() as usize;
            let whole = self.head.len() - (cut - 1) >= width;
            cut = if whole { self.head.len() } else { cut - 1 };
        } else {
            cut = self.head.len();
        }
        let tail = self.tail.make_contiguous();
        let skip = tail.iter().take(3).take_while(|&&b| b & 0xC0 == 0x80).count();
        let missing = self.total - cut as u64 - (tail.len() - skip) as u64;
        let mut text = String::from_utf8_lossy(&self.head[..cut]).into_owned();
        text.push_str(&left_out(missing, "left out"));
        text.push_str(&String::from_utf8_lossy(&tail[skip..]));
        text
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_cut_leaves_no_half_of_a_word() {
        let words = ["secret-token".to_owned()];
        for shift in 0..=words[0].len() {
            let mut kept = HeadTail::new(20);
            let text = format!("{}{}", "a".repeat(20 - shift), words[0]);
            kept.feed(text.as_bytes());
            kept.feed("b".repeat(100).as_bytes());
            kept.feed(words[0].as_bytes());
            kept.feed("c".repeat(20 - shift).as_bytes());
            kept.drop_halves(&words);
            let said = kept.text();
            let whole = shift == words[0].len();
            assert_eq!(said.matches(&words[0]).count(), if whole { 2 } else { 0 }, "{said}");
            let (head, tail) = said.split_once("bytes").unwrap_or((&said, ""));
            assert!(whole || !head.contains("secr") && !tail.contains("oken"), "{shift}: {said}");
        }
        let mut kept = HeadTail::new(20);
        kept.feed(b"aaaaaaaa-secret-toke-cut");
        kept.feed(&[b'b'; 50]);
        kept.drop_halves(&["secret-token".to_owned(), "toke-another".to_owned()]);
        assert!(kept.text().starts_with("aaaaaaaa-\n"), "a half behind a half");
        let mut kept = HeadTail::new(20);
        kept.feed(b"it ends with secr");
        kept.drop_halves(&words);
        assert_eq!(kept.text(), "it ends with secr", "nothing was cut");
    }

    #[test]
    fn both_ends_are_kept() {
        assert_eq!(keep_ends("short".into(), 100), "short");
        let text = keep_ends("é".repeat(500), 200);
        assert!(text.len() <= 200, "{}", text.len());
        assert!(text.starts_with('é') && text.ends_with('é') && text.contains("bytes left out"));
    }

    #[test]
    fn streams_keep_head_and_tail_in_bounded_memory() {
        #[track_caller]
        fn check(half: usize, chunks: &[&[u8]], want: &str) {
            let mut kept = HeadTail::new(half);
            chunks.iter().for_each(|c| kept.feed(c));
            assert!(kept.head.len() <= half && kept.tail.len() <= half);
            assert_eq!(kept.text(), want);
        }
        check(3, &[b"abc", b"def"], "abcdef");
        check(3, &[b"abcdefg"], "abc\n... (1 bytes left out) ...\nefg");
        check(3, &[b"a", b"bcdefghij", b"k"], "abc\n... (5 bytes left out) ...\nijk");
        check(3, &["ab€cdefg€".as_bytes()], "ab\n... (8 bytes left out) ...\n€");
        check(2, &["€uro €".as_bytes(), b"x"], "\n... (10 bytes left out) ...\nx");
        check(4, &[b"\xff\xfe"], "\u{fffd}\u{fffd}");
        check(2, &[], "");
    }
}
