//! Responses of HTTP/1.1 (RFC 9112) without I/O: the head, and where the body ends.
//!
//! Takes pieces of any size; never holds more than the head, and nothing of the body.

use percent_encoding::percent_decode_str;

use crate::limits::{HTTP_HEAD_BYTES, HTTP_HEADERS};

/// Why the server's bytes are malformed; half a sentence.
pub type Malformed = &'static str;

/// Collects a response head.
#[derive(Default)]
pub struct HeadReader {
    bytes: Vec<u8>,
}

impl HeadReader {
    /// Consumes the head's bytes from `input`; returns the head once it is complete.
    pub fn feed(&mut self, input: &mut &[u8]) -> Result<Option<Head>, Malformed> {
        // Looks for the empty line before anything is parsed, so that a head that arrives
        // byte by byte costs no more than one that arrives at once.
        for (i, &b) in input.iter().enumerate() {
            self.bytes.push(b);
            if b == b'\n' && (self.bytes.ends_with(b"\n\r\n") || self.bytes.ends_with(b"\n\n")) {
                *input = &input[i + 1..];
                return Head::parse(std::mem::take(&mut self.bytes)).map(Some);
            }
            if self.bytes.len() >= HTTP_HEAD_BYTES {
                return Err("the response's head is too long");
            }
        }
        *input = &[];
        Ok(None)
    }

    /// Whether nothing has arrived yet.
    pub fn is_empty(&self) -> bool {
        self.bytes.is_empty()
    }
}

/// The parts of a request head that a small server needs.
#[derive(Debug, Default, PartialEq, Eq)]
pub struct RequestHead<'a> {
    /// As written; empty if there is no request.
    pub method: &'a [u8],
    /// Without the query.
    pub path: &'a [u8],
    /// The token of `Authorization: Bearer TOKEN` (RFC 6750).
    pub bearer: Option<&'a [u8]>,
}

/// Parses the head of a request; parts that are not understood are empty.
pub fn request(head: &[u8]) -> RequestHead<'_> {
    let mut words = first_line(head).split(|b| *b == b' ');
    let (method, target) = (words.next().unwrap_or_default(), words.next().unwrap_or_default());
    let path = target.split(|b| *b == b'?').next().unwrap_or_default();
    let bearer = field(head, b"authorization").and_then(|value| {
        let (scheme, value) = value.split_at_checked(7)?;
        scheme.eq_ignore_ascii_case(b"bearer ").then(|| value.trim_ascii())
    });
    RequestHead { method, path, bearer }
}

fn first_line(head: &[u8]) -> &[u8] {
    head.split(|b| *b == b'\n').next().unwrap_or_default().trim_ascii()
}

/// The first value of this name (in lower case) in the head of a request.
pub fn field<'a>(head: &'a [u8], name: &[u8]) -> Option<&'a [u8]> {
    let lines = head.split(|b| *b == b'\n').map(<[u8]>::trim_ascii).skip(1);
    lines.take_while(|line| !line.is_empty()).find_map(|line| {
        let (own, value) = line.split_at(line.iter().position(|b| *b == b':')?);
        own.eq_ignore_ascii_case(name).then(|| value[1..].trim_ascii())
    })
}

/// The decoded value of this name in the query of a request.
pub fn parameter(head: &[u8], name: &str) -> Option<Vec<u8>> {
    let target = first_line(head).split(|b| *b == b' ').nth(1)?;
    let query = target.splitn(2, |b| *b == b'?').nth(1)?;
    query.split(|b| *b == b'&').find_map(|pair| {
        let (own, value) = pair.split_at(pair.iter().position(|b| *b == b'=')?);
        let value = std::str::from_utf8(&value[1..]).ok()?;
        (own == name.as_bytes()).then(|| percent_decode_str(value).collect())
    })
}

/// A response head.
pub struct Head {
    bytes: Box<[u8]>,
    /// 100 to 999.
    pub status: u16,
    /// HTTP/1.1 and not 1.0.
    v11: bool,
}

