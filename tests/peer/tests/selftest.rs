//! The instrument measured with a bot whose faults are known.

mod bot;

use std::time::{Duration, Instant};

use bot::Bot;
use picoclaw_peer::client::Client;
use picoclaw_peer::{Drive, Mode, Peer, PeerOptions, Say};
use serde_json::{Value, json};

const SOON: Duration = Duration::from_secs(10);

fn peer(tls: bool) -> Peer {
    Peer::start(PeerOptions { tls, ..PeerOptions::default() }).expect("a peer")
}

fn drive(n: u64, mode: Mode) -> Drive {
    Drive {
        n,
        mode,
        chats: 3,
        tool_every: 5,
        settle: Duration::from_millis(50),
        ..Drive::default()
    }
}

/// `in`, `replied`, `lost`, `duplicated`.
fn books(stats: &Value) -> [u64; 4] {
    ["in", "replied", "lost", "duplicated"].map(|k| stats[k].as_u64().expect("a count"))
}

/// A call with no retries; status and body.
fn call(peer: &Peer, method: &str, body: Value) -> (u16, Value) {
    let mut client = Client::new(&peer.control_url(), None).expect("a client");
    let (status, body) =
        client.post(&format!("/bot1:test/{method}"), "", &body).expect("an answer");
    (status, serde_json::from_slice(&body).expect("JSON"))
}

#[track_caller]
fn refuses(peer: &Peer, method: &str, body: Value, want: &str) {
    let (status, answer) = call(peer, method, body);
    let words = answer["description"].as_str().unwrap_or("accepted");
    assert_eq!(format!("{status} {words}"), want);
    assert_eq!(answer["error_code"], json!(status));
}

#[test]
fn every_message_is_counted_once_plain_and_over_tls() {
    for tls in [false, true] {
        let peer = peer(tls);
        let _bot = Bot::start(&peer.base_url(), peer.ca_path());
        for mode in [Mode::Closed, Mode::Burst, Mode::Chats] {
            let stats = peer.drive(&drive(30, mode));
            assert_eq!(books(&stats), [30, 30, 0, 0], "{stats}");
            assert_eq!(stats["calls"]["llm.chat"], 36, "30 answers and 6 tool calls: {stats}");
            assert!(stats["added_ms"]["p50"].as_f64() <= stats["latency_ms"]["p50"].as_f64());
        }
        assert!(peer.refused().is_empty(), "{:?}", peer.refused());
    }
}

#[test]
fn the_models_time_is_not_the_bots() {
    let peer = peer(false);
    let _bot = Bot::start(&peer.base_url(), None);
    peer.model_delay(Duration::from_millis(120));
    let stats = peer.drive(&Drive { tool_every: 0, ..drive(3, Mode::Closed) });
    let ms = |name: &str| stats[name]["p50"].as_f64().expect("a time");
    assert!(ms("latency_ms") >= 120.0 && ms("added_ms") < 60.0, "{stats}");
}

#[test]
fn answers_that_get_lost_show_as_duplicates() {
    let peer = peer(false);
    let _bot = Bot::start(&peer.base_url(), None);
    peer.faults(&["tg:sendMessage:drop_after:1:max=4"]);
    let stats = peer.drive(&drive(10, Mode::Burst));
    assert_eq!(stats["lost"], 0, "{stats}");
    assert_eq!(stats["extra_replies"], 4, "{stats}");
    assert_eq!(stats["faults"]["tg:sendMessage:drop_after:1:max=4"], 4);
}

#[test]
fn faults_before_processing_lose_and_repeat_nothing() {
    let peer = peer(true);
    let _bot = Bot::start(&peer.base_url(), peer.ca_path());
    peer.faults(&[
        "tg:*:drop_before:0.1",
        "tg:sendMessage:429:0.1",
        "llm:*:500:0.1",
        "llm:*:malformed:0.1",
        "llm:*:drop_after:0.1",
        "llm:*:reset:0.1",
        "tg:getUpdates:malformed:0.1",
        "tg:getUpdates:hang:1:max=1",
    ]);
    let stats = peer.drive(&drive(60, Mode::Chats));
    assert_eq!(books(&stats), [60, 60, 0, 0], "{stats}");
    let hits: u64 =
        stats["faults"].as_object().expect("hits").values().filter_map(Value::as_u64).sum();
    assert!(hits >= 30, "{stats}");
}

