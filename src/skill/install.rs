//! Installs and removes skills, so that after a power cut either the old or the new one is there, complete.
//!
//! A new skill is built in the home's `state/`, where no command of the model can reach it, and moved into the workspace
//! once it is on the card.

use std::fs::{self, DirBuilder, File, OpenOptions};
use std::io::ErrorKind;
use std::os::unix::fs::{DirBuilderExt, MetadataExt, OpenOptionsExt};
use std::path::{Path, PathBuf};
use std::time::Duration;

use super::frontmatter;
use super::origin::{self, InstallOrigin};
use super::source::SkillSource;
use super::unpack;
use super::writer::SkillWriter;
use crate::config::Config;
use crate::error::Context;
use crate::limits::{SKILL_HEAD_BYTES, TREE_NAMES};
use crate::store::bounded_read::{self, FileEnd};
use crate::store::dir::{Dir, Name};
use crate::sys::beneath::{ResolvedPath, Root, path_meta};
use crate::sys::{files, lock};
use crate::{Error, Result};

/// Where skills are installed.
#[derive(Clone, Debug)]
pub struct InstallPaths {
    /// `$PICOCLAW_HOME`.
    pub home: PathBuf,
    /// The agent's folder.
    pub workspace: PathBuf,
}

/// The result of an installation.
#[derive(Debug)]
pub struct Installed {
    /// The skill's name and folder.
    pub name: String,
    /// Its purpose.
    pub description: String,
    /// Where it came from.
    pub origin: InstallOrigin,
    /// It replaced an older one.
    pub replaced: bool,
}

impl Installed {
    /// One line of documentation.
    pub fn text(&self) -> String {
        let done = if self.replaced { "replaced" } else { "installed" };
        format!("Skill {} {done}: {} ({})", self.name, self.description, self.origin.text())
    }
}

/// Holds the lock on a home's skills, one process at a time.
pub struct Installer {
    site: InstallPaths,
    /// Folder of `skills.new`, `skills.old` and the downloaded archive.
    base: PathBuf,
    _lock: File,
}

/// Restores a skill after a power cut between two steps; for the daemon's start.
pub fn recover(config: &Config) {
    if config.home.join("state/skills.old").exists()
        || config.agent.workspace.join(".skills").exists()
    {
        if let Err(e) = InstallPaths::of(config).open(Duration::ZERO) {
            crate::log::warn!("skills: {e}");
        }
    }
}

impl InstallPaths {
    /// The paths of a configuration.
    pub fn of(config: &Config) -> InstallPaths {
        InstallPaths { home: config.home.clone(), workspace: config.agent.workspace.clone() }
    }

    /// Takes the lock, waiting at most `patience` for it, and completes an operation that a power cut interrupted.
    ///
    /// # Errors
    /// Another installation is running; disk errors.
    pub fn open(&self, patience: Duration) -> Result<Installer> {
        let state = self.home.join("state");
        let mut builder = DirBuilder::new();
        builder.recursive(true).mode(0o700);
        for folder in [&state, &self.workspace] {
            builder.create(folder).with_context(|| folder.display().to_string())?;
        }
        let path = state.join("skills.lock");
        let mut options = OpenOptions::new();
        let lock_file = options.append(true).create(true).mode(0o600).open(&path);
        let lock_file = lock_file.with_context(|| path.display().to_string())?;
        files::give_to_folder_owner(&path)?;
        if !lock::wait(&lock_file, patience) {
            return Err(Error::new("another installation is under way; wait for its end"));
        }
        let device = |p: &Path| fs::metadata(p).map(|m| m.dev()).ok();
        // A rename needs both folders on one disk; otherwise a folder in the workspace is used.
        let base = if device(&state) == device(&self.workspace) {
            state
        } else {
            self.workspace.join(".skills")
        };
        builder.create(&base).with_context(|| base.display().to_string())?;
        let bench = Installer { site: self.clone(), base, _lock: lock_file };
        bench.recover();
        Ok(bench)
    }
}

