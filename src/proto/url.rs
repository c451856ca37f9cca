//! URLs (RFC 3986) of the few schemes spoken here: http, https and those of proxies.
//!
//! Connections use the parsed URL: there is no second parser that could interpret it differently.
//! Hosts are ASCII; a name in another script has to be written in its `xn--` form.

use std::borrow::Cow;
use std::fmt;
use std::net::{IpAddr, Ipv6Addr};

use percent_encoding::{
    AsciiSet, CONTROLS, NON_ALPHANUMERIC, percent_decode_str, utf8_percent_encode,
};

/// All but the unreserved characters (RFC 3986, section 2.3).
const RESERVED: &AsciiSet = &NON_ALPHANUMERIC.remove(b'-').remove(b'.').remove(b'_').remove(b'~');
/// Characters that are not allowed in a request line.
const TARGET: &AsciiSet = &CONTROLS
    .add(b' ')
    .add(b'"')
    .add(b'<')
    .add(b'>')
    .add(b'`')
    .add(b'{')
    .add(b'}')
    .add(b'|')
    .add(b'\\')
    .add(b'^');

/// Maximum bytes of a URL; longer ones are refused.
pub const URL_BYTES: usize = 8 * 1024;

/// The scheme of a server or proxy.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Scheme {
    /// `http://`, port 80.
    Http,
    /// `https://`, port 443.
    Https,
    /// `socks5://` and `socks5h://`, port 1080.
    Socks5,
}

impl Scheme {
    fn parse(name: &str) -> Option<Scheme> {
        let is = |other: &str| name.eq_ignore_ascii_case(other);
        match () {
            () if is("http") => Some(Scheme::Http),
            () if is("https") => Some(Scheme::Https),
            () if is("socks5") || is("socks5h") => Some(Scheme::Socks5),
            () => None,
        }
    }

    /// The name before `://`.
    pub fn as_str(self) -> &'static str {
        match self {
            Scheme::Http => "http",
            Scheme::Https => "https",
            Scheme::Socks5 => "socks5",
        }
    }

    fn port(self) -> u16 {
        match self {
            Scheme::Http => 80,
            Scheme::Https => 443,
            Scheme::Socks5 => 1080,
        }
    }
}

/// A parsed absolute URL; the fragment is dropped.
#[derive(Clone, PartialEq, Eq)]
pub struct Url {
    /// The scheme.
    pub scheme: Scheme,
    /// Name in lower case, or an address, IPv6 without brackets.
    pub host: String,
    /// As written, or the scheme's default.
    pub port: u16,
    /// Path and query as they go into the request line, at least `/`.
    pub target: String,
    /// Decoded `user` and `password`.
    pub user: Option<(String, String)>,
}

impl Url {
    /// Parses an absolute URL. The error is half a sentence and never contains the URL.
    pub fn parse(text: &str) -> Result<Url, &'static str> {
        let text = text.trim_matches(|c: char| c.is_ascii_whitespace());
        if text.len() > URL_BYTES {
            return Err("the URL is too long");
        }
        if text.bytes().any(|b| b.is_ascii_control()) {
            return Err("the URL has control characters");
        }
        let (scheme, rest) =
            text.split_once("://").ok_or("the URL does not start with http:// or https://")?;
        let scheme = Scheme::parse(scheme).ok_or("the URL is neither http:// nor https://")?;
        let end = rest.find(['/', '?', '#']).unwrap_or(rest.len());
        let (authority, tail) = rest.split_at(end);
        let (user, host_port) = match authority.rsplit_once('@') {
            Some((user, host)) => (Some(credentials(user)?), host),
            None => (None, authority),
        };
        let (host, port) = host_and_port(host_port)?;
        Ok(Url { scheme, host, port: port.unwrap_or(scheme.port()), target: target(tail), user })
    }

    /// Resolves a reference such as a `Location` field against this URL (RFC 3986, section 5.2).
    /// Credentials are kept only if the reference has no authority.
    pub fn join(&self, reference: &str) -> Result<Url, &'static str> {
        let reference = reference.trim_matches(|c: char| c.is_ascii_whitespace());
        if reference.len() > URL_BYTES || reference.bytes().any(|b| b.is_ascii_control()) {
            return Err("the reference is too long or has control characters");
        }
        let first = reference.find(['/', '?', '#', ':']).map(|i| reference.as_bytes()[i]);
        if first == Some(b':') {
            return Url::parse(reference);
        }
        if reference.starts_with("//") {
            return Url::parse(&format!("{}:{reference}", self.scheme.as_str()));
        }
        let reference = reference.split('#').next().unwrap_or("");
        let path = self.target.split('?').next().unwrap_or("/");
        let joined = match reference.bytes().next() {
            None => self.target.clone(),
            Some(b'/') => normalised(reference),
            Some(b'?') => format!("{path}{reference}"),
            Some(_) => {
                let folder = path.rfind('/').map_or("/", |i| &path[..=i]);
                normalised(&format!("{folder}{reference}"))
            }
        };
        Ok(Url { target: target(&joined), ..self.clone() })
    }

    /// The address, if the host is one.
    pub fn ip(&self) -> Option<IpAddr> {
        self.host.parse().ok()
    }

    /// `host:port` with brackets around IPv6, for CONNECT and for messages.
    pub fn host_port(&self) -> String {
        host_port(&self.host, self.port)
    }

    /// The Host field: the port only if it is not the scheme's default.
    pub fn authority(&self) -> String {
        let mut out = self.host_port();
        if self.port == self.scheme.port() {
            out.truncate(out.rfind(':').unwrap_or(out.len()));
        }
        out
    }
}

