//! Real commands: time, output, groups, descriptors, limits.

use std::ffi::OsStr;
use std::os::fd::OwnedFd;
use std::path::Path;
use std::time::{Duration, Instant};

use async_io::Timer;
use smol::block_on;

use super::*;
use crate::limits::{EXEC_OUTPUT_HALF, SANDBOX_PIECES};
use crate::sys::scratch::Scratch;

fn start(s: &Scratch, script: &str) -> Child {
    let dir = OwnedFd::from(std::fs::File::open(s.path()).expect("the folder"));
    let env = [("PATH".into(), std::env::var_os("PATH").expect("a PATH"))];
    block_on(shell(OsStr::new(script), &dir, &env, Sandbox::default())).expect("started")
}

/// The same in a closed sandbox, which has the system and this folder.
fn locked(s: &Scratch, script: &str) -> (End, String) {
    let mut rules = LandlockRules::new().expect("Landlock");
    rules.hide(&[s.path().join("hidden")]);
    for folder in ["/usr", "/bin", "/lib", "/lib64", "/etc", "/proc"] {
        rules.read(Path::new(folder)).expect("a rule");
    }
    rules.device(Path::new("/dev/null")).expect("a rule");
    rules.write(s.path()).expect("a rule");
    let filter = Some(Filter::new(&ProtectedProcesses::this()).expect("a filter"));
    let sandbox = Sandbox { landlock: Some(rules), filter, ..Sandbox::default() };
    let dir = OwnedFd::from(std::fs::File::open(s.path()).expect("the folder"));
    let env = [("PATH".into(), std::env::var_os("PATH").expect("a PATH"))];
    let (end, out, err, _) =
        finish(block_on(shell(OsStr::new(script), &dir, &env, sandbox)).expect("started"), LONG);
    (end, out + &err)
}

fn finish(child: Child, timeout: Duration) -> (End, String, String, bool) {
    let out = block_on(run(child, timeout));
    (out.end, out.stdout.text(), out.stderr.text(), out.leftovers)
}

const LONG: Duration = Duration::from_secs(20);

/// No process of this group lives, and none is a zombie of ours; init reaps its orphans in its own time.
fn gone(group: u32) -> bool {
    let (us, group) = (std::process::id().to_string(), group.to_string());
    let entries = std::fs::read_dir("/proc").expect("/proc");
    !entries.flatten().any(|e| {
        let stat = std::fs::read_to_string(e.path().join("stat")).unwrap_or_default();
        let fields: Vec<&str> = stat.rsplit(')').next().unwrap_or("").split_whitespace().collect();
        fields.get(2) == Some(&&*group) && (fields[0] != "Z" || fields[1] == us)
    })
}

#[track_caller]
fn assert_gone(group: u32) {
    for _ in 0..100 {
        if gone(group) {
            return;
        }
        std::thread::sleep(Duration::from_millis(20));
    }
    panic!("processes of group {group} are left");
}

#[test]
fn output_and_status_come_back() {
    let s = Scratch::new();
    #[track_caller]
    fn check(s: &Scratch, script: &str, end: Exit, stdout: &str, stderr: &str) {
        let got = finish(start(s, script), LONG);
        assert_eq!(got, (End::Exit(end), stdout.into(), stderr.into(), false));
    }
    check(&s, "echo hi", Exit::Code(0), "hi\n", "");
    check(&s, "echo a; echo b >&2; exit 3", Exit::Code(3), "a\n", "b\n");
    check(&s, "kill -9 $$", Exit::Signal(9), "", "");
    check(&s, "cat; pwd", Exit::Code(0), &format!("{}\n", s.path().display()), "");
    check(&s, "exec >&- 2>&-; sleep 0.1; exit 4", Exit::Code(4), "", "");
}

#[test]
fn time_runs_out_for_the_whole_group() {
    let s = Scratch::new();
    let child = start(&s, "sleep 100 & echo begun; sleep 100; echo never");
    let (group, begin) = (child.id(), Instant::now());
    let (end, out, _, _) = finish(child, Duration::from_millis(300));
    assert_eq!((end, out.as_str()), (End::Timeout, "begun\n"));
    assert!(begin.elapsed() < Duration::from_secs(2), "SIGTERM is enough");
    assert_gone(group);
}

