//! Root at the command line: what is written is the home's owner's, and what stands in the way has no more power over root
//! than over the daemon.

use std::fs;
use std::os::unix::fs::{MetadataExt, symlink};
use std::os::unix::process::CommandExt;
use std::path::Path;

use crate::harness::{Home, OWNER, SOON, eventually, finish, peer};
use crate::harness_daemon::Daemon;

/// Files that are somebody else's.
fn wrong_owner(folder: &Path, user: u32, found: &mut Vec<String>) {
    for entry in fs::read_dir(folder).into_iter().flatten().flatten() {
        let meta = entry.metadata().expect("metadata");
        if meta.uid() != user && entry.path().extension() != Some("log".as_ref()) {
            found.push(entry.path().display().to_string());
        }
        if meta.is_dir() {
            wrong_owner(&entry.path(), user, found);
        }
    }
}

#[test]
fn roots_commands_leave_the_home_to_its_owner() {
    let peer = peer(false);
    let home = Home::new(&peer);
    // Of root, in a folder that only root can read and write.
    let roots = Home::bare(&peer);
    roots.write("secret", "root's own");
    let Some(user) = home.give_away() else {
        crate::skip::skip(crate::skip::Missing::Root);
        return;
    };
    fs::set_permissions(roots.path(""), std::os::unix::fs::PermissionsExt::from_mode(0o700))
        .expect("a mode");
    let backup = roots.path("backup.tgz").display().to_string();
    for arguments in [
        &["agent", "-m", "hello"][..],
        &["cron", "add", "--name", "n", "--message", "m", "--every", "60"],
        &["onboard"],
        &["skills", "list"],
        &["doctor"],
        &["status"],
        &["backup", &backup],
    ] {
        let done = home.run(arguments);
        assert!(!done.all().contains("denied"), "{arguments:?}: {done:?}");
        let mut found = Vec::new();
        wrong_owner(&home.path(""), user, &mut found);
        assert!(found.is_empty(), "{arguments:?}: {found:?}");
    }
    assert_eq!(fs::metadata(&backup).expect("a backup").uid(), 0);
    // Restored by root, from root's folder.
    let done = home.run(&["restore", &backup, "--force"]);
    assert!(done.status.success(), "{done:?}");
    let mut found = Vec::new();
    wrong_owner(&home.path(""), user, &mut found);
    assert!(found.is_empty(), "restore: {found:?}");
    // The daemon, as its user, is fine with all of it.
    let mut command = home.command(&["gateway"]);
    command.uid(user).gid(user);
    let polls = peer.calls("tg.getUpdates");
    let daemon = Daemon::spawn_command(&home, command);
    assert!(peer.wait_calls("tg.getUpdates", polls + 1, SOON), "no poll\n{}", daemon.log());
    let marker = peer.say(OWNER, OWNER, "how are you?");
    assert!(peer.wait_reply(&marker, SOON).is_some(), "no answer\n{}", daemon.log());
}

#[test]
fn roots_commands_go_through_no_link_of_the_homes() {
    let peer = peer(false);
    let home = Home::new(&peer);
    let roots = Home::bare(&peer);
    roots.write("secret", "root's own");
    fs::create_dir_all(home.path("workspace")).expect("a folder");
    if home.give_away().is_none() {
        crate::skip::skip(crate::skip::Missing::Root);
        return;
    }
    // Even whole folders, which a home's owner may exchange for links.
    for name in [
        "sessions",
        "cron",
        "state",
        "workspace/sessions",
        "workspace/cron",
        "workspace/state",
        "skills",
    ] {
        let _ = fs::remove_dir_all(home.path(name));
        symlink(roots.path(""), home.path(name)).expect("a link");
    }
    let before = fs::read_dir(roots.path("")).expect("a folder").count();
    for arguments in [
        &["agent", "-m", "hello"][..],
        &["cron", "add", "--name", "n", "--message", "m", "--every", "60"],
        &["auth", "status"],
        &["doctor"],
    ] {
        finish(home.command(arguments));
        assert_eq!(
            fs::read_dir(roots.path("")).expect("a folder").count(),
            before,
            "{arguments:?}"
        );
        assert_eq!(roots.read("secret"), "root's own", "{arguments:?}");
    }
}

