//! The Messages API on the wire, with the checks of the original.

use std::time::Duration;

use serde_json::{Value, json};

use super::openai::fits;
use super::picture;
use super::script::Oddity;
use super::{Answer, Ask, Turn, pieces, spoil};
use crate::http::{Outcome, Request, Response};

/// Reads a request or says what is wrong with it.
pub fn read(request: &Request, body: &Value) -> Result<Ask, String> {
    if request.header("anthropic-version").is_empty() {
        return Err("anthropic-version: header is required".to_owned());
    }
    if body["max_tokens"].as_u64().unwrap_or(0) == 0 {
        return Err("max_tokens: Field required".to_owned());
    }
    let mut ask = Ask {
        model: body["model"].as_str().ok_or("model: Field required")?.to_owned(),
        stream: body["stream"] == true,
        forced: body["tool_choice"]["name"].as_str().map(str::to_owned),
        ..Ask::default()
    };
    let system = &body["system"];
    let blocks = system.as_array().is_some_and(|b| b.iter().all(|b| b["type"] == "text"));
    if !(system.is_null() || system.is_string() || blocks) {
        return Err("system: Input should be a valid list".to_owned());
    }
    for tool in body["tools"].as_array().map_or(&[][..], Vec::as_slice) {
        let name = tool["name"].as_str().filter(|n| fits(n)).ok_or("tools.name: invalid")?;
        if tool["input_schema"]["type"] != "object" {
            return Err("tools.input_schema.type: Field required".to_owned());
        }
        ask.tools.push((name.to_owned(), tool["input_schema"].clone()));
    }
    let messages = body["messages"].as_array().filter(|m| !m.is_empty());
    let messages = messages.ok_or("messages: at least one message is required")?;
    if messages[0]["role"] != "user" {
        return Err("messages: first message must use the \"user\" role".to_owned());
    }
    let mut open: Vec<String> = Vec::new();
    for (i, message) in messages.iter().enumerate() {
        ask.turns.push(turn(message, i, &mut open)?);
    }
    if open.is_empty() { Ok(ask) } else { Err(unanswered(messages.len(), &open)) }
}

fn unanswered(i: usize, ids: &[String]) -> String {
    format!(
        "messages.{i}: `tool_use` ids were found without `tool_result` blocks immediately after: {}",
        ids.join(", ")
    )
}

fn turn(message: &Value, i: usize, open: &mut Vec<String>) -> Result<Turn, String> {
    let role = message["role"].as_str().unwrap_or("");
    if !matches!(role, "user" | "assistant") {
        return Err(format!("messages.{i}.role: Input should be 'user' or 'assistant'"));
    }
    let mut turn = Turn { user: role == "user", ..Turn::default() };
    let mut results = 0;
    let blocks = match &message["content"] {
        Value::String(text) => vec![json!({ "type": "text", "text": text })],
        Value::Array(blocks) => blocks.clone(),
        _ => return Err(format!("messages.{i}.content: Field required")),
    };
    if blocks.is_empty() {
        return Err(format!("messages.{i}: all messages must have non-empty content"));
    }
    for block in &blocks {
        match (block["type"].as_str().unwrap_or(""), role) {
            ("text", _) => {
                let text = block["text"].as_str().unwrap_or("");
                if text.is_empty() {
                    return Err("messages: text content blocks must be non-empty".to_owned());
                }
                turn.text.push_str(text);
                turn.text.push(' ');
            }
            ("image", "user") => {
                let source = &block["source"];
                let text = |key: &str| source[key].as_str().unwrap_or_default();
                if text("type") != "base64" {
                    return Err(format!("messages.{i}.content.image.source: invalid"));
                }
                picture::check(text("media_type"), text("data"))?;
            }
            ("document", "user") | ("thinking" | "redacted_thinking", "assistant") => {}
            ("tool_use", "assistant") => {
                let id = block["id"].as_str().unwrap_or("");
                if id.is_empty() || !block["input"].is_object() {
                    return Err(format!("messages.{i}.content.tool_use.input: invalid"));
                }
                turn.calls.push(id.to_owned());
            }
            ("tool_result", "user") => {
                let id = block["tool_use_id"].as_str().unwrap_or("");
                let at = open.iter().position(|o| o == id).ok_or_else(|| {
                    format!(
                        "messages.{i}: unexpected `tool_use_id` found in `tool_result` blocks: {id}"
                    )
                })?;
                open.remove(at);
                results += 1;
            }
            (kind, _) => {
                return Err(format!("messages.{i}.content.type: {kind} is not allowed here"));
            }
        }
    }
    if !open.is_empty() {
        return Err(unanswered(i, open));
    }
    turn.text = turn.text.trim_end().to_owned();
    turn.result = results > 0;
    turn.user &= results == 0 || !turn.text.is_empty();
    open.extend(turn.calls.iter().cloned());
    Ok(turn)
}

fn stop_reason(answer: &Answer) -> &'static str {
    match (answer.cut, answer.calls.is_empty()) {
        (true, _) => "max_tokens",
        (_, true) => "end_turn",
        (_, false) => "tool_use",
    }
}

