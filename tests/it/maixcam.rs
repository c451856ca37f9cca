//! Cameras over TCP: who is let in, what they say and hear, and what bad ones come to.

use std::io::{ErrorKind, Read, Write};
use std::net::TcpStream;
use std::time::{Duration, Instant};

use picoclaw::limits::{
    CAMERA_AUTH, CAMERA_EVENTS, CAMERA_OBJECT_BYTES, CAMERAS, CAMERAS_UNAUTHENTICATED,
};
use picoclaw_peer::Peer;
use serde_json::{Value, json};

use crate::gateway::listeners;
use crate::harness::{Home, OWNER, SOON, eventually, free_port, merge, peer};
use crate::harness_daemon::Daemon;

const TOKEN: &str = "let-me-look-1";

struct Scene {
    peer: Peer,
    home: Home,
    daemon: Daemon,
    port: u16,
}

/// A gateway with a listener for cameras with these settings.
#[track_caller]
fn start(settings: &Value) -> Scene {
    let (peer, port) = (peer(false), free_port());
    let mut all = json!({ "port": port });
    merge(&mut all, settings);
    let patch = json!({ "channel_list": { "maixcam": { "enabled": true, "settings": all } } });
    let home = Home::patched(&peer, &patch);
    let daemon = Daemon::start(&home, &peer);
    Scene { peer, home, daemon, port }
}

impl Scene {
    /// A camera that has said this.
    #[track_caller]
    fn camera(&self, words: &str) -> TcpStream {
        let connect = || TcpStream::connect(("127.0.0.1", self.port)).ok();
        let mut camera = eventually(SOON, connect)
            .unwrap_or_else(|| panic!("nobody listens\n{}", self.daemon.log()));
        camera.set_read_timeout(Some(SOON)).expect("a limit");
        camera.write_all(words.as_bytes()).expect("written");
        camera
    }

    #[track_caller]
    fn says(&self, words: &str) {
        let said = eventually(SOON, || self.daemon.log().contains(words).then_some(()));
        assert!(said.is_some(), "no {words:?} in\n{}", self.daemon.log());
    }
}

fn person(class: &str) -> String {
    let data = json!({ "class_name": class, "class_id": 0, "score": 0.875, "x": 10, "y": 20, "w": 30, "h": 40 });
    json!({ "type": "person_detected", "tips": "", "timestamp": 1.5, "data": data }).to_string()
}

fn auth(token: &str) -> String {
    json!({ "type": "auth", "token": token }).to_string()
}

/// The next command.
#[track_caller]
fn command(camera: &mut TcpStream) -> Value {
    let mut bytes = Vec::new();
    let begun = Instant::now();
    loop {
        let mut more = [0; 4096];
        let n = camera.read(&mut more).expect("a command");
        assert!(n > 0, "it was closed after {:?}", String::from_utf8_lossy(&bytes));
        bytes.extend_from_slice(&more[..n]);
        if let Ok(command) = serde_json::from_slice(&bytes) {
            return command;
        }
        assert!(begun.elapsed() < SOON, "no command: {:?}", String::from_utf8_lossy(&bytes));
    }
}

/// Nothing comes but the end.
#[track_caller]
fn closed(mut camera: TcpStream) {
    let mut rest = Vec::new();
    match camera.read_to_end(&mut rest) {
        Ok(_) => {}
        Err(e) => assert_eq!(e.kind(), ErrorKind::ConnectionReset, "it stays open"),
    }
    assert_eq!(String::from_utf8_lossy(&rest), "", "it was given something");
}

