//! Turns that no person began: jobs and the heartbeat. What their answers become, and how a job's firing ended.

use super::claimed::Claimed;
use crate::agent::{Agent, Answer};
use crate::bus::{CRON, HEARTBEAT};
use crate::limits::JOB_ENDS;
use crate::proto::text::one_line;
use crate::store::frame::Frame;
use crate::tool::exec;

/// [`crate::bus::Sender::name`] of a job whose text goes to the chat without a model.
pub const DELIVER: &str = "(deliver)";

/// The same of a job whose text is a command that was approved.
pub const COMMAND: &str = "(command)";

/// How a job's firing ended: its id, and the error.
pub type JobEnd = (String, Option<String>);

/// Whether the job's text is for this, [`DELIVER`] or [`COMMAND`]. The platform counts, too: a model may choose a
/// sub-agent's name.
pub(super) fn is(claimed: &Claimed, kind: &str) -> bool {
    claimed.message.sender.platform == CRON && claimed.message.sender.name == kind
}

/// Runs a job's command, at most once: one that a restart cut off is reported.
pub(super) async fn run_command(agent: &Agent, claimed: &Claimed) -> Answer {
    let line = &claimed.message.text;
    let shown = one_line(line, 200);
    let failed = |text: String| Answer { text, failed: true, ..Answer::default() };
    if claimed.started.iter().any(|s| s == COMMAND) {
        return failed(format!(
            "Scheduled command '{shown}' was cut off by a restart; it may have done its work in part, and is not run again now."
        ));
    }
    if agent.allowed_tools().await.is_some_and(|allowed| !allowed.has(exec::EXEC.name)) {
        return failed(format!(
            "Scheduled command '{shown}' was not run: exec is not among the tools that AGENT.md leaves the assistant"
        ));
    }
    let ticket = agent.journal.record(&Frame::Step {
        id: claimed.id,
        session: claimed.session.clone(),
        offset: 0,
        lines: Vec::new(),
        started: vec![COMMAND.to_owned()],
    });
    agent.journal.synced(ticket).await;
    #[cfg(feature = "hooks")]
    if let Err(why) = approve(agent, claimed, line).await {
        return failed(format!("Scheduled command '{shown}' was not run: {why}"));
    }
    let run = exec::scheduled(&agent.config, &agent.readable_roots, line);
    let done = Box::pin(run).await;
    let text = format!("Scheduled command '{shown}' executed:\n{}", done.for_model);
    if done.is_error { failed(text) } else { Answer { text, ..Answer::default() } }
}

/// Has the hooks that approve calls judge a job's command, as if a turn called exec.
#[cfg(feature = "hooks")]
async fn approve(agent: &Agent, claimed: &Claimed, line: &str) -> Result<(), String> {
    let scope = crate::hook::TurnScope {
        turn: claimed.id,
        session: &claimed.session,
        round: 0,
        chat: &claimed.message.from,
        sender: &claimed.message.sender,
    };
    let arguments = serde_json::json!({ "command": line }).to_string();
    agent.hooks.approve(scope, &crate::hook::HookCall { tool: "exec".into(), arguments }).await
}

/// What the chat gets of an internal message's answer; `ends` is told how a job ended.
pub(super) fn reply(
    claimed: &Claimed,
    answer: Answer,
    ends: &smol::channel::Sender<JobEnd>,
) -> String {
    let sender = &claimed.message.sender;
    match sender.platform.as_str() {
        // Set aside: the chat is told, as for any other message.
        HEARTBEAT if super::attempts::are_used_up(claimed.attempts) => answer.text,
        HEARTBEAT => heartbeat(answer),
        CRON => {
            let error = answer.failed.then(|| answer.text.clone());
            tell_end(ends, (sender.id.clone(), error));
            answer.text
        }
        _ => answer.text,
    }
}

/// Tells the scheduler how a job ended, unless it has not recorded [`JOB_ENDS`] others yet.
fn tell_end(ends: &smol::channel::Sender<JobEnd>, end: JobEnd) {
    if ends.len() >= JOB_ENDS {
        crate::log::warn!("cron: how job {} ended is not recorded: the card is too slow", end.0);
        return;
    }
    // Closed where no scheduler runs: then nobody wants to know.
    let _ = ends.try_send(end);
}

/// What of a heartbeat's answer reaches the chat: nothing when all is well, or when no model could be asked.
fn heartbeat(answer: Answer) -> String {
    if answer.failed {
        crate::log::warn!("heartbeat: {}", answer.text);
        return String::new();
    }
    // Models explain themselves first; with the word alone on the last line there is nothing to be told.
    let last = answer.text.trim_end().lines().last().unwrap_or_default();
    let bare = last.trim_matches(|c: char| !c.is_alphanumeric());
    if bare == "HEARTBEAT_OK" { String::new() } else { answer.text }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[track_caller]
    fn check(text: &str, failed: bool, want: &str) {
        assert_eq!(heartbeat(Answer { text: text.into(), failed, ..Answer::default() }), want);
    }

    #[test]
    fn ends_that_nobody_records_are_bounded() {
        let (ends, recorded) = smol::channel::unbounded();
        (0..=JOB_ENDS).for_each(|n| tell_end(&ends, (n.to_string(), None)));
        assert_eq!(recorded.len(), JOB_ENDS);
        assert_eq!(recorded.try_recv(), Ok(("0".to_owned(), None)));
    }

    #[test]
    fn a_heartbeat_speaks_only_when_there_is_something() {
        check("HEARTBEAT_OK", false, "");
        check(" **HEARTBEAT_OK.**\n", false, "");
        check("", false, "");
        check("I looked; nothing needs attention.\n\nHEARTBEAT_OK\n", false, "");
        let alarm = "HEARTBEAT_OK\nbut the disk is full";
        check(alarm, false, alarm);
        check("The disk is full.", false, "The disk is full.");
        check("HEARTBEAT_OK, but the disk is full", false, "HEARTBEAT_OK, but the disk is full");
        check("no network", true, "");
    }
}
