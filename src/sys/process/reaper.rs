//! Reaps the keepers of commands, and ends the orphans of keepers that were killed.
//!
//! It must never make the loop wait for a process to end, so that is done by a thread, which ends when nothing is left to do
//! or what is left hangs in the kernel; the next command that starts or ends tries again.

use std::fs;
use std::io;
use std::sync::{Mutex, MutexGuard, PoisonError};
use std::time::Duration;

use rustix::io::Errno;
use rustix::process::{Pid, Signal, WaitId, WaitIdOptions, kill_process, waitid};

use crate::limits::{REAPER_DOUBLINGS, REAPER_ROUNDS};
use crate::sys::start_thread;

/// What is known of our children.
struct Children {
    /// This process takes in its descendants' orphans.
    adopts: bool,
    /// Keepers of the commands and hooks that run.
    running: Vec<Pid>,
    /// Keepers started so far; it may wrap.
    started: usize,
    /// Keepers that are to be reaped.
    unreaped: Vec<Pid>,
    /// The thread runs.
    reaping: bool,
    /// A command has ended since the thread began its rounds.
    again: bool,
}

static CHILDREN: Mutex<Children> = Mutex::new(Children {
    adopts: false,
    running: Vec::new(),
    started: 0,
    unreaped: Vec::new(),
    reaping: false,
    again: false,
});

/// Held for system calls that do not wait, never while /proc is read.
fn lock() -> MutexGuard<'static, Children> {
    CHILDREN.lock().unwrap_or_else(PoisonError::into_inner)
}

/// The kernel hands this process its descendants' orphans.
pub(super) fn adopt_orphans() {
    lock().adopts = true;
}

/// Makes a keeper, and notes it, so that the thread does not take it for an orphan.
///
/// # Errors
/// Those of `start`.
pub(super) fn started(start: impl FnOnce() -> io::Result<Pid>) -> io::Result<Pid> {
    let mut children = lock();
    children.unreaped.retain(|pid| is_running(*pid));
    let keeper = start()?;
    children.running.push(keeper);
    children.started = children.started.wrapping_add(1);
    Ok(keeper)
}

/// A command is over; its keeper is about to end.
pub(super) fn reap_keeper(keeper: Pid) {
    let mut children = lock();
    children.running.retain(|pid| *pid != keeper);
    children.unreaped.push(keeper);
    children.again = children.reaping;
    if children.reaping {
        return;
    }
    // Where there is no thread to be had, the next command that starts or ends tries again.
    children.reaping = start_thread("reaper", Box::new(reap)).is_ok();
}

/// The thread.
fn reap() {
    loop {
        let mut left = Left::Keepers;
        for round in 0..REAPER_ROUNDS {
            if round > 0 {
                // Each longer than the one before, up to two seconds in all: a keeper may have much to end.
                std::thread::sleep(Duration::from_millis(1 << round.min(REAPER_DOUBLINGS)));
            }
            left = reap_once();
            if left == Left::Nothing {
                break;
            }
        }
        if left == Left::Orphans {
            tracing::warn!("processes that commands left behind could not be ended");
        }
        let mut children = lock();
        if !std::mem::take(&mut children.again) {
            children.reaping = false;
            return;
        }
    }
}

/// What may still have to be reaped.
#[derive(PartialEq)]
enum Left {
    Nothing,
    Keepers,
    Orphans,
}

/// Reaps what has ended. Every child that is no keeper is an orphan that slipped out of a command whose keeper was killed; it
/// is ended.
fn reap_once() -> Left {
    let started = {
        let mut children = lock();
        children.unreaped.retain(|pid| is_running(*pid));
        let left = if children.unreaped.is_empty() { Left::Nothing } else { Left::Keepers };
        if !children.adopts {
            return left;
        }
        children.started
    };
    let mut orphans = list_children();
    let children = lock();
    if children.started != started {
        // Whoever starts a keeper reaps others: numbers of the list may be free again. The next round has a new list.
        return Left::Keepers;
    }
    orphans.retain(|pid| !children.unreaped.contains(pid) && !children.running.contains(pid));
    for pid in &orphans {
        // Gone already is as good; its own children come to us for the next round.
        let _ = kill_process(*pid, Signal::KILL);
        let _ = waitid(WaitId::Pid(*pid), WaitIdOptions::EXITED | WaitIdOptions::NOHANG);
    }
    match (orphans.is_empty(), children.unreaped.is_empty()) {
        (true, true) => Left::Nothing,
        (true, false) => Left::Keepers,
        (false, _) => Left::Orphans,
    }
}

/// Whether a child of ours runs; reaps it when it has ended.
fn is_running(pid: Pid) -> bool {
    let options = WaitIdOptions::EXITED | WaitIdOptions::NOHANG;
    matches!(waitid(WaitId::Pid(pid), options), Ok(None) | Err(Errno::INTR))
}

/// Our children, of whatever thread.
fn list_children() -> Vec<Pid> {
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
