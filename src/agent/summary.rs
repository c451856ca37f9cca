//! Long conversations: older messages become a summary, in the background, while the chat goes on.
//!
//! Nothing of it is on disk before the summary is there, and then both change at once ([`Sessions::cut`]): a crash leaves
//! the conversation as it was. What the model cannot summarise is summarised without one, roughly.

use std::time::Duration;

use smol::future::or;

use super::history;
use super::turn::Agent;
use crate::error::Result;
use crate::limits::{
    SUMMARY_BYTES, SUMMARY_EXCERPT, SUMMARY_HALVES, SUMMARY_KEEP, SUMMARY_TIME, SUMMARY_TOKENS,
};
use crate::message::{Message, Role};
use crate::proto::excerpt::keep_ends;
use crate::proto::text;
use crate::provider::{ChatRequest, tokens};
#[cfg(doc)]
use crate::store::session::Sessions;

/// How the model is spoken to.
const SYSTEM: &str = "You write summaries of conversations between a user and an assistant.";
/// What one part is asked for.
const PART: &str = "Summarise this part of a conversation in at most 200 words, in its language. Keep names, numbers, \
                    decisions, wishes and what is still to be done. Write the summary only.";
/// What two parts are asked for.
const MERGE: &str = "These summaries follow each other in time. Make one of them, of at most 300 words, in their \
                     language. Later ones are right where they contradict. Write the summary only.";
/// Stands for messages that no call could hold.
const OMITTED: &str = "[Some messages were too long to be summarised and are left out.]";

impl Agent {
    /// Is a conversation of these messages, some left out already, to be summarised?
    pub(super) fn is_long(&self, messages: &[Message]) -> bool {
        let agent = &self.config.agent;
        let guess = messages.iter().map(tokens::of_message).sum();
        let most = u64::from(agent.context_window) * u64::from(agent.summarize_percent) / 100;
        messages.len() > agent.summarize_messages as usize
            || self.models.calibration().estimate(guess) as u64 > most
    }

    /// Summarises all of a session but its latest messages; false when there is nothing to do. Call it once at a time for
    /// a session; turns may go on meanwhile.
    ///
    /// # Errors
    /// The disk's: the session is then as it was.
    pub async fn summarise(&self, session: &str) -> Result<bool> {
        self.journal.written(self.journal.last()).await;
        let (sessions, key) = (self.sessions.clone(), session.to_owned());
        let live = crate::sys::spawn_blocking(move || sessions.live(&key)).await?;
        let (places, messages): (Vec<u64>, Vec<Message>) = live.messages.into_iter().unzip();
        let keep = messages.len().saturating_sub(SUMMARY_KEEP);
        let cut = history::boundary(&messages, keep);
        if cut == 0 || cut >= messages.len() || messages[cut].role != Role::User {
            return Ok(false);
        }
        let place = places[cut];
        let older = &messages[..cut];
        let timeout = async {
            async_io::Timer::after(SUMMARY_TIME).await;
            None
        };
        let written = or(self.written(older, &live.meta.summary), timeout).await;
        let summary = written.unwrap_or_else(|| {
            crate::log::warn!(
                "session {session}: no model gave a summary; excerpts stand in its place"
            );
            mechanical(older, &live.meta.summary)
        });
        crate::log::info!("session {session}: {cut} messages are summarised");
        let (sessions, key, seen) = (self.sessions.clone(), session.to_owned(), live.meta);
        crate::sys::spawn_blocking(move || sessions.cut(&key, &seen, place, &summary)).await
    }

    /// The model's summary of messages and of what was before them.
    async fn written(&self, older: &[Message], earlier: &str) -> Option<String> {
        let half = self.config.agent.context_window as usize / 2;
        let calibration = self.models.calibration();
        let fits = |m: &&Message| calibration.estimate(tokens::of_message(m)) <= half;
        let spoken = |m: &&Message| {
            matches!(m.role, Role::User | Role::Assistant) && !m.content.trim().is_empty()
        };
        let all: Vec<&Message> = older.iter().filter(spoken).collect();
        let short: Vec<&Message> = all.iter().copied().filter(fits).collect();
        let mut summary = if short.len() > SUMMARY_HALVES {
            let (a, b) = short.split_at(short.len() / 2);
            let first = self.part(a, "").await?;
            let second = self.part(b, "").await?;
            let parts = [earlier, &first, &second];
            let parts: Vec<&str> = parts.into_iter().filter(|p| !p.trim().is_empty()).collect();
            let joined = parts.join("\n\n---\n\n");
            match self.ask_for(format!("{MERGE}\n\n{joined}")).await {
                Some(merged) => merged,
                None => joined,
            }
        } else {
            self.part(&short, earlier).await?
        };
        if short.len() < all.len() {
            summary.push_str("\n\n");
            summary.push_str(OMITTED);
        }
        Some(keep_ends(summary, SUMMARY_BYTES))
    }

    /// One call; nothing to summarise leaves what was before.
    async fn part(&self, messages: &[&Message], earlier: &str) -> Option<String> {
        if messages.is_empty() {
            return Some(earlier.to_owned());
        }
        let mut prompt = String::from(PART);
        if !earlier.trim().is_empty() {
            prompt.push_str("\n\nBefore it, in summary (keep what still matters):\n");
            prompt.push_str(earlier);
        }
        prompt.push_str("\n\nThe conversation:\n");
        for message in messages {
            prompt.push_str(if message.role == Role::User { "\nUser: " } else { "\nAssistant: " });
            prompt.push_str(message.content.trim());
        }
        self.ask_for(prompt).await
    }

    async fn ask_for(&self, prompt: String) -> Option<String> {
        let messages = [Message::text(Role::User, prompt)];
        let request = ChatRequest {
            system_static: SYSTEM,
            system_dynamic: "",
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

/// A summary without a model: the beginning of each message, a tenth of it but at least [`SUMMARY_EXCERPT`] characters.
fn mechanical(older: &[Message], earlier: &str) -> String {
    let mut out = String::from(earlier.trim());
    for message in older {
        let content = message.content.trim();
        let speaker = match message.role {
            Role::User => "User",
            Role::Assistant => "Assistant",
            Role::System | Role::Tool => continue,
        };
        if content.is_empty() {
            continue;
        }
        let most = SUMMARY_EXCERPT.max(content.chars().count() / 10);
        let excerpt = &content[..text::at_char(content, most)];
        let more = if excerpt.len() < content.len() { "…" } else { "" };
        let blank = if out.is_empty() { "" } else { "\n" };
        out.push_str(&format!("{blank}{speaker}: {excerpt}{more}"));
    }
    keep_ends(out, SUMMARY_BYTES)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn excerpts_stand_in_for_a_summary() {
        let long = "ä".repeat(3_000);
        let older = [
            Message::text(Role::User, "my bicycle is green"),
            Message::text(Role::Assistant, ""),
            Message::text(Role::Tool, "not this"),
            Message::text(Role::Assistant, long),
        ];
        let text = mechanical(&older, "They met. ");
        let start = "They met.\nUser: my bicycle is green\nAssistant: ää";
        assert!(text.starts_with(start), "{text}");
        assert!(text.ends_with("ä…") && text.matches('ä').count() == 300);
        let many: Vec<Message> =
            (0..1000).map(|n| Message::text(Role::User, format!("message {n}"))).collect();
        assert!(mechanical(&many, "").len() <= SUMMARY_BYTES);
        assert_eq!(mechanical(&[], "old"), "old");
    }
}
