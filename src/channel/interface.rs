//! What a channel does for the program, and what it needs from it.

use std::cell::RefCell;
use std::rc::Rc;
use std::time::Duration;

use async_net::TcpStream;

use super::paired;
use crate::bus::{Address, Attachment, Inbound, Outbound, Question, Upload, Verdict};
use crate::limits::{
    ABSENT_PAUSE, ABSENT_TRIES, RATE_LIMIT_PAUSE, SEND_RETRY_MOST_MS, SEND_RETRY_MS,
};
use crate::net::http::HttpClient;
use crate::store::spool::Spool;

/// The methods of a channel, each written once: the macro that gets them makes the trait of them here, and in `any.rs`
/// the methods of [`super::AnyChannel`].
macro_rules! channel_methods {
    ($with:ident) => {
        $with! {
            /// Name of this instance ([`Address::channel`]).
            fn name(&self) -> &str;
            /// The parts in which [`Channel::send`] delivers a long text; each is delivered and recorded separately.
            fn split(&self, text: &str) -> Vec<String>;
            /// Its state, for people.
            fn state(&self) -> String;
            /// Whether it receives.
            fn is_healthy(&self) -> bool {
                true
            }
            /// Its public address (`https://t.me/NAME`); empty while unknown.
            fn link(&self) -> String {
                String::new()
            }
            /// The socket that it listens on, `ADDRESS: what it reveals to whom`; empty if it has no own one.
            fn listening(&self) -> String {
                String::new()
            }
            /// The path of the gateway's server whose connections go to [`Channel::admit`]; `None` if it serves none.
            fn route(&self) -> Option<ChannelRoute> {
                None
            }
            /// Takes over a connection that asked for [`Channel::route`]; closes it if too many wait already.
            fn admit(&self, _arrival: Arrival) {}
            /// The code that pairs a stranger now; empty when none is open.
            fn pairing_code(&self) -> String {
                String::new()
            }
            /// Receives forever; returns only at the end of input.
            async fn run<I: Intake>(&self, intake: &I);
            /// Delivers a message. After an error, a call with the same `delivery` continues where this one ended.
            async fn send(
                &self,
                message: &Outbound,
                delivery: &mut Delivery,
            ) -> Result<(), SendError>;
            /// Shows a text that a later [`Channel::send`] replaces ([`Delivery::placeholder`]); 0 when none is configured.
            async fn placeholder(&self, _to: &Address, _reply_to: i64) -> Result<i64, SendError> {
                Ok(0)
            }
            /// Downloads a file that came with a message into `sink`, giving up after `_idle` without data; returns the bytes. After an
            /// error `sink` holds a part.
            async fn fetch(
                &self,
                _file: &Attachment,
                _sink: &mut Spool,
                _idle: Duration,
            ) -> Result<u64, SendError> {
                Err(SendError::Permanent("nobody sends files on this channel".into()))
            }
            /// Sends a file. After [`SendError::Unknown`] it may have arrived.
            async fn upload(&self, _to: &Address, _file: &Upload) -> Result<(), SendError> {
                Err(SendError::Permanent("this channel takes no files".into()))
            }
            /// Asks `user` (the platform's id) in the chat `to` for a yes or no, and waits at most
            /// [`crate::limits::APPROVAL_WAIT`]. The question is one message. An answer from anybody else, or to another question, does
            /// not count; without buttons the answer names the number (`questions`). When the future is dropped the question is
            /// closed.
            async fn ask(&self, to: &Address, user: &str, question: &Question) -> Verdict;
            /// Shows a typing indicator for as long as this is polled, at most
            /// [`crate::limits::TYPING_FOR`]. Never returns: race it against the work.
            async fn typing(&self, to: &Address);
        }
    };
}
pub(super) use channel_methods;

macro_rules! channel_trait {
    ($($methods:tt)*) => {
        /// What the daemon needs of a messaging service: receive, send, edit, report its state.
        pub trait Channel {
            /// The platform's name in `type` and in sender ids.
            const NAME: &'static str;
            /// Whether people write on it. Where only devices do, nobody can be asked for approval, and no chat becomes the last
            /// active one.
            const HAS_PEOPLE: bool = true;
            $($methods)*
        }
    };
}
channel_methods!(channel_trait);

