//! Every limit of the program, in one place: value, unit, reason, and cost.
//!
//! A test hits each of them; when you raise one, put the memory figure into the commit.

use std::time::Duration;

mod audit;
mod auth;
mod blocking;
mod cli;
mod clients;
mod conversation;
mod cron;
mod doctor;
#[cfg(feature = "embeddings")]
mod embeddings;
mod hardware;
mod home;
#[cfg(feature = "hooks")]
mod hooks;
mod journal;
mod media;
mod memory;
mod skill;
mod subagent;
mod waits;

pub use audit::*;
pub use auth::*;
pub use blocking::*;
pub use cli::*;
pub use clients::*;
pub use conversation::*;
pub use cron::*;
pub use doctor::*;
#[cfg(feature = "embeddings")]
pub use embeddings::*;
pub use hardware::*;
pub use home::*;
#[cfg(feature = "hooks")]
pub use hooks::*;
pub use journal::*;
pub use media::*;
pub use memory::*;
pub use skill::*;
pub use subagent::*;
pub use waits::*;

/// Entries in a queue between tasks (messages waiting for a turn, replies waiting for delivery).
/// The seeds use 100, their `smallbuf` build 16. A full queue stops polling: Telegram keeps the rest for 24 h.
pub const QUEUE: usize = if cfg!(feature = "smallbuf") { 16 } else { 100 };
/// Replies in flight to different chats at one time; each may hold a connection.
pub const DELIVERIES: usize = 4;
/// Bytes of one user message; longer ones are refused with an answer. Telegram's own limit is 4096 characters.
pub const MESSAGE_BYTES: usize = 32 * 1024;
/// Bytes of an HTTP response head (status line and headers), request head likewise.
pub const HTTP_HEAD_BYTES: usize = 16 * 1024;
/// Header fields parsed per response.
pub const HTTP_HEADERS: usize = 64;
/// Bytes of a JSON body read from the Bot API (100 updates of at most about 8 kB).
pub const TELEGRAM_BODY_BYTES: usize = 1024 * 1024;
/// Bytes of a model's answer, streamed or not.
pub const MODEL_BODY_BYTES: usize = 2 * 1024 * 1024;
/// Bytes of one request to a model: system prompt, history, tools.
pub const MODEL_REQUEST_BYTES: usize = 1024 * 1024;
/// Bytes of one line of an event stream (SSE).
pub const SSE_LINE_BYTES: usize = 1024 * 1024;
/// Bytes of an error body that are kept for the error message.
pub const ERROR_BODY_BYTES: usize = 256;
/// Bytes read from a connection at a time; the buffer lives as long as its response.
pub const HTTP_READ_BYTES: usize = 4096;
/// Bytes of a request written at a time; TLS buffers as much again, encrypted.
pub const HTTP_WRITE_BYTES: usize = 4096;
/// Interim responses (100, 103) that are skipped.
pub const HTTP_INTERIM: usize = 8;
/// Time limit for a whole response, unless the request sets another: no server may send slowly forever.
pub const HTTP_TOTAL: Duration = Duration::from_secs(15 * 60);
/// Idle connections in the pool, for all hosts together; each costs about 10 kB of TLS state.
pub const POOL_CONNECTIONS: usize = 4;
/// How long an idle connection is kept.
pub const POOL_IDLE: Duration = Duration::from_secs(60);
/// Timeout of TCP and TLS set-up, per address.
pub const CONNECT_TIMEOUT: Duration = Duration::from_secs(15);
/// The same for an address that is not the last one: the next may work better (unreachable IPv6).
pub const CONNECT_NEXT: Duration = Duration::from_secs(5);
/// Timeout of one DNS lookup, however long the system's resolver would take.
pub const RESOLVE_TIMEOUT: Duration = Duration::from_secs(20);
/// Cached DNS names; about 100 bytes each.
pub const RESOLVE_HOSTS: usize = 8;
/// How long they are cached; after that they are used only if the resolver fails.
pub const RESOLVE_KEEP: Duration = Duration::from_secs(5 * 60);
/// Addresses tried per name.
pub const RESOLVE_ADDRESSES: usize = 4;
/// Bytes of `SSL_CERT_FILE` that are read (a distribution's whole bundle has about 220 kB).
pub const TLS_CERT_FILE_BYTES: u64 = 1024 * 1024;
/// Roots that `SSL_CERT_FILE` may add to the built-in ones; about 500 bytes each.
pub const TLS_EXTRA_ROOTS: usize = 256;
/// Servers whose TLS sessions are cached.
pub const TLS_SERVERS: usize = 4;
/// Session tickets per server; about 1 kB each, certificates shared. A ticket is used for one connection.
pub const TLS_TICKETS: usize = 2;
/// Silence after which a read fails, unless the request sets another time.
pub const IDLE_TIMEOUT: Duration = Duration::from_secs(60);
/// Waiting for the first byte of a model's answer (the seeds' 120 s).
pub const MODEL_FIRST_BYTE: Duration = Duration::from_secs(120);

