//! Failing rounds and the pause to think after them.

use serde_json::json;

use crate::harness::{Home, OWNER, SOON, eventually, peer};
use crate::harness_daemon::Daemon;

const ASKED: &str = "rounds of calls in a row have failed";

/// How often the model of a turn full of failing calls is asked to reflect.
#[track_caller]
fn asked(reflect: u32, text: &str) -> usize {
    let peer = peer(false);
    let patch =
        json!({ "agents": { "defaults": { "reflect": reflect, "max_tool_iterations": 12 } } });
    let home = Home::patched(&peer, &patch);
    let daemon = Daemon::start(&home, &peer);
    peer.say(OWNER, OWNER, text);
    let done = eventually(SOON, || (!peer.texts(OWNER).is_empty()).then_some(()));
    assert!(done.is_some(), "{}", daemon.log());
    peer.requests().pop().expect("a request").to_string().matches(ASKED).count()
}

#[test]
fn failing_rounds_bring_a_reflection_and_not_without_end() {
    let failing = r#"[loop:read_file {"path":"no/such/file"}]"#;
    assert_eq!(asked(2, failing), 3);
    assert_eq!(asked(4, failing), 2);
    assert_eq!(asked(0, failing), 0, "it is off unless it is wanted");
}

#[test]
fn a_success_begins_the_count_anew() {
    let fail = r#"[call:read_file {"path":"no/such/file"}]"#;
    let ok = r#"[call:list_dir {"path":"."}]"#;
    assert_eq!(asked(2, &format!("{fail} {ok} {fail} {ok} {fail}")), 0);
    assert_eq!(asked(2, &format!("{fail} {ok} {fail} {fail} {ok}")), 1);
}
