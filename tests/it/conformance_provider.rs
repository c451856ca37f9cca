//! Conformance rows ([`crate::rows`]) about model servers. Rows not matched are named with the reason.

use picoclaw::config::ModelConfig;
use picoclaw::config::providers::Quirk;
use picoclaw::message::Message;
use picoclaw::provider::exchange::looks_like_html;
use picoclaw::provider::server_rules::ServerRules;
use picoclaw::provider::thinking::Level;
use picoclaw::provider::{ChatRequest, classify, openai};
use serde_json::Value;

use crate::rows::string as text;

/// Suites of upstream's that are matched elsewhere or on purpose not at all.
const NOT_HERE: [(&str, &str); 5] = [
    ("TestProviderChat_StripsKnownProviderPrefixes", "the configuration resolves model ids"),
    ("TestIsNativeSearchHost", "servers' own web search is not used: web_search is a tool"),
    ("TestParseDataAudioURL", "sound is written down before a model gets it"),
    ("TestAsInt", "the configuration is typed; nothing is coerced here"),
    ("TestAsFloat", "the configuration is typed; nothing is coerced here"),
];

/// Runs `check` on each row of `area`, with the name of its suite.
fn rows(area: &str, mut check: impl FnMut(&str, &Value, &Value)) {
    crate::rows::rows(area, |suite, _, input, expected| {
        if let Some((_, why)) = NOT_HERE.iter().find(|(name, _)| *name == suite) {
            return Err((*why).to_owned());
        }
        check(suite, input, expected);
        Ok(())
    });
}

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

fn deepseek(level: &str) -> Value {
    let model = ModelConfig {
        provider: "deepseek".into(),
        thinking_level: level.into(),
        ..ModelConfig::default()
    };
    let body =
        openai::request::body(&model, &Default::default(), &ask(&[]), ServerRules::of(&model))
            .expect("a body");
    serde_json::from_slice(&body.json).expect("JSON")
}

#[test]
fn openai_compat() {
    rows("openai_compat", |suite, input, expected| match suite {
        "TestSupportsPromptCacheKey" => {
            let got = ModelConfig {
                provider: "openai".into(),
                api_base: text(&input["apiBase"]).to_owned(),
                ..ModelConfig::default()
            }
            .has(Quirk::CacheKey);
            assert_eq!(got, expected["want"], "{input}");
        }
        "TestBuildRequestBody_MapsDeepSeekThinkingLevels" => {
            let body = deepseek(text(&input["level"]));
            assert_eq!(body["thinking"]["type"], expected["wantThinkingType"], "{input}");
            assert_eq!(body["reasoning_effort"], expected["wantEffort"], "{input}");
        }
        "TestLooksLikeHTML_BodyPrefix" => assert!(looks_like_html(text(&input["body"])), "{input}"),
        "TestNormalizeAnthropicBaseURL" => anthropic_base(input, expected),
        suite => panic!("rows of a new suite: {suite}"),
    });
}

#[test]
fn error_classification() {
    rows("error_classification", |suite, input, expected| {
        let want = expected["reason"].as_str().unwrap_or("unknown");
        match suite {
            "TestClassifyError_StatusCodes" => {
                let code = input["status"].as_u64().and_then(|n| u16::try_from(n).ok());
                let code = code.expect("a status");
                assert_eq!(classify::status(code, "").name(), want, "{input}");
                let sentence = format!("API error: status: {code} something");
                assert_eq!(classify::message(&sentence).name(), want, "{sentence}");
            }
            "TestExtractHTTPStatus" => {
                assert_eq!(classify::status_in(text(&input["msg"])), expected["want"], "{input}");
            }
            _ => assert_eq!(classify::message(text(&input["message"])).name(), want, "{input}"),
        }
    });
}

#[test]
fn thinking_level() {
    rows("thinking_level", |_, input, expected| {
        let got = Level::parse(text(&input["input"])).unwrap_or(Level::Off);
        assert_eq!(format!("{got:?}").to_lowercase(), expected["want"], "{input}");
    });
}

#[cfg(feature = "anthropic")]
use messages_api::base as anthropic_base;

#[cfg(not(feature = "anthropic"))]
fn anthropic_base(input: &Value, _expected: &Value) {
    println!("not matched: {input}: the Messages API is not in this build");
}