/// Silence within a model's answer (upstream's 5 minutes: some models think for long between two pieces).
pub const MODEL_IDLE: Duration = Duration::from_secs(300);
/// Bytes of an error body that are read to classify it; [`ERROR_BODY_BYTES`] of them are shown.
pub const REFUSAL_BYTES: usize = 2048;
/// Tool calls of one answer that are parsed, about 100 bytes each; an answer with more is malformed.
pub const TOOL_CALLS_PARSED: usize = 64;
/// Longest `Retry-After` that is honoured; if a server asks for more, the next model is used.
pub const RETRY_AFTER: Duration = Duration::from_secs(60);
/// Interval between checks of a clock that is not set yet.
pub const CLOCK_POLL: Duration = Duration::from_secs(1);

/// Tool calls executed per answer; more are refused with a result that says so.
pub const TOOL_CALLS_PER_ANSWER: usize = 16;
/// Read-only calls of one answer that run concurrently.
pub const PARALLEL_READS: usize = 4;
/// Bytes of one tool result for the model.
pub const TOOL_RESULT_BYTES: usize = 48 * 1024;
/// Bytes of one call's arguments.
pub const TOOL_ARGS_BYTES: usize = 128 * 1024;
/// Identical failing calls in one turn after which the call is refused without running.
pub const IDENTICAL_FAILURES: u32 = 2;
/// Bytes of a command's output kept from its head, and as many from its tail.
pub const EXEC_OUTPUT_HALF: usize = 5_000;
/// Bytes of output, both streams together, after which a command is stopped: output beyond
/// [`EXEC_OUTPUT_HALF`] is discarded, so this costs processor time, not memory.
pub const EXEC_OUTPUT_READ: u64 = 64 * 1024 * 1024;
/// Bytes of one command line; a longer one should be a file.
pub const EXEC_COMMAND_BYTES: usize = 32 * 1024;
/// Maximum run time of a command, whatever a call or the configuration asks for.
pub const EXEC_TIMEOUT_MAX: Duration = Duration::from_secs(3600);
/// Between SIGTERM and SIGKILL for a command that ran out of time.
pub const EXEC_TERM_GRACE: Duration = Duration::from_secs(2);
/// How long to keep reading output of processes that a finished command left behind.
pub const EXEC_PIPE_GRACE: Duration = Duration::from_millis(200);
/// How long a command may take from fork(2) to execve(2) done. The kernel reads the shell from the card, which may hang.
pub const EXEC_START_WAIT: Duration = Duration::from_secs(10);
/// How long the end of a command's processes is waited for, once they are killed.
pub const EXEC_END_WAIT: Duration = Duration::from_secs(1);
/// Rounds, half a millisecond each, of a keeper that ends what a command left behind.
pub const KEEPER_ROUNDS: usize = 10_000;
/// Bytes of the largest file a command may write (RLIMIT_FSIZE): an endless writer would fill the card.
pub const EXEC_FILE_BYTES: u64 = 1024 * 1024 * 1024;
/// How long an approval question stays open; then it counts as no.
pub const APPROVAL_WAIT: Duration = Duration::from_secs(5 * 60);
/// Characters of a call that are shown with the question; a longer call is refused, because half of it would be misleading.
pub const APPROVAL_CHARS: usize = 2500;
/// Addresses that a turn remembers of what it has read, each in two forms of 8 bytes; the model may fetch them without asking.
pub const TURN_ADDRESSES: usize = 1024;
/// Bytes of the record of files that enter prompts, about 60 for each.
pub const PROMPT_FILES_BYTES: u64 = 64 * 1024;
/// Bytes at the beginning, and as many at the end, by which the record above recognises the content of a file.
pub const PROMPT_DIGEST_BYTES: u64 = 256 * 1024;
/// Open questions per bot; about 100 bytes each. More are not asked.
pub const APPROVALS: usize = 8;
/// Threads of one command, in addition to those that its user already has (RLIMIT_NPROC): stops a fork bomb where no
/// control group does.
pub const EXEC_PROCESSES: u64 = 256;
/// Commands that the exec broker runs at the same time, hooks (four at most) among them.
pub const BROKER_COMMANDS: usize = if cfg!(feature = "hooks") { 12 } else { 8 };
/// How long a command's keeper may need to end everything, before the exec broker ends the keeper.
pub const BROKER_KEEPER_END: Duration = Duration::from_secs(8);
/// Bytes of a request to the exec broker: command and environment; the command has at most [`EXEC_COMMAND_BYTES`].
pub const BROKER_REQUEST_BYTES: u64 = 128 * 1024;
/// Entries of a workspace that are shared with the commands' group at the daemon's start.
pub const SHARED_ENTRIES: usize = 10_000;
/// Entries of /proc that are read to count processes; with more, the process limit is not set.
pub const SANDBOX_PROCESSES_SEEN: usize = 8192;
/// Landlock rules of one command; about 100 bytes of kernel memory each, 4 to 8 us to add. `/etc` of a development has 200.
pub const SANDBOX_RULES: usize = 8192;
/// Of these, entries of one folder that are allowed one by one because another entry must stay hidden; entries beyond this
/// are not accessible.
pub const SANDBOX_PIECES: usize = 1024;
/// Nesting depth of folders that are listed entry by entry around a hidden one.
pub const SANDBOX_DEPTH: usize = 16;
/// Calls of a command that the daemon answers before other blocking work gets its turn.
pub const SANDBOX_ANSWERS: usize = 64;
/// Seconds that the daemon has to answer a change of one of its files that a command of another user wishes.
pub const SANDBOX_SHARED_WAIT: i64 = 10;
/// Longest path, bytes, with its NUL, in a command's call that the daemon answers: PATH_MAX (linux/limits.h).
pub const SANDBOX_PATH_BYTES: usize = 4096;
/// Threads of the daemon that a command's seccomp filter can list; it has three.
pub const SANDBOX_THREADS: usize = 32;
/// Rounds of a thread that reaps commands and kills orphaned processes, two seconds in all: every killed parent may orphan
/// children. What is left then hangs in the kernel.
pub const REAPER_ROUNDS: usize = 20;
/// Bytes of each kernel list of IPv6 addresses and routes that are read before web_fetch connects; a line has 150.
pub const ON_LINK_BYTES: u64 = 256 * 1024;
/// Shortest IPv6 prefix, bits, that counts as a network of neighbours.
pub const ON_LINK_PREFIX: u128 = 32;
/// Scripts inside scripts (`sh -c "sh -c …"`) that the exec guard parses; deeper ones are refused.
pub const SHELL_DEPTH: usize = 4;
/// Symbolic links followed while a path is resolved (the kernel's own limit).
pub const PATH_LINKS: usize = 40;
/// Components of a path; on old kernels each may keep a descriptor open during resolution.
pub const PATH_COMPONENTS: usize = 64;
/// Bytes that read_file skips to find a line.
pub const READ_SCAN_BYTES: u64 = 64 * 1024 * 1024;
/// Maximum size of a file that append_file still appends to.
pub const APPEND_FILE_BYTES: u64 = 64 * 1024 * 1024;
/// Lines of context and change that an answer's diff shows.
pub const DIFF_LINES: usize = 60;
/// Maximum nesting depth of tool arguments.
pub const SCHEMA_DEPTH: usize = 16;
/// Seconds a command may run unless `tools.exec.timeout_seconds` says otherwise.
pub const EXEC_TIMEOUT: Duration = Duration::from_secs(60);
/// Maximum bytes that read_file returns per call.
pub const READ_FILE_BYTES: usize = 64 * 1024;
/// Maximum size of a file for edit_file.
pub const EDIT_FILE_BYTES: u64 = 1024 * 1024;
/// Maximum entries that list_dir lists.
pub const LIST_DIR_ENTRIES: usize = 1000;
/// Bytes of a page that web_fetch reads (`tools.web.fetch_limit_bytes` may lower or raise it up to 10 MiB).
pub const WEB_FETCH_BYTES: usize = 512 * 1024;
/// Redirects web_fetch follows (the seeds' 5).
pub const WEB_REDIRECTS: usize = 5;
/// Characters of a page that reach the model unless the call asks for fewer (the seeds' 50,000); [`TOOL_RESULT_BYTES`] holds as well.
pub const WEB_FETCH_CHARS: usize = 50_000;
/// Bytes of a web_fetch answer reserved for the frame around the page's text.
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
/// Bytes of HEARTBEAT.md that go to the model.
pub const HEARTBEAT_FILE_BYTES: usize = 8 * 1024;
/// Bytes of a zone file; the largest have about 4 kB.
pub const ZONE_FILE_BYTES: u64 = 64 * 1024;
/// A message is quarantined when its attempts add up to this. An attempt that crashed counts [`CRASH_WEIGHT`], so three
/// are enough; one interrupted from outside (a power cut, `kill -9`) counts 1, so that unstable power alone loses no message.
pub const ATTEMPTS: u32 = 9;
/// What an attempt that crashed counts, out of [`ATTEMPTS`].
pub const CRASH_WEIGHT: u32 = 3;
/// Bytes of an answer that are sent to the chat; the rest stays in the session file, and the chat is told.
pub const REPLY_BYTES: usize = 40 * 1024;
/// Seconds between two saves of the chat that wrote last, if several chats are active.
pub const LAST_CHAT_SAVE: i64 = 3600;
/// Bytes of one bootstrap file, MEMORY.md or daily note that go into the prompt.
pub const PROMPT_FILE_BYTES: usize = 16 * 1024;
/// Bytes of the prompt's static part (identity, bootstrap files, skills, memory). It is cached between turns, so this is resident
/// memory; building it temporarily needs as much again plus one file.
pub const PROMPT_STATIC_BYTES: usize = 64 * 1024;
/// Daily notes in the prompt: today's and the days before.
pub const PROMPT_NOTE_DAYS: usize = 3;
/// Skills listed in the prompt.
pub const SKILLS: usize = 64;
/// Bytes of the skills' list in the prompt.
pub const SKILLS_LIST_BYTES: usize = 16 * 1024;
/// Bytes of a SKILL.md that are read for name and description.
pub const SKILL_HEAD_BYTES: usize = 8 * 1024;
/// Folders with a SKILL.md per skill root that are read until [`SKILLS`] valid ones are found: 8 MB at most.
pub const SKILL_FOLDERS: usize = 1024;
/// Folders per skill root in which a SKILL.md is looked for, at each turn.
pub const SKILL_SCANNED: usize = 4096;
/// Invalid skills that are reported one by one; the rest is counted.
pub const SKILL_WARNINGS: usize = 16;