/// `host:port` with brackets around IPv6.
pub fn host_port(host: &str, port: u16) -> String {
    if host.contains(':') { format!("[{host}]:{port}") } else { format!("{host}:{port}") }
}

/// Without credentials; the path may still contain secrets.
impl fmt::Display for Url {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}://{}{}", self.scheme.as_str(), self.authority(), self.target)
    }
}

/// `name=value&name=value`, for a query or an `application/x-www-form-urlencoded` body.
pub fn query(pairs: &[(&str, &str)]) -> String {
    let encode = |text| utf8_percent_encode(text, RESERVED);
    let pairs = pairs.iter().map(|(name, value)| format!("{}={}", encode(name), encode(value)));
    pairs.collect::<Vec<_>>().join("&")
}

/// Scheme, host and port alone: paths and credentials may be secret.
impl fmt::Debug for Url {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}://{}", self.scheme.as_str(), self.host_port())
    }
}

fn credentials(text: &str) -> Result<(String, String), &'static str> {
    let (user, password) = text.split_once(':').unwrap_or((text, ""));
    let decode = |s| {
        percent_decode_str(s)
            .decode_utf8()
            .map(Cow::into_owned)
            .map_err(|_| "the URL's user is not text")
    };
    Ok((decode(user)?, decode(password)?))
}

fn host_and_port(text: &str) -> Result<(String, Option<u16>), &'static str> {
    let (host, port) = if let Some(rest) = text.strip_prefix('[') {
        let (host, port) = rest.split_once(']').ok_or("the URL's IPv6 address has no ]")?;
        let host: Ipv6Addr = host.parse().map_err(|_| "the URL's IPv6 address is not one")?;
        (host.to_string(), port)
    } else {
        let at = text.find(':').unwrap_or(text.len());
        (name(&text[..at])?, &text[at..])
    };
    let port = match port.strip_prefix(':') {
        None if port.is_empty() => None,
        Some("") => None,
        Some(digits) if digits.bytes().all(|b| b.is_ascii_digit()) => {
            let port = digits.parse().map_err(|_| "the URL's port is out of range")?;
            Some(if port == 0 { return Err("the URL's port is 0") } else { port })
        }
        _ => return Err("the URL's port is not a number"),
    };
    Ok((host, port))
}

fn name(text: &str) -> Result<String, &'static str> {
    if text.is_empty() {
        return Err("the URL has no host");
    }
    if text.len() > 253 {
        return Err("the URL's host is too long");
    }
    if !text.is_ascii() {
        return Err("the URL's host is not ASCII (write its xn-- form)");
    }
    if !text.bytes().all(|b| b.is_ascii_alphanumeric() || matches!(b, b'-' | b'.' | b'_')) {
        return Err("the URL's host has characters that no name has");
    }
    Ok(text.to_ascii_lowercase())
}

/// Path and query without the fragment, with forbidden characters percent-encoded.
fn target(text: &str) -> String {
    let text = text.split('#').next().unwrap_or("");
    let slash = if text.starts_with('/') { "" } else { "/" };
    format!("{slash}{}", utf8_percent_encode(text, TARGET))
}

