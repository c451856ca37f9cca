//! The log: one line an event, to standard error or syslog, rate-limited, with secrets redacted.
//!
//! A subscriber of our own: tracing-subscriber's `fmt` costs 98 kB of binary (DEPENDENCIES.md).

use std::fmt::{self, Write as _};
use std::io::Write as _;
use std::os::unix::net::UnixDatagram;
use std::sync::atomic::{AtomicU8, Ordering};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::{Instant, SystemTime, UNIX_EPOCH};

use tracing::field::{Field, Visit};
use tracing::span::{Attributes, Id, Record};
use tracing::{Event, Level, Metadata, Subscriber};

use crate::config::{SHORT_SECRET, secret, with_encodings};
use crate::limits::{AUTH_SECRETS, LOG_LINE_BYTES, LOG_LINES_PER_SEC};
use crate::proto::date;
use crate::proto::text::floor_char;

/// The destination of log lines.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum LogTarget {
    /// Standard error, with time and level.
    Stderr,
    /// `/dev/log` (RFC 3164 framing as BusyBox and rsyslog read it); standard error when there is none.
    Syslog,
}

/// The current level as a number; lines at or below it are written.
static LEVEL: AtomicU8 = AtomicU8::new(3);
static STATE: Mutex<State> = Mutex::new(State::new());

struct State {
    target: LogTarget,
    socket: Option<UnixDatagram>,
    /// Secrets to redact, those of the configuration first.
    secrets: Option<Arc<[String]>>,
    configured: usize,
    /// Tokens of the rate limit: lines that may be written now.
    tokens: u32,
    since: Option<Instant>,
    dropped: u64,
}

impl State {
    const fn new() -> State {
        State {
            target: LogTarget::Stderr,
            socket: None,
            secrets: None,
            configured: 0,
            tokens: 2 * LOG_LINES_PER_SEC,
            since: None,
            dropped: 0,
        }
    }

    /// Takes one token; refills [`LOG_LINES_PER_SEC`] a second up to twice as many.
    fn admits(&mut self, now: Instant) -> bool {
        let since = *self.since.get_or_insert(now);
        let seconds = now.saturating_duration_since(since).as_secs();
        if seconds > 0 {
            self.since = Some(now);
            let refill = u64::from(LOG_LINES_PER_SEC).saturating_mul(seconds);
            self.tokens =
                (u64::from(self.tokens) + refill).min(2 * u64::from(LOG_LINES_PER_SEC)) as u32;
        }
        match self.tokens.checked_sub(1) {
            Some(rest) => {
                self.tokens = rest;
                true
            }
            None => {
                self.dropped += 1;
                false
            }
        }
    }

    fn write(&mut self, level: Level, line: &str) {
        let line = redacted(line, self.secrets.as_deref().unwrap_or_default());
        if self.target == LogTarget::Syslog {
            if self.socket.is_none() {
                self.socket =
                    UnixDatagram::unbound().and_then(|s| s.connect("/dev/log").map(|()| s)).ok();
            }
            // Facility daemon (3); severities of RFC 5424.
            let severity = match level {
                Level::ERROR => 3,
                Level::WARN => 4,
                Level::INFO => 6,
                _ => 7,
            };
            let message = format!("<{}>picoclaw[{}]: {line}", 3 * 8 + severity, std::process::id());
            match self.socket.as_ref().map(|s| s.send(message.as_bytes())) {
                Some(Ok(_)) => return,
                // The syslog daemon restarted or is not there: the line still goes somewhere.
                _ => self.socket = None,
            }
        }
        let stamp = SystemTime::now().duration_since(UNIX_EPOCH).map_or(0, |d| d.as_secs() as i64);
        let text = format!("{} {level:5} {line}\n", date::rfc3339(stamp));
        // Nowhere is left to report that standard error is gone.
        let _ = std::io::stderr().write_all(text.as_bytes());
    }
}

