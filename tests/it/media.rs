//! Pictures: from the chat through the card to the model, whatever breaks on the way.

use base64::Engine;
use base64::engine::general_purpose::STANDARD;
use picoclaw_peer::{Peer, Say};
use serde_json::{Value, json};

use crate::harness::{Home, OWNER, SOON, eventually, peer};
use crate::harness_daemon::Daemon;

/// A JPEG as far as its first bytes go, of any length.
fn jpeg(bytes: usize) -> Vec<u8> {
    let mut out = b"\xff\xd8\xff\xe0\0\x10JFIF\0\x01".to_vec();
    out.extend((out.len()..bytes).map(|i| (i * 31 % 251) as u8));
    out
}

fn photo(peer: &Peer, bytes: &[u8]) -> Say {
    let id = peer.add_file("photo.jpg", bytes.to_vec());
    Say::new(OWNER, OWNER, "what is this?").photo(&id)
}

/// Parts of the user's message that a request ends with (before the system's words there is nothing else new).
fn parts(request: &Value) -> Vec<Value> {
    let messages = request["messages"].as_array().expect("messages");
    let user = messages.iter().rev().find(|m| m["role"] == "user").expect("a user's");
    user["content"].as_array().cloned().unwrap_or_default()
}

fn data_url(bytes: &[u8]) -> String {
    format!("data:image/jpeg;base64,{}", STANDARD.encode(bytes))
}

#[track_caller]
fn answered(peer: &Peer, daemon: &Daemon, say: Say) {
    let (marker, _) = peer.tell(say);
    assert!(peer.wait_reply(&marker, 2 * SOON).is_some(), "no answer\n{}", daemon.log());
    assert_eq!(peer.refused(), [""; 0], "{}", daemon.log());
}

#[test]
fn a_photo_is_shown_to_the_model_once() {
    let peer = peer(true);
    let home = Home::new(&peer);
    let daemon = Daemon::start(&home, &peer);
    // Not a multiple of three, of a piece, or of what is read at a time.
    let bytes = jpeg(50_000);
    answered(&peer, &daemon, photo(&peer, &bytes));
    let first = parts(&peer.requests()[0]);
    assert_eq!(first.len(), 2);
    let text = first[0]["text"].as_str().expect("a text");
    assert!(text.contains("what is this?") && text.contains("/media/"), "{text}");
    assert!(!text.contains("[image: photo]"), "{text}");
    assert_eq!(first[1]["image_url"]["url"], data_url(&bytes));

    // Afterwards it is a word and a path.
    answered(&peer, &daemon, Say::new(OWNER, OWNER, "and now?"));
    let all = peer.requests().pop().expect("a request").to_string();
    assert!(!all.contains("base64") && all.contains("[image:"), "{all}");
    let session = home.read(&format!("sessions/telegram_{OWNER}.jsonl"));
    let line: Value = serde_json::from_str(session.lines().next().expect("a line")).expect("JSON");
    assert!(line["media"][0].as_str().is_some_and(|path| path.contains("/media/")), "{line}");
    assert!(session.len() < 4000, "{session}");
}

#[test]
fn a_picture_sent_as_a_document_is_one_and_other_files_are_not() {
    let peer = peer(false);
    let home = Home::new(&peer);
    let daemon = Daemon::start(&home, &peer);
    let png = [b"\x89PNG\r\n\x1a\n".as_slice(), &[1; 100]].concat();
    let id = peer.add_file("scan", png.clone());
    answered(&peer, &daemon, Say::new(OWNER, OWNER, "read it").document(&id, "scan", png.len()));
    let shown = parts(&peer.requests()[0]);
    let url = format!("data:image/png;base64,{}", STANDARD.encode(&png));
    assert_eq!(shown[1]["image_url"]["url"], url);
    let id = peer.add_file("photo.jpg", b"<html>not a picture".to_vec());
    answered(&peer, &daemon, Say::new(OWNER, OWNER, "look").photo(&id));
    assert_eq!(parts(&peer.requests()[1]), [Value::Null; 0], "a plain text");
}

