//! Between channels and agent: takes messages over, has them answered in order, hands the answers to the outbox.

use std::cell::{Cell, RefCell};
use std::collections::VecDeque;
use std::rc::Rc;
use std::time::Duration;

use smol::LocalExecutor;
use smol::channel::{Receiver, Sender};
use smol::future::or;

use super::commands;
use super::files;
use super::inbox::{self, Inbox};
use super::internal::{COMMAND, DELIVER, Ended};
use super::last_chat::LastChat;
use super::outbox::Outbox;
use super::poison;
use super::session_key::session_key;
use super::steer::{ASIDE, is_aside};
use super::subagents::Subagents;
use crate::agent::{Agent, Answer, Turn, UserContent};
use crate::bus::{Address, CLI, CRON, Inbound, Origin, SUBAGENT};
use crate::channel::command::{self, Command};
use crate::limits::ASIDES;
use crate::store::frame::Frame;
use crate::store::ledger::{Entry, Stage};
use crate::store::writer::Journal;

/// A turn under way.
pub(super) struct Running {
    pub(super) id: u64,
    pub(super) session: String,
    /// A sub-agent or side question: not one of `max_parallel_turns`, and bounded by itself.
    beside: bool,
    /// Dropped with the turn; a message on it stops the turn.
    pub(super) stop: Sender<()>,
}

/// See the module.
pub struct Hub {
    /// Answers.
    pub agent: Rc<Agent>,
    /// Records.
    pub journal: Rc<Journal>,
    /// Delivers.
    pub outbox: Rc<Outbox>,
    pub(super) waiting: RefCell<VecDeque<u64>>,
    pub(super) running: RefCell<Vec<Running>>,
    closing: Cell<bool>,
    turns: Cell<u64>,
    /// Told once that the disk does not take writes.
    pub(super) told_off: Cell<bool>,
    /// Sessions that are being summarised.
    pub(super) summarising: RefCell<Vec<String>>,
    mem_limit: Option<usize>,
    /// For files that come with messages.
    pub patience: files::Patience,
    pub(super) last_chat: RefCell<LastChat>,
    /// How jobs ended, for the scheduler. At most one for each job: it does not fire while its last firing is open.
    pub(super) ended: (Sender<Ended>, Receiver<Ended>),
    /// Calls that wait for sub-agents, and how the last ones ended.
    pub(super) subagents: Subagents,
    /// Admission, and what waits on the card.
    pub(super) inbox: Inbox,
    wake: (Sender<()>, Receiver<()>),
    /// A turn has begun.
    started_turn: (Sender<()>, Receiver<()>),
}

/// What [`Hub::carry_out`] needs to know of a message: its number and what it says.
pub(super) struct Claimed {
    pub(super) id: u64,
    pub(super) session: String,
    pub(super) message: Inbound,
    pub(super) origin: Option<Box<Origin>>,
    resumed: Option<u64>,
    pub(super) started: Vec<String>,
    pub(super) poison: bool,
}

impl Claimed {
    /// No person started it, neither directly nor through a sub-agent.
    pub(super) fn is_unattended(&self) -> bool {
        self.origin.as_ref().map_or(self.message.is_unattended(), |o| o.unattended)
    }

    pub(super) fn is_subagent(&self) -> bool {
        self.message.sender.platform == SUBAGENT
    }
}

impl Hub {
    /// Messages that the last run left open wait at once.
    pub fn new(agent: Rc<Agent>, outbox: Rc<Outbox>, mem_limit: Option<usize>) -> Hub {
        let journal = agent.journal.clone();
        let open = |e: &&Entry| e.stage == Stage::Open;
        let last_chat = LastChat::read(&agent.config.agent.workspace);
        let waiting = journal.ledger(|l| l.entries().filter(open).map(|e| e.id).collect());
        let inbox = Inbox::new(journal.clone(), &agent.config.home);
        Hub {
            inbox,
            agent,
            journal,
            outbox,
            waiting: RefCell::new(waiting),
            running: RefCell::default(),
            closing: Cell::new(false),
            turns: Cell::new(0),
            told_off: Cell::new(false),
            summarising: RefCell::default(),
            mem_limit,
            patience: files::Patience::default(),
            last_chat: RefCell::new(last_chat),
            ended: smol::channel::unbounded(),
            subagents: Subagents::default(),
            wake: smol::channel::bounded(1),
            started_turn: smol::channel::bounded(1),
        }
    }

    /// Turns begun since the start.
    pub fn turns(&self) -> u64 {
        self.turns.get()
    }

    /// Messages waiting and turns under way.
    pub fn load(&self) -> (usize, usize) {
        (self.waiting.borrow().len(), self.running.borrow().len())
    }

    /// Returns when a turn has begun since the last call.
    pub async fn turn_started(&self) {
        let _ = self.started_turn.1.recv().await; // the sender lives as long as the hub
    }

