//! The Pico protocol over real WebSockets: who is let in, what is said both ways, and what bad clients come to.

use std::io::Write;
use std::time::Duration;

use picoclaw::limits::{PICO_CLIENTS, PICO_MESSAGE_BYTES};
use serde_json::{Value, json};

use crate::harness::{Home, OWNER, SOON, eventually, peer};
use crate::pico_client::{TOKEN, start};
use crate::rows::{rows, same};

#[test]
fn messages_are_answered_in_their_session() {
    let scene = start(&json!({}));
    let (mut one, mut other) = (scene.client("s-1"), scene.client("s-2"));
    let mut same = scene.client("s-1");
    one.send(&json!({ "type": "message.send", "id": "c7", "session_id": "s-1", "payload": { "content": " hello q000801 " } }));
    let typing = one.hear("typing.start");
    assert_eq!(typing["session_id"], "s-1");
    for client in [&mut one, &mut same] {
        let answer = client.hear("message.create");
        assert_eq!(answer["payload"]["content"], "re q000801 ok.");
        assert_eq!(answer["session_id"], "s-1");
        assert!(answer["timestamp"].as_i64().is_some_and(|t| t > 1_600_000_000_000), "{answer}");
        assert!(answer["id"].is_string() && answer["payload"]["message_id"].is_string());
    }
    // The other session hears its own only, and has a history of its own.
    other.say("and I q000802");
    assert_eq!(other.hear("message.create")["payload"]["content"], "re q000802 ok.");
    let request = scene.peer.requests().pop().expect("a request").to_string();
    assert!(!request.contains("q000801"), "{request}");
    // Commands are answered as everywhere.
    other.say("/help");
    assert!(other.hear("message.create")["payload"]["content"].to_string().contains("/help"));
    let text = scene.home.run(&["status"]).stdout;
    assert!(text.contains("pico: running, 3 client(s)"), "{text}");
    let socket = format!("listening ws://127.0.0.1:{}/pico/ws: ", scene.home.health_port);
    assert!(text.contains(&socket) && text.contains("token"), "{text}");
    // A long one, in pieces both ways.
    let long = format!("{} [long:30000] q000803", "x".repeat(20_000));
    let envelope = json!({ "type": "message.send", "payload": { "content": long } }).to_string();
    let (begin, end) = envelope.as_bytes().split_at(9_000);
    one.frame(0x01, begin);
    one.frame(0x89, b"there?");
    assert_eq!(one.next(), (10, b"there?".to_vec()));
    one.frame(0x80, end);
    let answer = one.hear("message.create")["payload"]["content"].to_string();
    assert!(answer.len() > 30_000 && answer.contains("re q000803 ok."), "{} bytes", answer.len());
    one.frame(0x88, &1000u16.to_be_bytes());
    one.ends(1000);
    scene.says("has left");
}

#[test]
fn without_the_token_nothing_is_given() {
    let scene = start(&json!({}));
    let wrong = "HTTP/1.1 401 Unauthorized";
    for fields in [
        "",
        "Authorization: Bearer let-me-talk-2\r\n",
        "Authorization: Bearer \r\n",
        "Sec-WebSocket-Protocol: token.\r\n",
        "Sec-WebSocket-Protocol: chat, token.let-me-talk-2\r\n",
    ] {
        assert_eq!(scene.refused("/pico/ws", fields), wrong, "{fields}");
        assert_eq!(scene.refused("/pico/ws?session_id=a/b", fields), wrong, "{fields}");
    }
    // The query shows it only where that is allowed.
    assert_eq!(scene.refused(&format!("/pico/ws?token={TOKEN}"), ""), wrong);
    let bearer = format!("Authorization: Bearer {TOKEN}\r\n");
    for session in ["a/b", "%00", &"x".repeat(65), "%ff"] {
        let status = scene.refused(&format!("/pico/ws?session_id={session}"), &bearer);
        assert_eq!(status, "HTTP/1.1 400 Bad Request", "{session}");
    }
    let old = format!("{bearer}Sec-WebSocket-Version: 8\r\n").replace("13", "8");
    let (head, _) = scene.knock("/pico/media/x", &old);
    assert!(head.contains("404"), "{head}");
    let protocol = format!("Sec-WebSocket-Protocol: chat, token.{TOKEN}\r\n");
    let (head, _) = scene.knock("/pico/ws", &protocol);
    assert!(head.contains("101 ") && head.contains(&protocol[..23]), "{head}");
    assert!(head.contains(&format!("Sec-WebSocket-Protocol: token.{TOKEN}\r\n")), "{head}");
    assert!(!scene.daemon.log().contains("let-me-talk"), "{}", scene.daemon.log());
}

