//! Replies on their way out: in order within a chat, chats side by side, each recorded when its server has it.
//!
//! A reply stays in the journal until then, however long the network is away.

use std::cell::{Cell, RefCell};
use std::collections::VecDeque;
use std::rc::Rc;
use std::time::Duration;

use smol::LocalExecutor;
use smol::channel::{Receiver, Sender};

use crate::bus::{Address, Inbound, Outbound, Verdict};
use crate::channel::cli::Cli;
use crate::channel::{AnyChannel, Delivery, SendError};
use crate::limits::{ABSENT_REPLIES, DELIVERIES};
use crate::store::frame::Frame;
use crate::store::ledger::Stage;
use crate::store::session::Sessions;
use crate::store::writer::Journal;
use crate::tool::approval::Asker;

/// See the module.
pub struct Outbox {
    journal: Rc<Journal>,
    channels: Vec<Rc<AnyChannel>>,
    sessions: Sessions,
    /// Journal numbers whose replies are ready, in the order they became so.
    ready: RefCell<VecDeque<u64>>,
    /// Chats with a reply in flight.
    busy: RefCell<Vec<Address>>,
    /// Of them, those that wait for somebody who is not connected, and take nobody's place.
    absent: Cell<usize>,
    /// Placeholder messages to be replaced by the first reply: journal number, message.
    placeholders: RefCell<Vec<(u64, i64)>>,
    refused: Cell<u64>,
    wake: (Sender<()>, Receiver<()>),
}

impl Outbox {
    /// Over these channels. Replies left by the last run are ready at once.
    pub fn new(journal: Rc<Journal>, sessions: Sessions, channels: Vec<Rc<AnyChannel>>) -> Outbox {
        let answered = |e: &&crate::store::ledger::Entry| matches!(e.stage, Stage::Answered { .. });
        let ready = journal.ledger(|l| l.entries().filter(answered).map(|e| e.id).collect());
        Outbox {
            journal,
            channels,
            sessions,
            ready: RefCell::new(ready),
            busy: RefCell::default(),
            absent: Cell::new(0),
            placeholders: RefCell::default(),
            refused: Cell::new(0),
            wake: smol::channel::bounded(1),
        }
    }

    /// The channel of this name.
    pub fn channel(&self, name: &str) -> Option<Rc<AnyChannel>> {
        self.channels.iter().find(|c| c.name() == name).cloned()
    }

    /// The command lines at the control socket.
    pub fn cli(&self) -> Option<Cli> {
        self.channels
            .iter()
            .find_map(|c| if let AnyChannel::Cli(c) = &**c { Some(c.clone()) } else { None })
    }

    /// Asks who wrote the message, where it was written.
    pub fn asker(&self, message: &Inbound) -> Asker {
        let channel = self.channel(&message.from.channel);
        let (to, user) = (message.from.clone(), message.sender.id.clone());
        Rc::new(move |question| {
            let (channel, to, user) = (channel.clone(), to.clone(), user.clone());
            Box::pin(async move {
                match channel {
                    Some(channel) => channel.ask(&to, &user, &question).await,
                    None => Verdict::Unreachable,
                }
            })
        })
    }

    /// Names of all channels.
    pub fn channel_names(&self) -> Vec<String> {
        self.channels.iter().map(|c| c.name().to_string()).collect()
    }

    /// Waits until everything ready is delivered, or `limit` is over; the rest goes out after the next start.
    pub async fn drain(&self, limit: Duration) {
        let empty = async {
            while !self.ready.borrow().is_empty() || !self.busy.borrow().is_empty() {
                async_io::Timer::after(Duration::from_millis(20)).await;
            }
        };
        let over = async {
            async_io::Timer::after(limit).await;
        };
        smol::future::or(empty, over).await;
    }

    /// Replies that a server refused for good (blocked, chat gone) since the start.
    pub fn refused(&self) -> u64 {
        self.refused.get()
    }

    /// Splits a text as its channel wants it.
    pub fn split(&self, to: &Address, text: &str) -> Vec<Outbound> {
        let part = |text: String| Outbound { to: to.clone(), text, reply_to: 0 };
        match self.channel(&to.channel) {
            Some(channel) => channel.split(text).into_iter().map(part).collect(),
            None => vec![part(text.to_string())],
        }
    }

    /// The first reply of `id` replaces this message.
    pub fn note_placeholder(&self, id: u64, message: i64) {
        self.placeholders.borrow_mut().push((id, message));
    }

    /// The replies of `id` are recorded in the journal.
    pub fn push(&self, id: u64) {
        self.ready.borrow_mut().push_back(id);
        self.kick();
    }

