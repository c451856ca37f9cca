//! The fake model servers: what they answer is written in the question.
//!
//! The last user message that ends in a marker is answered with `re <marker> ok.`; directives in square
//! brackets in the same message ([`script`]) make the model call tools first, answer at length, or break.

mod anthropic;
mod ask;
mod embeddings;
mod openai;
mod picture;
pub mod script;

use std::time::Duration;

use serde_json::{Value, json};

use crate::faults::{Kind, Side};
use crate::http::{Outcome, Request, Response};
use crate::ledger::Marker;
use crate::telegram::params::Params;
use crate::world::Shared;
pub use ask::{Ask, Turn};
use script::{Args, Oddity, Script};

/// Pieces a text is streamed in.
const STREAM_PIECES: usize = 4;

/// Stands where `spoil` puts bytes that are no UTF-8; JSON writes it as `\u0001`.
const SPOILED: char = '\u{1}';

/// How the model servers behave; the control endpoint changes it.
#[derive(Debug, Clone)]
pub struct Settings {
    /// Thinking time of every answer.
    pub delay: Duration,
    /// Pause between two events of a stream.
    pub gap: Duration,
    /// Characters added to every answer.
    pub pad: usize,
    /// The answer to a question without a marker.
    pub unmarked: String,
    /// The only key that is let in; empty takes any.
    pub api_key: String,
}

impl Default for Settings {
    fn default() -> Settings {
        Settings {
            delay: Duration::ZERO,
            gap: Duration::ZERO,
            pad: 0,
            unmarked: "HEARTBEAT_OK".to_owned(),
            api_key: String::new(),
        }
    }
}

/// A call the model makes.
#[derive(Debug)]
pub struct Call {
    pub id: String,
    pub name: String,
    /// The arguments as text: JSON unless the script breaks it.
    pub arguments: String,
}

/// An answer in neutral form.
#[derive(Debug, Default)]
pub struct Answer {
    pub text: String,
    pub calls: Vec<Call>,
    pub oddity: Oddity,
    /// The answer ends because of max_tokens.
    pub cut: bool,
}

/// A served request: how it ends and whose it was.
pub struct Served {
    pub outcome: Outcome,
    pub marker: Option<Marker>,
}

/// Serves paths that end like a model server's; `None` for others.
pub fn serve(shared: &Shared, request: &Request, alive: &dyn Fn() -> bool) -> Option<Served> {
    let wire = match request.path.rsplit('/').next()? {
        "completions" if request.path.ends_with("/chat/completions") => Wire::OpenAi,
        "messages" => Wire::Anthropic,
        "models" => Wire::Models,
        "transcriptions" => Wire::Transcriptions,
        "embeddings" => Wire::Embeddings,
        _ => return None,
    };
    let fault = shared.look(|w| {
        w.count(format!("llm.{}", wire.name()));
        w.faults.strike(Side::Model, wire.name())
    });
    let mut marker = None;
    let refuse = |kind| match kind {
        Kind::Status { code: 429, retry_after } => {
            let mut response = wire.error(429, "Rate limit reached for requests");
            response.headers.push(("Retry-After", retry_after.to_string()));
            response
        }
        Kind::Status { code, .. } => wire.error(code, "The server had an error"),
        _ => wire.error(500, "The server had an error"),
    };
    let outcome = crate::serve::with_fault(fault, shared, alive, refuse, || {
        match wire.serve(shared, request, &mut marker, alive) {
            Ok(outcome) => outcome,
            Err((status, words)) => {
                shared.look(|w| w.refused.push(words.clone()));
                Outcome::Reply(wire.error(status, &words))
            }
        }
    });
    Some(Served { outcome, marker })
}

#[derive(Clone, Copy)]
enum Wire {
    OpenAi,
    Anthropic,
    Models,
    Transcriptions,
    Embeddings,
}

