//! The figures that the project promises, measured from outside against the peer on loopback TLS.

use std::time::{Duration, Instant};

use argh::FromArgs;
use picoclaw_peer::{Drive, Mode, Peer, PeerOptions};
use serde_json::Value;

use crate::Result;
use crate::daemon::{Daemon, Usage};
use crate::home::{Home, Place};
use crate::table::{Table, median};

/// The one who writes.
const USER: i64 = 1001;
/// Chats of the burst, as many as run side by side.
const CHATS: u64 = 4;
/// Pause before memory is read, so that what is freed late is freed.
const SETTLE: Duration = Duration::from_secs(1);
/// Targets of time are multiples of what `picoclaw version` takes at that moment, so that they hold on a slow
/// machine and on a busy one, and a change of the daemon that costs as much as starting another program shows.
const START_TIMES: f64 = 20.0;
const STATUS_TIMES: f64 = 4.0;
const ADDED_TIMES: f64 = 4.0;
/// kB of RssAnon between 100 and 1000 messages.
const GROWTH_KB: f64 = 64.0;

/// Measure start, latency, throughput, memory and disk use
#[derive(FromArgs)]
#[argh(subcommand, name = "bench")]
pub struct Bench {
    /// print one JSON object instead of the table
    #[argh(switch)]
    json: bool,
    /// a tenth of the messages: says that it works, hardly how fast
    #[argh(switch)]
    quick: bool,
}

