//! What the sandbox is worth on this kernel, found out by trying: a process that is locked in and knocks at the rules.

use std::os::fd::AsRawFd;
use std::sync::OnceLock;

use super::landlock::{self, LandlockRules};
use super::notify::Hook;
use super::protected::ProtectedProcesses;
use super::sandbox::{Sandbox, SandboxEntry};
use super::seccomp::{self, Filter};

/// What held.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct SelftestResult {
    /// Landlock's version; 0 when files were not kept closed.
    pub landlock: u32,
    /// The filter denied what it should.
    pub seccomp: bool,
    /// The daemon could not be signalled.
    pub signals: bool,
    /// System calls can be put before the daemon.
    pub notified: bool,
}

static FOUND: OnceLock<SelftestResult> = OnceLock::new();

/// Tried once in the life of the process; about a millisecond.
pub fn strength() -> SelftestResult {
    *FOUND.get_or_init(attempt)
}

/// Exit status of the self-test: one bit for each restriction that held, and one that says it got this far.
const FILES: i32 = 1;
const CALLS: i32 = 2;
const SIGNALS: i32 = 4;
const DONE: i32 = 8;
const NOTIFIED: i32 = 16;

fn attempt() -> SelftestResult {
    let abi = landlock::abi();
    let rules = if abi > 0 { LandlockRules::new().ok() } else { None };
    let filter =
        if seccomp::available() { Filter::new(&ProtectedProcesses::this()).ok() } else { None };
    let sandbox = Sandbox { landlock: rules, filter, ..Sandbox::default() };
    let Ok(root) = std::fs::File::open("/") else { return SelftestResult::default() };
    let entry = SandboxEntry::new(&root.as_raw_fd(), &sandbox);
    let hook = Hook::probe().ok();
    // SAFETY: the child makes system calls only and leaves by _exit; the parent waits for exactly that child.
    let bits = unsafe {
        let child = libc::fork();
        if child == 0 {
            libc::_exit(run_in_child(&entry, hook.as_ref()));
        }
        let mut status = 0;
        while child > 0 && libc::waitpid(child, &mut status, 0) < 0 {
            if *libc::__errno_location() != libc::EINTR {
                status = -1;
                break;
            }
        }
        if child > 0 && libc::WIFEXITED(status) { libc::WEXITSTATUS(status) } else { 0 }
    };
    let held = |bit: i32| bits & DONE != 0 && bits & bit != 0;
    SelftestResult {
        landlock: if held(FILES) { abi } else { 0 },
        seccomp: held(CALLS),
        signals: held(SIGNALS),
        notified: held(NOTIFIED),
    }
}

/// Runs in the child: system calls only.
fn run_in_child(entry: &SandboxEntry, hook: Option<&Hook>) -> i32 {
    let mut held = DONE;
    if entry.lock().is_err() {
        return 0;
    }
    // SAFETY: plain system calls on integers and literals.
    unsafe {
        let fd = libc::open(c"/".as_ptr(), libc::O_RDONLY | libc::O_DIRECTORY | libc::O_CLOEXEC);
        if fd < 0 {
            held |= FILES;
        }
        // Allowed to everybody but for a filter, as it asks for nothing more than to be traced.
        if libc::ptrace(libc::PTRACE_TRACEME, 0, 0, 0) < 0 {
            held |= CALLS;
        }
        if libc::kill(libc::getppid(), 0) < 0 {
            held |= SIGNALS;
        }
    }
    if hook.is_some_and(|hook| hook.enter().is_ok()) {
        held |= NOTIFIED;
    }
    held
}
