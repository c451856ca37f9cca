//! The kernel: the only place with `unsafe`, each block with its reason.

pub mod beneath;
pub mod board;
pub mod clock;
pub mod crash;
pub mod exec_broker;
mod fd_passing;
pub mod files;
#[cfg(feature = "hardware")]
pub mod hardware;
pub mod heap;
pub mod lock;
pub mod memory;
#[cfg(feature = "web")]
pub mod on_link;
pub mod owner;
pub mod pages;
pub mod process;
pub mod process_image;
mod random;
pub mod service;
pub mod signal;
mod spawn_blocking;
pub mod terminal;
#[cfg(feature = "hardware")]
pub mod uevent;
pub mod wake;
pub mod wall_timer;
pub mod zones;

pub use random::random;
pub use spawn_blocking::{BlockingTask, spawn_blocking, spawn_thread, start_thread, stuck};

#[cfg(test)]
pub(crate) mod scratch;
#[cfg(test)]
pub(crate) mod skip;
