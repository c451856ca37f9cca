//! Sub-agents: turns that a turn starts, and what comes back from them.
//!
//! A sub-agent is a message in the journal (sender [`SUBAGENT`]) with a session of its own; the frame that ends it is the
//! one that opens its report, so that a result comes back exactly once, whatever happens in between. One that was waited
//! for ends with the record of its parent's tool result; when a restart tears the two apart, it reports like the others.

use std::cell::RefCell;
use std::collections::VecDeque;
use std::rc::Rc;

use smol::channel::{Receiver, Sender};
use smol::future::or;

use super::hub::{Claimed, Hub};
use super::poison;
use crate::agent::Answer;
use crate::bus::{Address, Inbound, Origin, Outbound, REPORT, SUBAGENT};
use crate::error::{Error, Result};
use crate::limits::{
    JOURNAL_OPEN_BYTES, QUEUE, SUBAGENT_MESSAGES, SUBAGENT_TASK_BYTES, SUBAGENTS_REMEMBERED,
};
use crate::proto::excerpt::keep_ends;
use crate::store::frame::Frame;
use crate::store::ledger::{Entry, Ledger};
use crate::store::session::file_stem;
use crate::sys::clock;
use crate::tool::subagent::{
    SubagentHandle, SubagentReply, SubagentRequest, SubagentResult, UnrecordedResult,
    UnrecordedResults,
};

/// What the hub remembers of sub-agents besides the journal.
#[derive(Default)]
pub struct Subagents {
    /// Calls that wait, by the journal's number.
    waiters: RefCell<Vec<(u64, Sender<Waited>)>>,
    /// Parent's session, id, label and end of the last ones.
    past: RefCell<VecDeque<(String, String, String, &'static str)>>,
}

/// An end, and what keeps its entry until that is recorded.
type Waited = (SubagentResult, UnrecordedResult);

/// Why a sub-agent is over.
enum End {
    Answer(Answer),
    Cancelled,
}

/// Sub-agents that are open.
fn open(ledger: &Ledger) -> impl Iterator<Item = &Entry> {
    ledger.entries().filter(|e| e.is_subagent())
}

impl Subagents {
    /// Does a call wait for this one?
    pub fn is_awaited(&self, id: u64) -> bool {
        self.waiters.borrow().iter().any(|(of, _)| *of == id)
    }

    fn note(&self, parent: &str, sender: &crate::bus::Sender, state: &'static str) {
        let mut past = self.past.borrow_mut();
        past.truncate(SUBAGENTS_REMEMBERED - 1);
        past.push_front((parent.to_owned(), sender.id.clone(), sender.name.clone(), state));
    }

    fn take_waiter(&self, id: u64) -> Option<Sender<Waited>> {
        let mut waiters = self.waiters.borrow_mut();
        let at = waiters.iter().position(|(of, _)| *of == id)?;
        Some(waiters.swap_remove(at).1)
    }
}

impl Hub {
    /// What gives a turn its sub-agents; they have none themselves.
    pub(super) fn subagent_handle(self: &Rc<Self>, claimed: &Claimed) -> Option<SubagentHandle> {
        if claimed.message.sender.platform == SUBAGENT {
            return None;
        }
        let person = claimed.origin.as_ref().map_or(&claimed.message.sender, |o| &o.person);
        let origin = Origin {
            parent: claimed.session.clone(),
            own: String::new(),
            person: person.clone(),
            depth: claimed.origin.as_ref().map_or(0, |o| o.depth) + 1,
            unattended: claimed.is_unattended(),
            untrusted: false,
        };
        let unrecorded = UnrecordedResults::default();
        let (hub, chat, handed) = (self.clone(), claimed.message.from.clone(), unrecorded.clone());
        let request = move |request| {
            let (hub, chat, handed) = (hub.clone(), chat.clone(), handed.clone());
            let origin = origin.clone();
            let done = async move {
                match request {
                    SubagentRequest::Start { task, label, wait, untrusted } => {
                        let origin = Origin { untrusted, ..origin };
                        let begun = hub.delegate(chat, origin, &task, label, wait).await?;
                        let waiting = match begun {
                            Ok(waiting) => waiting,
                            Err(said) => return Ok(SubagentReply::Said(said)),
                        };
                        let Ok((ended, kept)) = waiting.recv().await else {
                            return Err("the sub-agent was cancelled".to_owned());
                        };
                        handed.borrow_mut().push(kept);
                        Ok(SubagentReply::Ended(ended))
                    }
                    SubagentRequest::Status(id) => {
                        Ok(SubagentReply::Said(hub.subagents_of(&origin.parent, &id)))
                    }
                    SubagentRequest::Cancel(id) => {
                        let any = hub.cancel(&origin.parent, Some(&id));
                        let said = format!("{id} is stopped; nothing more comes from it.");
                        any.then_some(SubagentReply::Said(said))
                            .ok_or(format!("there is no {id:?} at work in this conversation"))
                    }
                }
            };
            Box::pin(done) as std::pin::Pin<Box<dyn Future<Output = _>>>
        };
        Some(SubagentHandle { request: Rc::new(request), unrecorded })
    }

