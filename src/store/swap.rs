//! Replaces a home's contents atomically: a kill or power cut leaves the old or the new ones.
//!
//! The new contents are prepared in `.restore/new`. Once `.restore/commit` exists, the old contents are moved to
//! `.restore/old`, then (`.restore/moved`) the new ones to their place, name by name; the next process continues an
//! interrupted swap. A home may be a mount point, so it is never renamed itself.

use std::fs::{self, DirBuilder, File, OpenOptions};
use std::io::{ErrorKind, Write};
use std::os::unix::fs::{DirBuilderExt, OpenOptionsExt};
use std::path::{Path, PathBuf};

use crate::error::{Context, Error, Result};
use crate::sys::beneath::{self, Fault};
use crate::sys::files;

/// The folder in which the new contents are prepared.
pub const BASE: &str = ".restore";
/// The folder that keeps the old contents; a number is appended if there are several.
pub const ASIDE: &str = "before-restore";
/// ext4's own folder, at the root of each file system.
pub const NOT_OURS: &str = "lost+found";

/// A replacement in preparation.
pub struct Swap {
    home: PathBuf,
}

impl Swap {
    /// Creates an empty folder for the new contents; removes those of an interrupted attempt.
    ///
    /// # Errors
    /// The disk's.
    pub fn begin(home: &Path) -> Result<Swap> {
        recover(home)?;
        let swap = Swap { home: home.to_owned() };
        swap.forget();
        for folder in [home.join(BASE), swap.place()] {
            let made = DirBuilder::new().mode(0o700).create(&folder);
            made.and_then(|()| files::give_to_folder_owner(&folder))
                .with_context(|| format!("cannot make {}", folder.display()))?;
        }
        Ok(swap)
    }

    /// The folder for the new contents.
    pub fn place(&self) -> PathBuf {
        self.home.join(BASE).join("new")
    }

    /// Gives up. What cannot be removed now is removed by the next attempt.
    pub fn forget(&self) {
        let _ = fs::remove_dir_all(self.home.join(BASE));
    }

    /// Swaps the contents; returns where the old ones are now, if there were any.
    ///
    /// # Errors
    /// The disk's. Once `commit` is on the card, the next [`recover`] completes the swap.
    pub fn commit(self) -> Result<Option<PathBuf>> {
        let base = self.home.join(BASE);
        let name = || format!("cannot replace what is in {}", self.home.display());
        let decided = || -> std::io::Result<File> {
            rustix::fs::syncfs(&File::open(&base)?)?;
            let mut options = OpenOptions::new();
            let new = base.join("commit.new");
            let mut file = options.write(true).create(true).mode(0o600).open(&new)?;
            // Locked while this process works on it.
            files::try_lock(&file);
            file.write_all(b"go\n")?;
            file.sync_all()?;
            files::give_to_folder_owner(&new)?;
            fs::rename(new, base.join("commit"))?;
            File::open(&base)?.sync_all()?;
            Ok(file)
        };
        let _lock = decided().with_context(name)?;
        let mut kept = None;
        while step(&self.home, &mut kept).with_context(name)? {}
        Ok(kept)
    }
}

/// Completes a swap that was committed and then interrupted. False where there is such a mark, but it is no regular file,
/// or nothing is there to replace the contents with: then nothing is changed.
///
/// # Errors
/// Another process is doing it; the old contents are half moved, and the new ones are lost; the disk's.
pub fn recover(home: &Path) -> Result<bool> {
    let base = home.join(BASE);
    let file = match beneath::open_path(&base.join("commit")) {
        Ok(file) => file,
        Err(Fault::Not(_)) => return Ok(false),
        Err(_) => return Ok(true),
    };
    if !files::try_lock(&file) {
        return Err(Error::new("a restore is under way; wait for its end"));
    }
    let holds = |name| fs::read_dir(base.join(name)).is_ok_and(|mut names| names.next().is_some());
    // Once the old contents are moved, the new ones leave their folder name by name.
    if beneath::path_meta(&base.join("moved")).is_none() && !holds("new") {
        if holds("old") {
            return Err(Error::new(format!(
                "the restore of {} has lost its new contents; move what is in {} back, then remove {}",
                home.display(),
                base.join("old").display(),
                base.display()
            )));
        }
        return Ok(false);
    }
    let name = || format!("cannot finish the restore of {}", home.display());
    while step(home, &mut None).with_context(name)? {}
    Ok(true)
}

