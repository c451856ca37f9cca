//! A Go PicoClaw's home of every version and an OpenClaw's: taken over by `migrate`, and by plain copying.

use std::fs;
use std::os::unix::fs::symlink;

use serde_json::{Value, json};

use crate::harness::{Home, OWNER, SOON, finish, peer, program};
use crate::harness_daemon::Daemon;
use crate::harness_disk::OwnDisk;
use crate::migrate_homes::{KEY, answers, go_home, good, message, migrate, openclaw, tree};
use crate::pause;

#[test]
fn a_go_home_is_migrated_from_every_version() {
    for version in 0..=3 {
        let peer = peer(false);
        let (source, target) = (Home::bare(&peer), Home::bare(&peer));
        go_home(&source, version, &peer, target.health_port);
        symlink("/etc/passwd", source.path("workspace/pw")).expect("a link");
        source.write("logs/gateway.log", "x");
        // As a first start leaves it.
        assert!(target.run(&["onboard"]).status.success());
        let (theirs, before) = (tree(&source.path("")), tree(&target.path("")));
        let dry = good(migrate(&target, &source, "picoclaw", &["--dry-run"]));
        assert!(dry.stdout.contains("Dry run, nothing is written"), "{dry:?}");
        assert!(tree(&target.path("")) == before, "a dry run wrote something");
        let done = good(migrate(&target, &source, "picoclaw", &[]));
        for line in [
            "converted  config.json: the workspace is the one of this home",
            "kept       ",
            "taken      workspace/memory/MEMORY.md",
            "taken      workspace/skills/knots/SKILL.md",
            "taken      skills/tides/SKILL.md",
            "converted  workspace/AGENTS.md",
            "left out   workspace/pw: a link",
            "left out   logs: of the program that wrote it",
            "left out   approval of job disk (00bb00bb00bb00bb): its command runs after your yes: picoclaw cron enable 00bb00bb00bb00bb",
        ] {
            assert!(done.stdout.contains(line), "{version}: {line}\n{}", done.stdout);
        }
        assert!(tree(&source.path("")) == theirs, "the source has changed");
        // What was there is kept, and a second run finds nothing to do.
        let bak = target.read("workspace/AGENT.md.bak");
        assert!(bak.starts_with("# How to work"), "{bak}");
        let after = tree(&target.path(""));
        let again = good(migrate(&target, &source, "picoclaw", &[]));
        assert!(
            again.stdout.contains("0 taken, 0 converted") && again.stdout.contains("0 kept"),
            "{again:?}"
        );
        assert!(tree(&target.path("")) == after, "a second run changed something");
        answers(&target, &peer);
    }
}

#[test]
fn a_go_home_is_taken_over_by_plain_copying() {
    for version in 0..=3 {
        let peer = peer(false);
        let home = Home::bare(&peer);
        go_home(&home, version, &peer, home.health_port);
        // The user's home is the folder above, as the configuration's `~` says.
        let inner = home.path(".picoclaw");
        fs::create_dir(&inner).expect("a folder");
        for entry in fs::read_dir(home.path("")).expect("a folder").flatten() {
            if entry.path() != inner {
                fs::rename(entry.path(), inner.join(entry.file_name())).expect("moved");
            }
        }
        answers(&home.env("PICOCLAW_HOME", &inner.display().to_string()), &peer);
    }
}

#[test]
fn an_openclaw_home_is_migrated() {
    let peer = peer(false);
    let (source, target) = (Home::bare(&peer), Home::bare(&peer));
    openclaw(&source, &peer);
    let (theirs, before) = (tree(&source.path("")), tree(&target.path("")));
    let dry = good(migrate(&target, &source, "openclaw", &["--dry-run", "--json"]));
    assert!(tree(&target.path("")) == before, "a dry run wrote something");
    let done = good(migrate(&target, &source, "openclaw", &["--json"]));
    let report: Value = serde_json::from_str(&done.stdout).expect("JSON");
    let said: Vec<String> = report["files"]
        .as_array()
        .expect("files")
        .iter()
        .map(|f| {
            format!("{} {}", f["what"].as_str().expect("what"), f["file"].as_str().expect("file"))
        })
        .collect();
    for line in [
        "converted openclaw.json",
        "converted workspace/MEMORY.md",
        "converted workspace/memory/2026-02-17.md",
        "taken workspace/AGENTS.md",
        "taken workspace/skills/knots/SKILL.md",
        "left out workspace/notes",
        "left out channel signal",
        "left out channel discord: token",
        "left out channel telegram: dm_policy",
        "left out fireworks/x",
        "left out openclaw.json: cron",
        "left out agents/main/sessions",
        "left out cron/jobs.json",
    ] {
        assert!(said.iter().any(|s| s == line), "{line}\n{said:#?}");
    }
    assert_eq!(report["counts"]["failed"], 0);
    let dry: Value = serde_json::from_str(&dry.stdout).expect("JSON");
    assert_eq!(dry["counts"], report["counts"], "{dry}");
    assert!(tree(&source.path("")) == theirs, "the source has changed");
    assert_eq!(target.read("workspace/memory/202602/20260217.md"), "Planted the bulbs.\n");
    let config: Value = serde_json::from_str(&target.read("config.json")).expect("JSON");
    assert_eq!(config["agents"]["defaults"]["max_tokens"], 4096);
    assert_eq!(config["channel_list"]["telegram"]["group_trigger"]["mention_only"], false);
    let target = target.env("PICOCLAW_GATEWAY_PORT", "0");
    let daemon = Daemon::start(&target, &peer);
    let marker = peer.say(OWNER, OWNER, "hello");
    assert!(peer.wait_reply(&marker, SOON).is_some(), "{}", daemon.log());
    let seen = peer.requests().last().expect("a request")["messages"].to_string();
    assert!(
        seen.contains("Momo") && seen.contains("like a sailor") && seen.contains("knots"),
        "{seen}"
    );
}

