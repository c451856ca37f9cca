//! What one server takes and another refuses, and what servers answer besides what is documented.

use serde_json::{Value, json};

use super::response::OpenAiReader;
use super::tests::{ask, json_of, model};
#[cfg(feature = "servers")]
use crate::message::ToolCall;
use crate::message::{Message, Role, Usage};
use crate::provider::exchange::AnswerParser;
use crate::provider::{ChatReply, Failure};

fn read(body: &Value) -> Result<ChatReply, Failure> {
    let mut reader = OpenAiReader::new(7, None);
    reader.whole(&body.to_string()).map(|()| reader.reply())
}

fn stream(events: &[Value]) -> Result<ChatReply, Failure> {
    let mut reader = OpenAiReader::new(7, None);
    for event in events {
        reader.event(&event.to_string())?;
    }
    reader.end()?;
    Ok(reader.reply())
}

#[test]
fn nothing_empty_is_sent() {
    let messages = [
        Message::text(Role::User, "one"),
        Message::text(Role::Assistant, " "),
        Message::text(Role::User, ""),
        Message::text(Role::User, "two"),
    ];
    let got = json_of(&model("openai", "m"), &ask(&messages));
    let user = |text: &str| json!({"role": "user", "content": text});
    assert_eq!(got["messages"], json!([user("one"), user("two")]));
}

/// A call with its result, and two messages of the user behind it.
#[cfg(feature = "servers")]
fn called() -> [Message; 4] {
    let mut called = Message::text(Role::Assistant, "");
    let extra = Some(r#"{"google":{"thought_signature":"AbC"}}"#.into());
    let (id, name, arguments) = ("call_1".into(), "look".into(), "{}".into());
    called.tool_calls = vec![ToolCall { id, name, arguments, extra_content: extra }];
    let mut result = Message::text(Role::Tool, "seen");
    result.tool_call_id = Some("call_1".into());
    [called, result, Message::text(Role::User, "a"), Message::text(Role::User, "b")]
}

#[test]
#[cfg(feature = "servers")]
fn each_server_gets_the_conversation_that_it_takes() {
    let messages = called();
    let of = |provider| json_of(&model(provider, "m"), &ask(&messages))["messages"].clone();
    let plain = of("openai");
    assert!(plain[0]["tool_calls"][0].get("extra_content").is_none());
    assert!(plain[0].get("reasoning_content").is_none());
    let kimi = of("moonshot");
    assert_eq!(kimi[0]["reasoning_content"], "");
    let gemini = of("gemini");
    let extra = &gemini[0]["tool_calls"][0]["extra_content"];
    assert_eq!(extra["google"]["thought_signature"], "AbC");
    let mistral = of("mistral");
    let roles: Vec<_> = mistral.as_array().expect("messages").iter().map(|m| &m["role"]).collect();
    assert_eq!(roles, ["assistant", "tool", "assistant", "user", "assistant", "user"]);
    let id = mistral[0]["tool_calls"][0]["id"].as_str().expect("an id");
    assert!(id.len() == 9 && id.bytes().all(|b| b.is_ascii_alphanumeric()), "{id}");
    assert_eq!(mistral[1]["tool_call_id"], id);
}

#[test]
fn bookkeeping_costs_no_answer() {
    let message = json!({ "content": "fine" });
    for (usage, want) in [
        (json!({"prompt_tokens": 10.0, "completion_tokens": "2"}), Some((10, 2))),
        (json!([]), Some((0, 0))),
        (json!("n/a"), Some((0, 0))),
        (json!(null), None),
    ] {
        let choice = json!({"message": message, "finish_reason": 7});
        let body = json!({"error": {}, "choices": [choice], "usage": usage});
        let reply = read(&body).expect("an answer");
        assert_eq!(reply.text, "fine");
        let want = want.map(|(input, output)| Usage { input, output });
        assert_eq!(reply.usage, want, "{usage}");
    }
    let usage = json!({"prompt_tokens": 3, "completion_tokens": 1});
    let inner = json!({"choices": [{"message": message, "finish_reason": "stop", "usage": usage}]});
    assert_eq!(read(&inner).expect("an answer").usage, Some(Usage { input: 3, output: 1 }));
    let call = json!({"id": 12, "function": {"name": "look", "arguments": "{}"}});
    let called = json!({"choices": [{"message": {"tool_calls": [call]}}]});
    assert_eq!(read(&called).expect("a call").tool_calls[0].id, "12");
}

#[test]
fn errors_inside_an_answer_are_failures() {
    let failed =
        json!({"error": {"code": 502, "message": "overloaded"}, "message": {"content": ""}});
    for choice in [failed, json!({"message": {"content": "a"}, "finish_reason": "error"})] {
        assert!(read(&json!({ "choices": [choice] })).is_err(), "{choice}");
    }
}

#[test]
fn a_stream_that_repeats_the_whole_is_read_once() {
    let event = |delta: &str, all: &str, reason: Value| {
        let choice = json!({"delta": {"content": delta}, "message": {"content": all}, "finish_reason": reason});
        json!({ "choices": [choice] })
    };
    let events = [event("Hel", "Hel", json!(null)), event("lo", "Hello", json!("stop"))];
    assert_eq!(stream(&events).expect("an answer").text, "Hello");
}

#[test]
#[cfg(feature = "servers")]
fn what_a_server_wants_back_is_kept() {
    let extra = json!({"google": {"thought_signature": "AbC"}});
    let mut call =
        json!({"id": "a", "function": {"name": "look", "arguments": "{}"}, "extra_content": extra});
    let kept = |call: &Value| {
        let reply = read(&json!({"choices": [{"message": {"tool_calls": [call]}}]}));
        reply.expect("a call").tool_calls[0].extra_content.clone()
    };
    let json = kept(&call).expect("extra content");
    assert_eq!(serde_json::from_str::<Value>(&json).expect("JSON"), extra);
    call["extra_content"] = json!("x".repeat(crate::limits::CALL_EXTRA_BYTES));
    assert_eq!(kept(&call), None);
}