#[test]
fn files_migrated_by_root_belong_to_the_owner() {
    let peer = peer(false);
    let (source, target, other) = (Home::bare(&peer), Home::new(&peer), Home::bare(&peer));
    other.write("ours/secret.txt", "not for the assistant");
    let named = other.path("ours").display().to_string();
    let config = serde_json::json!({ "agents": { "defaults": { "workspace": named } } });
    source.write("config.json", &config.to_string());
    source.write("workspace/memory/MEMORY.md", "of the source\n");
    let Some(user) = target.give_away() else {
        crate::skip::skip(crate::skip::Missing::Root);
        return;
    };
    for path in ["", "config.json", "workspace", "workspace/memory", "workspace/memory/MEMORY.md"] {
        std::os::unix::fs::chown(source.path(path), Some(61_236), Some(61_236))
            .expect("given away");
    }
    let from = source.path("").display().to_string();
    let arguments = ["migrate", "--from", "picoclaw", "--source-home", &from, "--workspace-only"];
    let done = target.run(&arguments);
    assert!(done.stdout.contains("--workspace-elsewhere"), "{done:?}");
    assert!(target.read("workspace/memory/MEMORY.md").contains("of the source"), "{done:?}");
    assert!(!target.path("workspace/secret.txt").exists(), "{done:?}");
    let mut found = Vec::new();
    wrong_owner(&target.path(""), user, &mut found);
    assert!(found.is_empty(), "{found:?}");
    let done = target.run(&[&arguments[..], &["--workspace-elsewhere"]].concat());
    assert!(target.path("workspace/secret.txt").exists(), "{done:?}");
    let mut command = target.command(&["gateway"]);
    command.uid(user).gid(user);
    let polls = peer.calls("tg.getUpdates");
    let daemon = Daemon::spawn_command(&target, command);
    assert!(peer.wait_calls("tg.getUpdates", polls + 1, SOON), "no poll\n{}", daemon.log());
}

#[test]
fn root_runs_no_commands_of_a_model_unless_told_to() {
    if !rustix::process::geteuid().is_root() {
        crate::skip::skip(crate::skip::Missing::Root);
        return;
    }
    let peer = peer(false);
    let off = serde_json::json!({ "tools": { "exec": { "as_root": false, "approval": "never" } } });
    let home = Home::patched(&peer, &off);
    let call = r#"[call:exec {"command":"touch ran"}]"#;
    let refused = || {
        let told = peer.requests().pop().expect("a request").to_string();
        assert!(told.contains("set tools.exec.as_root to true"), "{told}");
        assert!(!home.path("workspace/ran").exists());
    };
    // In the process of the command line.
    let done = home.run(&["agent", "-m", call]);
    assert!(done.status.success(), "{done:?}");
    refused();
    let status = home.run(&["status"]);
    assert!(status.stdout.contains("Tools: exec refuses to run commands as root"), "{status:?}");
    // By the gateway, in a chat.
    let daemon = Daemon::start(&home, &peer);
    let marker = peer.say(OWNER, OWNER, call);
    assert!(peer.wait_reply(&marker, SOON).is_some(), "no answer\n{}", daemon.log());
    refused();
    // By a job whose command the owner approved.
    let to = OWNER.to_string();
    let add = ["cron", "add", "-n", "x", "-m", "m", "--command", "touch ran", "--at", "1", "--to"];
    let done = home.run(&[&add[..], &[&to]].concat());
    assert!(done.status.success(), "{done:?}");
    let told = eventually(SOON, || {
        peer.texts(OWNER).into_iter().find(|t| t.contains("tools.exec.as_root"))
    });
    assert!(told.is_some(), "{:?}\n{}", peer.texts(OWNER), daemon.log());
    assert!(!home.path("workspace/ran").exists());
}
