//! What is said while a turn runs: messages that steer it, `/stop`, and `/btw` beside it.
//!
//! A message that steers is taken off the queue and becomes a line of the running turn and finished in one write, so that
//! a crash leaves it in one of the two. Only who started a turn steers it: the calls that follow are approved in his name.

use std::rc::Rc;

use smol::future::or;

use super::files;
use super::hub::{Claimed, Hub};
use super::poison;
use super::session_key::session_key;
use crate::agent::{Answer, Steering, Turn};
use crate::bus::{CLI, Inbound, Sender};
use crate::channel::command::{self, Command};
use crate::limits::STEERING;
use crate::store::frame::Frame;
use crate::store::ledger::Entry;

/// What the sessions of side questions begin with, one for each.
pub const ASIDE: &str = "btw-";

/// A side question of a person.
pub fn is_aside(entry: &Entry) -> bool {
    let command = command::parse(&entry.message.text);
    matches!(command, Some(Command::Btw(_))) && !entry.message.is_internal()
}

/// May a message become part of a turn of `sender`?
fn steers(entry: &Entry, sender: &Sender) -> bool {
    let message = &entry.message;
    let same = message.sender.platform == sender.platform && message.sender.id == sender.id;
    let untouched = entry.attempts == 0 && entry.progress.is_none();
    // Each command line waits for an answer of its own.
    same && message.from.channel != CLI
        && untouched
        && !message.is_internal()
        && command::parse(&message.text).is_none()
}

impl Hub {
    /// What brings messages into the turn of `taken`.
    pub(super) fn steering(self: &Rc<Self>, claimed: &Claimed) -> Option<Steering> {
        if claimed.message.is_internal() {
            return None;
        }
        let (session, sender) = (claimed.session.clone(), claimed.message.sender.clone());
        let most = if self.agent.config.agent.steer_all { STEERING } else { 1 };
        let (hub, of) = (self.clone(), session.clone());
        let waits = {
            let (hub, sender) = (hub.clone(), sender.clone());
            move || !hub.steering_now(&of, &sender, 1).is_empty()
        };
        let take = move || {
            let (hub, session, sender) = (hub.clone(), session.clone(), sender.clone());
            let taking = async move {
                let mut texts = Vec::new();
                for id in hub.steering_now(&session, &sender, most) {
                    let Some(message) =
                        hub.journal.ledger(|l| l.get(id).map(|e| e.message.clone()))
                    else {
                        continue;
                    };
                    texts.push((id, files::user_content(&hub, message).await));
                }
                // Claimed only now: stopped while a file was on its way, they would belong to nobody.
                let mut waiting = hub.waiting.borrow_mut();
                texts.retain(|(id, _)| waiting.contains(id));
                waiting.retain(|id| !texts.iter().any(|(claimed, _)| claimed == id));
                texts
            };
            Box::pin(taking) as crate::agent::turn::Taking
        };
        Some(Steering { waits: Rc::new(waits), take: Rc::new(take) })
    }

    /// The next messages for a session's running turn, in order; one that may not steer holds up those behind it.
    fn steering_now(&self, session: &str, sender: &Sender, most: usize) -> Vec<u64> {
        let mut found = Vec::new();
        if self.journal.durability().off().is_some() {
            // Its offset is confirmed when it is finished, and then its answer must be out.
            return found;
        }
        for id in self.waiting.borrow().iter() {
            let fits = self.journal.ledger(|l| {
                let own = l.get(*id).filter(|e| self.session_of(e) == session);
                own.map(|e| steers(e, sender))
            });
            match fits {
                Some(true) => found.push(*id),
                Some(false) => break,
                None => {}
            }
            if found.len() == most {
                break;
            }
        }
        found
    }

    /// Answers a side question; the conversation does not learn of it.
    pub(super) async fn aside(&self, claimed: &Claimed, question: &str) -> String {
        if claimed.poison {
            return poison::set_aside(self, claimed.id).await;
        }
        poison::count(self, claimed.id).await;
        let session = session_key(&self.agent.config.session, &claimed.message);
        let to = claimed.message.from.clone();
        let message = Inbound { text: question.to_owned(), ..claimed.message.clone() };
        let turn = Turn {
            pictures: &[],
            files: None,
            id: 0,
            session: &session,
            message: &message,
            resumed: None,
            started: &[],
            say: Rc::new(|_| Err(crate::Error::new("a side question sends nothing"))),
            ask: None,
            unattended: false,
            on_text: None,
            subagents: None,
            budget: 0,
            untrusted: false,
            steering: None,
        };
        let typing = async {
            if let Some(channel) = self.outbox.channel(&to.channel) {
                channel.typing(&to).await;
            }
            std::future::pending().await
        };
        let answer = async {
            self.agent.aside(&turn).await.unwrap_or_else(|e| Answer {
                text: format!("Error processing message: {e}"),
                ..Answer::default()
            })
        };
        or(answer, typing).await.text
    }

    /// `/stop`: ends the session's turn and forgets what waits behind it. True when there was anything.
    pub(super) fn stop(&self, session: &str) -> bool {
        let mut any = self.cancel(session, None);
        for turn in self.running.borrow().iter().filter(|r| r.session == session) {
            any = true;
            // Full: it was told before.
            let _ = turn.stop.try_send(());
        }
        let mut waiting = self.waiting.borrow_mut();
        let belongs = |id: &u64| {
            self.journal
                .ledger(|l| l.get(*id).map(|e| self.session_of(e)))
                .is_some_and(|key| key == session)
        };
        let gone: Vec<u64> = waiting.iter().copied().filter(belongs).collect();
        waiting.retain(|id| !gone.contains(id));
        for id in gone {
            any = true;
            self.journal.record(&Frame::Finished { id });
        }
        any
    }

    /// Ends a turn by its number; false when it does not run.
    pub(super) fn stop_turn(&self, id: u64) -> bool {
        let running = self.running.borrow();
        let turn = running.iter().find(|r| r.id == id);
        // Full: it was told before.
        turn.map(|r| r.stop.try_send(())).is_some()
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::store::ledger::Ledger;

    fn entry(user: &str, text: &str) -> Entry {
        let sender = Sender { platform: "t".into(), id: user.into(), ..Sender::default() };
        let message = Inbound { sender, text: text.into(), ..Inbound::default() };
        let mut ledger = Ledger::default();
        ledger.apply(&Frame::Received { id: 1, message });
        ledger.get(1).cloned().expect("an entry")
    }

    #[test]
    fn only_words_of_who_began_a_turn_steer_it() {
        let owner = Sender { platform: "t".into(), id: "5".into(), ..Sender::default() };
        assert!(steers(&entry("5", "rather this"), &owner));
        assert!(steers(&entry("5", "/usr/bin is full"), &owner));
        assert!(!steers(&entry("6", "rather this"), &owner), "approvals are asked of another");
        assert!(!steers(&entry("5", "/clear"), &owner));
        assert!(!steers(&entry("5", "/btw why?"), &owner));
        let mut tried = entry("5", "rather this");
        tried.attempts = 1;
        assert!(!steers(&tried, &owner), "it has a turn of its own, begun before a restart");
    }

    #[test]
    fn side_questions_are_known() {
        assert!(is_aside(&entry("5", " /btw why?")));
        assert!(!is_aside(&entry("5", "/btw")), "answered with its usage");
        assert!(!is_aside(&entry("5", "btw, why?")));
    }
}
