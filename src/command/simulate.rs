//! `picoclaw simulate`: the seeds' offline run. Synthetic messages go through the real journal, agent, tools and
//! outbox, with a scripted model and no network, and memory is read at each phase.

use std::cell::Cell;
use std::path::{Path, PathBuf};
use std::process::ExitCode;
use std::rc::Rc;
use std::time::{Duration, Instant};

use smol::LocalExecutor;

use crate::agent::Agent;
use crate::app;
use crate::app::hub::Hub;
use crate::app::outbox::Outbox;
use crate::args;
use crate::bus::{Address, Inbound, Sender};
use crate::channel::sim::Sim;
use crate::channel::{AnyChannel, Intake};
use crate::config::Config;
use crate::error::{Context, Error, Result};
use crate::net::http::Client;
use crate::provider::Models;
use crate::store::session::Sessions;
use crate::store::writer::Journal;
use crate::sys::{heap, memory};

/// Chats that the messages are spread over.
const CHATS: u32 = 8;
/// Messages unanswered at one time.
const WINDOW: u64 = 16;

/// One line of the table.
struct Phase {
    name: &'static str,
    vm_rss: u64,
    rss_anon: u64,
    heap: usize,
    rate: f64,
}

impl Phase {
    fn now(name: &'static str, rate: f64) -> Phase {
        let m = memory::of_self();
        Phase { name, vm_rss: m.vm_rss, rss_anon: m.rss_anon, heap: heap::in_use(), rate }
    }
}

/// Runs the burst and prints table and verdict; exit status 1 when the target is missed.
///
/// # Errors
/// BURST is no number, no temporary folder.
pub fn run(args: &args::Simulate) -> Result<ExitCode> {
    #[cfg(feature = "heap-profile")]
    let _profiler = dhat::Profiler::new_heap();
    let mut phases = vec![Phase::now("baseline", 0.0)];
    let burst = match (args.burst, std::env::var("BURST")) {
        (Some(n), _) => n,
        (None, Ok(text)) => {
            text.parse().map_err(|_| Error::new(format!("BURST={text:?} is no number")))?
        }
        (None, Err(_)) => 100,
    };
    let target = args.target_kb.unwrap_or(if cfg!(target_arch = "riscv64") { 1024 } else { 5120 });
    let scratch = Scratch::new()?;
    let config = Rc::new(scripted(&scratch.0));
    phases.push(Phase::now("config-loaded", 0.0));
    let (journal, _) =
        Journal::open(&scratch.0.join("state"), Sessions::new(&config.agent.workspace).dir())?;
    let models = Models::scripted(&config);
    let agent = Rc::new(app::agent(config, models, Client::new()?, Rc::new(journal), Vec::new()));
    let executor = Rc::new(LocalExecutor::new());
    let answered =
        async_io::block_on(executor.run(measure(agent, burst, executor.clone(), &mut phases)))?;
    report(args.json, burst, answered, target, &phases);
    let last = phases.last().map_or(0, |p| p.vm_rss);
    Ok(if last <= target && answered == u64::from(burst) {
        ExitCode::SUCCESS
    } else {
        ExitCode::FAILURE
    })
}

async fn measure(
    agent: Rc<Agent>,
    burst: u32,
    executor: Rc<LocalExecutor<'static>>,
    phases: &mut Vec<Phase>,
) -> Result<u64> {
    let answered = Rc::new(Cell::new(0));
    let channel = Rc::new(AnyChannel::Sim(Sim::new(answered.clone())));
    let outbox = Rc::new(Outbox::new(agent.journal.clone(), agent.sessions.clone(), vec![channel]));
    let hub = Rc::new(Hub::new(agent, outbox.clone(), None));
    let journal = hub.journal.clone();
    executor.spawn(async move { journal.run().await }).detach();
    executor.spawn(outbox.run(executor.clone())).detach();
    executor.spawn(hub.clone().run(executor.clone())).detach();
    executor.spawn(app::pulse::give_back_pages(hub.clone())).detach();
    phases.push(Phase::now("bus-created", 0.0));
    let begun = Instant::now();
    for n in 0..burst {
        hub.submit("sim", vec![message(n)], i64::from(n) + 2).await;
        wait_for(&answered, (u64::from(n) + 1).saturating_sub(WINDOW)).await?;
    }
    wait_for(&answered, u64::from(burst)).await?;
    let rate = f64::from(burst) / begun.elapsed().as_secs_f64().max(0.001);
    phases.push(Phase::now("after-burst", rate));
    async_io::Timer::after(Duration::from_secs(1)).await;
    phases.push(Phase::now("steady-state", rate));
    Ok(answered.get())
}

