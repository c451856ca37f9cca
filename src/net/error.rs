//! HTTP errors.

use std::fmt;
use std::time::Duration;

/// An HTTP error; callers branch on [`HttpError::kind`].
#[derive(Debug, Clone)]
pub struct HttpError {
    /// The kind that callers branch on.
    pub kind: HttpErrorKind,
    /// A sentence with host and cause, never a secret (no path of a bot URL).
    pub message: String,
}

/// Class of a failure, from which callers decide whether to retry.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum HttpErrorKind {
    /// The URL cannot be fetched.
    Url,
    /// The name has no address (yet).
    Resolve,
    /// Refused by the request's guard.
    Guarded,
    /// No connection: TCP, proxy or TLS.
    Connect,
    /// The clock is before the build date, so certificates cannot be verified yet.
    Clock,
    /// No byte within the limit.
    Timeout,
    /// The connection ended in the middle; the server may have processed the request.
    Broken,
    /// The server's bytes are not HTTP, or over a limit.
    Protocol,
}

impl fmt::Display for HttpError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.message)
    }
}

/// `30 s`, or `0.5 s` where less than ten are not whole.
pub(super) fn seconds(d: Duration) -> String {
    if d.as_secs() >= 10 || d.subsec_millis() == 0 {
        format!("{} s", d.as_secs())
    } else {
        let tenths = d.as_secs() * 10 + u64::from((d.subsec_millis() + 50) / 100);
        format!("{}.{} s", tenths / 10, tenths % 10)
    }
}
