//! What a workspace has of the Go original or of an earlier version of ours becomes the home's, and goes back.

use std::fs;

use picoclaw::message::Message;
use serde_json::{Value, json};

use crate::cron::jobs;
use crate::harness::{Home, OWNER, SOON, eventually, finish, peer};
use crate::harness_daemon::Daemon;
use crate::migrate_homes::tree;

fn line(role: &str, text: &str) -> String {
    json!({"role": role, "content": text}).to_string() + "\n"
}

/// Names below a folder, with their texts.
fn texts(home: &Home, folder: &str) -> Vec<(String, String)> {
    let mut all: Vec<_> = fs::read_dir(home.path(folder))
        .into_iter()
        .flatten()
        .flatten()
        .map(|e| {
            let text = fs::read_to_string(e.path()).unwrap_or_default();
            (e.file_name().to_string_lossy().into_owned(), text)
        })
        .collect();
    all.sort();
    all
}

/// Killed again and again while it adopts, at each of these numbers of sessions.
#[track_caller]
fn survives(ours: bool) {
    const SESSIONS: usize = 24;
    let peer = peer(false);
    let home = Home::new(&peer);
    if ours {
        home.write("state/journal.a", "");
    }
    let mut want = Vec::new();
    for n in 10..10 + SESSIONS {
        let said: Vec<String> = (0..n).map(|m| format!("message {m} of {n}")).collect();
        let text: String = said.iter().map(|text| line("user", text)).collect();
        match n % 3 {
            0 => home.write(&format!("workspace/sessions/telegram_{n}.jsonl"), &text),
            1 => home
                .write(&format!("workspace/sessions/agent_main_telegram_direct_{n}.jsonl"), &text),
            _ => {
                let messages: Vec<Value> =
                    text.lines().map(|line| serde_json::from_str(line).expect("JSON")).collect();
                let old = json!({"key": format!("telegram:{n}"), "messages": messages});
                home.write(&format!("workspace/sessions/telegram_{n}.json"), &old.to_string());
            }
        }
        want.push((format!("telegram_{n}.jsonl"), said));
    }
    let job = json!({"version": 1, "jobs": [{"id": "00aa", "name": "tea", "enabled": true}]});
    home.write("workspace/cron/jobs.json", &job.to_string());
    let here = || texts(&home, "sessions").into_iter().filter(|(name, _)| name.ends_with(".jsonl"));
    for count in (1..SESSIONS).step_by(4) {
        let mut child = home.command(&["cron", "list"]).spawn().expect("a command");
        eventually(SOON, || {
            let ended = child.try_wait().expect("a child").is_some();
            (ended || here().count() >= count).then_some(())
        });
        let _ = child.kill();
        child.wait().expect("a child");
    }
    let listed = finish(home.command(&["cron", "list"]));
    assert!(listed.stdout.contains("tea"), "{listed:?}");
    let said = |line: &str| Message::parse(line).expect("a message").content;
    let here = here().map(|(name, text)| (name, text.lines().map(said).collect::<Vec<_>>()));
    for (have, want) in here.zip(&want) {
        assert_eq!(&have, want);
    }
    assert_eq!(texts(&home, "sessions").len(), 2 * SESSIONS, "each with its meta file");
    assert_eq!(jobs(&home).len(), 1);
    let before = (texts(&home, "sessions"), home.read("state/adopted"));
    finish(home.command(&["cron", "list"]));
    assert_eq!((texts(&home, "sessions"), home.read("state/adopted")), before, "once");
}

#[test]
fn kills_while_a_go_home_is_adopted_lose_and_repeat_nothing() {
    survives(false);
}

#[test]
fn kills_while_our_own_files_move_lose_and_repeat_nothing() {
    survives(true);
}

