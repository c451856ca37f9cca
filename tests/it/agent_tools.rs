//! AGENT.md's front matter names the tools that the assistant has: no turn of its workspace is offered or runs another one.

use picoclaw_peer::Peer;
use serde_json::{Value, json};

use crate::harness::{Home, OWNER, SOON, eventually, peer};
use crate::harness_daemon::Daemon;

const CALL: &str = r#"[call:exec {"command":"echo x > ran"}]"#;

/// The first request that holds a tool's result: the names that it offers, and the result.
fn seen(peer: &Peer) -> Option<(Vec<String>, String)> {
    let of = |m: &Value, role: &str| m["role"] == role;
    let requests = peer.requests();
    let request = requests.iter().find(|r| {
        r["messages"].as_array().is_some_and(|m| m.last().is_some_and(|m| of(m, "tool")))
    })?;
    let result = request["messages"].as_array()?.last()?["content"].as_str()?.to_owned();
    let tools = request["tools"].as_array().into_iter().flatten();
    let name = |tool: &Value| tool["function"]["name"].as_str().unwrap_or("").to_owned();
    Some((tools.map(name).collect(), result))
}

#[track_caller]
fn check(front: &str, offered: &[&str]) {
    let peer = peer(false);
    let home = Home::patched(&peer, &json!({ "tools": { "exec": { "approval": "never" } } }));
    home.write("workspace/AGENT.md", &format!("---\n{front}\n---\nYou help.\n"));
    let daemon = Daemon::start(&home, &peer);
    peer.say(OWNER, OWNER, CALL);
    let (tools, result) =
        eventually(SOON, || seen(&peer)).unwrap_or_else(|| panic!("{}", daemon.log()));
    assert_eq!(tools, offered, "{front}");
    assert!(result.contains("AGENT.md"), "{front}: {result}");
    assert!(!home.path("workspace/ran").exists(), "{front}: it ran");
}

#[test]
fn what_agent_md_does_not_name_is_neither_offered_nor_run() {
    check("tools: [read_file]", &["read_file"]);
    check("tools: []", &[]);
}

#[test]
fn the_heartbeat_and_jobs_obey_it_and_names_without_a_tool_are_warned_about_once() {
    let peer = peer(false);
    let home = Home::patched(
        &peer,
        &json!({ "heartbeat": { "enabled": true }, "tools": { "unattended": ["exec"] } }),
    );
    let state =
        json!({"last_channel": format!("telegram:{OWNER}"), "last_chat_id": OWNER.to_string()});
    home.write("state/state.json", &state.to_string());
    home.write("workspace/HEARTBEAT.md", &format!("- {CALL}\n"));
    home.write("workspace/AGENT.md", "---\ntools: [list_dir, teleport]\n---\nYou help.\n");
    let daemon = Daemon::start(&home, &peer);
    let (tools, result) =
        eventually(SOON * 2, || seen(&peer)).unwrap_or_else(|| panic!("{}", daemon.log()));
    assert_eq!(tools, ["list_dir"]);
    assert!(result.contains("AGENT.md"), "{result}");
    let marker = peer.say(OWNER, OWNER, "hello");
    assert!(peer.wait_reply(&marker, SOON).is_some(), "{}", daemon.log());
    assert_eq!(daemon.log().matches("do not exist: teleport").count(), 1, "{}", daemon.log());
    let status = home.run(&["status"]).stdout;
    assert!(status.contains("list_dir, teleport"), "{status}");
}
