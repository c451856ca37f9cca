//! Everything on disk: the journal, sessions, state files. Nothing here knows of channels or models.

#[cfg(feature = "migrate")]
pub mod adopt;
pub mod archive;
pub mod atomic;
pub mod audit;
pub mod bounded_read;
pub mod consolidation;
pub mod credentials;
pub mod dir;
pub mod durability;
mod failures;
pub mod frame;
pub mod index;
pub mod journal;
mod journal_walk;
pub mod jsonl;
pub mod ledger;
pub mod memory;
mod recovery;
#[cfg(test)]
mod sample_tests;
pub mod session;
pub mod session_cut;
pub mod session_read;
mod session_steps;
pub mod spill;
pub mod spool;
pub mod state_file;
pub mod swap;
mod write_job;
pub mod writer;

/// The record of what was adopted from the workspace, below the home (`store/adopt`). A home that has one owns its conversations
/// and jobs; what is in the workspace then may be a command's.
pub const ADOPTED: &str = "state/adopted";

/// Folder of the conversations.
pub const SESSIONS: &str = "sessions";
/// Folder of the jobs.
pub const CRON: &str = "cron";
/// Folder of the journal and of what else must survive a restart.
pub const STATE: &str = "state";
/// Folders of a home, and of the workspace in earlier versions, that are the daemon's alone: no tool and no command reads them.
pub const PRIVATE_FOLDERS: [&str; 3] = [SESSIONS, CRON, STATE];

/// Closes the home's own folders to everybody but their owner.
pub fn close_folders(home: &dir::Dir) {
    for folder in PRIVATE_FOLDERS {
        // Whoever uses a folder that is not ours reports it.
        let _ = home.close(folder);
    }
}
