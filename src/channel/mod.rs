//! Where messages come from and go to: one file or folder for each channel, and what they share.
//!
//! A channel hands messages in through [`Intake`] and confirms them to its platform only when that returns. It must
//! never decide what a message is answered with: strangers are the one exception ([`pairing`]).

// Everything runs on one thread's executor, so no future needs to be Send.
#![allow(async_fn_in_trait)]

use std::time::Duration;

use crate::bus::{Address, Attachment, Inbound, Outbound, Upload, Verdict};
use crate::config::Config;
use crate::limits::{ABSENT_PAUSE, ABSENT_TRIES};
use crate::net::http::Client;
use crate::store::spool::Spool;

pub mod access;
pub mod cli;
pub mod command;
pub mod group;
#[cfg(any(feature = "maixcam", feature = "pico"))]
mod line;
#[cfg(feature = "maixcam")]
pub mod maixcam;
pub mod media;
pub mod paired;
pub mod pairing;
#[cfg(feature = "pico")]
pub mod pico;
#[cfg(feature = "simulate")]
pub mod sim;
#[cfg(feature = "telegram")]
pub mod telegram;

/// A chat platform.
pub trait Channel {
    /// What the platform is called in `type` and in sender ids.
    const NAME: &'static str;
    /// Name of this instance ([`Address::channel`]).
    fn name(&self) -> &str;
    /// The parts in which [`Channel::send`] delivers a long text; each is delivered and recorded by itself.
    fn split(&self, text: &str) -> Vec<String>;
    /// How it is doing, in words.
    fn state(&self) -> String;
    /// It receives.
    fn is_healthy(&self) -> bool {
        true
    }
    /// Where people find it (`https://t.me/NAME`); empty while that is not known.
    fn link(&self) -> String {
        String::new()
    }
    /// The socket that it listens on, `ADDRESS: what is told whom`; empty where it has none of its own.
    fn listening(&self) -> String {
        String::new()
    }
    /// The code that pairs a stranger now; empty when none is open.
    fn pairing_code(&self) -> String {
        String::new()
    }
    /// Receives for ever; returns only when there is nothing left to receive from (end of input).
    async fn run<I: Intake>(&self, intake: &I);
    /// Delivers a message. After an error the same `delivery` makes the next call go on where this one ended.
    async fn send(&self, message: &Outbound, delivery: &mut Delivery) -> Result<(), SendError>;
    /// Shows a text that a later [`Channel::send`] replaces ([`Delivery::placeholder`]); 0 when none is configured.
    async fn placeholder(&self, _to: &Address, _reply_to: i64) -> Result<i64, SendError> {
        Ok(0)
    }
    /// Downloads a file that came with a message into `sink`, unless nothing comes for `_idle`; how many bytes. After an
    /// error `sink` holds a part.
    async fn fetch(
        &self,
        _file: &Attachment,
        _sink: &mut Spool,
        _idle: Duration,
    ) -> Result<u64, SendError> {
        Err(SendError::Permanent("nobody sends files on this channel".into()))
    }
    /// Sends a file. After [`SendError::Unknown`] it may be there.
    async fn upload(&self, _to: &Address, _file: &Upload) -> Result<(), SendError> {
        Err(SendError::Permanent("this channel takes no files".into()))
    }
    /// Asks `user` (the platform's id) in the chat `to` for a yes or no, and waits at most
    /// [`crate::limits::APPROVAL_WAIT`]. An answer of anybody else does not count. When the future is dropped the question
    /// is closed.
    async fn ask(&self, to: &Address, user: &str, question: &str) -> Verdict;
    /// Shows that an answer is being worked on for as long as this is polled, at most
    /// [`crate::limits::TYPING_FOR`]. Never returns: race it against the work.
    async fn typing(&self, to: &Address);
}

/// What the channel needs of the program.
pub trait Intake {
    /// The first event of `channel` that is not confirmed yet; 0 when none is known, or when that was longer ago than
    /// [`crate::limits::TELEGRAM_OFFSET_AGE`].
    fn offset(&self, channel: &str) -> i64;
    /// Takes messages in order; those whose (channel, event) is known already are dropped (known, not lower than
    /// another: a platform may number anew). Returns when all of them
    /// are on disk (or, while nothing can be written, answered), so that every event below `next` may be confirmed.
    /// Waits while the queue is full. `batch` may be empty: then only `next` has moved.
    async fn submit(&self, channel: &str, batch: Vec<Inbound>, next: i64);
    /// Messages of a platform that wait for the end of their turns.
    fn open(&self, platform: &str) -> usize;
    /// The chat has another id from now on; session and open deliveries move. Told again, it changes nothing.
    async fn migrated(&self, channel: &str, old: &str, new: &str);
    /// Writes [`paired::Paired::to_json`] to `state/paired.json`.
    async fn save_paired(&self, json: String) -> crate::Result<()>;
}

