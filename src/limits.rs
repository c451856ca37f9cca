//! Every bound of the program, in one place: value, unit, why, and what it costs.
//!
//! A test hits each of them; raise one only with the memory figure in the commit.

use std::time::Duration;

mod auth;
mod blocking;
mod cli;
mod clients;
mod cron;
mod doctor;
#[cfg(feature = "embeddings")]
mod embeddings;
mod hardware;
mod home;
mod journal;
mod media;
mod memory;
mod skill;
mod subagent;

pub use auth::*;
pub use blocking::*;
pub use cli::*;
pub use clients::*;
pub use cron::*;
pub use doctor::*;
#[cfg(feature = "embeddings")]
pub use embeddings::*;
pub use hardware::*;
pub use home::*;
pub use journal::*;
pub use media::*;
pub use memory::*;
pub use skill::*;
pub use subagent::*;

/// Entries in a queue between tasks (messages waiting for a turn, replies waiting for delivery).
/// The seeds use 100, their `smallbuf` build 16. A full queue stops polling: Telegram keeps the rest for 24 h.
pub const QUEUE: usize = if cfg!(feature = "smallbuf") { 16 } else { 100 };
/// Replies in flight to different chats at one time; each may hold a connection.
pub const DELIVERIES: usize = 4;
/// Bytes of one user message that reach the agent; longer ones are refused with an answer. Telegram itself ends at 4096 characters.
pub const MESSAGE_BYTES: usize = 32 * 1024;
/// Bytes of an HTTP response head (status line and headers), request head likewise.
pub const HTTP_HEAD_BYTES: usize = 16 * 1024;
/// Header fields of one response that are parsed.
pub const HTTP_HEADERS: usize = 64;
/// Bytes of a JSON body read from the Bot API (100 updates of at most about 8 kB).
pub const TELEGRAM_BODY_BYTES: usize = 1024 * 1024;
/// Bytes of a model's answer, streamed or not.
pub const MODEL_BODY_BYTES: usize = 2 * 1024 * 1024;
/// Bytes of one request to a model: system prompt, history, tools.
pub const MODEL_REQUEST_BYTES: usize = 1024 * 1024;
/// Bytes of one line of an event stream (SSE).
pub const SSE_LINE_BYTES: usize = 1024 * 1024;
/// Bytes of an error body that are kept for the message.
pub const ERROR_BODY_BYTES: usize = 256;
/// Bytes read from a connection at a time; the buffer lives as long as its response.
pub const HTTP_READ_BYTES: usize = 4096;
/// Bytes of a request written at a time; TLS holds as much again, encrypted.
pub const HTTP_WRITE_BYTES: usize = 4096;
/// Responses before the real one (100, 103) that are skipped.
pub const HTTP_INTERIM: usize = 8;
/// A whole response, however lively, unless the request says otherwise: no server drips for ever.
pub const HTTP_TOTAL: Duration = Duration::from_secs(15 * 60);
/// Idle connections kept, all hosts together; each costs about 10 kB of TLS state.
pub const POOL_CONNECTIONS: usize = 4;
/// How long an idle connection is kept.
pub const POOL_IDLE: Duration = Duration::from_secs(60);
/// TCP and TLS set-up, each address.
pub const CONNECT_TIMEOUT: Duration = Duration::from_secs(15);
/// The same, for an address that is not the last one known: the next may be better (IPv6 that leads nowhere).
pub const CONNECT_NEXT: Duration = Duration::from_secs(5);
/// One lookup of a name, whatever the system's resolver would take.
pub const RESOLVE_TIMEOUT: Duration = Duration::from_secs(20);
/// Names whose addresses are remembered; about 100 bytes each.
pub const RESOLVE_HOSTS: usize = 8;
/// How long they are; after that only when the resolver fails.
pub const RESOLVE_KEEP: Duration = Duration::from_secs(5 * 60);
/// Addresses of one name that are tried.
pub const RESOLVE_ADDRESSES: usize = 4;
/// Bytes of `SSL_CERT_FILE` that are read (a distribution's whole bundle has about 220 kB).
pub const TLS_CERT_FILE_BYTES: u64 = 1024 * 1024;
/// Roots that `SSL_CERT_FILE` may add to the built-in ones; about 500 bytes each.
pub const TLS_EXTRA_ROOTS: usize = 256;
/// Servers whose TLS sessions are remembered.
pub const TLS_SERVERS: usize = 4;
/// Session tickets kept for each; about 1 kB, certificates shared. A ticket opens one connection.
pub const TLS_TICKETS: usize = 2;
/// Silence after which a read is given up, unless the request says otherwise.
pub const IDLE_TIMEOUT: Duration = Duration::from_secs(60);
/// Waiting for the first byte of a model's answer (the seeds' 120 s).
pub const MODEL_FIRST_BYTE: Duration = Duration::from_secs(120);

