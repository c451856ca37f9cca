//! Rust source with everything blanked that is no code: comments, strings, and what only tests compile.

/// Keeps lines and columns: what is no code becomes spaces.
pub fn code(source: &str) -> String {
    let chars: Vec<char> = source.chars().collect();
    let mut out = String::with_capacity(source.len());
    let mut i = 0;
    while i < chars.len() {
        let end = end_of_blank(&chars, i);
        if end == i {
            out.push(chars[i]);
            i += 1;
        } else {
            out.extend(chars[i..end].iter().map(|c| if *c == '\n' { '\n' } else { ' ' }));
            i = end;
        }
    }
    out
}

/// Keeps only the string literals of [`shipped`] code, in their places; a `?` for what is not ASCII.
pub fn shipped_strings(source: &str) -> String {
    let source: String = source.chars().map(|c| if c.is_ascii() { c } else { '?' }).collect();
    let chars: Vec<char> = source.chars().collect();
    let kept: Vec<char> = shipped_only(&source, &source).chars().collect();
    let blank = |range: std::ops::Range<usize>| {
        chars[range].iter().map(|c| if *c == '\n' { '\n' } else { ' ' }).collect::<String>()
    };
    let (mut out, mut i) = (String::with_capacity(source.len()), 0);
    while i < chars.len() {
        let end = end_of_blank(&chars, i).max(i + 1);
        if matches!(chars[i], '"' | 'b' | 'r') && end > i + 1 {
            out.extend(&kept[i..end]);
        } else {
            out.push_str(&blank(i..end));
        }
        i = end;
    }
    out
}

/// The end of the comment or literal that begins at `i`; `i` itself where code goes on.
fn end_of_blank(chars: &[char], i: usize) -> usize {
    let at = |n: usize| chars.get(i + n).copied().unwrap_or('\0');
    let word_before = i > 0 && (chars[i - 1].is_alphanumeric() || chars[i - 1] == '_');
    match (at(0), at(1)) {
        ('/', '/') => (i..chars.len()).find(|n| chars[*n] == '\n').unwrap_or(chars.len()),
        ('/', '*') => block_comment(chars, i),
        ('"', _) => string(chars, i + 1),
        ('b', '"') if !word_before => string(chars, i + 2),
        ('r', '"' | '#') if !word_before => raw(chars, i, i + 1),
        ('b', 'r') if !word_before && matches!(at(2), '"' | '#') => raw(chars, i, i + 2),
        ('\'', '\\') => {
            (i + 3..chars.len()).find(|n| chars[*n] == '\'').map_or(chars.len(), |n| n + 1)
        }
        // Else it is a lifetime.
        ('\'', _) if at(2) == '\'' => i + 3,
        _ => i,
    }
}

fn block_comment(chars: &[char], start: usize) -> usize {
    let (mut depth, mut i) = (0, start);
    while i < chars.len() {
        match (chars[i], chars.get(i + 1)) {
            ('/', Some('*')) => depth += 1,
            ('*', Some('/')) => depth -= 1,
            _ => {
                i += 1;
                continue;
            }
        }
        i += 2;
        if depth == 0 {
            return i;
        }
    }
    i
}

fn string(chars: &[char], mut i: usize) -> usize {
    while i < chars.len() && chars[i] != '"' {
        i += if chars[i] == '\\' { 2 } else { 1 };
    }
    (i + 1).min(chars.len())
}

/// `start` where no raw string follows after all (`r#type`).
fn raw(chars: &[char], start: usize, from: usize) -> usize {
    let hashes = chars[from..].iter().take_while(|c| **c == '#').count();
    if chars.get(from + hashes) != Some(&'"') {
        return start;
    }
    let closes = |n: &usize| {
        chars[*n] == '"'
            && chars[n + 1..].iter().take(hashes).filter(|c| **c == '#').count() == hashes
    };
    (from + hashes + 1..chars.len()).find(closes).map_or(chars.len(), |n| n + 1 + hashes)
}

/// Only tests compile it: by its name, as a test module in a file of its own has it.
pub fn is_test_file(path: &str) -> bool {
    path.ends_with("/tests.rs")
        || path.ends_with("_tests.rs")
        || path.contains("/tests/")
        || ["src/sys/scratch.rs", "src/sys/skip.rs"].contains(&path)
}

/// [`code`] without the items under `#[cfg(test)]`.
pub fn shipped(source: &str) -> String {
    shipped_only(source, &code(source))
}

/// `text` without those items: the source's code, or the source itself if it is ASCII.
fn shipped_only(source: &str, text: &str) -> String {
    let (mut code, mut text) = (self::code(source), text.to_owned());
    while let Some(at) = code.find("#[cfg(test)]") {
        let end = end_of_item(&code, at);
        let blank = |text: &str| -> String {
            text.chars().map(|c| if c == '\n' { '\n' } else { ' ' }).collect()
        };
        code.replace_range(at..end, &blank(&code[at..end]));
        text.replace_range(at..end, &blank(&text[at..end]));
    }
    text
}

/// The end of the item, field or statement at `at`: its block, or the first `;` or `,` outside brackets.
fn end_of_item(code: &str, at: usize) -> usize {
    let mut depth = 0;
    for (i, c) in code[at..].char_indices() {
        match c {
            '{' | '(' | '[' => depth += 1,
            ')' | ']' => depth -= 1,
            '}' => {
                depth -= 1;
                if depth <= 0 {
                    return at + i + usize::from(depth == 0);
                }
            }
            ';' | ',' if depth == 0 => return at + i + 1,
            _ => {}
        }
    }
    code.len()
}

/// Whether the line contains the word, not as a part of another.
pub fn has_word(line: &str, word: &str) -> bool {
    let part = |c: char| c.is_alphanumeric() || c == '_';
    line.match_indices(word)
        .any(|(at, _)| !line[..at].ends_with(part) && !line[at + word.len()..].starts_with(part))
}

#[test]
fn only_shipped_strings_are_left() {
    let check = |source: &str, want: &str| assert_eq!(shipped_strings(source), want, "{source:?}");
    check("f(\"a\", b'c') // \"d\"", "  \"a\"              ");
    check("r#\"ä\"# x \"b\"", "r#\"?\"#   \"b\"");
    check("#[cfg(test)] f(\"é\"); g(\"ö\")", "                       \"?\" ");
}

#[track_caller]
fn check(source: &str, want: &str) {
    assert_eq!(shipped(source), want, "{source:?}");
}

#[test]
fn only_shipped_code_is_left() {
    check("a // b", "a     ");
    check("a /* b /* c */ d */ e", "a                   e");
    check(r#"f("a \" // b") g"#, "f(           ) g");
    check("f(r#\"a \" b\"#) g", "f(          ) g");
    check("r#type", "r#type");
    check("'\"' 'a '\\'' b", "    'a      b");
    check("x(b\"y\")", "x(    )");
    check("a\n#[cfg(test)]\nmod t {\n x\n}\nb", "a\n            \n       \n  \n \nb");
    check("#[cfg(test)] use a; b", "                    b");
    check("{ #[cfg(test)] a: B<(C, D)>, e: F }", "{                            e: F }");
    check("#[cfg(test)]\nmod t;\nb", "            \n      \nb");
    assert!(has_word("a.b()", "b") && !has_word("ab c_b b2", "b"));
}
