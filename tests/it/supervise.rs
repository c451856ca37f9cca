//! The supervisor with a shell script as its daemon.

use std::fs;
use std::os::unix::fs::PermissionsExt;
use std::path::PathBuf;
use std::process::{Child, Command};
use std::time::Duration;

use rustix::process::{Pid, Signal, kill_process};

use crate::harness::{SOON, eventually, wait};

/// What the supervisor says, in its folder.
const LOG: &str = "stderr.log";

struct Service {
    root: PathBuf,
    child: Child,
}

impl Service {
    /// Starts the supervisor over a daemon of these shell lines.
    fn start(name: &str, daemon: &str, settings: &[(&str, &str)]) -> Service {
        let root = std::env::temp_dir().join(format!("picoclaw-it-{name}-{}", std::process::id()));
        let _ = fs::remove_dir_all(&root);
        for folder in ["home", "system", "run", "boot"] {
            fs::create_dir_all(root.join(folder)).expect("folder");
        }
        // The daemon may be another user, which must reach its home.
        fs::set_permissions(&root, fs::Permissions::from_mode(0o755)).expect("mode");
        let program = root.join("daemon");
        fs::write(&program, format!("#!/bin/sh\n{daemon}\n")).expect("program");
        fs::set_permissions(&program, fs::Permissions::from_mode(0o755)).expect("mode");
        let mut command = Command::new(env!("CARGO_BIN_EXE_picoclaw"));
        command
            .arg("supervise")
            .env_clear()
            .env("PATH", "/usr/bin:/bin")
            .env("PICOCLAW_USER", "nobody")
            .env("PICOCLAW_HOME", root.join("home"))
            .env("PICOCLAW_SYSTEM", root.join("system"))
            .env("PICOCLAW_RUN", root.join("run"))
            .env("PICOCLAW_BOOT", root.join("boot"))
            .env("PICOCLAW_PROGRAM", &program)
            .env("PICOCLAW_LIMITS", "rlimit")
            .env("PICOCLAW_DATA_MAX", "64M")
            .env("PICOCLAW_OOM_SCORE_ADJ", "300")
            .env("PICOCLAW_SNTP", "no")
            .env("PICOCLAW_LOG", "stderr")
            .env("PICOCLAW_RESPAWN_DELAY", "0")
            .envs(settings.iter().copied())
            .stderr(fs::File::create(root.join(LOG)).expect("a log"));
        Service { child: command.spawn().expect("supervisor"), root }
    }

    fn text(&self, file: &str) -> String {
        fs::read_to_string(self.root.join(file)).unwrap_or_default()
    }

    #[track_caller]
    fn until(&self, what: &str, holds: impl Fn(&Service) -> bool) {
        let held = eventually(2 * SOON, || holds(self).then_some(()));
        assert!(held.is_some(), "not in time: {what}\n{}", self.text(LOG));
    }

    #[track_caller]
    fn signal(&self, signal: Signal, pid: &str) {
        let pid = pid.trim().parse().ok().and_then(Pid::from_raw).expect("a process id");
        kill_process(pid, signal).expect("a living process");
    }

    /// Ends the supervisor with SIGTERM; gives its log.
    #[track_caller]
    fn stop(mut self) -> String {
        let pid = self.child.id().to_string();
        self.signal(Signal::TERM, &pid);
        assert!(wait(&mut self.child, SOON).is_some(), "the supervisor does not end");
        self.text(LOG)
    }
}

impl Drop for Service {
    /// A test that failed leaves nothing behind: a supervisor that lives on would hold the test run's output open.
    fn drop(&mut self) {
        let running = matches!(self.child.try_wait(), Ok(None));
        if running {
            let _ = kill_process(Pid::from_child(&self.child), Signal::TERM);
            let _ = wait(&mut self.child, Duration::from_secs(5));
            let _ = self.child.kill();
            let _ = self.child.wait();
        }
        let _ = fs::remove_dir_all(&self.root);
    }
}

/// A daemon that lives, with one sign of life, and ends when asked.
const LIVE: &str = "echo gateway is up >&2; printf h >&3; trap 'echo bye >&2; exit 0' TERM; echo up >> $PICOCLAW_HOME/up; while :; do sleep 0.1; done";

#[test]
fn a_killed_daemon_is_started_again_and_leaves_a_report() {
    let service = Service::start("kill", LIVE, &[]);
    service.until("a daemon", |s| !s.text("run/daemon.pid").is_empty());
    service.until("its report of limits", |s| {
        s.text("run/limits.json").contains("\"mode\":\"rlimit\"")
    });
    assert!(service.text("run/limits.json").contains("\"rlimit_data\":67108864"));
    let first = service.text("run/daemon.pid");
    service.until("its sign of life", |s| s.text("home/up") == "up\n");
    service.signal(Signal::KILL, &first);
    service.until("another daemon", |s| {
        !s.text("run/daemon.pid").is_empty() && s.text("run/daemon.pid") != first
    });
    let report = service.text("home/state/crash.txt");
    assert!(report.contains("ended by: signal 9 (SIGKILL)\n"), "{report}");
    assert!(report.contains("  gateway is up\n"), "{report}");
    service.until("its sign of life", |s| s.text("home/up") == "up\nup\n");
    let log = service.stop();
    assert!(log.contains("starting the daemon again in 0 s") && log.contains("bye"), "{log}");
}

