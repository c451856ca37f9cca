//! Decides what the poller requests next, from the result of the last poll. No I/O, no clock.

use std::time::Duration;

use super::answer::{AnswerError, CallError};
use super::health::State;
use super::wire::{self, JsonObject};
use crate::limits;
use crate::net::http::HttpErrorKind;
use crate::store::ledger::DUPLICATE_WINDOW;

/// Truncated answers (mostly the network's fault, not the update's) before an update is skipped.
const CUT_ANSWERS: u32 = 10;

/// The state of polling.
pub struct Poller {
    /// First update not confirmed; 0 when none is known.
    pub next: i64,
    limit: u32,
    failures: u32,
    unreadable: u32,
    webhook_removed: bool,
    skip_logged: bool,
    /// Unconfirmed updates that were handled.
    acted: Vec<i64>,
}

/// What to do after a failed poll.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Step {
    /// State that `status` shows from now on.
    pub state: State,
    /// How long to wait.
    pub pause: Duration,
    /// Whether deleteWebhook must come first, because a webhook prevents polling.
    pub delete_webhook: bool,
    /// An update was skipped; [`Poller::next`] is past it.
    pub skipped: bool,
}

impl Poller {
    /// Starts at the first event that was not confirmed.
    pub fn new(next: i64) -> Poller {
        let limit = limits::TELEGRAM_BATCH;
        Poller {
            next,
            limit,
            failures: 0,
            unreadable: 0,
            webhook_removed: false,
            skip_logged: false,
            acted: Vec::new(),
        }
    }

    /// Whether this is the first time an update arrives; marks it as seen.
    pub fn is_new(&mut self, id: i64) -> bool {
        let new = !self.acted.contains(&id);
        if new {
            self.acted.push(id);
        }
        new
    }

    /// Whether an update was confirmed before. One far below the offset begins a new series: after a week without updates the
    /// Bot API chooses the next number at random.
    pub fn is_behind(&self, id: i64) -> bool {
        id < self.next && self.next - id < DUPLICATE_WINDOW
    }

    /// True once, for the log.
    pub fn is_first_skip(&mut self) -> bool {
        !std::mem::replace(&mut self.skip_logged, true)
    }

