//! Answers to commands in a chat.

mod skills;

use super::outbox::Outbox;
use crate::agent::Agent;
use crate::channel::command::{self, Command};
use crate::tool::Asker;

/// Carries `command` out for the chat of `session` and says what came of it. `/stop` and `/btw` are not carried out here.
pub async fn answer(
    agent: &Agent,
    outbox: &Outbox,
    command: Command<'_>,
    session: &str,
    channel: &str,
    ask: Asker,
) -> String {
    let models = &agent.models;
    match command {
        Command::Start => command::GREETING.into(),
        Command::Help => command::HELP.into(),
        Command::ShowModel => format!("Current model: {}", models.current()),
        Command::ShowChannel => format!("Current channel: {channel}"),
        Command::ListModels => list("Models", models.names().into_iter().map(str::to_string)),
        Command::ListChannels => list("Channels", outbox.channel_names().into_iter()),
        Command::ListSkills => list("Skills", agent.prompt.borrow().skill_names().into_iter()),
        Command::SwitchModel(name) => match models.set_default(name) {
            Ok(()) => format!("Switched to {name} until the next restart."),
            Err(e) => e.to_string(),
        },
        Command::Clear => {
            let (sessions, key) = (agent.sessions.clone(), session.to_string());
            match crate::sys::spawn_blocking(move || sessions.clear(&key)).await {
                Ok(()) => "This chat's history is cleared; memory and files stay.".into(),
                Err(e) => format!("The history could not be cleared: {e}"),
            }
        }
        Command::Skills(words) => Box::pin(skills::answer(agent, words, ask)).await,
        Command::Pair(_) => "You are allowed already.".into(),
        Command::Usage(text) => text.into(),
        // Whoever calls has carried them out, had there been anything to do.
        Command::Stop | Command::Btw(_) => "Nothing is running.".into(),
    }
}

fn list(title: &str, names: impl Iterator<Item = String>) -> String {
    let mut text = format!("{title}:");
    for name in names {
        text.push_str("\n- ");
        text.push_str(&name);
    }
    if text.ends_with(':') {
        text.push_str(" none");
    }
    text
}
