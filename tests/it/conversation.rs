//! Messages in, answers out: the whole way through the real binary.

use std::time::Duration;

use picoclaw_peer::{Peer, Say};
use serde_json::{Value, json};

use crate::harness::{Home, OWNER, SOON, eventually, finish, peer};
use crate::harness_daemon::Daemon;

/// Says `text` in the owner's chat and waits for the answer.
#[track_caller]
fn ask(peer: &Peer, daemon: &Daemon, text: &str) -> String {
    let marker = peer.say(OWNER, OWNER, text);
    match peer.wait_reply(&marker, SOON) {
        Some(reply) => reply,
        None => panic!("no answer to {text}\nsent: {:?}\n{}", peer.texts(OWNER), daemon.log()),
    }
}

/// The newest request, as text.
fn newest(peer: &Peer) -> Value {
    peer.requests().pop().expect("a request")
}

/// Texts of all tool results in a request.
fn results(request: &Value) -> Vec<String> {
    let messages = request["messages"].as_array().expect("messages").iter();
    let tools = messages.filter(|m| m["role"] == "tool");
    tools.filter_map(|m| m["content"].as_str().map(str::to_owned)).collect()
}

#[test]
fn a_text_is_answered_plain_and_over_tls() {
    for tls in [false, true] {
        let peer = peer(tls);
        let home = Home::new(&peer);
        let daemon = Daemon::start(&home, &peer);
        let marker = peer.say(OWNER, OWNER, "hello [delay:400]");
        assert_eq!(peer.wait_reply(&marker, SOON), Some(marker.answer()), "{}", daemon.log());
        assert!(peer.calls("tg.sendChatAction") >= 1, "it never said that it types");
        assert!(peer.wait_calls("tg.setMyCommands", 1, SOON));
        assert_eq!(peer.refused(), Vec::<String>::new());
        assert!(daemon.term().success());
    }
}

#[test]
fn the_first_releases_configuration_still_works() {
    let peer = peer(false);
    let home = Home::old(&peer);
    let before = home.read("config.json");
    let daemon = Daemon::start(&home, &peer);
    ask(&peer, &daemon, "hello");
    drop(daemon);
    assert_eq!(home.read("config.json"), before, "the user's file was rewritten");
}