    /// The parameters of getUpdates.
    pub fn body(&self) -> String {
        let body = JsonObject::new().int("timeout", limits::TELEGRAM_POLL_SECS as i64);
        let body = body.int("limit", self.limit.into());
        let body = if self.next > 0 { body.int("offset", self.next) } else { body };
        body.raw("allowed_updates", r#"["message","edited_message","callback_query"]"#).end()
    }

    /// The poll went well, and everything below `next` may be confirmed: `all` updates, or those before the first that the
    /// disk did not take.
    pub fn succeeded(&mut self, next: i64, all: bool) {
        self.next = next;
        // At most one batch is above it.
        self.acted.retain(|id| *id >= next);
        self.failures = 0;
        self.unreadable = 0;
        // After trouble with an update, the batch size grows back step by step.
        let most = if all { limits::TELEGRAM_BATCH } else { limits::TELEGRAM_BATCH_UNCONFIRMED };
        self.limit = (self.limit * 2).min(most);
    }

    /// The poll failed; `random` spreads the retries of many bots.
    pub fn failed(&mut self, error: &CallError, random: u8) -> Step {
        let grown = |first: Duration, failures: u32| {
            let pause = first.saturating_mul(1 << failures.min(10)).min(limits::TELEGRAM_BACKOFF);
            // 75 to 125 %.
            pause * 3 / 4 + pause * u32::from(random) / 512
        };
        let failures = self.failures;
        self.failures = failures.saturating_add(1);
        let pause = grown(limits::TELEGRAM_FIRST_PAUSE, failures);
        let mut step =
            Step { state: State::Retrying, pause, delete_webhook: false, skipped: false };
        match error {
            CallError::Http(e) if e.kind == HttpErrorKind::Clock => {
                // Not the server's fault: the pause does not grow.
                self.failures = failures;
                step.state = State::NoTime;
                step.pause = limits::TELEGRAM_CLOCK_PAUSE;
            }
            CallError::RateLimited(pause) => step.pause = *pause,
            CallError::Token(_) => {
                step.state = State::TokenRefused;
                step.pause = limits::TELEGRAM_TOKEN_RETRY;
            }
            CallError::Conflict(why) => {
                step.state = State::Conflict;
                step.pause = grown(limits::TELEGRAM_CONFLICT_PAUSE, failures);
                if why.to_ascii_lowercase().contains("webhook") && !self.webhook_removed {
                    self.webhook_removed = true;
                    step.delete_webhook = true;
                    step.pause = Duration::ZERO;
                }
            }
            CallError::Unreadable { status: 200, why, head } if *why != AnswerError::Broken => {
                step.skipped = self.unreadable_answer(*why, head);
                if step.skipped {
                    step.pause = Duration::ZERO;
                }
            }
            _ => {}
        }
        step
    }

    /// Requests updates one by one, and skips the first if it stays unreadable and its number is known.
    fn unreadable_answer(&mut self, why: AnswerError, head: &[u8]) -> bool {
        if self.limit > 1 {
            self.limit = 1;
            return false;
        }
        self.unreadable += 1;
        let patience =
            if why == AnswerError::Cut { CUT_ANSWERS } else { limits::TELEGRAM_UNREADABLE };
        if self.unreadable < patience {
            return false;
        }
        match wire::first_number(head, "update_id") {
            Some(id) if id >= self.next => {
                self.next = id.saturating_add(1);
                self.unreadable = 0;
                self.failures = 0;
                true
            }
            _ => false,
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::net::http::HttpError;

    fn http(kind: HttpErrorKind) -> CallError {
        CallError::Http(HttpError { kind, message: String::new() })
    }

    fn unreadable(why: AnswerError, head: &str) -> CallError {
        CallError::Unreadable { status: 200, why, head: head.into() }
    }

    #[track_caller]
    fn check(error: CallError, state: State, pause_ms: u64) {
        let step = Poller::new(7).failed(&error, 128);
        assert_eq!((step.state, step.pause), (state, Duration::from_millis(pause_ms)));
    }

    #[test]
    fn first_failures() {
        check(http(HttpErrorKind::Connect), State::Retrying, 500);
        check(CallError::Server(502, String::new()), State::Retrying, 500);
        check(http(HttpErrorKind::Clock), State::NoTime, 5000);
        check(CallError::RateLimited(Duration::from_secs(3)), State::Retrying, 3000);
        check(CallError::Token(String::new()), State::TokenRefused, 300_000);
        check(CallError::Conflict("other getUpdates".into()), State::Conflict, 5000);
        check(CallError::Conflict("while webhook is active".into()), State::Conflict, 0);
    }

    #[test]
    fn pauses_grow_to_a_minute_and_start_over() {
        let mut poller = Poller::new(0);
        let error = http(HttpErrorKind::Resolve);
        for want in [500, 1000, 2000, 4000, 8000, 16_000, 32_000, 60_000, 60_000] {
            assert_eq!(poller.failed(&error, 128).pause, Duration::from_millis(want));
        }
        assert!(poller.failed(&error, 0).pause >= limits::TELEGRAM_BACKOFF * 3 / 4);
        assert!(poller.failed(&error, 255).pause <= limits::TELEGRAM_BACKOFF * 5 / 4);
        poller.succeeded(1, true);
        assert_eq!(poller.failed(&error, 128).pause, limits::TELEGRAM_FIRST_PAUSE);
    }

    #[test]
    fn the_webhook_is_removed_once() {
        let mut poller = Poller::new(0);
        let error = CallError::Conflict("can't use getUpdates while Webhook is active".into());
        assert!(poller.failed(&error, 0).delete_webhook);
        assert!(!poller.failed(&error, 0).delete_webhook);
    }

    #[test]
    fn an_update_that_stays_unreadable_is_skipped() {
        let mut poller = Poller::new(7);
        let head = r#"{"ok":true,"result":[{"update_id":9,"#;
        let bad = unreadable(AnswerError::TooLong, head);
        assert!(!poller.failed(&bad, 0).skipped);
        assert!(poller.body().contains("\"limit\":1,"));
        assert!(!poller.failed(&bad, 0).skipped);
        assert!(!poller.failed(&bad, 0).skipped);
        assert!(poller.failed(&bad, 0).skipped);
        assert_eq!(poller.next, 10);
        poller.succeeded(11, true);
        assert!(poller.body().contains("\"limit\":2,"));
    }

    #[test]
    fn nothing_is_skipped_without_its_number_or_for_a_broken_line() {
        let mut poller = Poller::new(7);
        for error in [
            unreadable(AnswerError::Bad, "<html>"),
            unreadable(AnswerError::Bad, r#"{"update_id":3,"#),
            unreadable(AnswerError::Broken, r#"{"update_id":9,"#),
        ] {
            for _ in 0..20 {
                assert!(!poller.failed(&error, 0).skipped);
            }
        }
        assert_eq!(poller.next, 7);
        let cut = unreadable(AnswerError::Cut, r#"{"update_id":9,"#);
        let mut poller = Poller::new(7);
        let skipped = (0..11).filter(|_| poller.failed(&cut, 0).skipped).count();
        assert_eq!((skipped, poller.next), (1, 10));
    }

    #[test]
    fn updates_after_unconfirmed_ones_are_seen() {
        let mut poller = Poller::new(7);
        for limit in [64, 100, 100] {
            poller.succeeded(7, false);
            assert!(poller.body().contains(&format!("\"limit\":{limit},")), "{}", poller.body());
        }
        poller.succeeded(90, true);
        assert!(poller.body().contains("\"limit\":32,"));
    }

    #[test]
    fn a_number_far_below_the_offset_begins_a_new_series() {
        let mut poller = Poller::new(8_000_001);
        assert!(poller.is_behind(8_000_000));
        assert!(!poller.is_behind(8_000_001));
        assert!(!poller.is_behind(500));
        assert!(poller.is_first_skip());
        assert!(!poller.is_first_skip());
    }

    #[test]
    fn requests() {
        let want = r#"{"timeout":30,"limit":32,"allowed_updates":["message","edited_message","callback_query"]}"#;
        assert_eq!(Poller::new(0).body(), want);
        assert!(Poller::new(5).body().contains("\"offset\":5,"));
    }
}
