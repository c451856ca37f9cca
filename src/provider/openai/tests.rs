use serde_json::{Value, json};

use super::*;
use crate::config::Secret;
use crate::message::{Message, Role, ToolCall};
use crate::provider::{Class, exchange::AnswerParser};
use crate::tool::{Effect, ToolSpec};

static LOOK: ToolSpec = ToolSpec {
    name: "look",
    description: "Looks \"there\".",
    schema: r#"{"type":"object","properties":{"at":{"type":"string"}}}"#,
    effect: Effect::Reads,
    ..ToolSpec::PLAIN
};

pub(super) fn model(provider: &str, id: &str) -> ModelConfig {
    ModelConfig {
        model_name: "m".into(),
        provider: provider.into(),
        model: id.into(),
        api_base: "https://example.org/v1".into(),
        api_key: Secret::new("k"),
        ..ModelConfig::default()
    }
}

pub(super) fn ask(messages: &[Message]) -> ChatRequest<'_> {
    ChatRequest {
        system_static: "",
        system_dynamic: "",
        history: None,
        messages,
        tools: &[],
        max_tokens: 100,
        temperature: 0.7,
        cache_key: "telegram:1",
        pictures: &[],
    }
}

pub(super) fn json_of(model: &ModelConfig, request: &ChatRequest<'_>) -> Value {
    let extra = body::extra(&model.extra_body).expect("an object");
    let post = request::body(model, &extra, request, ServerRules::of(model));
    serde_json::from_slice(&post.expect("a body").json).expect("JSON")
}

/// The body of a bare "hi", without `model` and `messages`.
#[track_caller]
fn check_fields(model: &ModelConfig, want: Value) {
    let messages = [Message::text(Role::User, "hi")];
    let mut got = json_of(model, &ask(&messages));
    assert_eq!(got["model"], model.model);
    assert_eq!(got["messages"], json!([{"role": "user", "content": "hi"}]));
    let fields = got.as_object_mut().expect("an object");
    fields.remove("model");
    fields.remove("messages");
    assert_eq!(got, want);
}

