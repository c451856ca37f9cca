//! `/health` and `/ready` for whoever supervises from outside (behaviour.md 5A.6).

use std::net::{SocketAddr, ToSocketAddrs};
use std::rc::Rc;
use std::time::{Duration, Instant};

use async_net::{TcpListener, TcpStream};
use smol::LocalExecutor;
use smol::future::or;
use smol::io::{AsyncReadExt, AsyncWriteExt};

use crate::error::{Context, Error, Result};
use crate::limits::LOCAL_CLIENTS;

/// What [`serve`] tells: is the gateway ready, and each check's name and whether it holds.
pub type Checks = Rc<dyn Fn() -> Vec<(&'static str, bool)>>;

/// Binds the first usable address of `hosts`; names other than `localhost` are not looked up.
///
/// # Errors
/// Names the address and the cure.
pub fn bind(hosts: &[String], port: u16) -> Result<Vec<std::net::TcpListener>> {
    let mut listeners: Vec<std::net::TcpListener> = Vec::new();
    let mut last = Error::new("gateway.host is empty");
    for host in hosts {
        let text = host.trim_matches(['[', ']']);
        let text = if text == "localhost" { "127.0.0.1" } else { text };
        let address: Result<SocketAddr> = text
            .parse::<std::net::IpAddr>()
            .map(|ip| SocketAddr::new(ip, port))
            .map_err(|_| Error::new(format!("gateway.host {host:?} is no IP address")));
        match address.and_then(|a| {
            let a = a.to_socket_addrs()?.next().ok_or_else(|| Error::new("no address"))?;
            std::net::TcpListener::bind(a)
                .with_context(|| format!("cannot listen on {a} (set gateway.host, gateway.port)"))
        }) {
            Ok(listener) => listeners.push(listener),
            Err(e) => last = e,
        }
    }
    if listeners.is_empty() { Err(last) } else { Ok(listeners) }
}

/// Answers for ever.
///
/// # Errors
/// The listener's.
pub async fn serve(
    listener: std::net::TcpListener,
    executor: Rc<LocalExecutor<'static>>,
    started: Instant,
    checks: Checks,
) -> Result<()> {
    let listener = TcpListener::try_from(listener)?;
    let clients = Rc::new(std::cell::Cell::new(0));
    loop {
        let (stream, _) = listener.accept().await.context("health server")?;
        if clients.get() >= LOCAL_CLIENTS {
            continue;
        }
        clients.set(clients.get() + 1);
        let (clients, checks) = (clients.clone(), checks.clone());
        let client = async move {
            let limit = async {
                async_io::Timer::after(Duration::from_secs(5)).await;
            };
            or(client(stream, started, checks), limit).await;
            clients.set(clients.get() - 1);
        };
        executor.spawn(client).detach();
    }
}

async fn client(mut stream: TcpStream, started: Instant, checks: Checks) {
    let mut head = Vec::with_capacity(512);
    let mut buffer = [0; 512];
    while !head.windows(4).any(|w| w == b"\r\n\r\n") {
        match stream.read(&mut buffer).await {
            Ok(n) if n > 0 && head.len() + n <= 4096 => head.extend_from_slice(&buffer[..n]),
            _ => return,
        }
    }
    let (status, body) = respond(&head, started.elapsed(), &checks());
    let response = format!(
        "HTTP/1.1 {status}\r\nContent-Type: application/json\r\nContent-Length: {}\r\nConnection: close\r\n\r\n{body}",
        body.len()
    );
    // The client is gone: nothing to tell anybody.
    let _ = stream.write_all(response.as_bytes()).await;
}

fn respond(
    head: &[u8],
    uptime: Duration,
    checks: &[(&'static str, bool)],
) -> (&'static str, String) {
    let line = head.split(|b| *b == b'\r').next().unwrap_or_default();
    let mut words = line.split(|b| *b == b' ');
    let (method, target) = (words.next().unwrap_or_default(), words.next().unwrap_or_default());
    let path = target.split(|b| *b == b'?').next().unwrap_or_default();
    let uptime = format!("{}s", uptime.as_secs());
    match (method, path) {
        (b"GET", b"/health") => (
            "200 OK",
            format!(r#"{{"status":"ok","uptime":"{uptime}","pid":{}}}"#, std::process::id()),
        ),
        (b"GET", b"/ready") => {
            let ready = checks.iter().all(|(_, ok)| *ok);
            let list: Vec<String> =
                checks.iter().map(|(name, ok)| format!("\"{name}\":{ok}")).collect();
            let (status, word) =
                if ready { ("200 OK", "ready") } else { ("503 Service Unavailable", "not ready") };
            let list = list.join(",");
            (status, format!(r#"{{"status":"{word}","uptime":"{uptime}","checks":{{{list}}}}}"#))
        }
        (b"GET", _) => ("404 Not Found", r#"{"error":"there are /health and /ready"}"#.into()),
        _ => ("405 Method Not Allowed", r#"{"error":"only GET"}"#.into()),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[track_caller]
    fn check(request: &str, ready: bool, status: &str, part: &str) {
        let (s, body) = respond(request.as_bytes(), Duration::from_secs(7), &[("telegram", ready)]);
        assert_eq!(s, status);
        assert!(body.contains(part), "{body}");
        serde_json::from_str::<serde_json::Value>(&body).expect("JSON");
    }

    #[test]
    fn answers_are_upstreams() {
        check("GET /health HTTP/1.1\r\n\r\n", false, "200 OK", r#""status":"ok","uptime":"7s""#);
        check("GET /ready HTTP/1.1\r\n\r\n", true, "200 OK", r#""checks":{"telegram":true}"#);
        check("GET /ready?x HTTP/1.1\r\n\r\n", false, "503 Service Unavailable", "not ready");
        check("GET / HTTP/1.1\r\n\r\n", true, "404 Not Found", "error");
        check("POST /health HTTP/1.1\r\n\r\n", true, "405 Method Not Allowed", "only GET");
        check("\r\n\r\n", true, "405 Method Not Allowed", "error");
    }

    #[test]
    fn a_name_is_no_address_to_listen_on() {
        assert!(bind(&["example.org".into()], 0).is_err());
        assert_eq!(bind(&["localhost".into()], 0).expect("loopback").len(), 1);
    }
}
