//! `picoclaw agent` with a gateway running: its messages are the gateway's, and whatever ends, nothing is lost.

use std::io::{BufRead, BufReader, Read, Write};
use std::os::unix::process::ExitStatusExt;
use std::process::{Child, Command, Stdio};
use std::sync::mpsc::{Receiver, channel};

use picoclaw_peer::Peer;
use rustix::process::{Pid, Signal, kill_process};
use serde_json::{Value, json};

use crate::harness::{Home, OWNER, SOON, eventually, peer, wait};
use crate::harness_daemon::Daemon;

pub fn start(patch: &Value) -> (Peer, Home, Daemon) {
    let peer = peer(false);
    let home = Home::patched(&peer, patch);
    let daemon = Daemon::start(&home, &peer);
    (peer, home, daemon)
}

/// A session's file.
fn session(home: &Home, name: &str) -> String {
    home.read(&format!("sessions/{name}.jsonl"))
}

#[track_caller]
pub fn wait_session(home: &Home, name: &str, text: &str) {
    let there = eventually(SOON, || session(home, name).contains(text).then_some(()));
    assert!(there.is_some(), "{text} is not in\n{}", session(home, name));
}

/// A command line that runs beside the test.
struct Shell {
    child: Child,
    lines: Receiver<String>,
    seen: Vec<String>,
}

impl Shell {
    #[track_caller]
    fn start(home: &Home, arguments: &[&str]) -> Shell {
        let mut command = home.command(arguments);
        command.stdin(Stdio::piped()).stdout(Stdio::piped()).stderr(Stdio::piped());
        let mut child = command.spawn().expect("it starts");
        let (tell, lines) = channel();
        let (out, err) =
            (child.stdout.take().expect("a pipe"), child.stderr.take().expect("a pipe"));
        let pipes: [Box<dyn Read + Send>; 2] = [Box::new(out), Box::new(err)];
        for pipe in pipes {
            let tell = tell.clone();
            std::thread::spawn(move || {
                for line in BufReader::new(pipe).lines().map_while(Result::ok) {
                    let _ = tell.send(line);
                }
            });
        }
        Shell { child, lines, seen: Vec::new() }
    }

    fn say(&mut self, line: &str) {
        let stdin = self.child.stdin.as_mut().expect("a pipe");
        writeln!(stdin, "{line}").expect("it reads");
    }

    #[track_caller]
    fn wait_for(&mut self, text: &str) {
        while !self.seen.iter().any(|l| l.contains(text)) {
            match self.lines.recv_timeout(SOON) {
                Ok(line) => self.seen.push(line),
                Err(_) => panic!("{text} was not said, but {:#?}", self.seen),
            }
        }
    }

    fn signal(&self, signal: Signal) {
        kill_process(Pid::from_child(&self.child), signal).expect("a signal");
    }

    /// Its exit status, everything it said in `seen`.
    #[track_caller]
    fn end(&mut self) -> Option<i32> {
        drop(self.child.stdin.take());
        let status = wait(&mut self.child, SOON).expect("it ends");
        self.seen.extend(self.lines.iter());
        assert!(status.signal().is_none_or(|s| s == 9), "{status}");
        status.code()
    }
}

impl Drop for Shell {
    fn drop(&mut self) {
        let _ = self.child.kill();
        let _ = self.child.wait();
    }
}

