//! I2C adapters (`/dev/i2c-N`).

use std::fs::File;
use std::io;
use std::os::fd::AsFd;
use std::path::Path;

use super::control;

/// The adapter does plain I2C messages.
pub const PLAIN: libc::c_ulong = 1;
/// I2C_FUNC_SMBUS_QUICK.
pub const QUICK: libc::c_ulong = 0x1_0000;
/// I2C_FUNC_SMBUS_READ_BYTE.
pub const READ_BYTE: libc::c_ulong = 0x2_0000;

/// Bytes of the largest SMBus block.
pub const BLOCK: usize = 32;

const I2C_SLAVE: u32 = 0x0703;
const I2C_FUNCS: u32 = 0x0705;
const I2C_RDWR: u32 = 0x0707;
const I2C_SMBUS: u32 = 0x0720;
const I2C_M_RD: u16 = 1;

/// Shape of an SMBus transfer, the numbers of `linux/i2c.h`.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[repr(u32)]
pub enum SmbusTransaction {
    /// No data: does anybody answer?
    Quick = 0,
    /// One byte, no register.
    Byte = 1,
    /// One byte of a register.
    ByteData = 2,
    /// Up to [`BLOCK`] bytes from a register on.
    Block = 8,
}

/// An adapter, open.
pub struct Bus {
    file: File,
    /// What it can, I2C_FUNC_*.
    pub can: libc::c_ulong,
}

impl Bus {
    /// Opens it and asks what it can.
    ///
    /// # Errors
    /// The kernel's.
    pub fn open(path: &Path) -> io::Result<Bus> {
        let file = super::open(path)?;
        let mut can: libc::c_ulong = 0;
        // SAFETY: the request fills an unsigned long, which lives for the call.
        unsafe { control(file.as_fd(), I2C_FUNCS, &mut can) }?;
        Ok(Bus { file, can })
    }

    /// Chooses a device. `EBUSY` when a driver of the kernel has it.
    ///
    /// # Errors
    /// The kernel's.
    pub fn select(&self, address: u16) -> io::Result<()> {
        // SAFETY: the request takes the number itself in place of a pointer and reads nothing through it.
        unsafe { control(self.file.as_fd(), I2C_SLAVE, usize::from(address) as *mut u8) }
    }

    /// Writes, then reads without letting go of the bus; either may be empty.
    ///
    /// # Errors
    /// The kernel's; `ENXIO` or `EREMOTEIO` when nobody answers.
    pub fn exchange(&self, address: u16, out: &[u8], into: &mut [u8]) -> io::Result<()> {
        /// struct i2c_msg.
        #[repr(C)]
        struct I2cMessage {
            address: u16,
            flags: u16,
            length: u16,
            data: *mut u8,
        }
        /// struct i2c_rdwr_ioctl_data.
        #[repr(C)]
        struct Messages {
            list: *mut I2cMessage,
            count: u32,
        }
        let write = I2cMessage {
            address,
            flags: 0,
            length: out.len() as u16,
            data: out.as_ptr().cast_mut(),
        };
        let read = I2cMessage {
            address,
            flags: I2C_M_RD,
            length: into.len() as u16,
            data: into.as_mut_ptr(),
        };
        let mut both = [write, read];
        let from = usize::from(out.is_empty());
        let to = if into.is_empty() { 1 } else { 2 };
        let list = both.get_mut(from..to).unwrap_or_default();
        let mut all = Messages { list: list.as_mut_ptr(), count: list.len() as u32 };
        // SAFETY: both structures have the kernel's layout; they and the buffers live for the call, and the kernel
        // writes to buffers of messages with I2C_M_RD only, which is `into`.
        unsafe { control(self.file.as_fd(), I2C_RDWR, &mut all) }
    }

    /// One SMBus transfer with the chosen device. A block's length is that of `data`, at most [`BLOCK`].
    ///
    /// # Errors
    /// The kernel's; `EOPNOTSUPP` where the adapter has no such transfer.
    pub fn smbus(
        &self,
        read: bool,
        register: u8,
        shape: SmbusTransaction,
        data: &mut [u8],
    ) -> io::Result<()> {
        /// struct i2c_smbus_ioctl_data.
        #[repr(C)]
        struct Transfer {
            read: u8,
            register: u8,
            shape: u32,
            data: *mut [u8; 34],
        }
        // union i2c_smbus_data: a byte, or a length and a block. Aligned, as it holds a 16-bit word, too.
        #[repr(C, align(2))]
        struct Data([u8; 34]);
        let mut buffer = Data([0; 34]);
        let at = usize::from(shape == SmbusTransaction::Block);
        let length = data.len().min(BLOCK);
        if at == 1 {
            buffer.0[0] = length as u8;
        }
        buffer.0[at..at + length].copy_from_slice(&data[..length]);
        let mut transfer =
            Transfer { read: u8::from(read), register, shape: shape as u32, data: &mut buffer.0 };
        // SAFETY: both have the kernel's layout and live for the call.
        unsafe { control(self.file.as_fd(), I2C_SMBUS, &mut transfer) }?;
        if at == 1 && read && usize::from(buffer.0[0]) < length {
            return Err(io::ErrorKind::UnexpectedEof.into());
        }
        data[..length].copy_from_slice(&buffer.0[at..at + length]);
        Ok(())
    }
}
