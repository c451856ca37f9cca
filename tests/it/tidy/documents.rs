//! Manifest, dependencies and licences agree with what is written about them.

use std::collections::BTreeSet;

use super::text::{is_test_file, shipped};
use super::{files, none, read, texts};
use crate::attack::mechanisms::{MECHANISMS, Rows};

/// What the program is made of by decision: direct dependencies, each used in the shipped binary.
const CRATES: [&str; 9] = [
    "smol",
    "async-io",
    "async-net",
    "futures-rustls",
    "serde",
    "serde_json",
    "argh",
    "tracing",
    "nanoserde",
];

/// Licences that a shipped or used package may offer.
const LICENCES: [&str; 9] = [
    "MIT",
    "Apache-2.0",
    "ISC",
    "BSD-3-Clause",
    "BSD-2-Clause",
    "0BSD",
    "Unlicense",
    "Zlib",
    "CDLA-Permissive-2.0",
];

/// Names in the sections `[...dependencies]` of a manifest.
fn dependencies(manifest: &str, section: &str) -> Vec<String> {
    let mut inside = false;
    let mut names = Vec::new();
    for line in manifest.lines() {
        if line.starts_with('[') {
            inside = line.trim() == format!("[{section}]");
        } else if let Some((name, _)) =
            line.split_once('=').filter(|_| inside && !line.starts_with('#'))
        {
            names.push(name.trim().trim_end_matches(".workspace").to_string());
        }
    }
    names
}

#[test]
fn the_nine_crates_are_direct_and_used() {
    let direct = dependencies(&read("Cargo.toml"), "dependencies");
    let code: String = texts("src", ".rs")
        .into_iter()
        .filter(|(path, _)| !is_test_file(path))
        .map(|(_, source)| shipped(&source))
        .collect();
    let mut complaints = Vec::new();
    for name in direct.iter().map(String::as_str).chain(CRATES) {
        let path = format!("{}::", name.replace('-', "_"));
        if !code.contains(&path) {
            complaints.push(format!("Cargo.toml: nothing in src uses {path}"));
        }
        if !direct.iter().any(|d| d == name) {
            complaints.push(format!("Cargo.toml: {name} is no direct dependency"));
        }
    }
    none(complaints);
}

#[test]
fn each_dependency_has_its_reason() {
    let reasons = read("DEPENDENCIES.md");
    let mut complaints = Vec::new();
    let manifests = files().into_iter().filter(|f| f.ends_with("Cargo.toml"));
    for path in manifests {
        let manifest = read(&path);
        for section in ["dependencies", "dev-dependencies", "build-dependencies"] {
            for name in dependencies(&manifest, section) {
                let own = name.starts_with("picoclaw");
                if !own && !reasons.lines().any(|l| l.starts_with(&format!("| {name} |"))) {
                    complaints
                        .push(format!("DEPENDENCIES.md: no line for {name} of {}", path.display()));
                }
            }
        }
    }
    none(complaints);
}

/// `scripts/generate/licences --check` compares exactly; this finds the commonest slip without cargo.
#[test]
fn licences_are_listed_and_permissive() {
    let list = read("docs/licences.md");
    let rows: Vec<_> = list.lines().filter_map(row).collect();
    let lock = read("Cargo.lock");
    let mut complaints = Vec::new();
    assert!(rows.len() > 50, "only {} rows", rows.len());
    for (name, version, licence) in &rows {
        if !lock.contains(&format!("name = \"{name}\"\nversion = \"{version}\"")) {
            complaints.push(format!(
                "docs/licences.md: {name} {version} is not used: run scripts/generate/licences"
            ));
        }
        // One of the alternatives must be fine, and of it every part.
        let fine = |one: &str| {
            one.split(" AND ").all(|part| LICENCES.contains(&part.trim().trim_matches(['(', ')'])))
        };
        if !licence.replace('/', " OR ").split(" OR ").any(fine) {
            complaints.push(format!("docs/licences.md: {name}: {licence}"));
        }
    }
    for name in dependencies(&read("Cargo.toml"), "dependencies") {
        if !rows.iter().any(|(listed, _, _)| *listed == name) {
            complaints.push(format!("docs/licences.md: no {name}: run scripts/generate/licences"));
        }
    }
    none(complaints);
}

/// `| name | version | licence | ...`
fn row(line: &str) -> Option<(&str, &str, &str)> {
    let mut cells = line.strip_prefix("| ")?.split(" | ").map(|c| c.trim_end_matches(" |"));
    let (name, version, licence) = (cells.next()?, cells.next()?, cells.next()?);
    version.starts_with(|c: char| c.is_ascii_digit()).then_some((name, version, licence))
}

/// What a newcomer looks for is there.
#[test]
fn the_project_is_complete() {
    let have = files();
    let wanted = [
        "README.md",
        "ARCHITECTURE.md",
        "DEPENDENCIES.md",
        "LICENSE-MIT",
        "LICENSE-APACHE",
        "scripts/demo",
        "scripts/test",
        "scripts/measure/bench",
        "scripts/check/live",
        ".ci/run",
        "fuzz/Cargo.toml",
    ];
    let missing = wanted.iter().filter(|w| !have.iter().any(|f| f.as_os_str() == **w));
    none(missing.map(|w| format!("{w} is missing")).collect());
}

/// The repository's top level: nothing else belongs there.
const TOP: [&str; 21] = [
    ".ci",
    ".github",
    ".gitignore",
    ".shellcheckrc",
    "ARCHITECTURE.md",
    "Cargo.lock",
    "Cargo.toml",
    "DEPENDENCIES.md",
    "LICENSE-APACHE",
    "LICENSE-MIT",
    "README.md",
    "boards",
    "build.rs",
    "buildroot",
    "docs",
    "examples",
    "fuzz",
    "meta-picoclaw",
    "packaging",
    "rootfs-overlay",
    "rustfmt.toml",
];
/// Its folders of code.
const TOP_CODE: [&str; 3] = ["scripts", "src", "tests"];

