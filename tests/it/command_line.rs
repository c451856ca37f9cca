//! `picoclaw agent` with a gateway running: its messages are the gateway's, and whatever ends, nothing is lost.

use std::io::{BufRead, BufReader, Read, Write};
use std::os::unix::net::UnixStream;
use std::os::unix::process::ExitStatusExt;
use std::process::{Child, Command, Stdio};
use std::sync::mpsc::{Receiver, channel};
use std::time::Duration;

use picoclaw::limits::{CLI_CLIENTS, CLI_PACKET_BYTES};
use picoclaw::proto::packet::{self, Packet, Packets};
use picoclaw_peer::Peer;
use rustix::process::{Pid, Signal, kill_process};
use serde_json::{Value, json};

use crate::harness::{Home, OWNER, SOON, eventually, peer, wait};
use crate::harness_daemon::Daemon;

fn start(patch: &Value) -> (Peer, Home, Daemon) {
    let peer = peer(false);
    let home = Home::patched(&peer, patch);
    let daemon = Daemon::start(&home, &peer);
    (peer, home, daemon)
}

/// A session's file.
fn session(home: &Home, name: &str) -> String {
    home.read(&format!("workspace/sessions/{name}.jsonl"))
}

#[track_caller]
fn wait_session(home: &Home, name: &str, text: &str) {
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
    assert!(failed.stderr.contains("Error: Error processing message"), "{failed:?}");
    // Commands work as in a chat; notices do not go to who left.
    let shown = home.run(&["agent", "-m", "/show model"]);
    assert!(shown.stdout.contains("Current model: m"), "{shown:?}");
    assert!(!home.read("workspace/state/state.json").contains("cli"));
    // Another model than the gateway's is asked from here.
    let other = home.run(&["agent", "--model", "nope", "-m", "x"]);
    assert!(!other.status.success() && other.stderr.contains("nope"), "{other:?}");
    assert_eq!(peer.refused(), Vec::<String>::new());
    assert!(daemon.term().success());
    // And without a gateway the conversation goes on.
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
    let there =
        eventually(SOON, || daemon.log().contains("nobody is at the command").then_some(()));
    assert!(there.is_some(), "{}", daemon.log());
    let status = home.run(&["status"]).stdout;
    assert!(status.contains("Messages waiting: 0") && status.contains("Replies refused: 0"));
}

#[test]
fn a_killed_gateway_is_told_and_answers_after_its_next_start() {
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
        eprintln!("skipped: no `script` to make a terminal with");
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

/// A connection that speaks for itself.
struct Raw(UnixStream, Packets);

impl Raw {
    #[track_caller]
    fn attach(home: &Home, session: &str) -> Raw {
        let stream = UnixStream::connect(home.path("state/control.sock")).expect("a daemon");
        stream.set_read_timeout(Some(SOON)).expect("a limit");
        let mut raw = Raw(stream, Packets::default());
        raw.0.write_all(b"A").expect("the opcode");
        raw.send(packet::HELLO, packet::STAYS, session);
        raw
    }

    fn send(&mut self, kind: u8, number: u32, text: &str) {
        let mut bytes = Vec::new();
        packet::write(&mut bytes, kind, number, text);
        self.0.write_all(&bytes).expect("sent");
    }

    /// `None` when the daemon has closed the connection.
    fn next(&mut self) -> Option<Packet> {
        loop {
            if let Some(packet) = self.1.take().expect("packets") {
                return Some(packet);
            }
            let mut part = [0; 4096];
            match self.0.read(&mut part) {
                Ok(n) if n > 0 => self.1.feed(&part[..n]),
                Err(e) if e.kind() == std::io::ErrorKind::WouldBlock => panic!("it is still open"),
                _ => return None,
            }
        }
    }
}

#[test]
fn connections_and_packets_are_bounded() {
    let (_peer, home, daemon) = start(&json!({}));
    let mut all: Vec<Raw> = (0..CLI_CLIENTS).map(|_| Raw::attach(&home, "cli:x")).collect();
    for raw in &mut all {
        assert_eq!(raw.next().map(|p| p.kind), Some(packet::WELCOME));
    }
    let refused = home.run(&["agent", "-m", "hello"]);
    assert!(!refused.status.success(), "{refused:?}");
    assert!(refused.stderr.contains("too many command lines"), "{refused:?}");
    // Other requests have room of their own.
    assert!(home.run(&["status"]).stdout.contains("running, PID"));
    // Too long, nothing at all, no text, no kind, and a long session key.
    let mut head = vec![packet::SAY, 1, 0, 0, 0];
    head.extend((CLI_PACKET_BYTES as u32 + 1).to_le_bytes());
    all[0].0.write_all(&head).expect("sent");
    all[1].send(packet::SAY, 1, " ");
    all[2].0.write_all(&[packet::SAY, 0, 0, 0, 0, 1, 0, 0, 0, 0xff]).expect("sent");
    all[3].send(0, 1, "what?");
    for mut raw in all {
        assert_eq!(raw.next(), None);
    }
    let mut long = Raw::attach(&home, &"x".repeat(1000));
    assert_eq!(long.next().map(|p| p.kind), Some(packet::REFUSED));
    assert_eq!(long.next(), None);
    // A message over the limit of all channels has its answer, and the next one, too.
    let mut raw = Raw::attach(&home, "cli:x");
    raw.send(packet::SAY, 1, &"x".repeat(33_000));
    raw.send(packet::SAY, 2, "hello q999999");
    let mut texts = String::new();
    while let Some(packet) = raw.next() {
        if packet.kind == packet::TEXT {
            texts.push_str(&packet.text);
        }
        if packet.kind == packet::DONE && packet.number == 2 {
            break;
        }
    }
    assert!(texts.contains("too long for me") && texts.contains("re q999999 ok."), "{texts}");
    assert!(daemon.log().contains("a packet that is too long"), "{}", daemon.log());
}

#[test]
fn who_never_reads_is_dropped_and_the_rest_goes_on() {
    let (_peer, home, daemon) = start(&json!({}));
    let mut deaf = Raw::attach(&home, "cli:deaf");
    for n in 1..=12 {
        deaf.send(packet::SAY, n, &format!("[long:39000] q7000{n:02}"));
        let other = home.run(&["agent", "-m", &format!("hello q6000{n:02}")]);
        assert!(other.stdout.contains(&format!("re q6000{n:02} ok.")), "{other:?}");
        if daemon.log().contains("does not read what it is told") {
            break;
        }
    }
    let dropped = || daemon.log().contains("does not read what it is told").then_some(());
    assert!(eventually(Duration::from_secs(30), dropped).is_some(), "{}", daemon.log());
    wait_session(&home, "cli_deaf", "re q700001 ok.");
    let other = home.run(&["agent", "-m", "hello q999999"]);
    assert!(other.stdout.contains("re q999999 ok."), "{other:?}");
}
