//! Journals of every release stay readable: `tests/data/journal-<frame version>` is one, and this reads it.
//!
//! A new frame version gets a sample of its own, and the earlier ones stay. This writes the present one:
//!
//!     PICOCLAW_WRITE_SAMPLE=1 cargo test -p picoclaw --lib store::sample_tests

use std::fs;
use std::path::PathBuf;

use super::frame::{self, Frame, VERSION};
use super::journal::Files;
use super::ledger::{Ledger, Stage};
use crate::bus::{Address, Attachment, Inbound, Outbound, Sender, SubagentOrigin};
use crate::sys::scratch::Scratch;

fn sample(version: u8) -> PathBuf {
    PathBuf::from(env!("CARGO_MANIFEST_DIR")).join(format!("tests/data/journal-{version}"))
}

fn address() -> Address {
    Address { channel: "telegram".into(), chat: "-1001".into(), topic: "7".into() }
}

fn sender() -> Sender {
    Sender {
        platform: "telegram".into(),
        id: "1001".into(),
        username: "ada".into(),
        name: "Ada Lovelace".into(),
    }
}

fn message(event: i64) -> Inbound {
    Inbound {
        event,
        message: event + 100,
        from: address(),
        sender: sender(),
        text: format!("Grüße {event} 🦞"),
        attachments: vec![Attachment {
            kind: "photo".into(),
            id: "AgAC".into(),
            name: "a.jpg".into(),
            size: 1234,
        }],
        date: 1_700_000_000,
        group: true,
        untrusted: false,
    }
}

fn reply(text: &str) -> Outbound {
    Outbound { to: address(), text: text.into(), reply_to: 110 }
}

/// Each variant, each field filled; behind them a message is open, one is half delivered, one is a sub-agent's, and a
/// notice waits.
fn frames() -> Vec<Frame> {
    vec![
        Frame::Offset { channel: "telegram".into(), event: 9 },
        Frame::Compacted { next_id: 1 },
        Frame::Received { id: 2, message: message(10) },
        Frame::Received { id: 3, message: message(11) },
        Frame::Received { id: 4, message: message(12) },
        Frame::Skipped { channel: "telegram".into(), event: 13 },
        Frame::Attempt { id: 2, count: 3 },
        Frame::Step {
            id: 2,
            session: "telegram_-1001_7.jsonl".into(),
            offset: 77,
            lines: b"{\"role\":\"user\",\"content\":\"x\"}\n".to_vec(),
            started: vec!["call_1".into(), "call_2".into()],
        },
        Frame::Answered { id: 3, replies: vec![reply("one"), reply("two")] },
        Frame::Delivered { id: 3, count: 1 },
        Frame::Said { id: 5, reply: reply("a notice") },
        Frame::Delegated {
            id: 6,
            message: message(0),
            origin: SubagentOrigin {
                parent: "telegram:-1001".into(),
                own: "subagent:6".into(),
                person: sender(),
                depth: 1,
                unattended: true,
                untrusted: true,
            },
            ends: 4,
        },
        Frame::Finished { id: 4 },
    ]
}

fn write() {
    let dir = Scratch::named("sample");
    let mut files = Files::recover(&dir).files;
    let encoded = |frames: &[Frame]| {
        let mut bytes = Vec::new();
        frames.iter().for_each(|f| assert!(frame::encode(f, 1, &mut bytes)));
        bytes
    };
    files.compact(&encoded(&frames()[..2])).expect("compact");
    files.append(&encoded(&frames()[2..]), true).expect("append");
    let mut bytes = fs::read(dir.join("journal.a")).expect("file");
    // It is filled with zeros up to 64 kB; some are enough.
    let end = bytes.iter().rposition(|b| *b != 0).expect("frames") + 1;
    bytes.truncate(end + 64);
    fs::create_dir_all(sample(VERSION)).expect("folder");
    fs::write(sample(VERSION).join("journal.a"), bytes).expect("write");
}

#[test]
fn a_journal_of_version_1_is_read() {
    let dir = Scratch::named("sample-1");
    let bytes = fs::read(sample(1).join("journal.a")).expect("the sample");
    fs::write(dir.join("journal.a"), &bytes).expect("write");
    let found = Files::recover(&dir);
    assert!(!found.torn);
    let mut offsets = Vec::new();
    found.lines(&mut |_, offset, _| offsets.push(offset));
    assert_eq!(offsets, [77]);
    let mut want = Ledger::default();
    frames().iter().for_each(|f| want.apply(f));
    assert_eq!(format!("{:?}", found.ledger), format!("{want:?}"));
    let open = |id| found.ledger.get(id).expect("open");
    assert_eq!(found.ledger.entries().map(|e| e.id).collect::<Vec<_>>(), [2, 3, 5, 6]);
    assert_eq!((open(2).message.clone(), open(2).attempts), (message(10), 3));
    assert_eq!(open(2).started, ["call_1", "call_2"]);
    let replies = vec![reply("one"), reply("two")];
    assert_eq!(open(3).stage, Stage::Answered { replies, delivered: 1 });
    assert_eq!(found.ledger.offset("telegram"), 13);
    // The daemon goes on with it.
    let mut files = found.files;
    let mut more = Vec::new();
    assert!(frame::encode(&Frame::Finished { id: 2 }, files.generation(), &mut more));
    files.append(&more, true).expect("append");
    assert!(Files::recover(&dir).ledger.get(2).is_none());
}

/// What this build writes is what the sample of its version has: a layout that changes without a new version is seen here.
#[test]
fn the_layout_is_that_of_its_version() {
    if std::env::var_os("PICOCLAW_WRITE_SAMPLE").is_some() {
        write();
    }
    let bytes = fs::read(sample(VERSION).join("journal.a")).expect("the sample");
    let mut again = Vec::new();
    for frame in frames() {
        assert!(frame::encode(&frame, 1, &mut again));
    }
    assert_eq!(bytes[16..16 + again.len()], again);
}
