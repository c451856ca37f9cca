//! An answer of the Messages API, whole or as events, as a [`ChatReply`].

use serde::Deserialize;
use serde_json::value::RawValue;

use crate::limits;
use crate::message::ToolCall;
use crate::provider::body::is_object;
use crate::provider::bounded::AtMost;
use crate::provider::exchange::{Answer, broken_off, cut, error_object, malformed};
use crate::provider::openai::response::append;
use crate::provider::{ChatReply, Failure, OnText};

/// A body, or any event: their fields do not collide.
#[derive(Deserialize)]
struct Event<'a> {
    #[serde(rename = "type", default)]
    kind: String,
    #[serde(borrow)]
    error: Option<&'a RawValue>,
    /// `message_start`.
    #[serde(borrow)]
    message: Option<Answered<'a>>,
    /// `content_block_start` and `content_block_delta`.
    index: Option<u32>,
    #[serde(borrow)]
    content_block: Option<Block<'a>>,
    #[serde(borrow)]
    delta: Option<Block<'a>>,
    /// The body's own, and `message_delta`'s.
    #[serde(borrow, default)]
    content: AtMost<Block<'a>, 256>,
    stop_reason: Option<String>,
    usage: Option<Counts>,
}

#[derive(Deserialize)]
struct Answered<'a> {
    usage: Option<Counts>,
    #[serde(borrow, default)]
    content: AtMost<Block<'a>, 256>,
}

/// A block, the start of one, or a piece of one.
#[derive(Deserialize)]
struct Block<'a> {
    #[serde(rename = "type", default)]
    kind: String,
    text: Option<String>,
    thinking: Option<String>,
    id: Option<String>,
    name: Option<String>,
    #[serde(borrow)]
    input: Option<&'a RawValue>,
    partial_json: Option<String>,
    stop_reason: Option<String>,
}

#[derive(Deserialize)]
struct Counts {
    input_tokens: Option<u64>,
    cache_creation_input_tokens: Option<u64>,
    cache_read_input_tokens: Option<u64>,
    output_tokens: Option<u64>,
}

/// Collects one answer.
pub struct Reader<'a> {
    on_text: OnText<'a>,
    reply: ChatReply,
    /// Index of the block each of the reply's calls stands in.
    indexes: Vec<u32>,
    finished: bool,
}

impl<'a> Reader<'a> {
    /// Nothing collected yet.
    pub fn new(on_text: OnText<'a>) -> Reader<'a> {
        Reader { on_text, reply: ChatReply::default(), indexes: Vec::new(), finished: false }
    }

    /// What was collected.
    pub fn reply(mut self) -> ChatReply {
        for call in &mut self.reply.tool_calls {
            if call.arguments.is_empty() {
                call.arguments.push_str("{}");
            }
        }
        self.reply
    }

    fn read<'j>(&mut self, json: &'j str) -> Result<Event<'j>, Failure> {
        let mut event: Event<'j> = serde_json::from_str(json)
            .map_err(|e| malformed(format_args!("{e} in `{}`", cut(json))))?;
        if let Some(error) = event.error.filter(|e| e.get() != "null") {
            return Err(error_object(error.get()));
        }
        if let Some(start) = event.message.take() {
            self.count(start.usage);
            for (at, block) in (0..).zip(start.content.0) {
                self.block(at, block)?;
            }
        }
        self.count(event.usage.take());
        for (at, block) in (0..).zip(std::mem::take(&mut event.content).0) {
            self.block(at, block)?;
        }
        let at = event.index.unwrap_or(0);
        if let Some(block) = event.content_block.take() {
            self.block(at, block)?;
        }
        let mut reason = event.stop_reason.take();
        if let Some(mut delta) = event.delta.take() {
            reason = reason.or(delta.stop_reason.take());
            self.block(at, delta)?;
        }
        if let Some(reason) = reason {
            self.finished = true;
            self.reply.truncated =
                matches!(reason.as_str(), "max_tokens" | "model_context_window_exceeded");
        }
        Ok(event)
    }

    fn count(&mut self, counts: Option<Counts>) {
        let Some(c) = counts else { return };
        let usage = self.reply.usage.get_or_insert_default();
        let input = [c.input_tokens, c.cache_creation_input_tokens, c.cache_read_input_tokens]
            .iter()
            .flatten()
            .fold(0u64, |sum, n| sum.saturating_add(*n));
        // The last event repeats only the output.
        if input > 0 {
            usage.input = input;
        }
        usage.output = c.output_tokens.unwrap_or(usage.output);
    }

    fn block(&mut self, at: u32, block: Block<'_>) -> Result<(), Failure> {
        if let Some(text) = block.text.filter(|t| !t.is_empty()) {
            if let Some(on_text) = self.on_text {
                on_text(&text);
            }
            append(&mut self.reply.text, text);
        }
        append(&mut self.reply.reasoning, block.thinking.unwrap_or_default());
        if block.kind == "tool_use" {
            if self.indexes.len() >= limits::TOOL_CALLS_PARSED {
                let most = limits::TOOL_CALLS_PARSED;
                return Err(malformed(format_args!("it makes more than {most} tool calls")));
            }
            // A stream starts every call with an empty object and sends the arguments after it.
            let arguments = block.input.map(RawValue::get).filter(|json| !is_empty_object(json));
            self.indexes.push(at);
            self.reply.tool_calls.push(ToolCall {
                id: block.id.unwrap_or_else(|| format!("toolu_{at}")),
                name: block.name.unwrap_or_default(),
                arguments: arguments.unwrap_or_default().to_owned(),
            });
        }
        if let Some(piece) = block.partial_json {
            match self.indexes.iter().rposition(|&i| i == at) {
                Some(call) => append(&mut self.reply.tool_calls[call].arguments, piece),
                None => return Err(malformed("arguments without a call")),
            }
        }
        Ok(())
    }
}

fn is_empty_object(json: &str) -> bool {
    json == "null"
        || (is_object(json) && json.bytes().all(|b| b.is_ascii_whitespace() || b"{}".contains(&b)))
}

impl Answer for Reader<'_> {
    fn event(&mut self, data: &str) -> Result<bool, Failure> {
        if data.trim().is_empty() {
            return Ok(false);
        }
        let last = self.read(data)?.kind == "message_stop";
        self.finished |= last;
        Ok(last)
    }

    fn whole(&mut self, body: &str) -> Result<(), Failure> {
        self.read(body).map(|_| ())
    }

    fn end(&mut self) -> Result<(), Failure> {
        if self.finished { Ok(()) } else { Err(broken_off()) }
    }
}
