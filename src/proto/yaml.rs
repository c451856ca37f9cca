//! The part of YAML that `.security.yml` is written in: block mappings and sequences, plain and quoted scalars, lists of those in
//! brackets on one line, comments.
//!
//! Everything else (anchors, aliases, tags, other flow collections than these and `{}`, block scalars, several documents,
//! tabs as indentation) is an error with its line. It must never guess: a misread secret looks like a wrong secret.

use super::yaml_scalar::{quoted, reject_indicator, scalar};
use crate::limits::CONFIG_DEPTH;

/// One value and its position.
#[derive(Clone, Debug, PartialEq)]
pub struct Yaml {
    /// Byte offset of the value's key, or of the element.
    pub at: usize,
    /// The value.
    pub kind: YamlKind,
}

/// The kind of a value. Scalars remain text: nothing needs numbers here.
#[derive(Clone, Debug, PartialEq)]
pub enum YamlKind {
    /// Nothing, `~` or `null`.
    Null,
    /// A plain or quoted scalar.
    Text(String),
    /// A sequence.
    List(Vec<Yaml>),
    /// A mapping in the file's order, keys unique.
    Map(Vec<(String, Yaml)>),
}

/// An error and its byte offset.
#[derive(Clone, Debug, PartialEq)]
pub struct YamlError {
    /// Byte offset in the text.
    pub at: usize,
    /// A sentence without a full stop; never contains a value, because values are secrets.
    pub message: &'static str,
}

/// One line that is not blank, comments are removed only if they are the whole line.
#[derive(Clone, Copy)]
struct Line<'a> {
    /// Columns of indentation.
    indent: usize,
    /// Byte offset of the first character.
    at: usize,
    /// The text after the indentation.
    text: &'a str,
}

pub(super) fn fail<T>(at: usize, message: &'static str) -> Result<T, YamlError> {
    Err(YamlError { at, message })
}

/// Parses one document; an empty one is [`YamlKind::Null`].
pub fn parse(text: &str) -> Result<Yaml, YamlError> {
    let mut lines = Vec::new();
    let mut at = 0;
    for raw in text.split_inclusive('\n') {
        let body = raw.trim_end_matches(['\n', '\r']);
        let trimmed = body.trim_start_matches(' ');
        let indent = body.len() - trimmed.len();
        let start = at + indent;
        at += raw.len();
        if trimmed.trim().is_empty() || trimmed.starts_with('#') {
            continue;
        }
        if trimmed.starts_with('\t') {
            return fail(start, "a tab in the indentation; use spaces");
        }
        if indent == 0 && (trimmed == "---" || trimmed.starts_with("--- #")) {
            if lines.is_empty() {
                continue;
            }
            return fail(start, "a second document; only one is read");
        }
        if indent == 0
            && (trimmed == "..." || trimmed.starts_with("--- ") || trimmed.starts_with('%'))
        {
            return fail(start, "document markers and directives are not supported");
        }
        lines.push(Line { indent, at: start, text: trimmed });
    }
    let Some(first) = lines.first().copied() else {
        return Ok(Yaml { at: 0, kind: YamlKind::Null });
    };
    let mut block = Block { lines: &lines, next: 0 };
    let value = block.value(first.indent, 0)?;
    match block.lines.get(block.next) {
        Some(line) => fail(line.at, "this line is indented less than the block it belongs to"),
        None => Ok(value),
    }
}

struct Block<'a> {
    lines: &'a [Line<'a>],
    next: usize,
}

