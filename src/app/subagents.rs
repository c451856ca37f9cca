//! Sub-agents: turns that a turn starts, and what comes back from them.
//!
//! A sub-agent is a message in the journal (sender [`SUBAGENT`]) with a session of its own; the frame that ends it is the
//! one that opens its report, so that a result comes back exactly once, whatever happens in between. One that was waited
//! for ends with the record of its parent's tool result; when a restart tears the two apart, it reports like the others.

use std::cell::{Cell, RefCell};
use std::collections::VecDeque;
use std::pin::Pin;
use std::rc::Rc;

use smol::channel::{Receiver, Sender};
use smol::future::or;

use super::turns::claimed::Claimed;
use super::turns::delegation::{Delegation, SubagentEnd};
use super::turns::queue::Queue;
use crate::agent::Answer;
use crate::bus::{Address, Inbound, REPORT, SUBAGENT, SubagentOrigin};
use crate::config::Config;
use crate::error::Error;
use crate::limits::{
    JOURNAL_OPEN_BYTES, QUEUE, SUBAGENT_MESSAGES, SUBAGENT_TASK_BYTES, SUBAGENTS_REMEMBERED,
};
use crate::proto::excerpt::keep_ends;
use crate::store::frame::Frame;
use crate::store::ledger::{Ledger, OpenMessage};
use crate::store::session::file_stem;
use crate::store::writer::Journal;
use crate::sys::clock;
use crate::tool::MessageSender;
use crate::tool::subagent_handle::{
    SubagentHandle, SubagentReply, SubagentRequest, SubagentResult, UnrecordedResult,
    UnrecordedResults,
};

/// See the module. Everything but what is noted here is in the journal.
pub struct Subagents {
    journal: Rc<Journal>,
    queue: Rc<Queue>,
    config: Rc<Config>,
    /// Calls that wait, by the journal's number.
    waiters: RefCell<Vec<(u64, Sender<AwaitedResult>)>>,
    /// The last ones that have ended, newest first; at most [`SUBAGENTS_REMEMBERED`].
    past: RefCell<VecDeque<EndedSubagent>>,
}

/// An end, and what keeps its entry until that is recorded.
type AwaitedResult = (SubagentResult, UnrecordedResult);

/// What a call that starts a sub-agent does next.
enum StartedSubagent {
    /// Waits for its end.
    Waiting(Receiver<AwaitedResult>),
    /// Goes on with this sentence.
    Background(String),
}

/// A sub-agent that has ended.
struct EndedSubagent {
    /// Session of its parent.
    parent: String,
    id: String,
    label: String,
    /// How it ended, for spawn_status.
    state: &'static str,
}

/// Sub-agents that are open.
fn open(ledger: &Ledger) -> impl Iterator<Item = &OpenMessage> {
    ledger.entries().filter(|e| e.is_subagent())
}

impl Subagents {
    /// Over the sub-agents that are open in `journal`; their turns run by way of `queue`.
    pub fn new(journal: Rc<Journal>, queue: Rc<Queue>, config: Rc<Config>) -> Subagents {
        let (waiters, past) = (RefCell::default(), RefCell::default());
        Subagents { journal, queue, config, waiters, past }
    }

    fn note_past(&self, parent: &str, sender: &crate::bus::Sender, state: &'static str) {
        let mut past = self.past.borrow_mut();
        past.truncate(SUBAGENTS_REMEMBERED - 1);
        let (id, label) = (sender.id.clone(), sender.name.clone());
        past.push_front(EndedSubagent { parent: parent.to_owned(), id, label, state });
    }

    fn take_waiter(&self, id: u64) -> Option<Sender<AwaitedResult>> {
        let mut waiters = self.waiters.borrow_mut();
        let at = waiters.iter().position(|(of, _)| *of == id)?;
        Some(waiters.swap_remove(at).1)
    }

    /// Carries a request of a turn's tools out: `origin` is what its sub-agents have of it, `chat` where it answers.
    async fn carry_out(
        &self,
        request: SubagentRequest,
        chat: Address,
        origin: SubagentOrigin,
        unrecorded: UnrecordedResults,
    ) -> Result<SubagentReply, String> {
        match request {
            SubagentRequest::Start { task, label, wait, untrusted } => {
                let origin = SubagentOrigin { untrusted, ..origin };
                let waiting = match self.delegate(chat, origin, &task, label, wait).await? {
                    StartedSubagent::Waiting(waiting) => waiting,
                    StartedSubagent::Background(said) => return Ok(SubagentReply::Said(said)),
                };
                let Ok((ended, kept)) = waiting.recv().await else {
                    return Err("the sub-agent was cancelled".to_owned());
                };
                unrecorded.borrow_mut().push(kept);
                Ok(SubagentReply::Ended(ended))
            }
            SubagentRequest::Status(id) => Ok(SubagentReply::Said(self.list(&origin.parent, &id))),
            SubagentRequest::Cancel(id) => {
                let any = self.cancel_one(&origin.parent, Some(&id));
                let said = format!("{id} is stopped; nothing more comes from it.");
                any.then_some(SubagentReply::Said(said))
                    .ok_or(format!("there is no {id:?} at work in this conversation"))
            }
        }
    }

