//! Finds skills in three roots, by precedence, and lists them for the prompt.
//!
//! Only the head of each SKILL.md is read; the model reads the rest with read_file when it needs it.

use std::hash::Hasher;
use std::path::{Path, PathBuf};

use super::frontmatter;
use crate::config::Config;
use crate::environment;
use crate::limits::{
    SKILL_FOLDERS, SKILL_HEAD_BYTES, SKILL_SCANNED, SKILL_WARNINGS, SKILLS, SKILLS_LIST_BYTES,
    TREE_NAMES,
};
use crate::proto::text;
use crate::store::bounded_read::{self, FileEnd, Piece};
use crate::store::dir::Dir;
use crate::sys::beneath::path_meta;

/// The root that commands may write to (the workspace).
const WORKSPACE: &str = "workspace";

/// The roots, highest precedence first.
#[derive(Clone, Debug)]
pub struct Roots {
    all: [(&'static str, PathBuf); 3],
    /// The only names that may be used.
    only: Option<Vec<String>>,
}

impl Roots {
    /// `<workspace>/skills`, `<home>/skills`, and the folder of those that came with the system.
    pub fn new(workspace: &Path, home: &Path, builtin: &Path) -> Roots {
        let all = [
            (WORKSPACE, workspace.join("skills")),
            ("global", home.join("skills")),
            ("builtin", builtin.to_owned()),
        ];
        Roots { all, only: None }
    }

    /// The roots of a configuration, with the agent's selection of names.
    pub fn of(config: &Config) -> Roots {
        let roots = Roots::new(&config.agent.workspace, &config.home, &builtin_folder());
        Roots { only: config.agent.skills.clone(), ..roots }
    }

    /// The same without the agent's selection.
    pub fn unfiltered(self) -> Roots {
        Roots { only: None, ..self }
    }

    /// Whether a skill of this name may be used.
    pub fn allows(&self, name: &str) -> bool {
        self.only.as_ref().is_none_or(|only| only.iter().any(|n| n == name))
    }

    /// Folders outside the workspace that the file tools must be able to read.
    pub fn readable(&self) -> [&Path; 2] {
        [&self.all[1].1, &self.all[2].1]
    }
}

/// `PICOCLAW_BUILTIN_SKILLS`, or where a package puts them.
pub fn builtin_folder() -> PathBuf {
    match std::env::var_os(environment::BUILTIN_SKILLS).filter(|v| !v.is_empty()) {
        Some(path) => path.into(),
        None => "/usr/share/picoclaw/skills".into(),
    }
}

/// A usable skill.
#[derive(Clone, Debug, PartialEq)]
pub struct Skill {
    /// As declared.
    pub name: String,
    /// Its purpose, one line.
    pub description: String,
    /// Its SKILL.md.
    pub path: PathBuf,
    /// `workspace`, `global` or `builtin`.
    pub source: &'static str,
}

/// What was found.
#[derive(Debug, Default)]
pub struct LoadedSkills {
    /// By rank of root, then by folder name; at most [`SKILLS`].
    pub skills: Vec<Skill>,
    /// A sentence for each skill that is left out because it is invalid.
    pub warnings: Vec<String>,
}

impl LoadedSkills {
    fn warn(&mut self, unreported: &mut usize, text: String) {
        if self.warnings.len() < SKILL_WARNINGS {
            self.warnings.push(text);
        } else {
            *unreported += 1;
        }
    }
}

/// Scans the roots. A folder name or declared name in a higher root hides lower ones;
/// an invalid skill hides nothing.
pub fn load(roots: &Roots) -> LoadedSkills {
    let mut loaded = LoadedSkills::default();
    let (mut folders, mut invalid, mut left_out) = (Vec::<String>::new(), 0, 0);
    let mut notes = Vec::new();
    for (source, root) in &roots.all {
        let found = folders_of(source, root);
        left_out += found.left_out;
        if found.more {
            notes.push(format!(
                "{} has more than {SKILL_SCANNED} folders; skills in the rest of them are not found",
                root.display()
            ));
        }
        for (folder, _) in found.folders {
            if folders.contains(&folder) {
                continue;
            }
            if loaded.skills.len() == SKILLS {
                left_out += 1;
                continue;
            }
            let path = root.join(&folder).join("SKILL.md");
            let content = match text_of(source, &path, SKILL_HEAD_BYTES) {
                Ok(Some(piece)) => piece.text,
                Ok(None) => continue,
                Err(e) => {
                    loaded.warn(&mut invalid, format!("skill {}: {e}", path.display()));
                    continue;
                }
            };
            let declared = frontmatter::declared(&folder, &content);
            if let Some(problem) = frontmatter::problem(&declared.name, &declared.description) {
                loaded.warn(&mut invalid, format!("skill {}: {problem}", path.display()));
                continue;
            }
            if !roots.allows(&declared.name)
                || loaded.skills.iter().any(|s| s.name == declared.name)
            {
                continue;
            }
            let (name, description) = (declared.name, declared.description);
            loaded.skills.push(Skill { name, description, path, source });
            folders.push(folder);
        }
    }
    if invalid > 0 {
        notes.push(format!("{invalid} more invalid skills are left out"));
    }
    if left_out > 0 {
        notes.push(format!("{left_out} skills are left out: at most {SKILLS} are listed"));
    }
    loaded.warnings.append(&mut notes);
    loaded
}

/// Adds everything to `hasher` that determines what [`load`] would find.
pub fn stamp(roots: &Roots, hasher: &mut dyn Hasher) {
    for (source, root) in &roots.all {
        let found = folders_of(source, root);
        hasher.write_usize(found.left_out);
        for (folder, stamp) in found.folders {
            hasher.write(folder.as_bytes());
            hasher.write_u64(stamp);
        }
        hasher.write_u8(0xff);
    }
}

/// At most `limit` bytes of a SKILL.md. In the workspace commands may have created it, so no link is followed; the other
/// roots belong to the machine's owner.
pub fn text_of(source: &str, path: &Path, limit: usize) -> std::io::Result<Option<Piece>> {
    if source != WORKSPACE {
        return bounded_read::bounded(path, limit, FileEnd::Head);
    }
    match Dir::find_parent_of(path, 3)? {
        Some((top, name)) => bounded_read::below(&top, name, limit, FileEnd::Head),
        None => Ok(None),
    }
}

/// The folders of a root that have a SKILL.md.
#[derive(Default)]
struct SkillFolders {
    /// Name, and the stamp of its SKILL.md, sorted; at most [`SKILL_FOLDERS`].
    folders: Vec<(String, u64)>,
    /// Further ones, unread.
    left_out: usize,
    /// There are more than [`SKILL_SCANNED`] folders, of any kind.
    more: bool,
}

/// What else is there takes no skill's place. Nothing when the root cannot be read.
fn folders_of(source: &str, root: &Path) -> SkillFolders {
    let dir = match source {
        WORKSPACE => Dir::find_parent_of(root, 1).and_then(|found| match found {
            Some((top, name)) => top.folder(name, false),
            None => Ok(None),
        }),
        _ => Dir::find(root),
    };
    let Ok(Some(dir)) = dir else { return SkillFolders::default() };
    let (mut found, mut scanned) = (SkillFolders::default(), 0);
    let listed = dir.each(TREE_NAMES, &mut |name, folder| {
        let own = source != WORKSPACE;
        let linked = || own && path_meta(&root.join(name)).is_some_and(|m| m.folder);
        if name.starts_with('.') || !(folder || linked()) {
            return;
        }
        scanned += 1;
        if scanned > SKILL_SCANNED {
            found.more = true;
            return;
        }
        let meta = match own {
            true => path_meta(&root.join(name).join("SKILL.md")),
            // What cannot be looked at (a link) is reported when it is read.
            false => match dir.meta(&[name, "/SKILL.md"].concat()) {
                Ok(None) => return,
                meta => meta.ok().flatten(),
            },
        };
        if own && meta.is_none() {
            return;
        }
        if found.folders.len() == SKILL_FOLDERS {
            found.left_out += 1;
        } else {
            found.folders.push((name.to_owned(), bounded_read::stamp(meta)));
        }
    });
    if listed.is_err() {
        return SkillFolders::default();
    }
    found.folders.sort_unstable();
    found
}

/// The list for the prompt; empty when there are no skills. Where it would become longer than
/// [`SKILLS_LIST_BYTES`], descriptions are cut, all to the same length; then skills are left out.
pub fn summary(skills: &[Skill]) -> String {
    if skills.is_empty() {
        return String::new();
    }
    let whole = list(skills, usize::MAX);
    if whole.len() <= SKILLS_LIST_BYTES {
        return whole;
    }
    drop(whole);
    let bare = list(skills, 0).len() + TAIL_BYTES;
    list(skills, SKILLS_LIST_BYTES.saturating_sub(bare) / skills.len())
}

/// Bytes reserved for the list's last lines.
const TAIL_BYTES: usize = 40;

/// The list with at most `description` bytes of each description.
fn list(skills: &[Skill], description: usize) -> String {
    let mut out = String::from("<skills>\n");
    for (i, skill) in skills.iter().enumerate() {
        let start = out.len();
        out.push_str("  <skill>\n");
        element(&mut out, "name", &skill.name, usize::MAX);
        element(&mut out, "description", &skill.description, description);
        element(&mut out, "location", &skill.path.to_string_lossy(), usize::MAX);
        element(&mut out, "source", skill.source, usize::MAX);
        out.push_str("  </skill>\n");
        if description < usize::MAX && out.len() + TAIL_BYTES > SKILLS_LIST_BYTES {
            out.truncate(start);
            out.push_str(&format!("  <!-- {} more -->\n", skills.len() - i));
            break;
        }
    }
    out.push_str("</skills>");
    out
}

/// One element with at most `max` bytes of content.
fn element(out: &mut String, name: &str, value: &str, max: usize) {
    out.push_str("    <");
    out.push_str(name);
    out.push('>');
    let start = out.len();
    for c in value.chars().filter(|&c| text::is_visible(c)) {
        let mut own = [0; 4];
        let piece = match c {
            '&' => "&amp;",
            '<' => "&lt;",
            '>' => "&gt;",
            _ => c.encode_utf8(&mut own),
        };
        if out.len() - start + piece.len() > max {
            break;
        }
        out.push_str(piece);
    }
    out.push_str("</");
    out.push_str(name);
    out.push_str(">\n");
}

#[cfg(test)]
#[path = "load_tests.rs"]
mod tests;
