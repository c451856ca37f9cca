use super::*;
use crate::config::AgentConfig;

fn model(name: &str, provider: &str, id: &str, fallbacks: &[&str]) -> ModelConfig {
    ModelConfig {
        model_name: name.into(),
        provider: provider.into(),
        model: id.into(),
        api_base: "http://127.0.0.1:9/v1".into(),
        fallbacks: fallbacks.iter().map(|&f| f.into()).collect(),
        ..ModelConfig::default()
    }
}

fn models(default: &str, fallbacks: &[&str]) -> Models {
    let config = Config {
        agent: AgentConfig {
            model: default.into(),
            fallbacks: fallbacks.iter().map(|&f| f.into()).collect(),
            max_llm_retries: 2,
            llm_retry_backoff: Duration::from_secs(2),
            ..AgentConfig::default()
        },
        models: vec![
            model("main", "openai", "a", &[]),
            model("main", "openai", "b", &["slow"]),
            model("slow", "ollama", "c", &["main"]),
            model("other", "groq", "x/d", &[]),
        ],
        ..Config::default()
    };
    Models::new(Rc::new(config), HttpClient::new().expect("a client"))
}

#[track_caller]
fn check_order(models: &Models, name: &str, want: &[usize]) {
    assert_eq!(models.order(name).expect("an order"), want, "{name}");
}

#[test]
fn candidates_come_in_turn_each_once() {
    let m = models("main", &["other", "unheard", "main"]);
    check_order(&m, "main", &[0, 1, 3]);
    check_order(&m, "main", &[1, 0, 3]);
    check_order(&m, "slow", &[2, 0, 1, 3]);
    check_order(&m, "slow", &[2, 1, 0, 3]);
    check_order(&m, "other", &[3, 0, 1]);
    let m = models("main", &["groq/x/d"]);
    check_order(&m, "openai/b", &[1, 2, 3]);
    check_order(&m, "c", &[2, 1, 0, 3]);
    assert_eq!(m.order("none").expect_err("unknown").class, Class::Format);
}

#[test]
fn names_and_the_default() {
    let m = models("slow", &[]);
    assert_eq!(m.names(), ["main", "slow", "other"]);
    assert_eq!(&*m.current(), "slow");
    m.set_default("other").expect("a known name");
    assert_eq!(&*m.current(), "other");
    let error = m.set_default("nope").expect_err("unknown").to_string();
    assert_eq!(error, "no model named `nope`; there are: main, slow, other");
    assert_eq!(&*m.current(), "other");
    assert_eq!(&*models("", &[]).current(), "main");
}

#[test]
fn without_a_usable_model_the_wanted_one_and_its_key_are_named() {
    let none = Models::new(Rc::new(Config::default()), HttpClient::new().expect("a client"));
    let said = |name: &str| none.order(name).expect_err("no model").message;
    assert!(said("").contains("picoclaw onboard"), "{}", said(""));
    let named = "model `main` has no API key or is not in model_list; `picoclaw config set \
                 model_list.main.api_keys -`";
    assert!(said("main").starts_with(named), "{}", said("main"));
}

#[test]
fn not_all_models_are_in_cooldown_at_once() {
    let m = models("main", &["other"]);
    let now = Instant::now();
    assert_eq!(m.cooling_down(&[0, 1, 3], now), [false, false, false]);
    let rest = |model: usize, times: u32| {
        let mut cooldown = super::super::cooldown::Cooldown::default();
        (0..times).for_each(|_| cooldown.failed(Class::Network, None, now));
        m.entries[model].cooldown.set(cooldown);
    };
    rest(0, 2);
    assert_eq!(m.cooling_down(&[0, 1, 3], now), [true, false, false]);
    rest(1, 1);
    rest(3, 3);
    assert_eq!(m.cooling_down(&[0, 1, 3], now), [true, false, true]);
    assert_eq!(m.cooling_down(&[3], now), [false]);
    assert_eq!(m.cooling_down(&[0, 1, 3], now + Duration::from_secs(3600)), [false, false, false]);
}

#[track_caller]
fn check_pause(class: Class, tries: u32, asked: Option<u64>, want: Option<u64>) {
    let m = models("main", &[]);
    let retry_after = asked.map(Duration::from_secs);
    let failure = Failure { retry_after, ..Failure::new(class, "") };
    assert_eq!(pause(&failure, tries, &m.config), want.map(Duration::from_secs));
}

