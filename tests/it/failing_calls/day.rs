//! A day in the life of the daemon with one system call that fails: messages, files, memory, a reminder, a summary, `/clear`,
//! a stop, another start. Nothing may be lost, repeated or damaged, and the failure is told.

use std::fs;
use std::os::unix::process::ExitStatusExt;
use std::path::Path;
use std::process::ExitStatus;
use std::sync::Arc;
use std::time::Instant;

use picoclaw_peer::{Marker, Peer};
use rustix::process::Signal;
use serde_json::{Value, json};

use super::inject::{Class, Injection, Listener};
use crate::harness::{Home, OWNER, SOON, eventually, peer};
use crate::harness_daemon::{Daemon, journal};
use crate::pause;

/// What the tool call of the first message writes.
const FILE: &str = "heron and crane";
/// What the reminder says.
const REMINDER: &str = "the tea is ready";
/// How the errors that are injected are told.
const ERRORS: [&str; 6] = [
    "Input/output error",
    "os error 5)",
    "No space left on device",
    "os error 28)",
    "Cannot allocate memory",
    "os error 12)",
];

/// How the runtime says that there is no memory.
const NO_MEMORY: [&str; 3] =
    ["memory allocation of", ERRORS[4], "Resource temporarily unavailable"];

/// What became of a day.
#[derive(Default)]
pub struct Verdict {
    /// Calls of the class in it.
    pub calls: u64,
    /// What the call that failed was about.
    pub hit: Option<String>,
    /// The log, the chat or the model says that something failed.
    pub told: bool,
    /// The daemon ended with an error.
    pub ended: bool,
    /// What must not happen and did.
    pub complaints: Vec<String>,
}

struct Day {
    daemon: Option<Daemon>,
    listener: Option<Listener>,
    peer: Peer,
    home: Home,
    injection: Arc<Injection>,
    logs: String,
    /// The last question that was answered.
    pressed: i64,
    /// How often the daemon ended by itself.
    ends: u32,
    complaints: Vec<String>,
}

/// Lives through a day in which the `nth` call of `class` fails; 0: none.
pub fn live(class: &'static Class, nth: u64) -> Verdict {
    let peer = peer(false);
    let defaults = json!({ "summarize_message_threshold": 4 });
    let home = Home::patched(&peer, &json!({ "agents": { "defaults": defaults } }));
    let config = home.read("config.json");
    let injection = Injection::new(class, &home.path(""), nth);
    let mut day = Day {
        daemon: None,
        listener: None,
        peer,
        home,
        injection,
        logs: String::new(),
        pressed: 0,
        ends: 0,
        complaints: Vec::new(),
    };
    day.first_life();
    day.second_life();
    let calls = day.injection.counted();
    day.last_life();
    if day.home.read("config.json") != config {
        day.complain("the configuration has changed".into());
    }
    day.judge(calls)
}

