//! Adopts conversations from the workspace, where commands could write to them: the Go original's, or those of our versions
//! that kept them there too. Each start moves what is new into the home.
//!
//! Go's files stay as they are and are recorded ([`record`]), so that what a later Go run appends is adopted as well. Ours
//! are moved. Each step is idempotent and is recorded afterwards: wherever the power fails, the next start ends with
//! everything, once. Adopted text counts as untrusted ([`SessionMeta::untrusted_bytes`]).

mod export;
mod merge;
pub mod record;
mod source;

use std::collections::HashSet;
use std::io::{self, Read, Seek, SeekFrom};
use std::path::Path;

use serde_json::Value;

use self::record::{AdoptedFile, Record};
use self::source::{ChangedSession, SessionContent, Text};
use super::dir::{self, Dir};
use super::jsonl::count_lines;
use super::session::{SessionMeta, Sessions, file_stem};
use super::{CRON, SESSIONS, STATE, state_file};
use crate::error::{Context, Result};
use crate::limits::{ADOPT_LINES, ADOPT_NOTES, TREE_NAMES};
use crate::proto::text::one_line;
use crate::sys::beneath::File;

/// Where our earlier versions listed what they had adopted.
const FROM: &str = "taken_from";

/// An adoption under way.
pub struct Adoption {
    /// Home of this program, where adopted content goes.
    pub home: Dir,
    /// Workspace whose content is adopted.
    pub workspace: Dir,
    /// What was adopted so far.
    pub record: Record,
    /// Messages for the log, one line each.
    pub notes: Vec<String>,
    sessions: Sessions,
    refused: usize,
}

impl Adoption {
    /// Reads what was adopted before; `None` where there is no workspace, or it is the home itself.
    ///
    /// # Errors
    /// The disk's.
    pub fn begin(home: &Path, workspace: &Path) -> Result<Option<Adoption>> {
        let sessions = Sessions::new(home);
        let home = Dir::make(home).with_context(|| home.display().to_string())?;
        super::close_folders(&home);
        let mut record = Record::read(&home)?;
        let found = Dir::find(workspace).with_context(|| workspace.display().to_string())?;
        let Some(workspace) = found.filter(|found| found.path() != home.path()) else {
            // From now on, what appears there came after the first start.
            (record.first, record.ours) = (false, false);
            record.save(&home)?;
            return Ok(None);
        };
        if record.fresh {
            let stands = |name| home.exists(name).unwrap_or(false);
            record.ours = stands("state/journal.a") || stands("state/journal.b");
            record.save(&home)?;
        }
        let notes = Vec::new();
        Ok(Some(Adoption { home, workspace, record, notes, sessions, refused: 0 }))
    }

    /// Records that the owner has put something into the workspace: it counts like what was there before the first start.
    ///
    /// # Errors
    /// The disk's.
    pub fn reopen(home: &Path) -> Result<()> {
        let home = Dir::make(home).with_context(|| home.display().to_string())?;
        let mut record = Record::read(&home)?;
        if record.fresh {
            return Ok(());
        }
        record.first = true;
        record.save(&home)
    }

    /// Adopts the conversations; returns how many.
    ///
    /// # Errors
    /// The disk's, with what was adopted before in place.
    pub fn sessions(&mut self) -> Result<usize> {
        let folder = match self.workspace.folder(SESSIONS, false) {
            Ok(Some(folder)) => folder,
            Ok(None) => return Ok(0),
            Err(e) => {
                self.refuse(SESSIONS, &e.to_string());
                return Ok(0);
            }
        };
        if self.record.first && self.record.ours {
            self.move_own_sessions(&folder)?;
        }
        let mut refused = Vec::new();
        let (found, more) = source::list(&folder, &self.record, &mut |name, why| {
            refused.push((refused.len() < ADOPT_NOTES).then(|| (name.to_owned(), why.to_owned())));
        })?;
        for told in refused {
            let (name, why) = told.unwrap_or_default();
            self.refuse(&["sessions/", &name].concat(), &why);
        }
        if more {
            self.notes.push("there are more conversations; the next start continues".into());
        }
        let (mut adopted, mut unsaved) = (0, HashSet::new());
        for source in found {
            let Some(key) = &source.key else {
                self.refuse(&["sessions/", &source.name].concat(), "whose it is is not known");
                self.note(&source, TextScan::default());
                continue;
            };
            // Duplicates are detected at the session's end, so adopt one source at a time.
            if !unsaved.insert(file_stem(key)?) {
                self.record.save(&self.home)?;
                unsaved.clear();
                unsaved.insert(file_stem(key)?);
            }
            adopted += usize::from(self.adopt(&folder, &source, key)?);
        }
        Ok(adopted)
    }

