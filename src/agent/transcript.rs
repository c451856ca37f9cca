//! What is summarised of a conversation: where the part ends that becomes a summary, and its text, piece by piece. Blocks on
//! the disk.

use std::io;

use crate::limits::{SUMMARY_EXCERPT, SUMMARY_KEEP, SUMMARY_PART_BYTES, SUMMARY_RESULT_BYTES};
use crate::message::{Message, Role};
use crate::proto::excerpt::keep_ends;
use crate::proto::text;
use crate::provider::tokens;
use crate::store::session_read::{OpenSession, backwards, forwards, parse_line};
use crate::sys::beneath::File;

/// What decides how much of a conversation stays word for word.
#[derive(Clone, Copy)]
pub struct Retention {
    /// Messages above which only [`SUMMARY_KEEP`] stay; 0 where their number does not count.
    pub messages: usize,
    /// Guessed tokens that stay otherwise.
    pub tokens: usize,
}

/// Where the part that stays begins: at a turn, the last one at the latest, for it may be under way. `None` where nothing is
/// to be summarised.
///
/// # Errors
/// The disk's.
pub fn find_cut(opened: &OpenSession, keep: Retention) -> io::Result<Option<u64>> {
    let Some(file) = &opened.file else { return Ok(None) };
    let (mut count, mut guess) = (0, 0);
    let (mut newest, mut by_count, mut by_tokens) = (None, None, None);
    backwards(file, opened.first, opened.end, &mut |at, line| {
        let Some(message) = parse_line(line) else { return true };
        count += 1;
        guess += tokens::of_message(&message);
        if message.role == Role::User {
            newest = newest.or(Some(at));
            if guess <= keep.tokens {
                by_tokens = Some(at);
            }
            // A few long messages must not fill the window by themselves.
            if by_count.is_none() && count >= SUMMARY_KEEP {
                by_count = if guess <= 2 * keep.tokens { Some(at) } else { by_tokens.or(newest) };
            }
        }
        let counted = keep.messages == 0 || count > keep.messages;
        guess <= keep.tokens || !counted || newest.is_none()
    })?;
    let crowded = keep.messages > 0 && count > keep.messages;
    let cut = if !crowded && guess > keep.tokens { by_tokens.or(newest) } else { by_count };
    Ok(cut.filter(|at| *at > opened.first))
}

/// A place in a conversation's text.
#[derive(Clone, Copy, Debug, Default, PartialEq)]
pub struct Position {
    /// The line of a message.
    pub line: u64,
    /// Bytes of its text that are behind us.
    pub said: usize,
}

/// A part of a conversation as text.
pub struct Part {
    /// What the caller had, and the text.
    pub text: String,
    /// The beginning of each message in it.
    pub excerpts: String,
    /// A message in it is untrusted.
    pub untrusted: bool,
    /// Where the next part begins.
    pub next: Position,
}

/// Appends the conversation from `from` on to `text`, up to the line at `cut`: at most [`SUMMARY_PART_BYTES`] and `room` guessed
/// tokens of it. Nothing that was said is passed over: what does not fit begins the next part.
///
/// # Errors
/// The disk's.
pub fn part(file: &File, from: Position, cut: u64, room: usize, text: String) -> io::Result<Part> {
    let before = text.len();
    let next = Position { line: cut, said: 0 };
    let mut part = Part { text, excerpts: String::new(), untrusted: false, next };
    let mut room = room;
    forwards(file, from.line, cut, &mut |at, line| {
        let Some(message) = parse_line(line) else { return true };
        let said = if at == from.line { from.said } else { 0 };
        if said == 0 {
            excerpt(&message, &mut part.excerpts);
        }
        part.untrusted |= message.untrusted;
        let whole = spoken(message);
        let rest = whole.get(said..).unwrap_or_default();
        let bytes = SUMMARY_PART_BYTES.saturating_sub(part.text.len() - before);
        let guess = tokens::of_text(rest);
        if rest.len() <= bytes && guess <= room {
            room -= guess;
            part.text.push_str(rest);
            return true;
        }
        let mut fits = 0;
        if part.text.len() == before {
            // Alone it is too long: it goes in pieces. A token has a byte at least.
            let most = if guess <= room { bytes } else { bytes.min(rest.len() * room / guess) };
            fits = text::floor_char(rest, most.max(4));
            part.text.push_str(&rest[..fits]);
        }
        part.next = Position { line: at, said: said + fits };
        false
    })?;
    Ok(part)
}

/// A message as a summariser reads it.
fn spoken(message: Message) -> String {
    let content = message.content.trim();
    let mut out = String::new();
    match message.role {
        Role::System => {}
        Role::Tool => {
            out.push_str("\nResult: ");
            out.push_str(&keep_ends(content.to_owned(), SUMMARY_RESULT_BYTES));
        }
        role => {
            if !content.is_empty() {
                out.push_str(if role == Role::User { "\nUser: " } else { "\nAssistant: " });
                out.push_str(content);
            }
            for call in message.tool_calls {
                out.push_str("\nAssistant calls ");
                out.push_str(&call.name);
                out.push(' ');
                out.push_str(&keep_ends(call.arguments, SUMMARY_RESULT_BYTES));
            }
        }
    }
    out
}

