//! A turn as a Messages request: system as two blocks, tool results as blocks of a user message.

use crate::config::ModelConfig;
use crate::message::{Message, Role};
use crate::proto::text;
use crate::provider::body::{BodyWriter, Extra, RequestBody};
use crate::provider::stored::Neighbours;
use crate::provider::thinking::Level;
use crate::provider::{ChatRequest, Class, Failure};

/// The smallest `budget_tokens` that the API accepts.
const LEAST_BUDGET: u32 = 1024;

/// The JSON to post.
pub fn body<'a>(
    model: &ModelConfig,
    extra: &'a Extra,
    request: &ChatRequest<'a>,
) -> Result<RequestBody, Failure> {
    if request.max_tokens == 0 && !extra.contains_key("max_tokens") {
        return Err(Failure::new(Class::Format, "max_tokens is required by the Messages API"));
    }
    let mut b = BodyWriter::open(extra, request);
    if b.field("model") {
        b.string(&model.model);
    }
    if b.field("max_tokens") {
        b.number(u64::from(request.max_tokens));
    }
    let (fixed, changing) = (request.system_static, request.system_dynamic);
    if (!fixed.is_empty() || !changing.is_empty()) && b.field("system") {
        b.raw("[");
        if !fixed.is_empty() {
            b.raw("{\"type\":\"text\",\"text\":").string(fixed);
            b.raw(",\"cache_control\":{\"type\":\"ephemeral\"}}");
        }
        if !changing.is_empty() {
            b.separate();
            text_block(&mut b, changing);
        }
        b.raw("]");
    }
    if b.field("messages") {
        b.raw("[");
        b.stored(request.history.as_ref(), stored);
        messages(&mut b, request.messages);
        b.raw("]");
    }
    if !request.tools.is_empty() && b.field("tools") {
        b.raw("[");
        for tool in request.tools {
            b.separate().raw("{\"name\":").string(tool.name);
            b.raw(",\"description\":").string(tool.description);
            b.raw(",\"input_schema\":").raw(tool.schema).raw("}");
        }
        b.raw("]");
    }
    let thinks = thinking(&mut b, model, request);
    // Thinking requires temperature 1, which is the default.
    if !thinks && request.temperature.is_finite() && b.field("temperature") {
        // The scale ends at 1 here, with other servers at 2.
        b.raw(&text::decimal(request.temperature.clamp(0.0, 1.0)));
    }
    if model.streaming && b.field("stream") {
        b.raw("true");
    }
    b.close()
}

/// Writes `thinking`; false if there is none.
///
/// Between a call and the answer to its result the API requires the signed thinking of that answer, which a
/// session does not store: the model then continues without thinking.
fn thinking(b: &mut BodyWriter<'_>, model: &ModelConfig, request: &ChatRequest<'_>) -> bool {
    let Some(level) = Level::parse(&model.thinking_level) else {
        return false;
    };
    if request.messages.last().is_some_and(|m| m.role == Role::Tool) {
        return false;
    }
    // A quarter of max_tokens stays for the answer, whatever the level, because budget and answer share them.
    let budget = level.budget().min(request.max_tokens / 4 * 3);
    if level == Level::Adaptive {
        if b.field("thinking") {
            b.raw("{\"type\":\"adaptive\"}");
        }
        true
    } else if budget >= LEAST_BUDGET {
        if b.field("thinking") {
            b.raw("{\"type\":\"enabled\",\"budget_tokens\":").number(u64::from(budget)).raw("}");
        }
        true
    } else {
        false
    }
}

/// Merges consecutive messages of one side, because the API requires alternation.
fn messages<'a>(b: &mut BodyWriter<'a>, all: &'a [Message]) {
    for run in all.chunk_by(|a, b| is_answer(a) == is_answer(b)) {
        let answers = run.first().is_some_and(is_answer);
        match run {
            [only] if only.role == Role::User && b.pictures_of(only).next().is_none() => {
                b.separate().raw("{\"role\":\"user\",\"content\":").string(&only.content).raw("}");
            }
            // The API refuses an empty message, and it has no content anyway.
            _ if run
                .iter()
                .all(|m| is_answer(m) && m.content.is_empty() && m.tool_calls.is_empty()) => {}
            _ => {
                let role = if answers { "assistant" } else { "user" };
                b.separate().raw("{\"role\":").string(role).raw(",\"content\":[");
                run.iter().for_each(|m| blocks(b, m));
                b.raw("]}");
            }
        }
    }
}

/// One message of a run of one side's, which the first opens and the last closes.
fn stored<'a>(b: &mut BodyWriter<'a>, message: &'a Message, near: Neighbours) {
    let nothing = message.content.is_empty() && message.tool_calls.is_empty();
    if is_answer(message) && nothing && !near.before && !near.after {
        // An empty message is refused, and says nothing.
        return;
    }
    if !near.before {
        let role = if is_answer(message) { "assistant" } else { "user" };
        b.separate().raw("{\"role\":").string(role).raw(",\"content\":[");
    }
    match nothing && message.role != Role::Tool {
        true => text_block(b, "-"),
        false => blocks(b, message),
    }
    if !near.after {
        b.raw("]}");
    }
}

fn is_answer(message: &Message) -> bool {
    message.role == Role::Assistant
}

fn blocks<'a>(b: &mut BodyWriter<'a>, message: &'a Message) {
    if let (Role::Tool, Some(id)) = (message.role, &message.tool_call_id) {
        b.separate().raw("{\"type\":\"tool_result\",\"tool_use_id\":").string(&call_id(id));
        b.raw(",\"content\":").string(&message.content).raw("}");
        return;
    }
    for picture in b.pictures_of(message) {
        b.separate().raw("{\"type\":\"image\",\"source\":{\"type\":\"base64\",\"media_type\":");
        b.string(picture.mime).raw(",\"data\":\"").picture(picture).raw("\"}}");
    }
    if !message.content.is_empty() {
        b.separate();
        text_block(b, &message.content);
    }
    for call in &message.tool_calls {
        b.separate().raw("{\"type\":\"tool_use\",\"id\":").string(&call_id(&call.id));
        b.raw(",\"name\":").string(&call.name);
        b.raw(",\"input\":").arguments(&call.arguments).raw("}");
    }
}

fn text_block(b: &mut BodyWriter<'_>, text: &str) {
    b.raw("{\"type\":\"text\",\"text\":").string(text).raw("}");
}

/// The API accepts letters, digits, `_` and `-`; a session started with another provider may have other ids.
fn call_id(id: &str) -> String {
    id.chars().map(|c| if c.is_ascii_alphanumeric() || c == '-' { c } else { '_' }).collect()
}