impl Wire {
    fn name(self) -> &'static str {
        match self {
            Wire::OpenAi => "chat",
            Wire::Anthropic => "messages",
            Wire::Models => "models",
            Wire::Transcriptions => "transcriptions",
            Wire::Embeddings => "embeddings",
        }
    }

    fn error(self, status: u16, words: &str) -> Response {
        let kind = match status {
            400 => "invalid_request_error",
            401 | 403 => "authentication_error",
            429 => "rate_limit_error",
            _ => "server_error",
        };
        let body = match self {
            Wire::Anthropic => {
                json!({ "type": "error", "error": { "type": kind, "message": words } })
            }
            _ => {
                json!({ "error": { "message": words, "type": kind, "param": null, "code": null } })
            }
        };
        Response::json(status, &body)
    }

    fn serve(
        self,
        shared: &Shared,
        request: &Request,
        marker: &mut Option<Marker>,
        alive: &dyn Fn() -> bool,
    ) -> Result<Outcome, (u16, String)> {
        let settings = shared.look(|w| w.model.clone());
        let bearer = request.header("authorization").strip_prefix("Bearer ").unwrap_or("");
        let key = if bearer.is_empty() { request.header("x-api-key") } else { bearer };
        if key.is_empty() || !(settings.api_key.is_empty() || settings.api_key == key) {
            return Err((401, "Incorrect API key provided".to_owned()));
        }
        match self {
            Wire::Models => {
                let model =
                    json!({ "id": "test", "object": "model", "created": 1, "owned_by": "peer" });
                return Ok(Outcome::json(200, &json!({ "object": "list", "data": [model] })));
            }
            Wire::Transcriptions => {
                return transcription(shared, request);
            }
            Wire::Embeddings => {
                let body = serde_json::from_slice(&request.body).unwrap_or_default();
                let answer = embeddings::answer(&body).map_err(|words| (400, words))?;
                return Ok(Outcome::json(200, &answer));
            }
            Wire::OpenAi | Wire::Anthropic => {}
        }
        let body: Value = serde_json::from_slice(&request.body)
            .map_err(|e| (400, format!("We could not parse the JSON body of your request: {e}")))?;
        shared.look(|w| w.keep_request(body.clone(), request.body.len()));
        let mut ask = match self {
            Wire::Anthropic => anthropic::read(request, &body),
            _ => openai::read(&body),
        }
        .map_err(|words| (400, words))?;
        ask.tokens = request.body.len() / 4;
        let question = ask.question();
        *marker = question.as_ref().map(|(_, m)| m.clone());
        let script = match &question {
            Some((i, _)) => Script::parse(&obeyed(&ask, *i)),
            None => {
                let newest = ask.turns.iter().rev().find(|t| t.user);
                newest.and_then(|t| Script::parse(&t.text))
            }
        }
        .unwrap_or_default();
        let earlier = marker.as_ref().map_or(0, |m| shared.look(|w| w.ledger.asked(m)));
        let pause = settings.delay + script.delay;
        if !pause.is_zero() {
            shared.wait(pause, alive, |_| None::<()>);
        }
        if let Some((code, times)) = script.status {
            if earlier < times {
                return Ok(Outcome::Reply(self.error(code, "The script says so")));
            }
        }
        if script.oddity == Oddity::NotJson {
            let page = "<html><body><h1>502 Bad Gateway</h1></body></html>";
            return Ok(Outcome::Reply(Response::text(200, "text/html", page)));
        }
        let answer = answer(&ask, question, script, &settings);
        Ok(match (self, ask.stream) {
            (Wire::Anthropic, false) => anthropic::reply(&ask, &answer),
            (Wire::Anthropic, true) => anthropic::stream(&ask, &answer, settings.gap),
            (_, false) => openai::reply(&ask, &answer),
            (_, true) => openai::stream(&ask, &body, &answer, settings.gap),
        })
    }
}

/// A fake recording contains its words after `OggS`.
fn transcription(shared: &Shared, request: &Request) -> Result<Outcome, (u16, String)> {
    let params = Params::read(request).map_err(|_| (400, "no form".to_owned()))?;
    let file = params.upload("file").ok_or((400, "'file' is a required property".to_owned()))?;
    let model = params.text("model").unwrap_or_default();
    let known = ["flac", "m4a", "mp3", "mp4", "oga", "ogg", "wav", "webm"];
    if model.is_empty() || !known.iter().any(|end| file.name.ends_with(end)) {
        return Err((400, "Unrecognized file format, or no model".to_owned()));
    }
    let seen = json!({ "model": model, "file": file.name, "bytes": file.bytes });
    shared.look(|w| w.keep_request(seen, file.bytes));
    let words = file.content.strip_prefix(b"OggS").and_then(|w| std::str::from_utf8(w).ok());
    Ok(Outcome::json(200, &json!({ "text": words.unwrap_or("words of a voice") })))
}

/// A message, and where it has `[obey]`, what its tools have brought since: such a model does what any text says.
fn obeyed(ask: &Ask, message: usize) -> String {
    let mut text = ask.turns[message].text.clone();
    if text.contains("[obey]") {
        let results = ask.turns[message + 1..].iter().filter(|turn| turn.result);
        results.for_each(|turn| text.push_str(&turn.text));
    }
    text
}

