//! Which proxy a request uses: its own, or the environment's.
//!
//! `HTTPS_PROXY`, `HTTP_PROXY`, `ALL_PROXY`, `NO_PROXY` and their lower-case forms, read as Go's
//! programs read them, so that a switch from the Go version changes nothing.

use std::net::IpAddr;

use crate::proto::url::{Scheme, Url};
use crate::{Error, Result};

/// Proxies from `http_proxy`, `https_proxy`, `all_proxy` and `no_proxy`.
#[derive(Default)]
pub struct Proxies {
    http: Option<Url>,
    https: Option<Url>,
    exempt: Vec<Exempt>,
}

/// One entry of `NO_PROXY`.
enum Exempt {
    /// `*` in `no_proxy`: every server is contacted directly.
    All,
    /// An address block: first address and bits; a single address has all bits.
    Block(IpAddr, u8),
    /// A name, whether its subdomains alone are meant, and a port.
    Name(Box<str>, bool, Option<u16>),
    /// An address with a port.
    Address(IpAddr, u16),
}

impl Proxies {
    /// From the variables that `var` reads; the error names the variable, never its value.
    pub fn from_vars(var: impl Fn(&str) -> Option<String>) -> Result<Proxies> {
        let read = |upper: &'static str, lower: &'static str| {
            [upper, lower].into_iter().find_map(|name| {
                let value = var(name)?;
                (!value.trim().is_empty()).then_some((name, value))
            })
        };
        let proxy = |upper, lower| match read(upper, lower) {
            None => Ok(None),
            Some((name, value)) => {
                parse(&value).map(Some).map_err(|e| Error::new(format!("{name}: {e}")))
            }
        };
        let all = proxy("ALL_PROXY", "all_proxy")?;
        // In a CGI program HTTP_PROXY is the client's `Proxy:` field, not the user's setting.
        let http = if var("REQUEST_METHOD").is_some() {
            proxy("http_proxy", "http_proxy")?
        } else {
            proxy("HTTP_PROXY", "http_proxy")?
        };
        let https = proxy("HTTPS_PROXY", "https_proxy")?;
        let exempt = read("NO_PROXY", "no_proxy").map_or(Vec::new(), |(_, list)| {
            list.split([',', ' ']).filter_map(|entry| exempt(entry.trim())).collect()
        });
        Ok(Proxies { http: http.or_else(|| all.clone()), https: https.or(all), exempt })
    }

    /// The proxy for `url`; `None` means a direct connection. This machine is never reached through a proxy.
    pub fn choose(&self, url: &Url) -> Option<&Url> {
        let proxy = if url.scheme == Scheme::Https { &self.https } else { &self.http };
        let proxy = proxy.as_ref()?;
        let ip = url.ip();
        let here = url.host == "localhost" || ip.is_some_and(|ip| ip.to_canonical().is_loopback());
        let exempt = here || self.exempt.iter().any(|e| e.covers(&url.host, ip, url.port));
        (!exempt).then_some(proxy)
    }
}

impl Exempt {
    fn covers(&self, host: &str, ip: Option<IpAddr>, port: u16) -> bool {
        match self {
            Exempt::All => true,
            Exempt::Block(first, bits) => ip.is_some_and(|ip| in_block(ip, *first, *bits)),
            Exempt::Address(address, p) => ip == Some(*address) && port == *p,
            Exempt::Name(name, below, p) => {
                let host = host.trim_end_matches('.');
                let rest = host.strip_suffix(&**name);
                let matches = rest.is_some_and(|r| r.ends_with('.') || (r.is_empty() && !below));
                matches && p.is_none_or(|p| p == port)
            }
        }
    }
}

fn in_block(ip: IpAddr, first: IpAddr, bits: u8) -> bool {
    let same = |a: u128, b: u128, width: u32| {
        let shift = width.saturating_sub(u32::from(bits));
        shift >= width || a >> shift == b >> shift
    };
    match (ip.to_canonical(), first.to_canonical()) {
        (IpAddr::V4(a), IpAddr::V4(b)) => same(a.to_bits().into(), b.to_bits().into(), 32),
        (IpAddr::V6(a), IpAddr::V6(b)) => same(a.to_bits(), b.to_bits(), 128),
        _ => false,
    }
}

/// One entry of `NO_PROXY`; entries that cannot match anything are left out, as elsewhere.
fn exempt(entry: &str) -> Option<Exempt> {
    let entry = entry.to_ascii_lowercase();
    if entry.is_empty() {
        return None;
    }
    if entry == "*" {
        return Some(Exempt::All);
    }
    let whole = |ip: IpAddr| Exempt::Block(ip, if ip.is_ipv4() { 32 } else { 128 });
    if let Some((first, bits)) = entry.split_once('/') {
        let first: IpAddr = first.parse().ok()?;
        let bits = bits.parse().ok().filter(|b| *b <= if first.is_ipv4() { 32 } else { 128 })?;
        return Some(Exempt::Block(first, bits));
    }
    if let Ok(ip) = entry.trim_matches(['[', ']']).parse() {
        return Some(whole(ip));
    }
    let (name, port) = match entry.rsplit_once(':') {
        Some((name, port)) => (name, Some(port.parse().ok()?)),
        None => (&*entry, None),
    };
    if let (Ok(ip), Some(port)) = (name.trim_matches(['[', ']']).parse(), port) {
        return Some(Exempt::Address(ip, port));
    }
    let name = name.strip_prefix('*').unwrap_or(name);
    let (name, below) = name.strip_prefix('.').map_or((name, false), |n| (n, true));
    let name = name.trim_end_matches('.');
    (!name.is_empty()).then(|| Exempt::Name(name.into(), below, port))
}

