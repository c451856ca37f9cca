//! Modes, owners and times of files, which Landlock leaves to everybody who owns the file: a command, which has the
//! daemon's user, could open the configuration to the whole machine, or close it to the daemon.
//!
//! A command's calls of this kind wait until the daemon has answered them (seccomp_unotify(2), since Linux 5.0). It opens
//! the file itself, looks where that is, and makes the change on the descriptor, so that nothing can be exchanged in
//! between. What the command may not write keeps its attributes. Nobody gets a set-user-id file, and the set-group-id bit
//! is for folders.

mod broker;
mod calls;
mod change;
mod listener;
mod rules;
mod shared;

pub(super) use broker::AttributeBroker;
pub(super) use calls::FCHMODAT2;
pub(super) use listener::Hook;
pub use rules::AttributeRules;
pub(super) use shared::KeeperAnswers;

#[cfg(test)]
mod tests;
