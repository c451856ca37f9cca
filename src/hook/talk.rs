//! The conversation with one hook's process, from its start to its end: reads answers, sends what waits.

use std::future::poll_fn;
use std::pin::Pin;
use std::task::{Context, Poll};
use std::time::Instant;

use async_io::Timer;

use super::process::{HELLO, HookLine, HookProcess, Phase, request};
use super::wire::quoted;
use crate::limits::{
    HOOK_CLOSE, HOOK_HELLO, HOOK_LATE, HOOK_LINE_BYTES, HOOK_LOG_LINES, HOOK_LOG_TIME,
    HOOK_STRAY_LINES, HOOK_TEXT_CHARS,
};
use crate::proto::hook;
use crate::proto::text::one_line;
use crate::sys::process::{Dialog, DialogStream, Exit};

/// Reads of one stream before others get their turn.
const READS: usize = 16;

/// One conversation; ends with its process.
pub(super) struct Talk<'a> {
    dialog: Dialog,
    process: &'a HookProcess,
    /// A line of its output so far.
    words: Vec<u8>,
    /// One of its errors, cut.
    errors: Vec<u8>,
    /// Lines logged, and since when.
    logged: (u32, Instant),
    strays: u32,
    /// What is being sent, and how much of it was.
    sending: Option<(HookLine, usize)>,
    /// Runs while the handshake is not answered, and again while it ends.
    timer: Timer,
    hung_up: bool,
}

