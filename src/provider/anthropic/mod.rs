//! Anthropic's Messages API (version 2023-06-01), streamed and whole.

pub mod request;
pub mod response;

use super::body::{self, Extra};
use super::exchange::{self, Endpoint};
use super::{ChatReply, ChatRequest, Failure, OnText, Provider};
use crate::config::ModelConfig;
use crate::net::http::HttpClient;

/// The API's address unless the entry says otherwise.
const BASE: &str = "https://api.anthropic.com/v1";

/// One entry of `model_list` that uses `/v1/messages`.
pub struct Anthropic {
    http: HttpClient,
    to: Endpoint,
    model: ModelConfig,
    extra: Extra,
}

impl Anthropic {
    /// Checks the entry; the error is a sentence for status, log and chat.
    pub fn new(model: &ModelConfig, http: HttpClient) -> Result<Anthropic, String> {
        let name = &model.model_name;
        let extra = body::extra(&model.extra_body)
            .map_err(|e| format!("extra_body of {name} is not a JSON object: {e}"))?;
        let key = model.api_key.expose();
        let keyed = model.custom_headers.iter().any(|(n, _)| {
            n.eq_ignore_ascii_case("authorization") || n.eq_ignore_ascii_case("x-api-key")
        });
        if key.is_empty() && !keyed && model.signed_in.is_none() {
            return Err(format!("no API key configured for model: {name}"));
        }
        let mut ours = vec![("anthropic-version", "2023-06-01".to_owned())];
        // Tokens of an OAuth login; an API key begins with sk-ant-api.
        if key.starts_with("sk-ant-oat") {
            ours.push(("authorization", format!("Bearer {key}")));
            ours.push(("anthropic-beta", "oauth-2025-04-20".to_owned()));
        } else if !key.is_empty() {
            ours.push(("x-api-key", key.to_owned()));
        }
        let url = exchange::endpoint(&base(&model.api_base, BASE, true), "/messages");
        let to = Endpoint::new(model, url, ours)?;
        Ok(Anthropic { http, to, model: model.clone(), extra })
    }
}

/// `api_base` without its last slashes, with or without `/v1` at its end; `default` if there is none.
pub fn base(api_base: &str, default: &str, with_v1: bool) -> String {
    let base = api_base.trim().trim_end_matches('/');
    let base = if base.is_empty() { default.trim_end_matches('/') } else { base };
    let base = base.strip_suffix("/v1").unwrap_or(base);
    if with_v1 { format!("{base}/v1") } else { base.to_owned() }
}

impl Provider for Anthropic {
    async fn chat(
        &self,
        request: &ChatRequest<'_>,
        on_text: OnText<'_>,
    ) -> Result<ChatReply, Failure> {
        let body = request::body(&self.model, &self.extra, request)?;
        let mut answer = response::AnthropicReader::new(on_text);
        exchange::post(&self.http, &self.to, body, &mut answer).await?;
        Ok(answer.reply())
    }
}

#[cfg(test)]
mod tests;
