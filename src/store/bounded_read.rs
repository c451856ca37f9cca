//! Reading files that others may write, with a bound, and noticing that they changed.
//!
//! Never blocks on special files (a FIFO in place of a note) and never loads more than asked for.

use std::hash::{DefaultHasher, Hasher};
use std::io::{self, ErrorKind, Read, Seek, SeekFrom};
use std::path::Path;

use super::dir::Dir;
use crate::sys::beneath::{self, File, FileInfo};

/// Which end of a long file is read.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum FileEnd {
    /// The first bytes, up to the limit.
    Head,
    /// The last bytes, up to the limit.
    Tail,
}

/// A file's text, or the requested part of it.
#[derive(Debug, PartialEq)]
pub struct Piece {
    /// Invalid UTF-8 is replaced.
    pub text: String,
    /// Bytes of the file that are not in `text`.
    pub missing: u64,
}

/// At most `limit` bytes of a file that the machine's owner named, links followed; `None` when there is none.
/// Errors: not a regular file, no permission, I/O.
pub fn bounded(path: &Path, limit: usize, end: FileEnd) -> io::Result<Option<Piece>> {
    match beneath::open_path(path).map_err(io::Error::from) {
        Ok(file) => piece(file, limit, end).map(Some),
        Err(e) if matches!(e.kind(), ErrorKind::NotFound | ErrorKind::NotADirectory) => Ok(None),
        Err(e) => Err(e),
    }
}

/// The same for a file below `folder`, where anybody may have put it: no link is followed.
pub fn below(folder: &Dir, name: &str, limit: usize, end: FileEnd) -> io::Result<Option<Piece>> {
    folder.read(name)?.map(|file| piece(file, limit, end)).transpose()
}

/// At most `limit` bytes of an open file. Errors: I/O.
pub fn piece(mut file: File, limit: usize, end: FileEnd) -> io::Result<Piece> {
    let length = file.metadata()?.len();
    let wanted = length.min(limit as u64);
    if end == FileEnd::Tail {
        file.seek(SeekFrom::Start(length - wanted))?;
    }
    let mut bytes = Vec::with_capacity(wanted as usize);
    file.take(wanted).read_to_end(&mut bytes)?;
    let missing = length - wanted;
    if missing > 0 {
        trim_partial(&mut bytes, end);
    }
    let text = String::from_utf8(bytes)
        .unwrap_or_else(|e| String::from_utf8_lossy(e.as_bytes()).into_owned());
    Ok(Piece { text, missing })
}

/// Removes a character that was cut in half.
fn trim_partial(bytes: &mut Vec<u8>, end: FileEnd) {
    let inside = |b: &u8| b & 0xc0 == 0x80;
    match end {
        FileEnd::Tail => {
            let n = bytes.iter().take(3).take_while(|b| inside(b)).count();
            bytes.drain(..n);
        }
        FileEnd::Head => {
            if let Err(e) = std::str::from_utf8(bytes) {
                if e.error_len().is_none() {
                    bytes.truncate(e.valid_up_to());
                }
            }
        }
    }
}

/// A number that changes when the file does: replaced, written, removed, created.
pub fn stamp(meta: Option<FileInfo>) -> u64 {
    let Some(meta) = meta else { return 0 };
    let mut hasher = DefaultHasher::new();
    // Two writes of equal size within one tick of the clock have equal times; an atomic write shows by
    // its new inode.
    for n in [meta.changed.0, meta.changed.1, meta.touched.0, meta.touched.1] {
        hasher.write_i64(n);
    }
    hasher.write_u64(meta.identity.1);
    hasher.write_u64(meta.length);
    hasher.finish() | 1
}

#[cfg(test)]
pub(crate) mod tests {
    use super::*;
    use std::path::PathBuf;

    /// A folder for one test, removed at its end.
    pub(crate) struct Folder {
        pub(crate) path: PathBuf,
    }

