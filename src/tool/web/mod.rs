//! The tools that read the public web: a page, a search.
//!
//! The results are untrusted: the model gets them as data, and they are never sent to the chat directly.

mod browser;
mod engine;
mod fetch;
mod page;
mod results;
mod search;

pub use fetch::{WEB_FETCH, fetch};
pub use search::{WEB_SEARCH, search};
