use super::*;
use crate::message::ToolCall;
use crate::provider::tokens;
use crate::store::session::push_line;
use crate::sys::scratch::{InScratch, Scratch};

fn text(role: Role, content: &str) -> Message {
    Message::text(role, content)
}

/// Turns of a question and an answer of so many bytes.
fn turns(count: usize, bytes: usize) -> Vec<Message> {
    let pair = |n| {
        let question = format!("q{n} {}", "x".repeat(bytes));
        [text(Role::User, &question), text(Role::Assistant, "a")]
    };
    (0..count).flat_map(pair).collect()
}

/// A turn that calls a tool.
fn call(name: &str, result: &str) -> Vec<Message> {
    let call = ToolCall {
        id: "c".into(),
        name: name.into(),
        arguments: "{}".into(),
        ..ToolCall::default()
    };
    vec![
        text(Role::User, "do it"),
        Message { tool_calls: vec![call], ..text(Role::Assistant, "") },
        Message { tool_call_id: Some("c".into()), ..text(Role::Tool, result) },
        text(Role::Assistant, "done"),
    ]
}

fn session(messages: &[Message]) -> InScratch<Sessions> {
    let sessions = Scratch::named("read-back").hold(Sessions::new);
    std::fs::create_dir_all(sessions.dir()).expect("folder");
    std::fs::write(sessions.dir().join("k.jsonl"), lines(messages)).expect("write");
    sessions
}

fn lines(messages: &[Message]) -> Vec<u8> {
    let mut out = Vec::new();
    messages.iter().for_each(|m| push_line(&mut out, m));
    out
}

fn read(messages: &[Message], most: usize) -> ReadBack {
    read_back(&session(messages), "k", None, &[], most).expect("read")
}

#[test]
fn the_latest_messages_are_in_memory_and_the_others_on_the_card() {
    let messages = turns(100, 1_000);
    let read = read(&messages, 1_000_000);
    assert_eq!(read.past.items.len() + read.recent.len(), messages.len());
    let held: usize = lines(&read.recent).len();
    assert!((HISTORY_BYTES - 2_000..=HISTORY_BYTES).contains(&held), "{held}");
    assert_eq!(read.recent[..], messages[messages.len() - read.recent.len()..]);
    assert!(read.past.items[0].begins && !read.left_out);
    let stored: usize = messages[..read.past.items.len()].iter().map(tokens::of_message).sum();
    assert_eq!(read.past.tokens(), stored);
}

#[test]
fn a_turn_larger_than_memory_is_whole_on_the_card() {
    let mut messages = turns(3, 10);
    messages.extend(call("read_file", &"r".repeat(2 * HISTORY_BYTES)));
    let read = read(&messages, 1_000_000);
    assert_eq!((read.past.items.len(), read.recent.len()), (messages.len(), 0));
    assert!(read.past.items[8].short < read.past.items[8].tokens);
}

#[test]
fn the_window_ends_it_at_a_turn() {
    let messages = turns(100, 1_000);
    let one: usize = messages[..2].iter().map(tokens::of_message).sum();
    for (most, want) in [(0, 0), (one - 5, 0), (one + 5, 2), (10 * one + 20, 20)] {
        let read = read(&messages, most);
        let found = read.past.items.len() + read.recent.len();
        assert_eq!((found, read.left_out), (want, true), "{most}");
    }
    let many = turns(HISTORY_MESSAGES / 2 + 1, 1);
    let read = read(&many, usize::MAX);
    assert_eq!(
        (read.past.items.len() + read.recent.len(), read.left_out),
        (HISTORY_MESSAGES, true)
    );
}

#[test]
fn text_of_others_is_noticed_on_the_card_too() {
    for untrusted in [true, false] {
        for more in [0, 100] {
            let mut messages = call("web_fetch", "a page");
            messages.iter_mut().for_each(|m| m.untrusted = untrusted);
            messages.extend(turns(more, 1_000));
            let read = read(&messages, 1_000_000);
            assert_eq!(read.past.items.is_empty(), more == 0);
            assert_eq!(read.untrusted, untrusted, "before {more} turns");
            // What has left the window taints nothing.
            assert!(more == 0 || !self::read(&messages, 2_000).untrusted);
        }
    }
}

