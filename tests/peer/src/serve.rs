//! Sockets: listeners, one thread for each connection, and the faults that happen to connections.

use std::io::{self, Read, Write};
use std::net::{SocketAddr, TcpListener, TcpStream};
use std::sync::Arc;
use std::sync::atomic::Ordering;
use std::thread::JoinHandle;
use std::time::{Duration, Instant};

use rustix::event::{PollFd, PollFlags, Timespec, poll};
use rustls::{ServerConfig, ServerConnection, StreamOwned};

use crate::faults::Kind;
use crate::http::{Outcome, Reader, Request, Response, write_half, write_response, write_stream};
use crate::model::{self, Served};
use crate::peer::Inner;
use crate::world::Shared;
use crate::{control, pages, telegram};

/// How often a listener looks whether it should stop.
const TICK: Timespec = Timespec { tv_sec: 0, tv_nsec: 50_000_000 };
/// A hanging answer ends at the latest then.
const HANG: Duration = Duration::from_secs(3600);

/// Starts to listen; the thread ends when the peer stops.
pub fn listen(
    inner: &Arc<Inner>,
    address: SocketAddr,
    tls: Option<Arc<ServerConfig>>,
) -> io::Result<(SocketAddr, JoinHandle<()>)> {
    let listener = TcpListener::bind(address)?;
    let address = listener.local_addr()?;
    listener.set_nonblocking(true)?;
    let inner = inner.clone();
    let thread = std::thread::spawn(move || {
        while !inner.stopping.load(Ordering::Relaxed) {
            if poll(&mut [PollFd::new(&listener, PollFlags::IN)], Some(&TICK)).is_ok_and(|n| n > 0)
            {
                if let Ok((stream, _)) = listener.accept() {
                    accept(&inner, stream, tls.clone());
                }
            }
        }
    });
    Ok((address, thread))
}

fn accept(inner: &Arc<Inner>, stream: TcpStream, tls: Option<Arc<ServerConfig>>) {
    // Commands come in plain; on that side it is decided when the path is known.
    if tls.is_some() && inner.offline.load(Ordering::Relaxed) {
        reset(&stream);
        return;
    }
    let Some(id) = inner.register(&stream) else { return };
    let inner = inner.clone();
    std::thread::spawn(move || {
        // Errors on a connection are the client's ways of leaving.
        let _ = connection(&inner, id, stream, tls);
        inner.forget(id);
    });
}

fn connection(
    inner: &Inner,
    id: u64,
    tcp: TcpStream,
    tls: Option<Arc<ServerConfig>>,
) -> io::Result<()> {
    tcp.set_nonblocking(false)?;
    tcp.set_nodelay(true)?;
    let watched = tcp.try_clone()?;
    let end = match tls {
        None => exchanges(inner, id, &mut &tcp, &watched),
        Some(config) => {
            let session = ServerConnection::new(config).map_err(io::Error::other)?;
            let mut stream = StreamOwned::new(session, &tcp);
            let end = exchanges(inner, id, &mut stream, &watched);
            if let Ok(End::Polite) = end {
                stream.conn.send_close_notify();
                let _ = stream.flush();
            }
            end
        }
    }?;
    if matches!(end, End::Reset) {
        // The reset goes out when the last handle closes.
        inner.forget(id);
        reset(&tcp);
    }
    Ok(())
}

enum End {
    Polite,
    Drop,
    Reset,
}

/// A request in work, for `World::rest`.
struct Working<'a>(&'a Shared);

impl Working<'_> {
    fn begin(shared: &Shared) -> Working<'_> {
        shared.change(|w| {
            w.begun += 1;
            w.working += 1;
        });
        Working(shared)
    }
}

impl Drop for Working<'_> {
    fn drop(&mut self) {
        self.0.change(|w| w.working -= 1);
    }
}

fn exchanges<S: Read + Write>(
    inner: &Inner,
    id: u64,
    stream: &mut S,
    watched: &TcpStream,
) -> io::Result<End> {
    let mut reader = Reader::default();
    let alive = || alive(watched);
    while let Some(request) = reader.request(stream)? {
        let start = Instant::now();
        let steers = request.path.starts_with("/control/");
        if steers {
            inner.steers(id);
        } else if inner.offline.load(Ordering::Relaxed) {
            return Ok(End::Reset);
        }
        let _working = (!steers).then(|| Working::begin(&inner.shared));
        let Served { outcome, marker } = route(inner, &request, &alive);
        let written = match &outcome {
            Outcome::Reply(response) => write_response(stream, response, !request.close),
            Outcome::Stream { events, gap, end } => write_stream(stream, events, *gap, *end),
            Outcome::Cut { response, stall } => {
                let written = write_half(stream, response);
                if *stall {
                    hang(&inner.shared, &alive);
                }
                written
            }
            Outcome::Close | Outcome::Reset => Ok(()),
        };
        if let Some(marker) = marker {
            inner.shared.look(|w| w.ledger.model(&marker, start.elapsed()));
        }
        written?;
        match outcome {
            Outcome::Close | Outcome::Cut { .. } | Outcome::Stream { end: false, .. } => {
                return Ok(End::Drop);
            }
            Outcome::Reset => return Ok(End::Reset),
            _ if request.close => return Ok(End::Polite),
            _ => {}
        }
    }
    Ok(End::Polite)
}

