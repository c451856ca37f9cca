//! Limits of `picoclaw doctor`.

use std::time::Duration;

/// How long one check of a server or a disk may take; servers are checked concurrently.
pub const DOCTOR_WAIT: Duration = Duration::from_secs(20);
/// Servers that are checked.
pub const DOCTOR_SERVERS: usize = 16;
/// Free bytes below which the disk counts as almost full: journal and sessions need about 1 MB per year of conversation.
pub const DOCTOR_DISK: u64 = 4 * 1024 * 1024;
/// Bytes of memory below which commands will fail.
pub const DOCTOR_MEMORY: u64 = 4 * 1024 * 1024;
/// A flush to the card that takes longer says that it is worn out or busy.
pub const DOCTOR_FLUSH: Duration = Duration::from_secs(2);
/// Seconds that the clock may differ from the servers'.
pub const DOCTOR_CLOCK: i64 = 300;
/// Files and sockets that a gateway may have open.
pub const DOCTOR_FILES: u64 = 64;
/// Files per folder whose owner is checked.
pub const DOCTOR_OWNERS: usize = 1000;
