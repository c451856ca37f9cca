//! What is in the workspace and belongs in the home (`store/adopt`), taken over at a start. Without it the assistant still works.

use std::path::Path;

use crate::config::Config;
use crate::error::Result;
use crate::sched;
use crate::store::adopt::Adoption;
use crate::sys::clock;

/// Adopts what is new and tells. Whoever calls this holds the home's lock.
pub fn run(config: &Config) {
    match adopt(&config.home, &config.agent.workspace) {
        Ok(notes) => notes.iter().for_each(|note| crate::log::warn!("workspace: {note}")),
        Err(e) => crate::log::warn!("the workspace's conversations are not all here yet: {e}"),
    }
}

/// The same; what is to be told.
///
/// # Errors
/// The disk's. The next call goes on.
pub fn adopt(home: &Path, workspace: &Path) -> Result<Vec<String>> {
    let Some(mut adoption) = Adoption::begin(home, workspace)? else { return Ok(Vec::new()) };
    let (first, ours) = (adoption.record.first, adoption.record.ours);
    let sessions = adoption.sessions()?;
    let jobs = sched::adopt::jobs(&mut adoption)?;
    adoption.last_chat(clock::unix_now());
    if sessions + jobs > 0 {
        crate::log::info!("adopted from the workspace: {sessions} conversations, {jobs} jobs");
    }
    if first && !ours && sessions > 0 {
        crate::log::info!(
            "the Go version's own files stay in {}, where commands can read them: remove sessions/, cron/ and state/ there when you do not go back to it",
            workspace.display()
        );
    }
    adoption.end()
}
