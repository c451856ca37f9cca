//! `picoclaw config check|show|keys`, and what a reload asks first.

use std::io::Write;
use std::process::ExitCode;

use crate::args::{self, ConfigCommand};
use crate::config::{self, LoadOptions};
use crate::error::Result;
use crate::sys::terminal;

/// Carries out the subcommand.
///
/// # Errors
/// Standard output is gone.
pub fn run(args: &args::Config) -> Result<ExitCode> {
    let options = LoadOptions::from_process();
    let mut out = terminal::Output;
    let good = match &args.command {
        ConfigCommand::Check(a) => config::check(&options, a.json, &mut out)?,
        ConfigCommand::Show(a) => {
            config::show(&options, a.key.as_deref().unwrap_or(""), a.json, &mut out)?;
            true
        }
        ConfigCommand::Keys(_) => {
            config::keys::write_markdown(&mut out)?;
            true
        }
    };
    out.flush()?;
    Ok(if good { ExitCode::SUCCESS } else { ExitCode::FAILURE })
}
