//! A chat completion, whole or in pieces, as a [`ChatReply`]. Servers differ: ids may be missing, content may be
//! null or an array of parts, arguments may be an object instead of its text. All of that is read; an answer
//! that is not JSON, or is truncated, is a failure worth a retry.

use crate::limits;
use crate::message::{ToolCall, Usage};
use crate::proto::json::{Json, TypeMismatch};
use crate::provider::exchange::{AnswerParser, interrupted, malformed};
use crate::provider::json_answer::{self, documented, elements};
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
}

impl<'a> OpenAiReader<'a> {
    /// `number` distinguishes this answer's calls from others' if the server sends no ids.
    pub fn new(number: u32, on_text: OnText<'a>) -> OpenAiReader<'a> {
        let reply = ChatReply::default();
        OpenAiReader { on_text, number, reply, indexes: Vec::new(), finished: false }
    }

    /// What arrived so far; complete once the parser says so.
    pub fn reply(mut self) -> ChatReply {
        for (at, call) in self.reply.tool_calls.iter_mut().enumerate() {
            if call.id.is_empty() {
                call.id = format!("call_{}_{at}", self.number);
            }
        }
        self.reply
    }

    fn completion(&mut self, text: &str) -> Result<(), Failure> {
        json_answer::answer(text, &mut |completion| {
            if let Some(counts) = completion.get("usage").non_null() {
                self.reply.usage = Some(Usage {
                    input: counts.get("prompt_tokens").uint(),
                    output: counts.get("completion_tokens").uint(),
                });
            }
            // More than one choice was never asked for.
            let Some(choice) = elements(completion.get("choices"), 16)?.next() else {
                return Ok(());
            };
            let reason = choice.get("finish_reason").str();
            if !reason.is_empty() {
                self.finished = true;
                self.reply.truncated = reason == "length";
            }
            let turn = choice.get("message").non_null().unwrap_or_else(|| choice.get("delta"));
            self.turn(turn)
        })
    }

    fn turn(&mut self, turn: Json<'_>) -> Result<(), Failure> {
        let text = text(turn.get("content"))?;
        documented(turn)?;
        if !text.is_empty() {
            if let Some(on_text) = self.on_text {
                on_text(&text);
            }
            append(&mut self.reply.text, text);
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

    /// A call or a piece of one. Pieces with the same index belong together; a second id at one index is another call, because
    /// some servers send index 0 for every call.
    fn call(&mut self, piece: Json<'_>) -> Result<(), Failure> {
        let id = piece.get("id").string();
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
            json => self.completion(json).map(|()| false),
        }
    }

    fn whole(&mut self, body: &str) -> Result<(), Failure> {
        self.completion(body)
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
