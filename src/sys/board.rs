//! Kernel interfaces of the machine that only the supervisor and import use: watchdog, clock, mounts, partitions.

use std::ffi::CString;
use std::fs::File;
use std::io;
use std::os::fd::AsRawFd;
use std::os::unix::ffi::OsStrExt;
use std::path::Path;
use std::time::{Duration, SystemTime};

fn check(result: libc::c_int) -> io::Result<()> {
    if result == 0 { Ok(()) } else { Err(io::Error::last_os_error()) }
}

/// Unix seconds when this program was made (`SOURCE_DATE_EPOCH` where the build had one): no board that runs it can truly be
/// at an earlier time. What the supervisor lifts the clock to, and from when on https is used: one value, or a board without
/// a time server would wait for ever.
pub const BUILD_TIME: u64 = decimal(env!("PICOCLAW_BUILD_EPOCH").as_bytes());

const fn decimal(digits: &[u8]) -> u64 {
    let (mut value, mut i) = (0, 0);
    while i < digits.len() {
        assert!(digits[i].is_ascii_digit(), "build.rs gave no number");
        value = value * 10 + (digits[i] - b'0') as u64;
        i += 1;
    }
    value
}

/// WDIOC_SETTIMEOUT, linux/watchdog.h: `_IOWR('W', 6, int)`.
const WDIOC_SETTIMEOUT: u32 = 0xc004_5706;
/// BLKPG, linux/fs.h: `_IO(0x12, 105)`.
const BLKPG: u32 = 0x1269;
/// BLKGETSIZE64, linux/fs.h: `_IOR(0x12, 114, size_t)`.
const BLKGETSIZE64: u32 = 0x8008_1272;
/// BLKPG_RESIZE_PARTITION, linux/blkpg.h.
const BLKPG_RESIZE_PARTITION: libc::c_int = 3;

/// Asks an open watchdog for a timeout in seconds; the kernel answers with what it took.
pub fn watchdog_timeout(device: &File, seconds: u32) -> io::Result<u32> {
    let mut value = seconds.min(i32::MAX as u32) as libc::c_int;
    // SAFETY: the request takes a pointer to an int, which lives for the call.
    check(unsafe { libc::ioctl(device.as_raw_fd(), WDIOC_SETTIMEOUT as _, &mut value) })?;
    Ok(value.max(0) as u32)
}

/// Sets the system clock.
pub fn set_clock(time: SystemTime) -> io::Result<()> {
    let since = time.duration_since(SystemTime::UNIX_EPOCH).unwrap_or(Duration::ZERO);
    let value = libc::timespec {
        tv_sec: since.as_secs() as _,
        tv_nsec: since.subsec_nanos() as libc::c_long,
    };
    // SAFETY: the pointer lives for the call.
    check(unsafe { libc::clock_settime(libc::CLOCK_REALTIME, &value) })
}

/// Whether the file system at `path` is mounted read-only.
pub fn is_read_only(path: &Path) -> io::Result<bool> {
    let path = CString::new(path.as_os_str().as_bytes())?;
    // SAFETY: all-zero is a valid statvfs; the pointers live for the call.
    unsafe {
        let mut status: libc::statvfs = std::mem::zeroed();
        check(libc::statvfs(path.as_ptr(), &mut status))?;
        Ok(status.f_flag & libc::ST_RDONLY != 0)
    }
}

/// Mounts what is at `path` again, writable or not; nosuid, nodev, noexec and noatime in any case.
pub fn remount(path: &Path, read_only: bool) -> io::Result<()> {
    let path = CString::new(path.as_os_str().as_bytes())?;
    let mut flags =
        libc::MS_REMOUNT | libc::MS_NOSUID | libc::MS_NODEV | libc::MS_NOEXEC | libc::MS_NOATIME;
    if read_only {
        flags |= libc::MS_RDONLY;
    }
    // SAFETY: a remount takes no source, type or data; the path lives for the call.
    check(unsafe {
        libc::mount(std::ptr::null(), path.as_ptr(), std::ptr::null(), flags, std::ptr::null())
    })
}

/// Bytes of a block device.
pub fn device_bytes(device: &File) -> io::Result<u64> {
    let mut bytes = 0u64;
    // SAFETY: the request takes a pointer to 64 bits, which live for the call.
    check(unsafe { libc::ioctl(device.as_raw_fd(), BLKGETSIZE64 as _, &mut bytes) })?;
    Ok(bytes)
}

/// Tells the kernel the new length of a partition of `disk` that is in use or not; the table on the disk is the
/// caller's affair. `start` and `length` in bytes.
pub fn resize_partition(disk: &File, number: u8, start: u64, length: u64) -> io::Result<()> {
    /// struct blkpg_partition, linux/blkpg.h.
    #[repr(C)]
    struct Partition {
        start: i64,
        length: i64,
        number: libc::c_int,
        names: [u8; 128],
    }
    /// struct blkpg_ioctl_arg.
    #[repr(C)]
    struct Argument {
        op: libc::c_int,
        flags: libc::c_int,
        length: libc::c_int,
        data: *mut Partition,
    }
    let mut partition = Partition {
        start: start.min(i64::MAX as u64) as i64,
        length: length.min(i64::MAX as u64) as i64,
        number: libc::c_int::from(number),
        names: [0; 128],
    };
    let mut argument = Argument {
        op: BLKPG_RESIZE_PARTITION,
        flags: 0,
        length: std::mem::size_of::<Partition>() as libc::c_int,
        data: &mut partition,
    };
    // SAFETY: both structures have the kernel's layout and live for the call.
    check(unsafe { libc::ioctl(disk.as_raw_fd(), BLKPG as _, &mut argument) })
}
