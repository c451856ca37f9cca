//! One exchange: sends the request and reads the response's head; the caller reads the body.

use std::io;
use std::rc::Rc;
use std::time::{Duration, Instant};

use super::error::{HttpError, HttpErrorKind, seconds};
use super::http::Inner;
use super::route::ServerRoute;
use super::stream::HttpStream;
use super::upload::Splice;
use crate::limits::{HTTP_INTERIM, HTTP_READ_BYTES, REFUSED_REQUEST_WAIT};
use crate::proto::http1::{BodyState, Head, HeadReader};

/// A response whose body the caller reads. If it is dropped before the body's end, its connection is
/// closed.
pub struct Response {
    /// Status code of the final response; interim ones (1xx) were skipped.
    pub status: u16,
    head: Head,
    body: BodyState,
    wire: BufferedStream,
    keep: bool,
}

/// A connection in use, with its read buffer.
pub(super) struct BufferedStream {
    client: Rc<Inner>,
    route: Rc<ServerRoute>,
    /// `None` once the connection is back in the pool or broken.
    stream: Option<HttpStream>,
    buf: Box<[u8]>,
    start: usize,
    end: usize,
    idle: Duration,
    deadline: Instant,
}

/// Why an exchange failed, and how much of it the server may have seen.
pub(super) struct ExchangeError {
    pub(super) error: HttpError,
    /// The request was not sent completely, so the server cannot have processed it.
    pub(super) unsent: bool,
    /// The connection ended before a byte of a response.
    pub(super) unanswered: bool,
}

/// The parts of a request that an exchange needs.
pub(super) struct Exchange<'a> {
    pub(super) method: &'a str,
    /// Request line and fields, and the body too when it is short.
    pub(super) head: &'a [u8],
    /// The rest of the body.
    pub(super) body: &'a [u8],
    /// Files in the body.
    pub(super) files: &'a [Splice],
    pub(super) first_byte: Duration,
    pub(super) idle: Duration,
    pub(super) total: Duration,
    /// Whether the connection may be used again.
    pub(super) keep: bool,
}

impl Exchange<'_> {
    /// Sends the request over `stream` and reads the response's head.
    pub(super) async fn run(
        &self,
        client: Rc<Inner>,
        route: Rc<ServerRoute>,
        stream: HttpStream,
    ) -> Result<Response, ExchangeError> {
        let mut wire = BufferedStream {
            client,
            route,
            stream: Some(stream),
            buf: vec![0; HTTP_READ_BYTES].into(),
            start: 0,
            end: 0,
            idle: self.idle,
            deadline: Instant::now() + self.total,
        };
        let sent = self.send(&mut wire).await;
        if let Err(e) = &sent {
            if e.kind() == io::ErrorKind::TimedOut {
                let error = wire.error(HttpErrorKind::Timeout, "the server does not read");
                return Err(ExchangeError { error, unsent: false, unanswered: true });
            }
        }
        // A server may refuse a long request before it has read it and hang up (RFC 9112, section 9.5).
        let first_byte = if sent.is_ok() { self.first_byte } else { REFUSED_REQUEST_WAIT };
        let mut answered = false;
        match self.head(&mut wire, first_byte, &mut answered).await {
            Ok((head, body)) => {
                let keep = self.keep && sent.is_ok() && head.keep_alive();
                let mut response = Response { status: head.status, head, body, wire, keep };
                response.finish();
                Ok(response)
            }
            Err(error) => match sent {
                Err(e) if !answered => {
                    let error = wire.error(HttpErrorKind::Broken, e);
                    Err(ExchangeError { error, unsent: true, unanswered: true })
                }
                _ => Err(ExchangeError { error, unsent: false, unanswered: !answered }),
            },
        }
    }

    async fn send(&self, wire: &mut BufferedStream) -> io::Result<()> {
        let stream = wire.stream.as_mut().ok_or(io::ErrorKind::NotConnected)?;
        stream.write_pieces(self.head, self.idle).await?;
        let (mut rest, mut sent) = (self.body, 0);
        for splice in self.files {
            let (text, after) = rest.split_at(splice.at.saturating_sub(sent).min(rest.len()));
            stream.write_pieces(text, self.idle).await?;
            // Boxed: rare, and every request would be as large.
            Box::pin(splice.write(stream, self.idle)).await?;
            sent += text.len();
            rest = after;
        }
        if rest.is_empty() { Ok(()) } else { stream.write_pieces(rest, self.idle).await }
    }

    async fn head(
        &self,
        wire: &mut BufferedStream,
        first_byte: Duration,
        answered: &mut bool,
    ) -> Result<(Head, BodyState), HttpError> {
        let mut reader = HeadReader::default();
        let mut until = Instant::now() + first_byte;
        let mut interim = 0;
        loop {
            if wire.start == wire.end {
                let limit = until.saturating_duration_since(Instant::now());
                let n = wire.fill(limit).await.map_err(|e| match e.kind() {
                    io::ErrorKind::TimedOut if !*answered => wire.error(
                        HttpErrorKind::Timeout,
                        format_args!("no answer within {}", seconds(first_byte)),
                    ),
                    _ => wire.broken(&e),
                })?;
                if n == 0 {
                    return Err(wire.error(HttpErrorKind::Broken, "closed without an answer"));
                }
                if !std::mem::replace(answered, true) {
                    until = Instant::now() + self.idle;
                }
            }
            let mut input = &wire.buf[wire.start..wire.end];
            let fed = reader.feed(&mut input);
            wire.start = wire.end - input.len();
            let wrong = |e| wire.error(HttpErrorKind::Protocol, e);
            let Some(head) = fed.map_err(wrong)? else { continue };
            if head.status == 101 {
                return Err(wrong("an upgrade nobody asked for"));
            }
            if head.is_interim() {
                interim += 1;
                if interim > HTTP_INTERIM {
                    return Err(wrong("too many interim responses"));
                }
                until = Instant::now() + first_byte;
                continue;
            }
            let body = head.body(self.method).map_err(wrong)?;
            return Ok((head, body));
        }
    }
}