/// Waits until `count` replies have arrived.
async fn wait_for(answered: &Cell<u64>, count: u64) -> Result<()> {
    let begun = Instant::now();
    while answered.get() < count {
        if begun.elapsed() > Duration::from_secs(60) {
            return Err(Error::new(format!(
                "only {} of {count} messages were answered in a minute",
                answered.get()
            )));
        }
        async_io::Timer::after(Duration::from_millis(1)).await;
    }
    Ok(())
}

/// Every tenth message makes the model call a tool first.
fn message(n: u32) -> Inbound {
    let tool = if n % 10 == 9 { "[tool:list_dir] " } else { "" };
    Inbound {
        event: i64::from(n) + 1,
        from: Address {
            channel: "sim".into(),
            chat: (n % CHATS).to_string(),
            ..Address::default()
        },
        sender: Sender { platform: "sim".into(), id: "1".into(), ..Sender::default() },
        text: format!("{tool}message m{n:06}"),
        ..Inbound::default()
    }
}

fn scripted(home: &Path) -> Config {
    let mut config = Config { home: home.to_path_buf(), ..Config::default() };
    config.agent.workspace = home.join("workspace");
    config.agent.restrict_to_workspace = true;
    config.agent.max_tokens = 8192;
    config.agent.context_window = 32768;
    config.agent.max_tool_iterations = 20;
    config.agent.max_parallel_turns = 4;
    config
}

fn report(json: bool, burst: u32, answered: u64, target: u64, phases: &[Phase]) {
    let last = phases.last().map_or(0, |p| p.vm_rss);
    let passed = last <= target && answered == u64::from(burst);
    if json {
        let rows: Vec<_> = phases
            .iter()
            .map(|p| {
                serde_json::json!({"phase": p.name, "vmrss_kb": p.vm_rss, "rssanon_kb": p.rss_anon,
                    "heap_bytes": p.heap, "messages_per_s": p.rate})
            })
            .collect();
        let all = serde_json::json!({"burst": burst, "answered": answered, "target_kb": target,
            "passed": passed, "phases": rows});
        println!("{all}");
        return;
    }
    println!("🦞 picoclaw simulate: {burst} messages, {answered} answered");
    println!(
        "{:<14} {:>9} {:>11} {:>10} {:>8}",
        "phase", "VmRSS kB", "RssAnon kB", "heap B", "msg/s"
    );
    for p in phases {
        println!(
            "{:<14} {:>9} {:>11} {:>10} {:>8.0}",
            p.name, p.vm_rss, p.rss_anon, p.heap, p.rate
        );
    }
    let verdict = if passed { "PASS" } else { "FAIL" };
    println!("{verdict}: {last} kB resident, target {target} kB");
}

/// A folder of its own, gone afterwards.
struct Scratch(PathBuf);

impl Scratch {
    fn new() -> Result<Scratch> {
        let dir = std::env::temp_dir().join(format!("picoclaw-simulate-{}", std::process::id()));
        std::fs::create_dir_all(dir.join("workspace"))
            .with_context(|| dir.display().to_string())?;
        Ok(Scratch(dir))
    }
}

impl Drop for Scratch {
    fn drop(&mut self) {
        // What cannot be removed is in the temporary folder, which is cleaned anyway.
        let _ = std::fs::remove_dir_all(&self.0);
    }
}
