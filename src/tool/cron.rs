//! cron: reminders and repeated work. The tool only writes a [`CronRequest`]; the scheduler executes it.
//!
//! A chat sees and changes only its own jobs, and their output goes there.

use super::approval;
use super::args::{Args, flag, integer, text};
use super::context::ToolContext;
use super::cron_handle::CronRequest;
use super::result::ToolResult;
use super::spec::{Effect, ToolSpec};
use crate::bus::{Address, CLI, CRON};
use crate::config::ToolsConfig;

/// Sets, lists and changes jobs.
pub static CRON_TOOL: ToolSpec = ToolSpec {
    name: "cron",
    description: "Schedule reminders and repeated work for this chat. For a reminder of the user set deliver to true: the message is then sent as it is. With deliver false you are woken with the message as your task, without this conversation: put everything needed into it.",
    schema: r#"{"type":"object","properties":{"action":{"type":"string","enum":["add","list","get","update","remove","enable","disable"]},"message":{"type":"string","description":"Text to send, or the task"},"name":{"type":"string"},"at_seconds":{"type":"integer","minimum":1,"description":"Once, this many seconds from now"},"every_seconds":{"type":"integer","minimum":1,"description":"Again and again, this many seconds apart"},"cron_expr":{"type":"string","description":"minute hour day-of-month month day-of-week, e.g. 0 9 * * mon-fri"},"tz":{"type":"string","description":"Time zone of cron_expr, e.g. Europe/Berlin; the device's if left out"},"deliver":{"type":"boolean","description":"Send message without asking you (default true)"},"command":{"type":"string","description":"Shell command to run instead; needs the user's approval. With update, \"\" takes it out"},"job_id":{"type":"string","description":"Id or unique name; list has them. get shows a job before an update, which leaves as it was what is not given"}},"required":["action"]}"#,
    effect: Effect::Writes,
    run: |ctx, args| Box::pin(approved(ctx, args)),
    asks_itself: true,
    always_asks: |args| sets_command(args).then_some(JOB),
    ..ToolSpec::PLAIN
};

/// Whether a call sets a command to run later.
fn sets_command(args: &Args) -> bool {
    !text(args, "command").trim().is_empty() && matches!(text(args, "action"), "add" | "update")
}

/// Whether no job may run a command: switched off for jobs, or the exec tool is.
pub fn commands_are_off(tools: &ToolsConfig) -> bool {
    !tools.cron_commands || !tools.has_commands()
}

/// Why a shell job cannot be created here at all; checked before anybody is asked.
///
/// # Errors
/// For the model.
async fn possible(ctx: &ToolContext, args: &Args) -> Result<(), String> {
    let tools = &ctx.config.tools;
    if commands_are_off(tools) {
        return Err(
            "shell jobs are switched off (tools.cron.allow_command, tools.exec.enabled)".into()
        );
    }
    if !tools.exec.allow_remote && ctx.chat.channel != CLI {
        return Err(
            "commands are only allowed on the command line (tools.exec.allow_remote is off)".into(),
        );
    }
    if ctx.sender.platform == CRON {
        return Err("a scheduled job cannot schedule others; tell the user instead".into());
    }
    super::exec::judged(&ctx.config, &ctx.readable_roots, text(args, "command").trim(), ".")
        .await
        .map(drop)
}

const JOB: &str = "the command will run by itself, without asking again";

/// Runs a call that the guard and then the user allowed.
async fn approved(ctx: &ToolContext, args: &Args) -> ToolResult {
    let judged = if sets_command(args) { possible(ctx, args).await } else { Ok(()) };
    let passed = match judged {
        Ok(()) => approval::gate(ctx, &CRON_TOOL, args).await,
        refused => refused,
    };
    match passed {
        Ok(()) => call(ctx, args).await,
        Err(why) => ToolResult::error(why),
    }
}

