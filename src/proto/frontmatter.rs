//! Parses the block between two `---` lines at the start of a Markdown file into a flat list of fields.
//!
//! Reads JSON, or the part of YAML that such blocks use in practice: `key: value`, quotes, comments, block
//! scalars (`|`, `>`), continued lines. Nested values are skipped, never an error: the caller
//! checks for missing fields.

use serde_json::Value;

/// Fields of one block; further ones are ignored.
const FIELDS: usize = 64;

/// Splits `text` into the block's content and the body, without blank lines in between.
/// Without an opening line, or without a closing one, there is no block and everything is body.
pub fn split(text: &str) -> (Option<&str>, &str) {
    let text = text.strip_prefix('\u{feff}').unwrap_or(text);
    let mut lines = text.split_inclusive('\n');
    match lines.next() {
        Some(first) if is_rule(first) && first.ends_with('\n') => {}
        _ => return (None, text),
    }
    let start = text.len() - rest_len(&lines);
    let mut at = start;
    for line in lines {
        let next = at + line.len();
        if is_rule(line) {
            return (Some(&text[start..at]), text[next..].trim_start_matches(['\r', '\n']));
        }
        at = next;
    }
    (None, text)
}

fn is_rule(line: &str) -> bool {
    line.trim_end() == "---"
}

fn rest_len(lines: &std::str::SplitInclusive<'_, char>) -> usize {
    lines.clone().map(str::len).sum()
}

/// The fields of a block in their order; the last of a name counts for [`get`].
pub fn fields(block: &str) -> Vec<(String, String)> {
    if let Ok(Value::Object(map)) = serde_json::from_str(block) {
        return map.into_iter().take(FIELDS).map(|(key, value)| (key, plain(value))).collect();
    }
    let mut fields = Vec::new();
    let mut lines = block.lines().peekable();
    while let Some(line) = lines.next() {
        let indented = line.starts_with([' ', '\t']);
        let Some((key, value)) = line.split_once(':') else { continue };
        let key = unquoted(key.trim());
        if indented || key.is_empty() || key.starts_with(['#', '-', '{']) || fields.len() == FIELDS
        {
            continue;
        }
        let value = value.trim();
        let mut inside = Vec::new();
        while let Some(next) = lines.next_if(|l| l.starts_with([' ', '\t']) || l.trim().is_empty())
        {
            inside.push(next);
        }
        fields.push((key, scalar(value, &inside)));
    }
    fields
}

/// The last field of this name that is not empty.
pub fn get<'a>(fields: &'a [(String, String)], name: &str) -> Option<&'a str> {
    fields
        .iter()
        .rev()
        .find(|(key, value)| key == name && !value.is_empty())
        .map(|(_, value)| value.as_str())
}

/// The texts of the list that a block has under this name, written `[a, b]` or as lines with `-`; empty without one.
pub fn list(block: &str, name: &str) -> Vec<String> {
    if let Ok(Value::Object(map)) = serde_json::from_str(block) {
        let items = map.get(name).and_then(Value::as_array).into_iter().flatten();
        return items.filter_map(Value::as_str).map(str::to_owned).collect();
    }
    let mut lines = block.lines();
    let Some(value) = lines.find_map(|line| value_of(line, name)) else { return Vec::new() };
    let item = |text: &str| unquoted(without_comment(text.trim()).trim());
    let items: Vec<String> = match value.trim().strip_prefix('[') {
        Some(begun) => {
            let rest = lines.map(without_comment);
            let whole: String = std::iter::once(without_comment(begun)).chain(rest).collect();
            whole.split(']').next().unwrap_or("").split(',').map(item).collect()
        }
        None if without_comment(value.trim()).is_empty() => {
            let inside = lines.map(str::trim).filter(|l| !l.is_empty() && !l.starts_with('#'));
            inside.map_while(|l| l.strip_prefix('-')).map(item).collect()
        }
        None => Vec::new(),
    };
    items.into_iter().filter(|text| !text.is_empty()).take(FIELDS).collect()
}

/// Whether a field of this name is missing, or has no value, or an empty list.
pub fn is_empty(block: &str, name: &str) -> bool {
    if let Ok(Value::Object(map)) = serde_json::from_str(block) {
        return map.get(name).is_none_or(|value| match value {
            Value::Null => true,
            Value::Array(items) => items.is_empty(),
            other => other == "",
        });
    }
    let Some(value) = block.lines().find_map(|line| value_of(line, name)) else { return true };
    match without_comment(value.trim()).trim() {
        "" => list(block, name).is_empty() && below(block, name).trim().is_empty(),
        value => value.replace(' ', "") == "[]",
    }
}

