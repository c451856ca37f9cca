//! Writes a new skill's files into a staging folder: checks names and limits amounts, for every kind of source.

use std::collections::BTreeMap;
use std::fs::{self, File, OpenOptions};
use std::io::Write;
use std::os::unix::fs::{MetadataExt, OpenOptionsExt, lchown};
use std::path::{Path, PathBuf};

use super::source::is_part;
use crate::error::Context;
use crate::limits::{SKILL_BYTES, SKILL_DEPTH, SKILL_FILES, SKILL_NAME_BYTES};
use crate::proto::text::{is_visible, lower};
use crate::{Error, Result};

/// See the module.
pub struct SkillWriter {
    root: PathBuf,
    /// Skips files of the repository that are not part of a skill at its top.
    whole_repository: bool,
    /// Owner and group of the files: for root the workspace's owner; always the workspace's group, because commands may run
    /// as a separate user that needs it.
    owner: Option<u32>,
    group: u32,
    /// Mode of folders: set-group-id if the workspace has it.
    folder_mode: u32,
    open: Option<(File, String)>,
    /// Case-folded names, with their first spelling.
    names: BTreeMap<String, String>,
    /// Files so far.
    pub files: u64,
    /// Their bytes.
    pub bytes: u64,
}

impl SkillWriter {
    /// For the empty folder `root`; the files get the owner and group of `workspace`.
    ///
    /// # Errors
    /// The workspace's metadata cannot be read.
    pub fn new(root: PathBuf, workspace: &Path, whole_repository: bool) -> Result<SkillWriter> {
        let meta = fs::metadata(workspace).with_context(|| workspace.display().to_string())?;
        let other = rustix::process::geteuid().is_root() && meta.uid() != 0;
        let sink = SkillWriter {
            root,
            whole_repository,
            owner: other.then(|| meta.uid()),
            group: meta.gid(),
            folder_mode: 0o755 | meta.mode() & 0o2000,
            open: None,
            names: BTreeMap::new(),
            files: 0,
            bytes: 0,
        };
        sink.set_owner(&sink.root, sink.folder_mode)?;
        Ok(sink)
    }

    /// Starts a file; false if it is not part of a skill and must be skipped.
    ///
    /// # Errors
    /// A forbidden name, or a limit.
    pub fn begin(&mut self, path: &str, executable: bool) -> Result<bool> {
        self.open = None;
        if !is_part(path, self.whole_repository) {
            return Ok(false);
        }
        check_name(path)?;
        self.files += 1;
        if self.files > SKILL_FILES {
            return Err(Error::new(format!("more than {SKILL_FILES} files")));
        }
        let mut dir = self.root.clone();
        for (at, _) in path.match_indices('/') {
            self.claim(&path[..at])?;
            dir = self.root.join(&path[..at]);
            match fs::create_dir(&dir) {
                Ok(()) => self.set_owner(&dir, self.folder_mode)?,
                Err(e) if e.kind() == std::io::ErrorKind::AlreadyExists => {}
                Err(e) => return Err(e).context(path),
            }
        }
        if self.claim(path)? {
            return Err(Error::new(format!("{path} is there twice")));
        }
        let mode = if executable { 0o755 } else { 0o644 };
        let name = dir.join(path.rsplit('/').next().unwrap_or(path));
        let mut options = OpenOptions::new();
        let file = options.write(true).create_new(true).mode(mode).open(&name);
        let file = file.with_context(|| path.to_owned())?;
        self.set_owner(&name, mode)?;
        self.open = Some((file, path.to_owned()));
        Ok(true)
    }

    /// The following content is skipped.
    #[allow(clippy::unnecessary_wraps)]
    pub fn skip(&mut self) -> Result<()> {
        self.open = None;
        Ok(())
    }

    /// Appends to the current file; does nothing without one.
    ///
    /// # Errors
    /// The disk's, or the limit.
    pub fn write(&mut self, data: &[u8]) -> Result<()> {
        let Some((file, path)) = &mut self.open else { return Ok(()) };
        self.bytes += data.len() as u64;
        if self.bytes > SKILL_BYTES {
            return Err(Error::new(format!("more than {SKILL_BYTES} bytes")));
        }
        file.write_all(data).with_context(|| path.clone())
    }

    /// Writes one more file of our own beside the skill's.
    ///
    /// # Errors
    /// The disk's.
    pub fn note(&mut self, name: &str, data: &[u8]) -> Result<()> {
        self.open = None;
        let path = self.root.join(name);
        fs::write(&path, data).with_context(|| name.to_owned())?;
        self.set_owner(&path, 0o644)
    }

    /// Everything is on the card when this returns.
    ///
    /// # Errors
    /// The disk's.
    pub fn sync(&mut self) -> Result<()> {
        self.open = None;
        let synced = File::open(&self.root).and_then(|dir| Ok(rustix::fs::syncfs(&dir)?));
        synced.with_context(|| self.root.display().to_string())
    }

    /// Records a name; true if exactly this one exists already.
    fn claim(&mut self, path: &str) -> Result<bool> {
        match self.names.get(&lower(path)) {
            Some(known) if known == path => Ok(true),
            Some(known) => Err(Error::new(format!("{path} and {known} differ only in case"))),
            None => {
                self.names.insert(lower(path), path.to_owned());
                Ok(false)
            }
        }
    }

    fn set_owner(&self, path: &Path, mode: u32) -> Result<()> {
        let given = match lchown(path, self.owner, Some(self.group)) {
            // A user who is neither root nor in the group keeps the files in its own group.
            Err(e) if e.kind() == std::io::ErrorKind::PermissionDenied && self.owner.is_none() => {
                Ok(())
            }
            given => given,
        };
        // After the owner, because changing the owner clears mode bits; also undoes the umask.
        given
            .and_then(|()| crate::sys::files::set_mode(path, mode))
            .with_context(|| path.display().to_string())
    }
}

