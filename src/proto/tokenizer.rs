//! Splits text into search terms, for the index and for queries. Pure.
//!
//! Words of scripts that use spaces become one term each, in lower case; a plural `s` of plain English words is dropped.
//! Scripts that write without blanks (Han, kana, Hangul, Thai, Lao, Khmer, Myanmar) become pairs of neighbours, and Han
//! and Hangul also single characters, so that a word of one character can be found. Combining accents are ignored,
//! full-width letters become plain ones. A term is a hash: the words themselves are not stored.

use super::fnv::{FNV, fnv, hash32};

/// FNV-1a of a term, 64 bits folded to 32 (Fowler, Noll, Vo). Two words in a million share one.
pub type TermHash = u32;

/// The use of the terms.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum TermUse {
    /// The index: every term that a query may use.
    Text,
    /// A query: only the most exact terms; for a run without spaces its pairs.
    Query,
}

fn add(sum: u64, c: char) -> u64 {
    fnv(sum, c.encode_utf8(&mut [0; 4]).as_bytes())
}

/// Passes each term of `text` to `emit`, in order, including duplicates.
pub fn terms(text: &str, side: TermUse, emit: &mut dyn FnMut(TermHash)) {
    let mut word = Word::default();
    // The last character of a run without blanks, and whether it has a neighbour before it.
    let mut run: Option<(char, bool)> = None;
    for c in text.chars().map(plain) {
        if is_accent(c) {
            continue;
        }
        if is_unspaced(c) {
            word.end(emit);
            if let Some((before, _)) = run {
                emit(hash32(add(add(FNV, before), c)));
            }
            if side == TermUse::Text && is_syllable(c) {
                emit(hash32(add(FNV, c)));
            }
            run = Some((c, run.is_some()));
            continue;
        }
        end_run(&mut run, side, emit);
        if c.is_alphanumeric() {
            c.to_lowercase().filter(|c| !is_accent(*c)).for_each(|c| word.push(c));
        } else if !matches!(c, '\'' | '\u{2019}') {
            word.end(emit);
        }
    }
    end_run(&mut run, side, emit);
    word.end(emit);
}

/// A single character without neighbours is a term by itself.
fn end_run(run: &mut Option<(char, bool)>, side: TermUse, emit: &mut dyn FnMut(TermHash)) {
    if let Some((c, false)) = run.take() {
        // In an indexed text it has been emitted already.
        if side == TermUse::Query || !is_syllable(c) {
            emit(hash32(add(FNV, c)));
        }
    }
}

/// A word of a script with blanks, so far.
struct Word {
    sum: u64,
    /// The sum before the last letter.
    stem: u64,
    letters: u32,
    ascii: bool,
    last: [char; 2],
}

impl Default for Word {
    fn default() -> Word {
        Word { sum: FNV, stem: FNV, letters: 0, ascii: true, last: [' '; 2] }
    }
}

impl Word {
    fn push(&mut self, c: char) {
        self.stem = self.sum;
        self.sum = add(self.sum, c);
        self.letters = self.letters.saturating_add(1);
        self.ascii &= c.is_ascii_lowercase();
        self.last = [self.last[1], c];
    }

    fn end(&mut self, emit: &mut dyn FnMut(TermHash)) {
        let word = std::mem::take(self);
        if word.letters == 0 {
            return;
        }
        let plural = word.ascii
            && word.letters > 3
            && word.last[1] == 's'
            && !matches!(word.last[0], 's' | 'u' | 'i');
        emit(hash32(if plural { word.stem } else { word.sum }));
    }
}

/// Full-width letters and digits (U+FF01 to U+FF5E) as ASCII.
fn plain(c: char) -> char {
    match c {
        '\u{ff01}'..='\u{ff5e}' => char::from_u32(c as u32 - 0xfee0).unwrap_or(c),
        c => c,
    }
}

/// Combining diacritical marks.
fn is_accent(c: char) -> bool {
    matches!(c, '\u{300}'..='\u{36f}')
}

/// Whether its script puts no spaces between words.
pub fn is_unspaced(c: char) -> bool {
    matches!(c,
        '\u{e01}'..='\u{e3a}' | '\u{e40}'..='\u{e4e}' | '\u{e80}'..='\u{ece}' | '\u{1000}'..='\u{1049}'
        | '\u{1780}'..='\u{17d3}' | '\u{3005}'..='\u{3007}' | '\u{3041}'..='\u{3096}' | '\u{30a1}'..='\u{30fa}'
        | '\u{30fc}' | '\u{31f0}'..='\u{31ff}' | '\u{ff66}'..='\u{ff9f}')
        || is_syllable(c)
}

/// Han, and Hangul syllables.
fn is_syllable(c: char) -> bool {
    matches!(c, '\u{3400}'..='\u{4dbf}' | '\u{4e00}'..='\u{9fff}' | '\u{ac00}'..='\u{d7a3}' | '\u{f900}'..='\u{faff}'
        | '\u{20000}'..='\u{3ffff}')
}

#[cfg(test)]
mod tests {
    use super::*;

    fn all(text: &str, side: TermUse) -> Vec<TermHash> {
        let mut found = Vec::new();
        terms(text, side, &mut |t| found.push(t));
        found
    }

    /// The text has exactly these terms: bare words, or pairs and single characters.
    #[track_caller]
    fn check(text: &str, want: &[&str]) {
        let want: Vec<TermHash> = want.iter().map(|w| hash32(fnv(FNV, w.as_bytes()))).collect();
        assert_eq!(all(text, TermUse::Text), want, "{text:?}");
    }

    #[track_caller]
    fn finds(query: &str, text: &str, want: bool) {
        let have = all(text, TermUse::Text);
        let asked = all(query, TermUse::Query);
        let found = !asked.is_empty() && asked.iter().all(|t| have.contains(t));
        assert_eq!(found, want, "{query:?} in {text:?}");
    }

    #[test]
    fn words_are_plain_and_in_lower_case() {
        check("", &[]);
        check(" -- \n", &[]);
        check("Hello, World", &["hello", "world"]);
        check("don't stop", &["dont", "stop"]);
        check(
            "Bicycles glass Status is as cats",
            &["bicycle", "glass", "status", "is", "as", "cat"],
        );
        check("ÄPFEL Größe ЁЛКА", &["äpfel", "größe", "ёлка"]);
        check("cafe\u{301}", &["cafe"]);
        check("ＡＢＣ１２", &["abc12"]);
        check("a_b c-d 3.14", &["a", "b", "c", "d", "3", "14"]);
    }

    #[test]
    fn scripts_without_blanks_are_pairs() {
        check("猫", &["猫"]);
        check("東京都", &["東", "東京", "京", "京都", "都"]);
        check("ねこ", &["ねこ"]);
        check("カ", &["カ"]);
        check("3月です", &["3", "月", "月で", "です"]);
        check("한국 어", &["한", "한국", "국", "어"]);
    }

    #[test]
    fn queries_find_texts() {
        finds("bicycle", "two green Bicycles", true);
        finds("京都", "東京都", true);
        finds("東都", "東京都", false);
        finds("猫", "黒猫がいる", true);
        finds("หมา", "แมวและหมา", true);
        finds("RESUME", "resume\u{301}", true);
        finds("", "anything", false);
    }
}
