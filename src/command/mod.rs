//! One file per subcommand.

pub mod agent;
pub mod ask;
pub mod auth;
pub mod backup;
pub mod config;
pub mod cron;
pub mod doctor;
pub mod gateway;
pub mod import;
#[cfg(feature = "simulate")]
pub mod membench;
pub mod migrate;
pub mod onboard;
pub mod owner;
pub mod restore;
#[cfg(feature = "simulate")]
pub mod simulate;
pub mod skills;
pub mod status;
#[cfg(feature = "simulate")]
pub mod timeseries;
mod tree;
