//! One file per subcommand.

pub mod agent;
pub mod ask;
pub mod auth;
pub mod config;
pub mod cron;
pub mod gateway;
pub mod onboard;
pub mod simulate;
pub mod skills;
pub mod status;
pub mod version;
