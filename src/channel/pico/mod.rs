//! The Pico protocol: JSON envelopes over a WebSocket at `/pico/ws` of the gateway's server (behaviour.md 5B.4).
//!
//! Never listens itself: the gateway's server hands connections over ([`Channel::admit`]). Must never answer a client
//! without the token with anything but a refusal.

use std::cell::Cell;
use std::time::Instant;

use async_net::TcpStream;
use serde_json::{Value, json};
use smol::LocalExecutor;
use smol::channel::{Receiver, Sender};
use smol::future::{or, zip};
use smol::io::{AsyncReadExt, AsyncWriteExt};

use super::clients::{self, Clients, ConnectedClient};
use super::questions::{Questions, Reply};
use super::{Arrival, Channel, ChannelRoute, Delivery, Intake, SendError, Shared, access};
use crate::bus::{self, Address, Inbound, Outbound, Question, Verdict};
use crate::config::ChannelConfig;
use crate::config::channels::pico::Settings;
use crate::limits;
use crate::net::listen;
use crate::proto::websocket::{self, WsEvent, WsReader};

pub mod envelope;
mod handshake;

use envelope::PicoRequest;

/// Prefix of a session in the id of its chat.
const CHAT: &str = "pico:";
/// Upstream's name for whoever is connected.
const USER: &str = "pico-user";

/// The channel of web and mobile clients, over WebSocket.
pub struct Pico {
    config: ChannelConfig,
    settings: Settings,
    clients: Clients,
    arrivals: (Sender<Arrival>, Receiver<Arrival>),
    questions: Questions,
    /// The last number given to a message.
    last: Cell<i64>,
}

/// Tells the clients that typing has stopped.
struct Typing<'a>(&'a Pico, &'a str);

impl Drop for Typing<'_> {
    fn drop(&mut self) {
        self.0.send_event(self.1, "typing.stop", &json!({}));
    }
}

impl Pico {
    /// A channel that does nothing until it runs.
    pub fn build(config: &ChannelConfig, settings: &Settings, _: &Shared) -> Pico {
        Pico {
            config: config.clone(),
            settings: settings.clone(),
            clients: Clients::default(),
            arrivals: smol::channel::bounded(limits::PICO_CLIENTS),
            questions: Questions::default(),
            last: Cell::default(),
        }
    }

    /// A number that no other message of this channel has, even after a restart: the clock's milliseconds, or the next number.
    fn number(&self) -> i64 {
        self.last.set(crate::sys::clock::unix_ms().max(self.last.get() + 1));
        self.last.get()
    }

    /// A frame with an envelope; without an `id` it gets one.
    fn envelope(&self, chat: &str, kind: &str, id: &Value, payload: &Value) -> Vec<u8> {
        let number = self.number();
        let id = if id.is_string() { id.clone() } else { number.to_string().into() };
        let session = chat.strip_prefix(CHAT).unwrap_or(chat);
        let text = json!({
            "type": kind, "id": id, "session_id": session, "timestamp": number, "payload": payload,
        });
        websocket::frame(websocket::TEXT, text.to_string().as_bytes())
    }

    /// Without waiting for anybody.
    fn send_event(&self, chat: &str, kind: &str, payload: &Value) {
        self.clients.push(chat, self.envelope(chat, kind, &Value::Null, payload));
    }

