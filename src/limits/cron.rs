//! Limits of jobs: see [`crate::sched`].

use std::time::Duration;

/// Number of cron jobs; about 24 bytes each in memory, the rest stays in the file.
pub const CRON_JOBS: usize = 1000;
/// Largest jobs.json, in bytes.
pub const CRON_FILE_BYTES: u64 = 2 * 1024 * 1024;
/// Bytes of one job in it; longer ones are kept and not run.
pub const CRON_JOB_BYTES: usize = 16 * 1024;
/// Bytes of a job's message.
pub const CRON_MESSAGE_BYTES: usize = 4 * 1024;
/// Bytes of a cron expression.
pub const CRON_EXPR_BYTES: usize = 256;
/// Years and ranges of years in a cron expression.
pub const CRON_YEAR_RANGES: usize = 4;
/// Days ahead within which a cron expression must fire: two 29 February are up to 8 years apart.
pub const CRON_HORIZON_DAYS: i64 = 3000;
/// Jobs whose firing could not be saved in jobs.json (disk full) and is remembered until it can be.
pub const CRON_UNRECORDED: usize = 100;
/// Pause before jobs.json is tried again when it could not be read or written.
pub const CRON_RETRY: Duration = Duration::from_secs(5);
/// Bytes of a list of jobs; the rest is counted.
pub const CRON_LIST_BYTES: usize = 40 * 1024;
/// Minimum seconds between two firings of an `every` job: each may cost a model call.
pub const CRON_EVERY_MIN: u64 = 10;
/// Seconds a job may be late before its message says so.
pub const CRON_LATE: i64 = 120;
/// Seconds after which a missed firing is only reported.
pub const CRON_MISSED: i64 = 24 * 3600;
/// Remarks of one reading of jobs.json; the rest is dropped.
pub const CRON_NOTES: usize = 20;
/// Jobs that one message about missed ones names; the rest is counted.
pub const CRON_NOTICE_JOBS: usize = 20;
/// Seconds that the clock may step back while earlier firings still count; after a longer step the previous time was wrong.
pub const CRON_STEP_BACK: i64 = 26 * 3600;
