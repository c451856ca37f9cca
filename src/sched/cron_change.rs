//! Requests about one existing job: get, update, enable, disable, run, remove. Blocks on the disk.

use std::path::Path;

use serde_json::{Value, json};

use super::approval_mac::ApprovalMac;
use super::cron_store::{CronOutcome, Zones, checked, command, fault, planned, schedule, visible};
use super::job::{Job, Now, key};
use super::jobs_file::{self, Edit};
use crate::proto::text;
use crate::tool::cron_handle::CronRequest;

/// Executes a request about one existing job.
pub(super) fn change(
    path: &Path,
    mac: &ApprovalMac,
    request: &CronRequest,
    now: Now,
) -> Result<CronOutcome, String> {
    if request.id.is_empty() {
        return Err(format!("job_id is required for {}", request.action));
    }
    let mut job = find(path, request)?;
    let id = job.id().to_owned();
    let mut zones = Zones::default();
    let (text, edit) = match request.action.as_str() {
        "run" => {
            let (text, run) = (format!("✓ Job '{}' started", job.name()), Some(key(&id)));
            return Ok(CronOutcome { text, run, ..CronOutcome::default() });
        }
        "get" => {
            // The MAC is useless to people, and none of the model's business.
            job.set("payload", "approval", Value::Null);
            let text = Value::Object(job.0).to_string();
            return Ok(CronOutcome { text, ..CronOutcome::default() });
        }
        "remove" => (format!("✓ Removed job {id}"), Edit::Delete),
        "update" => {
            update(&mut job, mac, request, now, &mut zones)?;
            (format!("✓ Job '{}' updated", job.name()), Edit::Write)
        }
        on => {
            let on = on == "enable";
            let word = if on { "enabled" } else { "disabled" };
            let mut text = format!("✓ Job '{}' {word}", job.name());
            // A person who enables a shell job on the command line has approved it.
            let approves = on && request.approved && !job.command().is_empty() && !mac.verify(&job);
            if approves {
                let line = job.command().to_owned();
                command(&mut job, mac, &line)?;
                text.push_str(&format!("; it may run: {line}"));
            }
            let trusts = on && request.approved && job.untrusted();
            if job.enabled() == on && !approves && !trusts {
                return Ok(CronOutcome { text, ..CronOutcome::default() });
            }
            job.set("", "enabled", json!(on));
            // On the command line its owner has looked at it.
            job.set_untrusted(job.untrusted() && !trusts);
            if on {
                planned(&mut job, now, &mut zones)?;
            }
            (text, Edit::Write)
        }
    };
    job.set("", "updatedAtMs", json!(now.wall * 1000));
    let mut edit = Some(edit);
    jobs_file::rewrite(
        path,
        &mut |old| {
            if old.id() != id {
                return Edit::Keep;
            }
            *old = job.clone();
            edit.take().unwrap_or(Edit::Keep)
        },
        None,
    )
    .map_err(fault)?;
    Ok(CronOutcome { text, changed: Some(key(&id)), run: None })
}

/// The job with this id, or the only one with this name.
fn find(path: &Path, request: &CronRequest) -> Result<Job, String> {
    let (mut by_id, mut by_name, mut ids) = (None, None, Vec::new());
    jobs_file::scan(path, &mut |job| {
        let Some(job) = job.ok().filter(|job| visible(request, job)) else { return };
        if job.id() == request.id {
            by_id = by_id.take().or(Some(job));
        } else if job.name() == request.id {
            ids.push(text::one_line(job.id(), 40));
            by_name = Some(job);
        }
    })
    .map_err(fault)?;
    match by_id.or(by_name.filter(|_| ids.len() == 1)) {
        Some(job) => Ok(job),
        None if ids.len() > 1 => Err(format!(
            "there are {} jobs with the name {}; say which by its id: {}",
            ids.len(),
            text::one_line(&request.id, 60),
            text::one_line(&ids.join(", "), 400)
        )),
        None => Err(format!("✗ Job {} not found", request.id)),
    }
}

/// The approval of a command holds for its schedule.
const RENEW: &str = "this job runs a command that was approved for its present schedule; give command again with the new schedule, and the user is asked";

fn update(
    job: &mut Job,
    mac: &ApprovalMac,
    request: &CronRequest,
    now: Now,
    zones: &mut Zones,
) -> Result<(), String> {
    checked(request)?;
    let schedules =
        [request.at_seconds != 0, request.every_seconds != 0, !request.cron_expr.is_empty()];
    let schedules = schedules.into_iter().filter(|given| *given).count();
    if schedules > 1 {
        return Err("only one of at_seconds, every_seconds or cron_expr can be set".into());
    }
    let texts = [&request.message, &request.name, &request.command, &request.tz];
    let others = request.deliver.is_some() || request.clear_command;
    if schedules == 0 && !others && texts.iter().all(|text| text.is_empty()) {
        return Err("at least one update field is required: message, name, deliver, command, tz, or one of at_seconds, every_seconds and cron_expr".into());
    }
    let mut request = request.clone();
    let (expr, tz) = job.expr();
    if !expr.is_empty() && schedules == 0 && !request.tz.is_empty() {
        request.cron_expr = expr.to_owned();
    } else if !request.cron_expr.is_empty() && request.tz.is_empty() {
        // A new time keeps the time zone.
        request.tz = tz.to_owned();
    } else if !request.tz.is_empty() && request.cron_expr.is_empty() {
        return Err("tz belongs to a cron_expr".into());
    }
    if let Some(schedule) = schedule(&request, now)? {
        if !job.command().is_empty() && request.command.is_empty() && !request.clear_command {
            return Err(RENEW.into());
        }
        job.set("", "deleteAfterRun", json!(schedule["kind"] == "at"));
        job.set("", "schedule", schedule);
        job.set("state", "lastRunAtMs", Value::Null);
        planned(job, now, zones)?;
    }
    if request.untrusted {
        job.set_untrusted(true);
    }
    if !request.message.is_empty() {
        job.set_untrusted(request.untrusted);
        job.set("payload", "message", json!(request.message));
    }
    if !request.name.is_empty() {
        job.set("", "name", json!(text::one_line(&request.name, 30)));
    }
    if let Some(deliver) = request.deliver {
        job.set_deliver(deliver);
    }
    if !request.command.is_empty() {
        command(job, mac, &request.command)?;
    } else if request.clear_command {
        job.set("payload", "command", Value::Null);
        job.set("payload", "approval", Value::Null);
    }
    Ok(())
}
