//! A file that arrives in pieces: written off the loop's thread, and renamed to its name when it is complete.

use std::io::Write;
use std::path::Path;
use std::sync::Arc;

use super::dir::Dir;
use crate::error::{Context, Error, Result};
use crate::limits::{MEDIA_FOLDER_BYTES, MEDIA_WRITE_BYTES};
use crate::sys::beneath::{Fault, File, ResolvedPath, Root};
use crate::sys::spawn_blocking;

/// Folder of the workspace for attachments.
pub const MEDIA: &str = "media";

/// A file in progress. Dropped before [`Spool::finish`], it leaves a part (`NAME.part`), which the next attempt replaces.
pub struct Spool {
    name: String,
    /// Of the part.
    place: ResolvedPath,
    file: Arc<File>,
    waiting: Vec<u8>,
}

fn failed(name: &str) -> impl Fn(Fault) -> Error {
    move |fault| Error::new(format!("{MEDIA}/{name}: {fault}"))
}

impl Spool {
    /// Starts `name` in the folder from the beginning.
    ///
    /// # Errors
    /// The disk's; a folder that leads out of the workspace.
    pub async fn create(workspace: &Path, name: &str) -> Result<Spool> {
        let (workspace, name) = (workspace.to_owned(), name.to_owned());
        let open = move || {
            let root = Root::open(&workspace).context("workspace")?;
            let part = Path::new(MEDIA).join([&name, ".part"].concat());
            let place = root.locate(&part, true).map_err(failed(&name))?;
            let file = Arc::new(place.create().map_err(failed(&name))?);
            Ok(Spool { name, place, file, waiting: Vec::new() })
        };
        spawn_blocking(Box::new(open)).await
    }

    /// Adds bytes; buffers at most [`MEDIA_WRITE_BYTES`] and the last piece.
    ///
    /// # Errors
    /// The disk's.
    pub async fn write(&mut self, bytes: &[u8]) -> Result<()> {
        self.waiting.extend_from_slice(bytes);
        if self.waiting.len() < MEDIA_WRITE_BYTES { Ok(()) } else { self.flush().await }
    }

    async fn flush(&mut self) -> Result<()> {
        let (file, bytes) = (self.file.clone(), std::mem::take(&mut self.waiting));
        let write = move || (&*file).write_all(&bytes).map(|()| bytes);
        let written = spawn_blocking(Box::new(write)).await;
        self.waiting = written.map_err(|e| failed(&self.name)(e.into()))?;
        self.waiting.clear();
        Ok(())
    }

    /// Writes the rest and gives the file its name.
    ///
    /// # Errors
    /// The disk's.
    pub async fn finish(mut self) -> Result<()> {
        self.flush().await?;
        let name = move || self.place.rename(self.name.as_ref()).map_err(failed(&self.name));
        spawn_blocking(Box::new(name)).await
    }
}

/// Whether `name` exists with `size` bytes (0: unknown). If not, creates the folder and removes the oldest files to make
/// room. Blocks on the disk.
///
/// # Errors
/// The disk's; a folder that leads out of the workspace.
pub fn prepare(workspace: &Path, name: &str, size: u64) -> Result<bool> {
    Dir::shared(workspace).and_then(|dir| dir.folder(MEDIA, true)).context("media folder")?;
    let root = Root::open(workspace).context("workspace")?;
    let known = root.locate(&Path::new(MEDIA).join(name), false).map_err(failed(name))?;
    if size > 0
        && known.read().is_ok_and(|(file, _)| file.metadata().is_ok_and(|m| m.len() == size))
    {
        return Ok(true);
    }
    let folder = root.locate(Path::new(MEDIA), false).map_err(failed(name))?;
    folder.prune(MEDIA_FOLDER_BYTES.saturating_sub(size)).map_err(failed(name))?;
    Ok(false)
}

/// Opens a file of the folder; returns its length too. Blocks on the disk.
///
/// # Errors
/// The disk's; not a regular file, or outside the folder.
pub fn open(workspace: &Path, path: &str) -> Result<(File, u64)> {
    let root = Root::open(workspace).context("workspace")?;
    let name = Path::new(path).file_name().unwrap_or_default();
    let place = root.locate(&Path::new(MEDIA).join(name), false).map_err(failed(path))?;
    let (file, _) = place.read().map_err(failed(path))?;
    let bytes = file.metadata().context("its size")?.len();
    Ok((file, bytes))
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::sys::scratch::Scratch;

    #[test]
    fn a_file_gets_its_name_when_complete() {
        let scratch = Scratch::new();
        let path = scratch.path().join("media/a.jpg");
        assert!(!prepare(scratch.path(), "a.jpg", 50_000).expect("a folder"));
        smol::block_on(async {
            let mut spool = Spool::create(scratch.path(), "a.jpg").await.expect("begun");
            let piece = [7; 5000];
            for _ in 0..10 {
                spool.write(&piece).await.expect("written");
                assert!(spool.waiting.len() < MEDIA_WRITE_BYTES + piece.len());
            }
            assert!(!path.exists());
            spool.finish().await.expect("finished");
        });
        assert_eq!(std::fs::read(&path).expect("a file"), [7; 50_000]);
        assert!(!scratch.path().join("media/a.jpg.part").exists());
        assert!(prepare(scratch.path(), "a.jpg", 50_000).expect("it is there"));
        assert!(!prepare(scratch.path(), "a.jpg", 50_001).expect("another"));
        assert!(!prepare(scratch.path(), "a.jpg", 0).expect("who knows"));
        let (_, bytes) = open(scratch.path(), "/anywhere/a.jpg").expect("by its name");
        assert_eq!(bytes, 50_000);
        assert!(open(scratch.path(), "..").is_err());
    }

    #[test]
    fn a_folder_that_leads_out_is_refused() {
        let scratch = Scratch::new();
        scratch.file("outside/a.jpg", "x");
        scratch.file("w/b", "");
        scratch.link("../outside", "w/media");
        let workspace = scratch.path().join("w");
        assert!(prepare(&workspace, "a.jpg", 1).is_err());
        assert!(open(&workspace, "a.jpg").is_err());
        assert!(smol::block_on(Spool::create(&workspace, "a.jpg")).is_err());
        assert_eq!(scratch.text("outside/a.jpg"), "x");
    }
}