#[test]
fn the_query_and_origins_are_as_configured() {
    let scene =
        start(&json!({ "allow_token_query": true, "allow_origins": ["https://a.example"] }));
    let target = format!("/pico/ws?session_id=s&token={TOKEN}");
    for (fields, status) in [
        ("Origin: https://a.example\r\n", "101"),
        ("Origin: https://b.example\r\n", "403"),
        ("", "403"),
    ] {
        let (head, _) = scene.knock(&target, fields);
        assert!(head.contains(status), "{fields} {head}");
    }
    let (head, _) = scene.knock("/pico/ws?token=no", "Origin: https://a.example\r\n");
    assert!(head.contains("401"), "{head}");
}

#[test]
fn a_channel_without_a_token_is_an_error() {
    let peer = peer(false);
    let patch = json!({ "channel_list": { "pico": { "enabled": true } } });
    let home = Home::patched(&peer, &patch);
    let checked = home.run(&["config", "check"]);
    assert!(!checked.status.success(), "{checked:?}");
    assert!(checked.all().contains("pico is enabled and has no token"), "{checked:?}");
    let two = json!({ "channel_list": {
        "pico": { "settings": { "token": TOKEN } },
        "web": { "type": "pico", "enabled": true, "settings": { "token": TOKEN } },
    } });
    home.write("config.d/1.json", &two.to_string());
    let checked = home.run(&["config", "check"]);
    assert!(checked.all().contains("one channel of type pico"), "{checked:?}");
}

#[test]
fn wrong_envelopes_are_answered_and_wrong_frames_end_it() {
    let scene = start(&json!({}));
    let mut client = scene.client("s");
    let send = |payload: Value| json!({ "type": "message.send", "id": "r1", "payload": payload });
    for (envelope, code) in [
        (json!({ "type": "dance", "id": "r1" }), "unknown_type"),
        (json!({ "type": "media.send", "id": "r1", "payload": {} }), "invalid_media"),
        (send(json!({ "content": "x", "media": ["data:image/png;base64,AA=="] })), "invalid_media"),
        (send(json!({ "content": " " })), "empty_content"),
        (send(json!({ "content": "x", "kind": "thought" })), "invalid_message"),
        (send(json!({})), "empty_content"),
        (json!({ "id": "r1" }), "invalid_message"),
        (
            json!({ "type": "message.send", "id": "r1", "session_id": "t", "payload": { "content": "x" } }),
            "invalid_message",
        ),
    ] {
        client.send(&envelope);
        let error = client.hear("error");
        assert_eq!(error["payload"]["code"], code, "{envelope}");
        assert_eq!(error["payload"]["request_id"], "r1");
        assert!(error["payload"]["message"].as_str().is_some_and(|m| !m.is_empty()));
    }
    client.frame(0x81, b"no JSON");
    assert_eq!(client.hear("error")["payload"]["code"], "invalid_message");
    client.send(&json!({ "type": "ping", "id": "p1" }));
    assert_eq!(client.hear("pong")["id"], "p1");
    assert_eq!(scene.peer.calls("llm.chat"), 0);
    for (first, payload, status, why) in [
        (0x82u8, b"x".to_vec(), 1003, "it breaks the protocol"),
        (0x81, b"\xff".to_vec(), 1007, "it breaks the protocol"),
        (0xf1, b"x".to_vec(), 1002, "it breaks the protocol"),
        (0x81, vec![b'x'; PICO_MESSAGE_BYTES + 1], 1009, "its message is too long"),
    ] {
        let mut bad = scene.client("s");
        bad.frame(first, &payload);
        bad.ends(status);
        scene.says(why);
    }
    // In the middle of a frame.
    let mut cut = scene.client("s");
    cut.stream.write_all(&[0x81, 0xff]).expect("written");
    drop(cut);
    client.say("still here? q000811");
    assert_eq!(client.hear("message.create")["payload"]["content"], "re q000811 ok.");
    // One too many is refused, and there is room again when one leaves.
    let more: Vec<_> = (1..PICO_CLIENTS).map(|_| scene.client("s")).collect();
    let bearer = format!("Authorization: Bearer {TOKEN}\r\n");
    let full = || (scene.refused("/pico/ws", &bearer).contains("503")).then_some(());
    assert!(eventually(SOON, full).is_some());
    drop(more);
    let again = || scene.knock("/pico/ws", &bearer).0.contains("101 ").then_some(());
    assert!(eventually(SOON, again).is_some(), "{}", scene.daemon.log());
}

