//! exec: a shell command, checked by the guard, run in the sandbox; keeps the head and tail of its output.
//!
//! Dropping the call's future kills the command and everything it started.

use std::ffi::{OsStr, OsString};
use std::os::fd::OwnedFd;
use std::path::{Path, PathBuf};
use std::time::Duration;

use super::args::{Args, integer, text};
use super::context::ToolContext;
use super::guard::{Guard, risk};
use super::result::{ToolResult, audited, finish};
use super::scope::{PathUse, Scope, fault};
use super::spec::{Effect, PromptWrites, ToolSpec};
use super::workspace_group::is_shared;
use super::{approval, sandbox_plan, untrusted};
use crate::bus::CLI;
use crate::config::{Config, ExecConfig};
use crate::limits::{
    EXEC_COMMAND_BYTES, EXEC_OUTPUT_READ, EXEC_TERM_GRACE, EXEC_TIMEOUT, EXEC_TIMEOUT_MAX,
};
use crate::proto::excerpt::HeadTail;
use crate::store::audit::Who;
use crate::store::dir::Dir;
use crate::sys::process::{self, End, Exit, Outcome};
use crate::sys::spawn_blocking;

/// Runs a shell command in the sandbox.
pub static EXEC: ToolSpec = ToolSpec {
    name: "exec",
    description: "Run a shell command (sh -c) and get its output. Input is empty; long output keeps its beginning and end; processes left in the background end with the command.",
    schema: r#"{"type":"object","properties":{"command":{"type":"string","description":"Command line"},"working_dir":{"type":"string","description":"Folder to run in, relative to the workspace"},"timeout":{"type":"integer","description":"Seconds the command may run","minimum":1}},"required":["command"]}"#,
    effect: Effect::Writes,
    run: |ctx, args| Box::pin(call(ctx, args)),
    acts_on_machine: true,
    asks_itself: true,
    asks,
    marks_untrusted,
    writes_prompts: PromptWrites::Hidden,
    question,
    ..ToolSpec::PLAIN
};

/// Variables passed on from our own environment; any other may be a secret.
const VARIABLES: &[&str] = &["PATH", "HOME", "LANG", "TZ", "TERM", "TMPDIR", "USER"];

/// Used if PATH is not set.
pub const PATH: &str = "/usr/local/sbin:/usr/local/bin:/usr/sbin:/usr/bin:/sbin:/bin";

const OPEN: &str = "commands are not locked in on this machine";
/// Why root runs nothing, and what helps.
const AS_ROOT: &str = "commands are not run as root: start the assistant with `picoclaw supervise`, or as another user, or set tools.exec.as_root to true";
const OUTSIDE: &str = "it writes outside the workspace";

/// Why a command is risky, in itself or because of where it runs.
fn asks(ctx: &ToolContext, args: &Args) -> Option<&'static str> {
    let command = text(args, "command");
    let free = !ctx.config.agent.restrict_to_workspace;
    let outside = || {
        let out = free && risk::writes_outside(command, &ctx.config.agent.workspace);
        out.then_some(OUTSIDE)
    };
    let open = || (ctx.chat.channel != CLI && sandbox_plan::is_open(&ctx.config)).then_some(OPEN);
    let guard = Guard::new(&ctx.config.tools.exec).ok();
    let risky = guard.map_or(Some(OPEN), |guard| guard.asks(command));
    risky.or_else(outside).or_else(open).or_else(|| ctx.trust.untrusted())
}

/// Whether a command seems to download something, or reads files that came with messages: before it has run.
fn marks_untrusted(args: &Args) -> bool {
    risk::fetches(text(args, "command")) || reads_media(args)
}

fn reads_media(args: &Args) -> bool {
    ["command", "working_dir"].iter().any(|name| text(args, name).contains(untrusted::MEDIA))
}

/// The unchanged command, and where it runs.
fn question(args: &Args) -> String {
    let (command, dir) = (text(args, "command"), text(args, "working_dir"));
    match dir {
        "" => command.to_owned(),
        dir => [command, "\n(in ", dir, ")"].concat(),
    }
}

/// Runs a call.
async fn call(ctx: &ToolContext, args: &Args) -> ToolResult {
    match run(ctx, args).await {
        Ok(result) => result,
        Err(e) => ToolResult::error(e),
    }
}

