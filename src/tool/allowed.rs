//! The tools that AGENT.md leaves the assistant: `tools` in its front matter, as in the Go version.
//!
//! A list, or one name, is all that there is; an empty one is none. Below `tools`, `allow` and `deny` may be lists of their
//! own. A `*` in a name stands for any characters. What cannot be read leaves no tool, because it may have been a limit.

use std::fmt;
use std::io::ErrorKind;
use std::path::Path;

use crate::limits::PROMPT_FILE_BYTES;
use crate::proto::frontmatter;
use crate::store::bounded_read::{self, FileEnd};
use crate::store::dir::Dir;

/// Which tools the assistant of a workspace has.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct AllowedTools {
    /// Names in lower case; `None` for every tool.
    allow: Option<Vec<String>>,
    deny: Vec<String>,
    /// What cannot be read; then there is no tool.
    fault: Option<String>,
}

impl AllowedTools {
    /// Those of a workspace; `None` where AGENT.md does not say. Blocks on the disk.
    pub fn of(workspace: &Path) -> Option<AllowedTools> {
        let read = match Dir::shared(workspace) {
            Err(e) if e.kind() == ErrorKind::NotFound => return None,
            folder => folder.and_then(|folder| {
                bounded_read::below(&folder, "AGENT.md", PROMPT_FILE_BYTES, FileEnd::Head)
            }),
        };
        match read {
            Ok(piece) => AllowedTools::parse(&piece?.text),
            Err(e) => Some(AllowedTools::none(format!("AGENT.md cannot be read: {e}"))),
        }
    }

    fn none(fault: String) -> AllowedTools {
        AllowedTools { allow: Some(Vec::new()), deny: Vec::new(), fault: Some(fault) }
    }

    fn parse(text: &str) -> Option<AllowedTools> {
        let block = frontmatter::split(text).0?;
        let named = names(block, "tools")?;
        let below = frontmatter::below(block, "tools");
        let (allow, deny) = (names(&below, "allow"), names(&below, "deny"));
        if allow.is_none() && deny.is_none() {
            return Some(AllowedTools { allow: Some(named), ..AllowedTools::default() });
        }
        for (field, list) in [("allow", &allow), ("deny", &deny)] {
            if list.as_ref().is_some_and(Vec::is_empty) && !frontmatter::is_empty(&below, field) {
                return Some(AllowedTools::none(format!("AGENT.md: tools.{field} is not a list")));
            }
        }
        let deny = deny.unwrap_or_default();
        if let Some(name) = deny.iter().find(|name| name.contains(['?', '[', '\\'])) {
            let fault = format!("AGENT.md: {name} below tools.deny is no pattern of this version");
            return Some(AllowedTools::none(fault));
        }
        let allow = allow.filter(|names| !names.is_empty());
        Some(AllowedTools { allow, deny, fault: None })
    }

    /// Whether the assistant has the tool of this name.
    pub fn has(&self, tool: &str) -> bool {
        let fits = |names: &Vec<String>| names.iter().any(|name| fits(name, tool));
        self.allow.as_ref().is_none_or(fits) && !fits(&self.deny)
    }

    /// What is wrong with AGENT.md: it cannot be read, or names tools of which `is_tool` is false.
    pub fn problem(&self, is_tool: impl Fn(&str) -> bool) -> Option<String> {
        let names = self.allow.iter().flatten().chain(&self.deny);
        let unknown: Vec<&str> =
            names.map(String::as_str).filter(|n| !n.contains('*') && !is_tool(n)).collect();
        if let Some(fault) = &self.fault {
            return Some(format!("{fault}; the assistant has no tools"));
        }
        let list = unknown.join(", ");
        (!list.is_empty()).then(|| format!("AGENT.md names tools that do not exist: {list}"))
    }
}

impl fmt::Display for AllowedTools {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match &self.allow {
            None => f.write_str("all")?,
            Some(names) if names.is_empty() => f.write_str("none")?,
            Some(names) => f.write_str(&names.join(", "))?,
        }
        if self.deny.is_empty() { Ok(()) } else { write!(f, " but {}", self.deny.join(", ")) }
    }
}

/// The names of a field, in lower case; `None` without the field.
fn names(block: &str, field: &str) -> Option<Vec<String>> {
    let fields = frontmatter::fields(block);
    let (_, value) = fields.iter().rev().find(|(key, _)| key == field)?;
    let mut names = frontmatter::list(block, field);
    if names.is_empty() && !value.starts_with(['[', '{', '-']) {
        names = value.split(',').map(|name| name.trim().to_owned()).collect();
        names.retain(|name| !name.is_empty());
    }
    names.iter_mut().for_each(|name| name.make_ascii_lowercase());
    Some(names)
}

