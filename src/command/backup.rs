//! `picoclaw backup`: the whole home as one `.tar.gz`, also while the gateway runs.
//!
//! What the gateway changes together (journal, sessions, jobs) is copied last, and again whatever changed, until a look
//! at all of it finds nothing new: then the copies are of one moment, as a power cut would have left it, and recovery
//! does the rest. docs/durability.md says why that is enough.

use std::collections::HashMap;
use std::io::{IsTerminal, Read, Write};
use std::os::unix::fs::MetadataExt;
use std::path::{Path, PathBuf};
use std::process::ExitCode;

use serde_json::json;

use super::tree::{self, EntryKind, join};
use super::{output_file, owner};
use crate::args;
use crate::config::{self, LoadOptions};
use crate::error::{Context, Error, Result};
use crate::limits::{BACKUP_JOURNAL_BYTES, BACKUP_PAUSE, BACKUP_ROUNDS};
use crate::proto::{crc32, tar_writer, text};
use crate::store::dir::output;
use crate::store::{ADOPTED, CRON, PRIVATE_FOLDERS, SESSIONS, atomic, bounded_read, swap};
use crate::sys::beneath::{self, FileInfo, Root};
use crate::sys::exec_broker;
use crate::sys::terminal::Output;

/// The first entry: version, and where the workspace was if not in the home.
pub const MANIFEST: &str = "picoclaw-backup.json";
/// Since 2 sessions, jobs and state are in the home; before they were in the workspace.
pub const VERSION: u64 = 2;
/// Of the home: locks, sockets, what is made anew or half made.
const NOT_SAVED: &[&str] = &[
    "state/lock",
    "state/skills.lock",
    "state/control.sock",
    "state/memory-index",
    "state/skills.new",
    "state/skills.tar.gz",
    exec_broker::TEMPORARY,
    swap::BASE,
    swap::NOT_OURS,
];
/// Of the home: what belongs together with the journal.
const TOGETHER: &[&str] = &[SESSIONS, CRON, "state/state.json", ADOPTED];
const JOURNAL: &[&str] = &["state/journal.a", "state/journal.b"];

/// Writes the backup and says what is in it.
///
/// # Errors
/// A file that cannot be read, a full disk, a gateway that never stops writing. No half backup is left under its name.
pub fn run(args: &args::BackupArgs) -> Result<ExitCode> {
    let options = LoadOptions { allow_empty: true, ..LoadOptions::from_process() };
    let home = options.home()?;
    let acting = owner::act_as_owner(&home)?;
    let workspace = match config::load(&options) {
        Ok(loaded) => loaded.config.agent.workspace,
        Err(_) => {
            eprintln!(
                "warning: the configuration has errors (picoclaw config check); only the home is saved"
            );
            home.join("workspace")
        }
    };
    drop(acting);
    let file = Path::new(&args.file);
    let done = if args.file == args::PIPE {
        if std::io::stdout().is_terminal() {
            return Err(Error::new(
                "a backup is not for the screen: name a file, or a pipe behind",
            ));
        }
        owner::become_owner(&home)?;
        save(&home, &workspace, [None; 2], &mut Output)?
    } else {
        output_file::check(file, &home, &workspace, &[".tar.gz", ".tgz"])?;
        if !args.force && file.symlink_metadata().is_ok() {
            let why = "is there already; choose another name, or --force replaces it";
            return Err(Error::new(format!("{} {why}", file.display())));
        }
        let name = || format!("cannot save {}", file.display());
        // Root's file is begun as root, and all that goes into it is read as the home's owner.
        let fresh = output(file, 0o600).with_context(name)?;
        // It may be in the home, and so may the one that it replaces.
        let new = FileInfo::of_file(fresh.file()).with_context(name)?;
        let own = [Some(new.identity), beneath::identity(file)];
        let owner = owner::act_as_owner(&home)?;
        let done = save(&home, &workspace, own, &mut fresh.file()).with_context(name)?;
        drop(owner);
        fresh.finish(args.force, true).with_context(name)?;
        done
    };
    for line in &done.left_out {
        eprintln!("left out: {}", text::escape(line, true));
    }
    eprintln!("Saved {} files, {} kB.", done.files, done.bytes / 1024);
    Ok(ExitCode::SUCCESS)
}

/// What came of it.
#[derive(Default)]
struct Totals {
    files: u64,
    bytes: u64,
    /// `PATH: why`.
    left_out: Vec<String>,
}

/// A folder that is saved.
struct Tree {
    root: Root,
    /// In the archive.
    name: &'static str,
    /// Where the workspace is in it; `None` where it is elsewhere.
    workspace: Option<String>,
    /// Nothing in the workspace belongs to the journal any more.
    adopted: bool,
}

