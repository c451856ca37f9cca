//! Event streams (`text/event-stream`, HTML standard section 9.2.6), fed in pieces of any size.
//!
//! Never holds more than one line and one event, both bounded.

use crate::limits::SSE_LINE_BYTES;

/// A line or an event longer than [`SSE_LINE_BYTES`].
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct TooLong;

impl std::fmt::Display for TooLong {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str("an event of the stream is too long")
    }
}

/// One event; raw bytes, because the content need not be valid UTF-8.
#[derive(Debug, PartialEq, Eq)]
pub struct SseEvent<'a> {
    /// The `event:` field, empty when there was none.
    pub name: &'a [u8],
    /// The `data:` fields, joined by line feeds.
    pub data: &'a [u8],
}

/// The parser's state between two pieces.
#[derive(Default)]
pub struct Events {
    line: Vec<u8>,
    name: Vec<u8>,
    data: Vec<u8>,
    has_data: bool,
    /// The last event was handed out and is cleared when the next byte comes.
    given: bool,
    /// The last byte was a carriage return: a line feed after it belongs to the same line end.
    after_cr: bool,
    /// Something came before, so a byte order mark is no longer one.
    started: bool,
}

impl Events {
    /// Consumes bytes from `input` up to the end of the next event:
    /// `while let Some(event) = events.feed(&mut input)? { ... }`.
    /// An event whose end is missing when the stream ends is not returned, as the standard requires.
    pub fn feed<'a>(&'a mut self, input: &mut &[u8]) -> Result<Option<SseEvent<'a>>, TooLong> {
        if self.given {
            self.given = false;
            self.has_data = false;
            self.name.clear();
            self.data.clear();
            self.data.shrink_to(4096);
        }
        while !input.is_empty() {
            if std::mem::take(&mut self.after_cr) && input[0] == b'\n' {
                *input = &input[1..];
                continue;
            }
            let bytes = *input;
            let Some(end) = bytes.iter().position(|b| matches!(b, b'\n' | b'\r')) else {
                self.push_line(bytes)?;
                *input = &[];
                break;
            };
            self.push_line(&bytes[..end])?;
            self.after_cr = bytes[end] == b'\r';
            *input = &bytes[end + 1..];
            if self.take_line()? {
                self.given = true;
                return Ok(Some(SseEvent { name: &self.name, data: &self.data }));
            }
        }
        Ok(None)
    }

    fn push_line(&mut self, bytes: &[u8]) -> Result<(), TooLong> {
        if self.line.len() + bytes.len() > SSE_LINE_BYTES {
            return Err(TooLong);
        }
        self.line.extend_from_slice(bytes);
        Ok(())
    }

    /// Processes the finished line; true if it ends an event.
    fn take_line(&mut self) -> Result<bool, TooLong> {
        let mut line = self.line.as_slice();
        if !std::mem::replace(&mut self.started, true) {
            line = line.strip_prefix(b"\xef\xbb\xbf").unwrap_or(line);
        }
        let ends_event = line.is_empty();
        let (field, value) = match line.iter().position(|&b| b == b':') {
            Some(at) => (&line[..at], &line[at + 1..]),
            None => (line, &line[line.len()..]),
        };
        let value = value.strip_prefix(b" ").unwrap_or(value);
        match field {
            b"data" => {
                if self.data.len() + value.len() >= SSE_LINE_BYTES {
                    return Err(TooLong);
                }
                if self.has_data {
                    self.data.push(b'\n');
                }
                self.has_data = true;
                self.data.extend_from_slice(value);
            }
            b"event" => {
                self.name.clear();
                self.name.extend_from_slice(value);
            }
            // Comments, `id`, `retry` and unknown fields are ignored.
            _ => {}
        }
        self.line.clear();
        self.line.shrink_to(4096);
        if ends_event && !self.has_data {
            self.name.clear();
        }
        Ok(ends_event && self.has_data)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn all(pieces: &[&[u8]]) -> Vec<(String, String)> {
        let mut events = Events::default();
        let mut out = Vec::new();
        for piece in pieces {
            let mut input = *piece;
            while let Some(e) = events.feed(&mut input).expect("short lines") {
                let text = |b| String::from_utf8_lossy(b).into_owned();
                out.push((text(e.name), text(e.data)));
            }
        }
        out
    }

    /// Whole, and cut in two at every offset.
    #[track_caller]
    fn check(stream: &str, want: &[(&str, &str)]) {
        let want: Vec<_> = want.iter().map(|(n, d)| (n.to_string(), d.to_string())).collect();
        let bytes = stream.as_bytes();
        assert_eq!(all(&[bytes]), want);
        for at in 0..=bytes.len() {
            assert_eq!(all(&[&bytes[..at], &bytes[at..]]), want, "cut at {at}");
        }
        let single: Vec<&[u8]> = bytes.chunks(1).collect();
        assert_eq!(all(&single), want, "byte by byte");
    }

    #[test]
    fn events() {
        check("", &[]);
        check("data: a\n\n", &[("", "a")]);
        check("data:a\r\n\r\ndata:  b\r\n\r\n", &[("", "a"), ("", " b")]);
        check("data: a\rdata: b\r\r", &[("", "a\nb")]);
        check(": hello\n\nevent: ping\ndata: {}\n\n", &[("ping", "{}")]);
        check("event: lost\n\ndata: x\n\n", &[("", "x")]);
        check("data\n\ndata: [DONE]\n\n", &[("", ""), ("", "[DONE]")]);
        check("data: unfinished\n", &[]);
        check("\u{feff}data: x\nid: 7\nretry: 9\nother\n\n", &[("", "x")]);
        check("data: \u{fc}\n\n\n\n", &[("", "\u{fc}")]);
    }

    #[test]
    fn a_line_without_end_is_refused() {
        let mut events = Events::default();
        let piece = [b'x'; 4096];
        let refused = (0..).position(|_| events.feed(&mut &piece[..]).is_err());
        assert_eq!(refused, Some(SSE_LINE_BYTES / 4096));
    }

    #[test]
    fn an_event_of_many_lines_is_refused() {
        let mut events = Events::default();
        let line = [b"data: ".as_slice(), &[b'x'; 4096], b"\n"].concat();
        let refused = (0..).position(|_| events.feed(&mut line.as_slice()).is_err());
        assert!(refused.is_some_and(|n| n <= SSE_LINE_BYTES / 4096));
    }
}
