//! The loop does not wait for what a command waits for.

use std::os::fd::{AsRawFd, OwnedFd};
use std::time::{Duration, Instant};

use async_io::Timer;
use smol::future::or;

use super::*;
use crate::sys::process::{End, Exit, run};
use crate::sys::scratch::Scratch;

/// asm-generic/fcntl.h; the crate lacks it.
const F_SETSIG: libc::c_int = 10;

/// execve(2) of a file with a write lease waits until that is given up (fcntl(2)): as for a card that hangs.
struct Lease(std::fs::File);

impl Lease {
    fn new(path: &std::path::Path) -> Lease {
        let file = std::fs::OpenOptions::new().read(true).open(path).expect("the program");
        // SAFETY: plain system calls on integers. SIGURG, which is ignored, says that somebody waits, in place of SIGIO, which
        // would end the tests.
        let held = || unsafe {
            libc::fcntl(file.as_raw_fd(), F_SETSIG, libc::SIGURG) == 0
                && libc::fcntl(file.as_raw_fd(), libc::F_SETLEASE, libc::F_WRLCK) == 0
        };
        // A command that another test forks at this moment has the file open until its execve.
        let begun = Instant::now();
        while !held() {
            let why = io::Error::last_os_error();
            assert!(begun.elapsed() < Duration::from_secs(20), "a lease: {why}");
            std::thread::yield_now();
        }
        Lease(file)
    }

    fn give_up(self) {
        // SAFETY: a plain system call on integers.
        unsafe { libc::fcntl(self.0.as_raw_fd(), libc::F_SETLEASE, libc::F_UNLCK) };
    }
}

fn program(s: &Scratch, name: &str) -> (std::path::PathBuf, Program, OwnedFd) {
    let path = s.path().join(name);
    std::fs::copy("/bin/sh", &path).expect("a program");
    let texts = [path.to_str().expect("text"), "-c", "echo begun"].map(|t| t.as_bytes().to_vec());
    let dir = OwnedFd::from(File::open(s.path()).expect("the folder"));
    (path, Program::new(texts.into(), Vec::new()).expect("a program"), dir)
}

/// How often a task beside `other` got its turn until that was done.
async fn ticks<T>(other: impl Future<Output = T>) -> (T, usize) {
    let mut ticks = 0;
    let clock = async {
        loop {
            Timer::after(Duration::from_millis(5)).await;
            ticks += 1;
        }
    };
    (or(other, clock).await, ticks)
}

#[test]
fn the_loop_turns_while_the_program_is_read_from_a_card_that_hangs() {
    let s = Scratch::new();
    let (path, program, dir) = program(&s, "slow");
    let lease = Lease::new(&path);
    smol::block_on(async {
        let starting = Box::new(begin(program, &dir, Sandbox::default()).expect("forked"));
        let freed = async {
            Timer::after(Duration::from_millis(100)).await;
            lease.give_up();
            std::future::pending().await
        };
        let (child, ticks) = ticks(or(starting.begun(Duration::from_secs(20)), freed)).await;
        assert!(ticks >= 3, "{ticks}");
        let done = run(child.expect("it runs"), Duration::from_secs(20)).await;
        assert_eq!((done.end, &*done.stdout.text()), (End::Exit(Exit::Code(0)), "begun\n"));
    });
}

#[test]
fn a_program_that_the_card_does_not_give_is_given_up() {
    let s = Scratch::new();
    let (path, program, dir) = program(&s, "hung");
    let lease = Lease::new(&path);
    let starting = Box::new(begin(program, &dir, Sandbox::default()).expect("forked"));
    let late = smol::block_on(starting.begun(Duration::from_millis(50))).err().expect("too late");
    assert_eq!(late.kind(), io::ErrorKind::TimedOut);
    lease.give_up();
}

#[test]
fn dropping_a_command_waits_for_nothing() {
    let s = Scratch::new();
    let dir = OwnedFd::from(File::open(s.path()).expect("the folder"));
    let env = [("PATH".into(), std::env::var_os("PATH").expect("a PATH"))];
    let mut waits: Vec<u64> = (0..50)
        .map(|_| {
            let started = shell(OsStr::new("sleep 100"), &dir, &env, Sandbox::default());
            let child = smol::block_on(started).expect("it runs");
            let before = waits_of_this_thread();
            drop(child);
            waits_of_this_thread() - before
        })
        .collect();
    // Another test may hold the lock of the reaper now and then.
    waits.sort_unstable();
    assert_eq!(waits[25], 0, "{waits:?}");
}

/// How often it has given up the processor to wait for something.
fn waits_of_this_thread() -> u64 {
    let status = std::fs::read_to_string("/proc/thread-self/status").expect("its status");
    let count = |line: &str| line.strip_prefix("voluntary_ctxt_switches:")?.trim().parse().ok();
    status.lines().find_map(count).expect("a count")
}