/// Runs a call.
async fn call(ctx: &ToolContext, args: &Args) -> ToolResult {
    let Some(handle) = &ctx.cron else { return ToolResult::error("cron is not available here") };
    let action = text(args, "action");
    if action.is_empty() {
        return ToolResult::error("action is required");
    }
    let local = ctx.chat.channel == CLI;
    if !local && (ctx.chat.channel.is_empty() || ctx.chat.chat.is_empty()) {
        return ToolResult::error(
            "no session context (channel/chat_id not set). Use this tool in an active conversation.",
        );
    }
    if ctx.sender.platform == CRON && matches!(action, "add" | "update" | "enable") {
        return ToolResult::error("a scheduled job cannot schedule others; tell the user instead");
    }
    let owned = |name: &str| text(args, name).trim().to_owned();
    let seconds = |name: &str| integer(args, name).unwrap_or(0);
    let request = CronRequest {
        action: action.to_owned(),
        id: owned("job_id"),
        name: owned("name"),
        message: owned("message"),
        at_seconds: seconds("at_seconds"),
        every_seconds: seconds("every_seconds"),
        cron_expr: owned("cron_expr"),
        tz: owned("tz"),
        deliver: args.contains_key("deliver").then(|| flag(args, "deliver")),
        command: owned("command"),
        // The command line has no chat for later output.
        to: if local { Address::default() } else { ctx.chat.clone() },
        scoped: !local,
        json: false,
        // `approval` lets no call with a command pass without asking.
        approved: !text(args, "command").trim().is_empty(),
        at: 0,
        clear_command: args.get("command").and_then(|c| c.as_str()).is_some_and(str::is_empty),
        untrusted: ctx.trust.untrusted.get(),
    };
    match handle(request).await {
        Ok(text) => ToolResult::silent(text),
        Err(e) => ToolResult::error(e),
    }
}

#[cfg(test)]
mod tests {
    use std::cell::RefCell;
    use std::rc::Rc;

    use super::*;
    use crate::bus::Sender;
    use crate::config::Config;
    use crate::net::http::HttpClient;
    use crate::tool::cron_handle::CronHandle;

    #[track_caller]
    fn request(chat: (&str, &str), platform: &str, args: &str) -> Result<CronRequest, String> {
        let taken = Rc::new(RefCell::new(None));
        let handle: CronHandle = {
            let taken = taken.clone();
            Rc::new(move |request| {
                taken.replace(Some(request));
                Box::pin(async { Ok("done".to_owned()) })
            })
        };
        let ctx = ToolContext {
            config: Rc::new(Config::default()),
            http: HttpClient::new().expect("a client"),
            chat: Address { channel: chat.0.into(), chat: chat.1.into(), topic: String::new() },
            sender: Sender { platform: platform.into(), ..Sender::default() },
            send_message: None,
            files: None,
            secrets: Default::default,
            readable_roots: Rc::new([]),
            trust: Default::default(),
            cron: Some(handle),
            subagents: None,
        };
        let args = crate::tool::schema::parse("cron", CRON_TOOL.schema, args)?;
        let result = smol::block_on(call(&ctx, &args));
        taken.take().ok_or(result.for_model)
    }

    #[test]
    fn a_job_belongs_to_the_chat_it_was_set_in() {
        let args = r#"{"action":"add","message":" tea ","at_seconds":60.0,"deliver":false}"#;
        let request = request(("telegram", "5"), "telegram", args).expect("a request");
        assert_eq!((request.to.chat.as_str(), request.scoped), ("5", true));
        assert_eq!((request.message.as_str(), request.at_seconds), ("tea", 60));
        assert_eq!((request.deliver, request.every_seconds), (Some(false), 0));
    }

    #[test]
    fn an_empty_command_takes_it_out_and_none_leaves_it() {
        let update = |more: &str| {
            let args = format!(r#"{{"action":"update","job_id":"x"{more}}}"#);
            request(("telegram", "5"), "telegram", &args).expect("a request")
        };
        assert!(update(r#","command":"""#).clear_command);
        assert!(!update(r#","name":"n""#).clear_command);
    }

    #[test]
    fn the_command_line_sees_everything() {
        let request = request(("cli", "direct"), "cli", r#"{"action":"list"}"#).expect("a request");
        assert_eq!(
            (request.to, request.scoped, request.deliver),
            (Address::default(), false, None)
        );
    }

    #[test]
    fn refusals() {
        let refused = |chat, platform, args| request(chat, platform, args).expect_err(args);
        let add = r#"{"action":"add","message":"x","at_seconds":1}"#;
        assert!(refused(("", ""), "", add).starts_with("no session context"));
        assert!(refused(("telegram", "5"), CRON, add).contains("cannot schedule"));
        assert!(refused(("telegram", "5"), "telegram", r#"{"action":"fly"}"#).contains("enum"));
        let zero = r#"{"action":"add","at_seconds":0}"#;
        assert!(refused(("telegram", "5"), "telegram", zero).contains("minimum"));
    }
}
