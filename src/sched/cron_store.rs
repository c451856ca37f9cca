//! Requests of people and models: list, add, change and remove jobs. Blocks on the disk.
//!
//! Knows nothing of the running daemon: the caller checks [`CronOutcome`] and reloads the file.

use std::path::Path;

use serde_json::{Map, Value, json};

use super::approval_mac::ApprovalMac;
use super::cron_change::change;
use super::cron_expr::Expr;
use super::job::{Due, Job, Now, Schedule, key};
use super::jobs_file::{self, Edit, JobsFileError};
use super::zone::LocalClock;

use crate::error::{Error, Result};
use crate::limits::{CRON_EVERY_MIN, CRON_JOBS, CRON_LIST_BYTES, CRON_MESSAGE_BYTES};
use crate::proto::{date, text};
use crate::tool::cron_handle::CronRequest;

/// What came of a request.
#[derive(Debug, Default, PartialEq)]
pub struct CronOutcome {
    /// The text for the requester.
    pub text: String,
    /// The file has changed: this job must be reloaded.
    pub changed: Option<u64>,
    /// This job must fire now.
    pub run: Option<u64>,
}

/// Finds zones and caches the last one, because most jobs share it.
#[derive(Default)]
pub struct Zones(Option<(String, LocalClock)>);

impl Zones {
    /// See [`LocalClock::find`].
    ///
    /// # Errors
    /// An unknown name.
    pub fn find(&mut self, name: &str) -> Result<LocalClock, String> {
        if let Some((_, clock)) = self.0.as_ref().filter(|(n, _)| n == name) {
            return Ok(clock.clone());
        }
        let clock = LocalClock::find(name).map_err(|e| e.to_string())?;
        self.0 = Some((name.to_owned(), clock.clone()));
        Ok(clock)
    }
}

/// Carries a request out on the jobs in `path`.
///
/// # Errors
/// What is wrong with the order or the file, as a sentence.
pub fn apply(
    path: &Path,
    mac: &ApprovalMac,
    request: &CronRequest,
    now: Now,
) -> Result<CronOutcome> {
    let done = match request.action.as_str() {
        "list" => list(path, request, now),
        "add" => add(path, mac, request, now),
        "get" | "update" | "remove" | "enable" | "disable" | "run" => {
            change(path, mac, request, now)
        }
        other => Err(format!(
            "unknown action {other:?}; there are add, list, get, update, remove, enable, disable and run"
        )),
    };
    done.map_err(Error::new)
}

pub(super) fn fault(fault: JobsFileError) -> String {
    fault.to_string()
}

/// Requests of a chat see only its jobs.
pub(super) fn visible(request: &CronRequest, job: &Job) -> bool {
    let to = job.to();
    !request.scoped || to.channel == request.to.channel && to.chat == request.to.chat
}

fn list(path: &Path, request: &CronRequest, now: Now) -> Result<CronOutcome, String> {
    let mut zones = Zones::default();
    let (mut out, mut left_out) = (String::new(), 0);
    jobs_file::scan(path, &mut |job| {
        let line = match &job {
            Ok(job) if !visible(request, job) => return,
            Ok(job) if request.json => Value::Object(job.0.clone()).to_string(),
            Ok(job) => line(job, now, &mut zones),
            Err(_) if request.scoped || request.json => return,
            Err(why) => format!("- (not run: {why})"),
        };
        if out.len() + line.len() > CRON_LIST_BYTES {
            left_out += 1;
            return;
        }
        out.push_str(if out.is_empty() {
            ""
        } else if request.json {
            ","
        } else {
            "\n"
        });
        out.push_str(&line);
    })
    .map_err(fault)?;
    if request.json {
        return Ok(CronOutcome { text: format!("[{out}]"), ..CronOutcome::default() });
    }
    if out.is_empty() {
        out.push_str("No scheduled jobs.");
    }
    if left_out > 0 {
        out.push_str(&format!("\n… and {left_out} more"));
    }
    Ok(CronOutcome { text: out, ..CronOutcome::default() })
}

