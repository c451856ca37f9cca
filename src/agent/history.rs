//! Which messages of a conversation a model may see, and where a conversation may be cut. Pure.

use std::hash::{DefaultHasher, Hasher};

use crate::message::{Message, Role};
use crate::provider::stored::make_replayable;

/// What decides whether a message can be sent: who speaks, and which result belongs to which call.
pub struct MessageShape {
    role: Role,
    /// Hashes of the calls' ids, 0 for none.
    calls: Vec<u64>,
    /// The same of the call that this is the result of.
    result_of: Option<u64>,
}

impl MessageShape {
    /// Of a message.
    pub fn of(message: &Message) -> MessageShape {
        let hash = |id: &String| {
            let mut hasher = DefaultHasher::new();
            hasher.write(id.as_bytes());
            if id.is_empty() { 0 } else { hasher.finish().max(1) }
        };
        MessageShape {
            role: message.role,
            calls: message.tool_calls.iter().map(|call| hash(&call.id)).collect(),
            result_of: message.tool_call_id.as_ref().map(hash),
        }
    }
}

/// Which messages can be sent: not those that providers reject, which are system messages, results without their call, calls
/// without all their results (behaviour.md 3B.3).
pub fn sendable(shapes: &[MessageShape]) -> Vec<bool> {
    let mut kept = vec![false; shapes.len()];
    let (mut last, mut next) = (None, 0);
    while let Some(shape) = shapes.get(next) {
        let at = next;
        next += 1;
        match shape.role {
            Role::System | Role::Tool => {}
            Role::Assistant if !shape.calls.is_empty() => {
                let behind = shapes[next..].iter().take_while(|s| s.role == Role::Tool).count();
                next += behind;
                let mut results: Vec<usize> = Vec::new();
                for n in at + 1..next {
                    let id = shapes[n].result_of;
                    let known = shape.calls.iter().any(|call| Some(*call) == id);
                    if known && !results.iter().any(|r| shapes[*r].result_of == id) {
                        results.push(n);
                    }
                }
                let complete = results.len() == shape.calls.len() && !shape.calls.contains(&0);
                if complete && matches!(last, Some(Role::User | Role::Tool)) {
                    results.iter().for_each(|n| kept[*n] = true);
                    kept[at] = true;
                    last = Some(Role::Tool);
                }
            }
            role => {
                kept[at] = true;
                last = Some(role);
            }
        }
    }
    kept
}

/// Leaves out what [`sendable`] does, and makes the rest acceptable.
pub fn sanitize(mut history: Vec<Message>) -> Vec<Message> {
    let shapes: Vec<MessageShape> = history.iter().map(MessageShape::of).collect();
    let mut kept = sendable(&shapes).into_iter();
    history.retain(|_| kept.next() == Some(true));
    let calls = history.iter_mut().flat_map(|m| &mut m.tool_calls);
    calls.for_each(make_replayable);
    history
}

/// Where turns begin: at every user message.
pub fn turn_starts(messages: &[Message]) -> impl Iterator<Item = usize> + '_ {
    messages.iter().enumerate().filter(|(_, m)| m.role == Role::User).map(|(i, _)| i)
}

#[cfg(test)]
pub(super) mod tests {
    use super::*;
    use crate::message::ToolCall;

    /// `u` user, `a` assistant, `s` system, `c12` assistant calling 1 and 2, `r1` result of 1.
    pub fn history(spec: &str) -> Vec<Message> {
        spec.split_whitespace()
            .map(|word| {
                let ids = &word[1..];
                let mut message = Message::text(
                    match &word[..1] {
                        "u" => Role::User,
                        "s" => Role::System,
                        "r" => Role::Tool,
                        _ => Role::Assistant,
                    },
                    "text",
                );
                match &word[..1] {
                    "c" => {
                        let call = |c: char| ToolCall {
                            id: c.to_string().replace('-', ""),
                            ..ToolCall::default()
                        };
                        message.tool_calls = ids.chars().map(call).collect();
                    }
                    "r" => message.tool_call_id = Some(ids.replace('-', "")),
                    _ => {}
                }
                message
            })
            .collect()
    }

    pub fn spec(messages: &[Message]) -> String {
        let word = |m: &Message| match m.role {
            Role::User => "u".to_string(),
            Role::System => "s".to_string(),
            Role::Tool => format!("r{}", m.tool_call_id.as_deref().unwrap_or("-")),
            Role::Assistant if m.tool_calls.is_empty() => "a".to_string(),
            Role::Assistant => m.tool_calls.iter().fold("c".to_string(), |s, c| s + &c.id),
        };
        messages.iter().map(word).collect::<Vec<_>>().join(" ")
    }

    #[track_caller]
    fn check(before: &str, after: &str) {
        assert_eq!(spec(&sanitize(history(before))), after);
    }

    #[test]
    fn providers_get_only_whole_exchanges() {
        check("u a u a", "u a u a");
        check("s u a", "u a");
        check("r1 u", "u");
        check("u c1 r1 a", "u c1 r1 a");
        check("u c12 r1 r2 a", "u c12 r1 r2 a");
        check("u c12 r1 a", "u a");
        check("u c1 u", "u u");
        check("u a c1 r1", "u a");
        check("c1 r1 u", "u");
        check("u c1 r1 r1 a", "u c1 r1 a");
        check("u c1 r1 a u c1 r1 a", "u c1 r1 a u c1 r1 a");
        check("u c- r- a", "u a");
        check("u c1 r9 r1 a", "u c1 r1 a");
        check("u c1 r1 c2 r2 a", "u c1 r1 c2 r2 a");
    }
}
