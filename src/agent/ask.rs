//! One question to the model: what fits into its window, and what is done when it says that it did not.
//!
//! The running turn is never left out, and no call is parted from its result.

use std::sync::{Arc, PoisonError};

use super::prompt::{self, Prompt};
use super::stored_messages::{self, Dropped};
use super::turn_state::TurnState;
use super::types::{Agent, Turn};
use crate::proto::date;
use crate::provider::{ChatReply, ChatRequest, Class, Failure, tokens};
use crate::sys::clock;
use crate::tool;

impl TurnState<'_> {
    /// The model had no room for the conversation, and `dropped` of its oldest messages are left out now.
    fn compress(&mut self, dropped: Dropped) {
        self.note_dropped(dropped);
        let dropped = dropped.past + dropped.recent;
        self.dropped = self.dropped.max(1);
        crate::log::warn!(
            "the conversation is too long for the model; {dropped} older messages are left out"
        );
        if dropped > 0 {
            let blank = if self.summary.is_empty() { "" } else { "\n\n" };
            self.summary.push_str(&format!(
                "{blank}[Emergency compression dropped {dropped} oldest messages due to context limit]"
            ));
        }
    }
}

fn is_refusal(class: Class) -> bool {
    matches!(class, Class::Format | Class::Unknown)
}

/// What differs between turns.
fn dynamic_prompt(turn: &Turn<'_>, summary: &str) -> String {
    let unix = clock::unix_now();
    prompt::dynamic_part(&prompt::PromptTurn {
        unix,
        offset: clock::utc_offset(unix),
        chat: &turn.message.from,
        sender: &turn.message.sender,
        summary,
    })
}

impl Agent {
    /// One model call, with older turns left out when they do not fit.
    pub(super) async fn ask(
        &self,
        state: &mut TurnState<'_>,
        specs: &[&'static tool::ToolSpec],
    ) -> Result<ChatReply, Failure> {
        let turn = state.turn;
        let system_static = self.static_prompt().await;
        let agent = &self.config.agent;
        let mut tries = 0;
        loop {
            let system_dynamic = dynamic_prompt(turn, &state.summary);
            let mut request = ChatRequest {
                system_static: &system_static,
                system_dynamic: &system_dynamic,
                history: None,
                messages: &[],
                tools: specs,
                max_tokens: agent.max_tokens,
                temperature: agent.temperature,
                cache_key: turn.session,
                pictures: &[],
            };
            let calibration = self.models.calibration();
            let window = calibration.guess(agent.context_window as usize);
            let fixed = tokens::of_frame(&request) + calibration.guess(agent.max_tokens as usize);
            state.room = window.saturating_sub(fixed);
            let (running, room) = (state.start, state.room);
            let dropped = stored_messages::fit(&mut state.past, &mut state.messages, running, room);
            state.note_dropped(dropped);
            request.history = state.past.stored();
            request.messages = &state.messages;
            request.pictures = &state.pictures;
            let shows = !state.pictures.is_empty();
            let model = (shows && !agent.image_model.is_empty()).then_some(&*agent.image_model);
            #[cfg(feature = "hooks")]
            let (scope, asked) = (turn.scope(state.rounds), self.models.current());
            #[cfg(feature = "hooks")]
            let asked = model.unwrap_or(&asked);
            #[cfg(feature = "hooks")]
            let changed = self.before_llm(scope, &request, asked).await?.unwrap_or_default();
            #[cfg(feature = "hooks")]
            let model = changed.apply(&mut request).or(model);
            let answered = self.models.chat(&request, model, turn.on_text).await;
            match answered {
                // Servers have many words for what they cannot see, and for what is too large for them.
                Err(f) if shows && (f.status == 413 || is_refusal(f.class)) => {
                    crate::log::warn!("the model is asked again without pictures: {f}");
                    state.drop_pictures();
                }
                Err(f) if f.class == Class::ContextOverflow && tries < agent.max_llm_retries => {
                    tries += 1;
                    let running = state.start;
                    let dropped =
                        stored_messages::halve(&mut state.past, &mut state.messages, running);
                    if dropped == Dropped::default()
                        && !stored_messages::shorten_results(&mut state.messages)
                    {
                        return Err(f);
                    }
                    state.compress(dropped);
                }
                #[cfg(feature = "hooks")]
                Ok(reply) => return self.after_llm(scope, reply, model.unwrap_or(asked)).await,
                other => return other,
            }
        }
    }

    /// The same for all chats until a file or the day changes.
    async fn static_prompt(&self) -> Arc<str> {
        let unix = clock::unix_now();
        let day = date::day_number(unix, clock::utc_offset(unix));
        let read = move |prompt: &mut Prompt| (prompt.static_part(day), prompt.take_warnings());
        let (text, warnings) = self.with_prompt(read).await;
        for warning in warnings {
            crate::log::warn!("{warning}");
        }
        text
    }

    /// Works on the prompt and the files that it is made of, which are not read on the loop.
    pub async fn with_prompt<T: Send + 'static>(
        &self,
        work: impl FnOnce(&mut Prompt) -> T + Send + 'static,
    ) -> T {
        let prompt = Arc::clone(&self.prompt);
        crate::sys::spawn_blocking(move || {
            work(&mut prompt.lock().unwrap_or_else(PoisonError::into_inner))
        })
        .await
    }
}
