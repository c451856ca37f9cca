//! Emphasis, code spans and links within one block.
//!
//! Recurses on slices, so tags cannot overlap. A failed search is not repeated further right in the same slice,
//! which limits the cost of hostile input to depth x length.

use super::super::utf16;

/// Maximum nesting of emphasis; deeper marks are left as written.
const DEPTH: u32 = 6;
/// Maximum bytes of a link's label and of its address.
const LINK_BYTES: usize = 2048;

const BOLD: u8 = 1;
const ITALIC: u8 = 2;
const STRIKE: u8 = 4;
const LINK: u8 = 8;

/// Appends `text` with `&`, `<` and `>` as entities, and without control characters that the Bot API refuses.
pub(crate) fn escape(text: &str, out: &mut String) {
    text.chars().for_each(|c| escape_char(c, out));
}

fn escape_char(c: char, out: &mut String) {
    match c {
        '&' => out.push_str("&amp;"),
        '<' => out.push_str("&lt;"),
        '>' => out.push_str("&gt;"),
        '\n' | '\t' => out.push(c),
        c if c.is_control() => {}
        c => out.push(c),
    }
}

/// Renders one block's text.
pub(super) fn render(text: &str, out: &mut String) {
    Span { text, within: 0, depth: 0, missing: 0 }.render(out);
}

/// The same where everything is bold already.
pub(super) fn render_bold(text: &str, out: &mut String) {
    Span { text, within: BOLD, depth: 0, missing: 0 }.render(out);
}

/// The last position at or before `at` where `text` can be cut without splitting a construct; 0 if there is none.
pub(crate) fn boundary(text: &str, at: usize) -> usize {
    let mut span = Span { text, within: 0, depth: 0, missing: 0 };
    let mut from = 0;
    while from < at {
        let (item, end) = span.next(from);
        if end > at {
            return if matches!(item, Item::Char(_)) { from } else { span_start(text, from) };
        }
        from = end;
    }
    at.min(text.len())
}

// The `!` of a picture comes before the bracket that opens the construct.
fn span_start(text: &str, from: usize) -> usize {
    if text[..from].ends_with('!') { from - 1 } else { from }
}

