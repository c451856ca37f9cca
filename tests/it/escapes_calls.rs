//! System calls by which a command would reach other processes and services, each tried by a command of the real daemon.

use picoclaw::sys::process::strength;

use crate::escapes::{Sandbox, lacks, syscall};
use crate::skip::Missing;

#[test]
fn the_daemon_cannot_be_killed() {
    if lacks(Missing::Seccomp, strength().seccomp) {
        return;
    }
    let mut sandbox = Sandbox::new();
    let pid = sandbox.daemon.pid();
    for script in [
        format!("kill -9 {pid}; echo tried"),
        format!("kill -STOP {pid}; echo tried"),
        // Its parent, by another name.
        "kill -9 $PPID; echo tried".to_owned(),
        "trap '' TERM; kill -TERM -1; echo tried".to_owned(),
        format!(
            "for t in $(ls /proc/{pid}/task); do {} done; echo tried",
            syscall(libc::SYS_tkill, "'$t', 9").replace('\n', ";")
        ),
        format!("{}echo tried", syscall(libc::SYS_tgkill, &format!("{pid}, {pid}, 9"))),
        format!("{}echo tried", syscall(libc::SYS_setpgid, &format!("0, {pid}"))),
        // A limit on processor time kills as well.
        format!(
            "perl -e 'my $l = pack(\"QQ\", 0, 0); print syscall({}, {pid}, 0, $l, 0) == 0 ? \"DONE\" : \"no\"'; echo tried",
            libc::SYS_prlimit64
        ),
        format!("{}echo tried", syscall(libc::SYS_sched_setscheduler, &format!("{pid}, 5, 0"))),
        format!("renice -n 19 -p {pid} && echo DONE; echo tried"),
        // All processes of its user, of its group; a thread's number means the process.
        "renice -n 19 -u $(id -u) && echo DONE; echo tried".to_owned(),
        format!("{}echo tried", syscall(libc::SYS_setpriority, "2, 0, 5")),
        format!("{}echo tried", syscall(libc::SYS_ioprio_set, "3, 0, 7")),
        format!(
            "for t in $(ls /proc/{pid}/task); do kill -0 $t && echo DONE; kill -9 $t; done; echo tried"
        ),
        format!("echo 1000 > /proc/{pid}/oom_score_adj && echo DONE; echo tried"),
        format!(
            "perl -e 'use Fcntl; pipe R, W; print fcntl(R, F_SETOWN, {pid}) ? \"DONE\" : \"no\"'; echo tried"
        ),
    ] {
        sandbox.fails(&script, "DONE");
    }
}

#[test]
fn services_of_the_machine_are_out_of_reach() {
    if lacks(Missing::Seccomp, strength().seccomp) {
        return;
    }
    let mut sandbox = Sandbox::new();
    let script = "perl -MSocket -e 'print socket(S, PF_UNIX, SOCK_STREAM, 0) ? \"DONE\" : \"no\"'; echo tried";
    sandbox.fails(script, "DONE");
    // A pair of them would do, if one end could send elsewhere. Connected ones cannot.
    for (kind, want) in [("SOCK_DGRAM", "no"), ("SOCK_RAW", "no"), ("SOCK_STREAM", "FINE")] {
        let script = format!(
            "perl -MSocket -e 'print socketpair(A, B, AF_UNIX, {kind}, 0) ? \"FINE\" : \"no\"'"
        );
        assert_eq!(sandbox.run(&script).trim(), want, "{kind}");
    }
    // What would outlive the command.
    for call in [
        syscall(libc::SYS_shmget, "0, 4096, 0x380"),
        syscall(libc::SYS_msgget, "0, 0x380"),
        syscall(libc::SYS_semget, "0, 1, 0x380"),
        syscall(libc::SYS_mq_open, "0, 0x42, 0x180, 0"),
    ] {
        let got = sandbox.run(&call);
        assert!(got.contains("no: Function not implemented"), "{call}: {got}");
    }
    let fine = "perl -MSocket -e 'print socket(S, PF_INET, SOCK_STREAM, 0) ? \"FINE\" : \"no\"'";
    assert!(sandbox.run(fine).contains("FINE"));
    for call in [
        syscall(libc::SYS_unshare, "0x10000000"),
        syscall(libc::SYS_mount, "0, 0, 0, 0, 0"),
        syscall(libc::SYS_keyctl, "0, -3, 1"),
        syscall(libc::SYS_add_key, "0, 0, 0, 0, 0"),
        syscall(libc::SYS_bpf, "0, 0, 0"),
        syscall(libc::SYS_finit_module, "0, 0, 0"),
        syscall(libc::SYS_io_uring_setup, "1, 0"),
        syscall(libc::SYS_perf_event_open, "0, 0, 0, 0, 0"),
        syscall(libc::SYS_userfaultfd, "0"),
    ] {
        let got = sandbox.run(&call);
        assert!(got.contains("no: Operation not permitted"), "{call}: {got}");
    }
}
