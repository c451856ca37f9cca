//! Bursts of messages behind open questions: the button and `/stop` act, another chat is answered, nothing is lost.

use std::time::Duration;

use picoclaw::limits::CHAT_OPEN_BYTES;
use picoclaw_peer::{Marker, Sent};

use super::Orders;
use super::books::Books;
use super::lane::{CHATS, Lane, chat};
use crate::harness::{Home, SOON};
use crate::harness_daemon::Daemon;

/// Risky by its name: it needs a yes. The model says it before what is behind it is read.
const ASKING: &str = r#"[call:exec {"command":"crontab -l; true"}]"#;
/// Within this time a button, `/stop` and another chat have what they want, on a machine that runs other tests.
const ACTED: Duration = Duration::from_secs(8);
/// A flood is answered at a message a second, which is all that a chat takes.
const PATIENCE: Duration = Duration::from_secs(90);
/// About what a message takes beside its text (`store::ledger`).
const ENVELOPE: usize = 256;
/// Units of one message of Telegram.
const UNITS: usize = picoclaw::limits::TELEGRAM_TEXT_UNITS;

#[test]
fn what_people_need_now_is_heard_behind_a_flood() {
    Orders::new(2, 2).run("flood", |orders| Some(floods(orders)));
}

fn floods(orders: Orders) -> Books {
    let (mut lane, home) = Lane::new(orders.seed);
    let mut daemon = Daemon::start(&home, &lane.peer);
    lane.ready();
    for _ in 0..orders.count {
        daemon = flood(&mut lane, &home, daemon);
    }
    lane.close(daemon, &home.path(""), PATIENCE)
}

/// One question, a flood behind it, and what people do then.
fn flood(lane: &mut Lane, home: &Home, mut daemon: Daemon) -> Daemon {
    let loud = lane.random.below(CHATS);
    let quiet = (loud + 1 + lane.random.below(CHATS - 1)) % CHATS;
    let (loud, quiet) = (chat(loud), chat(quiet));
    let mut from = lane.peer.sent().len();
    let mut behind = vec![lane.tell(loud, ASKING)];
    let mut asked = question(lane, loud, from);
    burst(lane, loud, &mut behind);
    let beside = lane.tell(quiet, "what time is it?");
    lane.due("another chat's answer", ACTED, |peer| peer.wait_reply(&beside, Duration::ZERO));
    if lane.random.below(3) == 0 {
        lane.note("kill".into());
        from = lane.peer.sent().len();
        lane.killed(|_| daemon.kill9());
        daemon = Daemon::start(home, &lane.peer);
        lane.ready();
        // What was said meanwhile may have made the call needless: then there is an answer instead.
        let is = |s: &Sent| s.chat == loud && !s.buttons.is_empty();
        let found = lane.due("a question or an answer", SOON, |peer| {
            let again = peer.sent().into_iter().skip(from).find(is);
            let answered = peer.wait_reply(&behind[0], Duration::ZERO).is_some();
            (again.is_some() || answered).then_some(again)
        });
        asked = found.flatten();
    }
    let from = lane.peer.sent().len();
    match (lane.random.below(3), asked) {
        (0, _) => {
            lane.note(format!("{loud} stops"));
            lane.peer.command(loud, "/stop");
            let is = |s: &Sent| s.chat == loud && s.text.contains("Stopped");
            lane.due("/stop", ACTED, |peer| peer.sent().into_iter().skip(from).find(is));
            lane.stopped(&behind);
            let after = lane.tell(loud, "and now?");
            // What was written before may still come first.
            lane.due("an answer after /stop", PATIENCE, |p| p.wait_reply(&after, Duration::ZERO));
        }
        (button, Some(asked)) => {
            let (_, data) = &asked.buttons[button as usize - 1];
            lane.note(format!("{loud} presses {data}"));
            lane.peer.press(loud, loud, asked.message_id, data);
            let is = |s: &Sent| s.message_id == asked.message_id && s.buttons.is_empty();
            lane.due("the button", ACTED, |peer| peer.sent().into_iter().skip(from).find(is));
        }
        // It needs no answer, or is late already.
        (_, None) => {}
    }
    if !lane.drained(PATIENCE) {
        lane.complain(format!("a flood is not answered after {PATIENCE:?}"));
    }
    daemon
}

/// The question that a chat is asked.
fn question(lane: &mut Lane, chat: i64, from: usize) -> Option<Sent> {
    let is = |s: &Sent| s.chat == chat && !s.buttons.is_empty();
    lane.due("a question", SOON, |peer| peer.sent().into_iter().skip(from).find(is))
}

/// Short ones, the longest that Telegram has, and some that fill what one chat may have in memory to the byte.
fn burst(lane: &mut Lane, chat: i64, behind: &mut Vec<Marker>) {
    let count = 4 + lane.random.below(40);
    // Of the question; a marker and a blank are behind each text.
    let mut left = CHAT_OPEN_BYTES.saturating_sub(ASKING.len() + 8 + ENVELOPE);
    for n in 0..count {
        let text = match lane.random.below(4) {
            0 => format!("{n} {}", "short ".repeat(lane.random.below(9) as usize)),
            1 => "x".repeat(UNITS - 8),
            2 => "€".repeat(UNITS - 8),
            _ => {
                let edge = left.saturating_sub(ENVELOPE + 9) + lane.random.below(3) as usize;
                // Longer than Telegram has them: three bytes a unit.
                let euros = (edge / 3).min(UNITS - 16);
                format!("{}{}", "€".repeat(euros), "y".repeat((edge - 3 * euros).min(7)))
            }
        };
        left = match left.checked_sub(text.len() + 8 + ENVELOPE) {
            Some(left) => left,
            None => CHAT_OPEN_BYTES,
        };
        behind.push(lane.tell(chat, &text));
    }
}
