//! MaixCam cameras: a TCP server for a stream of JSON objects (behaviour.md 5A.4; the camera's side: docs/maixcam.md).
//!
//! A camera is not a user: its turns are unattended, and nothing it sends is a command or an answer to a question. Must
//! never send anything to a client without the token, unless its address needs none.

use std::cell::{Cell, RefCell};
use std::net::SocketAddr;
use std::time::Instant;

use async_net::{TcpListener, TcpStream};
use serde_json::Value;
use smol::LocalExecutor;
use smol::future::{or, zip};
use smol::io::AsyncReadExt;

use super::clients::{self, Clients};
use super::{Channel, Delivery, Intake, SendError, Shared, access};
use crate::bus::{Address, Inbound, Outbound, Question, Sender, Verdict};
use crate::config::ChannelConfig;
use crate::config::channels::maixcam::Settings;
use crate::error::Result;
use crate::limits;
use crate::net::half_open::HalfOpen;
use crate::net::listen;
use crate::proto::addr::ip_is_listed;
use crate::proto::json_stream::Objects;
use crate::proto::text::{one_line, utf8};

/// The chat that upstream's events come from.
const CHAT: &str = "default";

/// One listener and its cameras.
pub struct MaixCam {
    config: ChannelConfig,
    settings: Settings,
    clients: Clients,
    /// Where it listens; empty while it does not.
    bound: RefCell<String>,
    /// Connections that have not sent the token yet.
    half_open: HalfOpen,
    /// Events dropped since the last one that was submitted.
    left_out: Cell<u64>,
}

impl MaixCam {
    /// A listener that does nothing until it runs.
    pub fn build(config: &ChannelConfig, settings: &Settings, _: &Shared) -> MaixCam {
        MaixCam {
            config: config.clone(),
            settings: settings.clone(),
            clients: Clients::default(),
            bound: RefCell::default(),
            half_open: HalfOpen::new(limits::CAMERAS_UNAUTHENTICATED),
            left_out: Cell::default(),
        }
    }

    fn listen(&self) -> Result<TcpListener> {
        let name = &self.config.name;
        let Settings { host, port, token, allow_addr, .. } = &self.settings;
        let keys = (&*format!("channel_list.{name}.settings"), "token or allow_addr");
        let guarded = !token.is_empty() || !allow_addr.is_empty();
        let listener = listen::bind(std::slice::from_ref(host), *port, guarded, keys)?.remove(0);
        let address = listener.local_addr()?;
        if address.ip().to_string() != *host {
            crate::log::warn!("{name}: listens on {address} only: {host} needs a {}", keys.1);
        }
        crate::log::info!("{name}: listening for cameras on {address}");
        *self.bound.borrow_mut() = address.to_string();
        Ok(TcpListener::try_from(listener)?)
    }

    /// Whether a camera at this address must send the token; `None`: it may not connect at all.
    fn asks(&self, from: SocketAddr) -> Option<bool> {
        if ip_is_listed(&self.settings.allow_addr, from.ip()) {
            return Some(false);
        }
        match self.settings.token.is_empty() {
            true => listen::is_local(from).then_some(false),
            false => Some(true),
        }
    }