    /// Whether a turn runs or waits, or a conversation is being summarised.
    pub fn is_busy(&self) -> bool {
        self.load() != (0, 0) || !self.summarising.borrow().is_empty()
    }

    /// The chat that wrote last, for notices.
    pub fn last_chat(&self) -> Option<Address> {
        self.last_chat.borrow().get()
    }

    pub(super) fn wake_up(&self) {
        let _ = self.wake.0.try_send(()); // full: a wake-up is under way
    }

    /// No new turns; waits until the running ones have ended or `limit` is over.
    pub async fn close(&self, limit: Duration) {
        self.closing.set(true);
        let done = async {
            while !self.running.borrow().is_empty() {
                async_io::Timer::after(Duration::from_millis(20)).await;
            }
        };
        or(done, async {
            async_io::Timer::after(limit).await;
        })
        .await;
        // What still runs is cut off here and goes on after the next start, from its last recorded step.
        for turn in self.running.borrow().iter() {
            poison::forgive(self, turn.id);
            crate::log::warn!(
                "a turn of {} was still running and goes on after the next start",
                turn.session
            );
        }
    }

    /// Starts turns for ever.
    pub async fn run(self: Rc<Self>, executor: Rc<LocalExecutor<'static>>) {
        executor.spawn(inbox::run(self.clone())).detach();
        loop {
            while let Some(claimed) = self.next() {
                let (stop, stopped) = smol::channel::bounded(1);
                let (id, session, sub) =
                    (claimed.id, claimed.session.clone(), claimed.is_subagent());
                let beside = sub || session.starts_with(ASIDE);
                self.running.borrow_mut().push(Running { id, session, beside, stop });
                self.turns.set(self.turns.get() + 1);
                let _ = self.started_turn.0.try_send(());
                let hub = self.clone();
                // Boxed once per turn: the future of a turn is large, and the executor would move it.
                let work = Box::pin(async move {
                    let session = claimed.session.clone();
                    let long = if sub {
                        hub.subagent(claimed, stopped).await;
                        false
                    } else {
                        hub.carry_out(claimed, stopped).await
                    };
                    hub.running.borrow_mut().retain(|r| r.id != id);
                    hub.wake_up();
                    if long {
                        hub.summarise(&session).await;
                    }
                });
                executor.spawn(work).detach();
            }
            if self.wake.1.recv().await.is_err() {
                return;
            }
        }
    }

    /// The first waiting message whose session is free, if another turn may run.
    fn next(&self) -> Option<Claimed> {
        let running = self.running.borrow();
        let most = self.agent.config.agent.max_parallel_turns.max(1) as usize;
        if self.closing.get() {
            return None;
        }
        let full = running.iter().filter(|r| !r.beside).count() >= most;
        let asides = running.iter().filter(|r| r.session.starts_with(ASIDE)).count() >= ASIDES;
        let short = !running.is_empty() && self.short_of_memory();
        let mut waiting = self.waiting.borrow_mut();
        let mut index = 0;
        while let Some(id) = waiting.get(index).copied() {
            let Some(entry) = self.journal.ledger(|l| l.get(id).cloned()) else {
                waiting.remove(index);
                continue;
            };
            let session = self.session_of(&entry);
            let sub = entry.is_subagent();
            // What a running turn waits for must not wait for that turn.
            let awaited = sub && self.subagents.is_awaited(id);
            let no_slot = match sub {
                true => false,
                false if is_aside(&entry) => asides,
                false => full,
            };
            if running.iter().any(|r| r.session == session) || no_slot || short && !awaited {
                index += 1;
                continue;
            }
            waiting.remove(index);
            return Some(Claimed {
                id,
                session,
                poison: poison::is_poison(&entry),
                resumed: entry.progress.map(|(_, offset)| offset),
                started: entry.started,
                origin: entry.origin,
                message: entry.message,
            });
        }
        None
    }

    /// The session that an entry belongs to.
    pub(super) fn session_of(&self, entry: &Entry) -> String {
        match &entry.origin {
            Some(origin) if entry.is_subagent() => origin.own.clone(),
            Some(origin) => origin.parent.clone(),
            None if is_aside(entry) => format!("{ASIDE}{}", entry.id),
            None => session_key(&self.agent.config.session, &entry.message),
        }
    }

    /// Near `PICOCLAW_MEM_LIMIT` caches are dropped and new turns wait for running ones.
    fn short_of_memory(&self) -> bool {
        let short = self.mem_limit.is_some_and(|limit| crate::sys::heap::in_use() > limit / 10 * 8);
        if short {
            self.agent.http.close_idle();
            self.agent.prompt.borrow_mut().forget();
        }
        short
    }

