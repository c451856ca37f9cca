//! Limits of the blocking threads.

use std::time::Duration;

/// Threads for blocking work: one, and two more for work queued behind a blocked thread. Each costs about 100 kB.
pub const BLOCKING_THREADS: usize = 3;
/// How long work may take before queued work gets another thread; a failing DNS lookup takes longer.
pub const BLOCKING_PATIENCE: Duration = Duration::from_secs(5);
/// How long an idle thread waits for work before it ends.
pub const BLOCKING_IDLE: Duration = Duration::from_millis(500);
/// Work that takes longer is not just a slow card: `/health` is no longer ok, the log and `status` say so, and if every thread
/// is blocked the daemon sends no more keepalives and the supervisor restarts it.
pub const BLOCKING_STUCK: Duration = Duration::from_secs(60);
