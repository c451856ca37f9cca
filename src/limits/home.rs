//! Bounds of homes that are saved, put back and taken over.

use std::time::Duration;

/// So long a starting gateway waits for the lock of its home.
pub const HOME_LOCK_WAIT: Duration = Duration::from_secs(1);
/// Names in one folder that are looked at.
pub const TREE_NAMES: usize = 100_000;
/// Folders one inside the other.
pub const TREE_DEPTH: usize = 48;
/// Times that a backup looks whether the running gateway has written meanwhile; 20 ms apart.
pub const BACKUP_ROUNDS: u32 = 150;
/// Bytes that a backup may unpack to: more than any card of these boards holds. They go to the disk.
pub const RESTORE_BYTES: u64 = 256 << 30;
/// Bytes out for each byte in; our own backups have 1, one that was compressed again 3 to 10.
pub const RESTORE_RATIO: u64 = 200;
/// Files and folders of a backup.
pub const RESTORE_ENTRIES: u64 = 2_000_000;
/// Bytes of one file that a migration copies.
pub const MIGRATE_FILE_BYTES: u64 = 256 << 20;
/// Models that a migrated configuration gets.
pub const MIGRATE_MODELS: usize = 32;
/// Sessions under names of the Go original that one start takes over.
pub const GO_SESSIONS: usize = 256;
/// Things that are no file and were put out of the way of one that is (`NAME.unfit-N`); what comes then is an error.
pub const DIR_ASIDE: u32 = 9;
