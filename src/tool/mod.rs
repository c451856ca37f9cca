//! What the model may call: one descriptor per tool, and the code around a call.
//!
//! To add a tool: a file with a `static` [`ToolSpec`] here, and a line in `src/registry.rs`
//! (docs/contributing/adding-a-tool.md). A tool never imports a channel; it returns a result, or passes messages to
//! [`ToolContext::sender`].

pub mod addresses;
pub mod approval;
#[cfg(feature = "embeddings")]
pub mod embeddings;
pub mod guard;
pub mod prompt_files;
pub mod sandbox;
pub mod schema;
pub mod scope;
pub mod workspace_group;

use std::borrow::Cow;
use std::future::Future;
use std::path::PathBuf;
use std::pin::Pin;
use std::rc::Rc;
use std::sync::Arc;

use serde_json::{Map, Value};

use crate::Result;
use crate::bus::{Address, Outbound, Sender, Upload};
use crate::config::nearest::nearest;
use crate::config::{Config, redact};
use crate::limits::TOOL_RESULT_BYTES;
use crate::net::http::Client;
use crate::proto::excerpt::keep_ends;
use crate::store::audit::Who;
use crate::sys::spawn_blocking;
use prompt_files::Places;

/// The side effects of a tool.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Effect {
    /// None: calls of one answer may run concurrently, and again after a restart.
    Reads,
    /// Something that must not happen twice.
    Writes,
}

/// A tool's description for the model, and its properties.
#[derive(Debug)]
pub struct ToolSpec {
    /// Function name.
    pub name: &'static str,
    /// One or two sentences for the model.
    pub description: &'static str,
    /// JSON Schema of the arguments: `{"type":"object","properties":{…},"required":[…]}`.
    pub schema: &'static str,
    /// See [`Effect`].
    pub effect: Effect,
    /// Runs one call whose arguments match the schema.
    pub run: RunFn,
    /// Acts on the machine and not only on files and chats: unattended turns do not have it unless
    /// `tools.unattended` grants it.
    pub acts_on_machine: bool,
    /// Why a call waits for the user's yes whatever `tools.<name>.approval` says; `None` when that decides.
    pub always_asks: fn(&Args) -> Option<&'static str>,
    /// Why a call asks where `tools.<name>.approval` is `auto`; `None` when it does not.
    pub asks: fn(&ToolContext, &Args) -> Option<&'static str>,
    /// `run` calls [`approval::gate`] itself, after checks that avoid pointless questions.
    pub asks_itself: bool,
    /// The text of the question to the user.
    pub question: fn(&Args) -> String,
    /// The result contains untrusted text: later risky calls of the conversation ask.
    pub marks_untrusted: fn(&Args) -> bool,
    /// Whether it can change files that later prompts hold.
    pub writes_prompts: PromptWrites,
    /// Its results hold addresses that the model may then fetch.
    pub reads_the_web: bool,
    /// Whether the configuration allows it, in addition to `tools.<name>.enabled`.
    pub available: fn(&Config) -> bool,
    /// What the turn must provide.
    pub needs: Needs,
}

impl ToolSpec {
    /// The defaults of a tool: it only reads, asks nobody, needs nothing.
    pub const PLAIN: ToolSpec = ToolSpec {
        name: "",
        description: "",
        schema: "{}",
        effect: Effect::Reads,
        run: |_, _| Box::pin(async { ToolResult::default() }),
        acts_on_machine: false,
        always_asks: |_| None,
        asks: |_, _| None,
        asks_itself: false,
        question: approval::arguments,
        marks_untrusted: |_| false,
        writes_prompts: PromptWrites::No,
        reads_the_web: false,
        available: |_| true,
        needs: Needs::Nothing,
    };
}

/// How a tool can change files that enter later prompts ([`prompt_files`]).
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum PromptWrites {
    /// Not at all.
    No,
    /// Only as its arguments say, which a question shows.
    Shown,
    /// In ways that no question shows.
    Hidden,
}

/// A running tool call. Boxed, so that a turn needs only the memory of its call, not of the largest tool.
pub type ToolFuture<'a> = Pin<Box<dyn Future<Output = ToolResult> + 'a>>;

/// Starts a call. Dropping what it returns stops the call.
pub type RunFn = for<'a> fn(&'a ToolContext, &'a Args) -> ToolFuture<'a>;

/// What a tool needs from the turn; without it the model does not see the tool.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Needs {
    /// Only its arguments.
    Nothing,
    /// [`ToolContext::files`].
    Files,
    /// [`ToolContext::subagents`].
    Subagents,
}

