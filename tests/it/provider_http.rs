//! The two dialects over real sockets, whatever the server does.

use std::cell::RefCell;
use std::time::Duration;

use picoclaw::config::{ModelConfig, Secret};
use picoclaw::message::{Message, Role};
use picoclaw::net::http::{HttpClient, Options};
use picoclaw::provider::openai::OpenAi;
use picoclaw::provider::{ChatReply, ChatRequest, Class, Failure, Provider};

use crate::scripted_server::{Server, Step, json, refuse, response, says, stream};

pub fn model(base: &str) -> ModelConfig {
    ModelConfig {
        model_name: "m".into(),
        provider: "openai".into(),
        model: "m-1".into(),
        api_base: base.into(),
        api_key: Secret::new("key-123"),
        request_timeout: Duration::from_secs(5),
        ..ModelConfig::default()
    }
}

fn http() -> HttpClient {
    HttpClient::with(Options::plain()).expect("a client")
}

/// Says "hi" to `provider`; the reply and what was streamed.
pub fn ask(provider: &impl Provider) -> (Result<ChatReply, Failure>, String) {
    let messages = [Message::text(Role::User, "hi")];
    let request = ChatRequest {
        system_static: "",
        system_dynamic: "",
        history: None,
        messages: &messages,
        tools: &[],
        max_tokens: 10,
        temperature: 0.5,
        cache_key: "",
        pictures: &[],
    };
    let told = RefCell::new(String::new());
    let on_text = |piece: &str| told.borrow_mut().push_str(piece);
    let reply = smol::block_on(provider.chat(&request, Some(&on_text)));
    (reply, told.into_inner())
}

fn ask_once(step: Step) -> Result<ChatReply, Failure> {
    let server = Server::start(vec![step]);
    ask(&OpenAi::new(&model(&server.base), http()).expect("a provider")).0
}

#[test]
fn a_request_and_its_answer() {
    let server = Server::start(vec![says("hello"), says("again")]);
    let provider = OpenAi::new(&model(&server.base), http()).expect("a provider");
    let (reply, told) = ask(&provider);
    let reply = reply.expect("a reply");
    assert_eq!((reply.text.as_str(), told.as_str()), ("hello", "hello"));
    assert_eq!(reply.usage.map(|u| (u.input, u.output)), Some((5, 2)));
    assert_eq!(ask(&provider).0.expect("a reply").text, "again");
    let seen = server.seen.lock().expect("requests");
    assert_eq!(seen[0].line, "POST /v1/chat/completions HTTP/1.1");
    for field in ["authorization: Bearer key-123", "content-type: application/json"] {
        assert!(seen[0].fields.iter().any(|f| f == field), "{:?}", seen[0].fields);
    }
    assert!(seen[0].fields.iter().any(|f| f.starts_with("user-agent: PicoClaw/")));
    let want = serde_json::json!({"model": "m-1", "messages": [{"role": "user", "content": "hi"}],
        "max_tokens": 10, "temperature": 0.5});
    assert_eq!(seen[0].body, want);
    assert_eq!(seen[1].connection, 0, "the connection is used again");
}

const EVENTS: [&str; 6] = [
    r#"{"choices":[{"delta":{"role":"assistant","content":""}}]}"#,
    r#"{"choices":[{"delta":{"content":"Grüß "}}]}"#,
    r#"{"choices":[{"delta":{"content":"Gott"}}]}"#,
    r#"{"choices":[{"delta":{"tool_calls":[{"index":0,"id":"c","function":{"name":"f","arguments":"{}"}}]}}]}"#,
    r#"{"choices":[{"delta":{},"finish_reason":"tool_calls"}]}"#,
    "[DONE]",
];

#[test]
fn a_stream_cut_in_two_at_every_offset() {
    let whole = stream(&EVENTS, true);
    let cuts = 1..whole.len();
    let step = |cut: usize| Step::Bytes(vec![whole[..cut].to_vec(), whole[cut..].to_vec()]);
    let server = Server::start(cuts.clone().map(step).collect());
    let model = ModelConfig { streaming: true, ..model(&server.base) };
    let provider = OpenAi::new(&model, http()).expect("a provider");
    for cut in cuts.clone() {
        let (reply, told) = ask(&provider);
        let reply = reply.unwrap_or_else(|e| panic!("cut at {cut}: {e}"));
        assert_eq!((reply.text.as_str(), told.as_str()), ("Grüß Gott", "Grüß Gott"));
        assert_eq!(reply.tool_calls.len(), 1, "cut at {cut}");
    }
    let seen = server.seen.lock().expect("requests");
    assert_eq!(seen.len(), cuts.len());
    let streams = |s: &crate::scripted_server::Seen| s.body["stream"] == true;
    assert!(seen.iter().all(streams));
    // One whose end comes late, as on a busy machine, is given up: a few in many hundred.
    let connections = seen.last().expect("a request").connection + 1;
    assert!(connections <= seen.len() / 20, "streams leave the connection usable: {connections}");
}

