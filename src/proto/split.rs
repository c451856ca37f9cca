//! Splits Markdown into messages of a maximum length.
//!
//! A part ends between blocks if it is then at least half full, else at a line, a word, and only then anywhere. Never
//! inside a character, and inside a link, code span or emphasis only when that alone is longer than a message. A code
//! fence that has to be cut is closed and opened again with the same first line.
//!
//! The channel knows the maximum: `channel/telegram/send.rs` passes Telegram's.

use std::borrow::Cow;

use super::markdown::{self, BlockKind};
use super::utf16;

/// Units of a fence's first line, and of its marks, that are repeated in the next part; longer ones are not.
const HEADER_UNITS: usize = 64;
/// Positions in one block that are tried before it is cut anywhere.
const TRIES: usize = 16;

/// The parts of a text, in order; none is empty.
pub struct Parts<'a> {
    text: &'a str,
    at: usize,
    limit: usize,
    carry: OpenConstruct<'a>,
}

/// The construct that continues in the next part.
#[derive(Clone, Copy)]
enum OpenConstruct<'a> {
    Nothing,
    /// First line without indentation, marks that close it.
    Fence(&'a str, &'a str),
    Quote,
}

/// Cuts `text` into parts of at most `limit` UTF-16 units; because the HTML made of Markdown shows no more than the
/// Markdown has, the limit holds before and after conversion. `limit` is at least 256 in any sensible use.
pub fn parts(text: &str, limit: usize) -> Parts<'_> {
    Parts { text: text.trim_end(), at: 0, limit, carry: OpenConstruct::Nothing }
}

impl<'a> Iterator for Parts<'a> {
    type Item = Cow<'a, str>;

    fn next(&mut self) -> Option<Cow<'a, str>> {
        loop {
            self.skip_blank_lines();
            if self.at >= self.text.len() {
                return None;
            }
            // White space alone is not a message.
            let part = self.part();
            if part.is_some() {
                return part;
            }
        }
    }
}