#[cfg(feature = "anthropic")]
#[test]
fn the_messages_api_gets_it_as_a_block() {
    let peer = peer(false);
    let model = json!({ "model_name": "m", "model": "anthropic-messages/claude", "api_keys": ["k-test-123456"],
        "api_base": format!("{}/v1", peer.base_url()) });
    let home = Home::patched(&peer, &json!({ "model_list": [model] }));
    let daemon = Daemon::start(&home, &peer);
    let bytes = jpeg(10_001);
    answered(&peer, &daemon, photo(&peer, &bytes));
    let shown = parts(&peer.requests()[0]);
    let source =
        json!({ "type": "base64", "media_type": "image/jpeg", "data": STANDARD.encode(&bytes) });
    assert!(shown.iter().any(|b| b["type"] == "image" && b["source"] == source), "{shown:?}");
}

#[test]
fn twenty_megabytes_pass_in_little_memory() {
    let peer = peer(true);
    let home = Home::new(&peer);
    let daemon = Daemon::start(&home, &peer);
    // Everything that is made once is there: TLS, sessions, the blocking thread.
    answered(&peer, &daemon, photo(&peer, &jpeg(100_000)));
    let before = daemon.memory_kb("VmHWM");
    let bytes = jpeg(20 * 1024 * 1024);
    // A build for debugging, on a busy machine.
    let (marker, _) = peer.tell(photo(&peer, &bytes));
    assert!(peer.wait_reply(&marker, 10 * SOON).is_some(), "no answer\n{}", daemon.log());
    assert_eq!(peer.refused(), [""; 0], "{}", daemon.log());
    let shown = parts(&peer.requests().pop().expect("a request"));
    assert!(shown[1]["image_url"]["url"] == data_url(&bytes), "another picture");
    let grown = daemon.memory_kb("VmHWM").saturating_sub(before);
    println!("20 MB: {grown} kB more at the peak, RssAnon {} kB", daemon.memory_kb("RssAnon"));
    assert!(grown < 512, "{grown} kB more at its peak");
}

#[test]
fn a_larger_file_is_refused_in_words() {
    let peer = peer(false);
    let home = Home::new(&peer);
    let daemon = Daemon::start(&home, &peer);
    let size = 21 * 1024 * 1024;
    let id = peer.add_file("big.bin", vec![0; size]);
    answered(&peer, &daemon, Say::new(OWNER, OWNER, "keep it").document(&id, "big.bin", size));
    let told = |text: &str| text.contains("big.bin") && text.contains("larger than the 20 MB");
    assert!(peer.texts(OWNER).iter().any(|t| told(t)), "{:?}", peer.texts(OWNER));
    assert!(told(&peer.requests()[0].to_string()));
    // The size it states may be wrong: the server's word counts.
    answered(&peer, &daemon, Say::new(OWNER, OWNER, "keep it").document(&id, "big.bin", 7));
    assert_eq!(peer.calls("tg.file"), 0);
}

#[test]
fn a_download_that_breaks_or_hangs_is_tried_again() {
    let peer = peer(false);
    let home = Home::new(&peer);
    let daemon = Daemon::start(&home, &peer);
    let bytes = jpeg(300_000);
    peer.faults(&["tg:file:cut:1:max=1", "tg:file:reset:1:max=1"]);
    answered(&peer, &daemon, photo(&peer, &bytes));
    assert_eq!(parts(&peer.requests()[0])[1]["image_url"]["url"], data_url(&bytes));
    assert_eq!(peer.calls("tg.file"), 3);
    // Broken each time: the message goes on without it.
    peer.faults(&["tg:file:cut:1"]);
    answered(&peer, &daemon, photo(&peer, &bytes));
    let all = peer.requests().pop().expect("a request").to_string();
    assert!(all.contains("could not be downloaded") && all.contains("[image: photo]"), "{all}");
    // Silent: the rest is answered meanwhile, and /stop ends the waiting.
    peer.faults(&["tg:file:stall:1"]);
    let calls = peer.calls("tg.file");
    peer.tell(photo(&peer, &bytes));
    assert!(peer.wait_calls("tg.file", calls + 1, SOON));
    let marker = peer.say(-77, OWNER, "and here?");
    assert!(peer.wait_reply(&marker, SOON).is_some(), "{}", daemon.log());
    peer.command(OWNER, "/stop");
    assert!(peer.wait_sent(OWNER, SOON, |s| s.text.contains("Stopped")).is_some());
    let left = std::fs::read_dir(home.path("workspace/media")).expect("a folder").flatten();
    let whole = left.filter(|e| e.metadata().is_ok_and(|m| m.len() == 300_000)).count();
    assert_eq!(whole, 1, "parts have other names");
}

