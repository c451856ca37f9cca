//! Limits of backing up, restoring and migrating homes.

use std::time::Duration;

/// How long a starting gateway waits for the lock of its home.
pub const HOME_LOCK_WAIT: Duration = Duration::from_secs(1);
/// Names read per folder.
pub const TREE_NAMES: usize = 100_000;
/// Nesting depth of folders that are removed in one pass; two descriptors each.
pub const REMOVE_DEPTH: u32 = 32;
/// Passes that remove folders which are nested more deeply.
pub const REMOVE_PASSES: u32 = 64;
/// How long a command waits for another one that changes the same file, or that holds the lock of the home.
pub const COMMAND_LOCK_WAIT: Duration = Duration::from_secs(20);
/// Nesting depth of folders.
pub const TREE_DEPTH: usize = 48;
/// Bytes of a path below the root; the kernel takes 4096 with the root's own.
pub const TREE_PATH_BYTES: usize = 2048;
/// How often a backup checks for changes by the running gateway; 20 ms apart.
pub const BACKUP_ROUNDS: u32 = 150;
/// Bytes that a backup may unpack to: more than any card of these boards. They are written to disk.
pub const RESTORE_BYTES: u64 = 256 << 30;
/// Compression ratio; our own backups have 1, recompressed ones 3 to 10.
pub const RESTORE_RATIO: u64 = 200;
/// Files and folders of a backup.
pub const RESTORE_ENTRIES: u64 = 2_000_000;
/// Bytes of one file that a migration copies.
pub const MIGRATE_FILE_BYTES: u64 = 256 << 20;
/// Models that a migrated configuration gets.
pub const MIGRATE_MODELS: usize = 32;
/// Sessions under names of the Go original that one start adopts.
pub const GO_SESSIONS: usize = 256;
/// Directory entries that are not regular files and were moved aside (`NAME.unfit-N`); more are an error.
pub const DIR_ASIDE: u32 = 9;
/// Conversations and other files of the workspace that a home remembers to have adopted.
pub const ADOPT_FILES: usize = 4096;
/// Bytes of the list of them.
pub const ADOPT_RECORD_BYTES: u64 = 2 << 20;
/// Messages at the end of a conversation that are looked for in a rewritten file of another version.
pub const ADOPT_OVERLAP: usize = 8;
/// Messages of such a file in which they are looked for, from its end.
pub const ADOPT_LINES: usize = 16 * 1024;
/// Things in the workspace that are told because they are no conversation; the rest is counted.
pub const ADOPT_NOTES: usize = 8;
