//! Messages that nobody wrote: jobs and the heartbeat. They go through journal, agent and outbox like any other, so that a
//! crash neither loses nor repeats them.

use std::rc::Rc;

use crate::app::outbox::Outbox;
use crate::app::turns::queue::Queue;
use crate::bus::{CRON, Inbound};
use crate::store::frame::Frame;
use crate::store::ledger::Ledger;
use crate::store::writer::Journal;

/// Accepts messages of jobs and the heartbeat into the journal.
#[derive(Clone)]
pub struct InternalInbox {
    journal: Rc<Journal>,
    outbox: Rc<Outbox>,
    queue: Rc<Queue>,
}

impl InternalInbox {
    /// Admits into `journal` what `queue` then starts.
    pub fn new(journal: Rc<Journal>, outbox: Rc<Outbox>, queue: Rc<Queue>) -> InternalInbox {
        InternalInbox { journal, outbox, queue }
    }

    /// Is a message of this job or heartbeat still open?
    pub fn has_open(&self, platform: &str, id: &str) -> bool {
        let is = |m: &Inbound| m.sender.platform == platform && m.sender.id == id;
        self.journal.ledger(|l| l.entries().any(|e| is(&e.message)))
    }

    /// Ids and times of jobs that the last run began and did not finish.
    pub fn open_jobs(&self) -> Vec<(String, i64)> {
        self.journal.ledger(|l| {
            let cron = l.entries().filter(|e| e.message.sender.platform == CRON);
            cron.map(|e| (e.message.sender.id.clone(), e.message.date)).collect()
        })
    }

    /// Admits a message and returns its number; it is on disk when this returns. Its turn begins with
    /// [`InternalInbox::start`], or, should the program end before, with the next start.
    pub async fn admit(&self, message: Inbound) -> u64 {
        self.outbox.capacity().await;
        let id = self.journal.ledger(Ledger::next_id);
        let ticket = self.journal.record(&Frame::Received { id, message });
        self.journal.synced(ticket).await;
        id
    }

    /// Starts the turn of an admitted message.
    pub fn start(&self, id: u64) {
        self.queue.start(id);
    }
}
