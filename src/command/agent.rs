//! `picoclaw agent`: the assistant on the command line. A running gateway answers, over its control socket; without one
//! the same agent runs here.

mod attached;
mod in_process;
mod input;

use std::process::ExitCode;

use smol::future::or;

use crate::agent::Answer;
use crate::args;
use crate::config::{self, LoadOptions};
use crate::error::{Error, Result};
use crate::exit_code;
use crate::log;
use attached::Attached;
use in_process::InProcess;
use input::{Input, UserInput};

/// What answers: this process, or the gateway that runs.
enum Backend {
    InProcess(Box<InProcess>),
    Attached(Attached),
}

impl Backend {
    /// Sends `text`; prints what comes before the answer, unless `quiet`.
    async fn send_message(&mut self, text: &str, quiet: bool) -> Result<Answer> {
        match self {
            Backend::InProcess(here) => here.send_message(text, quiet).await,
            Backend::Attached(there) => there.send_message(text, quiet).await,
        }
    }

    /// What is left to do once an answer is printed.
    async fn rest(&self, answer: &Answer) {
        if let Backend::InProcess(here) = self {
            here.shorten(answer).await;
        }
    }

    fn model(&self) -> String {
        match self {
            Backend::InProcess(here) => here.model(),
            Backend::Attached(there) => there.model.clone(),
        }
    }
}

/// Answers one message or holds a conversation.
///
/// # Errors
/// A configuration with errors, no model; a gateway that refuses, or ends before it has answered.
pub fn run(args: &args::AgentArgs) -> Result<ExitCode> {
    match &args.message {
        None if args.json => return Err(Error::new("--json needs --message")),
        Some(text) if text.trim().is_empty() => return Err(Error::new("the message is empty")),
        _ => {}
    }
    log::start(log::LogTarget::Stderr, if args.debug { "debug" } else { "warn" });
    crate::sys::process::harden();
    let home = LoadOptions::from_process().home()?;
    async_io::block_on(async {
        // A gateway's model is everybody's, so one of its own is asked from here.
        let there = match args.model {
            None => Attached::connect(&home, &args.session, args.message.is_none()).await?,
            Some(_) => None,
        };
        let mut side = match there {
            Some(there) => Backend::Attached(there),
            None => Backend::InProcess(Box::new(local(args)?)),
        };
        match &args.message {
            Some(text) => one_shot(&mut side, args, text).await,
            None => interactive(&mut side, Input::new(home.join("state/cli_history"))?).await,
        }
    })
}

fn local(args: &args::AgentArgs) -> Result<InProcess> {
    let loaded =
        config::load(&LoadOptions::from_process()).map_err(|e| Error::new(e.to_string()))?;
    let here = InProcess::new(loaded, args.session.clone())?;
    if let Some(model) = &args.model {
        here.agent.models.set_default(model)?;
    }
    Ok(here)
}

async fn one_shot(side: &mut Backend, args: &args::AgentArgs, text: &str) -> Result<ExitCode> {
    let answer = side.send_message(text, args.json).await?;
    if args.json {
        let value = serde_json::json!({
            "answer": answer.text, "failed": answer.failed, "session": args.session,
            "model": side.model(),
        });
        println!("{value}");
    } else if answer.failed {
        // Most texts of failed turns begin with it.
        let sign = if answer.text.starts_with("Error") { "" } else { "Error: " };
        eprintln!("{sign}{}", answer.text);
    } else {
        println!("\n🦞 {}", answer.text);
    }
    side.rest(&answer).await;
    Ok(match side {
        Backend::Attached(there) if there.stopped => ExitCode::from(exit_code::INTERRUPTED),
        _ if answer.failed => ExitCode::FAILURE,
        _ => ExitCode::SUCCESS,
    })
}

async fn interactive(side: &mut Backend, mut input: Input) -> Result<ExitCode> {
    println!("🦞 picoclaw {}: `exit` or Ctrl-C leaves", crate::version::VERSION);
    while let Some(line) = next_line(side, &mut input).await? {
        match line.trim() {
            "" => continue,
            "exit" | "quit" => break,
            text => {
                let answer = side.send_message(text, false).await?;
                println!("\n🦞 {}\n", answer.text);
                side.rest(&answer).await;
            }
        }
    }
    println!("Goodbye!");
    Ok(ExitCode::SUCCESS)
}

/// The next line; what the gateway says meanwhile is printed above it. `None` at the end.
async fn next_line(side: &mut Backend, input: &mut Input) -> Result<Option<String>> {
    loop {
        let raw = input.open();
        let key = async { Ok(Step::Key(input.key().await)) };
        let told = async {
            match side {
                Backend::InProcess(_) => std::future::pending().await,
                Backend::Attached(there) => there.next_event().await.map(Step::Event),
            }
        };
        let heard = match or(key, told).await? {
            Step::Event(heard) => heard,
            Step::Key(UserInput::Line(line)) => return Ok(Some(line)),
            Step::Key(UserInput::End) => return Ok(None),
        };
        input.hide();
        drop(raw);
        let Backend::Attached(there) = side else { return Ok(None) };
        if !there.show(heard).await? {
            return Ok(None);
        }
    }
}

enum Step {
    Key(UserInput),
    Event(attached::TerminalEvent),
}