#[test]
fn silent_and_unresponsive_clients_are_closed() {
    let scene = start(&json!({ "ping_interval": 1, "read_timeout": 3 }));
    let mut silent = scene.client("s");
    assert_eq!(silent.next().0, 9, "a ping");
    silent.ends(1000);
    scene.says("it does not answer");
    // Answers keep a line open.
    let mut lively = scene.client("s");
    for _ in 0..5 {
        let (opcode, payload) = lively.next();
        assert_eq!(opcode, 9);
        lively.frame(0x8a, &payload);
    }
    let mut deaf = scene.client("d");
    rustix::net::sockopt::set_socket_recv_buffer_size(&deaf.stream, 4096).expect("set");
    let begun = std::time::Instant::now();
    while !scene.daemon.log().contains("it does not read what it is sent") {
        assert!(begun.elapsed() < 2 * SOON, "{}", scene.daemon.log());
        // It speaks, so that it is not silent; what it hears piles up.
        if deaf.stream.write_all(&[0x8a, 0x80, 0, 0, 0, 0]).is_err() {
            break;
        }
        if begun.elapsed() < Duration::from_secs(5) {
            deaf.say("[long:30000] q000821");
        }
        let payload = lively.next().1;
        lively.frame(0x8a, &payload);
    }
    scene.says("it does not read what it is sent");
    lively.say("and me? q000822");
    assert_eq!(lively.hear("message.create")["payload"]["content"], "re q000822 ok.");
    let marker = scene.peer.say(OWNER, OWNER, "hello");
    assert!(scene.peer.wait_reply(&marker, SOON).is_some(), "{}", scene.daemon.log());
}

#[test]
fn an_answer_waits_for_a_client_that_comes_back() {
    let scene = start(&json!({}));
    let mut client = scene.client("s");
    scene.peer.model_delay(Duration::from_millis(500));
    client.say("slow q000831");
    assert!(scene.peer.wait_calls("llm.chat", 1, SOON), "{}", scene.daemon.log());
    drop(client);
    scene.says("no client of that session is connected");
    let mut stranger = scene.client("t");
    let mut again = scene.client("s");
    assert_eq!(again.hear("message.create")["payload"]["content"], "re q000831 ok.");
    // The first that the stranger hears is the stranger's own.
    stranger.say("and I q000832");
    assert_eq!(stranger.hear("message.create")["payload"]["content"], "re q000832 ok.");
}

#[test]
fn answers_to_disconnected_clients_block_nobody() {
    let scene = start(&json!({}));
    for n in 0..24 {
        let mut gone = scene.client(&format!("gone-{n}"));
        gone.say(&format!("[delay:200] q8001{n:02}"));
        assert!(scene.peer.wait_calls("llm.chat", n + 1, SOON), "{}", scene.daemon.log());
    }
    scene
        .daemon
        .until("all answers waiting for those who left", |r| (r.running, r.unfinished) == (0, 24));
    let mut here = scene.client("here");
    here.say("and I q800201");
    assert_eq!(here.hear("message.create")["payload"]["content"], "re q800201 ok.");
    // Who comes back has theirs, in the order in which it was said.
    let mut back = scene.client("gone-23");
    back.say("and then q800202");
    assert_eq!(back.hear("message.create")["payload"]["content"], "re q800123 ok.");
    assert_eq!(back.hear("message.create")["payload"]["content"], "re q800202 ok.");
}

