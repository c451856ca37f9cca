//! Speech to text with a server's `/audio/transcriptions` (OpenAI API reference, "Create transcription").

use std::path::PathBuf;
use std::sync::Arc;
use std::time::Duration;

use serde_json::Value;

use super::exchange;
use crate::config::providers::Quirk;
use crate::config::{Config, ModelConfig};
use crate::limits::{VOICE_ANSWER_BYTES, VOICE_CHARS, VOICE_TRIES};
use crate::net::http::{HttpClient, Request};
use crate::net::upload::MultipartForm;
use crate::proto::text::one_line;
use crate::store::spool;
use crate::sys::spawn_blocking;

/// The endpoint that transcribes voice messages, and its model's id: `voice.model_name`, else Groq if it has a key, as
/// upstream does.
pub fn transcriber(config: &Config) -> Option<(&ModelConfig, &str)> {
    let named = &config.agent.voice.model;
    if !named.is_empty() {
        let entry = config.models.iter().find(|m| m.model_name == *named)?;
        return Some((entry, &entry.model));
    }
    config.models.iter().filter(|m| !m.api_key.is_empty()).find_map(|entry| {
        let own = entry.model.contains("whisper").then_some(entry.model.as_str());
        entry.quirks().find_map(|quirk| match quirk {
            Quirk::Transcribes(model) => Some((entry, own.unwrap_or(model))),
            _ => None,
        })
    })
}

/// The transcript of a file in `media/`, on one line of at most [`VOICE_CHARS`] characters; each try takes `limit` at most.
///
/// # Errors
/// The failure's text, without a key.
pub async fn transcribe(
    http: &HttpClient,
    (entry, model): (&ModelConfig, &str),
    workspace: PathBuf,
    path: &str,
    limit: Duration,
) -> Result<String, String> {
    let name = path.to_owned();
    let opened = spawn_blocking(Box::new(move || spool::open(&workspace, &name)));
    let (file, bytes) = opened.await.map_err(|e| e.to_string())?;
    let name = path.rsplit('/').next().unwrap_or(path);
    let fields = [("model", model), ("response_format", "json")];
    let form = MultipartForm::new(&fields, "file", name, Arc::new(file), bytes);
    let url = exchange::endpoint(&entry.api_base, "/audio/transcriptions");
    let key = ["Bearer ", entry.api_key.expose()].concat();
    let mut headers: Vec<(&str, &str)> =
        entry.custom_headers.iter().map(|(name, value)| (name.as_str(), value.as_str())).collect();
    headers.retain(|(name, _)| !name.eq_ignore_ascii_case("content-type"));
    headers.push(("content-type", &form.kind));
    if !entry.api_key.is_empty() {
        headers.push(("authorization", &key));
    }
    let mut why = String::new();
    for _ in 0..VOICE_TRIES {
        let mut request = Request::post_json(&url, &form.body);
        request.files = &form.files;
        request.headers = &headers;
        request.proxy = &entry.proxy;
        request.total = limit;
        request.first_byte = limit;
        let response = match http.send(request).await {
            Ok(response) => response,
            Err(e) => {
                why = e.message;
                continue;
            }
        };
        let status = response.status;
        if status != 200 {
            why = format!("{} answered with status {status}", entry.model_name);
            if status == 429 || status >= 500 { continue } else { break }
        }
        let answer = response.bytes(VOICE_ANSWER_BYTES).await.map_err(|e| e.message)?;
        return parse(&answer);
    }
    Err(why)
}

/// The text of an answer.
///
/// # Errors
/// It is invalid, or the transcript is empty.
pub fn parse(answer: &[u8]) -> Result<String, String> {
    let answer: Value = crate::proto::text::utf8(answer)
        .and_then(serde_json::from_str)
        .map_err(|e| e.to_string())?;
    let text = one_line(answer["text"].as_str().ok_or("the answer has no text")?, VOICE_CHARS);
    match text.trim() {
        "" => Err("nothing was heard".to_owned()),
        text => Ok(text.to_owned()),
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::config::Secret;

    #[track_caller]
    fn check(answer: &str, want: Result<&str, &str>) {
        let got = parse(answer.as_bytes());
        match want {
            Ok(text) => assert_eq!(got.as_deref(), Ok(text)),
            Err(why) => assert!(got.as_ref().is_err_and(|e| e.contains(why)), "{got:?}"),
        }
    }

    #[test]
    fn answers() {
        check(r#"{"text":" Hello.\nHow  are you?\u0000 "}"#, Ok("Hello. How  are you?"));
        check(r#"{"text":"x","x_groq":{"id":"r"}}"#, Ok("x"));
        check(r#"{"text":""}"#, Err("nothing was heard"));
        check(r#"{"text":7}"#, Err("no text"));
        check(r#"{"error":{"message":"no"}}"#, Err("no text"));
        check("<html>", Err("expected value"));
        check(r#"{"text":"cut"#, Err("EOF"));
        let long = format!(r#"{{"text":"{}"}}"#, "é".repeat(VOICE_CHARS + 1));
        assert_eq!(parse(long.as_bytes()).map(|t| t.chars().count()), Ok(VOICE_CHARS));
    }

    #[test]
    fn transcriber_is_chosen() {
        let entry = |name: &str, provider: &str, model: &str| ModelConfig {
            model_name: name.into(),
            provider: provider.into(),
            model: model.into(),
            api_key: Secret::new("k"),
            ..ModelConfig::default()
        };
        let mut config = Config {
            models: vec![entry("a", "openai", "gpt"), entry("w", "openai", "whisper-1")],
            ..Config::default()
        };
        let found = |config: &Config| {
            transcriber(config).map(|(m, id)| (m.model_name.clone(), id.to_owned()))
        };
        let want = |name: &str, id: &str| Some((name.to_owned(), id.to_owned()));
        assert_eq!(found(&config), None);
        config.agent.voice.model = "w".into();
        assert_eq!(found(&config), want("w", "whisper-1"));
        config.agent.voice.model.clear();
        config.models.push(entry("g", "groq", "llama-3.3"));
        assert_eq!(found(&config), want("g", "whisper-large-v3"));
        config.models[2].model = "whisper-large-v3-turbo".into();
        assert_eq!(found(&config), want("g", "whisper-large-v3-turbo"));
    }
}
