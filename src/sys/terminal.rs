//! What commands print; the controlling terminal in raw mode (termios(3)), given back when dropped.

use std::fmt::{self, Arguments};
use std::io::{self, ErrorKind, Write};

use rustix::termios::{self, OptionalActions, Termios};

use crate::exit_code::BROKEN_PIPE;
use crate::proto::text;

/// Standard output for text: what files, models and servers say commands no terminal ([`text::escape`]), also where
/// another program reads it, and JSON stays the same value.
pub struct TextOutput;

impl Write for TextOutput {
    fn write(&mut self, bytes: &[u8]) -> io::Result<usize> {
        for chunk in bytes.utf8_chunks() {
            let _ = text::write_escaped(chunk.valid(), false, &mut Plain(&mut Output));
            if !chunk.invalid().is_empty() {
                Output.write_all("\u{fffd}".as_bytes())?;
            }
        }
        Ok(bytes.len())
    }

    fn flush(&mut self) -> io::Result<()> {
        Output.flush()
    }
}

/// Text for a writer of bytes.
struct Plain<'a>(&'a mut dyn Write);

impl fmt::Write for Plain<'_> {
    fn write_str(&mut self, text: &str) -> fmt::Result {
        self.0.write_all(text.as_bytes()).map_err(|_| fmt::Error)
    }
}

/// Escapes all that is written.
struct Escaped<'a>(Plain<'a>);

impl fmt::Write for Escaped<'_> {
    fn write_str(&mut self, text: &str) -> fmt::Result {
        text::write_escaped(text, false, &mut self.0)
    }
}

/// Standard output as it is. Writing to it never fails: the process ends instead, quietly where the other end was closed.
pub struct Output;

impl Write for Output {
    fn write(&mut self, bytes: &[u8]) -> io::Result<usize> {
        io::stdout().write_all(bytes).unwrap_or_else(|e| end(&e));
        Ok(bytes.len())
    }

    fn flush(&mut self) -> io::Result<()> {
        io::stdout().flush().unwrap_or_else(|e| end(&e));
        Ok(())
    }
}

fn end(e: &io::Error) -> ! {
    if e.kind() == ErrorKind::BrokenPipe {
        std::process::exit(BROKEN_PIPE.into());
    }
    print_error(format_args!("Error: standard output: {e}\n"));
    std::process::exit(1);
}

/// `print!` in this crate: like [`TextOutput`].
pub fn print(text: Arguments) {
    let _ = fmt::Write::write_fmt(&mut Escaped(Plain(&mut Output)), text);
}

/// `eprint!` in this crate: like [`TextOutput`].
pub fn print_error(text: Arguments) {
    let _ = fmt::Write::write_fmt(&mut Escaped(Plain(&mut io::stderr())), text);
}

/// Writes our own control sequences to standard output.
pub fn control(sequence: &str) {
    let _ = Output.write_all(sequence.as_bytes());
}

/// Writes our own control sequences to standard error.
pub fn control_error(sequence: &str) {
    let _ = io::stderr().write_all(sequence.as_bytes());
}

/// Throws away what was typed and not read yet.
///
/// # Errors
/// Standard input is no terminal.
pub fn flush_input() -> io::Result<()> {
    Ok(termios::tcflush(io::stdin(), termios::QueueSelector::IFlush)?)
}

/// Another mode on standard input, raw for instance.
pub struct TerminalMode(Termios);

impl TerminalMode {
    /// `None` when standard input is no terminal.
    pub fn enter() -> Option<TerminalMode> {
        let before = termios::tcgetattr(io::stdin()).ok()?;
        let mut raw = before.clone();
        raw.make_raw();
        // Output stays as it is: other code prints whole lines meanwhile.
        raw.output_modes = before.output_modes;
        termios::tcsetattr(io::stdin(), OptionalActions::Drain, &raw).ok()?;
        Some(TerminalMode(before))
    }

    /// What is typed is not shown; otherwise lines as usual.
    pub fn hide() -> Option<TerminalMode> {
        let before = termios::tcgetattr(io::stdin()).ok()?;
        let mut hidden = before.clone();
        hidden.local_modes -= termios::LocalModes::ECHO;
        termios::tcsetattr(io::stdin(), OptionalActions::Flush, &hidden).ok()?;
        Some(TerminalMode(before))
    }
}

impl Drop for TerminalMode {
    fn drop(&mut self) {
        // The terminal may be gone; there is nobody to tell.
        let _ = termios::tcsetattr(io::stdin(), OptionalActions::Drain, &self.0);
        let _ = io::stdout().flush();
    }
}
