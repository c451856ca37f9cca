//! `picoclaw import`, or `picoclaw-import` at boot: see [`crate::import`].

use std::process::ExitCode;

use crate::supervise::settings::SupervisorSettings;
use crate::{Error, Result, import, supervise};

/// Takes what is on the boot partition, with the settings of `/etc/default/picoclaw` in the environment.
///
/// # Errors
/// A setting that cannot be used, an unknown user, a data or boot partition that cannot be written.
pub fn run() -> Result<ExitCode> {
    let settings = SupervisorSettings::read(|name| std::env::var(name).ok())?;
    if settings.boot.as_os_str().is_empty() {
        return Err(Error::new("PICOCLAW_BOOT names no boot partition"));
    }
    let identity = supervise::identity_of(&settings)?;
    let report = import::accept(&settings.import_places(), identity.as_ref())?;
    for line in report.text().lines() {
        println!("import: {line}");
    }
    Ok(ExitCode::SUCCESS)
}
