//! Who is answered on the control socket where commands can make Unix sockets: without the call filter only the look at the
//! peer keeps them out.

use std::fs;
use std::os::unix::process::CommandExt;

use serde_json::json;

use crate::harness::{Home, OWNER, SOON, peer};
use crate::harness_daemon::Daemon;

#[test]
fn no_command_is_answered_whatever_it_does_to_its_descent() {
    let peer = peer(false);
    let home = Home::patched(
        &peer,
        &json!({ "tools": { "exec": {
            "sandbox": "none", "approval": "never", "enable_deny_patterns": false,
            "timeout_seconds": 20,
        } } }),
    );
    fs::create_dir_all(home.path("workspace")).expect("a folder");
    fs::copy(crate::harness::program(), home.path("workspace/pico")).expect("a copy");
    let mut command = home.command(&["gateway"]);
    let user = home.give_away();
    if let Some(user) = user {
        command.uid(user).gid(user);
    }
    let polls = peer.calls("tg.getUpdates");
    let daemon = Daemon::spawn_command(&home, command);
    assert!(peer.wait_calls("tg.getUpdates", polls + 1, SOON), "no poll\n{}", daemon.log());
    let ask = format!("PICOCLAW_HOME={} ./pico status", home.path("").display());
    for (n, script) in [
        format!("{ask}; echo tried"),
        format!("sh -c 'sh -c \"{ask}\"'; echo tried"),
        format!("PICOCLAW_HOME={} ./pico agent -m 'hello from a tool'; echo tried", home.path("").display()),
        // A session of its own, its parents gone: the daemon takes it in.
        format!(
            "(setsid sh -c '{ask} > out 2>&1; echo tried > done' &) ; while ! [ -e done ]; do sleep 0.1; done; cat out done"
        ),
        // Who connects ends, another process keeps the connection and asks.
        format!(
            "perl -MSocket -e 'socket(S, PF_UNIX, SOCK_STREAM, 0); if (!fork) {{ connect(S, sockaddr_un(\"{}\")); exit }} \
             wait; syswrite(S, \"S\"); shutdown(S, 1); print \"running, PID\" if sysread(S, $b, 100)'; echo tried",
            home.path("state/control.sock").display()
        ),
    ]
    .into_iter()
    .enumerate()
    {
        let end = format!("tried-{n}");
        home.write("workspace/x.sh", &script.replace("tried", &end));
        let _ = fs::remove_file(home.path("workspace/done"));
        let marker = peer.say(OWNER, OWNER, r#"[call:exec {"command":"sh x.sh"}]"#);
        assert!(peer.wait_reply(&marker, SOON * 2).is_some(), "{}", daemon.log());
        let request = peer.requests().into_iter().rfind(|r| !r["tools"].is_null());
        let text = request.expect("a turn")["messages"].to_string();
        assert!(text.contains(&end) && !text.contains("running, PID"), "{script}\n{text}");
    }
    assert!(daemon.log().contains("tried the control socket"), "{}", daemon.log());
    let asked = |r: &serde_json::Value| {
        r["messages"].as_array().is_some_and(|m| {
            m.iter().any(|m| {
                m["role"] == "user" && m["content"].to_string().contains("hello from a tool")
            })
        })
    };
    assert!(!peer.requests().iter().any(asked), "a command spoke as the owner");
    // Another user of the machine, who can reach the folder.
    if user.is_some() {
        for (name, mode) in [("", 0o755), ("state", 0o755), ("state/control.sock", 0o666)] {
            use std::os::unix::fs::PermissionsExt;
            fs::set_permissions(home.path(name), fs::Permissions::from_mode(mode)).expect("a mode");
        }
        let mut other = home.command(&["status"]);
        other.uid(61_235).gid(61_235);
        let asked = crate::harness::finish(other);
        assert!(!asked.all().contains("running, PID"), "{asked:?}");
    }
    let status = home.run(&["status"]);
    assert!(status.stdout.contains("running, PID"), "{status:?}");
}
