//! A load: many messages, one way or another, and the books afterwards.

use std::time::{Duration, Instant};

use serde_json::{Value, json};

use crate::telegram::say::Say;
use crate::world::Shared;

/// After so many messages in a row without an answer nothing more is said: the bot is not there.
const HOPELESS: u32 = 3;

/// When the next message is said.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Mode {
    /// When the one before it is answered: latency.
    Closed,
    /// At once, all of them: throughput.
    Burst,
    /// When the one before it in the same chat is answered: chats side by side.
    Chats,
}

impl Mode {
    fn parse(name: &str) -> Option<Mode> {
        Some(match name {
            "closed" => Mode::Closed,
            "burst" => Mode::Burst,
            "chats" => Mode::Chats,
            _ => return None,
        })
    }
}

/// What to say and how.
#[derive(Clone, Debug)]
pub struct Drive {
    /// Messages.
    pub n: u64,
    pub mode: Mode,
    /// Private chats they are spread over; the first is `first_chat`, the next one more.
    pub chats: u64,
    pub first_chat: i64,
    pub text: String,
    /// Every so many messages carries `[tool:...]`; 0 for none.
    pub tool_every: u64,
    /// Tools for it, `|` between alternatives.
    pub tool: String,
    /// It ends when nothing was answered for so long.
    pub patience: Duration,
    /// Time for late duplicates at the end.
    pub settle: Duration,
    /// Begin with fresh books.
    pub reset: bool,
}

impl Default for Drive {
    fn default() -> Drive {
        Drive {
            n: 100,
            mode: Mode::Closed,
            chats: 1,
            first_chat: 1001,
            text: "hello, please answer".to_owned(),
            tool_every: 0,
            tool: "list_dir".to_owned(),
            patience: Duration::from_secs(30),
            settle: Duration::from_millis(500),
            reset: true,
        }
    }
}

impl Drive {
    /// From the control endpoint's JSON; what is missing has its default.
    pub fn from_json(v: &Value) -> Result<Drive, String> {
        let mut drive = Drive::default();
        let seconds = |key: &str, default: Duration| match v[key].as_f64() {
            Some(s) => Duration::try_from_secs_f64(s).map_err(|_| format!("{key}: not a time")),
            None => Ok(default),
        };
        drive.n = v["n"].as_u64().unwrap_or(drive.n);
        drive.chats = v["chats"].as_u64().unwrap_or(drive.chats).max(1);
        drive.first_chat = v["chat"].as_i64().unwrap_or(drive.first_chat);
        drive.tool_every = v["tool_every"].as_u64().unwrap_or(drive.tool_every);
        drive.patience = seconds("timeout", drive.patience)?;
        drive.settle = seconds("settle", drive.settle)?;
        drive.reset = v["reset"].as_bool().unwrap_or(drive.reset);
        for (key, field) in [("text", &mut drive.text), ("tool", &mut drive.tool)] {
            if let Some(text) = v[key].as_str() {
                *field = text.to_owned();
            }
        }
        if let Some(mode) = v["mode"].as_str() {
            drive.mode = Mode::parse(mode).ok_or_else(|| format!("no mode: {mode}"))?;
        }
        Ok(drive)
    }

    /// Runs it; a message without an answer within the patience counts as lost and is not waited for again.
    pub fn run(&self, shared: &Shared) -> Value {
        let busy = shared.look(|w| std::mem::replace(&mut w.driving, true));
        if busy {
            return json!({ "error": "already driving" });
        }
        if self.reset {
            shared.change(crate::world::World::reset);
        }
        match self.mode {
            Mode::Closed => self.exchanges(shared, 0, 1),
            Mode::Burst => {
                shared.change(|w| {
                    for i in 0..self.n {
                        self.message(i).enqueue(w);
                    }
                });
            }
            Mode::Chats => std::thread::scope(|scope| {
                for chat in 0..self.chats {
                    scope.spawn(move || self.exchanges(shared, chat, self.chats));
                }
            }),
        }
        self.wait_for_all(shared);
        std::thread::sleep(self.settle);
        shared.look(|w| {
            w.driving = false;
            w.stats()
        })
    }

    /// Every `step`th message from `first` on, each after the answer to the one before it.
    fn exchanges(&self, shared: &Shared, first: u64, step: u64) {
        let mut unanswered = 0;
        for i in (first..self.n).step_by(step as usize) {
            let (marker, _) = shared.change(|w| self.message(i).enqueue(w));
            let answer =
                shared.wait(self.patience, &|| true, |w| w.ledger.answer(&marker).map(|_| ()));
            unanswered = if answer.is_some() { 0 } else { unanswered + 1 };
            if unanswered == HOPELESS {
                return;
            }
        }
    }

    fn message(&self, i: u64) -> Say {
        let chat = self.first_chat + (i % self.chats) as i64;
        let mut text = self.text.clone();
        if self.tool_every > 0 && (i + 1) % self.tool_every == 0 {
            text.push_str(&format!(" [tool:{}]", self.tool));
        }
        Say::new(chat, chat, text)
    }

    /// Until all are answered, or nothing was for the patience. Closed loops had theirs.
    fn wait_for_all(&self, shared: &Shared) {
        if self.mode != Mode::Burst {
            return;
        }
        let mut last = (0, Instant::now());
        loop {
            let replied = shared.wait(Duration::from_millis(100), &|| true, |w| {
                w.ledger.lost().is_empty().then_some(())
            });
            let count = shared.look(|w| w.ledger.replied_count());
            if count != last.0 {
                last = (count, Instant::now());
            }
            if replied.is_some() || last.1.elapsed() > self.patience {
                return;
            }
        }
    }
}
