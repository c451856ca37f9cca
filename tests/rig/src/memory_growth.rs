//! What a long life costs: the same turn with a workspace of one, ten and a hundred times the size.
//!
//! Turns are timed from the outside, from the user's message to the reply, so each figure holds two or three answers of
//! the peer's model, which cost the same everywhere. What is read of a session, a note or an index is bounded, so the
//! figures should stay as they are.

use std::fs;
use std::path::{Path, PathBuf};
use std::process::Command;
use std::time::{Duration, Instant, SystemTime, UNIX_EPOCH};

use argh::FromArgs;
use picoclaw_peer::{Peer, PeerOptions};
use serde_json::json;

use crate::Result;
use crate::daemon::Daemon;
use crate::home::{Home, Place};

/// The one who writes.
const USER: i64 = 1001;
/// The first search of a large workspace reads it all.
const LIMIT: Duration = Duration::from_secs(300);
/// How much larger a workspace may make a turn until the figure is marked.
const MOST: f64 = 2.0;

/// Measure what long sessions, many notes, large notes and many jobs cost
#[derive(FromArgs)]
#[argh(subcommand, name = "grow")]
pub struct Grow {
    /// turns of each size (21)
    #[argh(option, default = "21")]
    turns: usize,
}

/// One row: what was measured at each size, in milliseconds.
struct Row {
    what: &'static str,
    sizes: [String; 3],
    times: Vec<f64>,
    /// What has to be read as a whole grows with it.
    whole: bool,
}

