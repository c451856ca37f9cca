//! OpenAI's Responses API as used with ChatGPT accounts (behaviour.md 6A, "Codex"): always streamed, nothing stored on the server.

use super::body::{self, BodyWriter, Extra, RequestBody};
use super::exchange::{self, AnswerParser, Endpoint, error_object, interrupted, malformed};
use super::openai::response::append;
use super::{ChatReply, ChatRequest, Failure, OnText, Provider};
use crate::config::ModelConfig;
use crate::limits;
use crate::message::{Message, Role, ToolCall, Usage};
use crate::net::http::HttpClient;
use crate::proto::json::{Json, TypeMismatch};

/// One entry of `model_list` whose account is signed in with a device code.
pub struct Responses {
    http: HttpClient,
    to: Endpoint,
    model: ModelConfig,
    extra: Extra,
}

impl Responses {
    /// Checks the entry; the error is a sentence for status, log and chat.
    pub fn new(model: &ModelConfig, http: HttpClient) -> Result<Responses, String> {
        let extra = body::extra(&model.extra_body)
            .map_err(|e| format!("extra_body of {} is not a JSON object: {e}", model.model_name))?;
        let ours = vec![
            ("accept", "text/event-stream".to_owned()),
            ("openai-beta", "responses=experimental".to_owned()),
            ("originator", "picoclaw".to_owned()),
        ];
        let to = Endpoint::new(model, exchange::endpoint(&model.api_base, "/responses"), ours)?;
        Ok(Responses { http, to, model: model.clone(), extra })
    }
}

impl Provider for Responses {
    async fn chat(
        &self,
        request: &ChatRequest<'_>,
        on_text: OnText<'_>,
    ) -> Result<ChatReply, Failure> {
        let body = write(&self.model, &self.extra, request)?;
        let mut answer = ResponsesReader::new(on_text);
        exchange::post(&self.http, &self.to, body, &mut answer).await?;
        Ok(answer.reply)
    }
}

/// The JSON to post. The account's server refuses a temperature and a bound on the answer.
pub(super) fn write<'a>(
    model: &ModelConfig,
    extra: &'a Extra,
    request: &ChatRequest<'a>,
) -> Result<RequestBody, Failure> {
    let mut b = BodyWriter::open(extra, request);
    if b.field("model") {
        b.string(&model.model);
    }
    if b.field("instructions") {
        let (fixed, changing) = (request.system_static, request.system_dynamic);
        let between = if fixed.is_empty() || changing.is_empty() { "" } else { "\n\n" };
        b.raw("\"").escaped(fixed).escaped(between).escaped(changing).raw("\"");
    }
    if b.field("input") {
        b.raw("[");
        b.stored(request.history.as_ref(), |b, m, _| items(b, m));
        request.messages.iter().for_each(|m| items(&mut b, m));
        b.raw("]");
    }
    if !request.tools.is_empty() && b.field("tools") {
        b.raw("[");
        for tool in request.tools {
            b.separate().raw("{\"type\":\"function\",\"name\":").string(tool.name);
            b.raw(",\"description\":").string(tool.description);
            b.raw(",\"parameters\":").raw(tool.schema).raw(",\"strict\":false}");
        }
        b.raw("]");
    }
    if matches!(&*model.thinking_level, "low" | "medium" | "high") && b.field("reasoning") {
        b.raw("{\"effort\":").string(&model.thinking_level).raw("}");
    }
    if !request.cache_key.is_empty() && b.field("prompt_cache_key") {
        b.string(request.cache_key);
    }
    for (name, value) in [("store", "false"), ("stream", "true")] {
        if b.field(name) {
            b.raw(value);
        }
    }
    b.close()
}

