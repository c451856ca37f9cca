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
mod offload;
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

pub use offload::{Offloaded, offload};

#[cfg(test)]
pub(crate) mod scratch;
