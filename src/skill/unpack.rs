//! Extracts a skill from an archive or a folder. An archive is read twice: to find the skill, and to unpack it.

use std::fs::{self, File, OpenOptions};
use std::io::Read;
use std::os::unix::fs::{MetadataExt, OpenOptionsExt};
use std::path::Path;

use super::source::SkillSource;
use super::writer::SkillWriter;
use crate::error::Context;
use crate::limits::{
    SKILL_DEPTH, SKILL_ENTRIES, SKILL_FILES, SKILL_RATIO, SKILL_UNPACKED_BYTES, SKILLS,
};
use crate::proto::tar::{TarEvent, TarKind};
use crate::store::archive::{self, ArchiveLimits};
use crate::{Error, Result};

/// Bytes read at a time.
const STEP: usize = 16 * 1024;

/// The skill's location in an archive.
#[derive(Debug, Default, PartialEq, Eq)]
pub struct SkillLocation {
    /// Its folder, without a trailing slash; empty for the top.
    pub folder: String,
    /// It is at the top of a repository.
    pub whole_repository: bool,
    /// Hash of the commit, or empty.
    pub commit: String,
}

/// Finds the skill of `source` in its archive.
///
/// # Errors
/// Not an archive, a decompression bomb, paths that lead out, no such skill (the error lists the existing ones).
pub fn find(archive: &Path, source: &SkillSource) -> Result<SkillLocation> {
    let mut folders: Vec<String> = Vec::new();
    let mut root: Option<String> = None;
    let comment = walk(archive, &mut |event| {
        let TarEvent::Entry(entry) = event else { return Ok(()) };
        let path = plain(&entry.path)?;
        let first = path.split('/').next().unwrap_or("");
        if !path.is_empty() && root.as_deref() != Some(first) {
            // More than one name at the top: there is no single top folder.
            root = Some(if root.is_none() { first.to_owned() } else { String::new() });
        }
        let skill = path.strip_suffix("SKILL.md").filter(|p| p.is_empty() || p.ends_with('/'));
        if let (Some(folder), TarKind::File, true) = (skill, entry.kind, folders.len() < SKILLS) {
            let folder = folder.trim_end_matches('/');
            if !folders.iter().any(|f| f == folder) {
                folders.push(folder.to_owned());
            }
        }
        Ok(())
    })?;
    let hash = |c: &String| matches!(c.len(), 40 | 64) && c.bytes().all(|b| b.is_ascii_hexdigit());
    let commit = Some(comment).filter(hash).unwrap_or_default();
    let (path, root) = match source {
        SkillSource::Repository { path, .. } => (&**path, root.unwrap_or_default()),
        _ => ("", String::new()),
    };
    let folder = choose(&folders, &root, path)?;
    let whole_repository = matches!(source, SkillSource::Repository { .. }) && folder == root;
    Ok(SkillLocation { folder, whole_repository, commit })
}

/// Selects the folder among those with a SKILL.md.
fn choose(folders: &[String], root: &str, path: &str) -> Result<String> {
    let path = path.strip_suffix("SKILL.md").unwrap_or(path).trim_matches('/');
    let wanted = match (root, path) {
        ("", path) | (path, "") => path.to_owned(),
        (root, path) => [root, "/", path].concat(),
    };
    if let Some(exact) = folders.iter().find(|f| **f == wanted) {
        return Ok(exact.clone());
    }
    // A skill may contain others as examples: only the outermost count.
    let inside =
        |a: &str, b: &str| b.is_empty() || a.strip_prefix(b).is_some_and(|r| r.starts_with('/'));
    let outer: Vec<&String> = folders
        .iter()
        .filter(|a| !folders.iter().any(|b| *a != b && inside(a, b)))
        .filter(|f| path.is_empty() || f.rsplit('/').next() == Some(path))
        .collect();
    if let [only] = outer[..] {
        return Ok(only.clone());
    }
    let below = |f: &String| f.strip_prefix(root).unwrap_or(f).trim_matches('/').to_owned();
    let names: Vec<String> = folders.iter().map(below).filter(|f| !f.is_empty()).collect();
    Err(Error::new(match (names.is_empty(), path.is_empty()) {
        (true, _) => "there is no SKILL.md in it".to_owned(),
        (false, true) => format!("it holds several skills, name one: {}", names.join(", ")),
        (false, false) => format!("there is no skill {path:?} in it, but {}", names.join(", ")),
    }))
}