/// A message: its text, then its calls; a result is a separate item.
fn items<'a>(b: &mut BodyWriter<'a>, m: &'a Message) {
    if let (Role::Tool, Some(id)) = (m.role, &m.tool_call_id) {
        b.separate().raw("{\"type\":\"function_call_output\",\"call_id\":").string(id);
        b.raw(",\"output\":").string(&m.content).raw("}");
        return;
    }
    let (role, kind) = match m.role {
        Role::Assistant => ("assistant", "output_text"),
        Role::System => ("developer", "input_text"),
        Role::User | Role::Tool => ("user", "input_text"),
    };
    if !m.content.is_empty() {
        b.separate().raw("{\"type\":\"message\",\"role\":").string(role);
        b.raw(",\"content\":[{\"type\":").string(kind);
        b.raw(",\"text\":").string(&m.content).raw("}");
        for picture in b.pictures_of(m) {
            b.raw(",{\"type\":\"input_image\",\"image_url\":\"data:").raw(picture.mime);
            b.raw(";base64,").picture(picture).raw("\"}");
        }
        b.raw("]}");
    }
    for call in &m.tool_calls {
        b.separate().raw("{\"type\":\"function_call\",\"call_id\":").string(&call.id);
        b.raw(",\"name\":").string(&call.name);
        b.raw(",\"arguments\":").arguments_text(&call.arguments).raw("}");
    }
}

/// Collects an answer of OpenAI's Responses API.
pub struct ResponsesReader<'a> {
    on_text: OnText<'a>,
    reply: ChatReply,
    finished: bool,
}

impl<'a> ResponsesReader<'a> {
    /// `on_text` gets the text as it arrives.
    pub fn new(on_text: OnText<'a>) -> ResponsesReader<'a> {
        ResponsesReader { on_text, reply: ChatReply::default(), finished: false }
    }

    fn text(&mut self, piece: String) {
        if let Some(on_text) = self.on_text.filter(|_| !piece.is_empty()) {
            on_text(&piece);
        }
        append(&mut self.reply.text, piece);
    }

    /// A finished item: a call, or a text that was not streamed in pieces.
    fn item(&mut self, item: Json<'_>, whole: bool) -> Result<(), Failure> {
        match &*item.get("type").str() {
            "function_call" if self.reply.tool_calls.len() >= limits::TOOL_CALLS_PARSED => {
                let most = limits::TOOL_CALLS_PARSED;
                Err(malformed(format_args!("it makes more than {most} tool calls")))
            }
            "function_call" => {
                self.reply.tool_calls.push(ToolCall {
                    id: item.get("call_id").string(),
                    name: item.get("name").string(),
                    arguments: item.get("arguments").string(),
                    ..ToolCall::default()
                });
                Ok(())
            }
            "message" if whole || self.reply.text.is_empty() => {
                item.get("content").items().for_each(|part| self.text(part.get("text").string()));
                Ok(())
            }
            _ => Ok(()),
        }
    }

    /// The final state of the response.
    fn end_of(&mut self, response: Json<'_>) -> Result<(), Failure> {
        if let Some(error) = response.get("error").non_null() {
            return Err(error_object(error.raw()));
        }
        let usage = response.get("usage");
        if usage.non_null().is_some() {
            let count = |name: &str| usage.get(name).uint();
            self.reply.usage =
                Some(Usage { input: count("input_tokens"), output: count("output_tokens") });
        }
        self.reply.truncated = response.get("status").str() == "incomplete";
        self.finished = true;
        Ok(())
    }
}

impl AnswerParser for ResponsesReader<'_> {
    fn event(&mut self, data: &str) -> Result<bool, Failure> {
        if matches!(data.trim(), "" | "[DONE]") {
            return Ok(self.finished);
        }
        let mismatch = TypeMismatch::default();
        let event = Json::parse(data, &mismatch).map_err(malformed)?;
        match &*event.get("type").str() {
            "response.output_text.delta" => self.text(event.get("delta").string()),
            "response.output_item.done" => self.item(event.get("item"), false)?,
            "response.completed" | "response.incomplete" | "response.failed" => {
                self.end_of(event.get("response"))?;
            }
            "error" => return Err(error_object(data)),
            _ => {}
        }
        Ok(self.finished)
    }

    fn whole(&mut self, body: &str) -> Result<(), Failure> {
        let mismatch = TypeMismatch::default();
        let response = Json::parse(body, &mismatch).map_err(malformed)?;
        for item in response.get("output").items() {
            self.item(item, true)?;
        }
        self.end_of(response)
    }

