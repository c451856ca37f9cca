//! Ways out of the sandbox, each tried by a command of the real daemon. The exec guard is out of the way (the tricks stand in
//! scripts, which it does not read): what is tried here is what the kernel holds.
//!
//! The daemon runs as a user without rights where the tests run as root. What a kernel lacks is skipped by name; what it
//! has is not.

use std::fs;
use std::time::{Duration, Instant};

use picoclaw::sys::process::strength;
use picoclaw_peer::Peer;
use rustix::fs::CWD;
use serde_json::{Value, json};

use crate::harness::{Alone, Home, OWNER, SOON, eventually, peer};
use crate::harness_daemon::Daemon;
use crate::skip::{Missing, skip};

/// A daemon, its home, and who plays the world.
pub struct Sandbox {
    peer: Peer,
    home: Home,
    pub daemon: Daemon,
    /// One at a time: the limit on processes counts all of the user's, and one test uses them up.
    _alone: Alone,
}

impl Sandbox {
    #[track_caller]
    pub fn new() -> Sandbox {
        let alone = Alone::with("users");
        let peer = peer(false);
        let home = Home::patched(
            &peer,
            &json!({ "tools": { "exec": { "timeout_seconds": 10, "approval": "never" } } }),
        );
        home.write("workspace/note.txt", "inside\n");
        let command = home.command_of_nobody(&["gateway"]);
        let polls = peer.calls("tg.getUpdates");
        let daemon = Daemon::spawn_command(&home, command);
        assert!(peer.wait_calls("tg.getUpdates", polls + 1, SOON), "no poll\n{}", daemon.log());
        Sandbox { peer, home, daemon, _alone: alone }
    }

    /// Runs a script in the workspace with `sh`; what the model got to read.
    #[track_caller]
    pub fn run(&self, script: &str) -> String {
        self.home.write("workspace/x.sh", script);
        fs::set_permissions(
            self.home.path("workspace/x.sh"),
            std::os::unix::fs::PermissionsExt::from_mode(0o755),
        )
        .expect("a mode");
        self.call("exec", &json!({ "command": "sh x.sh" }))
    }

    #[track_caller]
    fn call(&self, tool: &str, arguments: &Value) -> String {
        let marker = self.peer.say(OWNER, OWNER, &format!("do [call:{tool} {arguments}]"));
        let limit = SOON * 2;
        assert!(
            self.peer.wait_reply(&marker, limit).is_some(),
            "the daemon is silent\n{}",
            self.daemon.log()
        );
        // A long conversation is summarised meanwhile; those requests have no results.
        let result = self.peer.requests().into_iter().rev().find_map(|request| {
            let messages = request["messages"].as_array()?;
            let result = messages.iter().rev().find(|m| m["role"] == "tool")?;
            Some(result["content"].as_str()?.to_owned())
        });
        result.expect("a result")
    }

    /// Nothing of `loot` comes out, and the daemon lives on.
    #[track_caller]
    pub fn fails(&mut self, script: &str, loot: &str) {
        let got = self.run(script);
        assert!(!got.contains(loot), "{script}\n{got}");
        assert!(got.contains("tried"), "the script did not get to its end: {script}\n{got}");
        assert!(self.daemon.runs(), "the daemon is gone: {script}\n{}", self.daemon.log());
    }
}

/// Skips a test that needs what is not there.
pub fn lacks(missing: Missing, there: bool) -> bool {
    if !there {
        skip(missing);
    }
    !there
}

/// A system call by its number, through perl, which has a way to make any.
pub fn syscall(number: libc::c_long, arguments: &str) -> String {
    format!(
        "perl -e 'my $r = syscall({number}, {arguments}); print $r == 0 ? \"DONE\" : \"no: $!\", \"\\n\"'\n"
    )
}

#[test]
fn the_status_says_what_holds() {
    let sandbox = Sandbox::new();
    let found = strength();
    let status = sandbox.home.run(&["status"]);
    let line =
        status.stdout.lines().find(|l| l.starts_with("Tools:")).unwrap_or_default().to_owned();
    match (found.landlock > 0, found.seccomp) {
        (true, true) => assert!(line.starts_with("Tools: landlock+seccomp"), "{status:?}"),
        (true, false) => assert!(line.starts_with("Tools: landlock"), "{status:?}"),
        _ => assert!(line.starts_with("Tools: unsandboxed"), "{status:?}"),
    }
    assert!(
        sandbox
            .run("cat note.txt; echo $((6*7)); ls /usr/bin > list && wc -l < list; mktemp")
            .starts_with("inside\n42\n")
    );
}

