//! A folder for one test, removed with what is in it.

use std::ops::{Deref, DerefMut};
use std::path::{Path, PathBuf};
use std::sync::atomic::{AtomicU32, Ordering};

static NEXT: AtomicU32 = AtomicU32::new(0);

/// See the module.
#[derive(Debug)]
pub(crate) struct Scratch(PathBuf);

impl Scratch {
    pub(crate) fn new() -> Scratch {
        Scratch::named("test")
    }

    /// The same; the name tells whose it is, should a killed test leave it.
    pub(crate) fn named(name: &str) -> Scratch {
        let number = NEXT.fetch_add(1, Ordering::Relaxed);
        let name = format!("picoclaw-{name}-{}-{number}", std::process::id());
        let path = std::env::temp_dir().join(name);
        std::fs::create_dir_all(&path).expect("a folder for the test");
        Scratch(path.canonicalize().expect("its real path"))
    }

    /// Makes something in it.
    pub(crate) fn hold<T>(self, make: impl FnOnce(&Path) -> T) -> InScratch<T> {
        InScratch { thing: make(&self.0), _folder: self }
    }

    pub(crate) fn path(&self) -> &Path {
        &self.0
    }

    /// Writes a file, folders included.
    pub(crate) fn file(&self, name: &str, content: impl AsRef<[u8]>) -> PathBuf {
        let path = self.0.join(name);
        std::fs::create_dir_all(path.parent().expect("a parent")).expect("its folder");
        std::fs::write(&path, content).expect("a file");
        path
    }

    pub(crate) fn link(&self, target: impl AsRef<Path>, name: &str) {
        std::os::unix::fs::symlink(target, self.0.join(name)).expect("a link");
    }

    pub(crate) fn text(&self, name: &str) -> String {
        std::fs::read_to_string(self.0.join(name)).unwrap_or_else(|e| format!("{name}: {e}"))
    }
}

/// Something that lives in such a folder, and keeps it.
pub(crate) struct InScratch<T> {
    thing: T,
    _folder: Scratch,
}

impl<T> Deref for InScratch<T> {
    type Target = T;

    fn deref(&self) -> &T {
        &self.thing
    }
}

impl<T> DerefMut for InScratch<T> {
    fn deref_mut(&mut self) -> &mut T {
        &mut self.thing
    }
}

impl Deref for Scratch {
    type Target = PathBuf;

    fn deref(&self) -> &PathBuf {
        &self.0
    }
}

impl AsRef<Path> for Scratch {
    fn as_ref(&self) -> &Path {
        &self.0
    }
}

impl Drop for Scratch {
    fn drop(&mut self) {
        let _ = std::fs::remove_dir_all(&self.0);
    }
}
