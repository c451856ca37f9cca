//! Turns: which messages wait, which run ([`queue`]), and what a running one is given.
//!
//! It knows nothing of how messages come in, nor of who hands work to sub-agents ([`delegation`]).

pub mod attachments;
pub mod attempts;
pub mod claimed;
pub mod delegation;
pub mod jobs;
pub mod memory_limit;
pub mod queue;
mod side_question;
mod steering;

use std::cell::{Cell, RefCell};
use std::collections::VecDeque;
use std::pin::pin;
use std::rc::Rc;
use std::time::Duration;

use smol::LocalExecutor;
use smol::channel::{Receiver, Sender};
use smol::future::or;

use super::commands;
use super::notifier::Notifier;
use super::outbox::Outbox;
use super::uploads;
use super::within::within;
use crate::agent::{Agent, Answer, Turn, UserContent};
use crate::bus::{Address, Outbound};
use crate::channel::command::ChatCommand;
use crate::limits::{DISK_WAIT, PLACEHOLDER_WAIT, QUEUE};
use crate::store::session::Sessions;
use crate::tool::MessageSender;
use attachments::Attachments;
use claimed::Claimed;
use delegation::{Delegation, SubagentEnd};
use jobs::{COMMAND, DELIVER, JobEnd};
use queue::{Queue, ReadyTurn};

/// The answer of what `/stop` has ended.
const STOPPED: &str = "Stopped.";

/// Runs turns and delivers their answers.
pub struct Turns {
    /// Answers a turn's message with the model and its tools.
    pub agent: Rc<Agent>,
    /// Takes a turn's replies once the journal has them.
    pub outbox: Rc<Outbox>,
    /// Sends what tools say outside the answer.
    pub notifier: Rc<Notifier>,
    /// What waits and runs.
    pub queue: Rc<Queue>,
    /// Fetches the files of messages.
    pub attachments: Rc<Attachments>,
    /// Starts sub-agents; behind a trait because sub-agents run turns themselves.
    pub delegation: Rc<dyn Delegation>,
    /// Told how jobs ended. At most one for each job waits: it does not fire while its last firing is open.
    pub job_ends: Sender<JobEnd>,
    /// A message on it: a turn has begun since the last look.
    pub begun: (Sender<()>, Receiver<()>),
    /// Sessions that are being summarised.
    pub summarising: RefCell<Vec<String>>,
    /// Sessions that were summarised since their latest turn began: it found them long as they were before.
    pub summarised: RefCell<VecDeque<String>>,
    /// Session files whose chats know that they cannot be written; at most [`QUEUE`].
    pub faulty: RefCell<Vec<String>>,
}

impl Turns {
    /// Returns when a turn has begun since the last call.
    pub async fn turn_begun(&self) {
        let _ = self.begun.1.recv().await; // the sender lives as long as this
    }

    /// Whether a turn runs or waits, or a conversation is being summarised.
    pub fn is_busy(&self) -> bool {
        self.queue.load() != (0, 0) || !self.summarising.borrow().is_empty()
    }

    /// Messages and replies open in the journal, and conversations being summarised: 0 when
    /// everything said so far is answered.
    pub fn unfinished(&self) -> usize {
        self.agent.journal.ledger(|l| l.len()) + self.summarising.borrow().len()
    }

