//! One daemon, its peer and its home under test: what was said, and the accounts at the end.

use std::collections::BTreeSet;
use std::path::Path;
use std::time::{Duration, Instant};

use picoclaw_peer::{Marker, Peer};
use serde_json::{Value, json};

use super::Random;
use super::books::Books;
use crate::harness::{Home, OWNER, SOON, eventually, merge, peer};
use crate::harness_daemon::Daemon;

/// Acceptance to record: an answer on the wire and an fsync on a very busy machine.
const WINDOW: Duration = Duration::from_secs(2);
/// So long a daemon gets to answer everything before it is stopped properly.
const DRAIN: Duration = Duration::from_secs(20);
/// Private chats that take part.
pub const CHATS: u64 = 3;
/// The file that append_file adds a line to, once for each order.
const EFFECTS: &str = "effects.txt";
/// What an answer begins with that is none: the turn failed, or its message was set aside.
const EXCUSES: [&str; 3] = [
    "⚠️ I set your message aside",
    "Error processing message:",
    "Your message is too long for me:",
];

/// What was done, in order. A failure prints it.
#[derive(Default)]
struct Plan(Vec<String>);

impl Drop for Plan {
    fn drop(&mut self) {
        if std::thread::panicking() {
            eprintln!("the plan:\n{}", self.0.join("\n"));
        }
    }
}

/// What is tried.
pub struct Lane {
    pub peer: Peer,
    pub random: Random,
    pub books: Books,
    /// Before and after each kill.
    kills: Vec<(Instant, Instant)>,
    /// When a daemon had made its first poll. What was accepted between a kill and that may have been sent by the killed one.
    readies: Vec<Instant>,
    /// Proper ends: what was accepted before is known.
    calms: Vec<Instant>,
    said: u64,
    effects: u64,
    /// All that was said.
    told: Vec<Marker>,
    /// Messages that `/stop` has forgotten.
    stopped: Vec<Marker>,
    plan: Plan,
}

impl Lane {
    /// A peer, and a home for a daemon that talks to it. One lane in two speaks TLS.
    pub fn new(seed: u64) -> (Lane, Home) {
        let peer = peer(seed % 2 == 0);
        Lane::with(peer, seed, &json!({}))
    }

    /// With this peer, and a JSON Merge Patch on the configuration.
    pub fn with(peer: Peer, seed: u64, patch: &Value) -> (Lane, Home) {
        let allowed: Vec<String> = (0..CHATS).map(|c| chat(c).to_string()).collect();
        let mut all = json!({ "channel_list": { "telegram": { "allow_from": allowed } } });
        merge(&mut all, patch);
        let home = Home::patched(&peer, &all);
        let lane = Lane {
            peer,
            random: Random::new(seed),
            books: Books::default(),
            kills: Vec::new(),
            readies: Vec::new(),
            calms: Vec::new(),
            said: 0,
            effects: 0,
            told: Vec::new(),
            stopped: Vec::new(),
            plan: Plan::default(),
        };
        (lane, home)
    }

    /// Notes a step of the plan.
    pub fn note(&mut self, step: String) {
        self.plan.0.push(step);
    }

    /// Somebody says this.
    pub fn tell(&mut self, chat: i64, text: &str) -> Marker {
        self.said += 1;
        let marker = self.peer.say(chat, chat, text);
        self.told.push(marker.clone());
        let head: String = text.chars().take(60).collect();
        self.note(format!("{chat} says {marker}, {} bytes: {head}", text.len()));
        marker
    }

    /// `/stop` has forgotten these: nobody owes an answer.
    pub fn stopped(&mut self, markers: &[Marker]) {
        self.stopped.extend_from_slice(markers);
    }

    /// Messages that are unanswered and in one of these files: their owner took the journal away.
    pub fn set_aside(&mut self, kept: &BTreeSet<Marker>) {
        let mut aside = self.unanswered();
        aside.retain(|marker| kept.contains(marker));
        self.books.add("set_aside", aside.len() as u64);
        self.stopped(&aside);
    }

    /// What was answered is in a session's file, whatever became of it.
    fn remembered(&mut self, kept: &BTreeSet<Marker>) {
        for marker in std::mem::take(&mut self.told) {
            if !self.peer.answers(&marker).is_empty() && !kept.contains(&marker) {
                self.books.lost += 1;
                self.complain(format!("answered, and no session has it: {marker}"));
            }
        }
    }

    /// Waits until `look` finds something; counts it as late when that takes longer than `limit`.
    #[track_caller]
    pub fn due<T>(
        &mut self,
        what: &str,
        limit: Duration,
        mut look: impl FnMut(&Peer) -> Option<T>,
    ) -> Option<T> {
        let from = Instant::now();
        let found = eventually(limit + SOON, || look(&self.peer));
        let took = from.elapsed();
        self.books.slowest_ms = self.books.slowest_ms.max(took.as_millis() as u64);
        if took > limit || found.is_none() {
            self.books.late += 1;
            let came = if found.is_some() { "came" } else { "has not come" };
            self.complain(format!("{what}: {came} after {took:?}, at most {limit:?}"));
        }
        found
    }

