//! Bounds of the thread that waits for the disk.

use std::time::Duration;

/// Threads for blocking work: one, and two more for what waits behind work that hangs. Each costs about 100 kB.
pub const BLOCKING_THREADS: usize = 3;
/// So long work may take before what waits behind it gets another thread; a name that is looked up in vain takes longer.
pub const BLOCKING_PATIENCE: Duration = Duration::from_secs(5);
/// So long a thread waits for more work before it ends.
pub const BLOCKING_IDLE: Duration = Duration::from_millis(500);
/// Work that takes longer is no slow card any more: `/health` stops saying ok, the log and `status` tell, and where every thread
/// is held up the supervisor hears no more of the daemon and starts it again.
pub const BLOCKING_STUCK: Duration = Duration::from_secs(60);
