//! Limits of buses, lines and ports.

use std::time::Duration;

/// Time limit of one call on a device; then the call is abandoned, and its thread waits for the kernel.
pub const HARDWARE_TIME: Duration = Duration::from_secs(20);
/// Bytes of one transfer on an I2C bus.
pub const I2C_BYTES: i64 = 256;
/// Bytes of one transfer on an SPI bus: the size of the kernel's buffer.
pub const SPI_BYTES: i64 = 4096;
/// Hertz of an SPI bus.
pub const SPI_SPEED: i64 = 125_000_000;
/// Bytes read from or written to a serial port by one call.
pub const SERIAL_BYTES: i64 = 4096;
/// The longest a read of a serial port waits.
pub const SERIAL_WAIT: Duration = Duration::from_secs(10);
/// Silence after which a read of a serial port ends if it has received something.
pub const SERIAL_SILENCE: Duration = Duration::from_millis(200);
/// How long a serial port may take to accept what is written.
pub const SERIAL_WRITE: Duration = Duration::from_secs(10);
/// Lines per GPIO chip, and the highest line number.
pub const GPIO_LINES: u32 = 1024;
/// Lines held at a level, over all chips; one descriptor each. More are refused.
pub const GPIO_HELD: usize = 16;
/// The longest pulse on a line.
pub const GPIO_PULSE: Duration = Duration::from_secs(5);
/// Devices of one kind that are listed, and sensors.
pub const HARDWARE_LISTED: usize = 64;
/// Bytes of one kernel event about a device; it sends at most 2 kB and a path.
pub const UEVENT_BYTES: usize = 4096;
/// Notices about USB devices in each [`USB_WINDOW`]; then one that says so, then none.
pub const USB_NOTICES: u32 = 6;
/// Window in which [`USB_NOTICES`] are counted.
pub const USB_WINDOW: Duration = Duration::from_secs(60);
/// USB devices whose names are remembered until they are removed; about 200 bytes each.
pub const USB_KNOWN: usize = 16;
/// Characters of a device's name, its maker's and its serial number that are shown.
pub const USB_TEXT_CHARS: usize = 64;
/// Bytes of the file with the board's facts.
pub const BOARD_FILE_BYTES: u64 = 8 * 1024;