fn fits(pattern: &str, name: &str) -> bool {
    let Some((first, rest)) = pattern.split_once('*') else { return pattern == name };
    let Some(mut left) = name.strip_prefix(first) else { return false };
    let (middle, last) = rest.rsplit_once('*').unwrap_or(("", rest));
    for part in middle.split('*') {
        match left.find(part) {
            Some(at) => left = &left[at + part.len()..],
            None => return false,
        }
    }
    left.ends_with(last)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[track_caller]
    fn check(front: &str, shown: Option<&str>, yes: &[&str], no: &[&str]) {
        let allowed = AllowedTools::parse(&format!("---\n{front}\n---\nBody"));
        assert_eq!(allowed.as_ref().map(ToString::to_string).as_deref(), shown, "{front}");
        let has = |tool: &str| allowed.as_ref().is_none_or(|allowed| allowed.has(tool));
        assert!(yes.iter().all(|tool| has(tool)), "{front}");
        assert!(!no.iter().any(|tool| has(tool)), "{front}");
    }

    #[test]
    fn all_forms_of_the_original_are_read() {
        check("name: x", None, &["exec"], &[]);
        check("tools: [read_file]", Some("read_file"), &["read_file"], &["exec", "read_files"]);
        check("tools: [ Read_File, \"exec\" ] # two", Some("read_file, exec"), &["exec"], &["i2c"]);
        check("tools:\n  - read_file\n  - exec", Some("read_file, exec"), &["exec"], &["i2c"]);
        check("tools:\n- read_file\nname: x", Some("read_file"), &["read_file"], &["exec"]);
        for none in ["tools: []", "tools:", "tools: \"\"", "tools: {allow: [exec]}", "tools: ["] {
            check(none, Some("none"), &[], &["read_file", "exec"]);
        }
        check("tools: read_file", Some("read_file"), &["read_file"], &["exec"]);
        check("tools: read_file, exec", Some("read_file, exec"), &["exec"], &["i2c"]);
        check(
            "tools: [\"*_file\"]",
            Some("*_file"),
            &["read_file", "edit_file"],
            &["exec", "file"],
        );
        check("tools: [\"*\"]", Some("*"), &["read_file", "exec"], &[]);
        check("tools: [s*aw*n*]", Some("s*aw*n*"), &["spawn", "spawn_status"], &["skills", "span"]);
        let both = "tools:\n  allow: [\"*_file\"]\n  deny:\n    - edit_file\nname: x";
        check(both, Some("*_file but edit_file"), &["read_file"], &["edit_file", "exec"]);
        check("tools:\n  deny: [exec]", Some("all but exec"), &["read_file"], &["exec"]);
        check("tools:\n  deny: [\"e?ec\"]", Some("none"), &[], &["read_file", "exec"]);
        check("tools:\n  allow: []", Some("all"), &["exec"], &[]);
        check("tools:\n  deny : [exec]", Some("all but exec"), &["read_file"], &["exec"]);
        for list in ["allow: {read_file: true}", "allow:\n    exec: true", "deny: {exec: true}"] {
            check(&format!("tools:\n  {list}"), Some("none"), &[], &["read_file", "exec"]);
        }
        check(r#"{"tools": ["read_file"]}"#, Some("read_file"), &["read_file"], &["exec"]);
        check(r#"{"tools": null}"#, Some("none"), &[], &["exec"]);
        check(r#"{"tools": {"deny": ["exec"]}}"#, Some("all but exec"), &["i2c"], &["exec"]);
    }

    #[test]
    fn names_without_a_tool_are_told() {
        let problem = |front: &str| {
            let allowed = AllowedTools::parse(&format!("---\n{front}\n---\n")).expect("a list");
            allowed.problem(|name| name == "exec")
        };
        assert_eq!(problem("tools: [exec, \"mcp_*\"]"), None);
        let told = problem("tools: [exec, teleport]").expect("a problem");
        assert!(told.ends_with("do not exist: teleport"), "{told}");
        let told = problem("tools:\n  deny: [\"e?ec\"]").expect("a problem");
        assert!(told.ends_with("the assistant has no tools"), "{told}");
    }
}