impl Head {
    fn parse(bytes: Vec<u8>) -> Result<Head, Malformed> {
        let mut fields = [httparse::EMPTY_HEADER; HTTP_HEADERS];
        let mut response = httparse::Response::new(&mut fields);
        match response.parse(&bytes) {
            Ok(httparse::Status::Complete(n)) if n == bytes.len() => {}
            Err(httparse::Error::TooManyHeaders) => return Err("the response has too many fields"),
            _ => return Err("the answer is not HTTP"),
        }
        let (Some(status @ 100..), Some(minor)) = (response.code, response.version) else {
            return Err("the answer is not HTTP");
        };
        Ok(Head { status, v11: minor == 1, bytes: bytes.into_boxed_slice() })
    }

    /// The values of every field of this name, in order, case ignored, blanks trimmed.
    pub fn values<'h, 'n>(&'h self, name: &'n str) -> impl Iterator<Item = &'h [u8]> + use<'h, 'n> {
        self.bytes.split(|&b| b == b'\n').skip(1).filter_map(move |line| {
            let colon = line.iter().position(|&b| b == b':')?;
            line[..colon]
                .eq_ignore_ascii_case(name.as_bytes())
                .then(|| line[colon + 1..].trim_ascii())
        })
    }

    /// The first value of this name, when it is text.
    pub fn value(&self, name: &str) -> Option<&str> {
        self.values(name).next().and_then(|v| std::str::from_utf8(v).ok())
    }

    /// Whether a comma-separated field has this word.
    fn has_token(&self, name: &str, token: &str) -> bool {
        self.values(name)
            .flat_map(|v| v.split(|&b| b == b','))
            .any(|t| t.trim_ascii().eq_ignore_ascii_case(token.as_bytes()))
    }

    /// Whether another response follows this one (1xx, RFC 9110 section 15.2).
    pub fn is_interim(&self) -> bool {
        self.status < 200
    }

    /// Whether the connection may carry another request after the body.
    pub fn keep_alive(&self) -> bool {
        let framed_twice = self.values("transfer-encoding").next().is_some()
            && self.values("content-length").next().is_some();
        !framed_twice
            && !self.has_token("connection", "close")
            && (self.v11 || self.has_token("connection", "keep-alive"))
    }

    /// How the body ends (RFC 9112, section 6.3). `method` is the request's.
    pub fn body(&self, method: &str) -> Result<BodyState, Malformed> {
        if method == "HEAD" || self.is_interim() || matches!(self.status, 204 | 304) {
            return Ok(BodyState::Length(0));
        }
        let mut codings = self
            .values("transfer-encoding")
            .flat_map(|v| v.split(|&b| b == b','))
            .map(<[u8]>::trim_ascii)
            .filter(|t| !t.is_empty());
        if let Some(coding) = codings.next() {
            return match codings.next() {
                None if coding.eq_ignore_ascii_case(b"chunked") => {
                    Ok(BodyState::Chunked(ChunkState::Size))
                }
                None if coding.eq_ignore_ascii_case(b"identity") => Ok(BodyState::UntilClose),
                _ => Err("the response has an unknown transfer coding"),
            };
        }
        let mut length = None;
        for value in self.values("content-length").flat_map(|v| v.split(|&b| b == b',')) {
            let n = decimal(value.trim_ascii()).ok_or("the response's length is not a number")?;
            if length.replace(n).is_some_and(|other| other != n) {
                return Err("the response has two different lengths");
            }
        }
        Ok(length.map_or(BodyState::UntilClose, BodyState::Length))
    }
}

fn decimal(digits: &[u8]) -> Option<u64> {
    if digits.is_empty() || !digits.iter().all(u8::is_ascii_digit) {
        return None;
    }
    std::str::from_utf8(digits).ok()?.parse().ok()
}

/// What is left of a body.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum BodyState {
    /// So many bytes.
    Length(u64),
    /// Chunks (RFC 9112, section 7.1).
    Chunked(ChunkState),
    /// Everything until the end of the connection.
    UntilClose,
}

/// The state of the chunked coding at the next byte.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum ChunkState {
    /// At the start of a size line.
    Size,
    /// Inside the size line: the size so far, and bytes of the line.
    Digits(u64, u32),
    /// In an extension, which is skipped: size, and bytes of the line.
    Extension(u64, u32),
    /// So many bytes of data to come.
    Data(u64),
    /// At the line end after the data.
    DataEnd,
    /// In the trailer section: bytes so far, and whether the line has any.
    Trailer(u32, bool),
    /// After the last byte.
    Done,
}

