//! Every operation of `store::Dir` while a second thread swaps the names that it uses, with and without openat2.
//!
//! `PICOCLAW_RACES` says how many exchanges each operation has to stand; the nightly run has 20,000.

use std::fs;
use std::io::{Read, Write};
use std::os::unix::fs::{MetadataExt, symlink};
use std::path::{Path, PathBuf};
use std::sync::atomic::{AtomicBool, AtomicU64, Ordering};

use picoclaw::store::dir::{Dir, output};
use picoclaw::sys::beneath::Replace;
use rustix::fs::{CWD, FileType, Mode, RenameFlags, mknodat, renameat_with};

const SECRET: &[u8] = b"nobody may see or change this";

/// A folder of ours, `top`, and one that is none of its business, `out`.
struct Field(PathBuf);

impl Field {
    fn new(name: &str) -> Field {
        let path =
            std::env::temp_dir().join(format!("picoclaw-race-{name}-{}", std::process::id()));
        let _ = fs::remove_dir_all(&path);
        for folder in ["top/d", "out"] {
            fs::create_dir_all(path.join(folder)).expect("a folder");
        }
        for (name, text) in [("top/d/f", &b"ours"[..]), ("out/f", SECRET)] {
            fs::write(path.join(name), text).expect("a file");
            set_mode(&path.join(name), 0o600);
        }
        set_mode(&path.join("out"), 0o755);
        // What the names are exchanged with: a folder for a link, a file for a link, a second name, a FIFO.
        symlink("../out", path.join("top/e")).expect("a link");
        symlink("../../out/f", path.join("top/d/link")).expect("a link");
        fs::hard_link(path.join("out/f"), path.join("top/d/hard")).expect("a link");
        let mode = Mode::from_raw_mode(0o600);
        mknodat(CWD, path.join("top/d/fifo"), FileType::Fifo, mode, 0).expect("a FIFO");
        Field(path)
    }

    /// What is outside is as it was.
    fn check(&self, what: &str) {
        let out = self.0.join("out");
        let names: Vec<_> =
            fs::read_dir(&out).expect("a folder").flatten().map(|e| e.file_name()).collect();
        assert_eq!(names, ["f"], "{what}: names outside");
        assert_eq!(fs::read(out.join("f")).expect("a file"), SECRET, "{what}: written outside");
        let mode = fs::metadata(out.join("f")).expect("a file").mode();
        assert_eq!(mode & 0o7777, 0o600, "{what}: its mode");
        let mode = fs::metadata(&out).expect("a folder").mode();
        assert_eq!(mode & 0o7777, 0o755, "{what}: the folder's mode");
    }
}

impl Drop for Field {
    fn drop(&mut self) {
        let _ = fs::remove_dir_all(&self.0);
    }
}

fn set_mode(path: &Path, mode: u32) {
    let mode = std::os::unix::fs::PermissionsExt::from_mode(mode);
    fs::set_permissions(path, mode).expect("a mode");
}

fn wanted() -> u64 {
    std::env::var("PICOCLAW_RACES").ok().and_then(|n| n.parse().ok()).unwrap_or(2_000)
}

/// Runs `operation` for as long as the names are exchanged; it returns what it read.
fn race(what: &str, operation: fn(&Dir) -> Option<Vec<u8>>) {
    race_with(what, 0, operation);
}

/// The same for a path that the owner named, whose folders may be links: only what is in the last one is exchanged.
fn race_name(what: &str, operation: fn(&Dir) -> Option<Vec<u8>>) {
    race_with(what, 1, operation);
}

/// `first`: the first of the four pairs that are exchanged.
fn race_with(what: &str, first: u64, operation: fn(&Dir) -> Option<Vec<u8>>) {
    for openat2 in [true, false] {
        let field = Field::new(&format!("{what}-{openat2}"));
        let top = field.0.join("top");
        let dir = Dir::open(&top).expect("a folder");
        let dir = if openat2 { dir } else { dir.without_openat2() };
        let (stop, done) = (AtomicBool::new(false), AtomicU64::new(0));
        std::thread::scope(|threads| {
            threads.spawn(|| {
                let mut turn = 0_u64;
                while !stop.load(Ordering::Relaxed) {
                    let (one, two) = match first + turn % (4 - first) {
                        0 => ("d", "e"),
                        1 => ("d/f", "d/link"),
                        2 => ("d/f", "d/hard"),
                        _ => ("d/f", "d/fifo"),
                    };
                    // Twice, so that the names are as they were for the next pair; an operation may have taken one away.
                    for _ in 0..2 {
                        let flags = RenameFlags::EXCHANGE;
                        let done_one = renameat_with(CWD, top.join(one), CWD, top.join(two), flags);
                        done.fetch_add(u64::from(done_one.is_ok()), Ordering::Relaxed);
                    }
                    turn += 1;
                    // What was moved or removed comes back.
                    if turn % 16 == 0 && !top.join("d/f").exists() {
                        let _ = fs::write(top.join("d/new-f"), "ours");
                        let _ = fs::rename(top.join("d/new-f"), top.join("d/f"));
                    }
                }
            });
            let mut tries = 0_u64;
            let end = std::time::Instant::now() + std::time::Duration::from_secs(60);
            while (done.load(Ordering::Relaxed) < wanted() || tries < 100)
                && std::time::Instant::now() < end
            {
                let read = operation(&dir).unwrap_or_default();
                assert!(!read.windows(SECRET.len()).any(|w| w == SECRET), "{what}: read outside");
                tries += 1;
            }
            stop.store(true, Ordering::Relaxed);
            let done = done.load(Ordering::Relaxed);
            assert!(done >= wanted(), "{what}: only {done} exchanges in a minute");
        });
        field.check(what);
    }
}

