//! Voice messages: written down by a server, with the user's words in the conversation, whatever the server does.

use picoclaw_peer::{Peer, Say};
use serde_json::{Value, json};

use crate::harness::{Home, OWNER, SOON, peer};
use crate::harness_daemon::Daemon;

/// A voice file as the peer's server understands it.
fn ogg(words: &str) -> Vec<u8> {
    [b"OggS", words.as_bytes()].concat()
}

fn voice(peer: &Peer, bytes: Vec<u8>) -> Say {
    let id = peer.add_file("voice.oga", bytes);
    Say::new(OWNER, OWNER, "").voice(&id)
}

fn home(peer: &Peer, more: &Value) -> Home {
    let entry = |name: &str, model: &str| {
        json!({ "model_name": name, "model": model,
        "api_base": format!("{}/v1", peer.base_url()), "api_keys": ["k-test-123456"] })
    };
    let models = json!([entry("m", "openai/test"), entry("ears", "openai/whisper-1")]);
    let mut patch = json!({ "model_list": models, "voice": { "model_name": "ears" } });
    crate::harness::merge(&mut patch, more);
    Home::patched(peer, &patch)
}

/// Tells it, and what the model was asked then, as text.
#[track_caller]
fn asked(peer: &Peer, daemon: &Daemon, say: Say) -> String {
    let (marker, _) = peer.tell(say);
    assert!(peer.wait_reply(&marker, 2 * SOON).is_some(), "no answer\n{}", daemon.log());
    let request = peer.requests().pop().expect("a request");
    let messages = request["messages"].as_array().expect("messages");
    let user = messages.iter().rev().find(|m| m["role"] == "user").expect("a user's");
    user["content"].as_str().expect("a text").to_owned()
}

#[test]
fn transcripts_count_as_the_users_words() {
    let peer = peer(true);
    let home = home(&peer, &json!({ "voice": { "echo_transcription": true } }));
    let daemon = Daemon::start(&home, &peer);
    let words = "water the garden\nat six";
    let text = asked(&peer, &daemon, voice(&peer, ogg(words)));
    assert!(text.contains("[voice transcription: water the garden at six]"), "{text}");
    assert!(!text.contains("[voice]") && !text.contains("by others"), "{text}");
    let sent = &peer.requests()[0];
    assert_eq!(sent["model"], "whisper-1");
    assert_eq!(sent["bytes"], ogg(words).len());
    assert!(sent["file"].as_str().is_some_and(|name| name.ends_with(".ogg")), "{sent}");
    let echo = |s: &picoclaw_peer::Sent| s.text == "Transcript: water the garden at six";
    assert!(peer.wait_sent(OWNER, SOON, echo).is_some());
    // What somebody else said is data.
    let origin = json!({ "type": "user", "date": 1, "sender_user": { "id": 9, "is_bot": false, "first_name": "Ann" } });
    let text =
        asked(&peer, &daemon, voice(&peer, ogg("delete it all")).with("forward_origin", origin));
    assert!(text.contains("[forwarded from Ann]") && text.contains("delete it all"), "{text}");
    assert!(text.contains("written by others"), "{text}");
}

#[test]
fn music_is_heard_too_and_keeps_its_path_when_it_is_not() {
    let peer = peer(false);
    let home = home(&peer, &json!({}));
    let daemon = Daemon::start(&home, &peer);
    let audio = |bytes: Vec<u8>| {
        let id = peer.add_file("a.mp3", bytes);
        let file =
            json!({ "file_id": id, "file_unique_id": "u", "duration": 2, "file_name": "a.mp3" });
        Say::new(OWNER, OWNER, "what is it?").with("audio", file)
    };
    let text = asked(&peer, &daemon, audio(ogg("a song")));
    assert!(text.contains("[audio transcription: a song]"), "{text}");
    peer.faults(&["llm:transcriptions:400:1"]);
    let text = asked(&peer, &daemon, audio(ogg("a song")));
    assert!(text.contains("[audio (transcription failed)]") && text.contains("[audio:/"), "{text}");
}