impl Installer {
    /// Where an archive is downloaded to.
    pub fn archive(&self) -> PathBuf {
        self.base.join("skills.tar.gz")
    }

    /// Installs `source`; `archive` is the path of its archive, if it has one.
    ///
    /// # Errors
    /// It is invalid, or one of this name exists and `force` is not set. Nothing has changed then.
    pub fn install(
        &self,
        source: &SkillSource,
        archive: Option<&Path>,
        force: bool,
        now: i64,
    ) -> Result<Installed> {
        let new = self.base.join("skills.new");
        remove(&new)?;
        fs::create_dir(&new).with_context(|| new.display().to_string())?;
        let done = self.fill(&new, source, archive, now).and_then(|made| {
            let replaced = self.put(&new, &made.0, force)?;
            let (name, description, origin) = made;
            Ok(Installed { name, description, origin, replaced })
        });
        // Already gone if it was moved; else an incomplete or a replaced skill.
        let _ = fs::remove_dir_all(&new);
        done.map_err(|e| e.context(source.label().1))
    }

    /// Builds the skill in `new`; returns its name, description, origin.
    fn fill(
        &self,
        new: &Path,
        source: &SkillSource,
        archive: Option<&Path>,
        now: i64,
    ) -> Result<(String, String, InstallOrigin)> {
        let local = match source {
            SkillSource::Tarball(path) => Some((path, "file")),
            SkillSource::Folder(path) => Some((path, "folder")),
            _ => None,
        };
        if let Some((path, what)) = local.filter(|(path, _)| path_meta(path).is_none()) {
            let from = match path.is_relative() {
                true => format!(" in {}", std::env::current_dir().unwrap_or_default().display()),
                false => String::new(),
            };
            return Err(Error::new(format!(
                "there is no such {what}{from}; a repository is written OWNER/REPO"
            )));
        }
        let archive = match (source, archive) {
            (SkillSource::Tarball(path), _) => Some(path.as_path()),
            (_, archive) => archive,
        };
        let found = archive.map(|path| unpack::find(path, source)).transpose()?.unwrap_or_default();
        let mut sink =
            SkillWriter::new(new.to_owned(), &self.site.workspace, found.whole_repository)?;
        match (archive, source) {
            (Some(path), _) => unpack::unpack(path, &found, &mut sink)?,
            (None, SkillSource::Folder(folder)) => unpack::copy(folder, &mut sink)?,
            _ => return Err(Error::new("its archive was not fetched")),
        }
        let head = bounded_read::bounded(&new.join("SKILL.md"), SKILL_HEAD_BYTES, FileEnd::Head)?;
        let head = head.ok_or_else(|| Error::new("there is no SKILL.md in it"))?;
        let (registry, slug) = source.label();
        let folder = Path::new(&slug).file_name().unwrap_or_default().to_string_lossy();
        let declared = frontmatter::declared(&folder, &head.text);
        if let Some(problem) = frontmatter::problem(&declared.name, &declared.description) {
            return Err(Error::new(format!("SKILL.md: {problem}")));
        }
        let version = match source {
            SkillSource::Repository { reference, .. } => reference.clone(),
            _ => String::new(),
        };
        let origin = InstallOrigin {
            registry: registry.to_owned(),
            slug,
            version,
            commit: found.commit,
            installed_at: now,
            files: sink.files,
            bytes: sink.bytes,
        };
        sink.note(origin::FILE, origin.to_json().to_string().as_bytes())?;
        sink.sync()?;
        Ok((declared.name, declared.description, origin))
    }

    /// Moves `new` to its place; true if it replaced an older one.
    fn put(&self, new: &Path, name: &str, force: bool) -> Result<bool> {
        let place = self.place(name)?;
        if !place.exists() {
            place.take_over(new, false).with_context(|| format!("cannot install {name}"))?;
            return Ok(false);
        }
        if !force {
            return Err(Error::new(format!("skill '{name}' already exists (--force replaces it)")));
        }
        if let Err(e) = place.take_over(new, true) {
            if !matches!(e.kind(), ErrorKind::InvalidInput | ErrorKind::Unsupported) {
                return Err(e).with_context(|| format!("cannot replace {name}"));
            }
            // This file system has no atomic exchange: the old one is set aside until the new one is there.
            let aside = self.aside(name)?;
            place.hand_over(&aside)?;
            if let Err(e) = place.take_over(new, false) {
                self.recover();
                return Err(e).with_context(|| format!("cannot replace {name}"));
            }
            remove(&self.base.join("skills.old"))?;
        }
        Ok(true)
    }