    /// Starts a sub-agent, on the card when this returns; its end comes over the channel, or else as a report.
    async fn delegate(
        &self,
        from: Address,
        mut origin: SubagentOrigin,
        task: &str,
        label: String,
        wait: bool,
    ) -> Result<StartedSubagent, String> {
        let limits = &self.config.agent.subturn;
        if origin.depth > limits.max_depth {
            return Err(format!(
                "not started: {} sub-agents one after the other are the most (agents.defaults.subturn.max_depth); tell \
                 the user what there is so far",
                limits.max_depth
            ));
        }
        let most = limits.max_concurrent as usize;
        let free = |l: &Ledger| {
            open(l).count() < most && l.len() < QUEUE && l.bytes() + task.len() < JOURNAL_OPEN_BYTES
        };
        let room = async {
            self.journal.wait_for_capacity(free).await;
            true
        };
        let late = async {
            async_io::Timer::after(limits.slot_wait).await;
            false
        };
        if !or(room, late).await {
            return Err(format!(
                "not started: {most} sub-agents are at work already (agents.defaults.subturn.max_concurrent); wait for \
                 one, or end one with spawn_cancel"
            ));
        }
        let id = self.journal.ledger(Ledger::next_id);
        let name = format!("subagent-{id}");
        origin.own = self.free_session(most).unwrap_or_else(|| name.clone());
        let scratch = file_stem(&origin.parent).unwrap_or_default();
        let text = format!(
            "You are the sub-agent {name}. Do the task below by yourself; nobody can be asked, and your last words are \
             the result. Files shared with the other sub-agents of this conversation: scratch/{scratch}/ in the \
             workspace. The message tool tells the conversation something before the end, if that is needed.\n\n\
             Task: {task}"
        );
        let mut message = Inbound { from, text, date: clock::unix_now(), ..Inbound::default() };
        message.sender.platform = SUBAGENT.into();
        message.sender.id.clone_from(&name);
        message.sender.name = label;
        let (tell, told) = smol::channel::bounded(1);
        if wait {
            self.waiters.borrow_mut().push((id, tell));
        }
        let ticket = self.journal.record(&Frame::Delegated { id, message, origin, ends: 0 });
        self.journal.synced(ticket).await;
        if wait {
            self.queue.start_awaited(id);
            return Ok(StartedSubagent::Waiting(told));
        }
        self.queue.start(id);
        Ok(StartedSubagent::Background(format!(
            "{name} has begun in the background; its result comes as a message of its own."
        )))
    }

    /// Few sessions, used again and again, leave few files behind.
    fn free_session(&self, most: usize) -> Option<String> {
        let in_use = |own: &String| {
            let is = |e: &OpenMessage| e.origin.as_ref().is_some_and(|o| o.own == *own);
            self.journal.ledger(|l| open(l).any(is))
        };
        (1..=most).map(|n| format!("subagents-{n}")).find(|own| !in_use(own))
    }

    /// Ends an entry that has no answer.
    fn finish(&self, id: u64) {
        if self.journal.ledger(|l| l.get(id).is_some()) {
            self.journal.record(&Frame::Finished { id });
        }
    }

    /// A sub-agent's end becomes a turn of the conversation that started it.
    fn report(&self, claimed: &Claimed, mut origin: SubagentOrigin, answer: Answer, state: &str) {
        let sender = &claimed.message.sender;
        origin.untrusted |= answer.untrusted;
        let head = if answer.failed { "Reason" } else { "Result" };
        let text = format!(
            "Task '{}' {state} ({}). Nobody is writing; tell the user what matters of it.\n\n{head}:\n{}",
            sender.name,
            sender.id,
            keep_ends(answer.text, SUBAGENT_TASK_BYTES)
        );
        self.report_to_parent(claimed.message.clone(), origin, text, claimed.id);
    }

    /// Opens a turn of the parent; `ends` is finished in the same moment.
    fn report_to_parent(
        &self,
        mut message: Inbound,
        origin: SubagentOrigin,
        text: String,
        ends: u64,
    ) {
        // What others may have written keeps its mark in the conversation.
        let mark = match origin.untrusted {
            true => format!("[forwarded from {}]\n", message.sender.id),
            false => String::new(),
        };
        message.text = mark + &text;
        message.untrusted = origin.untrusted;
        message.date = clock::unix_now();
        message.sender.platform = REPORT.into();
        let id = self.journal.ledger(Ledger::next_id);
        self.journal.record(&Frame::Delegated { id, message, origin, ends });
        self.queue.start(id);
    }

