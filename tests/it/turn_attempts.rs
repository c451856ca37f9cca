//! A message that kills the program is set aside after the third crash; everything else is answered.

use std::time::Duration;

use rustix::process::Signal;

use crate::harness::{Home, OWNER, SOON, peer};
use crate::harness_daemon::Daemon;

#[test]
fn after_the_third_crash_the_message_is_quarantined() {
    let peer = peer(false);
    let home = Home::new(&peer);
    let mut daemon = Daemon::start(&home, &peer);
    peer.say(OWNER, OWNER, "poison [delay:60000]");
    for crash in 1..=3 {
        assert!(peer.wait_calls("llm.chat", crash, SOON), "crash {crash}\n{}", daemon.log());
        daemon.signal(Signal::SEGV);
        assert!(!daemon.wait(Duration::from_secs(5)).success());
        daemon = Daemon::start(&home, &peer);
    }
    let told = peer.wait_sent(OWNER, SOON, |s| s.text.contains("set your message aside"));
    assert!(told.is_some(), "{:?}\n{}", peer.texts(OWNER), daemon.log());
    let kept: Vec<_> = std::fs::read_dir(home.path("state/quarantine")).expect("folder").collect();
    assert_eq!(kept.len(), 1);
    let marker = peer.say(OWNER, OWNER, "and now?");
    assert!(peer.wait_reply(&marker, SOON).is_some(), "{}", daemon.log());
    assert_eq!(peer.calls("llm.chat"), 4, "the poison was tried a fourth time");
}
