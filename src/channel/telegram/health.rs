//! The state of one bot, for `status`, `/health` and the log.

use std::cell::{Cell, RefCell};
use std::time::Instant;

/// What the poller can say about the connection to Telegram.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum State {
    /// No answer from the Bot API yet.
    Starting,
    /// The last poll went well.
    Running,
    /// The last poll failed; it is retried.
    Retrying,
    /// 401 or 404: the token is wrong or revoked, and retrying does not help.
    TokenRefused,
    /// Another program polls with this token.
    Conflict,
    /// The clock is not set yet.
    NoTime,
}

/// Read by anybody, written by the channel.
pub struct Health {
    /// State after the last poll, which `status` and the health page show.
    pub state: Cell<State>,
    /// When the Bot API last answered a poll.
    pub last_ok: Cell<Option<Instant>>,
    /// Polls that failed since the last good one.
    pub failures: Cell<u32>,
    /// Deliveries that were refused for good (blocked, chat gone).
    pub refused: Cell<u32>,
    /// Updates that could not be read and were skipped.
    pub skipped: Cell<u32>,
    /// Messages from people who may not talk.
    pub strangers: Cell<u32>,
    /// The bot's user name, once the Bot API has told it.
    pub username: RefCell<String>,
    why: RefCell<String>,
}

impl Health {
    pub(super) fn new() -> Health {
        Health {
            state: Cell::new(State::Starting),
            last_ok: Cell::new(None),
            failures: Cell::new(0),
            refused: Cell::new(0),
            skipped: Cell::new(0),
            strangers: Cell::new(0),
            username: RefCell::default(),
            why: RefCell::default(),
        }
    }

    /// Whether the bot receives.
    pub fn is_running(&self) -> bool {
        self.state.get() == State::Running
    }

    /// A line for people, with the current error if there is one.
    pub fn text(&self) -> String {
        let state = match self.state.get() {
            State::Starting => "starting",
            State::Running => return "running".into(),
            State::Retrying => "no connection, trying again",
            State::TokenRefused => "token refused, trying again every 5 minutes",
            State::Conflict => "another program receives for this bot",
            State::NoTime => "waiting for the clock to be set",
        };
        let why = self.why.borrow();
        if why.is_empty() { state.into() } else { format!("{state}: {why}") }
    }

    pub(super) fn ok(&self) {
        self.state.set(State::Running);
        self.last_ok.set(Some(Instant::now()));
        self.failures.set(0);
        self.why.borrow_mut().clear();
    }

    /// True if this is new and worth a log line.
    pub(super) fn failed(&self, state: State, why: String) -> bool {
        let news = self.state.replace(state) != state || *self.why.borrow() != why;
        self.failures.set(self.failures.get().saturating_add(1));
        *self.why.borrow_mut() = why;
        news
    }
}

/// What is said of a token that Telegram refuses for the reason `why`: where it is, and where there are others.
pub(super) fn token_cure(name: &str, why: &str) -> String {
    let set = format!("picoclaw config set channel_list.{name}.settings.token -");
    format!("{why}; @BotFather shows the right one, and `{set}` reads it from standard input")
}

pub(super) fn count(cell: &Cell<u32>) {
    cell.set(cell.get().saturating_add(1));
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_error_is_news_once_and_gone_when_it_runs() {
        let health = Health::new();
        assert_eq!(health.text(), "starting");
        assert!(health.failed(State::Retrying, "x".into()));
        assert!(!health.failed(State::Retrying, "x".into()));
        assert!(health.failed(State::Conflict, "x".into()));
        assert_eq!(health.text(), "another program receives for this bot: x");
        assert_eq!(health.failures.get(), 3);
        assert!(health.failed(State::TokenRefused, token_cure("bot", "Unauthorized")));
        assert_eq!(
            health.text(),
            "token refused, trying again every 5 minutes: Unauthorized; @BotFather shows the right one, and `picoclaw \
             config set channel_list.bot.settings.token -` reads it from standard input"
        );
        health.ok();
        assert_eq!((health.text().as_str(), health.failures.get()), ("running", 0));
    }
}
