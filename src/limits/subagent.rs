//! Bounds of sub-agents and of what reaches a running turn.

/// Bytes of a sub-agent's task, and as many of its result as come into the conversation by themselves (a call that
/// waits gets [`super::TOOL_RESULT_BYTES`]); more belongs in a file.
pub const SUBAGENT_TASK_BYTES: usize = 4 * 1024;
/// Characters of a result that the chat is shown at once (behaviour.md 3A.7).
pub const SUBAGENT_SHOWN: usize = 500;
/// Messages that one sub-agent may send to the conversation that started it: each is a turn there.
pub const SUBAGENT_MESSAGES: u32 = 5;
/// Sub-agents that have ended and are still named by spawn_status; about 100 bytes each.
pub const SUBAGENTS_REMEMBERED: usize = 10;
/// Times one turn asks the model to reflect on failing calls (`agents.defaults.reflect`).
pub const REFLECTIONS: u32 = 3;
/// Messages that steer a running turn together (behaviour.md 3B.1); further ones wait for the next pause or its end.
pub const STEERING: usize = 10;
/// Side questions (`/btw`) that are answered at one time; each is a model call beside the turns.
pub const SIDE_QUESTIONS: usize = 2;
/// Sessions that are remembered as served lately, so that chats take turns; about 30 bytes each. Of more sessions that have
/// messages waiting, those forgotten come first, as if they were new.
pub const SESSIONS_SERVED: usize = 16;
