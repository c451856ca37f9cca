//! Every operation on every kind of thing, by both ways down.

use std::fs;
use std::os::unix::fs::{MetadataExt, PermissionsExt, symlink};
use std::os::unix::net::UnixListener;
use std::path::PathBuf;

use rustix::fs::{CWD, FileType, Mode, mknodat};

use super::*;
use crate::sys::scratch::Scratch;

const SECRET: &str = "the key";

/// What somebody may have put in a file's place.
const THINGS: &[&str] =
    &["link", "link-in", "dangling", "FIFO", "folder", "socket", "hard", "open", "other-owner"];

fn plant(scratch: &Scratch, thing: &str) -> Option<PathBuf> {
    let path = scratch.path().join("top/x");
    match thing {
        "link" => symlink("../secret", &path).expect("a link"),
        "link-in" => symlink("file", &path).expect("a link"),
        "dangling" => symlink("../new", &path).expect("a link"),
        "FIFO" => {
            mknodat(CWD, &path, FileType::Fifo, Mode::from_raw_mode(0o600), 0).expect("a FIFO");
        }
        "folder" => fs::create_dir(&path).expect("a folder"),
        "socket" => drop(UnixListener::bind(&path).expect("a socket")),
        "hard" => fs::hard_link(scratch.path().join("secret"), &path).expect("a link"),
        "open" => {
            fs::write(&path, "x").expect("a file");
            fs::set_permissions(&path, fs::Permissions::from_mode(0o666)).expect("a mode");
        }
        _ => {
            if !rustix::process::geteuid().is_root() {
                crate::sys::skip::skip("only root gives a file to somebody else");
                return None;
            }
            fs::write(&path, "x").expect("a file");
            std::os::unix::fs::chown(&path, Some(61_234), None).expect("given away");
        }
    }
    Some(path)
}

fn dirs(scratch: &Scratch) -> [Dir; 2] {
    let open = || Dir::open(&scratch.path().join("top")).expect("a folder");
    [open(), open().without_openat2()]
}

#[test]
fn unfit_files_are_refused_and_named() {
    for thing in THINGS {
        for way in 0..2 {
            let scratch = Scratch::named("dir");
            scratch.file("secret", SECRET);
            scratch.file("top/file", "inside");
            let Some(path) = plant(&scratch, thing) else { continue };
            let dir = dirs(&scratch).into_iter().nth(way).expect("two ways");
            let refused = |op: &str, result: io::Result<()>| {
                let e = result.expect_err(&format!("{op} {thing}"));
                assert!(unfit(&e), "{op} {thing}: {e}");
                let what = match *thing {
                    "link" | "link-in" | "dangling" => {
                        "it is a symbolic link, not a regular file: move it away"
                    }
                    "FIFO" => "it is a FIFO, not a regular file: move it away",
                    "folder" => "it is a folder, not a regular file: move it away",
                    "socket" => "it is a socket, not a regular file: move it away",
                    "hard" => "it has 2 names (hard links): replace it by a copy",
                    "open" => "it may be written by everybody: chmod o-w",
                    _ => "it belongs to user 61234: chown it",
                };
                assert_eq!(e.to_string(), what, "{op}");
            };
            refused("read", dir.read("x").map(drop));
            refused("change", dir.change("x").map(drop));
            refused("append", dir.append("x", 0o600).map(drop));
            refused("bytes", dir.bytes("x", 9).map(drop));
            refused("set_mode", dir.set_mode("x", 0o600));
            let plain = ["hard", "open", "other-owner"].contains(thing);
            if plain {
                // The name is taken away from what it stood for.
                dir.save("x", b"new", 0o600).expect("saved");
                assert_eq!(fs::read(&path).expect("a file"), b"new");
            } else {
                refused("save", dir.save("x", b"new", 0o600));
                assert_eq!(dir.set_aside("x").expect("aside"), "x.unfit-1");
                dir.save("x", b"new", 0o600).expect("saved");
            }
            assert_eq!(scratch.text("secret"), SECRET, "{thing}");
            assert!(!scratch.path().join("new").exists(), "{thing}");
            let meta = fs::symlink_metadata(&path).expect("it is there");
            assert!(meta.is_file() && meta.mode() & 0o777 == 0o600, "{thing}");
            assert!(dir.remove("x").expect("removed"), "{thing}");
        }
    }
}

