//! Messages that arrive while a turn runs and become part of it.
//!
//! Such a message is taken off the queue, becomes a line of the running turn and is finished in one write, so that a
//! crash leaves it in one of the two.

use std::rc::Rc;

use super::attachments::Attachments;
use super::claimed::Claimed;
use super::queue::Queue;
use crate::agent::{Steering, SteeringFuture};
use crate::limits::STEERING;
use crate::store::writer::Journal;

/// What brings messages into the turn of `claimed`, `most` at a time; `None` where they wait.
pub(super) fn steering(
    queue: &Rc<Queue>,
    journal: &Rc<Journal>,
    attachments: &Rc<Attachments>,
    claimed: &Claimed,
) -> Option<Steering> {
    if claimed.message.is_internal() {
        return None;
    }
    let all = attachments.agent.config.agent.steer_all;
    let most = if all { STEERING } else { 1 };
    let of = Rc::new((claimed.session.clone(), claimed.message.sender.clone()));
    let waits = {
        let (queue, of) = (queue.clone(), of.clone());
        move || !queue.steering(&of.0, &of.1, 1).is_empty()
    };
    let (queue, journal, attachments) = (queue.clone(), journal.clone(), attachments.clone());
    let claim = move || {
        let (queue, journal, attachments) = (queue.clone(), journal.clone(), attachments.clone());
        let ids = queue.steering(&of.0, &of.1, most);
        let taking = async move {
            let mut contents = Vec::new();
            for id in ids {
                let message = journal.ledger(|l| l.get(id).map(|e| e.message.clone()));
                if let Some(message) = message {
                    contents.push((id, attachments.user_content(message).await));
                }
            }
            // Claimed only now: stopped while a file was on its way, they would belong to nobody.
            let ids: Vec<u64> = contents.iter().map(|(id, _)| *id).collect();
            let claimed = queue.claim(&ids);
            contents.retain(|(id, _)| claimed.contains(id));
            contents
        };
        Box::pin(taking) as SteeringFuture
    };
    Some(Steering { waits: Rc::new(waits), claim: Rc::new(claim) })
}
