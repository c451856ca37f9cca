//! `picoclaw skills` and its ways through a chat: from where, with what limits, and who decides.

use std::process::Command;

use picoclaw_peer::{Peer, Sent};
use serde_json::{Value, json};

use crate::harness::{Home, OWNER, SOON, eventually, peer};
use crate::harness_daemon::Daemon;
use crate::pause;

const HASH: &str = "0123456789abcdef0123456789abcdef01234567";

/// A home whose repositories and registry are the peer's.
pub fn home(peer: &Peer, patch: &Value) -> Home {
    let mut all = json!({ "tools": { "skills": { "registries": {
        "github": { "base_url": peer.base_url() }, "clawhub": { "base_url": peer.base_url() },
    } } } });
    crate::harness::merge(&mut all, patch);
    Home::patched(peer, &all)
}

fn skill(name: &str, words: &str) -> String {
    format!("---\nname: {name}\ndescription: {words}\n---\n# {name}\nDo it well.\n")
}

/// Packs `from/` of the home as GitHub does: the commit is a comment in front.
fn archive(home: &Home, files: &[(&str, &str)]) -> Vec<u8> {
    let _ = std::fs::remove_dir_all(home.path("from"));
    for (path, text) in files {
        home.write(&format!("from/{path}"), text);
    }
    let archive = home.path("packed.tar.gz");
    let mut tar = Command::new("tar");
    tar.args(["--format=pax", &format!("--pax-option=comment={HASH}"), "-czf"]);
    let status = tar.arg(&archive).arg("-C").arg(home.path("from")).arg("repo-main").status();
    assert!(status.expect("tar runs").success());
    std::fs::read(archive).expect("an archive")
}

/// A repository with two skills.
fn repository(home: &Home, words: &str) -> Vec<u8> {
    archive(
        home,
        &[
            ("repo-main/README.md", "about"),
            ("repo-main/skills/tea/SKILL.md", &skill("tea", words)),
            ("repo-main/skills/tea/scripts/brew.sh", "echo tea"),
            ("repo-main/skills/cake/SKILL.md", &skill("cake", "bakes")),
        ],
    )
}

#[test]
fn from_a_repository_listed_shown_removed() {
    let peer = peer(true);
    let home = home(&peer, &json!({}));
    let archive = repository(&home, "brews tea");
    peer.serve_redirect("/o/repo/archive/v1.tar.gz", "/codeload/x");
    peer.serve_file("/codeload/x", archive);

    let done = home.run(&["skills", "install", "o/repo/skills/tea@v1"]);
    assert!(done.status.success(), "{}", done.all());
    assert!(done.stdout.starts_with("✓ Skill tea installed: brews tea"), "{}", done.stdout);
    assert_eq!(home.read("workspace/skills/tea/scripts/brew.sh"), "echo tea");
    assert!(!home.path("workspace/skills/tea/README.md").exists());

    let list = home.run(&["skills", "list"]).stdout;
    let from = format!("github o/repo/skills/tea @v1, commit {HASH}, 2 files");
    assert!(list.contains("tea (workspace): brews tea") && list.contains(&from), "{list}");
    let json: Value =
        serde_json::from_str(&home.run(&["skills", "list", "--json"]).stdout).expect("json");
    let origin = &json["skills"][0]["origin"];
    assert_eq!((origin["commit"].as_str(), origin["files"].as_u64()), (Some(HASH), Some(2)));
    let show = home.run(&["skills", "show", "tea"]).stdout;
    assert!(show.contains("Do it well.") && show.contains(HASH), "{show}");

    // A second time only by force; what the user changed is there until then.
    home.write("workspace/skills/tea/own.txt", "mine");
    let again = home.run(&["skills", "install", "o/repo/skills/tea@v1"]);
    assert!(!again.status.success());
    assert!(
        again.stderr.contains("skill 'tea' already exists (--force replaces it)"),
        "{}",
        again.stderr
    );
    assert_eq!(home.read("workspace/skills/tea/own.txt"), "mine");
    let forced = home.run(&["skills", "install", "o/repo/skills/tea@v1", "--force", "--json"]);
    let json: Value = serde_json::from_str(&forced.stdout).expect("json");
    assert_eq!((json["name"].as_str(), json["replaced"].as_bool()), (Some("tea"), Some(true)));
    assert!(!home.path("workspace/skills/tea/own.txt").exists());

    let gone = home.run(&["skills", "remove", "tea"]);
    assert!(gone.status.success() && gone.stdout.contains("Removed"), "{}", gone.all());
    assert!(!home.path("workspace/skills/tea").exists());
    let missing = home.run(&["skills", "remove", "tea"]);
    assert!(missing.stderr.contains("'tea' not found"), "{}", missing.stderr);
    let left = std::fs::read_dir(home.path("state")).expect("a folder").flatten();
    let left: Vec<_> = left.map(|e| e.file_name()).filter(|n| n != "skills.lock").collect();
    assert!(left.is_empty(), "{left:?}");
}