#[test]
fn events_are_answered_and_the_answer_is_a_command() {
    let scene = start(&json!({}));
    let mut camera = scene.camera(r#"{"type":"heartbeat"} {"type":"status"}{"type":"dance"}"#);
    camera.write_all(person("cat q000901").as_bytes()).expect("written");
    let want = json!({ "type": "command", "timestamp": 0, "message": "re q000901 ok.", "chat_id": "default" });
    assert_eq!(command(&mut camera), want);
    scene.says("unknown type \"dance\"");
    let request = scene.peer.requests().pop().expect("a request");
    let text = "📷 Person detected!\nClass: cat q000901\nConfidence: 87.50%\nPosition: (10, 20)\nSize: 30x40";
    let asked = request["messages"].as_array().and_then(|m| m.last()).expect("a message");
    assert!(asked["content"].as_str().is_some_and(|c| c.contains(text)), "{asked}");
    // A camera is nobody's voice: what acts on the machine is not on offer.
    assert!(!request["tools"].to_string().contains("\"exec\""), "{request}");
    // And the second in the same breath, with nothing between; cut anywhere.
    let two = person("q000902") + &person("q000903");
    for piece in two.as_bytes().chunks(7) {
        camera.write_all(piece).expect("written");
    }
    let heard = [command(&mut camera), command(&mut camera)].map(|c| c["message"].to_string());
    assert!(heard[0].contains("q000902") && heard[1].contains("q000903"), "{heard:?}");
    // The kernel asks a silent one whether it is there (proc_net_tcp: timer 02).
    let table = std::fs::read_to_string("/proc/net/tcp").expect("a table");
    let own = format!("0100007F:{:04X}", scene.port);
    let row = table.lines().map(|l| l.split_whitespace().collect::<Vec<_>>());
    let row = row.into_iter().find(|w| w[1] == own && w[3] == "01").expect("a connection");
    assert!(row[5].starts_with("02:"), "{row:?}");
    // Notices go to people.
    let last = scene.home.read("state/state.json");
    assert!(!last.contains("maixcam"), "{last}");
}

#[test]
fn it_listens_on_loopback_and_stands_in_the_status() {
    let scene = start(&json!({ "host": "0.0.0.0" }));
    scene.says("listening for cameras on 127.0.0.1:");
    scene.says("0.0.0.0 needs a token or allow_addr");
    let status = scene.home.run(&["status", "--json"]).stdout;
    let state: Value = serde_json::from_str(&status).expect("JSON");
    let told = &state["listening"][format!("tcp://127.0.0.1:{}", scene.port)];
    assert_eq!(told, "cameras on this machine, no token set", "{state}");
    if let Some(found) = listeners(scene.daemon.pid()) {
        assert!(found.contains(&format!("127.0.0.1:{}", scene.port)), "{found:?}");
        assert_eq!(found.len(), 3, "{found:?}");
    }
    let camera = scene.camera("");
    let counted = || {
        let status = scene.home.run(&["status"]).stdout;
        status.contains("maixcam: running, 1 camera(s)").then_some(())
    };
    assert!(eventually(SOON, counted).is_some());
    drop(camera);
    scene.says("has left");
}

#[test]
fn the_gateways_own_port_is_not_taken() {
    let peer = peer(false);
    let home = Home::bare(&peer);
    // What the Go original writes.
    let cameras =
        json!({ "enabled": true, "host": "0.0.0.0", "port": home.health_port, "allow_from": [] });
    let home = {
        let config = json!({
            "channels": { "maixcam": cameras },
            "gateway": { "port": home.health_port },
        });
        home.write("config.json", &config.to_string());
        home
    };
    let checked = home.run(&["config", "check"]).all();
    assert!(checked.contains("is the gateway's; 18791 is used"), "{checked}");
    let bad = json!({ "channel_list": { "maixcam": { "settings": { "allow_addr": ["lan"], "chat": "nobody:1" } } } });
    home.write("config.d/1.json", &bad.to_string());
    let checked = home.run(&["config", "check"]).all();
    assert!(checked.contains("`lan` is no address"), "{checked}");
    assert!(checked.contains("`nobody:1` names no chat"), "{checked}");
}

#[test]
fn without_the_token_nothing_is_given() {
    let scene = start(&json!({ "token": TOKEN }));
    for words in [
        auth("let-me-look-2"),
        auth(""),
        r#"{"type":"auth"}"#.into(),
        json!({ "token": TOKEN }).to_string(),
        person("q000911") + &auth(TOKEN),
        "GET / HTTP/1.1\r\n\r\n".into(),
        r#"{"type":"auth","token":}"#.into(),
    ] {
        closed(scene.camera(&words));
    }
    scene.says("it did not show the token");
    scene.says("what it sent is no JSON object");
    // A camera that is let in hears and speaks; strangers hear nothing of it.
    // At the limit and one above it the oldest stranger goes, and a camera with the token gets in.
    let mut strangers: Vec<_> = (0..CAMERAS_UNAUTHENTICATED).map(|_| scene.camera("")).collect();
    let mut welcome = scene.camera(&(auth(TOKEN) + &person("q000913")));
    assert_eq!(command(&mut welcome)["message"], "re q000913 ok.");
    drop(welcome);
    closed(strangers.remove(0));
    scene.says("it had not shown the token when others came");
    let begun = Instant::now();
    strangers.into_iter().for_each(closed);
    assert!(begun.elapsed() < CAMERA_AUTH + SOON, "{:?}", begun.elapsed());
    scene.says("it did not show the token in time");
    let mut camera = scene.camera(&(auth(TOKEN) + &person("q000912")));
    let stranger = scene.camera("");
    assert_eq!(command(&mut camera)["message"], "re q000912 ok.");
    stranger.shutdown(std::net::Shutdown::Write).expect("shut");
    closed(stranger);
    assert_eq!(scene.peer.calls("llm.chat"), 2);
    assert!(!scene.daemon.log().contains("let-me-look"), "{}", scene.daemon.log());
}

#[test]
fn listed_addresses_need_no_token() {
    let scene = start(&json!({ "token": TOKEN, "allow_addr": ["127.0.0.0/8"] }));
    let mut camera = scene.camera(&person("q000921"));
    assert_eq!(command(&mut camera)["message"], "re q000921 ok.");
}

#[test]
fn bad_cameras_are_closed_and_others_are_served() {
    let scene = start(&json!({}));
    let mut good = scene.camera("");
    for (words, why) in [
        ("\u{1}\u{2}\u{3}".to_owned(), "what it sent is no JSON object"),
        ("{\"type\":\"status\"},".to_owned(), "what it sent is no JSON object"),
        ("{\"a\":}".to_owned(), "what it sent is no JSON"),
        (format!("{{\"a\":\"{}", "x".repeat(CAMERA_OBJECT_BYTES)), "its object is too long"),
        (format!("{{\"a\":{}", "[".repeat(200) + &"]".repeat(200) + "}"), "no JSON"),
        ("{\"type\":".to_owned(), "its object does not end"),
    ] {
        closed(scene.camera(&words));
        scene.says(why);
    }
    let mut cut = scene.camera("{\"type\":");
    cut.write_all(b"\"st").expect("written");
    drop(cut);
    scene.says("it left in the middle of an object");
    good.write_all(person("q000931").as_bytes()).expect("written");
    assert_eq!(command(&mut good)["message"], "re q000931 ok.");
    // One too many.
    let more: Vec<_> = (1..CAMERAS).map(|_| scene.camera("")).collect();
    closed(scene.camera(""));
    scene.says("too many cameras are connected");
    drop(more);
    let marker = scene.peer.say(OWNER, OWNER, "hello");
    assert!(scene.peer.wait_reply(&marker, SOON).is_some(), "{}", scene.daemon.log());
}

#[test]
fn a_camera_that_never_reads_is_closed_and_the_others_hear_everything() {
    let scene = start(&json!({}));
    let deaf = scene.camera("");
    // Small, or the kernel would read in its stead.
    rustix::net::sockopt::set_socket_recv_buffer_size(&deaf, 4096).expect("set");
    let mut good = scene.camera("");
    for n in 0..10 {
        let words = person(&format!("[long:20000] q00094{n}"));
        good.write_all(words.as_bytes()).expect("written");
        let heard = command(&mut good)["message"].to_string();
        assert!(heard.contains(&format!("re q00094{n} ok.")), "{heard}");
    }
    scene.says("it does not read what it is sent");
    drop(deaf);
}

#[test]
fn a_command_waits_for_a_camera_and_takes_nobodys_place() {
    let scene = start(&json!({}));
    for n in 0..6 {
        let call = format!(
            r#"[call:message {{"channel":"maixcam","chat_id":"room{n}","content":"look {n}"}}]"#
        );
        scene.peer.say(OWNER, OWNER, &call);
    }
    let waiting = || {
        let log = scene.daemon.log();
        (log.matches("no connected MaixCam devices").count() == 6).then_some(())
    };
    assert!(eventually(SOON, waiting).is_some(), "{}", scene.daemon.log());
    let marker = scene.peer.say(OWNER, OWNER, "and me?");
    assert!(scene.peer.wait_reply(&marker, SOON).is_some(), "{}", scene.daemon.log());
    let mut camera = scene.camera("");
    let mut bytes = Vec::new();
    let all = eventually(SOON, || {
        let mut more = [0; 4096];
        let n = camera.read(&mut more).expect("commands");
        bytes.extend_from_slice(&more[..n]);
        let text = String::from_utf8_lossy(&bytes);
        (0..6).all(|n| text.contains(&format!("look {n}"))).then_some(())
    });
    assert!(all.is_some(), "{}", String::from_utf8_lossy(&bytes));
}

#[test]
fn events_can_go_to_a_chat_of_people_and_too_many_are_counted() {
    let scene = start(&json!({ "chat": format!("telegram:{OWNER}") }));
    let mut camera = scene.camera(&person("q000951"));
    let sent = || scene.peer.texts(OWNER).into_iter().find(|t| t.contains("re q000951 ok."));
    assert!(eventually(SOON, sent).is_some(), "{}", scene.daemon.log());
    scene.peer.model_delay(Duration::from_secs(2));
    for _ in 0..30 {
        camera.write_all(person("many").as_bytes()).expect("written");
    }
    scene.says("some are left out");
    scene.peer.model_delay(Duration::ZERO);
    let status = || {
        let text = scene.home.run(&["status"]).stdout;
        text.contains("Messages waiting: 0").then_some(())
    };
    assert!(eventually(SOON, status).is_some());
    camera.write_all(person("q000952").as_bytes()).expect("written");
    // Others may be asked for after it: a summary, say.
    let told = || {
        let all = scene.peer.requests().into_iter().rev().map(|r| r["messages"].to_string());
        { all }.find(|asked| asked.contains("q000952"))
    };
    let asked = eventually(SOON, told).expect("a request");
    let left = 30 - CAMERA_EVENTS;
    assert!(asked.contains(&format!("({left} more before it")), "{asked}");
}
