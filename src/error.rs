//! One opaque error: a sentence with its causes, displayed once at the edge.
//!
//! Where a caller branches on what went wrong, the module has an enum of its own
//! ([`crate::net::http::HttpError`], [`crate::provider::Failure`], ...); everything else is this type.

use std::fmt;

/// `Result` with this crate's error by default.
pub type Result<T, E = Error> = std::result::Result<T, E>;

/// What went wrong, outermost context first, e.g. `cannot read /etc/x: permission denied`.
#[derive(Clone)]
pub struct Error(Box<str>);

impl Error {
    /// An error from a finished sentence (no trailing full stop).
    pub fn new(message: impl Into<String>) -> Error {
        Error(message.into().into_boxed_str())
    }

    /// Puts `context` and a colon in front.
    pub fn context(self, context: impl fmt::Display) -> Error {
        joined(&context, &self.0)
    }

    /// The sentence that people read, causes included.
    pub fn as_str(&self) -> &str {
        &self.0
    }
}

impl fmt::Display for Error {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.0)
    }
}

impl fmt::Debug for Error {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.0)
    }
}

impl std::error::Error for Error {}

impl From<std::io::Error> for Error {
    fn from(e: std::io::Error) -> Error {
        Error::new(e.to_string())
    }
}

/// Adds context to any displayable error on the way up.
pub trait Context<T> {
    /// `cannot open x` + `: ` + the cause.
    fn context(self, context: impl fmt::Display) -> Result<T>;
    /// The same, with the text built only when there is an error.
    fn with_context<C: fmt::Display>(self, context: impl FnOnce() -> C) -> Result<T>;
}

impl<T, E: fmt::Display> Context<T> for std::result::Result<T, E> {
    fn context(self, context: impl fmt::Display) -> Result<T> {
        self.map_err(|e| joined(&context, &e))
    }
    fn with_context<C: fmt::Display>(self, context: impl FnOnce() -> C) -> Result<T> {
        self.map_err(|e| joined(&context(), &e))
    }
}

/// One function for all that is put in front of a cause.
#[cold]
#[inline(never)]
fn joined(context: &dyn fmt::Display, cause: &dyn fmt::Display) -> Error {
    let (context, cause) = (context.to_string(), cause.to_string());
    // A cause that already begins so is said once.
    let again = cause.strip_prefix(&*context).is_some_and(|rest| rest.starts_with(": "));
    Error::new(if again { cause } else { [context, cause].join(": ") })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_context_is_said_once() {
        let e: Result<()> = Err(std::io::Error::other("no such file")).context("./nope");
        let e = e.context("./nope").expect_err("an error");
        assert_eq!(e.as_str(), "./nope: no such file");
        assert_eq!(Error::new("nope").context("./n").as_str(), "./n: nope");
    }

    #[test]
    fn context_stands_in_front_of_the_cause() {
        let e: Result<()> = Err(std::io::Error::other("disk on fire")).context("cannot save x");
        let e = e.map_err(|e| e.context("session a")).expect_err("an error");
        assert_eq!(e.to_string(), "session a: cannot save x: disk on fire");
    }
}