#[test]
fn refusals_name_the_cure() {
    let peer = peer(true);
    let home = home(&peer, &json!({}));
    let plain = format!("{}/x.tar.gz", peer.control_url());
    peer.serve_file("/x.tar.gz", repository(&home, "x"));
    peer.serve_redirect("/o/plain/archive/HEAD.tar.gz", &plain);
    peer.serve_file("/o/page/archive/HEAD.tar.gz", b"<html>".to_vec());
    peer.serve_file("/o/two/archive/HEAD.tar.gz", repository(&home, "x"));
    peer.serve_redirect("/o/round/archive/HEAD.tar.gz", "/o/round/archive/HEAD.tar.gz");
    for (source, want) in [
        (&*plain, "only https://"),
        ("o/plain", "only https://"),
        ("o/none", "no such repository"),
        ("o/page", "not gzip"),
        ("o/two", "name one: skills/"),
        ("o/two/coffee", "no skill \"coffee\""),
        ("o/round", "redirects"),
        ("nonsense", "OWNER/REPO"),
        ("./nowhere", "no such folder"),
        ("https://example.org/o/r", "base_url"),
    ] {
        let done = home.run(&["skills", "install", source]);
        assert!(!done.status.success() && done.stderr.contains(want), "{source}: {}", done.all());
    }
    assert!(home.run(&["skills", "list"]).stdout.contains("No skills installed."));
    let help = home.run(&["skills", "--help"]).stdout;
    assert!(help.contains("install") && help.contains("search"), "{help}");
    assert!(home.run(&["skils"]).stderr.contains("picoclaw skills"));
}

#[test]
fn a_token_goes_to_the_registry_alone() {
    let peer = peer(true);
    let token = json!({ "tools": { "skills": { "registries": { "github": { "auth_token": "t-123456789" } } } } });
    let home = home(&peer, &token);
    peer.serve_redirect("/api/v3/repos/o/repo/tarball/main", "/codeload/private");
    peer.serve_file("/codeload/private", repository(&home, "private tea"));
    let done = home.run(&["skills", "install", "o/repo/tea@main"]);
    assert!(done.status.success(), "{}", done.all());
    assert_eq!(peer.calls("file.auth./api/v3/repos/o/repo/tarball/main"), 1);
    assert_eq!(
        (peer.calls("file./codeload/private"), peer.calls("file.auth./codeload/private")),
        (1, 0)
    );
}

#[test]
fn folders_and_tarballs_and_searches() {
    let peer = peer(true);
    let home = home(&peer, &json!({}));
    home.write("mine/SKILL.md", &skill("mine", "is mine"));
    let done = home.run(&["skills", "install", "./mine"]);
    assert!(done.status.success() && done.stdout.contains("(folder ./mine"), "{}", done.all());
    archive(
        &home,
        &[("repo-main/SKILL.md", &skill("packed", "was packed")), ("repo-main/a.txt", "x")],
    );
    let done = home.run(&["skills", "install", "packed.tar.gz"]);
    assert!(done.status.success(), "{}", done.all());
    assert_eq!(home.read("workspace/skills/packed/a.txt"), "x");
    let found = home.run(&["skills", "search", "strong", "tea"]);
    assert!(found.stdout.contains("skill-1 1.0.0: Skill 1 for strong tea"), "{}", found.all());
    let found: Value =
        serde_json::from_str(&home.run(&["skills", "search", "tea", "--json"]).stdout)
            .expect("json");
    assert_eq!(found.as_array().map(Vec::len), Some(3));
}

/// The question, when it comes.
#[track_caller]
fn question(peer: &Peer, daemon: &Daemon) -> Sent {
    let find = || peer.sent().into_iter().rev().find(|s| !s.buttons.is_empty());
    eventually(SOON, find).unwrap_or_else(|| panic!("no question\n{}", daemon.log()))
}

pub fn installed(home: &Home) -> bool {
    home.path("workspace/skills/tea/SKILL.md").exists()
}

