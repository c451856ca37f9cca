//! One daemon, its peer and its home under test: what was said, and the accounts at the end.

use std::collections::BTreeMap;
use std::path::Path;
use std::time::{Duration, Instant};

use picoclaw_peer::Peer;
use serde_json::{Value, json};

use super::{REPEATED, Random};
use crate::harness::{Home, OWNER, peer};
use crate::harness_daemon::Daemon;

/// Acceptance to record: an answer on the wire and an fsync on a very busy machine.
const WINDOW: Duration = Duration::from_secs(2);
/// So long a daemon gets to answer everything before it is stopped properly.
const DRAIN: Duration = Duration::from_secs(20);
/// Private chats that take part.
const CHATS: u64 = 3;
/// The file that append_file adds a line to, once for each order.
const EFFECTS: &str = "effects.txt";
/// What an answer begins with that is none: the turn failed, or its message was set aside.
const EXCUSES: [&str; 2] = ["⚠️ I set your message aside", "Error processing message:"];

/// The counts of a campaign.
#[derive(Default)]
pub struct Books {
    pub messages: u64,
    /// Neither answered nor told why.
    pub lost: u64,
    /// Told why there is no answer.
    pub excused: u64,
    pub repeated: u64,
    /// Of these, the ones whose acceptance the daemon had been told of.
    pub repeated_known: u64,
    pub effects: u64,
    pub effects_repeated: u64,
    pub files_damaged: u64,
    pub kills: u64,
    /// What only this campaign counts.
    pub more: BTreeMap<&'static str, u64>,
    /// What to look at when a promise was broken.
    pub complaints: Vec<String>,
    /// Is the share of repeated replies part of the promise?
    pub rate: bool,
}

impl Books {
    /// Both together.
    pub fn and(mut self, other: Books) -> Books {
        self.messages += other.messages;
        self.lost += other.lost;
        self.excused += other.excused;
        self.repeated += other.repeated;
        self.repeated_known += other.repeated_known;
        self.effects += other.effects;
        self.effects_repeated += other.effects_repeated;
        self.files_damaged += other.files_damaged;
        self.kills += other.kills;
        self.rate |= other.rate;
        self.complaints.extend(other.complaints);
        other.more.into_iter().for_each(|(name, n)| self.add(name, n));
        self
    }

    pub fn add(&mut self, name: &'static str, n: u64) {
        *self.more.entry(name).or_insert(0) += n;
    }

    pub fn write(&self, line: &mut Value) {
        let all = [
            ("messages", self.messages),
            ("lost", self.lost),
            ("told_why_not", self.excused),
            ("replies_repeated", self.repeated),
            ("replies_repeated_acceptance_unknown", self.repeated - self.repeated_known),
            ("side_effects", self.effects),
            ("side_effects_repeated", self.effects_repeated),
            ("files_damaged", self.files_damaged),
            ("kills", self.kills),
        ];
        for (name, n) in all.into_iter().chain(self.more.iter().map(|(k, v)| (*k, *v))) {
            line[name] = n.into();
        }
    }

    /// Fails when a promise was broken.
    #[track_caller]
    pub fn judge(&self, line: &Value) {
        let broken =
            self.lost + self.repeated_known + self.effects_repeated + self.files_damaged > 0;
        assert!(!broken, "{line}\n{}", self.complaints.join("\n"));
        // Of few messages one is already too large a share.
        let often = self.rate && self.messages >= 10 * REPEATED;
        assert!(!often || self.repeated * REPEATED <= self.messages, "too often: {line}");
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
}

impl Lane {
    /// A peer, and a home for a daemon that talks to it. One lane in two speaks TLS.
    pub fn new(seed: u64) -> (Lane, Home) {
        let peer = peer(seed % 2 == 0);
        let allowed: Vec<String> = (0..CHATS).map(|c| chat(c).to_string()).collect();
        let patch = json!({ "channel_list": { "telegram": { "allow_from": allowed } } });
        let home = Home::patched(&peer, &patch);
        let random = Random::new(seed);
        let books = Books::default();
        (
            Lane {
                peer,
                random,
                books,
                kills: Vec::new(),
                readies: Vec::new(),
                calms: Vec::new(),
                said: 0,
                effects: 0,
            },
            home,
        )
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
        self.peer.say(chat, chat, &text);
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
            println!("not yet answered: {:?}", self.peer.lost());
        }
        assert!(daemon.term().success());
        self.calms.push(Instant::now());
        self.books.add("proper_ends", 1);
    }

    /// The daemon runs undisturbed: all is answered, or told why not. Fills the books.
    pub fn settle(&mut self, daemon: &Daemon, patience: Duration) {
        if self.drained(patience) {
            daemon.rest(&self.peer);
        }
        let lost = self.peer.lost();
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
    fn drained(&self, limit: Duration) -> bool {
        let end = Instant::now() + limit;
        loop {
            if self.peer.wait_all(Duration::from_millis(300)) {
                return true;
            }
            if self.excuses() >= self.peer.lost().len() as u64 {
                return true;
            }
            if Instant::now() > end {
                return false;
            }
        }
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
            if (aside && !told.contains(&text)) || text.starts_with(EXCUSES[1]) {
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
                if entry.file_type().is_ok_and(|t| t.is_dir()) {
                    folders.push(path);
                } else {
                    self.inspect_file(&path);
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

fn chat(n: u64) -> i64 {
    OWNER + n as i64
}
