//! Reads one word of a command line.

use super::Reader;
use super::word::Word;

/// What is known of a word while it is read; positions are in its text.
struct Draft {
    text: Vec<u8>,
    word: Word,
}

impl Draft {
    fn quote(&mut self) {
        self.word.quoted = true;
        self.word.plain = self.word.plain.min(self.text.len());
    }

    /// A pattern follows, or an expansion.
    fn unknown(&mut self, expansion: bool, quoted: bool) {
        let at = self.text.len();
        self.word.known = self.word.known.min(at);
        self.word.plain = self.word.plain.min(at);
        self.word.expands |= expansion;
        self.word.splits |= expansion && !quoted;
    }
}

impl Reader<'_> {
    pub(super) fn word(&mut self) -> Word {
        let word = Word { known: usize::MAX, plain: usize::MAX, ..Word::default() };
        let mut draft = Draft { text: Vec::new(), word };
        loop {
            match self.peek() {
                0 if self.at >= self.bytes.len() => break,
                b' ' | b'\t' | b'\n' | b';' | b'&' | b'|' | b'(' | b')' | b'<' | b'>' => break,
                b'\\' if self.bytes.get(self.at + 1) == Some(&b'\n') => self.at += 2,
                b'\\' => {
                    draft.quote();
                    self.at += 1;
                    if self.at < self.bytes.len() {
                        draft.text.push(self.peek());
                    }
                    self.at += 1;
                }
                b'\'' => {
                    draft.quote();
                    self.at += 1;
                    while self.at < self.bytes.len() && self.peek() != b'\'' {
                        draft.text.push(self.peek());
                        self.at += 1;
                    }
                    self.at += 1;
                }
                b'"' => {
                    draft.quote();
                    self.at += 1;
                    self.double(&mut draft);
                }
                _ => self.plain(&mut draft, false),
            }
        }
        self.at = self.at.min(self.bytes.len());
        let Draft { text, mut word } = draft;
        word.text = String::from_utf8_lossy(&text).into_owned();
        word.known = word.known.min(word.text.len());
        word.plain = word.plain.min(word.text.len());
        word
    }

    fn double(&mut self, draft: &mut Draft) {
        while self.at < self.bytes.len() {
            match self.peek() {
                b'"' => {
                    self.at += 1;
                    return;
                }
                b'\\' => {
                    let next = self.bytes.get(self.at + 1).copied().unwrap_or(b'\\');
                    match next {
                        b'\n' => {}
                        b'$' | b'`' | b'"' | b'\\' => draft.text.push(next),
                        _ => draft.text.extend([b'\\', next]),
                    }
                    self.at += 2;
                }
                _ => self.plain(draft, true),
            }
        }
    }

    /// One byte that is not a quote; notes expansions and patterns.
    fn plain(&mut self, draft: &mut Draft, quoted: bool) {
        let rest = &self.bytes[self.at..];
        let expands = match rest {
            [b'`', ..] | [b'$', b'{', ..] => true,
            [b'$', b'(', b'(', inner @ ..] => match arithmetic(inner) {
                Some(length) => {
                    // The value is a number; what it names is not a path.
                    draft.unknown(true, quoted);
                    draft.text.push(b'0');
                    let has = |text: &[u8]| inner[..length].windows(text.len()).any(|w| w == text);
                    self.script.substitution |= has(b"`") || has(b"$(") || has(b"${");
                    self.script.unclear |= has(b"PATH");
                    self.at += 3 + length + 2;
                    return;
                }
                None => true,
            },
            [b'$', b'(', ..] => true,
            [b'$', b'\'', ..] => !quoted,
            _ => false,
        };
        self.script.substitution |= expands;
        let parameter = rest[0] == b'$'
            && rest.get(1).is_some_and(|&b| {
                b.is_ascii_alphanumeric() || b"_@*#?-$!".contains(&b) || (b == b'"' && !quoted)
            });
        if expands || parameter {
            draft.unknown(true, quoted);
        } else if !quoted && pattern(rest) {
            draft.unknown(false, false);
        }
        draft.text.push(rest[0]);
        self.at += 1;
    }
}

/// Whether a pattern (XCU 2.13), or braces that some shells expand, begin here.
fn pattern(rest: &[u8]) -> bool {
    let blank = |b: &u8| b" \t\n;&|()<>".contains(b);
    let word = || &rest[..rest.iter().position(blank).unwrap_or(rest.len())];
    match rest[0] {
        b'*' | b'?' => true,
        b'[' => word().contains(&b']'),
        b'{' => word().len() > 1 && !rest.starts_with(b"{}"),
        _ => false,
    }
}

/// Length of the text before `))`, if its own parentheses are balanced (XCU 2.6.4).
fn arithmetic(bytes: &[u8]) -> Option<usize> {
    let mut depth = 0i32;
    for (i, &b) in bytes.iter().enumerate() {
        match b {
            b'(' => depth += 1,
            b')' if depth > 0 => depth -= 1,
            b')' => return (bytes.get(i + 1) == Some(&b')')).then_some(i),
            b'\n' | b'\'' | b'"' | b';' => return None,
            _ => {}
        }
    }
    None
}
