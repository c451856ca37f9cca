//! Bounds of searching by meaning.

use std::time::Duration;

/// Numbers of a vector (the largest of OpenAI's have 3072); a byte each on the card.
pub const EMBED_DIMENSIONS: usize = 4096;
/// Passages with a vector, the newest; 40 bytes each while a search runs.
pub const EMBED_CHUNKS: usize = 16 * 1024;
/// Passages in one request for vectors.
pub const EMBED_BATCH: usize = 32;
/// Such requests for one search; the next one goes on.
pub const EMBED_BATCHES: usize = 8;
/// Bytes of an answer: [`EMBED_BATCH`] vectors as text.
pub const EMBED_BODY_BYTES: usize = 2 * 1024 * 1024;
/// One request for vectors; then the search goes by words alone.
pub const EMBED_TIMEOUT: Duration = Duration::from_secs(20);
