//! Retries, fallbacks and pauses over real sockets.

use std::cell::RefCell;
use std::rc::Rc;
use std::time::Duration;

use picoclaw::config::{AgentConfig, Config, ModelConfig, Secret};
use picoclaw::message::{Message, Role};
use picoclaw::net::http::{HttpClient, Options};
use picoclaw::provider::{ChatReply, ChatRequest, Class, Failure, Models};

use crate::pause;
use crate::scripted_server::{Server, Step, json, refuse, response, says, stream};

/// A model `name` at this server.
fn at(server: &Server, name: &str) -> ModelConfig {
    ModelConfig {
        model_name: name.into(),
        provider: "openai".into(),
        model: name.into(),
        api_base: server.base.clone(),
        api_key: Secret::new("k"),
        ..ModelConfig::default()
    }
}

/// The first of `models` with the others as fallbacks, two retries without much of a pause.
fn chain(models: Vec<ModelConfig>) -> Models {
    let config = Config {
        agent: AgentConfig {
            model: models[0].model_name.clone(),
            fallbacks: models.iter().map(|m| m.model_name.clone()).collect(),
            max_llm_retries: 2,
            llm_retry_backoff: Duration::from_millis(1),
            ..AgentConfig::default()
        },
        models,
        ..Config::default()
    };
    Models::new(Rc::new(config), HttpClient::with(Options::plain()).expect("a client"))
}

fn ask_streaming(models: &Models) -> (Result<ChatReply, Failure>, Vec<String>) {
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
    let told = RefCell::new(Vec::new());
    let on_text = |piece: &str| told.borrow_mut().push(piece.to_owned());
    let reply = smol::block_on(models.chat(&request, None, Some(&on_text)));
    (reply, told.into_inner())
}

fn ask(models: &Models) -> Result<ChatReply, Failure> {
    ask_streaming(models).0
}

#[track_caller]
fn check_says(models: &Models, want: &str) {
    assert_eq!(ask(models).expect("a reply").text, want);
}

#[test]
fn transient_errors_are_retried() {
    let server = Server::start(vec![
        refuse("500 Oops", ""),
        Step::Bytes(vec![response("429 Slow", "Retry-After: 0.01\r\n", "")]),
        says("one"),
        json("{\"cho"),
        Step::Last(Vec::new()),
        says("two"),
    ]);
    let models = chain(vec![at(&server, "a")]);
    check_says(&models, "one");
    check_says(&models, "two");
    assert_eq!(server.count(), 6);
}

#[test]
fn a_single_model_is_retried_without_cooldown() {
    let steps = (0..6).map(|n| refuse("503 Away", &format!("try {n}"))).chain([says("back")]);
    let server = Server::start(steps.collect());
    let models = chain(vec![at(&server, "a")]);
    for last in ["try 2", "try 5"] {
        let failure = ask(&models).expect_err("a failure");
        assert_eq!((failure.class, failure.status), (Class::Timeout, 503));
        assert!(failure.message.ends_with(last), "{failure}");
    }
    check_says(&models, "back");
}

#[test]
fn a_fallback_answers_during_a_cooldown() {
    let first = Server::start(vec![refuse("401 No", "")]);
    let second = Server::start(vec![says("b1"), says("b2")]);
    let models = chain(vec![at(&first, "a"), at(&second, "b")]);
    check_says(&models, "b1");
    check_says(&models, "b2");
    assert_eq!((first.count(), second.count()), (1, 2));
}

#[test]
fn all_failures_are_listed() {
    let first = Server::start(vec![refuse("404 Gone", "no model a"), says("late")]);
    let second = Server::start(vec![refuse("402 Pay", "no money")]);
    let models = chain(vec![at(&first, "a"), at(&second, "b")]);
    let failure = ask(&models).expect_err("a failure");
    assert_eq!((failure.class, failure.status), (Class::Billing, 402));
    for part in [
        "fallback: all 2 candidates failed:\n  [1] openai/a: ",
        "no model a (reason=unknown, ",
        "\n  [2] openai/b: ",
        "no money (reason=billing, ",
    ] {
        assert!(failure.message.contains(part), "{failure}");
    }
    // Both rest now; the one whose pause ends first is asked all the same.
    check_says(&models, "late");
    assert_eq!(second.count(), 1);
}

