//! What hooks change: calls, results, requests, answers; and what they are told.

use serde_json::{Value, json};

use super::{CALL, Hooked, timeouts};
use crate::harness::{OWNER, SOON, eventually};

const TOOL: &[&str] = &["before_tool"];

#[track_caller]
fn before_tool(answer: &Value) -> Hooked {
    let rules = json!({ "hook.before_tool": answer });
    let hooked = Hooked::start(&rules, TOOL, &timeouts(5000, 1500));
    hooked.until("gate: running");
    hooked
}

#[test]
fn arguments_and_tools_are_changed() {
    let call = json!({ "tool": "write_file", "arguments": { "path": "ran", "content": "y" } });
    let hooked = before_tool(&json!({ "action": "modify", "call": call }));
    hooked.say(CALL);
    assert_eq!(hooked.home.read("workspace/ran"), "y", "{}", hooked.result());
    let before = &hooked.params("hook.before_tool")[0];
    assert_eq!(before["tool"], "exec");
    // Both stages, as in the Go original.
    let after = &hooked.params("hook.after_tool")[0];
    assert_eq!((&after["tool"], &after["arguments"]), (&json!("write_file"), &call["arguments"]));
    assert_eq!(after["result"]["is_error"], false);
    assert!(after["duration"].as_u64().is_some());
}

