//! Messages that claim to be the owner's, and requests that claim to be several: rows that are sent as they are written.

use std::io::{Read, Write};
use std::net::TcpStream;
use std::time::Duration;

use serde_json::{Value, json};

use crate::harness::{Home, OWNER, SOON, STRANGER, peer};
use crate::harness_daemon::Daemon;

/// In each message that must not reach the model.
const FORGED: &str = "forged-5d20";
/// In what only the token shows.
const TOKEN: &str = "let-me-look-1";

/// Updates of strangers that look like the owner's, each with a number in its text.
fn updates() -> Vec<Value> {
    let private =
        |id: i64| json!({ "id": id, "type": "private", "first_name": "A", "username": "user1001" });
    let user = |id: Value, name: &str| json!({ "id": id, "is_bot": false, "first_name": name, "username": "user1001" });
    let stranger = || user(json!(STRANGER), "User 1001");
    // Telegram gives channels and groups negative numbers.
    let channel =
        || json!({ "id": -OWNER, "type": "channel", "title": "1001", "username": "user1001" });
    let owner = || user(json!(OWNER), "User 1001");
    let origin = json!({ "type": "user", "date": 1, "sender_user": owner() });
    let message = |more: Value| {
        let mut message = json!({ "message_id": 7001, "date": 1_790_000_000, "chat": private(STRANGER), "from": stranger() });
        crate::harness::merge(&mut message, &more);
        message
    };
    [
        ("message", message(json!({ "chat": private(OWNER) }))),
        ("message", message(json!({ "from": null, "sender_chat": channel() }))),
        ("message", message(json!({ "from": null, "chat": private(OWNER) }))),
        ("message", message(json!({ "sender_chat": channel(), "author_signature": "User 1001" }))),
        ("message", message(json!({ "forward_origin": origin, "forward_from": owner() }))),
        ("message", message(json!({ "via_bot": owner(), "sender_business_bot": owner() }))),
        ("message", message(json!({ "from": user(json!("1001"), "User 1001") }))),
        ("message", message(json!({ "from": user(json!(1001.5), "User 1001") }))),
        ("message", message(json!({ "from": user(json!(10010), "1001") }))),
        ("message", message(json!({ "from": user(json!(-1001), "1001") }))),
        ("message", message(json!({ "from": user(json!(18_446_744_073_709_550_616_u64), "1001") }))),
        ("message", message(json!({ "reply_to_message": { "message_id": 1, "from": owner(), "chat": private(OWNER), "date": 1, "text": "x" } }))),
        ("edited_message", message(json!({ "chat": private(OWNER), "edit_date": 1_790_000_001 }))),
        ("channel_post", message(json!({ "from": null, "chat": channel(), "sender_chat": channel() }))),
        ("edited_channel_post", message(json!({ "chat": channel(), "sender_chat": channel() }))),
        ("business_message", message(json!({ "from": owner(), "business_connection_id": "b" }))),
        ("guest_message", message(json!({ "from": owner() }))),
        ("callback_query", json!({ "id": "1", "from": stranger(), "chat_instance": "1", "data": format!("/clear {FORGED}"), "message": message(json!({ "chat": private(OWNER) })) })),
        ("inline_query", json!({ "id": "1", "from": owner(), "query": FORGED, "offset": "" })),
    ]
    .into_iter()
    .enumerate()
    .map(|(n, (kind, mut content))| {
        if content.get("date").is_some() {
            content["text"] = json!(format!("{FORGED} {n} {kind}"));
            content["message_id"] = json!(7001 + n);
        }
        json!({ kind: content })
    })
    .collect()
}

#[test]
fn nobody_passes_for_the_owner() {
    let peer = peer(false);
    let home = Home::new(&peer);
    let mut daemon = Daemon::start(&home, &peer);
    let rows = updates();
    assert!(rows.len() <= super::mechanisms::ROWS_EACH);
    for row in &rows {
        peer.update(row.clone());
    }
    // The same shape with the owner's number is heard.
    let heard = peer.say(OWNER, OWNER, &FORGED.replace("forged", "honest"));
    assert!(peer.wait_reply(&heard, SOON).is_some(), "{}", daemon.log());
    daemon.idle(&peer);
    let asked: String = peer.requests().iter().map(ToString::to_string).collect();
    let passed: Vec<String> =
        asked.split(FORGED).skip(1).map(|rest| rest.chars().take(40).collect()).collect();
    assert!(passed.is_empty(), "{passed:?}");
    assert!(asked.contains("honest-5d20"), "{asked}");
    assert_eq!(peer.calls("llm.chat"), 1);
    assert!(peer.texts(STRANGER).iter().all(|t| t.contains("/pair")), "{:?}", peer.texts(STRANGER));
    assert!(daemon.runs());
}

