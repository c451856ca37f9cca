//! What commands can do to modes, owners and times, by real ones.

use std::ffi::OsStr;
use std::fs;
use std::os::fd::OwnedFd;
use std::os::unix::fs::{MetadataExt, PermissionsExt, symlink};
use std::time::Duration;

use super::*;
use crate::sys::process::{self, End, Exit, Filter, Outcome, ProtectedProcesses, Sandbox};
use crate::sys::scratch::Scratch;

/// A home as the daemon has it; commands may write in `home/workspace`.
fn home() -> Scratch {
    let s = Scratch::new();
    for file in ["home/config.json", "home/workspace/a", "home/workspace/inner/auth.json"] {
        fs::set_permissions(s.file(file, "x"), fs::Permissions::from_mode(0o600)).expect("a mode");
    }
    fs::set_permissions(s.path().join("home"), fs::Permissions::from_mode(0o700)).expect("a mode");
    s
}

/// Runs a script in the workspace; what it prints.
fn run(s: &Scratch, script: &str) -> String {
    let done = outcome(s, script);
    assert!(matches!(done.end, End::Exit(Exit::Code(_))), "{:?}", done.end);
    done.stdout.text() + &done.stderr.text()
}

/// What came of a script in the workspace, in which it may change attributes.
fn outcome(s: &Scratch, script: &str) -> Outcome {
    let home = s.path().join("home").canonicalize().expect("a path");
    let mut rules = AttributeRules::default();
    rules.allow(home.join("workspace"), &[home.clone(), home.join("workspace/inner")]);
    let filter = Some(Filter::new(&ProtectedProcesses::this()).expect("a filter"));
    run_in(s, script, Sandbox { attributes: Some(rules), filter, ..Sandbox::default() })
}

fn run_in(s: &Scratch, script: &str, sandbox: Sandbox) -> Outcome {
    let home = s.path().join("home").canonicalize().expect("a path");
    let dir: OwnedFd = fs::File::open(home.join("workspace")).expect("the folder").into();
    let env =
        [("PATH".into(), std::env::var_os("PATH").expect("a PATH")), ("H".into(), home.into())];
    let started = process::shell(OsStr::new(script), &dir, &env, sandbox);
    let child = smol::block_on(started).expect("started");
    smol::block_on(process::run(child, Duration::from_secs(20)))
}

fn mode(s: &Scratch, path: &str) -> u32 {
    fs::metadata(s.path().join("home").join(path)).expect("a file").mode() & 0o7777
}

/// Neither this kernel nor what this test runs in takes the filter.
fn unavailable() -> bool {
    let missing = !process::strength().notified;
    if missing {
        crate::sys::skip::skip("this kernel has no user notification");
    }
    missing
}

#[test]
fn in_the_workspace_all_is_as_without_it() {
    if unavailable() {
        return;
    }
    let s = home();
    let out = run(
        &s,
        "chmod 640 a && chmod +x a && mkdir d && chmod g+s d && touch -d @1000000000 a && ln -s a l && touch -h -d @5 l \
         && cp -a a b && chown $(id -u):$(id -g) a && install -m 750 a c && tar cf t a d l && mkdir x && tar xf t -C x \
         && stat -c '%a %Y' a b c d x/a && stat -c %Y l && cd d && chmod 700 ../a && chmod 711 /dev/fd/3 3< ../b && stat -c %a ../a ../b \
         && perl -e 'open F, \"<\", \"../a\"; chmod 0604, *F or die; utime 7, 8, *F or die; utime undef, undef, \"../b\" or die' \
         && stat -c '%a %Y' ../a && test $(stat -c %Y ../b) -gt 1000000000 && echo fine",
    );
    let lines: Vec<&str> = out.lines().collect();
    assert_eq!(lines.first(), Some(&"751 1000000000"), "{out}");
    assert_eq!(lines.get(1), Some(&"751 1000000000"), "{out}");
    assert!(lines[2].starts_with("750 ") && lines[3].starts_with("2755 "), "{out}");
    assert_eq!(lines[4..6], ["751 1000000000", "5"], "{out}");
    assert_eq!(lines[6..], ["700", "711", "604 8", "fine"], "{out}");
}

