//! Commands as a user of their own: the real supervisor as root, with Landlock, and without it under a filter that hides it
//! ([`crate::old_kernel`]). Where the tests do not run as root they are skipped by name.

use std::fs;
use std::time::Duration;

use picoclaw_peer::Peer;
use rustix::process::Signal;
use serde_json::{Value, json};

use crate::harness::{Alone, Home, OWNER, SOON, STRANGER, eventually, finish, peer};
use crate::harness_daemon::Daemon;
use crate::old_kernel::on_old_kernel;
use crate::trust::{only_what_was_fetched_is_marked, scripts};

/// In every distribution, nobody's processes: what runs as this user is killed.
pub const TOOL_USER: &str = "games";

pub struct Held {
    pub peer: Peer,
    pub supervisor: Daemon,
    pub home: Home,
    /// One at a time: all of the user's processes are ended with the last command.
    _alone: Alone,
}

impl Held {
    /// On a kernel without Landlock.
    #[track_caller]
    pub fn new(tool_user: &str) -> Option<Held> {
        Held::on(tool_user, true)
    }

    #[track_caller]
    pub fn on(tool_user: &str, old: bool) -> Option<Held> {
        let passwd = fs::read_to_string("/etc/passwd").unwrap_or_default();
        let known = passwd.lines().any(|line| line.starts_with(&format!("{TOOL_USER}:")));
        if !rustix::process::geteuid().is_root() {
            crate::skip::skip(crate::skip::Missing::Root);
            return None;
        }
        if !known {
            crate::skip::skip(crate::skip::Missing::ToolUser);
            return None;
        }
        let alone = Alone::with("users");
        let peer = peer(false);
        let users =
            json!({ "telegram": { "allow_from": [OWNER.to_string(), STRANGER.to_string()] } });
        let approval = if tool_user == TOOL_USER { "never" } else { "auto" };
        let exec = json!({ "exec": { "timeout_seconds": 10, "approval": approval } });
        let home = Home::patched(&peer, &json!({ "tools": exec, "channel_list": users }));
        home.write("workspace/note.txt", "inside\n");
        home.write("workspace/sub/deep.txt", "deep\n");
        home.write("skills/s/run.sh", "echo a skill\n");
        repository(&home.path("workspace/repo"));
        // As a daemon with umask 077 has left it, before there was such a user.
        home.give_away();
        for (name, mode) in [
            ("workspace/note.txt", 0o600),
            ("workspace/sub", 0o700),
            ("skills/s", 0o700),
            ("skills", 0o700),
        ] {
            set_mode(&home, name, mode);
        }
        set_mode(&home, "config.json", 0o644);
        let mut command = home.command(&["supervise"]);
        command
            .env("PICOCLAW_USER", "nobody")
            .env("PICOCLAW_TOOL_USER", tool_user)
            .env("PICOCLAW_SYSTEM", home.path("../").join(format!("{}-sys", name_of(&home))))
            .env("PICOCLAW_RUN", home.path("run"))
            .env("PICOCLAW_LIMITS", "rlimit")
            .env("PICOCLAW_DATA_MAX", "256M")
            .env("PICOCLAW_TOOLS_DATA_MAX", "64M")
            .env("PICOCLAW_SNTP", "no")
            .env("PICOCLAW_LOG", "stderr")
            .env("PICOCLAW_RESPAWN_DELAY", "0");
        let polls = peer.calls("tg.getUpdates");
        let command = if old { on_old_kernel(command) } else { command };
        let supervisor = Daemon::spawn_command(&home, command);
        assert!(peer.wait_calls("tg.getUpdates", polls + 1, SOON), "no poll\n{}", supervisor.log());
        Some(Held { peer, home, supervisor, _alone: alone })
    }

    pub fn daemon(&self) -> u32 {
        self.home.read("run/daemon.pid").trim().parse().expect("a daemon")
    }

    #[track_caller]
    pub fn call(&self, tool: &str, arguments: &Value) -> String {
        let marker = self.peer.say(OWNER, OWNER, &format!("do [call:{tool} {arguments}]"));
        assert!(
            self.peer.wait_reply(&marker, SOON * 2).is_some(),
            "the daemon is silent\n{}",
            self.supervisor.log()
        );
        let result = self.peer.requests().into_iter().rev().find_map(|request| {
            let messages = request["messages"].as_array()?;
            let result = messages.iter().rev().find(|m| m["role"] == "tool")?;
            Some(result["content"].as_str()?.to_owned())
        });
        result.expect("a result")
    }

