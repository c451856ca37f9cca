//! `picoclaw restore`: unpacks a backup beside what is in the home, and exchanges the two when all of it is there.
//!
//! The old contents are kept. `store/swap.rs` says why it may be killed at any moment.

use std::fs::{DirBuilder, File, OpenOptions};
use std::io::{Read, Write};
use std::os::unix::fs::{DirBuilderExt, MetadataExt, OpenOptionsExt, lchown};
use std::path::{Path, PathBuf};
use std::process::ExitCode;

use serde_json::Value;

use super::backup::{MANIFEST, VERSION};
use super::owner;
use crate::app::{self, home::Home};
use crate::args;
use crate::config::{self, LoadOptions};
use crate::error::{Context, Error, Result};
use crate::limits::{RESTORE_BYTES, RESTORE_ENTRIES, RESTORE_RATIO};
use crate::proto::tar::{TarEntry, TarEvent, TarKind};
use crate::proto::text::utf8;
use crate::store::archive::{self, ArchiveLimits};
use crate::store::swap::{self, Swap};
use crate::sys::files;

/// Bytes of the manifest.
const MANIFEST_BYTES: usize = 8 * 1024;
/// In the home, for a workspace that was elsewhere: an archive does not choose where on the disk it goes.
const WORKSPACE: &str = "restored-workspace";

/// Restores, and says where the old home is.
///
/// # Errors
/// A running gateway, data in the way, an archive that is no backup or is broken, a full disk: nothing has changed then.
pub fn run(args: &args::RestoreArgs) -> Result<ExitCode> {
    let home = LoadOptions::from_process().home()?;
    // Root's archive is opened as root, everything else is the owner's.
    let mut file: Box<dyn Read> = if args.file == args::PIPE {
        Box::new(std::io::stdin())
    } else {
        Box::new(File::open(&args.file).with_context(|| args.file.clone())?)
    };
    if swap::holds_data(&home) && !args.force {
        let why = "holds data already; with --force it is moved aside and kept";
        return Err(Error::new(format!("{} {why}", home.display())));
    }
    if !home.exists() {
        let made = DirBuilder::new().recursive(true).mode(0o700).create(&home);
        made.and_then(|()| files::give_to_folder_owner(&home))
            .with_context(|| home.display().to_string())?;
    }
    owner::become_owner(&home)?;
    let lock = Home::lock_stopped(&home)?;
    let new = Swap::begin(&home)?;
    let theirs = home.metadata().with_context(|| home.display().to_string())?;
    let owner = rustix::process::geteuid().is_root().then(|| (theirs.uid(), theirs.gid()));
    let unpacked = unpack(&mut *file, new.place(), owner);
    let Unpacked { files, workspace, old } = match unpacked {
        Ok(unpacked) => unpacked,
        Err(e) => {
            new.forget();
            return Err(e.context(&args.file));
        }
    };
    let aside = new.commit()?;
    if old {
        adopt(&home);
    }
    drop(lock);
    println!("Restored {} files to {}.", files, home.display());
    if let Some(aside) = aside {
        println!("What was there is now {}; remove it when it is not needed.", aside.display());
    }
    if let Some(was) = workspace {
        let now = home.join(WORKSPACE);
        println!("Its workspace was elsewhere: mv {} {was}", now.display());
    }
    Ok(ExitCode::SUCCESS)
}

/// What was in a backup.
pub struct Unpacked {
    /// Files.
    pub files: u64,
    /// Where its workspace was, if that was not in the home.
    pub workspace: Option<String>,
    /// Conversations, jobs and state are in the workspace.
    pub old: bool,
}

/// Puts what an old backup has in its workspace where it belongs now. Where that is not known yet, or the workspace still has
/// to be moved, the next start does it.
fn adopt(home: &Path) {
    let options = LoadOptions { allow_empty: true, ..LoadOptions::from_process() };
    let Ok(loaded) = config::load(&options) else { return };
    match app::adopt::adopt(home, &loaded.config.agent.workspace) {
        Ok(notes) => notes.iter().for_each(|note| eprintln!("workspace: {note}")),
        Err(e) => eprintln!("warning: the next start continues with the conversations: {e}"),
    }
}