#[test]
fn a_command_that_ignores_sigterm_is_killed() {
    let s = Scratch::new();
    let child = start(&s, "trap '' TERM; echo begun; while :; do sleep 0.1; done");
    let (group, begin) = (child.id(), Instant::now());
    let (end, out, _, _) = finish(child, Duration::from_millis(200));
    assert_eq!((end, out.as_str()), (End::Timeout, "begun\n"));
    assert!(begin.elapsed() > Duration::from_secs(2) && begin.elapsed() < Duration::from_secs(5));
    assert_gone(group);
}

#[test]
fn background_processes_do_not_hold_the_answer() {
    let s = Scratch::new();
    let child = start(&s, "sleep 100 & echo done");
    let (group, begin) = (child.id(), Instant::now());
    let (end, out, _, leftovers) = finish(child, LONG);
    assert_eq!((end, out.as_str(), leftovers), (End::Exit(Exit::Code(0)), "done\n", true));
    assert!(begin.elapsed() < Duration::from_secs(3));
    assert_gone(group);
    let child = start(&s, "yes & echo done >&2");
    let group = child.id();
    let (end, _, err, leftovers) = finish(child, LONG);
    assert_eq!((end, err.as_str(), leftovers), (End::Exit(Exit::Code(0)), "done\n", true));
    assert_gone(group);
}

#[test]
fn endless_output_is_cut_and_stopped() {
    let s = Scratch::new();
    let child = start(&s, "echo first; yes; echo never");
    let group = child.id();
    let out = block_on(run(child, Duration::from_secs(60)));
    assert_eq!(out.end, End::Output);
    assert!(out.stdout.total() > crate::limits::EXEC_OUTPUT_READ);
    let text = out.stdout.text();
    assert!(text.starts_with("first\ny\ny\n") && text.contains("bytes left out"));
    assert!(text.len() < 2 * EXEC_OUTPUT_HALF + 64);
    assert_gone(group);
}

#[test]
fn the_program_continues_during_endless_output() {
    let s = Scratch::new();
    let loud = async {
        loop {
            run(start(&s, "yes"), LONG).await;
        }
    };
    block_on(async {
        let mut ticks = 0;
        let clock = async {
            for _ in 0..20 {
                Timer::after(Duration::from_millis(10)).await;
                ticks += 1;
            }
        };
        smol::future::or(loud, clock).await;
        assert_eq!(ticks, 20);
    });
}

#[test]
fn dropping_ends_everything() {
    let s = Scratch::new();
    let child = start(&s, "sleep 100 & sleep 100");
    let group = child.id();
    block_on(smol::future::or(async { drop(run(child, LONG).await) }, async {
        Timer::after(Duration::from_millis(100)).await;
    }));
    no_zombie(group);
    assert_gone(group);
    let group = start(&s, "sleep 100").id();
    no_zombie(group);
}

/// A killed child is reaped by a thread.
#[track_caller]
fn no_zombie(pid: u32) {
    let path = format!("/proc/{pid}");
    for _ in (0..2000).take_while(|_| Path::new(&path).exists()) {
        std::thread::sleep(Duration::from_millis(10));
    }
    assert!(!Path::new(&path).exists(), "a zombie stays");
}
#[test]
fn nothing_of_ours_is_inherited() {
    let s = Scratch::new();
    // A descriptor without close-on-exec, as a careless library leaves them.
    let file = std::fs::File::open("/dev/null").expect("a file");
    let leaked = rustix::io::fcntl_dupfd_cloexec(&file, 40).expect("a descriptor");
    rustix::io::fcntl_setfd(&leaked, rustix::io::FdFlags::empty()).expect("its flags");
    let script = "ls /proc/self/fd | wc -l; env | sort | cut -d= -f1; cat";
    let (_, out, _, _) = finish(start(&s, script), LONG);
    assert_eq!(out, "4\nPATH\nPWD\n", "standard three and ls's own");
}

#[test]
fn limits_and_privileges_are_lowered() {
    let s = Scratch::new();
    let script = "grep -E 'NoNewPrivs|SigIgn|SigBlk' /proc/self/status; cat /proc/self/oom_score_adj; \
                  ulimit -c; grep 'Max file size' /proc/self/limits; cut -d' ' -f5 /proc/self/stat; echo $$";
    let (_, out, _, _) = finish(start(&s, script), LONG);
    let lines: Vec<&str> = out.lines().collect();
    assert!(lines[0].starts_with("SigBlk:\t0000000000000000"), "{out}");
    // Beyond the 31 classic signals a C library keeps some for itself.
    let ignored = lines[1].strip_prefix("SigIgn:\t").expect("a mask");
    assert_eq!(u64::from_str_radix(ignored, 16).expect("hex") & 0x7fff_ffff, 0, "{out}");
    assert_eq!(lines[2], "NoNewPrivs:\t1");
    assert_eq!((lines[3], lines[4]), ("500", "0"));
    assert!(lines[5].contains("1073741824"), "{out}");
    assert_eq!(lines[6], lines[7], "the shell leads its group");
}

