//! Hooks: processes of the owner that see what the assistant does and judge it (`hooks.processes`), as in the Go original:
//! JSON-RPC 2.0, a line each way, over standard input and output (docs/hooks.md).
//!
//! They are asked in the order of their priority. A hook that only changes things is passed over when it fails; one that
//! approves ([`Hooks::approve`]) means no when it is not there, late, or says something else than yes.

mod launch;
mod process;
mod talk;
mod wire;

use std::future::poll_fn;
use std::pin::Pin;
use std::rc::Rc;
use std::task::Poll;
use std::time::Duration;

use async_io::Timer;
use smol::future::or;

use crate::config::{Config, redact};
use crate::limits::{HOOK_TEXT_CHARS, HOOKS_CLOSE};
use crate::proto::date;
use crate::proto::hook::{self, HookAction};
use crate::proto::json::{Json, TypeMismatch};
use crate::proto::text::one_line;
use crate::store::audit::{self, Who};
use crate::sys::clock;
use crate::tool::sandbox_plan::Plan;

pub use wire::{HookCall, Responded, TurnScope, arguments_of, quoted};

use process::HookProcess;
use wire::{Changed, changed_call, head, members, responded, written};

/// All hooks of a configuration, in their order.
pub struct Hooks {
    config: Rc<Config>,
    processes: Vec<HookProcess>,
}

/// What hooks make of a call, a request or an answer.
#[derive(Debug, PartialEq, Eq)]
pub enum HookVerdict<T> {
    /// Continue with this instead.
    Continue(T),
    /// The tool is not run, and this is the result.
    Respond(Responded),
    /// The tool is not run; why, for the model.
    Deny(String),
    /// The turn ends; why, for the user.
    Abort(String),
}

impl Hooks {
    /// Starts none of them yet.
    pub fn new(config: Rc<Config>) -> Hooks {
        let home = &config.home;
        let new = |hook| HookProcess::new(hook, home.clone());
        let processes = config.hooks.processes.iter().cloned().map(new).collect();
        Hooks { config, processes }
    }

    /// No hook is switched on.
    pub fn is_empty(&self) -> bool {
        self.processes.is_empty()
    }

    /// Runs all of them until [`Hooks::close`].
    pub async fn run(&self) {
        let plan = || Plan::new(&self.config, &[]);
        let mut running: Vec<Option<Pin<Box<dyn Future<Output = ()> + '_>>>> = Vec::new();
        for process in &self.processes {
            running.push(Some(Box::pin(process.run(plan))));
        }
        poll_fn(|cx| {
            for slot in &mut running {
                if slot.as_mut().is_some_and(|run| run.as_mut().poll(cx).is_ready()) {
                    *slot = None;
                }
            }
            if running.iter().all(Option::is_none) { Poll::Ready(()) } else { Poll::Pending }
        })
        .await;
    }

    /// Ends all of them, while [`Hooks::run`] is polled.
    pub async fn close(&self) {
        self.processes.iter().for_each(HookProcess::close);
        let late = async {
            Timer::after(HOOKS_CLOSE).await;
        };
        let closed = async {
            for process in &self.processes {
                process.closed().await;
            }
        };
        or(closed, late).await;
    }

    /// A line for each, `NAME: STATE ...`.
    pub fn report(&self) -> Vec<String> {
        self.processes.iter().map(HookProcess::report).collect()
    }

    /// Whether a hook may change calls of tools: then they run one after the other.
    pub fn change_calls(&self) -> bool {
        self.processes.iter().any(|p| p.config.tool)
    }

    /// Whether a hook sees requests to models.
    pub fn see_requests(&self) -> bool {
        self.processes.iter().any(|p| p.config.llm)
    }

    /// Whether a hook wants to know of anything that happens.
    pub fn observe(&self, kind: &str) -> bool {
        self.processes.iter().any(|p| p.observes(kind))
    }

    /// Tells whoever observes this kind of event; `payload` is made only where somebody does.
    pub fn event(&self, scope: TurnScope<'_>, kind: &str, payload: impl FnOnce() -> String) {
        if !self.observe(kind) {
            return;
        }
        let TurnScope { chat, sender, .. } = scope;
        let params = format!(
            "{{\"id\":\"{}-{}\",\"kind\":\"{kind}\",\"time\":\"{}\",\"source\":{{\"component\":\"agent\",\"name\":\"main\"}},\
             \"scope\":{{\"agent_id\":\"main\",\"session_key\":{},\"turn_id\":\"turn-{}\",\"channel\":{},\"chat_id\":{},\
             \"topic_id\":{},\"sender_id\":{}}},\"severity\":\"info\",\"payload\":{}}}",
            scope.turn,
            scope.round,
            date::rfc3339(clock::unix_now()),
            quoted(scope.session),
            scope.turn,
            quoted(&chat.channel),
            quoted(&chat.chat),
            quoted(&chat.topic),
            quoted(&sender.id),
            payload()
        );
        let limit = millis(self.config.hooks.observer_timeout_ms);
        for process in self.processes.iter().filter(|p| p.observes(kind)) {
            process.notify("hook.runtime_event", &params, limit);
        }
    }

