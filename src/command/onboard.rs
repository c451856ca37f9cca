//! `picoclaw onboard`.

use std::process::ExitCode;

use crate::config::{self, LoadOptions};
use crate::error::Result;

/// Writes a first configuration and workspace.
///
/// # Errors
/// The disk's.
pub fn run() -> Result<ExitCode> {
    config::onboard(&LoadOptions::from_process(), &mut std::io::stdout().lock())?;
    Ok(ExitCode::SUCCESS)
}