#[test]
fn outside_nothing_changes() {
    if unavailable() {
        return;
    }
    let s = home();
    symlink("../config.json", s.path().join("home/workspace/link")).expect("a link");
    symlink("..", s.path().join("home/workspace/up")).expect("a link");
    let time = fs::metadata(s.path().join("home/config.json")).expect("a file").mtime();
    let ways = [
        "chmod 644 $H/config.json",
        "chmod 755 $H",
        "chmod 0 $H",
        "chmod 644 ../config.json",
        "chmod 644 link",
        "chmod 644 up/config.json",
        "cd .. && chmod 644 config.json",
        "cd / && chmod 644 .$H/config.json",
        "chmod 644 /proc/self/cwd/../config.json",
        "chmod 644 inner/auth.json",
        "chmod 755 inner",
        "chmod 0 $H/workspace",
        "touch -d @1 $H/config.json",
        "touch -h -d @1 $H/config.json",
        "exec 3< $H/config.json; chmod 644 /proc/self/fd/3",
        "perl -e 'open F, \"<\", \"../config.json\"; chmod 0644, *F or die'",
        "perl -e 'open F, \"<\", \"../config.json\"; utime 1, 1, *F or die'",
        "chgrp 1 a",
        "chmod u+s a",
        "chmod 4755 a",
        "chmod g+s a",
        "perl -e 'chmod 06755, \"a\" or die'",
        "perl -e 'use Fcntl; sysopen F, \"s\", O_CREAT|O_WRONLY, 04755 or die'",
        "perl -e 'use Fcntl; sysopen F, \"s\", O_CREAT|O_WRONLY, 02755 or die'",
        "perl -MPOSIX -e 'mkfifo(\"p\", 04755) or die'",
        "setfattr -n user.x -v 1 a",
        "install -m 4755 a s",
    ];
    for way in ways {
        let out = run(&s, &format!("if ( {way} ); then echo DONE; fi"));
        assert!(!out.contains("DONE"), "{way}: {out}");
    }
    assert_eq!([mode(&s, "config.json"), mode(&s, "")], [0o600, 0o700]);
    assert_eq!([mode(&s, "workspace/a"), mode(&s, "workspace/inner/auth.json")], [0o600; 2]);
    assert_eq!(fs::metadata(s.path().join("home/config.json")).expect("a file").mtime(), time);
    let made = fs::read_dir(s.path().join("home/workspace")).expect("a folder").flatten();
    let mut set =
        made.filter(|e| e.metadata().is_ok_and(|m| m.mode() & 0o6000 != 0 && m.is_file()));
    assert!(set.next().is_none());
}

/// The file is exchanged for a link while the call is answered: at no moment is the other one changed.
#[test]
fn exchanges_gain_nothing() {
    if unavailable() {
        return;
    }
    let s = home();
    symlink("../config.json", s.path().join("home/workspace/link")).expect("a link");
    let out = run(
        &s,
        "perl -e '$e = fork; if (!$e) { while (1) { rename \"a\", \"t\"; rename \"link\", \"a\"; rename \"a\", \"link\"; rename \"t\", \"a\" } } \
         for (1 .. 3000) { $n += chmod 0644, \"a\"; chmod 0600, \"a\" } kill 9, $e; print $n > 0 ? \"fine\" : \"never\"'",
    );
    assert!(out.contains("fine"), "{out}");
    assert_eq!(mode(&s, "config.json"), 0o600);
}