#[test]
fn flags_choose_what_is_taken() {
    let peer = peer(false);
    let (source, target) = (Home::bare(&peer), Home::bare(&peer));
    openclaw(&source, &peer);
    good(migrate(&target, &source, "openclaw", &["--config-only"]));
    assert!(target.path("config.json").exists() && !target.path("workspace").exists());
    fs::remove_file(target.path("config.json")).expect("removed");
    let (from, to) =
        (source.path("").display().to_string(), target.path("new").display().to_string());
    good(target.run(&[
        "migrate",
        "--openclaw-home",
        &from,
        "--picoclaw-home",
        &to,
        "--workspace-only",
    ]));
    assert!(
        !target.path("new/config.json").exists() && target.path("new/workspace/AGENTS.md").exists()
    );
    source.write("workspace/AGENTS.md", "Answer like a pilot.\n");
    good(target.run(&["migrate", "--source-home", &from, "--target-home", &to, "--refresh"]));
    assert_eq!(target.read("new/workspace/AGENTS.md"), "Answer like a pilot.\n");
    assert_eq!(target.read("new/workspace/AGENTS.md.bak"), "Answer like a sailor.\n");
    for (more, why) in [
        (&["--config-only", "--workspace-only"][..], "exclude each other"),
        (&["--from", "nanobot"], "openclaw or picoclaw"),
        (&["--source-home", "/nowhere"], "no home to take over at /nowhere"),
        (&["--target-home", &from], "the source itself"),
    ] {
        let base = ["migrate", "--source-home", &from];
        let args: Vec<&str> =
            if more[0] == "--source-home" { vec!["migrate"] } else { base.to_vec() };
        let done = target.run(&[&args[..], more].concat());
        assert!(!done.status.success() && done.stderr.contains(why), "{why}: {done:?}");
    }
}

#[test]
fn conversations_that_went_on_stay() {
    let peer = peer(false);
    let (source, target) = (Home::bare(&peer), Home::bare(&peer));
    go_home(&source, 1, &peer, target.health_port);
    let session = format!("workspace/sessions/telegram_{OWNER}.jsonl");
    let ours = format!("{}\n", message("user", "ours"));
    target.write(&session, &ours);
    let done = good(migrate(&target, &source, "picoclaw", &[]));
    assert!(done.stdout.contains(&format!("left out   {session}")), "{done:?}");
    assert_eq!(target.read(&session), ours);
    good(migrate(&target, &source, "picoclaw", &["--force"]));
    assert_eq!(target.read(&format!("{session}.bak")), ours);
    assert!(target.read(&session).contains("bicycle"));
    // A running gateway keeps its home.
    let daemon = Daemon::start(&target, &peer);
    let refused = migrate(&target, &source, "picoclaw", &[]);
    assert!(refused.stderr.contains("stop the gateway first"), "{refused:?}");
    drop(daemon);
}

#[test]
fn broken_files_are_named_and_the_others_migrated() {
    let peer = peer(false);
    let (source, target) = (Home::bare(&peer), Home::bare(&peer));
    openclaw(&source, &peer);
    source.write(
        "openclaw.json",
        &format!("{{\n  // token\n  \"a\": \"{KEY}\",\n  channels: oops\n}}"),
    );
    symlink("/etc", source.path("workspace/skills/out")).expect("a link");
    let huge = fs::File::create(source.path("workspace/memory/huge.md")).expect("a file");
    huge.set_len((256 << 20) + 1).expect("sparse");
    rustix::fs::mknodat(
        rustix::fs::CWD,
        source.path("workspace/SOUL.md"),
        rustix::fs::FileType::Fifo,
        0o600.into(),
        0,
    )
    .expect("a pipe");
    let closed = source.path("workspace/USER.md");
    fs::write(&closed, "x").expect("a file");
    fs::set_permissions(&closed, std::os::unix::fs::PermissionsExt::from_mode(0o000))
        .expect("closed");
    let from = source.path("").display().to_string();
    source.give_away();
    let mut command = target.command_of_nobody(&["migrate", "--source-home", &from]);
    command.env("RUST_BACKTRACE", "0");
    let done = finish(command);
    assert!(!done.status.success() && !done.all().contains(KEY), "{done:?}");
    for line in [
        "failed     openclaw.json: not JSON: expected value at line 4 column",
        "correct it there and run this again",
        "left out   workspace/skills/out: a link",
        "left out   workspace/memory/huge.md: larger than 256 MB",
        "left out   workspace/SOUL.md: no regular file",
        "failed     workspace/USER.md: Permission denied",
        "taken      workspace/AGENTS.md",
        "converted  workspace/MEMORY.md",
    ] {
        assert!(done.stdout.contains(line), "{line}\n{done:?}");
    }
    assert!(!target.path("config.json").exists() && target.path("workspace/AGENTS.md").exists());
    fs::remove_dir_all(source.path("workspace")).expect("removed");
    let done = migrate(&target, &source, "openclaw", &[]);
    assert!(done.stdout.contains("failed     workspace:"), "{done:?}");
    fs::remove_file(source.path("openclaw.json")).expect("removed");
    let done = migrate(&target, &source, "openclaw", &[]);
    assert!(done.stdout.contains("left out   config.json: there is none"), "{done:?}");
}

