//! Which messages of a session a model gets to see. Pure.

use crate::limits::SHORT_RESULT_BYTES;
use crate::message::{Message, Role, ToolCall};
use crate::proto::excerpt::keep_ends;
use crate::provider::tokens::of_message as tokens;

/// Leaves out what providers reject: system messages, results without their call, calls without all their results
/// (behaviour.md 3B.3).
pub fn sanitize(history: Vec<Message>) -> Vec<Message> {
    let mut kept: Vec<Message> = Vec::with_capacity(history.len());
    let mut rest = history.into_iter().peekable();
    while let Some(message) = rest.next() {
        match message.role {
            Role::System | Role::Tool => {}
            Role::User => kept.push(message),
            Role::Assistant if message.tool_calls.is_empty() => kept.push(message),
            Role::Assistant => {
                let mut results: Vec<Message> = Vec::new();
                while let Some(result) = rest.next_if(|m| m.role == Role::Tool) {
                    let known = message
                        .tool_calls
                        .iter()
                        .any(|c| Some(&c.id) == result.tool_call_id.as_ref());
                    if known && !results.iter().any(|r| r.tool_call_id == result.tool_call_id) {
                        results.push(result);
                    }
                }
                let complete = results.len() == message.tool_calls.len()
                    && message.tool_calls.iter().all(|c| !c.id.is_empty());
                let follows =
                    kept.last().is_some_and(|m| matches!(m.role, Role::User | Role::Tool));
                if complete && follows {
                    let mut message = message;
                    message.tool_calls.iter_mut().for_each(make_replayable);
                    kept.push(message);
                    kept.append(&mut results);
                }
            }
        }
    }
    kept
}

/// May a call of this name stand in a later request? (OpenAI API reference: `^[a-zA-Z0-9_-]{1,64}$`)
fn is_replayable(name: &str) -> bool {
    (1..=64).contains(&name.len())
        && name.bytes().all(|b| b.is_ascii_alphanumeric() || matches!(b, b'_' | b'-'))
}

/// Gives a call that a model named wrongly a name that providers take back, so that one bad answer does not
/// spoil the conversation; the call itself still fails.
pub fn make_replayable(call: &mut ToolCall) {
    if !is_replayable(&call.name) {
        call.name = call
            .name
            .chars()
            .filter(|c| c.is_ascii_alphanumeric() || matches!(c, '_' | '-'))
            .take(60)
            .collect();
        if call.name.is_empty() {
            call.name = "unnamed".into();
        }
    }
}

/// Where turns begin: at every user message.
pub fn turn_starts(messages: &[Message]) -> impl Iterator<Item = usize> + '_ {
    messages.iter().enumerate().filter(|(_, m)| m.role == Role::User).map(|(i, _)| i)
}

/// The turn's start at or before `target`, where a history may be cut without parting a call from its result; `target`
/// itself when nobody asked anything before it.
pub fn boundary(messages: &[Message], target: usize) -> usize {
    let target = target.min(messages.len());
    let upto = messages.len().min(target + 1);
    messages[..upto].iter().rposition(|m| m.role == Role::User).unwrap_or(target)
}

/// May the history be cut before `index`?
pub fn is_boundary(messages: &[Message], index: usize) -> bool {
    index == 0 || messages.get(index).is_none_or(|m| m.role == Role::User)
}

/// Does a request of so many tokens, with its answer, go beyond the window?
pub fn is_over(window: usize, request: usize, answer: usize) -> bool {
    request.saturating_add(answer) > window
}

/// Drops the oldest whole turns until the estimate is within `budget`; the running turn, which begins at `running`,
/// always stays. Returns how many messages went.
pub fn fit(messages: &mut Vec<Message>, running: usize, budget: usize) -> usize {
    let mut total: usize = messages.iter().map(tokens).sum();
    let mut from = 0;
    let starts: Vec<usize> = turn_starts(messages).filter(|i| *i <= running).collect();
    for next in starts.into_iter().filter(|i| *i > 0) {
        if total <= budget {
            break;
        }
        total -= messages[from..next].iter().map(tokens).sum::<usize>();
        from = next;
    }
    messages.drain(..from);
    from
}

