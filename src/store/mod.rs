//! Everything on disk: the journal, sessions, state files. Nothing here knows of channels or models.

pub mod adopt;
pub mod archive;
pub mod atomic;
pub mod bounded_read;
pub mod consolidation;
pub mod credentials;
pub mod dir;
pub mod durability;
mod failures;
pub mod frame;
pub mod index;
pub mod journal;
pub mod jsonl;
pub mod ledger;
pub mod memory;
mod recovery;
#[cfg(test)]
mod sample_tests;
pub mod session;
pub mod session_cut;
pub mod session_read;
pub mod spill;
pub mod spool;
pub mod state_file;
pub mod swap;
mod write_job;
pub mod writer;
