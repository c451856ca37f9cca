//! Why a model gave no answer.

use std::time::Duration;

/// Why a model gave no answer (behaviour.md 6B, `error_classification` rows).
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Class {
    /// 401 or 403: the key is wrong; another attempt with it is useless.
    Auth,
    /// 402, quota used up.
    Billing,
    /// 429, or the server says it is overloaded: the model cools down.
    RateLimit,
    /// 408, 5xx or our deadline: worth another attempt.
    Timeout,
    /// No connection, reset, or an unreadable answer.
    Network,
    /// 400, 422: the request itself is invalid; other models would refuse it, too.
    Format,
    /// The conversation is longer than the model's window.
    ContextOverflow,
    /// Our clock is not set yet; not the provider's fault.
    Clock,
    /// None of these: an unknown model or path (404), an invalid URL.
    Unknown,
}

impl Class {
    /// Whether the same model is asked again after a pause; `chain.rs` decides how often and when.
    pub fn is_retried(self) -> bool {
        matches!(self, Class::Timeout | Class::Network | Class::RateLimit)
    }

    /// The class as `error_classification` and the texts of the chain name it.
    pub fn name(self) -> &'static str {
        match self {
            Class::Auth => "auth",
            Class::Billing => "billing",
            Class::RateLimit => "rate_limit",
            Class::Timeout => "timeout",
            Class::Network => "network",
            Class::Format => "format",
            Class::ContextOverflow => "context_overflow",
            Class::Clock => "clock",
            Class::Unknown => "unknown",
        }
    }
}

/// Why a model call failed, in a form that decides about retry and next model.
#[derive(Clone, Debug)]
pub struct Failure {
    /// The class that callers branch on.
    pub class: Class,
    /// HTTP status, 0 when there was none.
    pub status: u16,
    /// For log and chat; without secrets.
    pub message: String,
    /// The delay that the server asked for.
    pub retry_after: Option<Duration>,
}

impl Failure {
    /// A failure without a status.
    pub fn new(class: Class, message: impl Into<String>) -> Failure {
        Failure { class, status: 0, message: message.into(), retry_after: None }
    }
}

impl std::fmt::Display for Failure {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str(&self.message)
    }
}
