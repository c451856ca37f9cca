//! The server's side of HTTP/1.1: one request in, one response out, on a blocking stream.
//!
//! It is stricter than it needs to be about what it reads (a daemon that sends a broken request is a
//! finding) and able to write responses that are wrong on purpose.

use std::io::{self, Read, Write};
use std::time::Duration;

/// Bytes of a request head; a real server stops at 8 to 16 kB.
const HEAD_BYTES: usize = 16 * 1024;
/// Bytes of a request body: the Bot API takes uploads of 50 MB.
const BODY_BYTES: usize = 50 * 1024 * 1024;
/// Header fields of a request.
const HEADERS: usize = 64;

/// What a client asked.
#[derive(Debug, Default)]
pub struct Request {
    pub method: String,
    /// Path without the query.
    pub path: String,
    /// Query without the question mark.
    pub query: String,
    headers: Vec<(String, String)>,
    pub body: Vec<u8>,
    /// The client wants the connection closed afterwards.
    pub close: bool,
}

impl Request {
    /// First field of this name, case ignored; empty when there is none.
    pub fn header(&self, name: &str) -> &str {
        let found = self.headers.iter().find(|(n, _)| n.eq_ignore_ascii_case(name));
        found.map_or("", |(_, v)| v.as_str())
    }
}

/// What the peer says.
#[derive(Debug, Clone)]
pub struct Response {
    pub status: u16,
    pub content_type: &'static str,
    /// More header fields.
    pub headers: Vec<(&'static str, String)>,
    pub body: Vec<u8>,
}

impl Response {
    /// A JSON body.
    pub fn json(status: u16, body: &serde_json::Value) -> Response {
        Response {
            status,
            content_type: "application/json",
            headers: Vec::new(),
            body: body.to_string().into_bytes(),
        }
    }

    /// Any other body.
    pub fn text(status: u16, content_type: &'static str, body: impl Into<Vec<u8>>) -> Response {
        Response { status, content_type, headers: Vec::new(), body: body.into() }
    }
}

/// How an exchange ends.
#[derive(Debug)]
pub enum Outcome {
    /// A response with a length.
    Reply(Response),
    /// 200 with a chunked event stream; `end` false breaks it off.
    Stream { events: Vec<Vec<u8>>, gap: Duration, end: bool },
    /// A response that ends in the middle of its body: at once, or after a long silence.
    Cut { response: Response, stall: bool },
    /// The connection is closed without a byte.
    Close,
    /// The connection is reset without a byte.
    Reset,
}

impl Outcome {
    /// A JSON reply.
    pub fn json(status: u16, body: &serde_json::Value) -> Outcome {
        Outcome::Reply(Response::json(status, body))
    }
}

fn invalid(message: &str) -> io::Error {
    io::Error::new(io::ErrorKind::InvalidData, message)
}

/// Reads requests from a stream; keeps what came too early for the next one.
#[derive(Default)]
pub struct Reader {
    pending: Vec<u8>,
}

impl Reader {
    /// The next request, `None` when the client closed between two.
    pub fn request<S: Read + Write>(&mut self, stream: &mut S) -> io::Result<Option<Request>> {
        let head = loop {
            if let Some(end) = find(&self.pending, b"\r\n\r\n") {
                break end + 4;
            }
            if self.pending.len() > HEAD_BYTES {
                return Err(invalid("request head too long"));
            }
            if !self.fill(stream)? {
                return if self.pending.is_empty() {
                    Ok(None)
                } else {
                    Err(io::ErrorKind::UnexpectedEof.into())
                };
            }
        };
        let mut request = parse_head(&self.pending[..head])?;
        self.pending.drain(..head);
        if request.header("expect").eq_ignore_ascii_case("100-continue") {
            stream.write_all(b"HTTP/1.1 100 Continue\r\n\r\n")?;
            stream.flush()?;
        }
        request.body = self.body(stream, &request)?;
        Ok(Some(request))
    }

