//! Names that were replaced do not come back, and lists in documents hold what the source has.

use std::collections::{BTreeMap, BTreeSet};

use super::text::{code, has_word, is_test_file, shipped};
use super::{none, read, texts};

/// Where a name may not be used, the name, and what it is called.
const REPLACED: &[(&str, &str, &str)] = &[
    ("src/supervise/", "beating", "alive"),
    ("src/supervise/", "Heartbeat", "Keepalive"),
    ("src/channel/", "fn hear", "accept"),
    ("src/channel/", "Taken", "Accepted"),
    ("src/store/writer.rs", "fn room", "wait_for_capacity"),
    ("src/command/", "fn say", "send_message, add, show"),
    ("src/import/", "fn take", "accept"),
    ("src/", "CAMERA", "Channel::HAS_PEOPLE"),
    ("tests/it/attack/", "Wall", "Barrier"),
    ("src/", "Seal", "ApprovalMac"),
    ("src/", "desk", "cron_store"),
    ("src/", "Desk", "CronHandle, SubagentHandle"),
    ("src/", "lend", "exec_broker"),
    ("src/", "Lent", "RemoteChild"),
    ("src/", "Cage", "Sandbox"),
    ("src/", "Walls", "LandlockRules"),
    ("src/", "Standing", "Trust"),
    ("src/", "tainted", "untrusted"),
    ("src/", "ForeignNoted", "UnsupportedWarn"),
    ("src/", "kick", "wake"),
    ("src/", "stir", "turn_started"),
    ("src/", "crowd", "waiters"),
    ("src/", "passage", "note_chunks"),
    ("src/", "bury", "reap"),
    ("src/", "UNDEAD", "UNREAPED"),
    ("src/", "offload", "spawn_blocking"),
    ("src/", "give_back", "release_pages"),
    ("src/agent/", "say", "send_message"),
    ("src/", "disguise", "secret_encodings"),
    ("src/", "seal", "approval_mac, encode_raw"),
    ("src/", "lent", "exec_broker"),
    ("src/", "Taken", "Claimed"),
    ("src/", "mod door", "handshake"),
    ("src/", "mod fold", "consolidation"),
    ("src/", "mod grow", "growpart"),
    ("src/", "mod here", "in_process"),
    ("src/", "mod there", "attached"),
    ("src/", "mod pack", "tar_writer"),
    ("src/", "mod bin", "binschema"),
    ("src/", "mod words", "tokenizer"),
    ("src/", "course", "timeseries"),
    ("src/sys/", "Leaf", "CgroupLeaf"),
    ("src/", "trial", "selftest"),
    ("src/", "Foreign", "Unsupported"),
    ("src/", "is_foreign", "what it asks"),
    ("src/", "Odd", "TypeMismatch"),
    ("src/", "Around", "TurnHooks"),
    ("src/", "Progress", "TurnState"),
    ("src/agent/", "Words", "UserContent"),
    ("src/", "stirred", "turn_started"),
    ("src/supervise/", "Journal", "LogSink"),
    ("src/", "Silence", "TimedOut"),
    ("src/", "fn say", "send_message, notify"),
    ("src/", "fn there", "exists"),
    ("src/", "fn words", "split_blanks, read_integers"),
    ("src/", "fn ended", "what is done then"),
    ("src/", "heir", "owner"),
    ("src/", "by_hand", "without_openat2"),
    ("src/supervise/", "theirs", "daemon_end"),
    ("src/", "SAY", "MESSAGE"),
    ("src/", "TAKEN", "ACCEPTED"),
    ("tests/it/", "SAY", "MESSAGE"),
    ("tests/it/", "TAKEN", "ACCEPTED"),
];

#[test]
fn replaced_names_do_not_come_back() {
    let mut complaints = Vec::new();
    for (folder, name, now) in REPLACED {
        for (path, source) in texts(folder, ".rs") {
            for (n, line) in code(&source).lines().enumerate() {
                if has_word(line, name) {
                    complaints.push(format!("{path}:{}: {name} is called {now}", n + 1));
                }
            }
        }
    }
    none(complaints);
}

#[test]
fn each_public_type_has_a_name_of_its_own() {
    let mut places: BTreeMap<String, BTreeSet<String>> = BTreeMap::new();
    for (path, source) in texts("src", ".rs") {
        if path.ends_with("tests.rs") || path.contains("/tests/") {
            continue;
        }
        for line in code(&source).lines() {
            if let Some(name) = public_type(line) {
                places.entry(name.to_owned()).or_default().insert(path.clone());
            }
        }
    }
    assert!(places.len() > 300, "only {} public types", places.len());
    let twice = places.iter().filter(|(_, paths)| paths.len() > 1);
    none(twice.map(|(name, paths)| format!("{name}: {paths:?}: one concept, one name")).collect());
}

/// The type that a line defines for other files.
fn public_type(line: &str) -> Option<&str> {
    let line = line.trim_start();
    let shown = ["pub ", "pub(crate) ", "pub(super) "];
    let rest = shown.iter().find_map(|visibility| line.strip_prefix(visibility))?;
    let (kind, rest) = rest.split_once(' ')?;
    let word = |c: char| c.is_alphanumeric() || c == '_';
    let name = rest.split(|c| !word(c)).next()?;
    ["struct", "enum", "union", "trait", "type"].contains(&kind).then_some(name)
}