/// The newest Go version: it converts the JSON session, copies it to a name of its own, in its own words, and goes on there.
#[track_caller]
fn go_runs(home: &Home) {
    let old = home.read(&format!("workspace/sessions/agent_main_telegram_direct_{OWNER}.json"));
    let old: Value = serde_json::from_str(&old).expect("a session");
    assert_eq!(old["key"], format!("agent:main:telegram:direct:{OWNER}"));
    let first: Value =
        serde_json::from_str(&home.read(&format!("workspace/sessions/telegram_{OWNER}.json")))
            .expect("a session");
    assert_eq!(
        (&first["key"], &first["messages"]),
        (&json!(format!("telegram:{OWNER}")), &old["messages"])
    );
    let mut lines = String::new();
    for message in old["messages"].as_array().expect("messages") {
        // In another order, without what it does not know.
        lines +=
            &format!("{{ \"content\": {}, \"role\": {} }}\n", message["content"], message["role"]);
    }
    lines += &(line("user", "said to Go") + &line("assistant", "heard by Go"));
    for name in [format!("telegram_{OWNER}"), format!("agent_main_telegram_direct_{OWNER}")] {
        let path = home.path(&format!("workspace/sessions/{name}.json"));
        fs::rename(&path, path.with_extension("json.migrated")).expect("converted");
    }
    home.write("workspace/sessions/sk_v1_9.jsonl", &lines);
    home.write(
        "workspace/sessions/sk_v1_9.meta.json",
        &json!({"key": "sk_v1_9", "skip": 0, "updated_at": "2026-05-02T00:00:00Z",
            "scope": {"channel": "telegram", "values": {"chat": format!("direct:{OWNER}")}}})
        .to_string(),
    );
    let mut all: Value =
        serde_json::from_str(&home.read("workspace/cron/jobs.json")).expect("jobs");
    let list = all["jobs"].as_array_mut().expect("jobs");
    list[0]["state"] = json!({"lastRunAtMs": 1});
    list.push(json!({"id": "60", "name": "of Go", "enabled": true}));
    home.write("workspace/cron/jobs.json", &all.to_string());
}

#[test]
fn a_home_goes_back_to_go_and_comes_again() {
    let peer = peer(false);
    let home = Home::new(&peer);
    let daemon = Daemon::start(&home, &peer);
    let marker = peer.say(OWNER, OWNER, "my bicycle is green");
    assert!(peer.wait_reply(&marker, SOON).is_some(), "{}", daemon.log());
    assert!(daemon.term().success());
    let added =
        home.run(&["cron", "add", "-n", "tea", "-m", "m", "-e", "3600", "--command", "date"]);
    assert!(added.status.success(), "{added:?}");
    let back = home.run(&["migrate", "--to", "picoclaw"]);
    assert!(back.status.success(), "{back:?}");
    assert!(back.stdout.contains("workspace/cron/jobs.json"), "{back:?}");
    assert!(home.read("workspace/state/state.json").contains(&format!("telegram:{OWNER}")));
    let approved = home.read("cron/jobs.json").contains("approval");
    assert!(approved && !home.read("workspace/cron/jobs.json").contains("approval"));
    go_runs(&home);
    let seen = |text: &str| {
        let daemon = Daemon::start(&home, &peer);
        let marker = peer.say(OWNER, OWNER, text);
        assert!(peer.wait_reply(&marker, SOON).is_some(), "{}", daemon.log());
        assert!(daemon.term().success());
        peer.requests().last().expect("a request")["messages"].to_string()
    };
    for text in ["what did I say?", "and again?"] {
        let seen = seen(text);
        for known in ["my bicycle is green", "said to Go", "heard by Go", "what did I say?"] {
            assert_eq!(seen.matches(known).count(), 1, "{known}: {seen}");
        }
    }
    let all = jobs(&home);
    let enabled: Vec<_> = all.iter().map(|j| (&j["name"], &j["enabled"])).collect();
    assert_eq!(enabled, [(&json!("tea"), &json!(true)), (&json!("of Go"), &json!(false))]);
    // Written back once more, into Go's own file.
    let back = home.run(&["migrate", "--to", "picoclaw", "--json"]);
    assert!(back.status.success(), "{back:?}");
    let go = home.read("workspace/sessions/sk_v1_9.jsonl");
    assert_eq!(go, home.read(&format!("sessions/telegram_{OWNER}.jsonl")));
    assert!(home.read("workspace/sessions/sk_v1_9.meta.json").contains("scope"));
    let before = tree(&home.path(""));
    for (refused, why) in [
        (&["--to", "foo"][..], "--to foo: there is only --to picoclaw"),
        (&["--to", "picoclaw", "--dry-run"], "--to picoclaw has no --dry-run"),
        (&["--from", "picoclaw", "--to", "picoclaw"], "--from and --to picoclaw exclude"),
        (&["--to", "picoclaw", "--source-home", "/x"], "name it with --target-home"),
    ] {
        let done = home.run(&[&["migrate"], refused].concat());
        assert!(!done.status.success() && done.stderr.contains(why), "{done:?}");
    }
    assert!(tree(&home.path("")) == before, "what is refused wrote something");
}
