//! When the hardware watchdog is opened, fed and left alone: pure rules, and the device.
//!
//! Opened only after a healthy minute, so that a first boot with a broken configuration never resets the machine.
//! Fed only while the daemon's main loop shows life. Each reset it lets happen is counted on the data partition
//! first; after three without a healthy minute behind the watchdog it is not opened, so that a machine that cannot
//! live with it can still be reached.

use std::fs::{File, OpenOptions};
use std::io::{self, Write};
use std::path::Path;

use crate::limits::{HEALTHY_DISARMED, HEALTHY_MINUTE, WATCHDOG_RESETS};
use crate::sys;

/// What to do with the device.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Action {
    /// Nothing to do, or nothing more.
    Idle,
    /// Open it.
    Arm,
    /// Feed it.
    Feed,
    /// The main loop is silent: write the count to disk, feed no more. Once.
    Starve {
        /// The count to write.
        resets: u32,
    },
    /// A healthy minute with the watchdog on (or an hour without): write the count 0. Once.
    Clear,
}

/// The rules. Times are seconds of a monotonic clock.
#[derive(Debug)]
pub struct WatchdogRules {
    stale_after: u64,
    resets: u32,
    armed_at: Option<u64>,
    healthy_since: Option<u64>,
    starving: bool,
    usable: bool,
}

impl WatchdogRules {
    /// `resets`: the count found on disk. `stale_after`: seconds without a keepalive that are forgiven.
    pub fn new(resets: u32, stale_after: u64) -> WatchdogRules {
        WatchdogRules {
            stale_after,
            resets,
            armed_at: None,
            healthy_since: None,
            starving: false,
            usable: true,
        }
    }

    /// Not opened on this boot, however healthy.
    pub fn refused(&self) -> bool {
        self.resets >= WATCHDOG_RESETS && self.armed_at.is_none()
    }

    /// The device could not be opened: no further tries.
    pub fn give_up(&mut self) {
        self.usable = false;
        self.armed_at = None;
    }

    /// The watchdog runs.
    pub fn armed(&self) -> bool {
        self.armed_at.is_some()
    }

    /// The daemon ended: the next healthy minute begins with its next life.
    pub fn daemon_ended(&mut self) {
        self.healthy_since = None;
    }

    /// Decides. `keepalive`: when a daemon last showed life, whichever it was; None if none ever did.
    pub fn step(&mut self, now: u64, keepalive: Option<u64>) -> Action {
        let fresh = keepalive.is_some_and(|at| now.saturating_sub(at) <= self.stale_after);
        if !fresh {
            self.healthy_since = None;
            if self.armed_at.is_none() || self.starving {
                return Action::Idle;
            }
            // Between an end and the next start there is no keepalive; the grace is that of a silent loop.
            let silent = keepalive.or(self.armed_at).map_or(0, |at| now.saturating_sub(at));
            if silent <= self.stale_after {
                return Action::Feed;
            }
            self.starving = true;
            self.resets = self.resets.saturating_add(1);
            return Action::Starve { resets: self.resets };
        }
        let since = *self.healthy_since.get_or_insert(now);
        let Some(armed) = self.armed_at else {
            let healthy = now - since;
            if self.refused() {
                if healthy >= HEALTHY_DISARMED && self.resets > 0 {
                    self.resets = 0;
                    // The next boot may arm again; this one stays without.
                    self.usable = false;
                    return Action::Clear;
                }
                return Action::Idle;
            }
            if self.usable && healthy >= HEALTHY_MINUTE {
                self.armed_at = Some(now);
                return Action::Arm;
            }
            return Action::Idle;
        };
        // It came back before the machine was reset.
        self.starving = false;
        if self.resets > 0 && now - armed.max(since) >= HEALTHY_MINUTE {
            self.resets = 0;
            return Action::Clear;
        }
        Action::Feed
    }
}

/// An open watchdog. Dropping it without [`WatchdogDevice::close`] lets it bite.
#[derive(Debug)]
pub struct WatchdogDevice(File);

