//! The real binary under a kernel that seems older than it is: a seccomp filter answers ENOSYS to calls that boards'
//! vendor kernels lack, to the daemon and to everything it starts.

use std::io;
use std::os::unix::process::CommandExt;
use std::process::Command;

use picoclaw_peer::Peer;
use rustix::process::Signal;
use serde_json::json;

use crate::harness::{Home, OWNER, SOON, eventually, finish, peer};
use crate::harness_daemon::Daemon;

/// What Sipeed's 5.10 lacks, and a few calls that came before it for good measure.
const MISSING: &[libc::c_long] = &[
    libc::SYS_timerfd_create,
    libc::SYS_madvise,
    libc::SYS_openat2,
    libc::SYS_statx,
    libc::SYS_memfd_create,
    libc::SYS_landlock_create_ruleset,
    libc::SYS_landlock_add_rule,
    libc::SYS_landlock_restrict_self,
];

/// AUDIT_ARCH_*, linux/audit.h: a call of another instruction set has other numbers.
const ARCH: u32 = match () {
    () if cfg!(target_arch = "x86_64") => 0xc000_003e,
    () if cfg!(target_arch = "aarch64") => 0xc000_00b7,
    () if cfg!(target_arch = "riscv64") => 0xc000_00f3,
    () => 0,
};
// Offsets in struct seccomp_data, linux/seccomp.h.
const NUMBER: u32 = 0;
const ARCHITECTURE: u32 = 4;

/// A filter as classic BPF (linux/filter.h): `calls` get `verdict`, all others pass.
pub fn filter(calls: &[libc::c_long], verdict: u32) -> Vec<libc::sock_filter> {
    let step =
        |code: u32, jt: u8, jf: u8, k: u32| libc::sock_filter { code: code as u16, jt, jf, k };
    let load = |at: u32| step(libc::BPF_LD | libc::BPF_W | libc::BPF_ABS, 0, 0, at);
    let equal =
        |k: u32, jt: u8, jf: u8| step(libc::BPF_JMP | libc::BPF_JEQ | libc::BPF_K, jt, jf, k);
    let answer = |k: u32| step(libc::BPF_RET | libc::BPF_K, 0, 0, k);
    let pass = answer(libc::SECCOMP_RET_ALLOW);
    let mut program = vec![load(ARCHITECTURE), equal(ARCH, 1, 0), pass, load(NUMBER)];
    for (i, call) in calls.iter().enumerate() {
        // Over the calls behind this one and the answer that lets them pass.
        program.push(equal(*call as u32, (calls.len() - i) as u8, 0));
    }
    program.push(pass);
    program.push(answer(verdict));
    program
}

/// Installs it in the process that becomes the command, for good, and tries it.
fn install(program: &mut [libc::sock_filter]) -> io::Result<()> {
    let list = libc::sock_fprog { len: program.len() as u16, filter: program.as_mut_ptr() };
    // SAFETY: plain system calls; the filter lives for the call that copies it.
    unsafe {
        if libc::prctl(libc::PR_SET_NO_NEW_PRIVS, 1, 0, 0, 0) != 0
            || libc::prctl(libc::PR_SET_SECCOMP, libc::SECCOMP_MODE_FILTER, &raw const list) != 0
        {
            return Err(io::Error::last_os_error());
        }
        if libc::syscall(libc::SYS_timerfd_create, libc::CLOCK_MONOTONIC, 0) != -1
            || *libc::__errno_location() != libc::ENOSYS
        {
            return Err(io::ErrorKind::Unsupported.into());
        }
    }
    Ok(())
}

/// The command sees the old kernel.
pub fn on_old_kernel(mut command: Command) -> Command {
    let mut program = filter(MISSING, libc::SECCOMP_RET_ERRNO | libc::ENOSYS as u32);
    // SAFETY: the closure makes system calls with memory allocated before the fork.
    unsafe { command.pre_exec(move || install(&mut program)) };
    command
}

#[track_caller]
fn start(home: &Home, peer: &Peer) -> Daemon {
    let polls = peer.calls("tg.getUpdates");
    let daemon = Daemon::spawn_command(home, on_old_kernel(home.command(&["gateway"])));
    assert!(peer.wait_calls("tg.getUpdates", polls + 1, SOON), "no poll\n{}", daemon.log());
    daemon
}

