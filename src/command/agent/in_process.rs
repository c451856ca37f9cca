//! The agent in this process, for when no gateway runs.

use std::rc::Rc;

use smol::future::or;

use crate::agent::{Agent, Answer, Turn};
use crate::app::home::Home;
use crate::app::{self, commands};
use crate::bus::{Address, CLI, Inbound, Outbound, Sender};
use crate::channel::command::ChatCommand;
use crate::channel::command_of;
use crate::config::{self, Config, Loaded};
use crate::error::{Error, Result};
use crate::log;
use crate::net::http::HttpClient;
use crate::store::credentials;
use crate::store::session::Sessions;
use crate::store::writer::Journal;
use crate::tool::Asker;

/// See the module.
pub struct InProcess {
    pub agent: Agent,
    session: String,
}

/// As a gateway has them.
fn channel_names(config: &Config) -> Vec<String> {
    let enabled = config.channels.iter().filter(|c| c.enabled).map(|c| c.name.clone());
    enabled.chain([CLI.to_owned()]).collect()
}

impl InProcess {
    /// # Errors
    /// No model.
    pub fn new(loaded: Loaded, session: String) -> Result<InProcess> {
        log::set_secrets(config::with_encodings(credentials::with_tokens(
            &loaded.config.home,
            loaded.secrets(),
        )));
        let config = Rc::new(loaded.config);
        let sessions = Sessions::new(&config.home);
        if let Ok(_lock) = Home::lock(&config.home) {
            app::adopt::run(&config);
        }
        let journal = Rc::new(Journal::sessions_only(sessions.dir()));
        let http = HttpClient::new()?;
        let models = app::models(&config, &http, false)?;
        let agent = app::agent(config.clone(), models, http, journal);
        agent.cron.replace(Some(crate::command::cron::cron_handle(&config)));
        Ok(InProcess { agent, session })
    }

    pub fn model(&self) -> String {
        self.agent.models.current().to_string()
    }

    /// One turn, with what it wrote on the card when this returns, or the answer to a command as in a chat.
    pub async fn send_message(&self, text: &str, quiet: bool) -> Result<Answer> {
        let agent = &self.agent;
        let message = Inbound {
            from: Address { channel: CLI.into(), chat: self.session.clone(), ..Address::default() },
            sender: Sender { platform: CLI.into(), id: CLI.into(), ..Sender::default() },
            text: text.into(),
            ..Inbound::default()
        };
        let show = move |out: Outbound| {
            if out.to.channel != CLI {
                return Err(Error::new(format!(
                    "channel {:?} is only reachable through the gateway",
                    out.to.channel
                )));
            }
            if !quiet {
                println!("\n🦞 {}", out.text);
            }
            Ok(())
        };
        let ask: Asker = Rc::new(|question| Box::pin(crate::command::ask::ask(question)));
        let command = command_of(&message);
        if let Some(command) = command.filter(|command| !matches!(command, ChatCommand::Btw(_))) {
            let (session, names) = (&self.session, || channel_names(&agent.config));
            let text = commands::answer(agent, &names, command, session, CLI, ask).await;
            return Ok(Answer { text, ..Answer::default() });
        }
        let beside = match command {
            Some(ChatCommand::Btw(question)) => {
                Some(Inbound { text: question.into(), ..message.clone() })
            }
            _ => None,
        };
        let turn = Turn {
            ask: Some(ask),
            ..Turn::plain(&self.session, beside.as_ref().unwrap_or(&message), Rc::new(show))
        };
        let writing = async {
            agent.journal.run().await;
            Err(Error::new("the session writer ended"))
        };
        let turn = async {
            let answer = match beside {
                Some(_) => agent.answer_side_question(&turn).await,
                None => agent.run(&turn).await,
            };
            // Before the writer is dropped: a job cut off in the middle would lose its lines.
            agent.journal.finish().await;
            answer
        };
        #[cfg(feature = "hooks")]
        let writing = or(writing, async {
            agent.hooks.run().await;
            std::future::pending().await
        });
        let answer = or(turn, writing).await;
        if let Some(why) = agent.journal.durability().off() {
            eprintln!("warning: the conversation was not saved: {why}");
        }
        answer
    }

    /// Summarises a conversation that has become long; the answer is printed already.
    pub async fn shorten(&self, answer: &Answer) {
        if !answer.summarise {
            return;
        }
        if let Err(e) = self.agent.summarise(&self.session).await {
            eprintln!("warning: the conversation was not summarised: {e}");
        }
    }
}
