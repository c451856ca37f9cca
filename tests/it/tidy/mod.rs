//! The rules of the source that a compiler does not check, as tests: sizes, layers, unsafe code, limits, documents.
//!
//! Each complaint is one line, `file:line: what`, and a test prints all of them.

mod bounds;
mod circles;
mod comments;
mod disk;
mod documents;
mod generated;
mod import_cases;
mod imports;
mod layers;
mod looks;
mod methods;
mod names;
mod pages;
mod registry;
mod skips;
mod source;
mod text;
mod waits;

use std::path::{Path, PathBuf};
use std::process::Command;
use std::sync::LazyLock;

/// Names another tree to judge: a copy with a change (`contributing.rs`).
pub const ROOT: &str = "PICOCLAW_TIDY_ROOT";

/// Where Cargo.toml is.
fn root() -> &'static Path {
    static PATH: LazyLock<PathBuf> = LazyLock::new(|| {
        std::env::var_os(ROOT).map_or_else(|| env!("CARGO_MANIFEST_DIR").into(), PathBuf::from)
    });
    &PATH
}

/// Paths of the project's files from its root, those of git, or where git knows none all but what was built.
pub fn files() -> Vec<PathBuf> {
    let mut git = Command::new("git");
    git.args(["ls-files", "-z", "--cached", "--others", "--exclude-standard"]).current_dir(root());
    let listed = git.output().ok().filter(|o| o.status.success() && !o.stdout.is_empty());
    let mut all: Vec<PathBuf> = match listed.map(|o| o.stdout) {
        Some(names) => String::from_utf8_lossy(&names).split('\0').map(PathBuf::from).collect(),
        None => below(Path::new("")),
    };
    // Listed, but deleted and not yet committed.
    all.retain(|f| root().join(f).is_file());
    all.sort();
    assert!(all.len() > 50, "only {} files were found", all.len());
    all
}

fn below(dir: &Path) -> Vec<PathBuf> {
    let entries = std::fs::read_dir(root().join(dir)).map(|d| d.flatten().collect::<Vec<_>>());
    let mut found = Vec::new();
    for entry in entries.unwrap_or_default() {
        let path = dir.join(entry.file_name());
        match entry.path().is_dir() {
            true if entry.file_name() == "target" || entry.file_name() == ".git" => {}
            true => found.extend(below(&path)),
            false => found.push(path),
        }
    }
    found
}

/// Files with this ending below a folder, with their text.
fn texts(folder: &str, ending: &str) -> Vec<(String, String)> {
    let wanted = |f: &PathBuf| f.starts_with(folder) && f.to_string_lossy().ends_with(ending);
    let all = files()
        .into_iter()
        .filter(wanted)
        .map(|f| (f.display().to_string(), read(&f)))
        .collect::<Vec<_>>();
    assert!(!all.is_empty(), "no {ending} below {folder}");
    all
}

/// A file that must be there.
fn read(path: impl AsRef<Path>) -> String {
    let path = root().join(path);
    let bytes = std::fs::read(&path).unwrap_or_else(|e| panic!("{}: {e}", path.display()));
    String::from_utf8_lossy(&bytes).into_owned()
}

/// Fails with all complaints.
#[track_caller]
fn none(complaints: Vec<String>) {
    assert!(complaints.is_empty(), "{} to fix:\n{}", complaints.len(), complaints.join("\n"));
}
