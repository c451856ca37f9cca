//! Finds skills in three roots, by precedence, and lists them for the prompt.
//!
//! Only the head of each SKILL.md is read; the model reads the rest with read_file when it needs it.

use std::hash::Hasher;
use std::path::{Path, PathBuf};

use super::frontmatter;
use crate::config::Config;
use crate::limits::{SKILL_FOLDERS, SKILL_HEAD_BYTES, SKILLS, SKILLS_LIST_BYTES, TREE_NAMES};
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
    match std::env::var_os("PICOCLAW_BUILTIN_SKILLS").filter(|v| !v.is_empty()) {
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

/// Scans the roots. A folder name or declared name in a higher root hides lower ones;
/// an invalid skill hides nothing.
pub fn load(roots: &Roots) -> LoadedSkills {
    let mut loaded = LoadedSkills::default();
    let mut folders: Vec<String> = Vec::new();
    for (source, root) in &roots.all {
        for folder in folders_of(source, root) {
            if folders.contains(&folder) {
                continue;
            }
            let path = root.join(&folder).join("SKILL.md");
            let content = match text_of(source, &path, SKILL_HEAD_BYTES) {
                Ok(Some(piece)) => piece.text,
                Ok(None) => continue,
                Err(e) => {
                    loaded.warnings.push(format!("skill {}: {e}", path.display()));
                    continue;
                }
            };
            let declared = frontmatter::declared(&folder, &content);
            if let Some(problem) = frontmatter::problem(&declared.name, &declared.description) {
                loaded.warnings.push(format!("skill {}: {problem}", path.display()));
                continue;
            }
            if !roots.allows(&declared.name)
                || loaded.skills.iter().any(|s| s.name == declared.name)
            {
                continue;
            }
            if loaded.skills.len() == SKILLS {
                loaded.warnings.push(format!("more than {SKILLS} skills, the rest is not listed"));
                return loaded;
            }
            let (name, description) = (declared.name, declared.description);
            loaded.skills.push(Skill { name, description, path, source });
            folders.push(folder);
        }
    }
    loaded
}

/// Adds everything to `hasher` that determines what [`load`] would find.
pub fn stamp(roots: &Roots, hasher: &mut dyn Hasher) {
    for (source, root) in &roots.all {
        for folder in folders_of(source, root) {
            hasher.write(folder.as_bytes());
            let path = root.join(folder).join("SKILL.md");
            let meta = match *source {
                WORKSPACE => {
                    Dir::parent_of(&path, 3).and_then(|(top, name)| top.meta(name)).ok().flatten()
                }
                _ => path_meta(&path),
            };
            hasher.write_u64(bounded_read::stamp(meta));
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

/// Names of the folders in a root, sorted; none when it cannot be read.
fn folders_of(source: &str, root: &Path) -> Vec<String> {
    let dir = match source {
        WORKSPACE => Dir::find_parent_of(root, 1).and_then(|found| match found {
            Some((top, name)) => top.folder(name, false),
            None => Ok(None),
        }),
        _ => Dir::find(root),
    };
    let Ok(Some(dir)) = dir else { return Vec::new() };
    let mut names: Vec<String> = Vec::new();
    let listed = dir.each(TREE_NAMES, &mut |name, folder| {
        let linked =
            || source != WORKSPACE && path_meta(&root.join(name)).is_some_and(|m| m.folder);
        if names.len() < SKILL_FOLDERS && !name.starts_with('.') && (folder || linked()) {
            names.push(name.to_owned());
        }
    });
    if listed.is_err() {
        names.clear();
    }
    names.sort_unstable();
    names
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
mod tests {
    use super::*;
    use crate::store::bounded_read::tests::Folder;

    fn skill(name: &str, description: &str) -> String {
        format!("---\nname: {name}\ndescription: {description}\n---\n# Body\n")
    }

    fn roots(folder: &Folder) -> Roots {
        Roots::new(&folder.path.join("w"), &folder.path.join("h"), &folder.path.join("b"))
    }

    fn listed(loaded: &LoadedSkills) -> Vec<String> {
        loaded.skills.iter().map(|s| format!("{} {} {}", s.source, s.name, s.description)).collect()
    }

    #[test]
    fn higher_roots_hide_lower_ones() {
        let folder = Folder::new("skills-rank");
        folder.write("w/skills/b/SKILL.md", skill("b", "from w"));
        folder.write("w/skills/a/SKILL.md", skill("a", "from w"));
        folder.write("h/skills/a/SKILL.md", skill("other", "same folder as a"));
        folder.write("h/skills/x/SKILL.md", skill("b", "same name as b"));
        folder.write("h/skills/c/SKILL.md", skill("c", "from h"));
        folder.write("b/c/SKILL.md", skill("c", "from b"));
        folder.write("b/d/SKILL.md", "Text alone.");
        folder.write("b/notes.txt", "no skill");
        folder.write("b/empty/readme.md", "no skill");
        let loaded = load(&roots(&folder));
        let want = [
            "workspace a from w",
            "workspace b from w",
            "global c from h",
            "builtin d Text alone.",
        ];
        assert_eq!(listed(&loaded), want);
        assert_eq!(loaded.warnings, [""; 0]);
        assert_eq!(
            roots(&folder).readable(),
            [folder.path.join("h/skills"), folder.path.join("b")]
        );
    }

    #[test]
    fn invalid_skills_are_skipped_with_a_warning() {
        let folder = Folder::new("skills-wrong");
        folder.write("w/skills/a/SKILL.md", skill("bad name", "x"));
        folder.write("h/skills/a/SKILL.md", skill("a", "good"));
        folder.write("h/skills/dir/SKILL.md/x", "a folder of that name");
        folder.write("h/skills/e/SKILL.md", "# only-a-heading");
        let loaded = load(&roots(&folder));
        assert_eq!(listed(&loaded), ["global a good"]);
        let at = |p: &str| folder.path.join(p).display().to_string();
        let want = [
            format!(
                "skill {}: name must be letters and digits with single hyphens between",
                at("w/skills/a/SKILL.md")
            ),
            format!(
                "skill {}: it is a folder, not a regular file: move it away",
                at("h/skills/dir/SKILL.md")
            ),
            format!("skill {}: description is required", at("h/skills/e/SKILL.md")),
        ];
        assert_eq!(loaded.warnings, want);
        assert!(
            load(&Roots::new(Path::new("/nowhere"), Path::new("/nowhere"), Path::new("/nowhere")))
                .skills
                .is_empty()
        );
    }

    #[test]
    fn only_so_many_are_listed() {
        let folder = Folder::new("skills-many");
        for i in 0..SKILLS + 3 {
            folder.write(
                &format!("w/skills/s{i:03}/SKILL.md"),
                skill(&format!("s{i:03}"), &"long ".repeat(200)),
            );
        }
        let loaded = load(&roots(&folder));
        assert_eq!(loaded.skills.len(), SKILLS);
        assert_eq!(loaded.warnings, [format!("more than {SKILLS} skills, the rest is not listed")]);
        let list = summary(&loaded.skills);
        assert!(list.len() <= SKILLS_LIST_BYTES, "{}", list.len());
        assert!(list.contains("<name>s063</name>") && list.ends_with("</skills>"));
        assert!(list.contains("<description>long"));
        let far = |i: usize| Skill {
            path: format!("/{}/{i}", "x".repeat(1000)).into(),
            ..loaded.skills[i].clone()
        };
        let list = summary(&(0..SKILLS).map(far).collect::<Vec<_>>());
        assert!(
            list.len() <= SKILLS_LIST_BYTES && list.ends_with(" more -->\n</skills>"),
            "{}",
            list.len()
        );
    }

    #[test]
    fn the_list_is_escaped() {
        let skill = Skill {
            name: "a".into(),
            description: "x < y & \"z\" > w\u{200b}".into(),
            path: "/s/a/SKILL.md".into(),
            source: "global",
        };
        let want = "<skills>\n  <skill>\n    <name>a</name>\n    <description>x &lt; y &amp; \"z\" &gt; w</description>\n    \
                    <location>/s/a/SKILL.md</location>\n    <source>global</source>\n  </skill>\n</skills>";
        assert_eq!(summary(&[skill]), want);
        assert_eq!(summary(&[]), "");
    }
}
