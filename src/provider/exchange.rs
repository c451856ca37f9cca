//! One POST to a model server and its answer, streamed or whole, for any dialect.
//!
//! Never holds request and answer at the same time, and never prints a key: error bodies are truncated and the key is
//! redacted, because some servers repeat it.

use std::time::Duration;

use super::answer_reading::{feed, finish, stream, whole};
use super::body::RequestBody;
use super::json_answer::error_words;
#[cfg(feature = "sign-in")]
use super::sign_in::SignedIn;
use super::{Class, Failure, classify};
use crate::config::{ModelConfig, Secret};
use crate::limits;
use crate::net::http::{HttpClient, Request, Response};
use crate::proto::sse::Events;
use crate::proto::text;
use crate::proto::url::Url;
use crate::store::credentials::Credential;

/// The endpoint of an entry of `model_list`.
pub struct Endpoint {
    /// Absolute URL of the endpoint; contains no secret.
    pub url: String,
    /// Header fields of every request, including the key.
    pub headers: Vec<(String, String)>,
    /// The secret to redact.
    pub key: Secret,
    /// The sign-in that is used instead of a key.
    #[cfg(feature = "sign-in")]
    pub signed_in: Option<Box<SignedIn>>,
    /// Proxy URL or empty.
    pub proxy: String,
    /// Waiting for the first byte.
    pub first_byte: Duration,
}

impl Endpoint {
    /// `url` with the entry's fields; an error names the invalid field, without the key.
    pub fn new(
        model: &ModelConfig,
        url: String,
        ours: Vec<(&str, String)>,
    ) -> Result<Endpoint, String> {
        Url::parse(&url).map_err(|e| format!("api_base of {}: {e}", model.model_name))?;
        let first_byte = match model.request_timeout {
            Duration::ZERO => limits::MODEL_FIRST_BYTE,
            timeout => timeout,
        };
        let (key, proxy) = (model.api_key.clone(), model.proxy.clone());
        #[cfg(feature = "sign-in")]
        let signed_in = model.signed_in.as_ref().map(|home| {
            let provider = model.provider.trim_end_matches("-messages").to_owned();
            Box::new(SignedIn::new(home.clone(), provider))
        });
        Ok(Endpoint {
            url,
            headers: headers(model, ours)?,
            key,
            #[cfg(feature = "sign-in")]
            signed_in,
            proxy,
            first_byte,
        })
    }
}

/// Parses an answer of one dialect, streamed or whole.
pub trait AnswerParser {
    /// Takes the data of one event; true if it was the last.
    fn event(&mut self, data: &str) -> Result<bool, Failure>;
    /// Takes a body that is not a stream.
    fn whole(&mut self, body: &str) -> Result<(), Failure>;
    /// The stream has ended; an error if it stopped in the middle.
    fn end(&mut self) -> Result<(), Failure>;
}

/// Sends `body` and feeds the response to `answer`.
pub async fn post(
    http: &HttpClient,
    to: &Endpoint,
    mut body: RequestBody,
    answer: &mut dyn AnswerParser,
) -> Result<(), Failure> {
    for splice in &mut body.files {
        let measured = splice.measure().await;
        measured.map_err(|e| Failure::new(Class::Format, format!("the history: {e}")))?;
    }
    let signed = Credential::default();
    #[cfg(feature = "sign-in")]
    let signed = match &to.signed_in {
        Some(signed_in) => signed_in.credential(http).await?,
        None => signed,
    };
    let sent = {
        let ours = token_headers(&signed);
        let all = to.headers.iter().map(|(name, value)| (name.as_str(), value.as_str()));
        let headers: Vec<(&str, &str)> =
            all.chain(ours.iter().map(|(name, value)| (*name, value.as_str()))).collect();
        let mut request = Request::post_json(&to.url, &body.json);
        request.files = &body.files;
        request.headers = &headers;
        request.first_byte = to.first_byte;
        request.idle = limits::MODEL_IDLE;
        request.proxy = &to.proxy;
        http.send(request).await
    };
    // The request has been sent; its memory is freed for the answer.
    drop(body);
    let response = sent.map_err(|e| classify::transport(&e))?;
    if !(200..300).contains(&response.status) {
        let key = if signed.access.is_empty() { &to.key } else { &signed.access };
        return Err(refusal(response, to, key).await);
    }
    let kind = response.header("content-type").unwrap_or_default();
    if kind.trim_start().to_ascii_lowercase().starts_with("text/event-stream") {
        return stream(response, to.first_byte, answer).await;
    }
    let bytes = whole(response, to.first_byte).await?;
    let text = String::from_utf8_lossy(&bytes);
    if looks_like_html(&text) {
        return Err(Failure::new(Class::Network, html(to, 200)));
    }
    // Some servers stream under another content type.
    if ["data:", "event:", ":"].iter().any(|s| text.trim_start().starts_with(s)) {
        let mut events = Events::default();
        feed(&mut events, &bytes, answer, &mut || {})?;
        return finish(&mut events, answer);
    }
    answer.whole(&text)
}

