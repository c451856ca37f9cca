//! Jobs: set by chat and command line, fired by the running gateway, once whatever happens.

use std::time::{Duration, SystemTime, UNIX_EPOCH};

use picoclaw_peer::Peer;
use serde_json::{Value, json};

use crate::harness::{Home, OWNER, SOON, eventually, peer};
use crate::harness_daemon::Daemon;
use crate::pause;

const FILE: &str = "cron/jobs.json";

pub fn now_ms() -> u64 {
    let now = SystemTime::now().duration_since(UNIX_EPOCH).expect("after 1970");
    now.as_millis() as u64
}

/// A job in the first release's form, for the owner's chat.
pub fn job(id: &str, schedule: Value, payload: Value) -> Value {
    let mut job = json!({
        "id": id, "name": id, "enabled": true, "schedule": schedule,
        "payload": { "kind": "agent_turn", "message": "m", "deliver": true, "channel": "telegram", "to": OWNER.to_string() },
        "state": {}, "createdAtMs": 1, "updatedAtMs": 1, "deleteAfterRun": false,
    });
    crate::harness::merge(&mut job["payload"], &payload);
    job
}

pub fn write_jobs(home: &Home, jobs: &[Value]) {
    home.write(FILE, &json!({ "version": 1, "note": "keep me", "jobs": jobs }).to_string());
}

pub fn jobs(home: &Home) -> Vec<Value> {
    let file: Value = serde_json::from_str(&home.read(FILE)).expect("jobs.json");
    file["jobs"].as_array().expect("jobs").clone()
}

/// How many of the owner's messages hold `text`.
pub fn told(peer: &Peer, text: &str) -> usize {
    peer.texts(OWNER).iter().filter(|t| t.contains(text)).count()
}

#[track_caller]
pub fn wait_told(peer: &Peer, daemon: &Daemon, text: &str) {
    let found = eventually(SOON, || (told(peer, text) > 0).then_some(()));
    assert!(found.is_some(), "not told: {text}\n{:?}\n{}", peer.texts(OWNER), daemon.log());
}

/// Runs `cron` with these words and gives its output.
#[track_caller]
pub fn cron(home: &Home, words: &[&str]) -> String {
    let done = home.run(&[&["cron"], words].concat());
    assert!(done.status.success(), "{words:?}: {done:?}");
    done.stdout
}

/// The id in `✓ Added job 'NAME' (ID)`.
pub fn id_in(text: &str) -> String {
    text.split(['(', ')']).nth(1).expect("an id").to_owned()
}

#[test]
fn a_reminder_set_by_chat_arrives_without_the_model() {
    let peer = peer(false);
    let home = Home::new(&peer);
    let daemon = Daemon::start(&home, &peer);
    let ask = r#"[call:cron {"action":"add","message":"the tea is ready","at_seconds":2}]"#;
    let marker = peer.say(OWNER, OWNER, ask);
    assert!(peer.wait_reply(&marker, SOON).is_some(), "{}", daemon.log());
    let calls = peer.calls("llm.chat");
    wait_told(&peer, &daemon, "the tea is ready");
    daemon.idle(&peer);
    assert_eq!((told(&peer, "the tea is ready"), peer.calls("llm.chat")), (1, calls));
    assert_eq!(jobs(&home), Vec::<Value>::new(), "a reminder is gone when it has fired");
    assert_eq!(peer.refused(), Vec::<String>::new());
}

#[test]
fn a_job_for_the_model_is_answered_in_its_chat() {
    let peer = peer(false);
    let home = Home::new(&peer);
    let daemon = Daemon::start(&home, &peer);
    let to = OWNER.to_string();
    let add = ["add", "-n", "news", "-m", "what is new? q777777", "-e", "3600", "--to", &to];
    let id = id_in(&cron(&home, &add));
    assert!(cron(&home, &["list"]).contains("every 3600s, enabled"));
    assert_eq!(cron(&home, &["run", &id]), "✓ Job 'news' started\n");
    wait_told(&peer, &daemon, "re q777777 ok.");
    // Again, without what was said before.
    cron(&home, &["run", &id]);
    assert!(eventually(SOON, || (told(&peer, "re q777777 ok.") == 2).then_some(())).is_some());
    let request = peer.requests().pop().expect("a request").to_string();
    assert_eq!(request.matches("what is new?").count(), 1, "jobs have no history");
    assert!(home.run(&["status"]).stdout.contains("Cron jobs: 1 waiting"));
    assert_eq!(cron(&home, &["disable", &id]), "✓ Job 'news' disabled\n");
    assert!(home.run(&["status"]).stdout.contains("Cron jobs: 0 waiting"));
    assert_eq!(cron(&home, &["remove", &id]), format!("✓ Removed job {id}\n"));
    let gone = home.run(&["cron", "remove", &id]);
    assert_eq!(
        (gone.status.success(), gone.stderr.trim()),
        (false, &*format!("✗ Job {id} not found"))
    );
}