#[test]
fn a_request_that_is_wrong_is_wrong_everywhere() {
    let first =
        Server::start(vec![refuse("400 Bad", "no"), refuse("400 Bad", "maximum context length")]);
    let second = Server::start(vec![says("never")]);
    let models = chain(vec![at(&first, "a"), at(&second, "b")]);
    assert_eq!(ask(&models).expect_err("a failure").class, Class::Format);
    assert_eq!(ask(&models).expect_err("a failure").class, Class::ContextOverflow);
    assert_eq!((first.count(), second.count()), (2, 0));
}

#[test]
fn text_is_streamed_once_though_the_stream_breaks() {
    let piece = |text: &str| format!(r#"{{"choices":[{{"delta":{{"content":"{text}"}}}}]}}"#);
    let (a, b) = (piece("Hel"), piece("lo"));
    let server = Server::start(vec![
        Step::Last(stream(&[&a], false)),
        Step::Bytes(vec![stream(&[&a, &b, "[DONE]"], true)]),
    ]);
    let models = chain(vec![ModelConfig { streaming: true, ..at(&server, "a") }]);
    let (reply, told) = ask_streaming(&models);
    assert_eq!(reply.expect("a reply").text, "Hello");
    assert_eq!(told, ["Hel"]);
}

#[test]
fn keys_of_one_name_take_turns() {
    let server = Server::start((0..4).map(|_| says("x")).collect());
    let keyed = |key: &str| ModelConfig { api_key: Secret::new(key), ..at(&server, "a") };
    let models = chain(vec![keyed("k1"), keyed("k2")]);
    (0..4).for_each(|_| check_says(&models, "x"));
    let seen = server.seen.lock().expect("requests");
    let key = |s: &crate::scripted_server::Seen| {
        s.fields.iter().find_map(|f| f.strip_prefix("authorization: Bearer ").map(str::to_owned))
    };
    let keys: Vec<String> = seen.iter().filter_map(key).collect();
    assert_eq!(keys, ["k1", "k2", "k1", "k2"]);
}

#[test]
fn a_rate_limited_model_is_skipped() {
    let first = Server::start(vec![says("a1"), says("a2")]);
    let second = Server::start(vec![says("b")]);
    let models = chain(vec![ModelConfig { rpm: 1, ..at(&first, "a") }, at(&second, "b")]);
    check_says(&models, "a1");
    check_says(&models, "b");
    assert_eq!(first.count(), 1);
}

#[test]
fn a_switched_model_is_asked_first() {
    let first = Server::start(vec![says("a")]);
    let second = Server::start(vec![says("b")]);
    let models = chain(vec![at(&first, "a"), at(&second, "b")]);
    models.set_default("b").expect("a known name");
    check_says(&models, "b");
    assert_eq!(first.count(), 0);
}

#[test]
fn an_entry_that_cannot_work_is_passed_over_and_named() {
    let server = Server::start(vec![says("b")]);
    let broken = ModelConfig { extra_body: "{".into(), ..at(&server, "a") };
    let models = chain(vec![broken.clone(), at(&server, "b")]);
    check_says(&models, "b");
    let failure = ask(&chain(vec![broken])).expect_err("a failure");
    assert!(failure.message.contains("extra_body of a is not a JSON object"), "{failure}");
}

#[test]
fn a_dropped_turn_leaves_nothing_behind() {
    let server = Server::start(vec![Step::Hang, says("a")]);
    let models = chain(vec![at(&server, "a")]);
    let late = async {
        pause::until(|| !server.seen.lock().expect("no panic").is_empty()).await;
        None
    };
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
    let asked = async { Some(models.chat(&request, None, None).await) };
    assert!(smol::block_on(smol::future::or(asked, late)).is_none());
    check_says(&models, "a");
}