/// Unpacks the skill into `writer`.
///
/// # Errors
/// Links and devices, names and amounts that [`SkillWriter`] refuses, the disk's.
pub fn unpack(archive: &Path, found: &SkillLocation, sink: &mut SkillWriter) -> Result<()> {
    walk(archive, &mut |event| match event {
        TarEvent::Data(data) => sink.write(data),
        TarEvent::Entry(entry) => {
            let path = plain(&entry.path)?;
            let rest = match &*found.folder {
                "" => Some(path),
                folder => path.strip_prefix(folder).and_then(|rest| rest.strip_prefix('/')),
            };
            let Some(rest) = rest.filter(|r| !r.is_empty()) else { return sink.skip() };
            if entry.kind == TarKind::Folder {
                return sink.skip();
            }
            if !sink.begin(rest, entry.mode & 0o100 != 0)? || entry.kind == TarKind::File {
                return Ok(());
            }
            Err(Error::new(format!("{rest} is a link or a device; a skill is made of plain files")))
        }
    })?;
    Ok(())
}

/// Copies the skill in `folder`.
///
/// # Errors
/// As [`unpack`].
pub fn copy(folder: &Path, sink: &mut SkillWriter) -> Result<()> {
    copy_below(folder, "", 0, sink)
}

fn copy_below(folder: &Path, prefix: &str, depth: usize, sink: &mut SkillWriter) -> Result<()> {
    let mut entries: Vec<_> =
        fs::read_dir(folder).with_context(|| folder.display().to_string())?.flatten().collect();
    entries.sort_unstable_by_key(fs::DirEntry::file_name);
    if entries.len() as u64 > SKILL_FILES || depth > SKILL_DEPTH {
        return Err(Error::new(format!("{}: too many files, or too deep", folder.display())));
    }
    for entry in entries {
        let name = entry.file_name();
        let path = [prefix, &*name.to_string_lossy()].concat();
        let kind = entry.file_type().with_context(|| path.clone())?;
        if name.as_encoded_bytes().starts_with(b".") {
            continue;
        }
        if kind.is_dir() {
            copy_below(&entry.path(), &(path + "/"), depth + 1, sink)?;
            continue;
        }
        let mut options = OpenOptions::new();
        options.read(true).custom_flags(libc::O_NOFOLLOW | libc::O_NONBLOCK);
        let plain = kind.is_file().then(|| options.open(entry.path()));
        let Some(file) = plain else {
            return Err(Error::new(format!(
                "{path} is a link or a device; a skill is made of plain files"
            )));
        };
        let mut file = file.with_context(|| path.clone())?;
        let mode = file.metadata().with_context(|| path.clone())?.mode();
        sink.begin(&path, mode & 0o100 != 0)?;
        let mut buffer = vec![0; STEP];
        loop {
            match file.read(&mut buffer).with_context(|| path.clone())? {
                0 => break,
                n => sink.write(&buffer[..n])?,
            }
        }
    }
    Ok(())
}

/// Reads an archive to its end; gives its comment.
fn walk(archive: &Path, each: &mut dyn FnMut(TarEvent<'_>) -> Result<()>) -> Result<String> {
    let name = || archive.display().to_string();
    let mut file = File::open(archive).with_context(name)?;
    let bounds = ArchiveLimits {
        bytes: SKILL_UNPACKED_BYTES,
        ratio: SKILL_RATIO,
        entries: SKILL_ENTRIES as u64,
    };
    archive::read(&mut file, &bounds, each)
}

/// A path without leading `./` and trailing slashes. No legitimate archive has one that leads out.
fn plain(path: &str) -> Result<&str> {
    if path.starts_with('/') || path.split('/').any(|part| part == "..") {
        return Err(Error::new(format!("the archive has a path that leads out of it: {path:?}")));
    }
    let path = path.trim_end_matches('/');
    let path = path.strip_prefix("./").unwrap_or(path);
    Ok(if path == "." { "" } else { path })
}

#[cfg(test)]
#[path = "unpack_tests.rs"]
mod tests;
#[cfg(test)]
pub use tests::archive;
