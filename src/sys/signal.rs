//! SIGTERM and SIGINT end, SIGHUP reloads; SIGPIPE is an error code, not a death.
//!
//! Handlers write one byte to a socket pair that the loop reads (signal-safety(7)); a signalfd would need the
//! signals blocked, and children would inherit that.

use std::os::fd::{IntoRawFd, RawFd};
use std::os::unix::net::UnixStream;
use std::sync::atomic::{AtomicI32, Ordering};

use async_io::Async;
use smol::io::AsyncReadExt;

use crate::error::{Context, Result};

/// What the signals ask for.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Signal {
    /// SIGTERM, SIGINT.
    Terminate,
    /// SIGHUP.
    Reload,
}

/// The end the handlers write to; one per process, never closed.
static PIPE: AtomicI32 = AtomicI32::new(-1);

/// The stream of signals.
pub struct Signals(Async<UnixStream>);

extern "C" fn on_signal(number: libc::c_int) {
    let fd: RawFd = PIPE.load(Ordering::Relaxed);
    let byte = number as u8;
    // SAFETY: send(2) is async-signal-safe, the buffer outlives the call, and the descriptor is never closed.
    // A full pipe loses nothing: the byte before it asks for the same. No SIGPIPE: just before an exec it is not ignored any
    // more, and nobody reads.
    unsafe {
        let saved = *libc::__errno_location();
        libc::send(fd, (&raw const byte).cast(), 1, libc::MSG_NOSIGNAL);
        *libc::__errno_location() = saved;
    }
}

impl Signals {
    /// Installs the handlers. Once per process.
    ///
    /// # Errors
    /// No descriptors left.
    pub fn new() -> Result<Signals> {
        let (read, write) = UnixStream::pair().context("signals")?;
        write.set_nonblocking(true).context("signals")?;
        PIPE.store(write.into_raw_fd(), Ordering::Relaxed);
        for number in [libc::SIGTERM, libc::SIGINT, libc::SIGHUP] {
            // SAFETY: a zeroed sigaction is a valid value; the handler only calls async-signal-safe functions.
            unsafe {
                let mut action: libc::sigaction = std::mem::zeroed();
                action.sa_sigaction = on_signal as extern "C" fn(libc::c_int) as usize;
                action.sa_flags = libc::SA_RESTART;
                libc::sigaction(number, &raw const action, std::ptr::null_mut());
            }
        }
        // Held up since before the process replaced itself: they come now. See `hold`.
        mask(libc::SIG_UNBLOCK);
        Ok(Signals(Async::new(read).context("signals")?))
    }

    /// Waits for the next one.
    pub async fn next(&mut self) -> Signal {
        let mut byte = [0];
        match self.0.read_exact(&mut byte).await {
            Ok(()) if i32::from(byte[0]) == libc::SIGHUP => Signal::Reload,
            _ => Signal::Terminate,
        }
    }
}

/// Holds SIGHUP, SIGTERM and SIGINT up until [`Signals::new`], also in the program that takes this one's place by exec: without
/// a handler yet, it would be ended by a reload that is asked for meanwhile.
pub fn hold() {
    mask(libc::SIG_BLOCK);
}

fn mask(how: libc::c_int) {
    // SAFETY: the set is initialised by sigemptyset before it is used; the calls read and write nothing else of ours.
    unsafe {
        let mut set: libc::sigset_t = std::mem::zeroed();
        libc::sigemptyset(&raw mut set);
        for number in [libc::SIGTERM, libc::SIGINT, libc::SIGHUP] {
            libc::sigaddset(&raw mut set, number);
        }
        libc::pthread_sigmask(how, &raw const set, std::ptr::null_mut());
    }
}

/// Asks this process to reload, as SIGHUP would.
pub fn reload_self() {
    on_signal(libc::SIGHUP);
}
