//! Answers to commands in a chat.

mod skills;

use crate::agent::Agent;
use crate::channel::command::{self, ChatCommand};
use crate::tool::Asker;

/// Carries `command` out for the chat of `session` and says what came of it; `channels` lists the names of all channels. `/stop` and `/btw` are not carried out here.
pub async fn answer(
    agent: &Agent,
    channels: &dyn Fn() -> Vec<String>,
    command: ChatCommand<'_>,
    session: &str,
    channel: &str,
    ask: Asker,
) -> String {
    let models = &agent.models;
    match command {
        ChatCommand::Start => command::GREETING.into(),
        ChatCommand::Help => command::HELP.into(),
        ChatCommand::ShowModel => format!("Current model: {}", models.current()),
        ChatCommand::ShowChannel => format!("Current channel: {channel}"),
        ChatCommand::ListModels => list("Models", models.names().into_iter().map(str::to_string)),
        ChatCommand::ListChannels => list("Channels", channels().into_iter()),
        ChatCommand::ListSkills => {
            let names = agent.with_prompt(|prompt| prompt.skill_names()).await;
            list("Skills", names.into_iter())
        }
        ChatCommand::SwitchModel(name) => match models.set_default(name) {
            Ok(()) => format!("Switched to {name} until the next restart."),
            Err(e) => e.to_string(),
        },
        ChatCommand::Clear => {
            let (sessions, key) = (agent.sessions.clone(), session.to_string());
            match crate::sys::spawn_blocking(move || sessions.clear(&key)).await {
                Ok(()) => "This chat's history is cleared; memory and files stay.".into(),
                Err(e) => format!("The history could not be cleared: {e}"),
            }
        }
        ChatCommand::Skills(words) => Box::pin(skills::answer(agent, words, ask)).await,
        ChatCommand::Pair(_) => "You are allowed already.".into(),
        ChatCommand::Usage(text) => text.into(),
        // Whoever calls has carried them out, had there been anything to do.
        ChatCommand::Stop | ChatCommand::Btw(_) => "Nothing is running.".into(),
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