/// Bytes of one configuration layer.
pub const CONFIG_BYTES: u64 = 256 * 1024;
/// Nesting depth of configuration and YAML.
pub const CONFIG_DEPTH: usize = 32;
/// Files read from one config.d folder.
pub const CONFIG_FILES: usize = 64;
/// Errors, and as many warnings, that one check of the configuration lists; the rest is counted. A person fixes a few at a time.
pub const CONFIG_PROBLEMS: usize = 20;

/// Pairing: characters of a code, its lifetime, wrong tries per sender and hour, remembered strangers.
pub const PAIRING_CODE_CHARS: usize = 8;
/// Time for which a pairing code is valid.
pub const PAIRING_LIFE: Duration = Duration::from_secs(15 * 60);
/// Wrong codes of one sender in an hour; further ones are not compared.
pub const PAIRING_TRIES_SENDER: u32 = 5;
/// Strangers that are remembered at a time.
pub const PAIRING_STRANGERS: usize = 64;
/// Paired users per bot, stored permanently; about 60 bytes each.
pub const PAIRED_USERS: usize = 256;

/// UTF-16 units of one Telegram message (Bot API, sendMessage).
pub const TELEGRAM_TEXT_UNITS: usize = 4096;
/// Seconds of a long poll (Bot API, getUpdates timeout).
pub const TELEGRAM_POLL_SECS: u64 = 30;
/// Updates requested per poll (Bot API allows 100); about 1.5 kB each while they are parsed.
pub const TELEGRAM_BATCH: u32 = 32;
/// Unreadable answers in a row before the update they seem to be about is skipped.
pub const TELEGRAM_UNREADABLE: u32 = 3;
/// How long sending is rate-limited after a 429.
pub const TELEGRAM_LIMITED_TIME: Duration = Duration::from_secs(60);
/// How long an answer waits for a placeholder that is still being sent.
pub const PLACEHOLDER_WAIT: Duration = Duration::from_secs(5);
/// Updates requested while the oldest ones cannot be confirmed, so that buttons and commands behind them are seen; the most that
/// the Bot API gives.
pub const TELEGRAM_BATCH_UNCONFIRMED: u32 = 100;
/// Pause before unconfirmed updates are requested again (disk failure, no room anywhere).
pub const TELEGRAM_UNCONFIRMED_PAUSE: Duration = Duration::from_millis(100);
/// Silence after which a long poll fails: the poll's duration plus network delay.
pub const TELEGRAM_POLL_FIRST_BYTE: Duration = Duration::from_secs(TELEGRAM_POLL_SECS + 10);
/// Timeout for the first byte of any other Bot API call.
pub const TELEGRAM_CALL: Duration = Duration::from_secs(30);
/// Bytes of the Bot API's answer to any call but getUpdates (a sent message with its text and entities).
pub const TELEGRAM_ANSWER_BYTES: usize = 64 * 1024;
/// Messages that one reply is split into; a longer reply is cut with a note.
pub const TELEGRAM_PARTS: usize = 32;
/// Messages per second and bot (the seeds' 20; the Bot API's FAQ allows about 30).
pub const TELEGRAM_PER_SECOND: u32 = 20;
/// Chats whose last send time is remembered, for one message per second each; 16 bytes each.
pub const TELEGRAM_LIMITED_CHATS: usize = 32;
/// Maximum pause of one chat, and of polling, for a `retry_after`.
pub const TELEGRAM_RETRY_AFTER: Duration = Duration::from_secs(15 * 60);
/// Age after which an offset is no longer used: after a week without updates the Bot API restarts the numbering
/// (Update, update_id).
pub const TELEGRAM_OFFSET_AGE: Duration = Duration::from_secs(6 * 24 * 3600);
/// Longest pause between two polls that failed.
pub const TELEGRAM_BACKOFF: Duration = Duration::from_secs(60);
/// Pause after a refused token (reported and retried every 5 minutes).
pub const TELEGRAM_TOKEN_RETRY: Duration = Duration::from_secs(5 * 60);
/// Interval of "typing" (a client shows it for 5 s, Bot API sendChatAction) and its maximum duration.
pub const TYPING_EVERY: Duration = Duration::from_secs(4);
/// Longest time that "typing" is shown for one turn, in case it hangs.
pub const TYPING_FOR: Duration = Duration::from_secs(5 * 60);
/// Age up to which an edited message is handled as a new one (a bot may edit its own messages for 48 h).
pub const EDITED_MESSAGE_AGE: Duration = Duration::from_secs(48 * 3600);
/// UTF-16 units of a quoted message that are put before the reply.
pub const QUOTED_UNITS: usize = 500;