    /// Adopts the last active chat, unless a chat has written here.
    pub fn last_chat(&mut self, now: i64) {
        let here = self.home.exists("state/state.json").unwrap_or(true);
        // Commands can have changed it since: only the state before the first start counts.
        if here || !self.record.first {
            return;
        }
        let Some(chat) = state_file::last_chat_in(&self.workspace) else { return };
        if let Err(e) = state_file::save_last_chat(self.home.path(), &chat, now) {
            self.notes.push(e.to_string());
        }
    }

    /// Ends the adoption and saves the record; returns the notes.
    ///
    /// # Errors
    /// The disk's.
    pub fn end(mut self) -> Result<Vec<String>> {
        if self.record.first && self.record.ours {
            for name in ["state/state.json", STATE, SESSIONS, CRON] {
                // Only an empty folder is removed.
                let _ = self.workspace.remove(name);
            }
        }
        (self.record.first, self.record.ours) = (false, false);
        self.record.save(&self.home)?;
        if self.refused > ADOPT_NOTES {
            self.notes.push(format!("{} more are passed over", self.refused - ADOPT_NOTES));
        }
        Ok(self.notes)
    }

    /// Notes something that is not adopted.
    pub fn refuse(&mut self, name: &str, why: &str) {
        self.refused += 1;
        if self.refused <= ADOPT_NOTES {
            self.notes.push(format!("{}: {why}", one_line(name, 80)));
        }
    }

    /// Moves a file of the workspace to the same name in the home, as this user's alone; false where there is one already.
    ///
    /// # Errors
    /// The file is not ours; the kernel's.
    pub fn move_file(&self, name: &str) -> io::Result<bool> {
        let Some(mut file) = self.workspace.read(name)? else { return Ok(false) };
        let folder = name.split('/').next().unwrap_or_default();
        self.home.folder(folder, true)?;
        if self.home.exists(name)? {
            return Ok(false);
        }
        match self.home.take(name, &self.workspace) {
            Err(e) if e.raw_os_error() == Some(libc::EXDEV) => {
                self.home.replace(name, 0o600, &mut |out| io::copy(&mut file, out).map(drop))?;
                self.workspace.remove(name)?;
            }
            moved => moved.and_then(|()| self.home.set_mode(name, 0o600))?,
        }
        Ok(true)
    }

    /// Moves conversations of our earlier versions. The journal names them without their folder.
    fn move_own_sessions(&mut self, folder: &Dir) -> Result<()> {
        let mut names = Vec::new();
        folder.each(TREE_NAMES, &mut |name, _| {
            if name.ends_with(".jsonl") && !source::is_go(name) {
                names.push(name.to_owned());
            }
        })?;
        for name in names {
            match folder.read(&name) {
                Err(e) if dir::unfit(&e) => {
                    self.refuse(&["sessions/", &name].concat(), &e.to_string());
                }
                file => {
                    let length = file.and_then(|f| f.map(|f| f.metadata()).transpose());
                    let length = length.with_context(|| name.clone())?.map_or(0, |m| m.len());
                    self.move_own_session(folder, &name, length)
                        .with_context(|| format!("cannot move session {name}"))?;
                }
            }
        }
        Ok(())
    }

    fn move_own_session(&self, folder: &Dir, name: &str, length: u64) -> Result<()> {
        let at = ["sessions/", name].concat();
        if self.home.exists(&at)? {
            return Ok(());
        }
        // The mark first: the conversation must never be here without it.
        let meta_name = [source::stem(name), ".meta.json"].concat();
        let old = source::read_meta(folder, &meta_name);
        let here = self.sessions.folder().ok().flatten();
        let old = old.or_else(|| source::read_meta(&here?, &meta_name));
        let mut meta = old.unwrap_or_default();
        meta.untrusted_bytes = length.max(1);
        self.sessions.save_meta(source::stem(name), &meta)?;
        self.move_file(&at)?;
        folder.remove(&meta_name)?;
        Ok(())
    }