/// Refuses names that lead outside, or that mean something else on another system or to a reader.
fn check_name(path: &str) -> Result<()> {
    let odd = |c: char| c.is_control() || !is_visible(c) || matches!(c, '\\' | ':' | '\u{fffd}');
    let bad = |part: &str| {
        matches!(part, "" | "." | "..")
            || part.starts_with(' ')
            || part.ends_with([' ', '.'])
            || part.contains(odd)
    };
    if path.split('/').any(bad) {
        return Err(Error::new(format!("a name that no skill may have: {path:?}")));
    }
    if path.split('/').count() > SKILL_DEPTH || path.len() > SKILL_NAME_BYTES {
        return Err(Error::new(format!("folders too deep, or a name too long: {path:?}")));
    }
    Ok(())
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::sys::scratch::{InScratch, Scratch};

    fn sink(name: &str) -> InScratch<SkillWriter> {
        Scratch::named(name).hold(|dir| {
            fs::create_dir(dir.join("in")).expect("a folder");
            SkillWriter::new(dir.join("in"), dir, false).expect("a sink")
        })
    }

    #[test]
    fn files_of_a_shared_workspace_are_its_groups() {
        use std::os::unix::fs::PermissionsExt;
        if !rustix::process::geteuid().is_root() {
            crate::sys::skip::skip("only root can make a workspace of another group");
            return;
        }
        let dir = Scratch::named("sink-group");
        lchown(&dir, None, Some(61_234)).expect("given away");
        fs::set_permissions(&dir, fs::Permissions::from_mode(0o2770)).expect("a mode");
        // As in the home's `state`, which does not have that group.
        let root = dir.join("in");
        fs::create_dir(&root).expect("a folder");
        lchown(&root, None, Some(0)).expect("given back");
        let mut sink = SkillWriter::new(root.clone(), &dir, false).expect("a sink");
        sink.note("a", b"x").expect("written");
        for path in [root.clone(), root.join("a")] {
            assert_eq!(fs::metadata(path).expect("metadata").gid(), 61_234);
        }
    }

    #[test]
    fn files_arrive_and_are_counted() {
        let mut sink = sink("sink");
        assert!(sink.begin("SKILL.md", false).expect("a file"));
        sink.write(b"te").expect("written");
        sink.write(b"xt").expect("written");
        assert!(sink.begin("scripts/a b/run.sh", true).expect("a file"));
        sink.write(b"x").expect("written");
        assert!(!sink.begin(".git/config", false).expect("passed over"));
        sink.write(b"not kept").expect("passed over");
        sink.note(".skill-origin.json", b"{}").expect("noted");
        sink.sync().expect("synced");
        assert_eq!((sink.files, sink.bytes), (2, 5));
        assert_eq!(fs::read(sink.root.join("SKILL.md")).expect("a file"), b"text");
        let run = fs::metadata(sink.root.join("scripts/a b/run.sh")).expect("a file");
        assert_eq!(run.mode() & 0o7777, 0o755);
        let folder = fs::metadata(sink.root.join("scripts")).expect("a folder");
        assert_eq!(folder.mode() & 0o777, 0o755);
        assert!(!sink.root.join(".git").exists());
    }

    #[test]
    fn names_that_are_refused() {
        let mut sink = sink("sink-names");
        for path in [
            "../x",
            "a/../x",
            "/etc/x",
            "a//x",
            "a/./x",
            "",
            "a\\b",
            "a\nb",
            "c:x",
            "a./x",
            "a ",
            "x\u{202e}y",
            "x\u{fffd}",
        ] {
            // Hidden names are skipped before any check; neither writes a file.
            assert!(!matches!(sink.begin(path, false), Ok(true)), "{path:?}");
        }
        assert!(sink.begin("Readme.md", false).expect("a file"));
        let e = sink.begin("README.md", false).expect_err("the same without case");
        assert_eq!(e.as_str(), "README.md and Readme.md differ only in case");
        assert!(sink.begin("Readme.md", false).expect_err("twice").as_str().contains("twice"));
        assert!(sink.begin("d/a", false).expect("a file"));
        assert!(sink.begin("D/b", false).expect_err("case").as_str().contains("case"));
        assert!(sink.begin("d", false).is_err());
        assert!(sink.begin("Readme.md/x", false).is_err());
        assert_eq!(fs::read_dir(&sink.root).expect("a folder").count(), 2);
    }

    #[test]
    fn amounts_are_limited() {
        let mut one = sink("sink-bytes");
        assert!(one.begin("a", false).expect("a file"));
        one.write(&vec![0; SKILL_BYTES as usize]).expect("the limit itself");
        assert!(one.write(b"x").expect_err("one more").as_str().contains("bytes"));
        let mut many = sink("sink-files");
        for i in 0..SKILL_FILES {
            assert!(many.begin(&format!("f{i}"), false).expect("a file"));
        }
        assert!(many.begin("more", false).expect_err("one more").as_str().contains("files"));
        let deep = |n: usize| vec!["d"; n].join("/");
        let mut sink = sink("sink-deep");
        assert!(sink.begin(&deep(SKILL_DEPTH), false).expect("a file"));
        assert!(sink.begin(&deep(SKILL_DEPTH + 1), false).is_err());
        assert!(sink.begin(&"n".repeat(SKILL_NAME_BYTES + 1), false).is_err());
    }
}