#[test]
fn without_a_gateway_the_file_is_edited() {
    let peer = peer(false);
    let home = Home::new(&peer);
    assert_eq!(cron(&home, &["list"]), "No scheduled jobs.\n");
    let add = ["add", "-n", "x", "-m", "m", "-c", "0 8 * * mon-fri", "--tz", "Europe/Berlin"];
    let id = id_in(&cron(&home, &add));
    assert_eq!(jobs(&home)[0]["schedule"]["tz"], "Europe/Berlin");
    assert!(cron(&home, &["list"]).contains("08:00 Europe/Berlin"), "{}", cron(&home, &["list"]));
    cron(&home, &["disable", &id]);
    assert_eq!(jobs(&home)[0]["enabled"], false);
    for (words, want) in [
        (
            vec!["add", "-n", "x", "-m", "m", "-c", "0 8 * * *", "--tz", "Mars/Olympus"],
            "unknown time zone",
        ),
        (vec!["add", "-n", "x", "-m", "m", "-c", "0 8 * *"], "has 4 fields"),
        (vec!["add", "-n", "x", "-m", "m"], "one of --at, --every and --cron is required"),
        (vec!["add", "-n", "x", "-m", "m", "-e", "5m", "--at", "60"], "only one of --at"),
        (vec!["add", "-n", "x", "-m", "m", "--at", "yesterday"], "--at: `yesterday` is not a time"),
        (vec!["add", "-m", "m"], "--name"),
        (vec!["run", &id], "no gateway is running"),
    ] {
        let done = home.run(&[&["cron"][..], &words].concat());
        assert!(!done.status.success() && done.stderr.contains(want), "{words:?}: {done:?}");
    }
    assert_eq!(jobs(&home).len(), 1);
}

#[test]
fn a_time_missed_while_off_is_made_good_once_with_a_note() {
    let peer = peer(false);
    let home = Home::timed(&peer, &json!({}));
    let past = now_ms() - 3_600_000;
    let mut daily = job(
        "daily",
        json!({"kind": "cron", "expr": "0 0 1 1 *"}),
        json!({"message": "happy new year"}),
    );
    daily["state"] = json!({"nextRunAtMs": past, "lastStatus": "ok", "own": 7});
    write_jobs(
        &home,
        &[
            job("once", json!({"kind": "at", "atMs": past}), json!({"message": "feed the cat"})),
            daily,
        ],
    );
    let daemon = Daemon::start(&home, &peer);
    wait_told(&peer, &daemon, "feed the cat");
    wait_told(&peer, &daemon, "happy new year");
    assert!(
        peer.texts(OWNER).iter().all(|t| t.contains("(This was due on ")),
        "{:?}",
        peer.texts(OWNER)
    );
    assert!(daemon.term().success());
    let daemon = Daemon::start(&home, &peer);
    daemon.says("cron: 1 waiting, nothing is due");
    daemon.idle(&peer);
    assert_eq!(peer.texts(OWNER).len(), 2, "{}", daemon.log());
    let jobs = jobs(&home);
    assert_eq!((&jobs[0]["enabled"], &jobs[1]["enabled"]), (&json!(false), &json!(true)));
    assert_eq!(jobs[1]["state"]["own"], 7);
    assert!(jobs[1]["state"]["nextRunAtMs"].as_u64() > Some(now_ms()));
    assert!(home.read(FILE).contains("keep me"));
}

