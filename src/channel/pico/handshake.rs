//! The WebSocket handshake: who is admitted, and into which session. Without I/O.

use crate::config::channels::pico::Settings;
use crate::limits;
use crate::proto::http1::{self, field};
use crate::proto::{text, websocket};

/// The session of an accepted request and the rest of the answer's head, or the status of the refusal.
pub(super) fn admits(
    settings: &Settings,
    clients: usize,
    bytes: &[u8],
) -> Result<(String, String), &'static str> {
    let asked = http1::request(bytes);
    let protocols = field(bytes, b"sec-websocket-protocol").unwrap_or_default();
    let protocol = protocols
        .split(|b| *b == b',')
        .map(<[u8]>::trim_ascii)
        .find(|word| word.strip_prefix(b"token.").is_some_and(|token| settings.token.is(token)));
    let by_query = || {
        settings.allow_token_query
            && http1::parameter(bytes, "token").is_some_and(|token| settings.token.is(&token))
    };
    let by_header = asked.bearer.is_some_and(|token| settings.token.is(token));
    if !by_header && protocol.is_none() && !by_query() {
        return Err("401 Unauthorized");
    }
    let origin = field(bytes, b"origin").unwrap_or_default();
    let origins = &settings.allow_origins;
    if !origins.is_empty() && !origins.iter().any(|o| o == "*" || o.as_bytes() == origin) {
        return Err("403 Forbidden");
    }
    if clients >= limits::PICO_CLIENTS {
        return Err("503 Service Unavailable");
    }
    let accept = websocket::accept(bytes).ok_or("400 Bad Request")?;
    let session = http1::parameter(bytes, "session_id").unwrap_or_default();
    let session = match String::from_utf8(session) {
        Ok(session) if session.is_empty() => random().ok_or("503 Service Unavailable")?,
        Ok(session)
            if session.len() <= limits::PICO_SESSION
                && session.bytes().all(|b| b.is_ascii_alphanumeric() || b"-_.".contains(&b)) =>
        {
            session
        }
        _ => return Err("400 Bad Request"),
    };
    let mut head = format!(
        "HTTP/1.1 101 Switching Protocols\r\nUpgrade: websocket\r\nConnection: Upgrade\r\nSec-WebSocket-Accept: {accept}\r\n"
    );
    if let Some(protocol) = protocol {
        let protocol = String::from_utf8_lossy(protocol);
        head.push_str(&format!("Sec-WebSocket-Protocol: {protocol}\r\n"));
    }
    head.push_str("\r\n");
    Ok((session, head))
}

/// The name of a new session.
fn random() -> Option<String> {
    crate::sys::random::<16>().ok().map(|bytes| text::hex(&bytes))
}