/// The beginning of what somebody said: a tenth of it, but at least [`SUMMARY_EXCERPT`] characters.
fn excerpt(message: &Message, out: &mut String) {
    let content = message.content.trim();
    let speaker = match message.role {
        Role::User => "User",
        Role::Assistant => "Assistant",
        Role::System | Role::Tool => return,
    };
    if content.is_empty() {
        return;
    }
    let most = SUMMARY_EXCERPT.max(content.chars().count() / 10);
    let excerpt = &content[..text::at_char(content, most)];
    let more = if excerpt.len() < content.len() { "…" } else { "" };
    let blank = if out.is_empty() { "" } else { "\n" };
    out.push_str(&format!("{blank}{speaker}: {excerpt}{more}"));
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::store::session::{Sessions, push_line};
    use crate::sys::scratch::{InScratch, Scratch};

    fn session(messages: &[Message]) -> InScratch<Sessions> {
        let sessions = Scratch::named("transcript").hold(Sessions::new);
        let mut lines = Vec::new();
        messages.iter().for_each(|m| push_line(&mut lines, m));
        std::fs::create_dir_all(sessions.dir()).expect("folder");
        std::fs::write(sessions.dir().join("k.jsonl"), lines).expect("write");
        sessions
    }

    fn chat(turns: usize, bytes: usize) -> Vec<Message> {
        let pair = |n: usize| {
            let text = |who: &str| format!("{who}{n} {}", "x".repeat(bytes));
            [Message::text(Role::User, text("u")), Message::text(Role::Assistant, text("a"))]
        };
        (0..turns).flat_map(pair).collect()
    }

    /// How many messages stay.
    #[track_caller]
    fn check_cut(messages: &[Message], keep: Retention, want: usize) {
        let sessions = session(messages);
        let opened = sessions.open_session("k").expect("look");
        let cut = find_cut(&opened, keep).expect("read").unwrap_or(0);
        let file = std::fs::read(sessions.dir().join("k.jsonl")).expect("file");
        let stays = file[cut as usize..].iter().filter(|b| **b == b'\n').count();
        assert_eq!(stays, want);
    }

    #[test]
    fn retention_is_by_count_or_by_tokens() {
        let by = |messages, tokens| Retention { messages, tokens };
        // Asked for all the same: few stay, and never less than the last turn.
        check_cut(&chat(10, 10), by(0, 10_000), 4);
        check_cut(&chat(10, 10), by(10, 10_000), 4);
        check_cut(&chat(1, 10), by(0, 10_000), 2);
        check_cut(&chat(1, 10), by(0, 0), 2);
        check_cut(&chat(10, 10), by(0, 0), 2);
        // About 260 tokens a message.
        check_cut(&chat(10, 1000), by(0, 1_100), 4);
        check_cut(&chat(10, 1000), by(0, 2_200), 8);
        check_cut(&chat(10, 1000), by(19, 2_200), 4);
        check_cut(&chat(10, 1000), by(20, 2_200), 8);
        check_cut(&chat(10, 4000), by(19, 1_000), 2);
        check_cut(&[], by(0, 0), 0);
    }

    #[test]
    fn every_message_is_in_some_part() {
        let mut messages = chat(6, 100);
        messages.push(Message::text(Role::User, "ä€😀".repeat(700)));
        messages.extend(chat(2, SUMMARY_PART_BYTES));
        let sessions = session(&messages);
        let opened = sessions.open_session("k").expect("look");
        let file = opened.file.expect("a file");
        let want: String = messages.iter().cloned().map(spoken).collect();
        for room in [1, 500, 1_000_000] {
            let (mut at, mut all, mut parts) = (Position::default(), String::new(), 0);
            while at.line < opened.end && parts < 300 {
                let part = part(&file, at, opened.end, room, "P".into()).expect("read");
                assert!(part.text.len() <= SUMMARY_PART_BYTES + 1 && part.next != at);
                let guess = tokens::of_text(&part.text);
                assert!(guess <= room + 5, "{guess} of {room}");
                all.push_str(&part.text[1..]);
                (at, parts) = (part.next, parts + 1);
            }
            assert!(if parts < 300 { all == want } else { want.starts_with(&all) }, "{room}");
        }
    }

    #[test]
    fn excerpts_are_beginnings() {
        let long = "ä".repeat(3_000);
        let mut out = String::new();
        for message in [
            Message::text(Role::User, "my bicycle is green"),
            Message::text(Role::Assistant, ""),
            Message::text(Role::Tool, "not this"),
            Message::text(Role::Assistant, long),
        ] {
            excerpt(&message, &mut out);
        }
        let start = "User: my bicycle is green\nAssistant: ää";
        assert!(out.starts_with(start), "{out}");
        assert!(out.ends_with("ä…") && out.matches('ä').count() == 300);
    }
}
