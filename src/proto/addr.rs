//! Decides which addresses the model's requests may not reach: everything outside the public internet.
//!
//! Sources: the IANA special-purpose registries for IPv4 and IPv6, and the prefixes that carry an
//! IPv4 address inside an IPv6 one (a blocked address stays blocked in every notation).
//! Never resolves a name: the client checks each address just before it connects, so a name
//! that changes its address between check and use (DNS rebinding) does not help.

use std::net::{IpAddr, Ipv4Addr, Ipv6Addr};

/// IPv4 networks outside the public internet: base and prefix length.
const BLOCKED_V4: &[([u8; 4], u8)] = &[
    ([0, 0, 0, 0], 8),     // this host and network; 0.0.0.0 reaches loopback on Linux
    ([10, 0, 0, 0], 8),    // RFC 1918
    ([100, 64, 0, 0], 10), // carrier NAT (RFC 6598); one cloud's metadata is at 100.100.100.200
    ([127, 0, 0, 0], 8),   // loopback
    ([168, 63, 129, 16], 32), // a cloud's host agent on an otherwise public address
    ([169, 254, 0, 0], 16), // link-local; most clouds' metadata is at 169.254.169.254
    ([172, 16, 0, 0], 12), // RFC 1918
    ([192, 0, 0, 0], 24),  // protocol assignments; one cloud's metadata is at 192.0.0.192
    ([192, 0, 2, 0], 24),  // documentation
    ([192, 88, 99, 0], 24), // 6to4 relays (RFC 7526)
    ([192, 168, 0, 0], 16), // RFC 1918
    ([198, 18, 0, 0], 15), // benchmarks (RFC 2544)
    ([198, 51, 100, 0], 24), // documentation
    ([203, 0, 113, 0], 24), // documentation
    ([224, 0, 0, 0], 4),   // multicast
    ([240, 0, 0, 0], 4),   // reserved, and broadcast
];

/// Blocked IPv6 networks: first four groups and prefix length.
const BLOCKED_V6: &[([u16; 4], u8)] = &[
    ([0x0064, 0xff9b, 0x0001, 0], 48), // NAT64 of a site's own (RFC 8215): where the IPv4 part sits is unknown
    ([0x0100, 0, 0, 0], 64),           // discard (RFC 6666)
    ([0x2001, 0x0002, 0, 0], 48),      // benchmarks
    ([0x2001, 0x0010, 0, 0], 28),      // ORCHID
    ([0x2001, 0x0020, 0, 0], 28),      // ORCHIDv2
    ([0x2001, 0x0db8, 0, 0], 32),      // documentation
    ([0x3fff, 0, 0, 0], 20),           // documentation
    ([0x5f00, 0, 0, 0], 16),           // segment routing
    ([0xfc00, 0, 0, 0], 7),            // unique local; one cloud's metadata is at fd00:ec2::254
    ([0xfe80, 0, 0, 0], 10),           // link-local
    ([0xfec0, 0, 0, 0], 10),           // site-local
    ([0xff00, 0, 0, 0], 8),            // multicast
];

/// True for an address that web_fetch may not connect to.
pub fn is_blocked(ip: IpAddr) -> bool {
    match ip {
        IpAddr::V4(v4) => is_blocked_v4(v4),
        IpAddr::V6(v6) => is_blocked_v6(v6),
    }
}

fn is_blocked_v4(ip: Ipv4Addr) -> bool {
    let bits = u128::from(u32::from(ip));
    BLOCKED_V4
        .iter()
        .any(|&(base, prefix)| same_prefix(bits, u128::from(u32::from_be_bytes(base)), 32, prefix))
}

fn is_blocked_v6(ip: Ipv6Addr) -> bool {
    let bits = u128::from(ip);
    let whole = BLOCKED_V6.iter().any(|&([a, b, c, d], prefix)| {
        same_prefix(bits, u128::from(Ipv6Addr::new(a, b, c, d, 0, 0, 0, 0)), 128, prefix)
    });
    // `::/96` holds unspecified, loopback and the IPv4-compatible form, which no public host uses.
    whole || bits >> 32 == 0 || embedded_v4(ip).into_iter().flatten().any(is_blocked_v4)
}