/// What a field of this name holds below it, as a block of its own; empty without fields there.
pub fn below(block: &str, name: &str) -> String {
    if let Ok(Value::Object(mut map)) = serde_json::from_str(block) {
        let object = map.remove(name).filter(Value::is_object);
        return object.map(|value| value.to_string()).unwrap_or_default();
    }
    let inside = block.lines().skip_while(|line| value_of(line, name).is_none()).skip(1);
    let mut inside =
        inside.take_while(|l| l.starts_with([' ', '\t']) || l.trim().is_empty()).peekable();
    let indent = inside.peek().map_or(0, |line| line.len() - line.trim_start().len());
    inside.map(|line| [line.get(indent..).unwrap_or(""), "\n"].concat()).collect()
}

/// What follows the colon, where the line is the field of this name.
fn value_of<'a>(line: &'a str, name: &str) -> Option<&'a str> {
    Some(line.split_once(':').filter(|(key, _)| unquoted(key.trim_end()) == name)?.1)
}

fn plain(value: Value) -> String {
    match value {
        Value::String(text) => text,
        Value::Null | Value::Array(_) | Value::Object(_) => String::new(),
        other => other.to_string(),
    }
}

/// A value and the indented lines under it.
fn scalar(value: &str, inside: &[&str]) -> String {
    let style = value.split([' ', '#']).next().unwrap_or("");
    if let Some(mark) = style.chars().next().filter(|c| matches!(c, '|' | '>')) {
        if style[1..].bytes().all(|b| matches!(b, b'+' | b'-' | b'0'..=b'9')) {
            return block_scalar(mark == '|', inside);
        }
    }
    if value.starts_with(['"', '\'']) || value.is_empty() || value.starts_with('#') {
        // Indented lines under an empty value are a map or a list.
        return if value.starts_with('#') { String::new() } else { unquoted(value) };
    }
    if value.starts_with(['[', '{']) {
        return String::new();
    }
    let mut out = without_comment(value).to_owned();
    for line in inside.iter().map(|l| without_comment(l.trim())).filter(|l| !l.is_empty()) {
        out.push(' ');
        out.push_str(line);
    }
    out
}

/// `|` keeps the lines, `>` joins them; an empty line ends a paragraph.
fn block_scalar(literal: bool, inside: &[&str]) -> String {
    let indent = |line: &&str| line.len() - line.trim_start_matches([' ', '\t']).len();
    let common = inside.iter().filter(|l| !l.trim().is_empty()).map(indent).min().unwrap_or(0);
    let mut out = String::new();
    for line in inside {
        let line = line.get(common..).unwrap_or("").trim_end();
        if literal {
            out.push_str(line);
            out.push('\n');
        } else if line.is_empty() {
            out.push('\n');
        } else {
            if !out.is_empty() && !out.ends_with('\n') {
                out.push(' ');
            }
            out.push_str(line);
        }
    }
    out.trim_matches('\n').to_owned()
}

/// Without surrounding quotes; in double ones `\"`, `\\`, `\n`, `\t` are replaced, in single ones `''`.
fn unquoted(text: &str) -> String {
    if let Some(rest) = text.strip_prefix('"') {
        let mut out = String::with_capacity(rest.len());
        let mut chars = rest.chars();
        while let Some(c) = chars.next() {
            match c {
                '"' => return out,
                '\\' => match chars.next() {
                    Some('n') => out.push('\n'),
                    Some('t') => out.push('\t'),
                    Some(c @ ('"' | '\\' | '/')) => out.push(c),
                    Some(c) => out.extend(['\\', c]),
                    None => out.push('\\'),
                },
                _ => out.push(c),
            }
        }
        return text.to_owned();
    }
    if let Some(rest) = text.strip_prefix('\'') {
        let mut out = String::with_capacity(rest.len());
        let mut chars = rest.chars().peekable();
        while let Some(c) = chars.next() {
            if c != '\'' {
                out.push(c);
            } else if chars.next_if_eq(&'\'').is_some() {
                out.push('\'');
            } else {
                return out;
            }
        }
        return text.to_owned();
    }
    text.to_owned()
}