/// The result of a call: upstream's ForLLM, ForUser, Silent, IsError, Async.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct ToolResult {
    /// The text for the model.
    pub for_model: String,
    /// The text for the chat, sent at once unless `silent`.
    pub for_user: Option<String>,
    /// Show the chat nothing.
    pub silent: bool,
    /// The call failed; `for_model` says why.
    pub is_error: bool,
    /// The work continues in the background and reports later.
    pub background: bool,
}

impl ToolResult {
    /// A result that only the model sees.
    pub fn silent(for_model: impl Into<String>) -> ToolResult {
        ToolResult { for_model: for_model.into(), silent: true, ..ToolResult::default() }
    }
    /// A result for the model; the chat sees the model's answer.
    pub fn text(for_model: impl Into<String>) -> ToolResult {
        ToolResult { for_model: for_model.into(), ..ToolResult::default() }
    }
    /// A failure that the model may react to.
    pub fn error(for_model: impl Into<String>) -> ToolResult {
        ToolResult { for_model: for_model.into(), is_error: true, ..ToolResult::default() }
    }
}

/// The environment of a call.
#[derive(Clone)]
pub struct ToolContext {
    /// The configuration in force.
    pub config: Rc<Config>,
    /// For the web tools.
    pub http: Client,
    /// The chat the turn belongs to.
    pub chat: Address,
    /// Who started the turn.
    pub sender: Sender,
    /// Takes the message tool's messages; `None` if nothing can be sent.
    pub send_message: Option<MessageSender>,
    /// Sends files; `None` if none can be sent.
    pub files: Option<FileSender>,
    /// Values that never appear in a result.
    pub secrets: fn() -> Arc<[String]>,
    /// Folders outside the workspace that may be read (skills).
    pub readable_roots: Rc<[PathBuf]>,
    /// How far the turn is trusted.
    pub trust: approval::Trust,
    /// Access to the cron jobs; `None` if there are none.
    pub cron: Option<cron::CronHandle>,
    /// Runs sub-agents; `None` if there are none, as in a sub-agent.
    pub subagents: Option<subagent::SubagentHandle>,
}

/// Sends a file to a chat, now; the error says why it did not arrive, or that this is unknown.
pub type FileSender =
    Rc<dyn Fn(Address, Upload) -> Pin<Box<dyn Future<Output = Result<(), String>>>>>;

/// Queues a message for delivery; the error says why it is not.
pub type MessageSender = Rc<dyn Fn(Outbound) -> Result<()>>;

/// Arguments, parsed and valid against the tool's schema.
pub type Args = Map<String, Value>;

