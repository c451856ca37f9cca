//! System calls of a command that wait until the daemon has answered them (seccomp_unotify(2); all that is used here is in
//! Linux since 5.5).
//!
//! Sockets that lead to other machines: the daemon notes that there is one and lets the call proceed. What the command prints
//! may then be text of others.
//!
//! Modes, owners and times of files, which Landlock leaves to everybody who owns the file: a command, which has the
//! daemon's user, could open the configuration to the whole machine, or close it to the daemon. The daemon opens the file itself, looks where that is, and makes the change on the descriptor, so that nothing can be exchanged in
//! between. What the command may not write keeps its attributes. Nobody gets a set-user-id file, and the set-group-id bit
//! is for folders.

mod broker;
mod calls;
mod change;
mod listener;
mod rules;
mod shared;

pub(super) use broker::CallBroker;
pub(super) use calls::FCHMODAT2;
pub(super) use listener::Hook;
pub use rules::AttributeRules;
pub(super) use shared::KeeperAnswers;

#[cfg(test)]
mod tests;