impl Day {
    fn first_life(&mut self) {
        self.start();
        let call = json!({ "path": "notes/a.txt", "content": FILE });
        self.ask(&format!("my bicycle is green [call:write_file {call}]"));
        self.ask(r#"[call:memory_append {"text":"the bicycle is green"}]"#);
        let add = json!({ "action": "add", "message": REMINDER, "at_seconds": 1 });
        self.ask(&format!("[call:cron {add}]"));
        self.until("reminded", |day| day.reminders() > 0 || !day.is_job_added());
        self.peer.command(OWNER, "/clear");
        let answers = |text: &str| text.contains("history is cleared") || is_error(text);
        self.until("told that the history is cleared", |day| {
            day.peer.texts(OWNER).iter().any(|text| answers(text))
        });
        self.ask("and now?");
        self.stop();
    }

    fn second_life(&mut self) {
        self.start();
        self.ask("what colour is it?");
        self.stop();
    }

    /// Nothing fails any more.
    fn last_life(&mut self) {
        let polls = self.peer.calls("tg.getUpdates");
        self.daemon = Some(Daemon::spawn(&self.home));
        self.until("polling at the last start", |day| day.peer.calls("tg.getUpdates") > polls);
        self.until("answering everything", |day| day.peer.lost().is_empty());
        self.until("recording everything", |day| journal(&day.home.path("")).is_empty());
        self.stop();
    }

    fn start(&mut self) {
        let polls = self.peer.calls("tg.getUpdates");
        let mut command = self.home.command(&["gateway"]);
        let handover = self.injection.attach(&mut command);
        self.daemon = Some(Daemon::spawn_command(&self.home, command));
        self.listener = Some(handover.listen());
        self.until("polling", |day| day.peer.calls("tg.getUpdates") > polls);
    }

    fn ask(&mut self, text: &str) {
        let marker = self.peer.say(OWNER, OWNER, text);
        self.until("answering", |day| day.is_answered(&marker));
    }

    fn is_answered(&self, marker: &Marker) -> bool {
        !self.peer.answers(marker).is_empty()
    }

    /// Waits until it holds; a daemon that ends by itself meanwhile is started again.
    fn until(&mut self, what: &str, holds: impl Fn(&Day) -> bool) {
        let end = Instant::now() + SOON;
        while !holds(self) {
            self.allow();
            let Some(daemon) = &mut self.daemon else { return };
            if !daemon.runs() {
                let status = daemon.wait(SOON);
                self.ended(status, "");
                self.ends += 1;
                if self.ends > 1 {
                    return self.complain(format!("it ends again before {what}"));
                }
                self.start();
            } else if Instant::now() > end {
                let log = daemon.log();
                return self.complain(format!("not {what} within {SOON:?}\n{log}"));
            }
            pause::step();
        }
    }

    /// A daemon that cannot read what it goes by asks before it acts.
    fn allow(&mut self) {
        for asked in self.peer.sent() {
            if let (Some((_, data)), true) =
                (asked.buttons.first(), asked.message_id > self.pressed)
            {
                self.pressed = asked.message_id;
                self.peer.press(OWNER, OWNER, asked.message_id, data);
            }
        }
    }

    fn stop(&mut self) {
        let Some(mut daemon) = self.daemon.take() else { return };
        if daemon.runs() {
            daemon.signal(Signal::TERM);
        }
        let end = eventually(SOON, || (!daemon.runs()).then_some(()));
        if end.is_none() {
            self.complain(format!("it does not stop\n{}", daemon.log()));
            return;
        }
        let status = daemon.wait(SOON);
        self.daemon = Some(daemon);
        self.ended(status, "stop");
        // What it sent last is in the books.
        self.peer.wait_alone(SOON);
    }

    /// A daemon that has ended: its log is kept, and judged.
    fn ended(&mut self, status: ExitStatus, when: &str) {
        let Some(daemon) = self.daemon.take() else { return };
        self.listener = None;
        let log = daemon.log();
        let crashed = status.signal().is_some() || log.contains("panicked");
        if crashed && self.injection.is_memory() && NO_MEMORY.iter().any(|why| log.contains(why)) {
            // Rust's runtime ends a process that gets no memory for a thread.
        } else if crashed || status.code() == Some(101) {
            self.complain(format!("a crash ({status})\n{log}"));
        } else if !status.success() {
            let hit = self.injection.hit().unwrap_or_default();
            let name = Path::new(&hit).file_name().unwrap_or_default().to_string_lossy();
            // A file that has no name yet is told by its folder's.
            let folder = Path::new(&hit).parent().map(|f| f.display().to_string());
            let named = |name: &str| log.lines().any(|line| is_error(line) && line.contains(name));
            if !named(&name) && !folder.is_some_and(|folder| named(&folder)) {
                self.complain(format!("its end ({status}) does not name {hit:?}\n{log}"));
            }
        } else if when != "stop" {
            self.complain(format!("it ends without an error\n{log}"));
        }
        self.logs.push_str(&log);
    }

    /// How often the reminder was sent.
    fn reminders(&self) -> usize {
        self.peer.texts(OWNER).iter().filter(|text| text.contains(REMINDER)).count()
    }

    /// The results of tool calls, as the model has them.
    fn results(&self) -> Vec<String> {
        let of_tool =
            |message: &Value| (message["role"] == "tool").then(|| message["content"].to_string());
        let requests = self.peer.requests();
        let messages = requests.iter().filter_map(|r| r["messages"].as_array()).flatten();
        messages.filter_map(of_tool).collect()
    }

    fn is_job_added(&self) -> bool {
        self.results().iter().any(|result| result.contains("Added job"))
    }

    fn has_failed_tool(&self) -> bool {
        self.results().iter().any(|result| is_error(result))
    }

    fn complain(&mut self, what: String) {
        self.complaints.push(what);
    }

    fn judge(mut self, calls: u64) -> Verdict {
        let failed = self.has_failed_tool() || is_error(&self.logs);
        let written = self.home.read("workspace/notes/a.txt");
        if written != FILE && !(failed && written.is_empty()) {
            self.complain(format!("notes/a.txt holds {written:?}; told: {failed}"));
        }
        let (reminders, promised) = (self.reminders(), self.is_job_added());
        if reminders != usize::from(promised) {
            self.complain(format!("reminded {reminders} times; promised: {promised}"));
        }
        for marker in self.peer.lost() {
            self.complain(format!("lost: {marker:?}"));
        }
        for marker in self.peer.duplicated() {
            let n = self.peer.answers(&marker).len();
            self.complain(format!("answered {n} times: {marker:?}"));
        }
        for refused in self.peer.refused() {
            self.complain(format!("a request no model takes: {refused}"));
        }
        let mut damaged = Vec::new();
        inspect(&self.home.path(""), &mut damaged);
        damaged.into_iter().for_each(|file| self.complain(format!("damaged: {file}")));
        let texts = self.peer.texts(OWNER);
        let told = failed || texts.iter().any(|text| is_error(text));
        if !self.complaints.is_empty() {
            self.complaints.push(format!("--- logs\n{}\n--- chat\n{texts:#?}", self.logs));
        }
        let (hit, ended) = (self.injection.hit(), self.ends > 0);
        Verdict { calls, hit, told, ended, complaints: std::mem::take(&mut self.complaints) }
    }
}

impl Drop for Day {
    fn drop(&mut self) {
        // The listener ends with the daemon.
        self.daemon = None;
    }
}

fn is_error(text: &str) -> bool {
    ERRORS.iter().any(|error| text.contains(error))
}

/// Files of the home that no reader takes.
fn inspect(folder: &Path, damaged: &mut Vec<String>) {
    for entry in fs::read_dir(folder).into_iter().flatten().flatten() {
        let path = entry.path();
        let name = path.display().to_string();
        if path.is_dir() {
            inspect(&path, damaged);
            continue;
        }
        let Ok(text) = fs::read_to_string(&path) else { continue };
        let is_json = |text: &str| serde_json::from_str::<Value>(text).is_ok();
        if name.ends_with(".json") && !is_json(&text)
            || name.ends_with(".jsonl") && !text.lines().all(is_json)
        {
            damaged.push(format!("{name}: {text:?}"));
        }
    }
}
