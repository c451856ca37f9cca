//! Chat completions on the wire, checked as strictly as the strictest servers do.

use std::time::Duration;

use serde_json::{Map, Value, json};

use super::script::Oddity;
use super::{Answer, Ask, Turn, picture, pieces, spoil};
use crate::http::{Outcome, Response};

/// Reads a request or says what is wrong with it.
pub fn read(body: &Value) -> Result<Ask, String> {
    let mut ask = Ask {
        model: body["model"].as_str().ok_or("you must provide a model parameter")?.to_owned(),
        stream: body["stream"] == true,
        forced: body["tool_choice"]["function"]["name"].as_str().map(str::to_owned),
        ..Ask::default()
    };
    for key in ["max_tokens", "max_completion_tokens"] {
        if body.get(key).is_some_and(|v| v.as_u64().unwrap_or(0) == 0) {
            return Err(format!("'{key}' must be a positive integer"));
        }
    }
    if let Some(t) = body.get("temperature") {
        if !t.as_f64().is_some_and(|t| (0.0..=2.0).contains(&t)) {
            return Err("'temperature' must be a number between 0 and 2".to_owned());
        }
    }
    let tools = body.get("tools").map(|t| t.as_array().filter(|t| !t.is_empty()));
    if tools == Some(None) {
        return Err("[] is too short - 'tools'".to_owned());
    }
    for tool in tools.flatten().into_iter().flatten() {
        let function = &tool["function"];
        let name = function["name"]
            .as_str()
            .filter(|n| fits(n))
            .ok_or("invalid 'tools[].function.name'")?;
        if tool["type"] != "function" || function["parameters"]["type"] != "object" {
            return Err(format!("invalid schema for function '{name}'"));
        }
        ask.tools.push((name.to_owned(), function["parameters"].clone()));
    }
    let messages = body["messages"].as_array().filter(|m| !m.is_empty());
    // Calls that still wait for their results.
    let mut open: Vec<String> = Vec::new();
    for (i, message) in messages.ok_or("[] is too short - 'messages'")?.iter().enumerate() {
        let turn = turn(message, i, &mut open)?;
        ask.turns.push(turn);
    }
    if open.is_empty() { Ok(ask) } else { Err(unanswered(&open)) }
}

/// Function names: letters, digits, `_` and `-`, at most 64.
pub fn fits(name: &str) -> bool {
    let plain = |b: u8| b.is_ascii_alphanumeric() || b == b'_' || b == b'-';
    (1..=64).contains(&name.len()) && name.bytes().all(plain)
}

fn unanswered(ids: &[String]) -> String {
    format!(
        "An assistant message with 'tool_calls' must be followed by tool messages responding to each \
         'tool_call_id'. The following tool_call_ids did not have response messages: {}",
        ids.join(", ")
    )
}

fn turn(message: &Value, i: usize, open: &mut Vec<String>) -> Result<Turn, String> {
    let role = message["role"].as_str().unwrap_or("");
    for part in message["content"].as_array().map_or(&[][..], Vec::as_slice) {
        match part["type"].as_str() {
            Some("image_url") => {
                picture::check_url(part["image_url"]["url"].as_str().unwrap_or_default())?;
            }
            Some("text" | "refusal") => {}
            other => return Err(format!("invalid 'messages[{i}].content[].type': {other:?}")),
        }
    }
    let text =
        text(&message["content"]).ok_or_else(|| format!("invalid 'messages[{i}].content'"))?;
    if role == "tool" {
        let id = message["tool_call_id"].as_str().unwrap_or("");
        let at = open.iter().position(|o| o == id).ok_or(
            "messages with role 'tool' must be a response to a preceding message with 'tool_calls'",
        )?;
        open.remove(at);
        return Ok(Turn { text, result: true, ..Turn::default() });
    }
    if !open.is_empty() {
        return Err(unanswered(open));
    }
    let mut turn = Turn { user: role == "user", text, ..Turn::default() };
    match role {
        "system" | "developer" => {}
        "user" if turn.text.is_empty() && !message["content"].is_array() => {
            return Err(format!("'messages[{i}].content' must not be empty"));
        }
        "user" => {}
        "assistant" => {
            for call in message["tool_calls"].as_array().map_or(&[][..], Vec::as_slice) {
                let id = call["id"].as_str().filter(|id| !id.is_empty());
                let function = &call["function"];
                if call["type"] != "function" || !function["arguments"].is_string() {
                    return Err(format!("invalid 'messages[{i}].tool_calls'"));
                }
                if !function["name"].as_str().is_some_and(fits) {
                    return Err(format!("invalid 'messages[{i}].tool_calls[].function.name'"));
                }
                turn.calls.push(id.ok_or("tool call without id")?.to_owned());
            }
            if turn.calls.is_empty() && message["content"].is_null() {
                return Err(format!("'messages[{i}]' has neither content nor tool_calls"));
            }
            open.extend(turn.calls.iter().cloned());
        }
        _ => return Err(format!("invalid 'messages[{i}].role': '{role}'")),
    }
    Ok(turn)
}

