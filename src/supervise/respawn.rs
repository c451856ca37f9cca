//! When to start the daemon again: procd's three numbers (threshold, delay, tries), as a pure state machine.
//!
//! Times are seconds of a monotonic clock, given by the caller. Never gives up for good: after the tries it rests for
//! the threshold and tries once more, for a board that nobody can reach.

use crate::limits::{RESPAWN_DELAY, RESPAWN_THRESHOLD, RESPAWN_TRIES};

/// The three numbers.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Policy {
    /// A run of at least this many seconds forgets the earlier failures.
    pub threshold: u64,
    /// Seconds between an end and the next start.
    pub delay: u64,
    /// Ends in a row before a rest of `threshold` seconds.
    pub tries: u32,
}

impl Default for Policy {
    fn default() -> Policy {
        Policy { threshold: RESPAWN_THRESHOLD, delay: RESPAWN_DELAY, tries: RESPAWN_TRIES }
    }
}

/// What the supervisor knows about past runs.
#[derive(Debug)]
pub struct Respawn {
    policy: Policy,
    started: u64,
    failures: u32,
}

/// When to start next.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct NextStart {
    /// At this second.
    pub at: u64,
    /// The tries are used up; this is the long rest.
    pub rest: bool,
}

impl Respawn {
    /// Nothing started yet.
    pub fn new(policy: Policy) -> Respawn {
        Respawn { policy, started: 0, failures: 0 }
    }

    /// The daemon was started.
    pub fn started(&mut self, now: u64) {
        self.started = now;
    }

    /// The daemon ended, or could not be started.
    pub fn next_start(&mut self, now: u64) -> NextStart {
        if now.saturating_sub(self.started) >= self.policy.threshold {
            self.failures = 0;
        }
        self.failures += 1;
        let rest = self.failures > self.policy.tries;
        let wait =
            if rest { self.policy.threshold.max(self.policy.delay) } else { self.policy.delay };
        NextStart { at: now.saturating_add(wait), rest }
    }

    /// A person asked for it (reload): the tries start anew.
    pub fn reset(&mut self) {
        self.failures = 0;
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[track_caller]
    fn check(runs: &[u64], want: &[(u64, bool)]) {
        let mut respawn = Respawn::new(Policy { threshold: 3600, delay: 5, tries: 5 });
        let mut now = 0;
        for (run, (wait, rest)) in runs.iter().zip(want) {
            respawn.started(now);
            now += run;
            let next = respawn.next_start(now);
            assert_eq!((next.at - now, next.rest), (*wait, *rest), "after a run of {run} s");
            now = next.at;
        }
    }

    #[test]
    fn five_tries_then_a_rest_then_one_try_each() {
        check(
            &[1; 8],
            &[
                (5, false),
                (5, false),
                (5, false),
                (5, false),
                (5, false),
                (3600, true),
                (3600, true),
                (3600, true),
            ],
        );
    }

    #[test]
    fn a_long_run_forgets() {
        check(&[1, 1, 1, 1, 1, 3600, 1], &[(5, false); 7]);
        check(
            &[1, 1, 1, 1, 1, 3599],
            &[(5, false), (5, false), (5, false), (5, false), (5, false), (3600, true)],
        );
    }

    #[test]
    fn a_person_may_ask_for_new_tries() {
        let mut respawn = Respawn::new(Policy { threshold: 100, delay: 1, tries: 1 });
        assert!(!respawn.next_start(1).rest);
        assert!(respawn.next_start(2).rest);
        respawn.reset();
        assert!(!respawn.next_start(3).rest);
    }
}
