//! A chat completion, whole or in pieces, as a [`ChatReply`]. Servers differ: ids may be missing, content may be
//! null or an array of parts, arguments may be an object instead of its text. All of that is read; an answer
//! that is not JSON, or is truncated, is a failure worth a retry.

use crate::limits;
use crate::message::{ToolCall, Usage, extra_content};
use crate::proto::json::{Json, TypeMismatch};
use crate::provider::exchange::{AnswerParser, interrupted, malformed};
use crate::provider::json_answer::{self, count, documented, elements, server_error};
#[cfg(feature = "servers")]
use crate::provider::thought_tags;
use crate::provider::{ChatReply, Failure, OnText};

/// Collects an answer of a chat completions API, streamed or whole.
pub struct OpenAiReader<'a> {
    on_text: OnText<'a>,
    /// Part of the ids generated for calls without one.
    number: u32,
    reply: ChatReply,
    /// `index` of each of the reply's calls.
    indexes: Vec<Option<u64>>,
    finished: bool,
    /// Bytes of the text that were forwarded.
    shown: usize,
}

impl<'a> OpenAiReader<'a> {
    /// `number` distinguishes this answer's calls from others' if the server sends no ids.
    pub fn new(number: u32, on_text: OnText<'a>) -> OpenAiReader<'a> {
        let reply = ChatReply::default();
        OpenAiReader { on_text, number, reply, indexes: Vec::new(), finished: false, shown: 0 }
    }

    /// What arrived so far; complete once the parser says so.
    pub fn reply(mut self) -> ChatReply {
        for (at, call) in self.reply.tool_calls.iter_mut().enumerate() {
            if call.id.is_empty() {
                call.id = format!("call_{}_{at}", self.number);
            }
        }
        #[cfg(feature = "servers")]
        thought_tags::separate(&mut self.reply);
        self.reply
    }

    fn completion(&mut self, text: &str, fields: [&str; 2]) -> Result<(), Failure> {
        json_answer::answer(text, &mut |completion| {
            // More than one choice was never asked for.
            let choice = elements(completion.get("choices"), limits::ANSWER_CHOICES)?.next();
            // Counts are bookkeeping: of whatever type they are, the answer counts.
            let lenient = TypeMismatch::default();
            let counts = completion.with_mismatch(&lenient).get("usage").non_null();
            let inner = || choice?.with_mismatch(&lenient).get("usage").non_null();
            if let Some(counts) = counts.or_else(inner) {
                let (input, output) = ("prompt_tokens", "completion_tokens");
                let (input, output) = (count(counts.get(input)), count(counts.get(output)));
                self.reply.usage = Some(Usage { input, output });
            }
            let Some(choice) = choice else { return Ok(()) };
            server_error(choice)?;
            match choice.get("finish_reason").raw().trim_matches('"') {
                "null" | "" => {}
                "error" => return Err(malformed("it ends with an error")),
                reason => {
                    self.finished = true;
                    self.reply.truncated = reason == "length";
                }
            }
            let [first, second] = fields.map(|field| choice.get(field));
            self.turn(first.non_null().unwrap_or(second))
        })
    }

    fn turn(&mut self, turn: Json<'_>) -> Result<(), Failure> {
        let text = text(turn.get("content"))?;
        documented(turn)?;
        if !text.is_empty() {
            append(&mut self.reply.text, text);
            self.show();
        }
        let mut reasoning = text_or_empty(turn.get("reasoning_content"));
        if reasoning.is_empty() {
            reasoning = text_or_empty(turn.get("reasoning"));
        }
        append(&mut self.reply.reasoning, reasoning);
        for call in elements(turn.get("tool_calls"), limits::TOOL_CALLS_PARSED)? {
            self.call(call)?;
        }
        Ok(())
    }

    /// Forwards what is new of the text; nothing while it is reasoning between tags.
    fn show(&mut self) {
        let text = &self.reply.text;
        #[cfg(feature = "servers")]
        let Some(from) = thought_tags::answer_start(text) else { return };
        #[cfg(not(feature = "servers"))]
        let from = 0;
        if let Some(on_text) = self.on_text {
            on_text(&text[from.max(self.shown)..]);
        }
        self.shown = text.len();
    }

    /// A call or a piece of one. Pieces with the same index belong together; a second id at one index is another call, because
    /// some servers send index 0 for every call.
    fn call(&mut self, piece: Json<'_>) -> Result<(), Failure> {
        // A number is a name as well.
        let id = match piece.get("id") {
            id if id.raw().starts_with('"') => id.string(),
            id => id.non_null().map_or(String::new(), |id| id.raw().to_owned()),
        };
        let index = piece.get("index").non_null().map(Json::uint);
        let function = piece.get("function");
        let calls = &mut self.reply.tool_calls;
        let known = match index {
            Some(_) => self.indexes.iter().rposition(|i| *i == index),
            None if id.is_empty() && !function.is_null() && function.get("name").is_null() => {
                calls.len().checked_sub(1)
            }
            None => None,
        };
        let known =
            known.filter(|&at| id.is_empty() || calls[at].id.is_empty() || calls[at].id == id);
        let at = match known {
            Some(at) => at,
            None if calls.len() >= limits::TOOL_CALLS_PARSED => {
                let most = limits::TOOL_CALLS_PARSED;
                return Err(malformed(format_args!("it makes more than {most} tool calls")));
            }
            None => {
                calls.push(ToolCall::default());
                self.indexes.push(index);
                calls.len() - 1
            }
        };
        let call = &mut calls[at];
        if call.id.is_empty() {
            call.id = id;
        }
        if call.name.is_empty() {
            call.name = function.get("name").string();
        }
        if call.extra_content.is_none() {
            call.extra_content = extra_content(piece);
        }
        let arguments = function.get("arguments");
        if arguments.raw().starts_with('"') {
            append(&mut call.arguments, arguments.string());
        } else if !arguments.is_null() {
            // An object instead of its text.
            call.arguments.push_str(arguments.raw());
        }
        Ok(())
    }
}

impl AnswerParser for OpenAiReader<'_> {
    fn event(&mut self, data: &str) -> Result<bool, Failure> {
        match data.trim() {
            "[DONE]" => {
                self.finished = true;
                Ok(true)
            }
            "" => Ok(false),
            // A stream may repeat the whole `message` beside each `delta`.
            json => self.completion(json, ["delta", "message"]).map(|()| false),
        }
    }

    fn whole(&mut self, body: &str) -> Result<(), Failure> {
        self.completion(body, ["message", "delta"])
    }

    fn end(&mut self) -> Result<(), Failure> {
        if self.finished { Ok(()) } else { Err(interrupted()) }
    }
}

/// Appends to a text; the first piece is moved, not copied.
pub(in crate::provider) fn append(to: &mut String, piece: String) {
    if to.is_empty() {
        *to = piece;
    } else {
        to.push_str(&piece);
    }
}

/// `content`: a string, null, or an array of parts with `text` fields.
fn text(content: Json<'_>) -> Result<String, Failure> {
    if content.is_list() {
        return Ok(elements(content, 1024)?.map(|part| part.get("text").string()).collect());
    }
    Ok(if content.raw().starts_with('"') { content.string() } else { String::new() })
}

/// Reasoning is optional: if its format is unknown, the answer still counts.
fn text_or_empty(content: Json<'_>) -> String {
    let mismatch = TypeMismatch::default();
    let text = text(content.with_mismatch(&mismatch)).unwrap_or_default();
    if mismatch.get().is_none() { text } else { String::new() }
}
