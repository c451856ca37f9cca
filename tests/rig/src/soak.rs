//! The seeds' live test: a burst of messages, memory watched all the while, a verdict at the end.

use std::path::PathBuf;
use std::time::{Duration, Instant};

use argh::FromArgs;
use picoclaw_peer::{Drive, Mode, Peer, PeerOptions};

use crate::Result;
use crate::daemon::{Daemon, Usage};
use crate::home::{Home, Place};
use crate::live::Services;
use crate::table::Table;

/// The one who writes to the peer's bot.
const USER: i64 = 1001;
/// Between two looks at memory.
const WATCH: Duration = Duration::from_millis(100);
/// Kilobytes resident that pass.
const TARGET_KB: u64 = if cfg!(target_arch = "riscv64") { 1024 } else { 5120 };

/// Watch memory while messages come
#[derive(FromArgs)]
#[argh(subcommand, name = "soak")]
pub struct Soak {
    /// against the test peer instead of the real services
    #[argh(switch)]
    peer: bool,
    /// messages, default: the variable BURST, or 20
    #[argh(option)]
    burst: Option<u64>,
    /// resident kB that pass, default 1024 on riscv64, 5120 elsewhere
    #[argh(option, default = "TARGET_KB")]
    target_kb: u64,
    /// seconds to wait for messages, default 1800
    #[argh(option, default = "1800")]
    secs: u64,
}

impl Soak {
    /// True when all were answered within the target.
    pub fn run(&self, place: &Place) -> Result<bool> {
        let burst = match (self.burst, std::env::var("BURST")) {
            (Some(n), _) => n,
            (None, Ok(text)) => text.parse().map_err(|_| format!("BURST={text:?} is no number"))?,
            (None, Err(_)) => 20,
        };
        if self.peer { self.rehearse(place, burst) } else { self.live(place, burst) }
    }

    fn rehearse(&self, place: &Place, burst: u64) -> Result<bool> {
        let options = PeerOptions {
            tls: true,
            ca_dir: Some(place.work.join("ca")),
            ..PeerOptions::default()
        };
        let peer = Peer::start(options).map_err(|e| format!("the test peer: {e}"))?;
        let home = Home::for_peer(place, &peer, USER..USER + 1)?;
        let mut daemon = Daemon::start(&home, &peer)?;
        let idle = daemon.usage()?;
        println!("{burst} messages at once, a tool call in every fifth, from the test peer");
        let drive = Drive {
            n: burst,
            mode: Mode::Burst,
            first_chat: USER,
            tool_every: 5,
            ..Drive::default()
        };
        let (stats, highest) = std::thread::scope(|scope| {
            let run = scope.spawn(|| peer.drive(&drive));
            let mut highest = idle;
            while !run.is_finished() && daemon.runs() {
                highest = higher(highest, daemon.usage()?);
                std::thread::sleep(WATCH);
            }
            let stats = run.join().map_err(|_| "the load failed".to_string())?;
            Ok::<_, String>((stats, highest))
        })?;
        let answered = stats["replied"].as_u64().unwrap_or(0);
        self.verdict(daemon, &idle, &highest, burst, answered)
    }

    fn live(&self, place: &Place, burst: u64) -> Result<bool> {
        let services = Services::from_env().map_err(|why| {
            format!("{why}\nset TELEGRAM_TOKEN and OPENAI_API_KEY (or OPENROUTER_API_KEY, ANTHROPIC_API_KEY), or use --peer")
        })?;
        let user = std::env::var("HOME").map(|h| PathBuf::from(h).join(".picoclaw"));
        let dir = std::env::var("PICOCLAW_HOME")
            .map(PathBuf::from)
            .or(user)
            .map_err(|_| "HOME is not set")?;
        let home = Home::for_services(place, dir, &services)?;
        let mut daemon = Daemon::spawn(&home)?;
        println!("Please send {burst} messages to your bot now; Ctrl-C ends it early.");
        let end = Instant::now() + Duration::from_secs(self.secs);
        let mut idle = None;
        let (mut highest, mut answered, mut code) = (Usage::default(), 0, None);
        let mut next = Instant::now();
        while answered < burst && Instant::now() < end {
            std::thread::sleep(WATCH);
            if !daemon.runs() {
                return Err(format!("the daemon ended; its log:\n{}", daemon.log()));
            }
            let now = daemon.usage()?;
            highest = higher(highest, now);
            if Instant::now() < next {
                continue;
            }
            next = Instant::now() + Duration::from_secs(1);
            let Ok(status) = home.status() else { continue };
            idle.get_or_insert(now);
            let new_code = home.pairing_code()?;
            if new_code.is_some() && new_code != code {
                println!("pairing code: send  /pair {}", new_code.as_deref().unwrap_or_default());
            }
            code = new_code;
            let turns = status["turns"].as_u64().unwrap_or(0);
            if turns > answered {
                answered = turns;
                println!(
                    "{answered} of {burst} answered, {} kB resident, highest {} kB",
                    now.vm_rss, highest.vm_rss
                );
            }
        }
        self.verdict(daemon, &idle.unwrap_or_default(), &highest, burst, answered)
    }

    fn verdict(
        &self,
        daemon: Daemon,
        idle: &Usage,
        highest: &Usage,
        burst: u64,
        answered: u64,
    ) -> Result<bool> {
        let last = daemon.usage()?;
        daemon.stop()?;
        let mut table = Table::default();
        table.put("answered", "answered", answered);
        table.put("idle_vmrss_kb", "VmRSS before, kB", idle.vm_rss);
        table.put("vmrss_kb", "VmRSS after, kB", last.vm_rss);
        table.put("rssanon_kb", "RssAnon after, kB", last.rss_anon);
        let peak = highest.vm_rss.max(last.peak);
        table.put_target("peak_kb", "VmRSS at its highest, kB", peak, self.target_kb as f64);
        table.print();
        let passed = table.missed() == 0 && answered >= burst;
        let verdict = if passed { "PASS" } else { "FAIL" };
        println!(
            "{verdict}: {answered} of {burst} answered, {peak} kB at most, target {} kB",
            self.target_kb
        );
        Ok(passed)
    }
}

fn higher(a: Usage, b: Usage) -> Usage {
    if b.vm_rss > a.vm_rss { b } else { a }
}