macro_rules! modules {
    ($(
        #[cfg $gate:tt]
        mod $module:ident { $($name:ident = $spec:ident, $default:ident, $doc:literal;)* }
    )*) => {
        $(#[cfg $gate] pub mod $module;)*

        /// Every tool of this build, in the order the model is told of them.
        static TOOLS: &[&ToolSpec] = &[$($(#[cfg $gate] &$module::$spec,)*)*];
    };
}
crate::registry::tools!(modules);

/// The tools that the configuration enables.
pub fn specs(config: &Config) -> Vec<&'static ToolSpec> {
    offered(config, false)
}

/// The same for a turn; an unattended one has fewer.
pub fn offered(config: &Config, unattended: bool) -> Vec<&'static ToolSpec> {
    let granted = |spec: &&ToolSpec| approval::granted(config, spec, unattended);
    TOOLS.iter().copied().filter(|spec| enabled(config, spec)).filter(granted).collect()
}

/// The tool of this name, enabled or not.
pub fn spec(name: &str) -> Option<&'static ToolSpec> {
    TOOLS.iter().copied().find(|spec| spec.name == name)
}

fn enabled(config: &Config, spec: &ToolSpec) -> bool {
    (spec.available)(config) && !config.tools.disabled.iter().any(|name| name == spec.name)
}

/// Checks the configuration of tools: every expression must compile.
pub fn check(config: &Config) -> Result<()> {
    let scope = scope::Scope::new(config, &[]).map(|_| ());
    let guard = guard::Guard::new(&config.tools.exec).map(|_| ());
    scope.and(guard).map_err(crate::Error::new)
}

/// Runs one call as the model wrote it. Errors become the result's text; they never end the turn.
/// Dropping the future stops the call.
pub async fn call(ctx: &ToolContext, name: &str, arguments: &str) -> ToolResult {
    let result = match prepare(&ctx.config, name, arguments) {
        Ok((spec, args)) if approval::granted(&ctx.config, spec, ctx.trust.unattended) => {
            let result = watched(ctx, spec, &args).await;
            if spec.reads_the_web && !result.is_error {
                ctx.trust.addresses.borrow_mut().learn(&result.for_model, arguments);
            }
            result
        }
        Ok(_) => ToolResult::error(format!(
            "{name} is not available in a turn that no message started (tools.unattended grants it)"
        )),
        Err(e) => ToolResult::error(e),
    };
    let secrets = (ctx.secrets)();
    let result = finish(result, &ctx.config, &secrets);
    let who = Who { channel: &ctx.chat.channel, chat: &ctx.chat.chat, user: &ctx.sender.id };
    audited(who, name, arguments, &result, &secrets);
    result
}

/// Writes a call to the audit log.
fn audited(who: Who<'_>, name: &str, arguments: &str, result: &ToolResult, secrets: &[String]) {
    let refused = ["not done:", "Command blocked", "access denied"];
    let outcome = match result.is_error {
        false => "ok",
        true if refused.iter().any(|text| result.for_model.starts_with(text)) => "refused",
        true => "failed",
    };
    let why = if result.is_error { result.for_model.lines().next().unwrap_or("") } else { "" };
    // First the secrets, then the length: half a secret would be left.
    let arguments = redact(arguments, secrets, 0);
    let fields = [("tool", name), ("result", outcome), ("why", why), ("arguments", &arguments)];
    crate::store::audit::record(who, &fields);
}

/// The tool, and validated arguments.
fn prepare(
    config: &Config,
    name: &str,
    arguments: &str,
) -> Result<(&'static ToolSpec, Args), String> {
    match spec(name).filter(|spec| enabled(config, spec)) {
        Some(spec) => Ok((spec, schema::parse(spec.name, spec.schema, arguments)?)),
        None => Err(unknown(config, name)),
    }
}

/// Runs a call, and marks the turn and what later prompts hold if it brings text of others in.
async fn watched(ctx: &ToolContext, spec: &ToolSpec, args: &Args) -> ToolResult {
    let brings = (spec.marks_untrusted)(args);
    // A person who said yes to what a file tool writes has seen it.
    let seen = spec.writes_prompts == PromptWrites::Shown && !approval::is_never(ctx, spec);
    let untrusted = |ctx: &ToolContext| brings || (ctx.trust.untrusted.get() && !seen);
    let mut watch = None;
    if spec.writes_prompts != PromptWrites::No {
        let (places, before) = (Places::of(&ctx.config), untrusted(ctx));
        match spawn_blocking(move || prompt_files::watch(&places, before)).await {
            Ok(begun) => watch = begun,
            Err(e) => return ToolResult::error(format!("not done: {e}")),
        }
    }
    let result = dispatch(ctx, spec, args).await;
    if brings {
        ctx.trust.untrusted.set(true);
    }
    if let Some(watch) = watch {
        let (places, after) = (Places::of(&ctx.config), untrusted(ctx));
        if let Err(e) = spawn_blocking(move || watch.end(&places, after)).await {
            crate::log::error!("what {} changed is not recorded: {e}", spec.name);
        }
    }
    result
}

async fn dispatch(ctx: &ToolContext, spec: &ToolSpec, args: &Args) -> ToolResult {
    if !spec.asks_itself {
        if let Err(why) = approval::gate(ctx, spec, args).await {
            return ToolResult::error(why);
        }
    }
    (spec.run)(ctx, args).await
}

/// Post-processes a tool's result: redacts secrets, then truncates. In this order, because truncation could leave half a
/// secret.
fn finish(mut result: ToolResult, config: &Config, secrets: &[String]) -> ToolResult {
    for text in [Some(&mut result.for_model), result.for_user.as_mut()].into_iter().flatten() {
        if config.tools.filter_sensitive_data {
            if let Cow::Owned(clean) = redact(text, secrets, config.tools.filter_min_length) {
                *text = clean;
            }
        }
        *text = keep_ends(std::mem::take(text), TOOL_RESULT_BYTES);
    }
    result
}

fn unknown(config: &Config, name: &str) -> String {
    let shown = crate::proto::text::truncate(name, 64);
    let mut text = format!("tool {shown:?} not found");
    if let Some(near) = nearest(&shown, specs(config).iter().map(|spec| spec.name)) {
        text.push_str(&format!("; did you mean {near:?}?"));
    } else {
        text.push_str("; there are");
        for (i, spec) in specs(config).iter().enumerate() {
            text.push_str(if i == 0 { " " } else { ", " });
            text.push_str(spec.name);
        }
    }
    text
}

#[cfg(test)]
mod tests;