impl BodyState {
    /// Whether the whole body has been returned.
    pub fn is_done(&self) -> bool {
        matches!(self, BodyState::Length(0) | BodyState::Chunked(ChunkState::Done))
    }

    /// Content-Length, as far as it is still to come.
    pub fn left(&self) -> Option<u64> {
        if let BodyState::Length(n) = self { Some(*n) } else { None }
    }

    /// Consumes coded bytes from `input`, returns the next piece of the body; empty if more input is needed or the
    /// body is done. Bytes left in `input` after the end are not part of the response.
    pub fn feed<'a>(&mut self, input: &mut &'a [u8]) -> Result<&'a [u8], Malformed> {
        match self {
            BodyState::UntilClose => Ok(std::mem::take(input)),
            BodyState::Length(left) => Ok(take(input, left)),
            BodyState::Chunked(state) => {
                while !input.is_empty() && *state != ChunkState::Done {
                    if let ChunkState::Data(left) = state {
                        let piece = take(input, left);
                        if *left == 0 {
                            *state = ChunkState::DataEnd;
                        }
                        return Ok(piece);
                    }
                    *state = state.step(input[0])?;
                    *input = &input[1..];
                }
                Ok(&[])
            }
        }
    }

    /// The connection has ended, which is only valid at the body's end.
    pub fn end(&self) -> Result<(), Malformed> {
        if self.is_done() || *self == BodyState::UntilClose {
            Ok(())
        } else {
            Err("the response was cut off")
        }
    }
}

fn take<'a>(input: &mut &'a [u8], left: &mut u64) -> &'a [u8] {
    let n = usize::try_from(*left).unwrap_or(usize::MAX).min(input.len());
    let (piece, rest) = input.split_at(n);
    *input = rest;
    *left -= n as u64;
    piece
}

impl ChunkState {
    fn step(self, b: u8) -> Result<ChunkState, Malformed> {
        const WRONG: Malformed = "the response's chunks are malformed";
        // Size lines and trailers share the head's limit.
        let longer = |n: u32| if n as usize >= HTTP_HEAD_BYTES { Err(WRONG) } else { Ok(n + 1) };
        let sized =
            |size| if size == 0 { ChunkState::Trailer(0, false) } else { ChunkState::Data(size) };
        Ok(match (self, b) {
            (ChunkState::Size, _) => {
                ChunkState::Digits(u64::from(char::from(b).to_digit(16).ok_or(WRONG)?), 1)
            }
            (ChunkState::Digits(size, _) | ChunkState::Extension(size, _), b'\n') => sized(size),
            (ChunkState::Digits(size, n), b';' | b' ' | b'\t' | b'\r') => {
                ChunkState::Extension(size, longer(n)?)
            }
            (ChunkState::Digits(size, n), _) => {
                let digit = u64::from(char::from(b).to_digit(16).ok_or(WRONG)?);
                let size = size.checked_mul(16).and_then(|s| s.checked_add(digit)).ok_or(WRONG)?;
                ChunkState::Digits(size, longer(n)?)
            }
            (ChunkState::Extension(size, n), _) => ChunkState::Extension(size, longer(n)?),
            (ChunkState::DataEnd, b'\r') => ChunkState::DataEnd,
            (ChunkState::DataEnd, b'\n') => ChunkState::Size,
            (ChunkState::DataEnd, _) => return Err(WRONG),
            (ChunkState::Trailer(_, false), b'\n') => ChunkState::Done,
            (ChunkState::Trailer(n, _), b'\n') => ChunkState::Trailer(longer(n)?, false),
            (ChunkState::Trailer(n, any), b'\r') => ChunkState::Trailer(longer(n)?, any),
            (ChunkState::Trailer(n, _), _) => ChunkState::Trailer(longer(n)?, true),
            (state @ (ChunkState::Data(_) | ChunkState::Done), _) => state,
        })
    }
}

#[cfg(test)]
#[path = "http1_tests.rs"]
mod tests;
