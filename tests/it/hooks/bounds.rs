//! The limits of what passes between the daemon and a hook: one below, at, one above.

use picoclaw::limits::{HOOK_LATE, HOOK_LINE_BYTES};
use serde_json::json;

use super::{CALL, Hooked, timeouts};

#[test]
fn an_answer_has_a_longest_line() {
    for (bytes, runs) in
        [(HOOK_LINE_BYTES - 1, true), (HOOK_LINE_BYTES, true), (HOOK_LINE_BYTES + 1, false)]
    {
        let answer = json!({ "approved": true, "line_bytes": bytes });
        let rules = json!({ "hook.approve_tool": answer });
        let hooked = Hooked::start(&rules, &["approve_tool"], &json!({}));
        hooked.until("gate: running");
        hooked.say(CALL);
        assert_eq!(hooked.ran(), runs, "{bytes}: {}", hooked.result());
    }
}

#[test]
fn a_hook_that_stays_silent_is_started_again() {
    let rules = json!({ "hook.approve_tool": "hang" });
    let hooked = Hooked::start(&rules, &["approve_tool"], &timeouts(200, 200));
    for n in 1..=HOOK_LATE {
        hooked.until("gate: running");
        hooked.say(CALL);
        assert!(!hooked.ran());
        let restarted = hooked.daemon.log().contains("were not answered in time");
        assert!(!restarted || n == HOOK_LATE, "after {n}");
    }
    hooked.daemon.says("3 questions in a row were not answered in time");
    hooked.until("restarts: 1");
}
