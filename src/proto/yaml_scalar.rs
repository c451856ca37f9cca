//! Values of YAML that are on one line.

use super::yaml::{Yaml, YamlError, YamlKind, fail};

pub(super) fn reject_indicator(text: &str, at: usize) -> Result<(), YamlError> {
    let message = match text.as_bytes().first() {
        Some(b'&') => "anchors (&) are not supported",
        Some(b'*') => "aliases (*) are not supported",
        Some(b'!') => "tags (!) are not supported",
        Some(b'|' | b'>') => "block scalars (| and >) are not supported; use one line in quotes",
        Some(b'[' | b'{' | b']' | b'}' | b',') => {
            "flow collections are not supported, except [a, b] and {}; use one line for each element"
        }
        Some(b'%' | b'@' | b'`') => {
            "a plain value cannot begin with this character; put it into quotes"
        }
        _ => return Ok(()),
    };
    fail(at, message)
}

/// One scalar, a list of them in brackets, or `{}`; a comment may follow.
pub(super) fn scalar(text: &str, at: usize) -> Result<YamlKind, YamlError> {
    if matches!(text.as_bytes().first(), Some(b'"' | b'\'')) {
        let (value, end) = quoted(text, at)?;
        let rest = text.get(end..).unwrap_or_default();
        let bare = rest.trim_matches([' ', '\t']);
        if bare.is_empty() || (bare.starts_with('#') && rest.starts_with([' ', '\t'])) {
            return Ok(YamlKind::Text(value));
        }
        return fail(at + end, "something stands behind the closing quote");
    }
    if text.starts_with('[') {
        return list(text, at);
    }
    let bare = match text
        .match_indices('#')
        .find(|(i, _)| *i == 0 || text.get(..*i).unwrap_or_default().ends_with([' ', '\t']))
    {
        Some((i, _)) => text.get(..i).unwrap_or_default(),
        None => text,
    }
    .trim_matches([' ', '\t']);
    match bare {
        "{}" => return Ok(YamlKind::Map(Vec::new())),
        "" | "~" | "null" | "Null" | "NULL" => return Ok(YamlKind::Null),
        _ => reject_indicator(bare, at)?,
    }
    if bare.contains(": ") || bare.ends_with(':') {
        return fail(at, "a plain value cannot contain a colon and a blank; put it into quotes");
    }
    Ok(YamlKind::Text(bare.to_owned()))
}

const OPEN_LIST: &str = "a list in brackets has to end on its line";

/// A list in brackets, whole on its line; its elements are scalars.
fn list(text: &str, at: usize) -> Result<YamlKind, YamlError> {
    let (mut items, mut end) = (Vec::new(), 1);
    loop {
        let rest = &text[end..];
        let begun = rest.trim_start_matches(' ');
        end += rest.len() - begun.len();
        if begun.starts_with(']') {
            break;
        }
        let (kind, length) = if begun.starts_with(['"', '\'']) {
            let (value, length) = quoted(begun, at + end)?;
            (YamlKind::Text(value), length)
        } else {
            let length = begun.find([',', ']', '[', '{', '#']).unwrap_or(begun.len());
            let plain = begun[..length].trim_end();
            if begun.is_empty() {
                return fail(at + end, OPEN_LIST);
            }
            if plain.is_empty() {
                return fail(
                    at + end,
                    "an element is missing or is itself a list; use one line for each",
                );
            }
            (scalar(plain, at + end)?, length)
        };
        items.push(Yaml { at: at + end, kind });
        end += length;
        let rest = text[end..].trim_start_matches(' ');
        end = text.len() - rest.len();
        match rest.as_bytes().first() {
            Some(b',') => end += 1,
            Some(b']') => {}
            _ => return fail(at + end, OPEN_LIST),
        }
    }
    let rest = &text[end + 1..];
    let bare = rest.trim_matches([' ', '\t']);
    if bare.is_empty() || (bare.starts_with('#') && rest.starts_with([' ', '\t'])) {
        return Ok(YamlKind::List(items));
    }
    fail(at + end, "there is text behind the closing bracket")
}

/// A quoted scalar at the beginning of `text` and the offset after its closing quote.
pub(super) fn quoted(text: &str, at: usize) -> Result<(String, usize), YamlError> {
    let double = text.starts_with('"');
    let mut out = String::new();
    let mut chars = text.char_indices().skip(1).peekable();
    while let Some((i, c)) = chars.next() {
        match c {
            '\'' if !double => match chars.peek() {
                Some((_, '\'')) => {
                    chars.next();
                    out.push('\'');
                }
                _ => return Ok((out, i + 1)),
            },
            '"' if double => return Ok((out, i + 1)),
            '\\' if double => {
                let escaped = match chars.next() {
                    Some((_, 'n')) => '\n',
                    Some((_, 't')) => '\t',
                    Some((_, '"')) => '"',
                    Some((_, '\\')) => '\\',
                    Some((_, 'u')) => {
                        let digits: String = chars.by_ref().take(4).map(|(_, c)| c).collect();
                        let code = (digits.len() == 4)
                            .then(|| u32::from_str_radix(&digits, 16).ok())
                            .flatten();
                        match code.and_then(char::from_u32) {
                            Some(c) => c,
                            None => {
                                return fail(
                                    at + i,
                                    "\\u needs four hexadecimal digits of a character",
                                );
                            }
                        }
                    }
                    _ => {
                        return fail(
                            at + i,
                            "this escape is not supported; \\n \\t \\\" \\\\ and \\uXXXX are",
                        );
                    }
                };
                out.push(escaped);
            }
            _ => out.push(c),
        }
    }
    fail(at, "the closing quote is missing on this line")
}
