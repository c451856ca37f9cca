//! Options that cannot mean anything are refused, with what helps; nothing has changed then.

use serde_json::json;

use crate::cron::{cron, jobs};
use crate::harness::{Finished, Home, OWNER, SOON, eventually, finish, peer};
use crate::harness_daemon::Daemon;

#[track_caller]
fn refused(done: &Finished, parts: &[&str]) {
    assert!(!done.status.success(), "{done:?}");
    for part in parts {
        assert!(done.stderr.contains(part), "{part:?} is not in {done:?}");
    }
}

#[test]
fn jobs_without_content_or_address() {
    let pico = json!({ "pico": { "enabled": true, "settings": { "token": "t-123456" } } });
    let with = if cfg!(feature = "pico") { json!({ "channel_list": pico }) } else { json!({}) };
    let home = Home::patched(&peer(false), &with);
    let add =
        |more: &[&str]| home.run(&[&["cron", "add", "-n", "a", "-e", "5m"][..], more].concat());
    refused(&add(&["--command", ""]), &["--command is empty"]);
    refused(&add(&["-m", "m", "--command", "  "]), &["--command is empty", "leave it out"]);
    refused(&add(&["-m", ""]), &["--message is empty"]);
    refused(&add(&["-m", "m", "--to", "", "--channel", "telegram"]), &["--to is empty"]);
    // What is required cannot be left out.
    let unnamed = home.run(&["cron", "add", "-n", "", "-m", "m", "-e", "5m"]);
    refused(&unnamed, &["--name is empty"]);
    let silent = add(&["-m", ""]);
    refused(&silent, &["or --command instead"]);
    for done in [unnamed, silent] {
        assert!(!done.stderr.contains("leave it out"), "{done:?}");
    }
    for chat in ["everybody", "12a", "@x", "0", "1 2"] {
        let to = ["-m", "m", "--to", chat, "--channel", "telegram"];
        refused(&add(&to), &["--to", "is not a chat of telegram", "a number"]);
    }
    if cfg!(feature = "pico") {
        let to = ["-m", "m", "--to", "desk", "--channel", "pico"];
        refused(&add(&to), &["is not a chat of pico", "pico:SESSION"]);
    }
    refused(&add(&["-m", "m", "--tz", "UTC"]), &["--tz needs --at or --cron"]);
    refused(&add(&["--command", "date", "-d"]), &["only one of --deliver and --command"]);
    assert!(!home.path("cron/jobs.json").exists());
    for chat in ["123", "-100123", "@public_group"] {
        cron(
            &home,
            &["add", "-n", chat, "-m", "m", "-e", "5m", "--to", chat, "--channel", "telegram"],
        );
    }
    let again = cron(&home, &["add", "-n", "123", "-m", "m", "-e", "5m"]);
    assert!(again.contains("there is another of this name"), "{again}");
    assert_eq!(jobs(&home).len(), 4);
    refused(
        &home.run(&["cron", "run", "@public_group"]),
        &["no gateway is running", "`picoclaw gateway`"],
    );
}