    /// Before a tool is run: whether, which, and with what.
    pub async fn before_tool(&self, scope: TurnScope<'_>, call: HookCall) -> HookVerdict<HookCall> {
        const METHOD: &str = "hook.before_tool";
        let mut call = call;
        for process in self.processes.iter().filter(|p| p.config.tool) {
            let params = [head(scope, "turn.tool.before"), members(&call), "}".into()].concat();
            let Some(answer) = self.asked(process, METHOD, &params).await else { continue };
            let mismatch = TypeMismatch::default();
            let Ok(json) = Json::parse(&answer, &mismatch) else { continue };
            let Some((action, reason)) = decided(process, METHOD, json) else { continue };
            match action {
                HookAction::Continue => match changed_call(&call, json) {
                    Ok(Some(changed)) => call = changed,
                    Ok(None) => {}
                    Err(why) => process.fault(METHOD, &why),
                },
                HookAction::Respond => match hook::nested(json, "result").map(responded) {
                    Some(Ok(result)) => {
                        record(scope, &call, "answered by hook", &process.config.name, "");
                        return HookVerdict::Respond(result);
                    }
                    _ => process.fault(METHOD, "it responds without a result"),
                },
                HookAction::DenyTool => {
                    record(scope, &call, "refused", &process.config.name, &reason);
                    return HookVerdict::Deny(with_reason(
                        "Tool execution denied by hook",
                        &reason,
                    ));
                }
                HookAction::AbortTurn => {
                    record(scope, &call, "refused", &process.config.name, &reason);
                    return HookVerdict::Abort(aborted(process, &reason));
                }
                HookAction::Unknown => process.fault(METHOD, "an action that is not known here"),
            }
        }
        HookVerdict::Continue(call)
    }

    /// After a tool has run: its result.
    pub async fn after_tool(
        &self,
        scope: TurnScope<'_>,
        call: &HookCall,
        result: Responded,
        took: Duration,
    ) -> HookVerdict<Responded> {
        const METHOD: &str = "hook.after_tool";
        let mut result = result;
        for process in self.processes.iter().filter(|p| p.config.tool) {
            let params = format!(
                "{}{},\"result\":{},\"duration\":{}}}",
                head(scope, "turn.tool.after"),
                members(call),
                written(&result),
                took.as_nanos()
            );
            match self.change(process, METHOD, &params, "result", responded).await {
                HookVerdict::Continue(Some(changed)) => result = changed,
                HookVerdict::Abort(why) => return HookVerdict::Abort(why),
                _ => {}
            }
        }
        HookVerdict::Continue(result)
    }

    /// Whether every approver allows a call; only a yes of each does.
    ///
    /// # Errors
    /// Why not, for the model.
    pub async fn approve(&self, scope: TurnScope<'_>, call: &HookCall) -> Result<(), String> {
        const METHOD: &str = "hook.approve_tool";
        for process in self.processes.iter().filter(|p| p.config.approve) {
            let name = &process.config.name;
            let params = [head(scope, "turn.tool.approve"), members(call), "}".into()].concat();
            let limit = millis(self.config.hooks.approval_timeout_ms);
            let reason = match process.ask(METHOD, &params, limit).await {
                Ok(answer) => {
                    let mismatch = TypeMismatch::default();
                    let read = Json::parse(&answer, &mismatch)
                        .map_err(|_| "its answer is no decision")
                        .and_then(hook::approval);
                    match read {
                        Ok((true, _)) => continue,
                        Ok((false, reason)) => one_line(&reason, HOOK_TEXT_CHARS),
                        Err(why) => {
                            process.fault(METHOD, why);
                            format!("tool approval hook \"{name}\" failed: {why}")
                        }
                    }
                }
                Err(why) => format!("tool approval hook \"{name}\" failed: {why}"),
            };
            record(scope, call, "refused", name, &reason);
            return Err(with_reason("Tool execution denied by approval hook", &reason));
        }
        Ok(())
    }

