//! What is in the workspace and belongs in the home (`store/adopt`), taken over at a start. Without it the assistant still
//! works.

use std::path::Path;

use crate::config::Config;
use crate::error::Result;

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
/// The disk's. The next call continues.
#[cfg(feature = "migrate")]
pub fn adopt(home: &Path, workspace: &Path) -> Result<Vec<String>> {
    let Some(mut adoption) = crate::store::adopt::Adoption::begin(home, workspace)? else {
        return Ok(Vec::new());
    };
    let (first, ours) = (adoption.record.first, adoption.record.ours);
    let sessions = adoption.sessions()?;
    let jobs = crate::sched::adopt::jobs(&mut adoption)?;
    adoption.last_chat(crate::sys::clock::unix_now());
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

/// In this build nothing is adopted: says at the first start what would be. From then on commands may write to the workspace,
/// so a later build with the feature does not take what is there for the owner's.
///
/// # Errors
/// The disk's.
#[cfg(not(feature = "migrate"))]
pub fn adopt(home: &Path, workspace: &Path) -> Result<Vec<String>> {
    use crate::error::Context;
    use crate::store::{self, ADOPTED, CRON, SESSIONS, dir::Dir};

    let home = Dir::make(home).with_context(|| home.display().to_string())?;
    store::close_folders(&home);
    if home.exists(ADOPTED).context(ADOPTED)? {
        return Ok(Vec::new());
    }
    home.save(ADOPTED, b"\n", 0o600).context(ADOPTED)?;
    let exists = |name: &str| workspace.join(name).exists();
    let elsewhere = workspace.canonicalize().is_ok_and(|path| path != home.path());
    let left = elsewhere && (exists(SESSIONS) || exists(CRON));
    let note =
        "its conversations and jobs are not taken over: this build cannot (feature `migrate`)";
    Ok(left.then(|| note.to_owned()).into_iter().collect())
}

#[cfg(test)]
#[cfg(not(feature = "migrate"))]
mod tests {
    use std::fs;

    use super::*;
    use crate::store::ADOPTED;
    use crate::sys::scratch::Scratch;

    #[test]
    fn a_build_without_it_says_once_what_it_leaves() {
        let home = Scratch::named("adopt-none");
        let workspace = home.join("workspace");
        fs::create_dir_all(workspace.join("cron")).expect("a folder");
        let notes = adopt(&home, &workspace).expect("a note");
        assert!(matches!(&*notes, [note] if note.contains("feature `migrate`")), "{notes:?}");
        // What comes later is not the owner's for a build with it, either.
        assert_eq!(fs::read_to_string(home.join(ADOPTED)).expect("a record"), "\n");
        assert!(adopt(&home, &workspace).expect("nothing").is_empty());
    }

    #[test]
    fn nothing_is_said_where_there_is_nothing() {
        let home = Scratch::named("adopt-nothing");
        assert!(adopt(&home, &home.join("workspace")).expect("nothing").is_empty());
        assert!(home.join(ADOPTED).is_file());
    }
}
