//! spawn, subagent, spawn_status, spawn_cancel: work for a separate agent. The tools only write a [`SubagentRequest`];
//! the hub executes it.

use super::args::{Args, text};
use super::context::ToolContext;
use super::result::ToolResult;
use super::spec::{Effect, Needs, ToolSpec};
use super::subagent_handle::{SubagentReply, SubagentRequest};
use crate::limits::{SUBAGENT_SHOWN, SUBAGENT_TASK_BYTES};
use crate::proto::text::{one_line, truncate};

/// Starts a sub-agent that reports later.
pub static SPAWN: ToolSpec = ToolSpec {
    name: "spawn",
    description: "Hand a task to a sub-agent that works in the background with your tools. It does not see this conversation: put everything it needs into the task. Its result comes later as a message of its own.",
    schema: r#"{"type":"object","properties":{"task":{"type":"string"},"label":{"type":"string","description":"A few words for the user"}},"required":["task"]}"#,
    effect: Effect::Writes,
    run: |ctx, args| Box::pin(call(ctx, "spawn", args)),
    needs: Needs::Subagents,
    ..ToolSpec::PLAIN
};

/// Starts a sub-agent and waits for its result.
pub static SUBAGENT: ToolSpec = ToolSpec {
    name: "subagent",
    description: "The same, but wait for the result.",
    schema: SPAWN.schema,
    effect: Effect::Writes,
    run: |ctx, args| Box::pin(call(ctx, "subagent", args)),
    needs: Needs::Subagents,
    marks_untrusted: |_| true,
    ..ToolSpec::PLAIN
};

/// Reports the state of the sub-agents.
pub static SPAWN_STATUS: ToolSpec = ToolSpec {
    name: "spawn_status",
    description: "What the sub-agents of this conversation are doing.",
    schema: r#"{"type":"object","properties":{"task_id":{"type":"string","description":"Only this one, e.g. subagent-7"}}}"#,
    effect: Effect::Reads,
    run: |ctx, args| Box::pin(call(ctx, "spawn_status", args)),
    needs: Needs::Subagents,
    ..ToolSpec::PLAIN
};

/// `spawn_cancel`: ends a sub-agent of this conversation.
pub static SPAWN_CANCEL: ToolSpec = ToolSpec {
    name: "spawn_cancel",
    description: "Stop a sub-agent of this conversation; nothing more comes from it.",
    schema: r#"{"type":"object","properties":{"task_id":{"type":"string"}},"required":["task_id"]}"#,
    effect: Effect::Writes,
    run: |ctx, args| Box::pin(call(ctx, "spawn_cancel", args)),
    needs: Needs::Subagents,
    ..ToolSpec::PLAIN
};

/// Runs a call of one of the four.
async fn call(ctx: &ToolContext, name: &str, args: &Args) -> ToolResult {
    let Some(handle) = &ctx.subagents else {
        return ToolResult::error(format!("{name} is not available here"));
    };
    let id = text(args, "task_id").trim().to_owned();
    let request = match name {
        "spawn_status" => SubagentRequest::Status(id),
        "spawn_cancel" => SubagentRequest::Cancel(id),
        _ => match start(ctx, name == "subagent", args) {
            Ok(request) => request,
            Err(e) => return ToolResult::error(e),
        },
    };
    match (handle.request)(request).await {
        Ok(SubagentReply::Said(text)) => {
            ToolResult { background: name == "spawn", ..ToolResult::silent(text) }
        }
        Ok(SubagentReply::Ended(ended)) if ended.failed => {
            ToolResult::error(format!("the sub-agent failed: {}", ended.text))
        }
        Ok(SubagentReply::Ended(ended)) => ToolResult {
            for_user: Some(truncate(&ended.text, SUBAGENT_SHOWN)),
            ..ToolResult::text(format!(
                "The sub-agent has finished after {} model calls. Result:\n{}",
                ended.rounds, ended.text
            ))
        },
        Err(e) => ToolResult::error(e),
    }
}

