//! IPv6 networks that this machine is part of: their hosts have global addresses, and are neighbours all the same.

use std::fs::File;
use std::io::{BufRead, BufReader, Read};
use std::net::Ipv6Addr;

use crate::limits::{ON_LINK_BYTES, ON_LINK_PREFIX};

/// Of the thread: its network namespace (proc(5), since Linux 3.17).
const INTERFACES: &str = "/proc/thread-self/net/if_inet6";
const ROUTES: &str = "/proc/thread-self/net/ipv6_route";

// linux/route.h, linux/ipv6_route.h.
const UP: u32 = 0x0001;
const GATEWAY: u32 = 0x0002;
const REJECT: u32 = 0x0200;
const CACHE: u32 = 0x0100_0000;

/// Is `ip` an address of this machine, or in a network that it reaches without a router? The kernel is asked each time, as
/// prefixes come and go.
pub fn is_on_link(ip: Ipv6Addr) -> bool {
    let ip = u128::from(ip);
    any(INTERFACES, |line| interface(line, ip)) || any(ROUTES, |line| route(line, ip))
}

/// Whether a line of the file, as far as it is read, is one of these.
fn any(path: &str, mut is: impl FnMut(&str) -> bool) -> bool {
    // Without IPv6 there is no such file.
    let Ok(file) = File::open(path) else { return false };
    let mut lines = BufReader::with_capacity(1024, file.take(ON_LINK_BYTES));
    let mut line = String::new();
    while matches!(lines.read_line(&mut line), Ok(n) if n > 0) {
        if is(&line) {
            return true;
        }
        line.clear();
    }
    false
}

/// Address, index, length of the prefix, scope, flags, name.
fn interface(line: &str, ip: u128) -> bool {
    let mut fields = line.split_ascii_whitespace();
    let (Some(address), Some(length)) = (number(fields.next()), number(fields.nth(1))) else {
        return false;
    };
    address == ip || contains(address, length, ip)
}

/// Destination and the length of its prefix, source and its, next hop, metric, two counters, flags, interface.
fn route(line: &str, ip: u128) -> bool {
    let mut fields = line.split_ascii_whitespace();
    let (Some(address), Some(length)) = (number(fields.next()), number(fields.next())) else {
        return false;
    };
    let flags = number(fields.nth(6)).unwrap_or(0) as u32;
    flags & (UP | GATEWAY | REJECT | CACHE) == UP && contains(address, length, ip)
}

/// Shorter prefixes are no neighbourhood: a tunnel takes the whole internet without a router.
fn contains(address: u128, length: u128, ip: u128) -> bool {
    (ON_LINK_PREFIX..=128).contains(&length) && (address ^ ip) >> (128 - length).min(127) == 0
}

fn number(field: Option<&str>) -> Option<u128> {
    u128::from_str_radix(field?, 16).ok()
}

#[cfg(test)]
mod tests {
    use super::*;

    fn ip(text: &str) -> u128 {
        text.parse::<Ipv6Addr>().expect("an address").into()
    }

    #[test]
    fn addresses_of_interfaces() {
        let line = "2a0200db00000001000000000000abcd 02 40 00 80     eth0\n";
        for (text, want) in [
            ("2a02:db:0:1::abcd", true),
            ("2a02:db:0:1:ffff::1", true),
            ("2a02:db:0:2::abcd", false),
            ("2a03::1", false),
        ] {
            assert_eq!(interface(line, ip(text)), want, "{text}");
        }
        let alone = "2a0200db00000001000000000000abcd 02 80 00 80 wg0\n";
        assert!(interface(alone, ip("2a02:db:0:1::abcd")));
        assert!(!interface(alone, ip("2a02:db:0:1::abcc")));
        // The address itself whatever its prefix.
        let tunnel = "2a0200db00000001000000000000abcd 02 03 00 80 tun0\n";
        assert!(interface(tunnel, ip("2a02:db:0:1::abcd")));
        assert!(!interface(tunnel, ip("2a02:db:0:1::abcc")));
        for broken in ["", "2a02", "x 02 40 00 80 e", "2a02 02 zz 00 80 e", "2a02 02 81 00 80 e"] {
            assert!(!interface(broken, ip("2a02:db:0:1::1")), "{broken}");
        }
    }

    #[test]
    fn routes_without_a_router() {
        let line = |length: &str, hop: &str, flags: &str| {
            let none = "00000000000000000000000000000000";
            format!(
                "2a0200db000000010000000000000000 {length} {none} 00 {hop} 00000100 00000001 00000000 {flags} eth0\n"
            )
        };
        let none = "00000000000000000000000000000000";
        let router = "fe800000000000000000000000000001";
        let near = ip("2a02:db:0:1::7");
        assert!(route(&line("40", none, "00000001"), near));
        assert!(route(&line("38", none, "00400001"), near));
        for (length, hop, flags) in [
            ("40", router, "00000003"),
            ("40", none, "00000000"),
            ("40", none, "00200201"),
            ("80", none, "01000001"),
            ("03", none, "00000001"),
            ("00", none, "00000001"),
        ] {
            assert!(!route(&line(length, hop, flags), near), "{length} {flags}");
        }
        assert!(!route("", near) && !route("2a02 40", near));
    }
}
