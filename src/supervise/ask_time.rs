//! The child that asks time servers: `picoclaw ask-time SERVER...` prints the offset of the first good answer in
//! nanoseconds and who gave it, e.g. `-1234567 time.example.org`.
//!
//! Never sets the clock, never runs as root on a board.

use std::net::{ToSocketAddrs, UdpSocket};
use std::process::ExitCode;
use std::time::SystemTime;

use crate::limits::{TIME_ANSWER, TIME_SERVERS};
use crate::proto::sntp;
use crate::{Error, Result};

/// Asks `servers` (`NAME`, `NAME:PORT`, `[IPv6]:PORT`) in order.
pub fn run(servers: &[String]) -> Result<ExitCode> {
    for server in servers.iter().take(TIME_SERVERS) {
        match ask(server) {
            Ok(offset) => {
                println!("{offset} {server}");
                return Ok(ExitCode::SUCCESS);
            }
            Err(e) => eprintln!("time server {server}: {e}"),
        }
    }
    Ok(ExitCode::FAILURE)
}

/// Host and port of a server's name.
fn address(server: &str) -> (&str, u16) {
    if let Some((host, port)) = server.rsplit_once(':') {
        // More than one colon without brackets is an IPv6 address alone.
        if !host.contains(':') || host.ends_with(']') {
            if let Ok(port) = port.parse() {
                return (host.trim_start_matches('[').trim_end_matches(']'), port);
            }
        }
    }
    (server.trim_start_matches('[').trim_end_matches(']'), sntp::PORT)
}

/// Nanoseconds our clock is behind.
fn ask(server: &str) -> Result<i64> {
    let address = address(server)
        .to_socket_addrs()?
        .next()
        .ok_or_else(|| Error::new("the name has no address"))?;
    let any = if address.is_ipv4() { "0.0.0.0:0" } else { "[::]:0" };
    let socket = UdpSocket::bind(any)?;
    socket.connect(address)?;
    socket.set_read_timeout(Some(TIME_ANSWER))?;
    let nonce = u64::from_ne_bytes(crate::sys::random()?);
    let asked = now();
    socket.send(&sntp::request(nonce))?;
    let mut packet = [0; sntp::PACKET_BYTES];
    let n = socket.recv(&mut packet)?;
    let heard = now();
    let floor = crate::sys::board::BUILD_TIME as i64;
    let answer = sntp::answer(&packet[..n], nonce, floor).map_err(|e| Error::new(e.to_string()))?;
    Ok(sntp::offset(asked, heard, &answer))
}

/// Nanoseconds since 1970 by our clock.
fn now() -> i64 {
    SystemTime::now().duration_since(SystemTime::UNIX_EPOCH).map_or(0, |d| d.as_nanos() as i64)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[track_caller]
    fn check(server: &str, want: (&str, u16)) {
        assert_eq!(address(server), want);
    }

    #[test]
    fn names_and_ports() {
        check("pool.example", ("pool.example", 123));
        check("pool.example:99", ("pool.example", 99));
        check("10.0.2.2:18123", ("10.0.2.2", 18123));
        check("2001:db8::1", ("2001:db8::1", 123));
        check("[2001:db8::1]:99", ("2001:db8::1", 99));
        check("[2001:db8::1]", ("2001:db8::1", 123));
    }

    /// A server that is `ahead` seconds in front of us, or spoils its answer.
    fn server(spoil: fn(&mut [u8; 48])) -> String {
        let socket = UdpSocket::bind("127.0.0.1:0").expect("bind");
        let name = socket.local_addr().expect("address").to_string();
        std::thread::spawn(move || {
            let mut asked = [0; 48];
            let (_, from) = socket.recv_from(&mut asked).expect("recv");
            let mut answer = [0; 48];
            answer[0] = 0x24;
            answer[1] = 1;
            answer[24..32].copy_from_slice(&asked[40..48]);
            let seconds = (now() / 1_000_000_000 + 100 + 2_208_988_800) as u64;
            for at in [32, 40] {
                answer[at..at + 8].copy_from_slice(&(seconds << 32).to_be_bytes());
            }
            spoil(&mut answer);
            socket.send_to(&answer, from).expect("send");
        });
        name
    }

    #[test]
    fn a_server_is_asked_over_udp() {
        let offset = ask(&server(|_| ())).expect("an answer") as f64 / 1e9;
        assert!((98.0..=101.0).contains(&offset), "{offset}");
        let e = ask(&server(|a| a[24] ^= 1)).expect_err("refused");
        assert_eq!(e.as_str(), "not an answer to this request");
        assert!(ask("127.0.0.1:1").is_err());
    }
}
