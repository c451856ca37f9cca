//! When the next message may go out.
//!
//! Bursts are sent at once. After a 429 nothing is sent for as long as the Bot API asked, and for
//! [`limits::TELEGRAM_LIMITED_TIME`] after that one message per second and chat and [`limits::TELEGRAM_PER_SECOND`] in all.

use std::time::Duration;

use crate::limits;

/// Milliseconds between two messages of one bot, and of one chat, while limited.
const BOT_MS: u64 = 1000 / limits::TELEGRAM_PER_SECOND as u64;
const CHAT_MS: u64 = 1000;

/// The rate limit of one bot; times in milliseconds of a monotonic clock.
#[derive(Default)]
pub struct RateLimit {
    paused_until: u64,
    limited_until: u64,
    next: u64,
    /// Chats (as hashes) and when they may have the next message.
    chats: Vec<(u64, u64)>,
}

impl RateLimit {
    /// How long to wait before a message to `chat`; at zero its turn has been taken.
    pub fn turn(&mut self, chat: &str, now: u64) -> Duration {
        if now < self.paused_until {
            return Duration::from_millis(self.paused_until - now);
        }
        if now >= self.limited_until {
            self.chats.clear();
            return Duration::ZERO;
        }
        self.chats.retain(|(_, free)| *free > now);
        let key = hash(chat);
        let free = self.chats.iter().find(|(known, _)| *known == key).map_or(0, |(_, free)| *free);
        let free = free.max(self.next);
        if free > now {
            return Duration::from_millis(free - now);
        }
        self.next = now + BOT_MS;
        if self.chats.len() < limits::TELEGRAM_LIMITED_CHATS {
            self.chats.push((key, now + CHAT_MS));
        }
        Duration::ZERO
    }

    /// The Bot API asked for a pause.
    pub fn limited(&mut self, pause: Duration, now: u64) {
        let until = now + u64::try_from(pause.as_millis()).unwrap_or(0);
        self.paused_until = self.paused_until.max(until);
        self.limited_until = self.paused_until + limits::TELEGRAM_LIMITED_TIME.as_millis() as u64;
    }

    /// Whether optional messages are to be skipped.
    pub fn is_paused(&self, now: u64) -> bool {
        now < self.paused_until
    }
}

// FNV-1a: two chats that collide only wait for each other.
fn hash(chat: &str) -> u64 {
    chat.bytes().fold(0xcbf2_9ce4_8422_2325, |hash, byte| {
        (hash ^ u64::from(byte)).wrapping_mul(0x100_0000_01b3)
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[track_caller]
    fn check(rate_limit: &mut RateLimit, chat: &str, now: u64, wait: u64) {
        assert_eq!(rate_limit.turn(chat, now), Duration::from_millis(wait));
    }

    #[test]
    fn bursts_pass_until_a_429() {
        let mut rate_limit = RateLimit::default();
        for _ in 0..100 {
            check(&mut rate_limit, "1", 0, 0);
        }
        rate_limit.limited(Duration::from_secs(3), 1000);
        check(&mut rate_limit, "1", 1000, 3000);
        check(&mut rate_limit, "2", 3999, 1);
        check(&mut rate_limit, "1", 4000, 0);
        check(&mut rate_limit, "2", 4000, 50);
        check(&mut rate_limit, "2", 4050, 0);
        check(&mut rate_limit, "1", 4100, 900);
        check(&mut rate_limit, "1", 5000, 0);
        check(&mut rate_limit, "1", 64_000, 0);
        check(&mut rate_limit, "1", 64_000, 0);
    }

    #[test]
    fn a_shorter_pause_does_not_end_a_longer_one() {
        let mut rate_limit = RateLimit::default();
        rate_limit.limited(Duration::from_secs(10), 0);
        rate_limit.limited(Duration::from_secs(1), 0);
        assert!(rate_limit.is_paused(9999));
        check(&mut rate_limit, "1", 0, 10_000);
    }

    #[test]
    fn the_table_is_bounded() {
        let mut rate_limit = RateLimit::default();
        rate_limit.limited(Duration::from_millis(1), 0);
        for n in 0..1000u64 {
            rate_limit.turn(&n.to_string(), 1 + n * BOT_MS / 10);
        }
        assert!(rate_limit.chats.len() <= limits::TELEGRAM_LIMITED_CHATS);
    }
}