fn save(
    home: &Path,
    workspace: &Path,
    own: [Option<(u64, u64)>; 2],
    out: &mut dyn Write,
) -> Result<Totals> {
    let root = Root::open(home).with_context(|| home.display().to_string())?;
    let place = workspace.canonicalize().ok();
    let inside = match &place {
        Some(place) => place.strip_prefix(root.path()).ok().map(Path::to_path_buf),
        None => Some(PathBuf::from("workspace")),
    };
    let inside = inside.map(|p| p.to_string_lossy().into_owned());
    let elsewhere = if inside.is_none() { place } else { None };
    let manifest = json!({"version": VERSION, "workspace": elsewhere}).to_string();
    let adopted = beneath::path_meta(&home.join(ADOPTED)).is_some();
    let mut trees = vec![Tree { root, name: "home", workspace: inside, adopted }];
    if let Some(place) = &elsewhere {
        let root = Root::open(place).with_context(|| place.display().to_string())?;
        let workspace = Some(String::new());
        trees.push(Tree { root, name: "workspace", workspace, adopted });
    }
    let mut archive = Archive {
        out,
        gzip: tar_writer::Gzip::default(),
        block: Vec::with_capacity(tar_writer::BLOCK),
        own,
        done: Totals::default(),
    };
    archive.begin(manifest.as_bytes())?;
    for tree in &trees {
        archive.folder(tree, "")?;
        tree::walk(&tree.root, "", &mut |path, what| {
            if tree.name == "home" && (NOT_SAVED.contains(&path) || path.starts_with(swap::ASIDE)) {
                return Ok(false);
            }
            match what {
                // A command may have closed a folder or a file, and must not prevent the backup of all else.
                EntryKind::Unread(why) if tree.is_workspaces(path) => {
                    archive.done.left_out.push(format!("{path}: {why}"));
                }
                EntryKind::Unread(why) => return Err(Error::new(why)).context(path),
                // Sockets come and go with the gateway.
                EntryKind::TooLarge(why) => archive.done.left_out.push(format!("{path}: {why}")),
                EntryKind::Skipped(why) => archive.done.left_out.push(format!("{path}: {why}")),
                EntryKind::Folder => archive.folder(tree, path)?,
                EntryKind::File if tree.is_late(path) => {}
                EntryKind::File => archive.file(tree, path)?,
            }
            Ok(true)
        })?;
    }
    archive.moment(&trees)?;
    archive.end()
}

impl Tree {
    /// Is in the workspace, and nothing of the gateway's own.
    fn is_workspaces(&self, path: &str) -> bool {
        let inside = |workspace: &String| {
            // A workspace that is the home itself has the configuration and the secrets in it: nothing of it is left out.
            if workspace.is_empty() {
                return self.name != "home";
            }
            path.strip_prefix(&**workspace).is_some_and(|rest| rest.starts_with('/'))
        };
        self.workspace.as_ref().is_some_and(inside) && !self.is_late(path)
    }

    fn is_late(&self, path: &str) -> bool {
        self.copied_last().iter().any(|late| {
            path.strip_prefix(&**late).is_some_and(|rest| rest.is_empty() || rest.starts_with('/'))
        })
    }

    /// Files and folders that are copied last.
    fn copied_last(&self) -> Vec<String> {
        let own: &[&[&str]] = if self.name == "home" { &[JOURNAL, TOGETHER] } else { &[] };
        let before = if self.adopted { &[][..] } else { &PRIVATE_FOLDERS };
        let before =
            self.workspace.iter().flat_map(|w| before.iter().map(move |name| join(w, name)));
        own.iter().copied().flatten().map(|name| (*name).to_owned()).chain(before).collect()
    }
}

struct Archive<'w> {
    out: &'w mut dyn Write,
    gzip: tar_writer::Gzip,
    block: Vec<u8>,
    /// Device and inode of the backup, and of the one it replaces.
    own: [Option<(u64, u64)>; 2],
    done: Totals,
}

