//! OpenAI's chat completions and the many servers that speak them.

pub mod request;
pub mod response;

use std::cell::Cell;

use super::body::{self, Extra};
use super::exchange::{self, Endpoint};
#[cfg(feature = "servers")]
use super::refusal;
use super::server_rules::ServerRules;
use super::{ChatReply, ChatRequest, Failure, OnText, Provider};
use crate::config::ModelConfig;
use crate::config::providers::{self, Quirk};
use crate::net::http::HttpClient;

/// One entry of `model_list` that uses `/chat/completions`.
pub struct OpenAi {
    http: HttpClient,
    to: Endpoint,
    model: ModelConfig,
    extra: Extra,
    /// How the server wants conversations, as far as is known.
    rules: Cell<ServerRules>,
    /// Counts requests, so that the ids generated for calls without one differ.
    asked: Cell<u32>,
}

impl OpenAi {
    /// Checks the entry; the error is a sentence for status, log and chat.
    pub fn new(model: &ModelConfig, http: HttpClient) -> Result<OpenAi, String> {
        let name = &model.model_name;
        if model.api_base.is_empty() {
            return Err(format!("API base not configured for model: {name}"));
        }
        let extra = body::extra(&model.extra_body)
            .map_err(|e| format!("extra_body of {name} is not a JSON object: {e}"))?;
        let mut ours = Vec::new();
        let keyed =
            model.custom_headers.iter().any(|(n, _)| n.eq_ignore_ascii_case("authorization"));
        if !model.api_key.is_empty() {
            let key = model.api_key.expose();
            ours.push(if model.has(Quirk::ApiKeyField) {
                ("api-key", key.to_owned())
            } else {
                ("authorization", format!("Bearer {key}"))
            });
        } else if !keyed
            && model.signed_in.is_none()
            && providers::needs_key(&model.provider)
            && model.api_base.starts_with("https:")
        {
            return Err(format!("no API key configured for model: {name}"));
        }
        let url = exchange::endpoint(&model.api_base, "/chat/completions");
        let to = Endpoint::new(model, url, ours)?;
        let rules = Cell::new(ServerRules::of(model));
        Ok(OpenAi { http, to, model: model.clone(), extra, rules, asked: Cell::new(0) })
    }
}

impl OpenAi {
    /// One request, written by these rules.
    async fn ask(
        &self,
        request: &ChatRequest<'_>,
        rules: ServerRules,
        on_text: OnText<'_>,
    ) -> Result<ChatReply, Failure> {
        let body = request::body(&self.model, &self.extra, request, rules)?;
        self.asked.set(self.asked.get().wrapping_add(1));
        let mut answer = response::OpenAiReader::new(self.asked.get(), on_text);
        exchange::post(&self.http, &self.to, body, &mut answer).await?;
        Ok(answer.reply())
    }
}

impl Provider for OpenAi {
    async fn chat(
        &self,
        request: &ChatRequest<'_>,
        on_text: OnText<'_>,
    ) -> Result<ChatReply, Failure> {
        #[cfg(feature = "servers")]
        {
            let mut rules = self.rules.get();
            let mut lasting = rules;
            let mut left = crate::limits::REFUSALS_LEARNED;
            loop {
                let failure = match self.ask(request, rules, on_text).await {
                    Err(failure) => failure,
                    Ok(reply) => {
                        // Only what has helped is remembered: a refusal may quote anybody's words.
                        self.rules.set(lasting);
                        return Ok(reply);
                    }
                };
                let lesson = refusal::learn(rules, &failure, request.max_tokens);
                let Some(lesson) = lesson.filter(|_| left > 0) else { return Err(failure) };
                left -= 1;
                crate::log::warn!("asked again without what was refused: {failure}");
                rules = lesson.rules;
                if lesson.lasts {
                    lasting = rules;
                }
            }
        }
        #[cfg(not(feature = "servers"))]
        self.ask(request, self.rules.get(), on_text).await
    }
}

#[cfg(test)]
mod conversation_tests;
#[cfg(test)]
mod tests;
