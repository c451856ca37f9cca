//! Hooks under the supervisor, as the commands' user.

use std::os::unix::fs::MetadataExt;

use rustix::process::{Pid, Signal, kill_process};
use serde_json::json;

use super::write_config;
use crate::harness::{SOON, eventually};
use crate::tool_user::{Held, TOOL_USER};

#[test]
fn with_a_supervisor_hooks_run_as_the_commands_user_and_judge() {
    let Some(held) = Held::on(TOOL_USER, false) else { return };
    let no = json!({ "hook.approve_tool": { "approved": false, "reason": "not here" } });
    held.home.write("hooks/hook.py", include_str!("hook.py"));
    write_config(&held.home, &no, &["approve_tool"], &json!({}));
    held.home.give_away();
    let pid = Pid::from_raw(i32::try_from(held.daemon()).expect("a number")).expect("a daemon");
    kill_process(pid, Signal::HUP).expect("a signal");
    let started = eventually(SOON, || held.home.path("workspace/log.pid").metadata().ok());
    let started = started.unwrap_or_else(|| panic!("no hook\n{}", held.supervisor.log()));
    let owner = std::fs::read_to_string("/etc/passwd").expect("users");
    let line = owner.lines().find(|line| line.starts_with(&format!("{TOOL_USER}:")));
    let user = line.and_then(|line| line.split(':').nth(2)).expect("a user");
    assert_eq!(started.uid().to_string(), user);
    let got = held.call("exec", &json!({ "command": "echo x > ran" }));
    assert_eq!(got, "Tool execution denied by approval hook: not here");
    assert!(!held.home.path("workspace/ran").exists());
}
