//! Limits of secrets and of signing in.

use std::time::Duration;

/// Bytes of a file that a `file://` secret names, and of a secret that is typed; the longest real ones are service keys of
/// about 4 kB.
pub const SECRET_FILE_BYTES: usize = 16 * 1024;
/// Bytes of `auth.json`; an entry has about 4 kB, most of it two signed tokens.
pub const AUTH_FILE_BYTES: u64 = 64 * 1024;
/// Bytes of an answer of the server that signs in.
pub const AUTH_BODY_BYTES: usize = 32 * 1024;
/// How long the user has to enter the code; the server's code expires about then.
pub const AUTH_WAIT: Duration = Duration::from_secs(15 * 60);
/// Seconds between two polls for that: default if the server names none, and maximum.
pub const AUTH_INTERVAL: (u64, u64) = (5, 60);
/// Seconds before its expiry that a token is renewed.
pub const AUTH_EARLY: i64 = 5 * 60;
/// Encoded forms of tokens obtained since the start that are redacted from logs and results: those of about the last four,
/// which are two renewals. A signed token of 2 kB has six forms, 18 kB in total.
pub const AUTH_SECRETS: usize = 36;
/// Maximum wait for another process that renews the same token.
pub const AUTH_LOCK: Duration = Duration::from_secs(60);
