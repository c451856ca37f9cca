//! spawn, subagent, spawn_status, spawn_cancel: work handed to an agent of its own. The tools only write an [`Order`];
//! what runs the turns carries it out.

use std::cell::RefCell;
use std::pin::Pin;
use std::rc::Rc;

use smol::channel::Sender;

use super::schema::text;
use super::{Args, Effect, Needs, ToolContext, ToolResult, ToolSpec};
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

/// Says what the sub-agents do.
pub static SPAWN_STATUS: ToolSpec = ToolSpec {
    name: "spawn_status",
    description: "What the sub-agents of this conversation are doing.",
    schema: r#"{"type":"object","properties":{"task_id":{"type":"string","description":"Only this one, e.g. subagent-7"}}}"#,
    effect: Effect::Reads,
    run: |ctx, args| Box::pin(call(ctx, "spawn_status", args)),
    needs: Needs::Subagents,
    ..ToolSpec::PLAIN
};

/// Ends a sub-agent.
pub static SPAWN_CANCEL: ToolSpec = ToolSpec {
    name: "spawn_cancel",
    description: "Stop a sub-agent of this conversation; nothing more comes from it.",
    schema: r#"{"type":"object","properties":{"task_id":{"type":"string"}},"required":["task_id"]}"#,
    effect: Effect::Writes,
    run: |ctx, args| Box::pin(call(ctx, "spawn_cancel", args)),
    needs: Needs::Subagents,
    ..ToolSpec::PLAIN
};

/// Is it one of these tools?
pub fn is(name: &str) -> bool {
    super::spec(name).is_some_and(|spec| spec.needs == Needs::Subagents)
}

/// What is wanted of the sub-agents.
#[derive(Clone, Debug, PartialEq)]
pub enum Order {
    /// A new one.
    Start {
        /// What it is to do.
        task: String,
        /// For people.
        label: String,
        /// The call waits for its end.
        wait: bool,
        /// Text of others may be behind the task.
        untrusted: bool,
    },
    /// A list of all, or of the one of this id.
    Status(String),
    /// The end of one.
    Cancel(String),
}

/// How a sub-agent that was waited for ended.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct Ended {
    /// Its last words, or why there are none.
    pub text: String,
    /// It came to no result.
    pub failed: bool,
    /// Model calls it took.
    pub rounds: u32,
}

/// What an order came to.
#[derive(Debug)]
pub enum Done {
    /// A sentence.
    Said(String),
    /// The end of what was waited for.
    Ended(Ended),
}

/// A journal entry that is over as soon as the result it led to is recorded; dropped unrecorded, it is over as well.
#[derive(Debug)]
pub struct Handed {
    /// The entry.
    pub id: u64,
    /// Held by whoever has to record it.
    pub held: Sender<()>,
}

/// Results that were handed over and are not recorded yet.
pub type Unrecorded = Rc<RefCell<Vec<Handed>>>;

/// An order's outcome, awaited; the error is for the model.
type Carried = Pin<Box<dyn Future<Output = Result<Done, String>>>>;

/// Carries orders of one turn out.
#[derive(Clone)]
pub struct SubagentHandle {
    /// Takes one.
    pub order: Rc<dyn Fn(Order) -> Carried>,
    /// See [`Handed`].
    pub unrecorded: Unrecorded,
}

/// Runs a call of one of the four.
async fn call(ctx: &ToolContext, name: &str, args: &Args) -> ToolResult {
    let Some(handle) = &ctx.subagents else {
        return ToolResult::error(format!("{name} is not available here"));
    };
    let id = text(args, "task_id").trim().to_owned();
    let order = match name {
        "spawn_status" => Order::Status(id),
        "spawn_cancel" => Order::Cancel(id),
        _ => match start(ctx, name == "subagent", args) {
            Ok(order) => order,
            Err(e) => return ToolResult::error(e),
        },
    };
    match (handle.order)(order).await {
        Ok(Done::Said(text)) => {
            ToolResult { background: name == "spawn", ..ToolResult::silent(text) }
        }
        Ok(Done::Ended(ended)) if ended.failed => {
            ToolResult::error(format!("the sub-agent failed: {}", ended.text))
        }
        Ok(Done::Ended(ended)) => ToolResult {
            for_user: Some(truncate(&ended.text, SUBAGENT_SHOWN)),
            ..ToolResult::text(format!(
                "The sub-agent has finished after {} model calls. Result:\n{}",
                ended.rounds, ended.text
            ))
        },
        Err(e) => ToolResult::error(e),
    }
}

