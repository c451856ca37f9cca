//! Bounds of jobs: see [`crate::sched`].

/// Cron jobs that are kept; about 24 bytes each in memory, the rest stays in the file.
pub const CRON_JOBS: usize = 1000;
/// Bytes of jobs.json.
pub const CRON_FILE_BYTES: u64 = 2 * 1024 * 1024;
/// Bytes of one job in it; longer ones stay there and are not run.
pub const CRON_JOB_BYTES: usize = 16 * 1024;
/// Bytes of a job's message.
pub const CRON_MESSAGE_BYTES: usize = 4 * 1024;
/// Bytes of a cron expression.
pub const CRON_EXPR_BYTES: usize = 256;
/// Years and ranges of years in a cron expression.
pub const CRON_YEAR_RANGES: usize = 4;
/// Days ahead in which a cron expression must fire: between two 29 February lie up to 8 years.
pub const CRON_HORIZON_DAYS: i64 = 3000;
/// Jobs whose firing jobs.json could not take (disk full) and that are remembered until it can.
pub const CRON_UNRECORDED: usize = 100;
/// Bytes of a list of jobs; the rest is counted.
pub const CRON_LIST_BYTES: usize = 40 * 1024;
/// Seconds between two firings of an `every` job at least: each may cost a model call.
pub const CRON_EVERY_MIN: u64 = 10;
/// Seconds a job may be late before its message says so.
pub const CRON_LATE: i64 = 120;
/// Seconds after which a missed firing is told and no longer made good.
pub const CRON_MISSED: i64 = 24 * 3600;
/// Jobs that one message about missed ones names; the rest is counted.
pub const CRON_NOTICE_JOBS: usize = 20;
/// Seconds that the clock may step back and what has fired still counts as done; a longer step says that the time before was wrong.
pub const CRON_STEP_BACK: i64 = 26 * 3600;