impl Archive<'_> {
    fn begin(&mut self, manifest: &[u8]) -> Result<()> {
        self.out.write_all(&tar_writer::Gzip::HEAD)?;
        self.head(MANIFEST, Some(manifest.len() as u64), 0o600, 0)?;
        self.put(manifest)?;
        self.zeros(tar_writer::padding(manifest.len() as u64))
    }

    /// Adds all that changes together, as it was at one moment.
    fn moment(&mut self, trees: &[Tree]) -> Result<()> {
        // What was copied last; a session more is 16 bytes more.
        let mut copied: HashMap<u64, u64> = HashMap::new();
        for _ in 0..BACKUP_ROUNDS {
            let mut same = true;
            for tree in trees {
                let mut look = |path: &str| -> Result<()> {
                    let full = tree.root.path().join(path);
                    let mut now = bounded_read::stamp(beneath::path_meta(&full));
                    if JOURNAL.contains(&path) {
                        // Written in place, several times within a tick of the clock.
                        let bytes = atomic::read_bounded(&full, BACKUP_JOURNAL_BYTES)?;
                        now ^= u64::from(crc32::crc32(&[&bytes.unwrap_or_default()])) << 1;
                    }
                    let name = crate::sched::job::key(&join(tree.name, path));
                    if now != 0 && copied.insert(name, now) != Some(now) {
                        same = false;
                        self.file(tree, path)?;
                    }
                    Ok(())
                };
                for late in tree.copied_last() {
                    if tree.root.path().join(&late).is_file() {
                        look(&late)?;
                        continue;
                    }
                    tree::walk(&tree.root, &late, &mut |path, what| match what {
                        _ if NOT_SAVED.contains(&path) || path.ends_with(".tmp") => Ok(false),
                        // A command made it, not we: it was reported above.
                        EntryKind::TooLarge(_) if !TOGETHER.contains(&&*late) => Ok(false),
                        EntryKind::TooLarge(why) | EntryKind::Unread(why) => {
                            Err(Error::new(why)).context(path)
                        }
                        EntryKind::File => look(path).map(|()| false),
                        EntryKind::Folder => Ok(true),
                        EntryKind::Skipped(_) => Ok(false),
                    })?;
                }
            }
            if same {
                return Ok(());
            }
            std::thread::sleep(BACKUP_PAUSE);
        }
        Err(Error::new("the gateway writes without a pause; try again when it is quieter"))
    }

    fn folder(&mut self, tree: &Tree, path: &str) -> Result<()> {
        let meta = tree.root.path().join(path).symlink_metadata().context(path)?;
        self.head(&join(tree.name, path), None, meta.mode(), meta.mtime())
    }

    /// Adds a file; where it got shorter meanwhile, once more.
    fn file(&mut self, tree: &Tree, path: &str) -> Result<()> {
        for _ in 0..BACKUP_ROUNDS {
            let (mut file, _) =
                match tree.root.locate(Path::new(path), false).and_then(|p| p.read()) {
                    Ok(opened) => opened,
                    Err(fault) if tree::is_gone(&fault) => return Ok(()),
                    Err(fault) if tree.is_workspaces(path) => {
                        self.done.left_out.push(format!("{path}: {fault}"));
                        return Ok(());
                    }
                    Err(fault) => {
                        return Err(Error::new(format!(
                            "{}/{path}: {fault}; run this as its owner or root",
                            tree.root.path().display()
                        )));
                    }
                };
            let meta = file.metadata().context(path)?;
            if self.own.contains(&Some((meta.dev(), meta.ino()))) {
                return Ok(());
            }
            let (size, mut left) = (meta.len(), meta.len());
            self.head(&join(tree.name, path), Some(size), meta.mode(), meta.mtime())?;
            while left > 0 {
                // Straight into the block; what is behind its end is the next one's.
                let (have, room) =
                    (self.block.len(), (tar_writer::BLOCK - self.block.len()) as u64);
                self.block.resize(have + left.min(room) as usize, 0);
                let n = file.read(&mut self.block[have..]).context(path)?;
                self.block.truncate(have + n);
                self.flush(tar_writer::BLOCK)?;
                left -= n as u64;
                if n == 0 {
                    break;
                }
            }
            self.zeros(left as usize)?;
            self.zeros(tar_writer::padding(size))?;
            if left == 0 {
                self.done.files += 1;
                self.done.bytes += size;
                return Ok(());
            }
        }
        Err(Error::new(format!("{path} gets shorter and shorter")))
    }

    fn head(&mut self, path: &str, size: Option<u64>, mode: u32, mtime: i64) -> Result<()> {
        let mut head = Vec::new();
        if !tar_writer::header(path, size, mode & 0o777, mtime, &mut head) {
            return Err(Error::new(format!("{path} is larger than 8 GB")));
        }
        self.put(&head)
    }

    fn zeros(&mut self, mut count: usize) -> Result<()> {
        while count > 0 {
            let n = count.min(tar_writer::END.len());
            self.put(&tar_writer::END[..n])?;
            count -= n;
        }
        Ok(())
    }

    fn put(&mut self, mut data: &[u8]) -> Result<()> {
        while !data.is_empty() {
            let (now, rest) = data.split_at(data.len().min(tar_writer::BLOCK - self.block.len()));
            self.block.extend_from_slice(now);
            self.flush(tar_writer::BLOCK)?;
            data = rest;
        }
        Ok(())
    }

    /// Writes the block when it has `least` bytes.
    fn flush(&mut self, least: usize) -> Result<()> {
        if self.block.len() >= least {
            self.out.write_all(&self.gzip.block(&self.block))?;
            self.out.write_all(&self.block)?;
            self.block.clear();
        }
        Ok(())
    }

    fn end(mut self) -> Result<Totals> {
        self.put(&tar_writer::END)?;
        self.flush(0)?;
        self.out.write_all(&self.gzip.end())?;
        self.out.flush()?;
        Ok(self.done)
    }
}

#[cfg(test)]
#[path = "backup_tests.rs"]
mod tests;
