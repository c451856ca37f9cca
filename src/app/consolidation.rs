//! Once a day, at the time the configuration names, notes are consolidated into MEMORY.md ([`Agent::consolidate`]).
//!
//! A time that was missed, the device being off, is made up for at the next start. The journal keeps the day and how often
//! it was tried (as the offset of a channel called [`NIGHTLY`]): a day that ended the program twice is left alone.
//! Until the clock is set there is no today, as for jobs.

use std::rc::Rc;

use crate::agent::Agent;
use crate::limits::{CLOCK_LOOK, CONSOLIDATION_TRIES};
use crate::proto::date::{DAY, day_number};
use crate::store::frame::Frame;
use crate::sys::clock;
use crate::sys::wall_timer::WallTimer;

/// Name of the offset in the journal: the day times four, plus tries, three when it is done.
const NIGHTLY: &str = "(nightly)";
/// The day is done.
const DONE: i64 = 3;

/// Consolidates for ever, each day at `minute` (of the day, local time).
pub async fn run(agent: Rc<Agent>, minute: u32) {
    let mut finished = i64::MIN;
    loop {
        super::heartbeat::until_clock_is_set().await;
        let now = clock::unix_now();
        let today = day_number(now, clock::utc_offset(now));
        let known = agent.journal.ledger(|l| l.offset(NIGHTLY));
        let tries = if known / 4 == today { known % 4 } else { 0 };
        let at = due(today, minute, &clock::utc_offset);
        if now < at {
            wait(at).await;
        } else if finished >= today || tries >= CONSOLIDATION_TRIES {
            finished = today;
            wait(due(today + 1, minute, &clock::utc_offset)).await;
        } else {
            note(&agent, today * 4 + tries + 1).await;
            match agent.consolidate(today).await {
                Ok(Some(done)) => crate::log::info!("consolidation: {done}"),
                Ok(None) => crate::log::info!("consolidation: no new notes"),
                Err(e) => crate::log::warn!("consolidation: {e}; the notes are taken tomorrow"),
            }
            note(&agent, today * 4 + DONE).await;
            finished = today;
        }
    }
}

async fn note(agent: &Agent, event: i64) {
    let ticket = agent.journal.record(&Frame::Skipped { channel: NIGHTLY.into(), event });
    agent.journal.synced(ticket).await;
}

/// The second at which a local minute of a day comes; one that a change of the clock leaves out, an hour later.
fn due(day: i64, minute: u32, offset: &dyn Fn(i64) -> i32) -> i64 {
    let local = day * DAY + i64::from(minute) * 60;
    let guess = local - i64::from(offset(local));
    let at = local - i64::from(offset(guess));
    if at + i64::from(offset(at)) < local { guess.max(at) } else { at }
}

/// Until a second, or until the clock is set.
async fn wait(at: i64) {
    crate::log::debug!("consolidation: the next one in {} s", at - clock::unix_now());
    let waited = match WallTimer::new() {
        Ok(timer) => timer.until(Some(at)).await.is_ok(),
        Err(_) => false,
    };
    if !waited {
        // Without the kernel's help the clock is looked at now and then.
        async_io::Timer::after(CLOCK_LOOK).await;
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_minute_of_a_day_is_found_in_any_zone() {
        assert_eq!(due(10, 210, &|_| 0), 10 * DAY + 210 * 60);
        assert_eq!(due(10, 0, &|_| 3600), 10 * DAY - 3600);
        assert_eq!(due(10, 0, &|_| -7200), 10 * DAY + 7200);
        // Clocks go from 02:00 to 03:00: 02:30 comes at 03:30, 04:00 at 04:00.
        let spring = |unix: i64| if unix < 10 * DAY + 3600 { 3600 } else { 7200 };
        assert_eq!(due(10, 150, &spring), 10 * DAY + 5400);
        assert_eq!(due(10, 240, &spring), 10 * DAY + 7200);
        // And back from 03:00 to 02:00: 02:30 counts once.
        let autumn = |unix: i64| if unix < 10 * DAY + 3600 { 7200 } else { 3600 };
        let at = due(10, 150, &autumn);
        assert_eq!((at + i64::from(autumn(at))) % DAY, 150 * 60);
    }
}
