//! What hooks ([`crate::hook`]) make of a turn's calls, and what observers are told of the turn.

use std::cell::{Cell, RefCell};
use std::time::Instant;

use crate::bus::Inbound;
use crate::hook::{HookCall, HookVerdict, Hooks, Responded, TurnScope, arguments_of, quoted};
use crate::limits::TOOL_ARGS_BYTES;
use crate::message::ToolCall;
use crate::tool::{self, ToolContext, ToolResult};

/// Result of the calls behind one with which a hook ended the turn.
const NOT_RUN: &str = "not run: a hook ended this turn";

/// The hooks, for one turn.
pub(super) struct Hooked<'a> {
    hooks: &'a Hooks,
    scope: Cell<TurnScope<'a>>,
    abort: RefCell<Option<String>>,
}

impl<'a> Hooked<'a> {
    pub(super) fn new(hooks: &'a Hooks, scope: TurnScope<'a>) -> Hooked<'a> {
        Hooked { hooks, scope: Cell::new(scope), abort: RefCell::default() }
    }

    /// There are hooks, which calls have to pass.
    pub(super) fn applies(&self) -> bool {
        !self.hooks.is_empty()
    }

    /// Whether calls may change ([`Hooks::change_calls`]).
    pub(super) fn change_calls(&self) -> bool {
        self.hooks.change_calls()
    }

    /// Requests to the model so far.
    pub(super) fn set_round(&self, round: u32) {
        self.scope.set(TurnScope { round, ..self.scope.get() });
    }

    /// Why a hook has ended the turn.
    pub(super) fn aborted(&self) -> Option<String> {
        self.abort.take()
    }

    fn scope(&self) -> TurnScope<'a> {
        self.scope.get()
    }

    /// Runs a call as the hooks have it. The person is asked behind them, where the call asks.
    pub(super) async fn call(&self, ctx: &ToolContext, call: &ToolCall) -> ToolResult {
        if self.abort.borrow().is_some() {
            return ToolResult::error(NOT_RUN);
        }
        let arguments = Some(&call.arguments)
            .filter(|text| text.len() <= TOOL_ARGS_BYTES)
            .and_then(|text| arguments_of(text));
        let Some(arguments) = arguments else {
            // It fails by itself.
            return tool::call(ctx, &call.name, &call.arguments).await;
        };
        let asked = HookCall { tool: call.name.clone(), arguments };
        let run = match self.hooks.before_tool(self.scope(), asked).await {
            HookVerdict::Continue(run) => run,
            HookVerdict::Respond(result) => return self.respond(ctx, &call.name, result),
            HookVerdict::Deny(why) => return self.skipped(&call.name, why),
            HookVerdict::Abort(why) => return self.end(why),
        };
        if let Err(why) = self.hooks.approve(self.scope(), &run).await {
            return self.skipped(&run.tool, why);
        }
        self.started(&run);
        let begun = Instant::now();
        let mut result = tool::call(ctx, &run.tool, &run.arguments).await;
        if self.change_calls() {
            let seen = Responded {
                for_model: result.for_model.clone(),
                for_user: result.for_user.clone().unwrap_or_default(),
                silent: result.silent,
                is_error: result.is_error,
            };
            match self.hooks.after_tool(self.scope(), &run, seen.clone(), begun.elapsed()).await {
                HookVerdict::Continue(changed) if changed != seen => {
                    result = tool::finish(merged(result, changed), &ctx.config, &(ctx.secrets)());
                }
                // The tool has run: its result stays, so that nobody runs it again.
                HookVerdict::Abort(why) => drop(self.abort.replace(Some(why))),
                _ => {}
            }
        }
        self.tool_ended(&run.tool, begun, &result);
        result
    }

    /// A hook has answered instead of the tool: nobody knows from where.
    fn respond(&self, ctx: &ToolContext, tool: &str, result: Responded) -> ToolResult {
        ctx.trust.untrusted.set(true);
        let result = merged(ToolResult::default(), result);
        let result = tool::finish(result, &ctx.config, &(ctx.secrets)());
        self.tool_ended(tool, Instant::now(), &result);
        result
    }

    fn end(&self, why: String) -> ToolResult {
        self.abort.replace(Some(why));
        ToolResult::error(NOT_RUN)
    }

    fn skipped(&self, tool: &str, why: String) -> ToolResult {
        self.hooks.event(self.scope(), "agent.tool.exec_skipped", || {
            format!("{{\"Tool\":{},\"Reason\":{}}}", quoted(tool), quoted(&why))
        });
        ToolResult::error(why)
    }

    fn started(&self, call: &HookCall) {
        self.hooks.event(self.scope(), "agent.tool.exec_start", || {
            format!("{{\"Tool\":{},\"Arguments\":{}}}", quoted(&call.tool), call.arguments)
        });
    }

    fn tool_ended(&self, tool: &str, begun: Instant, result: &ToolResult) {
        self.hooks.event(self.scope(), "agent.tool.exec_end", || {
            format!(
                "{{\"Tool\":{},\"Duration\":{},\"ForLLMLen\":{},\"ForUserLen\":{},\"IsError\":{},\"Async\":{}}}",
                quoted(tool),
                begun.elapsed().as_nanos(),
                result.for_model.len(),
                result.for_user.as_ref().map_or(0, String::len),
                result.is_error,
                result.background
            )
        });
    }
}

fn merged(result: ToolResult, changed: Responded) -> ToolResult {
    ToolResult {
        for_model: changed.for_model,
        for_user: Some(changed.for_user).filter(|text| !text.is_empty()),
        silent: changed.silent,
        is_error: changed.is_error,
        ..result
    }
}

/// Tells observers of a turn's begin and end, however it ends.
pub(super) struct TurnEvents<'a> {
    hooks: &'a Hooks,
    scope: TurnScope<'a>,
    message: &'a Inbound,
    begun: Instant,
    over: bool,
}

impl<'a> TurnEvents<'a> {
    pub(super) fn begin(
        hooks: &'a Hooks,
        scope: TurnScope<'a>,
        message: &'a Inbound,
    ) -> TurnEvents<'a> {
        hooks.event(scope, "agent.turn.start", || {
            format!(
                "{{\"UserMessage\":{},\"MediaCount\":{}}}",
                quoted(&message.text),
                message.attachments.len()
            )
        });
        TurnEvents { hooks, scope, message, begun: Instant::now(), over: false }
    }

    /// It ended with this answer.
    pub(super) fn end(mut self, failed: bool, rounds: u32, text: &str) {
        self.scope.round = rounds;
        if failed {
            self.hooks.event(self.scope, "agent.error", || {
                format!("{{\"Stage\":\"turn\",\"Message\":{}}}", quoted(text))
            });
        }
        self.over = true;
        self.tell(if failed { "error" } else { "completed" }, text);
    }

    fn tell(&self, status: &str, text: &str) {
        self.hooks.event(self.scope, "agent.turn.end", || {
            format!(
                "{{\"Status\":\"{status}\",\"Iterations\":{},\"Duration\":{},\"FinalContentLen\":{},\
                 \"UserMessage\":{},\"FinalContent\":{}}}",
                self.scope.round,
                self.begun.elapsed().as_nanos(),
                text.len(),
                quoted(&self.message.text),
                quoted(text)
            )
        });
    }
}

impl Drop for TurnEvents<'_> {
    fn drop(&mut self) {
        if !self.over {
            self.tell("aborted", "");
        }
    }
}
