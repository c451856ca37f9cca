//! Every fault of the test peer, in random mixes.

use std::time::Duration;

use super::Orders;
use super::books::Books;
use super::lane::Lane;
use crate::harness_daemon::Daemon;

/// Faults after which it is known that a request had no effect, or that repeat nothing.
const KNOWN: [&str; 8] = ["429", "500", "502", "503", "504", "drop_before", "reset", "hang"];
/// Faults after which nobody but the server knows whether it took the request.
const UNKNOWN: [&str; 4] = ["drop_after", "malformed", "garbled", "hang_after"];
/// Bot API methods; `*` is any.
const METHODS: [&str; 4] = ["*", "getUpdates", "sendMessage", "sendChatAction"];
/// A model is asked again so often that these pass.
const MODEL_MAX: u64 = 2;

#[test]
fn mixes_of_faults_lose_nothing() {
    Orders::new(6, 2).run("faults", |orders| Some(mixes(orders)));
}

fn mixes(orders: Orders) -> Books {
    let (mut lane, home) = Lane::new(orders.seed);
    let daemon = Daemon::start(&home, &lane.peer);
    let mut excused = 0;
    for round in 0..orders.count {
        let rules: Vec<String> = (0..=lane.random.below(4)).map(|_| rule(&mut lane)).collect();
        let names: Vec<&str> = rules.iter().map(String::as_str).collect();
        lane.peer.faults_seeded(&names, lane.random.below(u64::MAX));
        for _ in 0..4 {
            lane.say(4);
            lane.random.pause(120);
        }
        // What hangs is let go when the rules change.
        lane.peer.wait_all(Duration::from_secs(3));
        let hits = lane.peer.stats()["faults"].clone();
        for (rule, n) in hits.as_object().into_iter().flatten() {
            let n = n.as_u64().unwrap_or(0);
            lane.books.add("faults_struck", n);
            if rule.starts_with("tg:") && UNKNOWN.iter().any(|kind| rule.contains(kind)) {
                excused += n;
            }
        }
        lane.peer.faults(&[]);
        if round % 50 == 49 {
            println!("{} mixes", round + 1);
        }
    }
    lane.settle(&daemon, Duration::from_secs(120));
    // A reply is repeated only where its acceptance got lost on the way.
    let repeated = lane.peer.stats()["extra_replies"].as_u64().unwrap_or(0);
    lane.books.repeated_known = repeated.saturating_sub(excused);
    lane.books.add("answers_broken_on_the_way", excused);
    if lane.books.lost > 0 {
        lane.complain(daemon.log());
    }
    assert!(daemon.term().success());
    lane.inspect(&home.path(""));
    lane.books
}

/// `SIDE:METHOD:KIND:P`
fn rule(lane: &mut Lane) -> String {
    let random = &mut lane.random;
    let known = random.below(2) == 0;
    let kind = if known { random.one_of(&KNOWN) } else { random.one_of(&UNKNOWN) };
    let share = 5 + random.below(30);
    match random.below(5) {
        0 => format!("llm:chat:{kind}:0.{share:02}:max={MODEL_MAX}"),
        1 => format!("*:*:slow:0.{share:02}:delay=0.{}", 1 + random.below(9)),
        _ => format!("tg:{}:{kind}:0.{share:02}:max=6", random.one_of(&METHODS)),
    }
}
