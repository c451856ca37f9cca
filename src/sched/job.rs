//! One job of jobs.json (behaviour.md 7A), including fields of other versions.

use std::hash::{DefaultHasher, Hash, Hasher};

use serde_json::{Map, Value, json};

use super::cron_expr::Expr;
use super::zone::LocalClock;
use crate::bus::Address;
use crate::limits::{CRON_EVERY_MIN, CRON_MISSED, CRON_STEP_BACK};

/// When a job fires. Times in jobs.json are milliseconds.
#[derive(Clone, Debug, PartialEq)]
pub enum Schedule {
    /// Once, at this unix second.
    At(i64),
    /// Repeatedly, with this many seconds from one firing to the next.
    Every(u64),
    /// By a cron expression in a zone (empty for the system's).
    Cron(Expr, String),
}

/// The clocks at the time of a decision.
#[derive(Clone, Copy, Debug, Default, PartialEq)]
pub struct Now {
    /// Wall clock in unix seconds; may step when it is set.
    pub wall: i64,
    /// Whether the wall clock can be trusted.
    pub trusted: bool,
    /// Seconds since the program started; monotonic.
    pub mono: u64,
}

/// When something is due.
#[derive(Clone, Copy, Debug, PartialEq)]
pub enum Due {
    /// When the wall clock shows this unix second.
    Wall(i64),
    /// This many seconds after the start of the program.
    Mono(u64),
}

/// `payload.kind` of a job that goes to the chat without a model. The Go original preserves this field, which it does not
/// use, and drops `deliver`.
const REMINDER: &str = "reminder";

/// A job: its JSON object, fields unknown to us included.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct Job(pub Map<String, Value>);

/// A job's key in memory, because 16 hex digits would cost an allocation each.
pub fn key(id: &str) -> u64 {
    let mut hasher = DefaultHasher::new();
    id.hash(&mut hasher);
    hasher.finish()
}

impl Job {
    /// Parses a job; the error is a sentence without its id.
    pub fn parse(raw: &str) -> Result<Job, String> {
        let job = Job(serde_json::from_str(raw).map_err(|e| e.to_string())?);
        if job.id().is_empty() {
            return Err("it has no id".into());
        }
        Ok(job)
    }

    fn text(&self, object: &str, field: &str) -> &str {
        let object = if object.is_empty() { Some(&self.0) } else { self.object(object) };
        object.and_then(|o| o.get(field)?.as_str()).unwrap_or("")
    }

    fn object(&self, name: &str) -> Option<&Map<String, Value>> {
        self.0.get(name)?.as_object()
    }

    /// The id: 16 hex digits, or another version's format.
    pub fn id(&self) -> &str {
        self.text("", "id")
    }

    /// The name for people.
    pub fn name(&self) -> &str {
        self.text("", "name")
    }

    /// Whether it is enabled.
    pub fn enabled(&self) -> bool {
        self.0.get("enabled").and_then(Value::as_bool).unwrap_or(false)
    }

    /// The message: text or task.
    pub fn message(&self) -> &str {
        self.text("payload", "message")
    }

    /// Shell command, or empty.
    pub fn command(&self) -> &str {
        self.text("payload", "command")
    }

    /// See [`super::approval_mac`]; empty for none.
    pub fn approval(&self) -> &str {
        self.text("payload", "approval")
    }

    /// Text of others may be behind it: what it says is no instruction of a user.
    pub fn untrusted(&self) -> bool {
        self.object("payload").and_then(|p| p.get("untrusted")?.as_bool()).unwrap_or(false)
    }

    /// Sets whether text of others may be behind it.
    pub fn set_untrusted(&mut self, untrusted: bool) {
        self.set("payload", "untrusted", if untrusted { json!(true) } else { Value::Null });
    }

    /// Whether it goes to the chat without a model.
    pub fn deliver(&self) -> bool {
        let said = self.object("payload").and_then(|p| p.get("deliver")?.as_bool());
        said.unwrap_or_else(|| self.text("payload", "kind") == REMINDER)
    }

    /// Sets whether it goes to the chat without a model.
    pub fn set_deliver(&mut self, deliver: bool) {
        self.set("payload", "kind", json!(if deliver { REMINDER } else { "agent_turn" }));
        self.set("payload", "deliver", json!(deliver));
    }

