//! Limits of command lines that are attached to the daemon.

use std::time::Duration;

/// Command lines (`picoclaw agent`) at one time; each costs a socket, its buffers below and two small tasks.
pub const CLI_CLIENTS: usize = 4;
/// Bytes of one packet's text, either way: a message that is too long still gets its answer.
pub const CLI_PACKET_BYTES: usize = 40 * 1024;
/// Bytes of one part of an answer: fits into a journal frame with room to spare.
pub const CLI_PART_BYTES: usize = 16 * 1024;
/// Unread bytes per command line, in addition to the socket's own buffer; a client with more is
/// disconnected.
pub const CLI_UNREAD_BYTES: usize = 64 * 1024;
/// How long one write to a command line may take before it is disconnected, and how long its first packet may take.
pub const CLI_PATIENCE: Duration = Duration::from_secs(10);
/// Bytes of a session key.
pub const CLI_SESSION_BYTES: usize = 128;
/// Lines of command-line history kept (the seeds' 100).
pub const CLI_HISTORY: usize = 100;
/// Maximum bytes of the history file; a longer one is restarted.
pub const CLI_HISTORY_BYTES: u64 = 1024 * 1024;
/// Bytes of a request on the control socket.
pub const CONTROL_REQUEST_BYTES: u64 = 32 * 1024;
/// Bytes of the answer to one.
pub const CONTROL_ANSWER_BYTES: u64 = 64 * 1024;
/// How long a request on the control socket may take the daemon; for whoever asks, connecting, each read and each write.
pub const CONTROL_WAIT: Duration = Duration::from_secs(10);
