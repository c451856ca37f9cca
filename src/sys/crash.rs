//! A last line in the log when the program breaks: signal and address, for `scripts/build/symbolize`.
//!
//! The release build is made without panic messages, so this line is all there is. It must not allocate, lock or
//! format: it runs inside a signal handler.

use std::ffi::CString;
use std::io;
use std::os::unix::ffi::OsStrExt;
use std::path::Path;
use std::sync::atomic::{AtomicPtr, Ordering};

use crate::proto::text::hex_digits;

/// Path of the mark a crash leaves; null for none. Never freed: a handler may read it at any time.
static MARK: AtomicPtr<libc::c_char> = AtomicPtr::new(std::ptr::null_mut());

/// From now on a crash leaves an empty file at `path`. Returns whether the last run left one, and removes it.
pub fn mark(path: &Path) -> bool {
    let crashed = std::fs::remove_file(path).is_ok();
    // A path with a NUL cannot be opened either.
    if let Ok(path) = CString::new(path.as_os_str().as_bytes()) {
        MARK.store(path.into_raw(), Ordering::Release);
    }
    crashed
}

/// Catches SIGSEGV, SIGBUS, SIGILL, SIGFPE, SIGTRAP and SIGABRT: writes `crash: signal N at 0xPC from 0xRA` to
/// stderr, then lets the signal do its work.
pub fn install() -> io::Result<()> {
    // SAFETY: all-zero is a valid sigaction; the handler keeps to async-signal-safe calls.
    unsafe {
        let mut action: libc::sigaction = std::mem::zeroed();
        action.sa_sigaction = note as extern "C" fn(_, _, _) as usize;
        action.sa_flags = libc::SA_SIGINFO | libc::SA_ONSTACK | libc::SA_RESETHAND;
        for signal in
            [libc::SIGSEGV, libc::SIGBUS, libc::SIGILL, libc::SIGFPE, libc::SIGTRAP, libc::SIGABRT]
        {
            if libc::sigaction(signal, &action, std::ptr::null_mut()) != 0 {
                return Err(io::Error::last_os_error());
            }
        }
    }
    Ok(())
}

/// Where the program was, and where it would have returned to (0 where that is not known).
fn place(context: *const libc::c_void) -> (u64, u64) {
    let context: *const libc::ucontext_t = context.cast();
    // SAFETY: the kernel passes a valid ucontext to a handler installed with SA_SIGINFO.
    #[cfg(target_arch = "riscv64")]
    unsafe {
        let registers = &(*context).uc_mcontext.__gregs;
        (registers[0] as u64, registers[1] as u64)
    }
    // SAFETY: as above.
    #[cfg(target_arch = "x86_64")]
    unsafe {
        ((*context).uc_mcontext.gregs[libc::REG_RIP as usize] as u64, 0)
    }
    #[cfg(not(any(target_arch = "riscv64", target_arch = "x86_64")))]
    {
        let _ = context;
        (0, 0)
    }
}

fn hex(value: u64, to: &mut [u8]) {
    for (pair, byte) in to.chunks_exact_mut(2).zip(value.to_be_bytes()) {
        pair.copy_from_slice(&hex_digits(byte));
    }
}

/// The line: fixed places, so that nothing is formatted.
fn line(signal: i32, pc: u64, ra: u64) -> [u8; 65] {
    let mut text = *b"crash: signal 00 at 0x0000000000000000 from 0x0000000000000000  \n";
    let number = signal.clamp(0, 99) as u8;
    text[14] = b'0' + number / 10;
    text[15] = b'0' + number % 10;
    hex(pc, &mut text[22..38]);
    hex(ra, &mut text[46..62]);
    text
}

extern "C" fn note(signal: libc::c_int, _: *mut libc::siginfo_t, context: *mut libc::c_void) {
    let (pc, ra) = place(context);
    let text = line(signal, pc, ra);
    // SAFETY: write, open, close and raise are async-signal-safe; the buffer is on this stack. SA_RESETHAND has put the default
    // action back, so the raised signal ends the process when the handler returns.
    unsafe {
        libc::write(2, text.as_ptr().cast(), text.len());
        let mark = MARK.load(Ordering::Acquire);
        if !mark.is_null() {
            libc::close(libc::open(mark, libc::O_CREAT | libc::O_WRONLY | libc::O_CLOEXEC, 0o600));
        }
        libc::raise(signal);
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_line_names_signal_and_addresses() {
        let text = line(11, 0x1_2345, 0xdead_beef_0000_0001);
        assert_eq!(
            std::str::from_utf8(&text).expect("ascii"),
            "crash: signal 11 at 0x0000000000012345 from 0xdeadbeef00000001  \n"
        );
    }
}