#[test]
fn landlock_and_seccomp_hold() {
    if landlock::abi() == 0 {
        crate::sys::skip::skip("no Landlock in this kernel");
        return;
    }
    let s = Scratch::new();
    s.file("hidden/key", "k-secret");
    s.file("open/file", "hello");
    let outside = Scratch::new();
    outside.file("key", "k-secret");
    outside.link("key", "link");
    #[track_caller]
    fn check(s: &Scratch, script: &str, want: Option<&str>) {
        let (end, out) = locked(s, script);
        match want {
            Some(want) => assert_eq!((end, out.as_str()), (End::Exit(Exit::Code(0)), want)),
            None => assert!(end != End::Exit(Exit::Code(0)) && !out.contains("k-secret"), "{out}"),
        }
    }
    check(&s, "cat open/file", Some("hello"));
    check(&s, "echo x > open/new && cat open/new && mv open/new open/b && rm open/b", Some("x\n"));
    check(&s, "echo x > /dev/null; ls /proc/self/fd > /dev/null", Some(""));
    check(&s, "(sleep 0.05; echo a) & wait; kill -0 $$; sh -c 'exit 0'", Some("a\n"));
    check(&s, "cat hidden/key", None);
    check(&s, "ln -s hidden/key open/l && cat open/l", None);
    check(&s, "mv hidden open/x && cat open/x/key", None);
    check(&s, &format!("cat {}", outside.path().join("link").display()), None);
    check(&s, &format!("echo x > {}/new", outside.path().display()), None);
    check(&s, &format!("cd {} && cat key", outside.path().display()), None);
    check(&s, &format!("cat /proc/{}/environ", std::process::id()), None);
    check(
        &s,
        &format!("cat /proc/{}/root{}/key", std::process::id(), outside.path().display()),
        None,
    );
    check(&s, &format!("kill -0 {}", std::process::id()), None);
    check(&s, "kill -0 -1", None);
    check(&s, "unshare -U true", None);
    check(&s, "mount -t tmpfs x open", None);
    check(&s, "mknod open/d b 1 1", None);
    check(&s, "echo x > /dev/tty", None);
    check(&s, "echo 1 > /proc/self/oom_score_adj", None);
}

#[test]
fn this_kernel_enforces_what_the_selftest_says() {
    if landlock::abi() == 0 {
        crate::sys::skip::skip("no Landlock in this kernel");
        return;
    }
    let s = Scratch::new();
    let found = strength();
    assert_eq!(found.landlock, landlock::abi());
    assert_eq!(found.seccomp, seccomp::available());
    let (end, _) = locked(&s, "true");
    assert_eq!(end, End::Exit(Exit::Code(0)));
}

#[test]
fn large_folders_next_to_hidden_files_are_partly_readable() {
    if landlock::abi() == 0 {
        crate::sys::skip::skip("no Landlock in this kernel");
        return;
    }
    let s = Scratch::new();
    s.file("many/home/secret", "");
    for n in 0..SANDBOX_PIECES {
        s.file(&format!("many/{n}"), "");
    }
    let mut rules = LandlockRules::new().expect("Landlock");
    rules.hide(&[s.path().join("many/home/secret")]);
    rules.write(s.path()).expect("all fit");
    assert_eq!((rules.rules(), rules.left_closed()), (SANDBOX_PIECES, None));
    s.file("many/last", "");
    s.file("beside", "");
    let mut rules = LandlockRules::new().expect("Landlock");
    rules.hide(&[s.path().join("many/home/secret")]);
    rules.write(s.path()).expect("some stay closed");
    assert_eq!(rules.left_closed(), Some(&*s.path().join("many")));
    assert_eq!(rules.rules(), SANDBOX_PIECES + 1, "and what is beside them");
}