#[test]
fn a_chat_installs_after_a_yes() {
    let peer = peer(true);
    let home = home(&peer, &json!({}));
    peer.serve_file("/o/repo/archive/HEAD.tar.gz", repository(&home, "brews tea"));
    let daemon = Daemon::start(&home, &peer);
    let says = |text: &str| {
        peer.wait_sent(OWNER, SOON, |s| s.text.contains(text)).unwrap_or_else(|| {
            panic!("{text:?} was not said: {:?}\n{}", peer.texts(OWNER), daemon.log())
        })
    };
    peer.command(OWNER, "/skills install o/repo/tea");
    let asked = question(&peer, &daemon);
    assert!(asked.text.contains("o/repo/tea"), "{}", asked.text);
    // The bot goes on listening meanwhile.
    peer.command(OWNER, "/help");
    says("/skills show|install");
    assert!(!installed(&home));
    peer.press(OWNER, OWNER, asked.message_id, &asked.buttons[1].1);
    says("Nothing was changed.");
    peer.command(OWNER, "/skills install o/repo/tea");
    let asked = eventually(SOON, || {
        Some(question(&peer, &daemon)).filter(|q| q.message_id != asked.message_id)
    });
    let asked = asked.expect("a second question");
    peer.press(OWNER, OWNER, asked.message_id, &asked.buttons[0].1);
    says("Skill tea installed: brews tea");
    assert!(installed(&home));
    peer.command(OWNER, "/skills install ./mine");
    says("on its command line");
    peer.command(OWNER, "/skills list");
    says(HASH);
    // The model is told of it with the next turn.
    let marker = peer.say(OWNER, OWNER, "hello");
    assert!(peer.wait_reply(&marker, SOON).is_some());
    let request = peer.requests().pop().expect("a request").to_string();
    assert!(request.contains("<name>tea</name>"), "{request}");
}

