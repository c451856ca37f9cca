//! One hook's process: started, talked with, started again with a growing pause when it ends.
//!
//! Its task ([`HookProcess::run`]) alone reads and writes; whoever asks something leaves a line here and waits for the answer. What
//! waits when the process ends has failed.

use std::cell::RefCell;
use std::collections::VecDeque;
use std::future::poll_fn;
use std::path::PathBuf;
use std::task::{Poll, Waker};
use std::time::{Duration, Instant};

use async_io::Timer;
use smol::future::or;

use super::launch;
use super::talk::Talk;
use crate::config::{HookConfig, redact};
use crate::limits::{
    HOOK_HEALTHY, HOOK_LINE_BYTES, HOOK_PAUSES, HOOK_QUEUE, HOOK_QUEUE_BYTES, HOOK_TEXT_CHARS,
};
use crate::proto::text::one_line;
use crate::tool::sandbox_plan::Plan;

/// What is done at the moment.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Phase {
    /// It is being started, or has not answered the handshake.
    Starting,
    /// It has answered the handshake.
    Running,
    /// It has ended, and is started again after a pause.
    Paused,
    /// It has ended for good.
    Closed,
}

/// A line for the process.
pub(super) struct HookLine {
    /// Of the question; 0 for an event.
    pub(super) id: u64,
    /// JSON and a line feed.
    pub(super) text: Vec<u8>,
    /// Nobody needs it later than this.
    pub(super) until: Instant,
}

/// A question that is not answered yet, or whose answer is not taken yet.
struct Question {
    id: u64,
    answer: Option<Result<String, String>>,
    asker: Option<Waker>,
}

pub(super) struct HookState {
    pub(super) phase: Phase,
    /// The daemon ends: so does the process.
    pub(super) closing: bool,
    /// Lines that it has not been sent.
    pub(super) lines: VecDeque<HookLine>,
    /// Wakes the task that reads and writes.
    pub(super) task: Option<Waker>,
    /// Questions in a row whose time passed.
    pub(super) late: u32,
    /// Events that it did not get.
    pub(super) lost: u64,
    questions: Vec<Question>,
    bytes: usize,
    next_id: u64,
    calls: u64,
    restarts: u32,
    last_error: String,
    /// Wakes whoever waits for its end.
    closer: Option<Waker>,
}

/// The number of the handshake's question.
pub(super) const HELLO: u64 = 1;
/// Said of a question that cannot be asked.
const NOT_RUNNING: &str = "it does not run";

/// A hook as the daemon holds it.
pub(super) struct HookProcess {
    /// Its entry in the configuration.
    pub(super) config: HookConfig,
    home: PathBuf,
    pub(super) state: RefCell<HookState>,
}

impl HookProcess {
    pub(super) fn new(config: HookConfig, home: PathBuf) -> HookProcess {
        let state = HookState {
            phase: Phase::Starting,
            closing: false,
            lines: VecDeque::new(),
            task: None,
            late: 0,
            lost: 0,
            questions: Vec::new(),
            bytes: 0,
            next_id: HELLO + 1,
            calls: 0,
            restarts: 0,
            last_error: String::new(),
            closer: None,
        };
        HookProcess { config, home, state: RefCell::new(state) }
    }

    /// Asks something; the result as JSON.
    ///
    /// # Errors
    /// Why there is no answer: the process does not run, is late, ended, reported an error.
    pub(super) async fn ask(
        &self,
        method: &str,
        params: &str,
        limit: Duration,
    ) -> Result<String, String> {
        let answered = match self.enqueue(method, params, limit) {
            Ok(id) => self.answer_to(id, limit).await,
            Err(e) => Err(e),
        };
        if answered.is_err() && self.state.borrow().closing {
            // The daemon ends and cuts the turn off here, to be resumed: nothing is decided without this hook.
            std::future::pending::<()>().await;
        }
        answered.inspect_err(|why| {
            crate::log::warn!("hook {}: {method}: {why}", self.config.name);
            // It tells the last error, and is none itself.
            if !why.starts_with(NOT_RUNNING) {
                self.note_error(why);
            }
        })
    }

