//! The conversation as the model and the session file see it.

use serde::Serialize;
#[cfg(feature = "servers")]
use serde_json::value::RawValue;

use crate::proto::json::{Json, TypeMismatch};

/// Who speaks (OpenAI chat completions, `role`).
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize)]
#[serde(rename_all = "lowercase")]
pub enum Role {
    /// Instructions; never stored in a session.
    System,
    /// The person, or a substitute (heartbeat, cron).
    User,
    /// The model: answers, and calls of tools.
    Assistant,
    /// The result of a tool call.
    Tool,
}

/// One line of a session file; upstream's JSONL fields (behaviour.md 3B.5), unknown ones ignored.
#[derive(Clone, Debug, PartialEq, Serialize)]
pub struct Message {
    /// Whose words they are; decides the role in a model request.
    pub role: Role,
    /// The text; empty for an assistant that only calls tools.
    pub content: String,
    /// Calls the assistant makes.
    #[serde(skip_serializing_if = "Vec::is_empty")]
    pub tool_calls: Vec<ToolCall>,
    /// The call this is the result of (role `tool`).
    #[serde(skip_serializing_if = "Option::is_none")]
    pub tool_call_id: Option<String>,
    /// A model's reasoning text; replayed only to providers that want it.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub reasoning_content: Option<String>,
    /// Paths or `media://` references of pictures.
    #[serde(skip_serializing_if = "Vec::is_empty")]
    pub media: Vec<String>,
    /// Time of writing (RFC 3339, UTC); `None` in files of old versions.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub created_at: Option<String>,
    /// Text of others is in it, or was before whoever wrote it: the daemon's own record, in the session's line.
    #[serde(skip_serializing_if = "std::ops::Not::not")]
    pub untrusted: bool,
}

impl Message {
    /// Reads a line.
    ///
    /// # Errors
    /// serde_json's where it is no JSON; what it holds instead of a message.
    pub fn parse(line: &str) -> serde_json::Result<Message> {
        let mismatch = TypeMismatch::default();
        Message::read(Json::parse(line, &mismatch)?)
    }

    /// Reads a message.
    ///
    /// # Errors
    /// Its replacement.
    pub fn read(json: Json<'_>) -> serde_json::Result<Message> {
        let role = match &*json.get("role").str() {
            "system" => Some(Role::System),
            "user" => Some(Role::User),
            "assistant" => Some(Role::Assistant),
            "tool" => Some(Role::Tool),
            _ => None,
        };
        let text = |key: &str| json.get(key).non_null().map(Json::string);
        let call = |call: Json<'_>| {
            let function = call.get("function");
            let (name, arguments) =
                (function.get("name").string(), function.get("arguments").string());
            let id = call.get("id").string();
            ToolCall { id, name, arguments, extra_content: extra_content(call) }
        };
        let message = Message {
            role: role.unwrap_or(Role::User),
            content: json.get("content").string(),
            tool_calls: json.get("tool_calls").items().map(call).collect(),
            tool_call_id: text("tool_call_id"),
            reasoning_content: text("reasoning_content"),
            media: json.get("media").items().map(Json::string).collect(),
            created_at: text("created_at"),
            untrusted: json.get("untrusted").bool(),
        };
        match (role, json.mismatch()) {
            (Some(_), None) => Ok(message),
            _ => Err(serde::de::Error::custom("no message")),
        }
    }

    /// A message of nothing but text.
    pub fn text(role: Role, content: impl Into<String>) -> Message {
        Message {
            role,
            content: content.into(),
            tool_calls: Vec::new(),
            tool_call_id: None,
            reasoning_content: None,
            media: Vec::new(),
            created_at: None,
            untrusted: false,
        }
    }
}

/// A tool call as the model wrote it. On disk and on OpenAI's wire it has the form
/// `{"id":"…","type":"function","function":{"name":"…","arguments":"{…}"}}`.
#[derive(Clone, Debug, Default, PartialEq, Serialize)]
#[serde(into = "WireToolCall")]
pub struct ToolCall {
    /// Pairs the call with its result.
    pub id: String,
    /// Name of the tool, as in the model's request; it may not exist.
    pub name: String,
    /// JSON text of the arguments, not yet parsed or checked.
    pub arguments: String,
    /// JSON that the server wants back with the call (`extra_content`, Gemini's thought signatures).
    pub extra_content: Option<Box<str>>,
}

/// What a server wants back with a call, in builds that give it back.
pub fn extra_content(call: Json<'_>) -> Option<Box<str>> {
    let extra = call.get("extra_content").non_null().filter(|_| cfg!(feature = "servers"))?;
    (extra.raw().len() <= crate::limits::CALL_EXTRA_BYTES).then(|| extra.raw().into())
}

#[derive(Serialize)]
struct WireToolCall {
    id: String,
    #[serde(rename = "type")]
    kind: &'static str,
    function: WireFunction,
    #[cfg(feature = "servers")]
    #[serde(skip_serializing_if = "Option::is_none")]
    extra_content: Option<Box<RawValue>>,
}

#[derive(Serialize)]
struct WireFunction {
    name: String,
    arguments: String,
}

impl From<ToolCall> for WireToolCall {
    fn from(c: ToolCall) -> WireToolCall {
        WireToolCall {
            id: c.id,
            kind: "function",
            function: WireFunction { name: c.name, arguments: c.arguments },
            #[cfg(feature = "servers")]
            extra_content: c.extra_content.and_then(|json| RawValue::from_string(json.into()).ok()),
        }
    }
}

/// Tokens a provider says it counted.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Usage {
    /// Tokens of the request.
    pub input: u64,
    /// Tokens of the answer.
    pub output: u64,
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn session_line_round_trips_in_upstreams_form() {
        let line = r#"{"role":"assistant","content":"","tool_calls":[{"id":"a","type":"function","function":{"name":"exec","arguments":"{}"}}]}"#;
        let message = Message::parse(line).expect("a session line");
        assert_eq!(message.tool_calls[0].name, "exec");
        assert_eq!(serde_json::to_string(&message).expect("json"), line);
    }

    #[test]
    #[cfg(feature = "servers")]
    fn what_a_server_wants_back_with_a_call_is_kept() {
        let extra = r#"{"google":{"thought_signature":"AbC=="}}"#;
        let call = r#"{"id":"a","type":"function","function":{"name":"f","arguments":"{}"}"#;
        let line = format!(
            r#"{{"role":"assistant","content":"","tool_calls":[{call},"extra_content":{extra}}}]}}"#
        );
        let message = Message::parse(&line).expect("a session line");
        assert_eq!(serde_json::to_string(&message).expect("json"), line);
    }

    #[test]
    fn unknown_fields_of_other_versions_are_ignored() {
        let line = r#"{"role":"user","content":"hi","model_name":"x","attachments":[]}"#;
        assert_eq!(Message::parse(line).expect("a line").content, "hi");
    }
}
