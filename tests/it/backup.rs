//! `picoclaw backup` and `restore`.

use std::collections::BTreeMap;
use std::fs;
use std::io::Write;
use std::os::unix::fs::{PermissionsExt, symlink};
use std::path::Path;
use std::process::Stdio;

use picoclaw::proto::tar_writer::{END, Gzip, header, padding};
use picoclaw_peer::Peer;
use serde_json::json;

use crate::harness::{Finished, Home, OWNER, SOON, eventually, peer, program};
use crate::harness_daemon::Daemon;
use crate::harness_disk::OwnDisk;
use crate::pause;

/// Every file below, with its content; what a command leaves that only looks is left out.
fn tree(dir: &Path) -> BTreeMap<String, Vec<u8>> {
    fn below(dir: &Path, at: &str, out: &mut BTreeMap<String, Vec<u8>>) {
        for entry in fs::read_dir(dir).expect("a folder").flatten() {
            let name = format!("{at}{}", entry.file_name().to_string_lossy());
            if entry.path().is_dir() {
                below(&entry.path(), &format!("{name}/"), out);
            } else if !name.ends_with("state/lock") && !name.starts_with("stderr-") {
                out.insert(name, fs::read(entry.path()).unwrap_or_default());
            }
        }
    }
    let mut out = BTreeMap::new();
    below(dir, "", &mut out);
    out
}

#[track_caller]
fn ask(peer: &Peer, daemon: &Daemon, text: &str) -> String {
    let marker = peer.say(OWNER, OWNER, text);
    assert!(peer.wait_reply(&marker, SOON).is_some(), "{}", daemon.log());
    peer.requests().last().expect("a request")["messages"].to_string()
}

#[track_caller]
fn good(done: Finished) -> Finished {
    assert!(done.status.success(), "{done:?}");
    done
}

#[track_caller]
fn refused(done: &Finished, why: &str) {
    assert!(!done.status.success() && done.stderr.contains(why), "{why}: {done:?}");
}

/// A backup with these entries behind the manifest: path, kind, content.
fn archive(manifest: &str, entries: &[(&str, u8, &[u8])]) -> Vec<u8> {
    let mut tar = Vec::new();
    let all = [&[("picoclaw-backup.json", b'0', manifest.as_bytes())], entries].concat();
    for (path, kind, content) in all {
        let start = tar.len();
        assert!(header(path, Some(content.len() as u64), 0o644, 0, &mut tar));
        if kind != b'0' {
            tar[start + 156] = kind;
            tar[start + 148..start + 156].fill(b' ');
            let sum: u32 = tar[start..start + 512].iter().map(|b| u32::from(*b)).sum();
            tar[start + 148..start + 155].copy_from_slice(format!("{sum:06o}\0").as_bytes());
        }
        tar.extend_from_slice(content);
        tar.resize(tar.len() + padding(content.len() as u64), 0);
    }
    tar.extend(END);
    let mut gzip = Gzip::default();
    let mut out = Gzip::HEAD.to_vec();
    for piece in tar.chunks(30_000) {
        out.extend(gzip.block(piece));
        out.extend(piece);
    }
    out.extend(gzip.end());
    out
}

#[test]
fn conversation_survives_a_restore_on_another_board() {
    let peer = peer(false);
    let home = Home::new(&peer);
    home.write("workspace/memory/MEMORY.md", "The cat is called Momo.\n");
    home.write(".security.yml", "web:\n  brave:\n    api_keys:\n      - b-secret-1\n");
    home.write("workspace/tools/run.sh", "#!/bin/sh\n");
    let runs = fs::Permissions::from_mode(0o750);
    fs::set_permissions(home.path("workspace/tools/run.sh"), runs).expect("a mode");
    symlink("/etc/passwd", home.path("workspace/pw")).expect("a link");
    let daemon = Daemon::start(&home, &peer);
    ask(&peer, &daemon, "my bicycle is green");
    // The gateway runs.
    let done = good(home.run(&["backup", "saved.tar.gz"]));
    assert!(done.stderr.contains("left out: workspace/pw: a link"), "{done:?}");
    assert!(!done.all().contains("b-secret"), "{done:?}");
    let file = home.path("saved.tar.gz");
    assert_eq!(fs::metadata(&file).expect("a file").permissions().mode() & 0o777, 0o600);
    refused(&home.run(&["backup", "saved.tar.gz"]), "is there already");
    let before = fs::read(&file).expect("a backup");
    good(home.run(&["backup", "saved.tar.gz", "--force"]));
    assert!(before.len().abs_diff(fs::read(&file).expect("a backup").len()) < before.len() / 2);
    for bad in ["config.json", "state/x.tgz", "workspace/x.tgz", "/dev/null"] {
        refused(&home.run(&["backup", bad, "--force"]), "cannot write");
    }
    refused(&home.run(&["restore", "saved.tar.gz", "--force"]), "stop the gateway first");
    assert!(daemon.term().success());

    let other = Home::bare(&peer);
    let saved = file.display().to_string();
    good(other.run(&["restore", &saved]));
    let mode = |path: &str| fs::metadata(other.path(path)).expect("a file").permissions().mode();
    assert_eq!(mode("workspace/tools/run.sh") & 0o777, 0o700);
    for gone in ["state/lock", "state/memory-index", "workspace/pw", "saved.tar.gz", ".restore"] {
        assert!(other.path(gone).symlink_metadata().is_err(), "{gone}");
    }
    // The configuration names the workspace of the first home, which is no longer there.
    let moved = home.path("workspace").display().to_string();
    let config =
        other.read("config.json").replace(&moved, &other.path("workspace").display().to_string());
    other.write("config.json", &config);
    let daemon = Daemon::start(&other, &peer);
    let seen = ask(&peer, &daemon, "what colour is it?");
    assert!(seen.contains("my bicycle is green") && seen.contains("Momo"), "{seen}");
    assert_eq!(peer.refused(), Vec::<String>::new());
}

