//! For every N, the Nth write, sync, rename, open, link, truncation, read or memory mapping of a scripted day fails.
//!
//! Here for some seconds and one class, which another day's date changes; `scripts/check/failing-calls` tries every N of every
//! class. `PICOCLAW_CLASS` chooses classes, `PICOCLAW_NTH` one N, `PICOCLAW_SEED` another class and another N to begin with.

mod day;
mod inject;

use std::process::Command;
use std::sync::Mutex;
use std::sync::atomic::{AtomicU64, Ordering};
use std::time::{Duration, Instant, SystemTime};

use serde_json::json;

use crate::skip::{Missing, skip};
use day::{Verdict, live};
use inject::{CLASSES, Class, Injection};

/// The short form begins no other day after that.
const SHORT: Duration = Duration::from_secs(20);

fn variable(name: &str) -> Option<String> {
    std::env::var(name).ok().filter(|value| !value.is_empty())
}

fn number(name: &str) -> Option<u64> {
    variable(name)?.parse().ok()
}

/// Whether calls can be made to fail here.
fn can_inject() -> bool {
    if !rustix::process::geteuid().is_root() {
        skip(Missing::Root);
        return false;
    }
    let injection = Injection::new(&CLASSES[0], &std::env::temp_dir(), 0);
    let mut command = Command::new("true");
    let handover = injection.attach(&mut command);
    let Ok(mut child) = command.spawn() else {
        skip(Missing::UserNotification);
        return false;
    };
    let listener = handover.listen();
    child.wait().expect("a child of ours");
    drop(listener);
    true
}

#[test]
fn every_nth_call_that_fails_is_survived() {
    if !can_inject() {
        return;
    }
    let today = SystemTime::UNIX_EPOCH.elapsed().map_or(0, |t| t.as_secs() / 86_400);
    let seed = number("PICOCLAW_SEED").unwrap_or(today);
    let whole = variable("PICOCLAW_WHOLE").is_some();
    let wanted = variable("PICOCLAW_CLASS");
    let is_wanted = |(n, class): &(usize, &Class)| match &wanted {
        Some(names) => names.split(' ').any(|name| name == class.name),
        None => whole || *n as u64 == seed % CLASSES.len() as u64,
    };
    let mut broken = Vec::new();
    for (_, class) in CLASSES.iter().enumerate().filter(is_wanted) {
        broken.extend(try_class(class, seed, whole));
    }
    assert!(broken.is_empty(), "{}", broken.join("\n\n"));
}

#[test]
fn a_reminder_is_sent_once_although_its_file_cannot_be_replaced() {
    if !can_inject() {
        return;
    }
    let rename = CLASSES.iter().find(|class| class.name == "rename").expect("a class");
    let mut struck = 0;
    // No two days rename in the same order on a busy machine: what one missed the next one strikes.
    for _ in 0..5 {
        for nth in 1.. {
            let verdict = live(rename, nth);
            let Some(hit) = &verdict.hit else { break };
            assert!(verdict.complaints.is_empty(), "{}", broken(rename, nth, &verdict));
            struck += u32::from(hit.starts_with("cron/"));
        }
        if struck >= 2 {
            break;
        }
    }
    assert!(struck >= 2, "{struck}: added and fired");
}

/// Tries the calls of a class, all or as many as there is time for, and returns what was broken.
fn try_class(class: &'static Class, seed: u64, whole: bool) -> Vec<String> {
    let begun = Instant::now();
    let count = live(class, 0).calls;
    // Two days never make the same calls.
    let count = count + count / 20 + 2;
    let only = number("PICOCLAW_NTH");
    let first = if whole { 0 } else { seed.wrapping_mul(7919) % count };
    let tried = AtomicU64::new(0);
    let verdicts = Mutex::new(Vec::new());
    let lane = || loop {
        let n = tried.fetch_add(1, Ordering::SeqCst);
        if n >= only.map_or(count, |_| 1) || !whole && begun.elapsed() > SHORT {
            tried.fetch_sub(1, Ordering::SeqCst);
            return;
        }
        let nth = only.unwrap_or((first + n) % count + 1);
        let verdict = live(class, nth);
        if verdict.hit.is_some() && (!verdict.told || verdict.ended) {
            let what = if verdict.told { "told, and ended" } else { "not told" };
            println!("{} {nth}: {what}: {:?}", class.name, verdict.hit);
        }
        if !verdict.complaints.is_empty() {
            println!("{}", broken(class, nth, &verdict));
        }
        verdicts.lock().expect("verdicts").push((nth, verdict));
    };
    std::thread::scope(|s| {
        for _ in 0..number("PICOCLAW_LANES").unwrap_or(2) {
            s.spawn(lane);
        }
    });
    let verdicts = verdicts.into_inner().expect("verdicts");
    let has = |what: &dyn Fn(&Verdict) -> bool| verdicts.iter().filter(|(_, v)| what(v)).count();
    let line = json!({
        "failing_calls": class.name,
        "seed": seed,
        "calls": count,
        "tried": verdicts.len(),
        "failed": has(&|v| v.hit.is_some()),
        "not_told": has(&|v| v.hit.is_some() && !v.told),
        "ended": has(&|v| v.ended),
        "broken": has(&|v| !v.complaints.is_empty()),
        "seconds": begun.elapsed().as_secs(),
    });
    println!("\n{line}");
    let bad = verdicts.iter().filter(|(_, v)| !v.complaints.is_empty());
    bad.map(|(nth, v)| broken(class, *nth, v)).collect()
}

fn broken(class: &Class, nth: u64, verdict: &Verdict) -> String {
    format!("{} {nth} ({:?}): {}", class.name, verdict.hit, verdict.complaints.join("\n"))
}
