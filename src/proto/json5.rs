//! Converts JSON5 to JSON: comments, trailing commas, unquoted names, single quotes.
//!
//! Line numbers are preserved, so that a parser's error about the result names the line of the original. Invalid JSON5 is
//! passed on unchanged for the parser to report.

/// See the module.
pub fn to_json(text: &str) -> String {
    let mut out = String::with_capacity(text.len() + 16);
    let mut rest = text.trim_start_matches('\u{feff}');
    while let Some(c) = rest.chars().next() {
        let length = match c {
            '"' | '\'' => string(rest, c, &mut out),
            '/' if gap(rest) > 0 => {
                let length = gap(rest);
                out.extend(rest[..length].chars().filter(|c| *c == '\n'));
                out.push(' ');
                length
            }
            ',' if next(&rest[1..]).is_some_and(|c| matches!(c, '}' | ']')) => 1,
            c if c.is_alphabetic() || matches!(c, '_' | '$') => {
                let end = rest.find(|c: char| !(c.is_alphanumeric() || matches!(c, '_' | '$')));
                let (word, behind) = rest.split_at(end.unwrap_or(rest.len()));
                let name = next(behind) == Some(':');
                out.extend(name.then_some('"'));
                out.push_str(word);
                out.extend(name.then_some('"'));
                word.len()
            }
            c => {
                out.push(c);
                c.len_utf8()
            }
        };
        rest = &rest[length..];
    }
    out
}

/// Length of the comment that `text` starts with; 0 for none.
fn gap(text: &str) -> usize {
    if text.starts_with("//") {
        text.find('\n').unwrap_or(text.len())
    } else if text.starts_with("/*") {
        text.get(2..).and_then(|t| t.find("*/")).map_or(text.len(), |end| end + 4)
    } else {
        0
    }
}

/// The next character outside blanks and comments.
fn next(mut text: &str) -> Option<char> {
    loop {
        text = text.trim_start();
        match gap(text) {
            0 => return text.chars().next(),
            length => text = &text[length..],
        }
    }
}

/// Copies a string, in double quotes; returns the bytes consumed.
fn string(text: &str, quote: char, out: &mut String) -> usize {
    out.push('"');
    let mut chars = text.char_indices().skip(1);
    while let Some((at, c)) = chars.next() {
        match c {
            c if c == quote => {
                out.push('"');
                return at + 1;
            }
            '"' => out.push_str("\\\""),
            '\\' => match chars.next() {
                // A line continuation.
                Some((_, '\n')) => {}
                Some((_, '\'')) => out.push('\''),
                Some((_, escaped)) => out.extend(['\\', escaped]),
                None => out.push('\\'),
            },
            c => out.push(c),
        }
    }
    text.len()
}

#[cfg(test)]
mod tests {
    use super::*;
    use serde_json::Value;

    #[track_caller]
    fn check(text: &str, json: &str) {
        let got: Value = serde_json::from_str(&to_json(text)).expect("JSON");
        assert_eq!(got, serde_json::from_str::<Value>(json).expect("JSON"));
    }

    #[test]
    fn common_inputs() {
        check(r#"{"a": [1, 2.5, "x\"y", null, true]}"#, r#"{"a": [1, 2.5, "x\"y", null, true]}"#);
        check(
            "// c\n{a: 'it\\'s \"b\"', /* , */ $b_1: [1, 2, /* x */ ],\n}",
            r#"{"a": "it's \"b\"", "$b_1": [1, 2]}"#,
        );
        check(
            r#"{"url": "http://x//y /* no */", 'k': true}"#,
            r#"{"url": "http://x//y /* no */", "k": true}"#,
        );
        check("{a: 'one\\\n two'}", r#"{"a": "one two"}"#);
        check("\u{feff}{\u{e4}: 1}", r#"{"ä": 1}"#);
        for broken in ["{", "{a b}", "'", "/*", "{a: 'x", "\\", "{\"a\": /"] {
            assert!(serde_json::from_str::<Value>(&to_json(broken)).is_err(), "{broken}");
        }
        let e = serde_json::from_str::<Value>(&to_json("{\n// one\n/* two\n */ a: oops\n}"));
        assert_eq!(e.expect_err("an error").line(), 4);
    }
}
