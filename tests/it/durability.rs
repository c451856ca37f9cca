//! `kill -9` at chosen moments: nothing lost, and nothing told twice but in the one window nobody can close.
//! Random moments: `campaign/`.

use std::time::Duration;

use crate::harness::{Home, OWNER, SOON, peer};
use crate::harness_daemon::{Daemon, Windows};
use crate::pause;

/// Lets a rule hold the daemon at one place, kills it there, heals, and counts the answers after a restart.
#[track_caller]
fn killed_at(rule: &str, text: &str) -> usize {
    let peer = peer(false);
    let home = Home::new(&peer);
    let daemon = Daemon::start(&home, &peer);
    peer.faults(&[rule]);
    let marker = peer.say(OWNER, OWNER, text);
    assert!(peer.wait_faults(1, SOON), "it never came to {rule}\n{}", daemon.log());
    daemon.kill9();
    peer.faults(&[]);
    let daemon = Daemon::start(&home, &peer);
    assert!(peer.wait_reply(&marker, SOON).is_some(), "{}", daemon.log());
    daemon.idle(&peer);
    assert_eq!(peer.refused(), Vec::<String>::new());
    peer.answers(&marker).len()
}

#[test]
fn a_kill_while_the_model_thinks_is_made_good() {
    assert_eq!(killed_at("llm:chat:hang:1:max=1", "hello"), 1);
}

#[test]
fn a_kill_between_two_tool_rounds_is_made_good() {
    assert_eq!(killed_at("llm:chat:hang:1:skip=1:max=1", "hello [tool:list_dir x2]"), 1);
}

#[test]
fn a_kill_before_telegram_takes_the_reply_is_made_good() {
    assert_eq!(killed_at("tg:sendMessage:hang:1:max=1", "hello"), 1);
}

#[test]
fn a_kill_in_the_window_repeats_at_most_once() {
    let answers = killed_at("tg:sendMessage:hang_after:1:max=1", "hello");
    assert!((1..=2).contains(&answers), "{answers}");
}

#[test]
fn a_kill_after_the_record_repeats_nothing() {
    let peer = peer(false);
    let home = Home::new(&peer);
    let daemon = Daemon::start(&home, &peer);
    let marker = peer.say(OWNER, OWNER, "hello");
    assert!(peer.wait_reply(&marker, SOON).is_some(), "{}", daemon.log());
    daemon.idle(&peer);
    daemon.kill9();
    let daemon = Daemon::start(&home, &peer);
    let next = peer.say(OWNER, OWNER, "next");
    assert!(peer.wait_reply(&next, SOON).is_some(), "{}", daemon.log());
    daemon.idle(&peer);
    assert_eq!((peer.answers(&marker).len(), peer.answers(&next).len()), (1, 1));
}

#[test]
fn an_offset_is_confirmed_only_with_the_journal_behind_it() {
    // Killed at once after the update was fetched, again and again: Telegram or the journal has it.
    let peer = peer(false);
    let home = Home::new(&peer);
    let mut windows = Windows::default();
    for wait in 0..8 {
        let daemon = Daemon::start(&home, &peer);
        let polls = peer.calls("tg.getUpdates");
        windows.watch(peer.say(OWNER, OWNER, "hello [delay:300]"));
        assert!(peer.wait_calls("tg.getUpdates", polls + 1, SOON) || wait > 0);
        pause::moment(wait);
        daemon.kill9();
        windows.killed(&home);
    }
    let daemon = Daemon::start(&home, &peer);
    assert!(peer.wait_all(Duration::from_secs(60)), "{:?}\n{}", peer.lost(), daemon.log());
    daemon.idle(&peer);
    windows.judge(1, &peer.texts(OWNER));
}

#[test]
fn torn_files_are_survived() {
    let peer = peer(false);
    let home = Home::new(&peer);
    let daemon = Daemon::start(&home, &peer);
    let marker = peer.say(OWNER, OWNER, "my bicycle is green");
    assert!(peer.wait_reply(&marker, SOON).is_some(), "{}", daemon.log());
    daemon.idle(&peer);
    daemon.kill9();
    let mut torn = 0;
    let mut folders = vec![home.path("state"), home.path("workspace")];
    while let Some(folder) = folders.pop() {
        for entry in std::fs::read_dir(folder).into_iter().flatten().flatten() {
            let path = entry.path();
            if path.is_dir() {
                folders.push(path);
            } else if let Ok(mut file) = std::fs::OpenOptions::new().append(true).open(&path) {
                // Half a line, as a power cut leaves it.
                torn += u32::from(
                    std::io::Write::write_all(&mut file, b"{\"role\":\"us\0\0\xff").is_ok(),
                );
            }
        }
    }
    assert!(torn > 0, "no files in {}", home.path("").display());
    let daemon = Daemon::start(&home, &peer);
    let next = peer.say(OWNER, OWNER, "what colour is it?");
    assert!(peer.wait_reply(&next, SOON).is_some(), "{}", daemon.log());
    assert_eq!(peer.answers(&marker).len(), 1);
}
