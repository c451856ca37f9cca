//! The tool calls of a turn: recorded before they run, and what a restart left of them.

use super::round::{self, Callbacks, FailedCalls};
use super::turn_state::TurnState;
use super::types::Agent;
use crate::message::{Role, ToolCall};
use crate::tool::{self, ToolContext};

/// Result of a call whose outcome nobody knows.
const UNKNOWN: &str = "outcome unknown after restart: the call had begun when the device lost power or was \
                       restarted; it was not repeated. Check before you do it again.";
/// The same for a sub-agent's.
const INTERRUPTED: &str = "interrupted by a restart. If the sub-agent had begun, it continues in the background and its \
                           result comes as a message of its own; spawn_status tells. Do not start it again before.";

impl Agent {
    /// Runs calls, with what must not be repeated recorded on the card first.
    pub(super) async fn call_all(
        &self,
        state: &mut TurnState<'_>,
        calls: &[ToolCall],
        context: &ToolContext,
        failures: &mut FailedCalls,
        callbacks: &Callbacks<'_>,
    ) {
        let started: Vec<String> =
            calls.iter().filter(|c| callbacks.writes(c)).map(|c| c.id.clone()).collect();
        let must_sync = !started.is_empty() && state.turn.id != 0;
        if let (Some(ticket), true) = (state.record(started), must_sync) {
            self.journal.synced(ticket).await;
        }
        for result in round::run(context, calls, failures, callbacks).await {
            state.push(result);
        }
        let handed = context.subagents.as_ref().map(|handle| &handle.unrecorded);
        state.record_results(handed).await;
    }

    /// After a restart: calls without a result are answered, the harmless ones by running them again.
    pub(super) async fn finish_started(
        &self,
        state: &mut TurnState<'_>,
        context: &ToolContext,
        failures: &mut FailedCalls,
        callbacks: &Callbacks<'_>,
    ) {
        let Some(at) = state.messages.iter().rposition(|m| m.role == Role::Assistant) else {
            return;
        };
        let has_result =
            |id: &str| state.messages[at..].iter().any(|m| m.tool_call_id.as_deref() == Some(id));
        let open: Vec<ToolCall> =
            state.messages[at].tool_calls.iter().filter(|c| !has_result(&c.id)).cloned().collect();
        if state.turn.resumed.is_none() || open.is_empty() {
            return;
        }
        let (unknown, again): (Vec<_>, Vec<_>) =
            open.into_iter().partition(|c| state.turn.started.contains(&c.id));
        for call in &unknown {
            let text = if tool::handles_subagents(&call.name) { INTERRUPTED } else { UNKNOWN };
            state.push(round::answer_to(call, text));
        }
        self.call_all(state, &again, context, failures, callbacks).await;
    }
}