/// `- tea (0123…): every 60 s, enabled, next 2026-05-01 12:00`.
fn line(job: &Job, now: Now, zones: &mut Zones) -> String {
    let mut out =
        format!("- {} ({}): ", text::one_line(job.name(), 60), text::one_line(job.id(), 40));
    match job.schedule() {
        Ok(Schedule::At(_)) => out.push_str("one-time"),
        Ok(Schedule::Every(seconds)) => out.push_str(&format!("every {seconds}s")),
        Ok(Schedule::Cron(..)) => {
            let (expr, tz) = job.expr();
            out.push_str(expr);
            if !tz.is_empty() {
                out.push_str(&format!(" ({tz})"));
            }
        }
        Err(why) => out.push_str(&format!("not run: {why}")),
    }
    out.push_str(if job.enabled() { ", enabled" } else { ", disabled" });
    if let Some(when) = next(job, now, zones) {
        out.push_str(&format!(", next {when}"));
    }
    if !job.command().is_empty() {
        out.push_str(if job.approval().is_empty() {
            ", shell command (not run: it needs an approval)"
        } else {
            ", shell command"
        });
    } else if job.deliver() {
        out.push_str(", sent as it is");
    }
    if let ("error", why) = job.outcome() {
        out.push_str(&format!(", last time failed: {}", text::one_line(why, 200)));
    }
    out
}

/// When it fires next, in its own zone: `2026-05-01 12:00 Europe/Berlin`.
fn next(job: &Job, now: Now, zones: &mut Zones) -> Option<String> {
    let at = match job.due(now, &mut |tz| zones.find(tz)).ok()?? {
        Due::Wall(at) => at,
        Due::Mono(at) => now.wall + (at - now.mono) as i64,
    };
    local_time(at, job.expr().1, zones)
}

/// A unix second as local time of a zone (empty for the system's): `2026-05-01 12:00 Europe/Berlin`.
pub fn local_time(at: i64, tz: &str, zones: &mut Zones) -> Option<String> {
    let zone = zones.find(tz).ok()?;
    let c = date::civil(at + i64::from(zone.offset(at)));
    let blank = if tz.is_empty() { "" } else { " " };
    Some(format!(
        "{:04}-{:02}-{:02} {:02}:{:02}{blank}{tz}",
        c.year, c.month, c.day, c.hour, c.minute
    ))
}

/// The schedule a request asks for, as jobs.json has it; `None` when it asks for none.
pub(super) fn schedule(request: &CronRequest, now: Now) -> Result<Option<Value>, String> {
    let far = 100 * 366 * 86_400;
    if !request.tz.is_empty() {
        LocalClock::find(&request.tz).map_err(|e| e.to_string())?;
    }
    if request.at_seconds < 0 || request.every_seconds < 0 {
        return Err("at_seconds and every_seconds must not be negative".into());
    }
    if request.at_seconds > 0 || request.at > 0 {
        if !now.trusted {
            return Err("the clock is not set yet; try again when it is".into());
        }
        let in_seconds = now.wall + request.at_seconds.min(far);
        let at = if request.at > 0 { request.at } else { in_seconds };
        return Ok(Some(json!({"kind": "at", "atMs": at * 1000})));
    }
    if request.every_seconds > 0 {
        if (request.every_seconds as u64) < CRON_EVERY_MIN {
            return Err(format!("every_seconds must be at least {CRON_EVERY_MIN}"));
        }
        let every = request.every_seconds.min(far);
        return Ok(Some(json!({"kind": "every", "everyMs": every * 1000})));
    }
    if request.cron_expr.is_empty() {
        return Ok(None);
    }
    let zone = LocalClock::find(&request.tz).map_err(|e| e.to_string())?;
    let expr = Expr::parse(&request.cron_expr)?;
    if expr.next(now.wall, &|at| zone.offset(at)).is_none() {
        return Err(format!("cron expression `{}` never comes true", request.cron_expr));
    }
    if u64::from(expr.shortest_pause()) < CRON_EVERY_MIN {
        return Err(format!(
            "cron expression `{}` fires again after {} s; at least {CRON_EVERY_MIN} s must lie in between",
            request.cron_expr,
            expr.shortest_pause()
        ));
    }
    let mut schedule = json!({"kind": "cron", "expr": request.cron_expr});
    if !request.tz.is_empty() {
        schedule["tz"] = json!(request.tz);
    }
    Ok(Some(schedule))
}

