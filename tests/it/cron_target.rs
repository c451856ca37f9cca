//! Jobs whose channel is not there: refused when set, and never sent elsewhere.

use serde_json::json;

use crate::cron::{job, now_ms, told, write_jobs};
use crate::harness::{Home, OWNER, SOON, peer};
use crate::harness_daemon::Daemon;

#[test]
fn a_job_for_a_channel_that_is_gone_is_sent_to_no_other_chat() {
    let peer = peer(false);
    let home = Home::timed(&peer, &json!({}));
    let soon = json!({ "kind": "at", "atMs": now_ms() + 1000 });
    let lost = json!({ "message": "not for you", "channel": "nosuch", "to": "1" });
    let missed = json!({ "kind": "at", "atMs": now_ms() - 3 * 86_400_000 });
    let late = json!({ "message": "nor is this", "channel": "gone", "to": "2" });
    write_jobs(&home, &[job("lost", soon, lost), job("late", missed, late)]);
    let daemon = Daemon::start(&home, &peer);
    let marker = peer.say(OWNER, OWNER, "hello");
    assert!(peer.wait_reply(&marker, SOON).is_some(), "{}", daemon.log());
    daemon.says("job lost: there is no channel \"nosuch\"");
    daemon.says("there is no channel \"gone\"");
    daemon.idle(&peer);
    assert_eq!((told(&peer, "not for you"), told(&peer, "nor is this")), (0, 0));
    assert_eq!(daemon.log().matches("\"nosuch\"").count(), 1, "{}", daemon.log());
}

#[test]
fn a_job_is_refused_for_a_channel_that_is_not_there() {
    let peer = peer(false);
    let home = Home::new(&peer);
    let add = |more: &[&str]| {
        let words = ["cron", "add", "-n", "q", "-m", "x", "-d", "--at", "60"];
        home.run(&[&words[..], more].concat())
    };
    let done = add(&["--channel", "nosuch", "--to", "1"]);
    let want = "Error: --channel: there is no channel \"nosuch\"; there are: telegram";
    assert_eq!((done.status.success(), done.stderr.trim()), (false, want));
    let done = add(&["--channel", "telegram"]);
    assert!(!done.status.success() && done.stderr.contains("--channel needs --to"), "{done:?}");
    assert!(!home.path("cron/jobs.json").exists());
    let done = add(&[]);
    assert!(done.status.success() && done.stdout.contains("no chat has written yet"), "{done:?}");
}
