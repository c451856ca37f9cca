//! A conversation on the screen, then what it cost.
//!
//! With keys in the environment it is held with the real services; else the peer plays Telegram, the model and a
//! web page, and all that the daemon does is real: TLS, pairing, the agent loop, tools, files, the journal.

use std::time::{Duration, Instant};

use argh::FromArgs;
use picoclaw_peer::{Drive, Peer, PeerOptions, Say};
use serde_json::{Value, json};

use crate::Result;
use crate::daemon::Daemon;
use crate::home::{Home, Place};
use crate::live::Services;
use crate::table::Table;

/// The one who writes.
const USER: i64 = 1001;
/// An answer has arrived by then.
const PATIENCE: Duration = Duration::from_secs(20);
/// Messages whose latency is measured.
const MEASURED: u64 = 100;

/// The helper's task has words for its own model, and its result some for the model that reads it; `\\u005b` is `[`.
const HELPER: &str = r#"[call:spawn {"label":"count","task":"Count the notes. \u005bcall:list_dir {\"path\":\"notes\"}] \u005bsay:\"One note. \\u005bsay:\\\"Your helper has counted: one note.\\\"]\"] q900001"}] [say:"A helper does it."]"#;

/// Hold a conversation and print the figures
#[derive(FromArgs)]
#[argh(subcommand, name = "demo")]
pub struct Demo {
    /// seconds that a conversation with the real services may take, default 600
    #[argh(option, default = "600")]
    secs: u64,
}

impl Demo {
    /// True when everything was answered.
    pub fn run(&self, place: &Place) -> Result<bool> {
        match Services::from_env() {
            Ok(services) => self.live(place, &services),
            Err(why) => {
                println!("Telegram and the model are played by the test peer ({why}).");
                println!(
                    "With TELEGRAM_TOKEN and one of OPENAI_API_KEY, OPENROUTER_API_KEY, ANTHROPIC_API_KEY in the"
                );
                println!("environment the same command talks to the real ones.\n");
                rehearsal(place)
            }
        }
    }

    fn live(&self, place: &Place, services: &Services) -> Result<bool> {
        let home = Home::for_services(place, place.work.join("home"), services)?;
        println!("Telegram and {} are real.", services.model());
        let mut daemon = Daemon::spawn(&home)?;
        println!(
            "Open Telegram and write to your bot. It does not know you yet and says how to pair; the code"
        );
        println!(
            "appears here. Then ask it something, for instance to list its files. This ends after three"
        );
        println!("answers, after {} s, or with Ctrl-C.\n", self.secs);
        let end = Instant::now() + Duration::from_secs(self.secs);
        let (mut code, mut turns) = (None, 0);
        while turns < 3 && Instant::now() < end {
            std::thread::sleep(Duration::from_millis(500));
            if !daemon.runs() {
                return Err(format!("the daemon ended; its log:\n{}", daemon.log()));
            }
            // It answers a moment after its start.
            let Ok(status) = home.status() else { continue };
            let now = home.pairing_code()?;
            if now.is_some() && now != code {
                println!("pairing code: send  /pair {}", now.as_deref().unwrap_or_default());
            }
            code = now;
            let so_far = status["turns"].as_u64().unwrap_or(0);
            if so_far > turns {
                turns = so_far;
                println!("{turns} answered, {} kB resident", daemon.usage()?.vm_rss);
            }
        }
        let mut table = Table::default();
        memory(&mut table, &daemon)?;
        println!("\nFigures");
        table.print();
        daemon.stop()?;
        Ok(turns > 0)
    }
}