/// Redacts secrets, then truncates: the other order could leave half a secret.
fn redacted(line: &str, secrets: &[String]) -> String {
    let mut text = secret::redact(line, secrets, 1).into_owned();
    if text.len() > LOG_LINE_BYTES {
        text.truncate(floor_char(&text, LOG_LINE_BYTES));
        text.push('…');
    }
    text
}

fn state() -> MutexGuard<'static, State> {
    STATE.lock().unwrap_or_else(PoisonError::into_inner)
}

/// Starts logging; later calls change target and level only.
pub fn start(target: LogTarget, level: &str) {
    set_level(level);
    state().target = target;
    // The second call of a process finds a subscriber in place, which is this same one.
    let _ = tracing::subscriber::set_global_default(LogSubscriber);
}

/// `debug`, `info`, `warn`, `error`, `fatal` in any case, `warning` too; anything else leaves it at `info`.
pub fn set_level(level: &str) {
    LEVEL.store(parse_level(level).unwrap_or(3), Ordering::Relaxed);
    tracing::callsite::rebuild_interest_cache();
}

/// 0 nothing but fatal, 1 error, 2 warn, 3 info, 4 debug.
pub fn parse_level(level: &str) -> Option<u8> {
    let level = level.trim().to_ascii_lowercase();
    Some(match level.as_str() {
        "fatal" => 0,
        "error" => 1,
        "warn" | "warning" => 2,
        "info" => 3,
        "debug" | "trace" => 4,
        _ => return None,
    })
}

/// Sets the values that are redacted from every line from now on, replacing previous ones.
pub fn set_secrets(secrets: Vec<String>) {
    let mut state = state();
    state.configured = secrets.len();
    state.secrets = Some(secrets.into());
}

/// Adds one secret in all its encodings: a token obtained at run time. The last [`AUTH_SECRETS`] such forms are kept.
pub fn add_secret(value: &str) {
    let mut state = state();
    let all = state.secrets.as_deref().unwrap_or_default();
    if value.len() <= SHORT_SECRET || all.iter().any(|s| s == value) {
        return;
    }
    let new = with_encodings(vec![value.to_owned()]);
    let (configured, old) = all.split_at(state.configured);
    let old = &old[(old.len() + new.len()).saturating_sub(AUTH_SECRETS).min(old.len())..];
    state.secrets = Some([configured, old, &new].concat().into());
}

/// All values that are currently redacted.
pub fn secrets() -> Arc<[String]> {
    state().secrets.clone().unwrap_or_default()
}

fn number(level: &Level) -> u8 {
    match *level {
        Level::ERROR => 1,
        Level::WARN => 2,
        Level::INFO => 3,
        _ => 4,
    }
}

/// Logs one event of `module` (`module_path!()`). For the macros below: tracing's own macros cost 300 bytes of metadata and
/// as much code per event; here each level has one call site.
pub fn event(level: u8, module: &'static str, message: fmt::Arguments<'_>) {
    match level {
        1 => tracing::error!(module, "{message}"),
        2 => tracing::warn!(module, "{message}"),
        3 => tracing::info!(module, "{message}"),
        _ => tracing::debug!(module, "{message}"),
    }
}

macro_rules! log_error {
    ($($message:tt)+) => { $crate::log::event(1, module_path!(), format_args!($($message)+)) };
}
macro_rules! log_warn {
    ($($message:tt)+) => { $crate::log::event(2, module_path!(), format_args!($($message)+)) };
}
macro_rules! log_info {
    ($($message:tt)+) => { $crate::log::event(3, module_path!(), format_args!($($message)+)) };
}
macro_rules! log_debug {
    ($($message:tt)+) => { $crate::log::event(4, module_path!(), format_args!($($message)+)) };
}
pub(crate) use {log_debug as debug, log_error as error, log_info as info, log_warn as warn};

struct LogSubscriber;

impl Subscriber for LogSubscriber {
    fn enabled(&self, metadata: &Metadata<'_>) -> bool {
        // Other crates' events (rustls has hundreds) are not printed.
        metadata.target().starts_with("picoclaw")
            && number(metadata.level()) <= LEVEL.load(Ordering::Relaxed)
    }

