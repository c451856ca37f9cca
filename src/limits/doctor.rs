//! Bounds of `picoclaw doctor`.

use std::time::Duration;

/// How long one look at a server or a disk may take; servers are looked at side by side.
pub const DOCTOR_WAIT: Duration = Duration::from_secs(20);
/// Servers that are looked at.
pub const DOCTOR_SERVERS: usize = 16;
/// Bytes on the disk below which it is all but full: journal and sessions need about one a year of talk.
pub const DOCTOR_DISK: u64 = 4 * 1024 * 1024;
/// Bytes of memory below which commands will fail.
pub const DOCTOR_MEMORY: u64 = 4 * 1024 * 1024;
/// A flush to the card that takes longer says that it is worn out or busy.
pub const DOCTOR_FLUSH: Duration = Duration::from_secs(2);
/// Seconds that the clock may be away from the servers'.
pub const DOCTOR_CLOCK: i64 = 300;
/// Files and sockets that a gateway may come to have open.
pub const DOCTOR_FILES: u64 = 64;
/// Files of one folder whose owner is looked at.
pub const DOCTOR_OWNERS: usize = 1000;
