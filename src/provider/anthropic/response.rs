//! An answer of the Messages API, whole or as events, as a [`ChatReply`].

use crate::limits;
use crate::message::ToolCall;
use crate::proto::json::Json;
use crate::provider::body::is_object;
use crate::provider::exchange::{AnswerParser, interrupted, malformed};
use crate::provider::json_answer::{self, documented, elements};
use crate::provider::openai::response::append;
use crate::provider::{ChatReply, Failure, OnText};

/// Content blocks of an answer.
const BLOCKS: usize = 256;

/// Collects an answer of the Messages API, streamed or whole.
pub struct AnthropicReader<'a> {
    on_text: OnText<'a>,
    reply: ChatReply,
    /// Block index of each of the reply's calls.
    indexes: Vec<u64>,
    finished: bool,
}

impl<'a> AnthropicReader<'a> {
    /// A parser before the first byte; `on_text` gets the text as it arrives.
    pub fn new(on_text: OnText<'a>) -> AnthropicReader<'a> {
        AnthropicReader {
            on_text,
            reply: ChatReply::default(),
            indexes: Vec::new(),
            finished: false,
        }
    }

    /// What arrived so far; complete once the parser says so.
    pub fn reply(mut self) -> ChatReply {
        for call in &mut self.reply.tool_calls {
            if call.arguments.is_empty() {
                call.arguments.push_str("{}");
            }
        }
        self.reply
    }

    /// A body, or any event: their fields do not collide. True for the last event.
    fn read(&mut self, text: &str) -> Result<bool, Failure> {
        let mut last = false;
        json_answer::answer(text, &mut |event| {
            last = event.get("type").str() == "message_stop";
            // `message_start`.
            let start = event.get("message");
            self.count(start.get("usage"));
            self.blocks(start.get("content"))?;
            // The body's own, and `message_delta`'s.
            self.count(event.get("usage"));
            self.blocks(event.get("content"))?;
            let (block, delta) = (event.get("content_block"), event.get("delta"));
            let at = event.get("index").uint();
            self.block(at, block)?;
            self.block(at, delta)?;
            let reason =
                event.get("stop_reason").non_null().or(delta.get("stop_reason").non_null());
            if let Some(reason) = reason.map(Json::str) {
                self.finished = true;
                self.reply.truncated =
                    matches!(&*reason, "max_tokens" | "model_context_window_exceeded");
            }
            Ok(())
        })?;
        Ok(last)
    }

    fn count(&mut self, counts: Json<'_>) {
        if counts.is_null() {
            return;
        }
        let usage = self.reply.usage.get_or_insert_default();
        let input = ["input_tokens", "cache_creation_input_tokens", "cache_read_input_tokens"]
            .iter()
            .fold(0u64, |sum, kind| sum.saturating_add(counts.get(kind).uint()));
        // The last event repeats only the output.
        if input > 0 {
            usage.input = input;
        }
        usage.output = counts.get("output_tokens").non_null().map_or(usage.output, Json::uint);
    }

    fn blocks(&mut self, blocks: Json<'_>) -> Result<(), Failure> {
        (0..).zip(elements(blocks, BLOCKS)?).try_for_each(|(at, block)| self.block(at, block))
    }

    /// A block, the start of one, or a piece of one.
    fn block(&mut self, at: u64, block: Json<'_>) -> Result<(), Failure> {
        let text = block.get("text").string();
        documented(block)?;
        if !text.is_empty() {
            if let Some(on_text) = self.on_text {
                on_text(&text);
            }
            append(&mut self.reply.text, text);
        }
        append(&mut self.reply.reasoning, block.get("thinking").string());
        if block.get("type").str() == "tool_use" {
            if self.indexes.len() >= limits::TOOL_CALLS_PARSED {
                let most = limits::TOOL_CALLS_PARSED;
                return Err(malformed(format_args!("it makes more than {most} tool calls")));
            }
            // A stream starts every call with an empty object and sends the arguments after it.
            let arguments = Some(block.get("input").raw()).filter(|json| !is_empty_object(json));
            self.indexes.push(at);
            let id = block.get("id").non_null().map_or_else(|| format!("toolu_{at}"), Json::string);
            self.reply.tool_calls.push(ToolCall {
                id,
                name: block.get("name").string(),
                arguments: arguments.unwrap_or_default().to_owned(),
                ..ToolCall::default()
            });
        }
        if let Some(piece) = block.get("partial_json").non_null() {
            match self.indexes.iter().rposition(|&i| i == at) {
                Some(call) => append(&mut self.reply.tool_calls[call].arguments, piece.string()),
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

impl AnswerParser for AnthropicReader<'_> {
    fn event(&mut self, data: &str) -> Result<bool, Failure> {
        if data.trim().is_empty() {
            return Ok(false);
        }
        let last = self.read(data)?;
        self.finished |= last;
        Ok(last)
    }

    fn whole(&mut self, body: &str) -> Result<(), Failure> {
        self.read(body).map(drop)
    }

    fn end(&mut self) -> Result<(), Failure> {
        if self.finished { Ok(()) } else { Err(interrupted()) }
    }
}
