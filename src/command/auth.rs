//! `picoclaw auth`. No secret is ever an argument: what is typed is not shown, what is piped is read from standard input.

use std::io::{BufRead, IsTerminal, Read, Write};
use std::process::ExitCode;

use crate::args::{self, AuthCommand};
use crate::config::{LoadOptions, enc};
use crate::error::{Context, Error, Result};
use crate::limits::SECRET_FILE_BYTES;
use crate::sys::terminal;

/// Does what was asked.
///
/// # Errors
/// What the subcommand meets.
pub fn run(args: &args::Auth) -> Result<ExitCode> {
    let options = LoadOptions::from_process();
    match &args.command {
        AuthCommand::Encrypt(_) => encrypt(&options)?,
    }
    Ok(ExitCode::SUCCESS)
}

fn encrypt(options: &LoadOptions) -> Result<()> {
    let mut keys = enc::Keys::of(options);
    if keys.passphrase.is_empty() {
        if !std::io::stdin().is_terminal() {
            return Err(Error::new(format!("{} is not set", enc::PASSPHRASE)));
        }
        keys.passphrase = secret("Passphrase: ")?;
        if secret("Again: ")? != keys.passphrase {
            return Err(Error::new("the two differ"));
        }
        eprintln!("The gateway needs it in {}.", enc::PASSPHRASE);
    }
    let plain = secret("Secret: ")?;
    if keys.make_file()? {
        eprintln!(
            "Made the key file {}; without it nothing can be decrypted.",
            keys.file.display()
        );
    }
    println!("{}", keys.seal(&plain)?);
    Ok(())
}

/// One line typed and not shown, or all that is piped in; blanks around it do not count.
fn secret(prompt: &str) -> Result<String> {
    let stdin = std::io::stdin();
    let mut text = String::new();
    let most = SECRET_FILE_BYTES as u64 + 1;
    if stdin.is_terminal() {
        eprint!("{prompt}");
        let _ = std::io::stderr().flush();
        let _hidden = terminal::Raw::hide();
        stdin.lock().take(most).read_line(&mut text)?;
        eprintln!();
    } else {
        stdin.lock().take(most).read_to_string(&mut text).context("standard input")?;
    }
    match text.trim() {
        "" => Err(Error::new("nothing was entered")),
        text if text.len() > SECRET_FILE_BYTES => {
            Err(Error::new(format!("a secret has at most {SECRET_FILE_BYTES} bytes")))
        }
        text => Ok(text.to_owned()),
    }
}
