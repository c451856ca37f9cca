//! Resolves names through the system's resolver, on a thread that ends with the lookup.
//!
//! A thread costs memory, so answers are cached for a while, and at most one lookup runs at a time.

use std::cell::RefCell;
use std::io;
use std::net::{IpAddr, Ipv4Addr, Ipv6Addr, SocketAddr, ToSocketAddrs};
use std::rc::Rc;
use std::sync::Arc;
use std::time::Instant;

use smol::lock::Mutex;

use super::stream::within;
use crate::limits::{RESOLVE_ADDRESSES, RESOLVE_HOSTS, RESOLVE_KEEP, RESOLVE_TIMEOUT};

struct CacheEntry {
    host: Box<str>,
    addresses: Rc<[IpAddr]>,
    /// `None`: stale, because nothing answered there; resolved again, and kept in case that fails.
    fresh_until: Option<Instant>,
}

/// A blocking lookup of a name's addresses, with port 0.
pub type Lookup = fn(&str) -> io::Result<Vec<SocketAddr>>;

/// Addresses from getaddrinfo(3); blocks, so it runs on the blocking thread.
pub(super) fn system(host: &str) -> io::Result<Vec<SocketAddr>> {
    (host, 0).to_socket_addrs().map(Iterator::collect)
}

/// Resolves names and caches a few answers, most recently used first.
pub(super) struct Resolver {
    lookup: Lookup,
    answers: RefCell<Vec<CacheEntry>>,
    /// Held by the lookup itself, on the blocking thread, so that no second lookup starts while one hangs.
    busy: Arc<Mutex<()>>,
}

impl Resolver {
    pub(super) fn new(lookup: Lookup) -> Resolver {
        Resolver { lookup, answers: RefCell::default(), busy: Arc::default() }
    }

    /// The addresses of `host`, families alternating, at most [`RESOLVE_ADDRESSES`].
    /// An address needs no lookup.
    pub(super) async fn resolve(&self, host: &str) -> io::Result<Rc<[IpAddr]>> {
        if let Ok(ip) = host.parse() {
            return Ok([ip].into());
        }
        // RFC 6761, 6.3: never sent to a resolver. A small system may have no /etc/hosts.
        if host.eq_ignore_ascii_case("localhost") {
            return Ok([Ipv4Addr::LOCALHOST.into(), Ipv6Addr::LOCALHOST.into()].into());
        }
        if let Some(known) = self.known(host, true) {
            return Ok(known);
        }
        match within(RESOLVE_TIMEOUT, self.ask(host)).await {
            Ok(addresses) => Ok(addresses),
            // A resolver failure is more likely than a changed address.
            Err(e) => self.known(host, false).ok_or(e),
        }
    }

    /// Marks the cached addresses as stale: nothing answered there.
    pub(super) fn mark_stale(&self, host: &str) {
        if let Some(answer) = self.answers.borrow_mut().iter_mut().find(|a| *a.host == *host) {
            answer.fresh_until = None;
        }
    }

    fn known(&self, host: &str, only_fresh: bool) -> Option<Rc<[IpAddr]>> {
        let mut answers = self.answers.borrow_mut();
        let at = answers.iter().position(|a| *a.host == *host)?;
        if only_fresh && answers[at].fresh_until.is_none_or(|t| t < Instant::now()) {
            return None;
        }
        answers[..=at].rotate_right(1);
        Some(Rc::clone(&answers[0].addresses))
    }

    async fn ask(&self, host: &str) -> io::Result<Rc<[IpAddr]>> {
        let turn = self.busy.lock_arc().await;
        // The previous holder of the lock may have resolved the same name.
        if let Some(known) = self.known(host, true) {
            return Ok(known);
        }
        let (name, lookup) = (host.to_owned(), self.lookup);
        // A dead resolver blocks its thread for minutes, and the journal needs the pool's thread.
        let work = move || {
            let found = lookup(&name);
            drop(turn);
            found
        };
        let found = crate::sys::spawn_thread("names", work).await;
        let found = found.unwrap_or_else(|| Err(io::Error::other("no thread can be started")))?;
        let found = ordered(&found);
        if found.is_empty() {
            return Err(io::Error::new(io::ErrorKind::NotFound, "the name has no address"));
        }
        let addresses: Rc<[IpAddr]> = found.into();
        let mut answers = self.answers.borrow_mut();
        answers.retain(|a| *a.host != *host);
        answers.truncate(RESOLVE_HOSTS - 1);
        let answer = CacheEntry {
            host: host.into(),
            addresses: Rc::clone(&addresses),
            fresh_until: Some(Instant::now() + RESOLVE_KEEP),
        };
        answers.insert(0, answer);
        Ok(addresses)
    }
}

