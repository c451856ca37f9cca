//! What the model may call: one table, one `match`.
//!
//! To add a tool: a file with a `static` [`ToolSpec`] and a function, a line in [`TOOLS`], an arm in `dispatch`.
//! A tool never imports a channel; it returns, or hands messages to [`ToolContext::sender`].

pub mod approval;
pub mod cron;
#[cfg(feature = "embeddings")]
pub mod embed;
pub mod exec;
pub mod file;
pub mod guard;
#[cfg(feature = "hardware")]
pub mod hardware;
pub mod memory;
pub mod message;
pub mod sandbox;
pub mod schema;
pub mod scope;
#[cfg(feature = "media")]
pub mod send;
pub mod share;
pub mod skills;
pub mod subagent;
#[cfg(feature = "web")]
pub mod web;

use std::borrow::Cow;
use std::future::Future;
use std::path::PathBuf;
use std::pin::Pin;
use std::rc::Rc;
use std::sync::Arc;

use serde_json::{Map, Value};

use crate::Result;
use crate::bus::{Address, Outbound, Sender, Upload};
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

/// Every tool of this build, in the order the model is told of them.
static TOOLS: &[&ToolSpec] = &[
    &file::READ_FILE,
    &file::WRITE_FILE,
    &file::EDIT_FILE,
    &file::APPEND_FILE,
    &file::LIST_DIR,
    &exec::EXEC,
    &memory::MEMORY_SEARCH,
    &memory::MEMORY_APPEND,
    &message::MESSAGE,
    #[cfg(feature = "media")]
    &send::SEND_FILE,
    &cron::CRON_TOOL,
    &skills::FIND_SKILLS,
    &skills::INSTALL_SKILL,
    &subagent::SPAWN,
    &subagent::SUBAGENT,
    &subagent::SPAWN_STATUS,
    &subagent::SPAWN_CANCEL,
    #[cfg(feature = "hardware")]
    &hardware::BOARD,
    #[cfg(feature = "hardware")]
    &hardware::I2C,
    #[cfg(feature = "hardware")]
    &hardware::SPI,
    #[cfg(feature = "hardware")]
    &hardware::SERIAL,
    #[cfg(feature = "hardware")]
    &hardware::GPIO,
    #[cfg(feature = "web")]
    &web::WEB_FETCH,
    #[cfg(feature = "web")]
    &web::WEB_SEARCH,
];

/// The tools the configuration leaves on.
pub fn specs(config: &Config) -> Vec<&'static ToolSpec> {
    offered(config, false)
}

/// The same for a turn; one that nobody started has fewer.
pub fn offered(config: &Config, unattended: bool) -> Vec<&'static ToolSpec> {
    let granted = |spec: &&ToolSpec| approval::granted(config, spec.name, unattended);
    TOOLS.iter().copied().filter(|spec| enabled(config, spec)).filter(granted).collect()
}

/// The tool of this name, switched on or not.
pub fn spec(name: &str) -> Option<&'static ToolSpec> {
    TOOLS.iter().copied().find(|spec| spec.name == name)
}

fn enabled(config: &Config, spec: &ToolSpec) -> bool {
    let web = spec.name.starts_with("web_");
    (!web || config.tools.web.enabled)
        && !config.tools.disabled.iter().any(|name| name == spec.name)
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
        Ok(args) if approval::granted(&ctx.config, name, ctx.trust.unattended) => {
            let result = dispatch(ctx, name, &args).await;
            approval::note(ctx, name, &args);
            result
        }
        Ok(_) => ToolResult::error(format!(
            "{name} is not available in a turn that no message started (tools.unattended grants it)"
        )),
        Err(e) => ToolResult::error(e),
    };
    finish(result, &ctx.config, &(ctx.secrets)())
}

/// Arguments that may go to the tool.
fn prepare(config: &Config, name: &str, arguments: &str) -> Result<Args, String> {
    match spec(name).filter(|spec| enabled(config, spec)) {
        Some(spec) => schema::parse(spec.name, spec.schema, arguments),
        None => Err(unknown(config, name)),
    }
}

async fn dispatch(ctx: &ToolContext, name: &str, args: &Args) -> ToolResult {
    if name == "cron" && cron::sets_command(args) {
        if let Err(why) = cron::possible(ctx, args).await {
            return ToolResult::error(why);
        }
    }
    #[cfg(feature = "hardware")]
    if hardware::is(name) {
        return Box::pin(hardware::call(ctx, name, args)).await;
    }
    // exec asks by itself, when the guard has nothing against the command.
    if name != "exec" {
        if let Err(why) = approval::gate(ctx, name, args).await {
            return ToolResult::error(why);
        }
    }
    match name {
        "read_file" | "write_file" | "edit_file" | "append_file" | "list_dir" => {
            file::call(&ctx.config, &ctx.readable_roots, name, args).await
        }
        "exec" => exec::call(ctx, args).await,
        #[cfg(feature = "web")]
        "web_fetch" => web::fetch(ctx, args).await,
        #[cfg(feature = "web")]
        "web_search" => web::search(ctx, args).await,
        "cron" => cron::call(ctx, args).await,
        "memory_search" => memory::search(ctx, args).await,
        "memory_append" => memory::append(ctx, args).await,
        "find_skills" | "install_skill" => Box::pin(skills::call(ctx, name, args)).await,
        name if subagent::is(name) => subagent::call(ctx, name, args).await,
        #[cfg(feature = "media")]
        "send_file" => send::call(ctx, args).await,
        "message" => message::call(&ctx.chat, ctx.send_message.as_ref(), args),
        _ => ToolResult::error(format!("tool {name:?} is not part of this build")),
    }
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
    let near = specs(config).iter().map(|s| (distance(&shown, s.name), s.name)).min();
    if let Some((_, near)) = near.filter(|(d, near)| *d <= 2.max(near.len() / 3)) {
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

/// Edits that make `a` out of `b` (Levenshtein).
fn distance(a: &str, b: &str) -> usize {
    let mut row: Vec<usize> = (0..=b.len()).collect();
    for (i, x) in a.bytes().enumerate() {
        let mut diagonal = std::mem::replace(&mut row[0], i + 1);
        for (j, y) in b.bytes().enumerate() {
            let change = diagonal + usize::from(x != y);
            diagonal = std::mem::replace(&mut row[j + 1], 0);
            row[j + 1] = change.min(diagonal + 1).min(row[j] + 1);
        }
    }
    row[b.len()]
}

#[cfg(test)]
mod tests;
