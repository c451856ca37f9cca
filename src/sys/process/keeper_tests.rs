//! What slips out of commands, by real ones.

use std::ffi::OsStr;
use std::os::fd::OwnedFd;
use std::time::Duration;

use crate::sys::process::{self, Child, End, Exit, Filter, ProtectedProcesses, Sandbox};
use crate::sys::scratch::Scratch;

const LONG: Duration = Duration::from_secs(20);

fn start(s: &Scratch, script: &str, sandbox: Sandbox) -> Child {
    let dir = OwnedFd::from(std::fs::File::open(s.path()).expect("the folder"));
    let env = [("PATH".into(), std::env::var_os("PATH").expect("a PATH"))];
    smol::block_on(process::shell(OsStr::new(script), &dir, &env, sandbox)).expect("started")
}

fn finish(child: Child) -> (End, String) {
    let done = smol::block_on(process::run(child, LONG));
    (done.end, done.stdout.text() + &done.stderr.text())
}

/// A daemon as textbooks make it: two sessions away, its parents gone. Its number is in the file `name`.
fn slip(name: &str) -> String {
    format!(
        "setsid sh -c 'setsid sleep 300 >/dev/null 2>&1 & echo $! > {name}.new; mv {name}.new {name}'; \
         while [ ! -e {name} ]; do sleep 0.01; done; "
    )
}

fn lives(s: &Scratch, name: &str) -> bool {
    let line = format!("/proc/{}/cmdline", s.text(name).trim());
    // A zombie has none.
    std::fs::read(line).is_ok_and(|line| !line.is_empty())
}

#[track_caller]
fn wait_for(s: &Scratch, name: &str) {
    let there = (0..2000).any(|_| {
        std::thread::sleep(Duration::from_millis(5));
        s.path().join(name).exists()
    });
    assert!(there, "no {name}");
}

#[test]
fn orphans_end_with_their_own_command() {
    let s = Scratch::new();
    let wait = "while [ ! -e stop ]; do sleep 0.01; done";
    let long = start(&s, &(slip("long") + wait), Sandbox::default());
    wait_for(&s, "long");
    let (end, _) = finish(start(&s, &(slip("one") + &slip("two")), Sandbox::default()));
    assert_eq!(end, End::Exit(Exit::Code(0)));
    assert!(!lives(&s, "one") && !lives(&s, "two"), "left behind");
    assert!(lives(&s, "long"), "another command's");
    s.file("stop", "");
    assert_eq!(finish(long).0, End::Exit(Exit::Code(0)));
    assert!(!lives(&s, "long"), "left behind");
    // Out of time, and forgotten.
    let child = start(&s, &(slip("late") + "sleep 100"), Sandbox::default());
    let done = smol::block_on(process::run(child, Duration::from_millis(700)));
    assert_eq!(done.end, End::Timeout);
    assert!(!lives(&s, "late"), "left behind");
    let child = start(&s, &(slip("dropped") + "sleep 100"), Sandbox::default());
    wait_for(&s, "dropped");
    drop(child);
    let gone = (0..1000).any(|_| {
        std::thread::sleep(Duration::from_millis(5));
        !lives(&s, "dropped")
    });
    assert!(gone, "left behind");
}

#[test]
fn a_crowd_that_breeds_ends_too() {
    let s = Scratch::new();
    let script = "for i in 1 2 3 4 5 6 7 8 9; do setsid sh -c 'echo $$ >> all; (while :; do (sleep 0.01; :) & sleep 0.01; done) & \
                  sleep 100' & done; while [ $(wc -l < all 2>/dev/null || echo 0) -lt 9 ]; do sleep 0.01; done";
    finish(start(&s, script, Sandbox::default()));
    for number in s.text("all").lines() {
        let line = std::fs::read(format!("/proc/{number}/cmdline"));
        assert!(line.map_or(true, |line| line.is_empty()), "{number} lives");
    }
}

#[test]
fn the_keeper_is_not_the_commands_to_signal() {
    if !process::strength().seccomp {
        crate::sys::skip::skip("no call filter in this kernel");
        return;
    }
    let s = Scratch::new();
    let filter = Some(Filter::new(&ProtectedProcesses::this()).expect("a filter"));
    let script = "for signal in KILL STOP INT 0; do kill -$signal $PPID && echo DONE; kill -$signal -$PPID && echo DONE; done 2>/dev/null; \
                  perl -e '$p = shift; syscall(200, $p + 0, 9) == 0 and print \"DONE\"; syscall(234, $p + 0, $p + 0, 9) == 0 and print \"DONE\"' $PPID; \
                  sleep 300 & kill -9 $! && echo own";
    // The numbers of tkill and tgkill are of x86_64; elsewhere they are other calls, which are as refused.
    let (end, out) = finish(start(&s, script, Sandbox { filter, ..Sandbox::default() }));
    assert_eq!((end, out.as_str()), (End::Exit(Exit::Code(0)), "own\n"));
}

#[test]
fn a_killed_keeper_takes_the_command_along() {
    let s = Scratch::new();
    let (end, _) = finish(start(&s, "kill -9 $PPID; sleep 100", Sandbox::default()));
    assert_eq!(end, End::Exit(Exit::Unknown));
}
