//! The audit log: who asked for what, what was allowed and refused, with the gateway running and stopped.

use serde_json::{Value, json};

use crate::harness::{Home, OWNER, SOON, eventually, peer};
use crate::harness_daemon::Daemon;

fn entries(home: &Home, args: &[&str]) -> Vec<Value> {
    let output = home.run(&[&["audit", "--json"], args].concat());
    assert!(output.status.success(), "{}", output.all());
    output.stdout.lines().map(|line| serde_json::from_str(line).expect("json")).collect()
}

#[test]
fn calls_and_answers_are_logged_without_secrets() {
    let peer = peer(false);
    let home = Home::patched(&peer, &json!({}));
    let daemon = Daemon::start(&home, &peer);
    let token = "k-test-123456";
    let write = json!({ "path": "x.txt", "content": format!("a {token} b") });
    let marker = peer.say(OWNER, OWNER, &format!("[call:write_file {write}]"));
    assert!(peer.wait_reply(&marker, SOON).is_some(), "{}", daemon.log());
    let marker = peer.say(OWNER, OWNER, r#"[call:exec {"command":"python3 x.py"}]"#);
    let find = || peer.sent().into_iter().find(|s| !s.buttons.is_empty());
    let asked = eventually(SOON, find).expect("a question");
    peer.press(asked.chat, OWNER, asked.message_id, &asked.buttons[1].1);
    assert!(peer.wait_reply(&marker, SOON).is_some(), "{}", daemon.log());
    let all = eventually(SOON, || Some(entries(&home, &[])).filter(|all| all.len() >= 3))
        .expect("three lines");
    assert_eq!((&all[0]["tool"], &all[0]["result"]), (&json!("write_file"), &json!("ok")));
    assert!(!all[0].to_string().contains(token), "{}", all[0]);
    assert_eq!(all[0]["user"], OWNER.to_string());
    assert_eq!((&all[1]["result"], &all[1]["question"]), (&json!("no"), &json!("1")));
    let asked = all[1]["asked"].as_str().expect("what was asked");
    assert!(asked.contains("python3 x.py") && !asked.contains("Question 1"), "{asked}");
    assert_eq!((&all[2]["tool"], &all[2]["result"]), (&json!("exec"), &json!("refused")));
    assert!(all[2]["why"].as_str().expect("why").contains("the user said no"), "{}", all[2]);
    drop(daemon);
    assert_eq!(entries(&home, &["--last", "1"]), all[2..]);
    assert_eq!(entries(&home, &["--tool", "exec"]), all[2..]);
    assert_eq!(entries(&home, &["--result", "no", "--user", &OWNER.to_string()]), all[1..2]);
    assert!(entries(&home, &["--user", "1"]).is_empty());
    let bogus = home.run(&["audit", "--result", "bogus"]);
    assert!(!bogus.status.success(), "{}", bogus.all());
    assert!(bogus.stderr.contains("refused, answered by hook, yes, no, no answer, not asked"));
    let text = home.run(&["audit"]).stdout;
    let question = text.lines().nth(1).expect("a question");
    assert!(question.contains(" question 1 no | ") && question.contains("python3 x.py"), "{text}");
    assert!(!text.contains('\\'), "{text}");
    assert!(
        text.contains("exec refused: not done: the user said no") && text.contains("python3 x.py"),
        "{text}"
    );
}