/// The file with the names of the environment variables.
const VARIABLES: &str = "src/environment.rs";

#[test]
fn environment_variables_are_named_in_one_file() {
    let mut complaints = Vec::new();
    for (path, source) in texts("src", ".rs") {
        if path == VARIABLES || is_test_file(&path) {
            continue;
        }
        // What is shipped, with the texts that `shipped` blanks.
        let shipped = shipped(&source);
        for (n, (line, code)) in source.lines().zip(shipped.lines()).enumerate() {
            let of_build = line.contains("env!(\"PICOCLAW_");
            let named = line.match_indices("\"PICOCLAW_").any(|(at, _)| {
                let name = line[at + 1..].split('"').next().unwrap_or_default();
                name.chars().all(|c| c.is_ascii_uppercase() || c == '_')
            });
            if named && !of_build && !code.trim().is_empty() {
                complaints.push(format!("{path}:{}: {VARIABLES} has the names", n + 1));
            }
        }
    }
    none(complaints);
}

/// Terms of the glossary: more of them nobody learns.
const TERMS: usize = 30;

#[test]
fn the_glossary_is_short() {
    let document = read("ARCHITECTURE.md");
    let glossary = document.split("\n## Glossary\n").nth(1).and_then(|g| g.split("\n## ").next());
    let rows = glossary.unwrap_or_default().lines().filter(|l| l.starts_with("| ")).count();
    let terms = rows.saturating_sub(1); // the head
    assert!((10..=TERMS).contains(&terms), "{terms} terms: at most {TERMS}");
}

/// Features whose cost docs/memory.md does not state.
const NO_ROW: &[(&str, &str)] = &[
    ("default", "the whole build's row"),
    ("telegram", "part of the base"),
    ("simulate", "for measurements on a PC"),
    ("heap-profile", "for measurements on a PC"),
];

#[test]
fn each_feature_has_its_cost() {
    let manifest = read("Cargo.toml");
    let features = manifest.split("[features]").nth(1).and_then(|f| f.split("\n[").next());
    let names = features.unwrap_or_default().lines().filter_map(|l| l.split_once(" = ["));
    let wanted: BTreeSet<&str> =
        names.map(|(name, _)| name).filter(|n| NO_ROW.iter().all(|(no, _)| no != n)).collect();
    let document = read("docs/memory.md");
    let table = document.split("scripts/measure/features: begin").nth(1).unwrap_or_default();
    let table = table.split("scripts/measure/features: end").next().unwrap_or_default();
    let rows = table.lines().filter_map(|l| l.strip_prefix("| `")?.split('`').next());
    assert_eq!(rows.collect::<BTreeSet<_>>(), wanted, "docs/memory.md: a row for each feature");
}

/// Files of `src/proto/` that no library would replace.
const NO_LIBRARY: &[(&str, &str)] = &[
    ("mod.rs", "the list of the others"),
    ("excerpt.rs", "the head and the tail of a text"),
    ("text.rs", "cuts and cleans text with std alone"),
    ("utf16.rs", "counts with std alone"),
];

/// The files that the rows of own code name: whole paths, and names beside the path before.
fn own_code(document: &str) -> Vec<String> {
    let (_, table) = document.split_once("## Own code instead").expect("the tables");
    let mut found = Vec::new();
    for cell in table.lines().filter_map(|l| l.strip_prefix("| ")?.split(" | ").nth(1)) {
        let mut folder = "";
        for word in cell.split('`').skip(1).step_by(2).filter(|w| w.contains(['.', '/'])) {
            let path = match word.starts_with("src/") {
                true => word.to_owned(),
                false => format!("{folder}/{word}"),
            };
            folder = word.rsplit_once('/').map_or(folder, |(folder, _)| folder);
            found.push(path);
        }
    }
    found
}

#[test]
fn own_code_of_the_table_exists() {
    let paths = own_code(&read("DEPENDENCIES.md"));
    assert!(paths.len() > 50, "{paths:?}");
    let gone = |path: &&String| !super::root().join(path).exists();
    none(paths.iter().filter(gone).map(|p| format!("DEPENDENCIES.md: no {p}")).collect());
    let row = "## Own code instead\n| a | `src/a/b.rs`, `c.rs` on `src/d/` | 1 |\n";
    assert_eq!(own_code(row), ["src/a/b.rs", "src/a/c.rs", "src/d/"]);
}

#[test]
fn each_parser_says_why_it_is_no_library() {
    let document = read("DEPENDENCIES.md");
    let mut complaints = Vec::new();
    for (path, _) in texts("src/proto", ".rs") {
        let inside = path.strip_prefix("src/proto/").unwrap_or_default();
        // A folder is named as a whole.
        let name = inside.split('/').next().unwrap_or_default().trim_end_matches(".rs");
        let there = [format!("src/proto/{name}.rs"), format!("src/proto/{name}/")];
        let exempt = NO_LIBRARY.iter().any(|(file, _)| *file == inside);
        let test = inside.ends_with("tests.rs");
        if !exempt && !test && !there.iter().any(|n| document.contains(n.as_str())) {
            complaints.push(format!("{path}: no row in DEPENDENCIES.md"));
        }
    }
    none(complaints);
}
