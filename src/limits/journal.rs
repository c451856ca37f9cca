//! Limits of the journal, and of messages that wait for it.

use std::time::Duration;

use super::QUEUE;

/// Maximum bytes of a journal file before it is compacted, whatever is open: [`JOURNAL_OPEN_BYTES`] and an answer for each
/// running turn. A larger file can still be read.
pub const JOURNAL_BYTES: u64 = 248 * 1024;
/// Usual bytes of a journal file: it is compacted when this is full.
pub const JOURNAL_STEP_BYTES: u64 = 64 * 1024;
/// Bytes of one journal frame: the longest message or answer, and its envelope.
pub const JOURNAL_FRAME_BYTES: usize = 44 * 1024;
/// Bytes of open messages and answers; polling stops until some are finished.
pub const JOURNAL_OPEN_BYTES: usize = 64 * 1024;
/// Bytes of a message whose turn begins again after a restart, with what was said to the turn while it ran.
pub const RESTARTED_BYTES: usize = 32 * 1024;
/// Bytes of a turn's session lines that the journal carries; longer ones are synced in the session file itself.
pub const JOURNAL_LINES_BYTES: usize = 8 * 1024;
/// Bytes of one journal file that a backup copies; the daemon compacts a larger one with its first write.
pub const BACKUP_JOURNAL_BYTES: u64 = 16 * 1024 * 1024;
/// Bytes of one message outside an answer, all its parts together, and of all such messages that wait to be sent, in
/// addition to [`JOURNAL_OPEN_BYTES`]; a tool that exceeds this gets an error.
pub const OUTGOING_BYTES: usize = 64 * 1024;
/// Log lines about a recovery.
pub const RECOVERY_NOTES: usize = 64;
/// Open messages of one chat in memory; further ones wait on the card, so that no chat displaces another.
pub const CHAT_QUEUE: usize = QUEUE / 4;
/// Bytes of these messages.
pub const CHAT_OPEN_BYTES: usize = JOURNAL_OPEN_BYTES / 4;
/// Chats whose messages may wait on the card; about 150 bytes each while they do.
pub const SPILL_CHATS: usize = 64;
/// Bytes of one chat's messages on the card: 60 of the longest that Telegram sends in any script, thousands of usual ones.
/// Further ones are refused, and the chat is told once: left with Telegram, they would keep those of other chats from coming.
pub const SPILL_CHAT_BYTES: u64 = 1024 * 1024;
/// Bytes of all chats' messages on the card.
pub const SPILL_BYTES: u64 = 8 * 1024 * 1024;
/// How long messages wait on the card before their chat is told.
pub const WAITING_NOTICE: Duration = Duration::from_secs(3);
/// Attempts to read a message on the card before its chat's file is set aside, and the pause between two.
pub const SPILL_TRIES: u32 = 3;
/// Pause between two of [`SPILL_TRIES`].
pub const SPILL_PAUSE: Duration = Duration::from_secs(1);
/// How long admission waits for the card, once for each batch and each message that is kept there. A card that takes longer
/// is treated as one that refuses: what came is confirmed later.
pub const DISK_WAIT: Duration = Duration::from_secs(5);
/// Replies to commands that are answered without a turn and not delivered yet, about 1 kB each. Beyond them `/stop` is carried
/// out without a reply, and other commands wait like messages.
pub const COMMAND_REPLIES: usize = 16;
/// Least time between two log lines about the same failure of the spill, which is tried again ten times a second.
pub const SPILL_LOG_PAUSE: Duration = Duration::from_secs(60);
