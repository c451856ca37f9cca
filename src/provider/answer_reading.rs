//! Reads a model server's response piece by piece, and gives up on one that never comes to anything.

use std::time::{Duration, Instant};

use async_io::Timer;

use super::exchange::AnswerParser;
use super::{Class, Failure, classify};
use crate::limits;
use crate::net::http::Response;
use crate::proto::sse::Events;

/// Until when an answer may take to bring something: comments and blanks keep a connection alive, and are nothing.
struct Patience {
    begun: Instant,
    until: Instant,
}

impl Patience {
    fn new(first: Duration) -> Patience {
        let begun = Instant::now();
        Patience { begun, until: begun + first.min(limits::MODEL_ANSWER) }
    }

    /// Waits again after a part of the answer: at most [`limits::MODEL_IDLE`], and [`limits::MODEL_ANSWER`] in all.
    fn renew(&mut self) {
        self.until = (Instant::now() + limits::MODEL_IDLE).min(self.begun + limits::MODEL_ANSWER);
    }

    /// The next piece of the body, `None` at its end; a [`Class::Timeout`] where nothing that counts came in time.
    async fn chunk<'a>(&self, response: &'a mut Response) -> Result<Option<&'a [u8]>, Failure> {
        let late = async {
            Timer::at(self.until).await;
            let text = "the model server keeps the connection, and its answer does not come";
            Err(Failure::new(Class::Timeout, text))
        };
        let next = async { response.chunk().await.map_err(|e| classify::transport(&e)) };
        // The limit first: something may always be there.
        smol::future::or(late, next).await
    }
}

fn too_long() -> Failure {
    let text = format!("the answer is longer than {} bytes", limits::MODEL_BODY_BYTES);
    Failure::new(Class::Network, text)
}

/// A body that is not a stream.
///
/// # Errors
/// The connection's; it is too long, or does not come.
pub(super) async fn whole(mut response: Response, first: Duration) -> Result<Vec<u8>, Failure> {
    let (mut bytes, mut patience) = (Vec::new(), Patience::new(first));
    while let Some(piece) = patience.chunk(&mut response).await? {
        if bytes.len() + piece.len() > limits::MODEL_BODY_BYTES {
            return Err(too_long());
        }
        if !piece.trim_ascii().is_empty() {
            patience.renew();
        }
        bytes.extend_from_slice(piece);
    }
    Ok(bytes)
}

pub(super) async fn stream(
    mut response: Response,
    first: Duration,
    answer: &mut dyn AnswerParser,
) -> Result<(), Failure> {
    let mut events = Events::default();
    let mut patience = Patience::new(first);
    let mut read = 0;
    while let Some(piece) = patience.chunk(&mut response).await? {
        read += piece.len();
        if read > limits::MODEL_BODY_BYTES {
            return Err(too_long());
        }
        if feed(&mut events, piece, answer, &mut || patience.renew())? {
            // The end of the body is usually in the same packet; reading it lets the connection be reused.
            let rest = async { response.chunk().await.is_ok_and(|piece| piece.is_none()) };
            smol::future::or(rest, async {
                Timer::after(limits::BODY_END_WAIT).await;
                false
            })
            .await;
            return Ok(());
        }
    }
    finish(&mut events, answer)
}

/// At the end of the stream a last event without its blank line counts.
pub(super) fn finish(events: &mut Events, answer: &mut dyn AnswerParser) -> Result<(), Failure> {
    if feed(events, b"\n\n", answer, &mut || {})? { Ok(()) } else { answer.end() }
}

pub(super) fn feed(
    events: &mut Events,
    mut input: &[u8],
    answer: &mut dyn AnswerParser,
    came: &mut dyn FnMut(),
) -> Result<bool, Failure> {
    loop {
        match events.feed(&mut input) {
            Ok(Some(event)) => {
                came();
                if answer.event(&String::from_utf8_lossy(event.data))? {
                    return Ok(true);
                }
            }
            Ok(None) => return Ok(false),
            Err(e) => return Err(Failure::new(Class::Network, e.to_string())),
        }
    }
}
