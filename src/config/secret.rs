//! Secret values, and their redaction from texts.

use std::borrow::Cow;
use std::fmt;

/// Replaces a redacted secret, as in upstream.
const FILTERED: &str = "[FILTERED]";

/// Secrets of this many bytes or fewer are not redacted: they would match ordinary words.
pub const SHORT_SECRET: usize = 3;

/// A value that is never printed: tokens, keys.
#[derive(Clone, Default, PartialEq, Eq)]
pub struct Secret(Box<str>);

impl Secret {
    /// Wraps a value, so that no `Debug` and no message prints it.
    pub fn new(value: impl Into<String>) -> Secret {
        Secret(value.into().into_boxed_str())
    }
    /// The value, for the wire only.
    pub fn expose(&self) -> &str {
        &self.0
    }
    /// `given` is the value, and there is one. Takes a time that says nothing about where they differ.
    pub fn is(&self, given: &[u8]) -> bool {
        let own = self.0.as_bytes();
        !own.is_empty()
            && own.len() == given.len()
            && own.iter().zip(given).fold(0, |sum, (a, b)| sum | (a ^ b)) == 0
    }
    /// Whether no value is set, which callers treat as "not configured".
    pub fn is_empty(&self) -> bool {
        self.0.is_empty()
    }
}

impl fmt::Debug for Secret {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(if self.0.is_empty() { "(not set)" } else { "[redacted]" })
    }
}

/// `text` with every secret replaced by `[FILTERED]`, the longest secret at a place first.
///
/// Borrowed where nothing was found, or where `text` has fewer than `min_len` bytes.
pub fn redact<'a>(text: &'a str, secrets: &[String], min_len: usize) -> Cow<'a, str> {
    if text.len() < min_len {
        return Cow::Borrowed(text);
    }
    let mut out = String::new();
    let mut rest = text;
    while let Some((start, len)) = first_secret(rest, secrets) {
        out.push_str(rest.get(..start).unwrap_or_default());
        out.push_str(FILTERED);
        rest = rest.get(start + len..).unwrap_or_default();
    }
    if rest.len() == text.len() {
        return Cow::Borrowed(text);
    }
    out.push_str(rest);
    Cow::Owned(out)
}

/// Offset and length of the secret that begins first; of several there, the longest.
fn first_secret(text: &str, secrets: &[String]) -> Option<(usize, usize)> {
    let mut best: Option<(usize, usize)> = None;
    for secret in secrets.iter().filter(|s| s.len() > SHORT_SECRET) {
        if let Some(at) = text.find(secret.as_str()) {
            let better = best.is_none_or(|(b, len)| at < b || (at == b && secret.len() > len));
            if better {
                best = Some((at, secret.len()));
            }
        }
    }
    best
}

/// A value that upstream's examples ship with, `YOUR_TELEGRAM_BOT_TOKEN` for instance.
pub fn is_placeholder(text: &str) -> bool {
    text.starts_with("YOUR_")
}

/// Whether a key of this name holds a secret, for parts of a config that no table describes.
pub fn is_secret_name(name: &str) -> bool {
    let name = name.to_ascii_lowercase();
    let whole = [
        "token",
        "key",
        "api_key",
        "api_keys",
        "secret",
        "password",
        "passphrase",
        "pairing_code",
        "authorization",
        "cookie",
    ];
    whole.contains(&name.as_str())
        || ["_token", "_secret", "_key", "-key", "-token", "_password", "_passphrase"]
            .iter()
            .any(|e| name.ends_with(e))
}

/// The user name and password part of a URL (`u:p` of `http://u:p@host`), if it has one.
pub fn url_userinfo(url: &str) -> Option<&str> {
    let rest = url.split_once("://").map_or(url, |(_, r)| r);
    let authority = rest.split(['/', '?', '#']).next().unwrap_or_default();
    authority.rsplit_once('@').map(|(user, _)| user)
}

/// A URL without user name and password, for messages and records.
pub fn without_userinfo(url: &str) -> Cow<'_, str> {
    match url_userinfo(url).filter(|_| url.contains("://")) {
        Some(user) => Cow::Owned(url.replacen(&[user, "@"].concat(), "", 1)),
        None => Cow::Borrowed(url),
    }
}

/// What is said of a text that [`is_unsendable`].
pub(super) const UNSENDABLE: &str =
    "a line break or another control character cannot be sent in a request";

/// Whether a text cannot be part of a header or an address. Blanks and line ends around it are not sent.
pub(super) fn is_unsendable(text: &str) -> bool {
    text.trim().chars().any(char::is_control)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[track_caller]
    fn check(text: &str, want: &str) {
        let secrets: Vec<String> =
            ["hunter2000", "hunter2000-long", "abc", "", "12:AA_b"].map(String::from).to_vec();
        assert_eq!(redact(text, &secrets, 8), want);
    }

    #[test]
    fn secrets_leave_texts() {
        check("nothing to see here", "nothing to see here");
        check("my hunter2000 and hunter2000!", "my [FILTERED] and [FILTERED]!");
        check("both: hunter2000-long", "both: [FILTERED]");
        check("abc is too short to hide", "abc is too short to hide");
        check("https://h/bot12:AA_b/getMe", "https://h/bot[FILTERED]/getMe");
        check("12:AA_b", "12:AA_b");
        check("ä12:AA_bä", "ä[FILTERED]ä");
    }

    #[test]
    fn secret_names() {
        for name in [
            "token",
            "bot_token",
            "app_secret",
            "api_keys",
            "Authorization",
            "x-api-key",
            "elevenlabs_api_key",
        ] {
            assert!(is_secret_name(name), "{name}");
        }
        for name in ["max_tokens", "max_tokens_field", "keys", "allow_token_query", "monkey"] {
            assert!(!is_secret_name(name), "{name}");
        }
    }

    #[test]
    fn debug_shows_nothing() {
        assert_eq!(
            format!("{:?} {:?}", Secret::new("x"), Secret::default()),
            "[redacted] (not set)"
        );
    }

    #[test]
    fn userinfo_of_urls() {
        assert_eq!(url_userinfo("http://u:p@h:1/x@y"), Some("u:p"));
        assert_eq!(url_userinfo("http://h/x@y"), None);
        assert_eq!(url_userinfo("u:p@h"), Some("u:p"));
        assert_eq!(without_userinfo("http://u:p@x@h:1/u:p@y"), "http://h:1/u:p@y");
        assert_eq!(without_userinfo("http://h/x@y"), "http://h/x@y");
        assert_eq!(without_userinfo("u:p@h"), "u:p@h");
    }
}
