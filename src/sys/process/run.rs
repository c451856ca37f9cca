//! One command from start to end: output collected, time and size bounded, group ended.

use std::future::{Future, poll_fn};
use std::os::fd::OwnedFd;
use std::pin::Pin;
use std::task::Poll;
use std::time::Duration;

use async_io::{Async, Timer};
use rustix::io::Errno;
use rustix::process::Signal;

use super::child::Child;
use super::control::Exit;
use crate::limits::{
    EXEC_END_WAIT, EXEC_OUTPUT_HALF, EXEC_OUTPUT_READ, EXEC_PIPE_GRACE, EXEC_TERM_GRACE,
};
use crate::proto::excerpt::HeadTail;

/// Why a command is over.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum End {
    /// It ended.
    Exit(Exit),
    /// Its time was up; the group was ended.
    Timeout,
    /// It wrote more than [`EXEC_OUTPUT_READ`]; the group was ended.
    Output,
}

/// What came of a command.
pub struct Outcome {
    /// Why it is over.
    pub end: End,
    /// Kept from standard output.
    pub stdout: HeadTail,
    /// Kept from standard error.
    pub stderr: HeadTail,
    /// Processes it left behind still held its output and were ended.
    pub leftovers: bool,
    /// It opened a socket that leads to other machines, so what it printed may be text of others. `None`: nobody looked.
    pub internet: Option<bool>,
}

#[derive(PartialEq)]
enum Phase {
    /// Until the deadline.
    Running,
    /// SIGTERM is sent.
    Terminating,
    /// SIGKILL is sent.
    Killed,
    /// The leader has ended, pipes are read out.
    Draining,
}

/// Reads the output of `child` until it and its pipes end, at most `timeout`. Ends its process group in every
/// case, background processes included: SIGTERM, then SIGKILL when time is up, SIGKILL when it ended itself.
pub async fn run(mut child: Child, timeout: Duration) -> Outcome {
    let mut out = Outcome {
        end: End::Exit(Exit::Unknown),
        stdout: HeadTail::new(EXEC_OUTPUT_HALF),
        stderr: HeadTail::new(EXEC_OUTPUT_HALF),
        leftovers: false,
        internet: None,
    };
    let mut forced = None;
    let mut buffer = vec![0; 4096];
    let mut phase = Phase::Running;
    let mut timer = Timer::after(timeout);
    loop {
        read(&mut child.stdout, &mut buffer, &mut out.stdout);
        read(&mut child.stderr, &mut buffer, &mut out.stderr);
        if phase == Phase::Running && out.stdout.total() + out.stderr.total() > EXEC_OUTPUT_READ {
            forced = Some(End::Output);
            child.signal(Signal::TERM);
            (phase, timer) = (Phase::Terminating, Timer::after(EXEC_TERM_GRACE));
        }
        let piped = child.stdout.is_some() || child.stderr.is_some();
        if phase == Phase::Draining && !piped {
            break;
        }
        match next(&mut child, &mut timer, &phase).await {
            Event::Readable => {}
            Event::Exited => (phase, timer) = (Phase::Draining, Timer::after(EXEC_PIPE_GRACE)),
            Event::Time => match phase {
                Phase::Running => {
                    forced = Some(End::Timeout);
                    child.signal(Signal::TERM);
                    (phase, timer) = (Phase::Terminating, Timer::after(EXEC_TERM_GRACE));
                }
                Phase::Terminating => {
                    child.signal(Signal::KILL);
                    (phase, timer) = (Phase::Killed, Timer::after(EXEC_TERM_GRACE));
                }
                // A process that SIGKILL does not end hangs in the kernel: dropping it hands it over.
                Phase::Killed => break,
                Phase::Draining => {
                    out.leftovers = true;
                    break;
                }
            },
        }
    }
    child.signal(Signal::KILL);
    all_gone(&mut child).await;
    read(&mut child.stdout, &mut buffer, &mut out.stdout);
    read(&mut child.stderr, &mut buffer, &mut out.stderr);
    out.internet = child.internet();
    let exit = if phase == Phase::Draining { child.exit() } else { None };
    out.end = forced.unwrap_or(End::Exit(exit.unwrap_or(Exit::Unknown)));
    out
}

/// Waits until nothing of the command is left, but for what hangs in the kernel.
async fn all_gone(child: &mut Child) {
    let mut limit = Timer::after(EXEC_END_WAIT);
    poll_fn(|cx| {
        child.poll_calls(cx);
        let late = Pin::new(&mut limit).poll(cx).is_ready();
        if late || child.poll_over(cx).is_ready() { Poll::Ready(()) } else { Poll::Pending }
    })
    .await;
}

enum Event {
    Readable,
    Exited,
    Time,
}

async fn next(child: &mut Child, timer: &mut Timer, phase: &Phase) -> Event {
    poll_fn(|cx| {
        if Pin::new(&mut *timer).poll(cx).is_ready() {
            return Poll::Ready(Event::Time);
        }
        child.poll_calls(cx);
        for pipe in [&child.stdout, &child.stderr].into_iter().flatten() {
            // An error shows again, and is handled, when the pipe is read.
            if pipe.poll_readable(cx).is_ready() {
                return Poll::Ready(Event::Readable);
            }
        }
        if *phase != Phase::Draining && child.poll_exited(cx).is_ready() {
            return Poll::Ready(Event::Exited);
        }
        Poll::Pending
    })
    .await
}

/// Takes what is there, at most 64 KiB so that two loud pipes and the rest of the program get their turn;
/// at its end the pipe is closed.
fn read(pipe: &mut Option<Async<OwnedFd>>, buffer: &mut [u8], kept: &mut HeadTail) {
    for _ in 0..16 {
        let Some(fd) = pipe else { return };
        match rustix::io::read(fd.get_ref(), &mut *buffer) {
            Ok(0) => *pipe = None,
            Ok(n) => kept.feed(&buffer[..n]),
            Err(Errno::INTR) => {}
            Err(Errno::AGAIN) => return,
            Err(_) => *pipe = None,
        }
    }
}
