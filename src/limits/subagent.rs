//! Limits of sub-agents, and of messages to a running turn.

/// Bytes of a sub-agent's task, and of its result in the report (a call that waits gets
/// [`super::TOOL_RESULT_BYTES`]); more belongs in a file.
pub const SUBAGENT_TASK_BYTES: usize = 4 * 1024;
/// Characters of a result that are shown in the chat at once (behaviour.md 3A.7).
pub const SUBAGENT_SHOWN: usize = 500;
/// Messages that one sub-agent may send to the conversation that started it: each is a turn there.
pub const SUBAGENT_MESSAGES: u32 = 5;
/// Finished sub-agents that spawn_status still lists; about 100 bytes each.
pub const SUBAGENTS_REMEMBERED: usize = 10;
/// Times one turn asks the model to reflect on failing calls (`agents.defaults.reflect`).
pub const REFLECTIONS: u32 = 3;
/// Messages that steer a running turn together (behaviour.md 3B.1); further ones wait for the next round or its end.
pub const STEERING: usize = 10;
/// Concurrent side questions (`/btw`); each is a model call in parallel with the turns.
pub const SIDE_QUESTIONS: usize = 2;
/// Recently served sessions that are remembered, so that chats take turns; about 30 bytes each. If more sessions have
/// waiting messages, the forgotten ones are served first, as if they were new.
pub const SESSIONS_SERVED: usize = 16;
