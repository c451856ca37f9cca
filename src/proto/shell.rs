//! Parses a shell command line as far as needed to judge it: simple commands, their words without quotes, redirections.
//!
//! Not a shell: nothing is expanded, and constructs that cannot be judged without expansion (command substitution,
//! `${…}`) is reported in [`Script::substitution`]. Understands quotes, escapes, comments, operators,
//! here-documents and reserved words of POSIX shells (XCU 2.2 to 2.10).

/// A command line.
#[derive(Debug, Default, PartialEq)]
pub struct Script {
    /// Simple commands in the order they are written, those of subshells and compounds included.
    pub commands: Vec<SimpleCommand>,
    /// There is a command substitution, a process substitution, `${…}` or `$'…'` outside single quotes.
    pub substitution: bool,
}

/// `a=1 name word... > file`
#[derive(Debug, Default, PartialEq)]
pub struct SimpleCommand {
    /// Assignments are left out; the first word is the command.
    pub words: Vec<Word>,
    /// Files (not descriptors) it is redirected to or from.
    pub redirects: Vec<Redirect>,
    /// Values of assignments before the command.
    pub assigned: Vec<Word>,
    /// Reads the output of the command before.
    pub piped: bool,
    /// Delimiter of its here-document.
    pub here_document: Option<String>,
    /// Byte range in the command line.
    pub span: (usize, usize),
}

/// One word.
#[derive(Debug, Default, PartialEq, Clone)]
pub struct Word {
    /// Without quotes and escapes.
    pub text: String,
    /// Something in it was quoted or escaped.
    pub quoted: bool,
    /// Whether it starts with a parameter expansion.
    pub variable: bool,
}

/// `> word` or `< word`
#[derive(Debug, PartialEq)]
pub struct Redirect {
    /// Writes.
    pub write: bool,
    /// The file.
    pub target: Word,
}

const RESERVED: &[&str] =
    &["!", "{", "}", "if", "then", "else", "elif", "fi", "do", "done", "while", "until", "time"];

/// Reads `line`; never fails, as the shell itself reports what it cannot parse.
pub fn parse(line: &str) -> Script {
    let mut reader = Reader {
        bytes: line.as_bytes(),
        at: 0,
        script: Script::default(),
        now: SimpleCommand::default(),
        pending: Vec::new(),
    };
    reader.run();
    reader.script
}

enum Expect {
    Word,
    File { write: bool },
    Descriptor { write: bool },
    Delimiter { tabs: bool },
    Here,
}

struct Reader<'a> {
    bytes: &'a [u8],
    at: usize,
    script: Script,
    now: SimpleCommand,
    /// Here-documents whose text follows the line: delimiter, tabs stripped, taken literally.
    pending: Vec<(String, bool, bool)>,
}

