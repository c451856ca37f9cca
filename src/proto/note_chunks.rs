//! Splits a file of notes into chunks, the unit of search. Pure, fed in pieces of any size.
//!
//! A chunk ends before a heading, at a blank line when it has [`SOFT`] bytes, and at the latest after
//! [`CHUNK_BYTES`]: then at the end of a line, or in such a long line at a blank.

use crate::limits::CHUNK_BYTES;

/// Bytes after which a blank line ends a chunk.
const SOFT: usize = CHUNK_BYTES * 3 / 8;

/// One chunk.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Chunk<'a> {
    /// Its offset in the file.
    pub offset: u64,
    /// Number of its first line, from 1.
    pub line: u32,
    /// Its bytes, at most [`CHUNK_BYTES`]; not only white space.
    pub text: &'a [u8],
}

/// Splits its input.
pub struct Splitter {
    /// Input that is not in a chunk yet.
    open: Vec<u8>,
    /// Where the last line of `open` begins in it.
    last_line: usize,
    offset: u64,
    line: u32,
}

impl Splitter {
    /// For a file, or for the part after its first `offset` bytes, which contain `lines` line ends.
    pub fn new(offset: u64, lines: u32) -> Splitter {
        Splitter { open: Vec::new(), last_line: 0, offset, line: lines.saturating_add(1) }
    }

    /// Bytes of the file before the open chunk, and line ends in them.
    pub fn done(&self) -> (u64, u32) {
        (self.offset, self.line - 1)
    }

    /// Takes the next piece.
    pub fn feed(&mut self, mut bytes: &[u8], each: &mut dyn FnMut(Chunk<'_>)) {
        while let Some(first) = bytes.first() {
            if *first == b'#' && self.last_line == self.open.len() {
                self.cut(self.open.len(), each);
            }
            let end = bytes.iter().position(|b| *b == b'\n').map_or(bytes.len(), |at| at + 1);
            let n = end.min(CHUNK_BYTES - self.open.len());
            let (piece, rest) = bytes.split_at(n);
            bytes = rest;
            self.open.extend_from_slice(piece);
            if piece.ends_with(b"\n") {
                let blank = self.open[self.last_line..].iter().all(u8::is_ascii_whitespace);
                self.last_line = self.open.len();
                if blank && self.open.len() >= SOFT {
                    self.cut(self.open.len(), each);
                }
            }
            if self.open.len() == CHUNK_BYTES {
                self.cut(self.cut_position(), each);
            }
        }
    }

    /// Returns the rest.
    pub fn end(&mut self, each: &mut dyn FnMut(Chunk<'_>)) {
        self.cut(self.open.len(), each);
    }

    /// Where to cut a full chunk: after a line, after a blank, before a character.
    fn cut_position(&self) -> usize {
        if self.last_line > 0 {
            return self.last_line;
        }
        let half = self.open.len() / 2;
        if let Some(at) = self.open[half..].iter().rposition(u8::is_ascii_whitespace) {
            return half + at + 1;
        }
        let inside = |b: &u8| b & 0xc0 == 0x80;
        let tail = self.open.iter().rev().take(3).take_while(|b| inside(b)).count();
        match self.open[self.open.len() - tail - 1] {
            lead if lead >= 0xc0 => self.open.len() - tail - 1,
            _ => self.open.len(),
        }
    }

    fn cut(&mut self, at: usize, each: &mut dyn FnMut(Chunk<'_>)) {
        let text = &self.open[..at];
        if !text.iter().all(u8::is_ascii_whitespace) {
            each(Chunk { offset: self.offset, line: self.line, text });
        }
        self.offset += at as u64;
        let lines = text.iter().filter(|b| **b == b'\n').count();
        self.line = self.line.saturating_add(lines as u32);
        self.open.drain(..at);
        self.last_line = self.last_line.saturating_sub(at);
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn split(text: &str, piece: usize) -> Vec<(u64, u32, String)> {
        let mut found = Vec::new();
        let mut each = |p: Chunk<'_>| {
            found.push((p.offset, p.line, String::from_utf8_lossy(p.text).into_owned()));
        };
        let mut splitter = Splitter::new(0, 0);
        text.as_bytes().chunks(piece).for_each(|c| splitter.feed(c, &mut each));
        splitter.end(&mut each);
        found
    }

    #[track_caller]
    fn check(text: &str, want: &[(u64, u32, &str)]) {
        let want: Vec<_> = want.iter().map(|(o, l, t)| (*o, *l, (*t).to_owned())).collect();
        assert_eq!(split(text, usize::MAX), want, "{text:?}");
        assert_eq!(split(text, 1), want, "{text:?} in pieces");
    }

    #[test]
    fn headings_begin_chunks() {
        check("", &[]);
        check("\n \n", &[]);
        check("a\nb", &[(0, 1, "a\nb")]);
        check("# A\n\na\n# B\nb\n", &[(0, 1, "# A\n\na\n"), (7, 4, "# B\nb\n")]);
        check("a # b", &[(0, 1, "a # b")]);
    }

    #[test]
    fn long_chunks_end_at_blank_lines_line_ends_and_blanks() {
        let para = "x".repeat(SOFT);
        check(
            &format!("{para}\n\ny\n\nz"),
            &[(0, 1, &format!("{para}\n\n")), (SOFT as u64 + 2, 3, "y\n\nz")],
        );
        let line = format!("{}\n", "x".repeat(CHUNK_BYTES / 2));
        check(&line.repeat(2), &[(0, 1, &line), (line.len() as u64, 2, &line)]);
        let words = "word ".repeat(CHUNK_BYTES / 5 + 1);
        let parts = split(&words, 7);
        assert!(
            parts.len() == 2
                && parts.iter().all(|(_, line, text)| *line == 1 && text.ends_with(' '))
        );
        let unbroken = "猫".repeat(CHUNK_BYTES);
        let parts = split(&unbroken, 5);
        assert!(
            parts
                .iter()
                .all(|(_, _, text)| text.len() <= CHUNK_BYTES && !text.contains('\u{fffd}'))
        );
        assert_eq!(parts.iter().map(|p| p.2.as_str()).collect::<String>(), unbroken);
    }

    #[test]
    fn a_tail_continues_where_the_rest_ended() {
        let mut splitter = Splitter::new(100, 7);
        let mut found = Vec::new();
        splitter.feed(b"new\n", &mut |_| {});
        assert_eq!(splitter.done(), (100, 7));
        splitter.end(&mut |p| found.push((p.offset, p.line)));
        assert_eq!((found, splitter.done()), (vec![(100, 8)], (104, 8)));
    }
}