    /// Before a request to a model. `members` are those of the request, without braces; `take` reads what the answer changes.
    pub async fn before_llm<T>(
        &self,
        scope: TurnScope<'_>,
        members: impl Fn(Option<&T>) -> String,
        take: impl Fn(Json<'_>) -> Changed<T>,
    ) -> HookVerdict<Option<T>> {
        self.around_llm(["turn.llm.request", "hook.before_llm", "request"], scope, members, take)
            .await
    }

    /// After a model's answer; as [`Hooks::before_llm`].
    pub async fn after_llm<T>(
        &self,
        scope: TurnScope<'_>,
        members: impl Fn(Option<&T>) -> String,
        take: impl Fn(Json<'_>) -> Changed<T>,
    ) -> HookVerdict<Option<T>> {
        self.around_llm(["turn.llm.response", "hook.after_llm", "response"], scope, members, take)
            .await
    }

    /// Asks each hook in turn what the one before it left; names of the event, the method and the member of the answer.
    async fn around_llm<T>(
        &self,
        [event, method, key]: [&str; 3],
        scope: TurnScope<'_>,
        members: impl Fn(Option<&T>) -> String,
        take: impl Fn(Json<'_>) -> Changed<T>,
    ) -> HookVerdict<Option<T>> {
        let mut current = None;
        for process in self.processes.iter().filter(|p| p.config.llm) {
            let params = format!("{}{}}}", head(scope, event), members(current.as_ref()));
            match self.change(process, method, &params, key, &take).await {
                HookVerdict::Continue(Some(changed)) => current = changed.or(current),
                HookVerdict::Abort(why) => return HookVerdict::Abort(why),
                _ => {}
            }
        }
        HookVerdict::Continue(current)
    }

    /// Asks one hook that may change what `key` of its answer holds; a hook that fails changes nothing.
    async fn change<T>(
        &self,
        process: &HookProcess,
        method: &str,
        params: &str,
        key: &str,
        take: impl Fn(Json<'_>) -> Result<T, String>,
    ) -> HookVerdict<Option<T>> {
        let Some(answer) = self.asked(process, method, params).await else {
            return HookVerdict::Continue(None);
        };
        let mismatch = TypeMismatch::default();
        let Ok(json) = Json::parse(&answer, &mismatch) else { return HookVerdict::Continue(None) };
        match decided(process, method, json) {
            Some((HookAction::Continue, _)) => match hook::nested(json, key).map(&take) {
                Some(Ok(changed)) => return HookVerdict::Continue(Some(changed)),
                Some(Err(why)) => process.fault(method, &why),
                None => {}
            },
            Some((HookAction::AbortTurn, reason)) => {
                return HookVerdict::Abort(aborted(process, &reason));
            }
            Some(_) => process.fault(method, "an action that is not known here"),
            None => {}
        }
        HookVerdict::Continue(None)
    }

    /// Asks one hook that is passed over when it does not answer.
    async fn asked(&self, process: &HookProcess, method: &str, params: &str) -> Option<String> {
        let limit = millis(self.config.hooks.interceptor_timeout_ms);
        process.ask(method, params, limit).await.ok()
    }
}

impl HookProcess {
    fn observes(&self, kind: &str) -> bool {
        self.config.observe.as_ref().is_none_or(|kinds| kinds.iter().any(|k| k == kind))
    }

    /// It answers, but not as it should.
    fn fault(&self, method: &str, why: &str) {
        crate::log::warn!("hook {}: {method}: {why}", self.config.name);
        self.note_error(why);
    }
}

fn millis(ms: u32) -> Duration {
    Duration::from_millis(ms.into())
}

/// The action and reason of an answer; a fault is noted.
fn decided(process: &HookProcess, method: &str, json: Json<'_>) -> Option<(HookAction, String)> {
    match hook::decision(json) {
        Ok((action, reason)) => Some((action, one_line(&reason, HOOK_TEXT_CHARS))),
        Err(why) => {
            process.fault(method, why);
            None
        }
    }
}

fn with_reason(text: &str, reason: &str) -> String {
    if reason.is_empty() { text.to_owned() } else { format!("{text}: {reason}") }
}

fn aborted(process: &HookProcess, reason: &str) -> String {
    with_reason(&format!("The hook {} ended this turn", process.config.name), reason)
}

/// Into the audit log.
fn record(scope: TurnScope<'_>, call: &HookCall, result: &str, hook: &str, reason: &str) {
    let secrets = crate::log::secrets();
    let who = Who { channel: &scope.chat.channel, chat: &scope.chat.chat, user: &scope.sender.id };
    let (arguments, why) = (redact(&call.arguments, &secrets, 0), redact(reason, &secrets, 0));
    let fields = [
        ("tool", &*call.tool),
        ("result", result),
        ("hook", hook),
        ("why", &why),
        ("arguments", &arguments),
    ];
    audit::record(who, &fields);
}
