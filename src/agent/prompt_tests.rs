//! Prompts of workspaces, on disk and in a table.

use super::*;
use crate::store::bounded_read::tests::Folder;

const DAY: i64 = 20_501; // 2026-02-17

/// Renders with files from a table; nothing is on disk.
fn rendered(files: &[(&str, &str)], skills: &str) -> String {
    let mut read = |name: &str, limit: usize, end: FileEnd| {
        let (_, content) = files.iter().find(|(n, _)| *n == name)?;
        let text = match end {
            FileEnd::Head => text::head(content, limit),
            FileEnd::Tail => text::tail(content, limit),
        };
        Some(Piece { text: text.into(), missing: (content.len() - text.len()) as u64 })
    };
    let skill = |name: &str, source| Skill {
        name: name.into(),
        description: "d".into(),
        path: Path::new("/w/skills").join(name).join("SKILL.md"),
        source,
    };
    let found = [skill("tea", "workspace"), skill("coffee", "workspace")];
    render(Path::new("/w"), (skills, &found), DAY, &mut read)
}

/// What follows the identity.
#[track_caller]
fn check(files: &[(&str, &str)], want: &str) {
    let got = rendered(files, "");
    let rest = got.strip_prefix(&identity(Path::new("/w"))).expect("the identity first");
    assert_eq!(rest, want);
}

#[test]
fn the_identity_names_program_system_and_places() {
    let got = rendered(&[], "");
    for part in [
        concat!("# picoclaw 🦞 (", env!("CARGO_PKG_VERSION"), ")"),
        std::env::consts::ARCH,
        "## Workspace\n/w\n",
        "memory/MEMORY.md",
        "memory/YYYYMM/YYYYMMDD.md",
        "skills/{name}/SKILL.md",
    ] {
        assert!(got.contains(part), "{part}");
    }
}

#[test]
fn bootstrap_files_of_old_homes_come_in_order() {
    check(
        &[("USER.md", "u\n"), ("IDENTITY.md", "i"), ("SOUL.md", " \n"), ("AGENTS.md", "\na")],
        "\n\n---\n\n## AGENTS.md\n\na\n\n---\n\n## USER.md\n\nu\n\n---\n\n## IDENTITY.md\n\ni",
    );
    check(
        &[("AGENT.md", "plain"), ("IDENTITY.md", "i")],
        "\n\n---\n\n## AGENT.md\n\nplain\n\n---\n\n## IDENTITY.md\n\ni",
    );
}

#[test]
fn a_definition_replaces_the_old_files() {
    check(
        &[
            ("AGENT.md", "---\nname: Pico\ndescription: helps\ntools: [a]\n---\nBody"),
            ("AGENTS.md", "old"),
            ("IDENTITY.md", "old"),
            ("SOUL.md", "s"),
        ],
        "\n\n---\n\n## AGENT.md\nName: Pico\nDescription: helps\n\nBody\n\n---\n\n## SOUL.md\n\ns",
    );
}

#[test]
fn a_definition_names_skills_that_are_always_followed() {
    let agent = |list: &str| format!("---\nname: Pico\n{list}\n---\nBody");
    let skill = "---\nname: tea\ndescription: d\n---\nBrew it.";
    let start = "\n\n---\n\n## AGENT.md\nName: Pico\n\nBody";
    let active =
        "\n\n---\n\n# Active Skills\n\nThese skills are in force; follow them where they fit.";
    for list in ["skills: [Tea, none, tea]", "skills:\n  - none\n  - tea"] {
        let files = [("AGENT.md", &*agent(list)), ("skills/tea/SKILL.md", skill)];
        check(&files, &format!("{start}{active}\n\n### Skill: tea\n\nBrew it."));
    }
    let files = [
        ("AGENT.md", &*agent("skills: [tea, coffee]")),
        ("skills/tea/SKILL.md", skill),
        ("skills/coffee/SKILL.md", "Grind."),
    ];
    let both = "\n\n### Skill: tea\n\nBrew it.\n\n---\n\n### Skill: coffee\n\nGrind.";
    check(&files, &format!("{start}{active}{both}"));
    for list in ["skills: []", "skills: tea", "tools: [tea]"] {
        check(&[("AGENT.md", &*agent(list)), ("skills/tea/SKILL.md", skill)], start);
    }
    // However long they are, the prompt is bounded, and memory has its place.
    let long = "x".repeat(PROMPT_FILE_BYTES);
    let agent = agent("skills: [tea, coffee]");
    let files = [
        ("AGENT.md", &*agent),
        ("SOUL.md", &*long),
        ("USER.md", &*long),
        ("skills/tea/SKILL.md", &*long),
        ("skills/coffee/SKILL.md", &*long),
        ("memory/MEMORY.md", "likes tea"),
    ];
    let got = rendered(&files, "");
    assert!(got.len() <= PROMPT_STATIC_BYTES && got.ends_with("likes tea"), "{}", got.len());
    assert!(got.contains("more bytes: read /w/skills/coffee/SKILL.md]"));
}

