//! Servers on 127.0.0.1 that play a script, byte by byte, on threads of their own.

use std::io::{Read, Write};
use std::net::{SocketAddr, TcpListener, TcpStream};
use std::sync::atomic::{AtomicUsize, Ordering};
use std::sync::{Arc, Mutex};

use picoclaw::net::http::{HttpClient, HttpError, Options, Request};

/// A running server; its threads end with the test binary.
pub struct Server {
    /// Where it listens.
    pub addr: SocketAddr,
    connections: Arc<AtomicUsize>,
    heard: Arc<Mutex<Vec<String>>>,
}

/// One accepted connection, or a layer over one.
pub struct Peer<S = TcpStream> {
    pub stream: S,
    heard: Arc<Mutex<Vec<String>>>,
}

/// Plays `script` for each connection; it is told how many came before.
pub fn serve(script: impl Fn(usize, &mut Peer) + Send + Sync + 'static) -> Server {
    let listener = TcpListener::bind("127.0.0.1:0").expect("a port");
    let server = Server {
        addr: listener.local_addr().expect("an address"),
        connections: Arc::default(),
        heard: Arc::default(),
    };
    let (connections, heard) = (Arc::clone(&server.connections), Arc::clone(&server.heard));
    let script = Arc::new(script);
    std::thread::spawn(move || {
        for stream in listener.incoming() {
            let n = connections.fetch_add(1, Ordering::SeqCst);
            let mut peer =
                Peer { stream: stream.expect("a connection"), heard: Arc::clone(&heard) };
            let script = Arc::clone(&script);
            std::thread::spawn(move || script(n, &mut peer));
        }
    });
    server
}

impl Server {
    /// A URL on this server.
    pub fn url(&self, path: &str) -> String {
        format!("http://{}{path}", self.addr)
    }

    /// Connections accepted so far.
    pub fn connections(&self) -> usize {
        self.connections.load(Ordering::SeqCst)
    }

    /// Requests read so far.
    pub fn heard(&self) -> Vec<String> {
        self.heard.lock().expect("no panic").clone()
    }
}

impl<S: Read + Write> Peer<S> {
    /// Another layer over the same connection.
    pub fn over<T>(&self, stream: T) -> Peer<T> {
        Peer { stream, heard: Arc::clone(&self.heard) }
    }

    /// Reads one request with its body; `None` when the client has gone.
    pub fn request(&mut self) -> Option<String> {
        let mut bytes = Vec::new();
        while !bytes.ends_with(b"\r\n\r\n") {
            bytes.push(self.bytes(1)?[0]);
        }
        let head = String::from_utf8(bytes).expect("text");
        let length = head
            .lines()
            .find_map(|l| l.strip_prefix("Content-Length: "))
            .map_or(0, |n| n.parse().expect("a number"));
        let body = String::from_utf8(self.bytes(length)?).expect("text");
        let request = head + &body;
        self.heard.lock().expect("no panic").push(request.clone());
        Some(request)
    }

    /// Exactly so many bytes; `None` when the client has gone.
    pub fn bytes(&mut self, n: usize) -> Option<Vec<u8>> {
        let mut bytes = vec![0; n];
        self.stream.read_exact(&mut bytes).ok().map(|()| bytes)
    }

    /// Sends `text`; the client may have gone.
    pub fn send(&mut self, text: impl AsRef<[u8]>) {
        let _ = self.stream.write_all(text.as_ref());
        let _ = self.stream.flush();
    }

    /// 200 with a body of known length.
    pub fn answer(&mut self, body: &str) {
        let length = body.len();
        self.send(format!("HTTP/1.1 200 OK\r\nContent-Length: {length}\r\n\r\n{body}"));
    }
}

/// A client that the environment does not touch.
pub fn client() -> HttpClient {
    HttpClient::with(Options::plain()).expect("a client")
}

/// Status and body as text.
pub fn fetch(client: &HttpClient, request: Request<'_>) -> Result<(u16, String), HttpError> {
    smol::block_on(async {
        let response = client.send(request).await?;
        let status = response.status;
        let body = response.bytes(1 << 20).await?;
        Ok((status, String::from_utf8(body).expect("text")))
    })
}

/// [`fetch`] with a GET.
pub fn get(client: &HttpClient, url: &str) -> Result<(u16, String), HttpError> {
    fetch(client, Request::get(url))
}
