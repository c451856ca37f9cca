//! What the daemon tells the supervisor, and the supervisor systemd.
//!
//! The daemon finds a datagram socket on descriptor `PICOCLAW_NOTIFY_FD`. Each datagram is one message: its first
//! byte the kind, the rest text.
//!
//! | byte | text | meaning |
//! |---|---|---|
//! | `h` | none | the main loop is alive; each 10 s |
//! | `s` | names, spaces between | `time.servers` of the configuration |
//! | `a` | lines | what `picoclaw.status.txt` shall say about the bot: address, pairing code, trouble |

use std::env;
use std::os::linux::net::SocketAddrExt;
use std::os::unix::ffi::OsStrExt;
use std::os::unix::net::{SocketAddr, UnixDatagram};

use crate::environment;
use crate::limits::{NOTIFY_BYTES, TIME_SERVERS};
use crate::proto::text;

/// A message of the daemon's.
#[derive(Debug, PartialEq, Eq)]
pub enum SupervisorMessage<'a> {
    /// The main loop is alive.
    Keepalive,
    /// Ask these time servers.
    TimeServers(Vec<&'a str>),
    /// Text for the boot partition.
    Announce(&'a str),
}

/// Reads a datagram; None for what is not understood.
pub fn message(datagram: &[u8]) -> Option<SupervisorMessage<'_>> {
    let (kind, rest) = datagram.split_first()?;
    let text = std::str::from_utf8(rest).ok()?;
    match kind {
        b'h' => Some(SupervisorMessage::Keepalive),
        b's' => Some(SupervisorMessage::TimeServers(
            text.split_whitespace().take(TIME_SERVERS).collect(),
        )),
        b'a' => Some(SupervisorMessage::Announce(text)),
        _ => None,
    }
}

/// Reads one waiting datagram into `buffer`; None when there is none.
pub fn receive<'a>(
    socket: &UnixDatagram,
    buffer: &'a mut [u8; NOTIFY_BYTES],
) -> Option<Option<SupervisorMessage<'a>>> {
    let n = socket.recv(buffer).ok()?;
    Some(message(&buffer[..n]))
}

/// The daemon's end: silent where no supervisor started us.
#[derive(Debug, Default)]
pub struct SupervisorSocket(Option<UnixDatagram>);

impl SupervisorSocket {
    /// From `PICOCLAW_NOTIFY_FD`. Once, at the start.
    pub fn from_environment() -> SupervisorSocket {
        let fd =
            env::var(environment::NOTIFY_FD).ok().and_then(|n| n.parse().ok()).filter(|n| *n > 2);
        let socket = fd.and_then(crate::sys::service::inherited_socket);
        if let Some(socket) = &socket {
            // A supervisor that does not listen must not stop the main loop.
            let _ = socket.set_nonblocking(true);
        }
        SupervisorSocket(socket)
    }

    /// The main loop is alive: from the main loop itself, each [`crate::limits::KEEPALIVE_EVERY`] seconds.
    pub fn keepalive(&self) {
        self.send("h");
    }

    /// `time.servers`, after each load of the configuration.
    pub fn time_servers(&self, servers: &[String]) {
        self.send(&format!("s{}", servers.join(" ")));
    }

    /// Lines for `picoclaw.status.txt`: the bot's address, a pairing code that is open, a token that was refused.
    /// Replaces the earlier ones; cut at [`NOTIFY_BYTES`].
    pub fn announce(&self, lines: &str) {
        self.send(&format!("a{}", text::head(lines, NOTIFY_BYTES - 1)));
    }

    fn send(&self, text: &str) {
        if let Some(socket) = &self.0 {
            // Lost when the supervisor is gone, and then we are gone soon too.
            let _ = socket.send(text.as_bytes());
        }
    }
}

/// systemd's socket (sd_notify), where systemd started us.
#[derive(Debug)]
pub struct Systemd(Option<(UnixDatagram, SocketAddr)>);

impl Systemd {
    /// From `NOTIFY_SOCKET`.
    pub fn from_environment() -> Systemd {
        let address = env::var_os("NOTIFY_SOCKET").and_then(|path| match path.as_bytes() {
            [b'@', name @ ..] => SocketAddr::from_abstract_name(name).ok(),
            _ => SocketAddr::from_pathname(&path).ok(),
        });
        let Some(address) = address else { return Systemd(None) };
        Systemd(UnixDatagram::unbound().ok().map(|socket| (socket, address)))
    }

    /// systemd listens.
    pub fn present(&self) -> bool {
        self.0.is_some()
    }

    /// Sends e.g. `READY=1`.
    pub fn notify(&self, state: &str) {
        if let Some((socket, address)) = &self.0 {
            // systemd restarts us if it hears nothing: no other cure here.
            let _ = socket.send_to_addr(state.as_bytes(), address);
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[track_caller]
    fn check(datagram: &[u8], want: Option<SupervisorMessage<'_>>) {
        assert_eq!(message(datagram), want);
    }

    #[test]
    fn messages() {
        check(b"h", Some(SupervisorMessage::Keepalive));
        check(b"s a:1  b", Some(SupervisorMessage::TimeServers(vec!["a:1", "b"])));
        check(b"s", Some(SupervisorMessage::TimeServers(vec![])));
        check(
            b"s 1 2 3 4 5 6 7 8 9",
            Some(SupervisorMessage::TimeServers(
                "12345678".split("").filter(|s| !s.is_empty()).collect(),
            )),
        );
        check("abot: x\ncode: y".as_bytes(), Some(SupervisorMessage::Announce("bot: x\ncode: y")));
        check(b"a\xff", None);
        check(b"x", None);
        check(b"", None);
    }
}
