//! What hooks ([`crate::hook`]) make of requests to a model and of its answers.

use super::history;
use super::types::Agent;
use crate::hook::{HookVerdict, TurnScope, quoted};
use crate::limits::{HOOK_LINE_BYTES, TOOL_CALLS_PER_ANSWER};
use crate::message::{Message, Role, ToolCall, extra_content};
use crate::proto::json::Json;
use crate::proto::text::{decimal, hex};
use crate::provider::{ChatReply, ChatRequest, Class, Failure};
use crate::sys::{random, spawn_blocking};

/// A request as hooks have changed it.
#[derive(Clone, Debug, Default)]
pub(super) struct ChangedRequest {
    /// Name of the model, or empty.
    pub(super) model: String,
    /// Instead of history and messages; none where they stay.
    pub(super) messages: Vec<Message>,
    pub(super) max_tokens: Option<u32>,
    pub(super) temperature: Option<f64>,
}

impl ChangedRequest {
    /// Changes the request; the model to ask, where that changes too.
    pub(super) fn apply<'a>(&'a self, request: &mut ChatRequest<'a>) -> Option<&'a str> {
        request.max_tokens = self.max_tokens.unwrap_or(request.max_tokens);
        request.temperature = self.temperature.unwrap_or(request.temperature);
        if !self.messages.is_empty() {
            (request.history, request.messages) = (None, &self.messages);
        }
        Some(&*self.model).filter(|model| !model.is_empty())
    }
}

impl Agent {
    /// The request as hooks have it; `None` where they leave it alone.
    ///
    /// # Errors
    /// A hook ended the turn.
    pub(super) async fn before_llm(
        &self,
        scope: TurnScope<'_>,
        request: &ChatRequest<'_>,
        model: &str,
    ) -> Result<Option<ChangedRequest>, Failure> {
        self.hooks.event(scope, "agent.llm.request", || {
            let stored = request.history.as_ref().map_or(0, |h| h.places.len());
            format!(
                "{{\"Model\":{},\"MessagesCount\":{},\"ToolsCount\":{},\"MaxTokens\":{},\"Temperature\":{}}}",
                quoted(model),
                stored + request.messages.len() + 1,
                request.tools.len(),
                request.max_tokens,
                decimal(request.temperature)
            )
        });
        if !self.hooks.see_requests() {
            return Ok(None);
        }
        let system = [request.system_static, request.system_dynamic].join("\n\n");
        let messages = messages_of(&system, request).await;
        let tools = tools_of(request);
        let members = |changed: Option<&ChangedRequest>| {
            let own = |list: &[Message]| list_of(&system, list.iter());
            let rewritten = changed.filter(|c| !c.messages.is_empty()).map(|c| own(&c.messages));
            let model = changed.map(|c| &*c.model).filter(|m| !m.is_empty()).unwrap_or(model);
            let max_tokens = changed.and_then(|c| c.max_tokens).unwrap_or(request.max_tokens);
            let temperature = changed.and_then(|c| c.temperature).unwrap_or(request.temperature);
            format!(
                ",\"model\":{},\"messages\":{},\"tools\":[{tools}],\"options\":{{\"max_tokens\":{max_tokens},\"temperature\":{}}}",
                quoted(model),
                rewritten.as_ref().unwrap_or(&messages),
                decimal(temperature),
            )
        };
        let take = |json: Json<'_>| self.changed_request(json, &messages);
        match self.hooks.before_llm(scope, members, take).await {
            HookVerdict::Abort(why) => Err(Failure::new(Class::Format, why)),
            HookVerdict::Continue(changed) => Ok(changed),
            _ => Ok(None),
        }
    }

    /// Reads what a hook changes; the system prompt and the tools are not its to change.
    fn changed_request(
        &self,
        json: Json<'_>,
        sent: &str,
    ) -> Result<Option<ChangedRequest>, String> {
        let mut changed = ChangedRequest::default();
        let model = json.get("model").string();
        if self.models.names().iter().any(|name| *name == model) {
            changed.model = model;
        } else if !model.is_empty() {
            return Err(format!("no model is named {}", quoted(&model)));
        }
        let options = json.get("options");
        let tokens = u32::try_from(options.get("max_tokens").uint()).ok();
        changed.max_tokens = tokens.filter(|n| *n > 0);
        changed.temperature =
            options.get("temperature").non_null().map(Json::float).filter(|t| t.is_finite());
        let messages = json.get("messages");
        if json.mismatch().is_some() {
            return Err("its request is no request".into());
        }
        if messages.is_list() {
            let (ours, theirs) = (read_messages(sent), read_messages(messages.raw()));
            let theirs = theirs.ok_or("its messages are no messages")?;
            let system = |list: &[Message]| -> Vec<String> {
                let all = list.iter().filter(|m| m.role == Role::System);
                all.map(|m| m.content.clone()).collect()
            };
            if ours.as_deref().map(system) != Some(system(&theirs)) {
                return Err("it changes the system prompt".into());
            }
            if ours.as_ref() != Some(&theirs) {
                let rest = theirs.into_iter().filter(|m| m.role != Role::System);
                changed.messages = history::sanitize(rest.collect());
                if changed.messages.is_empty() {
                    return Err("it leaves no message".into());
                }
            }
        }
        Ok(Some(changed))
    }

