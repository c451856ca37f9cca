//! How many threads there may be.

use std::num::NonZeroUsize;

/// Limits the pool behind `smol::unblock` (names, fsync) to one thread, which ends after half a
/// second without work; a thread costs about 100 kB here. Called first thing in main.
pub fn limit_blocking_threads() {
    blocking::set_max_blocking_threads(NonZeroUsize::MIN);
}

#[cfg(test)]
mod tests {
    use std::sync::Arc;
    use std::sync::atomic::{AtomicUsize, Ordering};
    use std::time::Duration;

    use super::*;

    #[test]
    fn blocking_work_queues_up() {
        limit_blocking_threads();
        // Threads that other tests have started go away when they find no work.
        let alone = (0..40).any(|_| {
            std::thread::sleep(Duration::from_millis(500));
            most_at_once() == 0
        });
        assert!(alone, "two threads work at the same time");
    }

    /// How many others a job sees at most.
    fn most_at_once() -> usize {
        let running = Arc::new(AtomicUsize::new(0));
        let tasks: Vec<_> = (0..8)
            .map(|_| {
                let running = Arc::clone(&running);
                smol::unblock(move || {
                    let others = running.fetch_add(1, Ordering::SeqCst);
                    std::thread::sleep(Duration::from_millis(10));
                    running.fetch_sub(1, Ordering::SeqCst);
                    others
                })
            })
            .collect();
        tasks.into_iter().map(smol::block_on).max().unwrap_or(0)
    }
}
