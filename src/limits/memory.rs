//! Bounds of noting and finding what was noted.

use std::time::Duration;

use super::APPEND_FILE_BYTES;

/// Bytes of one chunk of a note, as the search of the memory finds it.
pub const CHUNK_BYTES: usize = 800;
/// Bytes of memory in which a piece of the index is put together; sorted and written, it takes about half as much again.
pub const INDEX_RUN_BYTES: usize = 128 * 1024;
/// Bytes of notes that one search reads to bring the index up to date; the next one goes on.
pub const INDEX_UPDATE_BYTES: u64 = 16 * 1024 * 1024;
/// Bytes of one note that are indexed.
pub const INDEX_FILE_BYTES: u64 = APPEND_FILE_BYTES;
/// Segments of the index above which all are merged; each is an open file and about 100 bytes while a search runs.
pub const INDEX_SEGMENTS: usize = 48;
/// Sessions, months, or notes of a month, that are indexed; about 100 bytes each while a search runs.
pub const INDEX_DOCS: usize = 4096;
/// Months of notes, beside the latest and those that changed, that one search looks through.
pub const INDEX_MONTHS: usize = 8;
/// Words of a question that are searched for.
pub const SEARCH_TERMS: usize = 16;
/// Chunks that a search gives, and how many unless the call says so.
pub const SEARCH_RESULTS: (usize, usize) = (20, 6);
/// Bytes of each chunk that are shown.
pub const SEARCH_EXCERPT: usize = 600;
/// Bytes that memory_append takes in one call; its file may have [`APPEND_FILE_BYTES`].
pub const MEMORY_APPEND_BYTES: usize = 16 * 1024;
/// Bytes of a MEMORY.md that a model is let rewrite: they are in its question and in its answer.
pub const CONSOLIDATION_MEMORY_BYTES: usize = 32 * 1024;
/// Bytes of daily notes in one such question; the next night goes on.
pub const CONSOLIDATION_NOTES_BYTES: usize = 32 * 1024;
/// Days back from which notes are consolidated where nothing says how far they are.
pub const CONSOLIDATION_DAYS: i64 = 30;
/// Lines of MEMORY.md above which an answer that lets more than half of them go is not used.
pub const CONSOLIDATION_LINES: usize = 10;
/// One consolidation's question and answer.
pub const CONSOLIDATION_TIME: Duration = Duration::from_secs(300);
/// Times one day's consolidation is begun: again after a crash, but not for ever.
pub const CONSOLIDATION_TRIES: i64 = 2;
