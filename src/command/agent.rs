//! `picoclaw agent`: the same agent on the command line.

use std::cell::Cell;
use std::io::{BufRead, IsTerminal, Read, Write};
use std::path::{Path, PathBuf};
use std::process::ExitCode;
use std::rc::Rc;

use smol::future::or;

use crate::agent::{Agent, Answer, Turn};
use crate::app;
use crate::args;
use crate::bus::{Address, Inbound, Outbound, Sender};
use crate::config::{self, LoadOptions};
use crate::error::{Error, Result};
use crate::limits::CLI_HISTORY;
use crate::log;
use crate::net::http::Client;
use crate::proto::line_editor::{Event, LineEditor};
use crate::store::credentials;
use crate::store::session::Sessions;
use crate::store::writer::Journal;
use crate::sys::terminal::Raw;

/// Answers one message or holds a conversation.
///
/// # Errors
/// A configuration with errors, no model.
pub fn run(args: &args::Agent) -> Result<ExitCode> {
    log::start(log::Target::Stderr, if args.debug { "debug" } else { "warn" });
    let loaded =
        config::load(&LoadOptions::from_process()).map_err(|e| Error::new(e.to_string()))?;
    let secrets =
        config::disguised(credentials::with_tokens(&loaded.config.home, loaded.secrets()));
    log::hide(secrets.clone());
    crate::sys::process::harden();
    let config = Rc::new(loaded.config);
    let sessions = Sessions::new(&config.agent.workspace);
    app::adopt(&sessions);
    let journal = Rc::new(Journal::sessions_only(sessions.dir()));
    let http = Client::new()?;
    let models = app::models(&config, &http, false)?;
    let agent = app::agent(config.clone(), models, http, journal, secrets);
    agent.cron.replace(Some(super::cron::desk(&config)));
    if let Some(model) = &args.model {
        agent.models.set_default(model)?;
    }
    match &args.message {
        Some(text) => one_shot(&agent, args, text),
        None => {
            let history = config.home.join("state/cli_history");
            interactive(&agent, args, &history)
        }
    }
}

fn one_shot(agent: &Agent, args: &args::Agent, text: &str) -> Result<ExitCode> {
    let said = Rc::new(Cell::new(false));
    let answer = ask(agent, &args.session, text, &said, args.json)?;
    if args.json {
        let value = serde_json::json!({
            "answer": answer.text, "failed": answer.failed, "session": args.session,
            "model": &*agent.models.current(),
        });
        println!("{value}");
    } else if answer.failed {
        eprintln!("Error: {}", answer.text);
    } else {
        println!("\n🦞 {}", answer.text);
    }
    shorten(agent, &args.session, &answer);
    Ok(if answer.failed { ExitCode::FAILURE } else { ExitCode::SUCCESS })
}

fn interactive(agent: &Agent, args: &args::Agent, history: &Path) -> Result<ExitCode> {
    println!("🦞 picoclaw {}: `exit` or Ctrl-C leaves", super::version::VERSION);
    let mut input = Input::new(history.to_path_buf());
    while let Some(line) = input.line("🦞 You: ") {
        match line.trim() {
            "" => continue,
            "exit" | "quit" => break,
            text => {
                let answer = ask(agent, &args.session, text, &Rc::new(Cell::new(false)), false)?;
                println!("\n🦞 {}\n", answer.text);
                shorten(agent, &args.session, &answer);
            }
        }
    }
    println!("Goodbye!");
    Ok(ExitCode::SUCCESS)
}

