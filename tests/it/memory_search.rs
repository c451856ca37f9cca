//! What was noted is found again: memory_append and memory_search, through the daemon.

use picoclaw_peer::Peer;
use serde_json::json;

use crate::harness::{Home, OWNER, SOON, eventually, peer};
use crate::harness_daemon::Daemon;

#[track_caller]
fn ask(peer: &Peer, daemon: &Daemon, text: &str) -> String {
    let marker = peer.say(OWNER, OWNER, text);
    assert!(peer.wait_reply(&marker, SOON).is_some(), "no answer to {text}\n{}", daemon.log());
    let request = peer.requests().pop().expect("a request");
    let messages = request["messages"].as_array().cloned().unwrap_or_default();
    let mut results = messages.iter().filter(|m| m["role"] == "tool");
    results.next_back().map(|m| m["content"].as_str().unwrap_or("").to_owned()).unwrap_or_default()
}

#[track_caller]
fn search(peer: &Peer, daemon: &Daemon, query: &str) -> String {
    ask(peer, daemon, &format!("find [call:memory_search {}]", json!({ "query": query })))
}

fn system(peer: &Peer) -> String {
    let request = peer.requests().pop().expect("a request");
    request["messages"][0]["content"].to_string()
}

/// Without summaries, which are requests as well.
fn home(peer: &Peer) -> Home {
    let defaults = json!({ "summarize_message_threshold": 1000 });
    Home::patched(peer, &json!({ "agents": { "defaults": defaults } }))
}

/// The one daily note there is.
fn note(home: &Home) -> Option<String> {
    let months = std::fs::read_dir(home.path("workspace/memory")).ok()?;
    let month = months.flatten().find(|e| e.path().is_dir())?;
    let note = std::fs::read_dir(month.path()).ok()?.flatten().next()?;
    std::fs::read_to_string(note.path()).ok()
}

