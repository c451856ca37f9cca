//! Tests wait for events: time passes by itself only where the time is part of what is tried.

use super::text::{code, has_word, is_test_file, shipped};
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
    ("tests/it/campaign/big.rs", 1),
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
    // A disk whose flushes take long.
    ("tests/it/campaign/recorder.rs", 1),
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

/// Sleeps in tests of src, in the test peer and the measuring programs: file, places, and what they wait for. Steps of a
/// wait for an event that has a limit, unless a line says otherwise. A number may only shrink or go.
const ELSEWHERE: &[(&str, usize, &str)] = &[
    ("src/app/home.rs", 1, "a lock that is held for a part of its time limit"),
    ("src/supervise/tools.rs", 1, "a process that comes"),
    ("src/sys/process/keeper_tests.rs", 2, "a process that comes or goes"),
    ("src/sys/process/spawn_tests.rs", 2, "a disk that hangs for a while"),
    ("src/sys/process/tests.rs", 6, "processes that come or go; a command that runs for a while"),
    ("src/sys/spawn_blocking.rs", 1, "a job that has hung for long enough"),
    ("src/sys/uevent.rs", 1, "the time limit of a test"),
    ("src/sys/wall_timer.rs", 2, "a clock that nobody sets"),
    ("src/tool/exec/tests.rs", 2, "a command that has begun"),
    ("src/tool/hardware/worker.rs", 1, "work that takes its time"),
    ("tests/peer/src/dns.rs", 1, "a name server that is slow on purpose"),
    ("tests/peer/src/drive.rs", 1, "rest between two measurements"),
    ("tests/peer/src/http.rs", 1, "a stream that is slow on purpose"),
    ("tests/peer/src/main.rs", 1, "a program that others end"),
    ("tests/peer/src/peer.rs", 2, "connections that others close"),
    ("tests/peer/tests/bot/mod.rs", 1, "the next update"),
    ("tests/peer/tests/selftest.rs", 3, "answers that come late on purpose"),
    ("tests/rig/src/bench.rs", 4, "rest between two measurements"),
    ("tests/rig/src/daemon.rs", 2, "a process that comes or goes"),
    ("tests/rig/src/demo.rs", 2, "the demo's steps"),
    ("tests/rig/src/memory_growth.rs", 1, "a process that rests"),
    ("tests/rig/src/soak.rs", 2, "the interval of its samples"),
];

/// How many lines of tests let time pass.
fn sleeps(path: &str, source: &str) -> usize {
    let (all, shipped) = (code(source), shipped(source));
    let whole = !path.starts_with("src/") || is_test_file(path);
    let lines = all.lines().zip(shipped.lines());
    lines.filter(|(line, kept)| (whole || kept.trim().is_empty()) && passes_time(line)).count()
}

fn passes_time(line: &str) -> bool {
    ["sleep(", "Timer::", "park_timeout("].iter().any(|call| line.contains(call))
}

#[test]
fn other_tests_sleep_in_known_places_only() {
    let mut complaints = Vec::new();
    let folders = ["src", "tests/peer", "tests/rig"];
    for (path, source) in folders.iter().flat_map(|folder| texts(folder, ".rs")) {
        let count = sleeps(&path, &source);
        let allowed = ELSEWHERE.iter().find(|(name, ..)| *name == path).map_or(0, |(_, n, _)| *n);
        if count > allowed {
            complaints.push(format!("{path}: {count} sleeps in tests, at most {allowed}"));
        }
        if count < allowed {
            complaints.push(format!("{path}: only {count} sleeps are left: say so in ELSEWHERE"));
        }
    }
    none(complaints);
}
