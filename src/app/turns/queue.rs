//! Which messages wait for a turn and which turns run: one turn a session, at most `max_parallel_turns` at a time, and
//! chats take turns, so that none with many messages keeps the others waiting.

use std::cell::{Cell, RefCell};
use std::collections::VecDeque;
use std::rc::Rc;

use smol::channel::{Receiver, Sender};

use super::claimed::{
    Claimed, SIDE_QUESTION, is_side_question, is_stopped_with, may_steer, session_of,
};
use super::memory_limit::MemoryLimit;
use crate::bus;
use crate::config::Config;
use crate::limits::{SESSIONS_SERVED, SIDE_QUESTIONS};
use crate::store::frame::Frame;
use crate::store::ledger::{OpenMessage, Stage};
use crate::store::writer::Journal;

/// A turn under way.
struct RunningTurn {
    id: u64,
    session: String,
    /// A sub-agent or side question: not one of `max_parallel_turns`, and bounded by itself.
    beside: bool,
    /// Dropped with the turn; a message on it stops the turn.
    stop: Sender<()>,
}

/// A turn that may begin now.
pub(super) struct ReadyTurn {
    pub(super) claimed: Claimed,
    /// Receives when the turn is to stop. The sender lives as long as the turn is listed.
    pub(super) stopped: Receiver<()>,
}

/// Chooses the next turn: one at a time per session, fair between chats.
pub struct Queue {
    journal: Rc<Journal>,
    config: Rc<Config>,
    memory: MemoryLimit,
    waiting: RefCell<VecDeque<u64>>,
    /// Those of `waiting` that a running turn waits for: they must not wait for that turn.
    awaited: RefCell<Vec<u64>>,
    running: RefCell<Vec<RunningTurn>>,
    /// Sessions whose turns began last, the latest at the end; see [`SESSIONS_SERVED`].
    served: RefCell<VecDeque<String>>,
    closed: Cell<bool>,
    begun: Cell<u64>,
    wake: (Sender<()>, Receiver<()>),
    /// A message on it: the last running turn has ended.
    idle: (Sender<()>, Receiver<()>),
}

impl Queue {
    /// Messages that the last run left open wait at once.
    pub fn new(journal: Rc<Journal>, config: Rc<Config>, memory: MemoryLimit) -> Queue {
        let open = |e: &&OpenMessage| e.stage == Stage::Open;
        let waiting = journal.ledger(|l| l.entries().filter(open).map(|e| e.id).collect());
        Queue {
            journal,
            config,
            memory,
            waiting: RefCell::new(waiting),
            awaited: RefCell::default(),
            running: RefCell::default(),
            served: RefCell::default(),
            closed: Cell::new(false),
            begun: Cell::new(0),
            wake: smol::channel::bounded(1),
            idle: smol::channel::bounded(1),
        }
    }

    /// A message in the journal gets its turn when its session is free.
    pub fn start(&self, id: u64) {
        self.waiting.borrow_mut().push_back(id);
        self.wake_up();
    }

    /// The same for a message whose turn a running turn waits for: it begins although memory is short.
    pub fn start_awaited(&self, id: u64) {
        self.awaited.borrow_mut().push(id);
        self.start(id);
    }

    /// Turns begun since the start.
    pub fn begun(&self) -> u64 {
        self.begun.get()
    }

    /// Messages waiting and turns under way.
    pub fn load(&self) -> (usize, usize) {
        (self.waiting.borrow().len(), self.running.borrow().len())
    }

    /// Sessions whose turns are under way.
    pub fn running(&self) -> Vec<(u64, String)> {
        self.running.borrow().iter().map(|r| (r.id, r.session.clone())).collect()
    }

    /// No turn begins any more.
    pub fn close(&self) {
        self.closed.set(true);
    }

    fn wake_up(&self) {
        let _ = self.wake.0.try_send(()); // full: a wake-up is under way
    }

    /// Waits until something has changed since the last call.
    pub(super) async fn changed(&self) {
        let _ = self.wake.1.recv().await; // the sender lives as long as the queue
    }

    /// A turn has ended.
    pub(super) fn release(&self, id: u64) {
        self.running.borrow_mut().retain(|r| r.id != id);
        if self.running.borrow().is_empty() {
            let _ = self.idle.0.try_send(()); // full: it was told already
        }
        self.wake_up();
    }

    /// Waits until no turn is under way.
    pub(super) async fn idle(&self) {
        while !self.running.borrow().is_empty() {
            let _ = self.idle.1.recv().await; // the sender lives as long as the queue
        }
    }

