//! A small blocking HTTP client for control commands and test bots; not for anything that ships.

use std::io::{self, Read, Write};
use std::net::TcpStream;
use std::path::Path;
use std::sync::Arc;
use std::time::Duration;

use rustls::{ClientConfig, ClientConnection, StreamOwned};
use serde_json::Value;

use crate::tls;

enum Wire {
    Plain(TcpStream),
    Tls(Box<StreamOwned<ClientConnection, TcpStream>>),
}

impl Read for Wire {
    fn read(&mut self, buffer: &mut [u8]) -> io::Result<usize> {
        match self {
            Wire::Plain(s) => s.read(buffer),
            Wire::Tls(s) => s.read(buffer),
        }
    }
}

impl Write for Wire {
    fn write(&mut self, buffer: &[u8]) -> io::Result<usize> {
        match self {
            Wire::Plain(s) => s.write(buffer),
            Wire::Tls(s) => s.write(buffer),
        }
    }
    fn flush(&mut self) -> io::Result<()> {
        match self {
            Wire::Plain(s) => s.flush(),
            Wire::Tls(s) => s.flush(),
        }
    }
}

/// One server, at most one connection, kept open.
pub struct Client {
    host: String,
    address: String,
    tls: Option<Arc<ClientConfig>>,
    wire: Option<Wire>,
    /// For every read; `None` waits for ever.
    pub timeout: Option<Duration>,
}

impl Client {
    /// `base` is `http://host:port` or, with the authority to trust, `https://host:port`.
    pub fn new(base: &str, ca: Option<&Path>) -> io::Result<Client> {
        let (scheme, rest) = base.split_once("://").unwrap_or(("http", base));
        let address = rest.trim_end_matches('/').to_owned();
        let host = address.rsplit_once(':').map_or(address.as_str(), |(h, _)| h).to_owned();
        let tls = match (scheme, ca) {
            ("https", Some(ca)) => Some(tls::client_config(ca)?),
            ("https", None) => return Err(io::Error::other("https needs a certificate to trust")),
            _ => None,
        };
        Ok(Client { host, address, tls, wire: None, timeout: Some(Duration::from_secs(60)) })
    }

    fn connect(&self) -> io::Result<Wire> {
        let tcp = TcpStream::connect(&self.address)?;
        tcp.set_nodelay(true)?;
        tcp.set_read_timeout(self.timeout)?;
        let Some(config) = &self.tls else { return Ok(Wire::Plain(tcp)) };
        let session = ClientConnection::new(config.clone(), tls::server_name(&self.host)?)
            .map_err(io::Error::other)?;
        Ok(Wire::Tls(Box::new(StreamOwned::new(session, tcp))))
    }

    /// Posts JSON; status and body. After an error the next request has a new connection.
    pub fn post(&mut self, path: &str, headers: &str, body: &Value) -> io::Result<(u16, Vec<u8>)> {
        let body = body.to_string();
        let request = format!(
            "POST {path} HTTP/1.1\r\nHost: {}\r\nContent-Type: application/json\r\n\
             Content-Length: {}\r\n{headers}\r\n{body}",
            self.address,
            body.len()
        );
        self.exchange(request.as_bytes())
    }

    /// Gets a path; status and body.
    pub fn get(&mut self, path: &str) -> io::Result<(u16, Vec<u8>)> {
        let request = format!("GET {path} HTTP/1.1\r\nHost: {}\r\n\r\n", self.address);
        self.exchange(request.as_bytes())
    }

    /// Sends the bytes of a request, reads a response.
    pub fn exchange(&mut self, request: &[u8]) -> io::Result<(u16, Vec<u8>)> {
        let mut wire = match self.wire.take() {
            Some(wire) => wire,
            None => self.connect()?,
        };
        wire.write_all(request)?;
        wire.flush()?;
        let (status, body, keep) = read_response(&mut wire)?;
        self.wire = keep.then_some(wire);
        Ok((status, body))
    }

    /// A control command; its answer, or its complaint as an error.
    pub fn control(&mut self, what: &str, body: &Value) -> io::Result<Value> {
        let (status, answer) = self.post(&format!("/control/{what}"), "", body)?;
        let answer: Value = serde_json::from_slice(&answer).map_err(io::Error::other)?;
        match answer["error"].as_str() {
            None if status == 200 => Ok(answer),
            e => Err(io::Error::other(e.unwrap_or("refused").to_owned())),
        }
    }
}

fn read_response(wire: &mut impl Read) -> io::Result<(u16, Vec<u8>, bool)> {
    let mut bytes = Bytes { wire, pending: Vec::new() };
    let head = bytes.until(b"\r\n\r\n")?;
    let mut fields = [httparse::EMPTY_HEADER; 32];
    let mut response = httparse::Response::new(&mut fields);
    response.parse(&head).map_err(io::Error::other)?;
    let field = |name: &str| {
        let found = response.headers.iter().find(|h| h.name.eq_ignore_ascii_case(name));
        found.map(|h| String::from_utf8_lossy(h.value).to_ascii_lowercase())
    };
    let keep = field("connection").as_deref() != Some("close");
    let mut body = Vec::new();
    if field("transfer-encoding").as_deref() == Some("chunked") {
        loop {
            let line = bytes.until(b"\r\n")?;
            let size = String::from_utf8_lossy(&line).trim().to_owned();
            let size = usize::from_str_radix(&size, 16).map_err(io::Error::other)?;
            body.extend(bytes.exactly(size)?);
            bytes.until(b"\r\n")?;
            if size == 0 {
                break;
            }
        }
    } else if let Some(length) = field("content-length") {
        body = bytes.exactly(length.parse().map_err(io::Error::other)?)?;
    }
    Ok((response.code.unwrap_or(0), body, keep))
}

struct Bytes<'a, R> {
    wire: &'a mut R,
    pending: Vec<u8>,
}

impl<R: Read> Bytes<'_, R> {
    fn fill(&mut self) -> io::Result<()> {
        let mut piece = [0; 8192];
        match self.wire.read(&mut piece)? {
            0 => Err(io::ErrorKind::UnexpectedEof.into()),
            n => {
                self.pending.extend_from_slice(&piece[..n]);
                Ok(())
            }
        }
    }

    /// Up to and with `mark`.
    fn until(&mut self, mark: &[u8]) -> io::Result<Vec<u8>> {
        loop {
            if let Some(at) = crate::http::find(&self.pending, mark) {
                return self.exactly(at + mark.len());
            }
            self.fill()?;
        }
    }

    fn exactly(&mut self, n: usize) -> io::Result<Vec<u8>> {
        while self.pending.len() < n {
            self.fill()?;
        }
        let rest = self.pending.split_off(n);
        Ok(std::mem::replace(&mut self.pending, rest))
    }
}
