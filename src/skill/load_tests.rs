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
    let want =
        ["workspace a from w", "workspace b from w", "global c from h", "builtin d Text alone."];
    assert_eq!(listed(&loaded), want);
    assert_eq!(loaded.warnings, [""; 0]);
    assert_eq!(roots(&folder).readable(), [folder.path.join("h/skills"), folder.path.join("b")]);
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
    assert_eq!(loaded.warnings, [format!("3 skills are left out: at most {SKILLS} are listed")]);
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
fn junk_takes_no_skills_place() {
    let folder = Folder::new("skills-junk");
    for i in 0..500 {
        std::fs::create_dir_all(folder.path.join(format!("w/skills/a{i:03}"))).expect("a folder");
        folder.write(&format!("w/skills/b{i:03}/SKILL.md"), "");
    }
    folder.write("w/skills/real/SKILL.md", skill("real", "d"));
    let loaded = load(&roots(&folder));
    assert_eq!(listed(&loaded), ["workspace real d"]);
    assert_eq!(loaded.warnings.len(), SKILL_WARNINGS + 1);
    assert_eq!(loaded.warnings[SKILL_WARNINGS], "484 more invalid skills are left out");
    for i in 0..SKILL_SCANNED {
        std::fs::create_dir_all(folder.path.join(format!("w/skills/c{i}"))).expect("a folder");
    }
    let warnings = load(&roots(&folder)).warnings;
    assert!(warnings.iter().any(|w| w.contains("are not found")), "{warnings:?}");
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
