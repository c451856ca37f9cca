//! How a test says that this machine cannot run it. For unit tests and, by path, for tests/it.
//!
//! `scripts/test` counts and prints them apart from what passed. `PICOCLAW_NO_SKIPS=1` makes each of them a failure, for a
//! machine that is known to have everything.

use std::ffi::OsStr;
use std::io::Write as _;

/// Says that the running test, or a part of it, is left out; the caller returns. Fails where nothing may be left out.
#[track_caller]
pub(crate) fn skip(why: &str) {
    let none_may = std::env::var_os("PICOCLAW_NO_SKIPS").is_some_and(|value| value == "1");
    let file = std::env::var_os("PICOCLAW_TEST_REPORT");
    left_out(why, none_may, file.as_deref());
}

#[track_caller]
fn left_out(why: &str, none_may: bool, file: Option<&OsStr>) {
    assert!(!none_may, "PICOCLAW_NO_SKIPS=1, but {why}");
    let thread = std::thread::current();
    let line = format!("skipped\t{}: {why}", thread.name().unwrap_or("a test's thread"));
    add_line(file, &line);
    // Cargo shows this of failed tests only.
    eprintln!("skipped: {why}");
}

/// A line in the file that `PICOCLAW_TEST_REPORT` names.
pub(crate) fn add_line(file: Option<&OsStr>, line: &str) {
    let Some(path) = file else { return };
    let file = std::fs::OpenOptions::new().create(true).append(true).open(path);
    // In one write: tests run side by side.
    file.and_then(|mut file| file.write_all(format!("{line}\n").as_bytes()))
        .expect("PICOCLAW_TEST_REPORT");
}

#[test]
fn what_is_left_out_is_reported_or_fails() {
    let name = format!("picoclaw-skip-{}-{:?}", std::process::id(), std::thread::current().id());
    let file = std::env::temp_dir().join(name);
    left_out("no moon", false, Some(file.as_os_str()));
    left_out("no sun", false, Some(file.as_os_str()));
    let text = std::fs::read_to_string(&file).expect("a report");
    std::fs::remove_file(&file).expect("removed");
    let lines: Vec<&str> = text.lines().collect();
    assert!(lines[0].starts_with("skipped\t") && lines[0].ends_with(": no moon"), "{lines:?}");
    assert!(lines[1].ends_with("left_out_is_reported_or_fails: no sun"), "{lines:?}");
    assert!(std::panic::catch_unwind(|| left_out("no moon", true, None)).is_err());
}