impl Grow {
    /// True when no figure more than doubles.
    pub fn run(&self, place: &Place) -> Result<bool> {
        let row = |what, sizes: [&str; 3], whole| Row {
            what,
            sizes: sizes.map(str::to_owned),
            times: Vec::new(),
            whole,
        };
        let mut session =
            row("turn in a long session (lines)", ["1,000", "10,000", "100,000"], false);
        let mut search =
            row("search after a note has grown (notes)", ["100", "1,000", "10,000"], false);
        let mut first = row("the very first search (notes)", ["100", "1,000", "10,000"], true);
        let mut prompt =
            row("turn when today's note has grown (its size)", ["100 kB", "1 MB", "10 MB"], false);
        let mut long =
            row("search when it has grown (its size)", ["100 kB", "1 MB", "10 MB"], false);
        let mut beside = row("turn while jobs wait (jobs)", ["10", "100", "1,000"], false);
        let mut jobs = row("lateness of a job (jobs)", ["10", "100", "1,000"], true);
        for (n, factor) in [1, 10, 100].into_iter().enumerate() {
            eprintln!("grow: {factor}x");
            let bench = |part: &str| Bench::new(place, &format!("{part}-{n}"));
            let mut b = bench("session")?;
            b.session(1000 * factor)?;
            session.times.push(b.turns(self.turns, "hello", None)?);
            let mut b = bench("notes")?;
            let today = b.notes(100 * factor)?;
            first.times.push(b.turns(1, r#"[call:memory_search {"query":"needle7"}]"#, None)?);
            let call = r#"[call:memory_search {"query":"needle7 hay"}]"#;
            search.times.push(b.turns(self.turns, call, Some(&today))?);
            let mut b = bench("long")?;
            let today = b.long_note(100_000 * factor)?;
            prompt.times.push(b.turns(self.turns, "hello", Some(&today))?);
            b.turns(1, call, None)?;
            long.times.push(b.turns(self.turns, call, Some(&today))?);
            let mut b = bench("jobs")?;
            jobs.times.push(b.jobs(10 * factor)?);
            beside.times.push(b.turns(self.turns, "hello", None)?);
        }
        let rows = [session, search, prompt, long, beside, first, jobs];
        println!("\n| ms | 1x | 10x | 100x | 100x to 1x |\n|---|---|---|---|---|");
        let mut fine = true;
        for row in &rows {
            let cell = |i: usize| format!("{:.1} ({})", row.times[i], row.sizes[i]);
            let ratio = row.times[2] / row.times[0].max(0.1);
            let mark = match row.whole {
                true => " (reads it all)",
                false if ratio > MOST => " MISSED",
                false => "",
            };
            fine &= row.whole || ratio <= MOST;
            println!(
                "| {} | {} | {} | {} | {ratio:.2}{mark} |",
                row.what,
                cell(0),
                cell(1),
                cell(2)
            );
        }
        Ok(fine)
    }
}

/// A daemon with a workspace of its own.
struct Bench {
    peer: Peer,
    home: Home,
    workspace: PathBuf,
    daemon: Option<Daemon>,
}

impl Bench {
    fn new(place: &Place, name: &str) -> Result<Bench> {
        let place = Place { daemon: place.daemon.clone(), work: place.work.join(name) };
        fs::create_dir_all(&place.work).map_err(|e| format!("{}: {e}", place.work.display()))?;
        let peer = Peer::start(PeerOptions::default()).map_err(|e| format!("the peer: {e}"))?;
        let mut home = Home::for_peer(&place, &peer, USER..USER + 1)?;
        home.set("TZ", "UTC");
        // Summaries would make every session short.
        home.set("PICOCLAW_AGENTS_DEFAULTS_SUMMARIZE_MESSAGE_THRESHOLD", "1000000");
        home.set("PICOCLAW_AGENTS_DEFAULTS_CONTEXT_WINDOW", "1000000");
        let workspace = home.dir.join("workspace");
        Ok(Bench { peer, home, workspace, daemon: None })
    }

    fn write(&self, path: &str, text: &str) -> Result<PathBuf> {
        let state = path.starts_with("sessions/") || path.starts_with("cron/");
        let path = if state { self.home.dir.join(path) } else { self.workspace.join(path) };
        let dir = path.parent().unwrap_or(Path::new("/"));
        fs::create_dir_all(dir)
            .and_then(|()| fs::write(&path, text))
            .map_err(|e| format!("{}: {e}", path.display()))?;
        Ok(path)
    }

    fn session(&self, lines: usize) -> Result<PathBuf> {
        let line = |n: usize| {
            let role = if n % 2 == 0 { "user" } else { "assistant" };
            let content = format!("message {n} of a conversation that has gone on for very long");
            format!("{}\n", json!({ "role": role, "content": content }))
        };
        let text: String = (0..lines).map(line).collect();
        self.write(&format!("sessions/telegram_{USER}.jsonl"), &text)
    }

    /// So many daily notes, today's among them; its path.
    fn notes(&self, count: usize) -> Result<PathBuf> {
        for n in 0..count {
            let (year, month, day) = (1990 + n / 336, n / 28 % 12 + 1, n % 28 + 1);
            let mut text = format!("# {year:04}-{month:02}-{day:02}\n\n");
            for line in 0..12 {
                let word = n * 12 + line;
                text.push_str(&format!(
                    "- hay {} about thing{word} and place{}, {} of the day\n",
                    word % 7,
                    word % 501,
                    if word % 1000 == 777 { "needle7" } else { "rest" }
                ));
            }
            let path = format!("memory/{year:04}{month:02}/{year:04}{month:02}{day:02}.md");
            self.write(&path, &text)?;
        }
        self.write(&today()?, "# today\n\n- hay and needle7\n")
    }

    fn long_note(&self, bytes: usize) -> Result<PathBuf> {
        let mut text = String::from("# today\n\n- hay and needle7\n");
        let mut n = 0;
        while text.len() < bytes {
            text.push_str(&format!("- hay {n} about thing{n} and place{}\n", n % 501));
            n += 1;
        }
        self.write(&today()?, &text)
    }

    /// Milliseconds of a turn that a quarter of them stays below; before each one a line is added to `grows`.
    fn turns(&mut self, count: usize, text: &str, grows: Option<&Path>) -> Result<f64> {
        if self.daemon.is_none() {
            self.daemon = Some(Daemon::start(&self.home, &self.peer)?);
            if grows.is_some() || count > 1 {
                self.turn("warm up")?;
            }
        }
        let mut times = Vec::new();
        for n in 0..count {
            if let Some(path) = grows {
                let line = format!("- line {n} that was added just now\n");
                let file = fs::OpenOptions::new().append(true).open(path);
                file.and_then(|mut f| std::io::Write::write_all(&mut f, line.as_bytes()))
                    .map_err(|e| format!("{}: {e}", path.display()))?;
            }
            times.push(self.turn(text)?);
        }
        Ok(quarter(times))
    }

    fn turn(&self, text: &str) -> Result<f64> {
        let begun = Instant::now();
        let marker = self.peer.say(USER, USER, text);
        match self.peer.wait_reply(&marker, LIMIT) {
            Some(_) => Ok(begun.elapsed().as_secs_f64() * 1e3),
            None => Err(format!(
                "no answer to {text}\n{}",
                self.daemon.as_ref().map(Daemon::log).unwrap_or_default()
            )),
        }
    }

    /// Milliseconds that a job comes too late among so many, of five.
    fn jobs(&mut self, count: usize) -> Result<f64> {
        let now = || SystemTime::now().duration_since(UNIX_EPOCH).map_or(0, |d| d.as_millis());
        let base = (now() / 1000 + 3) * 1000;
        let job = |id: String, at: u128| {
            json!({
                "id": id, "name": id, "enabled": true, "deleteAfterRun": false,
                "schedule": { "kind": "at", "atMs": at as u64 }, "state": {},
                "payload": { "kind": "agent_turn", "message": format!("{id} is due"), "deliver": true,
                    "channel": "telegram", "to": USER.to_string() },
                "createdAtMs": 1, "updatedAtMs": 1,
            })
        };
        let due = 5;
        let mut all: Vec<_> =
            (due..count).map(|n| job(format!("later{n}"), base + 86_400_000 + n as u128)).collect();
        all.extend((0..due).map(|n| job(format!("soon{n}"), base + 1000 * n as u128)));
        self.write("cron/jobs.json", &json!({ "version": 1, "jobs": all }).to_string())?;
        self.daemon = Some(Daemon::start(&self.home, &self.peer)?);
        let mut times = Vec::new();
        for n in 0..due {
            let text = format!("soon{n} is due");
            let at = base + 1000 * n as u128;
            while !self.peer.texts(USER).iter().any(|t| t.contains(&text)) {
                if now() > at + LIMIT.as_millis() {
                    return Err(format!("{text}: it did not come"));
                }
                std::thread::sleep(Duration::from_micros(200));
            }
            times.push(now().saturating_sub(at) as f64);
        }
        Ok(quarter(times))
    }
}

/// What three quarters of the times are above: a busy machine adds to some of them.
fn quarter(mut times: Vec<f64>) -> f64 {
    times.sort_by(f64::total_cmp);
    times.get(times.len() / 4).copied().unwrap_or(0.0)
}

/// Path of today's note in the workspace, in UTC.
fn today() -> Result<String> {
    let output = Command::new("date").args(["-u", "+%Y%m/%Y%m%d"]).output();
    let text = output.map_err(|e| format!("date: {e}"))?.stdout;
    Ok(format!("memory/{}.md", String::from_utf8_lossy(&text).trim()))
}
