//! A line editor's state: keys in, line and cursor out. No terminal I/O; the caller draws.
//!
//! Understands UTF-8, the Emacs control keys and the arrow sequences of xterm (ECMA-48 CSI).

/// The effect of a key.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum EditorEvent {
    /// Line or cursor changed: redraw.
    Changed,
    /// Enter: the finished line.
    Line(String),
    /// Ctrl-C, or Ctrl-D on an empty line.
    Leave,
}

/// The line being typed and the lines before it.
pub struct LineEditor {
    line: Vec<char>,
    cursor: usize,
    history: Vec<String>,
    most: usize,
    /// Index into the history while browsing, and the line typed before that.
    browsing: Option<(usize, Vec<char>)>,
    /// Bytes of an unfinished character or escape sequence.
    pending: Vec<u8>,
}

impl LineEditor {
    /// Keeps the latest `most` lines of `history`.
    pub fn new(mut history: Vec<String>, most: usize) -> LineEditor {
        history.drain(..history.len().saturating_sub(most));
        LineEditor {
            line: Vec::new(),
            cursor: 0,
            history,
            most,
            browsing: None,
            pending: Vec::new(),
        }
    }

    /// Lines entered, oldest first.
    pub fn history(&self) -> &[String] {
        &self.history
    }

    /// The line and the number of characters before the cursor.
    pub fn view(&self) -> (String, usize) {
        (self.line.iter().collect(), self.cursor)
    }

    /// Takes one byte from the terminal.
    pub fn feed(&mut self, byte: u8) -> Option<EditorEvent> {
        self.pending.push(byte);
        if self.pending[0] == 0x1b {
            return self.escape();
        }
        if self.pending.len() == 1 && byte < 0x20 || byte == 0x7f {
            self.pending.clear();
            return self.control(byte);
        }
        match std::str::from_utf8(&self.pending) {
            Ok(text) => {
                let c = text.chars().next();
                self.pending.clear();
                self.line.insert(self.cursor, c?);
                self.cursor += 1;
                Some(EditorEvent::Changed)
            }
            Err(e) if e.error_len().is_none() && self.pending.len() < 4 => None,
            Err(_) => {
                self.pending.clear();
                None
            }
        }
    }

    fn escape(&mut self) -> Option<EditorEvent> {
        let sequence = &self.pending[1..];
        let complete = match sequence {
            [] | [b'['] | [b'O'] => return None,
            [b'[' | b'O', .., last] => (0x40..=0x7e).contains(last),
            _ => true,
        };
        if !complete {
            // An endless sequence is dropped.
            if self.pending.len() > 16 {
                self.pending.clear();
            }
            return None;
        }
        let sequence = std::mem::take(&mut self.pending);
        match &sequence[1..] {
            [_, b'A'] => self.browse(true),
            [_, b'B'] => self.browse(false),
            [_, b'C'] => self.move_to(self.cursor + 1),
            [_, b'D'] => self.move_to(self.cursor.saturating_sub(1)),
            [_, b'H'] | [_, b'1', b'~'] => self.move_to(0),
            [_, b'F'] | [_, b'4', b'~'] => self.move_to(self.line.len()),
            [_, b'3', b'~'] => self.delete(self.cursor, self.cursor + 1),
            _ => None,
        }
    }

    fn control(&mut self, byte: u8) -> Option<EditorEvent> {
        match byte {
            b'\r' | b'\n' => return Some(self.enter()),
            3 => return Some(EditorEvent::Leave),
            4 if self.line.is_empty() => return Some(EditorEvent::Leave),
            _ => {}
        }
        match byte {
            1 => self.move_to(0),
            2 => self.move_to(self.cursor.saturating_sub(1)),
            4 => self.delete(self.cursor, self.cursor + 1),
            5 => self.move_to(self.line.len()),
            6 => self.move_to(self.cursor + 1),
            8 | 0x7f => self.delete(self.cursor.saturating_sub(1), self.cursor),
            11 => self.delete(self.cursor, self.line.len()),
            14 => self.browse(false),
            16 => self.browse(true),
            21 => self.delete(0, self.cursor),
            23 => {
                let before = &self.line[..self.cursor];
                let word = before.iter().rposition(|c| *c != ' ').map_or(0, |end| {
                    before[..end].iter().rposition(|c| *c == ' ').map_or(0, |i| i + 1)
                });
                self.delete(word, self.cursor)
            }
            _ => None,
        }
    }