pub(super) fn checked(request: &CronRequest) -> Result<(), String> {
    if !request.command.is_empty() && !request.approved {
        return Err("shell jobs need the approval of an allowed user".into());
    }
    for (name, text) in [("message", &request.message), ("command", &request.command)] {
        if text.len() > CRON_MESSAGE_BYTES {
            return Err(format!("{name} has more than {CRON_MESSAGE_BYTES} bytes"));
        }
    }
    Ok(())
}

/// Sets a job's command and its approval MAC; id, schedule and chat must be set before. Its output goes to the chat without a model.
pub(super) fn command(job: &mut Job, mac: &ApprovalMac, command: &str) -> Result<(), String> {
    job.set_deliver(false);
    job.set("payload", "command", json!(command));
    let mark = mac.sign(job).map_err(|e| e.to_string())?;
    job.set("payload", "approval", json!(mark));
    Ok(())
}

fn add(
    path: &Path,
    mac: &ApprovalMac,
    request: &CronRequest,
    now: Now,
) -> Result<CronOutcome, String> {
    checked(request)?;
    if request.message.trim().is_empty() && request.command.is_empty() {
        return Err("message is required".into());
    }
    let Some(schedule) = schedule(request, now)? else {
        return Err("one of at_seconds, every_seconds or cron_expr is required".into());
    };
    let id = new_id()?;
    // The default name of the Go original: the first 30 characters of the message.
    let names = [&request.name, &request.message, &request.command];
    let name = names.into_iter().find(|n| !n.trim().is_empty()).unwrap_or(&id);
    let name = text::one_line(name, 30);
    let (mut count, mut namesake) = (0, false);
    jobs_file::scan(path, &mut |job| {
        count += 1;
        namesake |= job.is_ok_and(|job| visible(request, &job) && job.name() == name);
    })
    .map_err(fault)?;
    if count >= CRON_JOBS {
        return Err(format!("there are {CRON_JOBS} jobs already; remove some first"));
    }
    let once = schedule["kind"] == "at";
    let mut job = Job(Map::new());
    for (field, value) in [
        ("id", json!(id)),
        ("name", json!(name)),
        ("enabled", json!(true)),
        ("schedule", schedule),
        ("payload", json!({"message": request.message})),
        ("state", json!({})),
        ("createdAtMs", json!(now.wall * 1000)),
        ("updatedAtMs", json!(now.wall * 1000)),
        ("deleteAfterRun", json!(once)),
    ] {
        job.set("", field, value);
    }
    job.set_deliver(request.deliver.unwrap_or(true));
    job.set_to(&request.to);
    job.set_untrusted(request.untrusted);
    if !request.command.is_empty() {
        command(&mut job, mac, &request.command)?;
    }
    let mut zones = Zones::default();
    planned(&mut job, now, &mut zones)?;
    jobs_file::rewrite(path, &mut |_| Edit::Keep, Some(&job)).map_err(fault)?;
    let mut text = format!("✓ Added job '{name}' ({id})");
    if let Some(when) = next(&job, now, &mut zones) {
        text.push_str(&format!(", next {when}"));
    }
    if namesake {
        text.push_str("; there is another of this name, so use the id to change it");
    }
    Ok(CronOutcome { text, changed: Some(key(&id)), run: None })
}

/// Stores when it fires next, counted from now.
pub(super) fn planned(job: &mut Job, now: Now, zones: &mut Zones) -> Result<(), String> {
    job.set("state", "nextRunAtMs", Value::Null);
    let next = match job.due(now, &mut |tz| zones.find(tz))? {
        Some(Due::Wall(at)) => json!(at * 1000),
        Some(Due::Mono(at)) => json!((now.wall + (at - now.mono) as i64) * 1000),
        None => Value::Null,
    };
    if now.trusted {
        job.set("state", "nextRunAtMs", next);
    }
    Ok(())
}

/// 16 random hex digits.
fn new_id() -> Result<String, String> {
    let bytes = crate::sys::random::<8>().map_err(|e| format!("no random number: {e}"))?;
    Ok(text::hex(&bytes))
}

#[cfg(test)]
#[path = "cron_store_tests.rs"]
mod tests;
