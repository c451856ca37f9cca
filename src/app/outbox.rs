//! Replies on their way out: in order within a chat, chats side by side, each recorded when its server has it.
//!
//! A reply stays in the journal until then, however long the network is away.

use std::cell::{Cell, RefCell};
use std::collections::VecDeque;
use std::rc::Rc;
use std::time::{Duration, Instant};

use smol::LocalExecutor;
use smol::channel::{Receiver, Sender};

use super::placeholders::Placeholders;
use super::within::within;
use crate::bus::{Address, CLI, Inbound, Outbound};
use crate::channel::cli::Cli;
use crate::channel::{AnyChannel, Delivery, SendError};
use crate::limits::{DELIVERIES, DELIVERY_WAIT, DISK_WAIT, JOURNAL_OPEN_BYTES, QUEUE};
use crate::store::frame::Frame;
use crate::store::ledger::{Ledger, Stage};
use crate::store::session::Sessions;
use crate::store::writer::{Journal, Ticket};
use crate::sys::clock::millis;
use crate::tool::Asker;

/// Delivers replies: in order within a chat, chats in parallel.
pub struct Outbox {
    journal: Rc<Journal>,
    channels: Vec<Rc<AnyChannel>>,
    sessions: Sessions,
    /// Journal numbers whose replies are ready, in the order they became so.
    ready: RefCell<VecDeque<u64>>,
    /// Chats with a reply in flight.
    in_flight: RefCell<Vec<Address>>,
    /// Replies whose client is away or whose chat is paused: tried again later, and no chat's delivery meanwhile.
    deferred: RefCell<Vec<Deferred>>,
    /// Messages that wait for room in the journal; deferred replies are dropped for them, the oldest first.
    waiters: Cell<usize>,
    /// Messages wait on the card for the same.
    wants_capacity: Cell<bool>,
    /// Answers that may not be written yet: journal number, and what to wait for before delivery.
    unwritten: RefCell<Vec<(u64, Ticket)>>,
    placeholders: Placeholders,
    refused: Cell<u64>,
    wake: (Sender<()>, Receiver<()>),
    /// A message on it: a delivery has ended.
    ended: (Sender<()>, Receiver<()>),
}

/// A reply that waits for its client to connect, or for a pause of its chat to end.
struct Deferred {
    /// Its client is away: it is dropped where others need the room.
    absent: bool,
    id: u64,
    to: Address,
    tries: u32,
    until: Instant,
    /// What the platform has accepted is not sent again.
    delivery: Delivery,
}

/// Counts as long as it lives.
struct WaiterGuard<'a>(&'a Cell<usize>);

impl Drop for WaiterGuard<'_> {
    fn drop(&mut self) {
        self.0.set(self.0.get() - 1);
    }
}

/// Does the journal take further messages?
fn has_capacity(ledger: &Ledger) -> bool {
    ledger.len() < QUEUE && ledger.bytes() < JOURNAL_OPEN_BYTES
}

impl Outbox {
    /// Over these channels. Replies left by the last run are ready at once.
    pub fn new(journal: Rc<Journal>, sessions: Sessions, channels: Vec<Rc<AnyChannel>>) -> Outbox {
        let answered =
            |e: &&crate::store::ledger::OpenMessage| matches!(e.stage, Stage::Answered { .. });
        let ready = journal.ledger(|l| l.entries().filter(answered).map(|e| e.id).collect());
        Outbox {
            journal,
            channels,
            sessions,
            ready: RefCell::new(ready),
            in_flight: RefCell::default(),
            deferred: RefCell::default(),
            waiters: Cell::new(0),
            wants_capacity: Cell::new(false),
            unwritten: RefCell::default(),
            placeholders: Placeholders::default(),
            refused: Cell::new(0),
            wake: smol::channel::bounded(1),
            ended: smol::channel::bounded(1),
        }
    }

    /// The channel of this name.
    pub fn channel(&self, name: &str) -> Option<Rc<AnyChannel>> {
        self.channels.iter().find(|c| c.name() == name).cloned()
    }

