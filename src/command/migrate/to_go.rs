//! `picoclaw migrate --to picoclaw`: conversations, jobs and the last chat as the Go original keeps them, in the workspace of
//! this home. What a run of it adds comes back at our next start.

use std::path::Path;

use super::report::{FileOutcome, MigrationReport};
use crate::app;
use crate::config::{self, LoadOptions};
use crate::error::{Error, Result};
use crate::sched;
use crate::store::adopt::Adoption;
use crate::store::state_file;
use crate::sys::clock;

/// Writes all of it. Whoever calls this holds the home's lock.
///
/// # Errors
/// A configuration with errors, no workspace, the disk's.
pub fn export(home: &Path, options: &LoadOptions, report: &mut MigrationReport) -> Result<()> {
    let loaded = config::load(options).map_err(|e| Error::new(e.to_string()))?;
    let workspace = loaded.config.agent.workspace;
    super::migrator::folder(&workspace)?;
    // What is there and was never seen is not written over.
    for note in app::adopt::adopt(home, &workspace)? {
        report.add(FileOutcome::LeftOut, &note, "");
    }
    let Some(mut adoption) = Adoption::begin(home, &workspace)? else {
        let why = "the workspace is the home itself: everything is where it was";
        report.add(FileOutcome::Unchanged, "workspace", why);
        return Ok(());
    };
    let mut say =
        |name: &str| report.add(FileOutcome::Converted, &["workspace/", name].concat(), "");
    adoption.export(&mut say)?;
    if sched::adopt::export(&mut adoption)? {
        say("cron/jobs.json");
    }
    if let Some(chat) = state_file::last_chat(home) {
        state_file::save_last_chat(&workspace, &chat, clock::unix_now())?;
        say("state/state.json");
    }
    adoption.end().map(drop)
}
