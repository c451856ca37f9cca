//! `picoclaw auth`. No secret is ever an argument: what is typed is not shown, what is piped is read from standard input.

use std::process::ExitCode;

use crate::args::{self, AuthCommand};
use crate::config::LoadOptions;
use crate::error::Result;
use crate::log;

#[cfg(feature = "encryption")]
pub mod encrypt;
mod secret;
#[cfg(feature = "sign-in")]
mod sign_in;

/// Does what was asked.
///
/// # Errors
/// What the subcommand meets.
pub fn run(args: &args::AuthArgs) -> Result<ExitCode> {
    let options = LoadOptions::from_process();
    log::start(log::LogTarget::Stderr, "warn");
    match &args.command {
        #[cfg(feature = "sign-in")]
        AuthCommand::Login(a) => sign_in::login(&options, a)?,
        #[cfg(feature = "sign-in")]
        AuthCommand::Logout(a) => sign_in::logout(&options.home()?, a.provider.as_deref())?,
        #[cfg(feature = "sign-in")]
        AuthCommand::Status(a) => sign_in::status(&options.home()?, a.json)?,
        #[cfg(feature = "encryption")]
        AuthCommand::Encrypt(_) => encrypt::run(&options)?,
    }
    Ok(ExitCode::SUCCESS)
}