    fn body<S: Read>(&mut self, stream: &mut S, request: &Request) -> io::Result<Vec<u8>> {
        if request.header("transfer-encoding").eq_ignore_ascii_case("chunked") {
            let mut body = Vec::new();
            loop {
                let line = self.line(stream)?;
                let size = line.split(';').next().unwrap_or("").trim();
                let size = usize::from_str_radix(size, 16).map_err(|_| invalid("chunk size"))?;
                if size == 0 {
                    while !self.line(stream)?.is_empty() {}
                    return Ok(body);
                }
                if body.len() + size > BODY_BYTES {
                    return Err(invalid("request body too long"));
                }
                body.append(&mut self.exactly(stream, size)?);
                if !self.line(stream)?.is_empty() {
                    return Err(invalid("chunk end"));
                }
            }
        }
        let length = match request.header("content-length") {
            "" => 0,
            n => n.parse().map_err(|_| invalid("content-length"))?,
        };
        if length > BODY_BYTES {
            return Err(invalid("request body too long"));
        }
        self.exactly(stream, length)
    }

    fn fill<S: Read>(&mut self, stream: &mut S) -> io::Result<bool> {
        let mut piece = [0; 16 * 1024];
        let n = stream.read(&mut piece)?;
        self.pending.extend_from_slice(&piece[..n]);
        Ok(n > 0)
    }

    fn line<S: Read>(&mut self, stream: &mut S) -> io::Result<String> {
        loop {
            if let Some(end) = find(&self.pending, b"\r\n") {
                let line = String::from_utf8_lossy(&self.pending[..end]).into_owned();
                self.pending.drain(..end + 2);
                return Ok(line);
            }
            if self.pending.len() > HEAD_BYTES || !self.fill(stream)? {
                return Err(invalid("line without an end"));
            }
        }
    }

    fn exactly<S: Read>(&mut self, stream: &mut S, n: usize) -> io::Result<Vec<u8>> {
        while self.pending.len() < n {
            if !self.fill(stream)? {
                return Err(io::ErrorKind::UnexpectedEof.into());
            }
        }
        let rest = self.pending.split_off(n);
        Ok(std::mem::replace(&mut self.pending, rest))
    }
}

fn parse_head(head: &[u8]) -> io::Result<Request> {
    let mut fields = [httparse::EMPTY_HEADER; HEADERS];
    let mut parsed = httparse::Request::new(&mut fields);
    parsed.parse(head).map_err(|e| invalid(&e.to_string()))?;
    let target = parsed.path.unwrap_or("/");
    let (path, query) = target.split_once('?').unwrap_or((target, ""));
    let headers: Vec<(String, String)> = parsed
        .headers
        .iter()
        .map(|h| (h.name.to_owned(), String::from_utf8_lossy(h.value).trim().to_owned()))
        .collect();
    let mut request = Request {
        method: parsed.method.unwrap_or("").to_owned(),
        path: path.to_owned(),
        query: query.to_owned(),
        headers,
        ..Request::default()
    };
    request.close = request.header("connection").eq_ignore_ascii_case("close");
    if request.header("host").is_empty() {
        return Err(invalid("HTTP/1.1 request without Host"));
    }
    Ok(request)
}

/// Writes a response; `keep` says whether the connection stays open.
pub fn write_response<S: Write>(stream: &mut S, response: &Response, keep: bool) -> io::Result<()> {
    let mut out = format!(
        "HTTP/1.1 {} {}\r\nContent-Type: {}\r\nContent-Length: {}\r\nConnection: {}\r\n",
        response.status,
        reason(response.status),
        response.content_type,
        response.body.len(),
        if keep { "keep-alive" } else { "close" },
    )
    .into_bytes();
    for (name, value) in &response.headers {
        write!(out, "{name}: {value}\r\n")?;
    }
    out.extend_from_slice(b"\r\n");
    // One write for small answers, so that one TCP segment and one TLS record carry them.
    if response.body.len() <= 16 * 1024 {
        out.extend_from_slice(&response.body);
        stream.write_all(&out)?;
    } else {
        stream.write_all(&out)?;
        stream.write_all(&response.body)?;
    }
    stream.flush()
}

/// Writes a response's head and half of its body.
pub fn write_half<S: Write>(stream: &mut S, response: &Response) -> io::Result<()> {
    let head = format!(
        "HTTP/1.1 {} {}\r\nContent-Type: {}\r\nContent-Length: {}\r\n\r\n",
        response.status,
        reason(response.status),
        response.content_type,
        response.body.len(),
    );
    stream.write_all(head.as_bytes())?;
    stream.write_all(&response.body[..response.body.len() / 2])?;
    stream.flush()
}

/// Writes an event stream in chunks, `gap` between two.
pub fn write_stream<S: Write>(
    stream: &mut S,
    events: &[Vec<u8>],
    gap: Duration,
    end: bool,
) -> io::Result<()> {
    stream.write_all(
        b"HTTP/1.1 200 OK\r\nContent-Type: text/event-stream\r\nCache-Control: no-cache\r\n\
          Transfer-Encoding: chunked\r\n\r\n",
    )?;
    for event in events {
        let mut chunk = format!("{:x}\r\n", event.len()).into_bytes();
        chunk.extend_from_slice(event);
        chunk.extend_from_slice(b"\r\n");
        stream.write_all(&chunk)?;
        stream.flush()?;
        if !gap.is_zero() {
            std::thread::sleep(gap);
        }
    }
    if end {
        stream.write_all(b"0\r\n\r\n")?;
    }
    stream.flush()
}

fn reason(status: u16) -> &'static str {
    match status {
        200 => "OK",
        301 => "Moved Permanently",
        302 => "Found",
        307 => "Temporary Redirect",
        400 => "Bad Request",
        401 => "Unauthorized",
        403 => "Forbidden",
        404 => "Not Found",
        409 => "Conflict",
        413 => "Content Too Large",
        429 => "Too Many Requests",
        500 => "Internal Server Error",
        502 => "Bad Gateway",
        503 => "Service Unavailable",
        _ => "Status",
    }
}

