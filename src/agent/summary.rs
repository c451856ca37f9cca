//! Long conversations: older messages are summarised in the background, while the chat continues.
//!
//! Nothing of it is on disk before the summary is there, and then both change at once ([`Sessions::cut`]): a crash leaves
//! the conversation as it was. What the model cannot summarise is summarised without one, roughly.

use std::time::Duration;

use smol::future::or;

use super::transcript::{Position, Retention, find_cut, part};
use super::turn_state::TurnState;
use super::types::Agent;
use crate::error::{Context, Result};
use crate::limits::{
    SUMMARY_BYTES, SUMMARY_KEEP_PERCENT, SUMMARY_ROOM_PERCENT, SUMMARY_TIME, SUMMARY_TOKENS,
};
use crate::message::{Message, Role};
use crate::proto::excerpt::keep_ends;
use crate::provider::{ChatRequest, tokens};
#[cfg(doc)]
use crate::store::session::Sessions;
use crate::sys::spawn_blocking;

/// How the model is spoken to.
const SYSTEM: &str = "You write summaries of conversations between a user and an assistant.";
/// What one part is asked for.
const PART: &str = "Summarise this part of a conversation in at most 200 words, in its language. Keep names, numbers, \
                    decisions, wishes and what is still to be done. Write the summary only.";

impl Agent {
    /// Tokens of a conversation above which it is summarised.
    fn most(&self) -> u64 {
        let agent = &self.config.agent;
        u64::from(agent.context_window) * u64::from(agent.summarize_percent) / 100
    }

    /// Is the conversation to be summarised before the next turn has to leave something out?
    pub(super) fn is_long(&self, state: &TurnState<'_>) -> bool {
        let recent: usize = state.messages.iter().map(tokens::of_message).sum();
        let guess = state.past.tokens() + recent;
        let messages = state.past.items.len() + state.messages.len();
        let most = self.config.agent.summarize_messages as usize;
        most > 0 && messages > most
            || self.models.calibration().estimate(guess) as u64 > self.most()
            || guess > state.room / 100 * SUMMARY_ROOM_PERCENT
    }

    /// Summarises all of a session but its latest messages, part by part; false when there is nothing to do. Call it once at
    /// a time for a session; turns may go on meanwhile.
    ///
    /// # Errors
    /// The disk's: what is summarised by then stays so, the rest is as it was.
    pub async fn summarise(&self, session: &str) -> Result<bool> {
        self.journal.written(self.journal.last()).await;
        let calibration = self.models.calibration();
        let guess = |tokens: u64| calibration.guess(usize::try_from(tokens).unwrap_or(usize::MAX));
        let keep = Retention {
            messages: self.config.agent.summarize_messages as usize,
            tokens: guess(self.most()) / 100 * SUMMARY_KEEP_PERCENT,
        };
        let room = guess(u64::from(self.config.agent.context_window) / 2);
        let (sessions, key) = (self.sessions.clone(), session.to_owned());
        let found = spawn_blocking(move || {
            let opened = sessions.open_session(&key)?;
            let cut = find_cut(&opened, keep).context("cannot read the session")?;
            Ok::<_, crate::Error>((opened, cut))
        });
        let (opened, Some(cut)) = found.await? else { return Ok(false) };
        let Some(file) = opened.file else { return Ok(false) };
        let (mut at, mut meta) = (Position { line: opened.first, said: 0 }, opened.meta);
        let mut summary = meta.summary.clone();
        // What is made from untrusted text is untrusted.
        let mut untrusted = meta.has_untrusted_summary(opened.first);
        while at.line < cut {
            let (file, question) = (file.clone(), question(&summary));
            let asked = question.len();
            let read = spawn_blocking(move || part(&file, at, cut, room, question));
            let part = read.await.context("cannot read the session")?;
            untrusted |= part.untrusted || at.line < meta.untrusted_bytes;
            if part.text.len() > asked {
                let timeout = async {
                    async_io::Timer::after(SUMMARY_TIME).await;
                    None
                };
                let written = or(self.ask_for(part.text), timeout).await;
                summary = written.unwrap_or_else(|| {
                    crate::log::warn!(
                        "session {session}: no model gave a summary; excerpts stand in its place"
                    );
                    let blank = if summary.is_empty() { "" } else { "\n" };
                    [summary.trim(), blank, &part.excerpts].concat()
                });
                summary = keep_ends(summary, SUMMARY_BYTES);
            }
            at = part.next;
            if at.said > 0 {
                continue;
            }
            let (sessions, key) = (self.sessions.clone(), session.to_owned());
            let new = summary.clone();
            let done =
                spawn_blocking(move || sessions.cut(&key, &meta, at.line, (&new, untrusted)));
            match done.await? {
                Some(now) => meta = now,
                // Cleared meanwhile.
                None => return Ok(false),
            }
        }
        crate::log::info!("session {session}: all before byte {cut} is summarised");
        Ok(true)
    }

    async fn ask_for(&self, prompt: String) -> Option<String> {
        let messages = [Message::text(Role::User, prompt)];
        let request = ChatRequest {
            system_static: SYSTEM,
            system_dynamic: "",
            history: None,
            messages: &messages,
            tools: &[],
            max_tokens: SUMMARY_TOKENS,
            temperature: 0.3,
            cache_key: "",
            pictures: &[],
        };
        for pause in [100, 200, 0] {
            match self.models.chat(&request, None, None).await {
                Ok(reply) if !reply.text.trim().is_empty() => {
                    return Some(reply.text.trim().to_owned());
                }
                Ok(_) => crate::log::warn!("a summary came back empty"),
                Err(e) => crate::log::warn!("summary: {e}"),
            }
            async_io::Timer::after(Duration::from_millis(pause)).await;
        }
        None
    }
}

/// What a part of a conversation is summarised by; its text follows.
fn question(earlier: &str) -> String {
    let mut question = String::from(PART);
    if !earlier.trim().is_empty() {
        question.push_str("\n\nBefore it, in summary (keep what still matters):\n");
        question.push_str(earlier);
    }
    question.push_str("\n\nThe conversation:\n");
    question
}