/// Text of a content: a string, parts, or nothing.
fn text(content: &Value) -> Option<String> {
    match content {
        Value::Null => Some(String::new()),
        Value::String(s) => Some(s.clone()),
        Value::Array(parts) => {
            let texts = parts.iter().filter_map(|p| p["text"].as_str());
            let typed = parts.iter().all(|p| p["type"].is_string());
            typed.then(|| texts.collect::<Vec<_>>().join(" "))
        }
        _ => None,
    }
}

fn usage(ask: &Ask, answer: &Answer) -> Value {
    let out = answer.text.len() / 4 + 8 * answer.calls.len() + 1;
    json!({
        "prompt_tokens": ask.tokens, "completion_tokens": out, "total_tokens": ask.tokens + out,
        "prompt_tokens_details": { "cached_tokens": 0 },
    })
}

fn finish(answer: &Answer) -> &'static str {
    match (answer.cut, answer.calls.is_empty()) {
        (true, _) => "length",
        (_, true) => "stop",
        (_, false) => "tool_calls",
    }
}

fn padded(answer: &Answer) -> String {
    match answer.oddity {
        Oddity::Huge(n) => "x".repeat(n.saturating_sub(answer.text.len())) + &answer.text,
        _ => answer.text.clone(),
    }
}

/// The whole answer in one body.
pub fn reply(ask: &Ask, answer: &Answer) -> Outcome {
    let calls: Vec<Value> = answer
        .calls
        .iter()
        .map(|c| {
            let function = json!({ "name": c.name, "arguments": c.arguments });
            json!({ "id": c.id, "type": "function", "function": function })
        })
        .collect();
    let text = padded(answer);
    let mut message = Map::new();
    message.insert("role".into(), json!("assistant"));
    message.insert("content".into(), if calls.is_empty() { json!(text) } else { Value::Null });
    if !calls.is_empty() {
        message.insert("tool_calls".into(), json!(calls));
    }
    let mut body = json!({
        "id": "chatcmpl-peer", "object": "chat.completion", "created": 1_700_000_000, "model": ask.model,
        "choices": [{ "index": 0, "message": message, "finish_reason": finish(answer), "logprobs": null }],
        "usage": usage(ask, answer),
    });
    Outcome::Reply(Response::text(200, "application/json", spoil(&mut body, &answer.oddity)))
}

/// The answer as server-sent events.
pub fn stream(ask: &Ask, body: &Value, answer: &Answer, gap: Duration) -> Outcome {
    let event = |choices: Value, usage: Value| {
        let mut chunk = json!({
            "id": "chatcmpl-peer", "object": "chat.completion.chunk", "created": 1_700_000_000,
            "model": ask.model, "choices": choices,
        });
        if !usage.is_null() {
            chunk["usage"] = usage;
        }
        let mut event = b"data: ".to_vec();
        event.extend(spoil(&mut chunk, &answer.oddity));
        event.extend(b"\n\n");
        event
    };
    let delta = |delta: Value, finish: Value| {
        event(json!([{ "index": 0, "delta": delta, "finish_reason": finish }]), Value::Null)
    };
    let mut events = vec![delta(json!({ "role": "assistant", "content": "" }), Value::Null)];
    for (i, call) in answer.calls.iter().enumerate() {
        let first = json!({
            "index": i, "id": call.id, "type": "function",
            "function": { "name": call.name, "arguments": "" },
        });
        events.push(delta(json!({ "tool_calls": [first] }), Value::Null));
        for piece in pieces(&call.arguments) {
            let more = json!({ "index": i, "function": { "arguments": piece } });
            events.push(delta(json!({ "tool_calls": [more] }), Value::Null));
        }
    }
    if answer.calls.is_empty() {
        for piece in pieces(&padded(answer)) {
            events.push(delta(json!({ "content": piece }), Value::Null));
        }
    }
    events.push(delta(json!({}), json!(finish(answer))));
    if body["stream_options"]["include_usage"] == true {
        events.push(event(json!([]), usage(ask, answer)));
    }
    events.push(b"data: [DONE]\n\n".to_vec());
    Outcome::Stream { events, gap, end: true }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[track_caller]
    fn check(messages: Value, want: &str) {
        let got = read(&json!({ "model": "m", "messages": messages }));
        assert_eq!(got.err().unwrap_or_default().split(':').next().unwrap_or(""), want);
    }

    #[test]
    fn histories_are_checked() {
        let call = json!({"role": "assistant", "content": null, "tool_calls": [
            {"id": "c1", "type": "function", "function": {"name": "a", "arguments": "{}"}}]});
        let result = json!({"role": "tool", "tool_call_id": "c1", "content": "r"});
        let user = json!({"role": "user", "content": "u"});
        check(json!([user]), "");
        check(json!([user, call, result]), "");
        check(json!([]), "[] is too short - 'messages'");
        check(
            json!([user, result]),
            "messages with role 'tool' must be a response to a preceding message with 'tool_calls'",
        );
        check(json!([user, call, user]), unanswered(&[]).split(':').next().unwrap_or(""));
        check(json!([user, call]), unanswered(&[]).split(':').next().unwrap_or(""));
        check(json!([{"role": "robot", "content": "x"}]), "invalid 'messages[0].role'");
        check(json!([{"role": "user", "content": ""}]), "'messages[0].content' must not be empty");
    }
}
