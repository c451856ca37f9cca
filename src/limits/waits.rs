//! Pauses and time limits of small steps.

use std::time::Duration;

use super::QUEUE;

/// Time for one exchange with a client of the health server; a probe asks at once.
pub const HEALTH_WAIT: Duration = Duration::from_secs(5);
/// Bytes of a request's head there; those of probes and of web sockets have less than 1 kB.
pub const HEALTH_HEAD_BYTES: usize = 4096;
/// How long a server's answer is awaited that hung up before it had read a whole request (RFC 9112, section 9.5).
pub const REFUSED_REQUEST_WAIT: Duration = Duration::from_secs(1);
/// How long the end of a model's body is awaited once its answer is complete: then the connection can be used again.
pub const BODY_END_WAIT: Duration = Duration::from_millis(50);
/// How often the clock is looked at where the kernel gives no timer that notices when it is set.
pub const CLOCK_LOOK: Duration = Duration::from_secs(30);
/// How often memory is asked for that the kernel does not have.
pub const HEAP_TRIES: usize = 5;
/// Pause between two of these.
pub const HEAP_PAUSE: Duration = Duration::from_millis(20);
/// Pauses before a task that has ended is started again: doubled from the first to the last.
pub const TASK_PAUSES: (Duration, Duration) = (Duration::from_secs(1), Duration::from_secs(300));
/// A task that ran for longer is started again after the first of [`TASK_PAUSES`].
pub const TASK_HEALTHY: Duration = Duration::from_secs(3600);
/// Least time between a start and the first heartbeat: what else begins with the daemon comes first.
pub const HEARTBEAT_FIRST: Duration = Duration::from_secs(1);
/// Pause after a channel's "too many requests" that does not say how long.
pub const RATE_LIMIT_PAUSE: Duration = Duration::from_secs(1);
/// Least pause before a question is sent again.
pub const QUESTION_PAUSE: Duration = Duration::from_millis(100);
/// First pause after a failed poll of Telegram; it doubles.
pub const TELEGRAM_FIRST_PAUSE: Duration = Duration::from_millis(500);
/// First pause after a 409: the other program's poll may last longer than ours.
pub const TELEGRAM_CONFLICT_PAUSE: Duration = Duration::from_secs(5);
/// Pause between polls of Telegram while the clock is wrong.
pub const TELEGRAM_CLOCK_PAUSE: Duration = Duration::from_secs(5);
/// Pause between two attempts to take a lock that another process has.
pub const LOCK_PAUSE: Duration = Duration::from_millis(20);
/// The same for the lock under which a token is renewed: that takes a request.
pub const AUTH_LOCK_PAUSE: Duration = Duration::from_millis(200);
/// Pause before a backup looks again at files that the gateway was writing.
pub const BACKUP_PAUSE: Duration = Duration::from_millis(20);
/// How long a new USB device may take until its interfaces have folders.
pub const USB_SETTLE: Duration = Duration::from_millis(500);
/// Ends of jobs that the scheduler has not recorded yet, about 60 bytes each; it records them between two firings. Beyond
/// them a job's end is in the log only: a card that takes nothing holds the scheduler up, not the turns.
pub const JOB_ENDS: usize = QUEUE;
/// Bytes of a session's file that a restart reads to find the lines that the journal has.
pub const REPAIR_BYTES: u64 = 4 * 1024 * 1024;
/// Pause of the supervisor when the system cannot wait for it: out of memory or descriptors.
pub const SUPERVISOR_PAUSE: Duration = Duration::from_secs(1);
/// Chats paused by a 429 at one time from which all are.
pub const TELEGRAM_PAUSED_CHATS: usize = 3;
/// Maximum pause of all chats after a 429.
pub const TELEGRAM_PAUSE_ALL: Duration = Duration::from_secs(60);
/// How long a server may make a delivery wait in its place; for a longer pause it gives the place to other chats' replies.
pub const DELIVERY_WAIT: Duration = Duration::from_secs(5);
/// Milliseconds before a reply is sent again, doubled after each attempt.
pub const SEND_RETRY_MS: u64 = 500;
/// Maximum of that pause.
pub const SEND_RETRY_MOST_MS: u64 = 60_000;
/// How often the pause between two of the [`REAPER_ROUNDS`](super::REAPER_ROUNDS), 1 ms at first, is doubled: to 128 ms.
pub const REAPER_DOUBLINGS: usize = 7;
/// How long a whole answer of a model may take from its head on, whatever arrives.
pub const MODEL_ANSWER: Duration = Duration::from_secs(900);