#[test]
fn the_daemons_files_stay_closed() {
    if lacks(Missing::Landlock, strength().landlock > 0) {
        return;
    }
    let mut sandbox = Sandbox::new();
    let home = sandbox.home.path("");
    let home = home.display();
    sandbox.home.write("extra.txt", "loot");
    for script in [
        format!("cat {home}/config.json; echo tried"),
        format!("cat {home}/extra.txt; echo tried"),
        format!("cat {home}/state/* {home}/state/last-good/*; echo tried"),
        format!(
            "ln -s {home}/config.json l; cat l; ln {home}/config.json h; cat h; cp {home}/config.json c; cat c; echo tried"
        ),
        format!("mv {home}/config.json .; cat config.json; echo tried"),
        format!("cd {home}; cat config.json; echo tried"),
        format!("(exec 3< {home}/config.json; cat <&3); echo tried"),
        format!("ls {home}; grep -r allow_from {home} --include=config.json; echo tried"),
        format!("perl -e 'open F, \"<\", \"{home}/config.json\"; print <F>'; echo tried"),
        "cat ../config.json; cat workspace/../../config.json; echo tried".to_owned(),
    ] {
        sandbox.fails(&script, "allow_from");
    }
    sandbox.fails(
        &format!("echo x >> {home}/config.json; rm -f {home}/config.json; echo tried"),
        "allow_from",
    );
    let config = sandbox.home.read("config.json");
    assert!(config.contains("allow_from"), "the configuration was changed");
    assert!(!config.ends_with("x\n"));
}

#[test]
fn nothing_is_written_outside() {
    if lacks(Missing::Landlock, strength().landlock > 0) {
        return;
    }
    let mut sandbox = Sandbox::new();
    let name = format!("picoclaw-escape-{}", std::process::id());
    let marks = [std::env::temp_dir(), "/var/tmp".into(), "/dev/shm".into()].map(|d| d.join(&name));
    let [file, folder, shared] = marks.each_ref().map(|mark| mark.display());
    sandbox.fails(
        &format!("echo x > {file}; mkdir {folder}; echo x > {shared}; echo tried"),
        "nothing",
    );
    assert!(!marks.iter().any(|mark| mark.exists()));
    assert!(
        sandbox.run("f=$(mktemp) && echo kept > $f && cat $f").contains("kept"),
        "it has a place of its own"
    );
}

#[test]
fn the_daemons_memory_and_descriptors_stay_closed() {
    let mut sandbox = Sandbox::new();
    let pid = sandbox.daemon.pid();
    for script in [
        format!("tr '\\0' '\\n' < /proc/{pid}/environ; echo tried"),
        format!("head -c 1 /proc/{pid}/mem | wc -c | grep 1; dd if=/proc/{pid}/mem bs=1 count=1 | wc -c | grep 1; echo tried"),
        format!("cat /proc/{pid}/maps; echo tried"),
        format!("cat /proc/{pid}/fd/*; ls -l /proc/{pid}/fd; echo tried"),
        format!("cat /proc/{pid}/cwd/config.json /proc/{pid}/root{}; echo tried", sandbox.home.path("config.json").display()),
        "for p in /proc/[0-9]*; do cat $p/environ | tr '\\0' '\\n' | grep PICOCLAW_HOME; done; echo tried".to_owned(),
    ] {
        for loot in ["PICOCLAW_HOME=", "allow_from", "r-xp", "socket:", "\n1\n"] {
            sandbox.fails(&script, loot);
        }
    }
    if lacks(Missing::Seccomp, strength().seccomp) {
        return;
    }
    for call in [
        syscall(libc::SYS_ptrace, &format!("16, {pid}, 0, 0")),
        syscall(libc::SYS_ptrace, "0, 0, 0, 0"),
        syscall(libc::SYS_pidfd_open, &format!("{pid}, 0")),
    ] {
        sandbox.fails(&format!("{call}echo tried"), "DONE");
    }
}

#[test]
fn the_control_socket_answers_no_command() {
    let mut sandbox = Sandbox::new();
    fs::copy(crate::harness::program(), sandbox.home.path("workspace/pico")).expect("a copy");
    let home = sandbox.home.path("");
    let socket = home.join("state/control.sock");
    assert!(socket.exists());
    sandbox.fails(
        &format!("PICOCLAW_HOME={} ./pico status; echo tried", home.display()),
        "running, PID",
    );
    let connect = format!(
        "perl -MSocket -e 'socket(S, PF_UNIX, SOCK_STREAM, 0) && connect(S, sockaddr_un(\"{}\")) && \
         syswrite(S, \"S\") && shutdown(S, 1) && sysread(S, $b, 100) and print \"DONE\"'; echo tried",
        socket.display()
    );
    sandbox.fails(&connect, "DONE");
    // A shell of the same user is no command.
    let status = sandbox.home.run(&["status"]);
    assert!(status.stdout.contains("running, PID"), "{status:?}");
}

#[test]
fn devices_stay_closed() {
    let mut sandbox = Sandbox::new();
    for script in [
        "head -c 1 /dev/mem | wc -c; echo tried",
        "head -c 1 /dev/kmem /dev/port | wc -c; echo tried",
        "for d in /dev/[svh]d[a-z] /dev/vd* /dev/mmcblk* /dev/loop0 /dev/ram0 /dev/watchdog /dev/gpiochip0 /dev/i2c-0; do head -c 1 $d 2>/dev/null | od -c | grep -q . && head -c 1 $d | wc -c; done; echo tried",
        "mknod b b 1 1; mknod c c 1 1; ls -l b c; echo tried",
        "echo x > /dev/tty && echo DONE; echo tried",
    ] {
        for loot in ["\n1\n", "brw", "crw", "DONE"] {
            sandbox.fails(script, loot);
        }
    }
}