impl<'a> Talk<'a> {
    /// Begins with the handshake.
    pub(super) fn new(dialog: Dialog, process: &'a HookProcess) -> Talk<'a> {
        let config = &process.config;
        let modes = [
            ("observe", config.observe.as_ref().is_none_or(|kinds| !kinds.is_empty())),
            ("llm", config.llm),
            ("tool", config.tool),
            ("approve", config.approve),
        ];
        let modes: Vec<String> =
            modes.iter().filter(|(_, on)| *on).map(|(mode, _)| quoted(mode)).collect();
        let params = format!(
            "{{\"name\":{},\"version\":1,\"modes\":[{}]}}",
            quoted(&config.name),
            modes.join(",")
        );
        let mut text = request(HELLO, "hook.hello", &params).into_bytes();
        text.push(b'\n');
        let hello = HookLine { id: HELLO, text, until: Instant::now() };
        Talk {
            dialog,
            process,
            words: Vec::new(),
            errors: Vec::new(),
            logged: (0, Instant::now()),
            strays: 0,
            sending: Some((hello, 0)),
            timer: Timer::after(HOOK_HELLO),
            hung_up: false,
        }
    }

    /// Talks until the process has ended, or has to; why.
    pub(super) async fn run(mut self) -> String {
        poll_fn(|cx| self.poll(cx)).await
    }

    fn poll(&mut self, cx: &mut Context<'_>) -> Poll<String> {
        let (closing, late) = {
            let mut state = self.process.state.borrow_mut();
            state.task = Some(cx.waker().clone());
            (state.closing, state.late)
        };
        if let Err(why) = self.read_words(cx) {
            return Poll::Ready(why);
        }
        self.read_errors(cx);
        if late >= HOOK_LATE {
            return Poll::Ready(format!("{late} questions in a row were not answered in time"));
        }
        if let Poll::Ready(exit) = self.dialog.poll_ended(cx) {
            // Its last words may have come since.
            let last = self.read_words(cx);
            return last.map_or_else(Poll::Ready, |()| Poll::Ready(how(exit)));
        }
        if closing && !self.hung_up {
            self.hang_up();
        }
        if !self.hung_up {
            self.write(cx);
        }
        let greeted = self.process.state.borrow().phase == Phase::Running;
        if (self.hung_up || !greeted) && Pin::new(&mut self.timer).poll(cx).is_ready() {
            let why =
                if self.hung_up { "it did not end by itself" } else { "no answer to hook.hello" };
            return Poll::Ready(why.into());
        }
        Poll::Pending
    }

    /// From here on it only has to end.
    fn hang_up(&mut self) {
        self.hung_up = true;
        self.dialog.hang_up();
        self.timer = Timer::after(HOOK_CLOSE);
    }

    /// Reads and handles complete lines.
    fn read_words(&mut self, cx: &mut Context<'_>) -> Result<(), String> {
        let mut buffer = [0; 4096];
        for _ in 0..READS {
            let Poll::Ready(n) = self.dialog.poll_read(DialogStream::Words, &mut buffer, cx) else {
                return Ok(());
            };
            if n == 0 {
                // How it ended is known in a moment, unless it has only closed its output.
                self.hang_up();
                return Ok(());
            }
            let mut rest = &buffer[..n];
            while let Some(end) = rest.iter().position(|b| *b == b'\n') {
                self.words.extend_from_slice(&rest[..end]);
                rest = &rest[end + 1..];
                let line = std::mem::take(&mut self.words);
                self.line(&line)?;
            }
            self.words.extend_from_slice(rest);
            if self.words.len() > HOOK_LINE_BYTES {
                return Err(format!("it wrote a line of more than {HOOK_LINE_BYTES} bytes"));
            }
        }
        cx.waker().wake_by_ref();
        Ok(())
    }

    fn line(&mut self, line: &[u8]) -> Result<(), String> {
        if line.len() > HOOK_LINE_BYTES {
            return Err(format!("it wrote a line of more than {HOOK_LINE_BYTES} bytes"));
        }
        let greeted = self.process.state.borrow().phase == Phase::Running;
        let known = match hook::answer(line) {
            Some(answer) if answer.id == HELLO && !greeted => match answer.result {
                Ok(_) => {
                    self.process.state.borrow_mut().phase = Phase::Running;
                    crate::log::info!("hook {} runs", self.process.config.name);
                    true
                }
                Err(why) => return Err(format!("hook.hello: {}", one_line(&why, HOOK_TEXT_CHARS))),
            },
            Some(answer) => self.process.answered(answer.id, answer.result),
            None => false,
        };
        if known {
            self.strays = 0;
            return Ok(());
        }
        if self.strays == 0 {
            let shown = one_line(&String::from_utf8_lossy(&line[..line.len().min(400)]), 100);
            crate::log::warn!("hook {}: no answer to anything: {shown}", self.process.config.name);
        }
        self.strays += 1;
        if self.strays > HOOK_STRAY_LINES {
            return Err(format!("it wrote {} lines that answer nothing", self.strays));
        }
        Ok(())
    }

    /// Logs its standard error.
    fn read_errors(&mut self, cx: &mut Context<'_>) {
        let mut buffer = [0; 4096];
        for _ in 0..READS {
            let Poll::Ready(n) = self.dialog.poll_read(DialogStream::Errors, &mut buffer, cx)
            else {
                return;
            };
            if n == 0 {
                return;
            }
            for piece in buffer[..n].split_inclusive(|b| *b == b'\n') {
                let room = (4 * HOOK_TEXT_CHARS).saturating_sub(self.errors.len());
                self.errors.extend_from_slice(&piece[..piece.len().min(room)]);
                if piece.ends_with(b"\n") {
                    self.log();
                }
            }
        }
        cx.waker().wake_by_ref();
    }

    fn log(&mut self) {
        let line = std::mem::take(&mut self.errors);
        if self.logged.1.elapsed() > HOOK_LOG_TIME {
            self.logged = (0, Instant::now());
        }
        self.logged.0 = self.logged.0.saturating_add(1);
        let name = &self.process.config.name;
        if self.logged.0 <= HOOK_LOG_LINES {
            let text = one_line(&String::from_utf8_lossy(&line), HOOK_TEXT_CHARS);
            crate::log::info!("hook {name}: {text}");
        } else if self.logged.0 == HOOK_LOG_LINES + 1 {
            crate::log::warn!(
                "hook {name}: more of its standard error in this minute is not logged"
            );
        }
    }

    /// Sends what waits, the handshake before all else.
    fn write(&mut self, cx: &mut Context<'_>) {
        loop {
            let Some((line, sent)) = &mut self.sending else {
                if self.process.state.borrow().phase != Phase::Running {
                    return;
                }
                match self.process.next_line() {
                    Some(line) => self.sending = Some((line, 0)),
                    None => return,
                }
                continue;
            };
            match self.dialog.poll_write(&line.text[*sent..], cx) {
                Poll::Ready(Ok(n)) => *sent += n,
                // How it ended is known in a moment.
                Poll::Pending | Poll::Ready(Err(_)) => return,
            }
            if *sent >= line.text.len() {
                self.sending = None;
            }
        }
    }
}

/// How it ended, in words.
fn how(exit: Exit) -> String {
    match exit {
        Exit::Code(code) => format!("it ended with status {code}"),
        Exit::Signal(number) => format!("it was ended by signal {number}"),
        Exit::NotStarted(number) => {
            format!("not started: {}", std::io::Error::from_raw_os_error(number))
        }
        Exit::Unknown => "it ended".to_owned(),
    }
}