#[test]
fn the_gateway_answers_and_keeps_the_conversation() {
    let (peer, home, daemon) = start(&json!({}));
    home.write("workspace/note.txt", "the secret word is heron\n");
    let asked = r#"my bicycle is green [call:read_file {"path":"note.txt"}] q999999"#;
    let done = home.run(&["agent", "-m", asked]);
    assert!(done.status.success() && done.stdout.contains("🦞 re q999999 ok."), "{done:?}");
    assert!(peer.requests().iter().any(|r| r.to_string().contains("heron")));
    // It was a turn of the gateway's, and nothing of it is left open.
    let status: Value =
        serde_json::from_str(&home.run(&["status", "--json"]).stdout).expect("a status");
    assert_eq!((&status["turns"], &status["waiting"]), (&json!(1), &json!(0)), "{status}");
    // What people read in words, scripts have in fields.
    let fields = json!({
        "config_valid": true, "pid": daemon.pid(), "reloaded_seconds_ago": 0,
        "workspace_path": home.path("workspace"), "models_ready": { "m": true },
        "channels_running": { "telegram": true },
    });
    for (key, want) in fields.as_object().expect("an object") {
        assert_eq!(&status[key], want, "{key}: {status}");
    }
    assert!(status["uptime_seconds"].is_u64(), "{status}");
    let next = home.run(&["agent", "--json", "-m", "and my bicycle? q999998"]);
    let next: Value = serde_json::from_str(&next.stdout).expect("one object");
    let want = json!({
        "answer": "re q999998 ok.", "failed": false, "session": "cli:default", "model": "m",
    });
    assert_eq!(next, want);
    let request = peer.requests().pop().expect("a request").to_string();
    assert!(request.contains("my bicycle is green") && !request.contains("Topic: "), "{request}");
    // A model that refuses is an error here, too.
    let failed = home.run(&["agent", "-m", "[status:401] q999997"]);
    assert_eq!(failed.status.code(), Some(1), "{failed:?}");
    assert!(failed.stderr.starts_with("Error processing message: LLM call failed: "), "{failed:?}");
    // Commands work as in a chat; notices do not go to who left.
    let shown = home.run(&["agent", "-m", "/show model"]);
    assert!(shown.stdout.contains("Current model: m"), "{shown:?}");
    assert!(!home.read("state/state.json").contains("cli"));
    // Another model than the gateway's is asked from here.
    let other = home.run(&["agent", "--model", "nope", "-m", "x"]);
    assert!(!other.status.success() && other.stderr.contains("nope"), "{other:?}");
    assert_eq!(peer.refused(), Vec::<String>::new());
    assert!(daemon.term().success());
    // And without a gateway the conversation continues.
    let alone = home.run(&["agent", "-m", "still green? q999996"]);
    assert!(alone.stdout.contains("re q999996 ok."), "{alone:?}");
    assert!(peer.requests().pop().expect("a request").to_string().contains("my bicycle is green"));
}

#[test]
fn a_chats_session_is_continued_one_turn_at_a_time() {
    let (peer, home, daemon) = start(&json!({}));
    let marker = peer.say(OWNER, OWNER, "think [delay:1500]");
    assert!(peer.wait_calls("llm.chat", 1, SOON), "{}", daemon.log());
    let key = format!("telegram:{OWNER}");
    let done = home.run(&["agent", "-s", &key, "-m", "what did I say? q999999"]);
    assert!(done.stdout.contains("re q999999 ok."), "{done:?}");
    // It neither steered the chat's turn nor ran beside it.
    assert!(peer.wait_reply(&marker, SOON).is_some(), "{}", daemon.log());
    let requests = peer.requests();
    assert_eq!(requests.len(), 2);
    assert!(requests[1].to_string().contains(&marker.answer()), "{}", requests[1]);
    let bad = home.run(&["agent", "-s", "..", "-m", "hello"]);
    assert!(!bad.status.success() && bad.stderr.contains("no session key"), "{bad:?}");
}

#[test]
fn a_conversation_goes_line_by_line_and_hears_of_its_sub_agents() {
    let (_peer, home, _daemon) = start(&json!({}));
    let mut shell = Shell::start(&home, &["agent"]);
    shell.say("hello q999999");
    shell.wait_for("re q999999 ok.");
    let task = json!({ "task": "[delay:700] q800001", "label": "look" }).to_string();
    shell.say(&format!("[call:spawn {}] q999998", task.replace('[', "\\u005b")));
    shell.wait_for("re q999998 ok.");
    // Nobody types: the report comes by itself.
    shell.wait_for("re q800001 ok.");
    shell.say("exit");
    shell.wait_for("Goodbye!");
    assert_eq!(shell.end(), Some(0));
}