    /// Runs until the connection ends; why it ended, if that is worth a log line.
    async fn client<I: Intake>(
        &self,
        mut stream: TcpStream,
        from: SocketAddr,
        intake: &I,
    ) -> std::result::Result<(), &'static str> {
        let asked =
            self.asks(from).ok_or("its address is not in allow_addr, and no token is set")?;
        listen::guard(&stream).map_err(|_| "it is gone")?;
        let mut objects = Objects::new(limits::CAMERA_OBJECT_BYTES);
        let mut rest = Vec::new();
        if asked {
            let place = self.half_open.enter(Some(from.ip()));
            let first = async {
                let first = next(&mut stream, &mut objects, &mut rest).await?;
                first.ok_or("it left without showing the token")
            };
            let late = async {
                async_io::Timer::after(limits::CAMERA_AUTH).await;
                Err("it did not show the token in time")
            };
            let displaced = async {
                place.evicted().await;
                Err("it had not shown the token when others came")
            };
            if !self.is_auth(&or(first, or(late, displaced)).await?) {
                return Err("it did not show the token");
            }
        }
        if self.clients.count() >= limits::CAMERAS {
            return Err("too many cameras are connected");
        }
        let (line, outgoing) = self.clients.open(CHAT);
        crate::log::info!("{}: camera {from} is connected", self.config.name);
        let writing = clients::write(stream.clone(), outgoing);
        let reading = async move {
            let _line = line;
            while let Some(object) = next(&mut stream, &mut objects, &mut rest).await? {
                self.handle_object(&object, intake).await?;
            }
            Ok(())
        };
        // Runs both to their end: a failure of one ends the other, and a message that is being accepted is completed.
        let (wrote, read) = zip(writing, reading).await;
        wrote.and(read)
    }

    fn is_auth(&self, object: &[u8]) -> bool {
        let object: Value = utf8(object).and_then(serde_json::from_str).unwrap_or_default();
        let token = object["token"].as_str().unwrap_or_default();
        object["type"] == "auth" && self.settings.token.is(token.as_bytes())
    }

    async fn handle_object<I: Intake>(
        &self,
        object: &[u8],
        intake: &I,
    ) -> std::result::Result<(), &'static str> {
        let name = &self.config.name;
        let object: Value =
            utf8(object).and_then(serde_json::from_str).map_err(|_| "what it sent is no JSON")?;
        match object["type"].as_str().unwrap_or_default() {
            "person_detected" => {}
            kind @ ("heartbeat" | "status" | "auth") => {
                crate::log::debug!("{name}: {kind}");
                return Ok(());
            }
            kind => {
                crate::log::warn!("{name}: a camera sent an unknown type {:?}", one_line(kind, 40));
                return Ok(());
            }
        }
        let left_out = self.left_out.get();
        if intake.open(Self::NAME) >= limits::CAMERA_EVENTS {
            if left_out == 0 {
                crate::log::warn!(
                    "{name}: events come faster than they are answered; some are left out"
                );
            }
            self.left_out.set(left_out + 1);
            return Ok(());
        }
        let (channel, chat) = match &self.settings.chat {
            Some((channel, chat)) => (channel, &**chat),
            None => (name, CHAT),
        };
        let message = Inbound {
            from: Address { channel: channel.clone(), chat: chat.into(), topic: String::new() },
            sender: Sender {
                platform: Self::NAME.into(),
                id: Self::NAME.into(),
                ..Sender::default()
            },
            text: text(&object, left_out),
            untrusted: true,
            date: crate::sys::clock::unix_now(),
            ..Inbound::default()
        };
        let list = &self.config.allow_from;
        if !list.is_empty() && !access::allows(list, &message.sender) {
            crate::log::info!(
                "{name}: an event is dropped: allow_from does not hold `{}`",
                Self::NAME
            );
            return Ok(());
        }
        self.left_out.set(0);
        intake.submit(name, vec![message], 0).await;
        Ok(())
    }
}

/// The next object; `None` at the end. `rest` is the input read after it.
async fn next(
    stream: &mut TcpStream,
    objects: &mut Objects,
    rest: &mut Vec<u8>,
) -> std::result::Result<Option<Vec<u8>>, &'static str> {
    let mut begun: Option<Instant> = None;
    loop {
        let mut input = &rest[..];
        let found = objects.feed(&mut input)?;
        let left = input.len();
        rest.drain(..rest.len() - left);
        if found.is_some() {
            return Ok(found);
        }
        let mut buffer = [0; 512];
        let reading = async { stream.read(&mut buffer).await.map_err(|_| "it is gone") };
        let late = async {
            match objects.is_inside() {
                true => {
                    let begun = *begun.get_or_insert_with(Instant::now);
                    async_io::Timer::at(begun + limits::CAMERA_OBJECT).await;
                }
                // A camera may be silent: the kernel looks whether it is still there.
                false => std::future::pending().await,
            }
            Err("its object does not end")
        };
        match or(reading, late).await? {
            0 if objects.is_inside() => return Err("it left in the middle of an object"),
            0 => return Ok(None),
            n => rest.extend_from_slice(&buffer[..n]),
        }
    }
}

