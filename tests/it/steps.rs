//! A turn that was cut off goes on from its last recorded step, and the journal says what it holds.

use std::fs;
use std::path::PathBuf;

use picoclaw::store::frame::{self, Frame};
use picoclaw_peer::Peer;
use serde_json::{Value, json};

use crate::harness::{Home, OWNER, SOON, eventually, peer};
use crate::harness_daemon::Daemon;

/// Bytes of a journal file before its frames; the generation follows the eight bytes of magic.
const HEADER: usize = 16;

/// The journal file in force, its generation, its frames, and where the next one goes.
fn journal(home: &Home) -> (PathBuf, u32, Vec<Frame>, usize) {
    let read = |name: &str| {
        let path = home.path("state").join(name);
        let bytes = fs::read(&path).ok()?;
        let generation = u32::from_le_bytes(bytes.get(8..12)?.try_into().ok()?);
        let mut frames = Vec::new();
        let (at, _) = frame::scan(&mut &bytes[HEADER..], generation, &mut |f| frames.push(f));
        Some((path, generation, frames, HEADER + at as usize))
    };
    let found = ["journal.a", "journal.b"].into_iter().filter_map(read);
    found.max_by_key(|(_, generation, ..)| *generation).expect("a journal")
}

/// What the model read from tools in its last request.
fn results(peer: &Peer) -> Vec<String> {
    let request = peer.requests().pop().expect("a request");
    let messages = request["messages"].as_array().cloned().unwrap_or_default();
    let text = |m: &Value| m["content"].as_str().map(str::to_owned);
    messages.iter().filter(|m| m["role"] == "tool").filter_map(text).collect()
}

#[test]
fn finished_steps_are_not_run_again() {
    let peer = peer(false);
    let home = Home::new(&peer);
    let daemon = Daemon::start(&home, &peer);
    peer.faults(&["llm:chat:hang:1:skip=1:max=1"]);
    let call = r#"[call:append_file {"path":"marks","content":"x"}]"#;
    let marker = peer.say(OWNER, OWNER, call);
    assert!(peer.wait_faults(1, SOON), "{}", daemon.log());
    assert_eq!(home.read("workspace/marks"), "x");
    daemon.kill9();
    peer.faults(&[]);
    let before = peer.calls("llm.chat");
    let daemon = Daemon::start(&home, &peer);
    assert!(peer.wait_reply(&marker, SOON).is_some(), "{}", daemon.log());
    assert_eq!(home.read("workspace/marks"), "x", "the call ran twice");
    assert_eq!(peer.calls("llm.chat"), before + 1, "the model was asked for the call again");
    assert!(!results(&peer).iter().any(|r| r.contains("outcome unknown")), "{:?}", results(&peer));
}

#[test]
fn a_call_that_had_begun_is_not_repeated_and_the_model_is_told() {
    let peer = peer(false);
    let home = Home::patched(&peer, &json!({ "tools": { "exec": { "approval": "never" } } }));
    let daemon = Daemon::start(&home, &peer);
    let call = r#"[call:exec {"command":"echo x >> marks; sleep 60"}]"#;
    let marker = peer.say(OWNER, OWNER, call);
    let ran = || home.path("workspace/marks").exists().then_some(());
    assert!(eventually(SOON, ran).is_some(), "{}", daemon.log());
    let (_, _, frames, _) = journal(&home);
    let begun = |f: &Frame| matches!(f, Frame::Step { started, .. } if started.len() == 1);
    assert!(frames.iter().any(begun), "it was not on the card first: {frames:?}");
    daemon.kill9();
    let daemon = Daemon::start(&home, &peer);
    assert!(peer.wait_reply(&marker, SOON).is_some(), "{}", daemon.log());
    assert_eq!(home.read("workspace/marks"), "x\n", "the call ran twice");
    let told = results(&peer).pop().unwrap_or_default();
    assert!(told.contains("outcome unknown after restart"), "{told}");
}

#[test]
fn an_attempt_is_counted_before_it_starts() {
    let peer = peer(false);
    let home = Home::new(&peer);
    let mut daemon = Daemon::start(&home, &peer);
    peer.say(OWNER, OWNER, "hello [delay:60000]");
    for tries in 1..=3 {
        assert!(peer.wait_calls("llm.chat", tries, SOON), "{}", daemon.log());
        daemon.kill9();
        let (_, _, frames, _) = journal(&home);
        let counted = frames.iter().filter_map(|f| match f {
            Frame::Attempt { count, .. } => Some(u64::from(*count)),
            _ => None,
        });
        assert_eq!(counted.max(), Some(tries));
        daemon = Daemon::start(&home, &peer);
    }
}

#[test]
fn a_torn_tail_is_cut_and_counted() {
    let peer = peer(false);
    let home = Home::new(&peer);
    let mut daemon = Daemon::start(&home, &peer);
    for cut in 1..=2 {
        let marker = peer.say(OWNER, OWNER, "hello");
        assert!(peer.wait_reply(&marker, SOON).is_some(), "{}", daemon.log());
        daemon.term();
        let (path, generation, _, at) = journal(&home);
        let mut torn = Vec::new();
        assert!(frame::encode_raw(b"half a frame", generation, &mut torn));
        let file = fs::OpenOptions::new().write(true).open(path).expect("journal");
        let half = &torn[..torn.len() - 4];
        std::os::unix::fs::FileExt::write_all_at(&file, half, at as u64).expect("write");
        daemon = Daemon::start(&home, &peer);
        assert!(daemon.log().contains("cut short and is dropped"), "{}", daemon.log());
        let status = home.run(&["status"]).stdout;
        assert!(status.contains(&format!("Journal writes cut short: {cut}")), "{status}");
    }
}

#[test]
fn a_newer_journal_is_set_aside_and_the_daemon_starts() {
    let peer = peer(false);
    let home = Home::new(&peer);
    let daemon = Daemon::start(&home, &peer);
    let marker = peer.say(OWNER, OWNER, "hello");
    assert!(peer.wait_reply(&marker, SOON).is_some(), "{}", daemon.log());
    daemon.term();
    let (path, generation, _, at) = journal(&home);
    let mut newer = Vec::new();
    assert!(frame::encode(&Frame::Finished { id: 1 }, generation, &mut newer));
    newer[0] = frame::VERSION + 1;
    let mut bytes = fs::read(&path).expect("journal");
    bytes[at..at + newer.len()].copy_from_slice(&newer);
    fs::write(&path, &bytes).expect("write");
    let daemon = Daemon::start(&home, &peer);
    let marker = peer.say(OWNER, OWNER, "still there?");
    assert!(peer.wait_reply(&marker, SOON).is_some(), "{}", daemon.log());
    assert!(daemon.log().contains("a newer picoclaw"), "{}", daemon.log());
    let aside = format!("{}.unfit-1", path.display());
    assert_eq!(fs::read(aside).expect("it is kept"), bytes);
}