async fn run(ctx: &ToolContext, args: &Args) -> Result<ToolResult, String> {
    let (config, roots) = (&ctx.config, &ctx.readable_roots);
    let exec = &config.tools.exec;
    let command = text(args, "command").trim();
    if command.is_empty() {
        return Err("command is required".into());
    }
    if command.contains('\0') {
        return Err("command contains a NUL character".into());
    }
    if command.len() > EXEC_COMMAND_BYTES {
        return Err(format!(
            "command has more than {EXEC_COMMAND_BYTES} bytes; write it to a script first"
        ));
    }
    if !exec.allow_remote && ctx.chat.channel != CLI {
        return Err(
            "exec is only allowed on the command line (tools.exec.allow_remote is off)".into()
        );
    }
    let dir = match text(args, "working_dir") {
        "" => ".",
        dir => dir,
    };
    let dir = judged(config, roots, command, dir).await?;
    approval::gate(ctx, &EXEC, args).await?;
    let limit = time_limit(exec, integer(args, "timeout"));
    let result = execute(config, roots, &(ctx.secrets)(), command, dir, limit).await?;
    Ok(ToolResult { untrusted: result.untrusted.map(|it| it || reads_media(args)), ..result })
}

/// Runs the command of a job whose approval was verified, in the workspace; secrets are redacted from the output.
pub async fn scheduled(config: &Config, roots: &[PathBuf], command: &str) -> ToolResult {
    let secrets = crate::log::secrets();
    let limit = config.tools.cron_timeout.min(EXEC_TIMEOUT_MAX);
    let done = async {
        let dir = judged(config, roots, command, ".").await?;
        execute(config, roots, &secrets, command, dir, limit).await
    };
    let result = finish(done.await.unwrap_or_else(ToolResult::error), config, &secrets);
    let who = Who { channel: "cron", ..Who::default() };
    audited(who, "exec", command, &result, &secrets);
    result
}

/// The command's working directory, if guard and scope allow the command there.
///
/// # Errors
/// Their objection.
pub async fn judged(
    config: &Config,
    roots: &[PathBuf],
    command: &str,
    dir: &str,
) -> Result<OwnedFd, String> {
    if sandbox_plan::refuses(config) {
        return Err(AS_ROOT.into());
    }
    let (guard, scope) = (Guard::new(&config.tools.exec)?, Scope::new(config, roots)?);
    let (line, at) = (command.to_owned(), dir.to_owned());
    spawn_blocking(Box::new(move || folder(&guard, &scope, &line, &at))).await
}

async fn execute(
    config: &Config,
    roots: &[PathBuf],
    secrets: &[String],
    command: &str,
    dir: OwnedFd,
    limit: Duration,
) -> Result<ToolResult, String> {
    let exec = &config.tools.exec;
    let plan = sandbox_plan::Plan::new(config, roots);
    let workspace = config.agent.workspace.clone();
    let prepare = move || std::io::Result::Ok((plan.build()?, has_media(&workspace)));
    let ((sandbox, more), media) = spawn_blocking(Box::new(prepare))
        .await
        .map_err(|e| format!("the command was not run: it could not be locked in: {e}"))?;
    let mut environment = environment(exec);
    environment.retain(|(name, _)| !more.iter().any(|(n, _)| n == name));
    environment.extend(more);
    let child = process::shell(OsStr::new(command), &dir, &environment, sandbox)
        .await
        .map_err(|e| format!("failed to start the command: {e}"))?;
    let mut outcome = process::run(child, limit).await;
    if config.tools.filter_sensitive_data {
        outcome.stdout.drop_halves(secrets);
        outcome.stderr.drop_halves(secrets);
    }
    // Where nobody has looked for sockets, only a command that is known to open none counts as one that opened none.
    let internet = outcome.internet.unwrap_or_else(|| !risk::stays_local(command));
    let untrusted = internet || (media && !risk::is_readable(command));
    Ok(ToolResult { untrusted: Some(untrusted), ..report(outcome, limit) })
}

/// Whether the workspace holds files that came with messages. Blocks on the disk.
fn has_media(workspace: &Path) -> bool {
    match Dir::shared(workspace).and_then(|dir| dir.folder(untrusted::MEDIA, false)) {
        Ok(Some(folder)) => folder.list(1).map_or(true, |(names, _)| !names.is_empty()),
        Ok(None) => false,
        Err(_) => true,
    }
}

/// Gives the daemon what the commands' user keeps to itself (mode 0600, say) at a path of the workspace: its owner does, in the
/// sandbox. False where commands have no user of their own, or it was not done.
pub async fn open_to_daemon(config: &Config, path: &str) -> bool {
    if !is_shared(config) {
        return false;
    }
    let path = path.strip_prefix(&*config.agent.workspace.to_string_lossy()).unwrap_or(path);
    let mut environment = environment(&config.tools.exec);
    environment.push(("FILE".into(), path.into()));
    let (plan, scope) = (sandbox_plan::Plan::new(config, &[]), Scope::new(config, &[]));
    let built = spawn_blocking(Box::new(move || {
        let dir = scope.ok()?.place(".", PathUse::Read).ok()?.open_folder().ok()?;
        Some((dir, plan.build().ok()?.0))
    }));
    let Some((dir, sandbox)) = built.await else { return false };
    let Ok(child) = process::shell(OsStr::new(OPEN_UP), &dir, &environment, sandbox).await else {
        return false;
    };
    process::run(child, EXEC_TERM_GRACE).await.end == End::Exit(Exit::Code(0))
}