    /// Runs a script, which the exec guard does not read.
    #[track_caller]
    pub fn run(&self, script: &str) -> String {
        self.home.write("workspace/x.sh", script);
        self.call("exec", &json!({ "command": "sh x.sh" }))
    }

    /// Nothing of `loot` comes out, and both live on.
    #[track_caller]
    pub fn fails(&mut self, script: &str, loot: &str) {
        let pid = self.daemon();
        let got = self.run(&format!("{script}; echo tried"));
        assert!(!got.contains(loot), "{script}\n{got}");
        assert!(got.contains("tried"), "the script did not get to its end: {script}\n{got}");
        assert!(self.supervisor.runs() && self.daemon() == pid, "{}", self.supervisor.log());
    }
}

impl Drop for Held {
    fn drop(&mut self) {
        let _ =
            fs::remove_dir_all(self.home.path("../").join(format!("{}-sys", name_of(&self.home))));
    }
}

/// A repository with one commit, as the daemon's user has it.
fn repository(path: &std::path::Path) {
    fs::create_dir_all(path).expect("a folder");
    fs::write(path.join("f"), "x").expect("a file");
    for line in ["init -q", "add f", "commit -q -m one"] {
        let mut git = std::process::Command::new("git");
        git.args(["-c", "user.name=n", "-c", "user.email=e@x"]).current_dir(path);
        // Without git this part is skipped.
        let _ = git.args(line.split(' ')).status();
    }
}

fn name_of(home: &Home) -> String {
    home.path("").file_name().map_or_else(String::new, |n| n.to_string_lossy().into_owned())
}

fn set_mode(home: &Home, name: &str, mode: u32) {
    use std::os::unix::fs::PermissionsExt;
    fs::set_permissions(home.path(name), fs::Permissions::from_mode(mode)).expect("a mode");
}

/// Processes whose command line holds `mark`.
fn lives(mark: &str) -> bool {
    fs::read_dir("/proc").expect("/proc").flatten().any(|e| {
        let line = fs::read(e.path().join("cmdline")).unwrap_or_default();
        String::from_utf8_lossy(&line).contains(mark)
    })
}

#[test]
fn commands_have_a_user_of_their_own_and_share_the_workspace() {
    let Some(held) = Held::new(TOOL_USER) else { return };
    let status = finish(on_old_kernel(held.home.command(&["status"])));
    assert!(status.stdout.contains("Tools: a user of their own+seccomp"), "{status:?}");
    // No question comes: the result is there without one.
    let got =
        held.run("id -un; cat note.txt sub/deep.txt; pwd; echo made > sub/made.txt; ls /dev/null");
    let workspace = held.home.path("workspace");
    assert!(
        got.starts_with(&format!("{TOOL_USER}\ninside\ndeep\n{}\n", workspace.display())),
        "{got}"
    );
    let skill = held.home.path("skills/s/run.sh").display().to_string();
    assert!(held.run(&format!("sh {skill}; echo x > {skill}")).starts_with("a skill\n"));
    assert_eq!(held.home.read("skills/s/run.sh"), "echo a skill\n");
    // One writes what the other reads, both ways.
    assert!(held.call("read_file", &json!({ "path": "sub/made.txt" })).contains("made"));
    held.call("append_file", &json!({ "path": "sub/made.txt", "content": "more\n" }));
    held.call("write_file", &json!({ "path": "new/file.txt", "content": "theirs\n" }));
    let got = held
        .run("cat sub/made.txt new/file.txt; echo changed >> new/file.txt; rm note.txt; exit 3");
    assert!(got.contains("made\nmore\ntheirs\n") && got.contains("code 3"), "{got}");
    assert!(held.home.read("workspace/new/file.txt").ends_with("changed\n"));
    assert!(!held.home.path("workspace/note.txt").exists());
    let got = held.run("echo error >&2; kill -9 $$");
    assert!(got.contains("STDERR:\nerror") && got.contains("code 137"), "{got}");
    // The socket is the new image's, too.
    let polls = held.peer.calls("tg.getUpdates");
    held.supervisor.signal(Signal::HUP);
    assert!(held.peer.wait_calls("tg.getUpdates", polls + 1, SOON), "{}", held.supervisor.log());
    let reloaded = eventually(SOON, || held.run("id -un").starts_with(TOOL_USER).then_some(()));
    assert!(reloaded.is_some(), "{}", held.supervisor.log());
    for fd in [3, 4] {
        let socket = fs::read_link(format!("/proc/{}/fd/{fd}", held.daemon())).expect("open");
        assert!(socket.to_string_lossy().starts_with("socket:"), "{fd} is {socket:?}");
    }
}

