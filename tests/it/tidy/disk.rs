//! Files are opened only by `store::Dir` and the module below it (`sys::beneath`), which follow no link and wait
//! for nothing. Elsewhere only where a line here says why.

use super::text::{is_test_file, shipped};
use super::{none, texts};

/// What opens, makes, moves or removes by a path's text.
const WAYS: &[&str] = &[
    "std::fs",
    "fs::",
    "OpenOptions",
    "DirBuilder",
    "File::open(",
    "File::create(",
    "File::options(",
];
/// Only types and traits.
const HARMLESS: &[&str] = &["std::os::unix::fs::", "std::fs::File", "std::fs::{File}"];

/// File, lines in it that open by path, and why. A line may only shrink or go.
const EXCEPTIONS: &[(&str, usize, &str)] = &[
    ("src/app/devices.rs", 2, "/sys"),
    ("src/command/auth/sign_in.rs", 2, "makes the home, as its owner"),
    ("src/command/doctor.rs", 2, "/dev, and the supervisor's run folder"),
    ("src/command/doctor/disk.rs", 6, "looks at where a path leads, and tries a file of its own"),
    ("src/command/restore.rs", 7, "an archive may be a pipe; unpacks as the owner, out of reach"),
    ("src/command/simulate.rs", 3, "a home in the temporary folder, and a picture the user names"),
    ("src/command/status.rs", 2, "the supervisor's run folder"),
    ("src/command/tree.rs", 2, "looks at names below a root, as the home's owner"),
    ("src/config/layers.rs", 1, "lists a folder that the machine's owner named"),
    ("src/config/security.rs", 2, "a name that the machine's owner wrote: where does it lead?"),
    ("src/import/files.rs", 13, "the boot partition and the system's files"),
    ("src/import/growpart.rs", 2, "the boot partition and the system's files"),
    ("src/import/mod.rs", 5, "the boot partition and the system's files"),
    ("src/import/status.rs", 5, "the boot partition and the system's files"),
    ("src/net/tls.rs", 1, "certificates of the system"),
    ("src/skill/fetch.rs", 5, "a download in the home's state, out of reach"),
    ("src/skill/install.rs", 12, "stages in the home's state, out of reach; to be converted"),
    ("src/skill/writer.rs", 7, "unpacks in the home's state, out of reach; to be converted"),
    ("src/skill/unpack.rs", 6, "a folder that the user names, or what was unpacked"),
    ("src/store/swap.rs", 21, "a restore under way, in .restore of the home, out of reach"),
    ("src/supervise/cgroup.rs", 9, "cgroups"),
    ("src/supervise/clock.rs", 4, "root's own folder"),
    ("src/supervise/crash.rs", 7, "reports in the home's state, out of reach; /proc"),
    ("src/supervise/duties.rs", 3, "root's run folder"),
    ("src/supervise/log_sink.rs", 1, "root's run folder"),
    ("src/supervise/user.rs", 2, "/etc/passwd, /etc/group"),
    ("src/supervise/report.rs", 2, "/proc"),
    ("src/supervise/run.rs", 6, "root's own folders, /proc"),
    ("src/supervise/tools.rs", 6, "gives the home's names to the daemon, by descriptors"),
    ("src/supervise/watchdog.rs", 2, "/dev/watchdog"),
    ("src/tool/hardware/facts.rs", 2, "/etc and /sys"),
    ("src/tool/hardware/job.rs", 2, "/sys and /dev"),
    ("src/tool/hardware/serial.rs", 1, "/dev"),
    ("src/tool/sandbox_plan.rs", 4, "the commands' temporary folder, by descriptors; lists /"),
    (
        "src/tool/workspace_group.rs",
        10,
        "a walk by descriptors that gives files to the commands' group",
    ),
];

#[test]
fn files_are_opened_through_store_dir_only() {
    let mut complaints = Vec::new();
    for (path, source) in texts("src", ".rs") {
        if path.starts_with("src/sys/") || is_test_file(&path) {
            continue;
        }
        let found: Vec<usize> = shipped(&source)
            .lines()
            .enumerate()
            .filter(|(_, line)| opens(line))
            .map(|(n, _)| n + 1)
            .collect();
        let allowed = EXCEPTIONS.iter().find(|(name, ..)| *name == path).map_or(0, |(_, n, _)| *n);
        if found.len() > allowed {
            complaints.push(format!(
                "{path}: {} lines open files by their path (at most {allowed}): {found:?}; use store::Dir",
                found.len()
            ));
        } else if found.len() < allowed {
            complaints
                .push(format!("{path}: only {} lines are left: say so in the list", found.len()));
        }
    }
    none(complaints);
}

fn opens(line: &str) -> bool {
    let mut line = line.to_owned();
    for harmless in HARMLESS {
        // `std::fs::File::open` is not harmless.
        if !line.contains(&format!("{harmless}::")) {
            line = line.replace(harmless, "");
        }
    }
    WAYS.iter().any(|way| line.contains(way))
}

#[test]
fn ways_around_store_dir_are_seen() {
    for line in [
        "use std::fs;",
        "let x = fs::read(path);",
        "std::fs::File::open(x)",
        "use rustix::fs::Dir;",
        "let mut options = OpenOptions::new();",
        "File::create(path)?",
    ] {
        assert!(opens(line), "{line}");
    }
    for line in [
        "use std::fs::File;",
        "use std::os::unix::fs::FileExt;",
        "fn x(file: &std::fs::File)",
        "path.exists()",
    ] {
        assert!(!opens(line), "{line}");
    }
}
