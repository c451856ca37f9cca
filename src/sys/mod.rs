//! The kernel: the only place with `unsafe`, each block with its reason.

pub mod beneath;
pub mod board;
pub mod clock;
pub mod crash;
pub mod files;
#[cfg(feature = "hardware")]
pub mod hardware;
pub mod heap;
pub mod lend;
pub mod memory;
pub mod pages;
pub mod process;
pub mod process_image;
pub mod service;
pub mod signal;
pub mod terminal;
pub mod threads;
#[cfg(feature = "hardware")]
pub mod uevent;
pub mod wake;
pub mod wall_timer;

#[cfg(test)]
pub(crate) mod scratch;

/// Runs blocking work (files on a slow card, fsync) off the loop's thread.
///
/// Boxed, so that the thread pool's machinery is compiled once for each result, not for each caller.
pub async fn offload<T: Send + 'static>(work: Box<dyn FnOnce() -> T + Send>) -> T {
    smol::unblock(work).await
}
