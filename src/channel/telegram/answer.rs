//! Classifies the answer to a Bot API call, from status and body alone.

use std::time::Duration;

use super::wire;
use crate::channel::SendError;
use crate::limits;
use crate::net::http::{HttpError, HttpErrorKind};
use crate::proto::json::{Json, TypeMismatch};

/// Why a call has no result. No text contains the token or a URL.
#[derive(Clone, Debug)]
pub enum CallError {
    /// The connection failed before a complete response arrived; worth a retry.
    Http(HttpError),
    /// 429: not before this time has passed.
    RateLimited(Duration),
    /// 401 or 404: not a bot's token.
    Token(String),
    /// 409: another program polls this bot, or a webhook is set.
    Conflict(String),
    /// The group is a supergroup now, with this id.
    Migrated(i64),
    /// Another 4xx, with its description.
    Refused(u16, String),
    /// 5xx with its description: Telegram's own fault, worth a retry.
    Server(u16, String),
    /// An unreadable answer, with its first bytes.
    Unreadable {
        /// Of HTTP.
        status: u16,
        /// What is wrong with it.
        why: AnswerError,
        /// Its first bytes.
        head: Vec<u8>,
    },
}

/// Why an answer cannot be read.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum AnswerError {
    /// The connection ended before the body did.
    Broken,
    /// The JSON ends in the middle.
    Cut,
    /// No JSON, or not the Bot API's.
    Bad,
    /// Over the limit for this call.
    TooLong,
}

/// The result, or why there is none.
pub fn check(status: u16, retry_after: Option<&str>, body: &[u8]) -> Result<(), CallError> {
    if status == 200 {
        return Ok(());
    }
    let text = wire::text(body);
    let (description, retry, chat) = refusal(&text).unwrap_or_default();
    // An answer that is not JSON comes from something between the Bot API and us.
    let why = if description.is_empty() {
        format!("status {status}")
    } else {
        crate::proto::text::truncate(&description, limits::ERROR_BODY_BYTES)
    };
    if chat != 0 {
        return Err(CallError::Migrated(chat));
    }
    Err(match status {
        429 => {
            let header = || retry_after.and_then(|s| s.trim().parse().ok()).unwrap_or(1);
            let stated = Some(retry).filter(|s| *s > 0);
            let seconds = stated.unwrap_or_else(header).max(1);
            let pause = Duration::from_secs(seconds).min(limits::TELEGRAM_RETRY_AFTER);
            CallError::RateLimited(pause)
        }
        401 | 404 => CallError::Token(why),
        409 => CallError::Conflict(why),
        400..=499 => CallError::Refused(status, why),
        500..=599 => CallError::Server(status, why),
        // A redirect or an empty success does not come from the Bot API.
        _ => CallError::Unreadable { status, why: AnswerError::Bad, head: Vec::new() },
    })
}

/// Description, seconds to wait and the chat's new id.
fn refusal(text: &str) -> Option<(String, u64, i64)> {
    let mismatch = TypeMismatch::default();
    let json = Json::parse(text, &mismatch).ok()?;
    let parameters = json.get("parameters");
    let found = (
        json.get("description").string(),
        parameters.get("retry_after").uint(),
        parameters.get("migrate_to_chat_id").int(),
    );
    mismatch.get().is_none().then_some(found)
}

/// What `read` finds in `result` of a body whose status was 200.
///
/// # Errors
/// [`CallError`] where there is no result, or `read` found another type than it expected.
pub fn result<T>(text: &str, read: impl FnOnce(Json<'_>) -> T) -> Result<T, CallError> {
    let mismatch = TypeMismatch::default();
    let value = read(frame(text, &mismatch)?);
    if mismatch.get().is_some() { Err(unreadable(text, AnswerError::Bad)) } else { Ok(value) }
}

/// The list getUpdates brought.
pub fn updates<'a>(text: &'a str, mismatch: &'a TypeMismatch<'a>) -> Result<Json<'a>, CallError> {
    let list = frame(text, mismatch)?;
    if list.is_list() { Ok(list) } else { Err(unreadable(text, AnswerError::Bad)) }
}