#[test]
fn a_backup_under_load_is_of_one_moment() {
    let peer = peer(false);
    let home = Home::new(&peer);
    let daemon = Daemon::start(&home, &peer);
    for round in 0..4 {
        let markers: Vec<_> = (0..3)
            .map(|n| peer.say(OWNER, OWNER, &format!("hello {round}.{n} [tool:list_dir]")))
            .collect();
        pause::moment(60 * round);
        let name = format!("../picoclaw-it-load-{}-{round}.tar.gz", std::process::id());
        good(home.run(&["backup", &name, "--force"]));
        assert!(markers.iter().all(|m| peer.wait_reply(m, SOON).is_some()), "{}", daemon.log());
        let saved = home.path(&name);
        let other = Home::bare(&peer);
        good(other.run(&["restore", &saved.display().to_string()]));
        fs::remove_file(&saved).expect("removed");
        // Each line is whole, and what is finished has its answer: the journal brings the rest.
        let lines = other.read(&format!("sessions/telegram_{OWNER}.jsonl"));
        for line in lines.lines() {
            assert!(serde_json::from_str::<serde_json::Value>(line).is_ok(), "{line}");
        }
        assert!(!lines.is_empty() || round == 0);
        // The first is made while nothing was written yet.
        assert!(
            round == 0
                || other.path("state/journal.a").exists()
                || other.path("state/journal.b").exists()
        );
    }
}

#[test]
fn an_unfinished_message_is_answered_by_the_restored_home() {
    let peer = peer(false);
    let home = Home::new(&peer);
    let daemon = Daemon::start(&home, &peer);
    ask(&peer, &daemon, "my bicycle is green");
    let slow = peer.say(OWNER, OWNER, "think [delay:60000]");
    let calls = peer.calls("llm.chat");
    assert!(peer.wait_calls("llm.chat", calls + 1, SOON), "{}", daemon.log());
    good(home.run(&["backup", "saved.tar.gz"]));
    daemon.kill9();
    // The same board, set back to it; the model is quick this time.
    home.write("workspace/later.txt", "made after the backup");
    good(home.run(&["restore", "saved.tar.gz", "--force"]));
    assert_eq!(home.read("workspace/later.txt"), "");
    let help = home.run(&["restore", "--help"]).stdout;
    assert!(help.contains("into before-restore"), "{help}");
    assert_eq!(home.read("before-restore/workspace/later.txt"), "made after the backup");
    let daemon = Daemon::start(&home, &peer);
    let asked = eventually(SOON, || {
        let all = peer.requests();
        let last = all.last()?["messages"].to_string();
        (last.contains("think") && last.contains("my bicycle is green")).then_some(())
    });
    assert!(asked.is_some(), "{}", daemon.log());
    assert!(peer.answers(&slow).is_empty());
}

