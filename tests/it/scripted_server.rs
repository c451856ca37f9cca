//! An HTTP server on a thread that plays a script: one step a request, over as many connections as the client makes.

use std::io::{BufRead, BufReader, Read, Write};
use std::net::{TcpListener, TcpStream};
use std::sync::{Arc, Mutex};
use std::time::Duration;

use crate::pause;

/// What the server does with a request.
pub enum Step {
    /// Writes these bytes, each piece on its own.
    Bytes(Vec<Vec<u8>>),
    /// Writes these bytes and closes.
    Last(Vec<u8>),
    /// Says nothing until the client leaves.
    Hang,
    /// Writes this again and again until the client leaves.
    Endless(Vec<u8>, Vec<u8>),
}

/// A request as it came.
pub struct Seen {
    pub line: String,
    /// `name: value` with the name in lower case.
    pub fields: Vec<String>,
    pub body: serde_json::Value,
    /// Which connection, from 0.
    pub connection: usize,
}

pub struct Server {
    pub base: String,
    pub seen: Arc<Mutex<Vec<Seen>>>,
}

impl Server {
    /// Plays `steps`; requests after the last find a closed connection.
    pub fn start(steps: Vec<Step>) -> Server {
        let listener = TcpListener::bind("127.0.0.1:0").expect("a port");
        let base = format!("http://{}/v1", listener.local_addr().expect("an address"));
        let seen = Arc::new(Mutex::new(Vec::new()));
        let steps = Arc::new(Mutex::new(steps.into_iter()));
        let server = Server { base, seen: seen.clone() };
        std::thread::spawn(move || {
            for (connection, stream) in listener.incoming().flatten().enumerate() {
                let (seen, steps) = (seen.clone(), steps.clone());
                std::thread::spawn(move || {
                    stream.set_nodelay(true).expect("nodelay");
                    let mut reader = BufReader::new(stream);
                    while let Some(request) = read(&mut reader, connection) {
                        seen.lock().expect("a list").push(request);
                        let step = steps.lock().expect("a script").next();
                        if !play(step, reader.get_mut()) {
                            return;
                        }
                    }
                });
            }
        });
        server
    }

    /// How many requests came.
    pub fn count(&self) -> usize {
        self.seen.lock().expect("a list").len()
    }
}

fn read(reader: &mut BufReader<TcpStream>, connection: usize) -> Option<Seen> {
    let mut lines = Vec::new();
    loop {
        let mut line = String::new();
        if reader.read_line(&mut line).ok()? == 0 {
            return None;
        }
        match line.trim_end() {
            "" => break,
            text => lines.push(text.to_owned()),
        }
    }
    let line = lines.remove(0);
    let lower = |field: &String| match field.split_once(':') {
        Some((name, value)) => format!("{}:{value}", name.to_ascii_lowercase()),
        None => field.clone(),
    };
    let fields: Vec<String> = lines.iter().map(lower).collect();
    let length = fields.iter().find_map(|f| f.strip_prefix("content-length: "))?;
    let mut body = vec![0; length.parse().ok()?];
    reader.read_exact(&mut body).ok()?;
    let body = serde_json::from_slice(&body).expect("a JSON body");
    Some(Seen { line, fields, body, connection })
}

/// False when the connection is over.
fn play(step: Option<Step>, stream: &mut TcpStream) -> bool {
    match step {
        None => false,
        Some(Step::Bytes(pieces)) => pieces.iter().all(|piece| {
            let written = stream.write_all(piece).is_ok();
            if pieces.len() > 1 {
                // Long enough for the client to read this piece alone.
                pause::slow(Duration::from_millis(1));
            }
            written
        }),
        Some(Step::Last(bytes)) => {
            // The client may be gone already; then there is nobody to tell.
            let _ = stream.write_all(&bytes);
            false
        }
        Some(Step::Hang) => {
            // Ends with the connection, whichever way that ends.
            let _ = stream.read_to_end(&mut Vec::new());
            false
        }
        Some(Step::Endless(head, again)) => {
            let mut alive = stream.write_all(&head).is_ok();
            while alive {
                alive = stream.write_all(&again).is_ok();
            }
            false
        }
    }
}

/// A response with a length.
pub fn response(status: &str, fields: &str, body: &str) -> Vec<u8> {
    format!("HTTP/1.1 {status}\r\n{fields}Content-Length: {}\r\n\r\n{body}", body.len())
        .into_bytes()
}

/// A JSON answer.
pub fn json(body: &str) -> Step {
    Step::Bytes(vec![response("200 OK", "Content-Type: application/json\r\n", body)])
}

/// A refusal.
pub fn refuse(status: &str, body: &str) -> Step {
    Step::Bytes(vec![response(status, "", body)])
}

/// A chat completion that says `text`.
pub fn says(text: &str) -> Step {
    json(&format!(
        r#"{{"choices":[{{"message":{{"role":"assistant","content":"{text}"}},"finish_reason":"stop"}}],"usage":{{"prompt_tokens":5,"completion_tokens":2}}}}"#
    ))
}

/// Bytes of an event stream, chunked; one chunk an event, `end` with the last chunk.
pub fn stream(events: &[&str], end: bool) -> Vec<u8> {
    let mut out =
        b"HTTP/1.1 200 OK\r\nContent-Type: text/event-stream\r\nTransfer-Encoding: chunked\r\n\r\n"
            .to_vec();
    for event in events {
        let data = format!("data: {event}\n\n");
        out.extend_from_slice(format!("{:x}\r\n{data}\r\n", data.len()).as_bytes());
    }
    if end {
        out.extend_from_slice(b"0\r\n\r\n");
    }
    out
}
