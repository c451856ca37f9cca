//! Hooks: real processes beside the real daemon, which ask, answer, die, hang, flood and talk nonsense.

mod bounds;
mod changes;
mod routes;

use picoclaw_peer::Peer;
use serde_json::{Value, json};

use crate::harness::{Home, OWNER, SOON, eventually, merge, peer};
use crate::harness_daemon::Daemon;

/// Leaves a trace, and asks nobody.
pub const CALL: &str = r#"[call:exec {"command":"echo x > ran"}]"#;

/// A gateway with the hook `gate`.
pub struct Hooked {
    pub peer: Peer,
    pub home: Home,
    pub daemon: Daemon,
}

impl Hooked {
    /// `rules` say what the hook answers ([`hook.py`]), `intercept` what it is asked.
    #[track_caller]
    pub fn start(rules: &Value, intercept: &[&str], patch: &Value) -> Hooked {
        let peer = peer(false);
        let home = Home::patched(&peer, &json!({}));
        write_config(&home, rules, intercept, patch);
        home.write("hooks/hook.py", include_str!("hook.py"));
        let daemon = Daemon::start(&home, &peer);
        Hooked { peer, home, daemon }
    }

    /// Says something and waits for the answer.
    #[track_caller]
    pub fn say(&self, text: &str) -> String {
        let marker = self.peer.say(OWNER, OWNER, text);
        let reply = self.peer.wait_reply(&marker, SOON);
        reply.unwrap_or_else(|| panic!("no answer\n{}", self.daemon.log()))
    }

    /// What the model read last from a tool.
    pub fn result(&self) -> String {
        let request = self.peer.requests().pop().expect("a request");
        let messages = request["messages"].as_array().expect("messages");
        let tool = messages.iter().rev().find(|m| m["role"] == "tool");
        tool.and_then(|m| m["content"].as_str()).unwrap_or_default().to_owned()
    }

    pub fn ran(&self) -> bool {
        self.home.path("workspace/ran").exists()
    }

    /// What the hook was sent.
    pub fn sent(&self) -> Vec<Value> {
        let text = std::fs::read_to_string(self.home.path("workspace/log")).unwrap_or_default();
        text.lines().filter_map(|line| serde_json::from_str(line).ok()).collect()
    }

    /// What it was sent with this method.
    pub fn params(&self, method: &str) -> Vec<Value> {
        let all = self.sent().into_iter().filter(|m| m["method"] == method);
        all.map(|mut m| m["params"].take()).collect()
    }

    /// Waits until `status` says this of it.
    #[track_caller]
    pub fn until(&self, words: &str) {
        self.daemon.until(words, |r| r.hooks.iter().any(|line| line.contains(words)));
    }
}

fn write_config(home: &Home, rules: &Value, intercept: &[&str], patch: &Value) {
    let mut config: Value = serde_json::from_str(&home.read("config.json")).expect("JSON");
    let hook = json!({
        "enabled": true,
        "command": ["python3", home.path("hooks/hook.py")],
        "env": { "RULES": rules.to_string(), "LOG": home.path("workspace/log") },
        "intercept": intercept,
        "observe": [],
    });
    merge(&mut config, &json!({ "hooks": { "processes": { "gate": hook } } }));
    merge(&mut config, patch);
    home.write("config.json", &config.to_string());
    std::fs::create_dir_all(home.path("workspace")).expect("a workspace");
}

fn timeouts(approval: u32, interceptor: u32) -> Value {
    json!({ "hooks": { "defaults": {
        "approval_timeout_ms": approval, "interceptor_timeout_ms": interceptor,
    } } })
}

#[test]
fn an_approver_decides_and_a_reload_changes_it() {
    let yes = json!({ "hook.approve_tool": { "approved": true } });
    let hooked = Hooked::start(&yes, &["approve_tool"], &json!({}));
    hooked.until("gate: running");
    hooked.say(CALL);
    assert!(hooked.ran(), "{}", hooked.result());
    let asked = hooked.params("hook.approve_tool");
    assert_eq!(asked.len(), 1);
    assert_eq!(asked[0]["tool"], "exec");
    assert_eq!(asked[0]["arguments"], json!({ "command": "echo x > ran" }));
    assert_eq!(asked[0]["channel"], "telegram");
    assert_eq!(asked[0]["meta"]["TracePath"], "turn.tool.approve");
    let hello = &hooked.params("hook.hello")[0];
    assert_eq!(hello, &json!({ "name": "gate", "version": 1, "modes": ["approve"] }));
    let pid = hooked.home.read("workspace/log.pid");
    std::fs::remove_file(hooked.home.path("workspace/ran")).expect("a trace");

    let no = json!({ "hook.approve_tool": { "approved": false, "reason": "not on Sundays" } });
    write_config(&hooked.home, &no, &["approve_tool"], &json!({}));
    hooked.daemon.signal(rustix::process::Signal::HUP);
    let new = || Some(hooked.home.read("workspace/log.pid")).filter(|new| *new != pid);
    assert!(eventually(SOON, new).is_some(), "{}", hooked.daemon.log());
    assert!(!std::path::Path::new(&format!("/proc/{pid}")).exists(), "the old one lives");
    hooked.say(CALL);
    assert!(!hooked.ran());
    let told = "Tool execution denied by approval hook: not on Sundays";
    assert_eq!(hooked.result(), told);
    let lines = eventually(SOON, || {
        let audit = hooked.home.run(&["audit", "--json", "--result", "refused"]).stdout;
        Some(audit).filter(|audit| !audit.is_empty())
    });
    let line: Value = serde_json::from_str(lines.expect("a line").trim()).expect("JSON");
    assert_eq!((&line["hook"], &line["why"]), (&json!("gate"), &json!("not on Sundays")));
    let status = hooked.home.run(&["status"]).stdout;
    assert!(status.contains("hooks gate: running, calls: 1"), "{status}");
    #[cfg(feature = "doctor")]
    assert!(hooked.home.run(&["doctor"]).stdout.contains("gate: running"));
    let pid = hooked.home.read("workspace/log.pid");
    let Hooked { daemon, .. } = hooked;
    assert!(daemon.term().success());
    assert!(!std::path::Path::new(&format!("/proc/{pid}")).exists(), "it outlives the daemon");
}

