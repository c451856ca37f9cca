//! One file after the other.

use std::io::{self, Read};
use std::os::unix::fs::MetadataExt;
use std::path::{Path, PathBuf};

use super::report::{FileOutcome, MigrationReport};
use crate::command::owner;
use crate::command::tree::{self, EntryKind, join};
use crate::config::LoadOptions;
use crate::error::{Context, Error, Result};
use crate::limits::MIGRATE_FILE_BYTES;
use crate::store::atomic;
use crate::store::dir::Dir;
use crate::sys::beneath::{self, File, Root, identity};

/// A migration under way.
pub struct Migrator {
    /// The home it goes to.
    pub target: PathBuf,
    /// With `PICOCLAW_HOME` set to it.
    pub options: LoadOptions,
    /// Conversations and jobs that are there give way, too.
    pub force: bool,
    /// Nothing is written.
    pub dry: bool,
    /// The configuration is asked for.
    pub config: bool,
    /// The workspace is asked for.
    pub workspace: bool,
    /// Also one that is somebody else's.
    pub elsewhere: bool,
    /// It has put jobs or the last chat there.
    pub gave: bool,
    /// What happened to each file.
    pub report: MigrationReport,
}

/// Makes a folder and those above it; root's are given to the owner of the folder around them.
pub fn folder(path: &Path) -> Result<()> {
    Dir::make(path).map(drop).with_context(|| format!("cannot make {}", path.display()))
}

fn same(file: &mut File, target: &Path) -> io::Result<bool> {
    let other = Dir::find_parent_of(target, 1)?.map(|(dir, name)| dir.read(name));
    let Some(Some(mut other)) = other.transpose()? else { return Ok(false) };
    if other.metadata()?.len() != file.metadata()?.len() {
        return Ok(false);
    }
    let (mut one, mut two) = ([0; 4096], [0; 4096]);
    loop {
        let n = file.read(&mut one)?;
        if n == 0 {
            return Ok(true);
        }
        other.read_exact(&mut two[..n])?;
        if one[..n] != two[..n] {
            return Ok(false);
        }
    }
}

impl Migrator {
    /// Everything below `at`, to the same names below `to`; `each` may name another place for a file, or the reason why it
    /// is left out.
    ///
    /// # Errors
    /// A full disk.
    pub fn tree(
        &mut self,
        root: &Root,
        at: &str,
        to: &Path,
        shown: &str,
        each: &dyn Fn(&str) -> Result<Option<String>, &'static str>,
    ) -> Result<()> {
        tree::walk(root, at, &mut |path, what| {
            let rest = path.strip_prefix(at).unwrap_or(path).trim_start_matches('/');
            let name = join(shown, rest);
            match what {
                EntryKind::Folder => match each(rest) {
                    Err(why) => {
                        self.report.add(FileOutcome::LeftOut, &name, why);
                        return Ok(false);
                    }
                    Ok(_) => return Ok(true),
                },
                EntryKind::Skipped(why) => self.report.add(FileOutcome::LeftOut, &name, why),
                EntryKind::TooLarge(why) | EntryKind::Unread(why) => {
                    let cure = "make it readable and run this again, or run it as root";
                    self.report.add(FileOutcome::Failed, &name, &format!("{why}; {cure}"));
                }
                EntryKind::File => match each(rest) {
                    Err(why) => self.report.add(FileOutcome::LeftOut, &name, why),
                    Ok(None) => {
                        self.copy(root, path, &to.join(rest), &name, FileOutcome::Imported)?
                    }
                    Ok(Some(other)) => {
                        self.copy(root, path, &to.join(other), &name, FileOutcome::Converted)?;
                    }
                },
            }
            Ok(true)
        })
    }