impl<'a> Parts<'a> {
    fn part(&mut self) -> Option<Cow<'a, str>> {
        let (prefix, joint) = match self.carry {
            OpenConstruct::Nothing => ("", ""),
            OpenConstruct::Fence(header, _) => (header, "\n"),
            OpenConstruct::Quote => ("> ", ""),
        };
        let budget = self.limit.saturating_sub(utf16::units(prefix) + joint.len()).max(1);
        let hard = self.at + utf16::floor(&self.text[self.at..], budget);
        let (cut, carry) =
            if hard == self.text.len() { (hard, OpenConstruct::Nothing) } else { self.cut(hard) };
        let body = &self.text[self.at..cut];
        let cut_in_fence = matches!(carry, OpenConstruct::Fence(..));
        let body =
            if cut_in_fence { body.strip_suffix('\n').unwrap_or(body) } else { body.trim_end() };
        let close = match carry {
            OpenConstruct::Fence(_, marks) => marks,
            _ => "",
        };
        self.at = cut;
        self.carry = carry;
        if body.trim().is_empty() {
            return None;
        }
        if prefix.is_empty() && close.is_empty() {
            return Some(Cow::Borrowed(body));
        }
        let mut part = String::with_capacity(prefix.len() + body.len() + close.len() + 2);
        for piece in [prefix, joint, body] {
            part.push_str(piece);
        }
        if !close.is_empty() {
            part.push('\n');
            part.push_str(close);
        }
        Some(Cow::Owned(part))
    }

    fn skip_blank_lines(&mut self) {
        while self.at < self.text.len() {
            let (line, end) = markdown::line(self.text, self.at);
            match self.carry {
                // Nothing of the block is left: no empty one in the next part.
                OpenConstruct::Fence(_, marks) if closes(line, marks) => {
                    self.carry = OpenConstruct::Nothing
                }
                OpenConstruct::Fence(..) => return,
                _ if line.trim().is_empty() => self.carry = OpenConstruct::Nothing,
                _ => return,
            }
            self.at = end;
        }
    }

    /// The end of the part that starts at `self.at` (`hard` at most), and the construct that continues there.
    fn cut(&self, hard: usize) -> (usize, OpenConstruct<'a>) {
        let mut start = self.at;
        if let OpenConstruct::Fence(_, marks) = self.carry {
            let mut end = start;
            while end < self.text.len() {
                let (line, after) = markdown::line(self.text, end);
                end = after;
                if closes(line, marks) {
                    break;
                }
            }
            if end > hard {
                return self.inside_fence(start, hard, self.carry);
            }
            start = end;
        }
        while let Some(block) = markdown::block(self.text, start) {
            let filled = start - self.at;
            let room = hard - self.at;
            if self.text[..block.end].trim_end_matches('\n').len() <= hard {
                start = block.end;
                continue;
            }
            // A code block that fits into one message is moved to the next part earlier.
            let body = &self.text[start..block.end];
            let whole =
                block.kind == BlockKind::Fence && utf16::floor(body, self.limit) == body.len();
            if filled >= room / if whole { 4 } else { 2 } && filled > 0 {
                break;
            }
            if block.kind == BlockKind::Fence {
                let (first, after) = markdown::line(self.text, start);
                let header = first.trim();
                let marks = markdown::fence(first).map_or("", |(_, length, _)| &header[..length]);
                let fits = utf16::units(header) <= HEADER_UNITS.min(self.limit / 4);
                let carry = OpenConstruct::Fence(if fits { header } else { marks }, marks);
                if marks.len() <= HEADER_UNITS.min(self.limit / 4) && after < hard {
                    let cut = self.inside_fence(after, hard, carry);
                    return if cut.0 <= after && filled > 0 {
                        (start, OpenConstruct::Nothing)
                    } else {
                        cut
                    };
                }
                return (if filled > 0 { start } else { hard }, OpenConstruct::Nothing);
            }
            let at = start + inside(body, hard - start);
            let in_line = !self.text[..at].ends_with('\n');
            let quoted = block.kind == BlockKind::Quote && in_line && at > start;
            return (at, if quoted { OpenConstruct::Quote } else { OpenConstruct::Nothing });
        }
        (start, OpenConstruct::Nothing)
    }

    fn inside_fence(
        &self,
        start: usize,
        hard: usize,
        carry: OpenConstruct<'a>,
    ) -> (usize, OpenConstruct<'a>) {
        let OpenConstruct::Fence(_, marks) = carry else { return (hard, carry) };
        // Room for the line break and the marks that close it.
        let room = utf16::units(&self.text[self.at..hard]).saturating_sub(marks.len() + 1);
        let last = self.at + utf16::floor(&self.text[self.at..], room.max(1));
        let line = self.text.get(start..last).and_then(|body| body.rfind('\n'));
        (line.map_or(last, |at| start + at + 1), carry)
    }
}

fn closes(line: &str, marks: &str) -> bool {
    marks.chars().next().is_some_and(|mark| markdown::closes(line, (mark, marks.len())))
}

/// The best position to cut a block after at most `max` bytes; never 0.
fn inside(block: &str, max: usize) -> usize {
    let floor = max / 2;
    let low = (floor..=max).find(|at| block.is_char_boundary(*at)).unwrap_or(max);
    for separator in ['\n', ' '] {
        let mut high = max;
        for _ in 0..TRIES {
            let Some(found) = block[low..high].rfind(separator) else { break };
            if markdown::boundary(block, low + found + 1) == low + found + 1 {
                return low + found + 1;
            }
            high = low + found;
        }
    }
    match markdown::boundary(block, max) {
        0 => {}
        at if at < max => return at,
        _ => return cluster(block, max),
    }
    block[low..max].rfind([' ', '\n']).map_or_else(|| cluster(block, max), |at| low + at + 1)
}

