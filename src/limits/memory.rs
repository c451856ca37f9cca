//! Limits of notes, their index and their consolidation.

use std::time::Duration;

use super::APPEND_FILE_BYTES;

/// Bytes of one chunk of a note, the unit of memory search.
pub const CHUNK_BYTES: usize = 800;
/// Bytes of memory for building a part of the index; sorting and writing it needs about half as much again.
pub const INDEX_RUN_BYTES: usize = 128 * 1024;
/// Bytes of notes that one search reads to update the index; the next search continues.
pub const INDEX_UPDATE_BYTES: u64 = 16 * 1024 * 1024;
/// Bytes of one note that are indexed.
pub const INDEX_FILE_BYTES: u64 = APPEND_FILE_BYTES;
/// Segments of the index above which all are merged; each is an open file and about 100 bytes while a search runs.
pub const INDEX_SEGMENTS: usize = 48;
/// Indexed sessions, months, or notes of a month; about 100 bytes each while a search runs.
pub const INDEX_DOCS: usize = 4096;
/// Months of notes that one search checks, in addition to the latest and those that changed.
pub const INDEX_MONTHS: usize = 8;
/// Words of a query that are used.
pub const SEARCH_TERMS: usize = 16;
/// Maximum and default number of chunks in a search result.
pub const SEARCH_RESULTS: (usize, usize) = (20, 6);
/// Bytes of each chunk that are shown.
pub const SEARCH_EXCERPT: usize = 600;
/// Bytes that memory_append accepts per call; its file may have [`APPEND_FILE_BYTES`].
pub const MEMORY_APPEND_BYTES: usize = 16 * 1024;
/// Bytes of a MEMORY.md that a model may rewrite: they are in the request and in the answer.
pub const CONSOLIDATION_MEMORY_BYTES: usize = 32 * 1024;
/// Bytes of daily notes in one such request; the next night continues.
pub const CONSOLIDATION_NOTES_BYTES: usize = 32 * 1024;
/// Days back from which notes are consolidated if no progress is recorded.
pub const CONSOLIDATION_DAYS: i64 = 30;
/// Lines of MEMORY.md above which an answer that drops more than half of them is rejected.
pub const CONSOLIDATION_LINES: usize = 10;
/// Time limit of one consolidation.
pub const CONSOLIDATION_TIME: Duration = Duration::from_secs(300);
/// Attempts per day's consolidation: again after a crash, but not forever.
pub const CONSOLIDATION_TRIES: i64 = 2;