#[test]
fn entering_the_sandbox_is_fast() {
    if landlock::abi() == 0 {
        crate::sys::skip::skip("no Landlock in this kernel");
        return;
    }
    let s = Scratch::new();
    let time = |closed: bool| {
        let begin = Instant::now();
        if closed {
            locked(&s, "exit 0");
        } else {
            finish(start(&s, "exit 0"), LONG);
        }
        begin.elapsed()
    };
    // The quickest of many, by turns: what else the machine does only ever adds.
    let (mut open, mut closed) = (time(false), time(true));
    for n in 0..400 {
        (open, closed) = (open.min(time(false)), closed.min(time(true)));
        if n >= 20 && closed.saturating_sub(open) < Duration::from_millis(5) {
            eprintln!("exec: {open:?} open, {closed:?} closed");
            return;
        }
    }
    panic!("{open:?} {closed:?}");
}

#[test]
fn limits_of_a_smaller_sandbox_hold() {
    let s = Scratch::new();
    let dir = OwnedFd::from(std::fs::File::open(s.path()).expect("the folder"));
    let sandbox = Sandbox {
        file_bytes: 4096,
        address_space: Some(1 << 30),
        oom_score: 0,
        ..Sandbox::default()
    };
    let script =
        OsStr::new("head -c 100000 /dev/zero > big; wc -c < big; cat /proc/self/oom_score_adj");
    let env = [("PATH".into(), std::env::var_os("PATH").expect("a PATH"))];
    let (_, out, _, _) =
        finish(block_on(shell(script, &dir, &env, sandbox)).expect("started"), LONG);
    assert_eq!(out.trim(), "4096\n0");
}

#[test]
fn a_folder_that_is_gone_is_an_error_or_harmless() {
    let s = Scratch::new();
    let path = s.path().join("sub");
    std::fs::create_dir(&path).expect("a folder");
    let dir = OwnedFd::from(std::fs::File::open(&path).expect("the folder"));
    std::fs::remove_dir(&path).expect("removed");
    if let Ok(child) = block_on(shell(OsStr::new("echo x"), &dir, &[], Sandbox::default())) {
        assert_eq!(finish(child, LONG).0, End::Exit(Exit::Code(0)));
    }
    let file = OwnedFd::from(std::fs::File::open(s.file("f", "")).expect("a file"));
    assert!(block_on(shell(OsStr::new("echo x"), &file, &[], Sandbox::default())).is_err());
}

#[test]
fn commands_are_told_from_others() {
    let s = Scratch::new();
    let child = start(&s, "sleep 5");
    assert!(is_tool(child.id()), "our own command");
    assert!(!is_tool(1) && !is_tool(std::process::id()));
    assert!(is_tool(u32::MAX / 2), "what cannot be looked at");
    assert!(tasks().expect("a count") >= 1);
}

#[test]
fn a_group_of_its_own_ends_with_the_command() {
    // Where the tests may make control groups.
    let roots = ["/sys/fs/cgroup", "/sys/fs/cgroup/unified"];
    let name = format!("picoclaw-test-{}", std::process::id());
    let made = roots.iter().map(|root| Path::new(root).join(&name)).find(|tools| {
        let v2 = tools.with_file_name("cgroup.controllers").exists();
        v2 && std::fs::create_dir(tools).is_ok()
    });
    let Some(tools) = made else {
        crate::sys::skip::skip("no control group can be made here");
        return;
    };
    let s = Scratch::new();
    let cgroup = CgroupLeaf::new(&tools).expect("a group");
    let sandbox = Sandbox { cgroup: Some(cgroup), ..Sandbox::default() };
    let dir = OwnedFd::from(std::fs::File::open(s.path()).expect("the folder"));
    let env = [("PATH".into(), std::env::var_os("PATH").expect("a PATH"))];
    let script =
        "grep -c picoclaw-test /proc/self/cgroup; setsid sleep 300 & echo $! > slipped; exit 0";
    let (_, out, _, _) =
        finish(block_on(shell(OsStr::new(script), &dir, &env, sandbox)).expect("started"), LONG);
    assert_eq!(out, "1\n");
    let slipped = format!("/proc/{}", s.text("slipped").trim());
    for _ in 0..100 {
        // A zombie that nobody reaps has no command line.
        if std::fs::read(format!("{slipped}/cmdline")).map_or(true, |line| line.is_empty()) {
            break;
        }
        std::thread::sleep(Duration::from_millis(10));
    }
    assert!(std::fs::read(format!("{slipped}/cmdline")).map_or(true, |line| line.is_empty()));
    // Removing the last group tries the ones before again.
    drop(CgroupLeaf::new(&tools).expect("a group"));
    std::thread::sleep(Duration::from_millis(50));
    drop(CgroupLeaf::new(&tools).expect("a group"));
    std::fs::remove_dir(&tools).expect("nothing is left in it");
}
