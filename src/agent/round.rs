//! The tool calls of one model answer: checked, run in order or side by side, and never a third time in vain.

use std::collections::HashMap;

use crate::limits::{IDENTICAL_FAILURES, PARALLEL_READS, TOOL_CALLS_PER_ANSWER};
use crate::message::{Message, Role, ToolCall};
use crate::tool::{self, Effect, ToolContext, ToolResult};

/// Calls that failed in this turn, by name and arguments.
#[derive(Default)]
pub struct Failures(HashMap<(String, String), u32>);

impl Failures {
    fn refusal(&self, call: &ToolCall) -> Option<ToolResult> {
        let count = *self.0.get(&(call.name.clone(), call.arguments.clone()))?;
        (count >= IDENTICAL_FAILURES).then(|| {
            ToolResult::error(format!(
                "not run: the same call of {} with the same arguments has failed {count} times in this turn; \
                 change the arguments or do something else",
                call.name
            ))
        })
    }

    fn note(&mut self, call: &ToolCall) {
        *self.0.entry((call.name.clone(), call.arguments.clone())).or_default() += 1;
    }
}

/// Must this call not be repeated after a restart?
pub fn writes(name: &str) -> bool {
    tool::spec(name).is_some_and(|s| s.effect == Effect::Writes)
}

/// Runs `calls` and returns their results in the same order. `show` gets what the chat is to see at once.
pub async fn run(
    context: &ToolContext,
    calls: &[ToolCall],
    failures: &mut Failures,
    show: &dyn Fn(&str),
) -> Vec<Message> {
    let mut results = Vec::with_capacity(calls.len());
    let (run, refused) = calls.split_at(calls.len().min(TOOL_CALLS_PER_ANSWER));
    if run.iter().any(|c| writes(&c.name)) {
        for call in run {
            results.push(one(context, call, failures).await);
        }
    } else {
        // Reads only: a group at a time, so that memory stays bounded.
        for group in run.chunks(PARALLEL_READS) {
            let pending: Vec<_> = group.iter().map(|call| (call, failures.refusal(call))).collect();
            let mut futures: Vec<_> = pending
                .into_iter()
                .map(|(call, refusal)| {
                    Box::pin(async move {
                        match refusal {
                            Some(result) => result,
                            None => tool::call(context, &call.name, &call.arguments).await,
                        }
                    })
                })
                .collect();
            let mut done: Vec<Option<ToolResult>> = group.iter().map(|_| None).collect();
            std::future::poll_fn(|cx| {
                let mut open = false;
                for (future, slot) in futures.iter_mut().zip(&mut done) {
                    if slot.is_none() {
                        match future.as_mut().poll(cx) {
                            std::task::Poll::Ready(result) => *slot = Some(result),
                            std::task::Poll::Pending => open = true,
                        }
                    }
                }
                if open { std::task::Poll::Pending } else { std::task::Poll::Ready(()) }
            })
            .await;
            results.extend(done.into_iter().flatten());
        }
        for (call, result) in run.iter().zip(&results) {
            if result.is_error {
                failures.note(call);
            }
        }
    }
    let too_many = || {
        ToolResult::error(format!("not run: at most {TOOL_CALLS_PER_ANSWER} calls in one answer"))
    };
    results.extend(refused.iter().map(|_| too_many()));
    calls
        .iter()
        .zip(results)
        .map(|(call, result)| {
            if let (false, Some(text)) = (result.silent, &result.for_user) {
                show(text);
            }
            answer_to(call, result.for_model)
        })
        .collect()
}

async fn one(context: &ToolContext, call: &ToolCall, failures: &mut Failures) -> ToolResult {
    if let Some(refusal) = failures.refusal(call) {
        return refusal;
    }
    let result = tool::call(context, &call.name, &call.arguments).await;
    if result.is_error {
        failures.note(call);
    }
    result
}

/// The message that carries a call's result.
pub fn answer_to(call: &ToolCall, text: impl Into<String>) -> Message {
    Message { tool_call_id: Some(call.id.clone()), ..Message::text(Role::Tool, text) }
}
