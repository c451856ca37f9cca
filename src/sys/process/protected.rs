//! Processes that a command must not signal.

use crate::limits::SANDBOX_THREADS;

/// Processes that must not be signalled.
pub struct ProtectedProcesses {
    /// The daemon.
    pub pid: u32,
    /// Its process group.
    pub group: u32,
    /// Its threads.
    pub threads: Vec<u32>,
}

impl ProtectedProcesses {
    /// This process.
    pub fn this() -> ProtectedProcesses {
        // SAFETY: neither call has preconditions.
        let (pid, group) = unsafe { (libc::getpid() as u32, libc::getpgrp() as u32) };
        let tasks = std::fs::read_dir("/proc/self/task").into_iter().flatten().flatten();
        let threads = tasks.filter_map(|t| t.file_name().to_str()?.parse().ok());
        ProtectedProcesses { pid, group, threads: threads.take(SANDBOX_THREADS).collect() }
    }
}

impl ProtectedProcesses {
    /// Who started this process, for one that closes its own sandbox.
    pub fn parent() -> ProtectedProcesses {
        // SAFETY: neither call has preconditions.
        let (pid, group) = unsafe {
            let pid = libc::getppid();
            (pid as u32, libc::getpgid(pid) as u32)
        };
        ProtectedProcesses { pid, group, threads: vec![pid] }
    }
}
