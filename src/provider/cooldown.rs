//! When a model may be asked again: a pause after failures, and requests a minute. Pure: `now` is an argument.

use std::time::{Duration, Instant};

use super::Class;

const MINUTE: Duration = Duration::from_secs(60);
const HOUR: Duration = Duration::from_secs(3600);
/// Longest pause after a billing failure, and the time without failures that resets the count.
const DAY: Duration = Duration::from_secs(24 * 3600);

/// The pause of one model.
#[derive(Clone, Copy, Debug, Default)]
pub struct Cooldown {
    failures: u32,
    bills: u32,
    last: Option<Instant>,
    until: Option<Instant>,
}

impl Cooldown {
    /// The remaining cooldown; `None` if the model may be used.
    pub fn remaining(&self, now: Instant) -> Option<Duration> {
        self.until.and_then(|until| until.checked_duration_since(now)).filter(|d| !d.is_zero())
    }

    /// Counts a failure: min(1 h, 1 min x 5^(n-1)), for a billing failure min(24 h, 5 h x 2^(n-1)); at least what the server asked for.
    pub fn failed(&mut self, class: Class, asked: Option<Duration>, now: Instant) {
        if self.last.is_some_and(|last| now.saturating_duration_since(last) >= DAY) {
            *self = Cooldown::default();
        }
        self.last = Some(now);
        let pause = if class == Class::Billing {
            self.bills = self.bills.saturating_add(1);
            (5 * HOUR).saturating_mul(1 << (self.bills - 1).min(8)).min(DAY)
        } else {
            self.failures = self.failures.saturating_add(1);
            MINUTE.saturating_mul(5u32.pow((self.failures - 1).min(3))).min(HOUR)
        };
        self.until = now.checked_add(pause.max(asked.unwrap_or_default().min(DAY)));
    }
}

/// Rate limit of one model: a token bucket that holds a minute's worth of requests.
#[derive(Clone, Copy, Debug, Default)]
pub struct Bucket {
    /// When the bucket will be full again; none if it was never used.
    full_at: Option<Instant>,
}

impl Bucket {
    /// Takes one request, or returns how long until one is available. `rpm` 0 means no limit.
    pub fn take(&mut self, rpm: u32, now: Instant) -> Result<(), Duration> {
        if rpm == 0 {
            return Ok(());
        }
        let one = MINUTE / rpm;
        let owed = self.full_at.map_or(Duration::ZERO, |at| at.saturating_duration_since(now));
        // There is room for one more as long as the time to refill is at most the minute that a full bucket takes.
        let room = one * rpm;
        if owed + one > room {
            return Err(owed + one - room);
        }
        self.full_at = now.checked_add(owed + one);
        Ok(())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const S: Duration = Duration::from_secs(1);

    #[track_caller]
    fn check_pauses(class: Class, want: &[u32]) {
        let (mut cooldown, mut now) = (Cooldown::default(), Instant::now());
        for &minutes in want {
            cooldown.failed(class, None, now);
            assert_eq!(cooldown.remaining(now), Some(minutes * MINUTE));
            now += minutes * MINUTE;
            assert_eq!(cooldown.remaining(now - S), Some(S));
            assert_eq!(cooldown.remaining(now), None);
        }
    }

    #[test]
    fn pauses_grow_to_their_end() {
        check_pauses(Class::Timeout, &[1, 5, 25, 60, 60, 60]);
        check_pauses(Class::Billing, &[300, 600, 1200]);
    }

    #[test]
    fn a_day_is_the_longest_pause_for_a_bill() {
        let (mut cooldown, now) = (Cooldown::default(), Instant::now());
        for _ in 0..40 {
            cooldown.failed(Class::Billing, None, now);
        }
        assert_eq!(cooldown.remaining(now), Some(DAY));
    }

    #[test]
    fn success_and_a_quiet_day_forget() {
        let (mut cooldown, now) = (Cooldown::default(), Instant::now());
        for _ in 0..3 {
            cooldown.failed(Class::Network, None, now);
        }
        // As a candidate does when its model has answered.
        let mut other = Cooldown::default();
        assert_eq!(other.remaining(now), None);
        other.failed(Class::Network, None, now);
        assert_eq!(other.remaining(now), Some(MINUTE));
        cooldown.failed(Class::Network, None, now + DAY);
        assert_eq!(cooldown.remaining(now + DAY), Some(MINUTE));
    }

    #[test]
    fn the_servers_wish_is_kept_up_to_a_day() {
        let (mut cooldown, now) = (Cooldown::default(), Instant::now());
        cooldown.failed(Class::RateLimit, Some(100 * S), now);
        assert_eq!(cooldown.remaining(now), Some(100 * S));
        cooldown.failed(Class::RateLimit, Some(Duration::MAX), now);
        assert_eq!(cooldown.remaining(now), Some(DAY));
    }

    #[test]
    fn a_bucket_gives_its_burst_and_then_the_rate() {
        let (mut bucket, now) = (Bucket::default(), Instant::now());
        for _ in 0..3 {
            assert_eq!(bucket.take(3, now), Ok(()));
        }
        assert_eq!(bucket.take(3, now), Err(20 * S));
        assert_eq!(bucket.take(3, now + 15 * S), Err(5 * S));
        assert_eq!(bucket.take(3, now + 20 * S), Ok(()));
        assert_eq!(bucket.take(3, now + 20 * S), Err(20 * S));
        for _ in 0..3 {
            assert_eq!(bucket.take(3, now + 500 * S), Ok(()));
        }
        assert!(bucket.take(3, now + 500 * S).is_err());
    }

    #[test]
    fn odd_rates_neither_stop_nor_overflow() {
        let now = Instant::now();
        for rpm in [1, 7, 59, 61, u32::MAX] {
            assert_eq!(Bucket::default().take(rpm, now), Ok(()), "{rpm}");
        }
        let mut free = Bucket::default();
        for _ in 0..1000 {
            assert_eq!(free.take(0, now), Ok(()));
        }
    }
}
