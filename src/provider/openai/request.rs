//! A turn as a chat completions request. Where servers differ is decided here, by provider, host and model name.

use crate::config::ModelConfig;
use crate::config::providers::Quirk;
use crate::message::{Message, Role};
use crate::proto::text;
use crate::provider::body::{BodyWriter, Extra, RequestBody};
use crate::provider::stored::Neighbours;
use crate::provider::thinking::{self, Level};
use crate::provider::{ChatRequest, Failure};

/// The JSON to post.
pub fn body<'a>(
    model: &ModelConfig,
    extra: &'a Extra,
    request: &ChatRequest<'a>,
) -> Result<RequestBody, Failure> {
    let mut b = BodyWriter::open(extra, request);
    if b.field("model") {
        b.string(&model.model);
    }
    if b.field("messages") {
        b.raw("[");
        system(&mut b, request);
        let replays = model.has(Quirk::ReplaysReasoning);
        b.stored(request.history.as_ref(), if replays { replayed } else { plain });
        for message in request.messages {
            write(&mut b, message, replays);
        }
        b.raw("]");
    }
    if !request.tools.is_empty() && b.field("tools") {
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
    if request.max_tokens > 0 && b.field(max_tokens_field(model)) {
        b.number(u64::from(request.max_tokens));
    }
    if let Some(t) = temperature(model, request.temperature) {
        if b.field("temperature") {
            b.raw(&text::decimal(t));
        }
    }
    if let Some(level) = Level::parse(&model.thinking_level) {
        thinking::write(&mut b, model, level);
    }
    if !request.cache_key.is_empty() && model.has(Quirk::CacheKey) && b.field("prompt_cache_key") {
        b.string(request.cache_key);
    }
    if model.streaming && b.field("stream") {
        b.raw("true");
        if b.field("stream_options") {
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

fn plain<'a>(b: &mut BodyWriter<'a>, message: &'a Message, _: Neighbours) {
    write(b, message, false);
}

fn replayed<'a>(b: &mut BodyWriter<'a>, message: &'a Message, _: Neighbours) {
    write(b, message, true);
}

fn write<'a>(b: &mut BodyWriter<'a>, message: &'a Message, replays: bool) {
    let role = match message.role {
        Role::System => "system",
        Role::User => "user",
        Role::Assistant => "assistant",
        Role::Tool => "tool",
    };
    b.separate().raw("{\"role\":").string(role).raw(",\"content\":");
    content(b, message);
    if let Some(id) = &message.tool_call_id {
        b.raw(",\"tool_call_id\":").string(id);
    }
    if !message.tool_calls.is_empty() {
        b.raw(",\"tool_calls\":[");
        for call in &message.tool_calls {
            b.separate().raw("{\"id\":").string(&call.id);
            b.raw(",\"type\":\"function\",\"function\":{\"name\":").string(&call.name);
            b.raw(",\"arguments\":").arguments_text(&call.arguments).raw("}}");
        }
        b.raw("]");
    }
    if let (true, Role::Assistant, Some(text)) = (replays, message.role, &message.reasoning_content)
    {
        b.raw(",\"reasoning_content\":").string(text);
    }
    b.raw("}");
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
pub fn max_tokens_field(model: &ModelConfig) -> &str {
    if !model.max_tokens_field.is_empty() {
        &model.max_tokens_field
    } else if model.has(Quirk::MaxCompletionTokens) {
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
