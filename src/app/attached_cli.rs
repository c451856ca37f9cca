//! A command line that is attached to the control socket: its messages are admitted like all others, journal first.
//!
//! The connection may break at any time; the turn continues, and the session has the answer.

use std::pin::Pin;
use std::rc::Rc;

use async_net::unix::UnixStream;
use smol::LocalExecutor;
use smol::future::or;
use smol::io::{AsyncReadExt, AsyncWriteExt};

use super::inbox::Inbox;
use crate::agent::Agent;
use crate::bus::{CLI, Inbound, Sender};
use crate::channel::cli::Cli;
use crate::limits::{CLI_PATIENCE, CLI_SESSION_BYTES};
use crate::proto::packet::{
    self, ACCEPTED, DONE, HELLO, MESSAGE, NO, Packet, Packets, REFUSED, WELCOME, YES,
};
use crate::store::session::Sessions;
use crate::sys::clock;

/// What a command line needs of the daemon.
pub struct AttachedCli {
    /// The channel that it becomes a client of.
    pub cli: Cli,
    /// Says which model answers.
    pub agent: Rc<Agent>,
    /// Accepts its messages into the journal, like those of any other channel.
    pub inbox: Rc<Inbox>,
    /// Runs what waits for its answers.
    pub executor: Rc<LocalExecutor<'static>>,
}

impl AttachedCli {
    /// Serves a connection until it ends.
    pub async fn serve(self, stream: UnixStream) {
        let AttachedCli { cli, agent, inbox, executor } = self;
        serve(&cli, &agent, &inbox, &executor, stream).await;
    }
}

async fn serve(
    cli: &Cli,
    agent: &Agent,
    inbox: &Inbox,
    executor: &LocalExecutor<'static>,
    mut stream: UnixStream,
) {
    let mut packets = Packets::default();
    let late = async {
        async_io::Timer::after(CLI_PATIENCE).await;
        None
    };
    let hello = or(next(&mut stream, &mut packets), late).await;
    let Some(Packet { kind: HELLO, number: flags, text: session }) = hello else { return };
    let fits = session.len() <= CLI_SESSION_BYTES && Sessions::file_name(&session).is_ok();
    let client = match fits {
        true => cli.attach(session, flags).ok_or("too many command lines are attached already"),
        false => Err("this is no session key"),
    };
    let client = match client {
        Ok(client) => client,
        Err(why) => {
            let mut packet = Vec::new();
            packet::write(&mut packet, REFUSED, 0, why);
            // It may have gone already.
            let _ = stream.write_all(&packet).await;
            return;
        }
    };
    client.send_packet(WELCOME, 0, &agent.models.current());
    let spawn = |task: Pin<Box<dyn Future<Output = ()>>>| executor.spawn(task).detach();
    let (writer, output) = (client.clone(), stream.clone());
    spawn(Box::pin(async move { writer.write(output).await }));
    while let Some(Packet { kind, number, text }) = next(&mut stream, &mut packets).await {
        match kind {
            MESSAGE if !text.trim().is_empty() => {
                let sender = Sender { platform: CLI.into(), id: CLI.into(), ..Sender::default() };
                let message = Inbound {
                    message: number.into(),
                    from: client.address().clone(),
                    sender,
                    text,
                    date: clock::unix_now(),
                    ..Inbound::default()
                };
                let (id, off) = inbox.take_local(message).await;
                client.send_packet(ACCEPTED, number, &off);
                // As many at most as the journal has entries.
                let (journal, client) = (agent.journal.clone(), client.clone());
                let done = async move {
                    journal.finished(id).await;
                    let failed = if client.has_failed(number) { "failed" } else { "" };
                    client.send_packet(DONE, number, failed);
                };
                spawn(Box::pin(done));
            }
            YES | NO => client.answer(number, kind == YES),
            _ => break,
        }
    }
    cli.detach(&client);
}

/// The next packet; `None` at the end, or when what comes is none.
async fn next(stream: &mut UnixStream, packets: &mut Packets) -> Option<Packet> {
    loop {
        match packets.take() {
            Ok(Some(packet)) => return Some(packet),
            Ok(None) => {}
            Err(what) => {
                crate::log::warn!("a command line sent {what} and is dropped");
                return None;
            }
        }
        let mut part = [0; 1024];
        match stream.read(&mut part).await {
            Ok(n) if n > 0 => packets.feed(&part[..n]),
            _ => return None,
        }
    }
}
