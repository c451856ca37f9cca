//! How long the daemon has run and what it has done. A reload (SIGHUP) is a new image of the same process, and continues both.

use std::time::{Duration, Instant};

use rustix::time::{ClockId, clock_gettime};

use super::outbox::Outbox;
use super::turns::Turns;
use crate::sys::process_image;

/// See the module.
#[derive(Clone, Copy, Debug)]
pub struct Life {
    /// When the process became a gateway.
    pub started: Instant,
    /// When it read its configuration again for the last time.
    pub reloaded: Option<Instant>,
    /// What was counted before that.
    before: Counters,
}

/// Counters of `status`.
#[derive(Clone, Copy, Debug, Default, PartialEq)]
pub struct Counters {
    /// Turns begun.
    pub turns: u64,
    /// Replies refused for good.
    pub refused: u64,
    /// fsyncs.
    pub syncs: u64,
    /// Bytes written.
    pub bytes: u64,
}

impl Life {
    /// At the start of an image.
    pub fn begin() -> Life {
        Life::read(process_image::handed().as_deref(), uptime())
    }

    fn read(handed: Option<&str>, uptime: u64) -> Life {
        let now = Instant::now();
        let numbers = || {
            let mut words = handed?.split(' ').map(|word| word.parse::<u64>().ok());
            let mut next = || words.next().flatten();
            let began = next()?;
            let (turns, refused, syncs, bytes) = (next()?, next()?, next()?, next()?);
            let age = Duration::from_secs(uptime.checked_sub(began)?);
            Some((now.checked_sub(age)?, Counters { turns, refused, syncs, bytes }))
        };
        match numbers() {
            Some((started, before)) => Life { started, reloaded: Some(now), before },
            None => Life { started: now, reloaded: None, before: Counters::default() },
        }
    }

    /// All that was counted, `now` being what this image has.
    pub fn total(&self, now: Counters) -> Counters {
        let before = self.before;
        Counters {
            turns: before.turns + now.turns,
            refused: before.refused + now.refused,
            syncs: before.syncs + now.syncs,
            bytes: before.bytes + now.bytes,
        }
    }

    /// What [`process_image::restart`] is given.
    pub fn hand_over(&self, now: Counters) -> String {
        let Counters { turns, refused, syncs, bytes } = self.total(now);
        let began = uptime().saturating_sub(self.started.elapsed().as_secs());
        format!("{began} {turns} {refused} {syncs} {bytes}")
    }
}

impl Counters {
    /// Those of this image.
    pub fn of(turns: &Turns, outbox: &Outbox) -> Counters {
        let costs = turns.agent.journal.costs();
        Counters {
            turns: turns.queue.begun(),
            refused: outbox.refused(),
            syncs: costs.syncs,
            bytes: costs.bytes,
        }
    }
}

/// Seconds of the clock that `Instant` has, which all images of a process share.
fn uptime() -> u64 {
    u64::try_from(clock_gettime(ClockId::Monotonic).tv_sec).unwrap_or(0)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn numbers_are_handed_over_and_nonsense_is_a_first_start() {
        let one = Counters { turns: 1, refused: 2, syncs: 3, bytes: 4 };
        let now = uptime();
        let life = Life::read(Some(&format!("{} 1 2 3 4", now - 1)), now);
        assert!(life.reloaded.is_some() && life.started.elapsed().as_secs() >= 1);
        assert_eq!(life.before, one);
        let two = Counters { turns: 2, refused: 4, syncs: 6, bytes: 8 };
        assert_eq!(life.total(one), two);
        assert!(life.hand_over(one).ends_with(" 2 4 6 8"));
        for nonsense in ["", "1 2", "99999999999 1 2 3 4", "a b c d e"] {
            let life = Life::read(Some(nonsense), now);
            assert!(life.reloaded.is_none() && life.before == Counters::default(), "{nonsense}");
        }
        assert!(Life::read(None, now).reloaded.is_none());
    }
}