/// The header fields that accompany a token; nothing without one.
pub fn token_headers(signed: &Credential) -> Vec<(&'static str, String)> {
    let (token, mut all) = (signed.access.expose(), Vec::new());
    if !signed.account.is_empty() {
        all.push(("chatgpt-account-id", signed.account.clone()));
    }
    // Users also paste Anthropic's API keys.
    if token.starts_with("sk-ant-api") {
        all.push(("x-api-key", token.to_owned()));
    } else if !token.is_empty() {
        all.push(("authorization", format!("Bearer {token}")));
        if token.starts_with("sk-ant-oat") {
            all.push(("anthropic-beta", "oauth-2025-04-20".to_owned()));
        }
    }
    all
}

async fn refusal(response: Response, to: &Endpoint, key: &Secret) -> Failure {
    let status = response.status;
    let retry_after = response.header("retry-after").and_then(seconds);
    let body = response.head_of_body(limits::REFUSAL_BYTES).await;
    let body = String::from_utf8_lossy(&body);
    let message = if looks_like_html(&body) {
        html(to, status)
    } else {
        let words = cfg!(feature = "servers").then(|| error_words(&body)).flatten();
        let mut text = words.unwrap_or_else(|| body.trim().to_owned());
        if !key.is_empty() {
            text = text.replace(key.expose(), "[redacted]");
        }
        format!("API request failed: status {status}: {}", cut(&text))
    };
    Failure { class: classify::status(status, &body), status, message, retry_after }
}

/// An error object with status 200 or inside a stream.
pub fn error_object(json: &str) -> Failure {
    let class = match classify::message(json) {
        // If a server answers 200 and then an unknown error, the fault is the server's, not ours.
        Class::Unknown => Class::Network,
        class => class,
    };
    Failure::new(class, format!("API request failed: {}", cut(json)))
}

/// The answer does not follow the dialect; worth a retry, not a crash.
pub fn malformed(what: impl std::fmt::Display) -> Failure {
    Failure::new(Class::Network, format!("the model server's answer cannot be read: {what}"))
}

/// The stream stopped before its end.
pub fn interrupted() -> Failure {
    malformed("the stream stopped in the middle")
}

/// `text` on one line, at most [`limits::ERROR_BODY_BYTES`].
pub fn cut(text: &str) -> String {
    text::head(text, limits::ERROR_BODY_BYTES).split_whitespace().collect::<Vec<_>>().join(" ")
}

/// `Retry-After` in seconds (RFC 9110, 10.2.3); its date form is ignored, because the clock may be wrong.
fn seconds(value: &str) -> Option<Duration> {
    Duration::try_from_secs_f64(text::number(value)?).ok()
}

/// The body is a web page: wrong `api_base`, captive portal, or a gateway's error page.
pub fn looks_like_html(body: &str) -> bool {
    let body = body.trim_start_matches(|c: char| c.is_whitespace() || c == '\u{feff}');
    ["<!doctype html", "<html", "<head", "<body"]
        .iter()
        .any(|tag| body.get(..tag.len()).is_some_and(|begin| begin.eq_ignore_ascii_case(tag)))
}

fn html(to: &Endpoint, status: u16) -> String {
    let host = host(&to.url);
    format!("{host} sent an HTML page instead of JSON (status {status}); check api_base and proxy")
}

/// The host of a URL in lower case; empty if it is not a URL.
pub fn host(url: &str) -> String {
    Url::parse(url).map(|u| u.host.to_ascii_lowercase()).unwrap_or_default()
}