#[test]
fn options_of_other_commands() {
    let peer = peer(false);
    let home = Home::new(&peer);
    refused(&home.run(&["agent", "--json"]), &["--json needs --message"]);
    for empty in ["", "  \n"] {
        refused(&home.run(&["agent", "-m", empty]), &["the message is empty"]);
    }
    assert_eq!(peer.calls("llm.chat"), 0);
    #[cfg(feature = "sign-in")]
    refused(&home.run(&["auth", "login", "-p", "nosuch"]), &["`nosuch`", "anthropic, ", "openai"]);
    #[cfg(feature = "sign-in")]
    for name in ["bedrock", "elevenlabs", "github_copilot"] {
        let done = home.run(&["auth", "login", "-p", name]);
        refused(&done, &["is not supported by this build; there are ", " anthropic, "]);
        let (_, list) = done.stderr.split_once("there are").expect("a list");
        assert!(!list.contains("bedrock") && !list.contains("-cli"), "{}", done.all());
    }
    refused(&home.run(&["agent", "hello"]), &["Error: unrecognized", "`picoclaw agent -m TEXT`"]);
    refused(&home.run(&["agnet"]), &["Error: unknown command: agnet", "`picoclaw agent`"]);
    #[cfg(feature = "skill-install")]
    for (source, what) in [("./nope", "folder"), ("nope.tar.gz", "file")] {
        let want = format!("{source}: there is no such {what} in /");
        refused(&home.run(&["skills", "install", source]), &[&want, "OWNER/REPO"]);
    }
    #[cfg(feature = "simulate")]
    refused(&home.run(&["simulate", "--burst", "0"]), &["at least one message"]);
    #[cfg(feature = "backup")]
    {
        refused(&home.run(&["restore", "nope.tar.gz"]), &["nope.tar.gz: No such file"]);
        let daemon = Daemon::start(&home, &peer);
        home.write("some.tar.gz", "");
        let pid = format!("kill {}", daemon.pid());
        let service = std::fs::metadata("/etc/init.d/S95picoclaw").is_ok();
        let how = if service { "S95picoclaw stop" } else { &*pid };
        refused(
            &home.run(&["restore", "some.tar.gz", "--force"]),
            &["stop the gateway first", how],
        );
    }
}

#[test]
fn a_home_that_cannot_be_made() {
    let home = Home::bare(&peer(false)).env("PICOCLAW_HOME", "/proc/nonexistent/dir");
    refused(&home.run(&["onboard"]), &["/proc/nonexistent/dir/config.json", "PICOCLAW_HOME"]);
}

/// What a chat's command says does not depend on who answers at the command line.
#[test]
fn commands_at_the_prompt_need_no_gateway() {
    let peer = peer(false);
    let home = Home::new(&peer);
    let say = |text: &str| {
        let done = home.run(&["agent", "-m", text]);
        assert!(done.status.success(), "{text}: {done:?}");
        done.stdout
    };
    let texts =
        ["/help", "!start", "/show model", "/show channel", "/list models", "/list channels"];
    let more =
        ["/list skills", "/show", "/switch model to nosuch", "/stop", "/pair X", "/skills list"];
    let all: Vec<&str> = texts.into_iter().chain(more).collect();
    let alone: Vec<String> = all.iter().map(|text| say(text)).collect();
    assert!(alone[0].contains("/switch model to NAME"), "{}", alone[0]);
    assert_eq!(peer.calls("llm.chat"), 0);
    say("remember q111111");
    assert!(!home.read("sessions/cli_default.jsonl").is_empty());
    assert!(say("/clear").contains("history is cleared"));
    say("hello");
    assert!(!peer.requests().pop().expect("a request").to_string().contains("q111111"));
    let calls = peer.calls("llm.chat");
    assert!(say("/btw what q222222").contains("q222222"));
    assert_eq!(peer.calls("llm.chat"), calls + 1);
    assert!(!home.read("sessions/cli_default.jsonl").contains("q222222"));
    let daemon = Daemon::start(&home, &peer);
    for (text, alone) in all.iter().zip(&alone) {
        assert_eq!(&say(text), alone, "{text}: {}", daemon.log());
    }
}

