use super::*;
use crate::bus::Address;

fn message(event: i64) -> Inbound {
    let from = Address { channel: "telegram".into(), chat: "5".into(), ..Address::default() };
    Inbound { event, from, text: format!("m{event}"), ..Inbound::default() }
}

fn reply(text: &str) -> Outbound {
    Outbound { text: text.into(), ..Outbound::default() }
}

/// A ledger with an open, a half delivered and a finished message and a notice.
fn busy() -> Ledger {
    let mut ledger = Ledger::default();
    for frame in [
        Frame::Received { id: 1, message: message(10) },
        Frame::Received { id: 2, message: message(11) },
        Frame::Received { id: 3, message: message(12) },
        Frame::Skipped { channel: "telegram".into(), event: 13 },
        Frame::Attempt { id: 1, count: 2 },
        Frame::Step {
            id: 1,
            session: "s".into(),
            offset: 9,
            lines: vec![1],
            started: vec!["c".into()],
        },
        Frame::Step { id: 1, session: "s".into(), offset: 20, lines: vec![2], started: vec![] },
        Frame::Answered { id: 2, replies: vec![reply("a"), reply("b")] },
        Frame::Delivered { id: 2, count: 1 },
        Frame::Finished { id: 3 },
        Frame::Said { id: 4, reply: reply("notice") },
        Frame::Delegated { id: 5, message: message(0), origin: SubagentOrigin::default(), ends: 0 },
        Frame::Delegated {
            id: 6,
            message: message(0),
            origin: SubagentOrigin { depth: 2, ..SubagentOrigin::default() },
            ends: 5,
        },
    ] {
        ledger.apply(&frame);
    }
    ledger
}

#[test]
fn a_turn_whose_lines_are_gone_begins_again_unless_its_calls_would_too() {
    let again = |found, has_called: bool| {
        let mut ledger = busy();
        if !has_called {
            ledger.entry(1).expect("open").started.clear();
        }
        let gone = ledger.restart_turns(|session, offset| {
            assert_eq!((session, offset), ("s", 9));
            found
        });
        let entry = ledger.get(1).expect("open");
        (gone.len(), entry.progress.is_some(), entry.attempts)
    };
    for has_called in [true, false] {
        assert_eq!(again(FirstLine::InPlace, has_called), (0, true, 2));
    }
    assert_eq!(again(FirstLine::Unwritten, true), (0, true, 2), "a call without lines");
    assert_eq!(again(FirstLine::Unwritten, false), (0, false, 2));
    assert_eq!(again(FirstLine::Gone, true), (1, false, ATTEMPTS), "it is set aside");
    assert_eq!(again(FirstLine::Gone, false), (1, false, 2));
}

#[test]
fn words_are_added_up_to_the_limit() {
    let mut ledger = busy();
    let say = |bytes: usize, untrusted| Message {
        untrusted,
        ..Message::text(crate::message::Role::User, "x".repeat(bytes))
    };
    let length = |ledger: &Ledger| ledger.get(1).expect("open").message.text.len();
    let room = RESTARTED_BYTES - 2 - length(&ledger);
    assert!(!ledger.add_words(1, &say(room + 1, true)), "one above");
    assert_eq!((length(&ledger), ledger.get(1).expect("open").message.untrusted), (3, false));
    assert!(ledger.add_words(1, &say(room - 1, false)), "one below");
    let mut ledger = busy();
    assert!(ledger.add_words(1, &say(room, true)), "at the limit");
    assert!(ledger.get(1).expect("open").message.untrusted);
    assert!(!ledger.add_words(1, &say(1, false)), "no more");
    assert!(ledger.add_words(99, &say(1, false)), "it is finished");
}

#[test]
fn a_snapshot_makes_the_same_ledger() {
    let ledger = busy();
    let mut again = Ledger::default();
    ledger.snapshot(|f| again.apply(f));
    assert_eq!(format!("{ledger:?}"), format!("{again:?}"));
    assert_eq!(again.len(), 4);
    assert_eq!(again.next_id(), 7);
    assert!(again.get(5).is_none(), "a report ends its task");
    assert_eq!(again.get(6).and_then(|e| e.origin.as_ref()).map(|o| o.depth), Some(2));
    assert_eq!(again.get(1).expect("open").progress, Some(("s".into(), 9)));
    assert_eq!(again.get(1).expect("open").started, ["c"]);
}

#[test]
fn started_calls_are_removed_by_their_results() {
    let mut ledger = Ledger::default();
    ledger.apply(&Frame::Received { id: 1, message: message(10) });
    let step = |started: &[&str]| Frame::Step {
        id: 1,
        session: "s".into(),
        offset: 0,
        lines: vec![1],
        started: started.iter().map(|s| s.to_string()).collect(),
    };
    for round in 0..1000 {
        ledger.apply(&step(&[&format!("a{round}"), &format!("b{round}")]));
        ledger.apply(&step(&[]));
    }
    assert_eq!(ledger.get(1).expect("open").started, ["a999", "b999"]);
    ledger.apply(&Frame::Answered { id: 1, replies: vec![reply("a")] });
    assert!(ledger.get(1).expect("open").started.is_empty());
}

#[test]
fn events_are_taken_once_but_a_new_series_is_not_lost() {
    let ledger = busy();
    assert_eq!(ledger.offset("telegram"), 13);
    assert!(ledger.knows("telegram", 13));
    assert!(ledger.knows("telegram", 1));
    assert!(!ledger.knows("telegram", 14));
    assert!(!ledger.knows("other", 13));
    let mut late = Ledger::default();
    late.apply(&Frame::Offset { channel: "telegram".into(), event: 900_000_000 });
    assert!(!late.knows("telegram", 5));
    late.apply(&Frame::Received { id: 1, message: message(5) });
    assert_eq!(late.offset("telegram"), 5);
}

#[test]
fn facts_about_unknown_messages_change_nothing() {
    let mut ledger = busy();
    let before = format!("{ledger:?}");
    ledger.apply(&Frame::Answered { id: 99, replies: vec![] });
    ledger.apply(&Frame::Delivered { id: 1, count: 1 });
    ledger.apply(&Frame::Finished { id: 99 });
    assert_eq!(format!("{ledger:?}"), before);
}
