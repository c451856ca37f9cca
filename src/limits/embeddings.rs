//! Limits of semantic search.

use std::time::Duration;

/// Dimensions of a vector (OpenAI's largest have 3072); one byte each on the card.
pub const EMBED_DIMENSIONS: usize = 4096;
/// Chunks with a vector, the newest; 40 bytes each while a search runs.
pub const EMBED_CHUNKS: usize = 16 * 1024;
/// Chunks per request for vectors.
pub const EMBED_BATCH: usize = 32;
/// Such requests per search; the next search continues.
pub const EMBED_BATCHES: usize = 8;
/// Bytes of an answer: [`EMBED_BATCH`] vectors as text.
pub const EMBED_BODY_BYTES: usize = 2 * 1024 * 1024;
/// Timeout of one request for vectors; then the search uses words alone.
pub const EMBED_TIMEOUT: Duration = Duration::from_secs(20);
