//! Jobs go on while jobs.json cannot be written.

use std::fs::{Permissions, set_permissions};
use std::os::unix::fs::PermissionsExt;
use std::os::unix::process::CommandExt;

use serde_json::json;

use crate::cron::{job, told, write_jobs};
use crate::harness::{Home, SOON, eventually, peer};
use crate::harness_daemon::Daemon;

#[test]
fn jobs_go_on_while_their_file_cannot_be_written() {
    let peer = peer(false);
    let home = Home::new(&peer);
    let every = json!({"kind": "every", "everyMs": 1000});
    let once = json!({"kind": "at", "atMs": crate::cron::now_ms() + 4000});
    let beats = ["one beat", "two beat", "three beat"];
    let mut all: Vec<_> =
        beats.iter().map(|text| job(text, every.clone(), json!({"message": text}))).collect();
    all.push(job("once", once, json!({"message": "only once"})));
    write_jobs(&home, &all);
    let user = home.give_away();
    let mut command = home.command(&["gateway"]);
    if let Some(user) = user {
        command.uid(user).gid(user);
    }
    let daemon = Daemon::spawn_command(&home, command);
    let beaten = |times: usize| {
        let all = || beats.iter().all(|text| told(&peer, text) >= times).then_some(());
        eventually(SOON, all).is_some()
    };
    assert!(beaten(1), "{}", daemon.log());
    let mode = |mode| set_permissions(home.path("cron"), Permissions::from_mode(mode));
    mode(0o500).expect("read-only");
    let before = beats.map(|text| told(&peer, text));
    let most = before.iter().max().copied().unwrap_or_default();
    assert!(beaten(most + 4), "they stop: {}", daemon.log());
    assert!(eventually(SOON, || (told(&peer, "only once") > 0).then_some(())).is_some());
    let status = || home.run(&["status"]).stdout.contains("waiting; cannot ").then_some(());
    assert!(eventually(SOON, status).is_some(), "{}", home.run(&["status"]).stdout);
    mode(0o700).expect("writable");
    let well = || (!home.run(&["status"]).stdout.contains("waiting; cannot ")).then_some(());
    assert!(eventually(SOON, well).is_some(), "{}", home.run(&["status"]).stdout);
    let now = told(&peer, beats[0]);
    assert!(beaten(now + 2), "{}", daemon.log());
    assert_eq!(told(&peer, "only once"), 1, "{}", daemon.log());
}
