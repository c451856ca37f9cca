//! Command lines (`picoclaw agent`) at the control socket: which are attached, and their outgoing packets.
//!
//! Output for a command line that has disconnected is dropped: its session has it. A client that does not read is
//! disconnected, so that nothing here blocks.

use std::cell::{Cell, RefCell};
use std::rc::Rc;

use async_io::Timer;
use async_net::unix::UnixStream;
use smol::channel::{Receiver, Sender};
use smol::future::or;
use smol::io::AsyncWriteExt;

use super::{Channel, Delivery, Intake, SendError};
use crate::bus::{Address, CLI, Inbound, Outbound, Question, Verdict};
use crate::limits::{
    APPROVAL_WAIT, APPROVALS, CLI_CLIENTS, CLI_PART_BYTES, CLI_PATIENCE, CLI_UNREAD_BYTES,
};
use crate::proto::packet::{self, CLOSED, FLAG_CAN_ASK, FLAG_INTERACTIVE, QUESTION, STARTED, TEXT};
use crate::proto::text;
use crate::sys::clock;

/// See the module. A clone is the same one.
#[derive(Clone, Default)]
pub struct Cli(Rc<RefCell<Vec<Rc<CliConnection>>>>);

/// One command line that is attached over the control socket.
pub struct CliConnection {
    address: Address,
    /// [`FLAG_CAN_ASK`], [`FLAG_INTERACTIVE`].
    flags: u32,
    /// Packets that wait to be written.
    pending: RefCell<Vec<u8>>,
    /// Bytes that are being written.
    writing: Cell<usize>,
    wake: (Sender<()>, Receiver<()>),
    /// Open questions by number.
    questions: RefCell<Vec<(u32, Sender<Verdict>)>>,
    /// Its last message whose turn failed.
    failed: Cell<i64>,
}

impl Cli {
    /// Attaches a command line; `None` when there are [`CLI_CLIENTS`] already.
    pub fn attach(&self, session: String, flags: u32) -> Option<Rc<CliConnection>> {
        let mut clients = self.0.borrow_mut();
        if clients.len() >= CLI_CLIENTS {
            return None;
        }
        // Never a number used before, not even by an earlier process: a message for another client must not arrive here.
        let newest = clients.iter().filter_map(|c| c.address.topic.parse::<i64>().ok()).max();
        let number = newest.map_or(0, |n| n + 1).max(clock::unix_now() * 1000);
        let client = Rc::new(CliConnection {
            address: Address { channel: CLI.into(), chat: session, topic: number.to_string() },
            flags,
            pending: RefCell::default(),
            writing: Cell::new(0),
            wake: smol::channel::bounded(1),
            questions: RefCell::default(),
            failed: Cell::new(0),
        });
        clients.push(client.clone());
        Some(client)
    }

    /// It has disconnected; nobody answers its questions.
    pub fn detach(&self, client: &Rc<CliConnection>) {
        self.0.borrow_mut().retain(|c| !Rc::ptr_eq(c, client));
        client.questions.borrow_mut().clear();
        client.wake.0.close();
    }

    /// The turn of this message gave no answer but an error.
    pub fn failed(&self, message: &Inbound) {
        if let Some(client) = self.find(&message.from).filter(|c| c.address == message.from) {
            client.failed.set(message.message);
        }
    }

    /// The addressed client, or the last one in the same session that stays.
    fn find(&self, to: &Address) -> Option<Rc<CliConnection>> {
        let clients = self.0.borrow();
        let stays =
            |c: &&Rc<CliConnection>| c.address.chat == to.chat && c.flags & FLAG_INTERACTIVE != 0;
        let exact = clients.iter().find(|c| c.address == *to);
        exact.or_else(|| clients.iter().rev().find(stays)).cloned()
    }
}

impl CliConnection {
    /// Where its messages come from.
    pub fn address(&self) -> &Address {
        &self.address
    }

    /// Whether the turn of its message with this number failed.
    pub fn has_failed(&self, number: u32) -> bool {
        self.failed.get() == i64::from(number)
    }