#[test]
fn answers_to_disconnected_clients_are_dropped_first() {
    let scene = start(&json!({}));
    for n in 0..3 {
        scene.client(&format!("gone-{n}")).say(&format!("[delay:200] [long:30000] q80010{n}"));
        assert!(scene.peer.wait_calls("llm.chat", n + 1, SOON), "{}", scene.daemon.log());
    }
    let waiting = || (scene.daemon.log().matches(" waits: ").count() == 3).then_some(());
    assert!(eventually(SOON, waiting).is_some(), "{}", scene.daemon.log());
    let mut here = scene.client("here");
    here.say("and I q800201");
    assert_eq!(here.hear("message.create")["payload"]["content"], "re q800201 ok.");
    scene.says("a reply was refused for good");
    // The latest still waits.
    let mut back = scene.client("gone-2");
    assert!(back.hear("message.create")["payload"]["content"].to_string().contains("q800102"));
}

#[test]
fn approvals_are_answered_with_yes_or_no() {
    let scene = start(&json!({}));
    let mut client = scene.client("s");
    let risky =
        |n: u32| format!(r#"[call:exec {{"command":"crontab -l; echo x > ran"}}] q00084{n}"#);
    let ran = || scene.home.path("workspace/ran").exists();
    for (n, word, runs) in [(1, "No", false), (2, "yes", true)] {
        client.say(&risky(n));
        let question = client.hear("message.create")["payload"]["content"].to_string();
        assert!(
            question.contains("crontab -l")
                && question.contains(&format!("Answer yes {n} or no {n}.")),
            "{question}"
        );
        assert!(!ran());
        client.say(word);
        let answer = client.hear("message.create")["payload"]["content"].to_string();
        assert!(answer.contains(&format!("re q00084{n} ok.")), "{answer}");
        assert_eq!(ran(), runs);
    }
    // With nobody there it is a no, at once.
    std::fs::remove_file(scene.home.path("workspace/ran")).expect("removed");
    scene.peer.model_delay(Duration::from_millis(500));
    client.say(&risky(3));
    assert!(scene.peer.wait_calls("llm.chat", 5, SOON), "{}", scene.daemon.log());
    drop(client);
    scene.says("Unreachable");
    assert!(!ran());
}

#[test]
fn a_late_yes_does_not_answer_the_next_question() {
    let scene = start(&json!({}));
    let mut client = scene.client("s");
    let risky =
        |n: u32| format!(r#"[call:exec {{"command":"crontab -l; echo x > ran{n}"}}] q00085{n}"#);
    let ran = |n: u32| scene.home.path(&format!("workspace/ran{n}")).exists();
    let mut said = |text: &str| {
        client.say(text);
        client.hear("message.create")["payload"]["content"].to_string()
    };
    assert!(said(&risky(1)).contains("Question 1"));
    assert!(said("/stop").contains("Stopped"));
    assert!(said(&risky(2)).contains("yes 2 or no 2"));
    for late in ["yes", "yes 1"] {
        let told = said(late);
        assert!(told.contains("Question 2 is open: yes 2 or no 2."), "{told}");
    }
    assert!(!ran(1) && !ran(2));
    assert!(said("yes 2").contains("re q000852 ok."));
    assert!(ran(2) && !ran(1));
    // Numbers go on after a restart: an old answer fits no new question.
    assert!(said(&risky(3)).contains("Question 3"));
}

#[test]
fn thoughts_are_told_from_answers_as_upstream_does() {
    rows("pico_protocol", |test, name, input, expected| {
        if test != "TestIsThoughtPayload" {
            return Err("another test".into());
        }
        // The rows name the constants of the original.
        let payload = input["payload"].to_string();
        let payload = payload
            .replace(r#"{\"$\": \"ident\", \"name\": \"PayloadKeyKind\"}"#, "kind")
            .replace(r#"{\"$\": \"ident\", \"name\": \"PayloadKeyThought\"}"#, "thought");
        let payload: Value = serde_json::from_str(&payload).expect("JSON");
        assert!(payload.get("kind").is_some() || payload.get("thought").is_some(), "{payload}");
        same(
            name,
            picoclaw::channel::pico::envelope::is_reasoning(&payload),
            expected["want"] == true,
        )
    });
}
