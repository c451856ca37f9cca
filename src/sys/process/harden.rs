//! What the daemon does to itself before it starts commands, and the orphans of those it has started.

use std::cell::Cell;
use std::fs;
use std::sync::atomic::{AtomicBool, Ordering};
use std::time::Duration;

use rustix::process::{Pid, Signal, WaitId, WaitIdOptions, kill_process, waitid};

use crate::limits::ORPHAN_ROUNDS;

/// This process takes in its descendants' orphans.
static REAPER: AtomicBool = AtomicBool::new(false);

thread_local! {
    /// Commands that run.
    static RUNNING: Cell<usize> = const { Cell::new(0) };
}

/// Closes this process to others of its user (memory, environment, descriptors: prctl(2), PR_SET_DUMPABLE), and has
/// the processes that slip out of a command's group handed to it, so that they can be ended. Once, at the start of a
/// program that runs tools; it must have no children but commands.
pub fn harden() {
    close_to_others();
    // Variadic: the kernel looks at whole registers.
    let (yes, no): (libc::c_ulong, libc::c_ulong) = (1, 0);
    // SAFETY: plain system calls on integers.
    unsafe {
        let reaper = libc::prctl(libc::PR_SET_CHILD_SUBREAPER, yes, no, no, no) == 0;
        REAPER.store(reaper, Ordering::Relaxed);
    }
}

/// Its memory, environment and descriptors are nobody else's.
pub(super) fn close_to_others() {
    let no: libc::c_ulong = 0;
    // SAFETY: a plain system call on integers.
    if unsafe { libc::prctl(libc::PR_SET_DUMPABLE, no, no, no, no) } != 0 {
        tracing::warn!("this process is open to others of its user");
    }
}

/// A command was started.
pub(super) fn started() {
    RUNNING.set(RUNNING.get() + 1);
}

/// A command is over. When none is left, every child we still have, but for `busy`, is an orphan that slipped out of one whose
/// keeper was killed.
pub(super) fn ended(busy: &[Pid]) {
    RUNNING.set(RUNNING.get().saturating_sub(1));
    if RUNNING.get() > 0 || !REAPER.load(Ordering::Relaxed) {
        return;
    }
    for round in 0..ORPHAN_ROUNDS {
        let mut orphans = children();
        orphans.retain(|pid| !busy.contains(pid));
        if orphans.is_empty() {
            return;
        }
        for pid in orphans {
            // Gone already is as good; its own children come to us for the next round.
            let _ = kill_process(pid, Signal::KILL);
            let _ = waitid(WaitId::Pid(pid), WaitIdOptions::EXITED | WaitIdOptions::NOHANG);
        }
        if round > 0 {
            std::thread::sleep(Duration::from_millis(1));
        }
    }
    tracing::warn!("processes that commands left behind could not be ended");
}

/// Our children, of whatever thread.
fn children() -> Vec<Pid> {
    let mut found = Vec::new();
    let mut listed = false;
    for task in fs::read_dir("/proc/self/task").into_iter().flatten().flatten() {
        // Not in every kernel (CONFIG_PROC_CHILDREN).
        if let Ok(text) = fs::read_to_string(task.path().join("children")) {
            listed = true;
            found.extend(text.split_whitespace().filter_map(pid));
        }
    }
    if listed {
        return found;
    }
    let own = std::process::id().to_string();
    for entry in fs::read_dir("/proc").into_iter().flatten().flatten() {
        let Some(number) = entry.file_name().to_str().and_then(pid) else { continue };
        let stat = fs::read_to_string(entry.path().join("stat")).unwrap_or_default();
        // proc(5): number (name) state parent; the name may hold anything.
        let parent = stat.rsplit(')').next().and_then(|rest| rest.split_whitespace().nth(1));
        if parent == Some(&*own) {
            found.push(number);
        }
    }
    found
}

fn pid(text: &str) -> Option<Pid> {
    text.parse().ok().and_then(Pid::from_raw)
}