#[test]
fn a_whole_conversation() {
    let mut called = Message::text(Role::Assistant, "");
    let call = |id: &str, arguments: &str| ToolCall {
        id: id.into(),
        name: "look".into(),
        arguments: arguments.into(),
        ..ToolCall::default()
    };
    called.tool_calls = vec![call("a", r#"{"at":"x"}"#), call("b", "at=\"x\""), call("c", "")];
    called.reasoning_content = Some("hmm".into());
    let mut result = Message::text(Role::Tool, "seen\n");
    result.tool_call_id = Some("a".into());
    let messages = [Message::text(Role::User, "look"), called, result];
    let request = ChatRequest {
        system_static: "You are.",
        system_dynamic: "It is 9.",
        tools: &[&LOOK],
        ..ask(&messages)
    };
    let got = json_of(&model("groq", "m1"), &request);
    let f = |id, arguments| json!({"id": id, "type": "function", "function": {"name": "look", "arguments": arguments}});
    let want = json!({
        "model": "m1",
        "messages": [
            {"role": "system", "content": "You are.\n\nIt is 9."},
            {"role": "user", "content": "look"},
            {"role": "assistant", "content": "", "tool_calls": [
                f("a", r#"{"at":"x"}"#), f("b", r#"{"raw":"at=\"x\""}"#), f("c", "{}")]},
            {"role": "tool", "content": "seen\n", "tool_call_id": "a"}
        ],
        "tools": [{"type": "function", "function": {"name": "look", "description": "Looks \"there\".",
            "parameters": {"type": "object", "properties": {"at": {"type": "string"}}}}}],
        "tool_choice": "auto",
        "max_tokens": 100,
        "temperature": 0.7
    });
    assert_eq!(got, want);
    for provider in ["deepseek", "mimo"] {
        let got = json_of(&model(provider, "m1"), &request);
        assert_eq!(got["messages"][2]["reasoning_content"], "hmm");
    }
}

#[test]
fn a_single_system_part_is_sent_alone() {
    let request = ChatRequest { system_dynamic: "now", ..ask(&[]) };
    let got = json_of(&model("openai", "m"), &request);
    assert_eq!(got["messages"], json!([{"role": "system", "content": "now"}]));
}

#[test]
fn fields_by_model_name() {
    check_fields(&model("openai", "gpt-4o"), json!({"max_tokens": 100, "temperature": 0.7}));
    check_fields(&model("x", "moonshot/Kimi-K2.5"), json!({"max_tokens": 100, "temperature": 1.0}));
    check_fields(
        &model("zhipu", "GLM-4.7"),
        json!({"max_completion_tokens": 100, "temperature": 0.7}),
    );
    for id in ["o1", "o3-mini", "openai/o4-mini", "gpt-5.2", "openai/GPT-5-mini"] {
        check_fields(&model("openai", id), json!({"max_completion_tokens": 100}));
    }
    for id in ["olmo-2", "phi-o", "solo1", "gpt-4o-mini"] {
        check_fields(&model("openai", id), json!({"max_tokens": 100, "temperature": 0.7}));
    }
    let mut own = model("openai", "gpt-5");
    own.max_tokens_field = "max_output".into();
    check_fields(&own, json!({"max_output": 100}));
}

#[test]
fn thinking_by_provider() {
    let fields = |provider: &str, level: &str| {
        let mut model = model(provider, "m");
        model.thinking_level = level.into();
        let mut got = json_of(&model, &ask(&[]));
        let got = got.as_object_mut().expect("an object");
        for usual in ["model", "messages", "max_tokens", "temperature"] {
            got.remove(usual);
        }
        Value::Object(std::mem::take(got))
    };
    let kind = |kind: &str| json!({"thinking": {"type": kind}});
    assert_eq!(fields("deepseek", "off"), kind("disabled"));
    assert_eq!(fields("deepseek", "adaptive"), kind("enabled"));
    assert_eq!(
        fields("deepseek", " LOW "),
        json!({"thinking": {"type": "enabled"}, "reasoning_effort": "high"})
    );
    let most = json!({"thinking": {"type": "enabled"}, "reasoning_effort": "max"});
    assert_eq!(fields("deepseek", "xhigh"), most);
    assert_eq!(fields("zhipu", "off"), kind("disabled"));
    assert_eq!(fields("zhipu", "high"), kind("enabled"));
    assert_eq!(fields("volcengine", "adaptive"), kind("auto"));
    assert_eq!(fields("qwen-intl", "off"), json!({"enable_thinking": false}));
    assert_eq!(fields("qwen-us", "low"), json!({"enable_thinking": true, "thinking_budget": 4096}));
    assert_eq!(fields("openai", "high"), json!({}));
    assert_eq!(fields("deepseek", "odd"), json!({}));
}

#[test]
fn cache_key_streaming_and_extra_fields() {
    let mut m = model("openai", "m");
    m.api_base = "https://api.openai.com/v1".into();
    let usual = json!({"max_tokens": 100, "temperature": 0.7, "prompt_cache_key": "telegram:1"});
    check_fields(&m, usual);
    m.api_base = "https://x.OpenAI.azure.com/openai/v1".into();
    m.streaming = true;
    m.extra_body = r#"{"temperature": 0.1, "top_p": 0.5, "prompt_cache_key": null}"#.into();
    check_fields(
        &m,
        json!({"max_tokens": 100, "temperature": 0.1, "top_p": 0.5, "prompt_cache_key": null,
            "stream": true, "stream_options": {"include_usage": true}}),
    );
}

#[test]
fn temperatures_that_are_no_numbers_are_not_sent() {
    let request = ChatRequest { temperature: f64::NAN, max_tokens: 0, ..ask(&[]) };
    assert_eq!(json_of(&model("x", "m"), &request), json!({"model": "m", "messages": []}));
}

#[track_caller]
fn check_host(base: &str, want: bool) {
    let m = ModelConfig { api_base: base.into(), ..model("openai", "m") };
    assert_eq!(m.has(Quirk::CacheKey), want, "{base}");
}

#[test]
fn only_openais_own_hosts_get_a_cache_key() {
    check_host("https://API.openai.com:443/v1", true);
    check_host("https://me.openai.azure.com", true);
    check_host("https://api.openai.com.example.org/v1", false);
    check_host("https://notopenai.azure.com", false);
}

fn whole(body: &str) -> Result<ChatReply, Failure> {
    let mut reader = response::OpenAiReader::new(7, None);
    reader.whole(body).map(|()| reader.reply())
}

/// Reply to `message`, as `text|reasoning|id name arguments;…`.
#[track_caller]
fn check_message(message: &str, want: &str) {
    let body = format!(
        r#"{{"choices":[{{"index":0,"message":{message},"finish_reason":"stop"}}],"x":[1]}}"#
    );
    let r = whole(&body).expect("a reply");
    let calls: Vec<String> =
        r.tool_calls.iter().map(|c| format!("{} {} {}", c.id, c.name, c.arguments)).collect();
    assert_eq!(format!("{}|{}|{}", r.text, r.reasoning, calls.join(";")), want);
}

#[test]
fn messages_of_many_servers() {
    check_message(r#"{"role":"assistant","content":"h\u00e9\n"}"#, "hé\n||");
    check_message(r#"{"content":null}"#, "||");
    check_message("null", "||");
    check_message("{}", "||");
    check_message(r#"{"content":[{"type":"text","text":"a"},{"type":"x"},{"text":"b"}]}"#, "ab||");
    check_message(r#"{"content":"a","reasoning_content":"why"}"#, "a|why|");
    check_message(r#"{"content":"a","reasoning":"why","reasoning_content":null}"#, "a|why|");
    check_message(r#"{"content":"a","reasoning":{"odd":1}}"#, "a||");
    check_message(
        r#"{"tool_calls":[{"id":"c1","type":"function","function":{"name":"f","arguments":"{\"a\":1}"}},{"function":{"name":"g","arguments":{"b":2}}},{"id":null,"function":{"name":"h","arguments":"not json"}},{"id":"c4","function":{"name":"i"}}]}"#,
        r#"||c1 f {"a":1};call_7_1 g {"b":2};call_7_2 h not json;c4 i "#,
    );
}

#[test]
fn usage_truncation_and_no_choices() {
    let r = whole(r#"{"choices":[{"message":{"content":"a"},"finish_reason":"length"}],"usage":{"prompt_tokens":3,"completion_tokens":null}}"#)
        .expect("a reply");
    assert!(r.truncated);
    assert_eq!(r.usage.map(|u| (u.input, u.output)), Some((3, 0)));
    for body in [r#"{"choices":[]}"#, r#"{"choices":null}"#, "{}"] {
        assert_eq!(whole(body).expect("an empty reply"), ChatReply::default());
    }
}

#[track_caller]
fn check_broken(body: &str, class: Class, text: &str) {
    let failure = whole(body).expect_err("a failure");
    assert_eq!(failure.class, class, "{failure}");
    assert!(failure.message.contains(text), "{failure}");
    assert!(failure.message.len() < 400, "{failure}");
}

#[test]
fn unreadable_bodies() {
    check_broken("", Class::Network, "cannot be read");
    check_broken(r#"{"choices":[{"mess"#, Class::Network, "cannot be read");
    check_broken("[1]", Class::Network, "cannot be read");
    check_broken(&"[".repeat(100_000), Class::Network, "cannot be read");
    check_broken(
        r#"{"choices":[{"message":{"content":[1,2]}}]}"#,
        Class::Network,
        "cannot be read",
    );
    let many = vec!["{}"; 65].join(",");
    check_broken(
        &format!(r#"{{"choices":[{{"message":{{"tool_calls":[{many}]}}}}]}}"#),
        Class::Network,
        "64",
    );
    check_broken(&format!(r#"{{"choices":[{many}]}}"#), Class::Network, "at most 16");
    check_broken(
        r#"{"error":{"message":"Rate limit reached","code":429}}"#,
        Class::RateLimit,
        "Rate limit",
    );
    check_broken(r#"{"error":"maximum context length is 5"}"#, Class::ContextOverflow, "context");
    check_broken(r#"{"error":{"message":"boom"}}"#, Class::Network, "boom");
}

/// The reply to a stream of these events; and that streaming told all of its text.
fn streamed(events: &[&str]) -> Result<ChatReply, Failure> {
    let told = std::cell::RefCell::new(String::new());
    let on_text = |piece: &str| told.borrow_mut().push_str(piece);
    let mut reader = response::OpenAiReader::new(7, Some(&on_text));
    for event in events {
        if reader.event(event)? {
            break;
        }
    }
    reader.end()?;
    let reply = reader.reply();
    assert_eq!(told.borrow().as_str(), reply.text);
    Ok(reply)
}

fn piece(delta: &str) -> String {
    format!(r#"{{"choices":[{{"index":0,"delta":{delta},"finish_reason":null}}]}}"#)
}

#[test]
fn streamed_text_reasoning_and_usage() {
    let reply = streamed(&[
        &piece(r#"{"role":"assistant","content":""}"#),
        &piece(r#"{"reasoning_content":"so "}"#),
        &piece(r#"{"reasoning_content":"be it"}"#),
        &piece(r#"{"content":"Hel"}"#),
        "",
        &piece(r#"{"content":"lo"}"#),
        r#"{"choices":[{"delta":{},"finish_reason":"length"}]}"#,
        r#"{"choices":[],"usage":{"prompt_tokens":1,"completion_tokens":2}}"#,
        "[DONE]",
        "never read",
    ])
    .expect("a reply");
    assert_eq!((reply.text.as_str(), reply.reasoning.as_str()), ("Hello", "so be it"));
    assert!(reply.truncated);
    assert_eq!(reply.usage.map(|u| (u.input, u.output)), Some((1, 2)));
}

/// Calls of a stream of these `tool_calls` pieces, as `id name arguments;…`.
#[track_caller]
fn check_calls(pieces: &[&str], want: &str) {
    let mut events: Vec<String> =
        pieces.iter().map(|p| piece(&format!(r#"{{"tool_calls":[{p}]}}"#))).collect();
    events.push("[DONE]".into());
    let events: Vec<&str> = events.iter().map(String::as_str).collect();
    let calls = streamed(&events).expect("a reply").tool_calls;
    let calls: Vec<String> =
        calls.iter().map(|c| format!("{} {} {}", c.id, c.name, c.arguments)).collect();
    assert_eq!(calls.join(";"), want);
}

#[test]
fn streamed_calls_come_together() {
    check_calls(
        &[
            r#"{"index":0,"id":"a","function":{"name":"f","arguments":""}}"#,
            r#"{"index":1,"id":"b","function":{"name":"g","arguments":"{"}}"#,
            r#"{"index":0,"function":{"arguments":"{\"x\""}}"#,
            r#"{"index":1,"function":{"arguments":"}"}}"#,
            r#"{"index":0,"function":{"arguments":":1}"}}"#,
        ],
        r#"a f {"x":1};b g {}"#,
    );
    // Every call at index 0, told apart by ids.
    check_calls(
        &[
            r#"{"index":0,"id":"a","function":{"name":"f","arguments":"{}"}}"#,
            r#"{"index":0,"id":"b","function":{"name":"g","arguments":"{}"}}"#,
        ],
        "a f {};b g {}",
    );
    // No index: a name begins a call, a piece without one goes on.
    check_calls(
        &[
            r#"{"id":"a","function":{"name":"f","arguments":"{"}}"#,
            r#"{"function":{"arguments":"}"}}"#,
            r#"{"function":{"name":"g","arguments":"{}"}}"#,
        ],
        "a f {};call_7_1 g {}",
    );
    // The id comes late, or again with every piece; a huge index costs nothing.
    check_calls(
        &[
            r#"{"index":4000000000,"function":{"name":"f"}}"#,
            r#"{"index":4000000000,"id":"a","function":{"arguments":"{"}}"#,
            r#"{"index":4000000000,"id":"a","function":{"name":"f","arguments":"}"}}"#,
        ],
        "a f {}",
    );
}

#[test]
fn interrupted_streams() {
    let text = piece(r#"{"content":"Hel"}"#);
    for events in [&[][..], &[text.as_str()], &[text.as_str(), r#"{"id": "x", "choi"#]] {
        let failure = streamed(events).expect_err("a failure");
        assert_eq!(failure.class, Class::Network, "{failure}");
    }
    let failure =
        streamed(&[&text, r#"{"error":{"message":"Overloaded"}}"#]).expect_err("a failure");
    assert_eq!(failure.class, Class::RateLimit);
    let stopped = r#"{"choices":[{"delta":{"content":"a"},"finish_reason":"stop"}]}"#;
    assert_eq!(streamed(&[stopped]).expect("complete without [DONE]").text, "a");
}

#[test]
fn entries_that_cannot_work_say_why() {
    let new = |model: &ModelConfig| OpenAi::new(model, HttpClient::new().expect("a client")).err();
    assert_eq!(new(&model("openai", "m")), None);
    let mut m = model("openai", "m");
    m.api_key = Secret::default();
    assert_eq!(new(&m).as_deref(), Some("no API key configured for model: m"));
    m.provider = "ollama".into();
    assert_eq!(new(&m), None);
    m.api_base = String::new();
    assert_eq!(new(&m).as_deref(), Some("API base not configured for model: m"));
    m.api_base = "no url".into();
    assert!(new(&m).expect("an error").starts_with("api_base of m: "));
    m = model("openai", "m");
    m.extra_body = "[]".into();
    assert!(new(&m).expect("an error").contains("not a JSON object"));
}