/// Silence inside a model's answer (upstream's 5 minutes: some think for long between two pieces).
pub const MODEL_IDLE: Duration = Duration::from_secs(300);
/// Bytes of a refusal that are read to tell its class; [`ERROR_BODY_BYTES`] of them are shown.
pub const REFUSAL_BYTES: usize = 2048;
/// Tool calls of one answer that are parsed, about 100 bytes each; an answer with more is malformed.
pub const TOOL_CALLS_PARSED: usize = 64;
/// Longest `Retry-After` that is waited for; a server that asks for more is left for the next model.
pub const RETRY_AFTER: Duration = Duration::from_secs(60);
/// Between two looks at a clock that is not set yet.
pub const CLOCK_POLL: Duration = Duration::from_secs(1);

/// Tool calls of one answer that are looked at; more are refused with a result that says so.
pub const TOOL_CALLS_PER_ANSWER: usize = 16;
/// Read-only calls of one answer that run side by side.
pub const PARALLEL_READS: usize = 4;
/// Bytes of one tool result that reach the model.
pub const TOOL_RESULT_BYTES: usize = 48 * 1024;
/// Bytes of one call's arguments.
pub const TOOL_ARGS_BYTES: usize = 128 * 1024;
/// Identical failing calls in one turn before the call is refused without running.
pub const IDENTICAL_FAILURES: u32 = 2;
/// Bytes of a command's output kept from its head, and as many from its tail.
pub const EXEC_OUTPUT_HALF: usize = 5_000;
/// Bytes of output, both streams together, after which a command is stopped: what is read beyond
/// [`EXEC_OUTPUT_HALF`] is thrown away, so this costs time on the processor, not memory.
pub const EXEC_OUTPUT_READ: u64 = 64 * 1024 * 1024;
/// Bytes of one command line; a longer one belongs in a file.
pub const EXEC_COMMAND_BYTES: usize = 32 * 1024;
/// The longest time a command gets, whatever a call or the configuration asks for.
pub const EXEC_TIMEOUT_MAX: Duration = Duration::from_secs(3600);
/// Between SIGTERM and SIGKILL for a command that ran out of time.
pub const EXEC_TERM_GRACE: Duration = Duration::from_secs(2);
/// How long output of processes that a finished command left behind is still read.
pub const EXEC_PIPE_GRACE: Duration = Duration::from_millis(200);
/// Bytes of the largest file a command may write (RLIMIT_FSIZE): an endless writer fills a card otherwise.
pub const EXEC_FILE_BYTES: u64 = 1024 * 1024 * 1024;
/// How long a question to the user stays open; then it counts as no.
pub const APPROVAL_WAIT: Duration = Duration::from_secs(5 * 60);
/// Characters of a call that are shown with the question; a longer call is refused, since half of it says nothing.
pub const APPROVAL_CHARS: usize = 2500;
/// Questions of one bot that are open at a time; about 100 bytes each. More are not asked.
pub const APPROVALS: usize = 8;
/// Threads that one command may have, above those its user has already (RLIMIT_NPROC): ends a fork bomb where no
/// control group does.
pub const EXEC_PROCESSES: u64 = 256;
/// Commands that the supervisor runs at one time for the daemon, where they have a user of their own.
pub const BROKER_COMMANDS: usize = 8;
/// Bytes of one such command with its environment, as the daemon hands it over; [`EXEC_COMMAND_BYTES`] of it are the command.
pub const BROKER_REQUEST_BYTES: u64 = 128 * 1024;
/// Entries of a workspace that are opened to the commands' user at the daemon's start.
pub const SHARED_ENTRIES: usize = 10_000;
/// Entries of /proc looked at to count them; with more, this limit is left out.
pub const SANDBOX_PROCESSES_SEEN: usize = 8192;
/// Rules of one command's file rules; about 100 bytes of the kernel's each, 4 to 8 us to add. `/etc` of a development has 200.
pub const SANDBOX_RULES: usize = 8192;
/// Of these, entries of one folder that are allowed one by one because something beside them stays hidden; the others
/// stay closed.
pub const SANDBOX_PIECES: usize = 1024;
/// Folders one inside the other that are taken apart around something that stays hidden.
pub const SANDBOX_DEPTH: usize = 16;
/// Longest path, bytes, with its NUL, in a command's call that the daemon answers: PATH_MAX (linux/limits.h).
pub const SANDBOX_PATH_BYTES: usize = 4096;
/// Threads of the daemon that a command's filter knows; it has three.
pub const SANDBOX_THREADS: usize = 32;
/// Rounds of ending what commands left behind, a millisecond each: every killed parent may hand over children.
pub const ORPHAN_ROUNDS: usize = 20;
/// Scripts inside scripts (`sh -c "sh -c …"`) that the exec guard reads; deeper ones are refused.
pub const SHELL_DEPTH: usize = 4;
/// Symbolic links followed while a path is resolved (the kernel's own limit).
pub const PATH_LINKS: usize = 40;
/// Components of a path; each may hold a descriptor open while it is resolved on old kernels.
pub const PATH_COMPONENTS: usize = 64;
/// Bytes that read_file passes over to find a line.
pub const READ_SCAN_BYTES: u64 = 64 * 1024 * 1024;
/// Bytes of a file below which append_file still adds to it.
pub const APPEND_FILE_BYTES: u64 = 64 * 1024 * 1024;
/// Lines of context and change that an answer's diff shows.
pub const DIFF_LINES: usize = 60;
/// Nesting depth of tool arguments that is validated.
pub const SCHEMA_DEPTH: usize = 16;
/// Seconds a command may run unless `tools.exec.timeout_seconds` says otherwise.
pub const EXEC_TIMEOUT: Duration = Duration::from_secs(60);
/// Bytes read_file gives at most in one call.
pub const READ_FILE_BYTES: usize = 64 * 1024;
/// Bytes of a file that edit_file loads.
pub const EDIT_FILE_BYTES: u64 = 1024 * 1024;
/// Entries list_dir names.
pub const LIST_DIR_ENTRIES: usize = 1000;
/// Bytes of a page that web_fetch reads (`tools.web.fetch_limit_bytes` may lower or raise it up to 10 MiB).
pub const WEB_FETCH_BYTES: usize = 512 * 1024;
/// Redirects web_fetch follows (the seeds' 5).
pub const WEB_REDIRECTS: usize = 5;
/// Characters of a page that reach the model unless the call asks for fewer (the seeds' 50,000); [`TOOL_RESULT_BYTES`] holds as well.
pub const WEB_FETCH_CHARS: usize = 50_000;
/// Bytes of a web_fetch answer kept free for what stands around the page's text.
pub const WEB_FETCH_FRAME_BYTES: usize = 2 * 1024;
/// Bytes of a page, at most, whatever the configuration says; pages are converted as they come, so this costs time, not memory.
pub const WEB_FETCH_BYTES_MAX: usize = 10 * 1024 * 1024;
/// One call of web_fetch, redirects and body included (the seeds' 60 s).
pub const WEB_FETCH_TIMEOUT: Duration = Duration::from_secs(60);
/// Bytes of a search engine's answer, held while it is parsed.
pub const WEB_SEARCH_BYTES: usize = 256 * 1024;
/// Results of one search.
pub const WEB_SEARCH_RESULTS: usize = 10;
/// One call of web_search (the seeds' 10 s).
pub const WEB_SEARCH_TIMEOUT: Duration = Duration::from_secs(10);