    /// Runs until the connection ends; why it ended, if that is worth a log line.
    async fn client<I: Intake>(&self, arrival: Arrival, intake: &I) -> Result<(), &'static str> {
        let Arrival { mut stream, bytes } = arrival;
        listen::guard(&stream).map_err(|_| "it is gone")?;
        let (session, head) = match handshake::admits(&self.settings, self.clients.count(), &bytes)
        {
            Ok(admitted) => admitted,
            Err(status) => {
                let refusal = format!(
                    "HTTP/1.1 {status}\r\nContent-Length: 0\r\nWWW-Authenticate: Bearer\r\nSec-WebSocket-Version: 13\r\nConnection: close\r\n\r\n"
                );
                // It is refused whether it reads this or not; the kernel's buffer has room.
                let _ = stream.write_all(refusal.as_bytes()).await;
                return Err(status);
            }
        };
        let (line, outgoing) = self.clients.open(&[CHAT, &session].concat());
        // The first bytes of a connection: the kernel's buffer has room.
        stream.write_all(head.as_bytes()).await.map_err(|_| "it is gone")?;
        let begin =
            bytes.windows(4).position(|w| w == b"\r\n\r\n").map_or(bytes.len(), |at| at + 4);
        let writing = clients::write(stream.clone(), outgoing);
        let reading = async move {
            let read = self.read(stream.clone(), &bytes[begin..], &line, intake).await;
            if let Err((status, _)) = read {
                line.push(websocket::frame(websocket::CLOSE, &status.to_be_bytes()));
                // If unread input is left at the close, the kernel sends a reset and discards what was just sent.
                let mut unread = [0; 512];
                let rest = async { while let Ok(1..) = stream.read(&mut unread).await {} };
                let enough = async {
                    async_io::Timer::after(limits::PICO_CLOSE_WAIT).await;
                };
                or(rest, enough).await;
            }
            read.map_err(|(_, why)| why)
        };
        // Runs both to their end: a failure of one ends the other, and a message that is being accepted is completed.
        let (wrote, read) = zip(writing, reading).await;
        wrote.and(read)
    }

    /// Reads until the end; else the status to close with, and why.
    async fn read<I: Intake>(
        &self,
        mut stream: TcpStream,
        first: &[u8],
        line: &ConnectedClient<'_>,
        intake: &I,
    ) -> Result<(), (u16, &'static str)> {
        let mut reader = WsReader::new(limits::PICO_MESSAGE_BYTES);
        let mut bytes = first.to_vec();
        let mut heard = Instant::now();
        loop {
            let mut input = &bytes[..];
            let wrong = |status| match status {
                websocket::TOO_BIG => (status, "its message is too long"),
                _ => (status, "it breaks the protocol"),
            };
            while let Some(event) = reader.feed(&mut input).map_err(wrong)? {
                match event {
                    WsEvent::Text(text) => self.handle_envelope(&text, line, intake).await,
                    WsEvent::Ping(bytes) => line.push(websocket::frame(websocket::PONG, &bytes)),
                    WsEvent::Pong => {}
                    WsEvent::Close => {
                        let bye = websocket::NORMAL.to_be_bytes();
                        line.push(websocket::frame(websocket::CLOSE, &bye));
                        return Ok(());
                    }
                }
            }
            let left = self.settings.silence.saturating_sub(heard.elapsed());
            if left.is_zero() {
                return Err((websocket::NORMAL, "it does not answer"));
            }
            let mut buffer = [0; 1024];
            let reading = async { Some(stream.read(&mut buffer).await) };
            let late = async {
                async_io::Timer::after(left.min(self.settings.ping)).await;
                None
            };
            bytes.clear();
            match or(reading, late).await {
                None => line.push(websocket::frame(websocket::PING, b"")),
                Some(Ok(0)) => return Ok(()),
                Some(Ok(n)) => {
                    heard = Instant::now();
                    bytes.extend_from_slice(&buffer[..n]);
                }
                Some(Err(_)) => return Err((websocket::NORMAL, "it is gone")),
            }
        }
    }

    /// One envelope of a client.
    async fn handle_envelope<I: Intake>(&self, text: &str, line: &ConnectedClient<'_>, intake: &I) {
        let chat = line.chat();
        let (id, said) = envelope::read(text, chat.strip_prefix(CHAT).unwrap_or(&chat));
        let wrong = |code: &str, message: &str| {
            let request = id.as_str().unwrap_or_default();
            let payload = json!({ "code": code, "message": message, "request_id": request });
            line.push(self.envelope(&chat, "error", &Value::Null, &payload));
        };
        let content = match said {
            PicoRequest::Ping => return line.push(self.envelope(&chat, "pong", &id, &json!({}))),
            PicoRequest::Wrong(code, message) => return wrong(code, message),
            PicoRequest::Message(content) => content,
        };
        match self.questions.accept(&chat, &content) {
            Reply::NoAnswer => {}
            Reply::Accepted => return,
            Reply::Unclear(told) => {
                let payload = json!({ "content": told, "message_id": self.number().to_string() });
                line.push(self.envelope(&chat, "message.create", &Value::Null, &payload));
                return;
            }
        }
        let sender =
            bus::Sender { platform: Self::NAME.into(), id: USER.into(), ..Default::default() };
        let list = &self.config.allow_from;
        if !list.is_empty() && !access::allows(list, &sender) {
            return wrong("invalid_message", "allow_from does not hold pico-user");
        }
        let channel = self.config.name.clone();
        let message = Inbound {
            from: Address { channel: channel.clone(), chat: chat.clone(), topic: String::new() },
            sender,
            text: content,
            date: crate::sys::clock::unix_now(),
            ..Inbound::default()
        };
        intake.submit(&channel, vec![message], 0).await;
    }

    async fn create(&self, to: &Address, kind: &str, payload: Value) -> Result<(), SendError> {
        let frame = self.envelope(&to.chat, kind, &Value::Null, &payload);
        match self.clients.send(&to.chat, frame).await {
            true => Ok(()),
            false => Err(SendError::Absent("no client of that session is connected")),
        }
    }
}