#[test]
fn notes_are_in_the_prompt_and_searchable() {
    let peer = peer(false);
    let home = home(&peer);
    let daemon = Daemon::start(&home, &peer);
    let said = ask(&peer, &daemon, r###"[call:memory_append {"text":"the bicycle is green"}]"###);
    assert!(said.starts_with("Noted in memory/2"), "{said}");
    ask(&peer, &daemon, r###"[call:memory_append {"text":"- and locked\n"}]"###);
    let text = note(&home).expect("a note");
    assert!(
        text.starts_with("# 2") && text.ends_with("\n\nthe bicycle is green\n- and locked\n"),
        "{text}"
    );
    let long = r###"[call:memory_append {"text":"Ann is allergic to nuts","to":"long_term"}]"###;
    assert_eq!(ask(&peer, &daemon, long), "Noted in memory/MEMORY.md");
    assert_eq!(home.read("workspace/memory/MEMORY.md"), "Ann is allergic to nuts\n");
    let found = search(&peer, &daemon, "Bicycles");
    assert!(found.contains("line 3 | 2") && found.contains("the bicycle is green"), "{found}");
    let prompt = system(&peer);
    assert!(prompt.contains("allergic to nuts") && prompt.contains("bicycle is green"), "{prompt}");
    let found = search(&peer, &daemon, "allergic");
    assert!(found.contains("[memory/MEMORY.md line 1]\nAnn is allergic"), "{found}");
    // The index is no part of the workspace.
    let index = home.path("state/memory-index");
    assert!(index.read_dir().expect("an index").flatten().count() >= 2);
    let outside = ask(&peer, &daemon, &format!("[call:list_dir {}]", json!({ "path": index })));
    assert!(outside.contains("access denied"), "{outside}");
}

#[test]
fn an_earlier_day_and_an_earlier_conversation_are_found() {
    let peer = peer(false);
    let home = home(&peer);
    home.write("workspace/memory/202402/20240217.md", "# 2024-02-17\n\nTom repairs the bicycle\n");
    home.write("workspace/memory/202402/20240218.md", "# 2024-02-18\n\n東京で猫に会った\n");
    let meta = json!({ "key": "telegram:9", "summary": "A trip to Lisbon was planned." });
    home.write("sessions/telegram_9.meta.json", &meta.to_string());
    let daemon = Daemon::start(&home, &peer);
    let found = search(&peer, &daemon, "who repairs the bicycle?");
    assert!(found.contains("[memory/202402/20240217.md line 3 | 2024-02-17]"), "{found}");
    assert!(search(&peer, &daemon, "猫").contains("東京で猫に会った"));
    assert!(search(&peer, &daemon, "lisbon").contains("sessions/telegram_9.meta.json"));
    let none = search(&peer, &daemon, "elephant");
    assert_eq!(none, "Nothing in memory has the words of \"elephant\".\n");
    assert_eq!(search(&peer, &daemon, " "), "query is required");
    // What is found later is what was written later, by anybody.
    home.write("workspace/memory/202402/20240219.md", "an elephant at last\n");
    assert!(search(&peer, &daemon, "elephant").contains("20240219.md line 1"));
}

#[test]
fn a_broken_index_is_no_error() {
    let peer = peer(false);
    let home = home(&peer);
    home.write("workspace/memory/MEMORY.md", "alpha\n");
    let daemon = Daemon::start(&home, &peer);
    assert!(search(&peer, &daemon, "alpha").contains("\nalpha\n"));
    home.write("state/memory-index/00000001-00000001.idx", "no index");
    let found = search(&peer, &daemon, "alpha");
    assert!(found.contains("\nalpha\n") && found.contains("rebuilt"), "{found}");
    assert_eq!(home.read("state/memory-index/broken"), "no index");
    assert!(daemon.log().contains("the index of the memory is broken"), "{}", daemon.log());
    assert!(!search(&peer, &daemon, "alpha").contains("rebuilt"));
}

#[test]
fn failed_notes_are_reported() {
    let peer = peer(false);
    let home = home(&peer);
    let daemon = Daemon::start(&home, &peer);
    let long = format!("[call:memory_append {}]", json!({ "text": "x".repeat(17_000) }));
    assert!(ask(&peer, &daemon, &long).contains("at most 16384 are noted at once"));
    assert_eq!(
        ask(&peer, &daemon, r###"[call:memory_append {"text":"\n "}]"###),
        "text is required"
    );
    home.write("workspace/memory/MEMORY.md", "no line end");
    ask(&peer, &daemon, r###"[call:memory_append {"text":"next","to":"long_term"}]"###);
    assert_eq!(home.read("workspace/memory/MEMORY.md"), "no line end\nnext\n");
    let path = home.path("workspace/memory/MEMORY.md");
    std::fs::remove_file(&path).expect("removed");
    std::fs::create_dir(&path).expect("a folder in the way");
    let failed = ask(&peer, &daemon, r###"[call:memory_append {"text":"x","to":"long_term"}]"###);
    assert!(failed.starts_with("not noted: memory/MEMORY.md: "), "{failed}");
}

#[test]
fn a_note_outlives_a_kill() {
    let peer = peer(false);
    let home = home(&peer);
    let daemon = Daemon::start(&home, &peer);
    // The model does not get to answer: the note is on the card before.
    peer.faults(&["llm:chat:hang:1:skip=1:max=1"]);
    peer.say(OWNER, OWNER, r###"[call:memory_append {"text":"kept alpha"}]"###);
    assert!(peer.wait_faults(1, SOON), "{}", daemon.log());
    daemon.kill9();
    let daemon = Daemon::start(&home, &peer);
    let once = || note(&home).filter(|text| text.matches("kept alpha").count() == 1);
    assert!(eventually(SOON, once).is_some(), "{:?}", note(&home));
    assert!(search(&peer, &daemon, "alpha").contains("kept alpha"));
}

#[cfg(feature = "embeddings")]
#[test]
fn semantic_search_falls_back_to_words() {
    let peer = peer(false);
    let patch = json!({
        "agents": { "defaults": { "summarize_message_threshold": 1000 } },
        "memory": { "embeddings": { "model": "m" } },
    });
    let home = Home::patched(&peer, &patch);
    home.write("workspace/memory/MEMORY.md", "# A\nan automobile in the yard\n# B\ntea\n");
    let daemon = Daemon::start(&home, &peer);
    assert!(
        search(&peer, &daemon, "car").contains("an automobile in the yard"),
        "{}",
        daemon.log()
    );
    let asked = peer.calls("llm.embeddings");
    assert!(search(&peer, &daemon, "vehicle").contains("an automobile"));
    assert_eq!(peer.calls("llm.embeddings"), asked + 1, "only the question has no vector yet");
    peer.faults(&["llm:embeddings:500:1"]);
    assert!(search(&peer, &daemon, "tea").contains("\ntea\n"));
    assert!(search(&peer, &daemon, "car").starts_with("Nothing in memory"));
    assert!(daemon.log().contains("goes by words alone"), "{}", daemon.log());
}