/// The IPv4 addresses that a packet to `ip` may reach.
fn embedded_v4(ip: Ipv6Addr) -> [Option<Ipv4Addr>; 2] {
    let s = ip.segments();
    let low = |hi: u16, lo: u16| Ipv4Addr::from(u32::from(hi) << 16 | u32::from(lo));
    match s {
        // IPv4-mapped (RFC 4291) and IPv4-translated (RFC 2765).
        [0, 0, 0, 0, 0, 0xffff, hi, lo] | [0, 0, 0, 0, 0xffff, 0, hi, lo] => {
            [Some(low(hi, lo)), None]
        }
        // NAT64's well-known prefix (RFC 6052).
        [0x64, 0xff9b, 0, 0, 0, 0, hi, lo] => [Some(low(hi, lo)), None],
        // 6to4 (RFC 3056).
        [0x2002, hi, lo, ..] => [Some(low(hi, lo)), None],
        // Teredo (RFC 4380): server in plain, client inverted.
        [0x2001, 0, s_hi, s_lo, _, _, hi, lo] => [Some(low(s_hi, s_lo)), Some(low(!hi, !lo))],
        // ISATAP (RFC 5214) under any prefix; the second form has the universal bit set.
        [_, _, _, _, 0 | 0x0200, 0x5efe, hi, lo] => [Some(low(hi, lo)), None],
        _ => [None, None],
    }
}

fn same_prefix(a: u128, b: u128, width: u32, prefix: u8) -> bool {
    let shift = width.saturating_sub(u32::from(prefix));
    // A shift by all 128 bits (prefix 0) makes any two equal.
    (a ^ b).checked_shr(shift).unwrap_or(0) == 0
}

/// Whether `host` (as in a URL, without brackets) is in the white list; case-insensitive.
pub fn host_is_listed(list: &[String], host: &str) -> bool {
    let host = host.trim_end_matches('.');
    list.iter().any(|entry| {
        entry.trim().trim_end_matches('.').eq_ignore_ascii_case(host) && !host.is_empty()
    })
}

/// True when the white list has `ip`, or a CIDR range around it. Entries that are neither are host names.
///
/// An IPv4-mapped address counts as the IPv4 one: both reach the same host.
pub fn ip_is_listed(list: &[String], ip: IpAddr) -> bool {
    let ip = ip.to_canonical();
    list.iter().any(|entry| contains(entry.trim(), ip))
}

