//! Positions in a JSON text: offsets of members, and line, column and key path of an offset.
//!
//! The text has normally been accepted by serde_json before. On any other text these functions stop early; they
//! never panic and never recurse. They must not be used to decide whether a text is JSON.

use std::borrow::Cow;

/// One member of an object or element of an array.
#[derive(Clone, Debug, PartialEq)]
pub struct Item<'a> {
    /// Unescaped key; `None` in arrays.
    pub key: Option<Cow<'a, str>>,
    /// Byte offset of the key's quote, or of the element.
    pub at: usize,
    /// Byte offset of the value.
    pub value: usize,
    /// Byte offset just after the value.
    pub end: usize,
}

/// Iterates over the direct members of the object or array at an offset; empty for scalars.
pub struct Items<'a> {
    text: &'a str,
    next: usize,
    object: bool,
    done: bool,
}

/// The members of the container at byte `at` of `text`.
pub fn items(text: &str, at: usize) -> Items<'_> {
    let at = skip_blanks(text, at);
    let first = text.as_bytes().get(at).copied();
    Items {
        text,
        next: at.saturating_add(1),
        object: first == Some(b'{'),
        done: !matches!(first, Some(b'{' | b'[')),
    }
}

impl<'a> Iterator for Items<'a> {
    type Item = Item<'a>;

    fn next(&mut self) -> Option<Item<'a>> {
        if self.done {
            return None;
        }
        let item = self.step();
        self.done = item.is_none();
        item
    }
}

impl<'a> Items<'a> {
    fn step(&mut self) -> Option<Item<'a>> {
        let bytes = self.text.as_bytes();
        let mut at = skip_blanks(self.text, self.next);
        if bytes.get(at) == Some(&b',') {
            at = skip_blanks(self.text, at + 1);
        }
        if matches!(bytes.get(at)?, b'}' | b']') {
            return None;
        }
        let (mut key, mut value) = (None, at);
        if self.object {
            if bytes.get(at) != Some(&b'"') {
                return None;
            }
            let end = string_end(bytes, at)?;
            key = Some(unescape(self.text.get(at..end)?));
            value = skip_blanks(self.text, end);
            if bytes.get(value) != Some(&b':') {
                return None;
            }
            value = skip_blanks(self.text, value + 1);
        }
        let end = value_end(self.text, value)?;
        self.next = end;
        Some(Item { key, at, value, end })
    }
}

/// The first offset from `at` on that is not white space.
pub fn skip_blanks(text: &str, at: usize) -> usize {
    let rest = text.as_bytes().get(at..).unwrap_or_default();
    at + rest.iter().take_while(|b| matches!(b, b' ' | b'\t' | b'\r' | b'\n')).count()
}

/// Offset just after the value at `at`; `None` if there is none.
pub fn value_end(text: &str, at: usize) -> Option<usize> {
    let bytes = text.as_bytes();
    let mut depth = 0usize;
    let mut i = at;
    loop {
        match *bytes.get(i)? {
            b'"' => {
                i = string_end(bytes, i)?;
                if depth == 0 {
                    return Some(i);
                }
                continue;
            }
            b'{' | b'[' => depth += 1,
            b'}' | b']' => {
                if depth <= 1 {
                    return (depth == 1).then_some(i + 1);
                }
                depth -= 1;
            }
            b',' | b':' if depth == 0 => return None,
            _ if depth == 0 => {
                let rest = bytes.get(i..)?;
                let stop = |b: &u8| matches!(b, b',' | b'}' | b']' | b' ' | b'\t' | b'\r' | b'\n');
                return Some(i + rest.iter().position(stop).unwrap_or(rest.len()));
            }
            _ => {}
        }
        i += 1;
    }
}

/// The offset at which nesting exceeds `max`, if any.
pub fn too_deep(text: &str, max: usize) -> Option<usize> {
    let bytes = text.as_bytes();
    let (mut depth, mut i) = (0usize, 0);
    while let Some(b) = bytes.get(i) {
        match b {
            b'"' => {
                i = string_end(bytes, i)?;
                continue;
            }
            b'{' | b'[' => {
                depth += 1;
                if depth > max {
                    return Some(i);
                }
            }
            b'}' | b']' => depth = depth.saturating_sub(1),
            _ => {}
        }
        i += 1;
    }
    None
}

/// Line and column of a byte offset, both from 1; columns count characters.
pub fn line_column(text: &str, at: usize) -> (u32, u32) {
    let before = super::text::head(text, at);
    let line = before.bytes().filter(|b| *b == b'\n').count() + 1;
    let start = before.rfind('\n').map_or(0, |i| i + 1);
    let column = before.get(start..).unwrap_or_default().chars().count() + 1;
    (u32::try_from(line).unwrap_or(u32::MAX), u32::try_from(column).unwrap_or(u32::MAX))
}