    fn end(&mut self) -> Result<(), Failure> {
        if self.finished { Ok(()) } else { Err(interrupted()) }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::provider::Class;

    fn read(events: &[&str]) -> Result<ChatReply, Failure> {
        let mut reader = ResponsesReader::new(None);
        for event in events {
            if reader.event(event)? {
                break;
            }
        }
        reader.end()?;
        Ok(reader.reply)
    }

    const CALL: &str = r#"{"type":"response.output_item.done","item":{"type":"function_call","call_id":"c1","name":"exec","arguments":"{\"a\":1}"}}"#;
    const END: &str = r#"{"type":"response.completed","response":{"status":"completed","error":null,"usage":{"input_tokens":7,"output_tokens":2}}}"#;

    #[test]
    fn a_stream_is_collected() {
        let reply = read(&[
            r#"{"type":"response.created","response":{"status":"in_progress"}}"#,
            r#"{"type":"response.output_text.delta","delta":"Grüß "}"#,
            r#"{"type":"response.output_text.delta","delta":"Gott"}"#,
            r#"{"type":"response.output_item.done","item":{"type":"message","content":[{"type":"output_text","text":"Grüß Gott"}]}}"#,
            CALL,
            END,
            "not read any more",
        ])
        .expect("a reply");
        assert_eq!((&*reply.text, reply.truncated), ("Grüß Gott", false));
        let call = &reply.tool_calls[0];
        assert_eq!((&*call.id, &*call.name, &*call.arguments), ("c1", "exec", r#"{"a":1}"#));
        assert_eq!(reply.usage.map(|u| (u.input, u.output)), Some((7, 2)));
        let cut = read(&[r#"{"type":"response.incomplete","response":{"status":"incomplete"}}"#]);
        assert!(cut.expect("a reply").truncated);
    }

    #[test]
    fn broken_responses_are_reported() {
        let class = |events: &[&str]| read(events).expect_err("a failure").class;
        assert_eq!(class(&["{"]), Class::Network);
        assert_eq!(class(&[CALL]), Class::Network);
        assert_eq!(class(&["[DONE]"]), Class::Network);
        let failed = r#"{"type":"response.failed","response":{"error":{"code":"rate_limit_exceeded","message":"Rate limit reached"}}}"#;
        assert_eq!(class(&[failed]), Class::RateLimit);
        assert_eq!(class(&[r#"{"type":"error","message":"quota"}"#]), Class::Network);
        let many = vec![CALL; limits::TOOL_CALLS_PARSED + 1];
        assert!(read(&many).expect_err("too many").message.contains("tool calls"));
        let mut reader = ResponsesReader::new(None);
        let whole = r#"{"status":"completed","output":[{"type":"message","content":[{"text":"a"},{"text":"b"}]}]}"#;
        reader.whole(whole).expect("a reply");
        assert_eq!(reader.reply.text, "ab");
    }

    #[test]
    fn a_conversation_is_written_as_items() {
        let mut answer = Message::text(Role::Assistant, "");
        answer.tool_calls.push(ToolCall {
            id: "c1".into(),
            name: "f".into(),
            arguments: "{}".into(),
            ..ToolCall::default()
        });
        let mut result = Message::text(Role::Tool, "42");
        result.tool_call_id = Some("c1".into());
        let messages = [
            Message::text(Role::User, "hi \"you\""),
            answer,
            result,
            Message::text(Role::Assistant, "so"),
        ];
        let request = ChatRequest {
            system_static: "be brief",
            system_dynamic: "it is noon",
            history: None,
            messages: &messages,
            tools: &[],
            max_tokens: 10,
            temperature: 0.5,
            cache_key: "k",
            pictures: &[],
        };
        let model = ModelConfig {
            model: "gpt-x".into(),
            thinking_level: "low".into(),
            ..ModelConfig::default()
        };
        let body = write(&model, &Extra::new(), &request).expect("a body");
        let body: serde_json::Value = serde_json::from_slice(&body.json).expect("JSON");
        assert_eq!(
            body,
            serde_json::json!({
                "model": "gpt-x", "instructions": "be brief\n\nit is noon", "input": [
                    {"type": "message", "role": "user", "content": [{"type": "input_text", "text": "hi \"you\""}]},
                    {"type": "function_call", "call_id": "c1", "name": "f", "arguments": "{}"},
                    {"type": "function_call_output", "call_id": "c1", "output": "42"},
                    {"type": "message", "role": "assistant", "content": [{"type": "output_text", "text": "so"}]},
                ],
                "reasoning": {"effort": "low"}, "prompt_cache_key": "k", "store": false, "stream": true,
            })
        );
    }
}