fn without_comment(value: &str) -> &str {
    if value.starts_with('#') {
        return "";
    }
    let end = value.find(" #").or(value.find("\t#")).unwrap_or(value.len());
    value[..end].trim_end()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[track_caller]
    fn check_split(text: &str, block: Option<&str>, body: &str) {
        assert_eq!(split(text), (block, body), "{text:?}");
    }

    #[test]
    fn the_block_is_at_the_very_beginning() {
        check_split("---\na: b\n---\nbody", Some("a: b\n"), "body");
        check_split("---\r\na: b\r\n---\r\n\r\nbody\r\n", Some("a: b\r\n"), "body\r\n");
        check_split("\u{feff}--- \na: b\n---", Some("a: b\n"), "");
        check_split("---\n---\nbody", Some(""), "body");
        check_split("---\na: b\n---\nbody\n---\nmore", Some("a: b\n"), "body\n---\nmore");
        check_split("body\n---\na: b\n---\n", None, "body\n---\na: b\n---\n");
        check_split("---\nnever closed", None, "---\nnever closed");
        check_split("---", None, "---");
        check_split("", None, "");
        check_split("----\na: b\n---\n", None, "----\na: b\n---\n");
        check_split("---\na: b\n ---\nc\n", None, "---\na: b\n ---\nc\n");
    }

    #[track_caller]
    fn check(block: &str, want: &[(&str, &str)]) {
        let got = fields(block);
        let got: Vec<_> = got.iter().map(|(k, v)| (k.as_str(), v.as_str())).collect();
        assert_eq!(got, want, "{block:?}");
    }

    #[test]
    fn simple_values() {
        check(
            "name: a-b\ndescription: Does: this",
            &[("name", "a-b"), ("description", "Does: this")],
        );
        check(
            "name: \"a \\\"b\\\" \\u\" # c\nd: 'it''s'",
            &[("name", "a \"b\" \\u"), ("d", "it's")],
        );
        check("# c\n\na: b # c\nc: d#e\n'k': v\n", &[("a", "b"), ("c", "d#e"), ("k", "v")]);
        check("a: \"open\nb: 'open", &[("a", "\"open"), ("b", "'open")]);
        check("a:b\r\nno colon\r\n: x\r\n", &[("a", "b")]);
    }

    #[test]
    fn values_of_several_lines() {
        check("d: >\n  one\n  two\n\n  three\ne: f", &[("d", "one two\nthree"), ("e", "f")]);
        check("d: |-\n  one\n    two\n\nname: x", &[("d", "one\n  two"), ("name", "x")]);
        check("d: one\n  two # c\n  three", &[("d", "one two three")]);
        check("d: >2x", &[("d", ">2x")]);
        check("d: >\n", &[("d", "")]);
        check("d: |\n é\n  x", &[("d", "é\n x")]);
    }

    #[test]
    fn nested_values_are_skipped() {
        check("m:\n  a: b\n  c:\n    - d\nname: x", &[("m", ""), ("name", "x")]);
        check("t:\n- a: b\n- c\nname: x", &[("t", ""), ("name", "x")]);
        check("t: [a, b]\nm: {a: b}\ne: # c", &[("t", ""), ("m", ""), ("e", "")]);
    }

    #[test]
    fn json_is_tried_first() {
        check(
            r#"{"name":"x","n":3,"b":true,"z":null,"l":[1],"m":{"a":"b"}}"#,
            &[("b", "true"), ("l", ""), ("m", ""), ("n", "3"), ("name", "x"), ("z", "")],
        );
        check("{\"name\": \"x\"", &[]);
    }

    #[test]
    fn the_last_of_a_name_counts() {
        let fields = fields("a: 1\na: 2\nb:\n");
        assert_eq!(get(&fields, "a"), Some("2"));
        assert_eq!(get(&fields, "b"), None);
    }

    #[track_caller]
    fn check_list(block: &str, want: &[&str]) {
        assert_eq!(list(block, "s"), want, "{block:?}");
    }

    #[test]
    fn lists() {
        check_list("a: b\ns: [x, \"y z\", 'q', ]\nc: d", &["x", "y z", "q"]);
        check_list("s: [x, # c\n  y\n]\nc: [d]", &["x", "y"]);
        check_list("s:\n  - x # c\n\n  # none\n  - \"y\"\nc:\n  - d", &["x", "y"]);
        check_list("s: # these\n- x\n-\ty\nc: d", &["x", "y"]);
        check_list("\"s\": [x]", &["x"]);
        check_list(r#"{"s": ["x", 3, "y"]}"#, &["x", "y"]);
        for none in [
            "",
            "s",
            "s:",
            "s: x",
            "s: []",
            "a:\n  s: [x]",
            "t: [x]",
            "{\"s\": \"x\"}",
            "s: {a: b}",
        ] {
            check_list(none, &[]);
        }
        assert_eq!(list(&format!("s: [{}]", "x,".repeat(1000)), "s").len(), FIELDS);
    }

    #[test]
    fn many_fields_are_bounded() {
        assert_eq!(fields(&"a: b\n".repeat(10_000)).len(), FIELDS);
    }
}