    /// `/stop`: ends the session's turn, side questions and sub-agents and forgets what waits behind them. What is to be
    /// answered: nothing where a turn ends, as that one says [`STOPPED`]; `None` when there was nothing to stop.
    pub fn stop(&self, session: &str) -> Option<&'static str> {
        let delegated = self.delegation.cancel(session);
        match self.queue.stop(session) {
            (true, _) => Some(""),
            (false, true) => Some(STOPPED),
            (false, false) => delegated.then_some(""),
        }
    }

    /// No new turns; waits until the running ones have ended or `limit` is over.
    pub async fn close(&self, limit: Duration) {
        self.queue.close();
        within(limit, self.queue.idle()).await;
        // What still runs is cut off here and resumed after the next start, from its last recorded step.
        for (id, session) in self.queue.running() {
            attempts::take_back(&self.agent.journal, id);
            crate::log::warn!(
                "a turn of {session} was still running and is resumed after the next start"
            );
        }
    }

    /// Begins turns for ever.
    pub async fn run(self: Rc<Self>, executor: Rc<LocalExecutor<'static>>) {
        loop {
            while let Some(begun) = self.queue.next() {
                let _ = self.begun.0.try_send(()); // full: it was told already
                // Boxed once per turn: the future of a turn is large, and the executor would move it.
                executor.spawn(Box::pin(self.clone().run_one(begun))).detach();
            }
            self.queue.changed().await;
        }
    }

    async fn run_one(self: Rc<Self>, ReadyTurn { claimed, stopped }: ReadyTurn) {
        let (id, session) = (claimed.id, claimed.session.clone());
        let to = claimed.message.from.clone();
        self.summarised.borrow_mut().retain(|s| *s != session);
        let is_long = if claimed.is_subagent() {
            self.run_subagent(claimed, stopped).await;
            false
        } else {
            self.answer(claimed, stopped).await
        };
        self.queue.release(id);
        self.announce_fault(&to, &session).await;
        if is_long && !self.summarised.borrow().contains(&session) {
            self.summarise(&session).await;
        }
    }

    /// Tells a chat once that its conversation cannot be written down, and once that it can again. A disk that takes nothing
    /// at all is told by whoever admits messages.
    async fn announce_fault(&self, to: &Address, session: &str) {
        let journal = &self.agent.journal;
        let Ok(file) = Sessions::file_name(session) else { return };
        within(DISK_WAIT, journal.written(journal.last())).await;
        let fault = journal
            .failures(|f| f.why(&file).map(str::to_owned))
            .filter(|_| journal.durability().off().is_none());
        let known = self.faulty.borrow().contains(&file);
        let text = match fault {
            Some(why) if !known => {
                let mut faulty = self.faulty.borrow_mut();
                if faulty.len() == QUEUE {
                    faulty.remove(0);
                }
                faulty.push(file);
                format!(
                    "⚠️ This conversation cannot be written down ({why}). I try again; until then I may forget it."
                )
            }
            None if known => {
                self.faulty.borrow_mut().retain(|known| *known != file);
                "This conversation is written down again.".to_owned()
            }
            _ => return,
        };
        if let Err(e) = self.notifier.send(&Outbound { to: to.clone(), text, reply_to: 0 }) {
            crate::log::warn!("a chat was not told of its session: {e}");
        }
    }

    /// Answers a message; true when the conversation has become long.
    async fn answer(&self, claimed: Claimed, stopped: Receiver<()>) -> bool {
        let (id, to) = (claimed.id, claimed.message.from.clone());
        let stop = async {
            // The sender lives as long as the turn is listed, so an error cannot come first.
            let _ = stopped.recv().await;
            Answer { text: STOPPED.to_string(), ..Answer::default() }
        };
        let command = crate::channel::command_of(&claimed.message);
        let answer = match command {
            // It cannot be taken back once it has begun.
            Some(ChatCommand::Clear) => self.carry_out(&claimed).await,
            _ => or(stop, self.carry_out(&claimed)).await,
        };
        let is_long = answer.summarise;
        if let (true, Some(cli)) = (answer.failed, self.outbox.cli()) {
            cli.failed(&claimed.message);
        }
        let internal = claimed.message.is_internal();
        let text =
            if internal { jobs::reply(&claimed, answer, &self.job_ends) } else { answer.text };
        let ticket = self.outbox.answer(id, &to, &text);
        // What comes next in the session, a /clear for one, must find this turn's lines in its file.
        within(DISK_WAIT, self.agent.journal.written(ticket)).await;
        is_long
    }

    /// Does what a message asks for: a job's text or command, a command of the chat, or a turn of the model. `/stop` drops
    /// it, whatever it is, and with it the question that is open.
    async fn carry_out(&self, claimed: &Claimed) -> Answer {
        let (id, agent) = (claimed.id, &self.agent);
        let say = |text| Answer { text, ..Answer::default() };
        let internal = claimed.message.is_internal();
        let command = crate::channel::command_of(&claimed.message).filter(|_| !internal);
        match command {
            _ if jobs::is(claimed, DELIVER) => say(claimed.message.text.clone()),
            _ if jobs::is(claimed, COMMAND) => jobs::run_command(agent, claimed).await,
            None | Some(ChatCommand::Btw(_)) if attempts::are_used_up(claimed.attempts) => {
                let text = attempts::quarantine(&agent.journal, &agent.config.home, id).await;
                Answer { failed: true, ..say(text) }
            }
            Some(ChatCommand::Btw(question)) => {
                attempts::count(&agent.journal, id).await;
                say(side_question::answer(agent, &self.outbox, claimed, question).await)
            }
            Some(command) => {
                let ask = self.outbox.asker(&claimed.message);
                let (session, channel) = (&claimed.session, &claimed.message.from.channel);
                let names = || self.outbox.channel_names();
                say(commands::answer(agent, &names, command, session, channel, ask).await)
            }
            None => {
                attempts::count(&agent.journal, id).await;
                self.run_turn(claimed).await
            }
        }
    }

    /// Runs a sub-agent to its end.
    async fn run_subagent(&self, claimed: Claimed, stopped: Receiver<()>) {
        let agent = &self.agent;
        let limit = agent.config.agent.subturn.timeout;
        let failed =
            |text: String| SubagentEnd::Answer(Answer { text, failed: true, ..Answer::default() });
        let end = if attempts::are_used_up(claimed.attempts) {
            failed(attempts::quarantine(&agent.journal, &agent.config.home, claimed.id).await)
        } else {
            attempts::count(&agent.journal, claimed.id).await;
            let turn = async { SubagentEnd::Answer(self.run_turn(&claimed).await) };
            let late = async {
                async_io::Timer::after(limit).await;
                failed(format!("it was not done after {} minutes", limit.as_secs() / 60))
            };
            let stop = async {
                // The sender lives as long as the turn is listed, so an error cannot come first.
                let _ = stopped.recv().await;
                SubagentEnd::Cancelled
            };
            or(stop, or(turn, late)).await
        };
        self.delegation.clone().turn_ended(claimed, end).await;
    }

    /// What the message tool of a turn sends with.
    fn message_sender(&self, claimed: &Claimed) -> MessageSender {
        let notifier = self.notifier.clone();
        let send: MessageSender = Rc::new(move |message| notifier.send(&message));
        if claimed.is_subagent() {
            self.delegation.clone().message_sender(claimed, send)
        } else {
            send
        }
    }

    /// Runs the agent for a message, while its chat sees that somebody is typing.
    async fn run_turn(&self, claimed: &Claimed) -> Answer {
        let to = claimed.message.from.clone();
        let mut message = claimed.message.clone();
        let mut content = UserContent::default();
        // The words of a turn that was cut off are in the session.
        if claimed.resumed.is_none() {
            content = self.attachments.user_content(message.clone()).await;
            message.text = content.text;
        }
        let mut person = claimed.message.clone();
        if let Some(origin) = &claimed.origin {
            person.sender.clone_from(&origin.person);
        }
        let agent = &self.agent;
        let subturn = &agent.config.agent.subturn;
        let turn = Turn {
            pictures: &content.pictures,
            // A sub-agent's result is its text; its parent sends files.
            files: (!claimed.is_subagent()).then(|| uploads::file_sender(self.outbox.clone())),
            id: claimed.id,
            session: &claimed.session,
            message: &message,
            resumed: claimed.resumed,
            started: &claimed.started,
            send_message: self.message_sender(claimed),
            // The sender of a job is the job: nobody who could answer.
            ask: (!claimed.is_unattended()).then(|| self.outbox.asker(&person)),
            unattended: claimed.is_unattended(),
            on_text: None,
            subagents: self.delegation.clone().handle(claimed),
            budget: if claimed.is_subagent() { subturn.token_budget } else { 0 },
            untrusted: claimed.is_untrusted() || content.untrusted,
            steering: steering::steering(&self.queue, &agent.journal, &self.attachments, claimed),
        };
        let channel = self.outbox.channel(&to.channel).filter(|_| !claimed.message.is_internal());
        let shown = Cell::new(channel.is_none());
        let mut placeholder = pin!(async {
            if let Some(channel) = &channel {
                match channel.placeholder(&to, claimed.message.message).await {
                    Ok(0) => {}
                    Ok(message) => self.outbox.note_placeholder(claimed.id, message),
                    Err(e) => crate::log::info!("no placeholder was shown: {e}"),
                }
                shown.set(true);
            }
        });
        let typing = async {
            placeholder.as_mut().await;
            if let Some(channel) = &channel {
                channel.typing(&to).await;
            }
            std::future::pending().await
        };
        let answer = async {
            agent.run(&turn).await.unwrap_or_else(|e| Answer {
                text: format!("Error processing message: {e}"),
                failed: true,
                ..Answer::default()
            })
        };
        let answer = or(answer, typing).await;
        if !shown.get() {
            // It is on its way: unknown, it could be neither replaced nor removed.
            within(PLACEHOLDER_WAIT, placeholder).await;
        }
        answer
    }

    /// Summarises a session, once at a time; its next turns do not wait for it.
    async fn summarise(&self, session: &str) {
        if self.summarising.borrow().iter().any(|s| s == session) {
            return;
        }
        self.summarising.borrow_mut().push(session.to_owned());
        let done = self.agent.summarise(session).await;
        self.summarising.borrow_mut().retain(|s| s != session);
        match done {
            Ok(true) => {}
            Ok(false) => return,
            Err(e) => return crate::log::warn!("session {session} was not summarised: {e}"),
        }
        let mut summarised = self.summarised.borrow_mut();
        if summarised.len() == QUEUE {
            summarised.pop_front();
        }
        summarised.push_back(session.to_owned());
    }
}