#[test]
fn links_and_renames_gain_nothing() {
    if lacks(Missing::Landlock, strength().landlock > 0) {
        return;
    }
    let sandbox = Sandbox::new();
    sandbox.home.write("workspace/real/config.json", "inside");
    sandbox.home.write("workspace/swap/config.json", "inside");
    let home = sandbox.home.path("").display().to_string();
    std::os::unix::fs::symlink(&home, sandbox.home.path("workspace/other")).expect("a link");
    sandbox.home.give_away();
    // A command swaps a folder for a link to the daemon's home as fast as it can, and reads through it.
    let script = format!(
        "mkdir -p real; ln -s {home} evil; i=0; while [ $i -lt 400 ]; do ln -sfn real way; cat way/config.json; \
         ln -sfn evil way; cat way/config.json; i=$((i+1)); done; echo tried"
    );
    let got = sandbox.run(&script);
    assert!(got.contains("inside") && !got.contains("allow_from"), "{got}");
    // The same from outside, against the file tools.
    let way = sandbox.home.path("workspace/way");
    let (swap, other) = (sandbox.home.path("workspace/swap"), sandbox.home.path("workspace/other"));
    let stop = std::sync::Arc::new(std::sync::atomic::AtomicBool::new(false));
    let swapper = {
        let (way, stop) = (way.clone(), stop.clone());
        std::thread::spawn(move || {
            while !stop.load(std::sync::atomic::Ordering::Relaxed) {
                for target in ["real", "evil"] {
                    let _ = fs::remove_file(&way);
                    let _ = std::os::unix::fs::symlink(target, &way);
                    // A folder and a link to the daemon's home change places in one moment.
                    let exchange = rustix::fs::RenameFlags::EXCHANGE;
                    let _ = rustix::fs::renameat_with(CWD, &swap, CWD, &other, exchange);
                }
            }
        })
    };
    for path in ["way/config.json", "swap/config.json"].repeat(15) {
        let read = sandbox.call("read_file", &json!({ "path": path }));
        assert!(!read.contains("allow_from"), "{read}");
        sandbox.call("append_file", &json!({ "path": path, "content": "x" }));
    }
    stop.store(true, std::sync::atomic::Ordering::Relaxed);
    swapper.join().expect("a thread");
    let config: Value =
        serde_json::from_str(&sandbox.home.read("config.json")).expect("still JSON");
    assert!(config["channel_list"].is_object());
}

#[test]
fn escaped_processes_are_killed() {
    let sandbox = Sandbox::new();
    let mark = format!("slipped-{}", std::process::id());
    let script = format!(
        "perl -MPOSIX -e 'if (!fork) {{ POSIX::setsid(); if (!fork) {{ exec \"perl\", \"-e\", \"sleep 300 # {mark}\" }} exit }} wait; sleep 1'"
    );
    sandbox.run(&script);
    let lives = || {
        fs::read_dir("/proc").expect("/proc").flatten().any(|e| {
            let line = fs::read(e.path().join("cmdline")).unwrap_or_default();
            String::from_utf8_lossy(&line).contains(&format!("# {mark}"))
        })
    };
    assert!(
        eventually(Duration::from_secs(5), || (!lives()).then_some(())).is_some(),
        "it lives on"
    );
}

#[test]
fn hogs_are_held() {
    let mut sandbox = Sandbox::new();
    // Memory: three quarters of the machine.
    let info = fs::read_to_string("/proc/meminfo").expect("/proc");
    let total = info.lines().find_map(|l| l.strip_prefix("MemTotal:")).expect("a total");
    let kilobytes: u64 =
        total.split_whitespace().next().and_then(|n| n.parse().ok()).expect("a number");
    let script = format!(
        "perl -e '$x = \"a\" x {}; print \"DO\", \"NE\\n\"'; echo tried",
        kilobytes / 4 * 3 * 1024
    );
    sandbox.fails(&script, "DONE");
    // The kernel ends a command before the daemon, also one of a daemon that is closed to itself.
    assert_eq!(sandbox.run("cat /proc/self/oom_score_adj").trim(), "500");
    // Output without end.
    let begin = Instant::now();
    let got = sandbox.run("yes");
    assert!(got.contains("bytes of output") || got.contains("timed out"), "{got}");
    assert!(begin.elapsed() < 3 * SOON && sandbox.daemon.memory_kb("VmHWM") < 64 * 1024);
    // Processes without end: the limit is the user's, so only where the daemon is not root.
    let got = sandbox.run("bomb() { bomb | bomb & }; bomb; sleep 2; echo tried");
    assert!(sandbox.daemon.runs(), "{got}\n{}", sandbox.daemon.log());
    let calm = eventually(SOON, || sandbox.run("echo calm").contains("calm").then_some(()));
    assert!(calm.is_some(), "{}", sandbox.daemon.log());
}
