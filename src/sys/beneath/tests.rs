//! Escapes tried on both ways down: the kernel's and our own.

use std::io::Read;
use std::os::unix::fs::PermissionsExt;
use std::sync::atomic::{AtomicBool, Ordering};
use std::time::{Duration, Instant};

use super::*;
use crate::sys::scratch::Scratch;

/// ws/ with links of every kind, and what must stay unread beside it.
fn tree() -> Scratch {
    let s = Scratch::new();
    s.file("ws/a.txt", "inside");
    s.file("ws/sub/deep/b.txt", "deep");
    s.file("secret", "outside");
    s.file("ws2/secret", "outside");
    s.link("sub/deep", "ws/down");
    s.link("../a.txt", "ws/sub/up");
    s.link(s.path().join("ws/a.txt"), "ws/absolute");
    s.link(s.path().join("ws"), "ws/sub/top");
    s.link("../secret", "ws/out");
    s.link("..", "ws/parent");
    s.link("/", "ws/root");
    s.link(s.path().join("ws2"), "ws/sibling");
    s.link("loop2", "ws/loop1");
    s.link("loop1", "ws/loop2");
    s.link("nowhere", "ws/dangling");
    s.link("../new-secret", "ws/dangling-out");
    s.link("parent", "ws/chain");
    s
}

fn roots(s: &Scratch) -> [Root; 2] {
    let open = || Root::open(&s.path().join("ws")).expect("the folder");
    [open(), open().without_openat2()]
}

fn read(root: &Root, path: &str) -> Result<String, Fault> {
    let (mut file, _) = root.locate(Path::new(path), false)?.read()?;
    let mut text = String::new();
    file.read_to_string(&mut text)?;
    Ok(text)
}

#[test]
fn paths_stay_below() {
    let s = tree();
    let check = |path: &str, want: &str| {
        for root in roots(&s) {
            let got = match read(&root, path) {
                Ok(text) => text,
                Err(Fault::Outside) => "OUT".into(),
                Err(Fault::Not(what)) => what.into(),
                Err(Fault::Io(e)) => format!("{e:?}"),
                Err(e) => e.to_string(),
            };
            assert!(got.contains(want), "{path}: {got}, not {want}, openat2 {}", root.openat2);
        }
    };
    check("a.txt", "inside");
    check("./sub/.//deep/b.txt", "deep");
    check("down/b.txt", "deep");
    check("sub/up", "inside");
    check("absolute", "inside");
    check("sub/top/a.txt", "inside");
    check("sub/top/sub/top/down/b.txt", "deep");
    check("down/../../a.txt", "inside");
    check("sub/../a.txt", "inside");
    check("/a.txt", "inside");
    check("../secret", "OUT");
    check("sub/../../secret", "OUT");
    check("out", "OUT");
    check("parent/secret", "OUT");
    check("parent/ws/a.txt", "OUT");
    check("chain/secret", "OUT");
    check("root/etc/passwd", "OUT");
    check("sibling/secret", "OUT");
    check("sub/../../ws2/secret", "OUT");
    check("dangling-out", "OUT");
    check("dangling", "code: 2,");
    check("missing/x", "code: 2,");
    check("loop1", "code: 40,");
    check("loop1/x", "code: 40,");
    check("a.txt/x", "code: 20,");
    check("sub", "a folder");
    check(".", "a folder");
    check("", "a folder");
}

#[test]
fn special_files_are_not_opened() {
    let s = tree();
    let fifo = s.path().join("ws/fifo");
    rustix::fs::mknodat(rustix::fs::CWD, &fifo, FileType::Fifo, Mode::from_raw_mode(0o600), 0)
        .expect("a FIFO");
    let socket = s.path().join("ws/socket");
    let _listener = std::os::unix::net::UnixListener::bind(&socket).expect("a socket");
    for root in roots(&s) {
        let begin = Instant::now();
        assert!(matches!(read(&root, "fifo"), Err(Fault::Not("a FIFO"))));
        assert!(matches!(read(&root, "socket"), Err(Fault::Not("a socket"))));
        let place = root.locate(Path::new("fifo"), true).expect("a place");
        assert!(matches!(place.append(b"x", 9), Err(Fault::Not("a FIFO"))));
        assert!(matches!(place.save(b"x", Replace::Yes), Err(Fault::Not("a FIFO"))));
        assert!(begin.elapsed() < Duration::from_secs(1), "nothing waited for a writer");
    }
    let top = Root::open(Path::new("/")).expect("the root");
    assert!(matches!(read(&top, "dev/null"), Err(Fault::Not("a device"))));
}

#[test]
fn saving_is_whole_and_keeps_permissions() {
    let s = tree();
    for (i, root) in roots(&s).into_iter().enumerate() {
        let name = format!("new{i}/x/y.txt");
        let place = root.locate(Path::new(&name), true).expect("a place");
        place.save(b"one", Replace::No).expect("saved");
        assert_eq!(s.text(&format!("ws/{name}")), "one");
        let full = s.path().join("ws").join(&name);
        std::fs::set_permissions(&full, PermissionsExt::from_mode(0o4750)).expect("chmod");
        let place = root.locate(Path::new(&name), true).expect("a place");
        assert!(matches!(place.save(b"two", Replace::No), Err(Fault::Exists)));
        place.save(b"two", Replace::Yes).expect("saved");
        assert_eq!(s.text(&format!("ws/{name}")), "two");
        let mode = full.metadata().expect("there").permissions().mode();
        assert_eq!(mode & 0o7777, 0o750, "no set-user-id");
        let left = std::fs::read_dir(full.parent().expect("a folder")).expect("listed").count();
        assert_eq!(left, 1, "no temporary file is left");
    }
}