/// In the system's order (RFC 6724), but with the families alternating, so that if one of
/// them is unreachable the second try uses the other.
fn ordered(all: &[SocketAddr]) -> Vec<IpAddr> {
    let mut rest: Vec<IpAddr> = Vec::new();
    for ip in all.iter().map(SocketAddr::ip) {
        if !rest.contains(&ip) && rest.len() < 4 * RESOLVE_ADDRESSES {
            rest.push(ip);
        }
    }
    let mut out: Vec<IpAddr> = Vec::new();
    while !rest.is_empty() && out.len() < RESOLVE_ADDRESSES {
        let other = out.last().map(|ip| !ip.is_ipv6());
        let at = rest.iter().position(|ip| Some(ip.is_ipv6()) == other).unwrap_or(0);
        out.push(rest.remove(at));
    }
    out
}

#[cfg(test)]
mod tests {
    use super::*;

    fn ip(text: &str) -> IpAddr {
        text.parse().expect("an address")
    }

    #[track_caller]
    fn check(system: &[&str], want: &[&str]) {
        let all: Vec<_> = system.iter().map(|s| SocketAddr::new(ip(s), 0)).collect();
        assert_eq!(ordered(&all), want.iter().map(|s| ip(s)).collect::<Vec<_>>());
    }

    #[test]
    fn families_alternate() {
        check(&["::1", "::2", "1.1.1.1", "1.1.1.2"], &["::1", "1.1.1.1", "::2", "1.1.1.2"]);
        check(&["1.1.1.1", "1.1.1.1", "::1"], &["1.1.1.1", "::1"]);
        check(&["::1", "::2", "::3", "::4", "::5", "9.9.9.9"], &["::1", "9.9.9.9", "::2", "::3"]);
        check(&[], &[]);
    }

    /// Answers names that start with `up`; the others fail like a resolver that is down.
    fn lookup(host: &str) -> io::Result<Vec<SocketAddr>> {
        match host {
            "empty" => Ok(Vec::new()),
            _ if host.starts_with("up") => Ok(vec![SocketAddr::new(ip("192.0.2.2"), 0)]),
            _ => Err(io::Error::other("temporary failure")),
        }
    }

    #[test]
    fn a_stale_answer_is_refreshed_or_reused() {
        let resolver = Resolver::new(lookup);
        for host in ["down", "up"] {
            resolver.answers.borrow_mut().push(CacheEntry {
                host: host.into(),
                addresses: [ip("192.0.2.1")].into(),
                fresh_until: Some(Instant::now() + RESOLVE_KEEP),
            });
        }
        let ask = |host| smol::block_on(resolver.resolve(host)).map(|a| a.to_vec()).ok();
        assert_eq!(ask("up"), Some(vec![ip("192.0.2.1")]));
        resolver.mark_stale("down");
        resolver.mark_stale("up");
        assert_eq!(ask("down"), Some(vec![ip("192.0.2.1")]));
        assert_eq!(ask("up"), Some(vec![ip("192.0.2.2")]));
        assert_eq!(ask("down too"), None);
        assert_eq!(ask("empty"), None);
    }

    #[test]
    fn localhost_is_this_machine_whatever_the_resolver_says() {
        let resolver = Resolver::new(lookup);
        for host in ["localhost", "LocalHost"] {
            let found = smol::block_on(resolver.resolve(host)).expect("addresses");
            assert_eq!(found.to_vec(), [ip("127.0.0.1"), ip("::1")]);
        }
    }

    #[test]
    fn few_answers_are_kept_the_latest_used_longest() {
        let resolver = Resolver::new(lookup);
        for i in 0..RESOLVE_HOSTS + 2 {
            smol::block_on(resolver.resolve(&format!("up{i}"))).expect("an answer");
            smol::block_on(resolver.resolve("up0")).expect("an answer");
            smol::block_on(resolver.resolve("127.0.0.1")).expect("itself");
        }
        let answers = resolver.answers.borrow();
        assert_eq!(answers.len(), RESOLVE_HOSTS);
        assert_eq!(&*answers[0].host, "up0");
        assert!(!answers.iter().any(|a| &*a.host == "up1"));
    }
}