fn contains(range: &str, ip: IpAddr) -> bool {
    let (base, prefix) = match range.split_once('/') {
        Some((base, prefix)) => match prefix.parse::<u8>() {
            Ok(prefix) => (base, Some(prefix)),
            Err(_) => return false,
        },
        None => (range, None),
    };
    // A mapped address without a prefix is the IPv4 one here too.
    let base = base.parse::<IpAddr>().map(|b| if prefix.is_none() { b.to_canonical() } else { b });
    match (base, ip) {
        (Ok(IpAddr::V4(base)), IpAddr::V4(ip)) => {
            let prefix = prefix.unwrap_or(32);
            prefix <= 32
                && same_prefix(u128::from(u32::from(ip)), u128::from(u32::from(base)), 32, prefix)
        }
        (Ok(IpAddr::V6(base)), IpAddr::V6(ip)) => {
            let prefix = prefix.unwrap_or(128);
            prefix <= 128 && same_prefix(u128::from(ip), u128::from(base), 128, prefix)
        }
        _ => false,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[track_caller]
    fn check(ip: &str, want: bool) {
        assert_eq!(is_blocked(ip.parse().expect("an address")), want, "{ip}");
    }

    #[test]
    fn ipv4_outside_the_public_internet_is_blocked() {
        for ip in [
            "0.0.0.0",
            "0.1.2.3",
            "10.255.255.255",
            "100.64.0.1",
            "100.100.100.200",
            "100.127.255.255",
            "127.0.0.1",
            "127.255.0.9",
            "168.63.129.16",
            "169.254.169.254",
            "172.16.0.0",
            "172.31.255.255",
            "192.0.0.192",
            "192.0.2.7",
            "192.88.99.1",
            "192.168.1.1",
            "198.18.0.0",
            "198.19.255.255",
            "198.51.100.1",
            "203.0.113.200",
            "224.0.0.1",
            "239.255.255.250",
            "240.0.0.1",
            "255.255.255.255",
        ] {
            check(ip, true);
        }
    }

    #[test]
    fn public_ipv4_beside_a_blocked_range_passes() {
        for ip in [
            "1.0.0.1",
            "9.255.255.255",
            "11.0.0.0",
            "100.63.255.255",
            "100.128.0.0",
            "126.255.255.255",
            "128.0.0.1",
            "168.63.129.15",
            "169.253.255.255",
            "169.255.0.0",
            "172.15.255.255",
            "172.32.0.0",
            "192.0.1.1",
            "192.167.255.255",
            "192.169.0.0",
            "198.17.255.255",
            "198.20.0.0",
            "223.255.255.255",
        ] {
            check(ip, false);
        }
    }

    #[test]
    fn ipv6_outside_the_public_internet_is_blocked() {
        for ip in [
            "::",
            "::1",
            "::7f00:1",
            "::808:808",
            "64:ff9b:1::1",
            "100::1",
            "2001:2::1",
            "2001:10::1",
            "2001:2f::1",
            "2001:db8::1",
            "3fff::1",
            "3fff:fff::1",
            "5f00::1",
            "fc00::1",
            "fd00:ec2::254",
            "fe80::1",
            "febf::1",
            "fec0::1",
            "ff02::1",
        ] {
            check(ip, true);
        }
    }

    #[test]
    fn a_blocked_ipv4_stays_blocked_inside_ipv6() {
        check("::ffff:127.0.0.1", true);
        check("::ffff:0.0.0.0", true);
        check("::ffff:169.254.169.254", true);
        check("::ffff:0:10.0.0.1", true);
        check("64:ff9b::127.0.0.1", true);
        check("64:ff9b::a9fe:a9fe", true);
        check("2002:c0a8:101::1", true);
        check("2002:a9fe:a9fe::", true);
        check("2001:0:808:808::80ff:fffe", true); // client 127.0.0.1
        check("2001:0:a00:1::f7f7:f7f7", true); // server 10.0.0.1
        check("2607:f8b0::5efe:192.168.0.1", true);
        check("2607:f8b0::200:5efe:10.1.2.3", true);
    }

    #[test]
    fn public_ipv6_passes_with_and_without_ipv4_inside() {
        check("2607:f8b0:4004:800::200e", false);
        check("2a00:1450:4001::1", false);
        check("::ffff:8.8.8.8", false);
        check("64:ff9b::8.8.8.8", false);
        check("2002:808:808::1", false);
        check("2001:0:808:808::f7f7:f7f7", false);
        check("2607:f8b0::5efe:8.8.8.8", false);
        check("2001:4860:4860::8888", false);
    }

    fn list(entries: &[&str]) -> Vec<String> {
        entries.iter().map(|e| e.to_string()).collect()
    }

    #[track_caller]
    fn check_list(entry: &str, ip: &str, want: bool) {
        assert_eq!(
            ip_is_listed(&list(&[entry]), ip.parse().expect("an address")),
            want,
            "{entry} {ip}"
        );
    }

    #[test]
    fn white_list_knows_addresses_and_ranges() {
        check_list("192.168.1.5", "192.168.1.5", true);
        check_list("::ffff:192.168.1.5", "192.168.1.5", true);
        check_list("::ffff:192.168.1.5", "::ffff:192.168.1.5", true);
        check_list("192.168.1.5", "192.168.1.6", false);
        check_list("192.168.1.5", "::ffff:192.168.1.5", true);
        check_list(" 10.0.0.0/8 ", "10.200.3.4", true);
        check_list("10.0.0.0/8", "11.0.0.1", false);
        check_list("10.9.9.9/8", "10.1.1.1", true);
        check_list("0.0.0.0/0", "127.0.0.1", true);
        check_list("::/0", "fe80::1", true);
        check_list("::/0", "127.0.0.1", false);
        check_list("fd00::/8", "fd12::1", true);
        check_list("fd00::/8", "fe80::1", false);
        check_list("10.0.0.0/33", "10.0.0.0", false);
        check_list("fd00::/129", "fd00::", false);
        check_list("10.0.0.0/x", "10.0.0.0", false);
        check_list("", "10.0.0.0", false);
        check_list("nas.lan", "10.0.0.0", false);
    }

    #[test]
    fn white_list_knows_host_names() {
        let names = list(&["NAS.lan", "localhost."]);
        assert!(host_is_listed(&names, "nas.LAN"));
        assert!(host_is_listed(&names, "localhost"));
        assert!(host_is_listed(&names, "nas.lan."));
        assert!(!host_is_listed(&names, "evil-nas.lan"));
        assert!(!host_is_listed(&names, "nas.lan.evil.example"));
        assert!(!host_is_listed(&list(&[""]), ""));
    }
}
