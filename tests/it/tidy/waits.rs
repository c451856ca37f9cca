//! Tests wait for events: time passes by itself only where the time is part of what is tried.

use super::text::{code, has_word};
use super::{none, texts};

/// The one file where something sleeps.
const PAUSES: &str = "tests/it/pause.rs";
/// What lets time pass, or a clock of its own.
const SLEEPS: [&str; 5] = ["sleep", "sleep_until", "park_timeout", "Timer", "timerfd_create"];
/// The functions of [`PAUSES`] that wait for nothing but the time.
const NAMED: [&str; 3] = ["pause::moment(", "pause::slow(", "pause::pages_are_released("];

/// Who comes there, and from how many places; a number may only shrink or go.
const CALLERS: &[(&str, usize)] = &[
    // Kills at any moment.
    ("tests/it/backup.rs", 1),
    ("tests/it/campaign/mod.rs", 1),
    ("tests/it/cron.rs", 1),
    ("tests/it/durability.rs", 1),
    ("tests/it/migrate.rs", 1),
    ("tests/it/skills.rs", 1),
    ("tests/it/steering.rs", 2),
    // One of them; the other is for memory, which goes back by the clock.
    ("tests/it/subagents.rs", 2),
    // Servers that are slow or drip.
    ("tests/it/auth.rs", 1),
    ("tests/it/net_http.rs", 1),
    ("tests/it/scripted_server.rs", 1),
];

#[test]
fn tests_wait_for_events_and_not_for_time() {
    let mut complaints = Vec::new();
    for (path, source) in texts("tests/it", ".rs") {
        if path == PAUSES || path.starts_with("tests/it/tidy/") {
            continue;
        }
        let code = code(&source);
        for (n, line) in code.lines().enumerate() {
            if let Some(word) = SLEEPS.iter().find(|word| has_word(line, word)) {
                complaints.push(format!(
                    "{path}:{}: {word}: wait for the event, or for rest (Daemon::idle)",
                    n + 1
                ));
            }
        }
        let count: usize = NAMED.iter().map(|name| code.matches(name).count()).sum();
        let allowed = CALLERS.iter().find(|(name, _)| *name == path).map_or(0, |(_, n)| *n);
        if count > allowed {
            complaints.push(format!("{path}: {count} pauses, at most {allowed}"));
        }
        if count < allowed {
            complaints.push(format!("{path}: only {count} pauses are left: say so in CALLERS"));
        }
    }
    none(complaints);
}