/// Every part of the path that is the user's own, for the group as for the user.
const OPEN_UP: &str = r#"set -f; IFS=/; at=.; for part in $FILE; do at=$at/$part; [ ! -O "$at" ] || chmod g+rwX "$at" || exit 1; done"#;

/// Opens the working directory and judges the command as it would run there. The command starts in this
/// descriptor, so swapping the folder for a link in between has no effect.
fn folder(guard: &Guard, scope: &Scope, command: &str, dir: &str) -> Result<OwnedFd, String> {
    let fd = scope
        .place(dir, PathUse::Read)
        .and_then(|place| place.open_folder().map_err(|e| fault(dir, &e)))
        .map_err(|e| format!("working_dir: {e}"))?;
    let path = crate::sys::beneath::path_of(&fd).map_err(|e| format!("working_dir: {e}"))?;
    // Reads may be allowed outside the workspace, commands are not.
    if scope.restricted() && !scope.covers(&path, PathUse::Read) {
        return Err(blocked(super::guard::Reason::Outside));
    }
    guard.check(command, &path, scope).map_err(blocked)?;
    Ok(fd)
}

fn blocked(reason: super::guard::Reason) -> String {
    format!("Command blocked by safety guard ({})", reason.text())
}

/// The call may ask for less than the configuration gives, not for more.
fn time_limit(exec: &ExecConfig, asked: Option<i64>) -> Duration {
    let set = if exec.timeout.is_zero() { EXEC_TIMEOUT } else { exec.timeout };
    let asked = asked.and_then(|s| u64::try_from(s).ok()).map_or(set, Duration::from_secs);
    asked.min(set).min(EXEC_TIMEOUT_MAX)
}

fn environment(exec: &ExecConfig) -> Vec<(OsString, OsString)> {
    let names = VARIABLES.iter().copied().chain(exec.env.iter().map(String::as_str));
    let mut list: Vec<(OsString, OsString)> = names
        .filter(|name| !name.is_empty() && !name.contains(['=', '\0']))
        .filter_map(|name| Some((name.into(), std::env::var_os(name)?)))
        .collect();
    if !list.iter().any(|(name, _)| name == "PATH") {
        list.push(("PATH".into(), PATH.into()));
    }
    list
}

/// Output, standard error under a heading, and the exit status.
fn report(outcome: Outcome, limit: Duration) -> ToolResult {
    let mut text = cleaned(outcome.stdout);
    let stderr = cleaned(outcome.stderr);
    if !stderr.is_empty() {
        text.push_str("\nSTDERR:\n");
        text.push_str(&stderr);
    }
    if outcome.leftovers {
        text.push_str("\n(processes left in the background were ended)");
    }
    let end = match outcome.end {
        End::Exit(Exit::Code(0)) => None,
        End::Exit(Exit::Code(code)) => Some(format!("[Command exited with code {code}]")),
        End::Exit(Exit::Signal(n)) => {
            Some(format!("[Command exited with code {}]\n(ended by signal {n})", 128 + n))
        }
        End::Exit(Exit::NotStarted(number)) => {
            let why = std::io::Error::from_raw_os_error(number);
            Some(format!("the command was not run: the supervisor could not start it: {why}"))
        }
        End::Exit(Exit::Unknown) => Some("[Command ended, its exit code is not known]".into()),
        End::Timeout => Some(format!("Command timed out after {}", go_duration(limit))),
        End::Output => Some(format!("Command stopped after {EXEC_OUTPUT_READ} bytes of output")),
    };
    match end {
        None if text.is_empty() => ToolResult::text("(no output)"),
        None => ToolResult::text(text),
        Some(end) => {
            if !text.is_empty() && !text.ends_with('\n') {
                text.push('\n');
            }
            text.push_str(&end);
            ToolResult::error(text)
        }
    }
}

fn cleaned(kept: HeadTail) -> String {
    let mut text = kept.text();
    // Nothing downstream accepts a NUL in text.
    text.retain(|c| c != '\0');
    text
}

/// `1m0s`, `1.5s`: the format of earlier versions.
fn go_duration(d: Duration) -> String {
    let (seconds, millis) = (d.as_secs(), d.subsec_millis());
    if seconds == 0 {
        return format!("{millis}ms");
    }
    let fraction = format!(".{millis:03}");
    let fraction = if millis == 0 { "" } else { fraction.trim_end_matches('0') };
    match (seconds / 3600, seconds / 60 % 60, seconds % 60) {
        (0, 0, s) => format!("{s}{fraction}s"),
        (0, m, s) => format!("{m}m{s}{fraction}s"),
        (h, m, s) => format!("{h}h{m}m{s}{fraction}s"),
    }
}

#[cfg(test)]
mod tests;
