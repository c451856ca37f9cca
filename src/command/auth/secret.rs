//! Reads a secret from a terminal or a pipe.

use std::io::{BufRead, IsTerminal, Read, Write};

use crate::error::{Context, Error, Result};
use crate::limits::SECRET_FILE_BYTES;
use crate::sys::terminal;

/// One line typed and not shown, or all that is piped in; blanks around it do not count.
pub fn secret(prompt: &str) -> Result<String> {
    let stdin = std::io::stdin();
    let mut text = String::new();
    let most = SECRET_FILE_BYTES as u64 + 1;
    if stdin.is_terminal() {
        eprint!("{prompt}");
        let _ = std::io::stderr().flush();
        let _hidden = terminal::TerminalMode::hide();
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
