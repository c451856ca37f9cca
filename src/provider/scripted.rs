//! Answers from a script, without a network: for `simulate`, which measures everything but the model.
//!
//! `re <last word>` answers the last message of the user. `[tool:NAME xN]` in that message makes N calls first,
//! one per answer, of the first available tool among `NAME` (`a|b|c`), with arguments filled in from its schema.

use serde_json::{Map, Value};

use super::{ChatReply, ChatRequest, Failure, OnText, Provider};
use crate::message::{Message, Role, ToolCall, Usage};

/// Model that answers from a script, for tests and `simulate`.
#[derive(Default)]
pub struct Scripted {
    /// Failures of the next calls, last first: for the chain's tests.
    #[cfg(test)]
    pub(super) failures: std::cell::RefCell<Vec<Failure>>,
}

impl Provider for Scripted {
    async fn chat(
        &self,
        request: &ChatRequest<'_>,
        on_text: OnText<'_>,
    ) -> Result<ChatReply, Failure> {
        // A model that answers within one poll would starve every other chat.
        smol::future::yield_now().await;
        #[cfg(test)]
        if let Some(failure) = self.failures.borrow_mut().pop() {
            return Err(failure);
        }
        let reply = answer(request);
        if let Some(on_text) = on_text.filter(|_| !reply.text.is_empty()) {
            on_text(&reply.text);
        }
        Ok(reply)
    }
}

fn answer(request: &ChatRequest<'_>) -> ChatReply {
    let asked = request.messages.iter().rposition(|m| m.role == Role::User);
    let (question, since) = match asked {
        Some(at) => (request.messages[at].content.as_str(), &request.messages[at + 1..]),
        None => ("", request.messages),
    };
    let bytes: usize = request.messages.iter().map(|m| m.content.len()).sum();
    let mut reply = ChatReply {
        usage: Some(Usage { input: bytes as u64 / 4, output: 8 }),
        ..ChatReply::default()
    };
    match call(request, question, since) {
        Some(call) => reply.tool_calls.push(call),
        None => {
            reply.text = format!("re {}", question.split_whitespace().last().unwrap_or("nothing"));
        }
    }
    reply
}

fn call(request: &ChatRequest<'_>, question: &str, since: &[Message]) -> Option<ToolCall> {
    let script = question.rsplit_once("[tool:")?.1.split_once(']')?.0;
    let (names, times) = match script.rsplit_once(" x") {
        Some((names, times)) => (names.trim(), times.trim().parse().ok()?),
        None => (script.trim(), 1),
    };
    let done = since.iter().filter(|m| m.role == Role::Assistant).count();
    if done >= times {
        return None;
    }
    let tool = names.split('|').find_map(|name| request.tools.iter().find(|t| t.name == name))?;
    Some(ToolCall {
        id: format!("call_{done}"),
        name: tool.name.to_owned(),
        arguments: fill(tool.schema),
        ..ToolCall::default()
    })
}

/// An object with every required property of a JSON schema.
fn fill(schema: &str) -> String {
    let schema: Value = serde_json::from_str(schema).unwrap_or_default();
    let mut filled = Map::new();
    for name in schema["required"].as_array().into_iter().flatten().filter_map(Value::as_str) {
        filled.insert(name.to_owned(), value(name, &schema["properties"][name]));
    }
    Value::Object(filled).to_string()
}

fn value(name: &str, property: &Value) -> Value {
    if let Some(first) = property["enum"].get(0) {
        return first.clone();
    }
    let kind = property["type"].as_str().or(property["type"][0].as_str()).unwrap_or("string");
    match kind {
        "integer" | "number" => 1.into(),
        "boolean" => false.into(),
        "array" => Value::Array(Vec::new()),
        "object" => Value::Object(Map::new()),
        _ if name.contains("path") || matches!(name, "dir" | "directory" | "file") => ".".into(),
        _ if matches!(name, "command" | "cmd") => "echo hello".into(),
        _ if name == "action" => "list".into(),
        _ => "x".into(),
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::tool::{Effect, ToolSpec};

    static LIST: ToolSpec = ToolSpec {
        name: "list",
        description: "",
        schema: r#"{"type":"object","properties":{"path":{"type":"string"},"n":{"type":"integer"},"how":{"enum":["up","down"]},"all":{"type":["boolean","null"]},"note":{}},"required":["path","n","how","all"]}"#,
        effect: Effect::Reads,
        ..ToolSpec::PLAIN
    };

    /// What the script says to `question` after `rounds` answers of its own.
    #[track_caller]
    fn check(question: &str, rounds: usize, want: &str) {
        let mut messages = vec![Message::text(Role::User, "earlier")];
        messages.push(Message::text(Role::Assistant, "re earlier"));
        messages.push(Message::text(Role::User, question));
        for _ in 0..rounds {
            messages.push(Message::text(Role::Assistant, ""));
            messages.push(Message::text(Role::Tool, "result"));
        }
        let reply = answer(&ChatRequest {
            system_static: "",
            system_dynamic: "",
            history: None,
            messages: &messages,
            tools: &[&LIST],
            max_tokens: 1,
            temperature: 0.0,
            cache_key: "",
            pictures: &[],
        });
        let got = match reply.tool_calls.first() {
            Some(call) => format!("{} {}", call.name, call.arguments),
            None => reply.text,
        };
        assert_eq!(got, want);
    }

    #[test]
    fn the_script_is_followed() {
        let called = r#"list {"all":false,"how":"up","n":1,"path":"."}"#;
        check("hello there m1", 0, "re m1");
        check("", 0, "re nothing");
        check("[tool:list] m2", 0, called);
        check("[tool:list] m2", 1, "re m2");
        check("[tool:ls|list x2] m3", 1, called);
        check("[tool:ls|list x2] m3", 2, "re m3");
        check("[tool:unknown] m4", 0, "re m4");
        check("[tool:list xx] m5", 0, "re m5");
        check("[tool:list m6", 0, "re m6");
    }
}
