use std::fs::{self, OpenOptions};

use super::*;
use crate::sys::scratch::Scratch;

fn message(chat: &str, text: &str) -> Inbound {
    let from = Address { channel: "t".into(), chat: chat.into(), ..Address::default() };
    Inbound { from, text: text.into(), ..Inbound::default() }
}

fn keep(spill: &mut Spill, chat: &str, text: &str) -> bool {
    let Ok(append) = spill.append(&message(chat, text), &|_| 0) else { return false };
    append.run().expect("written");
    spill.written(&append);
    true
}

fn take(spill: &mut Spill, chat: &str) -> Option<(String, Frame)> {
    let take = spill.next(&|c| c.chat == chat)?;
    let (message, length) = take.run().expect("a message");
    let (offset, done) = spill.advance(&take, Some(length)).expect("a slot");
    if let Some(done) = done {
        done.run().expect("removed");
    }
    Some((message.text, offset))
}

#[test]
fn each_chat_is_read_in_its_own_order_across_restarts() {
    let dir = Scratch::named("spill-order");
    let (mut spill, _) = Spill::open(&dir, &|_| 0);
    for (chat, text) in [("a", "1"), ("b", "2"), ("a", "3"), ("a", "4")] {
        assert!(keep(&mut spill, chat, text));
    }
    let (text, Frame::Offset { channel, event }) = take(&mut spill, "a").expect("a message") else {
        panic!("an offset")
    };
    assert_eq!(text, "1");
    let read = |name: &str| if name == channel { event } else { 0 };
    let (mut again, notes) = Spill::open(&dir, &read);
    assert!(notes.is_empty(), "{notes:?}");
    assert!(again.holds(&message("b", "").from));
    let mut rest = Vec::new();
    while let Some((text, _)) = take(&mut again, "a") {
        rest.push(text);
    }
    assert_eq!(rest, ["3", "4"]);
    assert_eq!(take(&mut again, "b").expect("the other chat's").0, "2");
    assert!(again.is_empty());
    assert_eq!(fs::read_dir(&*dir).expect("folder").count(), 0, "no file is left");
}

#[test]
fn a_cut_write_is_not_kept_and_does_not_hide_what_came_before() {
    let dir = Scratch::named("spill-cut");
    let (mut spill, _) = Spill::open(&dir, &|_| 0);
    assert!(keep(&mut spill, "a", "whole"));
    let append = spill.append(&message("a", "cut"), &|_| 0).expect("room");
    append.run().expect("written");
    let file = OpenOptions::new().write(true).open(&append.path).expect("file");
    for cut in 1..append.bytes.len() as u64 {
        file.set_len(append.at + append.bytes.len() as u64 - cut).expect("cut");
        let (again, _) = Spill::open(&dir, &|_| 0);
        assert_eq!(again.slots[0].end, append.at, "{cut} bytes are missing");
        assert!(again.slots[0].damaged, "nothing is written over what is left");
    }
}

#[test]
fn chats_and_bytes_are_bounded_and_a_failed_write_leaves_no_trace() {
    let dir = Scratch::named("spill-bounds");
    let (mut spill, _) = Spill::open(&dir, &|_| 0);
    for chat in 0..SPILL_CHATS {
        assert!(spill.append(&message(&chat.to_string(), "x"), &|_| 0).is_ok());
    }
    let refused = spill.append(&message("one more", "x"), &|_| 0).err();
    assert_eq!(refused, Some(SpillError::Full));
    let text = "x".repeat(30_000);
    let mut kept = 0;
    while let Ok(append) = spill.append(&message("0", &text), &|_| 0) {
        kept += append.bytes.len() as u64;
        assert!(kept <= SPILL_CHAT_BYTES);
    }
    assert!(kept + 31_000 > SPILL_CHAT_BYTES);
    let mut all = kept;
    for chat in (1..SPILL_CHATS).map(|n| n.to_string()) {
        while let Ok(append) = spill.append(&message(&chat, &text), &|_| 0) {
            all += append.bytes.len() as u64;
        }
    }
    assert!((SPILL_BYTES..SPILL_BYTES + SPILL_CHAT_BYTES).contains(&all), "{all}");
    let (mut spill, _) = Spill::open(&dir, &|_| 0);
    let append = spill.append(&message("a", "x"), &|_| 0).expect("room");
    spill.failed(&append);
    assert!(spill.is_empty());
}

#[test]
fn messages_move_with_their_chat_also_across_a_restart() {
    let dir = Scratch::named("spill-moved");
    let (mut spill, _) = Spill::open(&dir, &|_| 0);
    assert!(keep(&mut spill, "old", "1"));
    let marks = spill.rename("t", "old", "new");
    assert!(!spill.holds(&message("old", "").from) && marks.iter().all(is_mark));
    for mark in &marks {
        let append = spill.append(mark, &|_| 0).expect("room");
        append.run().expect("written");
    }
    let (mut again, _) = Spill::open(&dir, &|_| 0);
    assert!(again.holds(&message("new", "").from));
    let take = again.next(&|_| true).expect("a message");
    let (found, length) = take.run().expect("readable");
    assert_eq!((&*found.from.chat, &*found.text), ("new", "1"));
    again.advance(&take, Some(length));
    let mark = again.next(&|_| true).expect("a mark").run().expect("readable").0;
    assert!(is_mark(&mark));
}
