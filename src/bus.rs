//! What passes between channels and the agent.

use std::fs::File;
use std::sync::Arc;

use nanoserde::{DeBin, DeBinErr, SerBin};

/// Who wrote, as the platform names them.
#[derive(Clone, Debug, Default, PartialEq, SerBin, DeBin)]
pub struct Sender {
    /// Channel kind (`telegram`, `cli`), or one of [`CRON`], [`HEARTBEAT`], [`SUBAGENT`], [`REPORT`].
    pub platform: String,
    /// The platform's id, e.g. a decimal user id.
    pub id: String,
    /// User name without `@`, or empty.
    pub username: String,
    /// Display name, or empty.
    pub name: String,
}

impl Sender {
    /// The name for people, else the user name; empty without either. Its owner chose it.
    pub fn shown_name(&self) -> &str {
        if self.name.is_empty() { &self.username } else { &self.name }
    }
}

/// A chat and, where the platform has them, a thread in it.
#[derive(Clone, Debug, Default, PartialEq, Eq, SerBin, DeBin)]
pub struct Address {
    /// Name of the channel instance (`telegram`, a key of `channel_list`, `cli`).
    pub channel: String,
    /// The platform's chat id.
    pub chat: String,
    /// Forum topic or thread id, or empty.
    pub topic: String,
}

/// A file that came with a message, not yet downloaded.
#[derive(Clone, Debug, Default, PartialEq, SerBin, DeBin)]
pub struct Attachment {
    /// `photo`, `document`, `voice`, `audio`, `video`.
    pub kind: String,
    /// The platform's handle (Telegram file_id).
    pub id: String,
    /// File name where there is one.
    pub name: String,
    /// Bytes, 0 when unknown.
    pub size: u64,
}

/// [`Address::channel`] of the command line; its chats are session keys, its topics the command lines attached to the
/// daemon. No other channel is called that.
pub const CLI: &str = crate::registry::CLI;

/// [`Sender::platform`] of a scheduled job's message; no channel is called that.
pub const CRON: &str = "(cron)";
/// [`Sender::platform`] of the heartbeat's message.
pub const HEARTBEAT: &str = "(heartbeat)";

/// [`Sender::platform`] of a sub-agent's task; its sender's id is the sub-agent's (`subagent-7`), the name its label.
pub const SUBAGENT: &str = "(subagent)";
/// [`Sender::platform`] of what a sub-agent tells the conversation that started it.
pub const REPORT: &str = "(report)";

/// The turn that a sub-agent's task or report comes from.
#[derive(Clone, Debug, Default, PartialEq, SerBin, DeBin)]
pub struct SubagentOrigin {
    /// Session key of the conversation that started the sub-agent.
    pub parent: String,
    /// Session key of the sub-agent.
    pub own: String,
    /// The person behind that conversation: who is asked for approvals.
    pub person: Sender,
    /// Sub-agents one after the other since a person (or job) spoke: 1 for the first.
    pub depth: u32,
    /// No person started it.
    pub unattended: bool,
    /// Text of others may be behind it.
    pub untrusted: bool,
}

/// A message for the agent.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct Inbound {
    /// The platform's number of this event (Telegram update_id), unique within the channel; 0 when there is none.
    pub event: i64,
    /// The platform's number of the message, for replies; 0 when there is none.
    pub message: i64,
    /// Where it was written and where the answer goes.
    pub from: Address,
    /// Its author; decides who may stop the turn or answer its questions.
    pub sender: Sender,
    /// Text and caption; never empty.
    pub text: String,
    /// Files that came with it; their content is fetched when the turn begins.
    pub attachments: Vec<Attachment>,
    /// Unix seconds when it was written, by the platform's clock.
    pub date: i64,
    /// A group, not a private chat.
    pub group: bool,
    /// It holds text of others (forwarded, quoted, of a camera): it is no command, and its turn is untrusted.
    pub untrusted: bool,
}

/// The last byte holds both flags, because journals of earlier versions have one byte there.
impl SerBin for Inbound {
    fn ser_bin(&self, out: &mut Vec<u8>) {
        self.event.ser_bin(out);
        self.message.ser_bin(out);
        self.from.ser_bin(out);
        self.sender.ser_bin(out);
        self.text.ser_bin(out);
        self.attachments.ser_bin(out);
        self.date.ser_bin(out);
        (u8::from(self.group) | u8::from(self.untrusted) << 1).ser_bin(out);
    }
}

impl DeBin for Inbound {
    fn de_bin(at: &mut usize, bytes: &[u8]) -> Result<Inbound, DeBinErr> {
        let mut message = Inbound {
            event: DeBin::de_bin(at, bytes)?,
            message: DeBin::de_bin(at, bytes)?,
            from: DeBin::de_bin(at, bytes)?,
            sender: DeBin::de_bin(at, bytes)?,
            text: DeBin::de_bin(at, bytes)?,
            attachments: DeBin::de_bin(at, bytes)?,
            date: DeBin::de_bin(at, bytes)?,
            ..Inbound::default()
        };
        let flags: u8 = DeBin::de_bin(at, bytes)?;
        (message.group, message.untrusted) = (flags & 1 != 0, flags & 2 != 0);
        Ok(message)
    }
}

impl Inbound {
    /// Nobody wrote it: a job, the heartbeat or a sub-agent did. It shows no "typing" and is no command.
    pub fn is_internal(&self) -> bool {
        matches!(self.sender.platform.as_str(), CRON | HEARTBEAT | SUBAGENT | REPORT)
    }

    /// Its turn begins without what was said before.
    pub fn is_fresh(&self) -> bool {
        self.is_internal() && self.sender.platform != REPORT
    }
}

/// A message to a chat.
#[derive(Clone, Debug, Default, PartialEq, SerBin, DeBin)]
pub struct Outbound {
    /// Channel instance and chat that it goes to.
    pub to: Address,
    /// Markdown as the model wrote it; each channel converts it.
    pub text: String,
    /// Message to reply to, 0 for none.
    pub reply_to: i64,
}

/// A file to a chat.
#[derive(Clone, Debug)]
pub struct Upload {
    /// Sent from its beginning.
    pub file: Arc<File>,
    /// What the chat calls it.
    pub name: String,
    /// Size in bytes when it was opened; not more is sent.
    pub bytes: u64,
}

/// A question to a user about one call, in one message.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Question {
    /// Its number, which no other question of this home has.
    pub number: u32,
    /// The whole text; it names the number.
    pub text: String,
}

/// What a person answered to a question.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Verdict {
    /// The call may run, this once.
    Yes,
    /// The call must not run; the model is told.
    No,
    /// Nothing, in the time there was.
    TimedOut,
    /// The question did not reach anybody.
    Unreachable,
}
