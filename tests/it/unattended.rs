//! Turns that no message started: they act on nothing but files and chats, unless the configuration grants it.

use picoclaw_peer::Peer;
use serde_json::{Value, json};

use crate::harness::{Home, OWNER, SOON, eventually, merge, peer};
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
    home.write("workspace/state/state.json", &state.to_string());
    if by == "heartbeat" {
        home.write("workspace/HEARTBEAT.md", &format!("- {task}\n"));
    } else {
        let job = json!({ "version": 1, "jobs": [{
            "id": "j1", "name": "j1", "enabled": true, "schedule": { "kind": "every", "everyMs": 10_000 },
            "payload": { "kind": "agent_turn", "message": task, "deliver": false, "channel": "telegram", "to": OWNER.to_string() },
            "state": { "nextRunAtMs": 1 }, "createdAtMs": 1, "updatedAtMs": 1, "deleteAfterRun": false,
        }] });
        home.write("workspace/cron/jobs.json", &job.to_string());
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
fn what_is_granted_runs_and_what_asks_is_refused() {
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
