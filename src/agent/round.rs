//! The tool calls of one model answer: checked, run in order or side by side, and never a third time in vain.

use std::future::poll_fn;
use std::pin::Pin;
use std::task::Poll;

use crate::limits::{IDENTICAL_FAILURES, PARALLEL_READS, REFLECTIONS, TOOL_CALLS_PER_ANSWER};
use crate::message::{Message, Role, ToolCall};
use crate::tool::{self, Effect, ToolContext, ToolResult};

/// Result of a call that a message came before (behaviour.md 3B.1).
pub const SKIPPED: &str = "Skipped due to queued user message.";

/// Calls that failed in this turn.
#[derive(Default)]
pub struct FailedCalls {
    /// Name and arguments, and how often.
    calls: Vec<(ToolCall, u32)>,
    /// Rounds in a row of which nothing succeeded.
    row: u32,
    /// How often the model was asked to reflect.
    reflections: u32,
}

impl FailedCalls {
    fn refusal(&self, call: &ToolCall) -> Option<ToolResult> {
        let (_, count) = self.calls.iter().find(|(failed, _)| is_same_call(failed, call))?;
        (*count >= IDENTICAL_FAILURES).then(|| {
            ToolResult::error(format!(
                "not run: the same call of {} with the same arguments has failed {count} times in this turn; \
                 change the arguments or do something else",
                call.name
            ))
        })
    }

    fn note(&mut self, call: &ToolCall) {
        match self.calls.iter_mut().find(|(failed, _)| is_same_call(failed, call)) {
            Some((_, count)) => *count += 1,
            None => self.calls.push((call.clone(), 1)),
        }
    }
}

/// Is it the same tool with the same arguments?
fn is_same_call(one: &ToolCall, other: &ToolCall) -> bool {
    (&one.name, &one.arguments) == (&other.name, &other.arguments)
}

impl FailedCalls {
    /// Takes a round in; what the model is to reflect on, when that many failed one after the other.
    fn round(&mut self, failed: bool, every: u32) -> Option<String> {
        self.row = if failed { self.row + 1 } else { 0 };
        if every == 0 || self.row < every || self.reflections >= REFLECTIONS {
            return None;
        }
        let row = std::mem::take(&mut self.row);
        self.reflections += 1;
        Some(format!(
            "\n\n({row} rounds of calls in a row have failed. Before the next call write in one or two sentences why \
             they failed and what you will do differently; if nothing else can work, say so instead of calling again.)"
        ))
    }
}

/// Must this call not be repeated after a restart?
fn writes(name: &str) -> bool {
    tool::spec(name).is_some_and(|s| s.effect == Effect::Writes)
}

/// The context of a turn's calls.
pub struct Callbacks<'a> {
    /// Gets what the chat is to see at once.
    pub show: &'a dyn Fn(&str),
    /// A message waits: calls that have not begun are left out.
    pub steered: &'a dyn Fn() -> bool,
    /// What hooks have to say.
    #[cfg(feature = "hooks")]
    pub(super) hooked: super::hooked::Hooked<'a>,
}

impl Callbacks<'_> {
    /// Must this call not be repeated after a restart? One that a hook may change is not known yet.
    pub(super) fn writes(&self, call: &ToolCall) -> bool {
        #[cfg(feature = "hooks")]
        if self.hooked.change_calls() {
            return true;
        }
        writes(&call.name)
    }

    async fn call(&self, context: &ToolContext, call: &ToolCall) -> ToolResult {
        #[cfg(feature = "hooks")]
        if self.hooked.applies() {
            return self.hooked.call(context, call).await;
        }
        tool::call(context, &call.name, &call.arguments).await
    }
}

