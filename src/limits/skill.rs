//! Limits of installing skills.

use std::time::Duration;

/// Bytes of an archive with a skill: a whole repository is downloaded, of which one folder is kept.
pub const SKILL_ARCHIVE_BYTES: u64 = 32 * 1024 * 1024;
/// Bytes that it may unpack to while it is searched; a C906 inflates about 20 MB a second.
pub const SKILL_UNPACKED_BYTES: u64 = 256 * 1024 * 1024;
/// Bytes out for each byte in after which an archive counts as a bomb, once [`SKILL_RATIO_FROM`] bytes came out: sources
/// have 3 to 10, deflate ends at 1032.
pub const SKILL_RATIO: u64 = 100;
/// Bytes up to which [`SKILL_RATIO`] is not applied: small archives may compress well.
pub const SKILL_RATIO_FROM: u64 = 4 * 1024 * 1024;
/// Entries read per archive.
pub const SKILL_ENTRIES: usize = 50_000;
/// Bytes of a skill, all its files.
pub const SKILL_BYTES: u64 = 8 * 1024 * 1024;
/// Files of a skill.
pub const SKILL_FILES: u64 = 256;
/// Path depth in a skill, including the file.
pub const SKILL_DEPTH: usize = 8;
/// Bytes of a file's path in a skill.
pub const SKILL_NAME_BYTES: usize = 255;
/// Bytes of a registry's answer to a search.
pub const SKILL_SEARCH_BYTES: usize = 256 * 1024;
/// Results of a search that are shown.
pub const SKILL_SEARCH_RESULTS: usize = 20;
/// The whole download of an archive.
pub const SKILL_FETCH_TIMEOUT: Duration = Duration::from_secs(10 * 60);
/// Bytes of a SKILL.md that `skills show` prints.
pub const SKILL_SHOWN_BYTES: usize = 32 * 1024;
