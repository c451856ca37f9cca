//! One file per subcommand.

pub mod agent;
pub mod ask;
#[cfg(feature = "audit")]
pub mod audit;
#[cfg(any(feature = "sign-in", feature = "encryption"))]
pub mod auth;
#[cfg(feature = "backup")]
pub mod backup;
pub mod config;
pub mod cron;
#[cfg(feature = "doctor")]
pub mod doctor;
pub mod gateway;
pub mod import;
#[cfg(feature = "simulate")]
pub mod membench;
#[cfg(feature = "migrate")]
pub mod migrate;
pub mod onboard;
#[cfg(any(feature = "backup", feature = "simulate"))]
mod output_file;
pub mod owner;
#[cfg(feature = "backup")]
pub mod restore;
#[cfg(feature = "simulate")]
pub mod simulate;
pub mod skills;
pub mod status;
#[cfg(feature = "simulate")]
pub mod timeseries;
#[cfg(any(feature = "migrate", feature = "backup"))]
mod tree;