    /// The command lines at the control socket.
    // They are the only channel of a build without any feature.
    #[allow(irrefutable_let_patterns)]
    pub fn cli(&self) -> Option<Cli> {
        self.channels
            .iter()
            .find_map(|c| if let AnyChannel::Cli(c) = &**c { Some(c.clone()) } else { None })
    }

    /// Asks who wrote the message, where it was written.
    pub fn asker(&self, message: &Inbound) -> Asker {
        let channel = self.channel(&message.from.channel);
        super::asker::asker(channel, self.journal.clone(), message)
    }

    /// Names of all channels.
    pub fn channel_names(&self) -> Vec<String> {
        self.channels.iter().map(|c| c.name().to_string()).collect()
    }

    /// Waits until everything ready is delivered, or `limit` is over; the rest goes out after the next start.
    pub async fn drain(&self, limit: Duration) {
        let empty = async {
            while !self.ready.borrow().is_empty() || !self.in_flight.borrow().is_empty() {
                let _ = self.ended.1.recv().await; // the sender lives as long as this
            }
        };
        within(limit, empty).await;
    }

    /// Replies that a server refused for good (blocked, chat gone) since the start.
    pub fn refused(&self) -> u64 {
        self.refused.get()
    }

    /// Whether messages wait on the card for room in the journal: then deferred replies are dropped for them, the oldest first.
    pub fn wants_capacity(&self, wants: bool) {
        self.wants_capacity.set(wants);
        if wants && !self.journal.ledger(|l| has_capacity(l)) {
            self.retry_oldest_deferred();
        }
    }

    /// The oldest reply to an absent client is tried once more, and dropped when that fails.
    fn retry_oldest_deferred(&self) {
        let mut deferred = self.deferred.borrow_mut();
        if let Some(oldest) = deferred.iter_mut().filter(|a| a.absent).min_by_key(|a| a.id) {
            oldest.until = Instant::now();
        }
        drop(deferred);
        self.wake_up();
    }

    /// Waits until the journal takes a further message. Deferred replies are dropped for it, the oldest first.
    pub async fn capacity(&self) {
        self.capacity_for(has_capacity).await;
    }

    /// The same, until the journal's messages satisfy `has_capacity`.
    pub async fn capacity_for(&self, fits: impl Fn(&Ledger) -> bool) {
        self.waiters.set(self.waiters.get() + 1);
        let _waiting = WaiterGuard(&self.waiters);
        while !self.journal.ledger(|l| fits(l)) {
            if !self.journal.ledger(|l| has_capacity(l)) {
                self.retry_oldest_deferred();
            }
            let before = self.journal.ledger(|l| l.len());
            self.journal.wait_for_capacity(|l| l.len() != before || fits(l)).await;
        }
    }

    /// Splits a text as its channel wants it.
    pub fn split(&self, to: &Address, text: &str) -> Vec<Outbound> {
        let part = |text: String| Outbound { to: to.clone(), text, reply_to: 0 };
        match self.channel(&to.channel) {
            Some(channel) => channel.split(text).into_iter().map(part).collect(),
            None => vec![part(text.to_string())],
        }
    }

    /// Records the answer to message `id`, for `to`, and delivers it once it is written. An empty one only ends the message.
    pub fn answer(&self, id: u64, to: &Address, text: &str) -> Ticket {
        let mut replies = if text.is_empty() { Vec::new() } else { self.split(to, text) };
        if to.channel == CLI {
            let number = self.journal.ledger(|l| l.get(id).map_or(0, |e| e.message.message));
            replies.iter_mut().for_each(|reply| reply.reply_to = number);
        }
        let ticket = self.journal.record(&Frame::Answered { id, replies });
        self.unwritten.borrow_mut().push((id, ticket));
        self.push(id);
        ticket
    }

    /// The first reply of `id` replaces this message.
    pub fn note_placeholder(&self, id: u64, message: i64) {
        self.placeholders.note(id, message);
    }

