//! Whole-file writes that a power cut leaves either old or new: temp, fsync, rename, fsync of the folder.

use std::fs::{self, File, OpenOptions};
use std::io::Write;
use std::os::unix::fs::OpenOptionsExt;
use std::path::Path;

use crate::error::{Context, Result};

/// Writes `bytes` as `path` with permission bits `mode`. Blocks on the disk: call it off the loop
/// ([`write_later`]) once the daemon runs.
///
/// # Errors
/// Names the path; the old file is then still there, whole.
pub fn write(path: &Path, bytes: &[u8], mode: u32) -> Result<()> {
    replace(path, mode, &mut |file| file.write_all(bytes))
}

/// [`write`] for what can be made again: a power cut leaves the old file or the new one, whole, but the new one is
/// promised only some seconds later. Half the writes to the card, since the folder is not brought there by itself.
///
/// # Errors
/// As there.
pub fn write_soon(path: &Path, bytes: &[u8], mode: u32) -> Result<()> {
    put(path, mode, false, &mut |file| file.write_all(bytes))
}

/// [`write`] with the content written piece by piece.
///
/// # Errors
/// As there.
pub fn replace(
    path: &Path,
    mode: u32,
    fill: &mut dyn FnMut(&mut dyn Write) -> std::io::Result<()>,
) -> Result<()> {
    put(path, mode, true, fill)
}

fn put(
    path: &Path,
    mode: u32,
    at_once: bool,
    fill: &mut dyn FnMut(&mut dyn Write) -> std::io::Result<()>,
) -> Result<()> {
    let dir = path.parent().filter(|p| !p.as_os_str().is_empty()).unwrap_or(Path::new("."));
    let mut name = path.file_name().unwrap_or_default().to_os_string();
    name.push(".tmp");
    let temp = dir.join(name);
    let result = (|| -> std::io::Result<()> {
        let mut file =
            OpenOptions::new().write(true).create(true).truncate(true).mode(mode).open(&temp)?;
        fill(&mut file)?;
        file.sync_all()?;
        fs::rename(&temp, path)?;
        if at_once { File::open(dir)?.sync_all() } else { Ok(()) }
    })();
    if result.is_err() {
        // A leftover is overwritten by the next try; the error below is what matters.
        let _ = fs::remove_file(&temp);
    }
    result.with_context(|| format!("cannot save {}", path.display()))
}

/// [`write`] on the blocking thread.
pub async fn write_later(path: std::path::PathBuf, bytes: Vec<u8>, mode: u32) -> Result<()> {
    crate::sys::spawn_blocking(move || write(&path, &bytes, mode)).await
}

/// Reads at most `limit` bytes of a regular file; `None` when there is no such file.
///
/// # Errors
/// Longer than `limit`, not a regular file, or unreadable.
pub fn read_bounded(path: &Path, limit: u64) -> Result<Option<Vec<u8>>> {
    use std::io::Read;
    let name = || format!("cannot read {}", path.display());
    // O_NONBLOCK: opening a FIFO that somebody left there must not hang.
    let file = match OpenOptions::new().read(true).custom_flags(libc::O_NONBLOCK).open(path) {
        Ok(file) => file,
        Err(e) if e.kind() == std::io::ErrorKind::NotFound => return Ok(None),
        Err(e) => return Err(e).with_context(name),
    };
    let meta = file.metadata().with_context(name)?;
    if !meta.is_file() {
        return Err(crate::Error::new("not a regular file")).with_context(name);
    }
    if meta.len() > limit {
        return Err(crate::Error::new(format!("{} bytes, at most {limit} are read", meta.len())))
            .with_context(name);
    }
    let mut bytes = Vec::with_capacity(meta.len() as usize);
    file.take(limit).read_to_end(&mut bytes).with_context(name)?;
    Ok(Some(bytes))
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::os::unix::fs::PermissionsExt;

    #[test]
    fn replaces_whole_files_and_keeps_the_old_one_on_failure() {
        let dir = crate::sys::scratch::Scratch::named("atomic");
        let path = dir.join("x.json");
        write(&path, b"one", 0o600).expect("first write");
        write(&path, b"two", 0o600).expect("second write");
        assert_eq!(fs::read(&path).expect("file"), b"two");
        write_soon(&path, b"three", 0o600).expect("third write");
        assert_eq!(fs::read(&path).expect("file"), b"three");
        assert_eq!(fs::metadata(&path).expect("meta").permissions().mode() & 0o777, 0o600);
        let missing = dir.join("no/such/dir/x");
        let e = write(&missing, b"x", 0o600).expect_err("no folder");
        assert!(e.as_str().starts_with("cannot save "), "{e}");
        assert!(!dir.join("x.json.tmp").exists());
    }

    #[test]
    fn bounded_reads_refuse_what_is_too_long_or_no_file() {
        let dir = crate::sys::scratch::Scratch::named("bounded");
        fs::write(dir.join("a"), b"12345").expect("write");
        assert_eq!(read_bounded(&dir.join("a"), 5).expect("read").as_deref(), Some(&b"12345"[..]));
        assert!(read_bounded(&dir.join("a"), 4).is_err());
        assert!(read_bounded(&dir, 10).is_err());
        assert!(read_bounded(&dir.join("b"), 10).expect("absent is fine").is_none());
    }
}