/// How far a message has been delivered.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Delivery {
    /// Message to replace by the first part; 0 for none.
    pub placeholder: i64,
    /// Parts the platform has accepted.
    pub parts: usize,
    /// Their ids; 0 where it accepted one without a readable id.
    pub message_ids: Vec<i64>,
}

/// Why a message, or the rest of it, was not delivered. The texts hold no secret.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum SendError {
    /// Will not work later either (blocked, chat gone): end of this delivery.
    Permanent(String),
    /// Come back after this time.
    RateLimited(Duration),
    /// The platform did not take it; may work later.
    Temporary(String),
    /// The connection ended when the message was on its way: the platform may have it. Sent again, it is there at
    /// least once.
    Unknown(String),
    /// Nobody is connected who could take it; somebody may be soon.
    Absent(&'static str),
    /// The chat has this id now; send it there.
    MigratedTo(String),
}

impl SendError {
    /// The class of an HTTP status where the platform says nothing more precise. 2xx is an answer that could not be
    /// read, so nobody knows.
    pub fn of_status(status: u16, text: &str) -> SendError {
        match status {
            429 => SendError::RateLimited(Duration::from_secs(1)),
            400..=499 => SendError::Permanent(text.into()),
            500..=599 => SendError::Temporary(text.into()),
            _ => SendError::Unknown(text.into()),
        }
    }

    /// How long to wait before attempt number `attempt` + 1 (from 0): 0.5 s doubled up to 60 s. `None` when another
    /// attempt makes no sense, or goes to another chat.
    pub fn retry_in(&self, attempt: u32) -> Option<Duration> {
        match self {
            SendError::Permanent(_) | SendError::MigratedTo(_) => None,
            SendError::RateLimited(pause) => Some(*pause),
            SendError::Absent(_) => (attempt < ABSENT_TRIES).then_some(ABSENT_PAUSE),
            SendError::Temporary(_) | SendError::Unknown(_) => {
                Some(Duration::from_millis((500 << attempt.min(7)).min(60_000)))
            }
        }
    }
}

impl std::fmt::Display for SendError {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        match self {
            SendError::Permanent(why) | SendError::Temporary(why) => f.write_str(why),
            SendError::Absent(why) => f.write_str(why),
            SendError::Unknown(why) => write!(f, "{why}; it may have arrived"),
            SendError::RateLimited(pause) => write!(f, "too fast, pause of {} s", pause.as_secs()),
            SendError::MigratedTo(chat) => write!(f, "the chat is now {chat}"),
        }
    }
}