    /// One file of the source.
    ///
    /// # Errors
    /// A full disk.
    pub fn copy(
        &mut self,
        root: &Root,
        path: &str,
        target: &Path,
        shown: &str,
        did: FileOutcome,
    ) -> Result<()> {
        let (mut file, _) = match root.locate(Path::new(path), false).and_then(|p| p.read()) {
            Ok(opened) => opened,
            Err(fault) => {
                let why = format!("{fault}; make it readable and run this again");
                self.report.add(FileOutcome::Failed, shown, &why);
                return Ok(());
            }
        };
        let meta = file.metadata().context(shown)?;
        if meta.len() > MIGRATE_FILE_BYTES {
            let why = format!("larger than {} MB; copy it by hand", MIGRATE_FILE_BYTES >> 20);
            self.report.add(FileOutcome::LeftOut, shown, &why);
            return Ok(());
        }
        // The source is read with all rights there are, the target with its owner's.
        let _owner = owner::act_as_owner(&self.target)?;
        if same(&mut file, target).unwrap_or(false) {
            self.report.add(FileOutcome::Unchanged, shown, "");
            return Ok(());
        }
        let mode = meta.mode() & 0o777 | 0o600;
        self.place(target, mode, shown, did, "", &mut |out| {
            io::Seek::rewind(&mut file)?;
            io::copy(&mut file, out).map(drop)
        })
    }

    /// What was made of something in the source.
    ///
    /// # Errors
    /// A full disk.
    pub fn put(
        &mut self,
        bytes: &[u8],
        target: &Path,
        shown: &str,
        did: FileOutcome,
        note: &str,
    ) -> Result<()> {
        let _owner = owner::act_as_owner(&self.target)?;
        let there = atomic::read_bounded(target, bytes.len() as u64).ok().flatten();
        if there.is_some_and(|there| there == bytes) {
            self.report.add(FileOutcome::Unchanged, shown, "");
            return Ok(());
        }
        self.place(target, 0o600, shown, did, note, &mut |out| out.write_all(bytes))
    }

    fn place(
        &mut self,
        target: &Path,
        mode: u32,
        shown: &str,
        did: FileOutcome,
        note: &str,
        fill: &mut dyn FnMut(&mut dyn io::Write) -> io::Result<()>,
    ) -> Result<()> {
        let there = target.symlink_metadata().is_ok();
        let lives = ["sessions/", "cron/", "state/"];
        let lives = shown
            .strip_prefix("workspace/")
            .is_some_and(|name| lives.iter().any(|p| name.starts_with(p)));
        if there && lives && !self.force {
            let why = "the target has gone on with its own; --force takes this and keeps that";
            self.report.add(FileOutcome::LeftOut, shown, why);
            return Ok(());
        }
        let written = if self.dry {
            if there {
                self.report.add(FileOutcome::Kept, shown, "what is there now, as .bak");
            }
            Ok(())
        } else {
            target.parent().map_or(Ok(()), folder).and_then(|()| {
                if there {
                    let kept = keep_backup(target)?;
                    self.report.add(FileOutcome::Kept, &kept.display().to_string(), "");
                }
                atomic::replace(target, mode, fill)
            })
        };
        match written {
            Ok(()) => {
                self.gave |= lives && !self.dry && !shown.starts_with("workspace/sessions/");
                self.report.add(did, shown, note);
            }
            Err(e) => {
                self.report.add(FileOutcome::Failed, shown, e.as_str());
                if e.as_str().contains("os error 28") {
                    let cure = "the disk is full: make room and run this again, it continues";
                    return Err(Error::new(cure));
                }
            }
        }
        Ok(())
    }
}

/// Gives what is at `target` a second name, `.bak` or with a number; it stays in place until it is replaced.
fn keep_backup(target: &Path) -> Result<PathBuf> {
    let name = |n: u32| {
        let mut name = target.as_os_str().to_os_string();
        name.push(if n < 2 { ".bak".to_owned() } else { format!(".bak-{n}") });
        PathBuf::from(name)
    };
    for n in 1.. {
        let path = name(n);
        // A run that was killed here has made it already.
        if identity(&path).is_some() && identity(&path) == identity(target) {
            return Ok(path);
        }
        match beneath::hard_link(target, &path) {
            Err(e) if e.kind() == io::ErrorKind::AlreadyExists => {}
            Ok(()) => return Ok(path),
            // No second names on this file system.
            Err(e) => {
                let bytes = atomic::read_bounded(target, MIGRATE_FILE_BYTES)?.ok_or(e)?;
                atomic::write(&path, &bytes, 0o600)?;
                return Ok(path);
            }
        }
    }
    Err(Error::new("no name is free for a copy"))
}
