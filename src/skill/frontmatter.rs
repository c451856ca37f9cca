//! Name and description of a skill, from its front matter or its text.

use crate::proto::frontmatter;
use crate::proto::text;

/// Characters of a name.
const NAME_CHARS: usize = 64;
/// Characters of a description.
const DESCRIPTION_CHARS: usize = 1024;

/// The declarations of a SKILL.md.
#[derive(Debug, PartialEq)]
pub struct Declared {
    /// The skill's name, not validated yet.
    pub name: String,
    /// Its purpose on one line, not validated yet.
    pub description: String,
}

/// Parses the beginning of a SKILL.md. Without a name in the front matter the first heading is used if it
/// is a valid name, else the folder's name; without a description the first paragraph.
pub fn declared(folder: &str, content: &str) -> Declared {
    let (block, body) = frontmatter::split(content);
    if block.is_none() && body.lines().next().is_some_and(|line| line.trim_end() == "---") {
        // An unterminated block: the rest are fields, not a description.
        return Declared { name: folder.to_owned(), description: String::new() };
    }
    let fields = block.map(frontmatter::fields).unwrap_or_default();
    let name = match frontmatter::get(&fields, "name") {
        Some(name) => name.trim().to_owned(),
        None => heading(body).filter(|h| name_problem(h).is_none()).unwrap_or(folder).to_owned(),
    };
    let description = match frontmatter::get(&fields, "description") {
        Some(description) => one_line(description),
        None => text::truncate(&one_line(&paragraph(body)), DESCRIPTION_CHARS),
    };
    Declared { name, description }
}

/// The file without its front matter.
pub fn body(content: &str) -> &str {
    frontmatter::split(content).1
}

/// Why a skill cannot be listed; `None` if it can.
pub fn problem(name: &str, description: &str) -> Option<&'static str> {
    if let Some(problem) = name_problem(name) {
        return Some(problem);
    }
    match description.chars().count() {
        0 => Some("description is required"),
        n if n > DESCRIPTION_CHARS => Some("description exceeds 1024 characters"),
        _ => None,
    }
}

fn name_problem(name: &str) -> Option<&'static str> {
    let part = |p: &str| !p.is_empty() && p.bytes().all(|b| b.is_ascii_alphanumeric());
    match () {
        () if name.is_empty() => Some("name is required"),
        () if name.chars().count() > NAME_CHARS => Some("name exceeds 64 characters"),
        () if !name.split('-').all(part) => {
            Some("name must be letters and digits with single hyphens between")
        }
        () => None,
    }
}

fn heading(body: &str) -> Option<&str> {
    body.lines().find_map(|line| line.strip_prefix("# ")).map(str::trim)
}

fn paragraph(body: &str) -> String {
    let mut out = String::new();
    for line in body.lines().map(str::trim) {
        match line.is_empty() || line.starts_with('#') {
            true if out.is_empty() => {}
            true => break,
            false => {
                out.push_str(line);
                out.push(' ');
            }
        }
    }
    out
}

fn one_line(text: &str) -> String {
    text::sanitize(&text.split_whitespace().collect::<Vec<_>>().join(" "))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[track_caller]
    fn check(content: &str, name: &str, description: &str) {
        let want = Declared { name: name.into(), description: description.into() };
        assert_eq!(declared("folder", content), want);
    }

    #[test]
    fn front_matter_counts_first() {
        check(
            "---\nname: tmux\ndescription: Drives  a\tterminal\n---\n# Tmux",
            "tmux",
            "Drives a terminal",
        );
        check(
            "---\r\nname: 'tmux'\r\ndescription: >\r\n  Drives\r\n  it\r\n---\r\n",
            "tmux",
            "Drives it",
        );
        check("---\n{\"name\":\"a\",\"description\":\"b\"}\n---\n", "a", "b");
    }

    #[test]
    fn the_text_fills_in() {
        check("# weather\n\nTells the\nweather.\n\nMore", "weather", "Tells the weather.");
        check("# My Skill\n\nText", "folder", "Text");
        check("Text # no heading", "folder", "Text # no heading");
        check("---\nname: x\n---\n\n## Part\n\nText\n# End", "x", "Text");
        check("", "folder", "");
        check("---\nname: x\ndescription: never closed\n", "folder", "");
        assert_eq!(declared("f", &"word ".repeat(1000)).description.chars().count(), 1024);
    }

    #[track_caller]
    fn check_declared(name: &str, description: &str, want: Option<&str>) {
        assert_eq!(problem(name, description), want, "{name}");
    }

    #[test]
    fn names_and_descriptions_are_checked() {
        let odd = Some("name must be letters and digits with single hyphens between");
        check_declared("a", "d", None);
        check_declared("My-Skill-2", "d", None);
        check_declared("", "d", Some("name is required"));
        check_declared("a--b", "d", odd);
        check_declared("-a", "d", odd);
        check_declared("a-", "d", odd);
        check_declared("a_b", "d", odd);
        check_declared("a b", "d", odd);
        check_declared("ä", "d", odd);
        check_declared("../x", "d", odd);
        check_declared(&"a".repeat(64), "d", None);
        check_declared(&"a".repeat(65), "d", Some("name exceeds 64 characters"));
        check_declared("a", "", Some("description is required"));
        check_declared("a", &"ä".repeat(1024), None);
        check_declared("a", &"ä".repeat(1025), Some("description exceeds 1024 characters"));
    }

    #[test]
    fn the_body_excludes_the_block() {
        assert_eq!(body("---\nname: x\n---\n\n# T\n"), "# T\n");
        assert_eq!(body("# T\n"), "# T\n");
    }
}
