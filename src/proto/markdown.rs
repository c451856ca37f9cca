//! Converts models' Markdown to Telegram's HTML (Bot API, "HTML style").
//!
//! The output is well formed for any input: every tag is closed in order, every `<`, `>` and `&` of the text is an
//! entity. The visible text must never have more UTF-16 units than the Markdown, because [`crate::proto::split`] relies
//! on that.

mod inline;

pub(crate) use inline::{boundary, escape};

/// The kind of a block of lines.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum BlockKind {
    /// Lines of white space.
    Blank,
    /// A fenced code block, to its end or the end of the text.
    Fence,
    /// Lines that begin with `>`.
    Quote,
    /// One line that begins with `#`.
    Heading,
    /// One line that begins with `-`, `*` or `+`.
    Bullet,
    /// Other lines, read together.
    Paragraph,
}

/// A run of lines: what it is and where it ends (line break included).
pub(crate) struct Block {
    pub(crate) kind: BlockKind,
    pub(crate) end: usize,
}

/// The line at `from`, with its line break, and where the next one begins.
pub(crate) fn line(text: &str, from: usize) -> (&str, usize) {
    let rest = text.get(from..).unwrap_or("");
    let end = rest.find('\n').map_or(rest.len(), |at| at + 1);
    (&rest[..end], from + end)
}

/// The fence a line opens: its character, its length, what follows it.
pub(crate) fn fence(line: &str) -> Option<(char, usize, &str)> {
    let line = line.trim();
    let mark = line.chars().next().filter(|c| *c == '`' || *c == '~')?;
    let info = line.trim_start_matches(mark);
    let length = line.len() - info.len();
    (length >= 3 && !(mark == '`' && info.contains('`'))).then_some((mark, length, info))
}

/// Whether this line closes the fence `open`.
pub(crate) fn closes(line: &str, open: (char, usize)) -> bool {
    let line = line.trim();
    line.len() >= open.1 && line.chars().all(|c| c == open.0)
}

fn heading(line: &str) -> Option<&str> {
    let rest = line.trim_start_matches('#');
    let level = line.len() - rest.len();
    let title = rest.strip_prefix([' ', '\t'])?.trim();
    let title = match title.trim_end_matches('#') {
        "" => "",
        cut if cut.ends_with([' ', '\t']) => cut.trim_end(),
        _ => title,
    };
    ((1..=6).contains(&level) && !title.is_empty()).then_some(title)
}

fn bullet(line: &str) -> Option<(&str, &str)> {
    let text = line.trim_start_matches([' ', '\t']);
    let rest = text.strip_prefix(['-', '*', '+'])?.strip_prefix([' ', '\t'])?.trim_start();
    (!rest.trim().is_empty()).then_some((&line[..line.len() - text.len()], rest))
}

fn quote(line: &str) -> Option<&str> {
    let mut text = line.trim_start_matches(' ');
    let before = text;
    while let Some(inner) = text.strip_prefix('>') {
        text = inner.strip_prefix(' ').unwrap_or(inner);
    }
    (text.len() < before.len()).then_some(text)
}

fn kind(line: &str) -> BlockKind {
    if line.trim().is_empty() {
        BlockKind::Blank
    } else if fence(line).is_some() {
        BlockKind::Fence
    } else if quote(line).is_some() {
        BlockKind::Quote
    } else if heading(line).is_some() {
        BlockKind::Heading
    } else if bullet(line).is_some() {
        BlockKind::Bullet
    } else {
        BlockKind::Paragraph
    }
}

/// The block at `from`; `None` at the end of the text.
pub(crate) fn block(text: &str, from: usize) -> Option<Block> {
    if from >= text.len() {
        return None;
    }
    let (first, mut end) = line(text, from);
    let kind = kind(first);
    match kind {
        BlockKind::Heading | BlockKind::Bullet => {}
        BlockKind::Fence => {
            let (mark, length, _) = fence(first)?;
            while end < text.len() {
                let (next, after) = line(text, end);
                end = after;
                if closes(next, (mark, length)) {
                    break;
                }
            }
        }
        BlockKind::Blank | BlockKind::Quote | BlockKind::Paragraph => {
            while end < text.len() {
                let (next, after) = line(text, end);
                if self::kind(next) != kind {
                    break;
                }
                end = after;
            }
        }
    }
    Some(Block { kind, end })
}

/// Telegram's HTML for `markdown`. Links keep their address only if Telegram accepts it (`http`, `https`, `tg`,
/// `mailto`, `tel`); others become `label (address)`. The language of a code block is dropped.
pub fn to_telegram_html(markdown: &str) -> String {
    let mut out = String::with_capacity(markdown.len() + markdown.len() / 8);
    blocks(markdown, &mut out, false);
    out
}

fn blocks(text: &str, out: &mut String, quoted: bool) {
    let mut at = 0;
    while let Some(Block { kind, end }) = block(text, at) {
        let whole = &text[at..end];
        let body = whole.strip_suffix('\n').unwrap_or(whole);
        match kind {
            BlockKind::Blank => {
                // The indentation of an empty line is ignored.
                out.extend(body.bytes().filter(|b| *b == b'\n').map(char::from));
            }
            BlockKind::Fence => code_block(body, out),
            BlockKind::Quote => {
                let mut inner = String::with_capacity(body.len());
                for (n, line) in body.split('\n').enumerate() {
                    if n > 0 {
                        inner.push('\n');
                    }
                    inner.push_str(quote(line).unwrap_or(line));
                }
                // Telegram does not allow nested quotes; `quote` has removed all the marks.
                if quoted || inner.trim().is_empty() {
                    inline::render(&inner, out);
                } else {
                    out.push_str("<blockquote>");
                    blocks(&inner, out, true);
                    out.push_str("</blockquote>");
                }
            }
            BlockKind::Heading => {
                out.push_str("<b>");
                inline::render_bold(heading(body.trim_end()).unwrap_or(body), out);
                out.push_str("</b>");
            }
            BlockKind::Bullet => {
                let (indent, item) = bullet(body).unwrap_or(("", body));
                out.push_str(indent);
                out.push_str("• ");
                inline::render(item, out);
            }
            BlockKind::Paragraph => inline::render(body, out),
        }
        if body.len() < whole.len() {
            out.push('\n');
        }
        at = end;
    }
}

fn code_block(body: &str, out: &mut String) {
    let (first, mut at) = line(body, 0);
    let open = fence(first).map_or(('`', 3), |(mark, length, _)| (mark, length));
    out.push_str("<pre><code>");
    while at < body.len() {
        let (next, after) = line(body, at);
        if !closes(next, open) {
            escape(next, out);
        }
        at = after;
    }
    out.push_str("</code></pre>");
}

#[cfg(test)]
mod tests;