#[test]
fn a_reload_continues_uptime_and_counters() {
    let peer = peer(false);
    let home = Home::new(&peer);
    let daemon = Daemon::start(&home, &peer);
    let marker = peer.say(OWNER, OWNER, "hello");
    assert!(peer.wait_reply(&marker, SOON).is_some(), "{}", daemon.log());
    daemon.idle(&peer);
    daemon.until("two seconds old", |r| r.uptime >= 2);
    let before = daemon.report().expect("a report");
    assert_eq!(before.reloaded, 0);
    for _ in 0..2 {
        let polls = peer.calls("tg.getUpdates");
        daemon.signal(rustix::process::Signal::HUP);
        assert!(peer.wait_calls("tg.getUpdates", polls + 1, SOON), "{}", daemon.log());
        daemon.until("reloaded", |r| r.reloaded > 0);
    }
    let after = daemon.report().expect("a report");
    assert!(after.uptime >= before.uptime, "{after:?}");
    assert_eq!(after.turns, before.turns);
    assert!(after.syncs >= before.syncs && after.bytes >= before.bytes, "{after:?}");
    let told = eventually(SOON, || {
        let status = home.run(&["status"]);
        let line = status.stdout.lines().find(|l| l.starts_with("Gateway: "))?.to_owned();
        line.contains(", reloaded ").then_some(line)
    });
    assert!(told.is_some_and(|line| line.ends_with(" s ago")));
    // A new process begins anew.
    assert!(daemon.term().success());
    let daemon = Daemon::start(&home, &peer);
    daemon.until("new", |r| r.reloaded == 0 && r.turns == 0);
}

/// Scripts look at the first sign of a line: `✓` fine, `!` a warning, `✗` fails; what to do is below, indented.
#[cfg(feature = "doctor")]
#[test]
fn lines_of_doctor_begin_with_their_grade() {
    let home = Home::new(&peer(false));
    let doctor = home.run(&["doctor"]);
    let as_json: serde_json::Value =
        serde_json::from_str(&home.run(&["doctor", "--json"]).stdout).expect("JSON");
    let checks = as_json["checks"].as_array().expect("checks");
    let mut lines = doctor.stdout.lines();
    let mut seen = std::collections::BTreeSet::new();
    for check in checks {
        let field = |name: &str| check[name].as_str().expect("a text");
        let prefix = match field("state") {
            "ok" => "✓",
            "warning" => "!",
            "failed" => "✗",
            other => panic!("{other}"),
        };
        seen.insert(prefix);
        let line = lines.next().expect("a line");
        let begin = format!("{prefix} {}: ", field("check"));
        assert!(line.starts_with(&begin), "{line:?} does not begin with {begin:?}");
        if !field("do").is_empty() {
            assert_eq!(lines.next(), Some(&*format!("    → {}", field("do"))));
        }
    }
    // The configuration can be read by everybody, and so can the home.
    assert!(seen.contains("✗") && seen.contains("!") && seen.contains("✓"), "{seen:?}");
    assert_eq!((lines.next(), as_json["ok"].as_bool()), (None, Some(false)), "{doctor:?}");
}

/// A gateway at a terminal says in its first line what runs.
#[test]
fn a_gateway_at_a_terminal_greets() {
    if std::process::Command::new("script").arg("--version").output().is_err() {
        crate::skip::skip(crate::skip::Missing::Terminal);
        return;
    }
    let peer = peer(false);
    let home = Home::patched(&peer, &json!({ "gateway": { "log_level": "error" } }));
    let mut command = std::process::Command::new("script");
    home.furnish(&mut command);
    let program = crate::harness::program();
    command.args(["-qec", &format!("timeout 5 {} gateway", program.display()), "/dev/null"]);
    let said = finish(command).stdout;
    let health = format!("health page: 127.0.0.1 port {}", home.health_port);
    for part in ["picoclaw ", "Ctrl-C", "channels: telegram", "`picoclaw status`"] {
        assert!(said.contains(part), "{part:?} is not in {said:?}");
    }
    assert!(cfg!(not(feature = "health")) || said.contains(&health), "{said:?}");
}

#[test]
fn status_has_a_line_for_each_error() {
    let wrong = json!({ "gateway": { "port": "x" }, "tools": { "exec": { "enabled": "maybe" } } });
    let done = Home::patched(&peer(false), &wrong).run(&["status"]);
    let lines = done.stdout.lines().filter(|line| line.starts_with("Config: "));
    assert!(lines.count() >= 2 && !done.stdout.contains("u000a"), "{done:?}");
}
