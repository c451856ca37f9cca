//! edit_file: one exact replacement, answered with what changed.

use std::io::Read;

use super::{fault, unread, unwritten};
use crate::limits::{DIFF_LINES, EDIT_FILE_BYTES};
use crate::sys::beneath::{Fault, Replace};
use crate::tool::result::ToolResult;
use crate::tool::scope::{PathUse, Scope};

pub(super) fn edit(scope: &Scope, path: &str, old: &str, new: &str) -> Result<ToolResult, String> {
    let place = scope.place(path, PathUse::Read)?;
    let (mut file, stamp) = match place.read() {
        Err(Fault::Io(e)) if e.kind() == std::io::ErrorKind::NotFound => {
            return Err(format!("file not found: {path}"));
        }
        opened => opened.map_err(|e| unread(path, &e))?,
    };
    let mut content = String::new();
    (&mut file)
        .take(EDIT_FILE_BYTES + 1)
        .read_to_string(&mut content)
        .map_err(|e| unread(path, &e.into()))?;
    if content.len() as u64 > EDIT_FILE_BYTES {
        return Err(format!("{path} has more than {EDIT_FILE_BYTES} bytes; edit it with exec"));
    }
    let at = find_once(&content, old)?;
    let edited = [&content[..at], new, &content[at + old.len()..]].concat();
    // A readable place need not be writable.
    let place = scope.place(path, PathUse::Write)?;
    place.save(edited.as_bytes(), Replace::Same(stamp)).map_err(|e| match e {
        Fault::Changed => format!("{}; read it again", fault(path, &e)),
        e => unwritten(path, &e),
    })?;
    Ok(ToolResult::silent(format!("File edited: {path}\n{}", diff(&content, at, old, new))))
}

/// The position of `old`, if it occurs exactly once.
pub fn find_once(content: &str, old: &str) -> Result<usize, String> {
    let mut found = content.match_indices(old);
    let Some((at, _)) = found.next() else {
        let hint = if old.trim() != old && content.contains(old.trim()) {
            " (it occurs with other white space around it)"
        } else if !content.contains('\r') && old.contains('\r') {
            " (the file has no carriage returns)"
        } else if content.contains("\r\n") && !old.contains('\r') && old.contains('\n') {
            " (lines of the file end in CR LF)"
        } else {
            ""
        };
        return Err(format!("old_text not found in file. Make sure it matches exactly{hint}"));
    };
    match found.count() {
        0 => Ok(at),
        more => Err(format!(
            "old_text appears {} times. Please provide more context to make it unique",
            more + 1
        )),
    }
}

/// A unified diff of one replacement, three lines of context, at most [`DIFF_LINES`] lines.
fn diff(content: &str, at: usize, old: &str, new: &str) -> String {
    let start = content[..at].rfind('\n').map_or(0, |i| i + 1);
    let end = at + old.len();
    // The change reaches to the end of its last line.
    let end = if end > start && content[..end].ends_with('\n') && !old.is_empty() {
        end
    } else {
        content[end..].find('\n').map_or(content.len(), |i| end + i + 1)
    };
    let before: Vec<&str> = content[..start].lines().rev().take(3).collect();
    let after: Vec<&str> = content[end..].lines().take(3).collect();
    let removed = &content[start..end];
    let added = [&content[start..at], new, &content[at + old.len()..end]].concat();
    let (minus, plus) = (removed.lines().count(), added.lines().count());
    let first = content[..start].lines().count() + 1 - before.len();
    let around = before.len() + after.len();
    let mut text = format!("@@ -{first},{} +{first},{} @@\n", minus + around, plus + around);
    let mut lines = 0;
    let mut put = |sign: char, line: &str| {
        lines += 1;
        if lines <= DIFF_LINES {
            let cut = crate::proto::text::truncate(line, 200);
            text.push(sign);
            text.push_str(&cut);
            text.push('\n');
        }
    };
    before.iter().rev().for_each(|l| put(' ', l));
    removed.lines().for_each(|l| put('-', l));
    added.lines().for_each(|l| put('+', l));
    after.iter().for_each(|l| put(' ', l));
    if lines > DIFF_LINES {
        text.push_str(&format!("({} more lines)\n", lines - DIFF_LINES));
    }
    text
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn only_a_single_match_is_replaced() {
        #[track_caller]
        fn check(content: &str, old: &str, want: Result<usize, &str>) {
            match (find_once(content, old), want) {
                (Ok(at), Ok(want)) => assert_eq!(at, want),
                (Err(e), Err(want)) => assert!(e.contains(want), "{e}"),
                (got, _) => panic!("{got:?}"),
            }
        }
        check("one two three", "two", Ok(4));
        check(
            "one two three",
            "four",
            Err("old_text not found in file. Make sure it matches exactly"),
        );
        check("a a a", "a", Err("old_text appears 3 times. Please provide more context"));
        check("fn x() {}\n", "\tfn x() {}", Err("other white space"));
        check("a\r\nb\r\n", "a\nb", Err("CR LF"));
        check("", "x", Err("not found"));
    }

    #[test]
    fn the_answer_shows_what_changed() {
        #[track_caller]
        fn check(content: &str, old: &str, new: &str, want: &str) {
            let at = find_once(content, old).expect("one match");
            assert_eq!(diff(content, at, old, new), want);
        }
        check("a\nb\nc\n", "b", "x\ny", "@@ -1,3 +1,4 @@\n a\n-b\n+x\n+y\n c\n");
        check("a\nb\nc\n", "b\n", "", "@@ -1,3 +1,2 @@\n a\n-b\n c\n");
        check(
            "1\n2\n3\n4\n5\n6\n7\n8\n9",
            "5",
            "V",
            "@@ -2,7 +2,7 @@\n 2\n 3\n 4\n-5\n+V\n 6\n 7\n 8\n",
        );
        check("only", "only", "new", "@@ -1,1 +1,1 @@\n-only\n+new\n");
        let long = "x\n".repeat(100);
        let text = diff("k\n", 0, "k\n", &long);
        assert!(text.ends_with("(41 more lines)\n"), "{text}");
    }
}