    /// Starts a sub-agent, on the card when this returns; its end comes over the channel, or else as a report.
    async fn delegate(
        &self,
        from: Address,
        mut origin: Origin,
        task: &str,
        label: String,
        wait: bool,
    ) -> Result<std::result::Result<Receiver<Waited>, String>, String> {
        let limits = &self.agent.config.agent.subturn;
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
            self.journal.room(free).await;
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
        // Few sessions, used again and again, leave few files behind.
        let own = (1..=most).map(|n| format!("subagents-{n}"));
        let in_use = |own: &String| {
            let is = |e: &Entry| e.origin.as_ref().is_some_and(|o| o.own == *own);
            self.journal.ledger(|l| open(l).any(is))
        };
        origin.own = { own }.find(|own| !in_use(own)).unwrap_or_else(|| name.clone());
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
            self.subagents.waiters.borrow_mut().push((id, tell));
        }
        let ticket = self.journal.record(&Frame::Delegated { id, message, origin, ends: 0 });
        self.journal.synced(ticket).await;
        self.start(id);
        let said = format!(
            "{name} has begun in the background; its result comes as a message of its own."
        );
        Ok(if wait { Ok(told) } else { Err(said) })
    }

    /// Runs a sub-agent to its end and brings the result where it belongs.
    pub(super) async fn subagent(self: &Rc<Self>, claimed: Claimed, stopped: Receiver<()>) {
        let Some(origin) = claimed.origin.clone() else { return };
        let minutes = self.agent.config.agent.subturn.timeout.as_secs() / 60;
        let failed = |text: String| Answer { text, failed: true, ..Answer::default() };
        let end = if claimed.poison {
            let why = poison::set_aside(self, claimed.id).await;
            End::Answer(failed(why))
        } else {
            poison::count(self, claimed.id).await;
            let turn = async { End::Answer(self.turn(&claimed).await) };
            let late = async {
                async_io::Timer::after(self.agent.config.agent.subturn.timeout).await;
                End::Answer(failed(format!("it was not done after {minutes} minutes")))
            };
            let stop = async {
                // The sender lives as long as the turn is listed, so an error cannot come first.
                let _ = stopped.recv().await;
                End::Cancelled
            };
            or(stop, or(turn, late)).await
        };
        let state = match &end {
            End::Cancelled => "cancelled",
            End::Answer(answer) if answer.failed => "failed",
            End::Answer(_) => "completed",
        };
        let (id, sender) = (claimed.id, &claimed.message.sender);
        self.subagents.note(&origin.parent, sender, state);
        let waiter = self.subagents.take_waiter(id);
        match (end, waiter) {
            (End::Answer(answer), Some(waiter)) => {
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
            (End::Answer(answer), None) => self.report(&claimed, *origin, answer, state),
            (End::Cancelled, _) => self.finish(id),
        }
    }

    /// Ends an entry that has no answer.
    fn finish(&self, id: u64) {
        if self.journal.ledger(|l| l.get(id).is_some()) {
            self.journal.record(&Frame::Finished { id });
        }
    }

    /// A sub-agent's end becomes a turn of the conversation that started it.
    fn report(&self, claimed: &Claimed, mut origin: Origin, answer: Answer, state: &str) {
        let sender = &claimed.message.sender;
        origin.untrusted |= answer.untrusted;
        let head = if answer.failed { "Reason" } else { "Result" };
        let text = format!(
            "Task '{}' {state} ({}). Nobody is writing; tell the user what matters of it.\n\n{head}:\n{}",
            sender.name,
            sender.id,
            keep_ends(answer.text, SUBAGENT_TASK_BYTES)
        );
        self.tell_parent(claimed.message.clone(), origin, text, claimed.id);
    }

    /// Opens a turn of the parent; `ends` is finished in the same moment.
    fn tell_parent(&self, mut message: Inbound, origin: Origin, text: String, ends: u64) {
        // What others may have written keeps its mark in the conversation.
        let mark = match origin.untrusted {
            true => format!("[forwarded from {}]\n", message.sender.id),
            false => String::new(),
        };
        message.text = mark + &text;
        message.date = clock::unix_now();
        message.sender.platform = REPORT.into();
        let id = self.journal.ledger(Ledger::next_id);
        self.journal.record(&Frame::Delegated { id, message, origin, ends });
        self.start(id);
    }

    /// What the message tool of a sub-agent does: to its own chat means to its parent.
    pub(super) fn subagent_message_sender(
        self: &Rc<Self>,
        claimed: &Claimed,
        say: Rc<dyn Fn(Outbound) -> Result<()>>,
    ) -> Rc<dyn Fn(Outbound) -> Result<()>> {
        let Some(origin) = claimed.origin.clone() else { return say };
        let (hub, message) = (self.clone(), claimed.message.clone());
        let told = std::cell::Cell::new(0);
        Rc::new(move |out: Outbound| {
            if out.to != message.from {
                return say(out);
            }
            let full = hub.journal.ledger(|l| l.bytes() > JOURNAL_OPEN_BYTES);
            if told.get() >= SUBAGENT_MESSAGES || full {
                return Err(Error::new(
                    "a sub-agent has few messages; keep the rest for the result",
                ));
            }
            told.set(told.get() + 1);
            let text = format!(
                "{} ('{}') is at work and says:\n\n{}",
                message.sender.id,
                message.sender.name,
                keep_ends(out.text, SUBAGENT_TASK_BYTES)
            );
            // What it has read by now is not known here, so that it counts as text of others.
            let origin = Origin { untrusted: true, ..(*origin).clone() };
            hub.tell_parent(message.clone(), origin, text, 0);
            Ok(())
        })
    }

    /// Stops the sub-agents of a conversation, or the one of this id. True when there was any.
    pub(super) fn cancel(&self, parent: &str, id: Option<&str>) -> bool {
        let belongs = |e: &&Entry| {
            e.origin.as_ref().is_some_and(|o| o.parent == parent)
                && id.is_none_or(|id| e.message.sender.id == id)
        };
        let all: Vec<u64> =
            self.journal.ledger(|l| open(l).filter(belongs).map(|e| e.id).collect());
        for id in &all {
            if !self.stop_turn(*id) {
                self.subagents.take_waiter(*id);
                self.finish(*id);
            }
        }
        !all.is_empty()
    }

    /// A list for the model, newest first.
    fn subagents_of(&self, parent: &str, id: &str) -> String {
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
        for (of, name, label, state) in self.subagents.past.borrow().iter() {
            if of == parent {
                line(name, label, state);
            }
        }
        if out.is_empty() {
            out.push_str("There are none, or they ended before the last restart.");
        }
        out
    }
}
