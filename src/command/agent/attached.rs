//! The agent of the running gateway, asked over its control socket.

use std::collections::VecDeque;
use std::io::IsTerminal;
use std::os::unix::net::UnixStream;
use std::path::Path;

use async_io::Async;
use smol::future::or;
use smol::io::{AsyncReadExt, AsyncWriteExt};

use crate::agent::Answer;
use crate::app::control;
use crate::bus::Verdict;
use crate::command::ask;
use crate::error::{Error, Result};
use crate::limits::{CLI_PACKET_BYTES, CLI_PATIENCE};
use crate::proto::packet::{
    self, ACCEPTED, CLOSED, DONE, FLAG_CAN_ASK, FLAG_INTERACTIVE, HELLO, MESSAGE, NO, Packet,
    Packets, QUESTION, REFUSED, STARTED, TEXT, WELCOME, YES,
};
use crate::sys::signal::{Signal, Signals};
use crate::sys::terminal;

const STRANGE: &str = "the running gateway is of another version; restart it";
const LEFT: &str = "left; the gateway carries on, and the session will have the answer";

/// See the module.
pub struct Attached {
    stream: Async<UnixStream>,
    packets: Packets,
    signals: Signals,
    /// What came during a question and has to wait.
    later: VecDeque<Packet>,
    /// Of the last message.
    number: u32,
    /// What is true should the gateway end now.
    state: &'static str,
    /// The model in use.
    pub model: String,
    /// The user has ended a turn.
    pub stopped: bool,
}

/// What the terminal waits for.
pub enum TerminalEvent {
    Packet(Packet),
    /// Ctrl-C.
    Interrupt,
}

impl Attached {
    /// Attaches to the gateway of `home`; `None` when none is running there.
    ///
    /// # Errors
    /// It refuses, does not answer within ten seconds, or is of another version.
    pub async fn connect(home: &Path, session: &str, stays: bool) -> Result<Option<Attached>> {
        let Some(stream) = control::connect(home)? else { return Ok(None) };
        let mut there = Attached {
            stream: Async::new(stream)?,
            packets: Packets::default(),
            signals: Signals::new()?,
            later: VecDeque::new(),
            number: 0,
            state: control::REFUSED,
            model: String::new(),
            stopped: false,
        };
        let terminal = std::io::stdin().is_terminal() && std::io::stderr().is_terminal();
        let mut flags = if terminal { FLAG_CAN_ASK } else { 0 };
        if stays {
            flags |= FLAG_INTERACTIVE;
        }
        let mut hello = vec![control::AGENT];
        packet::write(&mut hello, HELLO, flags, session);
        // One that refuses has closed already; what it means is said below.
        let _ = there.stream.write_all(&hello).await;
        let late = async {
            async_io::Timer::after(CLI_PATIENCE).await;
            Err(Error::new("the running gateway does not answer"))
        };
        match or(there.next_event(), late).await? {
            TerminalEvent::Packet(Packet { kind: WELCOME, text, .. }) => there.model = text,
            TerminalEvent::Packet(Packet { kind: REFUSED, text, .. }) => {
                return Err(Error::new(text));
            }
            TerminalEvent::Packet(_) => return Err(Error::new(STRANGE)),
            TerminalEvent::Interrupt => return Err(Error::new("left")),
        }
        there.state = "the gateway has ended";
        Ok(Some(there))
    }

    /// Waits for what comes next. Dropped early it loses nothing.
    pub async fn next_event(&mut self) -> Result<TerminalEvent> {
        loop {
            if let Some(packet) = self.later.pop_front() {
                return Ok(TerminalEvent::Packet(packet));
            }
            if let Some(packet) = self.packets.take().map_err(|_| Error::new(STRANGE))? {
                return Ok(TerminalEvent::Packet(packet));
            }
            let mut part = [0; 4096];
            let (stream, signals) = (&mut self.stream, &mut self.signals);
            let read = async { Ok(stream.read(&mut part).await.unwrap_or(0)) };
            let signal = async { Err(signals.next().await) };
            match or(read, signal).await {
                Ok(0) => return Err(Error::new(self.state)),
                Ok(n) => self.packets.feed(&part[..n]),
                Err(Signal::Terminate) => return Ok(TerminalEvent::Interrupt),
                Err(Signal::Reload) => return Err(Error::new(LEFT)),
            }
        }
    }