    fn kick(&self) {
        // Full means a wake-up is under way already.
        let _ = self.wake.0.try_send(());
    }

    /// Delivers for ever.
    pub async fn run(self: Rc<Self>, executor: Rc<LocalExecutor<'static>>) {
        loop {
            while let Some((id, to)) = self.next() {
                self.busy.borrow_mut().push(to.clone());
                let outbox = self.clone();
                let work = async move {
                    outbox.deliver(id).await;
                    outbox.busy.borrow_mut().retain(|a| *a != to);
                    outbox.kick();
                };
                executor.spawn(work).detach();
            }
            if self.wake.1.recv().await.is_err() {
                return;
            }
        }
    }

    /// Takes the first ready number whose chat is free.
    fn next(&self) -> Option<(u64, Address)> {
        let busy = self.busy.borrow();
        if busy.len() - self.absent.get() >= DELIVERIES {
            return None;
        }
        let mut ready = self.ready.borrow_mut();
        let mut passed: Vec<Address> = Vec::new();
        let mut found = None;
        for (index, id) in ready.iter().enumerate() {
            let to = self.pending(*id).map(|(_, reply)| reply.to);
            match to {
                // Nothing to deliver (an empty answer): taken and finished.
                None => found = Some((index, Address::default())),
                Some(to) if busy.contains(&to) || passed.contains(&to) => {
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
        while let Some((index, reply)) = self.pending(id) {
            let placeholder = if index == 0 { self.take_placeholder(id) } else { 0 };
            self.send(&reply, placeholder).await;
            if self.pending_after(id, index) {
                let ticket = self.journal.record(&Frame::Delivered { id, count: index + 1 });
                self.journal.written(ticket).await;
            } else {
                break;
            }
        }
        let ticket = self.journal.record(&Frame::Finished { id });
        self.journal.synced(ticket).await;
    }

    fn pending_after(&self, id: u64, index: u32) -> bool {
        self.journal.ledger(|l| match l.get(id).map(|e| &e.stage) {
            Some(Stage::Answered { replies, .. }) => (index as usize + 1) < replies.len(),
            _ => false,
        })
    }

    /// The message that the first reply of `id` replaces, 0 for none.
    fn take_placeholder(&self, id: u64) -> i64 {
        let mut placeholders = self.placeholders.borrow_mut();
        match placeholders.iter().position(|(i, _)| *i == id) {
            Some(index) => placeholders.swap_remove(index).1,
            None => 0,
        }
    }

    /// A chat has another id: its session goes along.
    pub async fn moved(&self, channel: &str, old: &str, new: &str) {
        let (sessions, from, to) =
            (self.sessions.clone(), format!("{channel}:{old}"), format!("{channel}:{new}"));
        match crate::sys::offload(move || sessions.rename(&from, &to)).await {
            Ok(()) => crate::log::info!("chat {old} became {new}; its session moved along"),
            Err(e) => crate::log::error!("chat {old} became {new}: {e}"),
        }
    }

    /// Tries until the server has taken or for good refused the reply.
    async fn send(&self, reply: &Outbound, placeholder: i64) {
        let Some(channel) = self.channel(&reply.to.channel) else {
            crate::log::warn!("a reply to {} has no such channel and is dropped", reply.to.channel);
            self.refused.set(self.refused.get() + 1);
            return;
        };
        let mut reply = reply.clone();
        let mut delivery = Delivery { placeholder, ..Delivery::default() };
        for attempt in 0u32.. {
            let Err(e) = channel.send(&reply, &mut delivery).await else { return };
            match (&e, e.retry_in(attempt)) {
                (SendError::MigratedTo(chat), _) => {
                    self.moved(&reply.to.channel, &reply.to.chat, chat).await;
                    reply.to.chat.clone_from(chat);
                }
                (SendError::Absent(_), Some(pause)) => {
                    if attempt == 0 {
                        crate::log::info!("a reply to {} waits: {e}", reply.to.channel);
                    }
                    let place = self.absent.get() < ABSENT_REPLIES;
                    self.absent.set(self.absent.get() + usize::from(place));
                    self.kick();
                    async_io::Timer::after(pause).await;
                    self.absent.set(self.absent.get() - usize::from(place));
                }
                (_, Some(pause)) => {
                    // What may have arrived is sent again: at least once, never silently lost.
                    crate::log::info!("a reply is sent again in {} ms: {e}", pause.as_millis());
                    async_io::Timer::after(pause).await;
                }
                (_, None) => {
                    crate::log::warn!("a reply was refused for good: {e}");
                    self.refused.set(self.refused.get() + 1);
                    return;
                }
            }
        }
    }
}