    /// The end of a campaign: see [`Lane::settle`] and [`Lane::inspect`]; `home` is where we see the daemon's home.
    pub fn close(mut self, daemon: Daemon, home: &Path, patience: Duration) -> Books {
        self.settle(&daemon, patience);
        if self.books.lost + self.books.late > 0 {
            self.complain(daemon.log());
        }
        assert!(daemon.term().success());
        self.inspect(home);
        self.remembered(&markers_in(home, ".jsonl"));
        self.books
    }

    /// Somebody says something; one in `effects` messages wants a line in a file, one in four a look at a folder.
    pub fn say(&mut self, effects: u64) {
        let chat = chat(self.random.below(CHATS));
        let mut text = format!("hello {}", self.said);
        if self.random.below(4) == 0 {
            text.push_str(" [tool:list_dir]");
        }
        if self.random.below(effects) == 0 {
            self.effects += 1;
            let call = json!({ "path": EFFECTS, "content": format!("e{};\n", self.effects) });
            text.push_str(&format!(" [call:append_file {call}]"));
        }
        if self.random.below(4) == 0 {
            text.push_str(&format!(" [delay:{}]", self.random.below(40)));
        }
        self.said += 1;
        self.told.push(self.peer.say(chat, chat, &text));
    }

    /// Says one to `n` things within some milliseconds.
    pub fn chatter(&mut self, n: u64, effects: u64) {
        for _ in 0..=self.random.below(n) {
            self.say(effects);
            self.random.pause(12);
        }
    }

    /// `kill` ends the daemon without warning.
    pub fn killed<T>(&mut self, kill: impl FnOnce(&mut Random) -> T) -> T {
        let before = Instant::now();
        let left = kill(&mut self.random);
        // A reply of the killed daemon that the peer comes to later would look like one of the next.
        assert!(self.peer.wait_alone(DRAIN), "a killed daemon's connections stay open");
        self.kills.push((before, Instant::now()));
        self.books.kills += 1;
        if self.books.kills % 250 == 0 {
            println!("{} kills, {} messages", self.books.kills, self.said);
        }
        left
    }

    /// The daemon that was just started has made its first poll.
    pub fn ready(&mut self) {
        self.readies.push(Instant::now());
    }

    /// In between, all is answered and the daemon stopped properly: nothing it was told may be forgotten after that, and no
    /// message is cut off so often that it is set aside.
    pub fn calm(&mut self, daemon: Daemon) {
        if !self.drained(DRAIN) {
            println!("not yet answered: {:?}\n{}", self.unanswered(), daemon.log());
        }
        assert!(daemon.term().success());
        self.calms.push(Instant::now());
        self.books.add("proper_ends", 1);
    }

    /// The daemon runs undisturbed: all is answered, or told why not. Fills the books.
    pub fn settle(&mut self, daemon: &Daemon, patience: Duration) {
        if self.drained(patience) {
            daemon.rest_within(&self.peer, patience);
        }
        let lost = self.unanswered();
        self.books.plan.clone_from(&self.plan.0);
        self.books.messages = self.said;
        self.books.excused = self.excuses().min(lost.len() as u64);
        self.books.lost = lost.len() as u64 - self.books.excused;
        if self.books.lost > 0 {
            self.complain(format!("unanswered: {lost:?}"));
        }
        for told in self.told_why_not() {
            println!("told: {told}");
        }
        let twice = self.peer.duplicated();
        self.books.repeated = twice.len() as u64;
        for marker in &twice {
            let answers = self.peer.answers(marker);
            if !answers[..answers.len() - 1].iter().all(|first| self.cut_short(*first)) {
                self.books.repeated_known += 1;
                let next =
                    |all: &[Instant], a: Instant| all.iter().find(|t| **t > a).map(|t| *t - a);
                let kills: Vec<Instant> = self.kills.iter().map(|k| k.0).collect();
                let gaps: Vec<_> =
                    answers.iter().map(|a| (next(&kills, *a), next(&self.calms, *a))).collect();
                let what = "repeated although no kill excuses it; from each copy to the next kill and proper end";
                self.complain(format!("{what}: {marker:?} {gaps:?}"));
            }
        }
        for refused in self.peer.refused() {
            self.books.files_damaged += 1;
            self.complain(format!("a request no model takes: {refused}"));
        }
    }

    /// Waits until all is answered or told why not.
    pub fn drained(&self, limit: Duration) -> bool {
        let done = || (self.unanswered().len() as u64 <= self.excuses()).then_some(());
        eventually(limit, done).is_some()
    }

    /// Those that still wait for an answer.
    fn unanswered(&self) -> Vec<Marker> {
        let mut lost = self.peer.lost();
        lost.retain(|marker| !self.stopped.contains(marker));
        lost
    }

