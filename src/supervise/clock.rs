//! The time of a board that may have none: a floor, saved time, and time servers asked for ever.
//!
//! The clock is never set below the floor, the later of the build's date and the last saved time. Servers are asked
//! by a short-lived child as the daemon's user, so that nothing from the network is parsed by root.

use std::fs::{File, OpenOptions};
use std::io::{self, Read};
use std::os::unix::fs::{FileExt, OpenOptionsExt};
use std::path::Path;
use std::time::{Duration, SystemTime};

use crate::limits::{TIME_AGAIN, TIME_RETRY, TIME_STEP};
use crate::sys;

/// Digits of the saved time; a fixed length, so that it is overwritten in place within one sector.
const SAVED_DIGITS: usize = 12;

/// When to ask. Times are seconds of a monotonic clock.
#[derive(Debug)]
pub struct SyncSchedule {
    next: u64,
    retry: u64,
    /// A server has answered since we started.
    pub trusted: bool,
}

impl SyncSchedule {
    /// First question at once.
    pub fn new(now: u64) -> SyncSchedule {
        SyncSchedule { next: now, retry: TIME_RETRY.0, trusted: false }
    }

    /// When the next question is due.
    pub fn next(&self) -> u64 {
        self.next
    }

    /// A server answered.
    pub fn answered(&mut self, now: u64) {
        self.trusted = true;
        self.retry = TIME_RETRY.0;
        self.next = now + TIME_AGAIN;
    }

    /// None did. For ever: the network may come tomorrow.
    pub fn failed(&mut self, now: u64) {
        self.next = now + self.retry;
        self.retry = (self.retry * 2).min(TIME_RETRY.1);
    }

    /// Other servers: ask them soon.
    pub fn ask_soon(&mut self, now: u64) {
        self.retry = TIME_RETRY.0;
        self.next = self.next.min(now + 1);
    }
}

/// The later of build date and saved time, Unix seconds. A saved time is believed for 20 years after the build.
pub fn floor(saved: Option<u64>) -> u64 {
    let build = sys::board::BUILD_TIME;
    saved.filter(|t| (build..build + 20 * 365 * 86_400).contains(t)).unwrap_or(build)
}

/// Reads the saved time.
pub fn saved(path: &Path) -> Option<u64> {
    let mut text = String::new();
    File::open(path).ok()?.take(64).read_to_string(&mut text).ok()?;
    text.trim().parse().ok()
}

/// Saves the time: one block overwritten, no new file once it exists.
pub fn save(path: &Path, unix: u64) -> io::Result<()> {
    let file = OpenOptions::new()
        .write(true)
        .create(true)
        .truncate(false)
        .mode(0o600)
        .custom_flags(libc::O_NOFOLLOW)
        .open(path)?;
    file.write_all_at(format!("{unix:0SAVED_DIGITS$}\n").as_bytes(), 0)?;
    file.sync_data()
}

/// Unix time to set, from an offset in nanoseconds; None where the clock is close enough.
/// An error where the result is before the floor.
pub fn correction(
    now: SystemTime,
    offset: i64,
    floor: u64,
) -> Result<Option<SystemTime>, &'static str> {
    let step = Duration::from_nanos(offset.unsigned_abs());
    let right = if offset < 0 { now.checked_sub(step) } else { now.checked_add(step) };
    let right = right.ok_or("the answer is no time")?;
    let unix = right.duration_since(SystemTime::UNIX_EPOCH).map_or(0, |d| d.as_secs());
    // A minute of slack: the saved time may have been a little ahead.
    if unix + 60 < floor {
        return Err("the answer is before this program was made or last ran");
    }
    Ok((offset.unsigned_abs() >= TIME_STEP).then_some(right))
}

#[cfg(test)]
mod tests {
    use super::*;

    const BUILD: u64 = sys::board::BUILD_TIME;

    #[test]
    fn an_unanswered_server_is_asked_again_forever() {
        let mut schedule = SyncSchedule::new(0);
        let mut asked = Vec::new();
        for _ in 0..8 {
            let now = schedule.next();
            asked.push(now);
            schedule.failed(now);
        }
        assert_eq!(asked, [0, 2, 6, 14, 30, 62, 122, 182]);
        assert!(!schedule.trusted);
        schedule.answered(200);
        assert_eq!((schedule.next(), schedule.trusted), (200 + TIME_AGAIN, true));
        schedule.ask_soon(300);
        assert_eq!(schedule.next(), 301);
    }

    #[test]
    fn floors() {
        assert_eq!(floor(None), BUILD);
        assert_eq!(floor(Some(5)), BUILD);
        assert_eq!(floor(Some(BUILD + 100)), BUILD + 100);
        assert_eq!(floor(Some(u64::MAX)), BUILD);
    }

    #[test]
    fn saved_times_are_overwritten_in_place() {
        let path = std::env::temp_dir().join(format!("picoclaw-time-{}", std::process::id()));
        let _ = std::fs::remove_file(&path);
        assert_eq!(saved(&path), None);
        save(&path, 1_800_000_000).expect("save");
        save(&path, 7).expect("save");
        assert_eq!(saved(&path), Some(7));
        assert_eq!(std::fs::metadata(&path).expect("file").len(), 13);
        std::fs::write(&path, "\0\0\0").expect("write");
        assert_eq!(saved(&path), None);
        std::fs::remove_file(&path).expect("remove");
    }

    #[track_caller]
    fn check(now: u64, offset_secs: i64, want: Result<Option<u64>, ()>) {
        let now = SystemTime::UNIX_EPOCH + Duration::from_secs(now);
        let got = correction(now, offset_secs * 1_000_000_000, BUILD);
        let seconds =
            |t: SystemTime| t.duration_since(SystemTime::UNIX_EPOCH).map_or(0, |d| d.as_secs());
        assert_eq!(got.map(|t| t.map(seconds)).map_err(|_| ()), want);
    }

    #[test]
    fn corrections() {
        check(0, BUILD as i64 + 10, Ok(Some(BUILD + 10)));
        check(BUILD + 100, 0, Ok(None));
        check(BUILD + 100, -50, Ok(Some(BUILD + 50)));
        check(BUILD + 100, -1000, Err(()));
        check(0, 5, Err(()));
    }
}
