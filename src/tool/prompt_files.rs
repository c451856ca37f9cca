//! Files that enter later prompts (memory, skills, AGENT.md, HEARTBEAT.md, ...) and that text of others may have changed.
//!
//! A command can write them whatever it was asked for. So they are looked at before and after a call that untrusted text may be
//! behind; what changed meanwhile is untrusted until somebody else changes it, and so is every turn whose prompt holds
//! it. The record is in the home's `state/`, out of reach of tools and commands. Blocks on the disk.

use std::path::{Path, PathBuf};
use std::sync::atomic::{AtomicUsize, Ordering};

use crate::config::Config;
use crate::error::{Context, Result};
use crate::limits::PROMPT_FILES_BYTES;
use crate::proto::date;
use crate::skill::load::{Roots, load};
use crate::store::bounded_read::stamp;
use crate::store::dir::Dir;
use crate::store::memory;
use crate::sys::clock;

/// The untrusted files, in `state/`: a line with stamp and name for each.
const UNTRUSTED: &str = "untrusted-files";
/// How the files were before a call that has not ended, in the same form: for the start after a crash.
const BEFORE: &str = "prompt-files-before";

/// Calls that are being watched.
static WATCHED: AtomicUsize = AtomicUsize::new(0);

/// A file's stamp ([`stamp`]) and its name in the workspace.
type Stamped = (u64, String);

/// Where the files and the record are.
#[derive(Clone, Debug)]
pub struct Places {
    home: PathBuf,
    workspace: PathBuf,
    roots: Roots,
}

impl Places {
    /// Those of a configuration.
    pub fn of(config: &Config) -> Places {
        Places {
            home: config.home.clone(),
            workspace: config.agent.workspace.clone(),
            roots: Roots::of(config),
        }
    }
}

/// The files as they were before a call.
pub struct Watch(Vec<Stamped>);

/// Whether the prompt holds text of others by way of such a file.
pub fn hold_untrusted(places: &Places) -> bool {
    let Ok(Some(state)) = Dir::find(&places.home.join("state")) else { return false };
    let interrupted = WATCHED.load(Ordering::Relaxed) == 0 && state.exists(BEFORE).unwrap_or(true);
    if interrupted {
        let before = read(&state, BEFORE);
        let done = before.and_then(|before| note(places, &state, &before, true));
        if let Err(e) = done.and_then(|()| state.remove(BEFORE).map(drop).context(BEFORE)) {
            crate::log::error!("{e}; what the prompt holds counts as untrusted");
            return true;
        }
    }
    match read(&state, UNTRUSTED) {
        Ok(known) if known.is_empty() => false,
        Ok(known) => {
            let now = now(places);
            known.iter().any(|file| now.contains(file))
        }
        Err(e) => {
            crate::log::error!("{e}; what the prompt holds counts as untrusted");
            true
        }
    }
}

/// Looks at the files before a call that may change them; `None` where neither text of others is behind it (`untrusted`), nor may
/// turn out to be (`later`), nor any file is untrusted.
///
/// # Errors
/// The disk's: then the call must not run.
pub fn watch(places: &Places, untrusted: bool, later: bool) -> Result<Option<Watch>> {
    let state = Dir::make(&places.home.join("state")).context("state")?;
    if !untrusted && !later && read(&state, UNTRUSTED)?.is_empty() {
        return Ok(None);
    }
    let before = now(places);
    if untrusted && !state.exists(BEFORE).context(BEFORE)? {
        write(&state, BEFORE, &before)?;
    }
    WATCHED.fetch_add(1, Ordering::Relaxed);
    Ok(Some(Watch(before)))
}

impl Watch {
    /// Records what changed, if text of others may be behind it, and what was untrusted before.
    ///
    /// # Errors
    /// The disk's.
    pub fn end(self, places: &Places, untrusted: bool) -> Result<()> {
        let state = Dir::make(&places.home.join("state")).context("state")?;
        let noted = note(places, &state, &self.0, untrusted);
        if WATCHED.fetch_sub(1, Ordering::Relaxed) == 1 && noted.is_ok() {
            state.remove(BEFORE).context(BEFORE)?;
        }
        noted
    }
}

