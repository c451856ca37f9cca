//! Pictures for a model: opened when a turn starts, read only while a request is sent.

use std::fs::File;
use std::os::unix::fs::FileExt;
use std::path::Path;
use std::sync::Arc;

use crate::limits::PICTURES;
use crate::store::spool;

/// An open picture file.
#[derive(Clone, Debug)]
pub struct Picture {
    /// As [`crate::message::Message::media`] has it.
    pub path: String,
    /// `image/png` and the like.
    pub mime: &'static str,
    /// Sent from its beginning.
    pub file: Arc<File>,
    /// File size in bytes; the request has a third more, as base64.
    pub bytes: u64,
}

impl Picture {
    /// Opens the last [`PICTURES`] of `paths`, each by its name in `media/`. Files that are not pictures, missing, or larger than
    /// `most` bytes are left out. Blocks on the disk.
    pub fn open_all(workspace: &Path, paths: &[String], most: u64) -> Vec<Picture> {
        let paths = &paths[paths.len().saturating_sub(PICTURES)..];
        paths.iter().filter_map(|path| Picture::open(workspace, path, most)).collect()
    }

    fn open(workspace: &Path, path: &str, most: u64) -> Option<Picture> {
        let (file, bytes) = spool::open(workspace, path).ok()?;
        let mut head = [0; 12];
        file.read_exact_at(&mut head, 0).ok()?;
        let mime = kind(&head)?;
        if bytes > most {
            crate::log::warn!("{path} is not shown to the model: {bytes} bytes, at most {most}");
            return None;
        }
        Some(Picture { path: path.to_owned(), mime, file: Arc::new(file), bytes })
    }
}

/// The type of a picture by its first bytes: the four that models accept.
pub fn kind(head: &[u8; 12]) -> Option<&'static str> {
    match head {
        [0xff, 0xd8, 0xff, ..] => Some("image/jpeg"),
        [0x89, b'P', b'N', b'G', b'\r', b'\n', 0x1a, b'\n', ..] => Some("image/png"),
        [b'G', b'I', b'F', b'8', b'7' | b'9', b'a', ..] => Some("image/gif"),
        [b'R', b'I', b'F', b'F', _, _, _, _, b'W', b'E', b'B', b'P'] => Some("image/webp"),
        _ => None,
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::sys::scratch::Scratch;

    #[track_caller]
    fn check(head: &[u8; 12], want: Option<&str>) {
        assert_eq!(kind(head), want);
    }

    #[test]
    fn kinds_by_the_first_bytes() {
        check(b"\xff\xd8\xff\xe0\0\x10JFIF\0\x01", Some("image/jpeg"));
        check(b"\x89PNG\r\n\x1a\n\0\0\0\r", Some("image/png"));
        check(b"GIF89a\x01\0\x01\0\0\0", Some("image/gif"));
        check(b"RIFF\x10\0\0\0WEBP", Some("image/webp"));
        check(b"RIFF\x10\0\0\0WAVE", None);
        check(b"%PDF-1.7\n%\xff\xff", None);
        check(b"<svg xmlns='", None);
        check(&[0; 12], None);
    }

    #[test]
    fn only_pictures_of_the_folder_are_opened() {
        let scratch = Scratch::new();
        let bytes = b"\xff\xd8\xff\xe0\0\x10JFIF\0\x01";
        for name in ["media/a.jpg", "media/b.jpg", "media/c.jpg", "media/d.jpg", "secret.jpg"] {
            scratch.file(name, bytes);
        }
        scratch.file("media/long.jpg", [bytes.as_slice(), &[0]].concat());
        scratch.file("media/short.jpg", &bytes[..11]);
        scratch.link("../secret.jpg", "media/link.jpg");
        std::fs::create_dir(scratch.path().join("media/folder.jpg")).expect("a folder");
        let open = |paths: &[&str]| {
            let paths: Vec<String> = paths.iter().map(|p| (*p).to_owned()).collect();
            let all = Picture::open_all(scratch.path(), &paths, 12);
            all.into_iter().map(|p| (p.path, p.bytes)).collect::<Vec<_>>()
        };
        let one = |path: &str| (path.to_owned(), 12);
        assert_eq!(open(&["/w/media/a.jpg", "b.jpg"]), [one("/w/media/a.jpg"), one("b.jpg")]);
        for path in ["../secret.jpg", "long.jpg", "short.jpg", "folder.jpg", "gone.jpg", "..", "/"]
        {
            assert_eq!(open(&[path]), [], "{path}");
        }
        let five = open(&["b.jpg", "a.jpg", "b.jpg", "c.jpg", "d.jpg"]);
        assert_eq!(five[0], one("a.jpg"), "the latest");
        assert_eq!(five.len(), PICTURES);
    }
}