    /// Queues a packet; a client with more than [`CLI_UNREAD_BYTES`] unread is disconnected.
    pub fn send_packet(&self, kind: u8, number: u32, text: &str) {
        let mut pending = self.pending.borrow_mut();
        if pending.len() + self.writing.get() + text.len() > CLI_UNREAD_BYTES {
            if self.wake.0.close() {
                crate::log::warn!("a command line does not read what it is told and is dropped");
            }
            return;
        }
        packet::write(&mut pending, kind, number, text);
        // Full means that the writer has been woken already.
        let _ = self.wake.0.try_send(());
    }

    /// Writes queued packets until the client is detached or stops reading, then closes the connection.
    pub async fn write(&self, mut stream: UnixStream) {
        while self.wake.1.recv().await.is_ok() {
            let bytes = self.pending.take();
            self.writing.set(bytes.len());
            let wrote = async { stream.write_all(&bytes).await.is_ok() };
            let late = async {
                Timer::after(CLI_PATIENCE).await;
                false
            };
            let wrote = or(wrote, late).await;
            self.writing.set(0);
            if !wrote {
                break;
            }
        }
        self.wake.0.close();
        // Its reader ends with it.
        let _ = stream.shutdown(std::net::Shutdown::Both);
    }

    /// The answer to a question; ignored if that is closed.
    pub fn answer(&self, number: u32, yes: bool) {
        let mut questions = self.questions.borrow_mut();
        if let Some(at) = questions.iter().position(|(n, _)| *n == number) {
            let verdict = if yes { Verdict::Yes } else { Verdict::No };
            let _ = questions.swap_remove(at).1.try_send(verdict);
        }
    }
}

/// A question that is open; closed when dropped.
struct QuestionGuard(Rc<CliConnection>, u32);

impl Drop for QuestionGuard {
    fn drop(&mut self) {
        self.0.questions.borrow_mut().retain(|(n, _)| *n != self.1);
        self.0.send_packet(CLOSED, self.1, "");
    }
}

impl Channel for Cli {
    const NAME: &'static str = CLI;

    fn name(&self) -> &str {
        Self::NAME
    }

    /// Between characters only: the client joins the parts again.
    fn split(&self, text: &str) -> Vec<String> {
        let (mut parts, mut rest) = (Vec::new(), text);
        while rest.len() > CLI_PART_BYTES {
            let (part, behind) = rest.split_at(text::floor_char(rest, CLI_PART_BYTES));
            parts.push(part.to_owned());
            rest = behind;
        }
        parts.push(rest.to_owned());
        parts
    }

    fn state(&self) -> String {
        format!("{} attached", self.0.borrow().len())
    }

    async fn run<I: Intake>(&self, _: &I) {
        std::future::pending().await
    }

    async fn send(&self, message: &Outbound, _: &mut Delivery) -> Result<(), SendError> {
        match self.find(&message.to) {
            Some(client) => {
                let own = client.address == message.to;
                let number = if own { message.reply_to as u32 } else { 0 };
                client.send_packet(TEXT, number, &message.text);
            }
            None => {
                let session = &message.to.chat;
                crate::log::info!("no client attached; the reply is kept in session {session}");
            }
        }
        Ok(())
    }

    async fn ask(&self, to: &Address, _: &str, question: &Question) -> Verdict {
        let Some(client) = self.find(to).filter(|c| c.flags & FLAG_CAN_ASK != 0) else {
            return Verdict::Unreachable;
        };
        let (answer, waits) = smol::channel::bounded(1);
        let number = question.number;
        {
            let mut questions = client.questions.borrow_mut();
            if questions.len() >= APPROVALS {
                return Verdict::Unreachable;
            }
            questions.push((number, answer));
        }
        client.send_packet(QUESTION, number, &question.text);
        let _open = QuestionGuard(client, number);
        let late = async {
            Timer::after(APPROVAL_WAIT).await;
            Verdict::TimedOut
        };
        // It disconnected while the question was open.
        or(async { waits.recv().await.unwrap_or(Verdict::Unreachable) }, late).await
    }

