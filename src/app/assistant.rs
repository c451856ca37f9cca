//! The parts of an assistant and how they depend on each other; the only file that knows inbox, turns and sub-agents.

use std::cell::RefCell;
use std::rc::Rc;

use smol::LocalExecutor;
use smol::channel::Receiver;

use super::inbox::Inbox;
use super::inbox::internal::InternalInbox;
use super::notifier::Notifier;
use super::outbox::Outbox;
use super::subagents::Subagents;
use super::turns::Turns;
use super::turns::attachments::{Attachments, DownloadLimits};
use super::turns::jobs::JobEnd;
use super::turns::memory_limit::MemoryLimit;
use super::turns::queue::Queue;
use crate::agent::Agent;

/// All parts of a running assistant, owned here so that none has to know the others.
pub struct Assistant {
    /// Answers; has configuration, journal and models.
    pub agent: Rc<Agent>,
    /// Delivers replies, and keeps them in the journal until they are delivered.
    pub outbox: Rc<Outbox>,
    /// Sends messages outside an answer.
    pub notifier: Rc<Notifier>,
    /// Decides which turn runs next, and runs it.
    pub turns: Rc<Turns>,
    /// Admits messages of channels.
    pub inbox: Rc<Inbox>,
    /// Admits messages of jobs and the heartbeat.
    pub internal: InternalInbox,
    /// How jobs ended, for the scheduler.
    pub job_ends: Receiver<JobEnd>,
}

impl Assistant {
    /// Messages that the last run left open in the journal wait at once. `memory_limit` is in bytes of heap.
    pub fn new(
        agent: Rc<Agent>,
        outbox: Rc<Outbox>,
        memory_limit: Option<usize>,
        limits: DownloadLimits,
    ) -> Assistant {
        let (journal, config) = (agent.journal.clone(), agent.config.clone());
        let home = config.home.clone();
        let notifier = Rc::new(Notifier::new(journal.clone(), outbox.clone(), home));
        let caches = agent.clone();
        let drop_caches = Box::new(move || {
            caches.http.close_idle();
            // In use, it is kept.
            if let Ok(mut prompt) = caches.prompt.try_lock() {
                prompt.forget();
            }
        });
        let memory = MemoryLimit::new(memory_limit, crate::sys::heap::in_use, drop_caches);
        let queue = Rc::new(Queue::new(journal.clone(), config.clone(), memory));
        let subagents = Rc::new(Subagents::new(journal.clone(), queue.clone(), config));
        let attachments = Rc::new(Attachments {
            agent: agent.clone(),
            outbox: outbox.clone(),
            notifier: notifier.clone(),
            limits,
        });
        // At most `JOB_ENDS` of them (`turns::jobs`); a bounded channel would have room for all from the beginning.
        let (job_end, job_ends) = smol::channel::unbounded();
        let turns = Rc::new(Turns {
            agent: agent.clone(),
            outbox: outbox.clone(),
            notifier: notifier.clone(),
            queue: queue.clone(),
            attachments,
            delegation: subagents,
            job_ends: job_end,
            begun: smol::channel::bounded(1),
            summarising: RefCell::default(),
            summarised: RefCell::default(),
            faulty: RefCell::default(),
        });
        let inbox = Inbox::new(agent.clone(), outbox.clone(), notifier.clone(), turns.clone());
        let internal = InternalInbox::new(journal, outbox.clone(), queue);
        Assistant { agent, outbox, notifier, turns, inbox: Rc::new(inbox), internal, job_ends }
    }

    /// Spawns what runs as long as the program: journal, outbox, inbox and turns.
    pub fn spawn(&self, executor: &Rc<LocalExecutor<'static>>) {
        let journal = self.agent.journal.clone();
        executor.spawn(async move { journal.run().await }).detach();
        executor.spawn(self.outbox.clone().run(executor.clone())).detach();
        executor.spawn(self.inbox.clone().run()).detach();
        executor.spawn(self.turns.clone().run(executor.clone())).detach();
    }
}
