use super::*;
use serde_json::{Value, json};

use crate::config::Secret;
use crate::message::{Message, Role, ToolCall};
use crate::provider::Class;
use crate::provider::exchange::AnswerParser;
use crate::tool::{Effect, ToolSpec};

#[track_caller]
fn check_base(api_base: &str, with_v1: bool, want: &str) {
    assert_eq!(base(api_base, BASE, with_v1), want);
}

#[test]
fn bases_end_as_wanted() {
    check_base("", true, "https://api.anthropic.com/v1");
    check_base("", false, "https://api.anthropic.com");
    check_base(" https://a.b/x/v1/ ", true, "https://a.b/x/v1");
    check_base("https://a.b/x/v1", false, "https://a.b/x");
    check_base("https://a.b//", true, "https://a.b/v1");
}

fn headers(key: &str) -> Vec<(String, String)> {
    let model = ModelConfig { api_key: Secret::new(key), ..ModelConfig::default() };
    let http = HttpClient::new().expect("a client");
    Anthropic::new(&model, http).expect("a provider").to.headers
}

#[test]
fn a_key_and_a_login_token_travel_differently() {
    let key = headers("sk-ant-api03-x");
    assert!(key.contains(&("x-api-key".into(), "sk-ant-api03-x".into())));
    assert!(key.contains(&("anthropic-version".into(), "2023-06-01".into())));
    let token = headers("sk-ant-oat01-x");
    assert!(token.contains(&("authorization".into(), "Bearer sk-ant-oat01-x".into())));
    assert!(token.iter().any(|(n, v)| n == "anthropic-beta" && v.contains("oauth")));
    assert!(!token.iter().any(|(n, _)| n == "x-api-key"));
}

static LOOK: ToolSpec = ToolSpec {
    name: "look",
    description: "Looks.",
    schema: r#"{"type":"object","properties":{}}"#,
    effect: Effect::Reads,
    ..ToolSpec::PLAIN
};

fn ask(messages: &[Message]) -> ChatRequest<'_> {
    ChatRequest {
        system_static: "",
        system_dynamic: "",
        history: None,
        messages,
        tools: &[],
        max_tokens: 100,
        temperature: 0.5,
        cache_key: "",
        pictures: &[],
    }
}

fn json_of(model: &ModelConfig, request: &ChatRequest<'_>) -> Value {
    let extra = body::extra(&model.extra_body).expect("an object");
    let bytes = request::body(model, &extra, request).expect("a body");
    serde_json::from_slice(&bytes.json).expect("JSON")
}

fn model() -> ModelConfig {
    ModelConfig { model: "claude".into(), ..ModelConfig::default() }
}

fn message(role: Role, content: &str) -> Message {
    Message::text(role, content)
}

fn calls(content: &str, calls: &[(&str, &str)]) -> Message {
    let call = |&(id, arguments): &(&str, &str)| ToolCall {
        id: id.into(),
        name: "look".into(),
        arguments: arguments.into(),
        ..ToolCall::default()
    };
    let mut message = message(Role::Assistant, content);
    message.tool_calls = calls.iter().map(call).collect();
    message
}

fn result(id: &str, content: &str) -> Message {
    let mut message = message(Role::Tool, content);
    message.tool_call_id = Some(id.into());
    message
}