/// One turn, with what it wrote on the card when this returns.
fn ask(
    agent: &Agent,
    session: &str,
    text: &str,
    said: &Rc<Cell<bool>>,
    quiet: bool,
) -> Result<Answer> {
    let message = Inbound {
        from: Address { channel: "cli".into(), chat: "direct".into(), ..Address::default() },
        sender: Sender { platform: "cli".into(), id: "cli".into(), ..Sender::default() },
        text: text.into(),
        ..Inbound::default()
    };
    let said = said.clone();
    let say = move |out: Outbound| {
        if out.to.channel != "cli" {
            return Err(Error::new(format!(
                "channel {:?} is only reachable through the gateway",
                out.to.channel
            )));
        }
        said.set(true);
        if !quiet {
            println!("\n🦞 {}", out.text);
        }
        Ok(())
    };
    let turn = Turn {
        pictures: &[],
        files: None,
        id: 0,
        session,
        message: &message,
        resumed: None,
        started: &[],
        say: Rc::new(say),
        ask: Some(Rc::new(|question| Box::pin(crate::command::ask::ask(question)))),
        unattended: false,
        on_text: None,
        subagents: None,
        budget: 0,
        foreign: false,
        steering: None,
    };
    async_io::block_on(async {
        let writing = async {
            agent.journal.run().await;
            Err(Error::new("the session writer ended"))
        };
        let turn = async {
            let answer = agent.run(&turn).await;
            // Before the writer is dropped: a job cut off in the middle would lose its lines.
            agent.journal.finish().await;
            answer
        };
        let answer = or(turn, writing).await;
        if let Some(why) = agent.journal.durability().off() {
            eprintln!("warning: the conversation was not saved: {why}");
        }
        answer
    })
}

/// Summarises a conversation that has become long; the answer stands on the screen already.
fn shorten(agent: &Agent, session: &str, answer: &Answer) {
    if !answer.summarise {
        return;
    }
    if let Err(e) = async_io::block_on(agent.summarise(session)) {
        eprintln!("warning: the conversation was not summarised: {e}");
    }
}

/// Lines from a terminal, edited, or from a pipe.
struct Input {
    editor: Option<LineEditor>,
    file: PathBuf,
}

impl Input {
    fn new(file: PathBuf) -> Input {
        let text = std::fs::read_to_string(&file).unwrap_or_default();
        let terminal = std::io::stdin().is_terminal();
        let editor = terminal
            .then(|| LineEditor::new(text.lines().map(str::to_string).collect(), CLI_HISTORY));
        Input { editor, file }
    }

    /// The next line; `None` at the end.
    fn line(&mut self, prompt: &str) -> Option<String> {
        let raw = self.editor.as_ref().and_then(|_| Raw::enter());
        let (Some(editor), Some(raw)) = (&mut self.editor, raw) else { return plain_line(prompt) };
        draw(prompt, "", 0);
        for byte in std::io::stdin().lock().bytes() {
            match editor.feed(byte.ok()?) {
                Some(Event::Changed) => {
                    let (line, cursor) = editor.view();
                    draw(prompt, &line, cursor);
                }
                Some(Event::Line(line)) => {
                    drop(raw);
                    println!();
                    let text = editor.history().join("\n") + "\n";
                    // A history that cannot be kept is no reason to stop a conversation.
                    let _ = crate::store::atomic::write(&self.file, text.as_bytes(), 0o600);
                    return Some(line);
                }
                Some(Event::Leave) => {
                    drop(raw);
                    println!();
                    return None;
                }
                None => {}
            }
        }
        None
    }
}

fn plain_line(prompt: &str) -> Option<String> {
    print!("{prompt}");
    // Not shown is no error: the line is what counts.
    let _ = std::io::stdout().flush();
    let mut line = String::new();
    match std::io::stdin().lock().read_line(&mut line) {
        Ok(n) if n > 0 => Some(line.trim_end_matches(['\r', '\n']).to_string()),
        _ => None,
    }
}

/// Draws prompt and line and puts the cursor back to its place (ECMA-48: EL, CUB).
fn draw(prompt: &str, line: &str, cursor: usize) {
    let back = line.chars().count() - cursor;
    let mut text = format!("\r\x1b[K{prompt}{line}");
    if back > 0 {
        text.push_str(&format!("\x1b[{back}D"));
    }
    let mut out = std::io::stdout().lock();
    let _ = out.write_all(text.as_bytes()).and_then(|()| out.flush());
}