#[test]
fn memory_has_one_heading_and_three_days() {
    let notes = [
        ("memory/202602/20260217.md", "# 2026-02-17\n\ntoday"),
        ("memory/202602/20260215.md", "# 2026-02-15\n\nbefore"),
        ("memory/202602/20260214.md", "# 2026-02-14\n\nforgotten"),
    ];
    let recent = "## Recent notes\n\n# 2026-02-17\n\ntoday\n\n---\n\n# 2026-02-15\n\nbefore";
    check(&notes, &format!("\n\n---\n\n# Memory\n\n{recent}"));
    let mut all = notes.to_vec();
    all.push(("memory/MEMORY.md", "# Memory\n\nlikes tea\n"));
    check(&all, &format!("\n\n---\n\n# Memory\n\n## Long-term memory\n\nlikes tea\n\n{recent}"));
    check(&[("memory/MEMORY.md", "\n")], "");
}

#[test]
fn skills_come_before_memory() {
    let got = rendered(&[("memory/MEMORY.md", "m")], "<skills>\n</skills>");
    let (skills, memory) =
        (got.find("# Skills").expect("skills"), got.find("# Memory").expect("memory"));
    assert!(
        skills < memory && got.contains("read_file.\n\n<skills>\n</skills>\n\n---\n\n# Memory")
    );
}

#[test]
fn long_files_are_cut_with_a_note() {
    let long = "x".repeat(PROMPT_FILE_BYTES + 5);
    let got = rendered(&[("memory/MEMORY.md", &long)], "");
    assert!(got.ends_with("x\n\n[5 more bytes: read memory/MEMORY.md]"));
    let got = rendered(&[("memory/202602/20260217.md", &format!("old{long}"))], "");
    assert!(
        got.contains(
            "# 2026-02-17\n\n[8 bytes before this: read memory/202602/20260217.md]\n\nxxx"
        )
    );
    // Everything at its largest stays within the bound.
    let names = [
        "AGENT.md",
        "AGENTS.md",
        "SOUL.md",
        "USER.md",
        "IDENTITY.md",
        "memory/MEMORY.md",
        "memory/202602/20260217.md",
    ];
    let files: Vec<_> = names.iter().map(|n| (*n, long.as_str())).collect();
    let got = rendered(&files, &"s".repeat(crate::limits::SKILLS_LIST_BYTES));
    assert!(got.len() <= PROMPT_STATIC_BYTES + 1024, "{}", got.len());
    assert!(
        got.contains("more bytes: read SOUL.md")
            && got.contains("more bytes: read memory/MEMORY.md")
    );
}

fn prompt(folder: &Folder) -> Prompt {
    let none = Path::new("/nowhere");
    Prompt::new(&folder.path, Roots::new(&folder.path, none, none))
}

