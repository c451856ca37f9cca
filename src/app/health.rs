//! `/health` and `/ready` for whoever supervises from outside (behaviour.md 5A.6).
//!
//! Without `gateway.token` in the request, a loopback address tells that the gateway is alive or ready and no more; any other
//! address tells nothing, and is not listened on where no token is configured.

use std::rc::Rc;
use std::time::{Duration, Instant};

use async_net::{TcpListener, TcpStream};
use smol::LocalExecutor;
use smol::future::or;
use smol::io::{AsyncReadExt, AsyncWriteExt};

use crate::channel::{AnyChannel, Arrival, ChannelRoute};
use crate::config::Secret;
use crate::error::{Context, Result};
use crate::limits::{BLOCKING_STUCK, HEALTH_HEAD_BYTES, HEALTH_WAIT, LOCAL_CLIENTS};
use crate::net::half_open::HalfOpen;
use crate::net::listen::is_local;
use crate::proto::http1;

/// What [`serve`] tells: is the gateway ready, and each check's name and whether it holds.
pub type Checks = Rc<dyn Fn() -> Vec<(&'static str, bool)>>;

/// Paths whose connections a channel takes over; it looks after itself.
pub type Routes = Rc<[(ChannelRoute, Rc<AnyChannel>)]>;

/// Answers for ever.
///
/// # Errors
/// The listener's.
pub async fn serve(
    listener: std::net::TcpListener,
    executor: Rc<LocalExecutor<'static>>,
    started: Instant,
    token: Secret,
    checks: Checks,
    routes: Routes,
) -> Result<()> {
    let listener = TcpListener::try_from(listener)?;
    let local = is_local(listener.local_addr()?);
    let half_open = HalfOpen::new(LOCAL_CLIENTS);
    loop {
        let (stream, from) = listener.accept().await.context("health server")?;
        let place = half_open.enter(Some(from.ip()));
        let (checks, token, routes) = (checks.clone(), token.clone(), routes.clone());
        let client = async move {
            let limit = async {
                async_io::Timer::after(HEALTH_WAIT).await;
            };
            let client = client(stream, started, (local, token), checks, routes);
            or(client, or(limit, place.evicted())).await;
        };
        executor.spawn(client).detach();
    }
}

async fn client(
    mut stream: TcpStream,
    started: Instant,
    (local, token): (bool, Secret),
    checks: Checks,
    routes: Routes,
) {
    let mut head = Vec::with_capacity(512);
    let mut buffer = [0; 512];
    while !head.windows(4).any(|w| w == b"\r\n\r\n") {
        match stream.read(&mut buffer).await {
            Ok(n) if n > 0 && head.len() + n <= HEALTH_HEAD_BYTES => {
                head.extend_from_slice(&buffer[..n])
            }
            _ => return,
        }
    }
    let path = http1::request(&head).path;
    if let Some((_, channel)) = routes.iter().find(|(r, _)| r.path.as_bytes() == path) {
        return channel.admit(Arrival { stream, bytes: head });
    }
    let access = match () {
        () if has_token(&head, &token) => Access::Full,
        () if local => Access::Liveness,
        () => Access::None,
    };
    let stuck = crate::sys::stuck().0 >= BLOCKING_STUCK;
    let (status, body) = respond(&head, access, (started.elapsed(), stuck), &checks());
    let wanted = if access == Access::None { "WWW-Authenticate: Bearer\r\n" } else { "" };
    let response = format!(
        "HTTP/1.1 {status}\r\nContent-Type: application/json\r\n{wanted}Content-Length: {}\r\nConnection: close\r\n\r\n{body}",
        body.len()
    );
    // The client is gone: nothing to tell anybody.
    let _ = stream.write_all(response.as_bytes()).await;
}

/// What a request may be told.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Access {
    None,
    /// One word: whether the daemon is alive.
    Liveness,
    Full,
}

/// The request has the token.
fn has_token(head: &[u8], token: &Secret) -> bool {
    http1::request(head).bearer.is_some_and(|given| token.is(given))
}