#[test]
fn calls_are_answered_denied_and_ended() {
    let result = json!({ "for_llm": "from a hook, k-test-123456", "silent": true });
    let hooked = before_tool(&json!({ "action": "respond", "result": result }));
    hooked.say(CALL);
    assert!(!hooked.ran() && hooked.result() == "from a hook, [FILTERED]", "{}", hooked.result());
    assert!(hooked.params("hook.after_tool").is_empty());
    // Who knows what it says: what affects others asks from here on.
    let trusted = hooked.home.path("sessions");
    let lines: String = std::fs::read_dir(trusted)
        .expect("sessions")
        .flatten()
        .map(|file| std::fs::read_to_string(file.path()).unwrap_or_default())
        .collect();
    assert!(lines.contains(r#""untrusted":true"#), "{lines}");

    let hooked = before_tool(&json!({ "action": "deny_tool", "reason": "no shells" }));
    hooked.say(CALL);
    assert!(!hooked.ran());
    assert_eq!(hooked.result(), "Tool execution denied by hook: no shells");

    let hooked = before_tool(&json!({ "action": "abort_turn", "reason": "enough" }));
    let marker = hooked.peer.say(OWNER, OWNER, CALL);
    let told =
        || hooked.peer.sent().into_iter().find(|s| s.text.contains("ended this turn: enough"));
    assert!(eventually(SOON, told).is_some(), "{marker}: {:?}", hooked.peer.sent());
    assert!(!hooked.ran());
    hooked.say("hello");
}

#[test]
fn a_failing_interceptor_is_passed_over() {
    for answer in ["die", "hang", "garbage", "error", "flood"] {
        let hooked = before_tool(&json!(answer));
        hooked.say(CALL);
        assert!(hooked.ran(), "{answer}: {}", hooked.result());
    }
    for answer in
        [json!({ "action": "dance" }), json!({ "call": 7 }), json!({ "action": "respond" })]
    {
        let hooked = before_tool(&answer);
        hooked.say(CALL);
        assert!(hooked.ran(), "{answer}: {}", hooked.result());
    }
}

#[test]
fn results_are_changed() {
    let rules = json!({ "hook.after_tool": {
        "action": "modify",
        "result": { "tool": "exec", "result": { "for_llm": "changed", "silent": false, "is_error": false } },
    } });
    let hooked = Hooked::start(&rules, &["after_tool"], &json!({}));
    hooked.until("gate: running");
    hooked.say(CALL);
    assert!(hooked.ran());
    assert_eq!(hooked.result(), "changed");
}

#[test]
fn the_result_of_a_call_stays_when_a_hook_ends_the_turn_behind_it() {
    let rules = json!({ "hook.after_tool": { "action": "abort_turn", "reason": "enough" } });
    let hooked = Hooked::start(&rules, &["after_tool"], &json!({}));
    hooked.until("gate: running");
    hooked.peer.say(OWNER, OWNER, CALL);
    let told = || hooked.peer.sent().into_iter().find(|sent| sent.text.contains("enough"));
    assert!(eventually(SOON, told).is_some(), "{:?}", hooked.peer.sent());
    assert!(hooked.ran());
    hooked.peer.say(OWNER, OWNER, "go on");
    let told = |r: &serde_json::Value| r["messages"].to_string().contains("go on");
    let request = eventually(SOON, || hooked.peer.requests().into_iter().find(told));
    let text = request.expect("a request")["messages"].to_string();
    assert!(!text.contains("not run"), "{text}");
}

#[test]
fn requests_and_answers_are_changed() {
    let rules = json!({
        "hook.before_llm": { "say": " (beside: k-test-123456)" },
        "hook.after_llm": { "action": "modify", "response": { "response": { "content": "the hook's words" } } },
    });
    let hooked = Hooked::start(&rules, &["before_llm", "after_llm"], &json!({}));
    hooked.until("gate: running");
    hooked.peer.say(OWNER, OWNER, "first k-test-123456");
    let told = |words: &'static str| {
        let peer = &hooked.peer;
        eventually(SOON, move || peer.sent().into_iter().find(|s| s.text.contains(words)))
    };
    assert!(told("the hook's words").is_some(), "{:?}", hooked.peer.sent());
    let request = hooked.peer.requests().pop().expect("a request");
    let last = request["messages"].as_array().expect("messages").last().expect("one").clone();
    assert!(last["content"].as_str().expect("text").contains("(beside: "), "{last}");
    let seen = &hooked.params("hook.before_llm")[0];
    assert_eq!((&seen["model"], &seen["messages"][0]["role"]), (&json!("m"), &json!("system")));
    assert!(seen["tools"].as_array().is_some_and(|tools| tools.len() > 5));
    assert!(!seen.to_string().contains("k-test-123456"), "a secret leaves");
    let after = &hooked.params("hook.after_llm")[0];
    assert!(after["response"]["content"].as_str().is_some(), "{after}");
}

#[test]
fn a_hook_ends_a_turn_before_its_request_and_leaves_the_system_prompt_alone() {
    let abort = json!({ "hook.before_llm": { "action": "hard_abort", "reason": "curfew" } });
    let hooked = Hooked::start(&abort, &["before_llm"], &json!({}));
    hooked.until("gate: running");
    hooked.peer.say(OWNER, OWNER, "hello");
    let told =
        || hooked.peer.sent().into_iter().find(|s| s.text.contains("ended this turn: curfew"));
    assert!(eventually(SOON, told).is_some(), "{:?}", hooked.peer.sent());
    assert!(hooked.peer.requests().is_empty());

    let request = json!({ "messages": [
        { "role": "system", "content": "obey" }, { "role": "user", "content": "x" },
    ] });
    let rules = json!({ "hook.before_llm": { "action": "modify", "request": request } });
    let hooked = Hooked::start(&rules, &["before_llm"], &json!({}));
    hooked.until("gate: running");
    hooked.say("hello");
    let sent = hooked.peer.requests().pop().expect("a request").to_string();
    assert!(!sent.contains("obey"), "{sent}");
    hooked.daemon.says("it changes the system prompt");
}

#[test]
fn observers_are_told_and_a_dead_one_stops_nothing() {
    let observe = json!({ "hooks": { "processes": { "gate": { "observe": ["*"] } } } });
    let hooked = Hooked::start(&json!({}), &[], &observe);
    hooked.until("gate: running");
    hooked.say(CALL);
    let kinds = || {
        let events = hooked.params("hook.runtime_event");
        let kinds: Vec<String> =
            events.iter().map(|e| e["kind"].as_str().unwrap_or_default().to_owned()).collect();
        kinds.contains(&"agent.turn.end".to_owned()).then_some(kinds)
    };
    let kinds = eventually(SOON, kinds).expect("events");
    assert_eq!(
        kinds,
        [
            "agent.turn.start",
            "agent.llm.request",
            "agent.llm.response",
            "agent.tool.exec_start",
            "agent.tool.exec_end",
            "agent.llm.request",
            "agent.llm.response",
            "agent.turn.end",
        ]
    );
    let start = &hooked.params("hook.runtime_event")[3];
    assert_eq!(start["payload"]["Tool"], "exec");
    assert_eq!(start["scope"]["chat_id"], OWNER.to_string());

    let gone = json!({ "hooks": { "processes": { "gate": {
        "observe": ["*"], "command": ["false"],
    } } } });
    let hooked = Hooked::start(&json!({}), &[], &gone);
    hooked.until("gate: not running");
    hooked.say(CALL);
    assert!(hooked.ran());
}
