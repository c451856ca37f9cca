//! Limits of hooks: processes of the owner that see and judge what the assistant does. None of it is used without a hook.

use std::time::Duration;

/// Hooks that are used at a time; each is a resident process, and one of the exec broker's [`super::BROKER_COMMANDS`].
pub const HOOK_PROCESSES: usize = 4;
/// Bytes of one line to or from a hook, as in the Go original. A longer one to a hook is not sent; a hook that writes a longer
/// one is ended. Held while it is read or sent.
pub const HOOK_LINE_BYTES: usize = 1024 * 1024;
/// Lines that wait until a hook reads them; further events are left out, and further questions are not asked.
pub const HOOK_QUEUE: usize = 64;
/// Bytes of those lines.
pub const HOOK_QUEUE_BYTES: usize = 2 * HOOK_LINE_BYTES;
/// The longest deadline of a question to a hook, in milliseconds, whatever `hooks.defaults` says.
pub const HOOK_TIMEOUT_MAX: i64 = 600_000;
/// How long a hook may take to answer the handshake after its start (Python on a slow board: 3 s).
pub const HOOK_HELLO: Duration = Duration::from_secs(10);
/// How long a hook may take to end after its input was closed.
pub const HOOK_CLOSE: Duration = Duration::from_secs(2);
/// The same for all of them together, killing those that do not included.
pub const HOOKS_CLOSE: Duration = Duration::from_secs(3);
/// Pauses before a hook that has ended is started again: doubled from the first to the last.
pub const HOOK_PAUSES: (Duration, Duration) = (Duration::from_secs(1), Duration::from_secs(60));
/// A hook that ran this long is started again after the first of [`HOOK_PAUSES`].
pub const HOOK_HEALTHY: Duration = Duration::from_secs(600);
/// Questions in a row that a hook leaves unanswered before it is started again.
pub const HOOK_LATE: u32 = 3;
/// Lines in a row that answer nothing before a hook is started again.
pub const HOOK_STRAY_LINES: u32 = 100;
/// Lines of a hook's standard error that are logged in [`HOOK_LOG_TIME`]; the rest is dropped.
pub const HOOK_LOG_LINES: u32 = 20;
/// See [`HOOK_LOG_LINES`].
pub const HOOK_LOG_TIME: Duration = Duration::from_secs(60);
/// Characters of such a line, and of a hook's reason.
pub const HOOK_TEXT_CHARS: usize = 500;
