//! One message, from the session as it is to the answer.
//!
//! Every step is recorded before the next one begins: the user's words and the model's calls before a tool
//! that changes something runs, its result before the model is asked again. A turn that a restart cut short goes
//! on from there ([`Turn::resumed`]).

use std::cell::Cell;
use std::rc::Rc;

#[cfg(feature = "hooks")]
use super::hooked::{Hooked, TurnEvents};
use super::round::{Callbacks, FailedCalls};
use super::turn_state::TurnState;
use super::types::{Agent, Answer, Turn, UserContent, cut, failure_text};
use crate::bus::{Outbound, SUBAGENT};
use crate::error::Result;
use crate::message::{Message, Role};
use crate::provider::stored::make_replayable;
use crate::provider::{ChatReply, Failure};
use crate::store::frame::Frame;
use crate::sys::spawn_blocking;
use crate::tool::prompt_files::{self, Places};

/// Text for an answer without any.
const EMPTY: &str =
    "The model returned an empty response. This may indicate a provider error or token limit.";
/// Added to an answer that its server ended at the most tokens.
const TRUNCATED: &str = "\n\n(The answer ends here: it reached the model's limit of tokens, `max_tokens`. Ask for the rest.)";
/// Text for a turn that used up its rounds.
const ROUNDS: &str = "I've reached `max_tool_iterations` without a final response. Increase `max_tool_iterations` \
                      in config.json if this task needs more tool steps.";
/// Text for a turn that used up its tokens.
const BUDGET: &str = "the token budget (agents.defaults.subturn.default_token_budget) is used up";

impl Agent {
    /// Answers one message. Dropping the future stops the turn at once: requests are closed, commands killed.
    ///
    /// # Errors
    /// A session key that is no file name. Everything a model or tool does wrong is an [`Answer`].
    pub async fn run(&self, turn: &Turn<'_>) -> Result<Answer> {
        #[cfg(feature = "hooks")]
        let events = TurnEvents::begin(&self.hooks, turn.scope(0), turn.message);
        let mut state = self.begin(turn).await?;
        let own = &state.messages[state.start..];
        if turn.resumed.is_some() && !own.is_empty() {
            if let Some(text) = finished_text(own) {
                #[cfg(feature = "hooks")]
                events.end(false, 0, &text);
                return Ok(Answer { text, ..Answer::default() });
            }
        } else {
            state.push_user(UserContent {
                text: turn.message.text.clone(),
                pictures: turn.pictures.to_vec(),
                untrusted: turn.untrusted,
            });
            // At once: a turn that is stopped leaves at least what the user said.
            state.record(Vec::new());
        }
        state.open_pictures().await;
        let outcome = self.rounds(&mut state).await;
        let mut answer = match outcome {
            Ok(answer) => answer,
            Err(failure) => {
                Answer { text: failure_text(&failure), failed: true, ..Answer::default() }
            }
        };
        if !answer.failed || !answer.text.is_empty() {
            state.push(Message::text(Role::Assistant, &answer.text));
        }
        state.record(Vec::new());
        let long = state.dropped > 0 || !answer.failed && self.is_long(&state);
        answer.summarise = long && !turn.message.is_fresh();
        answer.untrusted = state.untrusted.get();
        answer.rounds = state.rounds;
        #[cfg(feature = "hooks")]
        events.end(answer.failed, answer.rounds, &answer.text);
        Ok(answer)
    }