#[test]
fn the_other_user_gets_nowhere() {
    let Some(mut held) = Held::new(TOOL_USER) else { return };
    let home = held.home.path("").display().to_string();
    let home = home.trim_end_matches('/');
    let (daemon, supervisor) = (held.daemon(), held.supervisor.pid());
    for (script, loot) in [
        (format!("cat {home}/config.json {home}/state/* {home}/state/last-good/*"), "allow_from"),
        (format!("ln -s {home}/config.json l; cat l; ln {home}/config.json h; cat h"), "allow_from"),
        (format!("mv {home}/config.json .; cat config.json; cat ../config.json"), "allow_from"),
        (format!("ls {home} && echo DONE"), "DONE"),
        (format!("echo x > {home}/planted && echo DONE"), "DONE"),
        (format!("rm -rf {home}/state {home}/config.json && echo DONE"), "DONE"),
        (format!("tr '\\0' '\\n' < /proc/{daemon}/environ"), "PICOCLAW_HOME="),
        (format!("dd if=/proc/{daemon}/mem bs=1 count=1 | wc -c | grep 1 && echo DONE"), "DONE"),
        (format!("ls -l /proc/{daemon}/fd /proc/{supervisor}/fd"), "socket:"),
        (format!("for s in KILL STOP TERM HUP; do kill -$s {daemon} && echo DONE; kill -$s {supervisor} && echo DONE; done"), "DONE"),
        ("kill -9 -1 && echo DONE".to_owned(), "DONE"),
        // The supervisor's socket and whatever else the daemon has open.
        ("ls -l /proc/self/fd; for fd in 3 4 5 6 7 8 9; do echo x >&$fd; done 2>/dev/null".to_owned(), "socket:"),
        ("perl -MSocket -e 'print socket(S, PF_UNIX, SOCK_STREAM, 0) ? \"DONE\" : \"no\"'".to_owned(), "DONE"),
        ("for d in /dev/mem /dev/kmem /dev/vd* /dev/sd* /dev/loop0 /dev/watchdog; do head -c 1 $d >/dev/null 2>&1 && echo DONE; done".to_owned(), "DONE"),
        ("mknod b b 1 1; ls -l b".to_owned(), "brw"),
        ("perl -e 'my $r = syscall(101, 0, 0, 0, 0); print $r == 0 ? \"DONE\" : \"no\"'".to_owned(), "DONE"),
        ("head -c 100000000 /dev/zero | perl -e 'local $/; $x = <>; print \"DO\", \"NE\\n\"'".to_owned(), "DONE"),
    ] {
        held.fails(&script, loot);
    }
    let status =
        held.run("grep -E '^(Groups|NoNewPrivs|CapEff|Seccomp):' /proc/self/status; umask");
    for line in ["NoNewPrivs:\t1\n", "CapEff:\t0000000000000000\n", "Seccomp:\t2\n", "0007"] {
        assert!(status.contains(line), "{status}");
    }
    // The program itself, asking the control socket.
    fs::copy(crate::harness::program(), held.home.path("workspace/pico")).expect("a copy");
    set_mode(&held.home, "workspace/pico", 0o755);
    held.fails(&format!("PICOCLAW_HOME={home} ./pico status"), "running, PID");
    assert!(held.home.read("config.json").contains("allow_from"));
    // One that was open to everybody is the daemon's alone, also one that was laid there meanwhile.
    held.home.write("late.json", "allow_from");
    set_mode(&held.home, "late.json", 0o644);
    held.fails(&format!("cat {home}/late.json"), "allow_from");
    for name in ["config.json", "late.json"] {
        let mode = std::os::unix::fs::MetadataExt::mode(
            &fs::metadata(held.home.path(name)).expect("metadata"),
        );
        assert_eq!(mode & 0o7777, 0o640, "{name}");
    }
}