#[test]
fn a_message_nobody_answers_is_lost() {
    let peer = peer(false);
    let stats = peer.drive(&Drive { patience: Duration::from_millis(50), ..drive(2, Mode::Burst) });
    assert_eq!(books(&stats), [2, 0, 2, 0], "{stats}");
    assert_eq!(stats["pending_updates"], 2);
}

#[test]
fn offsets_confirm_and_the_newer_poll_wins() {
    let peer = peer(false);
    let ids: Vec<i64> = (0..3).map(|i| peer.update(json!({ "strange": i }))).collect();
    let got = |body: Value| -> Vec<i64> {
        let (status, answer) = call(&peer, "getUpdates", body);
        assert_eq!(status, 200, "{answer}");
        let updates = answer["result"].as_array().expect("a list");
        updates.iter().filter_map(|u| u["update_id"].as_i64()).collect()
    };
    assert_eq!(got(json!({})), ids);
    assert_eq!(got(json!({ "limit": 2 })), ids[..2]);
    assert_eq!(got(json!({ "offset": ids[1] })), ids[1..]);
    assert_eq!(got(json!({ "offset": -1 })), ids[2..]);
    assert_eq!(got(json!({ "offset": ids[2] + 1 })), Vec::<i64>::new());
    std::thread::scope(|scope| {
        let calls = peer.calls("tg.getUpdates");
        let old = scope.spawn(|| call(&peer, "getUpdates", json!({ "timeout": 20 })).0);
        assert!(peer.wait_calls("tg.getUpdates", calls + 1, SOON));
        std::thread::sleep(Duration::from_millis(50));
        assert_eq!(got(json!({})), Vec::<i64>::new());
        assert_eq!(old.join().expect("a status"), 409);
    });
    assert_eq!(peer.stats()["getupdates_conflicts"], 1);
}

#[test]
fn the_bot_api_refuses_what_the_real_one_refuses() {
    let peer = peer(false);
    let long = "😀".repeat(2049);
    let fits = "😀".repeat(2048);
    let to = |chat: i64, text: &str| json!({ "chat_id": chat, "text": text });
    let html = |text: &str| json!({ "chat_id": 7, "text": text, "parse_mode": "HTML" });
    refuses(&peer, "sendMessage", to(7, " "), "400 Bad Request: message text is empty");
    refuses(&peer, "sendMessage", to(7, &long), "400 Bad Request: message is too long");
    assert_eq!(call(&peer, "sendMessage", html(&format!("<b>{fits}</b>"))).0, 200);
    refuses(
        &peer,
        "sendMessage",
        html("<b>x"),
        "400 Bad Request: can't parse entities: Can't find end tag corresponding to start tag \"b\"",
    );
    refuses(&peer, "sendMessage", to(0, "x"), "400 Bad Request: chat not found");
    refuses(&peer, "sendMessage", json!({ "text": "x" }), "400 Bad Request: chat_id is empty");
    refuses(&peer, "frobnicate", json!({}), "404 Not Found");
    refuses(&peer, "getFile", json!({ "file_id": "x" }), "400 Bad Request: invalid file_id");
    let reply = json!({ "chat_id": 7, "text": "x", "reply_parameters": { "message_id": 1 } });
    refuses(&peer, "sendMessage", reply, "400 Bad Request: message to be replied not found");
    peer.block(7, true);
    refuses(&peer, "sendMessage", to(7, "x"), "403 Forbidden: bot was blocked by the user");
    peer.vanish(8);
    refuses(
        &peer,
        "sendChatAction",
        json!({ "chat_id": 8, "action": "typing" }),
        "400 Bad Request: chat not found",
    );
    peer.migrate(-9, -1_000_000_000_009);
    let (_, moved) = call(&peer, "sendMessage", to(-9, "x"));
    assert_eq!(moved["parameters"]["migrate_to_chat_id"], json!(-1_000_000_000_009_i64));
    peer.revoke_token(true);
    refuses(&peer, "getMe", json!({}), "401 Unauthorized");
}

