//! Everything on disk: the journal, sessions, state files. Nothing here knows of channels or models.

pub mod archive;
pub mod atomic;
pub mod consolidation;
pub mod credentials;
pub mod dir;
pub mod disk;
mod failures;
pub mod frame;
pub mod index;
mod job;
pub mod journal;
pub mod ledger;
pub mod lines;
pub mod memory;
pub mod read;
mod recovery;
#[cfg(test)]
mod sample_tests;
pub mod session;
pub mod session_cut;
pub mod session_go;
pub mod spill;
pub mod spool;
pub mod state;
pub mod swap;
pub mod writer;