impl Reader<'_> {
    fn peek(&self) -> u8 {
        self.bytes.get(self.at).copied().unwrap_or(0)
    }

    fn take(&mut self, text: &str) -> bool {
        let found = self.bytes[self.at..].starts_with(text.as_bytes());
        if found {
            self.at += text.len();
        }
        found
    }

    fn run(&mut self) {
        let mut expect = Expect::Word;
        while self.at < self.bytes.len() {
            match self.peek() {
                b' ' | b'\t' | b'\r' => self.at += 1,
                b'\\' if self.bytes.get(self.at + 1) == Some(&b'\n') => self.at += 2,
                b'#' => {
                    while self.at < self.bytes.len() && self.peek() != b'\n' {
                        self.at += 1;
                    }
                }
                b'\n' => {
                    self.end(false);
                    self.at += 1;
                    self.here_documents();
                }
                b'|' => {
                    let or = self.take("||");
                    if !or && !self.take("|&") {
                        self.at += 1;
                    }
                    self.end(!or);
                }
                b'&' if self.take("&>") => {
                    self.take(">");
                    expect = Expect::File { write: true };
                    continue;
                }
                b';' | b'&' | b'(' | b')' => {
                    self.end(false);
                    self.at += 1;
                }
                b'<' | b'>' => {
                    expect = self.redirection();
                    continue;
                }
                _ => {
                    let start = self.at;
                    let word = self.word();
                    // Digits right before a redirection are its descriptor.
                    let number = word.text.bytes().all(|b| b.is_ascii_digit()) && !word.quoted;
                    if number && matches!(self.peek(), b'<' | b'>') {
                        continue;
                    }
                    self.place(word, std::mem::replace(&mut expect, Expect::Word), start);
                }
            }
        }
        self.end(false);
    }

    fn redirection(&mut self) -> Expect {
        if self.take("<<<") {
            Expect::Here
        } else if self.take("<<-") {
            Expect::Delimiter { tabs: true }
        } else if self.take("<<") {
            Expect::Delimiter { tabs: false }
        } else if self.take("<(") || self.take(">(") {
            self.script.substitution = true;
            self.end(false);
            Expect::Word
        } else if self.take(">&") {
            Expect::Descriptor { write: true }
        } else if self.take("<&") {
            Expect::Descriptor { write: false }
        } else if self.take("<>") || self.take(">>") || self.take(">|") || self.take(">") {
            Expect::File { write: true }
        } else {
            self.at += 1;
            Expect::File { write: false }
        }
    }

    fn place(&mut self, word: Word, expect: Expect, start: usize) {
        let now = &mut self.now;
        if now.span.1 == 0 {
            now.span.0 = start;
        }
        now.span.1 = self.at;
        match expect {
            Expect::File { write } => now.redirects.push(Redirect { write, target: word }),
            Expect::Descriptor { write } => {
                if !word.text.bytes().all(|b| b.is_ascii_digit() || b == b'-') {
                    now.redirects.push(Redirect { write, target: word });
                }
            }
            Expect::Delimiter { tabs } => {
                self.pending.push((word.text.clone(), tabs, word.quoted));
                now.here_document = Some(word.text);
            }
            Expect::Here => {}
            Expect::Word if !now.words.is_empty() => now.words.push(word),
            Expect::Word => match word.text.split_once('=') {
                Some((name, value)) if is_name(name) => {
                    let value = value.to_owned();
                    now.assigned.push(Word { text: value, ..word });
                }
                _ if !word.quoted && RESERVED.contains(&&*word.text) => {}
                _ => now.words.push(word),
            },
        }
    }

    fn end(&mut self, pipe: bool) {
        let done = std::mem::take(&mut self.now);
        let empty = done.words.is_empty() && done.redirects.is_empty() && done.assigned.is_empty();
        // `| (sh)`: the pipe goes to the first command inside.
        self.now.piped = pipe || (empty && done.piped);
        if !empty {
            self.script.commands.push(done);
        }
    }

    fn word(&mut self) -> Word {
        let mut word = Word { variable: self.peek() == b'$', ..Word::default() };
        let mut text = Vec::new();
        loop {
            match self.peek() {
                0 if self.at >= self.bytes.len() => break,
                b' ' | b'\t' | b'\n' | b'\r' | b';' | b'&' | b'|' | b'(' | b')' | b'<' | b'>' => {
                    break;
                }
                b'\\' => {
                    word.quoted = true;
                    self.at += 1;
                    if self.peek() != b'\n' && self.at < self.bytes.len() {
                        text.push(self.peek());
                    }
                    self.at += 1;
                }
                b'\'' => {
                    word.quoted = true;
                    self.at += 1;
                    while self.at < self.bytes.len() && self.peek() != b'\'' {
                        text.push(self.peek());
                        self.at += 1;
                    }
                    self.at += 1;
                }
                b'"' => {
                    word.quoted = true;
                    word.variable |= text.is_empty() && self.bytes.get(self.at + 1) == Some(&b'$');
                    self.at += 1;
                    self.double(&mut text);
                }
                _ => self.plain(&mut text, false),
            }
        }
        self.at = self.at.min(self.bytes.len());
        word.text = String::from_utf8_lossy(&text).into_owned();
        word
    }

    fn double(&mut self, text: &mut Vec<u8>) {
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
                        b'$' | b'`' | b'"' | b'\\' => text.push(next),
                        _ => text.extend([b'\\', next]),
                    }
                    self.at += 2;
                }
                _ => self.plain(text, true),
            }
        }
    }

    /// One byte that is not a quote; notes expansions.
    fn plain(&mut self, text: &mut Vec<u8>, quoted: bool) {
        let rest = &self.bytes[self.at..];
        let expands = match rest {
            [b'`', ..] | [b'$', b'{', ..] => true,
            [b'$', b'(', b'(', inner @ ..] => match arithmetic(inner) {
                Some(length) => {
                    // The value is a number; what it names is not a path.
                    text.push(b'0');
                    self.script.substitution |= inner[..length].contains(&b'`')
                        || inner[..length].windows(2).any(|w| w == b"$(" || w == b"${");
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
        text.push(rest[0]);
        self.at += 1;
    }

    fn here_documents(&mut self) {
        for (delimiter, tabs, literal) in std::mem::take(&mut self.pending) {
            while self.at < self.bytes.len() {
                let rest = &self.bytes[self.at..];
                let length = rest.iter().position(|&b| b == b'\n').unwrap_or(rest.len());
                let line = &rest[..length];
                self.at = (self.at + length + 1).min(self.bytes.len());
                let start = line.iter().take_while(|&&b| tabs && b == b'\t').count();
                if &line[start..] == delimiter.as_bytes() {
                    break;
                }
                self.script.substitution |= !literal
                    && (line.contains(&b'`') || line.windows(2).any(|w| w == b"$(" || w == b"${"));
            }
        }
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

fn is_name(text: &str) -> bool {
    let mut bytes = text.bytes();
    bytes.next().is_some_and(|b| b.is_ascii_alphabetic() || b == b'_')
        && bytes.all(|b| b.is_ascii_alphanumeric() || b == b'_')
}

#[cfg(test)]
mod tests;