#[test]
fn tools_run_before_the_answer() {
    let peer = peer(false);
    let home = Home::new(&peer);
    home.write("workspace/note.txt", "the secret word is heron\n");
    let daemon = Daemon::start(&home, &peer);
    ask(&peer, &daemon, r#"look it up [call:read_file {"path":"note.txt"}]"#);
    assert!(results(&newest(&peer))[0].contains("heron"), "{:?}", newest(&peer));
    ask(&peer, &daemon, r#"note it [call:write_file {"path":"out/a.txt","content":"done"}]"#);
    assert_eq!(home.read("workspace/out/a.txt"), "done");
    ask(
        &peer,
        &daemon,
        r#"both [tool:list_dir+list_dir] and then [call:exec {"command":"echo $((40+2))"}]"#,
    );
    assert!(results(&newest(&peer)).iter().any(|r| r.contains("42")), "{:?}", newest(&peer));
    assert_eq!(peer.refused(), Vec::<String>::new());
}

#[test]
fn the_model_sees_its_history_and_a_stable_prompt() {
    let peer = peer(false);
    let home = Home::new(&peer);
    let daemon = Daemon::start(&home, &peer);
    ask(&peer, &daemon, "my bicycle is green");
    let first = newest(&peer);
    ask(&peer, &daemon, "what colour is it?");
    let second = newest(&peer);
    assert!(second["messages"].to_string().contains("my bicycle is green"));
    assert_eq!(first["tools"], second["tools"], "prompt caches miss when the tools change");
    let request = second.as_object().expect("a request");
    assert!(request.contains_key("max_tokens") && request.contains_key("temperature"));
    // It stays over a restart.
    assert!(daemon.term().success());
    let daemon = Daemon::start(&home, &peer);
    ask(&peer, &daemon, "and my bicycle?");
    assert!(newest(&peer)["messages"].to_string().contains("my bicycle is green"));
}

#[test]
fn clear_forgets_and_commands_are_answered_without_the_model() {
    let peer = peer(false);
    let home = Home::new(&peer);
    let daemon = Daemon::start(&home, &peer);
    ask(&peer, &daemon, "my bicycle is green");
    let calls = peer.calls("llm.chat");
    for command in ["/start", "/help", "/show model", "/list models", "/clear"] {
        let before = peer.sent().len();
        peer.command(OWNER, command);
        let answered = eventually(SOON, || (peer.sent().len() > before).then_some(()));
        assert!(answered.is_some(), "no answer to {command}\n{}", daemon.log());
    }
    assert_eq!(peer.calls("llm.chat"), calls);
    ask(&peer, &daemon, "what colour is it?");
    assert!(!newest(&peer)["messages"].to_string().contains("bicycle is green"));
}

#[test]
fn stop_ends_a_turn_at_once() {
    let peer = peer(false);
    let home = Home::new(&peer);
    let daemon = Daemon::start(&home, &peer);
    let marker = peer.say(OWNER, OWNER, "think hard [delay:60000]");
    assert!(peer.wait_calls("llm.chat", 1, SOON), "{}", daemon.log());
    let before = peer.sent().len();
    peer.command(OWNER, "/stop");
    let answered = eventually(SOON, || (peer.sent().len() > before).then_some(()));
    assert!(answered.is_some(), "{}", daemon.log());
    ask(&peer, &daemon, "and now?");
    daemon.idle(&peer);
    assert!(peer.answers(&marker).is_empty());
}

#[test]
fn chats_run_side_by_side_and_each_keeps_its_order() {
    let peer = peer(false);
    let other = OWNER + 1;
    let allowed = json!([OWNER.to_string(), other.to_string()]);
    let home =
        Home::patched(&peer, &json!({ "channel_list": { "telegram": { "allow_from": allowed } } }));
    let daemon = Daemon::start(&home, &peer);
    let slow = peer.say(OWNER, OWNER, "slow [delay:4000]");
    let behind = peer.say(OWNER, OWNER, "behind it");
    let aside = peer.say(other, other, "quick");
    assert!(peer.wait_reply(&aside, Duration::from_secs(3)).is_some(), "{}", daemon.log());
    assert!(peer.wait_reply(&behind, SOON).is_some(), "{}", daemon.log());
    let at = |m| peer.answers(m)[0];
    assert!(at(&aside) < at(&slow) && at(&slow) < at(&behind));
}

#[test]
fn captions_documents_places_and_edits_reach_the_agent() {
    let peer = peer(false);
    let home = Home::new(&peer);
    let daemon = Daemon::start(&home, &peer);
    let file = peer.add_file("list.txt", b"milk and rope".to_vec());
    let photo = peer.add_file("p.jpg", vec![0xff, 0xd8, 0xff, 0xd9]);
    let asked = |say: Say| {
        let (marker, id) = peer.tell(say);
        assert!(peer.wait_reply(&marker, SOON).is_some(), "{}", daemon.log());
        id
    };
    asked(Say::new(OWNER, OWNER, "what is this?").photo(&photo));
    asked(Say::new(OWNER, OWNER, "read it").document(&file, "list.txt", 13));
    let id = asked(Say::new(OWNER, OWNER, "an apple"));
    asked(Say::new(OWNER, OWNER, "a pear").editing(id));
    let before = peer.calls("llm.chat");
    peer.tell(Say::new(OWNER, OWNER, "").unmarked().location(52.5, 13.25));
    assert!(peer.wait_calls("llm.chat", before + 1, SOON), "{}", daemon.log());
    // The call is counted before its body is kept.
    let there = eventually(SOON, || newest(&peer).to_string().contains("52.5").then_some(()));
    assert!(there.is_some(), "{}", newest(&peer));
}

#[test]
fn the_anthropic_wire_and_streams_work_too() {
    for (provider, streaming, call) in [
        ("anthropic-messages", false, "llm.messages"),
        ("anthropic-messages", true, "llm.messages"),
        ("openai", true, "llm.chat"),
    ] {
        let peer = peer(true);
        let model = json!([{
            "model_name": "m", "model": format!("{provider}/test"), "api_base": format!("{}/v1", peer.base_url()),
            "api_keys": ["k-test-123456"], "streaming": { "enabled": streaming },
        }]);
        let home = Home::patched(&peer, &json!({ "model_list": model }));
        let daemon = Daemon::start(&home, &peer);
        ask(&peer, &daemon, "look [tool:list_dir] and answer");
        assert!(peer.calls(call) >= 2, "{provider}: {}", peer.stats()["calls"]);
        assert_eq!(newest(&peer)["stream"] == true, streaming);
        assert_eq!(peer.refused(), Vec::<String>::new());
    }
}

#[test]
fn the_command_line_has_the_same_agent() {
    let peer = peer(true);
    let home = Home::new(&peer);
    home.write("workspace/note.txt", "the secret word is heron\n");
    let done = home.run(&["agent", "-m", r#"look [call:read_file {"path":"note.txt"}] q999999"#]);
    assert!(done.status.success(), "{done:?}");
    assert!(done.stdout.contains("re q999999 ok."), "{done:?}");
    assert!(results(&newest(&peer))[0].contains("heron"));
    let failed = home.run(&["agent", "-m", "[status:401] q999999"]);
    assert!(!failed.status.success(), "{failed:?}");
    let mut shell = home.command(&["agent"]);
    shell.stdin(std::process::Stdio::null());
    assert!(finish(shell).status.success(), "end of input is a way to leave");
}
