//! When the next message may go out.
//!
//! Bursts are sent at once. After a 429 nothing is sent to its chat for as long as the Bot API asked (to no chat for at most
//! [`limits::TELEGRAM_PAUSE_ALL`], once [`limits::TELEGRAM_PAUSED_CHATS`] chats are paused), and until
//! [`limits::TELEGRAM_LIMITED_TIME`] after that one message per second and chat and [`limits::TELEGRAM_PER_SECOND`] in all.

use std::time::Duration;

use crate::limits;
use crate::proto::fnv::{FNV, fnv};
use crate::sys::clock::millis;

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

    /// The Bot API asked for a pause of the messages to `chat`.
    pub fn limited(&mut self, chat: &str, pause: Duration, now: u64) {
        let until = now + millis(pause);
        let key = hash(chat);
        self.chats.retain(|(_, free)| *free > now);
        let known = self.chats.iter().position(|(known, _)| *known == key);
        let at = known.or_else(|| {
            // In a full table the chat that is free first makes room.
            let first = (0..self.chats.len()).min_by_key(|at| self.chats[*at].1);
            first.filter(|_| self.chats.len() >= limits::TELEGRAM_LIMITED_CHATS)
        });
        match at.and_then(|at| self.chats.get_mut(at)) {
            Some(entry) if entry.0 == key => entry.1 = entry.1.max(until),
            Some(entry) => *entry = (key, until),
            None => self.chats.push((key, until)),
        }
        if self.paused_chats(now) >= limits::TELEGRAM_PAUSED_CHATS {
            let all = now + millis(pause.min(limits::TELEGRAM_PAUSE_ALL));
            self.paused_until = self.paused_until.max(all);
        }
        let limited = until + millis(limits::TELEGRAM_LIMITED_TIME);
        self.limited_until = self.limited_until.max(limited);
    }

    /// Chats that wait longer than the rate limit alone makes them.
    fn paused_chats(&self, now: u64) -> usize {
        self.chats.iter().filter(|(_, free)| *free > now + CHAT_MS).count()
    }

    /// Whether optional messages to `chat` are to be skipped.
    pub fn is_paused(&self, chat: &str, now: u64) -> bool {
        let key = hash(chat);
        now < self.paused_until
            || self.chats.iter().any(|(known, free)| *known == key && *free > now + CHAT_MS)
    }

    /// The pauses, for `status`; empty without any.
    pub fn text(&self, now: u64) -> String {
        let chats = self.paused_chats(now);
        let last = self.chats.iter().map(|(_, free)| *free).max().unwrap_or(0);
        let seconds = last.max(self.paused_until).saturating_sub(now).div_ceil(1000);
        if now < self.paused_until {
            format!("too fast: all chats paused, {chats} of them for up to {seconds} s")
        } else if chats > 0 {
            format!("too fast: {chats} chat(s) paused for up to {seconds} s")
        } else {
            String::new()
        }
    }
}

// Two chats that collide only wait for each other.
fn hash(chat: &str) -> u64 {
    fnv(FNV, chat.as_bytes())
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
        rate_limit.limited("1", Duration::from_secs(3), 1000);
        check(&mut rate_limit, "1", 1000, 3000);
        check(&mut rate_limit, "1", 3999, 1);
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
        rate_limit.limited("1", Duration::from_secs(10), 0);
        rate_limit.limited("1", Duration::from_secs(1), 0);
        assert!(rate_limit.is_paused("1", 8000));
        check(&mut rate_limit, "1", 0, 10_000);
    }

    #[test]
    fn a_429_pauses_its_chat_alone() {
        let mut rate_limit = RateLimit::default();
        rate_limit.limited("-801", Duration::from_secs(900), 0);
        check(&mut rate_limit, "802", 0, 0);
        check(&mut rate_limit, "803", 50, 0);
        assert!(rate_limit.is_paused("-801", 100) && !rate_limit.is_paused("802", 100));
        check(&mut rate_limit, "-801", 100, 899_900);
        assert_eq!(rate_limit.text(100), "too fast: 1 chat(s) paused for up to 900 s");
        check(&mut rate_limit, "-801", 900_000, 0);
        assert_eq!(rate_limit.text(900_000), "");
    }

    #[test]
    fn several_refused_chats_pause_all_for_a_bounded_time() {
        let mut rate_limit = RateLimit::default();
        for chat in ["1", "2", "3"] {
            assert!(!rate_limit.is_paused("4", 0));
            rate_limit.limited(chat, Duration::from_secs(900), 0);
        }
        assert!(rate_limit.text(0).starts_with("too fast: all chats paused, 3"));
        check(&mut rate_limit, "4", 0, 60_000);
        check(&mut rate_limit, "4", 60_000, 0);
        check(&mut rate_limit, "3", 60_000, 840_000);
    }

    #[test]
    fn the_table_is_bounded() {
        let mut rate_limit = RateLimit::default();
        rate_limit.limited("x", Duration::from_millis(1), 0);
        for n in 0..1000u64 {
            rate_limit.turn(&n.to_string(), 1 + n * BOT_MS / 10);
            rate_limit.limited(&n.to_string(), Duration::from_secs(900), n);
        }
        assert!(rate_limit.chats.len() <= limits::TELEGRAM_LIMITED_CHATS);
    }
}
