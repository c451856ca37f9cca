//! The disk: is there room, may we write, and does what is written reach it?

use std::fs::{self, OpenOptions};
use std::io::{self, ErrorKind, Write};
use std::os::unix::fs::{MetadataExt, OpenOptionsExt};
use std::path::{Path, PathBuf};
use std::time::{Duration, Instant};

use smol::future::or;

use super::findings::Reporter;
use super::findings::Severity::{Bad, Good, Warning};
use crate::config::Config;
use crate::limits::{DOCTOR_DISK, DOCTOR_FLUSH, DOCTOR_OWNERS, DOCTOR_WAIT};
use crate::store::{CRON, SESSIONS, STATE};
use crate::sys::clock::millis;
use crate::sys::{files, spawn_blocking};

/// Looks at the home and the workspace.
pub async fn check_disk(out: &mut Reporter, config: &Config) {
    let mut folders = vec![config.home.clone()];
    let workspace = &config.agent.workspace;
    if workspace.is_dir() {
        folders.push(workspace.clone());
    }
    for folder in folders {
        let shown = folder.display().to_string();
        let at = folder.clone();
        let tried =
            async { Ok(spawn_blocking(move || (flush(&at), files::free_space(&at))).await) };
        let late = async {
            async_io::Timer::after(DOCTOR_WAIT).await;
            Err(())
        };
        match or(tried, late).await {
            Ok((Ok(took), space)) => {
                let free = space.map_or(u64::MAX, |(free, _)| free);
                let what =
                    format!("{shown}: {} kB free, flushed in {} ms", free / 1024, millis(took));
                let (grade, cure) = if free < DOCTOR_DISK {
                    (Bad, "make room: old sessions, media and logs; see `df`")
                } else if took > DOCTOR_FLUSH {
                    (Warning, "the card is slow: worn out, or something else writes to it")
                } else {
                    (Good, "")
                };
                out.note(grade, "disk", &what, cure);
            }
            Ok((Err(e), space)) => {
                let read_only = space.is_ok_and(|(_, read_only)| read_only);
                out.note(Bad, "disk", &format!("{shown}: {e}"), hint(&e, read_only));
            }
            Err(()) => {
                let what = format!("{shown}: no answer within {} s", DOCTOR_WAIT.as_secs());
                out.note(
                    Bad,
                    "disk",
                    &what,
                    "the card has failed or hangs; see `dmesg`, replace it",
                );
            }
        }
        if let Some((path, owner)) = wrong_owner(&folder) {
            let what = format!("{} is another user's than {shown}", path.display());
            out.note(Bad, "disk", &what, &format!("chown -R {owner} {shown}"));
        }
    }
}

fn hint(e: &io::Error, read_only: bool) -> &'static str {
    match e.kind() {
        _ if read_only => {
            "the disk is read-only: mounted so, or after an error (`dmesg`); `mount -o remount,rw`, or replace the card"
        }
        ErrorKind::StorageFull | ErrorKind::QuotaExceeded => {
            "make room: old sessions, media and logs; see `df`"
        }
        ErrorKind::NotFound => "`picoclaw onboard` makes it",
        ErrorKind::PermissionDenied => {
            "run this as the gateway's user, or give the folder to that user (`chown`)"
        }
        _ => "see `dmesg`: the card may have failed",
    }
}

/// Writes, flushes and removes a file; how long the flush took.
fn flush(folder: &Path) -> io::Result<Duration> {
    let path = folder.join(format!(".doctor-{}", std::process::id()));
    let mut file = OpenOptions::new().write(true).create_new(true).mode(0o600).open(&path)?;
    let begin = Instant::now();
    let wrote = file.write_all("x".repeat(4096).as_bytes()).and_then(|()| file.sync_all());
    let took = begin.elapsed();
    let removed = fs::remove_file(&path);
    wrote.and(removed).map(|()| took)
}

/// A file that whoever owns the folder cannot rewrite, as a command of root's may have left it, and that owner.
fn wrong_owner(folder: &Path) -> Option<(PathBuf, u32)> {
    let owner = fs::metadata(folder).ok()?.uid();
    if owner == 0 {
        return None;
    }
    ["", STATE, SESSIONS, CRON, "memory"].iter().find_map(|below| {
        let entries = fs::read_dir(folder.join(below)).ok()?;
        let found = entries
            .take(DOCTOR_OWNERS)
            .flatten()
            .find(|e| e.metadata().is_ok_and(|m| m.uid() != owner))?;
        Some((found.path(), owner))
    })
}
