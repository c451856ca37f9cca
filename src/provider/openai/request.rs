//! A turn as a chat completions request. Where servers differ is decided here, by provider, host and model name.

use crate::config::ModelConfig;
use crate::config::providers::Quirk;
use crate::message::{Message, Role};
use crate::proto::fnv::{FNV, fnv};
use crate::proto::text;
use crate::provider::body::{BodyWriter, Extra, RequestBody};
use crate::provider::server_rules::{Rule, ServerRules};
use crate::provider::thinking::{self, Level};
use crate::provider::{ChatRequest, Failure};

/// The JSON to post.
pub fn body<'a>(
    model: &ModelConfig,
    extra: &'a Extra,
    request: &ChatRequest<'a>,
    rules: ServerRules,
) -> Result<RequestBody, Failure> {
    let mut b = BodyWriter::open(extra, request);
    b.rules = rules;
    if b.field("model") {
        b.string(&model.model);
    }
    if b.field("messages") {
        b.raw("[");
        system(&mut b, request);
        let stored = request.history.as_ref();
        b.stored(stored, |b, message, near| write(b, message, near.before));
        let mut before = stored.and_then(|stored| stored.places.last()).map(|place| place.answer);
        for message in request.messages {
            let answer = message.role == Role::Assistant;
            write(&mut b, message, before.replace(answer) == Some(answer));
        }
        b.raw("]");
    }
    if !request.tools.is_empty() && !rules.has(Rule::NoTools) && b.field("tools") {
        b.raw("[");
        for tool in request.tools {
            b.separate().raw("{\"type\":\"function\",\"function\":{\"name\":").string(tool.name);
            b.raw(",\"description\":").string(tool.description);
            b.raw(",\"parameters\":").raw(tool.schema).raw("}}");
        }
        b.raw("]");
        if b.field("tool_choice") {
            b.raw("\"auto\"");
        }
    }
    let most = [request.max_tokens, rules.max_tokens].into_iter().filter(|n| *n > 0).min();
    let most = most.filter(|_| request.max_tokens > 0 && !rules.has(Rule::NoMaxTokens));
    if let Some(most) = most.filter(|_| b.field(max_tokens_field(model, rules))) {
        b.number(u64::from(most));
    }
    let temperature = temperature(model, request.temperature);
    if let Some(t) = temperature.filter(|_| !rules.has(Rule::NoTemperature)) {
        if b.field("temperature") {
            b.raw(&text::decimal(t));
        }
    }
    let level = Level::parse(&model.thinking_level);
    if let Some(level) = level.filter(|_| !rules.has(Rule::NoThinking)) {
        thinking::write(&mut b, model, level);
    }
    let caches = model.has(Quirk::CacheKey) && !rules.has(Rule::NoCacheKey);
    if !request.cache_key.is_empty() && caches && b.field("prompt_cache_key") {
        b.string(request.cache_key);
    }
    if model.streaming && b.field("stream") {
        b.raw("true");
        if !rules.has(Rule::NoStreamOptions) && b.field("stream_options") {
            b.raw("{\"include_usage\":true}");
        }
    }
    b.close()
}

/// One system message: some servers refuse a second.
fn system(b: &mut BodyWriter<'_>, request: &ChatRequest<'_>) {
    let (fixed, changing) = (request.system_static, request.system_dynamic);
    if fixed.is_empty() && changing.is_empty() {
        return;
    }
    let between = if fixed.is_empty() || changing.is_empty() { "" } else { "\n\n" };
    b.raw("{\"role\":\"system\",\"content\":\"");
    b.escaped(fixed).escaped(between).escaped(changing).raw("\"}");
}

