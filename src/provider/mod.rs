//! Model servers behind one trait.
//!
//! [`chain`] is what the agent talks to: it picks a model, retries, and falls back. One file or folder for each
//! kind of server below it. Nothing here stores a conversation or runs a tool.

#[cfg(feature = "anthropic")]
pub mod anthropic;
pub mod body;
mod candidate;
pub mod chain;
pub mod classify;
pub mod cooldown;
pub mod exchange;
pub mod json_answer;
pub mod openai;
pub mod picture;
pub mod responses;
#[cfg(any(test, feature = "simulate"))]
pub mod scripted;
pub mod sign_in;
pub mod stored;
pub mod thinking;
pub mod tokens;
#[cfg(feature = "media")]
pub mod voice;

use std::sync::Arc;
use std::time::Duration;

pub use chain::Models;
pub use picture::Picture;
pub use stored::Stored;

use crate::message::{Message, ToolCall, Usage};

/// A request of a turn to a model.
pub struct ChatRequest<'a> {
    /// System prompt, the part that is identical in every turn (for prompt caches).
    pub system_static: &'a str,
    /// System prompt, the part that changes (time, chat, summary).
    pub system_dynamic: &'a str,
    /// The messages before them that stay on the card until the request is written.
    pub history: Option<Arc<Stored>>,
    /// The rest of the history and the running turn, oldest first, already sanitised; one at least.
    pub messages: &'a [Message],
    /// Tools that the model may call.
    pub tools: &'a [&'static crate::tool::ToolSpec],
    /// Tokens of the answer; the model entry's field name decides how it is sent.
    pub max_tokens: u32,
    /// Sent unchanged, unless the model only accepts 1.
    pub temperature: f64,
    /// The session's name for providers with a prompt cache key, or empty.
    pub cache_key: &'a str,
    /// Pictures for the messages whose `media` names them; others are not sent.
    pub pictures: &'a [Picture],
}

/// A model's answer.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct ChatReply {
    /// Text; may be empty if there are calls.
    pub text: String,
    /// Reasoning text where the provider sends it.
    pub reasoning: String,
    /// Calls to run.
    pub tool_calls: Vec<ToolCall>,
    /// The answer was cut at max_tokens.
    pub truncated: bool,
    /// Counted tokens.
    pub usage: Option<Usage>,
}

/// Why a model gave no answer (behaviour.md 6B, `error_classification` rows).
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Class {
    /// 401, 403.
    Auth,
    /// 402, quota used up.
    Billing,
    /// 429, overloaded.
    RateLimit,
    /// 408, 5xx, deadline.
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

/// A failed call.
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

/// Callback for streamed text, piece by piece.
pub type OnText<'a> = Option<&'a dyn Fn(&str)>;

/// One model server.
// One thread runs everything, so a future here need not be Send; callers use the enum below, not the trait.
#[allow(async_fn_in_trait)]
pub trait Provider {
    /// One request, one answer. `on_text` gets streamed text as it arrives.
    async fn chat(
        &self,
        request: &ChatRequest<'_>,
        on_text: OnText<'_>,
    ) -> Result<ChatReply, Failure>;
}

/// Every kind of server; an enum, so that a call needs no boxed future.
// The scripted one is small, but the only one in its process: a box would cost every real one an allocation.
#[allow(clippy::large_enum_variant)]
pub enum AnyProvider {
    /// OpenAI's chat completions and everything that speaks them.
    OpenAi(openai::OpenAi),
    /// Anthropic's Messages API.
    #[cfg(feature = "anthropic")]
    Anthropic(anthropic::Anthropic),
    /// OpenAI's Responses API, for ChatGPT accounts.
    Responses(responses::Responses),
    /// Answers from a script, without a network.
    #[cfg(any(test, feature = "simulate"))]
    Scripted(scripted::Scripted),
}

impl Provider for AnyProvider {
    async fn chat(
        &self,
        request: &ChatRequest<'_>,
        on_text: OnText<'_>,
    ) -> Result<ChatReply, Failure> {
        match self {
            AnyProvider::OpenAi(p) => p.chat(request, on_text).await,
            #[cfg(feature = "anthropic")]
            AnyProvider::Anthropic(p) => p.chat(request, on_text).await,
            AnyProvider::Responses(p) => p.chat(request, on_text).await,
            #[cfg(any(test, feature = "simulate"))]
            AnyProvider::Scripted(p) => p.chat(request, on_text).await,
        }
    }
}