impl Channel for Pico {
    const NAME: &'static str = "pico";

    fn name(&self) -> &str {
        &self.config.name
    }

    fn split(&self, text: &str) -> Vec<String> {
        vec![text.to_string()]
    }

    fn route(&self) -> Option<ChannelRoute> {
        let serves = "clients that show the token of";
        Some(ChannelRoute { scheme: "ws", path: "/pico/ws", serves })
    }

    fn admit(&self, arrival: Arrival) {
        if self.arrivals.0.try_send(arrival).is_err() {
            crate::log::warn!("{}: too many clients at once", self.config.name);
        }
    }

    fn state(&self) -> String {
        format!("running, {} client(s)", self.clients.count())
    }

    async fn run<I: Intake>(&self, intake: &I) {
        let clients = LocalExecutor::new();
        let accept = async {
            // We hold the other end: it is never closed.
            while let Ok(arrival) = self.arrivals.1.recv().await {
                let client = async move {
                    let name = &self.config.name;
                    let from = arrival.stream.peer_addr().map(|a| a.to_string());
                    let from = from.unwrap_or_default();
                    match self.client(arrival, intake).await {
                        Ok(()) => crate::log::info!("{name}: client {from} has left"),
                        Err(why) => crate::log::warn!("{name}: client {from} is closed: {why}"),
                    }
                };
                clients.spawn(client).detach();
            }
        };
        clients.run(accept).await
    }

    async fn send(&self, message: &Outbound, delivery: &mut Delivery) -> Result<(), SendError> {
        let (kind, id) = match delivery.placeholder {
            0 => ("message.create", self.number()),
            shown => ("message.update", shown),
        };
        let payload = json!({ "content": message.text, "message_id": id.to_string() });
        self.create(&message.to, kind, payload).await
    }

    async fn placeholder(&self, to: &Address, _: i64) -> Result<i64, SendError> {
        let texts = &self.config.placeholder;
        let id = self.number();
        let Some(text) = texts.get(id.unsigned_abs() as usize % texts.len().max(1)) else {
            return Ok(0);
        };
        let payload = json!({ "content": text, "message_id": id.to_string(), "placeholder": true });
        self.create(to, "message.create", payload).await.map(|()| id)
    }

    async fn ask(&self, to: &Address, _: &str, question: &Question) -> Verdict {
        let Some(waiting) = self.questions.open(&to.chat, question) else {
            return Verdict::Unreachable;
        };
        let content = format!("{}\n\n{}", question.text, waiting.how());
        let payload = json!({ "content": content, "message_id": self.number().to_string() });
        if self.create(to, "message.create", payload).await.is_err() {
            return Verdict::Unreachable;
        }
        waiting.verdict().await
    }

    async fn typing(&self, to: &Address) {
        if self.config.typing {
            self.send_event(&to.chat, "typing.start", &json!({}));
            let _typing = Typing(self, &to.chat);
            async_io::Timer::after(limits::TYPING_FOR).await;
        }
        std::future::pending().await
    }
}
