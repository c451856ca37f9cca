//! What commands leave behind, with whatever permissions, stops neither a start nor a backup.

use std::fs::{self, Permissions};
use std::os::unix::fs::PermissionsExt;

use picoclaw_peer::Peer;

use crate::harness::{Home, OWNER, SOON, peer};
use crate::harness_daemon::Daemon;

fn set_mode(home: &Home, path: &str, mode: u32) {
    fs::set_permissions(home.path(path), Permissions::from_mode(mode)).expect("a mode");
}

fn mode(home: &Home, path: &str) -> u32 {
    fs::metadata(home.path(path)).expect(path).permissions().mode() & 0o7777
}

#[track_caller]
fn answers(peer: &Peer, daemon: &Daemon) {
    let marker = peer.say(OWNER, OWNER, "hello");
    assert!(peer.wait_reply(&marker, SOON).is_some(), "{}", daemon.log());
}

#[test]
fn temporary_files_with_any_permissions_are_removed_at_a_start() {
    let peer = peer(false);
    let home = Home::new(&peer);
    for folder in ["a-closed", "b-read-only", "c"] {
        home.write(&format!("tmp/{folder}/in/file"), "x");
    }
    set_mode(&home, "tmp/a-closed", 0o000);
    set_mode(&home, "tmp/b-read-only/in", 0o555);
    set_mode(&home, "tmp/b-read-only", 0o555);
    let command = home.command_of_nobody(&["gateway"]);
    let root = rustix::process::geteuid().is_root();
    if root {
        // Nobody's program can do nothing about it.
        home.write("tmp/aa-roots/file", "x");
        set_mode(&home, "tmp/aa-roots", 0o700);
    }
    let polls = peer.calls("tg.getUpdates");
    let daemon = Daemon::spawn_command(&home, command);
    assert!(peer.wait_calls("tg.getUpdates", polls + 1, SOON), "no poll\n{}", daemon.log());
    let names = fs::read_dir(home.path("tmp")).map_or(Vec::new(), |names| {
        names.flatten().map(|e| e.file_name().to_string_lossy().into_owned()).collect()
    });
    if root {
        assert_eq!(names, ["aa-roots"]);
        assert_eq!(daemon.log().matches("1 old temporary files of commands stay").count(), 1);
        assert!(daemon.log().contains("aa-roots"), "{}", daemon.log());
    } else {
        assert_eq!(names, [""; 0]);
    }
}

#[test]
fn a_home_that_is_open_to_others_is_closed() {
    let peer = peer(false);
    let home = Home::new(&peer);
    set_mode(&home, "", 0o755);
    let doctor = home.run(&["doctor"]);
    let shown = home.path("").display().to_string();
    let cure = format!("chmod 700 {}", shown.trim_end_matches('/'));
    assert!(doctor.stdout.contains("(755)") && doctor.stdout.contains(&cure), "{doctor:?}");
    let daemon = Daemon::start(&home, &peer);
    assert_eq!(mode(&home, ""), 0o700);
    assert!(daemon.log().contains("was open to other users (755)"), "{}", daemon.log());
    assert!(daemon.term().success());
    let daemon = Daemon::start(&home, &peer);
    assert!(!daemon.log().contains("open to other users"), "{}", daemon.log());
    let doctor = home.run(&["doctor"]);
    assert!(doctor.stdout.contains(": closed to others"), "{doctor:?}");
    answers(&peer, &daemon);
}

#[cfg(feature = "backup")]
#[test]
fn a_closed_folder_of_the_workspace_is_left_out_of_a_backup() {
    let peer = peer(false);
    let home = Home::new(&peer);
    home.write("workspace/a/closed/file", "x");
    home.write("workspace/a/unreadable", "x");
    home.write("workspace/b/file", "kept");
    home.write("state/state.json", "{}");
    set_mode(&home, "workspace/a/closed", 0o000);
    set_mode(&home, "workspace/a/unreadable", 0o000);
    let run = |name: &str| crate::harness::finish(home.command_of_nobody(&["backup", name]));
    let done = run("saved.tar.gz");
    assert!(done.status.success(), "{done:?}");
    for path in ["workspace/a/closed: ", "workspace/a/unreadable: "] {
        assert!(done.stderr.contains(&format!("left out: {path}")), "{done:?}");
    }
    let other = Home::bare(&peer);
    let saved = home.path("saved.tar.gz").display().to_string();
    let restored = other.run(&["restore", &saved]);
    assert!(restored.status.success(), "{restored:?}");
    assert_eq!(other.read("workspace/b/file"), "kept");
    assert_eq!(mode(&other, "workspace/a/closed"), 0o700);
    // What the gateway itself needs is another matter.
    set_mode(&home, "state/state.json", 0o000);
    let failed = run("other.tar.gz");
    assert!(!failed.status.success() && failed.stderr.contains("state/state.json"), "{failed:?}");
    assert!(!home.path("other.tar.gz").exists());
}