#[test]
fn nothing_outlives_its_command_or_the_daemon() {
    let Some(held) = Held::new(TOOL_USER) else { return };
    let mark = format!("outlives-{}", std::process::id());
    let slip = format!(
        "perl -MPOSIX -e 'if (!fork) {{ POSIX::setsid(); if (!fork) {{ exec \"perl\", \"-e\", \"sleep 300 # {mark}\" }} exit }} wait; sleep 1'"
    );
    held.run(&slip);
    let gone = || (!lives(&format!("# {mark}"))).then_some(());
    assert!(eventually(SOON, gone).is_some(), "it lives on");
    let got = held.run("trap '' TERM; sleep 300");
    assert!(got.contains("timed out"), "{got}");
    held.run("bomb() { bomb | bomb & }; bomb; sleep 2");
    let calm = eventually(SOON, || held.run("echo calm").contains("calm").then_some(()));
    assert!(calm.is_some(), "{}", held.supervisor.log());
    // A daemon that is killed takes them with it, and the next one has the user again.
    let pid = held.daemon();
    held.home.write("workspace/x.sh", &format!("perl -e 'sleep 300 # {mark}'"));
    held.peer.say(OWNER, OWNER, r#"[call:exec {"command":"sh x.sh"}]"#);
    assert!(eventually(SOON, || lives(&format!("# {mark}")).then_some(())).is_some());
    let polls = held.peer.calls("tg.getUpdates");
    rustix::process::kill_process(
        rustix::process::Pid::from_raw(pid as i32).expect("a pid"),
        Signal::KILL,
    )
    .expect("killed");
    assert!(eventually(SOON, gone).is_some(), "it lives on");
    assert!(held.peer.wait_calls("tg.getUpdates", polls + 1, SOON), "{}", held.supervisor.log());
    assert!(held.run("id -un").starts_with(TOOL_USER), "{}", held.supervisor.log());
}

#[test]
fn without_such_a_user_chats_ask() {
    let Some(held) = Held::new("none") else { return };
    let status = finish(on_old_kernel(held.home.command(&["status"])));
    assert!(status.stdout.contains("Tools: unsandboxed"), "{status:?}");
    held.peer.say(OWNER, OWNER, r#"[call:exec {"command":"echo x > ran"}]"#);
    let asked = eventually(SOON + Duration::from_secs(5), || {
        held.peer.sent().into_iter().find(|s| !s.buttons.is_empty())
    });
    assert!(asked.is_some_and(|a| a.text.contains("not locked in")), "{}", held.supervisor.log());
    assert!(!held.home.path("workspace/ran").exists());
}

/// Also while another one runs, and without control groups.
#[test]
fn orphans_end_with_their_own_command() {
    let Some(held) = Held::new(TOOL_USER) else { return };
    let mark = format!("slipped-{}", std::process::id());
    let slip = |name: &str| {
        format!(
            "setsid sh -c 'setsid perl -e \"sleep 300 # {mark}-{name}\" >/dev/null 2>&1 & echo > {name}'; while [ ! -e {name} ]; do sleep 0.01; done; "
        )
    };
    let seen = |name: &str| lives(&format!("# {mark}-{name}"));
    held.home.write("workspace/y.sh", &(slip("long") + "while [ ! -e stop ]; do sleep 0.01; done"));
    let line = r#"[call:exec {"command":"sh y.sh"}]"#;
    let other = held.peer.say(STRANGER, STRANGER, line);
    assert!(eventually(SOON, || seen("long").then_some(())).is_some(), "it does not run");
    held.run(&slip("short"));
    assert!(held.home.path("workspace/short").exists());
    assert!(!seen("short"), "it lives on");
    assert!(seen("long"), "it was another command's");
    held.home.write("workspace/stop", "");
    assert!(held.peer.wait_reply(&other, SOON).is_some(), "{}", held.supervisor.log());
    assert!(!seen("long"), "it lives on");
}

#[test]
fn what_their_commands_fetched_is_marked() {
    for old in [true, false] {
        let Some(held) = Held::on(TOOL_USER, old) else { return };
        scripts(&held.home, &held.peer);
        only_what_was_fetched_is_marked(&held.peer, &held.supervisor);
    }
}
