//! The rows of `attempts/` as commands of the real daemon, on each way in which commands are kept in; and outside of any, where
//! they have to succeed, so that an attempt that is wrongly made does not pass for one that is refused.

use std::fs;
use std::os::unix::fs::{MetadataExt, PermissionsExt, symlink};
use std::os::unix::process::CommandExt;
use std::path::Path;
use std::process::{Child, Command};

use picoclaw::sys::process::strength;
use picoclaw_peer::Peer;
use serde_json::json;

use super::attempts::{Barrier, Row, outcomes, program, rows};
use super::routes::{KERNELS, Route};
use crate::harness::{Alone, Finished, Home, OWNER, SOON, finish, peer};
use crate::harness_daemon::Daemon;
use crate::old_kernel::on_old_kernel;

/// Nobody's, in every distribution.
const NOBODY: u32 = 65534;
/// In every distribution, nobody's processes.
const TOOL_USER: &str = "games";

/// Version of the kernel's Landlock, as the kernel itself says; 0 where it has none.
fn landlock() -> u32 {
    // SAFETY: with this flag (LANDLOCK_CREATE_RULESET_VERSION) the call reads no memory.
    let version = unsafe { libc::syscall(libc::SYS_landlock_create_ruleset, 0usize, 0usize, 1u32) };
    u32::try_from(version).unwrap_or(0)
}

fn as_nobody(command: &mut Command) {
    if rustix::process::geteuid().is_root() {
        command.uid(NOBODY).gid(NOBODY);
    }
}

fn give(path: &Path) {
    if rustix::process::geteuid().is_root() {
        std::os::unix::fs::lchown(path, Some(NOBODY), Some(NOBODY)).expect("given away");
    }
}

/// What is outside of everything the command may touch: a folder, and a process of the daemon's user.
struct World {
    /// Removes the folder.
    outside: Home,
    other: Child,
}

impl World {
    #[track_caller]
    fn new(peer: &Peer) -> World {
        let outside = Home::bare(peer);
        outside.write("victim", "victim");
        fs::create_dir(outside.path("empty")).expect("a folder");
        symlink("victim", outside.path("link")).expect("a link");
        fs::set_permissions(outside.path("victim"), fs::Permissions::from_mode(0o644))
            .expect("a mode");
        for name in ["", "victim", "empty", "link"] {
            give(&outside.path(name));
        }
        World { outside, other: sleeper() }
    }

    fn arguments(&self, daemon: u32, home: &Path) -> [String; 4] {
        let outside = self.outside.path("").display().to_string();
        let home = home.display().to_string();
        let trimmed = |path: String| path.trim_end_matches('/').to_owned();
        [daemon.to_string(), self.other.id().to_string(), trimmed(home), trimmed(outside)]
    }
}

impl Drop for World {
    fn drop(&mut self) {
        end(&mut self.other);
    }
}

/// A process of the daemon's user, in a group of its own.
#[track_caller]
fn sleeper() -> Child {
    let mut command = Command::new("sleep");
    command.arg("600").env_clear().env("PICOCLAW_HOME", "/nowhere").process_group(0);
    as_nobody(&mut command);
    command.spawn().expect("a process")
}

fn end(child: &mut Child) {
    let _ = child.kill();
    let _ = child.wait();
}

