//! One call of the Bot API: a POST of JSON, and its classified answer ([`answer`]).
//!
//! The token is part of every URL, so no URL may reach a log or an error.

use std::cell::RefCell;
use std::time::{Duration, Instant};

use async_io::Timer;

use super::answer::{self, AnswerError, CallError};
use super::rate_limit::RateLimit;
use super::wire::{self, JsonObject};
use crate::bus::Attachment;
use crate::channel::SendError;
use crate::config::channels::telegram::Settings;
use crate::limits;
use crate::net::http::{HttpClient, Request, Response};
use crate::store::spool::Spool;

const JSON: &[(&str, &str)] = &[("Content-Type", "application/json")];

/// A bot's connection to its API server.
pub struct Api {
    client: HttpClient,
    base: String,
    token: crate::config::Secret,
    proxy: String,
    rate_limit: RefCell<RateLimit>,
    started: Instant,
}

impl Api {
    /// The API of the bot that the settings' token belongs to.
    pub fn new(settings: &Settings, client: HttpClient) -> Api {
        Api {
            client,
            base: settings.base().into(),
            token: settings.token.clone(),
            proxy: settings.proxy.clone(),
            rate_limit: RefCell::default(),
            started: Instant::now(),
        }
    }

    fn url(&self, middle: &str, end: &str) -> String {
        [&self.base, middle, self.token.expose(), "/", end].concat()
    }

    /// The bot's number: the digits of the token before the colon; 0 without them.
    pub fn account(&self) -> i64 {
        account(self.token.expose())
    }

    /// Seconds of a monotonic clock.
    pub fn now(&self) -> u64 {
        self.started.elapsed().as_secs()
    }

    fn now_ms(&self) -> u64 {
        crate::sys::clock::millis(self.started.elapsed())
    }

    /// Calls `method`; the body of a 200, not yet read.
    pub async fn call(&self, method: &str, body: &str) -> Result<Vec<u8>, CallError> {
        self.call_within(method, body, limits::TELEGRAM_CALL, limits::TELEGRAM_ANSWER_BYTES).await
    }

    /// The same with its own timeout and size limit.
    pub async fn call_within(
        &self,
        method: &str,
        body: &str,
        first_byte: Duration,
        limit: usize,
    ) -> Result<Vec<u8>, CallError> {
        let body = body.as_bytes();
        let request = Request { headers: JSON, first_byte, ..Request::post_json("", body) };
        self.post(method, request, limit).await
    }

    /// The same with a form that holds a file.
    #[cfg(feature = "media")]
    pub async fn post_form(
        &self,
        method: &str,
        form: &crate::net::upload::MultipartForm,
    ) -> Result<Vec<u8>, CallError> {
        let request = Request {
            headers: &[("Content-Type", &form.kind)],
            files: &form.files,
            first_byte: limits::TELEGRAM_UPLOAD,
            ..Request::post_json("", &form.body)
        };
        self.post(method, request, limits::TELEGRAM_ANSWER_BYTES).await
    }

    async fn post(
        &self,
        method: &str,
        request: Request<'_>,
        limit: usize,
    ) -> Result<Vec<u8>, CallError> {
        let url = self.url("/bot", method);
        let request = Request { url: &url, proxy: &self.proxy, ..request };
        let response = self.client.send(request).await.map_err(CallError::Http)?;
        accept(response, limit).await
    }

    /// The Bot API asked for a pause of the messages to `chat`.
    pub fn limited(&self, chat: &str, pause: Duration) {
        self.rate_limit.borrow_mut().limited(chat, pause, self.now_ms());
    }

    /// The pauses for `status`; empty without any.
    pub fn pauses(&self) -> String {
        self.rate_limit.borrow().text(self.now_ms())
    }

    /// Waits until a message to `chat` may go out, unless that takes more than `limit`.
    ///
    /// # Errors
    /// How long it takes.
    pub async fn turn_within(&self, chat: &str, limit: Duration) -> Result<(), Duration> {
        loop {
            let wait = self.rate_limit.borrow_mut().turn(chat, self.now_ms());
            match wait {
                Duration::ZERO => return Ok(()),
                wait if wait > limit => return Err(wait),
                wait => Timer::after(wait).await,
            };
        }
    }

    /// Whether optional calls about `chat` are to be skipped.
    pub fn is_paused(&self, chat: &str) -> bool {
        self.rate_limit.borrow().is_paused(chat, self.now_ms())
    }

