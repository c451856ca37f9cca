//! Reasoning that a server sends inside the answer's text, between tags.

use super::ChatReply;

const TAGS: [(&str, &str); 3] =
    [("<think>", "</think>"), ("<thinking>", "</thinking>"), ("<thought>", "</thought>")];

/// Where the answer begins in a text that is still arriving; `None` while it is reasoning, or too short to tell.
pub fn answer_start(text: &str) -> Option<usize> {
    let begun = text.trim_start();
    for (open, close) in TAGS {
        if begun.starts_with(open) {
            return Some(text.find(close)? + close.len());
        }
        if open.starts_with(begun) {
            return None;
        }
    }
    Some(0)
}

/// Moves reasoning from the text of a whole answer to its own field. A closing tag alone counts too, because some servers
/// cut the opening one off; in code or quotes a tag is text.
pub fn separate(reply: &mut ChatReply) {
    let opened = TAGS.iter().find(|(open, _)| reply.text.trim_start().starts_with(open));
    let found = match opened {
        Some((_, close)) => {
            Some(reply.text.find(close).map_or((reply.text.len(), ""), |at| (at, *close)))
        }
        None => TAGS.iter().find_map(|(open, close)| {
            let at = reply.text.find(close)?;
            let before = &reply.text[..at];
            let is_text = before.contains(['`', '"']) || before.contains(open);
            (!is_text).then_some((at, *close))
        }),
    };
    let Some((at, close)) = found else { return };
    let thoughts = reply.text[..at].trim_start();
    let thoughts = opened.map_or(thoughts, |(open, _)| &thoughts[open.len()..]);
    reply.reasoning.push_str(thoughts.trim());
    reply.text = reply.text[at + close.len()..].trim_start().to_owned();
}

#[cfg(test)]
mod tests {
    use super::*;

    #[track_caller]
    fn check(text: &str, answer: &str, reasoning: &str) {
        let mut reply = ChatReply { text: text.into(), ..ChatReply::default() };
        separate(&mut reply);
        assert_eq!((&*reply.text, &*reply.reasoning), (answer, reasoning), "{text}");
    }

    #[test]
    fn reasoning_is_told_from_the_answer() {
        check("plain", "plain", "");
        check("<think>a b</think>\n\nHello <b>", "Hello <b>", "a b");
        check(" \n<thinking>\na\n</thinking>x", "x", "a");
        check("a\n</think>\n\nHello", "Hello", "a");
        check("<think>never closed", "", "never closed");
        check("<think></think>", "", "");
        check("The tag `</think>` ends it.", "The tag `</think>` ends it.", "");
        check("It is written <think>x</think>.", "It is written <think>x</think>.", "");
        check("```\n</think>\n```", "```\n</think>\n```", "");
    }

    #[test]
    fn nothing_of_it_is_shown_while_it_arrives() {
        for hidden in ["", " ", "<", "<thi", "<think>", "<think>a</thi", "<thinking>a</think"] {
            assert_eq!(answer_start(hidden), None, "{hidden}");
        }
        assert_eq!(answer_start("<think>a</think>b"), Some(16));
        assert_eq!(answer_start("<thin air"), Some(0));
        assert_eq!(answer_start("a"), Some(0));
    }
}