#[test]
fn edits_need_a_message_and_a_change() {
    let peer = peer(false);
    let (_, sent) = call(&peer, "sendMessage", json!({ "chat_id": 7, "text": "a" }));
    let id = &sent["result"]["message_id"];
    let edit = |id: &Value, text: &str| json!({ "chat_id": 7, "message_id": id, "text": text });
    let (status, answer) = call(&peer, "editMessageText", edit(id, "a"));
    assert_eq!(status, 400);
    assert!(answer["description"].as_str().is_some_and(|d| d.contains("message is not modified")));
    assert_eq!(call(&peer, "editMessageText", edit(id, "b")).0, 200);
    refuses(
        &peer,
        "editMessageText",
        edit(&json!(1), "b"),
        "400 Bad Request: message to edit not found",
    );
    assert_eq!(peer.texts(7), ["b"]);
}

#[test]
fn a_callback_is_answered_once_and_files_come_back() {
    let peer = peer(false);
    peer.press(7, 7, 1, "yes");
    let (_, updates) = call(&peer, "getUpdates", json!({}));
    let id = &updates["result"][0]["callback_query"]["id"];
    assert_eq!(call(&peer, "answerCallbackQuery", json!({ "callback_query_id": id })).0, 200);
    assert_eq!(call(&peer, "answerCallbackQuery", json!({ "callback_query_id": id })).0, 400);

    let file = peer.add_file("a.txt", b"contents".to_vec());
    let (_, answer) = call(&peer, "getFile", json!({ "file_id": file }));
    let path = answer["result"]["file_path"].as_str().expect("a path").to_owned();
    let mut client = Client::new(&peer.control_url(), None).expect("a client");
    assert_eq!(
        client.get(&format!("/file/bot1:test/{path}")).expect("a file"),
        (200, b"contents".to_vec())
    );
}

#[test]
fn an_upload_is_seen_with_its_name_and_caption() {
    let peer = peer(false);
    let body = "--b\r\nContent-Disposition: form-data; name=\"chat_id\"\r\n\r\n7\r\n--b\r\n\
                Content-Disposition: form-data; name=\"caption\"\r\n\r\nlook\r\n--b\r\nContent-Disposition: \
                form-data; name=\"document\"; filename=\"n.txt\"\r\n\r\nfour\r\n--b--\r\n";
    let request = format!(
        "POST /bot1:test/sendDocument HTTP/1.1\r\nHost: h\r\nContent-Type: multipart/form-data; \
         boundary=b\r\nContent-Length: {}\r\n\r\n{body}",
        body.len()
    );
    let mut client = Client::new(&peer.control_url(), None).expect("a client");
    assert_eq!(client.exchange(request.as_bytes()).expect("an answer").0, 200);
    let sent = peer.sent().pop().expect("a message");
    assert_eq!((sent.text.as_str(), sent.upload), ("look", Some(("n.txt".to_owned(), 4))));
}

#[test]
fn streams_end_as_they_should_or_as_they_are_told() {
    let peer = peer(false);
    let ask = |path: &str, text: &str| {
        let body = json!({
            "model": "m", "max_tokens": 100, "stream": true,
            "messages": [{ "role": "user", "content": text }],
        });
        let mut client = Client::new(&peer.control_url(), None).expect("a client");
        let headers = "Authorization: Bearer k\r\nanthropic-version: 2023-06-01\r\n";
        client.post(path, headers, &body).map(|(_, b)| String::from_utf8_lossy(&b).into_owned())
    };
    let whole = ask("/v1/chat/completions", "q000001").expect("a stream");
    assert!(whole.ends_with("data: [DONE]\n\n"), "{whole}");
    let whole = ask("/v1/messages", "[call:f {}] q000001").expect("a stream");
    assert!(whole.contains("\"tool_use\"") && whole.contains("message_stop"), "{whole}");
    peer.faults(&["llm:chat:malformed:1:max=1", "llm:chat:drop_after:1:max=1"]);
    let broken = ask("/v1/chat/completions", "q000001").expect("a stream");
    assert!(broken.contains("\"choi\n"), "{broken}");
    assert!(ask("/v1/chat/completions", "q000001").is_err());
    let huge = ask("/v1/messages", "[huge:300000] q000001").expect("a stream");
    assert!(huge.len() > 300_000);
}