impl Bench {
    /// True when every target is reached; lost and doubled messages are among them.
    pub fn run(&self, place: &Place) -> Result<bool> {
        let options = PeerOptions {
            tls: true,
            ca_dir: Some(place.work.join("ca")),
            ..PeerOptions::default()
        };
        let peer = Peer::start(options).map_err(|e| format!("the test peer: {e}"))?;
        let home = Home::for_peer(place, &peer, USER..USER + CHATS as i64)?;
        let scale = if self.quick { 10 } else { 1 };
        let mut table = Table::default();
        let bytes = std::fs::metadata(home.binary()).map_or(0, |m| m.len());
        table.put("binary_bytes", "binary, bytes", bytes);

        self.say("starts");
        let (mut starts, mut ratios) = (Vec::new(), Vec::new());
        let mut daemon = Daemon::start(&home, &peer)?;
        for _ in 0..if self.quick { 5 } else { 10 } {
            daemon.stop()?;
            let version = median((0..3).map(|_| run_time(&home, VERSION)).collect::<Result<_>>()?);
            daemon = Daemon::start(&home, &peer)?;
            let start = daemon.ready_after.as_secs_f64() * 1e3;
            starts.push(start);
            ratios.push(start / version);
        }
        table.put("start_ms", "start to first getUpdates, ms (median)", median(starts));
        let label = "the same, times `version`";
        table.put_target("start_times", label, median(ratios), START_TIMES);
        let (status, version) = run_times(&home, &["status"])?;
        table.put("version_ms", "`picoclaw version`, ms (median)", version);
        table.put("status_ms", "`picoclaw status`, ms (median)", status);
        table.put_target(
            "status_times",
            "the same, times `version`",
            status / version,
            STATUS_TIMES,
        );
        let (check, _) = run_times(&home, &["config", "check"])?;
        table.put("config_check_ms", "`picoclaw config check`, ms (median)", check);

        std::thread::sleep(SETTLE);
        let idle = daemon.usage()?;
        put_memory(&mut table, ["idle_vmrss_kb", "idle_rssanon_kb"], "idle", &idle);
        table.put("threads", "threads", idle.threads);
        table.put("open_files", "open descriptors", idle.files);

        let mut all = Vec::new();
        let mut load = |n: u64, mode: Mode, chats: u64| -> Value {
            self.say(&format!("{n} messages"));
            let stats = peer.drive(&Drive { n, mode, chats, first_chat: USER, ..Drive::default() });
            all.push(stats.clone());
            stats
        };
        load(1, Mode::Closed, 1);
        std::thread::sleep(SETTLE);
        put_memory(&mut table, ["vmrss_kb_1", "rssanon_kb_1"], "after 1 message", &daemon.usage()?);

        let before = home.status()?;
        let hundred = (100 / scale).max(2);
        let (_, earlier) = run_times(&home, VERSION)?;
        let stats = load(hundred - 1, Mode::Closed, 1);
        let (_, later) = run_times(&home, VERSION)?;
        let after = home.status()?;
        std::thread::sleep(SETTLE);
        let at_hundred = daemon.usage()?;
        put_memory(
            &mut table,
            ["vmrss_kb_100", "rssanon_kb_100"],
            &format!("after {hundred}"),
            &at_hundred,
        );
        table.put("heap_bytes_100", "heap in use then, bytes", after["heap_bytes"].clone());
        let a_message = |key: &str| {
            let delta = after[key].as_u64()?.checked_sub(before[key].as_u64()?)?;
            Some(delta as f64 / (hundred - 1) as f64)
        };
        table.put("syncs_a_message", "fsyncs a message", a_message("syncs"));
        table.put("bytes_a_message", "bytes written a message", a_message("bytes_written"));
        let added = stats["added_ms"]["p50"].as_f64();
        table.put("added_ms_p50", "added latency p50, ms", added);
        let ratio = added.map(|added| added / f64::midpoint(earlier, later));
        table.put_target("added_times", "the same, times `version`", ratio, ADDED_TIMES);
        table.put("added_ms_p99", "added latency p99, ms", stats["added_ms"]["p99"].clone());

        let stats = load(1000 / scale - hundred, Mode::Closed, 1);
        std::thread::sleep(SETTLE);
        let at_thousand = daemon.usage()?;
        put_memory(
            &mut table,
            ["vmrss_kb_1000", "rssanon_kb_1000"],
            &format!("after {}", 1000 / scale),
            &at_thousand,
        );
        table.put(
            "heap_bytes_1000",
            "heap in use then, bytes",
            home.status()?["heap_bytes"].clone(),
        );
        let growth = at_thousand.rss_anon as f64 - at_hundred.rss_anon as f64;
        table.put_target("growth_kb", "RssAnon grown since then, kB", growth, GROWTH_KB);
        table.put(
            "messages_per_s",
            "messages a second, one by one",
            stats["messages_per_s"].clone(),
        );

        let stats = load(1000 / scale, Mode::Burst, CHATS);
        table.put(
            "messages_per_s_burst",
            format!("messages a second, at once in {CHATS} chats"),
            stats["messages_per_s"].clone(),
        );
        table.put("durability", "durability", home.status()?["durability"].clone());
        let peak = daemon.usage()?.peak;
        table.put("peak_kb", "highest VmRSS, kB", peak);
        let ended = daemon.stop()?;
        let sum = |key: &str| all.iter().map(|s| s[key].as_u64().unwrap_or(1)).sum::<u64>();
        let (lost, twice) = (sum("lost"), sum("duplicated"));
        table.put_target("lost", "messages lost", lost, 0.0);
        table.put_target("duplicated", "messages answered twice", twice, 0.0);
        if self.json {
            println!("{}", table.json());
        } else {
            println!("\nAgainst the test peer on loopback TLS");
            table.print();
            println!("\n{} of the targets missed", table.missed());
        }
        Ok(table.missed() == 0 && ended.success())
    }

    fn say(&self, text: &str) {
        eprintln!("bench: {text}");
    }
}

fn put_memory(table: &mut Table, keys: [&'static str; 2], when: &str, usage: &Usage) {
    table.put(keys[0], format!("VmRSS {when}, kB"), usage.vm_rss);
    table.put(keys[1], format!("RssAnon {when}, kB"), usage.rss_anon);
}

/// What starting any program costs here, and little more.
const VERSION: &[&str] = &["version"];

/// Milliseconds of a command from fork to exit.
fn run_time(home: &Home, arguments: &[&str]) -> Result<f64> {
    let begun = Instant::now();
    home.output(arguments)?;
    Ok(begun.elapsed().as_secs_f64() * 1e3)
}

/// Milliseconds of a command and of `version`, taken in turns: medians.
fn run_times(home: &Home, arguments: &[&str]) -> Result<(f64, f64)> {
    let (mut times, mut versions) = (Vec::new(), Vec::new());
    for _ in 0..21 {
        times.push(run_time(home, arguments)?);
        versions.push(run_time(home, VERSION)?);
    }
    Ok((median(times), median(versions)))
}