    /// Appends what is new in a conversation of the workspace to its chat's session; true if there was something new.
    fn adopt(&mut self, folder: &Dir, source: &ChangedSession, key: &str) -> Result<bool> {
        let read = source::open(folder, &source.name).and_then(|mut content| {
            let survey = merge::scan(&mut *content.lines, ADOPT_LINES)?;
            Ok((content, survey))
        });
        let (SessionContent { mut lines, meta: theirs }, survey) = match read {
            Ok(read) => read,
            Err(e) => {
                self.refuse(&["sessions/", &source.name].concat(), e.as_str());
                return Ok(false);
            }
        };
        let name = Sessions::file_name(key)?;
        let mut session = self.sessions.open(&name)?;
        let mut meta = self.sessions.meta(key).unwrap_or_default();
        let known = ["sessions/", &source.name].concat();
        let seen = self.record.seen(&known);
        let left = session.is_some() && self.is_left_alone(source, &meta);
        let from = match &mut session {
            _ if left => survey.length,
            session => {
                let session = session.as_mut().map(|file| file as &mut dyn Text);
                merge::begin(&mut *lines, &survey, seen, session)?
            }
        };
        let added = from < survey.length;
        let fresh = session.is_none();
        if added || fresh && !theirs.summary.is_empty() && meta.summary.is_empty() {
            if fresh || self.record.first {
                let before = match &mut session {
                    Some(file) => count_lines(file)?.0,
                    None => 0,
                };
                join_meta(&mut meta, &theirs, before, from);
            }
            meta.key = key.to_owned();
            append(self, (key, &name), meta, session, (&mut *lines, from, survey.length))?;
        }
        self.note(source, survey.into());
        Ok(added)
    }

    /// An earlier version of ours has adopted it, or the chat had continued here before Go's file was seen.
    fn is_left_alone(&self, source: &ChangedSession, meta: &SessionMeta) -> bool {
        let taken = meta.rest.get(FROM).and_then(Value::as_array);
        let taken = taken.is_some_and(|all| all.iter().any(|f| f == source::stem(&source.name)));
        let older = !meta.updated_at.is_empty() && meta.updated_at <= source.updated;
        self.record.first && self.record.ours && (taken || !older)
    }

    fn note(&mut self, source: &ChangedSession, survey: TextScan) {
        let seen = AdoptedFile {
            name: ["sessions/", &source.name].concat(),
            stamp: source.stamp,
            length: survey.length,
            hash: survey.hash,
            last: survey.last,
        };
        if !self.record.note(seen) {
            self.refuse(&source.name, "no more conversations can be remembered");
        }
    }
}

/// What the record keeps of a scanned text.
#[derive(Default)]
struct TextScan {
    length: u64,
    hash: String,
    last: u64,
}

impl From<merge::TextScan> for TextScan {
    fn from(s: merge::TextScan) -> TextScan {
        TextScan {
            length: s.length,
            hash: if s.hash.is_empty() { "-".into() } else { s.hash },
            last: s.last,
        }
    }
}

/// Takes Go's summary and skip count, for a session of `before` lines that gets Go's lines from byte `from` on.
fn join_meta(meta: &mut SessionMeta, theirs: &SessionMeta, before: u64, from: u64) {
    if theirs.skip > 0 && from == 0 {
        meta.skip = before + theirs.skip;
        meta.skip_bytes = None;
    }
    if !theirs.summary.is_empty() {
        meta.summary.clone_from(&theirs.summary);
    }
    for (name, value) in &theirs.rest {
        meta.rest.entry(name).or_insert_with(|| value.clone());
    }
    meta.created_at.clone_from(&theirs.created_at);
    meta.updated_at.clone_from(&theirs.updated_at);
}

/// Saves a session's meta, then appends the bytes `from..to` of `lines` to the session.
fn append(
    adoption: &Adoption,
    (key, name): (&str, &str),
    mut meta: SessionMeta,
    mut session: Option<File>,
    (lines, from, to): (&mut dyn Text, u64, u64),
) -> Result<()> {
    let (before, torn) = match &mut session {
        Some(file) => (file.metadata()?.len(), is_torn(file)?),
        None => (0, false),
    };
    let ends_torn = is_torn(lines)?;
    // The mark first: the text must never be here without it.
    meta.untrusted_bytes = before + (to - from) + u64::from(torn) + u64::from(ends_torn);
    meta.untrusted_bytes = meta.untrusted_bytes.max(1);
    adoption.sessions.save_meta(key, &meta)?;
    if from == to {
        return Ok(());
    }
    let path = ["sessions/", name].concat();
    let saved = adoption.home.replace(&path, 0o600, &mut |out| {
        if let Some(file) = &mut session {
            file.rewind()?;
            io::copy(file, out)?;
        }
        out.write_all(if torn { b"\n" } else { b"" })?;
        lines.seek(SeekFrom::Start(from))?;
        io::copy(&mut Read::take(&mut *lines, to - from), out)?;
        out.write_all(if ends_torn { b"\n" } else { b"" })
    });
    saved.context(path)
}

/// Does a text end in the middle of a line?
fn is_torn(text: &mut dyn Text) -> io::Result<bool> {
    if text.seek(SeekFrom::End(0))? == 0 {
        return Ok(false);
    }
    text.seek(SeekFrom::End(-1))?;
    let mut last = [0];
    text.read_exact(&mut last)?;
    Ok(last != *b"\n")
}

#[cfg(test)]
mod tests;
