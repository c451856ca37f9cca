//! `picoclaw onboard`.

use std::process::ExitCode;

use crate::args;
use crate::config::{self, LoadOptions};
use crate::error::Result;
use crate::sys::terminal;

/// Writes a first configuration and workspace; with `--enc` its secrets are encrypted, also of one that was there.
///
/// # Errors
/// The disk's; no passphrase; a configuration that cannot be read.
pub fn run(args: &args::OnboardArgs) -> Result<ExitCode> {
    let options = LoadOptions::from_process();
    if !args.enc {
        config::onboard(&options, &mut terminal::TextOutput)?;
    } else {
        encrypted(&options)?;
    }
    Ok(ExitCode::SUCCESS)
}

#[cfg(feature = "encryption")]
fn encrypted(options: &LoadOptions) -> Result<()> {
    use super::auth::encrypt;
    let keys = encrypt::keys(options)?;
    config::onboard(options, &mut terminal::TextOutput)?;
    encrypt::make_file(&keys)?;
    config::in_place::encrypt_all(options, &keys, &mut |file, n| {
        println!("Encrypted {n} secrets in {}.", file.display());
    })?;
    println!("Once more after you have put others in.");
    Ok(())
}

#[cfg(not(feature = "encryption"))]
fn encrypted(_: &LoadOptions) -> Result<()> {
    Err(crate::Error::new("`picoclaw onboard --enc` is not in this build (feature `encryption`)"))
}