#[test]
fn control_c_ends_the_turn() {
    let (peer, home, daemon) = start(&json!({}));
    let mut shell = Shell::start(&home, &["agent", "-m", "think [delay:60000]"]);
    assert!(peer.wait_calls("llm.chat", 1, SOON), "{}", daemon.log());
    shell.signal(Signal::INT);
    assert_eq!(shell.end(), Some(130), "{:?}", shell.seen);
    shell.wait_for("Stopped.");
    let status = home.run(&["status"]).stdout;
    assert!(status.contains("Turns running: 0"), "{status}");
    // In a conversation it goes on.
    let mut shell = Shell::start(&home, &["agent"]);
    shell.say("think [delay:60000]");
    assert!(peer.wait_calls("llm.chat", 2, SOON), "{}", daemon.log());
    shell.signal(Signal::INT);
    shell.wait_for("Stopped.");
    shell.say("and now? q999999");
    shell.wait_for("re q999999 ok.");
    assert_eq!(shell.end(), Some(0), "the end of input leaves");
}

#[test]
fn a_killed_command_line_leaves_its_answer_in_the_session() {
    let (peer, home, daemon) = start(&json!({}));
    let mut shell = Shell::start(&home, &["agent", "-m", "think [delay:1200] q999999"]);
    assert!(peer.wait_calls("llm.chat", 1, SOON), "{}", daemon.log());
    shell.signal(Signal::KILL);
    shell.end();
    wait_session(&home, "cli_default", "re q999999 ok.");
    let there = eventually(SOON, || daemon.log().contains("no client attached").then_some(()));
    assert!(there.is_some(), "{}", daemon.log());
    let status = home.run(&["status"]).stdout;
    assert!(status.contains("Messages waiting: 0") && status.contains("Replies refused: 0"));
}

#[test]
fn a_killed_gateway_is_reported_and_answers_later() {
    let (peer, home, daemon) = start(&json!({}));
    let mut shell = Shell::start(&home, &["agent", "-m", "think [delay:1500] q999999"]);
    assert!(peer.wait_calls("llm.chat", 1, SOON), "{}", daemon.log());
    daemon.kill9();
    assert_eq!(shell.end(), Some(1));
    shell.wait_for("it has the message, and after its next start");
    assert!(!session(&home, "cli_default").contains("re q999999"));
    let daemon = Daemon::start(&home, &peer);
    wait_session(&home, "cli_default", "re q999999 ok.");
    let next = home.run(&["agent", "-m", "well? q999998"]);
    assert!(next.stdout.contains("re q999998 ok."), "{next:?}");
    // What was meant for another is not in it.
    assert!(!next.stdout.contains("q999999"), "{next:?}");
    assert!(peer.requests().pop().expect("a request").to_string().contains("re q999999 ok."));
    // A conversation that rests hears of the end at once.
    let mut shell = Shell::start(&home, &["agent"]);
    shell.say("hello q999997");
    shell.wait_for("re q999997 ok.");
    daemon.kill9();
    shell.wait_for("the gateway has ended");
    assert_eq!(shell.end(), Some(1));
}