    /// Stops the sub-agents of a conversation, or the one of this id. True when there was any.
    fn cancel_one(&self, parent: &str, id: Option<&str>) -> bool {
        let belongs = |e: &&OpenMessage| {
            e.origin.as_ref().is_some_and(|o| o.parent == parent)
                && id.is_none_or(|id| e.message.sender.id == id)
        };
        let all: Vec<u64> =
            self.journal.ledger(|l| open(l).filter(belongs).map(|e| e.id).collect());
        for id in &all {
            if !self.queue.stop_turn(*id) {
                self.take_waiter(*id);
                self.finish(*id);
            }
        }
        !all.is_empty()
    }

    /// A list for the model, newest first.
    fn list(&self, parent: &str, id: &str) -> String {
        let mut out = String::new();
        let mut line = |name: &str, label: &str, state: &str| {
            if id.is_empty() || name == id {
                out.push_str(&format!("{name} '{label}': {state}\n"));
            }
        };
        self.journal.ledger(|l| {
            let own = open(l).filter(|e| e.origin.as_ref().is_some_and(|o| o.parent == parent));
            own.for_each(|e| line(&e.message.sender.id, &e.message.sender.name, "running"));
        });
        for past in self.past.borrow().iter().filter(|past| past.parent == parent) {
            line(&past.id, &past.label, past.state);
        }
        if out.is_empty() {
            out.push_str("There are none, or they ended before the last restart.");
        }
        out
    }
}

impl Delegation for Subagents {
    fn handle(self: Rc<Self>, claimed: &Claimed) -> Option<SubagentHandle> {
        // Sub-agents have none themselves.
        if claimed.is_subagent() {
            return None;
        }
        let person = claimed.origin.as_ref().map_or(&claimed.message.sender, |o| &o.person);
        let origin = SubagentOrigin {
            parent: claimed.session.clone(),
            own: String::new(),
            person: person.clone(),
            depth: claimed.origin.as_ref().map_or(0, |o| o.depth) + 1,
            unattended: claimed.is_unattended(),
            untrusted: false,
        };
        let unrecorded = UnrecordedResults::default();
        let (subagents, chat, handed) =
            (self.clone(), claimed.message.from.clone(), unrecorded.clone());
        let request = move |request| {
            let (subagents, chat, origin, handed) =
                (subagents.clone(), chat.clone(), origin.clone(), handed.clone());
            let done = async move { subagents.carry_out(request, chat, origin, handed).await };
            Box::pin(done) as Pin<Box<dyn Future<Output = _>>>
        };
        Some(SubagentHandle { request: Rc::new(request), unrecorded })
    }

    /// To its own chat means to its parent.
    fn message_sender(self: Rc<Self>, claimed: &Claimed, send: MessageSender) -> MessageSender {
        let Some(origin) = claimed.origin.clone() else { return send };
        let message = claimed.message.clone();
        let sent = Cell::new(0);
        Rc::new(move |out| {
            if out.to != message.from {
                return send(out);
            }
            let full = self.journal.ledger(|l| l.bytes() > JOURNAL_OPEN_BYTES);
            if sent.get() >= SUBAGENT_MESSAGES || full {
                return Err(Error::new(
                    "a sub-agent has few messages; keep the rest for the result",
                ));
            }
            sent.set(sent.get() + 1);
            let text = format!(
                "{} ('{}') is at work and says:\n\n{}",
                message.sender.id,
                message.sender.name,
                keep_ends(out.text, SUBAGENT_TASK_BYTES)
            );
            // What it has read by now is not known here, so that it counts as text of others.
            let origin = SubagentOrigin { untrusted: true, ..(*origin).clone() };
            self.report_to_parent(message.clone(), origin, text, 0);
            Ok(())
        })
    }

    fn turn_ended(
        self: Rc<Self>,
        claimed: Claimed,
        end: SubagentEnd,
    ) -> Pin<Box<dyn Future<Output = ()>>> {
        Box::pin(async move {
            let Some(origin) = claimed.origin.clone() else { return };
            let state = match &end {
                SubagentEnd::Cancelled => "cancelled",
                SubagentEnd::Answer(answer) if answer.failed => "failed",
                SubagentEnd::Answer(_) => "completed",
            };
            let id = claimed.id;
            self.note_past(&origin.parent, &claimed.message.sender, state);
            match (end, self.take_waiter(id)) {
                (SubagentEnd::Answer(answer), Some(waiter)) => {
                    let (held, recorded) = smol::channel::bounded(1);
                    let Answer { text, failed, rounds, .. } = answer;
                    // Whoever waited may be gone by now, which ends the matter as well.
                    let _ = waiter.try_send((
                        SubagentResult { text, failed, rounds },
                        UnrecordedResult { id, held },
                    ));
                    drop(waiter);
                    let _ = recorded.recv().await;
                    self.finish(id);
                }
                (SubagentEnd::Answer(answer), None) => {
                    self.report(&claimed, *origin, answer, state);
                }
                (SubagentEnd::Cancelled, _) => self.finish(id),
            }
        })
    }

    fn cancel(&self, session: &str) -> bool {
        self.cancel_one(session, None)
    }
}