/// The result of a call that sent or edited a message.
pub fn message_id(text: &str) -> Result<i64, CallError> {
    result(text, |sent| sent.get("message_id").int())
}

fn frame<'a>(text: &'a str, mismatch: &'a TypeMismatch<'a>) -> Result<Json<'a>, CallError> {
    let why = match Json::parse(text, mismatch) {
        Ok(answer) => match answer.get("result").non_null() {
            Some(result) if answer.get("ok").bool() => return Ok(result),
            _ => AnswerError::Bad,
        },
        Err(e) if e.is_eof() => AnswerError::Cut,
        Err(_) => AnswerError::Bad,
    };
    Err(unreadable(text, why))
}

fn unreadable(text: &str, why: AnswerError) -> CallError {
    let head = text.as_bytes().iter().copied().take(limits::ERROR_BODY_BYTES).collect();
    CallError::Unreadable { status: 200, why, head }
}

impl CallError {
    /// What the sender of a message does next. `repeatable`: sending twice does no harm (edits).
    pub fn for_send(self, repeatable: bool) -> SendError {
        match self {
            CallError::Http(e) => match e.kind {
                HttpErrorKind::Timeout | HttpErrorKind::Broken | HttpErrorKind::Protocol
                    if !repeatable =>
                {
                    SendError::Unknown(e.message)
                }
                _ => SendError::Temporary(e.message),
            },
            CallError::RateLimited(pause) => SendError::RateLimited(pause),
            CallError::Migrated(chat) => SendError::MigratedTo(chat.to_string()),
            // The owner may correct the token; the answer can wait.
            CallError::Token(why) => SendError::Temporary(format!("token refused: {why}")),
            CallError::Conflict(why) => SendError::Temporary(why),
            CallError::Refused(status, why) | CallError::Server(status, why) => {
                SendError::of_status(status, &why)
            }
            CallError::Unreadable { status, .. } if repeatable || status != 200 => {
                SendError::Temporary(format!("unreadable answer with status {status}"))
            }
            CallError::Unreadable { .. } => SendError::Unknown("unreadable answer".into()),
        }
    }

    /// The description of a 400, in lower case; empty for everything else.
    pub fn bad_request(&self) -> String {
        match self {
            CallError::Refused(400, why) => why.to_ascii_lowercase(),
            _ => String::new(),
        }
    }

    /// The message already has the new text.
    pub fn is_unchanged(&self) -> bool {
        self.bad_request().contains("message is not modified")
    }

    /// The refusal is about the markup: plain text may be accepted.
    pub fn is_about_markup(&self) -> bool {
        let why = self.bad_request();
        // The Bot API has many texts for invalid markup, and few for an unusable chat.
        let about_chat =
            ["chat", "user", "peer", "rights", "topic", "thread", "kicked", "deactivated", "bot"];
        !why.is_empty() && !about_chat.iter().any(|part| why.contains(part))
    }

    /// The topic is gone; the chat is not.
    pub fn is_about_topic(&self) -> bool {
        let why = self.bad_request();
        ["message thread not found", "topic_deleted", "topic_closed"]
            .iter()
            .any(|w| why.contains(w))
    }

    /// The message to edit is gone, or not ours any more.
    pub fn is_edit_impossible(&self) -> bool {
        let why = self.bad_request();
        ["message to edit not found", "message can't be edited", "message_id_invalid"]
            .iter()
            .any(|part| why.contains(part))
    }
}