#[cfg(feature = "anthropic")]
mod messages_api {
    use picoclaw::message::Role;
    use picoclaw::provider::anthropic::{self, request, response};
    use picoclaw::provider::exchange::AnswerParser;
    use picoclaw::tool::{Effect, ToolSpec};
    use serde_json::json;

    use super::*;

    pub fn base(input: &Value, expected: &Value) {
        let with_v1 = input["appendV1Suffix"] == true;
        let got = anthropic::base(text(&input["apiBase"]), text(&input["defaultBase"]), with_v1);
        assert_eq!(got, expected["expected"], "{input}");
    }

    #[test]
    fn anthropic_messages() {
        rows("anthropic_messages", |suite, input, expected| match suite {
            "TestBuildRequestBody" => body(input, expected),
            "TestParseResponseBody" => reply(input, expected),
            "TestLevelToBudget" => {
                let got = Level::parse(text(&input["level"])).map(Level::budget);
                assert_eq!(got.unwrap_or(0), expected["want"], "{input}");
            }
            suite => panic!("rows of a new suite: {suite}"),
        });
    }

    fn leak(value: &Value) -> &'static str {
        Box::leak(value.as_str().map_or(value.to_string(), str::to_owned).into_boxed_str())
    }

    fn body(input: &Value, expected: &Value) {
        let model = ModelConfig { model: text(&input["model"]).into(), ..ModelConfig::default() };
        let of_role = |role: &'static str| {
            let all = input["messages"].as_array().expect("messages").iter();
            all.filter(move |m| m["role"] == role).map(|m| text(&m["content"]))
        };
        let system = of_role("system").next().unwrap_or_default();
        let messages: Vec<Message> =
            of_role("user").map(|t| Message::text(Role::User, t)).collect();
        let spec = |tool: &Value| -> &'static ToolSpec {
            let f = &tool["function"];
            Box::leak(Box::new(ToolSpec {
                name: leak(&f["name"]),
                description: leak(&f["description"]),
                schema: leak(&f["parameters"]),
                effect: Effect::Reads,
                ..ToolSpec::PLAIN
            }))
        };
        let tools: Vec<_> = input["tools"].as_array().into_iter().flatten().map(spec).collect();
        let max = input["options"]["max_tokens"].as_u64().unwrap_or(0);
        let request = ChatRequest {
            system_static: system,
            tools: &tools,
            max_tokens: u32::try_from(max).expect("tokens"),
            // Rows without a temperature: ours always has one, so none is what cannot be sent.
            temperature: f64::NAN,
            ..ask(&messages)
        };
        let got = request::body(&model, &Default::default(), &request);
        assert_eq!(got.is_err(), expected["wantErr"] == true, "{input}");
        let Ok(got) = got else { return };
        let mut got: Value = serde_json::from_slice(&got.json).expect("JSON");
        // Upstream's row has system as a string; ours is blocks, so that the stable one is cached.
        if got["system"][0]["cache_control"] == json!({"type": "ephemeral"}) {
            got["system"] = got["system"][0]["text"].take();
        }
        assert_eq!(got, expected["want"], "{input}");
    }

    fn reply(input: &Value, expected: &Value) {
        let mut reader = response::AnthropicReader::new(None);
        let read = reader.whole(text(&input["body"]));
        assert_eq!(read.is_err(), expected["wantErr"] == true, "{input}");
        if read.is_err() {
            return;
        }
        let (got, want) = (reader.reply(), &expected["want"]);
        assert_eq!(got.text, want["content"]);
        assert_eq!(got.reasoning, want["Reasoning"]);
        let calls = want["tool_calls"].as_array().expect("calls");
        assert_eq!(got.tool_calls.len(), calls.len());
        for (got, want) in got.tool_calls.iter().zip(calls) {
            assert_eq!(got.id, want["id"]);
            assert_eq!(got.name, want["name"]);
            let arguments: Value = serde_json::from_str(&got.arguments).expect("JSON");
            assert_eq!(arguments, want["arguments"]);
        }
        let usage = got.usage.expect("usage");
        assert_eq!(usage.input, want["usage"]["prompt_tokens"]);
        assert_eq!(usage.output, want["usage"]["completion_tokens"]);
    }
}