#[test]
fn nothing_stray_is_at_the_top() {
    let tops: BTreeSet<String> = files()
        .iter()
        .filter_map(|f| f.iter().next())
        .map(|name| name.to_string_lossy().into_owned())
        .collect();
    let known = |name: &str| TOP.contains(&name) || TOP_CODE.contains(&name);
    let stray = tops.iter().filter(|name| !known(name));
    none(stray.map(|name| format!("{name}: nobody expects it at the top (TOP)")).collect());
}

/// Each parser has a fuzz target, or says here why not.
#[test]
fn each_parser_is_fuzzed() {
    let have: BTreeSet<String> = files()
        .iter()
        .filter(|f| f.starts_with("fuzz/fuzz_targets"))
        .filter_map(|f| Some(f.file_stem()?.to_string_lossy().into_owned()))
        .collect();
    let feeds: String = texts("fuzz/src", ".rs").into_iter().map(|(_, text)| text).collect();
    let mut complaints = Vec::new();
    for line in read("src/proto/mod.rs").lines() {
        let Some(module) = line.strip_prefix("pub mod ").and_then(|l| l.strip_suffix(';')) else {
            continue;
        };
        if !feeds.contains(&format!("{module}::")) {
            complaints.push(format!("fuzz/src/feeds.rs: nothing feeds proto::{module}"));
        }
    }
    let manifest = read("fuzz/Cargo.toml");
    for target in &have {
        if !feeds.contains(&format!("\"{target}\",")) {
            complaints.push(format!("fuzz/src/feeds.rs: {target} is not in FEEDS"));
        }
        if !manifest.contains(&format!("name = \"{target}\"")) {
            complaints.push(format!("fuzz/Cargo.toml: no [[bin]] {target}"));
        }
    }
    none(complaints);
}

/// All tests, as `module::name` (those of `tests/it`) and as `name`.
pub(super) fn all_tests() -> BTreeSet<String> {
    let mut known = BTreeSet::new();
    for (path, source) in texts("tests/it", ".rs").into_iter().chain(texts("src", ".rs")) {
        let module = path.trim_end_matches(".rs").trim_end_matches("/mod").replace('/', "::");
        let module = module.trim_start_matches("tests::it::").to_owned();
        let mut lines = source.lines().map(str::trim);
        while let Some(line) = lines.next() {
            if line != "#[test]" {
                continue;
            }
            let name =
                lines.find_map(|l| Some(l.strip_prefix("fn ")?.split('(').next()?.to_owned()));
            let Some(name) = name else { continue };
            known.insert(format!("{module}::{name}"));
            known.insert(name);
        }
    }
    known
}

/// The last column of a row of a table: names in backquotes.
fn last_column(row: &str) -> Vec<&str> {
    let last = row.trim_end_matches(" |").rsplit(" | ").next().unwrap_or_default();
    last.split('`').skip(1).step_by(2).collect()
}

/// Each asset and each promise of docs/security.md names its proof: tests, or mechanisms of the attack suite.
#[test]
fn promises_name_their_tests() {
    let mut known = all_tests();
    known.extend(MECHANISMS.iter().map(|mechanism| mechanism.name.to_owned()));
    let page = read("docs/security.md");
    let mut complaints = Vec::new();
    for (section, least) in [("## Actors and assets", 10), ("## Promises and their tests", 25)] {
        let from = page.find(section).expect(section) + section.len();
        let text = page[from..].split("\n## ").next().unwrap_or_default();
        let rows: Vec<&str> = text.lines().filter(|l| l.starts_with("| ")).skip(1).collect();
        assert!(rows.len() >= least, "{section}: {} rows", rows.len());
        for row in rows {
            let names = last_column(row);
            if names.is_empty() {
                complaints.push(format!("docs/security.md: no test: {row}"));
            }
            let gone = names.iter().filter(|name| !known.contains(**name));
            complaints.extend(gone.map(|name| format!("docs/security.md: no test {name}")));
        }
    }
    // No mechanism is without a promise.
    for mechanism in MECHANISMS.iter().filter(|m| !page.contains(&format!("`{}`", m.name))) {
        complaints.push(format!("docs/security.md: nothing is promised of {}", mechanism.name));
    }
    none(complaints);
}

/// Each test that the table of attacks, or docs/vulnerabilities.md in its last column, names is there.
#[test]
fn tests_that_pages_name_exist() {
    let known = all_tests();
    let page = read("docs/vulnerabilities.md");
    let rows: Vec<&str> = page.lines().filter(|l| l.starts_with("| ") && l.contains('`')).collect();
    assert!(rows.len() > 20, "{} rows", rows.len());
    let mut complaints = Vec::new();
    for row in rows {
        let names = last_column(row);
        if names.is_empty() {
            complaints.push(format!("docs/vulnerabilities.md: no test: {row}"));
        }
        let gone = names.iter().filter(|name| !known.contains(**name));
        complaints.extend(gone.map(|name| format!("docs/vulnerabilities.md: no test {name}")));
    }
    for mechanism in MECHANISMS {
        let Rows::Tests(tests) = mechanism.rows else { continue };
        let gone = tests.iter().filter(|name| !known.contains(**name));
        let line =
            |name: &&str| format!("attack/mechanisms.rs: {}: no test {name}", mechanism.name);
        complaints.extend(gone.map(line));
    }
    none(complaints);
}