#[test]
fn a_home_of_picoclaw_is_not_taken_for_one_of_openclaw() {
    let peer = peer(false);
    let (source, target) = (Home::bare(&peer), Home::bare(&peer));
    go_home(&source, 3, &peer, target.health_port);
    let before = tree(&target.path(""));
    for more in [&[][..], &["--force"], &["--dry-run"]] {
        let done = migrate(&target, &source, "openclaw", more);
        assert_eq!(done.status.code(), Some(1), "{done:?}");
        assert!(done.stderr.contains("use --from picoclaw"), "{done:?}");
        assert!(tree(&target.path("")) == before, "{more:?}");
    }
}

#[test]
fn a_long_list_of_models_is_cut() {
    let peer = peer(false);
    let (source, target) = (Home::bare(&peer), Home::bare(&peer));
    let many: Vec<String> = (0..50).map(|n| format!("openai/m{n}")).collect();
    let config =
        json!({"agents": {"defaults": {"model": {"primary": "openai/first", "fallbacks": many}}}});
    source.write("openclaw.json", &config.to_string());
    migrate(&target, &source, "openclaw", &["--config-only"]);
    let config: Value = serde_json::from_str(&target.read("config.json")).expect("JSON");
    assert_eq!(config["model_list"].as_array().map(Vec::len), Some(32));
}

#[test]
fn a_kill_in_the_middle_is_made_good_by_the_next_run() {
    let peer = peer(false);
    let (source, target) = (Home::bare(&peer), Home::bare(&peer));
    go_home(&source, 3, &peer, target.health_port);
    for n in 0..200 {
        source.write(&format!("workspace/notes/{n}.md"), &"text ".repeat(1000 + n));
        target.write(&format!("workspace/notes/{n}.md"), "mine");
    }
    let from = source.path("").display().to_string();
    let start = ["migrate", "--from", "picoclaw", "--source-home", &from];
    for ms in [20, 60, 100, 150] {
        let mut command = target.command(&start);
        let mut child = command.stdout(std::process::Stdio::null()).spawn().expect("it starts");
        pause::moment(ms);
        child.kill().expect("killed");
        child.wait().expect("gone");
        for n in 0..200 {
            let text = target.read(&format!("workspace/notes/{n}.md"));
            assert!(text == "mine" || text.len() == 5 * (1000 + n), "half of {n}");
        }
    }
    good(target.run(&start));
    for n in 0..200 {
        assert_eq!(target.read(&format!("workspace/notes/{n}.md")).len(), 5 * (1000 + n));
        assert_eq!(target.read(&format!("workspace/notes/{n}.md.bak")), "mine");
        assert!(!target.path(&format!("workspace/notes/{n}.md.bak-2")).exists());
    }
    answers(&target, &peer);
}

#[test]
fn a_full_disk_is_reported_and_the_next_run_continues() {
    let peer = peer(false);
    let source = Home::bare(&peer);
    go_home(&source, 3, &peer, 1);
    for n in 0..8 {
        source.write(&format!("workspace/notes/{n}.bin"), &"x".repeat(100_000));
    }
    let Some(disk) = OwnDisk::new(Home::new(&peer)) else { return };
    disk.mount(&["-t", "tmpfs", "-o", "size=400k", "none"]);
    let (program, from) = (program().display().to_string(), source.path("").display().to_string());
    let run = || disk.run(&[&program, "migrate", "--from", "picoclaw", "--source-home", &from]);
    let done = run();
    assert!(
        !done.status.success() && done.stderr.contains("make room and run this again"),
        "{done:?}"
    );
    assert!(done.stdout.contains("No space left"), "{done:?}");
    let names = tree(&disk.inside(""));
    assert!(
        names
            .iter()
            .all(|(n, c)| !n.ends_with(".tmp") && (!n.ends_with(".bin") || c.len() == 100_000))
    );
    let dir = disk.home.path("").display().to_string();
    assert!(disk.run(&["mount", "-o", "remount,size=4m", &dir]).status.success());
    good(run());
    assert_eq!(fs::read(disk.inside("workspace/notes/7.bin")).expect("a file").len(), 100_000);
}
