//! What every kind of model server takes and returns.

use std::sync::Arc;

use super::failure::Failure;
use super::picture::Picture;
use super::stored::Stored;
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

/// A model's answer: text, calls, or both.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct ChatReply {
    /// Text; may be empty if there are calls.
    pub text: String,
    /// Reasoning text where the provider sends it.
    pub reasoning: String,
    /// Calls in the model's order; empty for a final answer.
    pub tool_calls: Vec<ToolCall>,
    /// The answer was cut at max_tokens.
    pub truncated: bool,
    /// Tokens as the server counted them; `None` if it does not say.
    pub usage: Option<Usage>,
}

/// Callback for streamed text, piece by piece.
pub type OnText<'a> = Option<&'a dyn Fn(&str)>;

/// One model server.
// One thread runs everything, so a future here need not be Send; callers use [`super::AnyProvider`], not the trait.
#[allow(async_fn_in_trait)]
pub trait Provider {
    /// One request, one answer. `on_text` gets streamed text as it arrives.
    async fn chat(
        &self,
        request: &ChatRequest<'_>,
        on_text: OnText<'_>,
    ) -> Result<ChatReply, Failure>;
}