    /// Model and tools in turn until there is an answer.
    async fn rounds(&self, state: &mut TurnState<'_>) -> Result<Answer, Failure> {
        let turn = state.turn;
        let allowed = self.allowed_tools().await;
        let specs = self.offered_tools(turn, allowed.as_deref());
        let said = Rc::new(Cell::new(false));
        let context = self.tool_context(state, said.clone(), allowed);
        let mut failures = FailedCalls::default();
        let show = |text: &str| {
            // What a sub-agent's tools show is for nobody but it.
            if turn.message.sender.platform == SUBAGENT {
                return;
            }
            let to = turn.message.from.clone();
            if let Err(e) = (turn.send_message)(Outbound { to, text: text.into(), reply_to: 0 }) {
                crate::log::warn!("a tool's message was not sent: {e}");
            }
        };
        let waits = || turn.steering.as_ref().is_some_and(|s| (s.waits)());
        let callbacks = Callbacks {
            show: &show,
            steered: &waits,
            #[cfg(feature = "hooks")]
            hooked: Hooked::new(&self.hooks, turn.scope(0)),
        };
        self.finish_started(state, &context, &mut failures, &callbacks).await;
        #[cfg(feature = "hooks")]
        if let Some(text) = callbacks.hooked.aborted() {
            return Ok(Answer { text, failed: true, ..Answer::default() });
        }
        for _ in 0..self.config.agent.max_tool_iterations.max(1) {
            if self.prompt_holds_untrusted().await {
                state.untrusted.set(true);
            }
            let reply = self.ask(state, &specs).await?;
            state.rounds += 1;
            #[cfg(feature = "hooks")]
            callbacks.hooked.set_round(state.rounds);
            state.tokens += reply.usage.as_ref().map_or(0, |u| u.input + u.output);
            if reply.tool_calls.is_empty() {
                let text = closing_text(reply, said.get());
                return Ok(Answer { text, ..Answer::default() });
            }
            if turn.budget > 0 && state.tokens >= u64::from(turn.budget) {
                return Ok(Answer { text: BUDGET.into(), failed: true, ..Answer::default() });
            }
            let mut reply = reply;
            let reasoning = std::mem::take(&mut reply.reasoning);
            let reasoning = (!reasoning.is_empty()).then_some(reasoning);
            reply.tool_calls.iter_mut().for_each(make_replayable);
            state.push(Message {
                tool_calls: reply.tool_calls,
                reasoning_content: reasoning,
                ..Message::text(Role::Assistant, reply.text)
            });
            let calls = state.messages.last().map(|m| m.tool_calls.clone()).unwrap_or_default();
            self.call_all(state, &calls, &context, &mut failures, &callbacks).await;
            #[cfg(feature = "hooks")]
            if let Some(text) = callbacks.hooked.aborted() {
                return Ok(Answer { text, failed: true, ..Answer::default() });
            }
            if self.take_steering(state).await {
                // Whatever was said so far, these words want an answer.
                said.set(false);
            }
        }
        Ok(Answer { text: ROUNDS.into(), failed: true, ..Answer::default() })
    }

    /// Text of others is in a file that the prompt holds.
    async fn prompt_holds_untrusted(&self) -> bool {
        let places = Places::of(&self.config);
        spawn_blocking(move || prompt_files::hold_untrusted(&places)).await
    }

    /// Messages that have arrived become part of the turn; true when there were any.
    async fn take_steering(&self, state: &mut TurnState<'_>) -> bool {
        let Some(steering) = &state.turn.steering else { return false };
        let claimed = (steering.claim)().await;
        #[cfg(feature = "hooks")]
        if !claimed.is_empty() {
            let scope = state.turn.scope(state.rounds);
            self.hooks.event(scope, "agent.steering.injected", || {
                let length: usize = claimed.iter().map(|(_, content)| content.text.len()).sum();
                format!("{{\"Count\":{},\"TotalContentLen\":{length}}}", claimed.len())
            });
        }
        let mut pictures = false;
        for (id, content) in &claimed {
            pictures |= !content.pictures.is_empty();
            state.push_user(content.clone());
            // In one write: it is in the turn, and no longer a message of its own. What is too long for the journal has to
            // be in the session's file first; a kill between the two leaves both.
            let long = state.recorded_apart();
            if let (Some(ticket), true) = (state.record(Vec::new()), long) {
                self.journal.synced(ticket).await;
            }
            self.journal.record(&Frame::Finished { id: *id });
        }
        if pictures {
            state.open_pictures().await;
        }
        !claimed.is_empty()
    }
}

/// The words that end a turn; none where the message tool has spoken to the chat, as they would say it twice.
fn closing_text(reply: ChatReply, said: bool) -> String {
    let mut text = if reply.text.is_empty() { reply.reasoning } else { reply.text };
    if said {
        text.clear();
    } else if text.trim().is_empty() {
        text = EMPTY.into();
    } else if reply.truncated {
        text.push_str(TRUNCATED);
    }
    cut(&mut text);
    text
}

/// The answer a restart came too late to prevent, if the turn had one.
fn finished_text(messages: &[Message]) -> Option<String> {
    let last = messages.last()?;
    (last.role == Role::Assistant && last.tool_calls.is_empty()).then(|| last.content.clone())
}