    /// True when the conversation has become long.
    async fn carry_out(self: &Rc<Self>, claimed: Claimed, stopped: Receiver<()>) -> bool {
        let to = claimed.message.from.clone();
        let internal = claimed.message.is_internal();
        let command = command::parse(&claimed.message.text).filter(|_| !internal);
        let mut long = false;
        let text = match command {
            _ if claimed.message.sender.platform == CRON
                && claimed.message.sender.name == DELIVER =>
            {
                let text = claimed.message.text.clone();
                self.internal(&claimed, Answer { text, ..Answer::default() })
            }
            // The platform too: others' names may be chosen by a model.
            _ if claimed.message.sender.platform == CRON
                && claimed.message.sender.name == COMMAND =>
            {
                let answer = self.command(&claimed).await;
                self.internal(&claimed, answer)
            }
            Some(Command::Btw(question)) => self.aside(&claimed, question).await,
            Some(command) => {
                let ask = self.outbox.asker(&claimed.message);
                commands::answer(self, command, &claimed.session, &to.channel, ask).await
            }
            None if claimed.poison => poison::set_aside(self, claimed.id).await,
            None => {
                poison::count(self, claimed.id).await;
                let turn = self.turn(&claimed);
                let stop = async {
                    // The sender lives as long as the turn is listed, so an error cannot come first.
                    let _ = stopped.recv().await;
                    Answer { text: "Stopped.".to_string(), ..Answer::default() }
                };
                let answer = or(stop, turn).await;
                long = answer.summarise;
                if let (true, Some(cli)) = (answer.failed, self.outbox.cli()) {
                    cli.failed(&claimed.message);
                }
                if internal { self.internal(&claimed, answer) } else { answer.text }
            }
        };
        self.answered(claimed.id, &to, &text).await;
        long
    }

    /// Records the answer and hands it on.
    pub(super) async fn answered(&self, id: u64, to: &Address, text: &str) {
        let mut replies = if text.is_empty() { Vec::new() } else { self.outbox.split(to, text) };
        if to.channel == CLI {
            let number = self.journal.ledger(|l| l.get(id).map_or(0, |e| e.message.message));
            replies.iter_mut().for_each(|reply| reply.reply_to = number);
        }
        let ticket = self.journal.record(&Frame::Answered { id, replies });
        // A reply may only go out when the message it answers is safe; that was asked for before the turn began.
        self.journal.written(ticket).await;
        self.outbox.push(id);
    }

    pub(super) async fn turn(self: &Rc<Self>, claimed: &Claimed) -> Answer {
        let to = claimed.message.from.clone();
        let mut message = claimed.message.clone();
        // What was cut off has its words in the session.
        let words = match claimed.resumed {
            None => files::user_content(self, message.clone()).await,
            Some(_) => UserContent::default(),
        };
        if claimed.resumed.is_none() {
            message.text = words.text;
        }
        let channel = self.outbox.channel(&to.channel).filter(|_| !claimed.message.is_internal());
        let say = match claimed.is_subagent() {
            true => self.subagent_message_sender(claimed, self.message_sender()),
            false => self.message_sender(),
        };
        let mut person = claimed.message.clone();
        if let Some(origin) = &claimed.origin {
            person.sender.clone_from(&origin.person);
        }
        let subturn = &self.agent.config.agent.subturn;
        let turn = Turn {
            pictures: &words.pictures,
            files: self.files(claimed),
            id: claimed.id,
            session: &claimed.session,
            message: &message,
            resumed: claimed.resumed,
            started: &claimed.started,
            say,
            // The sender of a job is the job: nobody who could answer.
            ask: (!claimed.is_unattended()).then(|| self.outbox.asker(&person)),
            unattended: claimed.is_unattended(),
            on_text: None,
            subagents: self.subagent_handle(claimed),
            budget: if claimed.is_subagent() { subturn.token_budget } else { 0 },
            untrusted: claimed.origin.as_ref().is_some_and(|o| o.untrusted),
            steering: self.steering(claimed),
        };
        let typing = async {
            if let Some(channel) = channel {
                match channel.placeholder(&to, claimed.message.message).await {
                    Ok(0) => {}
                    Ok(message) => self.outbox.note_placeholder(claimed.id, message),
                    Err(e) => crate::log::info!("no placeholder was shown: {e}"),
                }
                channel.typing(&to).await;
            }
            std::future::pending().await
        };
        let answer = async {
            match self.agent.run(&turn).await {
                Ok(answer) => answer,
                Err(e) => Answer {
                    text: format!("Error processing message: {e}"),
                    failed: true,
                    ..Answer::default()
                },
            }
        };
        or(answer, typing).await
    }

    /// Begins a message that is in the journal.
    pub(super) fn start(&self, id: u64) {
        self.waiting.borrow_mut().push_back(id);
        self.wake_up();
    }
}