    impl Folder {
        pub(crate) fn new(name: &str) -> Folder {
            let path = std::env::temp_dir().join(format!("picoclaw-{name}-{}", std::process::id()));
            let _ = std::fs::remove_dir_all(&path);
            std::fs::create_dir_all(&path).expect("a folder");
            Folder { path }
        }

        pub(crate) fn write(&self, name: &str, content: impl AsRef<[u8]>) {
            let path = self.path.join(name);
            std::fs::create_dir_all(path.parent().expect("a parent")).expect("a folder");
            std::fs::write(path, content).expect("a file");
        }
    }

    impl Drop for Folder {
        fn drop(&mut self) {
            let _ = std::fs::remove_dir_all(&self.path);
        }
    }

    #[test]
    fn no_more_is_read_than_asked_for() {
        let folder = Folder::new("read");
        folder.write("f", "aéz");
        let path = folder.path.join("f");
        let check = |limit, end, text: &str, missing| {
            let want = Piece { text: text.into(), missing };
            assert_eq!(bounded(&path, limit, end).expect("a file"), Some(want), "{limit} {end:?}");
        };
        check(4, FileEnd::Head, "aéz", 0);
        check(4, FileEnd::Tail, "aéz", 0);
        check(2, FileEnd::Head, "a", 2);
        check(3, FileEnd::Head, "aé", 1);
        check(2, FileEnd::Tail, "z", 2);
        check(3, FileEnd::Tail, "éz", 1);
        check(0, FileEnd::Head, "", 4);
        folder.write("f", b"a\xffb\xc3");
        check(9, FileEnd::Head, "a\u{fffd}b\u{fffd}", 0);
    }

    #[test]
    fn a_link_out_of_the_folder_is_not_followed() {
        let folder = Folder::new("read-below");
        folder.write("secret", "the key");
        folder.write("inside/note", "a note");
        let inside = folder.path.join("inside");
        for (target, name) in [("note", "near"), ("../secret", "far"), ("..", "up")] {
            std::os::unix::fs::symlink(target, inside.join(name)).expect("a link");
        }
        let dir = Dir::shared(&inside).expect("a folder");
        let got = |name: &str| below(&dir, name, 9, FileEnd::Head).map(|p| p.map(|p| p.text));
        assert_eq!(got("note").expect("it"), Some("a note".into()));
        assert_eq!(got("none").expect("none"), None);
        for name in ["near", "far", "up/secret", "../secret"] {
            assert!(super::super::dir::unfit(&got(name).expect_err(name)), "{name}");
        }
    }

    #[test]
    fn special_files_are_distinguished() {
        let folder = Folder::new("read-not");
        folder.write("f", "");
        assert_eq!(bounded(&folder.path.join("none"), 9, FileEnd::Head).expect("none"), None);
        assert_eq!(bounded(&folder.path.join("f/below"), 9, FileEnd::Head).expect("none"), None);
        let e = bounded(&folder.path, 9, FileEnd::Head).expect_err("a folder");
        assert_eq!(e.to_string(), "it is a folder, not a regular file: move it away");
        let fifo = folder.path.join("fifo");
        let made = std::process::Command::new("mkfifo").arg(&fifo).status().expect("mkfifo");
        assert!(made.success());
        assert!(bounded(&fifo, 9, FileEnd::Head).is_err());
    }

    #[test]
    fn a_change_shows_in_the_stamp() {
        let folder = Folder::new("read-stamp");
        let path = folder.path.join("f");
        let stamp = |path: &Path| stamp(beneath::path_meta(path));
        assert_eq!(stamp(&path), 0);
        folder.write("f", "a");
        let first = stamp(&path);
        assert_eq!(stamp(&path), first);
        folder.write("f", "ab");
        assert_ne!(stamp(&path), first);
        folder.write("g", "cd");
        let second = stamp(&path);
        std::fs::rename(folder.path.join("g"), &path).expect("renamed");
        assert_ne!(stamp(&path), second);
    }
}
