//! The handshakes that turn a connection to a proxy into one to a server:
//! HTTP CONNECT (RFC 9110, section 9.3.6) and SOCKS5 (RFC 1928, RFC 1929).

use std::io;
use std::net::IpAddr;

use smol::io::{AsyncReadExt, AsyncWriteExt};

use super::stream::HttpStream;
use crate::proto::base64::STANDARD;
use crate::proto::http1::HeadReader;
use crate::proto::url::{Url, host_port};

/// `Basic ...` (RFC 7617).
pub(super) fn basic(user: &(String, String)) -> String {
    let mut out = String::from("Basic ");
    STANDARD.push(format!("{}:{}", user.0, user.1).as_bytes(), &mut out);
    out
}

/// Asks the proxy behind `stream` for a connection to `host`, a name or an address.
/// The caller limits the time.
pub(super) async fn open(
    stream: &mut HttpStream,
    proxy: &Url,
    host: &str,
    port: u16,
) -> io::Result<()> {
    match proxy.scheme {
        crate::proto::url::Scheme::Socks5 => socks5(stream, proxy, host, port).await,
        _ => connect(stream, proxy, host, port).await,
    }
}

async fn connect(stream: &mut HttpStream, proxy: &Url, host: &str, port: u16) -> io::Result<()> {
    let target = host_port(host, port);
    let mut request = format!("CONNECT {target} HTTP/1.1\r\nHost: {target}\r\n");
    if let Some(user) = &proxy.user {
        request.push_str("Proxy-Authorization: ");
        request.push_str(&basic(user));
        request.push_str("\r\n");
    }
    request.push_str("\r\n");
    stream.write_all(request.as_bytes()).await?;
    stream.flush().await?;
    let mut reader = HeadReader::default();
    let mut buf = [0; 512];
    loop {
        let n = stream.read(&mut buf).await?;
        if n == 0 {
            return Err(io::ErrorKind::UnexpectedEof.into());
        }
        let mut input = &buf[..n];
        let Some(head) = reader.feed(&mut input).map_err(io::Error::other)? else { continue };
        return match head.status {
            // The server never sends first, neither in TLS nor in HTTP.
            200..=299 if input.is_empty() => Ok(()),
            200..=299 => Err(io::Error::other("bytes after the proxy's answer")),
            407 => Err(io::Error::other("the proxy wants other credentials (407)")),
            status => Err(io::Error::other(format!("the proxy refused to connect ({status})"))),
        };
    }
}

async fn socks5(stream: &mut HttpStream, proxy: &Url, host: &str, port: u16) -> io::Result<()> {
    const NONE: u8 = 0;
    const PASSWORD: u8 = 2;
    let hello: &[u8] = if proxy.user.is_some() { &[5, 2, NONE, PASSWORD] } else { &[5, 1, NONE] };
    let mut answer = [0; 4];
    stream.write_all(hello).await?;
    stream.flush().await?;
    stream.read_exact(&mut answer[..2]).await?;
    match (answer[0], answer[1], &proxy.user) {
        (5, NONE, _) => {}
        (5, PASSWORD, Some((user, password))) => {
            let mut message = vec![1];
            for field in [user, password] {
                message.push(short_length(field)?);
                message.extend_from_slice(field.as_bytes());
            }
            stream.write_all(&message).await?;
            stream.flush().await?;
            stream.read_exact(&mut answer[..2]).await?;
            if answer[1] != 0 {
                return Err(io::Error::other("the proxy refused the credentials"));
            }
        }
        (5, ..) => return Err(io::Error::other("the proxy wants other credentials")),
        _ => return Err(io::Error::other("the proxy does not speak SOCKS5")),
    }
    let mut request = vec![5, 1, 0];
    match host.parse() {
        Ok(IpAddr::V4(ip)) => {
            request.push(1);
            request.extend_from_slice(&ip.octets());
        }
        Ok(IpAddr::V6(ip)) => {
            request.push(4);
            request.extend_from_slice(&ip.octets());
        }
        Err(_) => {
            request.extend_from_slice(&[3, short_length(host)?]);
            request.extend_from_slice(host.as_bytes());
        }
    }
    request.extend_from_slice(&port.to_be_bytes());
    stream.write_all(&request).await?;
    stream.flush().await?;
    stream.read_exact(&mut answer).await?;
    if answer[0] != 5 {
        return Err(io::Error::other("the proxy does not speak SOCKS5"));
    }
    if answer[1] != 0 {
        return Err(io::Error::other(refusal(answer[1])));
    }
    // The address and port that the proxy bound, which we ignore.
    let length = match answer[3] {
        1 => 4,
        4 => 16,
        3 => {
            stream.read_exact(&mut answer[..1]).await?;
            usize::from(answer[0])
        }
        _ => return Err(io::Error::other("the proxy does not speak SOCKS5")),
    };
    let mut bound = [0; 257];
    stream.read_exact(&mut bound[..length + 2]).await
}

/// Every field of SOCKS5 has a length of one byte.
fn short_length(field: &str) -> io::Result<u8> {
    u8::try_from(field.len()).map_err(|_| io::Error::other("too long for SOCKS5"))
}

/// RFC 1928, section 6.
fn refusal(code: u8) -> &'static str {
    match code {
        2 => "the proxy does not allow it",
        3 => "the proxy finds the network unreachable",
        4 => "the proxy cannot reach the host",
        5 => "the proxy's connection was refused",
        6 => "the proxy's connection timed out",
        7 | 8 => "the proxy does not support it",
        _ => "the proxy failed",
    }
}