enum Item<'a> {
    Char(char),
    Code(&'a str),
    Link { label: &'a str, to: &'a str },
    Url(&'a str),
    Strong(&'static str, u8, &'a str),
    Both(&'a str),
    Marks(&'a str),
}

struct Span<'a> {
    text: &'a str,
    within: u8,
    depth: u32,
    /// A bit for each kind of closing mark that is known not to follow.
    missing: u64,
}

impl<'a> Span<'a> {
    fn render(mut self, out: &mut String) {
        let mut at = 0;
        while at < self.text.len() {
            let (item, end) = self.next(at);
            match item {
                Item::Char(c) => escape_char(c, out),
                Item::Marks(marks) => escape(marks, out),
                Item::Code(code) => {
                    out.push_str("<code>");
                    escape(code, out);
                    out.push_str("</code>");
                }
                Item::Url(url) => self.anchor(url, url, true, out),
                Item::Link { label, to } => self.anchor(label, to, false, out),
                Item::Strong(tag, bit, inner) => {
                    let opened = self.within & bit == 0;
                    if opened {
                        out.push('<');
                        out.push_str(tag);
                        out.push('>');
                    }
                    self.inner(inner, bit).render(out);
                    if opened {
                        out.push_str("</");
                        out.push_str(tag);
                        out.push('>');
                    }
                }
                Item::Both(inner) => {
                    let bold = self.within & BOLD == 0;
                    let italic = self.within & ITALIC == 0;
                    out.push_str(if bold { "<b>" } else { "" });
                    out.push_str(if italic { "<i>" } else { "" });
                    self.inner(inner, BOLD | ITALIC).render(out);
                    out.push_str(if italic { "</i>" } else { "" });
                    out.push_str(if bold { "</b>" } else { "" });
                }
            }
            at = end;
        }
    }

    fn inner(&self, text: &'a str, bit: u8) -> Span<'a> {
        Span { text, within: self.within | bit, depth: self.depth + 1, missing: 0 }
    }

    fn anchor(&self, label: &'a str, to: &'a str, raw: bool, out: &mut String) {
        if self.within & LINK != 0 || !linkable(to) {
            self.inner(label, LINK).render(out);
            if !raw {
                out.push_str(" (");
                escape(to, out);
                out.push(')');
            }
            return;
        }
        out.push_str("<a href=\"");
        to.chars()
            .for_each(|c| if c == '"' { out.push_str("&quot;") } else { escape_char(c, out) });
        out.push_str("\">");
        if raw {
            escape(label, out);
        } else {
            self.inner(label, LINK).render(out);
        }
        out.push_str("</a>");
    }

    /// The item at `at` (a character boundary before the end) and its end.
    fn next(&mut self, at: usize) -> (Item<'a>, usize) {
        let rest = &self.text[at..];
        let c = rest.chars().next().unwrap_or('\0');
        let after = at + c.len_utf8();
        let found = match c {
            '\\' => rest[1..]
                .chars()
                .next()
                .filter(char::is_ascii_punctuation)
                .map(|c| (Item::Char(c), after + 1)),
            '`' => self.code(at),
            '[' => self.link(at).map(|(label, to, end)| (Item::Link { label, to }, end)),
            '!' if rest.starts_with("![") => {
                self.link(at + 1).map(|(label, to, end)| (Item::Link { label, to }, end))
            }
            '<' => autolink(rest).map(|(url, length)| (Item::Url(url), at + length)),
            'h' | 'H' if self.within & LINK == 0 => {
                let joined = self.text[..at].ends_with(|c: char| c.is_alphanumeric());
                raw_url(rest).filter(|_| !joined).map(|url| (Item::Url(url), at + url.len()))
            }
            '*' | '_' | '~' => Some(self.emphasis(at, c)),
            _ => None,
        };
        found.unwrap_or((Item::Char(c), after))
    }

    fn code(&mut self, at: usize) -> Option<(Item<'a>, usize)> {
        let rest = &self.text[at..];
        let length = run(rest, '`');
        let bit = 1u64 << (16 + length.min(40));
        let mut from = length;
        while self.missing & bit == 0 {
            let Some(found) = rest[from..].find('`') else {
                self.missing |= bit;
                break;
            };
            let close = run(&rest[from + found..], '`');
            if close == length {
                let code = &rest[length..from + found];
                let padded = code.len() > 2
                    && code.starts_with(' ')
                    && code.ends_with(' ')
                    && !code.trim().is_empty();
                let code = if padded { &code[1..code.len() - 1] } else { code };
                return Some((Item::Code(code), at + from + found + close));
            }
            from += found + close;
        }
        // All backticks of the run at once: a shorter run inside it opens nothing.
        Some((Item::Marks(&rest[..length]), at + length))
    }

    fn link(&mut self, at: usize) -> Option<(&'a str, &'a str, usize)> {
        let rest = &self.text[at..];
        let rest = &rest[..floor(rest, 2 * LINK_BYTES)];
        if self.missing & 1 != 0 || !rest.contains("](") {
            // Only absence in the whole slice says something about positions further right.
            if rest.len() == self.text.len() - at {
                self.missing |= 1;
            }
            return None;
        }
        let close = balanced(rest, '[', ']')?;
        let label = &rest[1..close];
        let target = rest[close + 1..].strip_prefix('(').map(|_| &rest[close + 1..])?;
        let length = balanced(target, '(', ')')?;
        let mut to = target[1..length].trim();
        if let Some((inner, _)) = to.strip_prefix('<').and_then(|to| to.split_once('>')) {
            to = inner;
        } else if let Some((inner, title)) = to.split_once([' ', '\n']) {
            if !title.trim_start().starts_with(['"', '\'', '(']) {
                return None;
            }
            to = inner;
        }
        let sound = !to.is_empty() && !label.trim().is_empty() && !to.contains(char::is_whitespace);
        sound.then_some((label, to, at + close + 1 + length + 1))
    }

    fn emphasis(&mut self, at: usize, mark: char) -> (Item<'a>, usize) {
        let rest = &self.text[at..];
        let length = run(rest, mark);
        let literal = (Item::Marks(&rest[..length]), at + length);
        let before = self.text[..at].chars().next_back();
        let after = rest[length..].chars().next();
        let opens = after.is_some_and(|c| !c.is_whitespace())
            && (mark == '*' || !before.is_some_and(char::is_alphanumeric));
        let wanted = if mark == '~' { length == 2 } else { length <= 3 };
        if !opens || !wanted || self.depth >= DEPTH {
            return literal;
        }
        let Some((inner, end)) = self.closing(at + length, mark, length) else { return literal };
        let item = match (mark, length) {
            ('~', _) => Item::Strong("s", STRIKE, inner),
            (_, 1) => Item::Strong("i", ITALIC, inner),
            (_, 2) => Item::Strong("b", BOLD, inner),
            _ => Item::Both(inner),
        };
        (item, end)
    }

    /// The text up to the marks that close `length` of `mark`, and where those end.
    fn closing(&mut self, from: usize, mark: char, length: usize) -> Option<(&'a str, usize)> {
        let row = match mark {
            '*' => 0,
            '_' => 4,
            _ => 8,
        };
        let bit = 1u64 << (row + length + 1);
        if self.missing & bit != 0 {
            return None;
        }
        let mut at = from;
        while at < self.text.len() {
            let rest = &self.text[at..];
            if rest.starts_with(mark) {
                let here = run(rest, mark);
                let follows = rest[here..].chars().next();
                let closes = !self.text[..at].ends_with(char::is_whitespace)
                    && (mark == '*' || !follows.is_some_and(char::is_alphanumeric));
                if closes && at > from && (here == length || (here == 3 && length < 3)) {
                    // Of three marks the last ones are ours; the first ones close an inner construct.
                    let end = at + here;
                    return Some((&self.text[from..end - length], end));
                }
                at += here;
            } else if rest.starts_with(['*', '_', '~']) {
                at += 1;
            } else {
                at = self.next(at).1;
            }
        }
        self.missing |= bit;
        None
    }
}

fn run(text: &str, mark: char) -> usize {
    text.len() - text.trim_start_matches(mark).len()
}

fn floor(text: &str, bytes: usize) -> usize {
    // No character has more units than bytes, so this is at most `bytes` characters in.
    if text.len() <= bytes { text.len() } else { utf16::floor(text, bytes / 4) }
}

/// The position of the bracket that closes the one at the start of `text`.
fn balanced(text: &str, open: char, close: char) -> Option<usize> {
    let mut depth = 0;
    let mut escaped = false;
    for (at, c) in text.char_indices().take_while(|(at, _)| *at < LINK_BYTES) {
        if escaped {
            escaped = false;
        } else if c == '\\' {
            escaped = true;
        } else if c == open {
            depth += 1;
        } else if c == close {
            depth -= 1;
            if depth == 0 {
                return Some(at);
            }
        }
    }
    None
}

fn linkable(url: &str) -> bool {
    ["http://", "https://", "tg://", "mailto:", "tel:"].iter().any(|scheme| has_scheme(url, scheme))
}

fn has_scheme(url: &str, scheme: &str) -> bool {
    let head = url.as_bytes().get(..scheme.len());
    head.is_some_and(|head| head.eq_ignore_ascii_case(scheme.as_bytes()))
        && url.len() > scheme.len()
}

fn autolink(rest: &str) -> Option<(&str, usize)> {
    let end = rest.find(['>', ' ', '\n']).filter(|end| rest[*end..].starts_with('>'))?;
    let url = &rest[1..end];
    linkable(url).then_some((url, end + 1))
}

/// The address `rest` begins with, without the punctuation that belongs to the sentence around it.
fn raw_url(rest: &str) -> Option<&str> {
    if !has_scheme(rest, "http://") && !has_scheme(rest, "https://") {
        return None;
    }
    let end = rest
        .find(|c: char| c.is_whitespace() || c.is_control() || "<>\"`|\\^{}[]".contains(c))
        .unwrap_or(rest.len());
    let mut url = &rest[..end];
    // Marks that follow each other are emphasis around the address, not a part of it.
    if let Some(at) = ["**", "~~", "__"].iter().filter_map(|marks| url.find(marks)).min() {
        url = &url[..at];
    }
    loop {
        let open = url.bytes().filter(|b| *b == b'(').count();
        let close = url.bytes().filter(|b| *b == b')').count();
        let cut = match url.chars().next_back()? {
            '.' | ',' | ';' | ':' | '!' | '?' | '\'' | '*' | '_' | '~' => 1,
            ')' if close > open => 1,
            _ => break,
        };
        url = &url[..url.len() - cut];
    }
    let named = url.split_once("://").is_some_and(|(_, host)| !host.is_empty());
    named.then_some(url)
}
