//! Files that the daemon and commands of another user share, and what Landlock adds to that user; see [`crate::tool_user`].

use rustix::process::Signal;
use serde_json::json;

use crate::harness::SOON;
use crate::tool_user::{Held, TOOL_USER};

/// What everyday commands do with files of either user, and what nobody may do.
fn everyday(held: &Held) {
    held.call("write_file", &json!({ "path": "run.sh", "content": "#!/bin/sh\necho it runs\n" }));
    for (script, want) in [
        ("chmod +x run.sh && ./run.sh", "it runs\n"),
        ("chmod 700 run.sh && cat run.sh && stat -c %a run.sh", "770\n"),
        ("touch -d @1000000000 run.sh && stat -c %Y run.sh", "1000000000\n"),
        ("touch run.sh && test $(stat -c %Y run.sh) -gt 1700000000 && echo now", "now\n"),
        ("cp -p run.sh copy && mv copy run.sh && ./run.sh", "it runs\n"),
        ("tar cf t.tar sub note.txt && tar xf t.tar && cat sub/deep.txt", "deep\n"),
        ("mkdir -m 755 own && chmod g+s own && stat -c %a own", "2755\n"),
        (
            "cd repo && git status --short && echo y > f && git -c user.name=n -c user.email=e@x commit -qam two && git log --format=%s",
            "two\none\n",
        ),
        (
            "echo tmp > $TMPDIR/t && cat $TMPDIR/t && mkdir -m 700 $TMPDIR/d && echo > $TMPDIR/d/f",
            "tmp\n",
        ),
        ("rm -rf sub repo own t.tar run.sh; ls; echo gone", "gone"),
    ] {
        let got = held.run(script);
        assert!(got.contains(want) && !got.contains("STDERR"), "{script}\n{got}");
    }
    for script in [
        "echo x > a; chmod u+s a && echo DONE; stat -c %a a",
        "echo x > b; chmod g+s b && echo DONE; stat -c %a b",
        "chmod 777 .. && echo DONE",
        "chmod 644 ../config.json && echo DONE",
        "touch -d @1 ../config.json && echo DONE",
        "ln ../config.json c 2>/dev/null && chmod 666 c && echo DONE",
        "ln -s ../config.json l; chmod 666 l && echo DONE",
        "chmod 0 . && echo DONE",
        "perl -e 'sysopen(F, \"s\", 0x41, 04755) and print \"DONE\"'",
    ] {
        let got = held.run(&format!("( {script} ) 2>/dev/null; echo tried"));
        assert!(got.contains("tried") && !got.contains("DONE"), "{script}\n{got}");
    }
    // What a command keeps to itself is the daemon's, too, when it is asked for.
    held.run("umask 077; mkdir -p p/q; echo private > p/q/f; chmod 600 p/q/f; echo other > p/q/g");
    assert!(held.call("read_file", &json!({ "path": "p/q/f" })).contains("private"));
    let edit = json!({ "path": "p/q/f", "old_text": "private", "new_text": "edited" });
    held.call("edit_file", &edit);
    let got = held.run("cat p/q/f; echo more >> p/q/f; cat p/q/f; rm -r p && echo gone");
    assert!(got.contains("edited\nedited\nmore\ngone"), "{got}");
    // Files for temporary use go with the daemon.
    assert!(held.home.path("tmp/d").exists());
    let pid = rustix::process::Pid::from_raw(held.daemon() as i32).expect("a pid");
    let polls = held.peer.calls("tg.getUpdates");
    rustix::process::kill_process(pid, Signal::KILL).expect("killed");
    assert!(held.peer.wait_calls("tg.getUpdates", polls + 1, SOON), "{}", held.supervisor.log());
    assert!(!held.home.path("tmp/d").exists());
}

#[test]
fn everyday_commands_work_without_landlock() {
    let Some(held) = Held::new(TOOL_USER) else { return };
    everyday(&held);
}

#[test]
fn with_landlock_commands_have_a_user_of_their_own_as_well() {
    if picoclaw::sys::process::strength().landlock == 0 {
        crate::skip::skip(crate::skip::Missing::Landlock);
        return;
    }
    let Some(mut held) = Held::on(TOOL_USER, false) else { return };
    let status = held.home.run(&["status"]);
    assert!(status.stdout.contains("Tools: a user of their own+landlock+seccomp"), "{status:?}");
    let got = held.run("id -un; grep -E '^(Groups|NoNewPrivs|CapEff|Seccomp):' /proc/self/status");
    let (user, lines) = got.split_once('\n').expect("lines");
    assert_eq!(user, TOOL_USER, "{got}");
    for line in ["NoNewPrivs:\t1\n", "CapEff:\t0000000000000000\n", "Seccomp:\t2\n"] {
        assert!(lines.contains(line), "{got}");
    }
    let (daemon, supervisor) = (held.daemon(), held.supervisor.pid());
    let home = held.home.path("").display().to_string();
    for script in [
        // Open to everybody, but not to commands.
        "echo x > /tmp/picoclaw-planted".to_owned(),
        "echo x > /var/tmp/picoclaw-planted".to_owned(),
        "cat /etc/default/useradd /etc/fstab".to_owned(),
        "ls /root /home /var/lib".to_owned(),
        format!("ls {home}"),
        format!("cat {home}/config.json"),
        format!("kill -0 {daemon}"),
        format!("kill -0 {supervisor}"),
        // The keeper: the parent of the shell that reads the script.
        "kill -9 $(cut -d' ' -f4 /proc/$PPID/stat)".to_owned(),
        "kill -STOP $(cut -d' ' -f4 /proc/$PPID/stat)".to_owned(),
        "cat /proc/$(cut -d' ' -f4 /proc/$PPID/stat)/environ".to_owned(),
    ] {
        held.fails(&format!("( {script} ) > /dev/null 2>&1 && echo DONE"), "DONE");
    }
    everyday(&held);
}