    fn event(&self, event: &Event<'_>) {
        let mut line = Line { text: String::with_capacity(120), named: false };
        event.record(&mut line);
        if !line.named {
            line.name(event.metadata().target());
        }
        let mut text = line.text;
        // A log line is one line whatever a server put into it.
        text.retain(|c| c == '\t' || !c.is_control());
        let mut state = state();
        if !state.admits(Instant::now()) {
            return;
        }
        if state.dropped > 0 {
            let dropped = std::mem::take(&mut state.dropped);
            state.write(
                Level::WARN,
                &format!("log: {dropped} lines dropped, more than {LOG_LINES_PER_SEC} a second"),
            );
        }
        state.write(*event.metadata().level(), &text);
    }

    fn new_span(&self, _: &Attributes<'_>) -> Id {
        // No spans are used; a constant id is allowed and costs nothing.
        Id::from_u64(1)
    }
    fn record(&self, _: &Id, _: &Record<'_>) {}
    fn record_follows_from(&self, _: &Id, _: &Id) {}
    fn enter(&self, _: &Id) {}
    fn exit(&self, _: &Id) {}
}

/// Formats an event: the first part of `module`, `message`, then `name=value` for the other fields.
struct Line {
    text: String,
    named: bool,
}

impl Line {
    fn name(&mut self, module: &str) {
        let module = module.trim_start_matches("picoclaw::").split("::").next();
        self.text.insert_str(0, ": ");
        self.text.insert_str(0, module.unwrap_or("picoclaw"));
        self.named = true;
    }
}

impl Visit for Line {
    fn record_str(&mut self, field: &Field, value: &str) {
        match field.name() {
            "module" => self.name(value),
            _ => self.record_debug(field, &value),
        }
    }

    // No event of ours has one; tracing's own would bring the printing of floats and of 128 bits, 10 kB of the program.
    fn record_f64(&mut self, field: &Field, value: f64) {
        self.record_i64(field, value as i64);
    }

    fn record_i128(&mut self, field: &Field, value: i128) {
        self.record_i64(field, value as i64);
    }

    fn record_u128(&mut self, field: &Field, value: u128) {
        self.record_u64(field, value as u64);
    }

    fn record_debug(&mut self, field: &Field, value: &dyn fmt::Debug) {
        let _ = match field.name() {
            "message" => write!(self.text, "{value:?}"),
            name => write!(self.text, " {name}={value:?}"),
        };
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::time::Duration;

    #[test]
    fn level_names_of_upstream_are_understood() {
        for (name, level) in
            [("debug", 4), ("Warning", 2), ("WARN", 2), (" info ", 3), ("fatal", 0)]
        {
            assert_eq!(parse_level(name), Some(level), "{name}");
        }
        assert_eq!(parse_level("loud"), None);
    }

    #[test]
    fn lines_are_cut_behind_their_secrets() {
        let secrets = ["k-0123456789".to_owned()];
        assert_eq!(redacted("a k-0123456789 b", &secrets), "a [FILTERED] b");
        for at in LOG_LINE_BYTES - 20..LOG_LINE_BYTES + 2 {
            let line = redacted(&("ä".repeat(at / 2) + "k-0123456789 and more"), &secrets);
            assert!(!line.contains("k-0") && line.len() <= LOG_LINE_BYTES + 3, "{at}: {line}");
        }
    }

    #[test]
    fn a_flood_is_cut_and_counted_and_quiet_refills() {
        let mut state = State::new();
        let start = Instant::now();
        let admitted = (0..1000).filter(|_| state.admits(start)).count();
        assert_eq!(admitted, 2 * LOG_LINES_PER_SEC as usize);
        assert_eq!(state.dropped, 1000 - admitted as u64);
        assert!(state.admits(start + Duration::from_secs(1)));
        let later = start + Duration::from_secs(100);
        let admitted = (0..1000).filter(|_| state.admits(later)).count();
        assert_eq!(admitted, 2 * LOG_LINES_PER_SEC as usize);
    }
}
