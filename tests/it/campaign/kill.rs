//! `kill -9` at random moments: nothing lost, no side effect repeated, and no reply told twice but in the one window that
//! nobody can close.
//!
//! That window is between Telegram's acceptance of a reply and our record of it. From outside it is seen as: the first
//! copy was accepted shortly before a kill.

use std::time::Duration;

use super::books::Books;
use super::lane::Lane;
use super::{Orders, number};
use crate::harness::Home;
use crate::harness_daemon::Daemon;

/// Milliseconds within which the kill comes after the last word.
const REACH: u64 = 80;

/// Milliseconds from which on kills are rare enough for a share of repeated replies to mean something: it is the time from
/// acceptance to record divided by the time between two kills.
const SPACED: u64 = 1000;

#[test]
fn nothing_is_lost_at_any_moment() {
    Orders::new(24, 2).run("kill", |orders| Some(kills(orders, 4)));
}

/// Kills; one message in `effects` has a side effect.
pub fn kills(orders: Orders, effects: u64) -> Books {
    let (mut lane, home) = Lane::new(orders.seed);
    let reach = number("PICOCLAW_REACH_MS", REACH).max(1);
    while lane.books.kills < orders.count {
        if lane.random.below(8) == 0 {
            // While it starts: recovery is cut off, too.
            let daemon = Daemon::spawn(&home);
            lane.chatter(1, effects);
            lane.random.pause(30);
            lane.killed(|_| daemon.kill9());
        } else {
            let daemon = Daemon::start(&home, &lane.peer);
            lane.ready();
            lane.chatter(3, effects);
            if lane.random.below(8) == 0 {
                lane.calm(daemon);
                continue;
            }
            lane.random.pause(reach);
            lane.killed(|_| daemon.kill9());
        }
        forget_logs(&home);
    }
    let daemon = Daemon::start(&home, &lane.peer);
    lane.ready();
    lane.settle(&daemon, Duration::from_secs(60));
    if lane.books.lost > 0 {
        lane.complain(daemon.log());
    }
    assert!(daemon.term().success());
    lane.inspect(&home.path(""));
    lane.books.rate = reach >= SPACED;
    lane.books
}

/// What a daemon said before a kill that went well is of no use.
fn forget_logs(home: &Home) {
    for entry in std::fs::read_dir(home.path("")).into_iter().flatten().flatten() {
        if entry.file_name().to_string_lossy().starts_with("stderr-") {
            // It is in our own folder; one that stays does no harm.
            let _ = std::fs::remove_file(entry.path());
        }
    }
}
