//! The program of `attempts/`, which commands run: made once, its rows, and what it says of them.

use std::collections::BTreeMap;
use std::path::{Path, PathBuf};
use std::process::Command;
use std::sync::OnceLock;

use crate::harness::finish;

/// One attempt of the program.
#[derive(Debug, Clone)]
pub struct Row {
    /// `MECHANISM/NAME`.
    pub name: String,
    pub barrier: Barrier,
    /// Why the attempt may fail outside of the sandbox as well; empty: it must not.
    pub uncontrolled: String,
}

/// What has to hold for an attempt to fail; see `attempts.h`.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Barrier {
    Calls,
    Home,
    Files,
    Landlock,
    Truncate,
    Signals,
    Answers,
    Any,
}

/// The program, made by the C compiler that links these tests, too.
#[track_caller]
pub fn program() -> &'static Path {
    static MADE: OnceLock<PathBuf> = OnceLock::new();
    MADE.get_or_init(|| {
        let folder = Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/it/attack/attempts");
        let name = format!("picoclaw-attempts-{}", std::process::id());
        let program = Path::new(env!("CARGO_TARGET_TMPDIR")).join(name);
        let mut command = Command::new("cc");
        command.args(["-O1", "-pthread", "-o"]).arg(&program);
        command
            .args(["main.c", "files.c", "processes.c", "kernel.c"].map(|file| folder.join(file)));
        let made = finish(command);
        assert!(made.status.success(), "{made:?}");
        program
    })
}

/// All rows of the program.
#[track_caller]
pub fn rows() -> Vec<Row> {
    let mut command = Command::new(program());
    command.arg("--list");
    let listed = finish(command);
    let row = |line: &str| {
        let fields: Vec<&str> = line.split('\t').collect();
        let [mechanism, name, barrier, uncontrolled] = fields[..] else { panic!("{line}") };
        let barrier = match barrier {
            "calls" => Barrier::Calls,
            "home" => Barrier::Home,
            "files" => Barrier::Files,
            "landlock" => Barrier::Landlock,
            "truncate" => Barrier::Truncate,
            "signals" => Barrier::Signals,
            "answers" => Barrier::Answers,
            _ => Barrier::Any,
        };
        Row { name: format!("{mechanism}/{name}"), barrier, uncontrolled: uncontrolled.to_owned() }
    };
    listed.stdout.lines().map(row).collect()
}

/// What the program printed: outcome and error number of each row. It has to have come to its end.
#[track_caller]
pub fn outcomes(printed: &str) -> BTreeMap<String, (String, i32)> {
    let mut all = BTreeMap::new();
    for line in printed.lines() {
        let words: Vec<&str> = line.split(' ').collect();
        if let [row, outcome, error] = words[..] {
            all.insert(row.to_owned(), (outcome.to_owned(), error.parse().unwrap_or(0)));
        }
    }
    assert!(printed.contains(&format!("\ntried {}\n", all.len())), "it did not end: {printed}");
    all
}