impl<'a> Block<'a> {
    fn peek(&self) -> Option<Line<'a>> {
        self.lines.get(self.next).copied()
    }

    /// The block of lines from here on that are indented by exactly `indent`.
    fn value(&mut self, indent: usize, depth: usize) -> Result<Yaml, YamlError> {
        let Some(line) = self.peek() else { return Ok(Yaml { at: 0, kind: YamlKind::Null }) };
        if depth >= CONFIG_DEPTH {
            return fail(line.at, "nested too deeply");
        }
        if is_element(line.text) {
            return self.list(line, indent, depth);
        }
        if key_of(line)?.is_some() {
            return self.map(line, indent, depth);
        }
        self.next += 1;
        let value = Yaml { at: line.at, kind: scalar(line.text, line.at)? };
        match self.peek() {
            Some(more) if more.indent >= indent => {
                fail(more.at, "a value over several lines is not supported; use one line")
            }
            _ => Ok(value),
        }
    }

    fn list(&mut self, first: Line<'a>, indent: usize, depth: usize) -> Result<Yaml, YamlError> {
        let mut items = Vec::new();
        while let Some(line) = self.peek() {
            if line.indent < indent || (line.indent == indent && !is_element(line.text)) {
                break;
            }
            if line.indent > indent {
                return fail(line.at, "this line is indented more than the list it belongs to");
            }
            let rest = line.text.get(1..).unwrap_or_default();
            let body = rest.trim_start_matches(' ');
            if body.is_empty() || body.starts_with('#') {
                self.next += 1;
                items.push(self.nested(line, indent + 1, depth)?);
                continue;
            }
            if body.starts_with('\t') {
                return fail(line.at, "a tab in the indentation; use spaces");
            }
            // `- a: b` opens a mapping whose keys are in the column of `a`.
            let shift = line.text.len() - body.len();
            let inner = Line { indent: indent + shift, at: line.at + shift, text: body };
            if is_element(body) {
                return fail(inner.at, "a list in a list on one line is not supported");
            }
            let value = match key_of(inner)? {
                Some(_) => self.map_from(inner, depth + 1)?,
                None => {
                    self.next += 1;
                    self.scalar_line(inner, indent)?
                }
            };
            items.push(value);
        }
        Ok(Yaml { at: first.at, kind: YamlKind::List(items) })
    }

    fn map(&mut self, first: Line<'a>, indent: usize, depth: usize) -> Result<Yaml, YamlError> {
        self.map_lines(first, None, indent, depth)
    }

    fn map_from(&mut self, inner: Line<'a>, depth: usize) -> Result<Yaml, YamlError> {
        if depth >= CONFIG_DEPTH {
            return fail(inner.at, "nested too deeply");
        }
        self.map_lines(inner, Some(inner), inner.indent, depth)
    }

    fn map_lines(
        &mut self,
        first: Line<'a>,
        mut replaced: Option<Line<'a>>,
        indent: usize,
        depth: usize,
    ) -> Result<Yaml, YamlError> {
        let mut entries: Vec<(String, Yaml)> = Vec::new();
        while let Some(found) = self.peek() {
            let line = replaced.take().unwrap_or(found);
            if line.indent < indent || (line.indent == indent && is_element(line.text)) {
                break;
            }
            if line.indent > indent {
                return fail(line.at, "this line is indented more than the keys beside it");
            }
            let Some((key, rest, rest_at)) = key_of(line)? else {
                return fail(line.at, "a key and a colon should stand here");
            };
            if entries.iter().any(|(k, _)| *k == key) {
                return fail(line.at, "this key appears twice");
            }
            self.next += 1;
            let value = if rest.is_empty() || rest.starts_with('#') {
                // A sequence may be in the key's own column.
                match self.peek() {
                    Some(l) if l.indent == indent && is_element(l.text) => {
                        Yaml { at: line.at, kind: self.list(l, indent, depth + 1)?.kind }
                    }
                    _ => self.nested(line, indent + 1, depth)?,
                }
            } else {
                let inner = Line { indent, at: rest_at, text: rest };
                Yaml { at: line.at, kind: self.scalar_line(inner, indent)?.kind }
            };
            entries.push((key, value));
        }
        Ok(Yaml { at: first.at, kind: YamlKind::Map(entries) })
    }

    /// The value below `owner`, indented by at least `least`; null if there is none.
    fn nested(&mut self, owner: Line<'a>, least: usize, depth: usize) -> Result<Yaml, YamlError> {
        match self.peek() {
            Some(line) if line.indent >= least => {
                let value = self.value(line.indent, depth + 1)?;
                Ok(Yaml { at: owner.at, kind: value.kind })
            }
            _ => Ok(Yaml { at: owner.at, kind: YamlKind::Null }),
        }
    }

    fn scalar_line(&mut self, line: Line<'a>, indent: usize) -> Result<Yaml, YamlError> {
        let kind = scalar(line.text, line.at)?;
        match self.peek() {
            Some(more) if more.indent > indent => {
                fail(more.at, "a value over several lines is not supported; use one line")
            }
            _ => Ok(Yaml { at: line.at, kind }),
        }
    }
}

fn is_element(text: &str) -> bool {
    text == "-" || text.starts_with("- ")
}

/// Key, text after the colon, and its offset; `None` if the line is not `key:`.
fn key_of(line: Line<'_>) -> Result<Option<(String, &str, usize)>, YamlError> {
    let text = line.text;
    let (key, after) = match text.as_bytes().first() {
        Some(b'"' | b'\'') => {
            let (key, end) = quoted(text, line.at)?;
            let rest = text.get(end..).unwrap_or_default();
            let gap = rest.len() - rest.trim_start_matches(' ').len();
            if !rest.trim_start_matches(' ').starts_with(':') {
                return Ok(None);
            }
            (key, end + gap + 1)
        }
        Some(b'?') if text == "?" || text.starts_with("? ") => {
            return fail(line.at, "keys that begin with ? are not supported");
        }
        _ => {
            let bytes = text.as_bytes();
            let end = (0..bytes.len()).find(|&i| {
                bytes.get(i) == Some(&b':') && matches!(bytes.get(i + 1), None | Some(b' ' | b'\t'))
            });
            let comment = text.find(" #").unwrap_or(usize::MAX);
            let Some(end) = end.filter(|e| *e < comment) else { return Ok(None) };
            let key = text.get(..end).unwrap_or_default().trim_end();
            if key.is_empty() {
                return fail(line.at, "a key is missing before the colon");
            }
            reject_indicator(key, line.at)?;
            if key == "<<" {
                return fail(line.at, "merge keys are not supported");
            }
            (key.to_owned(), end + 1)
        }
    };
    let rest = text.get(after..).unwrap_or_default();
    if !rest.is_empty() && !rest.starts_with([' ', '\t']) {
        return Ok(None);
    }
    let body = rest.trim_matches([' ', '\t']);
    let gap = rest.len() - rest.trim_start_matches([' ', '\t']).len();
    Ok(Some((key, body, line.at + after + gap)))
}

#[cfg(test)]
#[path = "yaml_tests.rs"]
mod tests;
