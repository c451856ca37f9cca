//! Paths are looked at by `store::Dir` and the module below it (`sys::beneath`). Methods of `Path` follow links and are
//! answered anew each time; elsewhere they are used only where a line here says why.

use super::text::{is_test_file, shipped};
use super::{none, texts};

/// Methods of `Path` that ask the disk.
const METHODS: [&str; 10] = [
    ".exists()",
    ".try_exists()",
    ".is_file()",
    ".is_dir()",
    ".is_symlink()",
    ".metadata()",
    ".symlink_metadata()",
    ".canonicalize()",
    ".read_dir()",
    ".read_link()",
];
/// Calls that ask no path: an open file is called `file`, what it answered `meta`, an entry's type `kind`.
const OPEN: [&str; 6] = [
    "file.metadata()",
    "meta.is_file()",
    "meta.is_dir()",
    "meta.is_symlink()",
    "kind.is_file()",
    "kind.is_dir()",
];

/// File, lines in it with such a call, and what is asked. A line may only shrink or go.
const EXCEPTIONS: &[(&str, usize, &str)] = &[
    ("src/app/adopt.rs", 2, "the home's own names"),
    ("src/command/backup.rs", 4, "the owner's archive and workspace"),
    ("src/command/doctor/disk.rs", 2, "what the machine's owner names"),
    ("src/command/gateway.rs", 1, "what the machine's owner names"),
    ("src/command/migrate/from_go.rs", 2, "what the machine's owner names"),
    ("src/command/migrate/from_openclaw.rs", 4, "what the machine's owner names"),
    ("src/command/migrate/migrator.rs", 2, "what the machine's owner names"),
    ("src/command/migrate/mod.rs", 1, "what the machine's owner names"),
    ("src/command/migrate/source.rs", 2, "what the machine's owner names"),
    ("src/command/output_file.rs", 1, "what the machine's owner names"),
    ("src/command/restore.rs", 3, "what the machine's owner names"),
    ("src/command/status.rs", 1, "what the machine's owner names"),
    ("src/config/hook_files.rs", 2, "a program that the machine's owner names"),
    ("src/config/layers.rs", 1, "does a link of the machine's owner lead nowhere?"),
    ("src/config/replace.rs", 1, "an open place"),
    ("src/hook/launch.rs", 3, "a program that the machine's owner names"),
    ("src/import/files.rs", 1, "the boot partition"),
    ("src/log.rs", 2, "a log record's metadata"),
    ("src/skill/install.rs", 5, "in the home's state, out of reach; open places"),
    ("src/store/adopt/mod.rs", 1, "an open file's length"),
    ("src/store/dir.rs", 2, "makes the home; an open place"),
    ("src/store/spill.rs", 1, "an open file's length"),
    ("src/store/swap.rs", 1, "a restore under way"),
    ("src/supervise/cgroup.rs", 2, "cgroups"),
    ("src/supervise/tools.rs", 2, "entries of an open folder"),
    ("src/tool/guard/paths.rs", 5, "where a command's word leads"),
    ("src/tool/memory.rs", 1, "an open place"),
    ("src/tool/sandbox_plan.rs", 3, "where the sandbox's folders lead"),
    ("src/tool/scope.rs", 4, "where the scope's folders lead"),
];

#[test]
fn paths_are_looked_at_through_store_dir_only() {
    let mut complaints = Vec::new();
    for (path, source) in texts("src", ".rs") {
        if path.starts_with("src/sys/") || is_test_file(&path) {
            continue;
        }
        let found = shipped(&source).lines().filter(|line| looks(line)).count();
        let allowed = EXCEPTIONS.iter().find(|(name, ..)| *name == path).map_or(0, |(_, n, _)| *n);
        if found > allowed {
            complaints.push(format!("{path}: {found} lines ask a path (at most {allowed})"));
        } else if found < allowed {
            complaints.push(format!("{path}: only {found} lines are left: say so in the list"));
        }
    }
    none(complaints);
}

fn looks(line: &str) -> bool {
    let mut line = line.to_owned();
    for open in OPEN {
        line = line.replace(open, "");
    }
    METHODS.iter().any(|method| line.contains(method))
}

#[test]
fn looks_at_paths_are_seen() {
    for line in ["if path.exists() {", "known.canonicalize()", "for entry in place.read_dir()? {"] {
        assert!(looks(line), "{line}");
    }
    for line in ["let length = file.metadata()?.len();", "if meta.is_dir() {", "fn exists(&self)"] {
        assert!(!looks(line), "{line}");
    }
}