    /// Has a message answered; prints what comes before the answer, unless `quiet`. Ctrl-C ends the turn, a second one this.
    ///
    /// # Errors
    /// The gateway ended meanwhile; the text says what has become of the message.
    pub async fn send_message(&mut self, text: &str, quiet: bool) -> Result<Answer> {
        if text.len() > CLI_PACKET_BYTES {
            return Err(Error::new("the message is too long; write it into a file"));
        }
        self.stopped = false;
        self.state = "the gateway ended before it accepted the message; send it again";
        let number = self.send(text).await?;
        let mut answer = Answer::default();
        loop {
            let packet = match self.next_event().await? {
                TerminalEvent::Packet(packet) => packet,
                TerminalEvent::Interrupt if self.stopped => return Err(Error::new(LEFT)),
                TerminalEvent::Interrupt => {
                    self.stopped = true;
                    self.send("/stop").await?;
                    continue;
                }
            };
            match packet.kind {
                ACCEPTED if packet.number == number && packet.text.is_empty() => {
                    self.state = "the gateway ended in the middle of the turn; it has the message, and after its next \
                                  start the answer comes into the session";
                }
                ACCEPTED if packet.number == number => {
                    eprintln!("warning: the disk does not take the message: {}", packet.text);
                }
                TEXT if packet.number == number => answer.text.push_str(&packet.text),
                DONE if packet.number == number => {
                    self.state = "the gateway has ended";
                    answer.failed = !packet.text.is_empty();
                    print_status("\r\x1b[K");
                    return Ok(answer);
                }
                STARTED if !quiet => print_status("\r… (Ctrl-C ends it)"),
                _ if quiet && packet.kind == TEXT => {}
                _ => {
                    self.show(TerminalEvent::Packet(packet)).await?;
                }
            }
        }
    }

    /// Shows what is said outside an answer, and asks what is to be asked; false when the user leaves.
    ///
    /// # Errors
    /// As [`Attached::next_event`].
    pub async fn show(&mut self, heard: TerminalEvent) -> Result<bool> {
        match heard {
            TerminalEvent::Interrupt => return Ok(false),
            TerminalEvent::Packet(Packet { kind: TEXT, text, .. }) => {
                print_status("\r\x1b[K");
                println!("\n🦞 {text}\n");
            }
            TerminalEvent::Packet(Packet { kind: QUESTION, number, text }) => {
                self.ask(number, text).await?
            }
            TerminalEvent::Packet(_) => {}
        }
        Ok(true)
    }

    async fn ask(&mut self, number: u32, question: String) -> Result<()> {
        let mut later = Vec::new();
        let asked = async { Ok(Some(ask::ask(question).await)) };
        let closed = async {
            loop {
                match self.next_event().await? {
                    TerminalEvent::Interrupt => {
                        self.stopped = true;
                        self.send("/stop").await?;
                    }
                    TerminalEvent::Packet(p) if p.kind == CLOSED && p.number == number => {
                        return Ok(None);
                    }
                    TerminalEvent::Packet(packet) => later.push(packet),
                }
            }
        };
        let verdict: Result<Option<Verdict>> = or(asked, closed).await;
        let verdict = verdict?;
        self.later.extend(later);
        let kind = match verdict {
            None => {
                eprintln!("\n(no answer is needed any more)");
                return Ok(());
            }
            Some(Verdict::Yes) => YES,
            Some(_) => NO,
        };
        let mut bytes = Vec::new();
        packet::write(&mut bytes, kind, number, "");
        self.write(&bytes).await
    }

    /// Sends a message and returns its number.
    async fn send(&mut self, text: &str) -> Result<u32> {
        self.number += 1;
        let mut bytes = Vec::new();
        packet::write(&mut bytes, MESSAGE, self.number, text);
        self.write(&bytes).await?;
        Ok(self.number)
    }

    async fn write(&mut self, bytes: &[u8]) -> Result<()> {
        self.stream.write_all(bytes).await.map_err(|_| Error::new(self.state))
    }
}

/// A word to who waits at a terminal.
fn print_status(text: &str) {
    if std::io::stderr().is_terminal() {
        terminal::control_error(text);
    }
}
