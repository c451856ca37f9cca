//! The endpoint of a connection.

use super::error::{HttpError, HttpErrorKind};
use crate::proto::url::{Scheme, Url, host_port};

/// Where a connection leads; also what makes two of them interchangeable.
#[derive(PartialEq)]
pub(super) struct ServerRoute {
    /// Host name or address of the server, without port.
    pub(super) host: Box<str>,
    /// TCP port of the server.
    pub(super) port: u16,
    /// Whether TLS is spoken with it.
    pub(super) tls: bool,
    /// The proxy, if any.
    pub(super) proxy: Option<Url>,
}

impl ServerRoute {
    /// `host:port` for messages; never a user name or a path, which may be secret.
    pub(super) fn label(&self) -> String {
        host_port(&self.host, self.port)
    }

    /// Whether requests go to an HTTP proxy in absolute form. Under a guard they do not: the
    /// proxy would look the name up itself, and might find another address than the one checked.
    pub(super) fn is_absolute(&self, guarded: bool) -> bool {
        !guarded && !self.tls && self.proxy.as_ref().is_some_and(|p| p.scheme != Scheme::Socks5)
    }

    /// An error that names the server.
    pub(super) fn error(&self, kind: HttpErrorKind, cause: impl std::fmt::Display) -> HttpError {
        HttpError { kind, message: format!("{}: {cause}", self.label()) }
    }
}