/// Where `needle` begins.
pub fn find(haystack: &[u8], needle: &[u8]) -> Option<usize> {
    haystack.windows(needle.len()).position(|w| w == needle)
}

/// Decodes `%41` and `+` of a query or form value.
pub fn percent_decode(s: &str) -> String {
    let mut out = Vec::with_capacity(s.len());
    let mut rest = s.as_bytes();
    while let Some((&b, tail)) = rest.split_first() {
        let hex = tail.get(..2).and_then(|h| std::str::from_utf8(h).ok());
        let code = hex.and_then(|h| u8::from_str_radix(h, 16).ok());
        rest = match (b, code) {
            (b'%', Some(code)) => {
                out.push(code);
                &tail[2..]
            }
            (b'+', _) => {
                out.push(b' ');
                tail
            }
            _ => {
                out.push(b);
                tail
            }
        };
    }
    String::from_utf8_lossy(&out).into_owned()
}

/// The pairs of a query or an urlencoded form.
pub fn pairs(s: &str) -> impl Iterator<Item = (String, String)> + '_ {
    s.split('&').filter(|p| !p.is_empty()).map(|p| {
        let (k, v) = p.split_once('=').unwrap_or((p, ""));
        (percent_decode(k), percent_decode(v))
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[track_caller]
    fn check(wire: &str, want: &[(&str, &str)]) {
        let mut stream = io::Cursor::new(wire.as_bytes().to_vec());
        let mut reader = Reader::default();
        for (path, body) in want {
            let request = reader.request(&mut stream).expect("a request").expect("not the end");
            assert_eq!(request.path, *path);
            assert_eq!(String::from_utf8_lossy(&request.body), *body);
        }
        assert!(reader.request(&mut stream).expect("the end").is_none());
    }

    #[test]
    fn requests_are_told_apart() {
        check("", &[]);
        check("GET /a?b=c HTTP/1.1\r\nHost: h\r\n\r\n", &[("/a", "")]);
        check(
            "POST /a HTTP/1.1\r\nHost: h\r\nContent-Length: 2\r\n\r\nhiGET /b HTTP/1.1\r\nhost: h\r\n\r\n",
            &[("/a", "hi"), ("/b", "")],
        );
        check(
            "POST /c HTTP/1.1\r\nHost: h\r\nTransfer-Encoding: chunked\r\n\r\n2\r\nhi\r\n3;x\r\n yo\r\n0\r\n\r\n",
            &[("/c", "hi yo")],
        );
    }

    #[test]
    fn forms_are_decoded() {
        let got: Vec<_> = pairs("a=1+2&b=%C3%A4&c&%zz=%4").collect();
        let want = [("a", "1 2"), ("b", "ä"), ("c", ""), ("%zz", "%4")];
        assert_eq!(got, want.map(|(k, v)| (k.to_owned(), v.to_owned())));
    }
}
