//! How the tools name themselves to servers.

/// A user agent that most sites accept; many refuse a plain program name.
pub(super) const BROWSER: &str = "Mozilla/5.0 (X11; Linux x86_64) AppleWebKit/537.36 (KHTML, like Gecko) Chrome/131.0.0.0 Safari/537.36";
