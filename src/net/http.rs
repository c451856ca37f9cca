//! One request, one response (RFC 9112), over a pooled, possibly proxied, possibly TLS connection.
//!
//! Never follows redirects, and never sends a POST a second time once a server may have seen it whole.

use std::cell::OnceCell;
use std::net::IpAddr;
use std::path::PathBuf;
use std::rc::Rc;
use std::sync::Arc;
use std::time::Duration;

use futures_rustls::rustls::ClientConfig;

use super::dial::{addresses, dial};
pub use super::error::{HttpError, HttpErrorKind};
use super::pool::Pool;
use super::proxy::{self, Proxies};
use super::resolve::{self, Resolver};
use super::response::Exchange;
use super::route::ServerRoute;
use super::tls;
use super::tunnel::basic;
use super::upload::Splice;
use crate::limits::HTTP_WRITE_BYTES;
use crate::proto::url::{Scheme, Url};

pub use super::resolve::Lookup;
pub use super::response::Response;

/// Which addresses a request may go to: false for one that may not be contacted.
pub type AddressFilter<'a> = &'a dyn Fn(IpAddr) -> bool;

/// What to send and where; limits and deadline are the caller's.
pub struct Request<'a> {
    /// Method in capitals, like `GET` or `POST`.
    pub method: &'a str,
    /// Absolute `http://` or `https://` URL.
    pub url: &'a str,
    /// Fields besides Host, Content-Length, Connection.
    pub headers: &'a [(&'a str, &'a str)],
    /// Body, sent with Content-Length; empty for none.
    pub body: &'a [u8],
    /// Files in the body, in the order of their places.
    pub files: &'a [Splice],
    /// Waiting for the response's first byte.
    pub first_byte: Duration,
    /// Maximum silence after it.
    pub idle: Duration,
    /// Time limit for the whole response.
    pub total: Duration,
    /// Proxy URL (`http://`, `socks5://`, credentials allowed); empty means the environment decides
    /// (`HTTPS_PROXY`, `HTTP_PROXY`, `ALL_PROXY`, `NO_PROXY`).
    pub proxy: &'a str,
    /// Checked against every address just before it is connected to.
    pub guard: Option<AddressFilter<'a>>,
}

impl<'a> Request<'a> {
    /// A GET with this crate's usual limits.
    pub fn get(url: &'a str) -> Request<'a> {
        Request {
            method: "GET",
            url,
            headers: &[],
            body: &[],
            files: &[],
            first_byte: crate::limits::IDLE_TIMEOUT,
            idle: crate::limits::IDLE_TIMEOUT,
            total: crate::limits::HTTP_TOTAL,
            proxy: "",
            guard: None,
        }
    }
    /// A POST of JSON.
    pub fn post_json(url: &'a str, body: &'a [u8]) -> Request<'a> {
        Request { method: "POST", body, ..Request::get(url) }
    }
}

/// Settings from the environment; tests set their own.
pub struct Options {
    /// PEM file with further roots (`SSL_CERT_FILE`).
    pub cert_file: Option<PathBuf>,
    /// For requests that name no proxy.
    pub proxies: Proxies,
    /// Resolves names; runs on the blocking thread.
    pub lookup: Lookup,
    /// Whether certificates can be verified yet.
    pub clock: fn() -> bool,
}

impl Options {
    /// No extra roots, no proxies, the system's resolver.
    pub fn plain() -> Options {
        Options {
            cert_file: None,
            proxies: Proxies::default(),
            lookup: resolve::system,
            clock: tls::clock_is_set,
        }
    }

    /// `SSL_CERT_FILE` and the proxy variables.
    pub fn from_env() -> crate::Result<Options> {
        let cert_file = std::env::var_os("SSL_CERT_FILE").filter(|p| !p.is_empty());
        let proxies = Proxies::from_vars(|name| std::env::var(name).ok())?;
        Ok(Options { cert_file: cert_file.map(PathBuf::from), proxies, ..Options::plain() })
    }
}

/// The client; cheap to clone, one per process.
#[derive(Clone)]
pub struct HttpClient(Rc<Inner>);

pub(super) struct Inner {
    tls: OnceCell<Arc<ClientConfig>>,
    pub(super) pool: Pool,
    pub(super) resolver: Resolver,
    proxies: Proxies,
    clock: fn() -> bool,
}

impl HttpClient {
    /// Reads `SSL_CERT_FILE` and the proxy variables; an error names the invalid one.
    pub fn new() -> crate::Result<HttpClient> {
        HttpClient::with(Options::from_env()?)
    }

    /// A client that ignores the environment.
    pub fn with(options: Options) -> crate::Result<HttpClient> {
        let tls = OnceCell::new();
        if let Some(file) = options.cert_file {
            // Read at once, so that an invalid file is an error at startup.
            let _ = tls.set(tls::config(Some(&file))?);
        }
        Ok(HttpClient(Rc::new(Inner {
            tls,
            pool: Pool::new(),
            resolver: Resolver::new(options.lookup),
            proxies: options.proxies,
            clock: options.clock,
        })))
    }

    /// Closes idle connections when their time is over. Never ends; one task per process runs it.
    pub async fn sweep(&self) {
        self.0.pool.sweep().await;
    }

    /// Closes every idle connection now, to free their memory.
    pub fn close_idle(&self) {
        self.0.pool.clear();
    }

