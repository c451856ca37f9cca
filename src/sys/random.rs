//! Random bytes.

use std::io;

use rustix::rand::{GetRandomFlags, getrandom};

/// `N` bytes from the kernel, at most 256, which come whole (getrandom(2)). It waits while a kernel that has just been
/// started has none.
///
/// # Errors
/// The kernel's: it has no such call.
pub fn random<const N: usize>() -> io::Result<[u8; N]> {
    get(GetRandomFlags::empty())
}

/// The same without waiting.
///
/// # Errors
/// The kernel has none yet, or no such call.
pub fn random_at_once<const N: usize>() -> io::Result<[u8; N]> {
    get(GetRandomFlags::NONBLOCK)
}

fn get<const N: usize>(flags: GetRandomFlags) -> io::Result<[u8; N]> {
    const { assert!(N <= 256) };
    let mut bytes = [0; N];
    getrandom(&mut bytes, flags)?;
    Ok(bytes)
}
