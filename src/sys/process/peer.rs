//! Who is at the other end of a socket, and how many of them there are.

use std::fs;
use std::os::unix::fs::MetadataExt;

use super::seccomp;

/// Ancestors that are looked at.
const GENERATIONS: usize = 64;

/// Is this process a command of ours, or descended from one? By its control group, by the filters it is under (which
/// nobody can take off), and by its ancestors. What cannot be looked at counts as one.
pub fn is_tool(pid: u32) -> bool {
    let own = std::process::id();
    let group = std::env::var("PICOCLAW_TOOLS_CGROUP").unwrap_or_default();
    if !group.is_empty() {
        let Ok(text) = fs::read_to_string(format!("/proc/{pid}/cgroup")) else { return true };
        let inside = |line: &str| {
            line.strip_prefix("0::").is_some_and(|at| {
                format!("/sys/fs/cgroup{at}/").starts_with(&(group.clone() + "/"))
            })
        };
        if text.lines().any(inside) {
            return true;
        }
    }
    let (Some(ours), Some(theirs)) = (seccomp::filters(own), seccomp::filters(pid)) else {
        return true;
    };
    theirs > ours || descends(pid, own)
}

/// Is `ancestor` among the parents of `pid`?
fn descends(pid: u32, ancestor: u32) -> bool {
    let mut at = pid;
    for _ in 0..GENERATIONS {
        let Ok(stat) = fs::read_to_string(format!("/proc/{at}/stat")) else { return true };
        // proc(5): number (name) state parent; the name may hold anything.
        let parent = stat.rsplit(')').next().and_then(|rest| rest.split_whitespace().nth(1));
        match parent.and_then(|p| p.parse().ok()) {
            Some(p) if p == ancestor => return true,
            // Process 0, and 1 whose parent it is; or the parent is outside of what we see.
            Some(0 | 1) => return false,
            Some(p) => at = p,
            None => return true,
        }
    }
    true
}

/// Threads of this user now, which is what RLIMIT_NPROC counts; `None` when there are too many to count.
pub fn tasks() -> Option<u64> {
    let uid = rustix::process::getuid().as_raw();
    let mut count = 0u64;
    for (seen, entry) in fs::read_dir("/proc").ok()?.flatten().enumerate() {
        if seen > crate::limits::CAGE_PROCESSES_SEEN {
            return None;
        }
        if !entry.file_name().as_encoded_bytes().first().is_some_and(u8::is_ascii_digit) {
            continue;
        }
        // A folder for each thread, and the two that every folder has.
        let task = entry.path().join("task");
        if let Ok(found) = fs::metadata(task) {
            if found.uid() == uid {
                count += found.nlink().saturating_sub(2);
            }
        }
    }
    Some(count)
}
