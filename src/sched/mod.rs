//! Work that begins by itself: what is due when.
//!
//! - [`cron`]: expressions, and when they fire; [`zone`]: time zones by name.
//! - [`job`]: one job and when it is due; [`file`]: jobs.json; [`timetable`]: what of it is in memory.
//! - [`when`]: times as people write them.
//! - [`cron_store`]: orders of people and models.

pub mod approval_mac;
pub mod cron;
mod cron_change;
pub mod cron_store;
pub mod file;
mod firings;
pub mod job;
pub mod timetable;
pub mod when;
pub mod zone;