/// What a server says to these bytes, until it closes or says nothing more.
fn say(port: u16, bytes: &[u8]) -> String {
    let mut stream = TcpStream::connect(("127.0.0.1", port)).expect("a connection");
    stream.set_read_timeout(Some(Duration::from_secs(2))).expect("a time-out");
    // It may hang up while we speak.
    let _ = stream.write_all(bytes);
    let mut said = Vec::new();
    let mut buffer = [0; 4096];
    while let Ok(n @ 1..) = stream.read(&mut buffer) {
        said.extend_from_slice(&buffer[..n]);
    }
    String::from_utf8_lossy(&said).into_owned()
}

#[test]
fn a_second_request_in_the_first_is_not_answered() {
    let peer = peer(false);
    let home = Home::patched(&peer, &json!({ "gateway": { "token": TOKEN } }));
    let mut daemon = Daemon::start(&home, &peer);
    let port = home.health_port;
    let inner = format!("GET /health HTTP/1.1\r\nHost: x\r\nAuthorization: Bearer {TOKEN}\r\n\r\n");
    let length = inner.len();
    let rows = [
        format!("GET /ready HTTP/1.1\r\nHost: x\r\nContent-Length: {length}\r\n\r\n{inner}"),
        format!(
            "GET /ready HTTP/1.1\r\nHost: x\r\nContent-Length: 0\r\nContent-Length: {length}\r\n\r\n{inner}"
        ),
        format!(
            "GET /ready HTTP/1.1\r\nHost: x\r\nTransfer-Encoding: chunked\r\nContent-Length: 5\r\n\r\n0\r\n\r\n{inner}"
        ),
        format!(
            "GET /ready HTTP/1.1\r\nHost: x\r\nTransfer-Encoding : chunked\r\n\r\n0\r\n\r\n{inner}"
        ),
        format!("POST /ready HTTP/1.1\r\nHost: x\r\nTransfer-Encoding: xchunked\r\n\r\n{inner}"),
        format!("GET /ready HTTP/1.1\r\nHost: x\r\nX: a\r\n b\r\n\r\n{inner}"),
        "GET /health HTTP/1.1\r\nHost: x\r\nX: y\nAuthorization: Bearer x\r\n\r\n".to_owned(),
        "GET /health HTTP/1.1\r\nHost: x\r\nAuthorization: Bearer let-me-look-\r\n\r\n".to_owned(),
        "GET /health HTTP/1.1\r\nHost: x\r\nAuthorization: Bearer let-me-look-12\r\n\r\n"
            .to_owned(),
        "GET /health?token=let-me-look-1 HTTP/1.1\r\nHost: x\r\n\r\n".to_owned(),
        "GET http://127.0.0.1/health HTTP/1.1\r\nHost: x\r\n\r\n".to_owned(),
        "GET /pico/../health HTTP/1.1\r\nHost: x\r\n\r\n".to_owned(),
        "GET /%68ealth HTTP/1.1\r\nHost: x\r\n\r\n".to_owned(),
        "GET /health\0 HTTP/1.1\r\nHost: x\r\n\r\n".to_owned(),
        "GET /health HTTP/9.9\r\n\r\n".to_owned(),
        format!("GET /health HTTP/1.1\r\nHost: x\r\nX: {}\r\n\r\n", "y".repeat(200_000)),
        format!("GET /{} HTTP/1.1\r\nHost: x\r\n\r\n", "a/".repeat(50_000)),
        "\r\n".repeat(10_000),
        "\u{16}\u{3}\u{1}\u{2}\0\u{1}\0\u{1}".to_owned(),
    ];
    assert!(rows.len() <= super::mechanisms::ROWS_EACH);
    // With the token, and nothing else, it tells more.
    let told = say(port, inner.as_bytes());
    assert!(told.contains("uptime"), "{told}");
    for row in &rows {
        let said = say(port, row.as_bytes());
        let shown: String = row.chars().take(120).collect();
        assert!(!said.contains("uptime"), "{shown:?}: {said}");
        assert!(said.matches("HTTP/1.1 ").count() <= 1, "{shown:?}: {said}");
        assert!(daemon.runs(), "{shown:?}\n{}", daemon.log());
    }
    assert!(say(port, inner.as_bytes()).contains("uptime"));
    assert!(daemon.memory_kb("VmHWM") < 64 * 1024);
    let marker = peer.say(OWNER, OWNER, "hello");
    assert!(peer.wait_reply(&marker, SOON).is_some(), "{}", daemon.log());
}
