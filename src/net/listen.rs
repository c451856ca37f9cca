//! Listening sockets: bound to loopback unless the configuration says otherwise and protects them.

use std::net::{IpAddr, Ipv4Addr, Ipv6Addr, SocketAddr, TcpListener};
use std::os::fd::AsFd;

use rustix::net::sockopt;

use crate::error::{Context, Error, Result};
use crate::limits::{CLIENT_PROBE, CLIENT_SEND_BYTES};

/// Binds the usable addresses of `hosts`; without protection only loopback ones (0.0.0.0 and :: become loopback). Names
/// other than `localhost` are not resolved. `keys` are the section of `host` and `port`, and the key that would protect them.
///
/// # Errors
/// Names the address and the fix.
pub fn bind(
    hosts: &[String],
    port: u16,
    guarded: bool,
    (section, guard): (&str, &str),
) -> Result<Vec<TcpListener>> {
    let mut listeners: Vec<TcpListener> = Vec::new();
    let mut failed: Option<Error> = None;
    for host in hosts {
        let text = host.trim_matches(['[', ']']);
        let text = if text == "localhost" { "127.0.0.1" } else { text };
        let address: Result<SocketAddr> = text
            .parse::<IpAddr>()
            .map(|ip| SocketAddr::new(if guarded { ip } else { narrowed(ip) }, port))
            .map_err(|_| Error::new(format!("{section}.host {host:?} is no IP address")))
            .and_then(|address| match is_local(address) || guarded {
                true => Ok(address),
                false => Err(Error::new(format!(
                    "{section}.host {host:?} is not loopback and needs a {guard}"
                ))),
            });
        match address.and_then(|a| {
            TcpListener::bind(a).with_context(|| {
                format!("cannot listen on {a} (set {section}.host, {section}.port)")
            })
        }) {
            Ok(listener) => listeners.push(listener),
            Err(e) => {
                if let Some(earlier) = failed.replace(e) {
                    crate::log::error!("{earlier}");
                }
            }
        }
    }
    match failed {
        Some(e) if listeners.is_empty() => return Err(e),
        Some(e) => crate::log::error!("{e}"),
        None => {}
    }
    Ok(listeners)
}

/// An address of this machine becomes its loopback address.
fn narrowed(ip: IpAddr) -> IpAddr {
    match ip.to_canonical() {
        ip if !ip.is_unspecified() => ip,
        IpAddr::V4(_) => Ipv4Addr::LOCALHOST.into(),
        IpAddr::V6(_) => Ipv6Addr::LOCALHOST.into(),
    }
}

/// Whether only this machine can reach it.
pub fn is_local(address: SocketAddr) -> bool {
    address.ip().to_canonical().is_loopback()
}

/// Makes the kernel detect a client that disappeared (TCP keepalive, tcp(7)): it probes after [`CLIENT_PROBE`] of silence,
/// and waits as long for unacknowledged data. The send buffer is bounded.
///
/// # Errors
/// The kernel's.
pub fn guard(client: &impl AsFd) -> Result<()> {
    sockopt::set_socket_keepalive(client, true)
        .and_then(|()| sockopt::set_tcp_keepidle(client, CLIENT_PROBE))
        .and_then(|()| sockopt::set_tcp_keepintvl(client, CLIENT_PROBE / 3))
        .and_then(|()| sockopt::set_tcp_keepcnt(client, 3))
        .and_then(|()| sockopt::set_tcp_user_timeout(client, CLIENT_PROBE.as_millis() as u32))
        .and_then(|()| sockopt::set_socket_send_buffer_size(client, CLIENT_SEND_BYTES))
        .context("a client's socket")
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn only_loopback_is_listened_on_without_a_guard() {
        let keys = ("gateway", "gateway.token");
        let bind = |host: &str, guarded| {
            let bound = bind(&[host.to_owned()], 0, guarded, keys)?;
            Ok::<_, Error>(bound[0].local_addr().expect("bound").ip().to_string())
        };
        for (host, at) in [
            ("localhost", "127.0.0.1"),
            ("127.0.0.9", "127.0.0.9"),
            ("0.0.0.0", "127.0.0.1"),
            ("::ffff:0.0.0.0", "127.0.0.1"),
        ] {
            assert_eq!(bind(host, false).expect(host), at);
        }
        let e = bind("192.0.2.1", false).expect_err("refused");
        assert!(e.as_str().contains("gateway.token"), "{e}");
        assert_eq!(bind("0.0.0.0", true).expect("bound"), "0.0.0.0");
        // A name is not an address to listen on.
        assert!(bind("example.org", true).is_err());
    }
}
