//! GPIO character devices (`/dev/gpiochipN`), version 2 of the interface (Linux 5.10).

use std::fs::File;
use std::io;
use std::os::fd::{AsFd, FromRawFd, OwnedFd};
use std::path::Path;

use super::{control, name};

const CHIP_INFO: u32 = 0x8044_b401;
const LINE_INFO: u32 = 0xc100_b405;
const GET_LINE: u32 = 0xc250_b407;
const GET_VALUES: u32 = 0xc010_b40e;
const SET_VALUES: u32 = 0xc010_b40f;
const OUTPUT: u64 = 1 << 3;
const OUTPUT_VALUES: u32 = 2;

/// struct gpiochip_info.
#[repr(C)]
#[derive(Default)]
struct ChipInfo {
    name: [u8; 32],
    label: [u8; 32],
    lines: u32,
}

/// struct gpio_v2_line_attribute.
#[repr(C)]
#[derive(Clone, Copy, Default)]
struct Attribute {
    id: u32,
    padding: u32,
    value: u64,
}

/// struct gpio_v2_line_info.
#[repr(C)]
#[derive(Default)]
struct LineInfo {
    name: [u8; 32],
    consumer: [u8; 32],
    offset: u32,
    attributes: u32,
    flags: u64,
    list: [Attribute; 10],
    padding: [u32; 4],
}

/// struct gpio_v2_line_config_attribute.
#[repr(C)]
#[derive(Clone, Copy, Default)]
struct ConfigAttribute {
    what: Attribute,
    mask: u64,
}

/// struct gpio_v2_line_request with its gpio_v2_line_config.
#[repr(C)]
struct Request {
    offsets: [u32; 64],
    consumer: [u8; 32],
    flags: u64,
    attributes: u32,
    padding: [u32; 5],
    list: [ConfigAttribute; 10],
    lines: u32,
    events: u32,
    more: [u32; 5],
    fd: i32,
}

/// struct gpio_v2_line_values.
#[repr(C)]
struct Values {
    bits: u64,
    mask: u64,
}

const _: () = assert!(
    size_of::<ChipInfo>() == 68
        && size_of::<LineInfo>() == 256
        && size_of::<Request>() == 592
        && size_of::<Values>() == 16
);

/// A chip, open.
pub struct Chip {
    file: File,
    /// The name its driver gives it.
    pub label: String,
    /// How many lines it has.
    pub lines: u32,
}

/// Name and user of a line.
#[derive(Debug, Default)]
pub struct LineState {
    /// Its name in the device tree, or nothing.
    pub name: String,
    /// Who uses it, or nothing.
    pub user: String,
}

impl Chip {
    /// Opens it.
    ///
    /// # Errors
    /// The kernel's.
    pub fn open(path: &Path) -> io::Result<Chip> {
        let file = super::open(path)?;
        let mut info = ChipInfo::default();
        // SAFETY: the structure has the kernel's layout and lives for the call.
        unsafe { control(file.as_fd(), CHIP_INFO, &mut info) }?;
        Ok(Chip { file, label: name(&info.label), lines: info.lines })
    }

    /// Name and user of a line.
    ///
    /// # Errors
    /// The kernel's; `EINVAL` where the chip has no such line.
    pub fn known(&self, line: u32) -> io::Result<LineState> {
        let mut info = LineInfo { offset: line, ..LineInfo::default() };
        // SAFETY: the structure has the kernel's layout and lives for the call.
        unsafe { control(self.file.as_fd(), LINE_INFO, &mut info) }?;
        Ok(LineState { name: name(&info.name), user: name(&info.consumer) })
    }

    /// Takes a line: at a level, or as it is. Closing gives it back.
    ///
    /// # Errors
    /// The kernel's; `EBUSY` when somebody has it.
    pub fn take(&self, line: u32, level: Option<bool>) -> io::Result<Line> {
        let mut request = Request {
            offsets: [0; 64],
            consumer: [0; 32],
            flags: 0,
            attributes: 0,
            padding: [0; 5],
            list: [ConfigAttribute::default(); 10],
            lines: 1,
            events: 0,
            more: [0; 5],
            fd: -1,
        };
        request.offsets[0] = line;
        request.consumer[..8].copy_from_slice(b"picoclaw");
        if let Some(level) = level {
            request.flags = OUTPUT;
            request.attributes = 1;
            let value = u64::from(level);
            let what = Attribute { id: OUTPUT_VALUES, padding: 0, value };
            request.list[0] = ConfigAttribute { what, mask: 1 };
        }
        // SAFETY: the structure has the kernel's layout and lives for the call; the descriptor it brings is new and
        // nobody else's.
        unsafe {
            control(self.file.as_fd(), GET_LINE, &mut request)?;
            Ok(Line(OwnedFd::from_raw_fd(request.fd)))
        }
    }
}

/// A line that is taken.
pub struct Line(OwnedFd);

impl Line {
    /// Its level.
    ///
    /// # Errors
    /// The kernel's.
    pub fn get(&self) -> io::Result<bool> {
        let mut values = Values { bits: 0, mask: 1 };
        // SAFETY: the structure has the kernel's layout and lives for the call.
        unsafe { control(self.0.as_fd(), GET_VALUES, &mut values) }?;
        Ok(values.bits & 1 != 0)
    }

    /// Puts it at a level.
    ///
    /// # Errors
    /// The kernel's.
    pub fn set(&self, level: bool) -> io::Result<()> {
        let mut values = Values { bits: u64::from(level), mask: 1 };
        // SAFETY: the structure has the kernel's layout and lives for the call.
        unsafe { control(self.0.as_fd(), SET_VALUES, &mut values) }
    }
}
