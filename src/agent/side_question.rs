//! A question beside the conversation (`/btw`): the model sees what was said, and what it answers is not kept.

use super::history;
use super::types::{Agent, Answer, Turn, cut, failure_text};
use crate::error::Result;
use crate::message::{Message, Role};

/// Follows the question.
const NOTE: &str = "\n\n(A side question: answer it at once and in words, without tools. Neither the question nor your \
                    answer stays in the conversation, and work in progress continues.)";
/// For a model that calls tools all the same.
const TOOLS: &str = "That needs tools. Ask it as an ordinary message.";

impl Agent {
    /// Answers `turn.message` with the session as it is on disk; nothing is written.
    ///
    /// # Errors
    /// A session key that is no file name.
    pub async fn answer_side_question(&self, turn: &Turn<'_>) -> Result<Answer> {
        let mut state = self.begin(turn).await?;
        // A turn under way may have calls without results in there.
        state.messages = history::sanitize(std::mem::take(&mut state.messages));
        state.start = state.messages.len();
        let text = [&*turn.message.text, NOTE].concat();
        state.messages.push(Message::text(Role::User, text));
        // The same tools as always: providers want those in a request that the history calls, and their caches hit.
        let allowed = self.allowed_tools().await;
        let specs = crate::tool::offered(&self.config, turn.unattended, allowed.as_deref());
        Ok(match self.ask(&mut state, &specs).await {
            Ok(mut reply) if !reply.text.trim().is_empty() => {
                cut(&mut reply.text);
                Answer { text: reply.text, ..Answer::default() }
            }
            Ok(_) => Answer { text: TOOLS.into(), ..Answer::default() },
            Err(e) => Answer { text: failure_text(&e), failed: true, ..Answer::default() },
        })
    }
}