    /// Removes an installed or self-written skill of the workspace.
    ///
    /// # Errors
    /// There is none of this name; disk errors.
    pub fn remove(&self, name: &str) -> Result<()> {
        let path = self.site.workspace.join("skills");
        let missing = || Error::new(format!("skill '{name}' not found in {}", path.display()));
        let skills = Dir::find_parent_of(&path, 1)?.map(|(top, name)| top.folder(name, false));
        let skills = skills.transpose()?.flatten().ok_or_else(missing)?;
        let named = |found: &&Name| {
            let path = format!("{}/SKILL.md", found.name);
            let head =
                bounded_read::below(&skills, &path, SKILL_HEAD_BYTES, FileEnd::Head).ok().flatten();
            found.name == name
                || head.is_some_and(|h| frontmatter::declared(&found.name, &h.text).name == name)
        };
        let (names, _) = skills.list(TREE_NAMES)?;
        // A folder of this name takes precedence over a skill that declares it.
        let found = names.iter().filter(named).max_by_key(|found| found.name == name);
        let Name { name: folder, folder: is_folder } = found.ok_or_else(missing)?;
        if !is_folder {
            // A link: its target is not ours.
            return skills.remove(folder).map(drop).with_context(|| folder.clone());
        }
        let gone = self.base.join("skills.new");
        remove(&gone)?;
        self.place(folder)?.hand_over(&gone).with_context(|| format!("cannot remove {folder}"))?;
        remove(&gone)
    }

    fn place(&self, name: &str) -> Result<ResolvedPath> {
        let path = Path::new("skills").join(name);
        if self.site.workspace.join(&path).is_symlink() {
            return Err(Error::new(format!("{} is a link; remove it first", path.display())));
        }
        let skills = self.site.workspace.join("skills");
        let is_new = fs::symlink_metadata(&skills).is_err();
        let root = Root::open(&self.site.workspace).context("workspace")?;
        let place = root.locate(&path, true);
        if is_new && place.is_ok() {
            files::give_to_folder_owner(&skills)?;
        }
        place.map_err(|e| Error::new(format!("{}: {e}", path.display())))
    }

    fn aside(&self, name: &str) -> Result<PathBuf> {
        let old = self.base.join("skills.old");
        remove(&old)?;
        fs::create_dir(&old).with_context(|| old.display().to_string())?;
        Ok(old.join(name))
    }

    /// Restores a skill that was set aside when the power was cut.
    fn recover(&self) {
        let old = self.base.join("skills.old");
        for entry in fs::read_dir(&old).into_iter().flatten().flatten() {
            let name = entry.file_name().to_string_lossy().into_owned();
            match self.place(&name) {
                Ok(place) if !place.exists() => match place.take_over(&entry.path(), false) {
                    Ok(()) => {
                        crate::log::warn!("skill {name}: put back after an interrupted replacement")
                    }
                    Err(e) => crate::log::warn!("skill {name} stays in {}: {e}", old.display()),
                },
                // The new one is complete.
                Ok(_) => drop(remove(&entry.path())),
                Err(e) => crate::log::warn!("skill {name} stays in {}: {e}", old.display()),
            }
        }
        // Not empty if something could not be restored.
        let _ = fs::remove_dir(&old);
    }
}

fn remove(path: &Path) -> Result<()> {
    match fs::remove_dir_all(path) {
        Err(e) if e.kind() != ErrorKind::NotFound => {
            Err(e).with_context(|| path.display().to_string())
        }
        _ => Ok(()),
    }
}

#[cfg(test)]
#[path = "install_tests.rs"]
mod tests;
