//! Waiting for a time of the wall clock, however often that is set meanwhile.
//!
//! timerfd_create(2) with TFD_TIMER_CANCEL_ON_SET: the kernel wakes us when the clock steps, so nobody has to look
//! again and again.

use std::io;
use std::os::fd::OwnedFd;

use async_io::Async;
use rustix::time::{
    Itimerspec, TimerfdClockId, TimerfdFlags, TimerfdTimerFlags, Timespec, timerfd_create,
    timerfd_settime,
};

/// See the module.
pub struct WallTimer(Async<OwnedFd>);

/// Further away than any job: only a step of the clock ends this wait.
const NEVER: i64 = 253_402_300_799;

impl WallTimer {
    /// Needs one descriptor.
    ///
    /// # Errors
    /// The kernel's.
    pub fn new() -> io::Result<WallTimer> {
        let flags = TimerfdFlags::CLOEXEC | TimerfdFlags::NONBLOCK;
        let fd = timerfd_create(TimerfdClockId::Realtime, flags)?;
        Async::new_nonblocking(fd).map(WallTimer)
    }

    /// Returns when the clock shows unix second `at`, or was set. `None` waits for the latter alone.
    ///
    /// # Errors
    /// The kernel's.
    pub async fn until(&self, at: Option<i64>) -> io::Result<()> {
        let at = at.unwrap_or(NEVER).clamp(1, NEVER);
        let value = Itimerspec {
            it_interval: Timespec { tv_sec: 0, tv_nsec: 0 },
            it_value: Timespec { tv_sec: at as _, tv_nsec: 0 },
        };
        let flags = TimerfdTimerFlags::ABSTIME | TimerfdTimerFlags::CANCEL_ON_SET;
        match timerfd_settime(self.0.get_ref(), flags, &value) {
            Ok(_) => {}
            // Set since the last wait.
            Err(rustix::io::Errno::CANCELED) => return Ok(()),
            Err(e) => return Err(e.into()),
        }
        self.0.readable().await?;
        match rustix::io::read(self.0.get_ref(), &mut [0; 8]) {
            Ok(_) | Err(rustix::io::Errno::CANCELED | rustix::io::Errno::AGAIN) => Ok(()),
            Err(e) => Err(e.into()),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::sys::clock::unix_now;
    use smol::future::or;
    use std::time::{Duration, Instant};

    #[test]
    fn waits_until_the_second_begins() {
        smol::block_on(async {
            let timer = WallTimer::new().expect("a timer");
            timer.until(Some(5)).await.expect("long past");
            let at = unix_now() + 1;
            timer.until(Some(at)).await.expect("waits");
            assert!(unix_now() >= at);
            let begun = Instant::now();
            let nothing = async {
                async_io::Timer::after(Duration::from_millis(50)).await;
                Ok(())
            };
            or(timer.until(None), nothing).await.expect("waits");
            assert!(begun.elapsed() >= Duration::from_millis(50));
        });
    }
}