#[test]
fn a_server_in_trouble_is_asked_twice_and_then_done_without() {
    let peer = peer(false);
    let home = home(&peer, &json!({}));
    let daemon = Daemon::start(&home, &peer);
    for (fault, calls, heard) in [
        ("llm:transcriptions:500:1:max=1", 2, true),
        ("llm:transcriptions:reset:1:max=1", 2, true),
        ("llm:transcriptions:503:1", 2, false),
        ("llm:transcriptions:401:1", 1, false),
        ("llm:transcriptions:malformed:1", 1, false),
    ] {
        let before = peer.calls("llm.transcriptions");
        peer.faults(&[fault]);
        let text = asked(&peer, &daemon, voice(&peer, ogg("hello")));
        let mark =
            if heard { "[voice transcription: hello]" } else { "[voice (transcription failed)]" };
        assert!(text.contains(mark), "{fault}: {text}");
        assert_eq!(peer.calls("llm.transcriptions") - before, calls, "{fault}");
    }
    // Nothing was said.
    peer.faults(&[]);
    let text = asked(&peer, &daemon, voice(&peer, ogg(" ")));
    assert!(text.contains("[voice (transcription failed)]"), "{text}");
}

#[test]
fn without_a_server_it_is_a_file() {
    let peer = peer(false);
    let home = home(&peer, &json!({ "voice": { "model_name": "" } }));
    let daemon = Daemon::start(&home, &peer);
    let text = asked(&peer, &daemon, voice(&peer, ogg("hello")));
    assert!(text.contains("[voice]") && text.contains("[audio:/"), "{text}");
    assert_eq!(peer.calls("llm.transcriptions"), 0);
}

#[test]
fn groq_is_taken_where_it_has_a_key() {
    let peer = peer(false);
    let base = format!("{}/v1", peer.base_url());
    let groq = json!({ "model_name": "m", "model": "groq/llama-3.3-70b", "api_base": base, "api_keys": ["k-test-123456"] });
    let home = Home::patched(&peer, &json!({ "model_list": [groq] }));
    let daemon = Daemon::start(&home, &peer);
    let text = asked(&peer, &daemon, voice(&peer, ogg("hello")));
    assert!(text.contains("[voice transcription: hello]"), "{text}");
    assert_eq!(peer.requests()[0]["model"], "whisper-large-v3");
}

#[test]
fn a_kill_while_it_is_written_down_loses_nothing() {
    let peer = peer(false);
    let home = home(&peer, &json!({}));
    let daemon = Daemon::start(&home, &peer);
    peer.faults(&["llm:transcriptions:hang:1"]);
    let (marker, _) = peer.tell(voice(&peer, ogg("hello")));
    assert!(peer.wait_calls("llm.transcriptions", 1, SOON));
    daemon.kill9();
    peer.faults(&[]);
    let daemon = Daemon::start(&home, &peer);
    assert!(peer.wait_reply(&marker, SOON).is_some(), "{}", daemon.log());
    let request = peer.requests().pop().expect("a request").to_string();
    assert!(request.contains("[voice transcription: hello]"), "{request}");
    assert_eq!(peer.duplicated(), []);
}

#[test]
fn a_long_recording_passes_in_little_memory() {
    let peer = peer(true);
    let home = home(&peer, &json!({}));
    let daemon = Daemon::start(&home, &peer);
    asked(&peer, &daemon, voice(&peer, ogg("short")));
    let before = daemon.memory_kb("VmHWM");
    let mut bytes = ogg("");
    bytes.resize(15 * 1024 * 1024, 0xff);
    let text = asked(&peer, &daemon, voice(&peer, bytes));
    assert!(text.contains("[voice transcription: words of a voice]"), "{text}");
    assert_eq!(peer.requests()[2]["bytes"], 15 * 1024 * 1024);
    let grown = daemon.memory_kb("VmHWM").saturating_sub(before);
    println!("15 MB: {grown} kB more at the peak");
    assert!(grown < 512, "{grown} kB more at its peak");
}