/// A home of months ago: each chat is told once what was missed, nothing fires, and the jobs go on.
#[test]
fn an_old_home_does_not_fire_all_its_jobs_at_once() {
    let peer = peer(false);
    let home = Home::new(&peer);
    let past = now_ms() - 90 * 86_400_000;
    let mut old: Vec<Value> = (0..12)
        .map(|n| {
            let at = json!({"kind": "at", "atMs": past + n * 60_000});
            job(&format!("once{n}"), at, json!({"message": format!("old message {n}.")}))
        })
        .collect();
    let mut daily = job("daily", json!({"kind": "cron", "expr": "0 0 1 1 *"}), json!({}));
    daily["state"] = json!({"nextRunAtMs": past});
    let mut ping = job("ping", json!({"kind": "every", "everyMs": 3_600_000}), json!({}));
    ping["state"] = json!({"nextRunAtMs": past});
    old.extend([daily, ping]);
    old.push(job("odd", json!({"kind": "cron", "expr": "0 0 L-3 * *"}), json!({})));
    write_jobs(&home, &old);
    let daemon = Daemon::start(&home, &peer);
    wait_told(&peer, &daemon, "old message 11.");
    let waiting = || home.run(&["status"]).stdout.contains("Cron jobs: 2 waiting").then_some(());
    assert!(eventually(SOON, waiting).is_some(), "{}", daemon.log());
    let text = peer.texts(OWNER).pop().expect("a message");
    for part in [
        "missed by more than a day",
        "once0 (due ",
        "daily (due ",
        "ping (due ",
        "odd: day of month",
    ] {
        assert!(text.contains(part), "{part} in {text}");
    }
    // A second start finds it written down, whether the first one was stopped or killed.
    daemon.kill9();
    let daemon = Daemon::start(&home, &peer);
    let marker = peer.say(OWNER, OWNER, "still there? q777777");
    assert!(peer.wait_reply(&marker, SOON).is_some(), "{}", daemon.log());
    assert_eq!(told(&peer, "missed by more than a day"), 1);
    assert_eq!(told(&peer, "old message"), 1);
    let jobs = jobs(&home);
    assert!(jobs.iter().take(12).all(|j| j["enabled"] == false));
    assert!(jobs[12]["state"]["nextRunAtMs"].as_u64() > Some(now_ms()));
}

#[test]
fn a_broken_file_is_set_aside() {
    let peer = peer(false);
    let home = Home::new(&peer);
    home.write(FILE, "{\"version\":1,\"jobs\":[{\"id\":");
    let daemon = Daemon::start(&home, &peer);
    let aside = || {
        let dir = std::fs::read_dir(home.path("cron")).ok()?;
        dir.flatten().map(|e| e.path()).find(|p| p.to_string_lossy().contains("broken-"))
    };
    let aside = eventually(SOON, aside).expect("set aside");
    assert!(std::fs::read_to_string(aside).expect("kept").ends_with("\"id\":"));
    assert!(
        eventually(SOON, || daemon.log().contains("jobs.json is broken").then_some(())).is_some()
    );
    cron(&home, &["add", "-n", "x", "-m", "m", "-e", "60"]);
    assert_eq!(jobs(&home).len(), 1);
}

/// Holds the daemon at `rule` while a job fires, kills it there, and counts how often its text arrives after a restart.
#[track_caller]
fn killed_at(rule: &str, deliver: bool) -> usize {
    let peer = peer(false);
    let home = Home::timed(&peer, &json!({}));
    let payload = json!({"message": "look after it q777777", "deliver": deliver});
    write_jobs(&home, &[job("k", json!({"kind": "at", "atMs": now_ms()}), payload)]);
    peer.faults(&[rule]);
    let daemon = Daemon::start(&home, &peer);
    assert!(peer.wait_faults(1, SOON), "it never came to {rule}\n{}", daemon.log());
    daemon.kill9();
    peer.faults(&[]);
    let daemon = Daemon::start(&home, &peer);
    wait_told(&peer, &daemon, "q777777");
    daemon.idle(&peer);
    assert!(daemon.term().success());
    let daemon = Daemon::start(&home, &peer);
    daemon.says("cron: 0 waiting, nothing is due");
    daemon.idle(&peer);
    assert_eq!(jobs(&home)[0]["enabled"], false, "{}", daemon.log());
    told(&peer, "q777777")
}

#[test]
fn a_kill_during_a_job_neither_loses_nor_repeats_it() {
    assert_eq!(killed_at("llm:chat:hang:1:max=1", false), 1);
    assert_eq!(killed_at("tg:sendMessage:hang:1:max=1", false), 1);
    assert_eq!(killed_at("tg:sendMessage:hang:1:max=1", true), 1);
}

#[test]
fn kills_at_any_moment_fire_each_job_once() {
    const JOBS: u64 = 24;
    let peer = peer(false);
    let home = Home::new(&peer);
    let start = now_ms() + 1_000;
    let due = |n: u64| start + n * 250;
    let each = |n: u64| {
        let at = json!({"kind": "at", "atMs": due(n)});
        job(&format!("j{n}"), at, json!({"message": format!("job number {n}.")}))
    };
    write_jobs(&home, &(0..JOBS).map(each).collect::<Vec<_>>());
    let counts =
        || -> Vec<usize> { (0..JOBS).map(|n| told(&peer, &format!("job number {n}."))).collect() };
    let (mut before, mut settled, mut kills) = (counts(), Vec::new(), 0);
    for last in [false, true] {
        for n in 0..10u64 {
            let daemon = Daemon::spawn(&home);
            pause::moment(60 + 37 * (n * n % 11));
            daemon.kill9();
            kills += 1;
            // Its own, and one that the daemon before it sent while it was killed.
            let after = counts();
            assert!(before.iter().zip(&after).all(|(b, a)| a - b <= 2), "{before:?}, {after:?}");
            before = after;
        }
        let past = now_ms();
        let daemon = Daemon::start(&home, &peer);
        for n in (0..JOBS).filter(|n| last || due(*n) < past) {
            wait_told(&peer, &daemon, &format!("job number {n}."));
        }
        daemon.idle(&peer);
        assert!(daemon.term().success());
        let now = counts();
        // A daemon that lived on has recorded what was told: no later one tells it again.
        assert_eq!(settled, now[..settled.len()], "told again after a proper end");
        settled = now.into_iter().take_while(|count| *count > 0).collect();
        before = counts();
    }
    // The window between Telegram's acceptance and our record of it cannot be closed.
    let repeated: usize = settled.iter().map(|count| count - 1).sum();
    assert!(settled.len() == JOBS as usize && repeated <= kills / 2, "{settled:?}");
}