/// One message, or nothing where there is nothing in it: servers refuse a conversation with an empty one. `follows` says
/// that the message before it is of the same side, the assistant's or not.
fn write<'a>(b: &mut BodyWriter<'a>, message: &'a Message, follows: bool) {
    let rules = b.rules;
    let is_speech = matches!(message.role, Role::User | Role::Assistant);
    let is_empty = message.content.trim().is_empty() && message.tool_calls.is_empty();
    if is_speech && is_empty && b.pictures_of(message).next().is_none() {
        return;
    }
    if follows && message.role == Role::User && rules.has(Rule::BridgesRoles) {
        b.separate().raw("{\"role\":\"assistant\",\"content\":\"...\"}");
    }
    let role = match message.role {
        Role::System => "system",
        Role::User => "user",
        Role::Assistant => "assistant",
        Role::Tool => "tool",
    };
    b.separate().raw("{\"role\":").string(role).raw(",\"content\":");
    content(b, message);
    if let Some(id) = &message.tool_call_id {
        b.raw(",\"tool_call_id\":");
        call_id(b, id);
    }
    if !message.tool_calls.is_empty() {
        b.raw(",\"tool_calls\":[");
        for call in &message.tool_calls {
            b.separate().raw("{\"id\":");
            call_id(b, &call.id);
            b.raw(",\"type\":\"function\",\"function\":{\"name\":").string(&call.name);
            b.raw(",\"arguments\":").arguments_text(&call.arguments).raw("}");
            #[cfg(feature = "servers")]
            if rules.has(Rule::ReturnsExtraContent) {
                b.raw(",\"extra_content\":");
                b.raw(call.extra_content.as_deref().unwrap_or(UNSIGNED));
            }
            b.raw("}");
        }
        b.raw("]");
    }
    let reasoning = message.reasoning_content.as_deref();
    // Calls of another model have none, and may not lack the field.
    let reasoning = reasoning.or((!message.tool_calls.is_empty()).then_some(""));
    let replays = rules.has(Rule::ReplaysReasoning) && message.role == Role::Assistant;
    if let Some(text) = reasoning.filter(|_| replays) {
        b.raw(",\"reasoning_content\":").string(text);
    }
    b.raw("}");
}

/// For calls of another model: Gemini takes this word for their signature (Gemini API, "Thought signatures").
#[cfg(feature = "servers")]
const UNSIGNED: &str = r#"{"google":{"thought_signature":"skip_thought_signature_validator"}}"#;

/// The id of a call, in nine characters where the server takes no others.
fn call_id(b: &mut BodyWriter<'_>, id: &str) {
    let fits = id.len() == 9 && id.bytes().all(|b| b.is_ascii_alphanumeric());
    if fits || !b.rules.has(Rule::NineCharacterIds) {
        b.string(id);
        return;
    }
    // 36 bits of a hash: an id has to be the same in each request, and unlike those of the calls beside it.
    let hash = fnv(FNV, id.as_bytes());
    b.string(&format!("{:09x}", (hash ^ (hash >> 36)) & 0xf_ffff_ffff));
}

/// The text; with pictures an array of parts, each picture a data URL.
fn content<'a>(b: &mut BodyWriter<'a>, message: &'a Message) {
    let mut pictures = b.pictures_of(message).peekable();
    if pictures.peek().is_none() {
        b.string(&message.content);
        return;
    }
    b.raw("[{\"type\":\"text\",\"text\":").string(&message.content).raw("}");
    for picture in pictures {
        b.raw(",{\"type\":\"image_url\",\"image_url\":{\"url\":\"data:").raw(picture.mime);
        b.raw(";base64,").picture(picture).raw("\"}}");
    }
    b.raw("]");
}

/// The field that bounds the answer: the entry's own, or by the model's name.
pub fn max_tokens_field(model: &ModelConfig, rules: ServerRules) -> &str {
    let other = rules.has(Rule::OtherMaxTokensField);
    if !model.max_tokens_field.is_empty() && !other {
        &model.max_tokens_field
    } else if model.has(Quirk::MaxCompletionTokens) != other {
        "max_completion_tokens"
    } else {
        "max_tokens"
    }
}

/// What to send as `temperature`.
fn temperature(model: &ModelConfig, wanted: f64) -> Option<f64> {
    if model.has(Quirk::TemperatureOne) {
        Some(1.0)
    } else if model.has(Quirk::NoTemperature) {
        None
    } else {
        Some(wanted).filter(|t| t.is_finite())
    }
}