/// The key path of the member at an offset as a reader writes it: `model_list[0].api_base`; empty for the root.
pub fn path_at(text: &str, target: usize) -> String {
    let mut path = String::new();
    let mut container = 0;
    'down: loop {
        for (i, item) in items(text, container).enumerate() {
            if target < item.at || target >= item.end {
                continue;
            }
            match &item.key {
                Some(key) => {
                    if !path.is_empty() {
                        path.push('.');
                    }
                    path.push_str(key);
                }
                None => {
                    path.push('[');
                    path.push_str(&i.to_string());
                    path.push(']');
                }
            }
            if target < item.value || target == item.at {
                return path;
            }
            container = item.value;
            continue 'down;
        }
        return path;
    }
}

/// Offset of the member that a key path names (array elements by number); the last of several equal keys.
pub fn find(text: &str, path: &[&str]) -> Option<usize> {
    let (mut container, mut found) = (0, None);
    for want in path {
        let index: Option<usize> = want.parse().ok();
        let item = items(text, container)
            .enumerate()
            .filter(|(i, item)| match &item.key {
                Some(key) => key == want,
                None => index == Some(*i),
            })
            .last()?
            .1;
        container = item.value;
        found = Some(item.at);
    }
    found
}

/// Offset after the closing quote of the string at `at`.
fn string_end(bytes: &[u8], at: usize) -> Option<usize> {
    let mut i = at + 1;
    loop {
        match bytes.get(i)? {
            b'"' => return Some(i + 1),
            b'\\' => i += 2,
            _ => i += 1,
        }
    }
}

fn unescape(quoted: &str) -> Cow<'_, str> {
    let inner = quoted.get(1..quoted.len().saturating_sub(1)).unwrap_or_default();
    if !inner.contains('\\') {
        return Cow::Borrowed(inner);
    }
    serde_json::from_str::<String>(quoted).map_or(Cow::Borrowed(inner), Cow::Owned)
}

#[cfg(test)]
mod tests {
    use super::*;

    const TEXT: &str = "{\r\n  \"a\": {\"ä\": [1, {\"x y\": true}, \"s]}\"]},\n  \"b\\u0063\": -1.5e3,\n \"e\": []\n}";

    #[track_caller]
    fn check(path: &[&str], want: Option<(u32, u32, &str)>) {
        let found = find(TEXT, path);
        let got = found.map(|at| (line_column(TEXT, at), path_at(TEXT, at)));
        assert_eq!(got, want.map(|(l, c, p)| ((l, c), p.to_owned())));
    }

    #[test]
    fn keys_are_found_with_line_and_column() {
        check(&["a"], Some((2, 3, "a")));
        check(&["a", "ä"], Some((2, 9, "a.ä")));
        check(&["a", "ä", "0"], Some((2, 15, "a.ä[0]")));
        check(&["a", "ä", "1", "x y"], Some((2, 19, "a.ä[1].x y")));
        check(&["a", "ä", "2"], Some((2, 33, "a.ä[2]")));
        check(&["bc"], Some((3, 3, "bc")));
        check(&["e"], Some((4, 2, "e")));
        check(&["e", "0"], None);
        check(&["a", "nope"], None);
        check(&[], None);
    }

    #[test]
    fn depth_is_counted_outside_strings() {
        assert_eq!(too_deep("[[[]]]", 3), None);
        assert_eq!(too_deep("[[[]]]", 2), Some(2));
        assert_eq!(too_deep("[\"[[[\\\"[\"]", 1), None);
        assert_eq!(too_deep(&"[".repeat(100_000), 32), Some(32));
    }

    #[test]
    fn the_last_of_equal_keys_counts() {
        assert_eq!(find(r#"{"a":1,"a":2}"#, &["a"]), Some(7));
    }

    #[test]
    fn broken_text_ends_early() {
        for text in [
            "",
            "{",
            "[",
            "{\"a",
            "{\"a\"",
            "{\"a\":",
            "{\"a\":}",
            "{a:1}",
            "[1,,2]",
            "]",
            "\"",
            "{\"a\":\"\\",
            "[\"é",
        ] {
            for at in 0..=text.len() + 1 {
                let count = items(text, at).count();
                assert!(count <= text.len(), "{text} at {at}");
                assert!(path_at(text, at).len() <= text.len() + 3, "{text} at {at}");
                let (line, column) = line_column(text, at);
                assert!(line >= 1 && column >= 1);
            }
        }
    }
}
