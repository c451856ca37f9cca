//! Who is at the other end of a socket, and how many of them there are.

use std::fs;
use std::os::fd::{AsRawFd, BorrowedFd, FromRawFd, OwnedFd, RawFd};
use std::os::unix::fs::MetadataExt;

use rustix::event::{PollFd, PollFlags, Timespec, poll};

use super::seccomp;

use crate::environment;

/// Ancestors that are looked at.
const GENERATIONS: usize = 64;

/// SO_PEERPIDFD (asm-generic/socket.h, since Linux 6.5).
const PEER_PIDFD: libc::c_int = 77;

/// Is the process that connected to us, `pid` by SO_PEERCRED, a command of ours or descended from one ([`is_tool`])?
///
/// One that has ended since counts as one: its number may be an innocent's now, while a command holds the connection. Before
/// Linux 6.5 that is seen only as long as the number is nobody's.
pub fn is_tool_behind(socket: BorrowedFd<'_>, pid: u32) -> bool {
    if is_tool(pid) {
        return true;
    }
    let mut found: RawFd = -1;
    let mut size = size_of::<RawFd>() as libc::socklen_t;
    // SAFETY: both pointers are to this frame, and `size` is that of the descriptor; what comes back is ours to close.
    let peer = unsafe {
        let (level, value) = (libc::SOL_SOCKET, (&raw mut found).cast());
        match libc::getsockopt(socket.as_raw_fd(), level, PEER_PIDFD, value, &mut size) {
            0 if found >= 0 => OwnedFd::from_raw_fd(found),
            // ENODATA, ESRCH: it has ended and is forgotten.
            _ => {
                let e = std::io::Error::last_os_error();
                return e.raw_os_error() != Some(libc::ENOPROTOOPT);
            }
        }
    };
    // Alive now, so it was all the time, and the number is its own.
    let mut polled = [PollFd::new(&peer, PollFlags::IN)];
    !matches!(poll(&mut polled, Some(&Timespec { tv_sec: 0, tv_nsec: 0 })), Ok(0))
}

/// Is this process a command of ours, or descended from one? By its control group, by the filters it is under (which
/// nobody can take off), and by its ancestors. What cannot be looked at counts as one.
pub fn is_tool(pid: u32) -> bool {
    let own = std::process::id();
    let group = std::env::var(environment::TOOLS_CGROUP).unwrap_or_default();
    if !group.is_empty() {
        let Ok(text) = fs::read_to_string(format!("/proc/{pid}/cgroup")) else { return true };
        if is_inside(&text, &group) {
            return true;
        }
    }
    let (Some(ours), Some(theirs)) = (seccomp::filters(own), seccomp::filters(pid)) else {
        return true;
    };
    theirs > ours || descends(pid, own)
}

/// Does `/proc/<pid>/cgroup` name the control group `group` (a folder of /sys/fs/cgroup) or one below it?
fn is_inside(text: &str, group: &str) -> bool {
    let at = text.lines().find_map(|line| line.strip_prefix("0::"));
    let rest = at.and_then(|at| group.strip_prefix("/sys/fs/cgroup").map(|g| at.strip_prefix(g)));
    matches!(rest.flatten(), Some(rest) if rest.is_empty() || rest.starts_with('/'))
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
        if seen > crate::limits::SANDBOX_PROCESSES_SEEN {
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

#[cfg(test)]
mod tests {
    use std::os::fd::AsFd;
    use std::os::unix::net::UnixListener;
    use std::process::Command;

    use super::*;
    use crate::sys::scratch::Scratch;

    #[test]
    fn groups_of_tools() {
        let tools = "/sys/fs/cgroup/picoclaw/tools";
        for (text, inside) in [
            ("0::/picoclaw/tools/7\n", true),
            ("0::/picoclaw/tools\n", true),
            ("1:cpu:/x\n0::/picoclaw/tools/7/deeper\n", true),
            ("0::/picoclaw/daemon\n", false),
            ("0::/picoclaw/toolshed\n", false),
            ("0::/\n", false),
            ("1:cpu:/picoclaw/tools/7\n", false),
            ("", false),
        ] {
            assert_eq!(is_inside(text, tools), inside, "{text}");
        }
    }

    #[test]
    fn an_exited_peer_is_not_trusted() {
        let scratch = Scratch::new();
        let path = scratch.path().join("s");
        let listener = UnixListener::bind(&path).expect("a socket");
        let _own = std::os::unix::net::UnixStream::connect(&path).expect("connected");
        let (own, _) = listener.accept().expect("a peer");
        assert!(!is_tool_behind(own.as_fd(), std::process::id()));
        // Another process connects and ends, its end of the socket open in nobody's hands but the kernel's queue.
        let line = format!(
            "use Socket; socket(S, PF_UNIX, SOCK_STREAM, 0); connect(S, sockaddr_un('{}')) or die",
            path.display()
        );
        let Ok(done) = Command::new("perl").args(["-e", &line]).status() else {
            crate::sys::skip::skip("no perl to connect with");
            return;
        };
        assert!(done.success());
        let (gone, _) = listener.accept().expect("a peer");
        // Its number has been given to an innocent meanwhile, say to this process.
        let new = fs::read_to_string("/proc/sys/kernel/osrelease").unwrap_or_default();
        let mut numbers = new.split('.').filter_map(|n| n.parse::<u32>().ok());
        if (numbers.next(), numbers.next()) < (Some(6), Some(5)) {
            crate::sys::skip::skip("SO_PEERPIDFD is of Linux 6.5");
            return;
        }
        assert!(is_tool_behind(gone.as_fd(), std::process::id()));
    }
}