    /// The replies of `id` are recorded in the journal.
    pub fn push(&self, id: u64) {
        self.ready.borrow_mut().push_back(id);
        self.wake_up();
    }

    fn wake_up(&self) {
        // Full means a wake-up is under way already.
        let _ = self.wake.0.try_send(());
    }

    /// Delivers until it is dropped; spawns deliveries on `executor`.
    pub async fn run(self: Rc<Self>, executor: Rc<LocalExecutor<'static>>) {
        loop {
            while let Some((id, to)) = self.next() {
                self.in_flight.borrow_mut().push(to.clone());
                let outbox = self.clone();
                let work = async move {
                    outbox.deliver(id).await;
                    outbox.in_flight.borrow_mut().retain(|a| *a != to);
                    let _ = outbox.ended.0.try_send(()); // full: it was told already
                    outbox.wake_up();
                };
                executor.spawn(work).detach();
            }
            let now = Instant::now();
            let later = self.deferred.borrow().iter().map(|a| a.until).filter(|t| *t > now).min();
            let back = async {
                match later {
                    Some(until) => async_io::Timer::at(until).await,
                    None => std::future::pending().await,
                };
            };
            // The sender lives as long as this.
            let woken = async {
                let _ = self.wake.1.recv().await;
            };
            smol::future::or(woken, back).await;
        }
    }

    /// Takes the first ready number whose chat is free.
    fn next(&self) -> Option<(u64, Address)> {
        let in_flight = self.in_flight.borrow();
        if in_flight.len() >= DELIVERIES {
            return None;
        }
        let (deferred, now) = (self.deferred.borrow(), Instant::now());
        let is_deferred = |to: &Address| deferred.iter().any(|a| a.to == *to && a.until > now);
        let mut ready = self.ready.borrow_mut();
        let mut passed: Vec<Address> = Vec::new();
        let mut found = None;
        for (index, id) in ready.iter().enumerate() {
            let to = self.pending(*id).map(|(_, reply)| reply.to);
            match to {
                // Nothing to deliver (an empty answer): taken and finished.
                None => found = Some((index, Address::default())),
                Some(to) if in_flight.contains(&to) || passed.contains(&to) || is_deferred(&to) => {
                    passed.push(to);
                    continue;
                }
                Some(to) => found = Some((index, to)),
            }
            break;
        }
        let (index, to) = found?;
        ready.remove(index).map(|id| (id, to))
    }

    /// The next reply of `id` and its index.
    fn pending(&self, id: u64) -> Option<(u32, Outbound)> {
        self.journal.ledger(|l| match &l.get(id)?.stage {
            Stage::Answered { replies, delivered } => {
                replies.get(*delivered as usize).map(|r| (*delivered, r.clone()))
            }
            Stage::Open => None,
        })
    }

    async fn deliver(&self, id: u64) {
        let unwritten = {
            let mut unwritten = self.unwritten.borrow_mut();
            unwritten.iter().position(|(of, _)| *of == id).map(|at| unwritten.swap_remove(at).1)
        };
        if let Some(ticket) = unwritten {
            // Sent unwritten, a reply would be sent again after a kill. A card that hangs is not waited for.
            within(DISK_WAIT, self.journal.written(ticket)).await;
        }
        if self.pending(id).is_none() {
            self.remove_placeholder(id).await;
        }
        while let Some((index, reply)) = self.pending(id) {
            let placeholder = if index == 0 { self.placeholders.take(id) } else { 0 };
            if !self.send(id, &reply, placeholder).await {
                // Before what was said there later.
                let mut ready = self.ready.borrow_mut();
                let at = ready.iter().position(|later| *later > id).unwrap_or(ready.len());
                ready.insert(at, id);
                return;
            }
            if self.pending_after(id, index) {
                let ticket = self.journal.record(&Frame::Delivered { id, count: index + 1 });
                within(DISK_WAIT, self.journal.written(ticket)).await;
            } else {
                break;
            }
        }
        let ticket = self.journal.record(&Frame::Finished { id });
        within(DISK_WAIT, self.journal.synced(ticket)).await;
    }