fn respond(
    head: &[u8],
    access: Access,
    (uptime, stuck): (Duration, bool),
    checks: &[(&'static str, bool)],
) -> (&'static str, String) {
    let http1::RequestHead { method, path, .. } = http1::request(head);
    let uptime = format!("{}s", uptime.as_secs());
    let ready = !stuck && checks.iter().all(|(_, ok)| *ok);
    let (alive, health) =
        if stuck { ("503 Service Unavailable", "stuck") } else { ("200 OK", "ok") };
    let (code, word) =
        if ready { ("200 OK", "ready") } else { ("503 Service Unavailable", "not ready") };
    match (method, path) {
        _ if access == Access::None => {
            ("401 Unauthorized", r#"{"error":"gateway.token is needed"}"#.into())
        }
        (b"GET", b"/health") if access == Access::Liveness => {
            (alive, format!(r#"{{"status":"{health}"}}"#))
        }
        (b"GET", b"/ready") if access == Access::Liveness => {
            (code, format!(r#"{{"status":"{word}"}}"#))
        }
        (b"GET", b"/health") => (
            alive,
            format!(r#"{{"status":"{health}","uptime":"{uptime}","pid":{}}}"#, std::process::id()),
        ),
        (b"GET", b"/ready") => {
            let list: Vec<String> =
                checks.iter().map(|(name, ok)| format!("\"{name}\":{ok}")).collect();
            let list = list.join(",");
            (code, format!(r#"{{"status":"{word}","uptime":"{uptime}","checks":{{{list}}}}}"#))
        }
        (b"GET", _) => ("404 Not Found", r#"{"error":"there are /health and /ready"}"#.into()),
        _ => ("405 Method Not Allowed", r#"{"error":"only GET"}"#.into()),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[track_caller]
    fn check(request: &str, access: Access, ready: bool, status: &str, want: &str) {
        check_stuck(request, access, (ready, false), status, want);
    }

    #[track_caller]
    fn check_stuck(
        request: &str,
        access: Access,
        (ready, stuck): (bool, bool),
        status: &str,
        want: &str,
    ) {
        let uptime = Duration::from_secs(7);
        let checks = [("telegram", ready)];
        let (s, body) = respond(request.as_bytes(), access, (uptime, stuck), &checks);
        assert_eq!(s, status);
        assert!(body.contains(want), "{body}");
        serde_json::from_str::<serde_json::Value>(&body).expect("JSON");
        assert!(access == Access::Full || !body.contains("uptime"), "{body}");
    }

    #[test]
    fn answers_are_upstreams() {
        let (health, ready) = ("GET /health HTTP/1.1\r\n\r\n", "GET /ready?x HTTP/1.1\r\n\r\n");
        let no = "503 Service Unavailable";
        check(health, Access::Full, false, "200 OK", r#""status":"ok","uptime":"7s""#);
        check(ready, Access::Full, true, "200 OK", r#""checks":{"telegram":true}"#);
        check(ready, Access::Full, false, no, "not ready");
        check(health, Access::Liveness, false, "200 OK", r#"{"status":"ok"}"#);
        check(ready, Access::Liveness, true, "200 OK", r#"{"status":"ready"}"#);
        check(ready, Access::Liveness, false, no, r#"{"status":"not ready"}"#);
        // A thread that hangs is no health.
        check_stuck(health, Access::Liveness, (true, true), no, r#"{"status":"stuck"}"#);
        check_stuck(health, Access::Full, (true, true), no, r#""status":"stuck","uptime":"7s""#);
        check_stuck(ready, Access::Liveness, (true, true), no, r#"{"status":"not ready"}"#);
        check("GET / HTTP/1.1\r\n\r\n", Access::Liveness, true, "404 Not Found", "error");
        check(
            "POST /health HTTP/1.1\r\n\r\n",
            Access::Liveness,
            true,
            "405 Method Not Allowed",
            "GET",
        );
        check("\r\n\r\n", Access::Full, true, "405 Method Not Allowed", "error");
        for request in [health, ready, "POST / HTTP/1.1\r\n\r\n", ""] {
            check(request, Access::None, true, "401 Unauthorized", "gateway.token");
        }
    }

    #[test]
    fn only_the_token_is_the_token() {
        let has_token = |fields: &str, token: &str| {
            has_token(format!("GET / HTTP/1.1\r\n{fields}\r\n\r\n").as_bytes(), &Secret::new(token))
        };
        assert!(has_token("Host: x\r\nAuthorization: Bearer abc-123", "abc-123"));
        assert!(has_token("AUTHORIZATION:bearer  abc-123 ", "abc-123"));
        for fields in [
            "",
            "Authorization:",
            "Authorization: Bearer",
            "Authorization: Bearer ",
            "Authorization: Bearer abc-12",
            "Authorization: Bearer abc-1234",
            "Authorization: Bearer ABC-123",
            "Authorization: Basic abc-123",
            "Authorization: abc-123",
            "X-Authorization: Bearer abc-123",
        ] {
            assert!(!has_token(fields, "abc-123"), "{fields}");
            assert!(!has_token(fields, ""), "{fields}");
        }
    }
}