    /// Begins a turn, if one may: of the messages whose session is free the first one, but of a session served lately
    /// only when no other has one.
    pub(super) fn next(&self) -> Option<ReadyTurn> {
        if self.closed.get() {
            return None;
        }
        let entry = self.choose()?;
        let session = self.session_of(&entry);
        let id = entry.id;
        self.waiting.borrow_mut().retain(|waiting| *waiting != id);
        self.awaited.borrow_mut().retain(|awaited| *awaited != id);
        let (stop, stopped) = smol::channel::bounded(1);
        let beside = entry.is_subagent() || is_side_question(&entry);
        self.running.borrow_mut().push(RunningTurn { id, session: session.clone(), beside, stop });
        self.begun.set(self.begun.get() + 1);
        let mut served = self.served.borrow_mut();
        served.retain(|s| *s != session);
        served.push_back(session.clone());
        if served.len() > SESSIONS_SERVED {
            served.pop_front();
        }
        Some(ReadyTurn { claimed: Claimed::new(entry, session), stopped })
    }

    fn choose(&self) -> Option<OpenMessage> {
        let running = self.running.borrow();
        let most = self.config.agent.max_parallel_turns.max(1) as usize;
        let full = running.iter().filter(|r| !r.beside).count() >= most;
        let questions = running.iter().filter(|r| r.session.starts_with(SIDE_QUESTION)).count();
        let mut waiting = self.waiting.borrow_mut();
        if waiting.is_empty() {
            return None;
        }
        let short = !running.is_empty() && self.memory.is_short();
        let served = self.served.borrow();
        let mut best: Option<(usize, u64)> = None;
        // Finished while it waited: stopped, cancelled, or joined to a running turn.
        waiting.retain(|id| self.journal.ledger(|l| l.get(*id).is_some()));
        self.awaited.borrow_mut().retain(|id| waiting.contains(id));
        for id in waiting.iter().copied() {
            let rank = self.journal.ledger(|l| {
                let entry = l.get(id)?;
                let no_slot = if entry.is_subagent() {
                    false
                } else if is_side_question(entry) {
                    questions >= SIDE_QUESTIONS
                } else {
                    full
                };
                let session = self.session_of(entry);
                let busy = running.iter().any(|r| r.session == session);
                let short = short && !self.awaited.borrow().contains(&id);
                let rank = || served.iter().position(|s| *s == session).map_or(0, |at| at + 1);
                (!busy && !no_slot && !short).then(rank)
            });
            let Some(rank) = rank else { continue };
            if best.is_none_or(|(found, _)| rank < found) {
                best = Some((rank, id));
            }
            if rank == 0 {
                break;
            }
        }
        best.and_then(|(_, id)| self.journal.ledger(|l| l.get(id).cloned()))
    }

    fn session_of(&self, entry: &OpenMessage) -> String {
        session_of(&self.config.session, entry)
    }

