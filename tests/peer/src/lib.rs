//! The other end of every wire the daemon speaks, for tests, benchmark and demo.
//!
//! A fake Bot API, fake model servers (OpenAI-compatible and Anthropic), a few web pages and search
//! engines on one listener, plain and TLS, with faults on request; SNTP and DNS responders beside it.
//! Threads and blocking sockets: it must stay boring, and must never be part of a shipped binary.
//!
//! # Layout
//! - [`Peer`]: starts everything, in process; `main.rs`: the same as a program.
//! - `world`: what the peer knows, behind one lock; `ledger`: which message was answered, when, how often; `rest`: nothing is under way.
//! - `telegram/`: the Bot API; `model/`: the model servers; `pages`: the web.
//! - `faults`: rules that break things; `control`, `drive`: steering from another process.
//! - `serve`, `http`, `tls`: sockets; [`client`]: a small blocking HTTP client for control and tests.
//! - [`sntp`], [`dns`]: responders on UDP.

#![forbid(unsafe_code)]

pub mod client;
mod control;
pub mod dns;
mod drive;
mod faults;
mod http;
mod ledger;
mod model;
mod pages;
mod peer;
mod rest;
mod serve;
pub mod sntp;
mod telegram;
mod tls;
mod udp;
mod world;

pub use drive::{Drive, Mode};
pub use ledger::Marker;
pub use peer::{Peer, PeerOptions};
pub use telegram::say::Say;
pub use telegram::sent::Sent;