fn rehearsal(place: &Place) -> Result<bool> {
    let options =
        PeerOptions { tls: true, ca_dir: Some(place.work.join("ca")), ..PeerOptions::default() };
    let peer = Peer::start(options).map_err(|e| format!("the test peer: {e}"))?;
    let home = Home::for_peer(place, &peer, 0..0)?;
    let earlier = home.dir.join("workspace/memory/202402");
    let text = "# 2024-02-17\n\n- Tom repairs the green bicycle; fetch it on Friday\n";
    std::fs::create_dir_all(&earlier)
        .and_then(|()| std::fs::write(earlier.join("20240217.md"), text))
        .map_err(|e| format!("{}: {e}", earlier.display()))?;
    let daemon = Daemon::start(&home, &peer)?;
    let ready = daemon.ready_after;
    println!("$ picoclaw gateway");
    println!(
        "  polls {} over TLS after {:.0} ms, {} kB resident\n",
        peer.base_url(),
        ready.as_secs_f64() * 1e3,
        daemon.usage()?.vm_rss
    );
    let talk = Talk { peer: &peer };

    println!("— A stranger is told how to pair; the code stands in the status.");
    talk.command("hello")?;
    let code = home.pairing_code()?.ok_or("status shows no pairing code")?;
    println!("$ picoclaw status\n  ...\n  pairing code telegram: {code}");
    talk.command(&format!("/pair {code}"))?;

    println!("\n— The model's words are scripted; calls, tools and files are real.");
    talk.ask(
        "Hello, who are you?",
        r#"[say:"I am your assistant. I live on a small board and keep to one megabyte."]"#,
    )?;
    talk.ask(
        "Please note that we need milk.",
        r#"[call:write_file {"path":"notes/shopping.md","content":"- milk\n"}] [say:"Noted."]"#,
    )?;
    talk.ask(
        "Which files do you have?",
        r#"[call:list_dir {"path":"."}] [say:"These are mine."]"#,
    )?;
    talk.ask(
        "Where is my bicycle?",
        r#"[call:memory_search {"query":"where is the bicycle"}] [say:"Tom had it, as you noted on 17 February 2024."]"#,
    )?;
    let page = json!({ "url": format!("{}/page/hello", peer.base_url()) });
    talk.ask(
        "What does that page say?",
        &format!("[call:web_fetch {page}] [say:\"It says hello.\"]"),
    )?;
    let note = home.dir.join("workspace/notes/shopping.md");
    let note = std::fs::read_to_string(&note).map_err(|e| format!("{}: {e}", note.display()))?;
    println!("$ cat workspace/notes/shopping.md\n  {}", note.trim_end());

    println!("\n— A helper works in the background, a reminder fires.");
    talk.ask("Have somebody count my notes.", HELPER)?;
    talk.hear("Your helper has counted")?;
    talk.ask(
        "Remind me of the milk in two seconds.",
        r#"[call:cron {"action":"add","message":"Remember the milk!","at_seconds":2,"deliver":true}] [say:"I will."]"#,
    )?;
    talk.hear("Remember the milk!")?;

    println!(
        "\n— kill -9 in the middle of a turn; after a restart the message is answered all the same."
    );
    peer.model_delay(Duration::from_millis(500));
    let asked = peer.calls("llm.chat");
    let marker = peer.say(USER, USER, r#"Still there? [say:"Still here."]"#);
    println!("you: Still there?");
    if !peer.wait_calls("llm.chat", asked + 1, PATIENCE) {
        return Err("the model was not asked".into());
    }
    daemon.kill9()?;
    println!("$ kill -9");
    let daemon = Daemon::start(&home, &peer)?;
    println!("$ picoclaw gateway");
    let answer = peer.wait_reply(&marker, PATIENCE).ok_or("no answer after the restart")?;
    println!("bot: {}", words(&answer));
    peer.model_delay(Duration::ZERO);

    println!("\n— {MEASURED} messages more, one after the other.");
    let stats =
        peer.drive(&Drive { n: MEASURED, first_chat: USER, tool_every: 10, ..Drive::default() });
    let mut table = Table::default();
    memory(&mut table, &daemon)?;
    table.put("added_ms_p50", "added latency p50, ms", stats["added_ms"]["p50"].clone());
    table.put("added_ms_p99", "added latency p99, ms", stats["added_ms"]["p99"].clone());
    table.put("start_ms", "start to first poll, ms", ready.as_secs_f64() * 1e3);
    table.put("restarts", "restarts", 1);
    table.put("answered", "answered", stats["replied"].clone());
    table.put("lost", "lost", stats["lost"].clone());
    table.put("duplicated", "answered twice", stats["duplicated"].clone());
    println!("\nFigures (latency: from the message to the reply, less the model's own time)");
    table.print();
    let status = daemon.stop()?;
    println!("\n$ kill -TERM: {status}");
    Ok(stats["lost"] == 0 && status.success())
}

fn memory(table: &mut Table, daemon: &Daemon) -> Result<()> {
    let usage = daemon.usage()?;
    table.put("vmrss_kb", "resident (VmRSS), kB", usage.vm_rss);
    table.put("rssanon_kb", "of it heap and stacks (RssAnon), kB", usage.rss_anon);
    table.put("peak_kb", "highest so far (VmHWM), kB", usage.peak);
    Ok(())
}

/// The conversation as both sides see it.
struct Talk<'a> {
    peer: &'a Peer,
}