    /// getFile and the download: writes the file's bytes to `sink`, returns how many. At most
    /// [`limits::TELEGRAM_FILE_BYTES`], with at most `idle` between two pieces; after an error `sink` holds a
    /// part of the file.
    pub async fn fetch(
        &self,
        file: &Attachment,
        sink: &mut Spool,
        idle: Duration,
    ) -> Result<u64, SendError> {
        let too_large =
            || SendError::Permanent("it is larger than the 20 MB that bots may fetch".into());
        if file.size > limits::TELEGRAM_FILE_BYTES {
            return Err(too_large());
        }
        let body = JsonObject::new().str("file_id", &file.id).end();
        let bytes = self.call("getFile", &body).await.map_err(|e| e.for_send(true))?;
        let text = wire::text(&bytes);
        let found = answer::result(&text, |found| {
            (found.get("file_path").string(), found.get("file_size").uint())
        });
        let (path, size) = found.map_err(|e| e.for_send(true))?;
        if size > limits::TELEGRAM_FILE_BYTES {
            return Err(too_large());
        }
        if !is_plain_path(&path) {
            return Err(SendError::Permanent("the server names no path for the file".into()));
        }
        let url = self.url("/file/bot", &path);
        let request = Request { proxy: &self.proxy, first_byte: idle, idle, ..Request::get(&url) };
        let http = |e| CallError::Http(e).for_send(true);
        let mut response = self.client.send(request).await.map_err(http)?;
        if response.status != 200 {
            let why = format!("the file cannot be fetched, status {}", response.status);
            return Err(SendError::of_status(response.status, &why));
        }
        let mut written = 0;
        while let Some(chunk) = response.chunk().await.map_err(http)? {
            written += chunk.len() as u64;
            if written > limits::TELEGRAM_FILE_BYTES {
                return Err(too_large());
            }
            let stored = sink.write(chunk).await;
            stored.map_err(|e| SendError::Permanent(format!("it cannot be stored: {e}")))?;
        }
        Ok(written)
    }
}

fn account(token: &str) -> i64 {
    token.split(':').next().and_then(|digits| digits.parse().ok()).unwrap_or(0)
}

/// Whether this is a relative path of characters that need no escaping in a URL.
fn is_plain_path(path: &str) -> bool {
    let plain = |b: u8| b.is_ascii_alphanumeric() || matches!(b, b'/' | b'.' | b'-' | b'_' | b'~');
    !path.is_empty()
        && !path.starts_with('/')
        && !path.split('/').any(|part| part.is_empty() || part == "." || part == "..")
        && path.bytes().all(plain)
}

async fn accept(mut response: Response, limit: usize) -> Result<Vec<u8>, CallError> {
    let status = response.status;
    if status != 200 {
        let retry_after = response.header("retry-after").map(str::to_string);
        let body = response.head_of_body(limits::TELEGRAM_ANSWER_BYTES).await;
        answer::check(status, retry_after.as_deref(), &body)?;
        return Ok(body);
    }
    let mut body = Vec::new();
    loop {
        let why = match response.chunk().await {
            Ok(None) => return Ok(body),
            Ok(Some(chunk)) if body.len() + chunk.len() <= limit => {
                body.extend_from_slice(chunk);
                continue;
            }
            Ok(Some(chunk)) => {
                body.extend_from_slice(chunk.get(..limits::ERROR_BODY_BYTES).unwrap_or(chunk));
                AnswerError::TooLong
            }
            Err(_) => AnswerError::Broken,
        };
        body.truncate(limits::ERROR_BODY_BYTES);
        return Err(CallError::Unreadable { status, why, head: body });
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[track_caller]
    fn check(path: &str, want: bool) {
        assert_eq!(is_plain_path(path), want, "{path:?}");
    }

    #[test]
    fn the_account_is_the_number_before_the_colon() {
        assert_eq!(account("222222:AAbb"), 222_222);
        assert_eq!(account("nonsense"), 0);
    }

    #[test]
    fn file_paths() {
        check("documents/file_12.pdf", true);
        check("photos/a-b~c.jpg", true);
        check("", false);
        check("/etc/passwd", false);
        check("a/../../b", false);
        check("a//b", false);
        check("a?b", false);
        check("a b", false);
        check("a\r\nHost: x", false);
        check("a%2e", false);
    }
}