#[track_caller]
fn ask(peer: &Peer, daemon: &Daemon, text: &str) {
    let marker = peer.say(OWNER, OWNER, text);
    assert!(peer.wait_reply(&marker, SOON).is_some(), "no answer to {text}\n{}", daemon.log());
}

/// The last tool result of the newest turn; a summary in the background asks the model, too, without tools.
fn result(peer: &Peer) -> String {
    let turn = peer.requests().into_iter().rfind(|r| !r["tools"].is_null()).expect("a turn");
    let messages = turn["messages"].as_array().expect("messages");
    let last = messages.iter().rfind(|m| m["role"] == "tool").expect("a tool result");
    last["content"].as_str().expect("text").to_owned()
}

#[test]
fn a_whole_conversation_is_held() {
    let peer = peer(true);
    let home = Home::patched(
        &peer,
        &json!({ "tools": {
            "web": { "private_host_whitelist": ["127.0.0.1"] },
        } }),
    );
    let daemon = start(&home, &peer);
    let status = std::fs::read_to_string(format!("/proc/{}/status", daemon.pid())).expect("status");
    assert!(status.contains("\nSeccomp:\t2\n"), "{status}");
    ask(&peer, &daemon, "hello");
    ask(&peer, &daemon, r#"[call:write_file {"path":"notes/a.txt","content":"heron\n"}]"#);
    assert_eq!(home.read("workspace/notes/a.txt"), "heron\n");
    ask(&peer, &daemon, r#"[call:read_file {"path":"notes/a.txt"}]"#);
    assert!(result(&peer).contains("heron"), "{}", result(&peer));
    ask(
        &peer,
        &daemon,
        r#"[call:edit_file {"path":"notes/a.txt","old_text":"heron","new_text":"crane"}]"#,
    );
    assert_eq!(home.read("workspace/notes/a.txt"), "crane\n");
    ask(&peer, &daemon, r#"[call:list_dir {"path":"notes"}]"#);
    assert!(result(&peer).contains("a.txt"), "{}", result(&peer));
    // Without Landlock a command is not locked in, so the owner is asked first.
    let text = r#"[call:exec {"command":"cat notes/a.txt; echo $((40+2))"}]"#;
    let marker = peer.say(OWNER, OWNER, text);
    let find = || peer.sent().into_iter().find(|s| !s.buttons.is_empty());
    let asked = eventually(SOON, find).unwrap_or_else(|| panic!("no question\n{}", daemon.log()));
    peer.press(OWNER, OWNER, asked.message_id, &asked.buttons[0].1);
    assert!(peer.wait_reply(&marker, SOON).is_some(), "{}", daemon.log());
    assert!(result(&peer).contains("crane\n42"), "{}", result(&peer));
    let page = json!({ "url": format!("{}/page/hello", peer.base_url()) });
    ask(&peer, &daemon, &format!("[call:web_fetch {page}]"));
    assert!(result(&peer).to_lowercase().contains("hello"), "{}", result(&peer));
    // The workspace's borders hold without openat2, too.
    ask(&peer, &daemon, r#"[call:read_file {"path":"../config.json"}]"#);
    assert!(!result(&peer).contains("k-test-123456"), "{}", result(&peer));
    let asked = finish(on_old_kernel(home.command(&["status"])));
    assert!(asked.stdout.contains("running, PID"), "{asked:?}");
    assert_eq!(peer.refused(), Vec::<String>::new());
    assert!(daemon.term().success());
}

#[test]
fn a_kill_is_made_good() {
    let peer = peer(true);
    let home = Home::new(&peer);
    let daemon = start(&home, &peer);
    ask(&peer, &daemon, "hello");
    let calls = peer.calls("llm.chat");
    let marker = peer.say(OWNER, OWNER, "slowly [delay:1500] [tool:list_dir]");
    assert!(peer.wait_calls("llm.chat", calls + 1, SOON), "{}", daemon.log());
    daemon.kill9();
    let daemon = start(&home, &peer);
    assert!(peer.wait_reply(&marker, SOON).is_some(), "{}", daemon.log());
    daemon.idle(&peer);
    assert_eq!(peer.answers(&marker).len(), 1);
    let polls = peer.calls("tg.getUpdates");
    daemon.signal(Signal::HUP);
    assert!(peer.wait_calls("tg.getUpdates", polls + 1, SOON), "{}", daemon.log());
    ask(&peer, &daemon, "after a reload");
    assert!(daemon.term().success());
}
