//! All kinds of model servers as one type.

#[cfg(feature = "anthropic")]
use super::anthropic;
#[cfg(feature = "sign-in")]
use super::responses;
#[cfg(any(test, feature = "simulate"))]
use super::scripted;
use super::{ChatReply, ChatRequest, Failure, OnText, Provider, openai};

/// Every kind of server; an enum, so that a call needs no boxed future.
// The scripted one is small, but the only one in its process: a box would cost every real one an allocation.
#[allow(clippy::large_enum_variant)]
pub enum AnyProvider {
    /// OpenAI's chat completions and everything that speaks them.
    OpenAi(openai::OpenAi),
    /// Any server that speaks Anthropic's Messages API.
    #[cfg(feature = "anthropic")]
    Anthropic(anthropic::Anthropic),
    /// OpenAI's Responses API, for ChatGPT accounts.
    #[cfg(feature = "sign-in")]
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
            #[cfg(feature = "sign-in")]
            AnyProvider::Responses(p) => p.chat(request, on_text).await,
            #[cfg(any(test, feature = "simulate"))]
            AnyProvider::Scripted(p) => p.chat(request, on_text).await,
        }
    }
}