impl std::fmt::Display for CallError {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        match self {
            CallError::Http(e) => f.write_str(&e.message),
            CallError::RateLimited(pause) => write!(f, "too fast, pause of {} s", pause.as_secs()),
            CallError::Token(why) => write!(f, "token refused ({why})"),
            CallError::Migrated(chat) => write!(f, "the chat is now {chat}"),
            CallError::Conflict(why) | CallError::Refused(_, why) => f.write_str(why),
            CallError::Server(status, why) => write!(f, "server error {status}: {why}"),
            CallError::Unreadable { status, .. } => write!(f, "unreadable answer, status {status}"),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn refusal(status: u16, description: &str) -> CallError {
        let body = format!(r#"{{"ok":false,"error_code":{status},"description":"{description}"}}"#);
        check(status, None, body.as_bytes()).expect_err("a refusal")
    }

    #[track_caller]
    fn sends(status: u16, description: &str, want: SendError) {
        assert_eq!(refusal(status, description).for_send(false), want);
    }

    #[test]
    fn refusals_of_a_message() {
        let permanent = |s: &str| SendError::Permanent(s.into());
        sends(403, "Forbidden: blocked", permanent("Forbidden: blocked"));
        sends(400, "Bad Request: chat not found", permanent("Bad Request: chat not found"));
        sends(413, "", permanent("status 413"));
        sends(502, "Bad Gateway", SendError::Temporary("Bad Gateway".into()));
        sends(401, "Unauthorized", SendError::Temporary("token refused: Unauthorized".into()));
    }

    #[track_caller]
    fn pause(body: &str, header: Option<&str>, want: u64) {
        let got = check(429, header, body.as_bytes()).expect_err("a refusal").for_send(false);
        assert_eq!(got, SendError::RateLimited(Duration::from_secs(want)));
    }

    #[test]
    fn pauses() {
        pause(r#"{"parameters":{"retry_after":7}}"#, Some("9"), 7);
        pause("<html>", Some("9"), 9);
        pause("", None, 1);
        pause(r#"{"parameters":{"retry_after":99999}}"#, None, 900);
        pause(r#"{"parameters":{"retry_after":-1}}"#, None, 1);
    }

    #[test]
    fn kinds_of_400() {
        assert!(refusal(400, "Bad Request: message is not modified: ...").is_unchanged());
        assert!(refusal(400, "Bad Request: can't parse entities: ...").is_about_markup());
        assert!(refusal(400, "Bad Request: message is too long").is_about_markup());
        assert!(!refusal(400, "Bad Request: chat not found").is_about_markup());
        assert!(!refusal(403, "can't parse entities").is_about_markup());
        assert!(refusal(400, "Bad Request: message to edit not found").is_edit_impossible());
    }

    #[test]
    fn migration_comes_before_the_status() {
        let body = br#"{"ok":false,"description":"x","parameters":{"migrate_to_chat_id":-100}}"#;
        let error = check(400, None, body).expect_err("a refusal");
        assert_eq!(error.for_send(false), SendError::MigratedTo("-100".into()));
    }

    #[test]
    fn a_broken_connection_leaves_a_message_unknown_and_an_edit_repeatable() {
        let broken = |kind| CallError::Http(HttpError { kind, message: "x".into() });
        let unknown = SendError::Unknown("x".into());
        let temporary = SendError::Temporary("x".into());
        assert_eq!(broken(HttpErrorKind::Broken).for_send(false), unknown);
        assert_eq!(broken(HttpErrorKind::Timeout).for_send(false), unknown);
        assert_eq!(broken(HttpErrorKind::Broken).for_send(true), temporary);
        assert_eq!(broken(HttpErrorKind::Connect).for_send(false), temporary);
        assert_eq!(broken(HttpErrorKind::Clock).for_send(false), temporary);
    }

    #[test]
    fn results() {
        assert!(check(200, None, b"anything").is_ok());
        assert!(matches!(check(302, None, b""), Err(CallError::Unreadable { status: 302, .. })));
        let garble = |text| match result(text, |answer| answer.bool()) {
            Ok(_) => None,
            Err(CallError::Unreadable { why, .. }) => Some(why),
            Err(e) => panic!("{e}"),
        };
        assert_eq!(garble(r#"{"ok":true,"result":true}"#), None);
        assert_eq!(garble(r#"{"ok":false,"result":true}"#), Some(AnswerError::Bad));
        assert_eq!(garble(r#"{"ok":true,"result":7}"#), Some(AnswerError::Bad));
        assert_eq!(garble(r#"{"ok":true}"#), Some(AnswerError::Bad));
        assert_eq!(garble(r#"{"ok":true,"resu"#), Some(AnswerError::Cut));
        assert_eq!(garble("<html>"), Some(AnswerError::Bad));
    }
}
