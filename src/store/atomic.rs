//! Reads and writes whole files by path, for folders that only their owner writes to.

use std::path::Path;

use super::dir::{Dir, WriteContent};
use crate::error::{Context, Result};

/// Writes `bytes` as `path` with permission bits `mode`. Blocks on the disk: call it off the loop
/// ([`write_later`]) once the daemon runs.
///
/// # Errors
/// Names the path; the old file is then unchanged.
pub fn write(path: &Path, bytes: &[u8], mode: u32) -> Result<()> {
    replace(path, mode, &mut |file| file.write_all(bytes))
}

/// [`write()`] with the content written piece by piece.
///
/// # Errors
/// As there.
pub fn replace(path: &Path, mode: u32, fill: WriteContent<'_>) -> Result<()> {
    let around = Dir::parent_of(path, 1);
    let result = around.and_then(|(dir, name)| dir.replace(name, mode, fill));
    result.with_context(|| format!("cannot save {}", path.display()))
}

/// [`write()`] on the blocking thread.
pub async fn write_later(path: std::path::PathBuf, bytes: Vec<u8>, mode: u32) -> Result<()> {
    crate::sys::spawn_blocking(move || write(&path, &bytes, mode)).await
}

/// Reads at most `limit` bytes of a regular file; `None` when there is no such file.
///
/// # Errors
/// Longer than `limit`, not a regular file of ours, or unreadable.
pub fn read_bounded(path: &Path, limit: u64) -> Result<Option<Vec<u8>>> {
    let read = Dir::find_parent_of(path, 1).and_then(|found| match found {
        Some((dir, name)) => dir.bytes(name, limit),
        None => Ok(None),
    });
    read.with_context(|| format!("cannot read {}", path.display()))
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::fs;
    use std::os::unix::fs::PermissionsExt;

    #[test]
    fn replaces_whole_files_and_keeps_the_old_one_on_failure() {
        let dir = crate::sys::scratch::Scratch::named("atomic");
        let path = dir.join("x.json");
        write(&path, b"one", 0o600).expect("first write");
        write(&path, b"two", 0o600).expect("second write");
        assert_eq!(fs::read(&path).expect("file"), b"two");
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