    /// Was a reply that was accepted then followed by a kill before it could be recorded?
    fn cut_short(&self, accepted: Instant) -> bool {
        let at = self.kills.partition_point(|(_, after)| *after < accepted);
        let since = at.checked_sub(1).map(|last| self.kills[last].1);
        let ready = self.readies.iter().find(|r| since.is_none_or(|since| **r > since));
        if ready.is_none_or(|ready| accepted < *ready) {
            return true;
        }
        let kill = self.kills.get(at).filter(|(before, _)| *before <= accepted + WINDOW);
        kill.is_some_and(|(before, _)| !self.calms.iter().any(|c| accepted < *c && *c < *before))
    }

    fn excuses(&self) -> u64 {
        self.told_why_not().len() as u64
    }

    /// A notice that was itself repeated counts once: it names a file of its own.
    fn told_why_not(&self) -> Vec<String> {
        let mut told: Vec<String> = Vec::new();
        for text in self.peer.sent().into_iter().map(|s| s.text) {
            let aside = text.starts_with(EXCUSES[0]);
            let other = EXCUSES[1..].iter().any(|words| text.starts_with(words));
            if (aside && !told.contains(&text)) || other {
                told.push(text);
            }
        }
        told
    }

    /// Looks at the files of a home whose daemon has ended properly.
    pub fn inspect(&mut self, home: &Path) {
        let effects = std::fs::read_to_string(home.join("workspace").join(EFFECTS));
        let mut times = vec![0u64; self.effects as usize + 1];
        for line in effects.unwrap_or_default().lines() {
            let number = line.strip_prefix('e').and_then(|l| l.strip_suffix(';')?.parse().ok());
            match number.and_then(|n: usize| times.get_mut(n)) {
                Some(n) => *n += 1,
                None => self.damaged(&format!("{EFFECTS}: {line:?}")),
            }
        }
        self.books.effects = times.iter().filter(|n| **n > 0).count() as u64;
        self.books.effects_repeated = times.iter().map(|n| n.saturating_sub(1)).sum();
        self.books.add("side_effects_ordered", self.effects);
        if self.books.effects_repeated > 0 {
            let twice: Vec<_> = (0..times.len()).filter(|n| times[*n] > 1).collect();
            self.complain(format!("side effects repeated: {twice:?}"));
        }
        let mut folders = vec![home.to_owned()];
        while let Some(folder) = folders.pop() {
            for entry in std::fs::read_dir(folder).into_iter().flatten().flatten() {
                let path = entry.path();
                match entry.file_type() {
                    Ok(kind) if kind.is_dir() => folders.push(path),
                    // A FIFO would keep us waiting.
                    Ok(kind) if kind.is_file() => self.inspect_file(&path),
                    _ => {}
                }
            }
        }
    }

    fn inspect_file(&mut self, path: &Path) {
        let name = path.file_name().unwrap_or_default().to_string_lossy().into_owned();
        let Ok(text) = std::fs::read_to_string(path) else { return };
        let is_json = |text: &str| serde_json::from_str::<Value>(text).is_ok();
        if name.ends_with(".json") && !is_json(&text) {
            self.damaged(&format!("{name} is not JSON"));
        }
        if name.ends_with(".jsonl") {
            for (n, line) in text.lines().enumerate().filter(|(_, l)| !is_json(l)) {
                // A piece of a line is what a power cut leaves; a whole line behind it would be lost to all readers.
                if line.match_indices("{\"role").any(|(at, _)| is_json(&line[at..])) {
                    self.damaged(&format!("{name}:{}: {line:?}", n + 1));
                } else {
                    self.books.add("torn_lines_passed_over", 1);
                }
            }
        }
    }

    fn damaged(&mut self, what: &str) {
        self.books.files_damaged += 1;
        self.complain(format!("damaged: {what}"));
    }

    pub fn complain(&mut self, what: String) {
        if self.books.complaints.len() < 20 {
            self.books.complaints.push(what);
        }
    }
}

/// One of [`CHATS`] private chats.
pub fn chat(n: u64) -> i64 {
    OWNER + n as i64
}

/// What is named in the files of a home whose names have `part`; what the daemon logs is kept for nobody.
pub fn markers_in(home: &Path, part: &str) -> BTreeSet<Marker> {
    let (mut all, mut folders) = (BTreeSet::new(), vec![home.to_owned()]);
    while let Some(folder) = folders.pop() {
        for entry in std::fs::read_dir(folder).into_iter().flatten().flatten() {
            let name = entry.file_name().to_string_lossy().into_owned();
            let kept = name.contains(part) && !name.ends_with(".log");
            match entry.file_type() {
                Ok(kind) if kind.is_dir() => folders.push(entry.path()),
                Ok(kind) if kind.is_file() && kept => {
                    let bytes = std::fs::read(entry.path()).unwrap_or_default();
                    let words = bytes.split(|b| !b.is_ascii_alphanumeric());
                    let text = words.filter_map(|word| std::str::from_utf8(word).ok());
                    all.extend(text.filter_map(Marker::parse));
                }
                _ => {}
            }
        }
    }
    all
}