/// Whatever an approver does but say yes, nothing runs, and the daemon answers.
#[track_caller]
fn refuses(rule: &Value, why: &str) {
    let rules = json!({ "hook.approve_tool": rule });
    let hooked = Hooked::start(&rules, &["approve_tool"], &timeouts(1500, 5000));
    hooked.until("gate: running");
    hooked.say(CALL);
    assert!(!hooked.ran(), "{rule}: {}", hooked.result());
    let result = hooked.result();
    assert!(result.starts_with("Tool execution denied by approval hook"), "{rule}: {result}");
    assert!(result.contains(why), "{rule}: {result}");
    hooked.say("hello");
}

#[test]
fn a_dead_approver_means_no() {
    refuses(&json!("die"), "it ended with status 3");
}

#[test]
fn a_late_approver_means_no() {
    refuses(&json!("hang"), "no answer within 1500 ms");
}

#[test]
fn an_approver_that_talks_nonsense_means_no() {
    refuses(&json!("garbage"), "its answer is no decision");
    refuses(&json!({ "approved": "true" }), "its answer is no decision");
    refuses(&json!({}), "");
    refuses(&json!("chatter"), "lines that answer nothing");
}

#[test]
fn an_approver_that_floods_or_reports_an_error_means_no() {
    refuses(&json!("flood"), "a line of more than 1048576 bytes");
    refuses(&json!("error"), "it reports an error: odd");
}

#[test]
fn an_approver_that_does_not_start_means_no() {
    let gone = json!({ "hooks": { "processes": { "gate": { "command": ["/nowhere/gate"] } } } });
    let hooked = Hooked::start(&json!({}), &["approve_tool"], &gone);
    hooked.until("/nowhere/gate: No such file");
    hooked.say(CALL);
    assert!(!hooked.ran() && hooked.result().contains("it does not run"), "{}", hooked.result());
    // The reason is the same however often it is told.
    hooked.say(CALL);
    let told = hooked.result();
    assert_eq!(told.matches("it does not run").count(), 1, "{told}");

    // A command could rewrite it.
    let patch = |home: &Home| {
        json!({ "hooks": { "processes": { "gate": {
            "command": ["python3", home.path("workspace/hook.py")],
        } } } })
    };
    hooked.home.write("workspace/hook.py", include_str!("hook.py"));
    let yes = json!({ "hook.approve_tool": { "approved": true } });
    write_config(&hooked.home, &yes, &["approve_tool"], &patch(&hooked.home));
    hooked.daemon.signal(rustix::process::Signal::HUP);
    hooked.until("can be changed by commands");
    hooked.say(CALL);
    assert!(!hooked.ran(), "{}", hooked.result());
}

#[test]
fn a_loud_approver_may_still_say_yes_and_the_log_stays_short() {
    let rules = json!({ "hook.approve_tool": "stderr" });
    let hooked = Hooked::start(&rules, &["approve_tool"], &json!({}));
    hooked.say(CALL);
    assert!(hooked.ran(), "{}", hooked.result());
    hooked.daemon.says("more of its standard error in this minute is not logged");
    assert!(hooked.daemon.log().len() < 100_000, "{}", hooked.daemon.log().len());
}

#[test]
fn a_hook_that_died_is_started_again() {
    let rules = json!({ "hook.approve_tool": "die once" });
    let hooked = Hooked::start(&rules, &["approve_tool"], &json!({}));
    hooked.say(CALL);
    assert!(!hooked.ran(), "{}", hooked.result());
    hooked.until("gate: running, calls: 1, restarts: 1, last error: it ended with status 3");
    hooked.say(CALL);
    assert!(hooked.ran(), "{}", hooked.result());
}

#[test]
fn stop_does_not_wait_for_a_hook() {
    let rules = json!({ "hook.approve_tool": "hang" });
    let hooked = Hooked::start(&rules, &["approve_tool"], &json!({}));
    let sent = hooked.peer.sent().len();
    hooked.peer.say(OWNER, OWNER, CALL);
    let asked = eventually(SOON, || hooked.params("hook.approve_tool").pop());
    assert!(asked.is_some(), "{}", hooked.daemon.log());
    hooked.peer.command(OWNER, "/stop");
    let stopped = || hooked.peer.sent().into_iter().skip(sent).find(|s| s.text.contains("topped"));
    assert!(eventually(SOON, stopped).is_some(), "{:?}", hooked.peer.sent());
    assert!(!hooked.ran());
    hooked.say("hello");
}