/// Minutes between two heartbeats at least (behaviour.md 7A).
pub const HEARTBEAT_MIN: u32 = 5;
/// Messages that stay when older ones are summarised.
pub const SUMMARY_KEEP: usize = 4;
/// Summarised messages above which two halves are summarised on their own and then put together.
pub const SUMMARY_HALVES: usize = 10;
/// One summarisation, all its calls.
pub const SUMMARY_TIME: Duration = Duration::from_secs(120);
/// Tokens of a summary asked for.
pub const SUMMARY_TOKENS: u32 = 1024;
/// Bytes of a summary; it is in every prompt of its session.
pub const SUMMARY_BYTES: usize = 8 * 1024;
/// Characters of each message, at least, in a summary that no model wrote.
pub const SUMMARY_EXCERPT: usize = 200;
/// Bytes that a result in the running turn keeps when even that turn alone is too long for the model.
pub const SHORT_RESULT_BYTES: usize = 2 * 1024;
/// Bytes of HEARTBEAT.md that go to the model.
pub const HEARTBEAT_FILE_BYTES: usize = 8 * 1024;
/// Bytes of a session without history (jobs, heartbeat) after which its file starts anew.
pub const FRESH_SESSION_BYTES: u64 = 64 * 1024;
/// Bytes of a zone file; the largest have about 4 kB.
pub const ZONE_FILE_BYTES: u64 = 64 * 1024;
/// A message is set aside when its tries weigh this much. A try that ended in a crash weighs [`CRASH_WEIGHT`], so three
/// are enough; one cut off from outside (a power cut, `kill -9`) weighs 1, so that bad power alone loses no message.
pub const ATTEMPTS: u32 = 9;
/// See [`ATTEMPTS`].
pub const CRASH_WEIGHT: u32 = 3;
/// Bytes of an answer that reach the chat; the rest stays in the session file, and the chat is told.
pub const REPLY_BYTES: usize = 40 * 1024;
/// Seconds between two writes of the chat that wrote last, where several take turns.
pub const LAST_CHAT_SAVE: i64 = 3600;
/// Bytes of session lines kept in memory while the disk refuses them.
pub const UNSAVED_BYTES: usize = 64 * 1024;
/// Bytes of a session's tail that a turn reads.
pub const SESSION_TAIL_BYTES: u64 = 64 * 1024;
/// Messages of a session that a turn reads.
pub const SESSION_MESSAGES: usize = 60;
/// Lines of a session's tail that are parsed beyond [`SESSION_MESSAGES`], in place of broken ones.
pub const SESSION_SPARE_LINES: usize = 8;
/// Bytes of one line of a session file (upstream's 10 MB is more than the board has).
pub const SESSION_LINE_BYTES: usize = 256 * 1024;
/// Bytes of one bootstrap file, MEMORY.md or daily note that go into the prompt.
pub const PROMPT_FILE_BYTES: usize = 16 * 1024;
/// Bytes of the prompt's static part (identity, bootstrap files, skills, memory). It is kept between turns, so this is resident
/// memory; while it is built, as much again and one file.
pub const PROMPT_STATIC_BYTES: usize = 64 * 1024;
/// Daily notes in the prompt: today's and the days before.
pub const PROMPT_NOTE_DAYS: usize = 3;
/// Skills listed in the prompt.
pub const SKILLS: usize = 64;
/// Bytes of the skills' list in the prompt.
pub const SKILLS_LIST_BYTES: usize = 16 * 1024;
/// Bytes of a SKILL.md that are read for its name and description.
pub const SKILL_HEAD_BYTES: usize = 8 * 1024;
/// Folders of one skill root that are looked at.
pub const SKILL_FOLDERS: usize = 256;