#[test]
fn the_file_is_written_only_on_change() {
    let peer = peer(false);
    let home = Home::new(&peer);
    let yearly = json!({"kind": "cron", "expr": "0 0 1 1 *", "tz": "Asia/Tokyo"});
    write_jobs(
        &home,
        &[
            job("y", yearly, json!({})),
            job("e", json!({"kind": "every", "everyMs": 3_600_000}), json!({})),
        ],
    );
    let stamp = || std::fs::metadata(home.path(FILE)).and_then(|m| m.modified()).expect("a file");
    let (text, written) = (home.read(FILE), stamp());
    for _ in 0..2 {
        let daemon = Daemon::start(&home, &peer);
        let waiting =
            || home.run(&["status"]).stdout.contains("Cron jobs: 2 waiting").then_some(());
        assert!(eventually(SOON, waiting).is_some(), "{}", daemon.log());
        cron(&home, &["list"]);
        cron(&home, &["enable", "y"]);
        assert!(!home.run(&["cron", "remove", "nobody"]).status.success());
        assert!(daemon.term().success());
    }
    assert_eq!((home.read(FILE), stamp()), (text, written));
    cron(&home, &["disable", "y"]);
    assert_eq!(jobs(&home)[0]["enabled"], false);
}

/// From an order to the chat, with so many other jobs in the file.
fn firing_takes(others: usize) -> Duration {
    let peer = peer(false);
    let home = Home::new(&peer);
    let yearly = json!({"kind": "cron", "expr": "0 4 1 1 *", "tz": "Europe/Berlin"});
    let other = |n| job(&format!("{n:016x}"), yearly.clone(), json!({}));
    let mut many: Vec<Value> = (0..others).map(other).collect();
    // The last one, due while the daemon is off: it fires with the start.
    let at = json!({"kind": "at", "atMs": now_ms()});
    many.push(job("last", at, json!({"message": "it fires"})));
    write_jobs(&home, &many);
    let begun = std::time::Instant::now();
    let daemon = Daemon::start(&home, &peer);
    wait_told(&peer, &daemon, "it fires");
    begun.elapsed()
}

#[test]
fn many_jobs_hold_none_up() {
    let took = [9, 99, 999].map(firing_takes);
    println!("start to chat in {took:?} with 10, 100 and 1000 jobs");
    // The daemon's start is in all three; a hundred times the jobs may not show beside it, whatever the machine.
    let most = took[0].max(Duration::from_millis(200)) * 10;
    assert!(took[2] < most, "a thousand jobs take too much: {took:?}");
}

#[test]
fn a_thousand_jobs_cost_little() {
    let peer = peer(false);
    let home = Home::new(&peer);
    let many: Vec<Value> = (0..1000)
        .map(|n| {
            let tz = ["Europe/Berlin", "Asia/Tokyo"][n % 2];
            job(
                &format!("{n:016x}"),
                json!({"kind": "cron", "expr": format!("{} 4 1 1 *", n % 60), "tz": tz}),
                json!({}),
            )
        })
        .collect();
    write_jobs(&home, &many);
    let daemon = Daemon::start(&home, &peer);
    let waiting = || home.run(&["status"]).stdout.contains("Cron jobs: 1000 waiting").then_some(());
    assert!(eventually(SOON, waiting).is_some(), "{}", daemon.log());
    let refused = home.run(&["cron", "add", "-n", "x", "-m", "m", "-e", "60"]);
    assert!(refused.stderr.contains("1000 jobs already"), "{refused:?}");
    let begun = std::time::Instant::now();
    cron(&home, &["run", "0000000000000007"]);
    wait_told(&peer, &daemon, "m");
    println!("fired after {:?}, {} kB resident", begun.elapsed(), daemon.memory_kb("VmRSS"));
}