    /// Sends an event, or drops it where there is no room.
    pub(super) fn notify(&self, method: &str, params: &str, limit: Duration) {
        let line = format!("{{\"jsonrpc\":\"2.0\",\"method\":\"{method}\",\"params\":{params}}}");
        if self.push(0, line, limit).is_err() {
            self.state.borrow_mut().lost += 1;
        }
    }

    fn enqueue(&self, method: &str, params: &str, limit: Duration) -> Result<u64, String> {
        let id = {
            let mut state = self.state.borrow_mut();
            state.calls += 1;
            state.next_id += 1;
            state.next_id - 1
        };
        self.push(id, request(id, method, params), limit)?;
        self.state.borrow_mut().questions.push(Question { id, answer: None, asker: None });
        Ok(id)
    }

    fn push(&self, id: u64, line: String, limit: Duration) -> Result<(), String> {
        let line = match redact(&line, &crate::log::secrets(), 0) {
            std::borrow::Cow::Owned(clean) => clean,
            std::borrow::Cow::Borrowed(_) => line,
        };
        let mut state = self.state.borrow_mut();
        if !matches!(state.phase, Phase::Starting | Phase::Running) || state.closing {
            return Err(format!("{NOT_RUNNING} ({})", state.last_error));
        }
        if line.len() > HOOK_LINE_BYTES {
            return Err(format!("{} bytes are more than {HOOK_LINE_BYTES}", line.len()));
        }
        let bytes = state.bytes + line.len() + 1;
        if state.lines.len() >= HOOK_QUEUE || bytes > HOOK_QUEUE_BYTES {
            return Err("it does not read what it is sent".into());
        }
        state.bytes = bytes;
        let mut text = line.into_bytes();
        text.push(b'\n');
        state.lines.push_back(HookLine { id, text, until: Instant::now() + limit });
        state.task.iter().for_each(Waker::wake_by_ref);
        Ok(())
    }

    /// Waits for an answer; dropped, nobody does.
    async fn answer_to(&self, id: u64, limit: Duration) -> Result<String, String> {
        let _asked = Asked { process: self, id };
        let answer = poll_fn(|cx| {
            let mut state = self.state.borrow_mut();
            let Some(question) = state.questions.iter_mut().find(|q| q.id == id) else {
                return Poll::Ready(Err("it ended".to_owned()));
            };
            match question.answer.take() {
                Some(answer) => Poll::Ready(answer),
                None => {
                    question.asker = Some(cx.waker().clone());
                    Poll::Pending
                }
            }
        });
        let late = async {
            Timer::after(limit).await;
            let mut state = self.state.borrow_mut();
            state.late += 1;
            state.task.iter().for_each(Waker::wake_by_ref);
            Err(format!("no answer within {} ms", limit.as_millis()))
        };
        or(answer, late).await
    }

    /// The next line that somebody still needs.
    pub(super) fn next_line(&self) -> Option<HookLine> {
        let mut state = self.state.borrow_mut();
        while let Some(line) = state.lines.pop_front() {
            state.bytes -= line.text.len();
            let wanted = match line.id {
                0 => line.until > Instant::now(),
                id => state.questions.iter().any(|q| q.id == id),
            };
            if wanted {
                return Some(line);
            }
            state.lost += u64::from(line.id == 0);
        }
        None
    }

    /// Takes an answer in; false where nobody waits for it.
    pub(super) fn answered(&self, id: u64, answer: Result<String, String>) -> bool {
        let mut state = self.state.borrow_mut();
        let Some(question) = state.questions.iter_mut().find(|q| q.id == id && q.answer.is_none())
        else {
            return false;
        };
        let answer = answer.map_err(|message| {
            format!("it reports an error: {}", one_line(&message, HOOK_TEXT_CHARS))
        });
        question.answer = Some(answer);
        let asker = question.asker.take();
        state.late = 0;
        drop(state);
        asker.into_iter().for_each(Waker::wake);
        true
    }

    pub(super) fn note_error(&self, why: &str) {
        self.state.borrow_mut().last_error = one_line(why, HOOK_TEXT_CHARS);
    }

