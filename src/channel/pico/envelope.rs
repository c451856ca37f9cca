//! Parses a client's envelopes.

use serde_json::Value;

/// What an envelope asks for.
#[derive(Debug, PartialEq, Eq)]
pub enum PicoRequest {
    /// Keepalive of the client, answered with a pong.
    Ping,
    /// A message for the agent.
    Message(String),
    /// Code and text of the error to answer with.
    Wrong(&'static str, &'static str),
}

/// Reads what a client of `session` sent; its id, null without one.
pub fn read(text: &str, session: &str) -> (Value, PicoRequest) {
    let mut envelope: Value = serde_json::from_str(text).unwrap_or_default();
    let said = parse_request(&envelope, session)
        .unwrap_or_else(|(code, text)| PicoRequest::Wrong(code, text));
    (envelope.get_mut("id").map(Value::take).unwrap_or_default(), said)
}

fn parse_request(
    envelope: &Value,
    session: &str,
) -> Result<PicoRequest, (&'static str, &'static str)> {
    const NO_MEDIA: (&str, &str) = ("invalid_media", "this build takes text only");
    let theirs = envelope["session_id"].as_str().unwrap_or_default();
    if !theirs.is_empty() && theirs != session {
        return Err(("invalid_message", "this connection is another session's"));
    }
    let payload = &envelope["payload"];
    match envelope["type"].as_str() {
        None => return Err(("invalid_message", "an envelope is a JSON object with a type")),
        Some("ping") => return Ok(PicoRequest::Ping),
        Some("media.send") => return Err(NO_MEDIA),
        Some("message.send") => {}
        Some(_) => return Err(("unknown_type", "message.send and ping are understood")),
    }
    if payload["media"].as_array().is_some_and(|media| !media.is_empty()) {
        return Err(NO_MEDIA);
    }
    if is_reasoning(payload) {
        return Err(("invalid_message", "a thought is no message"));
    }
    match payload["content"].as_str().unwrap_or_default().trim() {
        "" => Err(("empty_content", "payload.content is empty")),
        content => Ok(PicoRequest::Message(content.to_owned())),
    }
}

/// Whether a payload is a thought and not an answer.
pub fn is_reasoning(payload: &Value) -> bool {
    let kind = payload["kind"].as_str().unwrap_or_default();
    kind.trim().eq_ignore_ascii_case("thought") || payload["thought"] == true
}
