//! Clients connected to a channel's server. Output is sent in order and with a deadline; a client that misses it is closed.
//!
//! Must never wait for a client that does not read: its queue and its time are bounded, and it does not delay the others.

use std::cell::{Cell, RefCell};
use std::rc::Rc;

use async_net::TcpStream;
use smol::channel::{Receiver, Sender};
use smol::future::or;
use smol::io::AsyncWriteExt;

use crate::limits::{CLIENT_QUEUE, CLIENT_WRITE_TIMEOUT};

/// Bytes to be sent.
pub struct Outgoing {
    bytes: Rc<[u8]>,
    /// Signalled when the kernel has them; dropped if the client did not read them.
    accepted: Sender<()>,
}

struct Entry {
    number: u64,
    chat: String,
    queue: Sender<Outgoing>,
}

/// The clients of a channel.
#[derive(Default)]
pub struct Clients {
    open: RefCell<Vec<Entry>>,
    next: Cell<u64>,
}

/// A client among [`Clients`] until this is dropped; what is queued then still goes out.
pub struct ConnectedClient<'a> {
    clients: &'a Clients,
    number: u64,
}

impl Drop for ConnectedClient<'_> {
    fn drop(&mut self) {
        self.clients.open.borrow_mut().retain(|e| e.number != self.number);
    }
}

impl ConnectedClient<'_> {
    /// Queues the bytes for this client only, without waiting.
    pub fn push(&self, bytes: Vec<u8>) {
        self.clients.queue(|e| e.number == self.number, bytes);
    }

    /// The chat it belongs to.
    pub fn chat(&self) -> String {
        let open = self.clients.open.borrow();
        let own = open.iter().find(|e| e.number == self.number);
        own.map(|e| e.chat.clone()).unwrap_or_default()
    }
}

impl Clients {
    /// One more client, of a chat.
    pub fn open(&self, chat: &str) -> (ConnectedClient<'_>, Receiver<Outgoing>) {
        let number = self.next.get();
        self.next.set(number + 1);
        let (queue, outgoing) = smol::channel::bounded(CLIENT_QUEUE);
        self.open.borrow_mut().push(Entry { number, chat: chat.to_owned(), queue });
        (ConnectedClient { clients: self, number }, outgoing)
    }

    /// How many there are.
    pub fn count(&self) -> usize {
        self.open.borrow().len()
    }

    /// Sends the bytes to every client of a chat, or of all chats if `chat` is empty. True when at least one accepted them.
    pub async fn send(&self, chat: &str, bytes: Vec<u8>) -> bool {
        self.queue(|e| chat.is_empty() || e.chat == chat, bytes).recv().await.is_ok()
    }

    /// The same without waiting for any of them.
    pub fn push(&self, chat: &str, bytes: Vec<u8>) {
        self.queue(|e| e.chat == chat, bytes);
    }

    fn queue(&self, to: impl Fn(&Entry) -> bool, bytes: Vec<u8>) -> Receiver<()> {
        let bytes: Rc<[u8]> = bytes.into();
        let (accepted, any_accepted) = smol::channel::bounded(1);
        for entry in self.open.borrow().iter().filter(|e| to(e)) {
            // Full: it does not read, and its deadline will close it.
            let _ =
                entry.queue.try_send(Outgoing { bytes: bytes.clone(), accepted: accepted.clone() });
        }
        any_accepted
    }
}

/// Writes queued output until nobody is left who could queue more.
///
/// # Errors
/// Half a sentence: the client did not read it. The connection is then shut down, which ends its reader, too.
pub async fn write(mut stream: TcpStream, queue: Receiver<Outgoing>) -> Result<(), &'static str> {
    while let Ok(out) = queue.recv().await {
        let late = async {
            async_io::Timer::after(CLIENT_WRITE_TIMEOUT).await;
            Err("it does not read what it is sent")
        };
        let written = async { stream.write_all(&out.bytes).await.map_err(|_| "it is gone") };
        if let Err(why) = or(written, late).await {
            // An error does not matter: it is closed either way.
            let _ = stream.shutdown(std::net::Shutdown::Both);
            return Err(why);
        }
        // The sender may have stopped waiting.
        let _ = out.accepted.try_send(());
    }
    Ok(())
}
