//! send_file: files of the workspace to the chat, and nothing else.

use std::fs;

use picoclaw_peer::{Peer, Sent};
use serde_json::{Value, json};

use crate::harness::{Home, OWNER, SOON, peer};
use crate::harness_daemon::Daemon;

/// Has the model send a file; the result it was told.
#[track_caller]
fn send(peer: &Peer, daemon: &Daemon, args: &Value) -> String {
    let marker = peer.say(OWNER, OWNER, &format!("[call:send_file {args}]"));
    assert!(peer.wait_reply(&marker, 2 * SOON).is_some(), "no answer\n{}", daemon.log());
    result(peer)
}

/// The newest result of a tool that the model was told.
#[track_caller]
fn result(peer: &Peer) -> String {
    let of = |request: &Value| {
        let messages = request["messages"].as_array()?;
        let result = messages.iter().rev().find(|m| m["role"] == "tool")?;
        Some(result["content"].as_str()?.to_owned())
    };
    peer.requests().iter().rev().find_map(of).expect("a result")
}

fn uploads(peer: &Peer) -> Vec<Sent> {
    peer.sent().into_iter().filter(|s| s.upload.is_some()).collect()
}

#[test]
fn a_file_arrives_as_what_it_is() {
    let peer = peer(true);
    let home = Home::new(&peer);
    let daemon = Daemon::start(&home, &peer);
    let bytes: Vec<u8> = (0..100_000_u32).map(|i| (i * 7 % 251) as u8).collect();
    for (n, (path, args, method, name)) in [
        ("out/report.pdf", json!({}), "sendDocument", "report.pdf"),
        ("plot.png", json!({}), "sendPhoto", "plot.png"),
        ("my_voice.ogg", json!({}), "sendVoice", "my_voice.ogg"),
        ("song.mp3", json!({}), "sendAudio", "song.mp3"),
        ("film.mp4", json!({}), "sendVideo", "film.mp4"),
        ("data", json!({ "filename": "a/\"Läufe\".csv" }), "sendDocument", "_Läufe_.csv"),
    ]
    .into_iter()
    .enumerate()
    {
        home.write(&format!("workspace/{path}"), "");
        fs::write(home.path(&format!("workspace/{path}")), &bytes).expect("written");
        let mut args = args;
        args["path"] = json!(path);
        let told = send(&peer, &daemon, &args);
        assert!(told.starts_with("File sent: "), "{told}");
        let sent = uploads(&peer);
        assert_eq!(sent.len(), n + 1);
        assert_eq!((sent[n].method.as_str(), sent[n].chat), (method, OWNER));
        assert_eq!(sent[n].upload, Some((name.to_owned(), bytes.len())));
        assert!(peer.last_upload() == bytes, "{path}: other bytes");
    }
    // A picture that is none for Telegram is still a file.
    peer.faults(&["tg:sendPhoto:400:1"]);
    assert_eq!(send(&peer, &daemon, &json!({ "path": "plot.png" })), "File sent: plot.png");
    assert_eq!(uploads(&peer).pop().expect("one").method, "sendDocument");
    assert_eq!(peer.refused(), [""; 0]);
}

#[test]
fn only_files_of_the_workspace_go_out() {
    let peer = peer(false);
    let home = Home::new(&peer);
    let daemon = Daemon::start(&home, &peer);
    home.write("outside.txt", "not for you");
    home.write("workspace/empty", "");
    std::os::unix::fs::symlink("../outside.txt", home.path("workspace/link")).expect("a link");
    let big = fs::File::create(home.path("workspace/big")).expect("a file");
    big.set_len(50_000_001).expect("a hole");
    for (path, why) in [
        ("../outside.txt", "access denied"),
        ("/etc/passwd", "access denied"),
        ("link", "access denied"),
        ("gone", "file not found: gone"),
        ("", "path is required"),
        (".", "a folder"),
        ("empty", "empty is empty"),
        ("big", "at most 50000000 can be sent"),
    ] {
        let told = send(&peer, &daemon, &json!({ "path": path }));
        assert!(told.contains(why), "{path:?}: {told}");
    }
    let told = send(&peer, &daemon, &json!({ "path": home.path("config.json") }));
    assert!(told.contains("access denied") || told.contains("own"), "{told}");
    assert_eq!(uploads(&peer).len(), 0);
}

#[test]
fn twenty_megabytes_go_out_in_little_memory() {
    let peer = peer(true);
    let home = Home::new(&peer);
    let daemon = Daemon::start(&home, &peer);
    home.write("workspace/small.bin", "x");
    send(&peer, &daemon, &json!({ "path": "small.bin" }));
    let before = daemon.memory_kb("VmHWM");
    let bytes = vec![0x5a; 20 * 1024 * 1024];
    fs::write(home.path("workspace/large.bin"), &bytes).expect("written");
    assert_eq!(send(&peer, &daemon, &json!({ "path": "large.bin" })), "File sent: large.bin");
    assert!(peer.last_upload() == bytes, "other bytes");
    let grown = daemon.memory_kb("VmHWM").saturating_sub(before);
    println!("20 MB out: {grown} kB more at the peak");
    assert!(grown < 512, "{grown} kB more at its peak");
}

#[test]
fn failures_are_retried_without_duplicates() {
    let peer = peer(false);
    let home = Home::new(&peer);
    let daemon = Daemon::start(&home, &peer);
    home.write("workspace/a.txt", "x");
    let args = json!({ "path": "a.txt" });
    for fault in ["tg:sendDocument:429:1:max=1", "tg:sendDocument:502:1:max=2"] {
        peer.faults(&[fault]);
        assert_eq!(send(&peer, &daemon, &args), "File sent: a.txt", "{fault}");
    }
    let before = uploads(&peer).len();
    peer.faults(&["tg:sendDocument:drop_after:1"]);
    let told = send(&peer, &daemon, &args);
    assert!(told.contains("may have arrived"), "{told}");
    assert_eq!(uploads(&peer).len(), before + 1);
    peer.faults(&["tg:sendDocument:500:1"]);
    assert!(send(&peer, &daemon, &args).contains("was not sent"));
}

#[test]
fn a_kill_in_the_middle_does_not_send_it_again() {
    let peer = peer(false);
    let home = Home::new(&peer);
    let daemon = Daemon::start(&home, &peer);
    home.write("workspace/a.txt", "x");
    peer.faults(&["tg:sendDocument:hang_after:1"]);
    let marker = peer.say(OWNER, OWNER, r#"[call:send_file {"path":"a.txt"}]"#);
    assert!(peer.wait_sent(OWNER, SOON, |s| s.upload.is_some()).is_some());
    daemon.kill9();
    peer.faults(&[]);
    let daemon = Daemon::start(&home, &peer);
    assert!(peer.wait_reply(&marker, SOON).is_some(), "{}", daemon.log());
    let told = result(&peer);
    assert!(told.contains("outcome unknown after restart"), "{told}");
    assert_eq!(uploads(&peer).len(), 1);
}

#[test]
fn where_no_file_can_be_sent_the_tool_is_not_there() {
    let peer = peer(false);
    let home = Home::new(&peer);
    let done = home.run(&["agent", "-m", "hello"]);
    assert!(done.status.success(), "{}", done.all());
    let offered = peer.requests()[0]["tools"].to_string();
    assert!(offered.contains("write_file") && !offered.contains("send_file"), "{offered}");
}
