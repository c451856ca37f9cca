//! `/stop` while a command of a chat asks.

use serde_json::json;

use crate::harness::{OWNER, SOON, eventually, peer};
use crate::harness_daemon::Daemon;
use crate::skills::{home, installed};

#[test]
fn stop_ends_a_command_that_asks() {
    let peer = peer(true);
    let home = home(&peer, &json!({}));
    let daemon = Daemon::start(&home, &peer);
    for (n, command) in (1..).zip(["/skills install o/repo/tea", "/skills remove tea"]) {
        let asked = peer.sent().len();
        peer.command(OWNER, command);
        let card = || peer.sent().into_iter().skip(asked).find(|s| !s.buttons.is_empty());
        let card = eventually(SOON, card).expect("a question");
        peer.command(OWNER, "/stop");
        let stopped =
            || (peer.texts(OWNER).iter().filter(|t| *t == "Stopped.").count() == n).then_some(());
        assert!(eventually(SOON, stopped).is_some(), "{command}\n{}", daemon.log());
        // The question is withdrawn: its button does nothing, and the chat goes on.
        peer.press(OWNER, OWNER, card.message_id, &card.buttons[0].1);
        let marker = peer.say(OWNER, OWNER, "hello");
        assert!(peer.wait_reply(&marker, SOON).is_some(), "{command}\n{}", daemon.log());
    }
    daemon.idle(&peer);
    assert!(!installed(&home) && peer.calls("file") == 0);
}
