//! `picoclaw simulate`: the seeds' offline run. Synthetic messages go through the real journal, agent, tools and
//! outbox, with a scripted model and no network, and memory is read at each phase.

use std::cell::{Cell, RefCell};
use std::io::Write;
use std::path::{Path, PathBuf};
use std::process::ExitCode;
use std::rc::Rc;
use std::time::{Duration, Instant};

use smol::LocalExecutor;

use super::output_file;
use super::timeseries::{self, Timeseries};
use crate::agent::Agent;
use crate::app;
use crate::app::assistant::Assistant;
use crate::app::outbox::Outbox;
use crate::app::turns::attachments::DownloadLimits;
use crate::args;
use crate::bus::{Address, Inbound, Sender};
use crate::channel::sim::Sim;
use crate::channel::{AnyChannel, Intake};
use crate::config::{Config, LoadOptions};
use crate::error::{Context, Error, Result};
use crate::net::http::HttpClient;
use crate::provider::Models;
use crate::store::session::Sessions;
use crate::store::writer::Journal;
use crate::sys::{heap, memory, pages};

/// Chats that the messages are spread over.
const CHATS: u32 = 8;
/// Messages unanswered at one time.
const WINDOW: u64 = 16;

/// The bursts whose figures were published for the Go build, and the published kilobytes: VmRSS on Linux. (7.35 MB were
/// published for Windows, which this program does not run on.)
pub const PUBLISHED_BURSTS: [u32; 2] = [100, 1000];
const PUBLISHED_KB: u64 = 3072;

