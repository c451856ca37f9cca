//! Whether a sed script runs commands: GNU sed's `e`, and the flag `e` of `s`.
//!
//! Accepts what it understands; anything else counts as running something.

use crate::proto::shell::Word;

/// Whether `args` of sed run no command.
pub(super) fn readable(args: &[Word]) -> bool {
    let mut scripts = Vec::new();
    let mut first = None;
    let mut rest = args.iter();
    while let Some(word) = rest.next() {
        let text = &*word.text;
        match text {
            "-e" | "--expression" => scripts.extend(rest.next()),
            "-n" | "-E" | "-r" | "-s" | "-u" | "-z" | "-i" | "--in-place" | "--quiet"
            | "--silent" | "--regexp-extended" | "--null-data" | "--posix" | "--sandbox"
            | "--version" | "--" => {}
            _ if text.starts_with("-i") || text.starts_with("--in-place=") => {}
            "-ne" | "-re" | "-Ee" | "-ie" => scripts.extend(rest.next()),
            _ if text.starts_with('-') && text.bytes().skip(1).all(|b| b"nErsuz".contains(&b)) => {}
            _ if text.starts_with('-') => return false,
            _ => {
                first.get_or_insert(word);
            }
        }
    }
    if scripts.is_empty() {
        scripts.extend(first);
    }
    scripts.iter().all(|s| s.literal() && script(s.text.as_bytes()).is_some())
}

/// `None` if the script runs something, or is not understood.
fn script(mut s: &[u8]) -> Option<()> {
    loop {
        s = skip(s, b" \t\n;}");
        let Some(&first) = s.first() else { return Some(()) };
        s = &s[1..];
        match first {
            b'0'..=b'9' | b'$' | b',' | b'!' | b'~' | b'+' | b'{' => {}
            b'/' => s = skip(until(s, b'/')?, b"IM"),
            b'\\' => {
                let (&mark, rest) = s.split_first()?;
                s = skip(until(rest, mark)?, b"IM");
            }
            b'#' => s = after_line(s),
            b's' | b'y' => {
                let (&mark, rest) = s.split_first().filter(|(mark, _)| !b"\n\\".contains(mark))?;
                s = until(until(rest, mark)?, mark)?;
                if first == b's' {
                    s = skip(s, b"0123456789gpiIM");
                    s = if s.first() == Some(&b'w') { after_line(s) } else { s };
                }
                if !s.first().is_none_or(|b| b" \t\n;}#".contains(b)) {
                    return None;
                }
            }
            b'a' | b'i' | b'c' | b'r' | b'R' | b'w' | b'W' => s = after_line(s),
            b'b' | b't' | b'T' | b':' => {
                s = &s[s.iter().position(|b| b"\n;}".contains(b)).unwrap_or(s.len())..];
            }
            b'=' | b'd' | b'D' | b'g' | b'G' | b'h' | b'H' | b'n' | b'N' | b'p' | b'P' | b'x'
            | b'z' => {}
            b'l' | b'q' | b'Q' | b'L' => s = skip(s, b"0123456789"),
            _ => return None,
        }
    }
}

fn skip<'a>(s: &'a [u8], bytes: &[u8]) -> &'a [u8] {
    &s[s.iter().take_while(|b| bytes.contains(b)).count()..]
}

/// What follows the next `mark` that is not escaped.
fn until(s: &[u8], mark: u8) -> Option<&[u8]> {
    let mut at = 0;
    while *s.get(at)? != mark {
        at += if s[at] == b'\\' { 2 } else { 1 };
    }
    // Implementations differ in whether `[/]` contains the mark.
    let count = |bracket| s[..at].iter().filter(|b| **b == bracket).count();
    (count(b'[') <= count(b']')).then(|| &s[at + 1..])
}

/// What follows the line; a line with a backslash in it is followed by its continuation, which is text.
fn after_line(s: &[u8]) -> &[u8] {
    let end = s.iter().position(|&b| b == b'\n').unwrap_or(s.len());
    &s[end..]
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn scripts_that_run_commands_are_known() {
        for text in
            ["p", "s/a/b/g;s|x|y|", "1,3d", "/e/!{s/e/e/;n}", "$!N", "y/ab/cd/", "2q", "a e"]
        {
            assert!(script(text.as_bytes()).is_some(), "{text}");
        }
        for text in [
            "1e", "e ls", "s/a/b/e", "s/a/b/ge", "/x/e", "1{e\n}", "b;e", "s/[/]/e", "\\,x,e",
            "a x\ne", "s/a",
        ] {
            assert!(script(text.as_bytes()).is_none(), "{text}");
        }
    }
}
