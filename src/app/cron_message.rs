//! The message that a firing of a job becomes. Pure.

use super::turns::jobs::{COMMAND, DELIVER};
use crate::bus::{Address, CRON, Inbound};
use crate::config::ToolsConfig;
use crate::limits::CRON_LATE;
use crate::proto::date;
use crate::proto::text::one_line;
use crate::sched::job::{Due, Job, Now};
use crate::sys::clock;
use crate::tool::cron::commands_are_off;

/// The message for the chat `from`: a command that was approved, a text for the chat, or a task for the model.
pub(super) fn message(
    tools: &ToolsConfig,
    job: &Job,
    from: Address,
    due: Option<Due>,
    now: Now,
    approved: bool,
) -> Inbound {
    let late = match due {
        Some(Due::Wall(at)) if now.wall - at > CRON_LATE => lateness(at),
        _ => String::new(),
    };
    let untrusted = job.untrusted();
    let mut message = Inbound { from, date: now.wall, untrusted, ..Inbound::default() };
    message.sender.platform = CRON.into();
    message.sender.id = job.id().into();
    let off = commands_are_off(tools) || !tools.exec.allow_remote;
    if approved && !off {
        message.sender.name = COMMAND.into();
        message.text = job.command().into();
    } else if !job.command().is_empty() {
        let why = if approved {
            "commands are switched off (tools.cron.allow_command, tools.exec).".to_owned()
        } else {
            format!(
                "nobody has approved it. Set it anew in a chat, or `picoclaw cron enable {}` approves it.",
                one_line(job.id(), 40)
            )
        };
        message.sender.name = DELIVER.into();
        message.text =
            format!("Scheduled command '{}' was not run: {why}", one_line(job.command(), 200));
    } else if job.deliver() {
        message.sender.name = DELIVER.into();
        message.text = format!("{}{late}", job.message());
    } else {
        message.text = format!(
            "The scheduled job '{}' has begun; nobody is writing. Do its task; your answer goes to the chat.{late}\n\n{}",
            one_line(job.name(), 60),
            job.message()
        );
    }
    message
}

/// Says in a firing that its time was missed.
fn lateness(at: i64) -> String {
    let c = date::civil(at + i64::from(clock::utc_offset(at)));
    format!(
        "\n\n(This was due on {:04}-{:02}-{:02} at {:02}:{:02}; the device was off or its clock was wrong.)",
        c.year, c.month, c.day, c.hour, c.minute
    )
}