/// Log lines per second; more are dropped and counted. Bursts of twice as many pass.
pub const LOG_LINES_PER_SEC: u32 = 20;
/// Bytes of one log line.
pub const LOG_LINE_BYTES: usize = 1024;
/// Log lines kept in memory for a crash report.
pub const LOG_RING_LINES: usize = 20;

/// Seconds that running turns get to finish on SIGTERM.
pub const SHUTDOWN: Duration = Duration::from_secs(10);
/// How long replies that are ready get afterwards to be delivered. What is not goes out after the next start.
pub const SHUTDOWN_DELIVERY: Duration = Duration::from_secs(2);
/// How long the disk gets afterwards to take the journal. What it has not taken is done again after the next start.
pub const SHUTDOWN_DISK: Duration = Duration::from_secs(3);
/// When the supervisor kills a daemon that is to stop and still runs: 2 s after all of its own limits, 3 s for hooks included.
/// Less than STOP_SECONDS of `/etc/init.d/S95picoclaw`.
pub const SHUTDOWN_TOTAL: Duration = Duration::from_secs(20);

/// Respawn of the daemon: a run of this many seconds resets the failure count (procd's threshold).
pub const RESPAWN_THRESHOLD: u64 = 3600;
/// Seconds between an exit of the daemon and its restart.
pub const RESPAWN_DELAY: u64 = 5;
/// Consecutive exits before the supervisor waits for [`RESPAWN_THRESHOLD`].
pub const RESPAWN_TRIES: u32 = 5;
/// Seconds of fresh keepalives before the watchdog is opened, and again before its reset count is cleared.
pub const HEALTHY_MINUTE: u64 = 60;
/// The same if three resets kept the watchdog closed.
pub const HEALTHY_DISARMED: u64 = 3600;
/// Consecutive watchdog resets after which it is not opened.
pub const WATCHDOG_RESETS: u32 = 3;
/// Seconds without a keepalive of the daemon's main loop that are tolerated; it sends one every 10 s.
pub const KEEPALIVE_STALE: u64 = 30;
/// Seconds until a starting daemon must send its first keepalive.
pub const KEEPALIVE_START: u64 = 180;
/// Seconds between two keepalives of the daemon.
pub const KEEPALIVE_EVERY: u64 = 10;
/// Interval of returning pages to the kernel while turns run; each time costs about a hundred page faults, 1 ms.
pub const RELEASE_PAGES_EVERY: Duration = Duration::from_millis(500);
/// Bytes of one message from the daemon to the supervisor: the text for the boot partition is the longest.
pub const NOTIFY_BYTES: usize = 1024;
/// Crash reports kept in the home; older ones are removed.
pub const CRASH_REPORTS: usize = 5;
/// Bytes of a crash report that are read for the owner: the facts before its log lines.
pub const CRASH_HEAD_BYTES: u64 = 1024;
/// Maximum number of time servers.
pub const TIME_SERVERS: usize = 8;
/// Timeout of a time server's answer.
pub const TIME_ANSWER: Duration = Duration::from_secs(3);
/// Seconds between tries while no time server has answered: doubled from the first up to the second.
pub const TIME_RETRY: (u64, u64) = (2, 60);
/// Seconds between two queries once the time is known.
pub const TIME_AGAIN: u64 = 3 * 3600;
/// Seconds between two saves of the time: the one idle write an hour.
pub const TIME_SAVE: u64 = 3600;
/// Nanoseconds that the clock may be off before it is set.
pub const TIME_STEP: u64 = 500_000_000;
/// Maximum bytes of a file imported from the boot partition.
pub const BOOT_FILE_BYTES: usize = 64 * 1024;
/// Seconds between two writes of the status file on the boot partition.
pub const BOOT_STATUS_EVERY: u64 = 60;
/// Settings without a use that one warning names after the first; a Go home has some thirty.
pub const UNUSED_KEYS_NAMED: usize = 40;