fn route(inner: &Inner, request: &Request, alive: &dyn Fn() -> bool) -> Served {
    if let Some(served) = model::serve(&inner.shared, request, alive) {
        return served;
    }
    let outcome = telegram::serve(&inner.shared, request, alive)
        .or_else(|| control::serve(inner, request, alive))
        .or_else(|| pages::serve(&inner.shared, request))
        .unwrap_or_else(|| {
            inner.shared.look(|w| w.unknown(format!("{} {}", request.method, request.path)));
            Outcome::Reply(Response::text(404, "text/plain", "nothing here"))
        });
    Served { outcome, marker: None }
}

/// The client has not closed its side.
fn alive(stream: &TcpStream) -> bool {
    let mut fds = [PollFd::new(stream, PollFlags::RDHUP)];
    let now = Timespec { tv_sec: 0, tv_nsec: 0 };
    let gone = PollFlags::RDHUP | PollFlags::HUP | PollFlags::ERR;
    poll(&mut fds, Some(&now)).is_ok() && !fds[0].revents().intersects(gone)
}

fn reset(stream: &TcpStream) {
    let _ = rustix::net::sockopt::set_socket_linger(stream, Some(Duration::ZERO));
}

/// Lets a fault strike a request: `refuse` makes the answer of a status fault, `process` is the request itself.
pub fn with_fault(
    fault: Option<Kind>,
    shared: &Shared,
    alive: &dyn Fn() -> bool,
    refuse: impl FnOnce(Kind) -> Response,
    process: impl FnOnce() -> Outcome,
) -> Outcome {
    let Some(kind) = fault else { return process() };
    match kind {
        Kind::Status { .. } => Outcome::Reply(refuse(kind)),
        Kind::DropBefore => Outcome::Close,
        Kind::Reset => Outcome::Reset,
        Kind::Hang => hang(shared, alive),
        Kind::HangAfter => {
            process();
            hang(shared, alive)
        }
        Kind::Slow(time) => {
            shared.wait(time, alive, |_| None::<()>);
            process()
        }
        Kind::DropAfter => match process() {
            Outcome::Stream { mut events, gap, .. } => {
                events.truncate(events.len() / 2);
                Outcome::Stream { events, gap, end: false }
            }
            _ => Outcome::Close,
        },
        Kind::Garbled => match process() {
            Outcome::Reply(mut response) => {
                // In front of the last brackets: inside whatever object ends there.
                let at = response.body.len().saturating_sub(3);
                response.body.splice(at..at, *b",\"\xff\xc3\":\"\xff\"");
                Outcome::Reply(response)
            }
            Outcome::Stream { mut events, gap, end } => {
                let middle = events.len() / 2;
                events[middle] = b"data: {\"id\": \"\xff\xc3\"}\n\n".to_vec();
                Outcome::Stream { events, gap, end }
            }
            other => other,
        },
        Kind::Cut | Kind::Stall => match process() {
            Outcome::Reply(response) => Outcome::Cut { response, stall: kind == Kind::Stall },
            other => other,
        },
        Kind::Malformed => match process() {
            Outcome::Reply(mut response) => {
                response.body.truncate(response.body.len() / 2);
                Outcome::Reply(response)
            }
            Outcome::Stream { mut events, gap, end } => {
                let middle = events.len() / 2;
                events[middle] = b"data: {\"id\": \"x\", \"choi\n\n".to_vec();
                Outcome::Stream { events, gap, end }
            }
            other => other,
        },
    }
}

/// Waits until the rules change, the client leaves or the peer stops; then closes.
fn hang(shared: &Shared, alive: &dyn Fn() -> bool) -> Outcome {
    let rules = shared.change(|w| w.faults.generation);
    shared.wait(HANG, alive, |w| (w.faults.generation != rules).then_some(()));
    Outcome::Close
}
