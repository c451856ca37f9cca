//! Opens the connection for a route: addresses, guard, TCP, proxy, TLS.

use std::io;
use std::net::{IpAddr, SocketAddr};
use std::time::Duration;

use async_net::TcpStream;
use futures_rustls::TlsConnector;
use rustls_pki_types::ServerName;

use super::error::{HttpError, HttpErrorKind, seconds};
use super::http::{AddressFilter, Inner};
use super::route::ServerRoute;
use super::stream::{HttpStream, within};
use super::tunnel;
use crate::limits::{CONNECT_NEXT, CONNECT_TIMEOUT};
use crate::proto::url::{Url, host_port};

/// Connects. With a guard every address is checked right before it is used, and only that
/// address is used: neither we nor a proxy resolve the name again.
pub(super) async fn dial(
    client: &Inner,
    route: &ServerRoute,
    guard: Option<AddressFilter<'_>>,
) -> Result<HttpStream, HttpError> {
    let stream = match &route.proxy {
        None => HttpStream::Plain(direct(client, route, &route.host, route.port, guard).await?),
        Some(proxy) => via_proxy(client, route, proxy, guard).await?,
    };
    if !route.tls {
        return Ok(stream);
    }
    let HttpStream::Plain(tcp) = stream else { return Ok(stream) };
    let name = ServerName::try_from(route.host.trim_end_matches('.').to_owned())
        .map_err(|_| route.error(HttpErrorKind::Url, "no server certificate has such a name"))?;
    let config = client.tls().map_err(|e| route.error(HttpErrorKind::Connect, e))?;
    let connector = TlsConnector::from(config);
    let shake = connector.connect_with(name, tcp, |session| {
        // The default of 64 kB is for programs that write without waiting.
        session.set_buffer_limit(Some(2 * crate::limits::HTTP_WRITE_BYTES));
    });
    match within(CONNECT_TIMEOUT, shake).await {
        Ok(tls) => Ok(HttpStream::Tls(Box::new(tls))),
        Err(e) => Err(route.error(HttpErrorKind::Connect, format_args!("TLS: {}", cause(&e)))),
    }
}

/// An I/O error as text; the kernel's and our own timeout read the same.
fn cause(e: &io::Error) -> String {
    match e.kind() {
        io::ErrorKind::TimedOut => format!("no connection within {}", seconds(CONNECT_TIMEOUT)),
        io::ErrorKind::UnexpectedEof => "the connection was closed".to_owned(),
        _ => e.to_string(),
    }
}

/// The addresses of `host`, at least one.
pub(super) async fn addresses(
    client: &Inner,
    route: &ServerRoute,
    host: &str,
) -> Result<std::rc::Rc<[IpAddr]>, HttpError> {
    client.resolver.resolve(host).await.map_err(|e| {
        let cause = if e.kind() == io::ErrorKind::TimedOut {
            "no answer from the resolver".to_owned()
        } else {
            e.to_string()
        };
        route.error(HttpErrorKind::Resolve, format_args!("cannot resolve {host}: {cause}"))
    })
}

/// A TCP connection to the first address that accepts it.
async fn direct(
    client: &Inner,
    route: &ServerRoute,
    host: &str,
    port: u16,
    guard: Option<AddressFilter<'_>>,
) -> Result<TcpStream, HttpError> {
    let all = addresses(client, route, host).await?;
    let mut failed = None;
    for (i, &ip) in all.iter().enumerate() {
        if guard.is_some_and(|allowed| !allowed(ip)) {
            continue;
        }
        let limit = if i + 1 == all.len() { CONNECT_TIMEOUT } else { CONNECT_NEXT };
        match tcp(SocketAddr::new(ip, port), limit).await {
            Ok(stream) => return Ok(stream),
            Err(e) => failed = Some((ip, e)),
        }
    }
    client.resolver.mark_stale(host);
    Err(match failed {
        None => route.error(HttpErrorKind::Guarded, "the address may not be contacted"),
        Some((ip, e)) if host.parse() == Ok(ip) && host == &*route.host => {
            route.error(HttpErrorKind::Connect, cause(&e))
        }
        Some((ip, e)) => {
            let at = host_port(&ip.to_string(), port);
            route.error(HttpErrorKind::Connect, format_args!("{at}: {}", cause(&e)))
        }
    })
}

async fn tcp(address: SocketAddr, limit: Duration) -> io::Result<TcpStream> {
    let stream = within(limit, TcpStream::connect(address)).await?;
    // A request is written in one go, so waiting for more would only delay it.
    stream.set_nodelay(true)?;
    Ok(stream)
}

/// A connection through a proxy. The proxy resolves the name, unless a guard has to check the address.
async fn via_proxy(
    client: &Inner,
    route: &ServerRoute,
    proxy: &Url,
    guard: Option<AddressFilter<'_>>,
) -> Result<HttpStream, HttpError> {
    if route.is_absolute(guard.is_some()) {
        return direct(client, route, &proxy.host, proxy.port, None).await.map(HttpStream::Plain);
    }
    let Some(allowed) = guard else {
        return tunnelled(client, route, proxy, &route.host).await;
    };
    let mut refused = route.error(HttpErrorKind::Guarded, "the address may not be contacted");
    for &ip in addresses(client, route, &route.host).await?.iter() {
        if !allowed(ip) {
            continue;
        }
        match tunnelled(client, route, proxy, &ip.to_string()).await {
            Ok(stream) => return Ok(stream),
            Err(e) => refused = e,
        }
    }
    Err(refused)
}

async fn tunnelled(
    client: &Inner,
    route: &ServerRoute,
    proxy: &Url,
    host: &str,
) -> Result<HttpStream, HttpError> {
    let tcp = direct(client, route, &proxy.host, proxy.port, None).await?;
    let mut stream = HttpStream::Plain(tcp);
    let opened = tunnel::open(&mut stream, proxy, host, route.port);
    match within(CONNECT_TIMEOUT, opened).await {
        Ok(()) => Ok(stream),
        Err(e) => {
            let cause = format_args!("proxy {}: {}", proxy.host_port(), cause(&e)).to_string();
            Err(route.error(HttpErrorKind::Connect, cause))
        }
    }
}
