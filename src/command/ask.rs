//! A question on the command line: y is yes, everything else is no.

use std::io::{BufRead, IsTerminal, Write};
use std::os::fd::AsFd;

use async_io::{Async, Timer};
use smol::future::or;

use crate::bus::Verdict;
use crate::limits::APPROVAL_WAIT;

/// Asks on the terminal; without one there is nobody to ask.
pub async fn ask(question: String) -> Verdict {
    let stdin = std::io::stdin();
    if !stdin.is_terminal() || !std::io::stderr().is_terminal() {
        return Verdict::Unreachable;
    }
    // What was typed before the question is no answer to it.
    if crate::sys::terminal::flush_input().is_err() {
        return Verdict::Unreachable;
    }
    let minutes = APPROVAL_WAIT.as_secs() / 60;
    eprint!("\n{question}\n\nAllow it? [y/N] (within {minutes} minutes) ");
    let _ = std::io::stderr().flush();
    // A duplicate, as the wait closes what it is given; its mode is left alone, which the shell shares.
    let Ok(Ok(input)) = stdin.as_fd().try_clone_to_owned().map(Async::new_nonblocking) else {
        return Verdict::Unreachable;
    };
    let typed = async { input.readable().await.is_ok() };
    let late = async {
        Timer::after(APPROVAL_WAIT).await;
        false
    };
    if !or(typed, late).await {
        eprintln!();
        return Verdict::TimedOut;
    }
    // A terminal that is readable holds a whole line.
    let mut line = String::new();
    match stdin.lock().read_line(&mut line) {
        Ok(n) if n > 0 && matches!(line.trim(), "y" | "Y" | "yes" | "Yes") => Verdict::Yes,
        _ => Verdict::No,
    }
}
