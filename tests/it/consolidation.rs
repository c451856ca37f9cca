//! Daily notes are folded into MEMORY.md once a day, and no line is lost on the way.

use std::time::{SystemTime, UNIX_EPOCH};

use picoclaw::proto::date;
use picoclaw_peer::Peer;
use serde_json::json;

use crate::harness::{Home, OWNER, SOON, eventually, peer};
use crate::harness_daemon::Daemon;

const FILE: &str = "workspace/memory/MEMORY.md";
const OLD: &str = "# Memory\n- Ann likes tea\n- Tom lives in Rome\n- forgotten\n";
const NEW: &str = "=== MEMORY ===\n# Memory\n- Ann likes tea\n- Tom lives in Berlin\n\
    === GONE ===\n3: he moved\n=== END ===";

/// Year, month and day some days ago.
fn ago(days: i64) -> (i64, u8, u8) {
    let now = SystemTime::now().duration_since(UNIX_EPOCH).expect("a clock").as_secs() as i64;
    date::civil_from_days(now / date::DAY - days)
}

/// Consolidation is due at once, and the model will answer so.
fn home(peer: &Peer, directives: &str, answer: &str) -> Home {
    let consolidation = json!({ "enabled": true, "time": "00:00" });
    let home = Home::timed(peer, &json!({ "memory": { "consolidation": consolidation } }));
    home.write(FILE, OLD);
    let (y, m, d) = ago(2);
    let note = format!("# a day\n\nTom moved to Berlin {directives} [say:{}]\n", json!(answer));
    home.write(&format!("workspace/memory/{y:04}{m:02}/{y:04}{m:02}{d:02}.md"), &note);
    home
}

#[track_caller]
fn wait_consolidated(home: &Home, daemon: &Daemon) -> String {
    let folded = || Some(home.read(FILE)).filter(|text| text.contains("are folded in"));
    eventually(SOON, folded).unwrap_or_else(|| panic!("not folded\n{}", daemon.log()))
}

/// Contents of the files that were replaced.
fn kept(home: &Home) -> Vec<String> {
    let Ok(entries) = std::fs::read_dir(home.path("workspace/memory/old")) else {
        return Vec::new();
    };
    entries.flatten().filter_map(|e| std::fs::read_to_string(e.path()).ok()).collect()
}

#[test]
fn notes_are_folded_in_and_forgotten_lines_stay() {
    let peer = peer(false);
    let home = home(&peer, "", NEW);
    let daemon = Daemon::start(&home, &peer);
    let text = wait_consolidated(&home, &daemon);
    let (y, m, d) = ago(2);
    let mark = format!("<!-- daily notes up to {y:04}-{m:02}-{d:02} are folded in -->");
    let want = "# Memory\n- Ann likes tea\n- Tom lives in Berlin\n\n## Kept\n\n- forgotten\n\n";
    assert_eq!(text, format!("{want}{mark}\n"));
    assert_eq!(kept(&home), [OLD]);
    let request = peer.requests().pop().expect("a request");
    assert!(request["tools"].is_null(), "{request}");
    let asked = request["messages"].to_string();
    assert!(
        asked.contains("3| - Tom lives in Rome") && asked.contains("moved to Berlin"),
        "{asked}"
    );
    daemon.says("1 notes up to");
    // Once a day, and never the same note again.
    assert!(daemon.term().success());
    let daemon = Daemon::start(&home, &peer);
    daemon.says("consolidation: the next one in ");
    daemon.idle(&peer);
    assert_eq!((peer.calls("llm.chat"), home.read(FILE)), (1, text), "{}", daemon.log());
}

#[test]
fn a_kill_during_a_consolidation_loses_nothing() {
    let peer = peer(false);
    let home = home(&peer, "", NEW);
    peer.faults(&["llm:chat:hang:1:max=1"]);
    let daemon = Daemon::start(&home, &peer);
    assert!(peer.wait_faults(1, SOON), "{}", daemon.log());
    daemon.kill9();
    assert_eq!((home.read(FILE).as_str(), kept(&home).len()), (OLD, 0));
    let daemon = Daemon::start(&home, &peer);
    assert!(wait_consolidated(&home, &daemon).contains("Berlin"));
    assert_eq!(kept(&home), [OLD]);
}

#[test]
fn a_day_that_ends_the_program_again_is_left_alone() {
    let peer = peer(false);
    let home = home(&peer, "", NEW);
    peer.faults(&["llm:chat:hang:1:max=2"]);
    for n in 1..=2 {
        let daemon = Daemon::start(&home, &peer);
        assert!(peer.wait_faults(n, SOON), "{}", daemon.log());
        daemon.kill9();
    }
    let calls = peer.calls("llm.chat");
    let daemon = Daemon::start(&home, &peer);
    daemon.says("consolidation: the next one in ");
    daemon.idle(&peer);
    assert_eq!(
        (peer.calls("llm.chat"), home.read(FILE).as_str()),
        (calls, OLD),
        "{}",
        daemon.log()
    );
}

#[test]
fn concurrent_notes_are_not_lost() {
    let peer = peer(false);
    let home = home(&peer, "[delay:1500]", NEW);
    let daemon = Daemon::start(&home, &peer);
    assert!(peer.wait_calls("llm.chat", 1, SOON), "{}", daemon.log());
    home.write(FILE, &format!("{OLD}- noted meanwhile\n"));
    let text = wait_consolidated(&home, &daemon);
    assert!(text.contains("Berlin") && text.ends_with("- noted meanwhile\n"), "{text}");
}

#[test]
fn an_answer_that_cannot_be_trusted_changes_nothing() {
    let peer = peer(false);
    let home = home(&peer, "", "=== MEMORY ===\n- only this\n=== GONE ===\n");
    let daemon = Daemon::start(&home, &peer);
    let said = || daemon.log().contains("may be cut off").then_some(());
    assert!(eventually(SOON, said).is_some(), "{}", daemon.log());
    assert_eq!((home.read(FILE).as_str(), kept(&home).len()), (OLD, 0));
}

#[test]
fn it_is_off_unless_asked_for() {
    let peer = peer(false);
    let home = home(&peer, "", NEW);
    let config = home.read("config.json").replace("\"enabled\":true,\"time\"", "\"time\"");
    home.write("config.json", &config);
    let daemon = Daemon::start(&home, &peer);
    // It would begin at once, before anything that is said.
    let marker = peer.say(OWNER, OWNER, "hello");
    assert!(peer.wait_reply(&marker, SOON).is_some(), "{}", daemon.log());
    daemon.idle(&peer);
    assert!(!daemon.log().contains("consolidation"), "{}", daemon.log());
    assert_eq!((peer.calls("llm.chat"), home.read(FILE).as_str()), (1, OLD), "{}", daemon.log());
    drop(daemon);
    home.write("config.json", &config.replace("00:00", "24:00"));
    let said = home.run(&["config", "check"]).all();
    assert!(said.contains("memory.consolidation.time") && said.contains("03:30"), "{said}");
}
