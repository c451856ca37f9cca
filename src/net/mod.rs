//! Talking to servers: HTTP/1.1, TLS, proxies, names.
//!
//! - [`http`]: the client and its types; `response`: reading what comes back.
//! - `dial`: from a route to a connected stream; `tunnel`: the proxies' handshakes.
//! - [`upload`]: files inside a request.
//! - `stream`: a TCP or TLS connection with time limits; `pool`: idle ones; [`tls`]: roots and clock.
//! - [`listen`]: listening sockets; [`half_open`]: connections that have not shown what they are.
//! - [`proxy`]: which proxy a request uses; `resolve`: DNS lookups.
//!
//! Never puts a URL's path, query or credentials into an error: they contain bot tokens and keys.

mod dial;
mod error;
pub mod half_open;
pub mod http;
pub mod listen;
mod pool;
pub mod proxy;
mod resolve;
mod response;
mod route;
mod stream;
pub mod tls;
mod tunnel;
pub mod upload;

pub use tls::clock_is_set;
