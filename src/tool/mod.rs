//! What the model may call: one descriptor for each tool, and what surrounds a call.
//!
//! To add a tool: a file with a `static` [`ToolSpec`] here, and a line in `src/registry.rs`
//! (docs/contributing/adding-a-tool.md). A tool never imports a channel; it returns, or hands messages to [`ToolContext::sender`].

pub mod approval;
#[cfg(feature = "embeddings")]
pub mod embeddings;
pub mod guard;
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

/// What a tool does to the world.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Effect {
    /// Nothing: calls of one answer may run side by side, and again after a restart.
    Reads,
    /// Something that must not happen twice.
    Writes,
}

/// A tool as the model is told of it.
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
    /// Runs one call whose arguments fit the schema.
    pub run: Run,
    /// Acts on the machine and not only on files and chats: turns that nobody started go without it unless
    /// `tools.unattended` grants it.
    pub acts_on_machine: bool,
    /// Why a call waits for the user's yes whatever `tools.<name>.approval` says; `None` when that decides.
    pub always_asks: fn(&Args) -> Option<&'static str>,
    /// Why a call asks where `tools.<name>.approval` is `auto`; `None` when it does not.
    pub asks: fn(&ToolContext, &Args) -> Option<&'static str>,
    /// `run` calls [`approval::gate`] by itself, after checks that spare the user a question in vain.
    pub asks_itself: bool,
    /// What the user is shown of a call that asks.
    pub question: fn(&Args) -> String,
    /// The result holds text that others wrote: later risky calls of the conversation ask.
    pub marks_untrusted: fn(&Args) -> bool,
    /// The configuration has it, besides `tools.<name>.enabled`.
    pub available: fn(&Config) -> bool,
    /// What the turn must offer.
    pub needs: Needs,
}

impl ToolSpec {
    /// What holds for a tool that says nothing else: it only looks, asks nobody, needs nothing.
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
        available: |_| true,
        needs: Needs::Nothing,
    };
}

/// A tool's call under way. Boxed: a turn then holds as much as its call needs, not as much as the largest tool's.
pub type Running<'a> = Pin<Box<dyn Future<Output = ToolResult> + 'a>>;

/// Starts a call. Dropping what it returns stops the call.
pub type Run = for<'a> fn(&'a ToolContext, &'a Args) -> Running<'a>;

/// What a tool needs of the turn; without it the model is not told of the tool.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Needs {
    /// Nothing besides its arguments.
    Nothing,
    /// [`ToolContext::files`].
    Files,
    /// [`ToolContext::subagents`].
    Subagents,
}

/// What a call came to: upstream's ForLLM, ForUser, Silent, IsError, Async.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct ToolResult {
    /// What the model reads.
    pub for_model: String,
    /// What the chat is shown at once, unless `silent`.
    pub for_user: Option<String>,
    /// Show the chat nothing.
    pub silent: bool,
    /// The call failed; `for_model` says why.
    pub is_error: bool,
    /// The work goes on in the background and reports later.
    pub background: bool,
}

impl ToolResult {
    /// A result that only the model sees.
    pub fn silent(for_model: impl Into<String>) -> ToolResult {
        ToolResult { for_model: for_model.into(), silent: true, ..ToolResult::default() }
    }
    /// A result for the model; the chat sees the model's words about it.
    pub fn text(for_model: impl Into<String>) -> ToolResult {
        ToolResult { for_model: for_model.into(), ..ToolResult::default() }
    }
    /// A failure the model may react to.
    pub fn error(for_model: impl Into<String>) -> ToolResult {
        ToolResult { for_model: for_model.into(), is_error: true, ..ToolResult::default() }
    }
}

/// What a call may use.
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
    /// Takes the message tool's messages; `None` where nothing can be sent.
    pub send_message: Option<MessageSender>,
    /// Sends files; `None` where none can be sent.
    pub files: Option<FileSender>,
    /// Values that never appear in a result.
    pub secrets: fn() -> Arc<[String]>,
    /// Folders besides the workspace that may be read (skills).
    pub readable_roots: Rc<[PathBuf]>,
    /// Who stands behind the turn.
    pub trust: approval::Trust,
    /// Keeps the cron jobs; `None` where there are none.
    pub cron: Option<cron::CronHandle>,
    /// Runs sub-agents; `None` where there are none, as in a sub-agent.
    pub subagents: Option<subagent::SubagentHandle>,
}

/// Sends a file to a chat, now; the error says why it did not arrive, or that nobody knows.
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

        /// Tools that a build with other features has.
        const ABSENT: &[&str] = &[$($(#[cfg(not $gate)] stringify!($name),)*)*];
    };
}
crate::registry::tools!(modules);

/// The tools the configuration leaves on.
pub fn specs(config: &Config) -> Vec<&'static ToolSpec> {
    offered(config, false)
}

/// The same for a turn; one that nobody started has fewer.
pub fn offered(config: &Config, unattended: bool) -> Vec<&'static ToolSpec> {
    let granted = |spec: &&ToolSpec| approval::granted(config, spec, unattended);
    TOOLS.iter().copied().filter(|spec| enabled(config, spec)).filter(granted).collect()
}

/// The tool of this name, switched on or not.
pub fn spec(name: &str) -> Option<&'static ToolSpec> {
    TOOLS.iter().copied().find(|spec| spec.name == name)
}

fn enabled(config: &Config, spec: &ToolSpec) -> bool {
    (spec.available)(config) && !config.tools.disabled.iter().any(|name| name == spec.name)
}

/// Checks what the configuration says about tools: every expression compiles.
pub fn check(config: &Config) -> Result<()> {
    let scope = scope::Scope::new(config, &[]).map(|_| ());
    let guard = guard::Guard::new(&config.tools.exec).map(|_| ());
    scope.and(guard).map_err(crate::Error::new)
}

/// Runs one call as the model wrote it. What goes wrong is the result's text; nothing here ends the turn.
/// Dropping the future stops the call.
pub async fn call(ctx: &ToolContext, name: &str, arguments: &str) -> ToolResult {
    let result = match prepare(&ctx.config, name, arguments) {
        Ok((spec, args)) if approval::granted(&ctx.config, spec, ctx.trust.unattended) => {
            let result = dispatch(ctx, spec, &args).await;
            if (spec.marks_untrusted)(&args) {
                ctx.trust.untrusted.set(true);
            }
            result
        }
        Ok(_) => ToolResult::error(format!(
            "{name} is not available in a turn that no message started (tools.unattended grants it)"
        )),
        Err(e) => ToolResult::error(e),
    };
    finish(result, &ctx.config, &(ctx.secrets)())
}

/// The tool, and arguments that may go to it.
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

async fn dispatch(ctx: &ToolContext, spec: &ToolSpec, args: &Args) -> ToolResult {
    if !spec.asks_itself {
        if let Err(why) = approval::gate(ctx, spec, args).await {
            return ToolResult::error(why);
        }
    }
    (spec.run)(ctx, args).await
}

/// What leaves a tool: without secrets, and bounded. Secrets first: a cut could spare half of one.
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