fn start(ctx: &ToolContext, wait: bool, args: &Args) -> Result<Order, String> {
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
    Ok(Order::Start { task: task.to_owned(), label: one_line(label, 60), wait, untrusted })
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::bus::Address;
    use crate::net::http::Client;

    fn context(
        orders: &Rc<RefCell<Vec<Order>>>,
        answer: fn() -> Result<Done, String>,
    ) -> ToolContext {
        let orders = orders.clone();
        let order = Rc::new(move |order| {
            orders.borrow_mut().push(order);
            Box::pin(async move { answer() }) as Pin<Box<dyn Future<Output = _>>>
        });
        ToolContext {
            config: Rc::default(),
            http: Client::new().expect("a client"),
            chat: Address::default(),
            sender: Default::default(),
            send_message: None,
            files: None,
            secrets: Default::default,
            readable_roots: Rc::new([]),
            trust: Default::default(),
            cron: None,
            subagents: Some(SubagentHandle { order, unrecorded: Rc::default() }),
        }
    }

    #[track_caller]
    fn called(
        name: &str,
        args: &str,
        answer: fn() -> Result<Done, String>,
    ) -> (Vec<Order>, ToolResult) {
        let orders = Rc::default();
        let ctx = context(&orders, answer);
        let args = serde_json::from_str(args).expect("arguments");
        let result = smol::block_on(call(&ctx, name, &args));
        let orders = orders.borrow().clone();
        (orders, result)
    }

    fn said() -> Result<Done, String> {
        Ok(Done::Said("begun".into()))
    }

    #[test]
    fn orders_are_written() {
        let (orders, result) = called("spawn", r#"{"task":" look\nthere ","label":""}"#, said);
        let want = Order::Start {
            task: "look\nthere".into(),
            label: "look there".into(),
            wait: false,
            untrusted: false,
        };
        assert_eq!(orders, [want]);
        assert!(result.background && result.silent && result.for_model == "begun");
        let (orders, _) = called("spawn_cancel", r#"{"task_id":"subagent-7"}"#, said);
        assert_eq!(orders, [Order::Cancel("subagent-7".into())]);
        let (orders, _) = called("spawn_status", "{}", said);
        assert_eq!(orders, [Order::Status(String::new())]);
    }

    #[test]
    fn results_are_for_the_model_in_full_and_for_the_user_in_short() {
        let ended = || Ok(Done::Ended(Ended { text: "x".repeat(900), failed: false, rounds: 3 }));
        let (_, result) = called("subagent", r#"{"task":"a"}"#, ended);
        assert!(
            result.for_model.contains(&"x".repeat(900)) && result.for_model.contains("3 model")
        );
        let shown = result.for_user.expect("something for the user").chars().count();
        assert!(shown <= SUBAGENT_SHOWN && !result.is_error && !result.silent);
        let failed = || Ok(Done::Ended(Ended { text: "why".into(), failed: true, rounds: 1 }));
        let (_, result) = called("subagent", r#"{"task":"a"}"#, failed);
        assert!(result.is_error && result.for_model.ends_with("failed: why"));
    }

    #[test]
    fn refusals() {
        let long = format!(r#"{{"task":"{}"}}"#, "x".repeat(SUBAGENT_TASK_BYTES + 1));
        for (args, want) in [(r#"{"task":" "}"#, "required"), (long.as_str(), "bytes")] {
            let (orders, result) = called("spawn", args, said);
            assert!(orders.is_empty() && result.is_error && result.for_model.contains(want));
        }
    }
}