#[test]
fn a_kill_in_the_middle_of_a_download_loses_nothing() {
    let peer = peer(false);
    let home = Home::new(&peer);
    let daemon = Daemon::start(&home, &peer);
    let bytes = jpeg(400_000);
    peer.faults(&["tg:file:stall:1"]);
    let (marker, _) = peer.tell(photo(&peer, &bytes));
    assert!(peer.wait_calls("tg.file", 1, SOON));
    let folder = home.path("workspace/media");
    let part = || {
        let mut files = std::fs::read_dir(&folder).ok()?.flatten();
        files.find(|f| f.metadata().is_ok_and(|m| m.len() > 0))
    };
    assert!(eventually(SOON, part).is_some(), "{}", daemon.log());
    daemon.kill9();
    peer.faults(&[]);
    let daemon = Daemon::start(&home, &peer);
    assert!(peer.wait_reply(&marker, SOON).is_some(), "{}", daemon.log());
    assert_eq!(parts(&peer.requests()[0])[1]["image_url"]["url"], data_url(&bytes));
    assert_eq!(peer.duplicated(), []);
}

#[test]
fn a_kill_while_the_model_looks_shows_it_again() {
    let peer = peer(false);
    let home = Home::new(&peer);
    let daemon = Daemon::start(&home, &peer);
    let bytes = jpeg(40_000);
    peer.faults(&["llm:chat:hang:1"]);
    let (marker, _) = peer.tell(photo(&peer, &bytes));
    assert!(peer.wait_calls("llm.chat", 1, SOON));
    daemon.kill9();
    peer.faults(&[]);
    let daemon = Daemon::start(&home, &peer);
    assert!(peer.wait_reply(&marker, SOON).is_some(), "{}", daemon.log());
    assert_eq!(parts(&peer.requests()[0])[1]["image_url"]["url"], data_url(&bytes));
}

#[test]
fn a_model_that_cannot_see_is_asked_in_words() {
    let peer = peer(false);
    let home = Home::new(&peer);
    let daemon = Daemon::start(&home, &peer);
    for status in [400, 404, 413] {
        peer.faults(&[&format!("llm:chat:{status}:1:max=1")]);
        answered(&peer, &daemon, photo(&peer, &jpeg(5_000)));
        let all = peer.requests().pop().expect("a request").to_string();
        assert!(all.contains("cannot see this picture") && !all.contains("base64"), "{all}");
    }
}

#[test]
fn image_model_is_asked_where_pictures_are() {
    let peer = peer(false);
    let entry = |name: &str| {
        json!({ "model_name": name, "model": format!("openai/{name}"),
        "api_base": format!("{}/v1", peer.base_url()), "api_keys": ["k-test-123456"] })
    };
    let defaults = json!({ "model_name": "words", "image_model": "eyes", "image_model_fallbacks": ["more"],
        "max_media_size": 60_000, "max_llm_retries": 0 });
    let models = json!([entry("words"), entry("eyes"), entry("more")]);
    let home =
        Home::patched(&peer, &json!({ "agents": { "defaults": defaults }, "model_list": models }));
    let daemon = Daemon::start(&home, &peer);
    answered(&peer, &daemon, photo(&peer, &jpeg(50_000)));
    answered(&peer, &daemon, Say::new(OWNER, OWNER, "only words"));
    // Too large to be shown, so nothing is there to see.
    answered(&peer, &daemon, photo(&peer, &jpeg(60_001)));
    peer.faults(&["llm:chat:500:1:max=1"]);
    answered(&peer, &daemon, photo(&peer, &jpeg(60_000)));
    let asked: Vec<Value> = peer.requests().into_iter().map(|mut r| r["model"].take()).collect();
    assert_eq!(asked, ["eyes", "words", "words", "more"]);
}
