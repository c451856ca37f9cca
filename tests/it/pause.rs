//! The one place where tests let time pass; `tidy` holds everybody else to it, and counts who comes here.
//!
//! What happens is waited for by its event ([`crate::harness::eventually`], [`picoclaw_peer::Peer`]'s `wait_...`), what does
//! not happen is proved by rest ([`crate::harness_daemon::Daemon::idle`]): all was taken, answered and recorded. Time passes
//! only as the step of such a wait, or as part of what is tried.

use std::thread::sleep;
use std::time::Duration;

const STEP: Duration = Duration::from_millis(10);

/// Between two looks at something that gives no signal.
pub fn step() {
    sleep(STEP);
}

/// The same in a future: until something holds.
pub async fn until(holds: impl Fn() -> bool) {
    while !holds() {
        smol::Timer::after(STEP).await;
    }
}

/// Until a kill or another blow, in milliseconds: it comes at any moment, wherever the victim is by then.
pub fn moment(ms: u64) {
    sleep(Duration::from_millis(ms));
}

/// A slow server or client, which is the fault under test.
pub fn slow(time: Duration) {
    sleep(time);
}

/// Until the daemon has released its pages: it does so by the clock, twice after the last turn, and memory is only
/// comparable after that.
pub fn pages_are_released() {
    sleep(3 * picoclaw::limits::RELEASE_PAGES_EVERY);
}