#[test]
fn approvals_are_asked_at_the_prompt() {
    let (peer, home, daemon) = start(&json!({}));
    const RISKY: &str = r#"[call:exec {"command":"crontab -l; echo x > ran"}]"#;
    let ran = || home.path("workspace/ran").exists();
    // No terminal, nobody to ask.
    let done = home.run(&["agent", "-m", RISKY]);
    assert!(done.status.success() && !ran(), "{done:?}");
    let told = peer.requests().pop().expect("a request").to_string();
    assert!(told.contains("could not be asked"), "{told}");
    if Command::new("script").arg("--version").output().is_err() {
        crate::skip::skip(crate::skip::Missing::Terminal);
        return;
    }
    for (keys, want, said) in [
        ("n\n", false, "said no"),
        ("\n", false, "said no"),
        ("\x03", false, ""),
        ("y\n", true, ""),
    ] {
        let program = crate::harness::program();
        // A session of its own each: the peer takes a message that it has seen for a repetition.
        let number = keys.as_bytes()[0];
        let line = format!("{} agent -s cli:{number} -m '{RISKY}'", program.display());
        let mut command = Command::new("script");
        home.furnish(&mut command);
        command.args(["-qec", &line, "/dev/null"]).stdin(Stdio::piped()).stdout(Stdio::piped());
        let mut child = command.spawn().expect("script starts");
        let mut out = child.stdout.take().expect("stdout");
        let (mut seen, mut buffer) = (String::new(), [0; 1024]);
        while !seen.contains("[y/N]") {
            let n = out.read(&mut buffer).expect("output");
            assert!(n > 0, "no question: {seen}\n{}", daemon.log());
            seen.push_str(&String::from_utf8_lossy(&buffer[..n]));
        }
        assert!(seen.contains("crontab -l; echo x > ran"), "{seen}");
        let mut input = child.stdin.take().expect("stdin");
        input.write_all(keys.as_bytes()).expect("typed");
        let mut rest = Vec::new();
        let _ = out.read_to_end(&mut rest);
        drop(input);
        let code = child.wait().expect("its end").code();
        let rest = String::from_utf8_lossy(&rest);
        assert_eq!(code, Some(if keys == "\x03" { 130 } else { 0 }), "{keys:?} {rest}");
        assert_eq!(ran(), want, "{keys:?} {rest}");
        let told = peer.requests().pop().expect("a request").to_string();
        assert!(told.contains(said), "{keys:?} {told}");
    }
}

#[test]
fn a_terminal_shows_what_comes_while_somebody_types() {
    let (peer, home, daemon) = start(&json!({}));
    let line = format!("{} agent", crate::harness::program().display());
    let mut command = Command::new("script");
    home.furnish(&mut command);
    command.args(["-qec", &line, "/dev/null"]).stdin(Stdio::piped()).stdout(Stdio::piped());
    let Ok(mut child) = command.spawn() else {
        crate::skip::skip(crate::skip::Missing::Terminal);
        return;
    };
    let (mut input, mut out) =
        (child.stdin.take().expect("stdin"), child.stdout.take().expect("out"));
    let mut seen = String::new();
    let mut until = |text: &str| {
        let mut part = [0; 1024];
        while !seen.contains(text) {
            let n = out.read(&mut part).expect("output");
            assert!(n > 0, "no {text:?} in {seen}\n{}", daemon.log());
            seen.push_str(&String::from_utf8_lossy(&part[..n]));
        }
        // The next call reads what follows.
        let at = seen.find(text).expect("found") + text.len();
        seen.drain(..at);
    };
    until("You: ");
    let task = json!({ "task": "[delay:1500] q800001", "label": "look" }).to_string();
    let spawn = format!("[call:spawn {}] q999999\r", task.replace('[', "\\u005b"));
    input.write_all(spawn.as_bytes()).expect("typed");
    until("re q999999 ok.");
    until("You: ");
    input.write_all(b"half a li").expect("typed");
    until("half a li");
    // The report comes above, and the line stays.
    until("re q800001 ok.");
    until("half a li");
    input.write_all(b"ne q999998\r").expect("typed");
    until("re q999998 ok.");
    assert!(peer.requests().iter().any(|r| r.to_string().contains("half a line q999998")));
    until("You: ");
    input.write_all(b"\x03").expect("typed");
    until("Goodbye!");
    assert!(child.wait().expect("its end").success());
    assert!(home.read("state/cli_history").contains("half a line q999998"));
}
