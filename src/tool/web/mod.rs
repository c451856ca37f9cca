//! The tools that read the public web: a page, a search.
//!
//! What comes back was written by strangers: it is shown to the model as data, never to the chat by itself.

mod engine;
mod fetch;
mod page;
mod results;
mod search;

pub use fetch::{WEB_FETCH, fetch};
pub use search::{WEB_SEARCH, search};

/// What most sites expect of a reader; a bare program name is turned away by many.
const BROWSER: &str = "Mozilla/5.0 (X11; Linux x86_64) AppleWebKit/537.36 (KHTML, like Gecko) Chrome/131.0.0.0 Safari/537.36";
