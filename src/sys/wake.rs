//! Waiting in one thread for descriptors, signals and a deadline.
//!
//! Signals are blocked except inside the wait, so none is lost between a check and the wait. Never used by the
//! daemon, which has a reactor; this is for the supervisor, where one would cost more than the program.

use std::io;
use std::os::fd::{AsRawFd, BorrowedFd};
use std::sync::atomic::{AtomicU8, Ordering};
use std::time::Duration;

/// Signals that came since the last wait.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct PendingSignals(u8);

const TERM: u8 = 1;
const HUP: u8 = 2;
const CHILD: u8 = 4;

static CAME: AtomicU8 = AtomicU8::new(0);

impl PendingSignals {
    /// SIGTERM or SIGINT: stop.
    pub fn stop(self) -> bool {
        self.0 & TERM != 0
    }
    /// SIGHUP: read the configuration again.
    pub fn reload(self) -> bool {
        self.0 & HUP != 0
    }
    /// SIGCHLD: a child ended.
    pub fn child(self) -> bool {
        self.0 & CHILD != 0
    }
}

extern "C" fn note(signal: libc::c_int) {
    let bit = match signal {
        libc::SIGHUP => HUP,
        libc::SIGCHLD => CHILD,
        _ => TERM,
    };
    CAME.fetch_or(bit, Ordering::Relaxed);
}

/// Blocks and catches SIGTERM, SIGINT, SIGHUP and SIGCHLD. Once, at the start.
pub fn catch_signals() -> io::Result<()> {
    // SAFETY: all-zero is a valid sigset_t and sigaction; the handler only touches an atomic, which is
    // async-signal-safe; the pointers live for the calls.
    unsafe {
        let mut set: libc::sigset_t = std::mem::zeroed();
        libc::sigemptyset(&mut set);
        let mut action: libc::sigaction = std::mem::zeroed();
        action.sa_sigaction = note as extern "C" fn(libc::c_int) as usize;
        for signal in [libc::SIGTERM, libc::SIGINT, libc::SIGHUP, libc::SIGCHLD] {
            libc::sigaddset(&mut set, signal);
            if libc::sigaction(signal, &action, std::ptr::null_mut()) != 0 {
                return Err(io::Error::last_os_error());
            }
        }
        if libc::sigprocmask(libc::SIG_BLOCK, &set, std::ptr::null_mut()) != 0 {
            return Err(io::Error::last_os_error());
        }
    }
    Ok(())
}

/// Waits until one of `fds` is readable (or closed at the other end), a caught signal comes, or `timeout` is over.
/// Bit n of the result: `fds[n]` is ready. At most 16 descriptors.
pub fn wait(fds: &[BorrowedFd<'_>], timeout: Duration) -> io::Result<(u16, PendingSignals)> {
    let mut polled = [libc::pollfd { fd: -1, events: libc::POLLIN, revents: 0 }; 16];
    for (slot, fd) in polled.iter_mut().zip(fds) {
        slot.fd = fd.as_raw_fd();
    }
    let time = libc::timespec {
        tv_sec: timeout.as_secs().min(86_400) as _,
        tv_nsec: timeout.subsec_nanos() as libc::c_long,
    };
    // SAFETY: all-zero is a valid sigset_t, the pointers live for the call, and `polled` has 16 entries, of which
    // those with fd -1 are ignored by the kernel.
    let n = unsafe {
        let mut open: libc::sigset_t = std::mem::zeroed();
        libc::sigemptyset(&mut open);
        libc::ppoll(polled.as_mut_ptr(), fds.len().min(16) as libc::nfds_t, &time, &open)
    };
    let signals = PendingSignals(CAME.swap(0, Ordering::Relaxed));
    if n < 0 {
        let e = io::Error::last_os_error();
        return if e.kind() == io::ErrorKind::Interrupted { Ok((0, signals)) } else { Err(e) };
    }
    let mut ready = 0;
    for (i, slot) in polled.iter().enumerate() {
        if slot.revents != 0 {
            ready |= 1 << i;
        }
    }
    Ok((ready, signals))
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::io::Write;
    use std::os::fd::AsFd;
    use std::time::Instant;

    #[test]
    fn a_wait_ends_by_data_or_by_time() {
        let (reader, mut writer) = std::os::unix::net::UnixStream::pair().expect("a pair");
        let begin = Instant::now();
        let (ready, _) = wait(&[reader.as_fd()], Duration::from_millis(30)).expect("wait");
        assert_eq!(ready, 0);
        assert!(begin.elapsed() >= Duration::from_millis(29));
        writer.write_all(b"x").expect("write");
        let (ready, _) = wait(&[reader.as_fd()], Duration::from_secs(10)).expect("wait");
        assert_eq!(ready, 1);
    }
}
