//! Taking a file: read with bounds, stored atomically, wiped from the card only after that.

use std::fs::{self, DirBuilder, File, OpenOptions};
use std::io::{self, Read, Seek, SeekFrom};
use std::os::unix::fs::{DirBuilderExt, OpenOptionsExt};
use std::path::Path;

use crate::limits::BOOT_FILE_BYTES;
use crate::sys::files::{read_bounded, write_private};

/// Name that a taken file has while it is wiped; whatever has it at the start was meant to be gone.
const DOOMED: &str = "picoclaw.old";

/// A file of the card. `Ok(None)`: there is no such file. The error is for a person.
pub fn read(path: &Path) -> Result<Option<Vec<u8>>, String> {
    let open =
        OpenOptions::new().read(true).custom_flags(libc::O_NOFOLLOW | libc::O_NONBLOCK).open(path);
    let file = match open {
        Ok(file) => file,
        Err(e) if e.kind() == io::ErrorKind::NotFound => return Ok(None),
        Err(e) => return Err(format!("cannot be opened: {e}")),
    };
    match file.metadata() {
        Ok(meta) if meta.is_dir() => return Err("a folder, where a file belongs".to_owned()),
        Ok(meta) if !meta.is_file() => return Err("not a plain file".to_owned()),
        Ok(_) => {}
        Err(e) => return Err(format!("cannot be read: {e}")),
    }
    match read_bounded(file, BOOT_FILE_BYTES as u64) {
        Ok(bytes) => Ok(Some(bytes)),
        Err(e) if e.kind() == io::ErrorKind::FileTooLarge => Err(e.to_string()),
        Err(e) => Err(format!("cannot be read: {e}")),
    }
}

/// Stores `bytes` as `path`, mode 0600: temporary file, fsync, rename, fsync of the folder, which is made if missing.
pub fn store(path: &Path, bytes: &[u8]) -> io::Result<()> {
    let folder = path.parent().ok_or(io::ErrorKind::InvalidInput)?;
    DirBuilder::new().recursive(true).mode(0o700).create(folder)?;
    let new = path.with_extension("new");
    write_private(&new, bytes)?;
    fs::rename(&new, path)?;
    File::open(folder)?.sync_all()
}

/// Removes a stored setting.
pub fn remove(path: &Path) -> io::Result<()> {
    match fs::remove_file(path) {
        Err(e) if e.kind() != io::ErrorKind::NotFound => Err(e),
        _ => path.parent().map_or(Ok(()), |folder| File::open(folder)?.sync_all()),
    }
}

/// Takes a file off the card: renamed (so that a cut leaves no half file under its name), overwritten, truncated,
/// unlinked. The card's own wear levelling may still keep a copy.
pub fn wipe(boot: &Path, name: &str) -> io::Result<()> {
    finish_wipe(boot)?;
    let doomed = boot.join(DOOMED);
    fs::rename(boot.join(name), &doomed)?;
    File::open(boot)?.sync_all()?;
    finish_wipe(boot).map(|_| ())
}

/// Ends a wipe that power loss cut short. True when there was one.
pub fn finish_wipe(boot: &Path) -> io::Result<bool> {
    let doomed = boot.join(DOOMED);
    let mut file = match OpenOptions::new().write(true).custom_flags(libc::O_NOFOLLOW).open(&doomed)
    {
        Ok(file) => file,
        Err(e) if e.kind() == io::ErrorKind::NotFound => return Ok(false),
        Err(e) => return Err(e),
    };
    let length = file.metadata()?.len().min(BOOT_FILE_BYTES as u64);
    file.seek(SeekFrom::Start(0))?;
    io::copy(&mut io::repeat(0).take(length), &mut file)?;
    file.sync_all()?;
    file.set_len(0)?;
    fs::remove_file(&doomed)?;
    File::open(boot)?.sync_all()?;
    Ok(true)
}

/// A wipe was cut short.
pub fn unfinished(boot: &Path) -> bool {
    boot.join(DOOMED).exists()
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::os::unix::fs::PermissionsExt;

    fn folder(name: &str) -> std::path::PathBuf {
        let path =
            std::env::temp_dir().join(format!("picoclaw-files-{name}-{}", std::process::id()));
        let _ = fs::remove_dir_all(&path);
        fs::create_dir_all(&path).expect("folder");
        path
    }

    #[test]
    fn special_files_are_reported() {
        let dir = folder("read");
        assert_eq!(read(&dir.join("none")), Ok(None));
        assert_eq!(read(&dir), Err("a folder, where a file belongs".to_owned()));
        std::os::unix::fs::symlink("/etc/passwd", dir.join("link")).expect("link");
        assert!(read(&dir.join("link")).is_err());
        fs::write(dir.join("big"), vec![b'x'; BOOT_FILE_BYTES]).expect("write");
        assert_eq!(read(&dir.join("big")).map(|b| b.map(|b| b.len())), Ok(Some(BOOT_FILE_BYTES)));
        fs::write(dir.join("big"), vec![b'x'; BOOT_FILE_BYTES + 1]).expect("write");
        assert_eq!(read(&dir.join("big")), Err("larger than 64 KiB".to_owned()));
        fs::remove_dir_all(&dir).expect("remove");
    }

    #[test]
    fn stored_files_are_private_and_whole() {
        let dir = folder("store");
        let path = dir.join("config.d/50-boot.json");
        store(&path, b"first").expect("store");
        store(&path, b"2").expect("store");
        assert_eq!(fs::read(&path).expect("read"), b"2");
        assert_eq!(fs::metadata(&path).expect("meta").permissions().mode() & 0o777, 0o600);
        assert_eq!(fs::read_dir(dir.join("config.d")).expect("folder").count(), 1);
        remove(&path).expect("remove");
        remove(&path).expect("once more");
        fs::remove_dir_all(&dir).expect("remove");
    }

    #[test]
    fn an_interrupted_wipe_is_finished() {
        let dir = folder("wipe");
        fs::write(dir.join("picoclaw.json"), "secret").expect("write");
        // A hard link shows what happened to the contents.
        fs::hard_link(dir.join("picoclaw.json"), dir.join("copy")).expect("link");
        wipe(&dir, "picoclaw.json").expect("wipe");
        assert_eq!(fs::read(dir.join("copy")).expect("read"), b"");
        assert!(!dir.join("picoclaw.json").exists() && !unfinished(&dir));
        fs::write(dir.join(DOOMED), "secret").expect("write");
        assert!(unfinished(&dir));
        assert!(finish_wipe(&dir).expect("finish"));
        assert!(!unfinished(&dir));
        fs::remove_dir_all(&dir).expect("remove");
    }
}
