//! A chat completion, whole or in pieces, as a [`ChatReply`]. Servers differ: ids may be missing, content may be
//! null or an array of parts, arguments may be an object instead of its text. All of that is read; what is no
//! JSON, or stops in the middle, is a failure worth another try.

use serde::Deserialize;
use serde_json::value::RawValue;

use crate::limits;
use crate::message::{ToolCall, Usage};
use crate::provider::bounded::AtMost;
use crate::provider::exchange::{Answer, broken_off, cut, error_object, malformed};
use crate::provider::{ChatReply, Failure, OnText};

// Small borrowed structures: a tree of values would cost thirty times the bytes of a hostile body.
#[derive(Deserialize)]
struct Completion<'a> {
    #[serde(borrow, default)]
    choices: AtMost<Choice<'a>, 16>,
    usage: Option<Counts>,
    #[serde(borrow)]
    error: Option<&'a RawValue>,
}

#[derive(Deserialize)]
struct Choice<'a> {
    #[serde(borrow)]
    message: Option<Turn<'a>>,
    #[serde(borrow)]
    delta: Option<Turn<'a>>,
    finish_reason: Option<String>,
}

#[derive(Deserialize)]
struct Turn<'a> {
    #[serde(borrow)]
    content: Option<&'a RawValue>,
    #[serde(borrow)]
    reasoning_content: Option<&'a RawValue>,
    #[serde(borrow)]
    reasoning: Option<&'a RawValue>,
    #[serde(borrow, default)]
    tool_calls: AtMost<Call<'a>, { limits::TOOL_CALLS_PARSED }>,
}

#[derive(Deserialize)]
struct Call<'a> {
    index: Option<u32>,
    id: Option<String>,
    #[serde(borrow)]
    function: Option<Function<'a>>,
}

#[derive(Deserialize)]
struct Function<'a> {
    name: Option<String>,
    #[serde(borrow)]
    arguments: Option<&'a RawValue>,
}

#[derive(Deserialize)]
struct Counts {
    prompt_tokens: Option<u64>,
    completion_tokens: Option<u64>,
}

#[derive(Deserialize)]
struct Part {
    text: Option<String>,
}

/// Collects one answer.
pub struct Reader<'a> {
    on_text: OnText<'a>,
    /// Part of ids made for calls without one.
    number: u32,
    reply: ChatReply,
    /// `index` of each of the reply's calls.
    indexes: Vec<Option<u32>>,
    finished: bool,
}

impl<'a> Reader<'a> {
    /// `number` tells this answer's calls from those of others where the server gives no ids.
    pub fn new(number: u32, on_text: OnText<'a>) -> Reader<'a> {
        let reply = ChatReply::default();
        Reader { on_text, number, reply, indexes: Vec::new(), finished: false }
    }

    /// What was collected.
    pub fn reply(mut self) -> ChatReply {
        for (at, call) in self.reply.tool_calls.iter_mut().enumerate() {
            if call.id.is_empty() {
                call.id = format!("call_{}_{at}", self.number);
            }
        }
        self.reply
    }

    fn completion(&mut self, json: &str) -> Result<(), Failure> {
        let completion: Completion<'_> = serde_json::from_str(json)
            .map_err(|e| malformed(format_args!("{e} in `{}`", cut(json))))?;
        if let Some(error) = completion.error.filter(|e| e.get() != "null") {
            return Err(error_object(error.get()));
        }
        if let Some(counts) = completion.usage {
            self.reply.usage = Some(Usage {
                input: counts.prompt_tokens.unwrap_or(0),
                output: counts.completion_tokens.unwrap_or(0),
            });
        }
        // More than one choice was never asked for.
        let Some(choice) = completion.choices.0.into_iter().next() else {
            return Ok(());
        };
        if let Some(reason) = choice.finish_reason.filter(|r| !r.is_empty()) {
            self.finished = true;
            self.reply.truncated = reason == "length";
        }
        match choice.message.or(choice.delta) {
            Some(turn) => self.turn(turn),
            None => Ok(()),
        }
    }

    fn turn(&mut self, turn: Turn<'_>) -> Result<(), Failure> {
        let text = text(turn.content)?;
        if !text.is_empty() {
            if let Some(on_text) = self.on_text {
                on_text(&text);
            }
            append(&mut self.reply.text, text);
        }
        let mut reasoning = text_or_empty(turn.reasoning_content);
        if reasoning.is_empty() {
            reasoning = text_or_empty(turn.reasoning);
        }
        append(&mut self.reply.reasoning, reasoning);
        for call in turn.tool_calls.0 {
            self.call(call)?;
        }
        Ok(())
    }

    /// A call or a piece of one. Pieces belong together by index; a second id at one index is another call, for
    /// some servers give every call the index 0.
    fn call(&mut self, piece: Call<'_>) -> Result<(), Failure> {
        let id = piece.id.unwrap_or_default();
        let calls = &mut self.reply.tool_calls;
        let known = match piece.index {
            Some(_) => self.indexes.iter().rposition(|i| *i == piece.index),
            None if id.is_empty() && piece.function.as_ref().is_some_and(|f| f.name.is_none()) => {
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
                self.indexes.push(piece.index);
                calls.len() - 1
            }
        };
        let call = &mut calls[at];
        if call.id.is_empty() {
            call.id = id;
        }
        if let Some(function) = piece.function {
            if call.name.is_empty() {
                call.name = function.name.unwrap_or_default();
            }
            match function.arguments.map(RawValue::get) {
                None | Some("null") => {}
                Some(json) if json.starts_with('"') => {
                    append(&mut call.arguments, serde_json::from_str(json).map_err(malformed)?);
                }
                // An object instead of its text.
                Some(json) => call.arguments.push_str(json),
            }
        }
        Ok(())
    }
}

impl Answer for Reader<'_> {
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
        if self.finished { Ok(()) } else { Err(broken_off()) }
    }
}

/// Adds to a text; the first piece is taken over without a copy.
pub(in crate::provider) fn append(to: &mut String, piece: String) {
    if to.is_empty() {
        *to = piece;
    } else {
        to.push_str(&piece);
    }
}

/// `content`: a string, null, or an array of parts with `text` fields.
fn text(json: Option<&RawValue>) -> Result<String, Failure> {
    match json.map(RawValue::get) {
        Some(json) if json.starts_with('"') => serde_json::from_str(json).map_err(malformed),
        Some(json) if json.starts_with('[') => {
            let AtMost(parts): AtMost<Part, 1024> =
                serde_json::from_str(json).map_err(malformed)?;
            Ok(parts.into_iter().filter_map(|p| p.text).collect())
        }
        _ => Ok(String::new()),
    }
}

/// Reasoning is a courtesy: where it has a form we do not know, the answer still counts.
fn text_or_empty(json: Option<&RawValue>) -> String {
    text(json).unwrap_or_default()
}