impl WatchdogDevice {
    /// Opens and starts it; gives the timeout in seconds that the kernel took, or the wanted one where it cannot say.
    pub fn open(path: &Path, timeout: u32) -> io::Result<(WatchdogDevice, u32)> {
        let file = OpenOptions::new().write(true).open(path)?;
        let taken = sys::board::watchdog_timeout(&file, timeout).unwrap_or(timeout);
        Ok((WatchdogDevice(file), taken))
    }

    /// Starts the countdown anew.
    pub fn feed(&mut self) -> io::Result<()> {
        self.0.write_all(b"\0")
    }

    /// Stops it: the magic character, then closing (Documentation/watchdog/watchdog-api.rst).
    pub fn close(mut self) -> io::Result<()> {
        self.0.write_all(b"V")
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// Steps second by second; `alive` says when a keepalive comes (each 10 s). Gives what was done and when.
    fn run(resets: u32, until: u64, alive: impl Fn(u64) -> bool) -> Vec<(u64, Action)> {
        let mut rules = WatchdogRules::new(resets, 30);
        let (mut last, mut done) = (None, Vec::new());
        for now in 0..=until {
            if now % 10 == 0 && alive(now) {
                last = Some(now);
            }
            match rules.step(now, last) {
                Action::Idle | Action::Feed => {}
                action => done.push((now, action)),
            }
        }
        done
    }

    #[test]
    fn a_healthy_minute_arms() {
        assert_eq!(run(0, 300, |_| true), [(60, Action::Arm)]);
        assert_eq!(run(0, 300, |t| t >= 100), [(160, Action::Arm)]);
    }

    #[test]
    fn a_daemon_that_never_runs_arms_no_watchdog() {
        assert_eq!(run(0, 4000, |_| false), []);
        // Alive for 50 s at a time.
        assert_eq!(run(0, 4000, |t| t % 200 < 20), []);
    }

    #[test]
    fn a_silent_loop_is_counted_once_and_starves() {
        assert_eq!(
            run(0, 300, |t| t <= 100),
            [(60, Action::Arm), (131, Action::Starve { resets: 1 })]
        );
        assert_eq!(
            run(2, 300, |t| t <= 70),
            [(60, Action::Arm), (101, Action::Starve { resets: 3 })]
        );
    }

    #[test]
    fn a_second_healthy_minute_clears_the_count() {
        assert_eq!(run(2, 300, |_| true), [(60, Action::Arm), (120, Action::Clear)]);
    }

    #[test]
    fn after_three_resets_it_stays_off_and_an_hour_clears() {
        assert_eq!(run(3, 3000, |_| true), []);
        assert_eq!(run(3, 9000, |_| true), [(3600, Action::Clear)]);
    }

    #[test]
    fn a_returning_watchdog_is_fed_again() {
        let done = run(0, 400, |t| !(110..=150).contains(&t));
        assert_eq!(
            done,
            [(60, Action::Arm), (131, Action::Starve { resets: 1 }), (220, Action::Clear)]
        );
    }

    #[test]
    fn a_device_that_cannot_be_opened_is_left() {
        let mut rules = WatchdogRules::new(0, 30);
        for now in 0..200 {
            if rules.step(now, Some(now)) == Action::Arm {
                rules.give_up();
            }
        }
        assert!(!rules.armed());
    }

    #[test]
    fn the_device_gets_its_magic_character() {
        let path = std::env::temp_dir().join(format!("picoclaw-wd-{}", std::process::id()));
        std::fs::write(&path, "").expect("a file");
        let (mut device, taken) = WatchdogDevice::open(&path, 30).expect("open");
        assert_eq!(taken, 30);
        device.feed().expect("feed");
        device.close().expect("close");
        assert_eq!(std::fs::read(&path).expect("read"), b"\0V");
        std::fs::remove_file(&path).expect("remove");
    }
}
