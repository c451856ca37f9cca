//! SPI devices (`/dev/spidevB.C`).

use std::io;
use std::os::fd::AsFd;
use std::path::Path;

use super::control;

const WRITE_MODE: u32 = 0x4001_6b01;
const MESSAGE_1: u32 = 0x4020_6b00;

/// Settings of the bus for one device (spidev).
#[derive(Clone, Copy, Debug)]
pub struct SpiConfig {
    /// 0 to 3.
    pub mode: u8,
    /// Hertz.
    pub speed: u32,
    /// Bits of a word.
    pub bits: u8,
}

/// struct spi_ioc_transfer.
#[repr(C)]
#[derive(Default)]
struct Transfer {
    out: u64,
    into: u64,
    length: u32,
    speed: u32,
    delay: u16,
    bits: u8,
    rest: [u8; 5],
}

/// Sends `data` and puts what comes back at the same time in its place.
///
/// # Errors
/// The kernel's; `EINVAL` where the controller cannot do it in this manner, `EMSGSIZE` beyond its buffer.
pub fn transfer(path: &Path, manner: SpiConfig, data: &mut [u8]) -> io::Result<()> {
    let file = super::open(path)?;
    let mut mode = manner.mode;
    // SAFETY: the request reads one byte, which lives for the call.
    unsafe { control(file.as_fd(), WRITE_MODE, &mut mode) }?;
    let buffer = data.as_mut_ptr() as usize as u64;
    let mut transfer = Transfer {
        out: buffer,
        into: buffer,
        length: data.len() as u32,
        speed: manner.speed,
        bits: manner.bits,
        ..Transfer::default()
    };
    // SAFETY: the structure has the kernel's layout; it and the buffer, which it names twice, live for the call. The
    // kernel copies what it sends before it writes what came.
    unsafe { control(file.as_fd(), MESSAGE_1, &mut transfer) }
}