#[cfg(feature = "backup")]
#[test]
fn a_restore_takes_no_permissions_from_the_archive() {
    let peer = peer(false);
    let home = Home::new(&peer);
    for path in ["state/state.json", "workspace/notes.txt", "skills/s/run.sh", "skills/s/SKILL.md"]
    {
        home.write(path, "x");
        set_mode(&home, path, 0o666);
    }
    set_mode(&home, "config.json", 0o666);
    set_mode(&home, "skills/s/run.sh", 0o4777);
    for folder in ["state", "workspace", "skills", "skills/s"] {
        set_mode(&home, folder, 0o2777);
    }
    let done = home.run(&["backup", "saved.tar.gz"]);
    assert!(done.status.success(), "{done:?}");
    let other = Home::bare(&peer);
    let saved = home.path("saved.tar.gz").display().to_string();
    let restored = other.run(&["restore", &saved]);
    assert!(restored.status.success(), "{restored:?}");
    for (path, want) in [
        ("config.json", 0o600),
        ("state/state.json", 0o600),
        ("workspace/notes.txt", 0o600),
        ("skills/s/SKILL.md", 0o600),
        ("skills/s/run.sh", 0o700),
        ("state", 0o700),
        ("workspace", 0o700),
        ("skills", 0o700),
        ("skills/s", 0o700),
    ] {
        assert_eq!(mode(&other, path), want, "{path}");
    }
}

#[test]
fn a_linked_folder_of_the_daemons_own_is_refused() {
    let peer = peer(false);
    for name in ["state", "sessions", "cron"] {
        let home = Home::new(&peer);
        home.write("elsewhere/kept", "x");
        std::os::unix::fs::symlink(home.path("elsewhere"), home.path(name)).expect("a link");
        for words in [&["gateway"][..], &["cron", "add", "-n", "a", "-m", "m", "-e", "5m"]] {
            let done = home.run(words);
            let link = home.path(name).display().to_string();
            assert!(!done.status.success(), "{done:?}");
            for part in [&*link, "is a symbolic link", "mount --bind"] {
                assert!(done.stderr.contains(part), "{part:?} is not in {done:?}");
            }
        }
        let there = fs::read_dir(home.path("elsewhere")).expect("a folder").count();
        assert_eq!(there, 1, "something was written through the link");
        assert!(home.run(&["version"]).status.success());
    }
    // A linked workspace is its owner's choice.
    let home = Home::new(&peer);
    fs::create_dir(home.path("disk")).expect("a folder");
    std::os::unix::fs::symlink("disk", home.path("workspace")).expect("a link");
    answers(&peer, &Daemon::start(&home, &peer));
}

#[test]
fn junk_beside_skills_hides_none() {
    let peer = peer(false);
    let home = Home::new(&peer);
    for n in 0..500 {
        let folder = home.path(&format!("workspace/skills/junk{n:03}"));
        fs::create_dir_all(folder).expect("a folder");
    }
    let skill = |name: &str| format!("---\nname: {name}\ndescription: d\n---\n# {name}\n");
    for name in ["alpha", "omega"] {
        home.write(&format!("workspace/skills/{name}/SKILL.md"), &skill(name));
    }
    let listed = home.run(&["skills", "list"]).stdout;
    assert!(listed.contains("alpha") && listed.contains("omega"), "{listed}");
    for n in 0..70 {
        let name = format!("s{n:02}");
        home.write(&format!("workspace/skills/{name}/SKILL.md"), &skill(&name));
    }
    let daemon = Daemon::start(&home, &peer);
    answers(&peer, &daemon);
    daemon.says("8 skills are left out: at most 64 are listed");
}