/// Whether the home contains more than a lock file.
pub fn holds_data(home: &Path) -> bool {
    let lock = home.join("state/lock");
    contents(home).any(|name| name != "state")
        || fs::read_dir(home.join("state"))
            .into_iter()
            .flatten()
            .flatten()
            .any(|e| e.path() != lock)
}

/// The names that are replaced.
fn contents(home: &Path) -> impl Iterator<Item = std::ffi::OsString> {
    let kept = |name: &[u8]| {
        name == BASE.as_bytes() || name == NOT_OURS.as_bytes() || name.starts_with(ASIDE.as_bytes())
    };
    let names = fs::read_dir(home).into_iter().flatten().flatten().map(|e| e.file_name());
    names.filter(move |name| !kept(name.as_encoded_bytes()))
}

/// One step; false after the last.
fn step(home: &Path, kept: &mut Option<PathBuf>) -> std::io::Result<bool> {
    let base = home.join(BASE);
    let (old, new, moved) = (base.join("old"), base.join("new"), base.join("moved"));
    let there = |path: &Path| path.symlink_metadata().is_ok();
    let sync = |path: &Path| File::open(path).and_then(|f| f.sync_all());
    if !there(&old) {
        DirBuilder::new().mode(0o700).create(&old)?;
        files::give_to_folder_owner(&old)?;
        return Ok(true);
    }
    if !there(&moved) {
        if let Some(name) = contents(home).next() {
            fs::rename(home.join(&name), old.join(&name))?;
            return Ok(true);
        }
        sync(home)?;
        sync(&old)?;
        File::create(&moved)?.sync_all()?;
        sync(&base)?;
        return Ok(true);
    }
    let next = fs::read_dir(&new).ok().and_then(|mut names| names.next());
    if let Some(entry) = next {
        let name = entry?.file_name();
        if there(&home.join(&name)) {
            // Another command has created it meanwhile.
            let mut late = name.clone();
            late.push(".late");
            fs::rename(home.join(&name), old.join(late))?;
        }
        fs::rename(new.join(&name), home.join(&name))?;
        return Ok(true);
    }
    sync(home)?;
    if holds_data(&old) {
        let mut aside = home.join(ASIDE);
        for n in 2.. {
            if !there(&aside) {
                break;
            }
            aside = home.join(format!("{ASIDE}-{n}"));
        }
        fs::rename(&old, &aside)?;
        sync(home)?;
        *kept = Some(aside);
    }
    // From here on it is only a leftover.
    match fs::remove_file(base.join("commit")) {
        Err(e) if e.kind() != ErrorKind::NotFound => return Err(e),
        _ => sync(&base)?,
    }
    fs::remove_dir_all(&base)?;
    Ok(false)
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::sys::scratch::Scratch;

    /// Every file below, `path=content`, sorted.
    fn tree(dir: &Path) -> Vec<String> {
        fn below(dir: &Path, at: &str, out: &mut Vec<String>) {
            for entry in fs::read_dir(dir).expect("a folder").flatten() {
                let name = format!("{at}{}", entry.file_name().to_string_lossy());
                match fs::read_to_string(entry.path()) {
                    Ok(text) => out.push(format!("{name}={text}")),
                    Err(_) => below(&entry.path(), &format!("{name}/"), out),
                }
            }
        }
        let mut out = Vec::new();
        below(dir, "", &mut out);
        out.sort_unstable();
        out
    }

    fn home(name: &str) -> Scratch {
        let home = Scratch::named(name);
        for (path, text) in
            [("a/x", "old"), ("b", "old"), ("state/lock", ""), ("before-restore/c", "older")]
        {
            fs::create_dir_all(home.join(path).parent().expect("a parent")).expect("a folder");
            fs::write(home.join(path), text).expect("a file");
        }
        fs::create_dir(home.join(NOT_OURS)).expect("a folder");
        home
    }

    fn filled(home: &Path) -> Swap {
        let swap = Swap::begin(home).expect("begun");
        fs::create_dir(swap.place().join("a")).expect("a folder");
        fs::write(swap.place().join("a/x"), "new").expect("a file");
        fs::write(swap.place().join("d"), "new").expect("a file");
        swap
    }

    const DONE: &[&str] = &[
        "a/x=new",
        "before-restore-2/a/x=old",
        "before-restore-2/b=old",
        "before-restore-2/state/lock=",
        "before-restore/c=older",
        "d=new",
    ];

    #[test]
    fn contents_change_and_the_old_ones_are_kept() {
        let home = home("swap");
        let kept = filled(&home).commit().expect("done");
        assert_eq!(kept, Some(home.join("before-restore-2")));
        assert_eq!(tree(&home), DONE);
        assert!(home.join(NOT_OURS).exists());
    }

    #[test]
    fn swap_continues_from_any_step() {
        for steps in 0..20 {
            let home = home("swap-cut");
            let before = tree(&home);
            let swap = filled(&home);
            // Not decided: nothing happens, and the next one begins anew.
            recover(&home).expect("nothing to do");
            assert_eq!(
                tree(&home).iter().filter(|f| !f.starts_with(BASE)).collect::<Vec<_>>(),
                before.iter().collect::<Vec<_>>()
            );
            fs::write(home.join(BASE).join("commit"), "go\n").expect("decided");
            drop(swap);
            let mut ended = false;
            for _ in 0..steps {
                ended = ended || !step(&home, &mut None).expect("a step");
                if ended {
                    break;
                }
            }
            if steps == 7 {
                // A command that did not know made a folder.
                fs::create_dir_all(home.join("a/y")).expect("a folder");
            }
            recover(&home).expect("continues");
            if steps != 7 {
                assert_eq!(tree(&home), DONE, "after {steps}");
            }
            assert!(
                fs::read_to_string(home.join("a/x")).is_ok_and(|t| t == "new"),
                "after {steps}"
            );
            recover(&home).expect("nothing left");
        }
    }

    #[test]
    fn a_mark_without_new_contents_changes_nothing() {
        for case in 0..5 {
            let home = home("swap-mark");
            let base = home.join(BASE);
            let folder = if case == 1 { base.join("new") } else { base.clone() };
            fs::create_dir_all(folder).expect("a folder");
            let commit = base.join("commit");
            match case {
                0 | 1 => fs::write(&commit, "").expect("a file"),
                2 => rustix::fs::mkfifoat(rustix::fs::CWD, &commit, 0o600.into()).expect("a FIFO"),
                3 => fs::create_dir(&commit).expect("a folder"),
                _ => fs::write(base.join("new"), "x").and(fs::write(&commit, "x")).expect("a file"),
            }
            assert!(!recover(&home).expect("ignored"), "{case}");
            for kept in ["a/x", "b", "state/lock"] {
                assert!(home.join(kept).exists(), "{case}: {kept}");
            }
            // The next restore is not held up.
            assert!(filled(&home).commit().is_ok() && home.join("d").exists(), "{case}");
        }
    }

    #[test]
    fn half_moved_contents_are_not_replaced_by_nothing() {
        let home = home("swap-lost");
        drop(filled(&home));
        fs::write(home.join(BASE).join("commit"), "go\n").expect("decided");
        for _ in 0..2 {
            assert!(step(&home, &mut None).expect("a step"));
        }
        fs::remove_dir_all(home.join(BASE).join("new")).expect("removed");
        let before = tree(&home);
        assert!(recover(&home).expect_err("lost").as_str().contains(".restore/old back"));
        assert_eq!(tree(&home), before);
    }

    #[test]
    fn an_empty_home_leaves_nothing_behind() {
        let home = Scratch::named("swap-empty");
        assert_eq!(filled(&home).commit().expect("done"), None);
        assert_eq!(tree(&home), ["a/x=new", "d=new"]);
        assert!(!home.join(BASE).exists());
    }

    #[test]
    fn one_at_a_time() {
        let home = home("swap-two");
        drop(filled(&home));
        let commit = home.join(BASE).join("commit");
        fs::write(&commit, "go\n").expect("decided");
        let other = File::open(&commit).expect("open");
        assert!(files::try_lock(&other));
        assert!(recover(&home).expect_err("busy").as_str().contains("under way"));
    }
}