/// What waits for no answer any more is refused, and holds nobody up.
#[test]
fn a_command_that_ends_while_it_waits_is_forgotten() {
    if unavailable() {
        return;
    }
    let s = home();
    let out = run(
        &s,
        "for i in 1 2 3 4 5 6 7 8; do (while :; do chmod 600 a; done) & done; sleep 0.3; echo over",
    );
    assert!(out.contains("over"), "{out}");
    assert_eq!(run(&s, "chmod 640 a && stat -c %a a").trim(), "640");
}

/// A perl line that opens a socket of this family and kind.
fn socket(family: i32, kind: i32) -> String {
    format!("perl -e 'socket(S, {family}, {kind}, 0) and print \"open\"'")
}

#[test]
fn sockets_to_other_machines_are_noticed() {
    if unavailable() {
        return;
    }
    if std::process::Command::new("perl").arg("-v").output().is_err() {
        crate::sys::skip::skip("no perl to open sockets with");
        return;
    }
    let s = home();
    let (tcp, udp) = (libc::SOCK_STREAM, libc::SOCK_DGRAM);
    let inside = socket(libc::AF_INET, tcp);
    let late = inside.replace("print \"open\"", "open(F, \">opened\")");
    for (script, want) in [
        (inside.clone(), true),
        (socket(libc::AF_INET, udp), true),
        (socket(libc::AF_INET6, tcp), true),
        (format!("(setsid {late} &); until [ -e opened ]; do sleep 0.01; done"), true),
        (format!("trap '' TERM; {inside}; kill -9 $$"), true),
        (socket(libc::AF_NETLINK, libc::SOCK_RAW), false),
        (socket(libc::AF_UNIX, tcp), false),
        ("true".to_owned(), false),
        ("chmod 600 a".to_owned(), false),
    ] {
        let done = outcome(&s, &script);
        assert_eq!(done.internet, Some(want), "{script}: {}", done.stderr.text());
    }
    assert_eq!(outcome(&s, &inside).stdout.text(), "open", "the call is made");
    let only = Sandbox { internet: true, ..Sandbox::default() };
    assert_eq!(run_in(&s, &inside, only).internet, Some(true), "nothing else is judged");
    assert_eq!(run_in(&s, &inside, Sandbox::default()).internet, None, "nobody looks");
}

/// What people run all day; of another machine they print nothing.
const EVERYDAY: &[&str] = &[
    "ls -la",
    "git init -q r && cd r && git status && git log -1; git add -A",
    "python3 -c 'print(1)'",
    "python3 -c 'import json, socket, ssl, urllib.request'",
    "apt-cache policy bash",
    "dpkg -l bash",
    "ps aux",
    "df -h",
    "free",
    "uptime",
    "tar cf t.tar a && tar tf t.tar",
    "gzip -k a",
    "awk '{print}' a",
    "sed s/x/y/ a",
    "find . -name a",
    "sort a",
    "echo a | xargs cat",
    "date",
    "id",
    "getent passwd root",
    "hostname",
    "uname -a",
    "lscpu",
    "ip addr",
    "ss -x",
    "make --version",
    "cc --version",
    "perl -e 'print 1'",
    "node -e '1'",
    "jq . /dev/null",
    "openssl rand -hex 4",
    "file a",
    "md5sum a",
    "mount",
    "env",
    "which sh",
    "nproc",
    "who",
    "diff a a",
    "top -bn1",
    "bash -c 'echo $RANDOM'",
    "stat a",
    "du -s .",
    "touch b",
    "cp a c",
    "chmod 600 a",
    "vi --version",
    "crontab -l",
    "locale",
    "readlink -f a",
    "ssh -V",
    "curl --version",
    "less -V",
    "man --version",
    "lsmod",
];

#[test]
fn everyday_commands_open_no_such_socket() {
    if unavailable() {
        return;
    }
    let s = home();
    for script in EVERYDAY {
        let done = outcome(&s, script);
        assert_eq!(done.internet, Some(false), "{script}: {}", done.stderr.text());
    }
}
