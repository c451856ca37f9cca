//! `picoclaw onboard`.

use std::process::ExitCode;

use crate::args;
use crate::config::{self, LoadOptions, in_place};
use crate::error::Result;
use crate::sys::terminal;

/// Writes a first configuration and workspace; with `--enc` its secrets are encrypted, also of one that was there.
///
/// # Errors
/// The disk's; no passphrase; a configuration that cannot be read.
pub fn run(args: &args::OnboardArgs) -> Result<ExitCode> {
    let options = LoadOptions::from_process();
    let keys = if args.enc { Some(super::auth::keys(&options)?) } else { None };
    config::onboard(&options, &mut terminal::TextOutput)?;
    if let Some(keys) = keys {
        let file = options.config_file()?;
        super::auth::make_file(&keys)?;
        let n = in_place::encrypt(&file, &keys)?;
        println!(
            "Encrypted {n} secrets in {}; once more after you have put others in.",
            file.display()
        );
    }
    Ok(ExitCode::SUCCESS)
}