impl Talk<'_> {
    /// Says exactly this, shows what comes back.
    fn command(&self, text: &str) -> Result<()> {
        let before = self.peer.sent().len();
        println!("you: {text}");
        self.peer.command(USER, text);
        let end = Instant::now() + PATIENCE;
        while Instant::now() < end {
            if let Some(sent) = self.peer.sent().get(before) {
                println!("bot: {}", indented(&sent.text));
                return Ok(());
            }
            std::thread::sleep(Duration::from_millis(5));
        }
        Err(format!("no answer to {text}"))
    }

    /// Waits for a message that nothing was said for.
    fn hear(&self, part: &str) -> Result<()> {
        let sent = self.peer.wait_sent(USER, PATIENCE, |s| s.text.contains(part));
        let sent = sent.ok_or_else(|| format!("no message with: {part}"))?;
        println!("bot: {}", words(&sent.text));
        Ok(())
    }

    /// Says something; `script` tells the peer's model what to do with it and is not shown.
    fn ask(&self, text: &str, script: &str) -> Result<()> {
        println!("you: {text}");
        let (marker, _) = self.peer.tell(Say::new(USER, USER, format!("{text} {script}")));
        let answer = self
            .peer
            .wait_reply(&marker, PATIENCE)
            .ok_or_else(|| format!("no answer to: {text}"))?;
        if let Some(request) = self.peer.requests().last() {
            show_calls(request);
        }
        println!("bot: {}", words(&answer));
        Ok(())
    }
}

/// The calls of the running turn and their results, as they stand in the last request to the model.
fn show_calls(request: &Value) {
    let messages = request["messages"].as_array().map_or(&[][..], Vec::as_slice);
    let turn = messages.iter().rposition(|m| m["role"] == "user").map_or(0, |i| i + 1);
    for message in &messages[turn..] {
        for call in message["tool_calls"].as_array().into_iter().flatten() {
            let function = &call["function"];
            println!("     → {} {}", plain(&function["name"]), plain(&function["arguments"]));
        }
        if message["role"] == "tool" {
            println!("     ← {}", shortened(plain(&message["content"])));
        }
    }
}

fn plain(value: &Value) -> &str {
    value.as_str().unwrap_or("")
}

/// Without the peer's bookkeeping at the end (`re q000001 ok.`).
fn words(answer: &str) -> String {
    indented(answer.rsplit_once("\n\nre q").map_or(answer, |(text, _)| text))
}

fn indented(text: &str) -> String {
    text.trim().replace('\n', "\n     ")
}

/// At most ten lines of at most a hundred characters.
fn shortened(text: &str) -> String {
    let short = |line: &str| {
        let cut: String = line.chars().take(100).collect();
        if cut.len() < line.len() { format!("{cut} ...") } else { cut }
    };
    let mut lines: Vec<String> = text.trim().lines().take(11).map(short).collect();
    if lines.len() > 10 {
        lines[10] = "...".into();
    }
    lines.join("\n       ")
}
