//! The controlling terminal in raw mode (termios(3)), given back when dropped.

use std::io::Write;

use rustix::termios::{self, OptionalActions, Termios};

/// Throws away what was typed and not read yet.
///
/// # Errors
/// Standard input is no terminal.
pub fn forget_input() -> std::io::Result<()> {
    Ok(termios::tcflush(std::io::stdin(), termios::QueueSelector::IFlush)?)
}

/// Another mode on standard input, raw for instance.
pub struct Raw(Termios);

impl Raw {
    /// `None` when standard input is no terminal.
    pub fn enter() -> Option<Raw> {
        let before = termios::tcgetattr(std::io::stdin()).ok()?;
        let mut raw = before.clone();
        raw.make_raw();
        // Output stays as it is: other code prints whole lines meanwhile.
        raw.output_modes = before.output_modes;
        termios::tcsetattr(std::io::stdin(), OptionalActions::Drain, &raw).ok()?;
        Some(Raw(before))
    }

    /// What is typed is not shown; otherwise lines as usual.
    pub fn hide() -> Option<Raw> {
        let before = termios::tcgetattr(std::io::stdin()).ok()?;
        let mut hidden = before.clone();
        hidden.local_modes -= termios::LocalModes::ECHO;
        termios::tcsetattr(std::io::stdin(), OptionalActions::Flush, &hidden).ok()?;
        Some(Raw(before))
    }
}

impl Drop for Raw {
    fn drop(&mut self) {
        // The terminal may be gone; there is nobody to tell.
        let _ = termios::tcsetattr(std::io::stdin(), OptionalActions::Drain, &self.0);
        let _ = std::io::stdout().flush();
    }
}