fn padded(answer: &Answer) -> String {
    match answer.oddity {
        Oddity::Huge(n) => "x".repeat(n.saturating_sub(answer.text.len())) + &answer.text,
        _ => answer.text.clone(),
    }
}

fn usage(ask: &Ask, answer: &Answer) -> Value {
    json!({
        "input_tokens": ask.tokens, "output_tokens": answer.text.len() / 4 + 8 * answer.calls.len() + 1,
        "cache_creation_input_tokens": 0, "cache_read_input_tokens": 0,
    })
}

/// The whole answer in one body.
pub fn reply(ask: &Ask, answer: &Answer) -> Outcome {
    let mut content = Vec::new();
    let text = padded(answer);
    if !text.is_empty() {
        content.push(json!({ "type": "text", "text": text }));
    }
    for call in &answer.calls {
        // Broken arguments cannot be written as an object: the wire carries them as a string.
        let input: Value =
            serde_json::from_str(&call.arguments).unwrap_or(Value::String(call.arguments.clone()));
        content
            .push(json!({ "type": "tool_use", "id": call.id, "name": call.name, "input": input }));
    }
    let mut body = json!({
        "id": "msg_peer", "type": "message", "role": "assistant", "model": ask.model,
        "content": content, "stop_reason": stop_reason(answer), "stop_sequence": null,
        "usage": usage(ask, answer),
    });
    Outcome::Reply(Response::text(200, "application/json", spoil(&mut body, &answer.oddity)))
}

/// The answer as server-sent events.
pub fn stream(ask: &Ask, answer: &Answer, gap: Duration) -> Outcome {
    let mut events: Vec<Vec<u8>> = Vec::new();
    let mut push = |mut data: Value| {
        let mut event =
            format!("event: {}\ndata: ", data["type"].as_str().unwrap_or("")).into_bytes();
        event.extend(spoil(&mut data, &answer.oddity));
        event.extend(b"\n\n");
        events.push(event);
    };
    push(json!({ "type": "message_start", "message": {
        "id": "msg_peer", "type": "message", "role": "assistant", "model": ask.model, "content": [],
        "stop_reason": null, "stop_sequence": null, "usage": { "input_tokens": ask.tokens, "output_tokens": 1 },
    } }));
    push(json!({ "type": "ping" }));
    let text = padded(answer);
    let mut index = 0;
    if !text.is_empty() {
        push(
            json!({ "type": "content_block_start", "index": 0, "content_block": { "type": "text", "text": "" } }),
        );
        for piece in pieces(&text) {
            let delta = json!({ "type": "text_delta", "text": piece });
            push(json!({ "type": "content_block_delta", "index": 0, "delta": delta }));
        }
        push(json!({ "type": "content_block_stop", "index": 0 }));
        index = 1;
    }
    for call in &answer.calls {
        let block = json!({ "type": "tool_use", "id": call.id, "name": call.name, "input": {} });
        push(json!({ "type": "content_block_start", "index": index, "content_block": block }));
        for piece in pieces(&call.arguments) {
            let delta = json!({ "type": "input_json_delta", "partial_json": piece });
            push(json!({ "type": "content_block_delta", "index": index, "delta": delta }));
        }
        push(json!({ "type": "content_block_stop", "index": index }));
        index += 1;
    }
    push(json!({
        "type": "message_delta", "delta": { "stop_reason": stop_reason(answer), "stop_sequence": null },
        "usage": { "output_tokens": usage(ask, answer)["output_tokens"] },
    }));
    push(json!({ "type": "message_stop" }));
    Outcome::Stream { events, gap, end: true }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[track_caller]
    fn check(messages: Value, want: &str) {
        let mut wire = std::io::Cursor::new(
            b"POST / HTTP/1.1\r\nHost: h\r\nanthropic-version: 2023-06-01\r\n\r\n".to_vec(),
        );
        let request =
            crate::http::Reader::default().request(&mut wire).expect("read").expect("one");
        let got = read(&request, &json!({ "model": "m", "max_tokens": 9, "messages": messages }));
        let got = got.err().unwrap_or_default();
        assert!(got.starts_with(want) && got.is_empty() == want.is_empty(), "{got}");
    }

    #[test]
    fn histories_are_checked() {
        let user = json!({"role": "user", "content": "u"});
        let call = json!({"role": "assistant", "content": [{"type": "tool_use", "id": "c", "name": "a", "input": {}}]});
        let result = json!({"role": "user", "content": [{"type": "tool_result", "tool_use_id": "c", "content": "r"}]});
        check(json!([user]), "");
        check(json!([user, call, result]), "");
        check(json!([call]), "messages: first message");
        check(json!([user, call, user]), "messages.2: `tool_use` ids");
        check(json!([user, call]), "messages.2: `tool_use` ids");
        check(json!([user, result]), "messages.1: unexpected `tool_use_id`");
        check(json!([{"role": "user", "content": []}]), "messages.0: all messages");
        check(json!([{"role": "system", "content": "x"}]), "messages: first message");
    }
}