/// Bytes of one configuration layer.
pub const CONFIG_BYTES: u64 = 256 * 1024;
/// Nesting depth of configuration and YAML.
pub const CONFIG_DEPTH: usize = 32;
/// Files read from one config.d folder.
pub const CONFIG_FILES: usize = 64;
/// Errors, and as many warnings, that one look at the configuration lists; the rest is counted. A person mends a few at a time.
pub const CONFIG_PROBLEMS: usize = 20;

/// Pairing: characters of a code, its life, tries a sender, tries an hour in all, strangers remembered.
pub const PAIRING_CODE_CHARS: usize = 8;
/// See [`PAIRING_CODE_CHARS`].
pub const PAIRING_LIFE: Duration = Duration::from_secs(15 * 60);
/// See [`PAIRING_CODE_CHARS`].
pub const PAIRING_TRIES_SENDER: u32 = 5;
/// See [`PAIRING_CODE_CHARS`].
pub const PAIRING_TRIES_HOUR: u32 = 20;
/// See [`PAIRING_CODE_CHARS`].
pub const PAIRING_STRANGERS: usize = 64;
/// Users of one bot that paired and are kept for good; about 60 bytes each.
pub const PAIRED_USERS: usize = 256;

/// UTF-16 units of one Telegram message (Bot API, sendMessage).
pub const TELEGRAM_TEXT_UNITS: usize = 4096;
/// Seconds of a long poll (Bot API, getUpdates timeout).
pub const TELEGRAM_POLL_SECS: u64 = 30;
/// Updates asked for in one poll (Bot API allows 100); about 1.5 kB each while they are read.
pub const TELEGRAM_BATCH: u32 = 32;
/// Unreadable answers in a row before the update they seem to be about is skipped.
pub const TELEGRAM_UNREADABLE: u32 = 3;
/// How long sending is paced after a 429.
pub const TELEGRAM_LIMITED_TIME: Duration = Duration::from_secs(60);
/// Pause before updates are asked for again that could not be confirmed (a disk that refuses, no room anywhere).
pub const TELEGRAM_UNCONFIRMED_PAUSE: Duration = Duration::from_millis(100);
/// Silence after which a long poll is given up: the poll and what a slow network takes.
pub const TELEGRAM_POLL_FIRST_BYTE: Duration = Duration::from_secs(TELEGRAM_POLL_SECS + 10);
/// First byte of any other Bot API call.
pub const TELEGRAM_CALL: Duration = Duration::from_secs(30);
/// Bytes of the Bot API's answer to any call but getUpdates (a sent message with its text and entities).
pub const TELEGRAM_ANSWER_BYTES: usize = 64 * 1024;
/// Messages that one reply is split into; what is longer is cut with a note.
pub const TELEGRAM_PARTS: usize = 32;
/// Messages a second and bot (the seeds' 20; the Bot API's FAQ allows about 30).
pub const TELEGRAM_PER_SECOND: u32 = 20;
/// Chats whose last message is remembered, for one message a second each; 16 bytes each.
pub const TELEGRAM_LIMITED_CHATS: usize = 32;
/// Pause of sending and polling that a `retry_after` may ask for at most.
pub const TELEGRAM_RETRY_AFTER: Duration = Duration::from_secs(15 * 60);
/// Silence after which an offset is no longer used: after a week without updates the Bot API numbers them anew
/// (Update, update_id).
pub const TELEGRAM_OFFSET_AGE: Duration = Duration::from_secs(6 * 24 * 3600);
/// Longest pause between two polls that failed.
pub const TELEGRAM_BACKOFF: Duration = Duration::from_secs(60);
/// Pause after a refused token (issue: reported and retried every 5 minutes).
pub const TELEGRAM_TOKEN_RETRY: Duration = Duration::from_secs(5 * 60);
/// Interval of "typing" (a client shows it for 5 s, Bot API sendChatAction) and how long it goes on at most.
pub const TYPING_EVERY: Duration = Duration::from_secs(4);
/// See [`TYPING_EVERY`].
pub const TYPING_FOR: Duration = Duration::from_secs(5 * 60);
/// Age up to which an edited message is handled as a new one (a bot may edit its own messages for 48 h).
pub const EDITED_MESSAGE_AGE: Duration = Duration::from_secs(48 * 3600);
/// UTF-16 units of a quoted message that stand before the reply.
pub const QUOTED_UNITS: usize = 500;