fn answer(
    ask: &Ask,
    question: Option<(usize, Marker)>,
    script: Script,
    settings: &Settings,
) -> Answer {
    let from = question.as_ref().map_or(0, |(i, _)| i + 1);
    let done = ask.turns[from..].iter().filter(|t| !t.calls.is_empty()).count();
    let mut answer = Answer { oddity: script.oddity.clone(), cut: script.cut, ..Answer::default() };
    let round = script.rounds.get(done).or(script.endless.as_ref());
    let id = |i: usize| format!("call_{}_{i}", ask.turns.len());
    if let Some(name) = &ask.forced {
        let arguments = arguments(ask, name, &Args::Schema);
        answer.calls.push(Call { id: id(0), name: name.clone(), arguments });
    } else if let Some(round) = round {
        for (i, call) in round.iter().enumerate() {
            let offered = |name: &&String| ask.tools.iter().any(|(n, _)| n == *name);
            // A name nobody offers is called all the same: real models do that too.
            let name = call.names.iter().find(offered).or(call.names.first());
            if let Some(name) = name {
                let arguments = arguments(ask, name, &call.args);
                answer.calls.push(Call { id: id(i), name: name.clone(), arguments });
            }
        }
    }
    if !answer.calls.is_empty() || script.empty {
        return answer;
    }
    answer.text = script.text;
    if script.oddity == Oddity::InvalidUtf8 {
        answer.text.insert(0, SPOILED);
    }
    if !answer.text.is_empty() {
        answer.text.push_str("\n\n");
    }
    match &question {
        Some((at, marker)) => {
            for earlier in ask.steered(*at) {
                answer.text.push_str(&earlier.answer());
                answer.text.push(' ');
            }
            answer.text.push_str(&marker.answer());
        }
        None => answer.text.push_str(&settings.unmarked),
    }
    if script.pad > 0 {
        answer.text.push(' ');
        answer.text.extend(std::iter::repeat_n('Z', script.pad));
    }
    if settings.pad > 0 {
        answer.text.push(' ');
        answer.text.extend(std::iter::repeat_n('x', settings.pad));
    }
    answer
}

fn arguments(ask: &Ask, name: &str, args: &Args) -> String {
    match args {
        Args::Given(value) => value.to_string(),
        Args::Broken => "{\"path\": \"a".to_owned(),
        Args::Schema => {
            let schema = ask.tools.iter().find(|(n, _)| n == name).map(|(_, s)| s);
            fill(schema.unwrap_or(&Value::Null)).to_string()
        }
    }
}

/// The smallest value that satisfies a schema, with names taken as hints.
fn fill(schema: &Value) -> Value {
    let required = schema["required"].as_array().map_or(&[][..], Vec::as_slice);
    let names = required.iter().filter_map(Value::as_str);
    Value::Object(names.map(|n| (n.to_owned(), value(n, &schema["properties"][n]))).collect())
}

fn value(name: &str, schema: &Value) -> Value {
    if let Some(fixed) = schema.get("default").or_else(|| schema["enum"].get(0)) {
        return fixed.clone();
    }
    let kind = schema["type"].as_str().or_else(|| schema["type"][0].as_str()).unwrap_or("string");
    match kind {
        "integer" | "number" => schema.get("minimum").cloned().unwrap_or(json!(1)),
        "boolean" => json!(false),
        "array" => json!([]),
        "object" => fill(schema),
        _ if name.contains("path") || name.contains("dir") => json!("."),
        _ if name.contains("command") => json!("echo peer"),
        _ if name.contains("url") => json!("http://127.0.0.1:9/"),
        _ => json!("x"),
    }
}

/// Splits a text for a stream, at character boundaries.
fn pieces(text: &str) -> Vec<&str> {
    let size = text.len().div_ceil(STREAM_PIECES).max(1);
    let mut rest = text;
    let mut out = Vec::new();
    while !rest.is_empty() {
        let mut end = size.min(rest.len());
        while !rest.is_char_boundary(end) {
            end += 1;
        }
        let (piece, tail) = rest.split_at(end);
        out.push(piece);
        rest = tail;
    }
    out
}

/// Bytes of a JSON body or event, spoiled as the script wants.
fn spoil(value: &mut Value, oddity: &Oddity) -> Vec<u8> {
    match oddity {
        Oddity::Missing(field) => remove(value, field),
        Oddity::InvalidUtf8 => {
            let mut out = Vec::new();
            for (i, part) in value.to_string().split("\\u0001").enumerate() {
                if i > 0 {
                    out.extend_from_slice(&[0xff, 0xc3, b' ']);
                }
                out.extend_from_slice(part.as_bytes());
            }
            return out;
        }
        Oddity::None | Oddity::NotJson | Oddity::Huge(_) => {}
    }
    value.to_string().into_bytes()
}

fn remove(value: &mut Value, field: &str) {
    match value {
        Value::Object(map) => {
            map.remove(field);
            map.values_mut().for_each(|v| remove(v, field));
        }
        Value::Array(all) => all.iter_mut().for_each(|v| remove(v, field)),
        _ => {}
    }
}