#[test]
fn the_model_alone_installs_nothing() {
    let peer = peer(true);
    let never = json!({ "tools": { "install_skill": { "approval": "never" } } });
    let home = home(&peer, &never);
    peer.serve_file("/o/repo/archive/HEAD.tar.gz", repository(&home, "brews tea"));
    let daemon = Daemon::start(&home, &peer);
    let marker = peer.say(OWNER, OWNER, r#"[call:install_skill {"slug":"o/repo/tea"}]"#);
    let asked = question(&peer, &daemon);
    assert!(asked.text.contains("slug: o/repo/tea"), "{}", asked.text);
    // A side question goes all the way meanwhile.
    let beside = peer.say(OWNER, OWNER, "/btw hello");
    assert!(peer.wait_reply(&beside, SOON).is_some(), "{}", daemon.log());
    assert!(peer.answers(&marker).is_empty() && !installed(&home));
    peer.press(OWNER, OWNER, asked.message_id, &asked.buttons[0].1);
    assert!(peer.wait_reply(&marker, SOON).is_some(), "{}", daemon.log());
    assert!(installed(&home));
    // The same through a command asks too.
    let sent = peer.sent().len();
    peer.say(OWNER, OWNER, r#"[call:exec {"command":"picoclaw skills remove tea"}]"#);
    let again = || peer.sent().into_iter().skip(sent).find(|s| !s.buttons.is_empty());
    assert!(eventually(SOON, again).is_some(), "{}", daemon.log());
    assert!(installed(&home));
}

#[test]
fn an_agent_sees_only_its_skills() {
    let peer = peer(false);
    let only =
        json!({ "agents": { "list": [{ "id": "main", "default": true, "skills": ["b"] }] } });
    let home = home(&peer, &only);
    for name in ["a", "b"] {
        home.write(&format!("workspace/skills/{name}/SKILL.md"), &skill(name, "x"));
    }
    let list = home.run(&["skills", "list"]).stdout;
    assert!(list.contains("a (workspace): x\n  not for this agent"), "{list}");
    let daemon = Daemon::start(&home, &peer);
    let marker = peer.say(OWNER, OWNER, "hello");
    assert!(peer.wait_reply(&marker, SOON).is_some(), "{}", daemon.log());
    let request = peer.requests().pop().expect("a request").to_string();
    assert!(request.contains("<name>b</name>") && !request.contains("<name>a</name>"), "{request}");
}

#[test]
fn a_kill_leaves_the_old_skill_or_the_new_one() {
    let peer = peer(false);
    let home = home(&peer, &json!({}));
    let write = |n: usize| {
        home.write("from/SKILL.md", &skill("tea", &format!("brew {n}")));
        for file in 0..60 {
            home.write(&format!("from/scripts/{file}.sh"), &format!("echo {n}"));
        }
    };
    write(0);
    assert!(home.run(&["skills", "install", "./from"]).status.success());
    for n in 1..15 {
        write(n);
        let mut child =
            home.command(&["skills", "install", "./from", "--force"]).spawn().expect("it starts");
        pause::moment(n as u64 * 2);
        // It may have ended already.
        let _ = child.kill();
        let _ = child.wait();
        let text = home.read("workspace/skills/tea/SKILL.md");
        let of =
            text.split("brew ").nth(1).and_then(|t| t.split('\n').next()).expect("a whole skill");
        for file in 0..60 {
            let script = home.read(&format!("workspace/skills/tea/scripts/{file}.sh"));
            assert_eq!(script, format!("echo {of}"), "{n}: {file}");
        }
    }
    write(99);
    assert!(home.run(&["skills", "install", "./from", "--force"]).status.success());
    assert!(home.read("workspace/skills/tea/SKILL.md").contains("brew 99"));
    assert!(!home.path("state/skills.new").exists());
}

/// Root at the command line, and a daemon that is not.
#[test]
fn skills_installed_by_root_belong_to_the_workspaces_owner() {
    use std::os::unix::prelude::{CommandExt, MetadataExt};
    let peer = peer(false);
    let home = home(&peer, &json!({}));
    home.write("from/SKILL.md", &skill("tea", "brews"));
    home.write("from/scripts/brew.sh", "echo tea");
    std::fs::create_dir(home.path("workspace")).expect("a folder");
    std::fs::create_dir(home.path("state")).expect("a folder");
    let Some(user) = home.give_away() else { return };
    assert!(home.run(&["skills", "install", "./from"]).status.success());
    let add = ["cron", "add", "-n", "x", "-m", "m", "--command", "ls", "-e", "60"];
    assert!(home.run(&add).status.success());
    for path in [
        "workspace/skills",
        "workspace/skills/tea",
        "workspace/skills/tea/scripts/brew.sh",
        "state/skills.lock",
        "state/cron.key",
    ] {
        let meta = std::fs::metadata(home.path(path)).expect(path);
        assert_eq!((meta.uid(), meta.gid()), (user, user), "{path}");
    }
    // So the other may go on with them.
    let mut command = home.command(&["skills", "remove", "tea"]);
    command.uid(user).gid(user);
    let done = crate::harness::finish(command);
    assert!(done.status.success(), "{}", done.all());
}

/// The skills that come with the image.
fn shipped() -> std::path::PathBuf {
    std::path::Path::new(env!("CARGO_MANIFEST_DIR"))
        .join("rootfs-overlay/usr/share/picoclaw/skills")
}

#[test]
fn the_image_s_own_skills_do_what_they_say() {
    let peer = peer(false);
    // On the image they are below /usr and do not ask.
    let exec = json!({ "tools": { "exec": { "approval": "never" } } });
    let home = home(&peer, &exec).env("PICOCLAW_BUILTIN_SKILLS", &shipped().display().to_string());
    let json: Value =
        serde_json::from_str(&home.run(&["skills", "list", "--json"]).stdout).expect("json");
    let names: Vec<_> =
        json["skills"].as_array().expect("skills").iter().map(|s| &s["name"]).collect();
    assert_eq!(names, ["hardware", "memory", "network", "summarize", "weather"]);
    assert_eq!(json["warnings"], json!([]));
    let daemon = Daemon::start(&home, &peer);
    for (script, want) in [
        ("hardware/scripts/board.sh", "system: Linux"),
        ("network/scripts/network.sh", "link lo: "),
        ("memory/scripts/memory.sh", "MemTotal:"),
    ] {
        let command = format!("sh {}", shipped().join(script).display());
        let call = json!({ "command": command }).to_string();
        let marker = peer.say(OWNER, OWNER, &format!("[call:exec {call}]"));
        assert!(peer.wait_reply(&marker, SOON).is_some(), "{}", daemon.log());
        let request = peer.requests().pop().expect("a request");
        let messages = request["messages"].as_array().expect("messages");
        let result = messages.iter().rev().find(|m| m["role"] == "tool").expect("a result");
        assert!(result["content"].as_str().expect("text").contains(want), "{script}: {result}");
    }
    // They are read like any other skill.
    let path = shipped().join("weather/SKILL.md");
    let call = json!({ "path": path }).to_string();
    let marker = peer.say(OWNER, OWNER, &format!("[call:read_file {call}]"));
    assert!(peer.wait_reply(&marker, SOON).is_some(), "{}", daemon.log());
    assert!(peer.requests().pop().expect("a request").to_string().contains("open-meteo"));
}

/// The image has busybox's applets alone.
#[test]
fn the_image_s_scripts_need_only_its_own_programs() {
    let root = std::path::Path::new(env!("CARGO_MANIFEST_DIR"));
    let applets = std::fs::read_to_string(root.join("boards/common/applets")).expect("a list");
    let applets: Vec<&str> = applets.split_whitespace().collect();
    let own =
        ["line", "echo", "[", "case", "read", "exit", "continue", "do", "done", "for", "esac"];
    for script in
        ["hardware/scripts/board.sh", "network/scripts/network.sh", "memory/scripts/memory.sh"]
    {
        let text = std::fs::read_to_string(shipped().join(script)).expect("a script");
        for command in picoclaw::proto::shell::parse(&text).commands {
            let name = command.words.first().map_or("", |w| &*w.text);
            let known = name.is_empty() || own.contains(&name) || applets.contains(&name);
            assert!(known || !name.bytes().all(|b| b.is_ascii_alphabetic()), "{script}: {name}");
        }
    }
}
