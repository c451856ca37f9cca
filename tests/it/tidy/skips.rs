//! A test that is left out says so through `skip`, which `scripts/test` counts and `PICOCLAW_NO_SKIPS=1` makes a failure.

use super::text::{code, is_test_file, shipped};
use super::{none, texts};

/// The one place that prints it.
const SKIP: &str = "src/sys/skip.rs";

/// Lines of tests that print that something is skipped.
fn silent(path: &str, source: &str) -> Vec<usize> {
    let (all, kept) = (code(source), shipped(source));
    let whole = !path.starts_with("src/") || is_test_file(path);
    let lines = source.lines().zip(all.lines().zip(kept.lines())).enumerate();
    let prints = |line: &str| line.contains("println!(") && line.contains("skipped");
    let found = lines.filter(|(_, (line, (code, kept)))| {
        (whole || kept.trim().is_empty()) && code.contains("println!(") && prints(line)
    });
    found.map(|(n, _)| n + 1).collect()
}

#[test]
fn no_test_is_left_out_silently() {
    let mut complaints = Vec::new();
    for (path, source) in ["src", "tests/it"].iter().flat_map(|folder| texts(folder, ".rs")) {
        if path == SKIP || path.starts_with("tests/it/tidy/") {
            continue;
        }
        complaints.extend(
            silent(&path, &source).into_iter().map(|n| {
                format!("{path}:{n}: cargo hides what a test prints: call `skip` of {SKIP}")
            }),
        );
    }
    none(complaints);
}

#[test]
fn a_silent_one_is_found() {
    let test = "#[cfg(test)]\nmod tests {\n    eprintln!(\"skipped: no moon\");\n}\n";
    assert_eq!(silent("src/a.rs", test), [3]);
    assert_eq!(silent("src/a.rs", "println!(\"3 files skipped\");"), [0; 0]);
    assert_eq!(silent("src/store/journal_tests.rs", "eprintln!(\"skipped: no moon\");"), [1]);
    assert_eq!(silent("tests/it/skip.rs", "skip(Missing::Root);"), [0; 0]);
}