    /// Runs until the daemon ends.
    pub(super) async fn run(&self, plan: impl Fn() -> Plan) {
        let mut pause = HOOK_PAUSES.0;
        loop {
            let begun = Instant::now();
            self.begin();
            let why = match launch::start(&self.config, &self.home, plan()).await {
                Ok(dialog) => Talk::new(dialog, self).run().await,
                Err(why) => why,
            };
            if self.stop_waiting(&why) {
                return;
            }
            if begun.elapsed() > HOOK_HEALTHY {
                pause = HOOK_PAUSES.0;
            }
            let (name, seconds) = (&self.config.name, pause.as_secs());
            crate::log::error!("hook {name}: {why}; it is started again in {seconds} s");
            let mut timer = Timer::after(pause);
            poll_fn(|cx| {
                let mut state = self.state.borrow_mut();
                state.task = Some(cx.waker().clone());
                if state.closing {
                    return Poll::Ready(());
                }
                drop(state);
                std::pin::Pin::new(&mut timer).poll(cx).map(drop)
            })
            .await;
            pause = (pause * 2).min(HOOK_PAUSES.1);
            if self.state.borrow().closing {
                self.stop_waiting("");
                return;
            }
            self.state.borrow_mut().restarts += 1;
        }
    }

    /// Questions may come from here on; the handshake goes first.
    fn begin(&self) {
        let mut state = self.state.borrow_mut();
        (state.phase, state.late, state.next_id) = (Phase::Starting, 0, HELLO + 1);
    }

    /// What waits has failed; true where the daemon ends.
    fn stop_waiting(&self, why: &str) -> bool {
        let mut state = self.state.borrow_mut();
        let closing = state.closing;
        state.phase = if closing { Phase::Closed } else { Phase::Paused };
        state.lost += state.lines.iter().filter(|line| line.id == 0).count() as u64;
        state.lines.clear();
        state.bytes = 0;
        if !why.is_empty() {
            state.last_error = one_line(why, HOOK_TEXT_CHARS);
        }
        for question in &mut state.questions {
            question.answer.get_or_insert_with(|| Err(why.to_owned()));
        }
        let mut wakers: Vec<Waker> =
            state.questions.iter_mut().filter_map(|q| q.asker.take()).collect();
        wakers.extend(state.closer.take());
        drop(state);
        wakers.into_iter().for_each(Waker::wake);
        closing
    }

    /// Tells it to end.
    pub(super) fn close(&self) {
        let mut state = self.state.borrow_mut();
        state.closing = true;
        state.task.iter().for_each(Waker::wake_by_ref);
    }

    /// Waits until it has ended after [`HookProcess::close`].
    pub(super) async fn closed(&self) {
        poll_fn(|cx| {
            let mut state = self.state.borrow_mut();
            if state.phase == Phase::Closed {
                return Poll::Ready(());
            }
            state.closer = Some(cx.waker().clone());
            Poll::Pending
        })
        .await;
    }

    /// `NAME: STATE, CALLS ...`, for `status` and `doctor`.
    pub(super) fn report(&self) -> String {
        let state = self.state.borrow();
        let phase = match state.phase {
            Phase::Starting => "starting",
            Phase::Running => "running",
            Phase::Paused => "not running",
            Phase::Closed => "closed",
        };
        let mut text = format!("{}: {phase}, calls: {}", self.config.name, state.calls);
        if state.restarts > 0 {
            text.push_str(&format!(", restarts: {}", state.restarts));
        }
        if state.lost > 0 {
            text.push_str(&format!(", {} events lost", state.lost));
        }
        if !state.last_error.is_empty() {
            text.push_str(&format!(", last error: {}", state.last_error));
        }
        text
    }
}

/// A request as a line, without its end.
pub(super) fn request(id: u64, method: &str, params: &str) -> String {
    format!("{{\"jsonrpc\":\"2.0\",\"id\":{id},\"method\":\"{method}\",\"params\":{params}}}")
}

/// A question that somebody waits for.
struct Asked<'a> {
    process: &'a HookProcess,
    id: u64,
}

impl Drop for Asked<'_> {
    fn drop(&mut self) {
        self.process.state.borrow_mut().questions.retain(|q| q.id != self.id);
    }
}