/// The closed list of channels: a line here, a variant and a match arm each.
macro_rules! channels {
    ($($(#[$gate:meta])* $name:ident($channel:ty),)*) => {
        // There is one value for each bot of the process: a box would cost more than the size it saves.
        #[allow(clippy::large_enum_variant)]
        /// Any channel; futures are as large as the largest of them, not boxed.
        pub enum AnyChannel {
            $($(#[$gate])* #[doc = concat!("See `", stringify!($channel), "`.")] $name($channel),)*
        }

        // Without any channel there is nothing to pass the arguments to.
        #[allow(unused_variables)]
        impl AnyChannel {
            /// See [`Channel::name`].
            pub fn name(&self) -> &str {
                match *self {
                    $($(#[$gate])* AnyChannel::$name(ref c) => {
                        c.name()
                    })*
                }
            }
            /// See [`Channel::split`].
            pub fn split(&self, text: &str) -> Vec<String> {
                match *self {
                    $($(#[$gate])* AnyChannel::$name(ref c) => {
                        c.split(text)
                    })*
                }
            }
            /// See [`Channel::state`].
            pub fn state(&self) -> String {
                match *self {
                    $($(#[$gate])* AnyChannel::$name(ref c) => {
                        c.state()
                    })*
                }
            }
            /// See [`Channel::is_healthy`].
            pub fn is_healthy(&self) -> bool {
                match *self {
                    $($(#[$gate])* AnyChannel::$name(ref c) => {
                        c.is_healthy()
                    })*
                }
            }
            /// See [`Channel::link`].
            pub fn link(&self) -> String {
                match *self {
                    $($(#[$gate])* AnyChannel::$name(ref c) => {
                        c.link()
                    })*
                }
            }
            /// See [`Channel::listening`].
            pub fn listening(&self) -> String {
                match *self {
                    $($(#[$gate])* AnyChannel::$name(ref c) => {
                        c.listening()
                    })*
                }
            }
            /// See [`Channel::pairing_code`].
            pub fn pairing_code(&self) -> String {
                match *self {
                    $($(#[$gate])* AnyChannel::$name(ref c) => {
                        c.pairing_code()
                    })*
                }
            }
            /// See [`Channel::run`].
            pub async fn run<I: Intake>(&self, intake: &I) {
                match *self {
                    $($(#[$gate])* AnyChannel::$name(ref c) => {
                        c.run(intake).await
                    })*
                }
            }
            /// See [`Channel::send`].
            pub async fn send(
                &self,
                message: &Outbound,
                delivery: &mut Delivery,
            ) -> Result<(), SendError> {
                match *self {
                    $($(#[$gate])* AnyChannel::$name(ref c) => {
                        c.send(message, delivery).await
                    })*
                }
            }
            /// See [`Channel::placeholder`].
            pub async fn placeholder(&self, to: &Address, reply_to: i64) -> Result<i64, SendError> {
                match *self {
                    $($(#[$gate])* AnyChannel::$name(ref c) => {
                        c.placeholder(to, reply_to).await
                    })*
                }
            }
            /// See [`Channel::fetch`].
            pub async fn fetch(
                &self,
                file: &Attachment,
                sink: &mut Spool,
                idle: Duration,
            ) -> Result<u64, SendError> {
                match *self {
                    $($(#[$gate])* AnyChannel::$name(ref c) => {
                        c.fetch(file, sink, idle).await
                    })*
                }
            }
            /// See [`Channel::upload`].
            pub async fn upload(&self, to: &Address, file: &Upload) -> Result<(), SendError> {
                match *self {
                    $($(#[$gate])* AnyChannel::$name(ref c) => {
                        c.upload(to, file).await
                    })*
                }
            }
            /// See [`Channel::ask`].
            pub async fn ask(&self, to: &Address, user: &str, question: &str) -> Verdict {
                match *self {
                    $($(#[$gate])* AnyChannel::$name(ref c) => {
                        c.ask(to, user, question).await
                    })*
                }
            }
            /// See [`Channel::typing`].
            pub async fn typing(&self, to: &Address) {
                match *self {
                    $($(#[$gate])* AnyChannel::$name(ref c) => {
                        c.typing(to).await
                    })*
                }
            }
        }
    };
}

channels! {
    #[cfg(feature = "telegram")]
    Telegram(telegram::Telegram),
    #[cfg(feature = "maixcam")]
    MaixCam(maixcam::MaixCam),
    #[cfg(feature = "pico")]
    Pico(pico::Pico),
    #[cfg(feature = "simulate")]
    Sim(sim::Sim),
    Cli(cli::Cli),
}

impl AnyChannel {
    /// Every enabled channel of a configuration.
    ///
    /// # Errors
    /// A list of paired users that cannot be read: it is never overwritten.
    pub fn all(config: &Config, client: &Client) -> crate::Result<Vec<AnyChannel>> {
        let mut channels = Vec::new();
        #[cfg(feature = "telegram")]
        {
            let path = config.home.join("state/paired.json");
            let paired =
                match crate::store::atomic::read_bounded(&path, crate::limits::CONFIG_BYTES)? {
                    Some(bytes) => paired::Paired::parse(&String::from_utf8_lossy(&bytes))
                        .map_err(|e| e.context(path.display()))?,
                    None => paired::Paired::default(),
                };
            let paired = std::rc::Rc::new(std::cell::RefCell::new(paired));
            for bot in config.telegram.iter().filter(|bot| bot.enabled) {
                let bot = telegram::Telegram::new(bot, client.clone(), paired.clone());
                channels.push(AnyChannel::Telegram(bot));
            }
        }
        #[cfg(feature = "maixcam")]
        for cameras in config.maixcam.iter().filter(|cameras| cameras.enabled) {
            channels.push(AnyChannel::MaixCam(maixcam::MaixCam::new(cameras)));
        }
        #[cfg(feature = "pico")]
        for pico in config.pico.iter().filter(|pico| pico.enabled) {
            channels.push(AnyChannel::Pico(pico::Pico::new(pico)));
        }
        #[cfg(not(feature = "telegram"))]
        let _ = (config, client, &mut channels);
        Ok(channels)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[track_caller]
    fn check(status: u16, want: SendError) {
        assert_eq!(SendError::of_status(status, "x"), want);
    }

    #[test]
    fn classes_of_statuses() {
        check(429, SendError::RateLimited(Duration::from_secs(1)));
        check(403, SendError::Permanent("x".into()));
        check(502, SendError::Temporary("x".into()));
        check(200, SendError::Unknown("x".into()));
    }

    #[test]
    fn pauses_grow_to_a_minute() {
        let error = SendError::Temporary("x".into());
        let ms = |n| error.retry_in(n).map(|d| d.as_millis());
        assert_eq!(
            [ms(0), ms(1), ms(6), ms(7), ms(u32::MAX)].map(Option::unwrap_or_default),
            [500, 1000, 32_000, 60_000, 60_000]
        );
        assert_eq!(SendError::Permanent("x".into()).retry_in(0), None);
        let absent = SendError::Absent("x");
        assert_eq!(absent.retry_in(ABSENT_TRIES - 1), Some(ABSENT_PAUSE));
        assert_eq!(absent.retry_in(ABSENT_TRIES), None);
        let slow = SendError::RateLimited(Duration::from_secs(9));
        assert_eq!(slow.retry_in(3), Some(Duration::from_secs(9)));
    }
}