    /// Where its output goes; empty if the file does not say. A topic follows the chat as in the Go original
    /// (`-305/9`), or has its own field as in our earlier versions.
    pub fn to(&self) -> Address {
        let (channel, to) = (self.text("payload", "channel"), self.text("payload", "to"));
        let field = self.object("payload").and_then(|p| p.get("topic")?.as_str());
        let (chat, topic) = match chat_and_topic(to) {
            Some((chat, topic)) if field.is_none_or(|field| field == topic) => (chat, topic),
            _ => (to, field.unwrap_or("")),
        };
        Address { channel: channel.into(), chat: chat.into(), topic: topic.into() }
    }

    /// Sets where its output goes.
    pub fn set_to(&mut self, to: &Address) {
        let both = format!("{}/{}", to.chat, to.topic);
        let chat = if chat_and_topic(&both).is_some() { &both } else { &to.chat };
        for (field, value) in [("channel", &to.channel), ("to", chat), ("topic", &to.topic)] {
            let value = if value.is_empty() { Value::Null } else { json!(value) };
            self.set("payload", field, value);
        }
        if to.topic.is_empty() && chat_and_topic(&to.chat).is_some() {
            // The slash is the chat's own.
            self.set("payload", "topic", json!(""));
        }
    }

    /// The expression for people, as written in the file.
    pub fn expr(&self) -> (&str, &str) {
        (self.text("schedule", "expr"), self.text("schedule", "tz"))
    }

    /// Seconds of `state.<field>Ms`.
    fn moment(&self, field: &str) -> Option<i64> {
        self.object("state")?.get(field)?.as_f64().map(|ms| (ms / 1000.0) as i64)
    }

    /// Unix second when it fires next, from the file.
    pub fn next(&self) -> Option<i64> {
        self.moment("nextRunAtMs")
    }

    /// Unix second when it fired last.
    pub fn last(&self) -> Option<i64> {
        self.moment("lastRunAtMs")
    }

    /// `ok`, `error` or empty, and the error text.
    pub fn outcome(&self) -> (&str, &str) {
        (self.text("state", "lastStatus"), self.text("state", "lastError"))
    }

    /// When it fires; the error says which field is unusable.
    pub fn schedule(&self) -> Result<Schedule, String> {
        let number = |field: &str| -> Result<i64, String> {
            let value = self.object("schedule").and_then(|s| s.get(field)?.as_f64());
            match value {
                Some(n) if n > 0.0 && n < 9e15 => Ok((n / 1000.0) as i64),
                _ => Err(format!("schedule.{field} is missing or out of range")),
            }
        };
        match self.text("schedule", "kind") {
            "at" => number("atMs").map(Schedule::At),
            "every" => Ok(Schedule::Every(number("everyMs")?.max(1) as u64)),
            "cron" => {
                let (expr, tz) = self.expr();
                Ok(Schedule::Cron(Expr::parse(expr)?, tz.to_owned()))
            }
            other => Err(format!("schedule.kind `{other}` is not at, every or cron")),
        }
    }

    /// When it is due, from the file alone. `None` for a disabled or finished job.
    ///
    /// A missed time is due now. A job that has fired does not fire again when the clock steps back a little;
    /// see [`CRON_STEP_BACK`]. `every` uses the monotonic clock.
    pub fn due(
        &self,
        now: Now,
        zone: &mut dyn FnMut(&str) -> Result<LocalClock, String>,
    ) -> Result<Option<Due>, String> {
        let schedule = self.schedule()?;
        if !self.enabled() {
            return Ok(None);
        }
        Ok(match schedule {
            Schedule::At(at) if self.last().is_some_and(|last| last >= at) => None,
            Schedule::At(at) => Some(Due::Wall(at)),
            Schedule::Every(seconds) => {
                let wait = match self.next() {
                    Some(next) if now.trusted => {
                        (next.saturating_sub(now.wall)).clamp(0, seconds as i64) as u64
                    }
                    _ => seconds,
                };
                Some(Due::Mono(now.mono.saturating_add(wait)))
            }
            Schedule::Cron(expr, tz) => match self.next() {
                // Without a trusted clock only the stored time is available.
                Some(next) if !now.trusted || next <= now.wall => Some(Due::Wall(next)),
                _ => {
                    let from = match self.last() {
                        Some(last) if last > now.wall && last - now.wall <= CRON_STEP_BACK => last,
                        Some(last) if last <= now.wall => now.wall.max(last + minimum_gap(&expr)),
                        _ => now.wall,
                    };
                    let zone = zone(&tz)?;
                    expr.next(from, &|at| zone.offset(at)).map(Due::Wall)
                }
            },
        })
    }