#[test]
fn a_pipe_will_do_and_a_kill_leaves_the_old_home() {
    let peer = peer(false);
    let home = Home::new(&peer);
    home.write("workspace/big.bin", &"x".repeat(600_000));
    let mut command = home.command(&["backup", "-"]);
    let packed = command.stdout(Stdio::piped()).output().expect("a backup").stdout;
    assert!(packed.len() > 600_000);
    home.write("workspace/since.txt", "new");
    let before = tree(&home.path(""));
    for cut in [10, 700, 100_000, packed.len() - 1] {
        let mut command = home.command(&["restore", "-", "--force"]);
        let mut child =
            command.stdin(Stdio::piped()).stderr(Stdio::null()).spawn().expect("it starts");
        let mut pipe = child.stdin.take().expect("a pipe");
        pipe.write_all(&packed[..cut]).expect("taken");
        let begun = eventually(SOON, || home.path(".restore/new").exists().then_some(()));
        assert!(begun.is_some());
        // It has read what there is, and waits for more.
        let read = || rustix::io::ioctl_fionread(&pipe).is_ok_and(|left| left == 0).then_some(());
        assert!(eventually(SOON, read).is_some());
        child.kill().expect("killed");
        child.wait().expect("gone");
        let mut now = tree(&home.path(""));
        now.retain(|name, _| !name.starts_with(".restore/"));
        assert_eq!(
            now.keys().collect::<Vec<_>>(),
            before.keys().collect::<Vec<_>>(),
            "cut at {cut}"
        );
        assert!(now == before, "cut at {cut}");
    }
    let mut command = home.command(&["restore", "-", "--force"]);
    let mut child = command.stdin(Stdio::piped()).spawn().expect("it starts");
    child.stdin.take().expect("a pipe").write_all(&packed).expect("taken");
    assert!(child.wait().expect("an end").success());
    assert!(!home.path(".restore").exists() && !home.path("workspace/since.txt").exists());
    assert_eq!(home.read("before-restore/workspace/since.txt"), "new");
    let now = tree(&home.path(""));
    assert!(before.iter().all(|(name, was)| name.contains("since") || now.get(name) == Some(was)));
    let daemon = Daemon::start(&home, &peer);
    ask(&peer, &daemon, "hello");
}

#[test]
fn committed_restore_is_finished_by_the_next_command() {
    let peer = peer(false);
    let home = Home::new(&peer);
    // As a kill after the decision leaves it: the old configuration is moved aside, the new one not in place yet.
    home.write(".restore/commit", "go\n");
    home.write(".restore/new/config.json", &home.read("config.json"));
    fs::create_dir_all(home.path(".restore/old")).expect("a folder");
    fs::rename(home.path("config.json"), home.path(".restore/old/config.json")).expect("moved");
    let daemon = Daemon::start(&home, &peer);
    ask(&peer, &daemon, "hello");
    assert!(!home.path(".restore").exists() && home.path("before-restore/config.json").exists());
}

/// One of before: conversations and jobs were in the workspace.
#[test]
fn an_old_backup_is_restored_into_the_new_place() {
    let peer = peer(false);
    let home = Home::new(&peer);
    let line = "{\"role\":\"user\",\"content\":\"my bicycle is green\"}\n";
    let jobs = r#"{"version":1,"jobs":[{"id":"00aa","name":"tea","enabled":true}]}"#;
    let session = format!("sessions/telegram_{OWNER}.jsonl");
    let packed = archive(
        r#"{"version":1,"workspace":null}"#,
        &[
            ("home/config.json", b'0', home.read("config.json").as_bytes()),
            ("home/state/journal.a", b'0', b""),
            (&format!("home/workspace/{session}"), b'0', line.as_bytes()),
            ("home/workspace/cron/jobs.json", b'0', jobs.as_bytes()),
            ("home/workspace/memory/MEMORY.md", b'0', b"tea"),
        ],
    );
    let place = std::env::temp_dir().join(format!("picoclaw-it-old-{}", std::process::id()));
    fs::write(&place, &packed).expect("a file");
    good(home.run(&["restore", &place.display().to_string(), "--force"]));
    fs::remove_file(&place).expect("removed");
    assert_eq!((home.read(&session), home.read("cron/jobs.json")), (line.into(), jobs.into()));
    assert!(!home.path("workspace/sessions").exists() && !home.path("workspace/cron").exists());
    assert_eq!(home.read("workspace/memory/MEMORY.md"), "tea");
    let daemon = Daemon::start(&home, &peer);
    assert!(ask(&peer, &daemon, "which colour?").contains("my bicycle is green"));
}

