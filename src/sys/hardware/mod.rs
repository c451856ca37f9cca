//! Character devices of buses, lines and ports, as `linux/i2c-dev.h`, `linux/spi/spidev.h`, `linux/gpio.h` and termios
//! have them. Every call here may wait for the device: they belong on the blocking thread.

pub mod gpio;
pub mod i2c;
pub mod serial;
pub mod spi;

use std::fs::{File, OpenOptions};
use std::io;
use std::os::fd::{AsRawFd, BorrowedFd};
use std::os::unix::fs::{FileTypeExt, OpenOptionsExt};
use std::path::Path;

/// Runs work that a device may hold up, on a thread of its own: a bus that hangs must not hold up the one thread that
/// writes the journal. How many there are is for the caller to bound.
///
/// # Errors
/// The system has no thread left.
pub fn on_own_thread(work: Box<dyn FnOnce() + Send>) -> io::Result<()> {
    super::start_thread("hardware", work)
}

/// Opens a device for reading and writing, without waiting and without making it this program's terminal.
///
/// # Errors
/// The kernel's; `InvalidInput` where the path is something else than a character device.
pub fn open(path: &Path) -> io::Result<File> {
    let flags = libc::O_NONBLOCK | libc::O_NOCTTY;
    if !std::fs::metadata(path)?.file_type().is_char_device() {
        return Err(io::ErrorKind::InvalidInput.into());
    }
    OpenOptions::new().read(true).write(true).custom_flags(flags).open(path)
}

/// One ioctl.
///
/// # Safety
/// `argument` is what the request reads and writes: valid for the call, of the kernel's layout, and so is what it
/// points to.
unsafe fn control<T>(fd: BorrowedFd<'_>, request: u32, argument: *mut T) -> io::Result<()> {
    // SAFETY: the caller's promise.
    let result = unsafe { libc::ioctl(fd.as_raw_fd(), request as _, argument) };
    if result < 0 { Err(io::Error::last_os_error()) } else { Ok(()) }
}

/// The text of a field that the kernel fills up with zeros.
fn name(field: &[u8; 32]) -> String {
    let end = field.iter().position(|b| *b == 0).unwrap_or(field.len());
    String::from_utf8_lossy(&field[..end]).into_owned()
}
