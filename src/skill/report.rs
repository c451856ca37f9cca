//! Lists and shows skills, for people and scripts.

use std::path::Path;

use serde_json::{Value, json};

use super::load::{self, Roots, Skill};
use super::origin::InstallOrigin;
use crate::limits::SKILL_SHOWN_BYTES;
use crate::{Error, Result};

/// Every skill, including those the agent does not see, and the errors of invalid ones.
pub fn list(roots: &Roots) -> String {
    let loaded = load::load(&roots.clone().unfiltered());
    let mut out = String::new();
    for skill in &loaded.skills {
        out.push_str(&heading(skill, roots));
        out.push('\n');
    }
    if out.is_empty() {
        out.push_str("No skills installed.\n");
    }
    for warning in loaded.warnings {
        out.push_str(&["⚠️ ", &*warning, "\n"].concat());
    }
    out.truncate(out.trim_end().len());
    out
}

/// The same for scripts.
pub fn list_json(roots: &Roots) -> Value {
    let loaded = load::load(&roots.clone().unfiltered());
    let skills: Vec<Value> = loaded.skills.iter().map(|s| value(s, roots)).collect();
    json!({ "skills": skills, "warnings": loaded.warnings })
}

/// One skill with its text.
///
/// # Errors
/// There is none of the name.
pub fn show(roots: &Roots, name: &str) -> Result<String> {
    let skill = find(roots, name)?;
    let piece = load::text_of(skill.source, &skill.path, SKILL_SHOWN_BYTES)?;
    let mut out = heading(&skill, roots);
    out.push_str(&["\n  ", &*skill.path.to_string_lossy(), "\n\n"].concat());
    if let Some(piece) = piece {
        out.push_str(super::frontmatter::body(&piece.text).trim_end());
        if piece.missing > 0 {
            out.push_str(&format!("\n\n[{} more bytes]", piece.missing));
        }
    }
    Ok(out)
}

/// The same for scripts, without the text.
///
/// # Errors
/// There is none of the name.
pub fn show_json(roots: &Roots, name: &str) -> Result<Value> {
    Ok(value(&find(roots, name)?, roots))
}

fn find(roots: &Roots, name: &str) -> Result<Skill> {
    let loaded = load::load(&roots.clone().unfiltered());
    let near = crate::config::nearest::nearest(name, loaded.skills.iter().map(|s| &*s.name));
    let near = near.map_or(String::new(), |near| format!("; did you mean '{near}'?"));
    let found = loaded.skills.iter().find(|s| s.name == name).cloned();
    found.ok_or_else(|| Error::new(format!("skill '{name}' not found{near}")))
}

fn heading(skill: &Skill, roots: &Roots) -> String {
    let mut out = [&*skill.name, " (", skill.source, "): ", &*skill.description].concat();
    if !roots.allows(&skill.name) {
        out.push_str("\n  not for this agent (agents.list[].skills or turn_profile.skills)");
    }
    if let Some(origin) = InstallOrigin::of(skill.path.parent().unwrap_or(Path::new(""))) {
        out.push_str("\n  from ");
        out.push_str(&origin.text());
    }
    out
}

fn value(skill: &Skill, roots: &Roots) -> Value {
    let origin = InstallOrigin::of(skill.path.parent().unwrap_or(Path::new("")));
    json!({
        "name": skill.name, "description": skill.description, "source": skill.source,
        "path": skill.path.to_string_lossy(), "allowed": roots.allows(&skill.name),
        "origin": origin.map(|o| o.to_json()),
    })
}
