//! `picoclaw config check|show|keys|set`, and what a reload asks first.

use std::io::Write;
use std::os::fd::AsFd;
use std::process::ExitCode;

use crate::args::{self, ConfigCommand};
use crate::config::{self, LoadOptions, NewValue};
use crate::error::{Context, Result};
use crate::limits::CONFIG_BYTES;
use crate::sys::files::read_bounded;
use crate::sys::terminal;

/// Carries out the subcommand.
///
/// # Errors
/// Standard output is gone; a key that is not there, or does not take the value.
pub fn run(args: &args::ConfigArgs) -> Result<ExitCode> {
    let options = LoadOptions::from_process();
    let mut out = terminal::TextOutput;
    let good = match &args.command {
        ConfigCommand::Check(a) => config::check(&options, a.json, &mut out)?,
        ConfigCommand::Show(a) => {
            config::show(&options, a.key.as_deref().unwrap_or(""), a.json, &mut out)?;
            true
        }
        ConfigCommand::Set(a) => {
            let given = if a.value == args::PIPE {
                let input = std::io::stdin().as_fd().try_clone_to_owned()?;
                let bytes = read_bounded(input.into(), CONFIG_BYTES).context("standard input")?;
                NewValue::Input(String::from_utf8(bytes).context("standard input")?)
            } else {
                NewValue::Argument(a.value.clone())
            };
            config::set(&options, &a.key, &given, &mut out)?;
            true
        }
        ConfigCommand::Keys(a) => {
            config::write_key_docs(a.filter.as_deref().unwrap_or(""), &mut out)?;
            true
        }
    };
    out.flush()?;
    Ok(if good { ExitCode::SUCCESS } else { ExitCode::FAILURE })
}