#[test]
fn no_way_leads_through_a_link_or_out() {
    let scratch = Scratch::named("dir-way");
    scratch.file("out/f", SECRET);
    scratch.file("top/real/f", "inside");
    scratch.link("../out", "top/d");
    scratch.link("real", "top/near");
    for dir in dirs(&scratch) {
        for name in ["d/f", "near/f", "d/new", "d/sub/new", "../out/f", "real/../../out/f"] {
            assert!(unfit(&dir.read(name).map(drop).expect_err(name)), "{name}");
            assert!(unfit(&dir.append(name, 0o600).map(drop).expect_err(name)), "{name}");
            assert!(unfit(&dir.save(name, b"x", 0o600).expect_err(name)), "{name}");
            assert!(dir.remove(name).is_err(), "{name}");
            assert!(dir.rename("real/f", name, true).is_err(), "{name}");
            assert!(dir.rename(name, "stolen", true).is_err(), "{name}");
            assert!(dir.meta(name).is_err(), "{name}");
        }
        assert!(unfit(&dir.folder("d", true).map(drop).expect_err("a link")));
        assert!(dir.make_folder("d/new", 0o700).is_err());
        assert_eq!(fs::read_dir(scratch.path().join("out")).expect("listed").count(), 1);
        assert_eq!(scratch.text("out/f"), SECRET);
        // The link itself is a name like any other.
        assert!(dir.meta("d").is_err());
        dir.rename("d", "e", false).expect("moved");
        dir.rename("e", "d", false).expect("moved");
    }
}

#[test]
fn files_come_and_go_whole() {
    let scratch = Scratch::named("dir-files");
    for dir in [
        Dir::open(&scratch).expect("a folder"),
        Dir::open(&scratch).expect("a folder").without_openat2(),
    ] {
        assert!(dir.read("a/b").expect("nothing").is_none());
        assert!(dir.change("b").expect("nothing").is_none());
        assert!(dir.folder("a", false).expect("nothing").is_none());
        assert!(!dir.remove("b").expect("nothing"));
        dir.save("a/b", b"one", 0o600).expect("saved");
        dir.append("a/b", 0o600).and_then(|mut f| f.write_all(b" two")).expect("added");
        assert_eq!(dir.bytes("a/b", 7).expect("read").as_deref(), Some(&b"one two"[..]));
        assert!(dir.bytes("a/b", 6).is_err());
        let a = dir.folder("a", false).expect("opened").expect("there");
        assert_eq!(
            a.list(9).expect("listed"),
            (vec![Name { name: "b".into(), folder: false }], false)
        );
        let fails = a.replace("b", 0o600, &mut |out| {
            out.write_all(b"half")?;
            Err(io::Error::other("no more"))
        });
        assert!(fails.is_err());
        assert_eq!(a.list(9).expect("listed").0.len(), 1, "nothing is left behind");
        assert_eq!(scratch.text("a/b"), "one two");
        assert_eq!(fs::metadata(scratch.join("a")).expect("there").mode() & 0o777, 0o700);
        assert!(a.rename("b", "c", false).is_ok() && dir.make_folder("a/d", 0o700).is_ok());
        let e = a.rename("c", "d", false).expect_err("taken");
        assert_eq!(e.kind(), ErrorKind::AlreadyExists);
        assert!(a.remove("c").expect("gone") && a.remove("d").expect("gone"));
        assert!(dir.remove("a").expect("gone"));
    }
}

#[test]
fn an_output_is_nobodys_before_it_is_whole() {
    let scratch = Scratch::named("dir-output");
    let path = scratch.join("out.tgz");
    for replace in [false, true] {
        let fresh = output(&path, 0o600).expect("begun");
        fresh.file().write_all(b"secrets").expect("written");
        fresh.finish(replace, true).expect("finished");
        assert_eq!(fs::metadata(&path).expect("there").mode() & 0o777, 0o600);
    }
    let fresh = output(&path, 0o600).expect("begun");
    assert!(matches!(fresh.finish(false, true), Err(Fault::Exists)));
    drop(output(&scratch.join("never"), 0o600).expect("begun"));
    assert_eq!(fs::read_dir(&*scratch).expect("listed").count(), 1);
}

#[test]
fn folders_are_made_on_the_way() {
    let scratch = Scratch::named("dir-make");
    let path = scratch.join("a/b/c");
    assert!(Dir::find(&path).expect("nothing").is_none());
    Dir::make(&path).and_then(|dir| dir.save("f", b"x", 0o600)).expect("made");
    assert_eq!(Dir::make(&path).expect("there").path(), path);
    let (dir, name) = Dir::parent_of(&path, 1).expect("its folder");
    assert_eq!((dir.path(), name), (&*scratch.join("a/b"), "c"));
    let (dir, name) = Dir::parent_of(&path, 2).expect("the folder around");
    assert_eq!((dir.path(), name), (&*scratch.join("a"), "b/c"));
    assert!(
        Dir::parent_of(Path::new("/"), 1).is_err() && Dir::parent_of(Path::new("a"), 2).is_err()
    );
}