#[test]
fn a_network_that_goes_away_comes_back() {
    let peer = peer(false);
    let marker = {
        let _bot = Bot::start(&peer.base_url(), None);
        assert!(peer.wait_calls("tg.getUpdates", 1, SOON));
        peer.offline(true);
        let marker = peer.say(5, 5, "anybody there?");
        std::thread::sleep(Duration::from_millis(100));
        assert_eq!(peer.wait_reply(&marker, Duration::ZERO), None);
        peer.offline(false);
        assert_eq!(peer.wait_reply(&marker, SOON), Some(format!("re {marker} ok.")));
        marker
    };
    assert_eq!(peer.answers(&marker).len(), 1);
}

#[test]
fn idle_means_all_taken_and_answered() {
    let peer = peer(false);
    let begun = peer.wait_rest(Duration::ZERO).expect("nothing has begun");
    peer.say(1001, 1001, "hello");
    assert_eq!(peer.wait_rest(Duration::ZERO), None, "an update waits");
    let (_, got) = call(&peer, "getUpdates", json!({}));
    let next = got["result"][0]["update_id"].as_i64().expect("an update") + 1;
    assert_eq!(peer.wait_rest(Duration::ZERO), None, "it is not confirmed");
    // A long poll confirms it, and is not waited for.
    std::thread::scope(|scope| {
        let poll = json!({ "offset": next, "timeout": 50 });
        let poll = scope.spawn(|| call(&peer, "getUpdates", poll));
        assert_eq!(peer.wait_rest(SOON), Some(begun + 2));
        peer.faults(&["tg:getMe:slow:1:delay=2"]);
        let slow = scope.spawn(|| call(&peer, "getMe", json!({})));
        assert!(peer.wait_calls("tg.getMe", 1, SOON));
        assert_eq!(peer.wait_rest(Duration::ZERO), None, "a request is in work");
        assert_eq!(slow.join().expect("an answer").0, 200);
        assert_eq!(peer.wait_rest(SOON), Some(begun + 3));
        peer.say(1001, 1001, "and this");
        assert_eq!(poll.join().expect("an answer").0, 200);
    });
}

#[test]
fn a_dead_poller_is_no_conflict_and_fetches_nothing() {
    let peer = peer(false);
    let address = peer.control_url().replace("http://", "");
    let mut poller = std::net::TcpStream::connect(address).expect("a connection");
    let poll = b"GET /bot1:test/getUpdates?timeout=30 HTTP/1.1\r\nHost: h\r\n\r\n";
    std::io::Write::write_all(&mut poller, poll).expect("sent");
    assert!(peer.wait_calls("tg.getUpdates", 1, SOON));
    drop(poller);
    std::thread::sleep(Duration::from_millis(150));
    let (marker, _) = peer.tell(Say::new(5, 5, "hello"));
    let _bot = Bot::start(&peer.base_url(), None);
    assert!(peer.wait_reply(&marker, SOON).is_some());
    let stats = peer.stats();
    assert_eq!(
        (&stats["getupdates_conflicts"], &stats["redelivered"]),
        (&json!(0), &json!(0)),
        "{stats}"
    );
}

#[test]
fn dropping_a_peer_ends_its_connections_at_once() {
    let peer = peer(true);
    let url = peer.control_url();
    let poll = std::thread::spawn(move || {
        let mut client = Client::new(&url, None).expect("a client");
        client.post("/bot1:test/getUpdates", "", &json!({ "timeout": 50 })).is_ok()
    });
    assert!(peer.wait_calls("tg.getUpdates", 1, SOON));
    let start = Instant::now();
    drop(peer);
    assert!(start.elapsed() < Duration::from_secs(2));
    // It got the empty answer of a poll that ran out, or a closed connection.
    assert!(poll.join().is_ok());
}