    async fn typing(&self, to: &Address) {
        if let Some(client) = self.find(to) {
            client.send_packet(STARTED, 0, "");
        }
        std::future::pending().await
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn question() -> Question {
        Question { number: 42, text: "?".into() }
    }

    fn to(client: &CliConnection) -> Outbound {
        Outbound { to: client.address.clone(), text: "x".into(), reply_to: 3 }
    }

    fn told(client: &CliConnection) -> Vec<(u8, u32)> {
        let mut packets = packet::Packets::default();
        packets.feed(&client.pending.take());
        std::iter::from_fn(|| packets.take().expect("packets"))
            .map(|p| (p.kind, p.number))
            .collect()
    }

    #[test]
    fn replies_reach_their_client_or_one_of_the_session() {
        smol::block_on(async {
            let cli = Cli::default();
            let stays = cli.attach("cli:a".into(), FLAG_INTERACTIVE).expect("room");
            let other = cli.attach("cli:b".into(), FLAG_INTERACTIVE).expect("room");
            let one = cli.attach("cli:a".into(), 0).expect("room");
            assert_ne!(stays.address, one.address);
            cli.send(&to(&one), &mut Delivery::default()).await.expect("sent");
            assert_eq!((told(&one), told(&stays)), (vec![(TEXT, 3)], vec![]));
            cli.detach(&one);
            // Another client's number means nothing to the one that gets it now.
            cli.send(&to(&one), &mut Delivery::default()).await.expect("sent");
            assert_eq!((told(&stays), told(&other)), (vec![(TEXT, 0)], vec![]));
            assert_eq!(
                cli.ask(&stays.address, "", &question()).await,
                Verdict::Unreachable,
                "no terminal"
            );
            cli.detach(&stays);
            cli.send(&to(&one), &mut Delivery::default()).await.expect("dropped");
        });
    }

    #[test]
    fn only_so_many_and_only_so_much_unread() {
        let cli = Cli::default();
        let clients: Vec<_> = (0..CLI_CLIENTS).filter_map(|_| cli.attach("s".into(), 0)).collect();
        assert_eq!(clients.len(), CLI_CLIENTS);
        assert!(cli.attach("s".into(), 0).is_none());
        let part = "x".repeat(CLI_PART_BYTES);
        for _ in 0..10 {
            clients[0].send_packet(TEXT, 1, &part);
        }
        assert!(clients[0].wake.0.is_closed(), "it is dropped");
        assert!(clients[0].pending.borrow().len() <= CLI_UNREAD_BYTES + 64);
        cli.detach(&clients[0]);
        assert!(cli.attach("s".into(), 0).is_some());
    }

    #[test]
    fn a_question_ends_with_its_answer_or_with_who_was_asked() {
        smol::block_on(async {
            let cli = Cli::default();
            let client = cli.attach("s".into(), FLAG_CAN_ASK).expect("room");
            for (yes, want) in [(true, Verdict::Yes), (false, Verdict::No)] {
                let answered = async {
                    let (_, number) = told(&client)[0];
                    client.answer(number + 1, true);
                    client.answer(number, yes);
                    std::future::pending().await
                };
                assert_eq!(or(cli.ask(&client.address, "", &question()), answered).await, want);
                assert_eq!(told(&client).last().map(|t| t.0), Some(CLOSED));
            }
            let gone = async {
                cli.detach(&client);
                std::future::pending().await
            };
            assert_eq!(
                or(cli.ask(&client.address, "", &question()), gone).await,
                Verdict::Unreachable
            );
        });
    }

    #[test]
    fn long_texts_are_split_and_put_together() {
        let text = format!("a{}", "ä".repeat(CLI_PART_BYTES));
        let parts = Cli::default().split(&text);
        assert!(parts.len() > 2 && parts.iter().all(|p| p.len() <= CLI_PART_BYTES));
        assert_eq!(parts.concat(), text);
    }
}