    /// The next messages for a session's running turn, in order; one that may not steer holds up those behind it.
    pub(super) fn steering(&self, session: &str, sender: &bus::Sender, most: usize) -> Vec<u64> {
        let mut found = Vec::new();
        if self.journal.durability().off().is_some() {
            // A message's offset is confirmed when it is finished, and then its answer must be out.
            return found;
        }
        for id in self.waiting.borrow().iter() {
            let fits = self.journal.ledger(|l| {
                let own = l.get(*id).filter(|e| self.session_of(e) == session);
                own.map(|e| may_steer(e, sender))
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

    /// Takes these messages off the queue for a running turn; returns those that still waited.
    pub(super) fn claim(&self, ids: &[u64]) -> Vec<u64> {
        let mut waiting = self.waiting.borrow_mut();
        let claimed: Vec<u64> = ids.iter().copied().filter(|id| waiting.contains(id)).collect();
        waiting.retain(|id| !claimed.contains(id));
        claimed
    }

    /// Stops the session's turn and side questions, and finishes what waits behind them. Whether a turn was stopped, and
    /// whether anything waited.
    pub fn stop(&self, session: &str) -> (bool, bool) {
        let belongs = |id: u64| {
            let is = |e: &OpenMessage| is_stopped_with(&self.config.session, e, session);
            self.journal.ledger(|l| l.get(id).is_some_and(is))
        };
        let mut any = false;
        for turn in self.running.borrow().iter() {
            if turn.session == session || belongs(turn.id) {
                any = true;
                let _ = turn.stop.try_send(()); // full: it was told before
            }
        }
        let mut waiting = self.waiting.borrow_mut();
        let gone: Vec<u64> = waiting.iter().copied().filter(|id| belongs(*id)).collect();
        waiting.retain(|id| !gone.contains(id));
        drop(waiting);
        for id in &gone {
            self.journal.record(&Frame::Finished { id: *id });
        }
        (any, !gone.is_empty())
    }

    /// Stops one turn; false when it does not run.
    pub fn stop_turn(&self, id: u64) -> bool {
        let running = self.running.borrow();
        let turn = running.iter().find(|r| r.id == id);
        // Full: it was told before.
        turn.map(|r| r.stop.try_send(())).is_some()
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::bus::{Address, Inbound};
    use crate::store::ledger::Ledger;
    use crate::sys::scratch::Scratch;

    fn queue(parallel: u32, short: bool) -> (Scratch, Queue) {
        let dir = Scratch::named("queue");
        let mut config = Config::default();
        config.session.dimensions = vec!["chat".into()];
        config.agent.max_parallel_turns = parallel;
        let journal = Rc::new(Journal::sessions_only(&dir));
        let memory = MemoryLimit::new(short.then_some(0), || 1, Box::new(|| {}));
        (dir, Queue::new(journal, Rc::new(config), memory))
    }

    fn message(queue: &Queue, chat: &str, text: &str) -> u64 {
        let from = Address { channel: "t".into(), chat: chat.into(), ..Address::default() };
        let message = Inbound { from, text: text.into(), ..Inbound::default() };
        let id = queue.journal.ledger(Ledger::next_id);
        queue.journal.record(&Frame::Received { id, message });
        id
    }

    fn wait(queue: &Queue, chat: &str, text: &str) {
        queue.start(message(queue, chat, text));
    }

    /// Runs one turn after the other and returns their texts.
    fn order(queue: &Queue) -> Vec<String> {
        let mut texts = Vec::new();
        while let Some(ReadyTurn { claimed, .. }) = queue.next() {
            queue.journal.record(&Frame::Finished { id: claimed.id });
            queue.release(claimed.id);
            texts.push(claimed.message.text);
        }
        texts
    }

    #[test]
    fn chats_take_turns_and_each_keeps_its_order() {
        let (_dir, queue) = queue(1, false);
        for (chat, text) in
            [("a", "a1"), ("a", "a2"), ("a", "a3"), ("b", "b1"), ("b", "b2"), ("c", "c1")]
        {
            wait(&queue, chat, text);
        }
        assert_eq!(order(&queue), ["a1", "b1", "c1", "a2", "b2", "a3"]);
        let many = SESSIONS_SERVED + 3;
        for n in 0..2 * many {
            wait(&queue, &(n % many).to_string(), "x");
        }
        assert_eq!(order(&queue).len(), 2 * many);
        assert_eq!(queue.served.borrow().len(), SESSIONS_SERVED);
    }

    #[test]
    fn a_session_has_one_turn_and_all_have_as_many_as_configured() {
        let (_dir, queue) = queue(2, false);
        for (chat, text) in [("a", "1"), ("a", "2"), ("b", "3"), ("c", "4"), ("a", "/btw 5?")] {
            wait(&queue, chat, text);
        }
        let begun = || queue.next().map(|b| b.claimed.message.text);
        assert_eq!([begun(), begun()], [Some("1".into()), Some("3".into())]);
        assert_eq!(begun().as_deref(), Some("/btw 5?"), "beside the others");
        assert!(begun().is_none());
        assert_eq!(queue.load(), (2, 3));
        queue.close();
        queue.release(1);
        assert!(begun().is_none(), "closed");
    }

    #[test]
    fn the_end_of_the_last_turn_is_told() {
        let (_dir, queue) = queue(2, false);
        for (chat, text) in [("a", "1"), ("b", "2"), ("c", "3")] {
            wait(&queue, chat, text);
        }
        let begun = [(); 2].map(|()| queue.next().expect("a turn").claimed.id);
        let mut idle = std::pin::pin!(queue.idle());
        let mut is_idle = || smol::block_on(smol::future::poll_once(idle.as_mut())).is_some();
        assert!(!is_idle());
        queue.release(begun[0]);
        assert!(!is_idle(), "another one is under way");
        queue.release(begun[1]);
        assert!(is_idle());
    }

    #[test]
    fn near_the_memory_limit_a_turn_begins_alone_or_where_another_waits_for_it() {
        let (_dir, queue) = queue(4, true);
        wait(&queue, "a", "1");
        wait(&queue, "b", "2");
        let begun = || queue.next().map(|b| b.claimed.message.text);
        assert_eq!([begun(), begun()], [Some("1".into()), None]);
        queue.start_awaited(message(&queue, "c", "3"));
        assert_eq!([begun(), begun()], [Some("3".into()), None]);
    }

    #[test]
    fn stop_ends_the_turn_and_what_waits_behind_it() {
        let (_dir, queue) = queue(4, false);
        for (chat, text) in [("a", "1"), ("a", "2"), ("b", "3"), ("a", "/btw 4?")] {
            wait(&queue, chat, text);
        }
        let begun = queue.next().expect("a turn");
        let (other, beside) = (queue.next().expect("b's"), queue.next().expect("a question"));
        assert_eq!(queue.stop("t:a"), (true, true));
        assert!(begun.stopped.try_recv().is_ok() && beside.stopped.try_recv().is_ok());
        assert!(other.stopped.try_recv().is_err());
        assert_eq!(queue.load(), (0, 3));
        assert!(queue.journal.ledger(|l| l.get(2).is_none() && l.get(3).is_some()));
        assert_eq!(queue.stop("t:c"), (false, false));
        assert!(!queue.stop_turn(2) && queue.stop_turn(1));
    }
}