#[test]
fn lines_that_are_not_in_the_file_yet_come_last_and_once() {
    let messages = turns(3, 10);
    let (written, waiting) = messages.split_at(3);
    let sessions = session(written);
    let end = lines(written).len() as u64;
    let piece = lines(waiting);
    let unsaved = [(end, lines(&written[1..])), (end + piece.len() as u64, piece.clone())];
    let read = read_back(&sessions, "k", None, &unsaved, 1_000_000).expect("read");
    assert_eq!(read.recent, messages);
    // The next line goes behind them.
    assert_eq!((read.opened.end, read.end), (end, end + piece.len() as u64));
}

#[test]
fn a_turn_that_a_restart_cut_short_is_apart_however_long_it_is() {
    let mut messages = turns(100, 1_000);
    let resumed = lines(&messages).len() as u64;
    messages.extend(call("read_file", &"r".repeat(100_000)));
    messages.pop();
    let read = read_back(&session(&messages), "k", Some(resumed), &[], 1_000_000).expect("read");
    assert_eq!(read.running[..], messages[200..]);
    assert_eq!(read.past.items.len() + read.recent.len(), 200);
    // The file ends before it: its owner has changed it.
    let read = read_back(&session(&turns(1, 9)), "k", Some(resumed), &[], 1_000).expect("read");
    assert_eq!((read.running.len(), read.recent.len()), (0, 2));
}

/// The file was replaced while the turn ran: what it has of the turn is no request that a provider takes.
#[test]
fn of_a_turn_cut_short_only_what_can_be_sent_is_kept() {
    use crate::agent::history::tests::{history, spec};
    for (own, kept) in [
        ("u c1", "u c1"),
        ("u c12 r1", "u c12 r1"),
        ("u c1 r1 c2", "u c1 r1 c2"),
        ("u c1 r1 a", "u c1 r1 a"),
        ("u c1 u c2 r2", "u u c2 r2"),
        ("u c1 u", "u u"),
        ("u r1", "u"),
        ("u r1 u c2", "u u c2"),
        ("c1", ""),
        ("r1 c2 r2", ""),
        ("a", ""),
    ] {
        let sessions = session(&history(own));
        let read = read_back(&sessions, "k", Some(0), &[], 1_000_000).expect("read");
        assert_eq!(spec(&read.running), kept, "{own}");
    }
}

#[test]
fn adopted_text_is_untrusted_while_it_is_in_reach() {
    let home = Scratch::named("read-back");
    let sessions = Sessions::new(&home);
    let line = "{\"role\":\"user\",\"content\":\"what is said in each message\"}\n";
    std::fs::create_dir(sessions.dir()).expect("a folder");
    std::fs::write(sessions.dir().join("k.jsonl"), line.repeat(9)).expect("a session");
    let mark = |lines: usize, summary: &str| {
        let untrusted_bytes = (lines * line.len()) as u64;
        let summary = summary.to_owned();
        let meta = crate::store::session::SessionMeta {
            key: "k".into(),
            summary,
            untrusted_bytes,
            ..Default::default()
        };
        sessions.save_meta("k", &meta).expect("saved");
    };
    let untrusted = |most| {
        let read = read_back(&sessions, "k", None, &[], most).expect("read");
        (read.untrusted, read.left_out)
    };
    assert_eq!(untrusted(9999), (false, false));
    mark(2, "");
    assert_eq!(untrusted(9999), (true, false));
    assert_eq!(untrusted(40), (false, true), "out of the window");
    mark(2, "of the same text");
    assert_eq!(untrusted(40), (true, true));
    sessions.clear("k").expect("cleared");
    assert_eq!(untrusted(9999), (false, false));
}