fn all(file: Option<fs::File>) -> Option<Vec<u8>> {
    let mut bytes = Vec::new();
    file?.read_to_end(&mut bytes).ok()?;
    Some(bytes)
}

/// Nothing was read.
fn no<T>(_: T) -> Option<Vec<u8>> {
    None
}

#[test]
fn reading_stays_inside() {
    race("read", |dir| all(dir.read("d/f").ok()?));
    race("bytes", |dir| dir.bytes("d/f", 99).ok()?);
    race("change-read", |dir| all(dir.change("d/f").ok()?));
    race("append-read", |dir| all(dir.append("d/f", 0o600).ok()));
    race("folder-read", |dir| dir.folder("d", false).ok()??.bytes("f", 99).ok()?);
    race("list", |dir| {
        let (names, _) = dir.folder("d", false).ok()??.list(99).ok()?;
        // The folder outside has one name, ours more.
        assert!(names.len() != 1, "listed outside");
        None
    });
    race("each", |dir| {
        let mut names = 0;
        dir.folder("d", false).ok()??.each(99, &mut |_, _| names += 1).ok()?;
        assert!(names != 1, "listed outside");
        None
    });
    race("meta", |dir| {
        let meta = dir.meta("d/f").ok()??;
        assert!(!(meta.file && meta.length == SECRET.len() as u64) || meta.mode & 0o777 == 0o600);
        None
    });
}

#[test]
fn writing_stays_inside() {
    race("append", |dir| no(dir.append("d/f", 0o600).and_then(|mut f| f.write_all(b"mine"))));
    race("change", |dir| no(dir.change("d/f").map(|f| f.map(|mut f| f.write_all(b"mine")))));
    race("save", |dir| no(dir.save("d/f", b"mine", 0o600)));
    race("save-soon", |dir| no(dir.save_soon("d/f", b"mine", 0o600)));
    race("save-over", |dir| no(dir.save_over("d/f", b"mine", Replace::Yes)));
    race("replace", |dir| no(dir.replace("d/f", 0o600, &mut |out| out.write_all(b"mine"))));
    race("begin", |dir| no(dir.begin("d/f", 0o600).map(|fresh| fresh.finish(true, false))));
    race("folder-save", |dir| {
        no(dir.folder("d", true).map(|d| d.map(|d| d.save_soon("f", b"mine", 0o600))))
    });
}

#[test]
fn names_stay_inside() {
    race("remove", |dir| no(dir.remove("d/f")));
    race("rename", |dir| no(dir.rename("d/f", "d/g", true)));
    race("rename-out", |dir| {
        no(dir.rename("d/f", "g", true).and_then(|()| dir.rename("g", "d/f", true)))
    });
    race("take", |dir| {
        let from = dir.folder("d", false).ok()??;
        no(dir.take("f", &from).and_then(|()| dir.rename("f", "d/f", true)))
    });
    race("close", |dir| no(dir.close("d")));
    race("set-aside", |dir| no(dir.set_aside("d/f")));
    race("make-folder", |dir| no(dir.make_folder("d/n", 0o700).and_then(|()| dir.remove("d/n"))));
    race("folder", |dir| no(dir.folder("d/n", true)));
    race("set-mode", |dir| no(dir.set_mode("d/f", 0o640)));
    race("stands", |dir| no(dir.exists("d/f")));
    race("sync", |dir| no(dir.folder("d", false).map(|d| d.map(|d| d.sync()))));
    race("folder-mode", |dir| {
        no(dir.folder("d", false).map(|d| d.map(|d| d.set_folder_mode(0o711))))
    });
}

#[test]
fn paths_of_the_owner_end_inside() {
    race_name("output", |dir| {
        no(output(&dir.path().join("d/f"), 0o600).and_then(|fresh| {
            fresh.file().write_all(b"mine")?;
            Ok(fresh.finish(true, false)?)
        }))
    });
    race_name("parent-of", |dir| {
        let path = dir.path().join("d/f");
        let (above, name) = Dir::parent_of(&path, 1).ok()?;
        let read = above.bytes(name, 99).ok().flatten();
        let _ = above.save_soon(name, b"mine", 0o600);
        read
    });
    race_name("find-parent-of", |dir| {
        let path = dir.path().join("d/f");
        let (above, name) = Dir::find_parent_of(&path, 1).ok()??;
        all(above.read(name).ok()?)
    });
    race_name("make-parent-of", |dir| {
        let path = dir.path().join("d/f");
        let (above, name) = Dir::make_parent_of(&path, 1).ok()?;
        no(above.append(name, 0o600).and_then(|mut file| file.write_all(b"mine")))
    });
    race_name("make", |dir| no(Dir::make(&dir.path().join("d/f/n/m"))));
    race_name("find", |dir| no(Dir::find(&dir.path().join("d/f"))));
    race_name("open", |dir| no(Dir::open(&dir.path().join("d/f"))));
    race_name("shared", |dir| no(Dir::shared(&dir.path().join("d/f"))));
}

#[test]
fn every_operation_has_a_row() {
    let door = fs::read_to_string("src/store/dir.rs").expect("the source");
    let rows = fs::read_to_string("tests/it/attack/races.rs").expect("the source");
    let operations = door.lines().filter_map(|line| line.trim_start().strip_prefix("pub fn "));
    for name in operations.filter_map(|rest| rest.split(['(', '<']).next()) {
        // These open nothing.
        if !["path", "without_openat2", "unfit"].contains(&name) {
            let called = [".", "::", "("].map(|before| format!("{before}{name}("));
            assert!(called.iter().any(|call| rows.contains(call)), "no race against {name}");
        }
    }
}