/// Appends `path` to the path of `base`, before its query.
pub fn endpoint(base: &str, path: &str) -> String {
    let (base, query) = match base.split_once('?') {
        Some((base, query)) => (base, Some(query)),
        None => (base, None),
    };
    let mut url = format!("{}{path}", base.trim_end_matches('/'));
    if let Some(query) = query {
        url.push('?');
        url.push_str(query);
    }
    url
}

/// The fields of a request: ours, then `custom_headers`, which replace those of the same name.
fn headers(
    model: &ModelConfig,
    ours: Vec<(&str, String)>,
) -> Result<Vec<(String, String)>, String> {
    let custom = &model.custom_headers;
    let agent = match model.user_agent.as_str() {
        "" => concat!("PicoClaw/", env!("CARGO_PKG_VERSION")).to_owned(),
        agent => agent.to_owned(),
    };
    let mut all = vec![
        ("content-type".to_owned(), "application/json".to_owned()),
        ("user-agent".to_owned(), agent),
    ];
    all.extend(ours.into_iter().map(|(name, value)| (name.to_owned(), value)));
    all.retain(|(name, _)| !custom.iter().any(|(own, _)| own.eq_ignore_ascii_case(name)));
    all.extend(custom.iter().cloned());
    let token = |b: u8| b.is_ascii_graphic() && !b"()<>@,;:\\\"/[]?={}".contains(&b);
    for (name, value) in &all {
        // The value may be the key, so the error contains only the name.
        if name.is_empty()
            || !name.bytes().all(token)
            || value.bytes().any(|b| b < b' ' || b == 127)
        {
            return Err(format!("header `{}` cannot be sent", name.escape_debug()));
        }
    }
    Ok(all)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn pages_are_told_from_json() {
        for page in ["<!DOCTYPE HTML>", "\u{feff}<html lang=en>", " \r\n<Body>", "<head>"] {
            assert!(looks_like_html(page), "{page}");
        }
        for other in ["", "{}", "<", "<xml>", "\"<html>\"", "héllo wörld, no page"] {
            assert!(!looks_like_html(other), "{other}");
        }
    }

    #[track_caller]
    fn check_endpoint(base: &str, want: &str) {
        assert_eq!(endpoint(base, "/chat/completions"), want);
    }

    #[test]
    fn the_path_goes_before_the_query() {
        check_endpoint("https://a.b/v1", "https://a.b/v1/chat/completions");
        check_endpoint("https://a.b/v1/", "https://a.b/v1/chat/completions");
        check_endpoint("https://a.b/x/?v=1", "https://a.b/x/chat/completions?v=1");
    }

    #[track_caller]
    fn check_seconds(value: &str, want: Option<u64>) {
        assert_eq!(seconds(value), want.map(Duration::from_secs));
    }

    #[test]
    fn retry_after_is_seconds_or_nothing() {
        check_seconds("3", Some(3));
        check_seconds(" 20.0 ", Some(20));
        check_seconds("-1", None);
        check_seconds("NaN", None);
        check_seconds("1e300", None);
        check_seconds("Fri, 31 Dec 1999 23:59:59 GMT", None);
    }

    #[test]
    fn a_shown_body_is_short_and_on_one_line() {
        assert_eq!(cut(" a\n  b "), "a b");
        assert_eq!(cut(&"é".repeat(300)).len(), limits::ERROR_BODY_BYTES);
        assert_eq!(cut(&format!("x{}", "é".repeat(300))).len(), limits::ERROR_BODY_BYTES - 1);
    }

    #[test]
    fn custom_headers_replace_ours_and_cannot_smuggle() {
        let mut model = ModelConfig {
            custom_headers: vec![("AUTHORIZATION".into(), "Token x".into())],
            ..ModelConfig::default()
        };
        let all = headers(&model, vec![("authorization", "Bearer y".into())]).expect("headers");
        assert!(all.iter().all(|(_, v)| v != "Bearer y"));
        assert!(all.contains(&("AUTHORIZATION".into(), "Token x".into())));
        assert!(all.iter().any(|(n, v)| n == "user-agent" && v.starts_with("PicoClaw/")));
        for (name, value) in [("a b", "x"), ("", "x"), ("a", "x\r\nb: c")] {
            model.custom_headers = vec![(name.into(), value.into())];
            assert!(headers(&model, Vec::new()).is_err(), "{name:?}");
        }
    }
}
