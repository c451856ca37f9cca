//! The tools that read the public web: a page, a search.
//!
//! The results are untrusted: the model gets them as data, and they are never sent to the chat directly.

mod engine;
mod fetch;
mod page;
mod results;
mod search;

pub use fetch::{WEB_FETCH, fetch};
pub use search::{WEB_SEARCH, search};

/// A user agent that most sites accept; many refuse a plain program name.
const BROWSER: &str = "Mozilla/5.0 (X11; Linux x86_64) AppleWebKit/537.36 (KHTML, like Gecko) Chrome/131.0.0.0 Safari/537.36";
