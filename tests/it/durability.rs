//! `kill -9` at every moment: nothing lost, and nothing told twice but in the one window nobody can close.
//!
//! That window lies between Telegram's acceptance of a reply and our record of it. From outside it is
//! seen as: the first copy was accepted shortly before a kill.

use std::time::{Duration, Instant};

use picoclaw_peer::{Marker, Peer};
use serde_json::json;

use crate::harness::{Home, OWNER, QUIET, SOON, peer};
use crate::harness_daemon::Daemon;

/// Acceptance to record: an answer on the wire and an fsync on a busy machine.
const WINDOW: Duration = Duration::from_millis(250);

/// A number from the environment.
fn number(name: &str, default: u64) -> u64 {
    std::env::var(name).ok().and_then(|v| v.parse().ok()).unwrap_or(default)
}

/// Pseudo-random numbers; the seed is printed so that a failure can be repeated.
struct Random(u64);

impl Random {
    fn below(&mut self, n: u64) -> u64 {
        self.0 ^= self.0 << 13;
        self.0 ^= self.0 >> 7;
        self.0 ^= self.0 << 17;
        self.0 % n
    }
}

/// Messages answered again although no kill excuses it.
fn unexcused(peer: &Peer, kills: &[(Instant, Instant)]) -> Vec<Marker> {
    let excused = |first: &Instant| {
        kills.iter().any(|(before, after)| *first <= *after && *before <= *first + WINDOW)
    };
    let mut bad = peer.duplicated();
    bad.retain(|m| {
        let answers = peer.answers(m);
        !answers[..answers.len() - 1].iter().all(excused)
    });
    bad
}

#[test]
fn kills_at_any_moment_lose_nothing() {
    let (seed, rounds) = (number("PICOCLAW_SEED", 7), number("PICOCLAW_KILLS", 30));
    println!("PICOCLAW_SEED={seed} PICOCLAW_KILLS={rounds}");
    let mut random = Random(seed.max(1));
    let peer = peer(true);
    let chats: Vec<i64> = (OWNER..OWNER + 3).collect();
    let allowed: Vec<String> = chats.iter().map(i64::to_string).collect();
    let home =
        Home::patched(&peer, &json!({ "channel_list": { "telegram": { "allow_from": allowed } } }));
    let mut kills = Vec::new();
    for _ in 0..rounds {
        let daemon = Daemon::start(&home, &peer);
        for _ in 0..=random.below(3) {
            let chat = chats[random.below(3) as usize];
            let tool = if random.below(4) == 0 { " [tool:list_dir]" } else { "" };
            peer.say(chat, chat, &format!("hello{tool}"));
            std::thread::sleep(Duration::from_millis(random.below(12)));
        }
        std::thread::sleep(Duration::from_millis(random.below(80)));
        let before = Instant::now();
        daemon.kill9();
        kills.push((before, Instant::now()));
    }
    let daemon = Daemon::start(&home, &peer);
    let all = peer.wait_all(Duration::from_secs(60));
    let log = daemon.log();
    std::thread::sleep(QUIET);
    let stats = peer.stats();
    println!("{} messages, {} repeated in the window", stats["in"], stats["duplicated"]);
    assert!(all, "lost with seed {seed}: {:?}\n{log}", peer.lost());
    assert_eq!(unexcused(&peer, &kills), Vec::<Marker>::new(), "seed {seed}: {stats}");
    assert!(daemon.term().success());
}

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
    std::thread::sleep(QUIET);
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
    std::thread::sleep(QUIET);
    daemon.kill9();
    let daemon = Daemon::start(&home, &peer);
    let next = peer.say(OWNER, OWNER, "next");
    assert!(peer.wait_reply(&next, SOON).is_some(), "{}", daemon.log());
    std::thread::sleep(QUIET);
    assert_eq!((peer.answers(&marker).len(), peer.answers(&next).len()), (1, 1));
}

#[test]
fn an_offset_is_confirmed_only_with_the_journal_behind_it() {
    // Killed at once after the update was fetched, again and again: Telegram or the journal has it.
    let peer = peer(false);
    let home = Home::new(&peer);
    let mut markers = Vec::new();
    for wait in 0..8 {
        let daemon = Daemon::start(&home, &peer);
        let polls = peer.calls("tg.getUpdates");
        markers.push(peer.say(OWNER, OWNER, "hello [delay:300]"));
        assert!(peer.wait_calls("tg.getUpdates", polls + 1, SOON) || wait > 0);
        std::thread::sleep(Duration::from_millis(wait));
        daemon.kill9();
    }
    let daemon = Daemon::start(&home, &peer);
    assert!(peer.wait_all(Duration::from_secs(60)), "{:?}\n{}", peer.lost(), daemon.log());
    assert!(markers.iter().all(|m| peer.answers(m).len() <= 2));
}

#[test]
fn torn_files_are_survived() {
    let peer = peer(false);
    let home = Home::new(&peer);
    let daemon = Daemon::start(&home, &peer);
    let marker = peer.say(OWNER, OWNER, "my bicycle is green");
    assert!(peer.wait_reply(&marker, SOON).is_some(), "{}", daemon.log());
    std::thread::sleep(QUIET);
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
