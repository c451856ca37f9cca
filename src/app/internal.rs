//! Messages that nobody wrote: jobs and the heartbeat. They go through journal, agent and outbox like any other, so that a
//! crash neither loses nor repeats them.

use super::hub::{Claimed, Hub};
use crate::agent::Answer;
use crate::bus::{CRON, HEARTBEAT, Inbound};
use crate::proto::text::one_line;
use crate::store::frame::Frame;
use crate::store::ledger::Ledger;
use crate::tool::exec;

/// [`crate::bus::Sender::name`] of a job whose text goes to the chat without a model.
pub const DELIVER: &str = "(deliver)";

/// The same of a job whose text is a command that was approved.
pub const COMMAND: &str = "(command)";

/// How a job's firing ended: its id, and the error.
pub type Ended = (String, Option<String>);

impl Hub {
    /// Is a message of this job or heartbeat still open?
    pub fn has_open(&self, platform: &str, id: &str) -> bool {
        let is = |m: &Inbound| m.sender.platform == platform && m.sender.id == id;
        self.journal.ledger(|l| l.entries().any(|e| is(&e.message)))
    }

    /// Ids and times of jobs that the last run began and did not finish.
    pub fn open_jobs(&self) -> Vec<(String, i64)> {
        self.journal.ledger(|l| {
            let cron = l.entries().filter(|e| e.message.sender.platform == CRON);
            cron.map(|e| (e.message.sender.id.clone(), e.message.date)).collect()
        })
    }

    /// Takes an internal message over; on disk when this returns. It begins with [`Hub::start`], or, should the program
    /// end before, with the next start.
    pub async fn keep(&self, message: Inbound) -> u64 {
        self.outbox.room().await;
        let id = self.journal.ledger(Ledger::next_id);
        let ticket = self.journal.record(&Frame::Received { id, message });
        self.journal.synced(ticket).await;
        id
    }

    /// Messages and replies open in the journal, and conversations being summarised: none, and nothing more comes of what was
    /// said so far.
    pub fn unfinished(&self) -> usize {
        self.journal.ledger(|l| l.len()) + self.summarising.borrow().len()
    }

    /// Summarises a session, once at a time; the chat goes on meanwhile.
    pub(super) async fn summarise(&self, session: &str) {
        if self.summarising.borrow().iter().any(|s| s == session) {
            return;
        }
        self.summarising.borrow_mut().push(session.to_owned());
        if let Err(e) = self.agent.summarise(session).await {
            crate::log::warn!("session {session} was not summarised: {e}");
        }
        self.summarising.borrow_mut().retain(|s| s != session);
    }

    /// Runs a job's command, at most once: one that a restart cut off is reported.
    pub(super) async fn command(&self, claimed: &Claimed) -> Answer {
        let line = &claimed.message.text;
        let shown = one_line(line, 200);
        let failed = |text: String| Answer { text, failed: true, ..Answer::default() };
        if claimed.started.iter().any(|s| s == COMMAND) {
            return failed(format!(
                "Scheduled command '{shown}' was cut off by a restart; it may have done its work in part, and is not run again now."
            ));
        }
        let ticket = self.journal.record(&Frame::Step {
            id: claimed.id,
            session: claimed.session.clone(),
            offset: 0,
            lines: Vec::new(),
            started: vec![COMMAND.to_owned()],
        });
        self.journal.synced(ticket).await;
        let agent = &self.agent;
        let run = exec::scheduled(&agent.config, &agent.readable_roots, line);
        let done = Box::pin(run).await;
        let text = format!("Scheduled command '{shown}' executed:\n{}", done.for_model);
        if done.is_error { failed(text) } else { Answer { text, ..Answer::default() } }
    }

    /// The answer of an internal message, after which it is told how it ended.
    pub(super) fn internal(&self, claimed: &Claimed, answer: Answer) -> String {
        let sender = &claimed.message.sender;
        if sender.platform == HEARTBEAT {
            return heartbeat(answer);
        }
        if sender.platform != CRON {
            return answer.text;
        }
        let error = answer.failed.then(|| answer.text.clone());
        // The receiver is in the same hub.
        let _ = self.ended.0.try_send((sender.id.clone(), error));
        answer.text
    }
}

/// What of a heartbeat's answer reaches the chat: nothing when all is well, or when no model could be asked.
fn heartbeat(answer: Answer) -> String {
    if answer.failed {
        crate::log::warn!("heartbeat: {}", answer.text);
        return String::new();
    }
    let bare = answer.text.trim_matches(|c: char| !c.is_alphanumeric());
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
    fn a_heartbeat_speaks_only_when_there_is_something() {
        check("HEARTBEAT_OK", false, "");
        check(" **HEARTBEAT_OK.**\n", false, "");
        check("", false, "");
        check("The disk is full.", false, "The disk is full.");
        check("HEARTBEAT_OK, but the disk is full", false, "HEARTBEAT_OK, but the disk is full");
        check("no network", true, "");
    }
}
