//! The tools of a turn: what the configuration enables, AGENT.md leaves and the turn provides, and what their calls may use.

use std::cell::Cell;
use std::hash::{DefaultHasher, Hasher};
use std::rc::Rc;
use std::sync::atomic::{AtomicUsize, Ordering};

use super::turn_state::TurnState;
use super::types::{Agent, Turn};
use crate::bus::{Outbound, SUBAGENT};
use crate::sys::spawn_blocking;
use crate::tool::allowed::AllowedTools;
use crate::tool::{self, Needs, ToolContext, ToolSpec, Trust};

/// Hash of the last problem with AGENT.md that the log was told, so that it is told once; 0 for none.
static TOLD: AtomicUsize = AtomicUsize::new(0);

impl Agent {
    /// The tools that AGENT.md leaves; `None` where it does not say.
    pub async fn allowed_tools(&self) -> Option<Rc<AllowedTools>> {
        let workspace = self.config.agent.workspace.clone();
        let allowed = spawn_blocking(move || AllowedTools::of(&workspace)).await?;
        if let Some(problem) = allowed.problem(|name| tool::spec(name).is_some()) {
            let mut hasher = DefaultHasher::new();
            hasher.write(problem.as_bytes());
            let hash = hasher.finish() as usize | 1;
            if TOLD.swap(hash, Ordering::Relaxed) != hash {
                crate::log::warn!("{problem}");
            }
        }
        Some(Rc::new(allowed))
    }

    /// What the model is offered.
    pub(super) fn offered_tools(
        &self,
        turn: &Turn<'_>,
        allowed: Option<&AllowedTools>,
    ) -> Vec<&'static ToolSpec> {
        let mut specs = tool::offered(&self.config, turn.unattended, allowed);
        specs.retain(|spec| match spec.needs {
            Needs::Nothing => true,
            Needs::Files => turn.files.is_some(),
            Needs::Subagents => turn.subagents.is_some(),
        });
        specs
    }

    /// What a call may use; `said` becomes true when the message tool has spoken to the chat.
    pub(super) fn tool_context(
        &self,
        state: &TurnState<'_>,
        said: Rc<Cell<bool>>,
        allowed: Option<Rc<AllowedTools>>,
    ) -> ToolContext {
        let turn = state.turn;
        let send = turn.send_message.clone();
        // A sub-agent's closing words are its result, whatever it has said before.
        let counts = turn.message.sender.platform != SUBAGENT;
        let here = turn.message.from.clone();
        let outbox = move |message: Outbound| {
            // What another chat is told is no answer to who asked.
            let counts = counts && message.to == here;
            send(message)?;
            said.set(said.get() || counts);
            Ok(())
        };
        ToolContext {
            config: self.config.clone(),
            http: self.http.clone(),
            chat: turn.message.from.clone(),
            sender: turn.message.sender.clone(),
            secrets: crate::log::secrets,
            readable_roots: self.readable_roots.clone(),
            send_message: Some(Rc::new(outbox)),
            files: turn.files.clone(),
            trust: Trust {
                ask: turn.ask.clone(),
                unattended: turn.unattended,
                allowed,
                untrusted: state.untrusted.clone(),
                addresses: state.addresses.clone(),
            },
            cron: self.cron.borrow().clone(),
            subagents: turn.subagents.clone(),
        }
    }
}