/// Drops the oldest half of the turns, never the running one; returns how many messages went.
pub fn halve(messages: &mut Vec<Message>, running: usize) -> usize {
    let starts: Vec<usize> = turn_starts(messages).filter(|i| *i <= running).collect();
    let cut = match starts.len() {
        0 | 1 => 0,
        n => starts[n.div_ceil(2).min(n - 1)],
    };
    messages.drain(..cut);
    cut
}

/// Shortens the results of tools, for a running turn that alone is too long; true when that changed anything.
pub fn shorten_results(messages: &mut [Message]) -> bool {
    let mut any = false;
    for message in messages.iter_mut().filter(|m| m.role == Role::Tool) {
        if message.content.len() > SHORT_RESULT_BYTES {
            message.content = keep_ends(std::mem::take(&mut message.content), SHORT_RESULT_BYTES);
            any = true;
        }
    }
    any
}

#[cfg(test)]
mod tests {
    use super::*;

    /// `u` user, `a` assistant, `s` system, `c12` assistant calling 1 and 2, `r1` result of 1.
    fn history(spec: &str) -> Vec<Message> {
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

    fn spec(messages: &[Message]) -> String {
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

    #[track_caller]
    fn check_fit(before: &str, budget: usize, after: &str) {
        let mut messages = history(before);
        let running = turn_starts(&messages).last().unwrap_or(0);
        fit(&mut messages, running, budget);
        assert_eq!(spec(&messages), after);
    }

    #[test]
    fn the_oldest_turns_go_first_and_the_last_stays() {
        let one = tokens(&history("u")[0]);
        check_fit("u a u a", 4 * one, "u a u a");
        check_fit("u a u a", 3 * one, "u a");
        check_fit("u a u c1 r1 a", 0, "u c1 r1 a");
        check_fit("a a u", 0, "u");
        check_fit("", 0, "");
    }

    #[test]
    fn halving_keeps_the_running_turn() {
        let halved = |s: &str| {
            let mut m = history(s);
            let running = turn_starts(&m).last().unwrap_or(0);
            halve(&mut m, running);
            spec(&m)
        };
        assert_eq!(halved("u a u a u a u a"), "u a u a");
        assert_eq!(halved("u a u c1 r1"), "u c1 r1");
        assert_eq!(halved("u c1 r1"), "u c1 r1");
        // What steers a running turn belongs to it.
        let mut steered = history("u a u c1 r1 u c2 r2");
        assert_eq!(fit(&mut steered, 2, 0), 2);
        assert_eq!(halve(&mut steered, 0), 0);
    }

    #[test]
    fn cuts_are_made_where_turns_begin() {
        let at = |s: &str, target| boundary(&history(s), target);
        assert_eq!(at("u a u a u a", 4), 4);
        assert_eq!(at("u a u c1 r1 a", 4), 2);
        assert_eq!(at("u c1 r1 a", 3), 0);
        assert_eq!(at("a a a", 2), 2);
        assert_eq!(at("", 5), 0);
        let fine = |s: &str, index| is_boundary(&history(s), index);
        assert!(fine("u a u a", 0) && fine("u a u a", 2) && fine("u a", 2));
        assert!(!fine("u c1 r1 a", 2) && !fine("u a u", 1));
    }

    #[test]
    fn long_results_are_shortened_last() {
        let mut messages = history("u c1 r1");
        assert!(!shorten_results(&mut messages));
        messages[2].content = "x".repeat(3 * SHORT_RESULT_BYTES);
        assert!(shorten_results(&mut messages));
        assert!(messages[2].content.len() <= SHORT_RESULT_BYTES);
        assert!(!shorten_results(&mut messages));
    }
}