    /// Sends `request`, reads the response's head.
    pub async fn send(&self, request: Request<'_>) -> Result<Response, HttpError> {
        let url = Url::parse(request.url).map_err(url_error)?;
        let route = Rc::new(self.route(&url, request.proxy)?);
        if route.tls && !(self.0.clock)() {
            let message = format!("{}: the clock is not set yet", route.label());
            return Err(HttpError { kind: HttpErrorKind::Clock, message });
        }
        // A guarded request neither reuses a connection that was opened without the guard nor puts one into the pool.
        let guarded = request.guard.is_some();
        let mut head = head(&request, &url, &route)?;
        let mut body = request.body;
        if request.files.is_empty() && head.len() + body.len() <= HTTP_WRITE_BYTES {
            head.extend_from_slice(body);
            body = &[];
        }
        let exchange = Exchange {
            method: request.method,
            head: &head,
            body,
            files: request.files,
            first_byte: request.first_byte,
            idle: request.idle,
            total: request.total,
            keep: !guarded,
        };
        let run = |stream| exchange.run(Rc::clone(&self.0), Rc::clone(&route), stream);
        let idle = if guarded { None } else { self.0.pool.take(&route) };
        if let Some(stream) = idle {
            let repeatable = matches!(request.method, "GET" | "HEAD");
            match run(stream).await {
                Ok(response) => return Ok(response),
                // The server closed the idle connection just when it was reused.
                Err(f)
                    if f.unsent
                        || (f.unanswered
                            && repeatable
                            && f.error.kind == HttpErrorKind::Broken) => {}
                Err(f) => return Err(f.error),
            }
        }
        // Boxed because it is large and rare, while this future lives as long as the request.
        let stream = Box::pin(dial(&self.0, &route, request.guard)).await?;
        run(stream).await.map_err(|f| f.error)
    }

    /// Resolves the first name that a request to `url` needs: the server's, or its proxy's.
    pub async fn resolve(&self, url: &str, proxy: &str) -> Result<Rc<[IpAddr]>, HttpError> {
        let url = Url::parse(url).map_err(url_error)?;
        let route = self.route(&url, proxy)?;
        let host = route.proxy.as_ref().map_or(&*route.host, |p| &p.host);
        addresses(&self.0, &route, host).await
    }

    fn route(&self, url: &Url, own_proxy: &str) -> Result<ServerRoute, HttpError> {
        let tls = match url.scheme {
            Scheme::Http => false,
            Scheme::Https => true,
            Scheme::Socks5 => return Err(url_error("the URL is neither http:// nor https://")),
        };
        let proxy = if own_proxy.trim().is_empty() {
            self.0.proxies.choose(url).cloned()
        } else {
            Some(proxy::parse(own_proxy).map_err(|e| url_error(&format!("proxy: {e}")))?)
        };
        Ok(ServerRoute { host: url.host.as_str().into(), port: url.port, tls, proxy })
    }
}

impl Inner {
    /// Created on first use: it costs 20 kB, and the roots' pages.
    pub(super) fn tls(&self) -> crate::Result<Arc<ClientConfig>> {
        if let Some(config) = self.tls.get() {
            return Ok(Arc::clone(config));
        }
        let config = tls::config(None)?;
        Ok(Arc::clone(self.tls.get_or_init(|| config)))
    }
}

fn url_error(message: &str) -> HttpError {
    HttpError { kind: HttpErrorKind::Url, message: message.to_owned() }
}

/// The request line and fields.
fn head(request: &Request<'_>, url: &Url, route: &ServerRoute) -> Result<Vec<u8>, HttpError> {
    let guarded = request.guard.is_some();
    let absolute = route.is_absolute(guarded);
    let mut out = Vec::with_capacity(512);
    let mut put = |parts: &[&str]| parts.iter().for_each(|p| out.extend_from_slice(p.as_bytes()));
    let authority = url.authority();
    put(&[request.method, " "]);
    if absolute {
        put(&["http://", &authority]);
    }
    put(&[&url.target, " HTTP/1.1\r\nHost: ", &authority, "\r\n"]);
    let given = |name: &str| request.headers.iter().any(|(n, _)| n.eq_ignore_ascii_case(name));
    for (name, value) in request.headers {
        let token = |b: u8| b.is_ascii_graphic() && b != b':';
        if name.is_empty()
            || !name.bytes().all(token)
            || value.bytes().any(|b| b < b' ' && b != b'\t')
        {
            return Err(url_error(&format!("the field {name:?} cannot be sent")));
        }
        put(&[name, ": ", value, "\r\n"]);
    }
    if !given("user-agent") {
        put(&["User-Agent: picoclaw/", env!("CARGO_PKG_VERSION"), "\r\n"]);
    }
    if !given("accept-encoding") {
        put(&["Accept-Encoding: identity\r\n"]);
    }
    if let (Some(user), false) = (&url.user, given("authorization")) {
        put(&["Authorization: ", &basic(user), "\r\n"]);
    }
    if let (true, Some(user)) = (absolute, route.proxy.as_ref().and_then(|p| p.user.as_ref())) {
        put(&["Proxy-Authorization: ", &basic(user), "\r\n"]);
    }
    if !request.body.is_empty() || !matches!(request.method, "GET" | "HEAD") {
        let files: u64 = request.files.iter().map(Splice::length).sum();
        let length = request.body.len() as u64 + files;
        put(&["Content-Length: ", &length.to_string(), "\r\n"]);
    }
    if guarded {
        put(&["Connection: close\r\n"]);
    }
    put(&["\r\n"]);
    Ok(out)
}