/// Removes dot segments (RFC 3986, section 5.2.4) from the path before a query.
fn normalised(text: &str) -> String {
    let (path, query) = text.split_at(text.find('?').unwrap_or(text.len()));
    let mut kept: Vec<&str> = Vec::new();
    let mut segments = path.split('/').skip(1).peekable();
    while let Some(segment) = segments.next() {
        let last = segments.peek().is_none();
        match segment {
            "." | ".." => {
                if segment == ".." {
                    kept.pop();
                }
                if last {
                    kept.push("");
                }
            }
            _ => kept.push(segment),
        }
    }
    let mut out = String::with_capacity(text.len());
    for segment in &kept {
        out.push('/');
        out.push_str(segment);
    }
    out.push_str(query);
    out
}

#[cfg(test)]
mod tests {
    use super::*;

    #[track_caller]
    fn check(text: &str, want: &str) {
        match Url::parse(text) {
            Ok(url) => assert_eq!(url.to_string(), want),
            Err(e) => assert_eq!(e, want),
        }
    }

    #[test]
    fn parsed_and_shown() {
        check("http://Example.org", "http://example.org/");
        check(" https://example.org:443/a?b=c#frag ", "https://example.org/a?b=c");
        check("HTTPS://example.org:8443", "https://example.org:8443/");
        check("http://example.org?x", "http://example.org/?x");
        check("http://[2001:DB8::0:1]:80/", "http://[2001:db8::1]/");
        check("http://[::1]:8080/", "http://[::1]:8080/");
        check("http://u:p@127.0.0.1:9/é x", "http://127.0.0.1:9/%C3%A9%20x");
        check("socks5h://proxy", "socks5://proxy/");
        check("http://h:/", "http://h/");
    }

    #[test]
    fn refused() {
        check("example.org/x", "the URL does not start with http:// or https://");
        check("ftp://example.org", "the URL is neither http:// nor https://");
        check("http://", "the URL has no host");
        check("http://:80/", "the URL has no host");
        check("http://h:99999/", "the URL's port is out of range");
        check("http://h:0/", "the URL's port is 0");
        check("http://h:+1/", "the URL's port is not a number");
        check("http://[::1/", "the URL's IPv6 address has no ]");
        check("http://[fe80::1%25eth0]/", "the URL's IPv6 address is not one");
        check("http://[::1]x/", "the URL's port is not a number");
        check("http://bücher.example/", "the URL's host is not ASCII (write its xn-- form)");
        check("http://a\\@b/", "http://b/");
        check("http://a%41/", "the URL's host has characters that no name has");
        check("http://h/\r\nX: y", "the URL has control characters");
        check(&format!("http://h/{}", "x".repeat(URL_BYTES)), "the URL is too long");
    }

    #[test]
    fn credentials_are_decoded_and_not_shown() {
        let url = Url::parse("http://us%40er:p%3Aw@h:3128").expect("a URL");
        assert_eq!(url.user, Some(("us@er".into(), "p:w".into())));
        assert_eq!(format!("{url:?}"), "http://h:3128");
    }

    #[track_caller]
    fn check_join(base: &str, reference: &str, want: &str) {
        let base = Url::parse(base).expect("a base");
        match base.join(reference) {
            Ok(url) => assert_eq!(url.to_string(), want),
            Err(e) => assert_eq!(e, want),
        }
    }

    #[test]
    fn references() {
        let base = "http://h/a/b/c?q";
        check_join(base, "d", "http://h/a/b/d");
        check_join(base, "./d?x#y", "http://h/a/b/d?x");
        check_join(base, "../d", "http://h/a/d");
        check_join(base, "../../../d", "http://h/d");
        check_join(base, "..", "http://h/a/");
        check_join(base, "/x/./y/../z", "http://h/x/z");
        check_join(base, "?n=1", "http://h/a/b/c?n=1");
        check_join(base, "#f", "http://h/a/b/c?q");
        check_join(base, "", "http://h/a/b/c?q");
        check_join(base, "//other:81/x", "http://other:81/x");
        check_join(base, "https://other", "https://other/");
        check_join(base, "d?u=http://x/..", "http://h/a/b/d?u=http://x/..");
        check_join(base, "javascript:alert(1)", "the URL does not start with http:// or https://");
        check_join(base, "file:///etc/passwd", "the URL is neither http:// nor https://");
        check_join("http://h", "x y", "http://h/x%20y");
        check_join("http://h", "\u{e9}{", "http://h/%C3%A9%7B");
    }

    #[test]
    fn pairs_are_joined() {
        assert_eq!(query(&[("q", "rust & c"), ("n", "5%")]), "q=rust%20%26%20c&n=5%25");
        assert_eq!(query(&[("-._~", "Z\u{fc}rich\n")]), "-._~=Z%C3%BCrich%0A");
        assert_eq!(query(&[]), "");
    }
}
