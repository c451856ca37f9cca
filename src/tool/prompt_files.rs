//! Files that enter later prompts (memory, skills, AGENT.md, HEARTBEAT.md, ...) and that text of others may have changed.
//!
//! A command can write them whatever it was asked for. So they are looked at before and after a call that untrusted text may be
//! behind; what changed meanwhile is untrusted until somebody else changes its content, and so is every turn whose prompt holds
//! it. The record is in the home's `state/`, out of reach of tools and commands. Blocks on the disk.

use std::io::{Read, Seek, SeekFrom};
use std::path::{Path, PathBuf};
use std::sync::{Mutex, MutexGuard, PoisonError};

use ring::digest;

use crate::config::Config;
use crate::error::{Context, Result};
use crate::limits::{PROMPT_DIGEST_BYTES, PROMPT_FILES_BYTES};
use crate::proto::{date, text};
use crate::skill::load::{Roots, load};
use crate::store::bounded_read::stamp;
use crate::store::dir::Dir;
use crate::store::memory;
use crate::sys::{clock, start_thread};

/// The untrusted files, in `state/`: a line with digest and name for each.
const UNTRUSTED: &str = "untrusted-files";
/// How the files were before a call that has not ended, a line with stamp and name for each: for the start after a crash.
const BEFORE: &str = "prompt-files-before";
/// In place of a digest that could not be made: the file is untrusted whatever is in it.
const ANY: &str = "-";

/// The homes of calls that are being watched, once for each.
static WATCHED: Mutex<Vec<PathBuf>> = Mutex::new(Vec::new());

/// Homes of calls that were cancelled, with their files as they were before the oldest of them: text of others may have been
/// behind it, which the next prompt finds out.
static CANCELLED: Mutex<Vec<(PathBuf, Vec<Stamped>)>> = Mutex::new(Vec::new());

/// Held by whoever changes the records on the disk; never by the loop.
static RECORDS: Mutex<()> = Mutex::new(());

fn records() -> MutexGuard<'static, ()> {
    RECORDS.lock().unwrap_or_else(PoisonError::into_inner)
}

fn cancelled() -> MutexGuard<'static, Vec<(PathBuf, Vec<Stamped>)>> {
    CANCELLED.lock().unwrap_or_else(PoisonError::into_inner)
}

fn watched() -> MutexGuard<'static, Vec<PathBuf>> {
    WATCHED.lock().unwrap_or_else(PoisonError::into_inner)
}

/// A file's stamp ([`stamp`]), valid on this machine and for this build, and its name in the workspace.
type Stamped = (u64, String);

/// A file's content in the record ([`digest_of`], or [`ANY`]), and its name in the workspace. Valid after a restore, too.
type Marked = (String, String);

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
struct Earlier {
    files: Vec<Stamped>,
    /// Names of those that were untrusted.
    untrusted: Vec<String>,
}

/// A call that may change files. Dropped before its end it was cancelled: then text of others may have been behind it.
pub struct PromptFilesWatch {
    home: PathBuf,
    earlier: Earlier,
    ended: bool,
}

/// Whether the prompt holds text of others by way of such a file.
pub fn hold_untrusted(places: &Places) -> bool {
    let Ok(Some(state)) = Dir::find(&places.home.join("state")) else { return false };
    let _records = records();
    let call = {
        let mut cancelled = cancelled();
        let at = cancelled.iter().position(|(home, _)| *home == places.home);
        at.map(|at| Earlier { files: cancelled.swap_remove(at).1, untrusted: Vec::new() })
    };
    let unwatched = !watched().contains(&places.home);
    let interrupted = unwatched && state.exists(BEFORE).unwrap_or(true);
    let held = || {
        if let Some(earlier) = &call {
            note(places, &state, earlier, true)?;
        }
        if interrupted {
            let before = lines(&state, BEFORE)?;
            let stamp = |(stamp, name): Marked| Some((stamp.parse().ok()?, name));
            let files = before.into_iter().filter_map(stamp).collect();
            note(places, &state, &Earlier { files, untrusted: Vec::new() }, true)?;
            state.remove(BEFORE).context(BEFORE)?;
        }
        untrusted(places, &state)
    };
    let names = held();
    match names {
        Ok(names) => !names.is_empty(),
        Err(e) => {
            crate::log::error!("{e}; what the prompt holds counts as untrusted");
            // The next prompt tries again.
            cancelled().extend(call.map(|earlier| (places.home.clone(), earlier.files)));
            true
        }
    }
}