fn start(ctx: &ToolContext, wait: bool, args: &Args) -> Result<SubagentRequest, String> {
    let task = text(args, "task").trim();
    if task.is_empty() {
        return Err("task is required".into());
    }
    if task.len() > SUBAGENT_TASK_BYTES {
        return Err(format!(
            "task has more than {SUBAGENT_TASK_BYTES} bytes; write it to a file and name that"
        ));
    }
    let label = match text(args, "label").trim() {
        "" => task,
        label => label,
    };
    let untrusted = ctx.trust.untrusted.get();
    Ok(SubagentRequest::Start {
        task: task.to_owned(),
        label: one_line(label, 60),
        wait,
        untrusted,
    })
}

#[cfg(test)]
mod tests {
    use std::cell::RefCell;
    use std::pin::Pin;
    use std::rc::Rc;

    use super::*;
    use crate::bus::Address;
    use crate::net::http::HttpClient;
    use crate::tool::subagent_handle::{SubagentHandle, SubagentResult};

    fn context(
        requests: &Rc<RefCell<Vec<SubagentRequest>>>,
        answer: fn() -> Result<SubagentReply, String>,
    ) -> ToolContext {
        let requests = requests.clone();
        let request = Rc::new(move |request| {
            requests.borrow_mut().push(request);
            Box::pin(async move { answer() }) as Pin<Box<dyn Future<Output = _>>>
        });
        ToolContext {
            config: Rc::default(),
            http: HttpClient::new().expect("a client"),
            chat: Address::default(),
            sender: Default::default(),
            send_message: None,
            files: None,
            secrets: Default::default,
            readable_roots: Rc::new([]),
            trust: Default::default(),
            cron: None,
            subagents: Some(SubagentHandle { request, unrecorded: Rc::default() }),
        }
    }

    #[track_caller]
    fn called(
        name: &str,
        args: &str,
        answer: fn() -> Result<SubagentReply, String>,
    ) -> (Vec<SubagentRequest>, ToolResult) {
        let requests = Rc::default();
        let ctx = context(&requests, answer);
        let args = serde_json::from_str(args).expect("arguments");
        let result = smol::block_on(call(&ctx, name, &args));
        let requests = requests.borrow().clone();
        (requests, result)
    }

    fn said() -> Result<SubagentReply, String> {
        Ok(SubagentReply::Said("begun".into()))
    }

    #[test]
    fn orders_are_written() {
        let (requests, result) = called("spawn", r#"{"task":" look\nthere ","label":""}"#, said);
        let want = SubagentRequest::Start {
            task: "look\nthere".into(),
            label: "look there".into(),
            wait: false,
            untrusted: false,
        };
        assert_eq!(requests, [want]);
        assert!(result.background && result.silent && result.for_model == "begun");
        let (requests, _) = called("spawn_cancel", r#"{"task_id":"subagent-7"}"#, said);
        assert_eq!(requests, [SubagentRequest::Cancel("subagent-7".into())]);
        let (requests, _) = called("spawn_status", "{}", said);
        assert_eq!(requests, [SubagentRequest::Status(String::new())]);
    }

    #[test]
    fn results_are_for_the_model_in_full_and_for_the_user_in_short() {
        let ended = || {
            Ok(SubagentReply::Ended(SubagentResult {
                text: "x".repeat(900),
                failed: false,
                rounds: 3,
            }))
        };
        let (_, result) = called("subagent", r#"{"task":"a"}"#, ended);
        assert!(
            result.for_model.contains(&"x".repeat(900)) && result.for_model.contains("3 model")
        );
        let shown = result.for_user.expect("something for the user").chars().count();
        assert!(shown <= SUBAGENT_SHOWN && !result.is_error && !result.silent);
        let failed = || {
            Ok(SubagentReply::Ended(SubagentResult { text: "why".into(), failed: true, rounds: 1 }))
        };
        let (_, result) = called("subagent", r#"{"task":"a"}"#, failed);
        assert!(result.is_error && result.for_model.ends_with("failed: why"));
    }

    #[test]
    fn refusals() {
        let long = format!(r#"{{"task":"{}"}}"#, "x".repeat(SUBAGENT_TASK_BYTES + 1));
        for (args, want) in [(r#"{"task":" "}"#, "required"), (long.as_str(), "bytes")] {
            let (requests, result) = called("spawn", args, said);
            assert!(requests.is_empty() && result.is_error && result.for_model.contains(want));
        }
    }
}