impl BufferedStream {
    fn error(&self, kind: HttpErrorKind, cause: impl std::fmt::Display) -> HttpError {
        HttpError { kind, message: format!("{}: {cause}", self.route.label()) }
    }

    fn broken(&self, e: &io::Error) -> HttpError {
        match e.kind() {
            io::ErrorKind::TimedOut if Instant::now() >= self.deadline => {
                self.error(HttpErrorKind::Timeout, "the response takes too long")
            }
            io::ErrorKind::TimedOut => self
                .error(HttpErrorKind::Timeout, format_args!("silent for {}", seconds(self.idle))),
            io::ErrorKind::UnexpectedEof => {
                self.error(HttpErrorKind::Broken, "the connection was cut")
            }
            _ => self.error(HttpErrorKind::Broken, e),
        }
    }

    /// Reads into the empty buffer; 0 at the end.
    async fn fill(&mut self, limit: Duration) -> io::Result<usize> {
        let limit = limit.min(self.deadline.saturating_duration_since(Instant::now()));
        let stream = self.stream.as_mut().ok_or(io::ErrorKind::NotConnected)?;
        self.start = 0;
        self.end = 0;
        self.end = stream.read_some(&mut self.buf, limit).await?;
        Ok(self.end)
    }
}

impl Response {
    /// The first field of this name that is text, case ignored.
    pub fn header(&self, name: &str) -> Option<&str> {
        self.head.value(name)
    }

    /// What is still to come, where the server said so.
    pub fn content_length(&self) -> Option<u64> {
        self.body.left()
    }

    /// The next piece of the body, never empty, `None` at its end. It borrows the connection's buffer
    /// until the next call.
    pub async fn chunk(&mut self) -> Result<Option<&[u8]>, HttpError> {
        loop {
            if self.body.is_done() {
                return Ok(None);
            }
            let wire = &mut self.wire;
            let mut input = &wire.buf[wire.start..wire.end];
            let fed = self.body.feed(&mut input);
            wire.start = wire.end - input.len();
            let length = match fed {
                Ok(piece) => piece.len(),
                Err(e) => {
                    wire.stream = None;
                    return Err(wire.error(HttpErrorKind::Protocol, e));
                }
            };
            if length > 0 {
                // The piece is the last that was taken off the input.
                let end = wire.start;
                self.finish();
                return Ok(Some(&self.wire.buf[end - length..end]));
            }
            if self.body.is_done() {
                self.finish();
                return Ok(None);
            }
            match self.wire.fill(self.wire.idle).await {
                Ok(0) => {
                    self.wire.stream = None;
                    let ended = self.body.end();
                    self.body = BodyState::Length(0);
                    ended.map_err(|e| self.wire.error(HttpErrorKind::Broken, e))?;
                }
                Ok(_) => {}
                Err(e) => {
                    self.wire.stream = None;
                    return Err(self.wire.broken(&e));
                }
            }
        }
    }

    /// After the last byte: the connection goes back to the pool, or closes.
    fn finish(&mut self) {
        if !self.body.is_done() {
            return;
        }
        let Some(stream) = self.wire.stream.take() else { return };
        if self.keep && self.wire.start == self.wire.end {
            self.wire.client.pool.put(Rc::clone(&self.wire.route), stream);
        }
    }

    /// The whole body; `Protocol` when it is longer than `limit` bytes.
    pub async fn bytes(mut self, limit: usize) -> Result<Vec<u8>, HttpError> {
        let mut out = Vec::new();
        let mut too_long = self.content_length().is_some_and(|n| n > limit as u64);
        if let (false, Some(n)) = (too_long, self.content_length()) {
            out.reserve_exact(usize::try_from(n).unwrap_or(0));
        }
        while !too_long {
            let Some(piece) = self.chunk().await? else { return Ok(out) };
            too_long = out.len() + piece.len() > limit;
            if !too_long {
                out.extend_from_slice(piece);
            }
        }
        Err(self.wire.error(
            HttpErrorKind::Protocol,
            format_args!("the response is longer than {limit} bytes"),
        ))
    }

    /// At most `limit` bytes of the body; the rest is dropped with the connection, and so are errors.
    pub async fn head_of_body(mut self, limit: usize) -> Vec<u8> {
        let mut out = Vec::new();
        while out.len() < limit {
            let Ok(Some(piece)) = self.chunk().await else { break };
            out.extend_from_slice(&piece[..piece.len().min(limit - out.len())]);
        }
        out
    }
}
