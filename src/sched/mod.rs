//! Scheduled work: cron jobs, and when they are due.
//!
//! - [`cron_expr`]: cron expressions; `cron_next`: when they fire next; [`zone`]: time zones by name.
//! - [`job`]: one job and when it is due; [`jobs_file`]: jobs.json; [`timetable`]: the part that is in memory.
//! - [`human_time`]: times as people write them.
//! - [`cron_store`]: requests of people and models.

#[cfg(feature = "migrate")]
pub mod adopt;
pub mod approval_mac;
mod cron_change;
pub mod cron_expr;
mod cron_next;
pub mod cron_store;
pub mod human_time;
pub mod job;
pub mod jobs_file;
pub mod timetable;
pub mod zone;