    fn enter(&mut self) -> EditorEvent {
        let line: String = std::mem::take(&mut self.line).into_iter().collect();
        self.cursor = 0;
        self.browsing = None;
        if !line.trim().is_empty() && self.history.last() != Some(&line) {
            self.history.push(line.clone());
            if self.history.len() > self.most {
                self.history.remove(0);
            }
        }
        EditorEvent::Line(line)
    }

    fn move_to(&mut self, cursor: usize) -> Option<EditorEvent> {
        self.cursor = cursor.min(self.line.len());
        Some(EditorEvent::Changed)
    }

    fn delete(&mut self, from: usize, to: usize) -> Option<EditorEvent> {
        self.line.drain(from.min(self.line.len())..to.min(self.line.len()));
        self.move_to(from)
    }

    fn browse(&mut self, back: bool) -> Option<EditorEvent> {
        let (index, typed) = match self.browsing.take() {
            Some(at) => at,
            None => (self.history.len(), self.line.clone()),
        };
        let index =
            if back { index.saturating_sub(1) } else { (index + 1).min(self.history.len()) };
        self.line = match self.history.get(index) {
            Some(line) => line.chars().collect(),
            None => typed.clone(),
        };
        if index < self.history.len() {
            self.browsing = Some((index, typed));
        }
        self.move_to(self.line.len())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// `|` marks the cursor.
    #[track_caller]
    fn check(keys: &[u8], want: &str) {
        let mut editor = LineEditor::new(vec!["old one".into(), "older".into()], 10);
        for key in keys {
            editor.feed(*key);
        }
        let (line, cursor) = editor.view();
        let mut shown: Vec<char> = line.chars().collect();
        shown.insert(cursor, '|');
        assert_eq!(shown.iter().collect::<String>(), want);
    }

    #[test]
    fn keys_edit_the_line() {
        check(b"abc", "abc|");
        check("añ漢".as_bytes(), "añ漢|");
        check(b"abc\x1b[D\x1b[Dx", "ax|bc");
        check(b"abc\x01x\x05y", "xabcy|");
        check(b"abc\x7f\x7f", "a|");
        check(b"abc\x01\x04", "|bc");
        check(b"abc\x1b[D\x1b[3~", "ab|");
        check(b"one two\x17", "one |");
        check(b"one two\x15", "|");
        check(b"one\x01\x0b", "|");
        check(b"ab\x1b[H\x1b[Fc\x1bOD", "ab|c");
        check(b"\x7f\x1b[D\x1b[C", "|");
    }

    #[test]
    fn broken_bytes_and_endless_sequences_are_dropped() {
        check(b"a\xff\xfeb", "ab|");
        check(b"a\xc3\x28b", "ab|");
        let mut endless = b"a\x1b[".to_vec();
        endless.extend([b'1'; 40]);
        endless.extend(b"\rb");
        let mut editor = LineEditor::new(vec![], 3);
        endless.iter().for_each(|b| drop(editor.feed(*b)));
        assert!(editor.view().0.ends_with('b'));
    }

    #[test]
    fn history_is_browsed_and_bounded() {
        check(b"new\x1b[A", "older|");
        check(b"new\x1b[A\x1b[A\x1b[A", "old one|");
        check(b"new\x1b[A\x1b[B", "new|");
        let mut editor = LineEditor::new(vec![], 2);
        for line in ["a", "b", "b", "c"] {
            line.bytes().for_each(|b| drop(editor.feed(b)));
            assert_eq!(editor.feed(b'\r'), Some(EditorEvent::Line(line.into())));
        }
        assert_eq!(editor.history(), ["b", "c"]);
    }

    #[test]
    fn control_c_and_an_empty_control_d_leave() {
        let mut editor = LineEditor::new(vec![], 2);
        assert_eq!(editor.feed(4), Some(EditorEvent::Leave));
        editor.feed(b'x');
        assert_eq!(editor.feed(4), Some(EditorEvent::Changed));
        assert_eq!(editor.feed(3), Some(EditorEvent::Leave));
    }
}