#[test]
fn a_whole_conversation() {
    let messages = [
        message(Role::User, "look"),
        calls("Looking.", &[("a", r#"{"at":1}"#), ("f:0", "x")]),
        result("a", "seen"),
        result("f:0", ""),
        message(Role::User, "and?"),
        message(Role::Assistant, "That."),
        message(Role::User, "thanks"),
    ];
    let request = ChatRequest {
        system_static: "You are.",
        system_dynamic: "It is 9.",
        tools: &[&LOOK],
        ..ask(&messages)
    };
    let want = json!({
        "model": "claude",
        "max_tokens": 100,
        "system": [
            {"type": "text", "text": "You are.", "cache_control": {"type": "ephemeral"}},
            {"type": "text", "text": "It is 9."}
        ],
        "messages": [
            {"role": "user", "content": "look"},
            {"role": "assistant", "content": [
                {"type": "text", "text": "Looking."},
                {"type": "tool_use", "id": "a", "name": "look", "input": {"at": 1}},
                {"type": "tool_use", "id": "f_0", "name": "look", "input": {"raw": "x"}}
            ]},
            {"role": "user", "content": [
                {"type": "tool_result", "tool_use_id": "a", "content": "seen"},
                {"type": "tool_result", "tool_use_id": "f_0", "content": ""},
                {"type": "text", "text": "and?"}
            ]},
            {"role": "assistant", "content": [{"type": "text", "text": "That."}]},
            {"role": "user", "content": "thanks"}
        ],
        "tools": [{"name": "look", "description": "Looks.", "input_schema": {"type": "object", "properties": {}}}],
        "temperature": 0.5
    });
    assert_eq!(json_of(&model(), &request), want);
}

/// `messages` of these.
#[track_caller]
fn check_messages(messages: &[Message], want: Value) {
    assert_eq!(json_of(&model(), &ask(messages))["messages"], want);
}

#[test]
fn sides_alternate_and_nothing_is_empty() {
    check_messages(&[], json!([]));
    check_messages(
        &[message(Role::User, "a"), message(Role::User, "b")],
        json!([{"role": "user", "content": [{"type": "text", "text": "a"}, {"type": "text", "text": "b"}]}]),
    );
    check_messages(&[message(Role::Assistant, "")], json!([]));
    check_messages(
        &[calls("", &[("a", "")])],
        json!([{"role": "assistant", "content": [{"type": "tool_use", "id": "a", "name": "look", "input": {}}]}]),
    );
}

/// `thinking` and `temperature` of a request whose last message is of `role`.
#[track_caller]
fn check_thinking(level: &str, max_tokens: u32, role: Role, want: Value) {
    let model = ModelConfig { thinking_level: level.into(), ..model() };
    let messages = [message(role, "x")];
    let got = json_of(&model, &ChatRequest { max_tokens, temperature: 1.5, ..ask(&messages) });
    assert_eq!(json!([got["thinking"], got["temperature"]]), want, "{level} {max_tokens}");
    assert_eq!(got["max_tokens"], max_tokens);
}

#[test]
fn thinking_has_a_budget_below_max_tokens_and_no_temperature() {
    let budget = |n: u32| json!([{"type": "enabled", "budget_tokens": n}, null]);
    let none = json!([null, 1.0]);
    check_thinking("low", 32768, Role::User, budget(4096));
    check_thinking("Medium", 32768, Role::User, budget(16384));
    check_thinking("high", 64000, Role::User, budget(32000));
    check_thinking("xhigh", 8000, Role::User, budget(6000));
    check_thinking("xhigh", 1000, Role::User, none.clone());
    check_thinking("off", 32768, Role::User, none.clone());
    check_thinking("", 32768, Role::User, none.clone());
    check_thinking("adaptive", 100, Role::User, json!([{"type": "adaptive"}, null]));
    check_thinking("high", 32768, Role::Tool, none);
}

#[test]
fn streaming_extra_fields_and_a_missing_max_tokens() {
    let model = ModelConfig { streaming: true, extra_body: r#"{"top_k":5}"#.into(), ..model() };
    let got = json_of(&model, &ask(&[]));
    assert_eq!((&got["stream"], &got["top_k"]), (&json!(true), &json!(5)));
    let none = ChatRequest { max_tokens: 0, ..ask(&[]) };
    let failure = request::body(&model, &Extra::new(), &none).expect_err("max_tokens is required");
    assert_eq!(failure.class, Class::Format);
}

fn whole(body: &str) -> Result<ChatReply, Failure> {
    let mut reader = response::AnthropicReader::new(None);
    reader.whole(body).map(|()| reader.reply())
}

fn shown(r: &ChatReply) -> String {
    let calls: Vec<String> =
        r.tool_calls.iter().map(|c| format!("{} {} {}", c.id, c.name, c.arguments)).collect();
    let usage = r.usage.unwrap_or_default();
    format!(
        "{}|{}|{}|{}/{}|{}",
        r.text,
        r.reasoning,
        calls.join(";"),
        usage.input,
        usage.output,
        r.truncated
    )
}

#[test]
fn whole_answers() {
    let body = r#"{"type":"message","content":[{"type":"thinking","thinking":"hm","signature":"x"},{"type":"text","text":"a"},{"type":"tool_use","id":"t","name":"f","input":{"x": [1]}},{"type":"tool_use","id":"u","name":"g","input":{}},{"type":"text","text":"b"}],"stop_reason":"max_tokens","usage":{"input_tokens":1,"cache_read_input_tokens":10,"cache_creation_input_tokens":null,"output_tokens":4}}"#;
    let reply = whole(body).expect("a reply");
    assert_eq!(shown(&reply), r#"ab|hm|t f {"x": [1]};u g {}|11/4|true"#);
    let empty = whole(r#"{"type":"message","content":null,"stop_reason":"end_turn"}"#);
    assert_eq!(empty.expect("an empty reply"), ChatReply::default());
}

#[track_caller]
fn check_broken(body: &str, class: Class) {
    assert_eq!(whole(body).expect_err("a failure").class, class, "{body:.80}");
}

#[test]
fn unreadable_bodies() {
    check_broken("", Class::Network);
    check_broken("nonsense", Class::Network);
    check_broken(r#"{"content":7}"#, Class::Network);
    check_broken(
        &format!(r#"{{"content":[{}]}}"#, vec![r#"{"type":"tool_use"}"#; 65].join(",")),
        Class::Network,
    );
    check_broken(&format!(r#"{{"content":[{}]}}"#, vec!["{}"; 300].join(",")), Class::Network);
    check_broken(
        r#"{"type":"error","error":{"type":"overloaded_error","message":"Overloaded"}}"#,
        Class::RateLimit,
    );
}

const STREAM: [&str; 13] = [
    r#"{"type":"message_start","message":{"id":"m","content":[],"stop_reason":null,"usage":{"input_tokens":25,"output_tokens":1}}}"#,
    r#"{"type":"content_block_start","index":0,"content_block":{"type":"text","text":""}}"#,
    r#"{"type":"ping"}"#,
    r#"{"type":"content_block_delta","index":0,"delta":{"type":"text_delta","text":"Hel"}}"#,
    r#"{"type":"content_block_delta","index":0,"delta":{"type":"text_delta","text":"lo"}}"#,
    r#"{"type":"content_block_stop","index":0}"#,
    r#"{"type":"content_block_start","index":1,"content_block":{"type":"tool_use","id":"t","name":"f","input":{}}}"#,
    r#"{"type":"content_block_start","index":2,"content_block":{"type":"tool_use","id":"u","name":"g","input":{}}}"#,
    r#"{"type":"content_block_delta","index":1,"delta":{"type":"input_json_delta","partial_json":""}}"#,
    r#"{"type":"content_block_delta","index":1,"delta":{"type":"input_json_delta","partial_json":"{\"a\""}}"#,
    r#"{"type":"content_block_delta","index":1,"delta":{"type":"input_json_delta","partial_json":":1}"}}"#,
    r#"{"type":"message_delta","delta":{"stop_reason":"tool_use","stop_sequence":null},"usage":{"output_tokens":15}}"#,
    r#"{"type":"message_stop"}"#,
];

#[test]
fn a_streamed_answer() {
    let told = std::cell::RefCell::new(String::new());
    let on_text = |piece: &str| told.borrow_mut().push_str(piece);
    let mut reader = response::AnthropicReader::new(Some(&on_text));
    for (at, event) in STREAM.iter().enumerate() {
        assert_eq!(reader.event(event).expect("an event"), at + 1 == STREAM.len());
    }
    assert_eq!(shown(&reader.reply()), r#"Hello||t f {"a":1};u g {}|25/15|false"#);
    assert_eq!(told.borrow().as_str(), "Hello");
}

#[test]
fn interrupted_streams() {
    let mut reader = response::AnthropicReader::new(None);
    for event in &STREAM[..11] {
        assert!(!reader.event(event).expect("an event"));
    }
    assert_eq!(reader.end().expect_err("stopped").class, Class::Network);
    let stray = r#"{"type":"content_block_delta","index":9,"delta":{"type":"input_json_delta","partial_json":"{"}}"#;
    assert_eq!(reader.event(stray).expect_err("stray").class, Class::Network);
    let error = r#"{"type":"error","error":{"type":"rate_limit_error","message":"slow down"}}"#;
    assert_eq!(reader.event(error).expect_err("an error").class, Class::RateLimit);
}