#[test]
fn invalid_backups_change_nothing() {
    let peer = peer(false);
    let home = Home::new(&peer);
    let first = r#"{"version":1}"#;
    let file = ("home/config.json", b'0', &b"{}"[..]);
    let packed = archive(first, &[file]);
    let mut flipped = packed.clone();
    let end = flipped.len() - 8;
    flipped[end] ^= 1;
    let link = ("home/workspace/x", b'2', &b""[..]);
    let device = ("home/dev", b'3', &b""[..]);
    let cases: &[(&[u8], &str)] = &[
        (b"", "cut off"),
        (b"hello", "this is not gzip"),
        (&packed[..packed.len() - 3], "cut off"),
        (&flipped, "checksum"),
        (&archive(r#"{"version":3}"#, &[file]), "newer picoclaw"),
        (&archive("no json", &[file]), "picoclaw-backup.json"),
        (&archive(first, &[]), "nothing in it"),
        (&archive(&"x".repeat(9000), &[file]), "no backup that picoclaw has made"),
        (&archive(first, &[("home/../../x", b'0', b"x")]), "leads out"),
        (&archive(first, &[("home//etc/x", b'0', b"x")]), "leads out"),
        (&archive(first, &[("/etc/x", b'0', b"x")]), "no such place"),
        (&archive(first, &[("etc/x", b'0', b"x")]), "no such place"),
        (&archive(first, &[("home/.restore/commit", b'0', b"x")]), "no such place"),
        (&archive(first, &[file, link]), "a link or a device"),
        (&archive(first, &[file, device]), "a link or a device"),
        (&archive(first, &[file, ("home/config.json/x", b'0', b"x")]), "config.json/x"),
    ];
    let before = tree(&home.path(""));
    let place = std::env::temp_dir().join(format!("picoclaw-it-bad-{}", std::process::id()));
    let name = place.display().to_string();
    for (bytes, why) in cases {
        fs::write(&place, bytes).expect("a file");
        refused(&home.run(&["restore", &name, "--force"]), why);
        assert!(tree(&home.path("")) == before, "{why}");
    }
    fs::write(&place, &packed).expect("a file");
    refused(&home.run(&["restore", &name]), "holds data already");
    assert!(tree(&home.path("")) == before);
    fs::remove_file(&place).expect("removed");
    refused(&home.run(&["restore", &name, "--force"]), "No such file");
    refused(
        &Home::bare(&peer).env("PICOCLAW_HOME", "/nowhere/here").run(&["backup", "x"]),
        "/nowhere/here",
    );
}

#[test]
fn a_full_disk_leaves_the_old_home() {
    let peer = peer(false);
    let Some(disk) = OwnDisk::new(Home::new(&peer)) else { return };
    disk.mount(&["-t", "tmpfs", "-o", "size=700k", "none"]);
    let program = program().display().to_string();
    fs::create_dir_all(disk.inside("workspace")).expect("a folder");
    fs::write(disk.inside("workspace/big.bin"), vec![7; 300_000]).expect("a file");
    let run = |arguments: &[&str]| disk.run(&[&[program.as_str()], arguments].concat());
    good(run(&["backup", "/mnt/saved.tar.gz"]));
    let packed = fs::read(disk.at("/mnt/saved.tar.gz")).expect("a backup");
    // A mount point is restored in place.
    good(run(&["restore", "/mnt/saved.tar.gz", "--force"]));
    let kept = disk.inside("before-restore/workspace/big.bin");
    assert!(kept.exists() && disk.inside("workspace/big.bin").exists());
    fs::write(disk.inside("workspace/more.bin"), vec![7; 10_000]).expect("a file");
    let before = tree(&disk.inside(""));
    refused(&run(&["restore", "/mnt/saved.tar.gz", "--force"]), "No space left");
    assert!(tree(&disk.inside("")) == before);
    let inside = disk.home.path("saved.tar.gz").display().to_string();
    refused(&run(&["backup", &inside]), "cannot save");
    assert!(tree(&disk.inside("")) == before);
    assert_eq!(fs::read(disk.at("/mnt/saved.tar.gz")).expect("a backup"), packed);
}

#[test]
fn a_workspace_elsewhere_comes_along() {
    let peer = peer(false);
    let elsewhere = std::env::temp_dir().join(format!("picoclaw-it-ws-{}", std::process::id()));
    fs::create_dir_all(elsewhere.join("memory")).expect("a folder");
    fs::write(elsewhere.join("memory/MEMORY.md"), "tea").expect("a file");
    let patch = json!({ "agents": { "defaults": { "workspace": elsewhere } } });
    let home = Home::patched(&peer, &patch);
    good(home.run(&["backup", "saved.tar.gz"]));
    let done = good(home.run(&["restore", "saved.tar.gz", "--force"]));
    assert_eq!(home.read("restored-workspace/memory/MEMORY.md"), "tea");
    assert!(
        done.stdout.contains(&format!("restored-workspace {}", elsewhere.display())),
        "{done:?}"
    );
    fs::remove_dir_all(&elsewhere).expect("removed");
}
