//! Work that begins by itself: what is due when.
//!
//! - [`cron`]: expressions; [`zone`]: time zones by name.
//! - [`job`]: one job and when it is due; [`file`]: jobs.json; [`timetable`]: what of it is in memory.
//! - [`desk`]: orders of people and models.

pub mod cron;
pub mod desk;
pub mod file;
pub mod job;
pub mod seal;
pub mod timetable;
pub mod zone;