/// A path of the gateway's server that is a channel's.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct ChannelRoute {
    /// Scheme of the link shown to people: `ws` or `http`.
    pub scheme: &'static str,
    /// Path on the gateway's server, like `/pico/ws`; no other channel may have it.
    pub path: &'static str,
    /// Who gets an answer there; a phrase that the channel's name completes.
    pub serves: &'static str,
}

/// An HTTP request for a channel's path: its connection, and the bytes read so far.
pub struct Arrival {
    /// Connection of the client, after the head of its request was read.
    pub stream: TcpStream,
    /// At least a whole request head, and any bytes after it.
    pub bytes: Vec<u8>,
}

/// What all channels of a process share.
pub struct Shared {
    /// For requests to their platforms.
    pub client: HttpClient,
    /// Users who may talk because they paired.
    pub paired: Rc<RefCell<paired::Paired>>,
}

/// What a channel needs from the program.
pub trait Intake {
    /// The first event of `channel` that is not confirmed yet; 0 when none is known. `account` is the number of the bot that
    /// receives (0: unknown): another one than before begins at 0, since event numbers are its own.
    fn offset(&self, channel: &str, account: i64) -> i64;
    /// Takes messages in order; those whose (channel, event) is known already are dropped (exact matches only: a
    /// platform may restart its numbering). Returns when they are on disk: the first event that is not, so that every event
    /// below it may be confirmed. This is `next` normally, and lower while nothing can be written or there is no room. Never
    /// waits for a turn, except for a channel without event numbers while nothing can be written. `batch` may be empty: then only
    /// `next` has moved.
    async fn submit(&self, channel: &str, batch: Vec<Inbound>, next: i64) -> i64;
    /// Messages of a platform whose turns have not ended.
    fn open(&self, platform: &str) -> usize;
    /// The chat has another id from now on; session and open deliveries move. Idempotent.
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

/// Why a message, or the rest of it, was not delivered. The texts contain no secrets.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum SendError {
    /// Permanent (blocked, chat deleted): end of this delivery.
    Permanent(String),
    /// Retry after this time.
    RateLimited(Duration),
    /// The platform did not accept it; may work later.
    Temporary(String),
    /// The connection ended when the message was on its way: the platform may have it. It is sent again, so it
    /// arrives at least once.
    Unknown(String),
    /// No client is connected; one may connect soon.
    Absent(&'static str),
    /// The chat has this id now; send it there.
    MigratedTo(String),
}

impl SendError {
    /// The class of an HTTP status where the platform says nothing more precise. 2xx is an answer that could not be
    /// read, so the outcome is unknown.
    pub fn of_status(status: u16, text: &str) -> SendError {
        match status {
            429 => SendError::RateLimited(RATE_LIMIT_PAUSE),
            400..=499 => SendError::Permanent(text.into()),
            500..=599 => SendError::Temporary(text.into()),
            _ => SendError::Unknown(text.into()),
        }
    }

    /// A chat moves once per reply, and not to itself: a further move is an error to retry after growing pauses.
    pub fn after_move(self, chat: &str, moved: bool) -> SendError {
        match self {
            SendError::MigratedTo(to) if moved || to == chat => {
                SendError::Temporary(format!("the server moves chat {chat} again, to {to}"))
            }
            other => other,
        }
    }

    /// How long to wait before attempt number `attempt` + 1 (from 0): 0.5 s doubled up to 60 s. `None` if another
    /// attempt makes no sense, or goes to another chat.
    pub fn retry_in(&self, attempt: u32) -> Option<Duration> {
        match self {
            SendError::Permanent(_) | SendError::MigratedTo(_) => None,
            SendError::RateLimited(pause) => Some(*pause),
            SendError::Absent(_) => (attempt < ABSENT_TRIES).then_some(ABSENT_PAUSE),
            SendError::Temporary(_) | SendError::Unknown(_) => Some(Duration::from_millis(
                (SEND_RETRY_MS << attempt.min(7)).min(SEND_RETRY_MOST_MS),
            )),
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
    fn a_chat_moves_once_per_reply() {
        let to = |chat: &str| SendError::MigratedTo(chat.into());
        assert_eq!(to("-100").after_move("-7", false), to("-100"));
        for again in [to("-100").after_move("-7", true), to("-7").after_move("-7", false)] {
            assert!(again.retry_in(3).is_some(), "{again:?}");
        }
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