    /// The answer as hooks have it.
    ///
    /// # Errors
    /// A hook ended the turn.
    pub(super) async fn after_llm(
        &self,
        scope: TurnScope<'_>,
        mut reply: ChatReply,
        model: &str,
    ) -> Result<ChatReply, Failure> {
        self.hooks.event(scope, "agent.llm.response", || {
            format!(
                "{{\"ContentLen\":{},\"ToolCalls\":{},\"HasReasoning\":{}}}",
                reply.text.len(),
                reply.tool_calls.len(),
                !reply.reasoning.is_empty()
            )
        });
        if !self.hooks.see_requests() {
            return Ok(reply);
        }
        let members = |changed: Option<&(String, Vec<ToolCall>)>| {
            let (text, calls) = changed.map_or((&reply.text, &reply.tool_calls), |(t, c)| (t, c));
            let calls = serde_json::to_string(calls).unwrap_or_default();
            let finish = if reply.truncated { "length" } else { "stop" };
            format!(
                ",\"model\":{},\"response\":{{\"content\":{},\"reasoning_content\":{},\"tool_calls\":{calls},\"finish_reason\":\"{finish}\"}}",
                quoted(model),
                quoted(text),
                quoted(&reply.reasoning),
            )
        };
        let take = |json: Json<'_>| changed_reply(json, &reply);
        match self.hooks.after_llm(scope, members, take).await {
            HookVerdict::Abort(why) => Err(Failure::new(Class::Format, why)),
            HookVerdict::Continue(Some((text, calls))) => {
                (reply.text, reply.tool_calls) = (text, calls);
                Ok(reply)
            }
            _ => Ok(reply),
        }
    }
}

type ChangedReply = Option<(String, Vec<ToolCall>)>;

fn changed_reply(json: Json<'_>, reply: &ChatReply) -> Result<ChangedReply, String> {
    let text = json.get("content").non_null().map(Json::string);
    let calls = json.get("tool_calls").non_null().map(|list| {
        let call = |call: Json<'_>| {
            let function = call.get("function");
            let arguments = function.get("arguments");
            let arguments = if arguments.raw().starts_with('{') {
                arguments.raw().to_owned()
            } else {
                arguments.string()
            };
            let (id, name) = (call.get("id").string(), function.get("name").string());
            ToolCall { id, name, arguments, extra_content: extra_content(call) }
        };
        // One more than are run, so that the rest is refused in words.
        let mut calls: Vec<ToolCall> =
            list.items().take(TOOL_CALLS_PER_ANSWER + 1).map(call).collect();
        for at in 0..calls.len() {
            // Results are matched to their calls by id.
            if calls[at].id.is_empty() || calls[..at].iter().any(|c| c.id == calls[at].id) {
                calls[at].id = fresh_id(at);
            }
        }
        calls
    });
    if json.mismatch().is_some() {
        return Err("its response is no response".into());
    }
    Ok(Some((
        text.unwrap_or_else(|| reply.text.clone()),
        calls.unwrap_or_else(|| reply.tool_calls.clone()),
    )))
}

/// An id for a call that a hook gives none of its own.
fn fresh_id(at: usize) -> String {
    let bytes = random::<8>().unwrap_or_default();
    format!("call_hook_{}_{at}", hex(&bytes))
}

/// All messages of a request as a JSON list. One that is too long for a hook is not read to its end.
async fn messages_of(system: &str, request: &ChatRequest<'_>) -> String {
    let mut out = list_of(system, request.messages.iter());
    let Some(stored) = request.history.clone() else { return out };
    let read = spawn_blocking(move || stored.json(HOOK_LINE_BYTES)).await;
    match read {
        Ok(earlier) => {
            // Behind the system prompt, which is the first element.
            let at = list_of(system, [].iter()).len() - 1;
            out.insert_str(at, &earlier);
        }
        Err(e) => crate::log::warn!("hooks do not see the history: {e}"),
    }
    out
}

fn list_of<'m>(system: &str, messages: impl Iterator<Item = &'m Message>) -> String {
    let mut out = format!("[{{\"role\":\"system\",\"content\":{}}}", quoted(system));
    for message in messages {
        out.push(',');
        out.push_str(&serde_json::to_string(message).unwrap_or_default());
    }
    out.push(']');
    out
}

fn read_messages(list: &str) -> Option<Vec<Message>> {
    let mismatch = Default::default();
    let json = Json::parse(list, &mismatch).ok()?;
    json.items().map(|item| Message::parse(item.raw()).ok()).collect()
}

fn tools_of(request: &ChatRequest<'_>) -> String {
    let one = |spec: &&crate::tool::ToolSpec| {
        format!(
            "{{\"type\":\"function\",\"function\":{{\"name\":{},\"description\":{},\"parameters\":{}}}}}",
            quoted(spec.name),
            quoted(spec.description),
            spec.schema
        )
    };
    request.tools.iter().map(one).collect::<Vec<_>>().join(",")
}
