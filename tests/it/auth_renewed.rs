//! Tokens that are renewed while the gateway runs.

use std::fs;
use std::os::unix::fs::PermissionsExt;

use picoclaw_peer::Peer;
use serde_json::{Value, json};

use crate::auth::{DONE, expire, issuer, stored};
use crate::harness::{Home, OWNER, SOON, eventually, peer};
use crate::harness_daemon::Daemon;
use crate::wire::Server;

/// A gateway with one model at `server`, whose token is over.
fn gateway(server: &Server) -> (Peer, Home, Daemon) {
    let peer = peer(false);
    let model = json!([{ "model_name": "m", "model": "openai/test", "api_base": server.url("/v1"), "auth_method": "oauth" }]);
    let home = Home::patched(&peer, &json!({ "model_list": model }))
        .env("PICOCLAW_AUTH_ISSUER", &server.url(""));
    home.write(
        "auth.json",
        r#"{"credentials":{"openai":{"access_token":"access-0","refresh_token":"refresh-0",
            "expires_at":"2020-01-01T00:00:00Z","auth_method":"oauth"}}}"#,
    );
    let polls = peer.calls("tg.getUpdates");
    let daemon = Daemon::spawn_command(&home, home.command_of_nobody(&["gateway"]));
    assert!(peer.wait_calls("tg.getUpdates", polls + 1, SOON), "no poll\n{}", daemon.log());
    (peer, home, daemon)
}

#[track_caller]
fn answered(peer: &Peer, daemon: &Daemon) {
    peer.reset();
    peer.say(OWNER, OWNER, "hi");
    let there = peer.wait_sent(OWNER, SOON, |s| s.text == "the model answers");
    assert!(there.is_some(), "{:?}\n{}", peer.texts(OWNER), daemon.log());
}

#[test]
fn a_renewed_token_is_a_secret_at_once() {
    let (server, state) = issuer(&[DONE]);
    let (peer, home, daemon) = gateway(&server);
    home.write("workspace/note.txt", "of old: access-0 refresh-0; of now: access-1 refresh-1");
    let call = json!({ "id": "c", "type": "function", "function": { "name": "read_file", "arguments": "{\"path\":\"note.txt\"}" } });
    let says = json!({ "choices": [{ "message": { "content": "", "tool_calls": [call] } }] });
    state.lock().expect("no panic").says.push(says.to_string());
    answered(&peer, &daemon);
    let read = server.heard().pop().expect("asked");
    let (_, body) = read.split_once("\r\n\r\n").expect("a body");
    assert!(body.contains("of now: [FILTERED] [FILTERED]"), "{body}");
    assert!(body.contains("of old: [FILTERED] [FILTERED]"), "{body}");
    // Signed in anew beside the gateway: used with the next question, and as secret.
    let mut auth: Value = serde_json::from_str(&home.read("auth.json")).expect("JSON");
    auth["credentials"]["openai"]["access_token"] = "access-9".into();
    home.write("auth.json", &auth.to_string());
    home.write("workspace/note.txt", "of now: access-9");
    state.lock().expect("no panic").says.push(says.to_string());
    answered(&peer, &daemon);
    let read = server.heard().pop().expect("asked");
    assert!(read.contains("of now: [FILTERED]"), "{read}");
}

#[test]
fn a_renewed_token_is_on_the_card_before_it_is_used_and_in_memory_while_that_is_full() {
    let (server, state) = issuer(&[DONE]);
    let (peer, home, daemon) = gateway(&server);
    // Nothing can be written there.
    let writable = |mode| fs::set_permissions(home.path(""), fs::Permissions::from_mode(mode));
    writable(0o555).expect("a mode");
    for _ in 0..2 {
        answered(&peer, &daemon);
        assert_eq!(stored(&home)["openai"]["refresh_token"], "refresh-0");
        let asked = server.heard().pop().expect("asked").to_ascii_lowercase();
        assert!(asked.contains("authorization: bearer access-1\r\n"), "{asked}");
    }
    assert!(daemon.log().contains("cannot save"), "{}", daemon.log());
    assert_eq!(state.lock().expect("no panic").used, ["refresh-0"]);
    writable(0o755).expect("a mode");
    answered(&peer, &daemon);
    assert_eq!(stored(&home)["openai"]["refresh_token"], "refresh-1");
    // The model is asked with the new one only when it is there: a kill then costs nothing.
    expire(&home, "2020-01-01T00:00:00Z");
    let before = server.heard().len();
    peer.say(OWNER, OWNER, "hi");
    let asked =
        || server.heard().iter().skip(before).any(|r| r.starts_with("POST /v1/")).then_some(());
    assert!(eventually(SOON, asked).is_some(), "{}", daemon.log());
    daemon.kill9();
    assert_eq!(stored(&home)["openai"]["refresh_token"], "refresh-2");
    let daemon = Daemon::start(&home, &peer);
    answered(&peer, &daemon);
    assert_eq!(state.lock().expect("no panic").used, ["refresh-0", "refresh-1"]);
}
