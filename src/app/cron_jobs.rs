//! jobs.json as the scheduler uses it. Everything here waits for the disk.

use std::path::Path;

use super::cron_notice::Notices;
use crate::limits::CRON_NOTES;
use crate::sched::cron_store::Zones;
use crate::sched::job::{Due, Job, Now, Schedule, key};
use crate::sched::jobs_file::{self, Edit, JobsFileError};
use crate::store::session::Sessions;

/// What a scan of the file found.
pub(super) struct JobScan {
    pub(super) due: Vec<(u64, Due)>,
    pub(super) notes: Vec<String>,
    pub(super) notices: Notices,
    /// The file says of every job that fired that it has.
    pub(super) is_recorded: bool,
}

/// What a scan of the file needs from this run and the last one.
#[derive(Debug, Default)]
pub(super) struct PriorState {
    /// Jobs whose interval is running.
    pub(super) running_intervals: Vec<u64>,
    /// Notices that the last run left open: id, unix second.
    pub(super) open_notices: Vec<(String, i64)>,
}

/// When each job is due; a broken file is moved away.
pub(super) fn scan(
    path: &Path,
    now: Now,
    fired: &[(u64, i64)],
    known: &PriorState,
) -> Result<JobScan, String> {
    let mut notes = Vec::new();
    let mut is_recorded = true;
    if !fired.is_empty() {
        if let Err(e) = mark_fired(path, fired) {
            notes.push(e.to_string());
            is_recorded = false;
        }
    }
    let mut zones = Zones::default();
    let mut due = Vec::new();
    let mut notices = Notices::default();
    let scanned = jobs_file::scan(path, &mut |job| {
        let mut job = match job {
            Ok(job) => job,
            Err(why) => return notes.push(format!("a job in jobs.json is not run: {why}")),
        };
        if !fires_again(&mut job, fired, &mut zones) || notices.check(&job, now, known, &mut zones)
        {
            return;
        }
        match job.due(now, &mut |tz| zones.find(tz)) {
            Ok(Some(at)) => due.push((key(job.id()), at)),
            Ok(None) => {}
            Err(why) => {
                notices.invalid(&job, &why);
                notes.push(format!("job {} is not run: {why}", job.id()));
            }
        }
    });
    match scanned {
        Ok(()) => {}
        Err(JobsFileError::Broken(why)) => {
            due.clear();
            notices = Notices::default();
            match jobs_file::set_aside(path, now.wall) {
                Ok(to) => {
                    notes.push(format!("jobs.json is broken ({why}); it is now {}", to.display()))
                }
                Err(e) => return Err(format!("jobs.json is broken ({why}) and stays: {e}")),
            }
        }
        Err(JobsFileError::Disk(e)) => return Err(e.to_string()),
    }
    // The same job twice: the file's first one counts.
    notes.truncate(CRON_NOTES);
    Ok(JobScan { due, notes, notices, is_recorded })
}

/// Takes into account what the file may not say yet: false for a job that has fired for the last time.
fn fires_again(job: &mut Job, fired: &[(u64, i64)], zones: &mut Zones) -> bool {
    let at = fired.iter().find(|(k, _)| *k == key(job.id())).map(|found| found.1);
    match at.filter(|at| job.last() != Some(*at)) {
        Some(at) => job.fired(at, &mut |tz| zones.find(tz)),
        None => true,
    }
}

/// Marks jobs as fired, each at its unix second; nothing is written when the file says so already.
fn mark_fired(path: &Path, fired: &[(u64, i64)]) -> Result<(), JobsFileError> {
    let at = |job: &Job| {
        let found = fired.iter().find(|(k, _)| *k == key(job.id()))?;
        (job.last() != Some(found.1)).then_some(found.1)
    };
    let mut any = false;
    jobs_file::scan(path, &mut |job| any |= job.is_ok_and(|j| at(&j).is_some()))?;
    if !any {
        return Ok(());
    }
    let mut zones = Zones::default();
    let mut edit = |job: &mut Job| match at(job) {
        None => Edit::Keep,
        Some(second) if job.fired(second, &mut |tz| zones.find(tz)) => Edit::Write,
        Some(_) => Edit::Delete,
    };
    jobs_file::rewrite(path, &mut edit, None)
}

/// Marks a job as fired now, and says when it is due next.
pub(super) fn record_fired(
    path: &Path,
    key: u64,
    job: &mut Job,
    now: Now,
) -> (Option<Due>, Result<(), JobsFileError>) {
    let mut zones = Zones::default();
    let mut zone = |tz: &str| zones.find(tz);
    // At once a second time: a stop may follow.
    let fired = [(key, now.wall)];
    let written = mark_fired(path, &fired).or_else(|_| mark_fired(path, &fired));
    let stays = job.fired(now.wall, &mut zone);
    let due = match job.schedule() {
        Ok(Schedule::Every(seconds)) => Some(Due::Mono(now.mono + seconds.max(1))),
        _ => job.due(now, &mut zone).ok().flatten(),
    };
    (due.filter(|_| stays), written)
}

/// The job of this number; `None`: it is gone.
///
/// # Errors
/// The file cannot be read.
pub(super) fn find(path: &Path, wanted: u64) -> Result<Option<Job>, JobsFileError> {
    let mut found = None;
    jobs_file::scan(path, &mut |job| {
        found = found.take().or(job.ok().filter(|j| key(j.id()) == wanted));
    })?;
    Ok(found)
}

/// Records how a firing ended; of a job that is gone the session is removed.
pub(super) fn record_end(
    path: &Path,
    sessions: &Sessions,
    id: &str,
    error: Option<&str>,
) -> crate::Result<()> {
    let of_file = |e: JobsFileError| crate::Error::new(e.to_string());
    let mut job = find(path, key(id)).map_err(of_file)?;
    if job.is_none() {
        return sessions.remove(&super::session_key::cron(id));
    }
    if job.as_mut().is_some_and(|job| error.is_some() && job.record_end(error)) {
        let mut edit = |job: &mut Job| match job.id() == id {
            true if job.record_end(error) => Edit::Write,
            _ => Edit::Keep,
        };
        jobs_file::rewrite(path, &mut edit, None).map_err(of_file)?;
    }
    Ok(())
}