/// What a home needs for attempts to succeed where nothing keeps them from it.
#[track_caller]
fn furnish(home: &Home) {
    home.write("sessions/telegram_1001.jsonl", "{\"role\":\"user\",\"content\":\"hello\"}\n");
    home.write("cron/jobs.json", r#"{"version":1,"jobs":[]}"#);
    home.write("state/x", "x");
    home.write("config.d/10-own.json", "{}");
    home.write("skills/s/SKILL.md", "---\nname: s\ndescription: a skill\n---\nText.\n");
    home.write("workspace/note.txt", "inside\n");
    let to = home.path("workspace/attempts");
    fs::copy(program(), &to).expect("a copy");
    fs::set_permissions(&to, fs::Permissions::from_mode(0o755)).expect("a mode");
}

/// Only root can make a set-user-id program of root's; it is the attempts' own.
fn root_program(home: &Home) {
    if rustix::process::geteuid().is_root() {
        let to = home.path("workspace/rootid");
        fs::copy(program(), &to).expect("a copy");
        fs::set_permissions(&to, fs::Permissions::from_mode(0o4755)).expect("a mode");
    }
}

/// Names, modes, owners, times and texts of what has to stay as it is.
fn seen(home: &Home, world: &World) -> Vec<String> {
    let of_home = ["", "config.json", "skills/s/SKILL.md", "config.d", "cron/jobs.json"];
    let paths = of_home.map(|name| home.path(name)).into_iter();
    let others = ["", "victim", "empty", "link"].map(|name| world.outside.path(name));
    let mut all: Vec<String> = paths
        .chain(others)
        .map(|path| {
            let Ok(meta) = fs::symlink_metadata(&path) else { return format!("{path:?} is gone") };
            let text = fs::read(&path).unwrap_or_default();
            let time = if meta.is_dir() { 0 } else { meta.mtime() };
            format!("{path:?} {:o} {} {time} {text:?}", meta.mode(), meta.uid())
        })
        .collect();
    for folder in [home.path("config.d"), world.outside.path("")] {
        let mut names: Vec<_> =
            fs::read_dir(folder).expect("a folder").flatten().map(|e| e.file_name()).collect();
        names.sort();
        all.push(format!("{names:?}"));
    }
    all
}

/// Why a row is left out on a route; `None`: it has to be refused there.
fn skipped(row: &Row, route: Route, landlock: u32) -> Option<String> {
    let user = matches!(route, Route::NoLandlock);
    let without = |what: &str| Some(format!("{what}, which {} has not", route.name()));
    match row.barrier {
        Barrier::Home | Barrier::Files if landlock == 0 && !user => without("Landlock"),
        Barrier::Landlock if landlock == 0 => without("Landlock"),
        Barrier::Truncate if landlock < 3 && !user => without("Landlock 3"),
        Barrier::Signals if landlock < 6 && !user => without("Landlock 6"),
        _ => None,
    }
}

/// A skip is right only where the kernel's release says that it has to be.
#[track_caller]
fn expected(landlock: u32) {
    let release = fs::read_to_string("/proc/sys/kernel/osrelease").expect("/proc");
    let release = release.trim();
    let mut numbers = release.split(|c: char| !c.is_ascii_digit()).map(|n| n.parse().unwrap_or(0));
    let version: (u32, u32) = (numbers.next().unwrap_or(0), numbers.next().unwrap_or(0));
    let row = KERNELS.iter().rfind(|kernel| kernel.since <= version).expect("a kernel");
    let off = std::env::var_os("PICOCLAW_NO_LANDLOCK").is_some();
    assert!(
        landlock >= row.landlock || (landlock == 0 && off),
        "Linux {release} has Landlock {} and says {landlock}; PICOCLAW_NO_LANDLOCK=1 if it is switched off on purpose",
        row.landlock
    );
    assert_eq!(strength().landlock > 0, landlock > 0, "what the daemon found");
    assert!(strength().seccomp, "every kernel that is supported has seccomp filters");
}

/// Runs all rows as a command and judges them.
#[track_caller]
fn judge(
    route: Route,
    landlock: u32,
    peer: &Peer,
    home: &Home,
    daemon: u32,
    log: &dyn Fn() -> String,
) {
    let world = World::new(peer);
    let arguments = world.arguments(daemon, &home.path("")).join(" ");
    let script = format!(
        "umask 077; ./attempts run {arguments} > results.txt 2>&1; chmod 644 results.txt; tail -n 1 results.txt\n"
    );
    home.write("workspace/x.sh", &script);
    fs::set_permissions(home.path("workspace/x.sh"), fs::Permissions::from_mode(0o755))
        .expect("a mode");
    let before = seen(home, &world);
    let marker = peer.say(OWNER, OWNER, r#"[call:exec {"command":"sh x.sh"}]"#);
    assert!(peer.wait_reply(&marker, SOON * 5).is_some(), "silent\n{}", log());
    let printed = home.read("workspace/results.txt");
    let outcomes = outcomes(&printed);
    assert_eq!(seen(home, &world), before, "{}\n{printed}", route.name());
    let (mut failed, mut refused) = (Vec::new(), 0);
    for row in rows() {
        match (skipped(&row, route, landlock), outcomes.get(&row.name)) {
            (Some(why), _) => crate::skip::report("skipped", &format!("{}: {why}", row.name)),
            (None, Some((outcome, _))) if outcome != "done" => refused += 1,
            (None, outcome) => failed.push(format!("{} {outcome:?}", row.name)),
        }
    }
    println!("{}: {refused} rows refused", route.name());
    assert!(failed.is_empty(), "{}: not refused: {failed:#?}", route.name());
}

fn patch() -> serde_json::Value {
    json!({ "tools": { "exec": { "timeout_seconds": 90, "approval": "never" } } })
}

#[test]
fn a_desktops_commands_are_refused_everything() {
    let landlock = landlock();
    expected(landlock);
    let _alone = Alone::with("users");
    let peer = peer(false);
    let home = Home::patched(&peer, &patch());
    furnish(&home);
    let polls = peer.calls("tg.getUpdates");
    let mut daemon = Daemon::spawn_command(&home, home.command_of_nobody(&["gateway"]));
    assert!(peer.wait_calls("tg.getUpdates", polls + 1, SOON), "no poll\n{}", daemon.log());
    root_program(&home);
    judge(Route::Desktop, landlock, &peer, &home, daemon.pid(), &|| daemon.log());
    assert!(daemon.runs());
}

/// Root's supervisor, its daemon and its commands, as on the image.
#[track_caller]
fn supervised(route: Route, landlock: u32, around: fn(Command) -> Command) {
    let passwd = fs::read_to_string("/etc/passwd").unwrap_or_default();
    if !rustix::process::geteuid().is_root() {
        crate::skip::skip(crate::skip::Missing::Root);
        return;
    }
    if !passwd.contains(&format!("\n{TOOL_USER}:")) {
        crate::skip::skip(crate::skip::Missing::ToolUser);
        return;
    }
    let _alone = Alone::with("users");
    let peer = peer(false);
    let home = Home::patched(&peer, &patch());
    let system = Home::bare(&peer);
    furnish(&home);
    home.give_away();
    let mut command = home.command(&["supervise"]);
    command
        .env("PICOCLAW_USER", "nobody")
        .env("PICOCLAW_TOOL_USER", TOOL_USER)
        .env("PICOCLAW_SYSTEM", system.path(""))
        .env("PICOCLAW_RUN", home.path("run"))
        .env("PICOCLAW_LIMITS", "rlimit")
        .env("PICOCLAW_SNTP", "no")
        .env("PICOCLAW_LOG", "stderr")
        .env("PICOCLAW_RESPAWN_DELAY", "0");
    let polls = peer.calls("tg.getUpdates");
    let mut supervisor = Daemon::spawn_command(&home, around(command));
    assert!(peer.wait_calls("tg.getUpdates", polls + 1, SOON), "no poll\n{}", supervisor.log());
    root_program(&home);
    let pid = || home.read("run/daemon.pid").trim().parse::<u32>().expect("a daemon");
    let daemon = pid();
    judge(route, landlock, &peer, &home, daemon, &|| supervisor.log());
    assert_eq!(pid(), daemon, "it is another daemon");
    // The supervisor is root's: whatever can be done to the daemon can be tried on it.
    assert!(supervisor.runs());
    supervisor.term();
}

#[test]
fn the_images_commands_are_refused_everything() {
    supervised(Route::Supervisor, landlock(), |command| command);
}

#[test]
fn without_landlock_another_user_is_refused_everything() {
    supervised(Route::NoLandlock, 0, on_old_kernel);
}

/// Outside, as the daemon's user and as root: each row succeeds, or says why it may not. What is done is done to a home of its own.
#[test]
fn outside_of_the_sandbox_the_attempts_succeed() {
    let _alone = Alone::with("users");
    let peer = peer(false);
    let mut failed = Vec::new();
    let (mut done, mut may_fail) = (0, Vec::new());
    for row in rows() {
        if control(&peer, &row, false) || control(&peer, &row, true) {
            done += 1;
        } else if row.uncontrolled.is_empty() {
            failed.push(row.name);
        } else {
            may_fail.push(format!("{} ({})", row.name, row.uncontrolled));
        }
    }
    println!("{done} rows succeed outside; these not: {may_fail:?}");
    assert!(failed.is_empty(), "refused outside, too: {failed:?}");
    assert!(done >= 180, "only {done} rows succeed outside; these not: {may_fail:?}");
}

/// The row succeeds outside of the sandbox.
#[track_caller]
fn control(peer: &Peer, row: &Row, root: bool) -> bool {
    if root && !rustix::process::geteuid().is_root() {
        return false;
    }
    let (home, world) = (Home::new(peer), World::new(peer));
    furnish(&home);
    let mut daemon = sleeper();
    if !root {
        home.give_away();
    }
    root_program(&home);
    // One descriptor more than a command should have.
    let mut command = Command::new("sh");
    home.furnish(&mut command);
    command.args(["-c", "exec 9</dev/null; exec ./attempts control \"$@\"", "sh"]);
    command.args(world.arguments(daemon.id(), &home.path(""))).arg(&row.name);
    command.current_dir(home.path("workspace"));
    if !root {
        as_nobody(&mut command);
    }
    let Finished { status, .. } = finish(command);
    end(&mut daemon);
    status.code() == Some(42)
}