/// Runs `calls` and returns their results in the same order.
pub async fn run(
    context: &ToolContext,
    calls: &[ToolCall],
    failures: &mut FailedCalls,
    callbacks: &Callbacks<'_>,
) -> Vec<Message> {
    let (run, refused) = calls.split_at(calls.len().min(TOOL_CALLS_PER_ANSWER));
    let mut results = if run.iter().any(|c| callbacks.writes(c)) {
        in_order(context, run, failures, callbacks).await
    } else {
        side_by_side(context, run, failures, callbacks).await
    };
    let all_failed = !results.is_empty() && results.iter().all(|r| r.is_error);
    let reflection = failures.round(all_failed, context.config.agent.reflect);
    results.resize(run.len(), ToolResult::silent(SKIPPED));
    let too_many = || {
        ToolResult::error(format!("not run: at most {TOOL_CALLS_PER_ANSWER} calls in one answer"))
    };
    results.extend(refused.iter().map(|_| too_many()));
    let mut messages: Vec<Message> = calls
        .iter()
        .zip(results)
        .map(|(call, result)| {
            if let (false, Some(text)) = (result.silent, &result.for_user) {
                (callbacks.show)(text);
            }
            answer_to(call, result.for_model)
        })
        .collect();
    if let (Some(text), Some(last)) = (reflection, messages.last_mut()) {
        last.content.push_str(&text);
    }
    messages
}

/// The results of calls of which one may change something, until a message waits.
async fn in_order(
    context: &ToolContext,
    calls: &[ToolCall],
    failures: &mut FailedCalls,
    callbacks: &Callbacks<'_>,
) -> Vec<ToolResult> {
    let mut results = Vec::with_capacity(calls.len());
    for call in calls {
        if !results.is_empty() && (callbacks.steered)() {
            break;
        }
        results.push(one(context, call, failures, callbacks).await);
    }
    results
}

/// The results of calls that only read, until a message waits. A group at a time, so that memory stays bounded.
async fn side_by_side(
    context: &ToolContext,
    calls: &[ToolCall],
    failures: &mut FailedCalls,
    callbacks: &Callbacks<'_>,
) -> Vec<ToolResult> {
    let mut results = Vec::with_capacity(calls.len());
    for group in calls.chunks(PARALLEL_READS) {
        if !results.is_empty() && (callbacks.steered)() {
            break;
        }
        let futures = group.iter().map(|call| {
            let refusal = failures.refusal(call);
            Box::pin(async move {
                match refusal {
                    Some(result) => result,
                    None => callbacks.call(context, call).await,
                }
            })
        });
        results.extend(join_all(futures.collect()).await);
    }
    for (call, result) in calls.iter().zip(&results) {
        if result.is_error {
            failures.note(call);
        }
    }
    results
}

/// Waits for all of them at the same time; what they return, in their order.
async fn join_all<F: Future<Output = ToolResult> + Unpin>(mut futures: Vec<F>) -> Vec<ToolResult> {
    let mut done: Vec<Option<ToolResult>> = futures.iter().map(|_| None).collect();
    poll_fn(|cx| {
        let mut open = false;
        for (future, slot) in futures.iter_mut().zip(&mut done) {
            if slot.is_none() {
                match Pin::new(future).poll(cx) {
                    Poll::Ready(result) => *slot = Some(result),
                    Poll::Pending => open = true,
                }
            }
        }
        if open { Poll::Pending } else { Poll::Ready(()) }
    })
    .await;
    done.into_iter().flatten().collect()
}

async fn one(
    context: &ToolContext,
    call: &ToolCall,
    failures: &mut FailedCalls,
    callbacks: &Callbacks<'_>,
) -> ToolResult {
    if let Some(refusal) = failures.refusal(call) {
        return refusal;
    }
    let result = callbacks.call(context, call).await;
    if result.is_error {
        failures.note(call);
    }
    result
}

/// The message that carries a call's result.
pub fn answer_to(call: &ToolCall, text: impl Into<String>) -> Message {
    Message { tool_call_id: Some(call.id.clone()), ..Message::text(Role::Tool, text) }
}
