//! Where messages come from and go to: one folder for each channel, and what they share.
//!
//! To add a channel: a folder here, and a line in `src/registry.rs` (docs/contributing/adding-a-channel.md).
//!
//! A channel hands messages in through [`Intake`] and confirms them to its platform only when that returns. It must
//! never decide what a message is answered with: strangers are the one exception ([`pairing`]).

// Everything runs on one thread's executor, so no future needs to be Send.
#![allow(async_fn_in_trait)]

pub mod access;
mod any;
pub mod cli;
pub mod clients;
pub mod command;
pub mod group;
mod interface;
pub mod media;
pub mod paired;
pub mod pairing;
pub mod questions;
#[cfg(feature = "simulate")]
pub mod sim;

pub use any::{AnyChannel, command_of, is_unattended};
pub use interface::{Arrival, Channel, ChannelRoute, Delivery, Intake, SendError, Shared};

macro_rules! modules {
    ($(#[cfg $gate:tt] $module:ident = $kind:ident;)*) => {
        $(#[cfg $gate] pub mod $module;)*
    };
}
crate::registry::channel_kinds!(modules);