/// A proxy's URL: `http://` or `socks5://`, `http://` when there is no scheme; credentials allowed.
/// The error is a phrase without the URL.
pub fn parse(text: &str) -> Result<Url, &'static str> {
    let text = text.trim();
    let url = if text.contains("://") {
        let scheme = text.split("://").next().unwrap_or("").to_ascii_lowercase();
        match scheme.as_str() {
            "http" | "socks5" | "socks5h" => Url::parse(text)?,
            "https" => {
                return Err("proxies that speak TLS themselves (https://) are not supported");
            }
            _ => return Err("the proxy is neither http:// nor socks5://"),
        }
    } else {
        Url::parse(&format!("http://{text}"))?
    };
    let too_long = |s: &str| s.len() > 255;
    if url.user.as_ref().is_some_and(|(user, password)| too_long(user) || too_long(password)) {
        return Err("the proxy's user or password is longer than 255 bytes");
    }
    Ok(url)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn proxies(vars: &[(&str, &str)]) -> Result<Proxies> {
        Proxies::from_vars(|name| {
            vars.iter().find(|(n, _)| *n == name).map(|(_, v)| (*v).to_owned())
        })
    }

    /// The proxy's host and port, or `direct`, or the error.
    #[track_caller]
    fn check(vars: &[(&str, &str)], url: &str, want: &str) {
        let url = Url::parse(url).expect("a URL");
        let got = match proxies(vars) {
            Ok(p) => p.choose(&url).map_or("direct".into(), |p| format!("{p:?}")),
            Err(e) => e.to_string(),
        };
        assert_eq!(got, want);
    }

    #[test]
    fn variables() {
        check(&[], "https://a/", "direct");
        check(&[("HTTPS_PROXY", "http://p:1")], "https://a/", "http://p:1");
        check(&[("https_proxy", "p:1")], "https://a/", "http://p:1");
        check(&[("HTTPS_PROXY", ""), ("https_proxy", "q:2")], "https://a/", "http://q:2");
        check(&[("HTTPS_PROXY", "p:1")], "http://a/", "direct");
        check(&[("HTTP_PROXY", "p:1")], "http://a/", "http://p:1");
        check(&[("http_proxy", "p")], "http://a/", "http://p:80");
        check(&[("HTTP_PROXY", "p:1"), ("REQUEST_METHOD", "GET")], "http://a/", "direct");
        check(&[("ALL_PROXY", "socks5h://p")], "https://a/", "socks5://p:1080");
        check(&[("ALL_PROXY", "socks5://p"), ("http_proxy", "q")], "http://a/", "http://q:80");
    }

    #[test]
    fn errors_name_the_variable_alone() {
        let e = "HTTPS_PROXY: proxies that speak TLS themselves (https://) are not supported";
        check(&[("HTTPS_PROXY", "https://u:secret@p")], "https://a/", e);
        let e = "all_proxy: the proxy is neither http:// nor socks5://";
        check(&[("all_proxy", "socks4://p")], "https://a/", e);
        let e = "HTTP_PROXY: the URL's port is not a number";
        check(&[("HTTP_PROXY", "u:p@h:x")], "https://a/", e);
    }

    #[track_caller]
    fn check_no(list: &str, url: &str, proxied: bool) {
        let want = if proxied { "http://p:80" } else { "direct" };
        check(&[("HTTPS_PROXY", "p"), ("HTTP_PROXY", "p"), ("NO_PROXY", list)], url, want);
    }

    #[test]
    fn exemptions() {
        check_no("example.org", "https://example.org/", false);
        check_no("example.org", "https://API.example.org/", false);
        check_no("example.org", "https://badexample.org/", true);
        check_no(".example.org", "https://example.org/", true);
        check_no("*.example.org", "https://a.example.org/", false);
        check_no("x, EXAMPLE.org.,y", "https://a.example.org./", false);
        check_no("x example.org", "https://example.org/", false);
        check_no("example.org:8443", "https://example.org/", true);
        check_no("example.org:8443", "https://example.org:8443/", false);
        check_no("*", "https://example.org/", false);
        check_no("10.0.0.0/8", "http://10.9.8.7/", false);
        check_no("10.0.0.0/8", "http://11.0.0.1/", true);
        check_no("10.0.0.0/8", "http://10.example/", true);
        check_no("0.0.0.0/0", "http://192.0.2.1/", false);
        check_no("fd00::/8", "http://[fd12::1]/", false);
        check_no("192.0.2.1", "http://192.0.2.1:99/", false);
        check_no("192.0.2.1:80", "http://192.0.2.1/", false);
        check_no("192.0.2.1:80", "http://192.0.2.1:81/", true);
        check_no("[2001:db8::1]:80", "http://[2001:db8::1]/", false);
        check_no("2001:db8::1", "http://[2001:db8::1]/", false);
        check_no("10.0.0.0/99,:x,/,..", "http://10.0.0.1/", true);
    }

    #[test]
    fn this_machine_is_never_proxied() {
        check_no("", "http://127.0.0.1:8080/", false);
        check_no("", "http://127.9.9.9/", false);
        check_no("", "http://[::1]/", false);
        check_no("", "http://[::ffff:127.0.0.1]/", false);
        check_no("", "http://localhost/", false);
        check_no("", "http://10.0.0.1/", true);
    }
}