/// Log lines a second before lines are dropped and counted; bursts of twice as many pass.
pub const LOG_LINES_PER_SEC: u32 = 20;
/// Bytes of one log line.
pub const LOG_LINE_BYTES: usize = 1024;
/// Log lines kept in memory for a crash report.
pub const LOG_RING_LINES: usize = 20;

/// Seconds that running turns get to finish on SIGTERM.
pub const SHUTDOWN: Duration = Duration::from_secs(10);

/// Respawn of the daemon: a run of this many seconds forgets earlier failures (procd's threshold).
pub const RESPAWN_THRESHOLD: u64 = 3600;
/// Seconds between an end of the daemon and its next start.
pub const RESPAWN_DELAY: u64 = 5;
/// Ends in a row before the supervisor rests for [`RESPAWN_THRESHOLD`].
pub const RESPAWN_TRIES: u32 = 5;
/// Seconds of fresh heartbeats before the watchdog is opened, and again before its resets are forgotten.
pub const HEALTHY_MINUTE: u64 = 60;
/// The same where three resets kept the watchdog closed.
pub const HEALTHY_DISARMED: u64 = 3600;
/// Watchdog resets in a row after which it is not opened.
pub const WATCHDOG_RESETS: u32 = 3;
/// Seconds without a heartbeat of the daemon's main loop that are forgiven; it sends one each 10 s.
pub const KEEPALIVE_STALE: u64 = 30;
/// Seconds a starting daemon gets for its first heartbeat.
pub const KEEPALIVE_START: u64 = 180;
/// Seconds between two heartbeats of the daemon.
pub const KEEPALIVE_EVERY: u64 = 10;
/// Between two times that pages are given back while turns run; each costs about a hundred page faults, so 1 ms.
pub const RELEASE_PAGES_EVERY: Duration = Duration::from_millis(500);
/// Bytes of one message from the daemon to the supervisor: the text for the boot partition is the longest.
pub const NOTIFY_BYTES: usize = 1024;
/// Crash reports kept.
pub const CRASH_REPORTS: usize = 5;
/// Bytes of a crash report that are read for the owner: the facts in front of its log lines.
pub const CRASH_HEAD_BYTES: u64 = 1024;
/// Time servers asked.
pub const TIME_SERVERS: usize = 8;
/// Waiting for a time server's answer.
pub const TIME_ANSWER: Duration = Duration::from_secs(3);
/// Seconds between tries while no time server has answered: doubled from the first up to the second.
pub const TIME_RETRY: (u64, u64) = (2, 60);
/// Seconds between two questions once the time is known.
pub const TIME_AGAIN: u64 = 3 * 3600;
/// Seconds between two saves of the time: the one idle write an hour.
pub const TIME_SAVE: u64 = 3600;
/// Nanoseconds the clock may be off before it is set.
pub const TIME_STEP: u64 = 500_000_000;
/// Bytes of one file taken from the boot partition.
pub const BOOT_FILE_BYTES: usize = 64 * 1024;
/// Seconds between two writes of the status file on the boot partition.
pub const BOOT_STATUS_EVERY: u64 = 60;