#[test]
fn a_link_is_written_through_when_it_stays_below() {
    let s = tree();
    for root in roots(&s) {
        let place = root.locate(Path::new("sub/up"), true).expect("a place");
        place.save(b"changed", Replace::Yes).expect("saved");
        assert_eq!(s.text("ws/a.txt"), "changed");
        assert!(s.path().join("ws/sub/up").is_symlink());
        assert!(matches!(root.locate(Path::new("out"), true), Err(Fault::Outside)));
        assert!(matches!(root.locate(Path::new("parent/made/x"), true), Err(Fault::Outside)));
        assert!(!s.path().join("made").exists());
        assert_eq!(s.text("secret"), "outside");
    }
}

#[test]
fn changed_files_are_not_replaced() {
    let s = tree();
    let [root, _] = roots(&s);
    let place = root.locate(Path::new("a.txt"), false).expect("a place");
    let (_, stamp) = place.read().expect("opened");
    s.file("ws/a.txt", "someone else's words");
    assert!(matches!(place.save(b"mine", Replace::Same(stamp)), Err(Fault::Changed)));
    assert_eq!(s.text("ws/a.txt"), "someone else's words");
    // A name that turned up meanwhile is not replaced either.
    let place = root.locate(Path::new("fresh"), true).expect("a place");
    s.file("ws/fresh", "first");
    assert!(matches!(place.save(b"second", Replace::No), Err(Fault::Exists)));
    assert_eq!(s.text("ws/fresh"), "first");
}

#[test]
fn appending_is_bounded_and_knows_hard_links() {
    let s = tree();
    let [root, _] = roots(&s);
    let append = |name: &str, bytes: &[u8], limit| {
        root.locate(Path::new(name), true).and_then(|p| p.append(bytes, limit))
    };
    append("log", b"a", 10).expect("made");
    append("log", b"b", 10).expect("added");
    assert_eq!(s.text("ws/log"), "ab");
    assert!(append("log", b"123456789", 10).is_err());
    assert_eq!(s.text("ws/log"), "ab");
    std::fs::hard_link(s.path().join("secret"), s.path().join("ws/hard")).expect("a link");
    assert!(matches!(append("hard", b"x", 99), Err(Fault::Linked(2))));
    let place = root.locate(Path::new("hard"), true).expect("a place");
    place.save(b"new", Replace::Yes).expect("the name is replaced");
    assert_eq!((s.text("secret").as_str(), s.text("ws/hard").as_str()), ("outside", "new"));
}

#[test]
fn listing_is_bounded() {
    let s = tree();
    let [root, _] = roots(&s);
    let place = root.locate(Path::new("sub"), false).expect("a place");
    let (entries, more) = place.list(10).expect("listed");
    assert_eq!((entries.len(), more), (3, false));
    assert!(entries.contains(&DirEntry { name: "deep".into(), folder: true }));
    assert!(entries.contains(&DirEntry { name: "top".into(), folder: false }));
    assert!(place.list(2).expect("listed").1);
    assert!(root.locate(Path::new("a.txt"), false).expect("a place").list(9).is_err());
}

/// A second thread swaps a folder for a link out, and a file for a link out, as fast as it can.
fn race(open: fn(&Scratch) -> Root) {
    let s = tree();
    s.file("ws/flip/f", "inside");
    s.file("ws2/f", "outside");
    let stop = AtomicBool::new(false);
    std::thread::scope(|threads| {
        let (ws, stop) = (s.path().join("ws"), &stop);
        threads.spawn(move || {
            let link = |to: &str, name: &str| {
                let _ = std::fs::remove_file(ws.join("t"));
                std::os::unix::fs::symlink(to, ws.join("t")).expect("a link");
                let flags = rustix::fs::RenameFlags::EXCHANGE;
                let here = rustix::fs::CWD;
                let (a, b) = (ws.join("t"), ws.join(name));
                let _ = rustix::fs::renameat_with(here, &a, here, &b, flags);
                std::thread::yield_now();
                let _ = rustix::fs::renameat_with(here, &a, here, &b, flags);
            };
            while !stop.load(Ordering::Relaxed) {
                link("../ws2", "flip");
                link("../secret", "a.txt");
            }
        });
        let root = open(&s);
        let (begin, mut inside, mut refused) = (Instant::now(), 0, 0);
        while begin.elapsed() < Duration::from_millis(400) {
            for path in ["flip/f", "a.txt"] {
                match read(&root, path) {
                    Ok(text) => {
                        assert_eq!(text, "inside", "{path} led out");
                        inside += 1;
                    }
                    Err(_) => refused += 1,
                }
                if let Ok(place) = root.locate(Path::new(path), true) {
                    let _ = place.save(b"inside", Replace::Yes);
                }
            }
        }
        stop.store(true, Ordering::Relaxed);
        assert!(inside > 0, "the race was run: {inside} inside, {refused} refused");
    });
    assert_eq!((s.text("secret").as_str(), s.text("ws2/f").as_str()), ("outside", "outside"));
}

#[test]
fn races_do_not_lead_out() {
    race(|s| Root::open(&s.path().join("ws")).expect("the folder"));
}

#[test]
fn races_do_not_lead_out_without_openat2() {
    race(|s| Root::open(&s.path().join("ws")).expect("the folder").without_openat2());
}
