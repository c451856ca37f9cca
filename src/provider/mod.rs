//! Model servers behind one trait.
//!
//! [`chain`] is what the agent talks to: it picks a model, retries, and falls back. One file or folder for each
//! kind of server below it. Nothing here stores a conversation or runs a tool.

mod answer_reading;
#[cfg(feature = "anthropic")]
pub mod anthropic;
mod any;
pub mod body;
mod candidate;
pub mod chain;
pub mod classify;
pub mod cooldown;
pub mod exchange;
mod failure;
pub mod json_answer;
pub mod openai;
pub mod picture;
#[cfg(feature = "servers")]
mod refusal;
mod request;
#[cfg(feature = "sign-in")]
pub mod responses;
#[cfg(any(test, feature = "simulate"))]
pub mod scripted;
pub mod server_rules;
#[cfg(feature = "sign-in")]
pub mod sign_in;
pub mod stored;
pub mod thinking;
#[cfg(feature = "servers")]
mod thought_tags;
pub mod tokens;
#[cfg(feature = "media")]
pub mod voice;

pub use any::AnyProvider;
pub use chain::Models;
pub use failure::{Class, Failure};
pub use picture::Picture;
pub use request::{ChatReply, ChatRequest, OnText, Provider};
pub use stored::Stored;