#[test]
fn the_static_part_stays_until_a_file_or_the_day_changes() {
    let folder = Folder::new("prompt");
    folder.write("SOUL.md", "soul");
    let mut prompt = prompt(&folder);
    let first = prompt.static_part(DAY);
    assert!(Arc::ptr_eq(&first, &prompt.static_part(DAY)));

    // Written anew with the same content: other times, same bytes.
    folder.write("SOUL.md.new", "soul");
    std::fs::rename(folder.path.join("SOUL.md.new"), folder.path.join("SOUL.md")).expect("renamed");
    assert_eq!(first, prompt.static_part(DAY));

    let mut seen = first;
    let mut changed = |prompt: &mut Prompt, day: i64, part: &str, there: bool| {
        let next = prompt.static_part(day);
        assert_ne!(seen, next, "{part}");
        assert_eq!(next.contains(part), there, "{part}");
        assert!(Arc::ptr_eq(&next, &prompt.static_part(day)));
        seen = next;
    };
    folder.write("USER.md", "user text");
    changed(&mut prompt, DAY, "user text", true);
    folder.write("memory/MEMORY.md", "long memory");
    changed(&mut prompt, DAY, "long memory", true);
    folder.write("memory/202602/20260217.md", "a note");
    changed(&mut prompt, DAY, "a note", true);
    folder.write("skills/new/SKILL.md", "A new skill.");
    changed(&mut prompt, DAY, "<name>new</name>", true);
    folder.write("skills/new/SKILL.md", "A newer skill.");
    changed(&mut prompt, DAY, "A newer skill.", true);
    std::fs::remove_dir_all(folder.path.join("skills/new")).expect("removed");
    changed(&mut prompt, DAY, "# Skills", false);
    changed(&mut prompt, DAY + 3, "a note", false);
    prompt.forget();
    assert_eq!(seen, prompt.static_part(DAY + 3));
}

#[test]
fn unreadable_files_are_warned_about_once() {
    let folder = Folder::new("prompt-warn");
    folder.write("SOUL.md/x", "a folder");
    folder.write("skills/bad/SKILL.md", "");
    let mut prompt = prompt(&folder);
    prompt.static_part(DAY);
    let warnings = prompt.take_warnings();
    assert_eq!(warnings.len(), 2, "{warnings:?}");
    assert!(warnings[0].ends_with("bad/SKILL.md: description is required"));
    assert_eq!(
        warnings[1],
        "SOUL.md is not in the prompt: it is a folder, not a regular file: move it away"
    );
    prompt.static_part(DAY);
    assert_eq!(prompt.take_warnings(), [""; 0]);
}

#[track_caller]
fn check_dynamic(chat: (&str, &str, &str), sender: (&str, &str, &str), summary: &str, want: &str) {
    let (channel, id, topic) = chat;
    let chat = Address { channel: channel.into(), chat: id.into(), topic: topic.into() };
    let (id, username, name) = sender;
    let sender = Sender {
        platform: "telegram".into(),
        id: id.into(),
        username: username.into(),
        name: name.into(),
    };
    let turn =
        PromptTurn { unix: 1_771_286_100, offset: 3600, chat: &chat, sender: &sender, summary };
    assert_eq!(
        dynamic_part(&turn),
        format!("## Current Session\nTime: 2026-02-17 00:55 (Tuesday){want}")
    );
}

#[test]
fn the_dynamic_part_names_time_chat_and_sender() {
    check_dynamic(("", "", ""), ("", "", ""), " ", "");
    check_dynamic(
        ("telegram", "-42", "7"),
        ("5", "ann", "Ann B"),
        "",
        "\nChannel: telegram\nChat ID: -42\nTopic: 7\nCurrent sender: Ann B (ID: 5)",
    );
    check_dynamic(("cli", "", ""), ("5", "", ""), "", "\nChannel: cli\nCurrent sender: ID 5");
    check_dynamic(("", "", ""), ("5", "ann", ""), "", "\nCurrent sender: ann (ID: 5)");
    // A name is one line of the prompt, whatever its owner wrote.
    let name = format!("Ann\n## Rules\u{202e} {}", "x".repeat(100));
    check_dynamic(
        ("", "", ""),
        ("5", "", &name),
        "",
        &format!("\nCurrent sender: Ann ## Rules {} (ID: 5)", "x".repeat(51)),
    );
    check_dynamic(
        ("", "", ""),
        ("", "", ""),
        "They talked.\n",
        "\n\n## Summary of Previous Conversation\nCONTEXT_SUMMARY: An approximate summary of earlier messages, for reference; \
         the messages below count more.\n\nThey talked.",
    );
}
