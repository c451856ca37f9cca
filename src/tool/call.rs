//! One call, from the model's text to its result: validated, approved, run, marked, recorded in the audit log.

use super::args::Args;
use super::context::ToolContext;
use super::list::{enabled, spec, unknown};
use super::result::{ToolResult, audited, finish};
use super::spec::ToolSpec;
use super::untrusted::Marking;
use super::{approval, schema};
use crate::config::Config;
use crate::store::audit::Who;

/// Runs one call as the model wrote it. Errors become the result's text; they never end the turn.
/// Dropping the future stops the call.
pub async fn call(ctx: &ToolContext, name: &str, arguments: &str) -> ToolResult {
    let named = ctx.trust.allowed.as_ref().is_none_or(|allowed| allowed.has(name));
    let result = match prepare(&ctx.config, name, arguments) {
        Ok(_) if !named => ToolResult::error(format!(
            "not done: {name} is not among the tools that AGENT.md leaves the assistant"
        )),
        Ok((spec, args)) if approval::granted(&ctx.config, spec, ctx.trust.unattended) => {
            let result = marked(ctx, spec, &args).await;
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

/// The tool, and validated arguments.
pub(super) fn prepare(
    config: &Config,
    name: &str,
    arguments: &str,
) -> Result<(&'static ToolSpec, Args), String> {
    match spec(name).filter(|spec| enabled(config, spec)) {
        Some(spec) => Ok((spec, schema::parse(spec.name, spec.schema, arguments)?)),
        None => Err(unknown(config, name)),
    }
}

/// Runs a call, and marks the untrusted text that it brings in.
async fn marked(ctx: &ToolContext, spec: &ToolSpec, args: &Args) -> ToolResult {
    let marking = match Marking::begin(ctx, spec, args).await {
        Ok(marking) => marking,
        Err(e) => return ToolResult::error(format!("not done: {e}")),
    };
    let result = approved(ctx, spec, args).await;
    marking.end(ctx, spec, result.untrusted).await;
    result
}

/// Runs a call when it is approved.
async fn approved(ctx: &ToolContext, spec: &ToolSpec, args: &Args) -> ToolResult {
    if !spec.asks_itself {
        if let Err(why) = approval::gate(ctx, spec, args).await {
            return ToolResult::error(why);
        }
    }
    (spec.run)(ctx, args).await
}
