//! The exit statuses of the program; `docs/features.md` lists them for scripts.
//!
//! 0 and 1 are [`std::process::ExitCode`]'s `SUCCESS` and `FAILURE`: 1 whenever the command did not do what it was
//! told, a wrong command line included. The others are what a shell reports for the signal (128 and its number).

/// SIGINT: the user stopped `agent -m` before the answer was complete.
pub const INTERRUPTED: u8 = 128 + 2;
/// SIGPIPE: nobody reads standard output any more, as in `picoclaw config keys | head -1`. The command ends without a message.
pub const BROKEN_PIPE: u8 = 128 + 13;