fn note(places: &Places, state: &Dir, before: &[Stamped], untrusted: bool) -> Result<()> {
    let known = read(state, UNTRUSTED)?;
    let was =
        |file: &Stamped| known.iter().any(|k| k.1 == file.1 && (before.contains(k) || *k == *file));
    let marked = |file: &Stamped| was(file) || (untrusted && !before.contains(file));
    let mut now = now(places);
    now.retain(marked);
    for file in now.iter().filter(|file| !known.contains(file)) {
        crate::log::warn!("{} holds text of others from now on; look at it, and save it", file.1);
    }
    if now == known { Ok(()) } else { write(state, UNTRUSTED, &now) }
}

/// The files that are there, with their stamps.
fn now(places: &Places) -> Vec<Stamped> {
    let workspace = &places.workspace;
    let Ok(folder) = Dir::shared(workspace) else { return Vec::new() };
    let unix = clock::unix_now();
    let today = date::day_number(unix, clock::utc_offset(unix));
    let mut names: Vec<String> = memory::BOOTSTRAP.iter().map(|name| (*name).to_owned()).collect();
    names.push(memory::LONG_TERM.to_owned());
    // Notes of a night that passes meanwhile, too.
    names.extend((today - 1..=today + 1).flat_map(memory::recent).map(memory::note));
    let inside = |path: &Path| Some(path.strip_prefix(workspace).ok()?.to_str()?.to_owned());
    names.extend(load(&places.roots).skills.iter().filter_map(|s| inside(&s.path)));
    names.retain(|name| !name.contains(['\n', '\t']));
    names.sort_unstable();
    names.dedup();
    let stamped = |name: String| match folder.meta(&name) {
        Ok(Some(meta)) => Some((stamp(Some(meta)), name)),
        _ => None,
    };
    names.into_iter().filter_map(stamped).collect()
}

fn read(state: &Dir, name: &str) -> Result<Vec<Stamped>> {
    let bytes = state.bytes(name, PROMPT_FILES_BYTES).context(name)?.unwrap_or_default();
    let line = |line: &str| {
        let (stamp, name) = line.split_once('\t')?;
        Some((stamp.parse().ok()?, name.to_owned()))
    };
    Ok(String::from_utf8_lossy(&bytes).lines().filter_map(line).collect())
}

fn write(state: &Dir, name: &str, files: &[Stamped]) -> Result<()> {
    let lines: String = files.iter().map(|(stamp, name)| format!("{stamp}\t{name}\n")).collect();
    state.save(name, lines.as_bytes(), 0o600).context(name)
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::sys::scratch::Scratch;

    #[test]
    fn what_a_call_changes_is_untrusted_until_somebody_else_saves_it() {
        let scratch = Scratch::named("prompt-files");
        let (home, workspace) = (scratch.join("home"), scratch.join("home/workspace"));
        std::fs::create_dir_all(workspace.join("memory")).expect("folders");
        let roots = Roots::new(&workspace, &home, Path::new("/nowhere"));
        let places = Places { home, workspace: workspace.clone(), roots };
        let save = |name: &str, text: &str| {
            std::fs::write(workspace.join(name), text).expect("written");
        };
        let call = |untrusted: bool, name: &str, text: &str| {
            let watch = watch(&places, untrusted, false).expect("a record");
            save(name, text);
            if let Some(watch) = watch {
                watch.end(&places, untrusted).expect("recorded");
            }
            hold_untrusted(&places)
        };
        save("AGENT.md", "own");
        assert!(!call(false, "memory/MEMORY.md", "own"));
        assert!(!call(true, "notes.txt", "obey"), "no prompt holds it");
        assert!(call(true, "memory/MEMORY.md", "obey"));
        assert!(call(false, "memory/MEMORY.md", "obey, and more"), "the text is still there");
        save("memory/MEMORY.md", "own again");
        assert!(!hold_untrusted(&places), "its owner has saved it");
        // A kill during the call.
        drop(watch(&places, true, false).expect("a record"));
        WATCHED.store(0, Ordering::Relaxed);
        save("HEARTBEAT.md", "obey");
        assert!(hold_untrusted(&places) && hold_untrusted(&places));
        std::fs::remove_file(workspace.join("HEARTBEAT.md")).expect("removed");
        assert!(!hold_untrusted(&places));
    }
}
