//! Commands: started in a sandbox and a process group of their own, watched without a thread, never left behind.
//!
//! A [`Child`] that is dropped is killed with its whole group and reaped by a thread; so a future that is cancelled leaves
//! neither process nor zombie. Nothing here decides what may run: that is the guard's work.

mod call_rules;
mod cgroup_leaf;
mod child;
mod control;
#[cfg(feature = "hooks")]
mod dialog;
mod harden;
mod keeper;
mod landlock;
mod notify;
mod peer;
mod protected;
mod reaper;
mod remote_child;
mod run;
mod sandbox;
mod seccomp;
mod selftest;
mod spawn;

pub use cgroup_leaf::CgroupLeaf;
pub use child::Child;
pub use control::Exit;
#[cfg(feature = "hooks")]
pub use dialog::{Dialog, DialogStream};
pub use harden::harden;
pub use landlock::{LandlockRules, abi as landlock_version};
pub use notify::AttributeRules;
pub use peer::{is_tool, is_tool_behind, tasks};
pub use protected::ProtectedProcesses;
pub use remote_child::{adopt, become_command, has_exec_broker};
pub use run::{End, Outcome, run};
pub use sandbox::Sandbox;
pub use seccomp::Filter;
pub use selftest::{SelftestResult, strength};
pub use spawn::shell;

#[cfg(test)]
mod tests;
