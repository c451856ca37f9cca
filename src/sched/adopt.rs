//! Jobs that are in the workspace, where commands could write them: of the Go original, or of our versions that kept them there.
//!
//! What was there before the first start is the owner's. What comes later may be a command's: it is taken switched off, and
//! nothing that was approved before counts for it.

use std::collections::HashSet;

use serde_json::Value;

use super::job::Job;
use super::jobs_file::{self, Edit};
use crate::error::{Context, Error, Result};
use crate::limits::{CRON_FILE_BYTES, CRON_JOBS};
use crate::store::adopt::Adoption;
use crate::store::adopt::record::AdoptedFile;
use crate::store::bounded_read::stamp;

/// Relative to home and workspace.
const NAME: &str = "cron/jobs.json";

/// Adopts the jobs; says how many. A file that cannot be read is told and passed over.
///
/// # Errors
/// The disk's.
pub fn jobs(adoption: &mut Adoption) -> Result<usize> {
    let stamp = match adoption.workspace.meta(NAME) {
        Ok(Some(meta)) => stamp(Some(meta)),
        Ok(None) => return Ok(0),
        Err(e) => {
            adoption.refuse(NAME, &e.to_string());
            return Ok(0);
        }
    };
    if adoption.record.seen(NAME).is_some_and(|seen| seen.stamp == stamp) {
        return Ok(0);
    }
    let path = jobs_file::path(adoption.workspace.path());
    let mut found = Vec::new();
    let looked = jobs_file::scan(&path, &mut |job| found.extend(job.ok()));
    if let Err(e) = looked {
        adoption.refuse(NAME, &e.to_string());
        return Ok(0);
    }
    let first = adoption.record.first;
    let own = jobs_file::path(adoption.home.path());
    let here = adoption.home.exists(NAME).unwrap_or(true);
    let count = if first && !here {
        found.iter().for_each(|job| remember(adoption, job.id()));
        take_file(adoption)?;
        found.len()
    } else {
        add(adoption, &own, found, first)?
    };
    adoption.record.note(AdoptedFile {
        name: NAME.into(),
        stamp,
        hash: "-".into(),
        ..AdoptedFile::default()
    });
    Ok(count)
}

fn remember(adoption: &mut Adoption, id: &str) {
    let jobs = &mut adoption.record.jobs;
    if jobs.len() < CRON_JOBS && !id.contains('\n') && !jobs.iter().any(|known| known == id) {
        jobs.push(id.to_owned());
    }
}

/// The whole file, with what other versions wrote into it.
fn take_file(adoption: &mut Adoption) -> Result<()> {
    if adoption.record.ours {
        return adoption.move_file(NAME).map(drop).context(NAME);
    }
    let bytes = adoption.workspace.bytes(NAME, CRON_FILE_BYTES).context(NAME)?;
    adoption.home.save(NAME, &bytes.unwrap_or_default(), 0o600).context(NAME)
}

/// Writes the jobs into the workspace, where the Go original looks for them; false where there are none. What was approved
/// here counts nowhere else.
///
/// # Errors
/// The disk's.
pub fn export(adoption: &mut Adoption) -> Result<bool> {
    let bytes = adoption.home.bytes(NAME, CRON_FILE_BYTES).context(NAME)?;
    let Some(bytes) = bytes else { return Ok(false) };
    adoption.workspace.save(NAME, &bytes, 0o600).context(NAME)?;
    let path = jobs_file::path(adoption.workspace.path());
    let mut ids = Vec::new();
    let strip = &mut |job: &mut Job| {
        ids.push(job.id().to_owned());
        job.set("payload", "approval", Value::Null);
        Edit::Write
    };
    jobs_file::rewrite(&path, strip, None).map_err(|e| Error::new(e.to_string()))?;
    ids.iter().for_each(|id| remember(adoption, id));
    let stamp = stamp(adoption.workspace.meta(NAME).context(NAME)?);
    adoption.record.note(AdoptedFile {
        name: NAME.into(),
        stamp,
        hash: "-".into(),
        ..AdoptedFile::default()
    });
    Ok(true)
}

/// Adds jobs that were never here.
fn add(
    adoption: &mut Adoption,
    own: &std::path::Path,
    found: Vec<Job>,
    first: bool,
) -> Result<usize> {
    let mut known: HashSet<String> = adoption.record.jobs.iter().cloned().collect();
    let mut here = 0;
    let looked = jobs_file::scan(own, &mut |job| {
        here += 1;
        known.extend(job.ok().map(|job| job.id().to_owned()));
    });
    if let Err(e) = looked {
        return Err(Error::new(e.to_string()));
    }
    let mut added = 0;
    for mut job in found {
        remember(adoption, job.id());
        if !known.insert(job.id().to_owned()) {
            continue;
        }
        if here + added >= CRON_JOBS {
            adoption.refuse(NAME, "there are too many jobs");
            break;
        }
        if !first {
            job.set("", "enabled", false.into());
            job.set("payload", "approval", Value::Null);
            job.set_untrusted(true);
        }
        jobs_file::rewrite(own, &mut |_| Edit::Keep, Some(&job))
            .map_err(|e| Error::new(e.to_string()))?;
        added += 1;
    }
    if added > 0 && !first {
        let told = format!(
            "{added} new jobs in the workspace's cron/jobs.json are here now, switched off: `picoclaw cron enable ID`"
        );
        adoption.notes.push(told);
    }
    Ok(added)
}