/// Moves back so that joined emoji and combining marks stay with what they belong to.
fn cluster(block: &str, max: usize) -> usize {
    let mut at = max;
    for _ in 0..TRIES {
        let next = block[at..].chars().next().unwrap_or('a');
        let before = block[..at].chars().next_back().unwrap_or('a');
        let joins = |c| matches!(c, '\u{200d}' | '\u{fe0f}' | '\u{300}'..='\u{36f}' | '\u{1f3fb}'..='\u{1f3ff}');
        if !joins(next) && before != '\u{200d}' {
            return at;
        }
        at -= before.len_utf8();
        if at == 0 {
            return max;
        }
    }
    max
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::proto::markdown::to_telegram_html;

    #[track_caller]
    fn check(text: &str, limit: usize, want: &[&str]) {
        let got: Vec<_> = parts(text, limit).collect();
        assert_eq!(got, want);
        for part in &got {
            assert!(utf16::units(part) <= limit, "{part:?} is over {limit}");
        }
    }

    #[test]
    fn text() {
        check("", 20, &[]);
        check(" \n\n ", 20, &[]);
        check("short", 20, &["short"]);
        check("one two three four five", 12, &["one two", "three four", "five"]);
        check("first line\nsecond line", 16, &["first line", "second line"]);
        check("a paragraph\n\nanother one", 16, &["a paragraph", "another one"]);
        check(&"x".repeat(25), 10, &["xxxxxxxxxx", "xxxxxxxxxx", "xxxxx"]);
        check("one\n- two two\n- three", 14, &["one\n- two two", "- three"]);
    }

    #[test]
    fn characters_stay_whole() {
        check(&"😀".repeat(5), 5, &["😀😀", "😀😀", "😀"]);
        check("aaa👩\u{200d}🚀b", 7, &["aaa", "👩\u{200d}🚀b"]);
        check("aae\u{301}", 3, &["aa", "e\u{301}"]);
    }

    #[test]
    fn constructs_stay_whole() {
        check("some words **all of it bold** x", 20, &["some words", "**all of it bold** x"]);
        check("see [the words](http://a.b) x", 25, &["see", "[the words](http://a.b) x"]);
        check("words here `a b c d e f`", 20, &["words here", "`a b c d e f`"]);
        check("**one two three four five six**", 20, &["**one two three", "four five six**"]);
    }

    #[test]
    fn fences_are_closed_and_opened_again() {
        check("```sh\naaaa\nbbbb\ncccc\n```", 22, &["```sh\naaaa\nbbbb\n```", "```sh\ncccc\n```"]);
        check(
            "some text\n```sh\naaaa\nbbbb\n```\nend",
            24,
            &["some text", "```sh\naaaa\nbbbb\n```\nend"],
        );
        check(
            "```\naaaaaaaaaaaaaaaaaaaa\n```",
            16,
            &["```\naaaaaaaa\n```", "```\naaaaaaaa\n```", "```\naaaa\n```"],
        );
        check("```\naaaa\nbbbb\nccc", 16, &["```\naaaa\n```", "```\nbbbb\nccc"]);
    }

    #[test]
    fn a_long_quote_stays_a_quote() {
        check("> one two three four", 14, &["> one two", "> three four"]);
        check("> one two\n> three", 12, &["> one two", "> three"]);
    }

    #[test]
    fn any_mixture_is_cut_within_the_limit_and_loses_nothing() {
        let pieces = [
            "**",
            "`",
            "```\n",
            "\n",
            "> ",
            "# ",
            "- ",
            "[a](http://x)",
            "word",
            " ",
            "😀",
            "é",
            "_",
        ];
        let mut seed = 3u32;
        for _ in 0..5_000 {
            let mut text = String::new();
            for _ in 0..40 {
                seed = seed.wrapping_mul(1_664_525).wrapping_add(1_013_904_223);
                text.push_str(pieces[(seed >> 16) as usize % pieces.len()]);
            }
            let mut words = 0;
            for part in parts(&text, 32) {
                assert!(utf16::units(&part) <= 32, "{part:?} of {text:?}");
                assert!(!part.trim().is_empty());
                words += part.matches('😀').count();
                to_telegram_html(&part);
            }
            // More where the first line of a fence is repeated.
            assert!(words >= text.matches('😀').count(), "{text:?}");
        }
    }
}