/// Unpacks a backup into a folder, for root as `owner`'s.
///
/// # Errors
/// No backup, a broken one, one with nothing in it or too much; the disk's.
pub fn unpack(file: &mut dyn Read, into: PathBuf, owner: Option<(u32, u32)>) -> Result<Unpacked> {
    let mut unpacking = Unpacking {
        new: into,
        owner,
        manifest: None,
        workspace: None,
        old: false,
        open: None,
        files: 0,
    };
    let bounds =
        ArchiveLimits { bytes: RESTORE_BYTES, ratio: RESTORE_RATIO, entries: RESTORE_ENTRIES };
    archive::read(file, &bounds, &mut |event| unpacking.take(event))?;
    match unpacking.files {
        0 | 1 => Err(Error::new("there is nothing in it")),
        n => {
            let Unpacking { workspace, old, .. } = unpacking;
            Ok(Unpacked { files: n - 1, workspace, old })
        }
    }
}

/// An archive on its way to the disk. What it says of permissions counts only where a file of its owner's can be
/// executed; a workspace that others share is shared anew at the next start.
struct Unpacking {
    new: PathBuf,
    /// For root: whose the files are to be.
    owner: Option<(u32, u32)>,
    manifest: Option<Vec<u8>>,
    /// Where the workspace was, if not in the home.
    workspace: Option<String>,
    old: bool,
    open: Option<File>,
    /// The manifest counts, too.
    files: u64,
}

impl Unpacking {
    fn take(&mut self, event: TarEvent<'_>) -> Result<()> {
        match event {
            TarEvent::Entry(entry) if self.files == 0 => {
                if entry.path != MANIFEST || entry.size > MANIFEST_BYTES as u64 {
                    return Err(Error::new("this is no backup that picoclaw has made"));
                }
                self.manifest = Some(Vec::new());
                self.files = 1;
                Ok(())
            }
            TarEvent::Entry(entry) => {
                if let Some(manifest) = self.manifest.take() {
                    self.begin(&manifest)?;
                }
                self.entry(&entry).with_context(|| entry.path.clone())
            }
            TarEvent::Data(data) => match (&mut self.manifest, &mut self.open) {
                (Some(manifest), _) => {
                    manifest.extend_from_slice(data);
                    Ok(())
                }
                (None, Some(file)) => file.write_all(data).context("cannot unpack"),
                (None, None) => Ok(()),
            },
        }
    }

    fn begin(&mut self, manifest: &[u8]) -> Result<()> {
        let manifest: Value = utf8(manifest).and_then(serde_json::from_str).context(MANIFEST)?;
        let version =
            manifest["version"].as_u64().filter(|version| (1..=VERSION).contains(version));
        let newer = "the backup is of a newer picoclaw; restore it with that one";
        self.old = version.ok_or_else(|| Error::new(newer))? < 2;
        self.workspace = manifest["workspace"].as_str().map(str::to_owned);
        Ok(())
    }

    fn entry(&mut self, entry: &TarEntry) -> Result<()> {
        self.open = None;
        let path = entry.path.trim_end_matches('/');
        let (top, rest) = path.split_once('/').unwrap_or((path, ""));
        let bad = |part: &str| matches!(part, "" | "." | "..") || part.contains('\0');
        if !rest.is_empty() && rest.split('/').any(bad) {
            return Err(Error::new("the path leads out of the archive"));
        }
        let target = match (top, rest) {
            ("home", "") => self.new.clone(),
            ("home", rest) if !rest.starts_with(swap::BASE) => self.new.join(rest),
            ("workspace", rest) => self.new.join(WORKSPACE).join(rest),
            _ => return Err(Error::new("a backup has no such place")),
        };
        match entry.kind {
            TarKind::Folder => {
                DirBuilder::new().recursive(true).mode(0o700).create(&target)?;
                self.set_owner(&target, 0o700)
            }
            TarKind::File => {
                let mut options = OpenOptions::new();
                options.write(true).create(true).truncate(true).mode(0o600);
                options.custom_flags(libc::O_NOFOLLOW);
                // A later copy of a file replaces the earlier one.
                let mut file = options.open(&target);
                if let (Err(e), Some(folder)) = (&file, target.parent()) {
                    // A folder that was made after the backup had passed it.
                    if e.kind() == std::io::ErrorKind::NotFound {
                        let missing: Vec<&Path> =
                            folder.ancestors().take_while(|f| !f.exists()).collect();
                        for folder in missing.into_iter().rev() {
                            DirBuilder::new().mode(0o700).create(folder)?;
                            self.set_owner(folder, 0o700)?;
                        }
                        file = options.open(&target);
                    }
                }
                self.open = Some(file?);
                self.files += 1;
                self.set_owner(&target, 0o600 | entry.mode & 0o100)
            }
            _ => Err(Error::new("a link or a device; a backup has none")),
        }
    }

    fn set_owner(&self, path: &Path, mode: u32) -> Result<()> {
        if let Some((user, group)) = self.owner {
            lchown(path, Some(user), Some(group))?;
        }
        Ok(files::set_mode(path, mode)?)
    }
}
