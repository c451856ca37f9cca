//! Parses a shell command line as far as needed to judge it: simple commands, their words without quotes, redirections.
//!
//! Not a shell: nothing is expanded. A word says how much of it is known without expansion, and [`Script`] reports what
//! hides commands (substitutions) or is read differently by different shells. Understands quotes, escapes, comments, operators,
//! here-documents and reserved words of POSIX shells (XCU 2.2 to 2.10).

mod here_document;
mod read_word;
mod word;

pub use word::Word;

use crate::proto::text::listed;

/// A command line.
#[derive(Debug, Default, PartialEq)]
pub struct Script {
    /// Simple commands in the order they are written, those of subshells and compounds included.
    pub commands: Vec<SimpleCommand>,
    /// There is a command substitution, a process substitution, `${…}` or `$'…'` outside single quotes.
    pub substitution: bool,
    /// Shells differ in how they read it (`a &>f b`, `a+=1 b`), or this parser is not sure of its end.
    pub unclear: bool,
}

/// `a=1 name word... > file`
#[derive(Debug, Default, PartialEq)]
pub struct SimpleCommand {
    /// Assignments are left out; the first word is the command.
    pub words: Vec<Word>,
    /// Files (not descriptors) it is redirected to or from.
    pub redirects: Vec<Redirect>,
    /// Assignments before the command: name, value.
    pub assigned: Vec<(String, Word)>,
    /// Reads the output of the command before.
    pub piped: bool,
    /// Delimiter of its here-document, or its here-string.
    pub here_document: Option<String>,
    /// Byte range in the command line.
    pub span: (usize, usize),
}

/// `> word` or `< word`
#[derive(Debug, PartialEq)]
pub struct Redirect {
    /// Writes.
    pub write: bool,
    /// The file.
    pub target: Word,
}

/// After each of them a command may follow.
pub const RESERVED: &str = "! { } if then else elif fi do done while until esac";

/// Reads `line`; never fails, as the shell itself reports what it cannot parse.
pub fn parse(line: &str) -> Script {
    let mut reader = Reader {
        bytes: line.as_bytes(),
        at: 0,
        script: Script::default(),
        now: SimpleCommand::default(),
        pending: Vec::new(),
        cases: 0,
        patterns: false,
        both: false,
    };
    reader.script.unclear = spliced_operator(line.as_bytes());
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
    /// Open `case` commands.
    cases: usize,
    /// The patterns of a `case` follow, up to `)`.
    patterns: bool,
    /// The current command has `&>`.
    both: bool,
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
                b' ' | b'\t' => self.at += 1,
                b'\\' if self.bytes.get(self.at + 1) == Some(&b'\n') => self.at += 2,
                b'#' => {
                    while self.at < self.bytes.len() && self.peek() != b'\n' {
                        self.at += 1;
                    }
                }
                b'\n' => {
                    if !self.patterns {
                        self.end(false);
                    }
                    self.at += 1;
                    self.here_documents();
                }
                b'|' | b'(' | b')' if self.patterns => {
                    self.patterns = self.peek() != b')';
                    self.at += 1;
                }
                b';' if self.take(";;") => {
                    self.take("&");
                    self.end(false);
                    self.patterns = self.cases > 0;
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
                    self.both = true;
                    expect = Expect::File { write: true };
                    continue;
                }
                b';' | b'&' | b'(' | b')' => {
                    self.script.unclear |= self.patterns;
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
        self.script.unclear |= self.patterns;
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
        if self.patterns {
            self.pattern(&word, &expect);
            return;
        }
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
            Expect::Here => now.here_document = Some(word.text),
            Expect::Word => {
                self.script.unclear |= self.both;
                self.argument(word);
            }
        }
    }

    fn argument(&mut self, word: Word) {
        let now = &mut self.now;
        let bare = now.assigned.is_empty() && now.redirects.is_empty();
        let compound = now.words.first().filter(|w| bare && !w.quoted).map(|w| &*w.text);
        match (compound, now.words.len(), &*word.text) {
            (None, 0, _) => {}
            // `for x do rm; done`: a command follows.
            (Some("for" | "select"), 2, "do") if !word.quoted => return now.words.clear(),
            (Some("case"), 2, "in") if !word.quoted => {
                self.cases += 1;
                self.patterns = true;
                return self.end(false);
            }
            _ => return now.words.push(word),
        }
        let equals = word.text.find('=');
        match equals.map(|at| (&word.text[..at], at)) {
            Some((name, at)) if at < word.plain && is_name(name) => {
                let (name, value) = (name.to_owned(), word.after(at + 1));
                return now.assigned.push((name, value));
            }
            // `a+=1 b`, `a[0]=1 b`: an assignment for some shells.
            Some((name, _)) => self.script.unclear |= name.ends_with(['+', ']']) && !word.quoted,
            None if bare && !word.quoted && listed(RESERVED, &word.text) => {
                self.cases -= usize::from(word.text == "esac" && self.cases > 0);
                return;
            }
            None => {}
        }
        now.words.push(word);
    }

    /// A word where `case` expects patterns.
    fn pattern(&mut self, word: &Word, expect: &Expect) {
        self.script.unclear |= !matches!(expect, Expect::Word);
        if word.text == "esac" && !word.quoted {
            self.cases = self.cases.saturating_sub(1);
            self.patterns = false;
        }
    }

    fn end(&mut self, pipe: bool) {
        self.both = false;
        let done = std::mem::take(&mut self.now);
        let empty = done.words.is_empty() && done.redirects.is_empty() && done.assigned.is_empty();
        // `| (sh)`: the pipe goes to the first command inside.
        self.now.piped = pipe || (empty && done.piped);
        if !empty {
            self.script.commands.push(done);
        }
    }
}

/// A line that is continued inside an operator or expansion: `&\<newline>&`.
fn spliced_operator(bytes: &[u8]) -> bool {
    bytes.windows(3).any(|w| b"$&|<>;({`".contains(&w[0]) && w[1..] == *b"\\\n")
}

fn is_name(text: &str) -> bool {
    let mut bytes = text.bytes();
    bytes.next().is_some_and(|b| b.is_ascii_alphabetic() || b == b'_')
        && bytes.all(|b| b.is_ascii_alphanumeric() || b == b'_')
}

#[cfg(test)]
mod tests;