#[test]
fn a_stream_under_another_content_type_or_without_its_last_blank_line() {
    let body = EVENTS.map(|e| format!("data: {e}\n\n")).concat();
    let plain =
        |body: &str| Step::Bytes(vec![response("200 OK", "Content-Type: text/plain\r\n", body)]);
    for body in [body.as_str(), body.trim_end(), &body.replace('\n', "\r\n")] {
        assert_eq!(ask_once(plain(body)).expect("a reply").text, "Grüß Gott");
    }
}

/// The failure that `step` comes to.
#[track_caller]
fn check_failure(step: Step, class: Class, text: &str) {
    let failure = ask_once(step).expect_err("a failure");
    assert_eq!(failure.class, class, "{failure}");
    assert!(failure.message.contains(text), "{failure}");
    assert!(failure.message.len() < 400, "{failure}");
}

#[test]
fn refusals_say_status_and_reason() {
    let error = |text: &str| format!(r#"{{"error":{{"message":"{text}"}}}}"#);
    check_failure(refuse("401 Unauthorized", &error("bad key")), Class::Auth, "status 401");
    check_failure(refuse("402 Payment Required", &error("pay")), Class::Billing, "pay");
    check_failure(refuse("429 Too Many Requests", &error("slow")), Class::RateLimit, "slow");
    check_failure(refuse("500 Oops", ""), Class::Timeout, "status 500");
    check_failure(
        refuse("404 Not Found", &error("no such model")),
        Class::Unknown,
        "no such model",
    );
    check_failure(refuse("302 Found", ""), Class::Unknown, "status 302");
    let long = format!("{}{}", "maximum context length ", "x".repeat(100_000));
    check_failure(refuse("400 Bad Request", &error(&long)), Class::ContextOverflow, "maximum");
}

#[test]
fn retry_after_is_reported() {
    let bytes = response("429 Too Many Requests", "Retry-After: 7\r\n", "{}");
    let failure = ask_once(Step::Bytes(vec![bytes])).expect_err("a failure");
    assert_eq!((failure.status, failure.retry_after), (429, Some(Duration::from_secs(7))));
}

#[test]
fn the_key_is_never_shown() {
    let failure = ask_once(refuse("401 No", "wrong key: key-123")).expect_err("a failure");
    assert!(!failure.message.contains("key-123"), "{failure}");
    assert!(failure.message.contains("[redacted]"), "{failure}");
}

#[test]
fn web_pages_are_named() {
    let page = "\n<!DOCTYPE html><html><body>Sign in to the hotel</body></html>";
    check_failure(refuse("403 Forbidden", page), Class::Auth, "HTML page");
    check_failure(json(page), Class::Network, "127.0.0.1 sent an HTML page instead of JSON");
}

#[test]
fn answers_that_break_off_or_are_none() {
    check_failure(json(r#"{"choices":[{"mess"#), Class::Network, "cannot be read");
    check_failure(json("\u{0}\u{1}"), Class::Network, "cannot be read");
    let mut invalid = response("200 OK", "", "{\"choices\":[{\"message\":{\"content\":\"a?\"}}]}");
    let at = invalid.iter().rposition(|&b| b == b'?').expect("the mark");
    invalid[at] = 0xff;
    assert_eq!(ask_once(Step::Last(invalid)).expect("a reply").text, "a\u{fffd}");
    check_failure(Step::Last(Vec::new()), Class::Network, "");
    check_failure(Step::Last(b"nonsense\r\n\r\n".to_vec()), Class::Network, "");
    check_failure(Step::Last(stream(&EVENTS[..3], false)), Class::Network, "");
    check_failure(Step::Last(stream(&EVENTS[..3], true)), Class::Network, "stopped in the middle");
    check_failure(
        Step::Last(stream(&[EVENTS[1], r#"{"id": "x", "choi"#], true)),
        Class::Network,
        "cannot be read",
    );
}

#[test]
fn endless_answers_end() {
    let head = |kind: &str, length: &str| {
        format!("HTTP/1.1 200 OK\r\nContent-Type: {kind}\r\n{length}\r\n").into_bytes()
    };
    let spaces = vec![b' '; 65536];
    let long = head("application/json", "Content-Length: 20971520\r\n");
    check_failure(Step::Endless(long, spaces.clone()), Class::Network, "");
    check_failure(Step::Endless(head("application/json", ""), spaces), Class::Network, "");
    let events = format!("data: {}\n\n", EVENTS[1]).repeat(100).into_bytes();
    check_failure(
        Step::Endless(head("text/event-stream", ""), events),
        Class::Network,
        "longer than",
    );
    let line = vec![b'x'; 65536];
    check_failure(Step::Endless(head("text/event-stream", ""), line), Class::Network, "too long");
}

#[test]
fn silence_is_a_timeout() {
    let server = Server::start(vec![Step::Hang]);
    let model = ModelConfig { request_timeout: Duration::from_millis(100), ..model(&server.base) };
    let provider = OpenAi::new(&model, http()).expect("a provider");
    assert_eq!(ask(&provider).0.expect_err("a failure").class, Class::Timeout);
}

#[test]
fn what_keeps_a_connection_alive_is_no_answer() {
    let head = |kind: &str| {
        let head = "HTTP/1.1 200 OK\r\nContent-Type: ";
        format!("{head}{kind}\r\nContent-Length: 99999999\r\n\r\n").into_bytes()
    };
    for (kind, again) in [("text/event-stream", ": PROCESSING\n\n"), ("application/json", "\n")] {
        let server = Server::start(vec![Step::Endless(head(kind), again.into())]);
        let patience = Duration::from_millis(50);
        let model = ModelConfig { request_timeout: patience, ..model(&server.base) };
        let provider = OpenAi::new(&model, http()).expect("a provider");
        assert_eq!(ask(&provider).0.expect_err("a failure").class, Class::Timeout, "{kind}");
    }
}

#[test]
fn nobody_listening_is_a_network_failure() {
    let provider = OpenAi::new(&model("http://127.0.0.1:1/v1"), http()).expect("a provider");
    assert_eq!(ask(&provider).0.expect_err("a failure").class, Class::Network);
}

#[cfg(feature = "anthropic")]
#[test]
fn the_messages_api_whole_and_streamed() {
    use picoclaw::provider::anthropic::Anthropic;
    let events = [
        r#"{"type":"message_start","message":{"usage":{"input_tokens":3,"output_tokens":1}}}"#,
        r#"{"type":"content_block_start","index":0,"content_block":{"type":"text","text":""}}"#,
        r#"{"type":"content_block_delta","index":0,"delta":{"type":"text_delta","text":"hello"}}"#,
        r#"{"type":"message_delta","delta":{"stop_reason":"end_turn"},"usage":{"output_tokens":4}}"#,
        r#"{"type":"message_stop"}"#,
    ];
    let server = Server::start(vec![
        json(
            r#"{"content":[{"type":"text","text":"hello"}],"stop_reason":"end_turn","usage":{"input_tokens":3,"output_tokens":4}}"#,
        ),
        Step::Bytes(vec![stream(&events, true)]),
        refuse("529 Overloaded", r#"{"type":"error","error":{"type":"overloaded_error"}}"#),
    ]);
    let provider = Anthropic::new(&model(&server.base), http()).expect("a provider");
    for _ in 0..2 {
        let (reply, told) = ask(&provider);
        let reply = reply.expect("a reply");
        assert_eq!((reply.text.as_str(), told.as_str()), ("hello", "hello"));
        assert_eq!(reply.usage.map(|u| (u.input, u.output)), Some((3, 4)));
    }
    let failure = ask(&provider).0.expect_err("a failure");
    assert_eq!((failure.class, failure.status), (Class::Timeout, 529));
    let seen = server.seen.lock().expect("requests");
    assert_eq!(seen[0].line, "POST /v1/messages HTTP/1.1");
    for field in ["x-api-key: key-123", "anthropic-version: 2023-06-01"] {
        assert!(seen[0].fields.iter().any(|f| f == field), "{:?}", seen[0].fields);
    }
    assert_eq!(seen[2].connection, 0, "streams leave the connection usable");
}
