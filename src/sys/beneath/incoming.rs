//! Files that come from outside, piece by piece, into a folder that commands may write to as well.

use std::ffi::OsStr;
use std::fs::File;

use rustix::fs::{AtFlags, Dir, FileType, Mode, OFlags};
use rustix::io::Errno;

use super::{Fault, ResolvedPath, file_type};

impl ResolvedPath {
    /// Makes the file anew, for writing. What has its name, a link say, is taken away and never followed.
    pub fn create(&self) -> Result<File, Fault> {
        match rustix::fs::unlinkat(&self.dir, &*self.name, AtFlags::empty()) {
            Ok(()) | Err(Errno::NOENT) => {}
            Err(e) => return Err(e.into()),
        }
        let flags =
            OFlags::WRONLY | OFlags::CREATE | OFlags::EXCL | OFlags::NOFOLLOW | OFlags::CLOEXEC;
        let fd = rustix::fs::openat(&self.dir, &*self.name, flags, Mode::from_raw_mode(0o666))?;
        Ok(File::from(fd))
    }

    /// Gives what is here another name in the same folder; a file of that name is replaced.
    pub fn rename(&self, name: &OsStr) -> Result<(), Fault> {
        Ok(rustix::fs::renameat(&self.dir, &*self.name, &self.dir, name)?)
    }

    /// Removes the oldest files of this folder until those left have at most `most` bytes.
    pub fn prune(&self, most: u64) -> Result<(), Fault> {
        let fd = self.open_folder()?;
        loop {
            // Looked through again for each that goes: nothing is remembered, however many there are.
            let (mut total, mut oldest) = (0, None);
            for entry in Dir::read_from(&fd)? {
                let entry = entry?;
                let name = entry.file_name();
                let Ok(stat) = rustix::fs::statat(&fd, name, AtFlags::SYMLINK_NOFOLLOW) else {
                    continue;
                };
                if file_type(&stat) != FileType::RegularFile {
                    continue;
                }
                total += stat.st_size as u64;
                let age = (stat.st_mtime, stat.st_mtime_nsec);
                if oldest.as_ref().is_none_or(|(earlier, _)| age < *earlier) {
                    oldest = Some((age, name.to_owned()));
                }
            }
            let Some((_, name)) = oldest.filter(|_| total > most) else { return Ok(()) };
            rustix::fs::unlinkat(&fd, &name, AtFlags::empty())?;
        }
    }
}

#[cfg(test)]
mod tests {
    use std::io::Write;
    use std::path::Path;
    use std::time::{Duration, SystemTime};

    use super::super::Root;
    use super::*;
    use crate::sys::scratch::Scratch;

    #[test]
    fn a_link_in_the_way_is_not_followed() {
        let scratch = Scratch::new();
        scratch.file("outside", "old");
        scratch.file("w/media/x", "x");
        scratch.link("../../outside", "w/media/a.part");
        let root = Root::open(&scratch.path().join("w")).expect("a root");
        let place = root.locate(Path::new("media/b.part"), false).expect("a place");
        place.create().and_then(|mut f| Ok(f.write_all(b"new")?)).expect("written");
        place.rename(OsStr::new("a.part")).expect("renamed");
        assert_eq!(
            (scratch.text("outside"), scratch.text("w/media/a.part")),
            ("old".into(), "new".into())
        );
        scratch.link("../../outside", "w/media/c.part");
        assert!(matches!(root.locate(Path::new("media/c.part"), false), Err(Fault::Outside)));
        std::fs::rename(scratch.path().join("w/media"), scratch.path().join("away"))
            .expect("moved");
        scratch.link("../away", "w/media");
        assert!(matches!(root.locate(Path::new("media/d.part"), true), Err(Fault::Outside)));
    }

    #[test]
    fn the_oldest_make_room() {
        let scratch = Scratch::new();
        for (name, age) in [("old", 30), ("new", 10), ("middle", 20)] {
            let path = scratch.file(&format!("media/{name}"), [0; 100]);
            let time = SystemTime::now() - Duration::from_secs(age);
            File::open(path).expect("a file").set_modified(time).expect("its time");
        }
        scratch.link("/", "media/link");
        let left = |most| {
            let root = Root::open(scratch.path()).expect("a root");
            let place = root.locate(Path::new("media"), false).expect("a place");
            place.prune(most).expect("room");
            ["old", "middle", "new"].map(|name| scratch.path().join("media").join(name).exists())
        };
        assert_eq!(left(300), [true; 3]);
        assert_eq!(left(299), [false, true, true]);
        assert_eq!(left(100), [false, false, true]);
        assert_eq!(left(0), [false; 3], "nothing is left, and nothing loops");
    }
}
