//! How much of a conversation is read, sent and summarised. What is sent is bounded by the model's window; these bound the
//! memory that it takes.

use std::time::Duration;

/// Bytes of a session file read at a time, from its end towards its beginning.
pub const SESSION_READ_BYTES: usize = 16 * 1024;
/// Bytes of one line of a session file (upstream's 10 MB is more than the board has). One line at a time is in memory.
pub const SESSION_LINE_BYTES: usize = 256 * 1024;
/// Bytes of a session's `meta.json`.
pub const SESSION_META_BYTES: u64 = 64 * 1024;
/// Bytes of a v0 session, which is read whole, once.
pub const SESSION_V0_BYTES: u64 = 1024 * 1024;
/// Bytes of the latest messages of earlier turns, as the file has them, that a turn holds in memory; those before them are read
/// from the card each time a request is sent.
pub const HISTORY_BYTES: usize = 32 * 1024;
/// Messages of earlier turns that a request can hold, 40 bytes of memory each while a turn runs.
pub const HISTORY_MESSAGES: usize = 4096;
/// Bytes of one session's lines kept in memory while the disk refuses them.
pub const UNSAVED_BYTES: usize = 64 * 1024;
/// The same for all sessions together: the journal holds them beside what is open, with room to grow.
pub const UNSAVED_ALL_BYTES: usize = 128 * 1024;
/// Sessions whose files cannot be written that `status` names.
pub const FAILING_SESSIONS_SHOWN: usize = 8;
/// Bytes that the result of a tool keeps where there is no room for all of it: its head and its tail.
pub const SHORT_RESULT_BYTES: usize = 2 * 1024;
/// Bytes of a session without history (jobs, heartbeat) after which its file starts anew.
pub const FRESH_SESSION_BYTES: u64 = 64 * 1024;

/// Messages that stay, at least, when older ones are summarised.
pub const SUMMARY_KEEP: usize = 4;
/// Percent of what a conversation may have that stays word for word when it is summarised because of its tokens.
pub const SUMMARY_KEEP_PERCENT: usize = 25;
/// Percent of a request's room after which a conversation is summarised, before anything has to be left out of it.
pub const SUMMARY_ROOM_PERCENT: usize = 90;
/// Bytes of a conversation in one question for a summary; a longer one is summarised part by part. The question is in memory
/// twice while it is sent.
pub const SUMMARY_PART_BYTES: usize = 48 * 1024;
/// Bytes of a tool's result, and of a call's arguments, in such a question.
pub const SUMMARY_RESULT_BYTES: usize = 512;
/// One question for a summary, all its tries.
pub const SUMMARY_TIME: Duration = Duration::from_secs(120);
/// Tokens of a summary asked for.
pub const SUMMARY_TOKENS: u32 = 1024;
/// Bytes of a summary; it is in every prompt of its session.
pub const SUMMARY_BYTES: usize = 8 * 1024;
/// Characters of each message, at least, in a summary that no model wrote.
pub const SUMMARY_EXCERPT: usize = 200;
/// Bytes of what a server wants back with a call (`extra_content`); signatures have up to a few thousand.
pub const CALL_EXTRA_BYTES: usize = 16 * 1024;
/// Choices of an answer; only the first is used.
pub const ANSWER_CHOICES: usize = 16;
/// Changed requests after refusals of one: each refusal names one thing that the server does not take.
pub const REFUSALS_LEARNED: usize = 4;
/// Characters of a sender's name, who chose it, in the prompt and before the words of a group.
pub const SENDER_NAME_CHARS: usize = 64;