#[test]
fn a_crashing_daemon_is_restarted_with_backoff() {
    let settings = [("PICOCLAW_RESPAWN_TRIES", "3"), ("PICOCLAW_RESPAWN_THRESHOLD", "3600")];
    let service = Service::start("loop", "echo bad config >&2; exit 78", &settings);
    service.until("three reports", |s| s.root.join("home/state/crash.3.txt").exists());
    service.until("a rest", |s| s.text(LOG).contains("next try in 3600 s, or on reload"));
    let reports = fs::read_dir(service.root.join("home/state")).expect("state").count();
    assert_eq!(reports, 4, "one start and three tries");
    assert!(service.text("home/state/crash.txt").contains("ended by: exit status 78\n"));
    // A person asks for new tries.
    service.signal(Signal::HUP, &service.child.id().to_string());
    service.until("a fifth report", |s| s.root.join("home/state/crash.4.txt").exists());
    service.stop();
}

#[test]
fn a_silent_main_loop_is_ended_where_no_watchdog_runs() {
    let hang = "printf h >&3; while :; do sleep 0.2; done";
    let service = Service::start("hang", hang, &[("PICOCLAW_KEEPALIVE", "15")]);
    service.until("the first daemon", |s| !s.text("run/daemon.pid").is_empty());
    service.until("a report", |s| s.root.join("home/state/crash.txt").exists());
    let report = service.text("home/state/crash.txt");
    assert!(
        report.contains("signal 6 (SIGABRT), after its main loop had been silent\n"),
        "{report}"
    );
    service.stop();
}

#[test]
fn announcements_are_on_the_boot_partition() {
    let daemon = format!("printf 'aBot: https://t.me/x\\nPairing code: AB' >&3; {LIVE}");
    let service = Service::start("announce", &daemon, &[]);
    service.until("the status file", |s| {
        s.text("boot/picoclaw.status.txt").ends_with("Pairing code: AB\r\n")
    });
    assert!(service.text("boot/picoclaw.status.txt").contains("\r\nBot: https://t.me/x\r\n"));
    service.stop();
}

#[test]
fn a_boot_partition_is_taken_before_the_daemon_starts() {
    let root = std::env::temp_dir().join(format!("picoclaw-it-boot-{}", std::process::id()));
    // No child: the shell is enough.
    let daemon = "read -r line < \"$PICOCLAW_HOME/config.d/50-boot.json\"; echo \"$line\" > \"$PICOCLAW_HOME/seen\"; while :; do sleep 0.1; done";
    let _ = fs::remove_dir_all(&root);
    fs::create_dir_all(&root).expect("folder");
    fs::write(root.join("picoclaw.json"), "{\"marker\": 7}").expect("card");
    let boot = root.to_str().expect("path").to_owned();
    let service = Service::start("take", daemon, &[("PICOCLAW_BOOT", &boot)]);
    service.until("a daemon that saw it", |s| s.text("home/seen").contains("{\"marker\": 7}"));
    assert!(!root.join("picoclaw.json").exists());
    service.stop();
    fs::remove_dir_all(&root).expect("remove");
}

#[test]
fn a_wrong_setting_is_named() {
    let out = Command::new(env!("CARGO_BIN_EXE_picoclaw"))
        .arg("supervise")
        .env_clear()
        .env("PICOCLAW_MEMORY_MAX", "much")
        .output()
        .expect("run");
    assert!(!out.status.success());
    let text = String::from_utf8_lossy(&out.stderr);
    assert!(text.contains("PICOCLAW_MEMORY_MAX=much: not a number with K, M, G, or max"), "{text}");
}

#[test]
fn help_of_the_systems_commands_starts_nothing() {
    for command in ["supervise", "growpart", "ask-time", "import"] {
        for option in ["--help", "-h"] {
            let mut program = Command::new(env!("CARGO_BIN_EXE_picoclaw"));
            program.args([command, option]).env_clear();
            let told = program.output().expect("it starts");
            let text = String::from_utf8_lossy(&told.stdout);
            assert!(told.status.success(), "{command} {option}: {told:?}");
            assert!(text.starts_with(&format!("Usage: picoclaw {command}")), "{text}");
            assert_eq!((text.lines().count(), told.stderr.len()), (1, 0), "{told:?}");
        }
    }
}
