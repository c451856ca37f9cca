//! Where memory lies in the workspace: one file for good, one for each day.
//!
//! The model writes them with memory_append and the file tools; here they are only named.

use std::path::{Component, Path};
use std::sync::{Mutex, MutexGuard, PoisonError};

use crate::limits::PROMPT_NOTE_DAYS;
use crate::proto::date;

/// Held while MEMORY.md is added to or replaced, on the blocking threads: no line falls between the two.
pub fn writing() -> MutexGuard<'static, ()> {
    static WRITING: Mutex<()> = Mutex::new(());
    WRITING.lock().unwrap_or_else(PoisonError::into_inner)
}

/// Long-term memory, relative to the workspace.
pub const LONG_TERM: &str = "memory/MEMORY.md";

/// The note of a day (0 is 1970-01-01), relative to the workspace: `memory/YYYYMM/YYYYMMDD.md`.
pub fn note(day: i64) -> String {
    let (y, m, d) = date::civil_from_days(day);
    format!("memory/{y:04}{m:02}/{y:04}{m:02}{d:02}.md")
}

/// Files that define the assistant and its tasks, relative to the workspace.
pub const BOOTSTRAP: &[&str] =
    &["AGENT.md", "AGENTS.md", "SOUL.md", "USER.md", "IDENTITY.md", "HEARTBEAT.md"];

/// Whether a file of the workspace, named from there, enters later prompts: memory, skills, the heartbeat's tasks and what
/// defines the assistant.
pub fn enters_prompts(path: &Path) -> bool {
    let mut parts = path.components().filter(|part| *part != Component::CurDir);
    let Some(first) = parts.next().map(|part| part.as_os_str()) else { return false };
    let is = |names: &[&str]| names.iter().any(|name| first.eq_ignore_ascii_case(name));
    is(&["memory", "skills"]) || is(BOOTSTRAP)
}

/// Date of a day (counted from 1970-01-01) as notes have it: `2026-02-17`.
pub fn title(day: i64) -> String {
    let (y, m, d) = date::civil_from_days(day);
    format!("{y:04}-{m:02}-{d:02}")
}

/// The days whose notes are in the prompt, newest first.
pub fn recent(day: i64) -> impl Iterator<Item = i64> {
    (0..PROMPT_NOTE_DAYS as i64).map(move |back| day.saturating_sub(back))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn notes_are_named_by_day() {
        let day = date::days_from_civil(2026, 3, 1);
        let names: Vec<String> = recent(day).map(note).collect();
        assert_eq!(
            names,
            ["memory/202603/20260301.md", "memory/202602/20260228.md", "memory/202602/20260227.md"]
        );
        assert_eq!(title(day), "2026-03-01");
    }

    #[test]
    fn files_that_enter_prompts() {
        for (path, enters) in [
            ("memory/MEMORY.md", true),
            ("./memory/202603/20260301.md", true),
            ("skills/x/SKILL.md", true),
            ("agent.md", true),
            ("HEARTBEAT.md", true),
            ("notes/AGENT.md", false),
            ("memory.md", false),
            ("", false),
        ] {
            assert_eq!(enters_prompts(Path::new(path)), enters, "{path}");
        }
    }
}