/// Upstream's words for a person event; so many before it were left out.
pub fn text(event: &Value, left_out: u64) -> String {
    let data = &event["data"];
    let class = data["class_name"].as_str().filter(|c| !c.is_empty()).unwrap_or("person");
    let number = |key: &str, times: f64| {
        (data[key].as_f64().unwrap_or_default() * times).round_ties_even() as i64
    };
    // Hundredths of a per cent.
    let score = number("score", 10_000.0);
    let mut text = format!(
        "📷 Person detected!\nClass: {}\nConfidence: {}{}.{:02}%\nPosition: ({}, {})\nSize: {}x{}",
        one_line(class, limits::CAMERA_CLASS),
        if score < 0 { "-" } else { "" },
        score.unsigned_abs() / 100,
        score.unsigned_abs() % 100,
        number("x", 1.0),
        number("y", 1.0),
        number("w", 1.0),
        number("h", 1.0),
    );
    if left_out > 0 {
        text.push_str(&format!("\n({left_out} more before it while you were busy)"));
    }
    text
}

impl Channel for MaixCam {
    const NAME: &'static str = "maixcam";
    const HAS_PEOPLE: bool = false;

    fn name(&self) -> &str {
        &self.config.name
    }

    fn split(&self, text: &str) -> Vec<String> {
        vec![text.to_string()]
    }

    fn state(&self) -> String {
        match self.is_healthy() {
            true => format!("running, {} camera(s)", self.clients.count()),
            false => "does not listen".into(),
        }
    }

    fn is_healthy(&self) -> bool {
        !self.bound.borrow().is_empty()
    }

    fn listening(&self) -> String {
        let bound = self.bound.borrow();
        let Settings { token, allow_addr, .. } = &self.settings;
        let told = match (token.is_empty(), allow_addr.is_empty()) {
            (false, true) => "cameras that show the token",
            (false, false) => "cameras that show the token or are in allow_addr",
            (true, false) => "cameras on this machine or in allow_addr, no token set",
            (true, true) => "cameras on this machine, no token set",
        };
        if bound.is_empty() { String::new() } else { format!("tcp://{bound}: {told}") }
    }

    async fn run<I: Intake>(&self, intake: &I) {
        let listener = match self.listen() {
            Ok(listener) => listener,
            Err(e) => return crate::log::error!("{}: {e}", self.config.name),
        };
        let clients = LocalExecutor::new();
        let accept = async {
            loop {
                let Ok((stream, from)) = listener.accept().await else {
                    // For example out of file descriptors: later there may be some.
                    async_io::Timer::after(limits::ABSENT_PAUSE).await;
                    continue;
                };
                let client = async move {
                    let name = &self.config.name;
                    match self.client(stream, from, intake).await {
                        Ok(()) => crate::log::info!("{name}: camera {from} has left"),
                        Err(why) => crate::log::warn!("{name}: camera {from} is closed: {why}"),
                    }
                };
                clients.spawn(client).detach();
            }
        };
        clients.run(accept).await
    }

    async fn send(&self, message: &Outbound, _: &mut Delivery) -> Result<(), SendError> {
        let quote = |text: &str| serde_json::to_string(text).unwrap_or_default();
        let command = format!(
            r#"{{"type":"command","timestamp":0,"message":{},"chat_id":{}}}"#,
            quote(&message.text),
            quote(&message.to.chat)
        );
        match self.clients.send("", command.into_bytes()).await {
            true => Ok(()),
            false => Err(SendError::Absent("no connected MaixCam devices")),
        }
    }

    async fn ask(&self, _: &Address, _: &str, _: &Question) -> Verdict {
        Verdict::Unreachable
    }

    async fn typing(&self, _: &Address) {
        std::future::pending().await
    }
}

#[cfg(test)]
mod tests;