#[test]
fn only_transient_errors_are_retried() {
    for class in [Class::Timeout, Class::Network, Class::RateLimit] {
        check_pause(class, 1, None, Some(2));
        check_pause(class, 2, None, Some(4));
        check_pause(class, 3, None, None);
    }
    check_pause(Class::RateLimit, 1, Some(30), Some(30));
    check_pause(Class::RateLimit, 1, Some(1), Some(2));
    check_pause(Class::RateLimit, 1, Some(61), None);
    for class in
        [Class::Auth, Class::Billing, Class::Format, Class::ContextOverflow, Class::Unknown]
    {
        check_pause(class, 1, None, None);
    }
}

#[test]
fn failures_are_told_alone_or_as_a_list() {
    let m = models("main", &[]);
    let failed = |model, class, text: &str| FailedAttempt {
        model,
        failure: Ok((Failure::new(class, text), Duration::from_millis(12))),
    };
    let one = m.exhausted(vec![failed(0, Class::Timeout, "late")]);
    assert_eq!((one.class, one.message.as_str()), (Class::Timeout, "late"));
    let odd = m.exhausted(vec![failed(0, Class::Unknown, "odd")]);
    assert_eq!(odd.message, "fallback: unclassified error from openai/a: odd");
    let all = m.exhausted(vec![
        failed(0, Class::Auth, "who?"),
        FailedAttempt { model: 3, failure: Err("cooldown") },
        failed(2, Class::Billing, "pay"),
    ]);
    assert_eq!(all.class, Class::Billing);
    assert_eq!(
        all.message,
        "fallback: all 3 candidates failed:\n  [1] openai/a: who? (reason=auth, 12 ms)\n  \
         [2] groq/x/d: skipped (cooldown)\n  [3] ollama/c: pay (reason=billing, 12 ms)"
    );
}

#[track_caller]
fn check_dialect(provider_id: &str, base: &str, key: &str, want: bool) {
    let mut m = model("m", provider_id, "c", &[]);
    m.api_base = base.into();
    m.api_key = crate::config::Secret::new(key);
    assert_eq!(m.speaks_messages(), want, "{provider_id} {base}");
}

#[test]
fn native_dialects() {
    let native = cfg!(feature = "anthropic");
    check_dialect("anthropic", "", "k", native);
    check_dialect("anthropic", "https://api.anthropic.com/v1", "k", native);
    check_dialect("anthropic", "https://proxy.example.org/v1", "k", false);
    check_dialect("anthropic", "https://proxy.example.org/v1", "sk-ant-oat01-x", native);
    check_dialect("anthropic-messages", "https://proxy.example.org", "k", true);
    check_dialect("openai", "https://api.anthropic.com/v1", "k", false);
}

#[test]
fn unsupported_providers_fail_with_a_sentence_when_asked() {
    let http = HttpClient::new().expect("a client");
    let why = provider(&model("m", "bedrock", "x", &[]), &http).err();
    assert_eq!(why.as_deref(), Some("provider bedrock is not supported"));
    assert!(provider(&model("m", "openai", "x", &[]), &http).is_ok());
}

const ASK: ChatRequest<'static> = ChatRequest {
    system_static: "",
    system_dynamic: "",
    history: None,
    messages: &[],
    tools: &[],
    max_tokens: 1,
    temperature: 0.0,
    cache_key: "",
    pictures: &[],
};

#[test]
fn the_scripted_model_stands_in_for_all() {
    let m = Models::scripted(&models("slow", &["other"]).config);
    assert_eq!(m.names(), ["scripted"]);
    let messages = [crate::message::Message::text(crate::message::Role::User, "hello m7")];
    let request = ChatRequest { messages: &messages, ..ASK };
    let told = Cell::new(0);
    let on_text = |text: &str| told.set(told.get() + text.len());
    let reply = smol::block_on(m.chat(&request, None, Some(&on_text))).expect("a reply");
    assert_eq!((reply.text.as_str(), told.get()), ("re m7", 5));
}

#[test]
fn a_clock_that_is_not_set_is_waited_for_and_counts_against_nobody() {
    let mut config = (*models("", &[]).config).clone();
    config.agent.max_llm_retries = 0;
    let m = Models::scripted(&config);
    let clock = Failure::new(Class::Clock, "example.org: the clock is not set yet");
    match &m.entries[0].provider {
        Ok(AnyProvider::Scripted(s)) => s.failures.borrow_mut().push(clock),
        _ => panic!("the scripted model"),
    }
    let started = Instant::now();
    let reply = smol::block_on(m.chat(&ASK, None, None)).expect("a reply");
    assert_eq!(reply.text, "re nothing");
    assert!(started.elapsed() >= limits::CLOCK_POLL);
    assert_eq!(m.entries[0].cooldown.get().remaining(started), None);
}