/// Looks at the files before a call that may change them; `None` where neither text of others is behind it (`untrusted`), nor may
/// turn out to be (`later`), nor any file is untrusted.
///
/// # Errors
/// The disk's: then the call must not run.
pub fn watch(places: &Places, untrusted: bool, later: bool) -> Result<Option<PromptFilesWatch>> {
    let state = Dir::make(&places.home.join("state")).context("state")?;
    if !untrusted && !later && lines(&state, UNTRUSTED)?.is_empty() {
        return Ok(None);
    }
    let earlier = Earlier { files: now(places), untrusted: self::untrusted(places, &state)? };
    if untrusted {
        earlier.record(&state)?;
    }
    watched().push(places.home.clone());
    Ok(Some(PromptFilesWatch { home: places.home.clone(), earlier, ended: false }))
}

impl Earlier {
    /// For the start after a crash; the oldest record counts.
    fn record(&self, state: &Dir) -> Result<()> {
        if state.exists(BEFORE).context(BEFORE)? {
            return Ok(());
        }
        let lines = self.files.iter().map(|(stamp, name)| (stamp.to_string(), name.clone()));
        write(state, BEFORE, &lines.collect::<Vec<_>>())
    }
}

impl PromptFilesWatch {
    /// Records what changed, if text of others may be behind it, and what was untrusted before.
    ///
    /// # Errors
    /// The disk's.
    pub fn end(mut self, places: &Places, untrusted: bool) -> Result<()> {
        let state = Dir::make(&places.home.join("state")).context("state")?;
        let _records = records();
        let noted = note(places, &state, &self.earlier, untrusted);
        self.ended = true;
        let needed = !self.leave() || cancelled().iter().any(|(home, _)| *home == self.home);
        if !needed && noted.is_ok() {
            state.remove(BEFORE).context(BEFORE)?;
        }
        noted
    }

    /// Whether no other call of this home is watched.
    fn leave(&self) -> bool {
        let mut watched = watched();
        if let Some(at) = watched.iter().position(|home| *home == self.home) {
            watched.swap_remove(at);
        }
        !watched.contains(&self.home)
    }
}

impl Drop for PromptFilesWatch {
    fn drop(&mut self) {
        if self.ended {
            return;
        }
        {
            let mut cancelled = cancelled();
            if cancelled.iter().all(|(home, _)| *home != self.home) {
                cancelled.push((self.home.clone(), self.earlier.files.clone()));
            }
        }
        self.leave();
        // A turn is dropped on the loop, which must not wait for the disk. This is for a restart before the next prompt.
        let (home, files) =
            (std::mem::take(&mut self.home), std::mem::take(&mut self.earlier.files));
        let recorded = start_thread(
            "prompt-files",
            Box::new(move || {
                let _records = records();
                if cancelled().iter().all(|(other, _)| *other != home) {
                    return;
                }
                let earlier = Earlier { files, untrusted: Vec::new() };
                let state = Dir::make(&home.join("state")).context("state");
                if let Err(e) = state.and_then(|state| earlier.record(&state)) {
                    crate::log::error!("what a cancelled call changed is not recorded: {e}");
                }
            }),
        );
        if let Err(e) = recorded {
            crate::log::error!("what a cancelled call changed is not recorded: {e}");
        }
    }
}