    /// When it should have fired, if that is so long ago that it is only reported and does not fire.
    pub fn missed(&self, now: Now) -> Option<i64> {
        if !now.trusted || !self.enabled() {
            return None;
        }
        let at = match self.schedule().ok()? {
            Schedule::At(at) => Some(at).filter(|at| self.last().is_none_or(|last| last < *at)),
            Schedule::Every(_) | Schedule::Cron(..) => self.next(),
        }?;
        (now.wall - at > CRON_MISSED).then_some(at)
    }

    /// Marks it as fired at unix second `fired`; false if it is finished and must be removed.
    pub fn fired(
        &mut self,
        fired: i64,
        zone: &mut dyn FnMut(&str) -> Result<LocalClock, String>,
    ) -> bool {
        let stays = self.advance(fired, zone);
        self.set("state", "lastRunAtMs", json!(fired * 1000));
        self.record_end(None);
        stays
    }

    /// The same for a missed time that does not fire.
    pub fn skip_missed(
        &mut self,
        now: i64,
        zone: &mut dyn FnMut(&str) -> Result<LocalClock, String>,
    ) -> bool {
        let stays = self.advance(now, zone);
        self.record_end(Some("missed by more than a day"));
        stays
    }

    /// Stores when it fires next after `fired`; false if it is finished and must be removed.
    fn advance(
        &mut self,
        fired: i64,
        zone: &mut dyn FnMut(&str) -> Result<LocalClock, String>,
    ) -> bool {
        let (next, over) = match self.schedule() {
            Ok(Schedule::Every(seconds)) => {
                (fired.checked_add_unsigned(seconds.max(CRON_EVERY_MIN)), false)
            }
            Ok(Schedule::Cron(expr, tz)) => match zone(&tz) {
                Ok(zone) => {
                    let next = expr.next(fired + minimum_gap(&expr), &|at| zone.offset(at));
                    (next, next.is_none())
                }
                // The zone's file is missing for now: the job continues when it is back.
                Err(_) => (None, false),
            },
            Ok(Schedule::At(_)) | Err(_) => (None, true),
        };
        if over {
            if self.0.get("deleteAfterRun").and_then(Value::as_bool) == Some(true) {
                return false;
            }
            self.set("", "enabled", json!(false));
        }
        self.set("state", "nextRunAtMs", next.map_or(Value::Null, |s| json!(s * 1000)));
        true
    }

    /// Records how the last firing ended; true if that changed anything.
    pub fn record_end(&mut self, error: Option<&str>) -> bool {
        let before =
            self.outcome() == (if error.is_some() { "error" } else { "ok" }, error.unwrap_or(""));
        self.set("state", "lastStatus", json!(if error.is_some() { "error" } else { "ok" }));
        self.set("state", "lastError", error.map_or(Value::Null, |e| json!(e)));
        !before
    }

    /// Sets a field of an object (empty for the job itself), or removes it with null.
    pub fn set(&mut self, object: &str, field: &str, value: Value) {
        let target = if object.is_empty() {
            &mut self.0
        } else {
            let slot = self.0.entry(object).or_insert_with(|| json!({}));
            if !slot.is_object() {
                *slot = json!({});
            }
            let Some(target) = slot.as_object_mut() else { return };
            target
        };
        if value.is_null() {
            target.remove(field);
        } else {
            target.insert(field.to_owned(), value);
        }
    }
}

/// A chat with a topic as the Go original writes it, `-305/9`: both are numbers. The form decides and not the channel,
/// whose name in the job is the instance's and does not tell its kind.
fn chat_and_topic(to: &str) -> Option<(&str, &str)> {
    let (chat, topic) = to.split_once('/')?;
    let number = |text: &str| !text.is_empty() && text.bytes().all(|b| b.is_ascii_digit());
    (number(chat.strip_prefix('-').unwrap_or(chat)) && number(topic)).then_some((chat, topic))
}

/// Seconds after a firing in which an expression with seconds does not fire again, because each may cost a model call.
fn minimum_gap(expr: &Expr) -> i64 {
    let often = u64::from(expr.shortest_pause()) < CRON_EVERY_MIN;
    if often { CRON_EVERY_MIN as i64 - 1 } else { 0 }
}

#[cfg(test)]
#[path = "job_tests.rs"]
mod tests;
