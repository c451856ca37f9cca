//! Turns that no message started: they act on nothing but files and chats, unless the configuration grants it.

use picoclaw_peer::Peer;
use serde_json::{Value, json};

use crate::harness::{Home, OWNER, SOON, STRANGER, eventually, merge, peer};
use crate::harness_daemon::Daemon;

const PLAIN: &str = r#"[call:exec {"command":"echo x > ran"}]"#;
const RISKY: &str = r#"[call:exec {"command":"crontab -l; echo x > ran"}]"#;

/// A daemon whose heartbeat or job asks the model for `task`, and what the model read from its tool.
#[track_caller]
fn turn(by: &str, task: &str, patch: &Value) -> (Peer, Home, Value, String) {
    let peer = peer(false);
    let mut config = json!({ "heartbeat": { "enabled": by == "heartbeat" } });
    merge(&mut config, patch);
    let home = Home::patched(&peer, &config);
    let state =
        json!({"last_channel": format!("telegram:{OWNER}"), "last_chat_id": OWNER.to_string()});
    home.write("state/state.json", &state.to_string());
    if by == "heartbeat" {
        home.write("workspace/HEARTBEAT.md", &format!("- {task}\n"));
    } else {
        let job = json!({ "version": 1, "jobs": [{
            "id": "j1", "name": "j1", "enabled": true, "schedule": { "kind": "every", "everyMs": 10_000 },
            "payload": { "kind": "agent_turn", "message": task, "deliver": false, "channel": "telegram", "to": OWNER.to_string() },
            "state": { "nextRunAtMs": 1 }, "createdAtMs": 1, "updatedAtMs": 1, "deleteAfterRun": false,
        }] });
        home.write("cron/jobs.json", &job.to_string());
    }
    let daemon = Daemon::start(&home, &peer);
    let found = eventually(SOON * 2, || {
        let request = peer.requests().into_iter().find(|r| {
            r["messages"].as_array().is_some_and(|m| m.iter().any(|m| m["role"] == "tool"))
        })?;
        let messages = request["messages"].as_array()?.clone();
        let tool = messages.iter().rfind(|m| m["role"] == "tool")?;
        let text = tool["content"].as_str()?.to_owned();
        Some((request, text))
    });
    let (request, text) = found.unwrap_or_else(|| panic!("no turn\n{}", daemon.log()));
    (peer, home, request, text)
}

fn ran(home: &Home) -> bool {
    home.path("workspace/ran").exists()
}

#[test]
fn heartbeat_and_jobs_have_no_exec() {
    for by in ["heartbeat", "cron"] {
        let (peer, home, request, text) = turn(by, PLAIN, &json!({}));
        assert!(text.contains("tools.unattended"), "{by}: {text}");
        assert!(!ran(&home), "{by}: it ran");
        let offered = request["tools"].to_string();
        assert!(offered.contains("read_file") && !offered.contains("\"exec\""), "{by}: {offered}");
        assert!(!peer.sent().iter().any(|s| !s.buttons.is_empty()), "{by}: somebody was asked");
    }
}

#[test]
fn heartbeat_and_jobs_have_no_hardware_unless_it_is_granted() {
    const CALL: &str = r#"[call:gpio {"action":"write","line":1,"value":1,"chip":"gpiochip999"}]"#;
    let on = json!({ "gpio": { "enabled": true, "approval": "never" } });
    for by in ["heartbeat", "cron"] {
        let (_, _, request, text) = turn(by, CALL, &json!({ "tools": on }));
        assert!(text.contains("tools.unattended"), "{by}: {text}");
        let offered = request["tools"].to_string();
        assert!(offered.contains("\"board\"") && !offered.contains("\"gpio\""), "{by}: {offered}");
        let mut granted = json!({ "tools": on });
        granted["tools"]["unattended"] = json!(["gpio"]);
        let (_, _, _, text) = turn(by, CALL, &granted);
        assert!(text.contains("there is no /dev/gpiochip999"), "{by}: {text}");
        // What asks is refused, as nobody can be asked.
        granted["tools"]["gpio"]["approval"] = json!("auto");
        let (_, _, _, text) = turn(by, CALL, &granted);
        assert!(text.contains("nobody can be asked"), "{by}: {text}");
    }
}

#[test]
fn granted_tools_run_and_approvals_are_refused() {
    let granted = json!({ "tools": { "unattended": ["exec"] } });
    for by in ["heartbeat", "cron"] {
        if picoclaw::sys::process::strength().landlock > 0 {
            let (_, home, request, text) = turn(by, PLAIN, &granted);
            assert!(ran(&home), "{by}: {text}");
            assert!(request["tools"].to_string().contains("\"exec\""));
        }
        let (peer, home, _, text) = turn(by, RISKY, &granted);
        assert!(text.contains("nobody can be asked"), "{by}: {text}");
        assert!(!ran(&home) && !peer.sent().iter().any(|s| !s.buttons.is_empty()), "{by}");
    }
}

/// A call of the tool subagent with a task that holds a call; its bracket is not for the model that calls.
fn subagent(task: &str) -> String {
    let arguments = json!({ "task": task }).to_string().replace('[', "\\u005b");
    format!("[call:subagent {arguments}]")
}

#[test]
fn a_sub_agent_asks_who_wrote_and_has_no_more_than_its_turn() {
    let peer = peer(false);
    let home = Home::new(&peer);
    let daemon = Daemon::start(&home, &peer);
    let group = -77;
    let marker = peer.say(group, OWNER, &subagent(RISKY));
    let find = || peer.sent().into_iter().find(|s| !s.buttons.is_empty());
    let asked = eventually(SOON, find).unwrap_or_else(|| panic!("no question\n{}", daemon.log()));
    assert_eq!(asked.chat, group);
    peer.press(group, STRANGER, asked.message_id, &asked.buttons[0].1);
    assert!(peer.wait_calls("tg.answerCallbackQuery", 1, SOON));
    // Another chat's message goes all the way meanwhile.
    let beside = peer.say(OWNER, OWNER, "hello");
    assert!(peer.wait_reply(&beside, SOON).is_some(), "{}", daemon.log());
    assert!(!ran(&home), "a stranger's press counted");
    peer.press(group, OWNER, asked.message_id, &asked.buttons[0].1);
    assert!(peer.wait_reply(&marker, SOON).is_some(), "{}", daemon.log());
    assert!(ran(&home), "{}", daemon.log());
    drop(daemon);
    // One of a turn that nobody started has no exec either.
    let (peer, home, _, _) = turn("heartbeat", &subagent(PLAIN), &json!({}));
    let own = eventually(SOON, || {
        let all = peer.requests().into_iter().map(|r| r.to_string());
        all.into_iter().find(|r| r.contains("tools.unattended"))
    });
    assert!(own.is_some(), "{:?}", peer.requests());
    assert!(!ran(&home));
}