    /// Removes the placeholder of an answer without replies.
    async fn remove_placeholder(&self, id: u64) {
        let placeholder = self.placeholders.take(id);
        let to = self.journal.ledger(|l| l.get(id).map(|e| e.message.from.clone()));
        let Some(to) = to.filter(|_| placeholder != 0) else { return };
        let Some(channel) = self.channel(&to.channel) else { return };
        let nothing = Outbound { to, ..Outbound::default() };
        let mut delivery = Delivery { placeholder, ..Delivery::default() };
        if let Err(e) = channel.send(&nothing, &mut delivery).await {
            crate::log::info!("a placeholder was not removed: {e}");
        }
    }

    fn pending_after(&self, id: u64, index: u32) -> bool {
        self.journal.ledger(|l| match l.get(id).map(|e| &e.stage) {
            Some(Stage::Answered { replies, .. }) => (index as usize + 1) < replies.len(),
            _ => false,
        })
    }

    /// A chat has another id: its session goes along.
    pub async fn chat_moved(&self, channel: &str, old: &str, new: &str) {
        let (sessions, from, to) =
            (self.sessions.clone(), format!("{channel}:{old}"), format!("{channel}:{new}"));
        match crate::sys::spawn_blocking(move || sessions.rename(&from, &to)).await {
            Ok(()) => crate::log::info!("chat {old} became {new}; its session moved along"),
            Err(e) => crate::log::error!("chat {old} became {new}: {e}"),
        }
    }

    /// Tries until the server has taken or for good refused the reply; false when nobody is connected who would.
    async fn send(&self, id: u64, reply: &Outbound, placeholder: i64) -> bool {
        let known = {
            let mut deferred = self.deferred.borrow_mut();
            deferred.iter().position(|a| a.id == id).map(|at| deferred.swap_remove(at))
        };
        let Some(channel) = self.channel(&reply.to.channel) else {
            crate::log::warn!("a reply to {} has no such channel and is dropped", reply.to.channel);
            self.refused.set(self.refused.get() + 1);
            return true;
        };
        let mut reply = reply.clone();
        let (mut tries, accepted) = known.map_or_else(Default::default, |a| (a.tries, a.delivery));
        let mut delivery = Delivery { placeholder, ..accepted };
        let mut moved = false;
        loop {
            let Err(e) = channel.send(&reply, &mut delivery).await else { return true };
            let e = e.after_move(&reply.to.chat, moved);
            let absent = matches!(e, SendError::Absent(_));
            let must_drop = absent
                && (self.waiters.get() > 0 || self.wants_capacity.get())
                && !self.journal.ledger(|l| has_capacity(l));
            let pause = e.retry_in(tries).filter(|_| !must_drop);
            match (&e, pause) {
                (SendError::MigratedTo(chat), _) => {
                    self.chat_moved(&reply.to.channel, &reply.to.chat, chat).await;
                    reply.to.chat.clone_from(chat);
                    moved = true;
                }
                (SendError::Absent(_) | SendError::RateLimited(_), Some(pause))
                    if absent || pause > DELIVERY_WAIT =>
                {
                    if tries == 0 {
                        crate::log::info!("a reply to {} waits: {e}", reply.to.channel);
                    }
                    if delivery.placeholder != 0 {
                        self.note_placeholder(id, delivery.placeholder);
                    }
                    let (to, until) = (reply.to, Instant::now() + pause);
                    let later = Deferred { absent, id, to, tries: tries + 1, until, delivery };
                    self.deferred.borrow_mut().push(later);
                    return false;
                }
                (_, Some(pause)) => {
                    // What may have arrived is sent again: at least once, never silently lost.
                    crate::log::info!("a reply is sent again in {} ms: {e}", millis(pause));
                    async_io::Timer::after(pause).await;
                }
                (_, None) => {
                    crate::log::warn!("a reply was refused for good: {e}");
                    self.refused.set(self.refused.get() + 1);
                    return true;
                }
            }
            tries += 1;
        }
    }
}
