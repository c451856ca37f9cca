//! Answers, results, arguments, messages and sessions of the sizes at which something changes: one byte below each limit, at
//! it, and one above; kills between.

use std::time::Duration;

use picoclaw::limits::*;
use serde_json::json;

use super::Orders;
use super::books::Books;
use super::lane::{CHATS, Lane, chat};
use crate::harness::Home;
use crate::harness_daemon::Daemon;

/// The longest answer has so many parts, and a chat takes one a second.
const PATIENCE: Duration = Duration::from_secs(120);
/// What a padded answer is made of; nothing else has it.
const PAD: char = 'Z';
/// About what a message, a reply and a line of a session take beside their text: `store::ledger`, and JSON.
const BESIDE: [usize; 6] = [0, 9, 15, 64 + 15, 256 + 9, 256 + 64 + 15];

#[test]
fn nothing_is_lost_at_any_size() {
    Orders::new(4, 2).run("big", |orders| Some(sizes(orders)));
}

fn sizes(orders: Orders) -> Books {
    let (mut lane, home) = Lane::new(orders.seed);
    let mut daemon = Daemon::start(&home, &lane.peer);
    lane.ready();
    for _ in 0..orders.count {
        let padded = |lane: &Lane, c: u64| -> usize {
            lane.peer.texts(chat(c)).iter().map(|t| t.matches(PAD).count()).sum()
        };
        let before: Vec<usize> = (0..CHATS).map(|c| padded(&lane, c)).collect();
        let wanted: Vec<usize> = (0..CHATS).map(|c| thing(&mut lane, &home, chat(c))).collect();
        match lane.random.below(6) {
            0 | 1 => {
                let wait = lane.random.below(500);
                lane.note(format!("kill after {wait} ms"));
                crate::pause::moment(wait);
                lane.killed(|_| daemon.kill9());
                daemon = again(&mut lane, &home);
            }
            2 => {
                lane.note("a clean stop".into());
                lane.calm(daemon);
                lay(&mut lane, &home);
                daemon = again(&mut lane, &home);
            }
            _ => {}
        }
        let whole = |lane: &Lane| {
            (0..CHATS).all(|c| padded(lane, c) >= before[c as usize] + wanted[c as usize])
        };
        let done = crate::harness::eventually(PATIENCE, || whole(&lane).then_some(()));
        if !lane.drained(PATIENCE) || done.is_none() {
            lane.books.late += 1;
            let now: Vec<usize> = (0..CHATS).map(|c| padded(&lane, c)).collect();
            lane.complain(format!("not whole: {before:?} and {wanted:?}, now {now:?}"));
        }
    }
    lane.close(daemon, &home.path(""), PATIENCE)
}

fn again(lane: &mut Lane, home: &Home) -> Daemon {
    let daemon = Daemon::start(home, &lane.peer);
    lane.ready();
    daemon
}

/// A size next to one of these limits.
fn near(lane: &mut Lane, limits: &[usize]) -> usize {
    let limit = lane.random.one_of(limits);
    let beside = lane.random.one_of(&BESIDE);
    (limit + lane.random.below(3) as usize).saturating_sub(1 + beside)
}

/// Something of a certain size is said in a chat; how much padding the answer has then, at least.
fn thing(lane: &mut Lane, home: &Home, chat: i64) -> usize {
    const LINES: usize = JOURNAL_LINES_BYTES;
    match lane.random.below(7) {
        0 | 1 => {
            // Most of them short: a chat takes one part a second.
            let short = lane.random.below(3) > 0;
            let size = match short {
                true => near(lane, &[TELEGRAM_TEXT_UNITS, 2 * TELEGRAM_TEXT_UNITS, LINES]),
                false => near(lane, &[CHAT_OPEN_BYTES, REPLY_BYTES, JOURNAL_FRAME_BYTES, 65_536]),
            };
            lane.tell(chat, &format!("an answer [pad:{size}]"));
            // A longer one is cut, with a note.
            size.min(REPLY_BYTES - 1024)
        }
        2 => {
            // Of the longest that is read; one that is longer is told as an error.
            let size = near(lane, &[SESSION_LINE_BYTES, SSE_LINE_BYTES, MODEL_BODY_BYTES]);
            lane.tell(chat, &format!("a body [pad:{size}]"));
            if size < MODEL_BODY_BYTES - 4096 { REPLY_BYTES - 1024 } else { 0 }
        }
        3 => {
            let limits = [SHORT_RESULT_BYTES, LINES, SESSION_READ_BYTES, HISTORY_BYTES];
            let more = [TOOL_RESULT_BYTES, READ_FILE_BYTES, 2 * READ_FILE_BYTES];
            let size = near(lane, &[&limits[..], &more].concat());
            home.write(&format!("workspace/file-{chat}"), &"r".repeat(size));
            let call = json!({ "path": format!("file-{chat}") });
            lane.tell(chat, &format!("a result of {size} [call:read_file {call}]"));
            0
        }
        4 => {
            let limits = [LINES, CHAT_OPEN_BYTES, JOURNAL_FRAME_BYTES];
            let size = near(lane, &[&limits[..], &[JOURNAL_OPEN_BYTES, TOOL_ARGS_BYTES]].concat());
            lane.tell(chat, &format!("arguments [bigargs:write_file x{size}]"));
            0
        }
        5 => {
            let size = near(lane, &[TELEGRAM_TEXT_UNITS, LINES, CHAT_OPEN_BYTES / 2]);
            lane.tell(chat, &format!("a message outside [bigargs:message x{size}]"));
            0
        }
        _ => {
            let size = near(lane, &[LINES, CHAT_OPEN_BYTES, MESSAGE_BYTES]);
            lane.tell(chat, &"m".repeat(size));
            0
        }
    }
}

/// A line of a session, and its summary, of certain sizes: what a chat may have from before.
fn lay(lane: &mut Lane, home: &Home) {
    let chat = chat(lane.random.below(CHATS));
    let limits = [SESSION_READ_BYTES, HISTORY_BYTES, SUMMARY_PART_BYTES, SESSION_LINE_BYTES];
    let size = near(lane, &limits);
    lane.note(format!("{chat}'s session gets a line of {size} bytes"));
    let name = format!("sessions/telegram_{chat}.jsonl");
    let mut text = home.read(&name);
    for role in ["user", "assistant"] {
        let bare = json!({ "role": role, "content": "" }).to_string().len();
        let content = "s".repeat(size.saturating_sub(bare));
        text.push_str(&format!("{}\n", json!({ "role": role, "content": content })));
    }
    home.write(&name, &text);
    let size = near(lane, &[SESSION_META_BYTES as usize, SUMMARY_BYTES]);
    lane.note(format!("{chat}'s meta.json gets {size} bytes"));
    let name = format!("sessions/telegram_{chat}.meta.json");
    let mut meta: serde_json::Value =
        serde_json::from_str(&home.read(&name)).unwrap_or_else(|_| json!({}));
    meta["summary"] = json!("");
    let bare = meta.to_string().len();
    meta["summary"] = json!("s".repeat(size.saturating_sub(bare)));
    home.write(&name, &meta.to_string());
}