fn note(places: &Places, state: &Dir, earlier: &Earlier, untrusted: bool) -> Result<()> {
    let known = lines(state, UNTRUSTED)?;
    let folder = Dir::shared(&places.workspace).context("workspace")?;
    let mut marked: Vec<Marked> = Vec::new();
    for file in now(places) {
        let changed = untrusted && !earlier.files.contains(&file);
        let name = file.1;
        let recorded = known.iter().find(|k| k.1 == name);
        if !changed && recorded.is_none() {
            continue;
        }
        let digest = digest_of(&folder, &name);
        let same = recorded.is_some_and(|k| k.0 == digest || !is_digest(&k.0));
        if changed || same || earlier.untrusted.contains(&name) {
            if recorded.is_none_or(|k| k.0 != digest) {
                crate::log::warn!(
                    "{name} holds text of others from now on; look at it, and change it"
                );
            }
            marked.push((digest, name));
        }
    }
    if marked == known { Ok(()) } else { write(state, UNTRUSTED, &marked) }
}

/// Names of the untrusted files that prompts hold now. A record of an earlier version, which had no digests, gets them.
fn untrusted(places: &Places, state: &Dir) -> Result<Vec<String>> {
    let mut known = lines(state, UNTRUSTED)?;
    if known.is_empty() {
        return Ok(Vec::new());
    }
    let folder = Dir::shared(&places.workspace).context("workspace")?;
    let (now, mut names, mut upgraded) = (now(places), Vec::new(), false);
    for (recorded, name) in &mut known {
        if !now.iter().any(|file| file.1 == *name) {
            continue;
        }
        let digest = digest_of(&folder, name);
        if !is_digest(recorded) && *recorded != digest {
            upgraded = true;
            recorded.clone_from(&digest);
        }
        if *recorded == digest {
            names.push(name.clone());
        }
    }
    if upgraded {
        write(state, UNTRUSTED, &known)?;
    }
    Ok(names)
}

/// SHA-256 of a file's content as hex digits; of a long file, of its length, beginning and end. [`ANY`] where it cannot be
/// read.
fn digest_of(folder: &Dir, name: &str) -> String {
    let digest = || -> std::io::Result<String> {
        let mut file = folder.read(name)?.ok_or(std::io::ErrorKind::NotFound)?;
        let length = file.metadata()?.len();
        let mut context = digest::Context::new(&digest::SHA256);
        context.update(&length.to_le_bytes());
        let mut part = [0; 4096];
        for start in [0, length.saturating_sub(PROMPT_DIGEST_BYTES).max(PROMPT_DIGEST_BYTES)] {
            file.seek(SeekFrom::Start(start))?;
            let mut rest = (&mut file).take(PROMPT_DIGEST_BYTES);
            loop {
                match rest.read(&mut part)? {
                    0 => break,
                    n => context.update(&part[..n]),
                }
            }
        }
        Ok(text::hex(context.finish().as_ref()))
    };
    digest().unwrap_or_else(|_| ANY.to_owned())
}

/// Whether the first word of a line is one, and not a stamp of an earlier version or [`ANY`].
fn is_digest(word: &str) -> bool {
    word.len() == 2 * digest::SHA256_OUTPUT_LEN
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

fn lines(state: &Dir, name: &str) -> Result<Vec<Marked>> {
    let bytes = state.bytes(name, PROMPT_FILES_BYTES).context(name)?.unwrap_or_default();
    let line = |line: &str| line.split_once('\t').map(|(a, b)| (a.to_owned(), b.to_owned()));
    Ok(String::from_utf8_lossy(&bytes).lines().filter_map(line).collect())
}

fn write(state: &Dir, name: &str, files: &[Marked]) -> Result<()> {
    let lines: String = files.iter().map(|(word, name)| format!("{word}\t{name}\n")).collect();
    state.save(name, lines.as_bytes(), 0o600).context(name)
}

#[cfg(test)]
mod tests;
