use serde_json::{Value, json};

use super::*;
use crate::config::ModelConfig;
use crate::limits::SHORT_RESULT_BYTES;
use crate::net::upload::SpliceContent;
use crate::provider::body::RequestBody;
use crate::provider::{ChatRequest, Failure, openai};
use crate::sys::scratch::Scratch;

type Dialect =
    for<'a> fn(&ModelConfig, &'a Extra, &ChatRequest<'a>) -> Result<RequestBody, Failure>;

fn chat_completion<'a>(
    model: &ModelConfig,
    extra: &'a Extra,
    request: &ChatRequest<'a>,
) -> Result<RequestBody, Failure> {
    openai::request::body(model, extra, request, ServerRules::of(model))
}

fn request<'a>(history: Option<Arc<Stored>>, messages: &'a [Message]) -> ChatRequest<'a> {
    ChatRequest {
        system_static: "S",
        system_dynamic: "",
        history,
        messages,
        tools: &[],
        max_tokens: 9,
        temperature: 1.0,
        cache_key: "",
        pictures: &[],
    }
}

/// What goes over the wire.
fn whole(post: RequestBody) -> Vec<u8> {
    let (mut out, mut sent) = (Vec::new(), 0);
    for mut splice in post.files {
        out.extend_from_slice(&post.json[sent..splice.at]);
        sent = splice.at;
        let before = out.len();
        let SpliceContent::Made(pieces) = &splice.content else { panic!("a picture") };
        for n in 0.. {
            if !pieces.piece(n, &mut out).expect("read") {
                break;
            }
        }
        smol::block_on(splice.measure()).expect("measured");
        assert_eq!(splice.bytes, (out.len() - before) as u64);
    }
    out.extend_from_slice(&post.json[sent..]);
    out
}

/// The file of a session, and where its messages are in it.
fn store(scratch: &Scratch, messages: &[Message], short: bool) -> Stored {
    let (mut text, mut places) = (String::new(), Vec::new());
    for message in messages {
        let line = serde_json::to_string(message).expect("JSON");
        let (at, length) = (text.len() as u64, line.len() as u32);
        places.push(StoredPosition { at, length, short, answer: message.role == Role::Assistant });
        text.push_str(&line);
        text.push('\n');
    }
    scratch.file("s", text);
    let file = Arc::new(File::open(scratch.path().join("s")).expect("a file"));
    Stored { file, places, tokens: 0 }
}

/// A conversation, from `spec`: `u` user, `a` assistant, `e` an empty one, `c` with two calls and both results.
fn talk(spec: &str) -> Vec<Message> {
    let mut all = Vec::new();
    for (n, what) in spec.chars().enumerate() {
        let text = format!("{what}{n} \"quoted\"\n");
        match what {
            'u' => all.push(Message::text(Role::User, text)),
            'a' => all.push(Message::text(Role::Assistant, text)),
            'e' => all.push(Message::text(Role::Assistant, "")),
            _ => {
                let id = |k: usize| format!("id{n}_{k}");
                let call = |k| ToolCall {
                    id: id(k),
                    name: "look".into(),
                    arguments: "{}".into(),
                    ..ToolCall::default()
                };
                let tool_calls = vec![call(0), call(1)];
                let reasoning_content = Some("because".to_owned());
                let text = Message::text(Role::Assistant, text);
                all.push(Message { tool_calls, reasoning_content, ..text });
                for k in 0..2 {
                    let text = Message::text(Role::Tool, format!("result {n} {k}"));
                    all.push(Message { tool_call_id: Some(id(k)), ..text });
                }
            }
        }
    }
    all
}

/// Texts of blocks instead of strings, as Anthropic's API takes either, and neighbours of one side as one.
fn plain(mut body: Value) -> Value {
    let mut all: Vec<Value> = Vec::new();
    for mut message in body["messages"].take().as_array().cloned().unwrap_or_default() {
        if let Some(text) = message["content"].as_str() {
            message["content"] = json!([{ "type": "text", "text": text }]);
        }
        match all.last_mut().filter(|last| last["role"] == message["role"]) {
            Some(last) => {
                let more = message["content"].as_array().cloned().unwrap_or_default();
                last["content"].as_array_mut().expect("blocks").extend(more);
            }
            None => all.push(message),
        }
    }
    body["messages"] = json!(all);
    body
}

#[track_caller]
fn check(model: &ModelConfig, dialect: Dialect, normal: fn(Value) -> Value) {
    let extra = Extra::new();
    let read = |post| normal(serde_json::from_slice(&whole(post)).expect("JSON"));
    for spec in ["uau", "ucau", "uccauuau", "ueu", "uceu", "uu", "aucau", "u"] {
        let messages = talk(spec);
        let want = read(dialect(model, &extra, &request(None, &messages)).expect("a body"));
        for cut in 0..messages.len() {
            let scratch = Scratch::named("stored");
            let stored = store(&scratch, &messages[..cut], false);
            let request = request(Some(Arc::new(stored)), &messages[cut..]);
            let got = read(dialect(model, &extra, &request).expect("a body"));
            assert_eq!(got, want, "{spec} at {cut}");
        }
    }
}

#[test]
fn a_request_is_the_same_whether_its_messages_are_in_memory_or_in_their_file() {
    let model = |id: &str| ModelConfig { model: id.into(), ..ModelConfig::default() };
    check(&model("m"), chat_completion, |v| v);
    let mut replaying = model("deepseek-reasoner");
    replaying.provider = "deepseek".into();
    check(&replaying, chat_completion, |v| v);
    let mut bridging = model("mistral-large");
    bridging.provider = "mistral".into();
    check(&bridging, chat_completion, |v| v);
    #[cfg(feature = "sign-in")]
    check(&model("m"), crate::provider::responses::write, |v| v);
    #[cfg(feature = "anthropic")]
    check(&model("claude"), crate::provider::anthropic::request::body, plain);
    #[cfg(not(feature = "anthropic"))]
    let _ = plain;
}

#[test]
fn a_result_that_is_sent_short_says_how_to_read_the_rest() {
    let mut messages = talk("uc");
    messages[2].content = format!("begin {} end", "x".repeat(50_000));
    let scratch = Scratch::named("stored-short");
    let stored = store(&scratch, &messages, true);
    let read = |n: usize| stored.read(&stored.places[n]).expect("a message");
    let short = read(2).content;
    assert!(short.len() <= SHORT_RESULT_BYTES, "{}", short.len());
    assert!(short.starts_with("begin x") && short.ends_with("x end"));
    assert!(short.contains("bytes of this earlier result are left out"), "{short}");
    assert_eq!((read(0), read(3)), (messages[0].clone(), messages[3].clone()));
}

#[test]
fn a_file_that_has_changed_ends_the_request() {
    let scratch = Scratch::named("stored-gone");
    let stored = store(&scratch, &talk("uau"), false);
    scratch.file("s", "{\"role\":\"user\",\"content\":\"new\"}\n");
    let write: WriteMessage = |b, m, _| {
        b.string(&m.content);
    };
    let written = StoredRequest { stored: Arc::new(stored), write, rules: Default::default() };
    assert!(written.piece(1, &mut Vec::new()).is_err());
    assert!(!written.piece(3, &mut Vec::new()).expect("the end"));
}