/// One line of the table: its name; VmRSS and RssAnon in kilobytes, heap in bytes, messages a second.
struct Phase(&'static str, [u64; 4]);

impl Phase {
    fn now(name: &'static str, rate: u64) -> Phase {
        let m = memory::read_own();
        Phase(name, [m.vm_rss, m.rss_anon, heap::in_use() as u64, rate])
    }
}

/// What the channel tells about replies: how many, and how long the open ones have waited.
struct Replies {
    count: Cell<u64>,
    /// At most [`WINDOW`].
    open: RefCell<Vec<(String, Instant)>>,
    /// Only where a picture is wanted: reading memory all the time would be measured as well.
    timeseries: RefCell<Option<Timeseries>>,
}

impl Replies {
    fn came(&self, text: &str) {
        self.count.set(self.count.get() + 1);
        let mut open = self.open.borrow_mut();
        if let Some(at) = open.iter().position(|(word, _)| text.ends_with(word.as_str())) {
            let (_, since) = open.swap_remove(at);
            if let Some(timeseries) = &mut *self.timeseries.borrow_mut() {
                timeseries.replied(since.elapsed());
            }
        }
    }

    fn sample(&self) {
        if let Some(timeseries) = &mut *self.timeseries.borrow_mut() {
            timeseries.sample();
        }
    }
}

/// Runs the burst and prints table and verdict; exit status 1 when the target is missed.
///
/// # Errors
/// BURST is no number or 0, no temporary folder.
pub fn run(args: &args::SimulateArgs) -> Result<ExitCode> {
    #[cfg(feature = "heap-profile")]
    let _profiler = dhat::Profiler::new_heap();
    pages::map_small_pieces();
    let mut phases = vec![Phase::now("baseline", 0)];
    let burst = match (args.burst, std::env::var("BURST")) {
        (Some(n), _) => n,
        (None, Ok(text)) => {
            text.parse().map_err(|_| Error::new(format!("BURST={text:?} is no number")))?
        }
        (None, Err(_)) => 100,
    };
    if burst == 0 {
        return Err(Error::new("a burst has at least one message"));
    }
    let target = args.target_kb.unwrap_or(if cfg!(target_arch = "riscv64") { 1024 } else { 5120 });
    // Before the run: a file that cannot be made is known at once.
    check_picture(args.svg.as_deref())?;
    let picture = args.svg.as_ref().map(|path| std::fs::File::create(path).context(path));
    let mut picture = picture.transpose()?;
    let scratch = Scratch::new()?;
    let config = Rc::new(scripted(&scratch.0));
    phases.push(Phase::now("config-loaded", 0));
    let (journal, _) = Journal::open(&scratch.0.join("state"), Sessions::new(&config.home).dir());
    let models = Models::scripted(&config);
    let agent = Rc::new(app::agent(config, models, HttpClient::new()?, Rc::new(journal)));
    let executor = Rc::new(LocalExecutor::new());
    let replies = Rc::new(Replies {
        count: Cell::new(0),
        open: RefCell::default(),
        timeseries: RefCell::new(picture.is_some().then(Timeseries::begin)),
    });
    let run = measure(agent, burst, executor.clone(), &mut phases, replies.clone());
    async_io::block_on(executor.run(run))?;
    let answered = replies.count.get();
    if let (Some(file), Some(timeseries)) = (&mut picture, &*replies.timeseries.borrow()) {
        let text =
            timeseries::svg(&format!("picoclaw simulate, {burst} messages"), timeseries.points());
        file.write_all(text.as_bytes()).context("the picture")?;
    }
    let passed = report(args.json, burst, answered, target, &phases);
    Ok(if passed { ExitCode::SUCCESS } else { ExitCode::FAILURE })
}

/// Refuses a picture's file that may not be written.
///
/// # Errors
/// See [`output_file::check`].
pub fn check_picture(file: Option<&str>) -> Result<()> {
    match (file, LoadOptions::from_process().home()) {
        (Some(file), Ok(home)) => {
            output_file::check(Path::new(file), &home, &home.join("workspace"), &[".svg"])
        }
        _ => Ok(()),
    }
}

async fn measure(
    agent: Rc<Agent>,
    burst: u32,
    executor: Rc<LocalExecutor<'static>>,
    phases: &mut Vec<Phase>,
    replies: Rc<Replies>,
) -> Result<()> {
    let told = replies.clone();
    let channel = Rc::new(AnyChannel::Sim(Sim::new(Box::new(move |text| told.came(text)))));
    let outbox = Rc::new(Outbox::new(agent.journal.clone(), agent.sessions.clone(), vec![channel]));
    let assistant = Assistant::new(agent, outbox, None, DownloadLimits::default());
    assistant.spawn(&executor);
    executor.spawn(app::housekeeping::release_pages(assistant.turns.clone())).detach();
    phases.push(Phase::now("bus-created", 0));
    let begun = Instant::now();
    for n in 0..burst {
        replies.open.borrow_mut().push((format!("m{n:06}"), Instant::now()));
        assistant.inbox.submit("sim", vec![message(n)], i64::from(n) + 2).await;
        wait_for(&replies, (u64::from(n) + 1).saturating_sub(WINDOW)).await?;
    }
    wait_for(&replies, u64::from(burst)).await?;
    let millis = crate::sys::clock::millis(begun.elapsed()).max(1);
    let rate = u64::from(burst) * 1000 / millis;
    phases.push(Phase::now("after-burst", rate));
    // Two seconds of rest, as wherever memory is measured; the daemon's pages go back in the first.
    for _ in 0..200 {
        async_io::Timer::after(Duration::from_millis(10)).await;
        replies.sample();
    }
    phases.push(Phase::now("steady-state", rate));
    Ok(())
}

/// Waits until `count` replies have arrived.
async fn wait_for(replies: &Replies, count: u64) -> Result<()> {
    let begun = Instant::now();
    replies.sample();
    while replies.count.get() < count {
        if begun.elapsed() > Duration::from_secs(60) {
            return Err(Error::new(format!(
                "only {} of {count} messages were answered in a minute",
                replies.count.get()
            )));
        }
        async_io::Timer::after(Duration::from_millis(1)).await;
        replies.sample();
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
    config.session.dimensions = vec!["chat".into()];
    config.agent.workspace = home.join("workspace");
    config.agent.restrict_to_workspace = true;
    config.agent.max_tokens = 8192;
    config.agent.context_window = 32768;
    config.agent.max_tool_iterations = 20;
    config.agent.max_parallel_turns = 4;
    config
}

/// Prints table and verdict; true when the run passed.
fn report(json: bool, burst: u32, answered: u64, target: u64, phases: &[Phase]) -> bool {
    let last = phases.last().map_or(0, |p| p.1[0]);
    let passed = last <= target && answered == u64::from(burst);
    if json {
        let rows: Vec<_> = phases
            .iter()
            .map(|Phase(name, [vm_rss, rss_anon, heap, rate])| {
                serde_json::json!({"phase": name, "vmrss_kb": vm_rss, "rssanon_kb": rss_anon,
                    "heap_bytes": heap, "messages_per_s": rate})
            })
            .collect();
        let all = serde_json::json!({"burst": burst, "answered": answered, "target_kb": target,
            "passed": passed, "published_go_kb": published(burst), "phases": rows});
        println!("{all}");
        return passed;
    }
    println!("🦞 picoclaw simulate: {burst} messages, {answered} answered");
    header();
    phases.iter().for_each(|p| line(p.0, p.1));
    beside_published(&[(burst, last)]);
    let verdict = if passed { "PASS" } else { "FAIL" };
    println!("{verdict}: {last} kB resident, target {target} kB");
    passed
}

/// The phases' columns.
pub fn header() {
    println!(
        "{:<14} {:>9} {:>11} {:>10} {:>8}",
        "phase", "VmRSS kB", "RssAnon kB", "heap B", "msg/s"
    );
}

/// A phase's line: VmRSS, RssAnon, heap, messages a second.
pub fn line(name: &str, [vm_rss, rss_anon, heap, rate]: [u64; 4]) {
    println!("{name:<14} {vm_rss:>9} {rss_anon:>11} {heap:>10} {rate:>8}");
}

fn published(burst: u32) -> Option<u64> {
    PUBLISHED_BURSTS.contains(&burst).then_some(PUBLISHED_KB)
}

/// VmRSS of runs beside what was published for the Go build at the same burst.
pub fn beside_published(runs: &[(u32, u64)]) {
    println!("{:<14} {:>19} {:>14}", "BURST", "Go, published, kB", "this build, kB");
    for &(burst, ours) in runs {
        let theirs = published(burst).map_or_else(|| "-".into(), |kb| kb.to_string());
        println!("{burst:<14} {theirs:>19} {ours:>14}");
    }
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
