//! Requests through HTTP and SOCKS5 proxies; the scripted proxy plays the server behind it too.

use std::net::{IpAddr, SocketAddr};

use picoclaw::net::http::{HttpClient, HttpErrorKind, Options, Request};
use picoclaw::net::proxy::Proxies;

use crate::wire::{Peer, Server, client, fetch, get, serve};

/// The only name there is stands for an address outside.
fn named(host: &str) -> std::io::Result<Vec<SocketAddr>> {
    match host {
        "inside.test" => Ok(vec!["192.0.2.7:0".parse().expect("an address")]),
        _ => Err(std::io::Error::other("no such name")),
    }
}

fn with_names() -> HttpClient {
    HttpClient::with(Options { lookup: named, ..Options::plain() }).expect("a client")
}

fn any(_: IpAddr) -> bool {
    true
}

fn none(_: IpAddr) -> bool {
    false
}

/// Plays a SOCKS5 proxy that wants `us:er` when `locked`; what was asked for is in the answer.
fn socks(locked: bool) -> Server {
    serve(move |_, peer: &mut Peer| {
        let methods = peer.bytes(2).map_or(0, |b| usize::from(b[1]));
        let offered = peer.bytes(methods).unwrap_or_default();
        if locked && !offered.contains(&2) {
            return peer.send([5, 0xff]);
        }
        peer.send([5, if locked { 2 } else { 0 }]);
        if locked {
            let good = peer.bytes(7).is_some_and(|b| b == b"\x01\x02us\x02er");
            peer.send([1, u8::from(!good)]);
        }
        let Some(kind) = peer.bytes(4).map(|b| b[3]) else { return };
        let host = match kind {
            1 => format!("{:?}", peer.bytes(4).expect("an address")),
            4 => format!("{:?}", peer.bytes(16).expect("an address")),
            _ => {
                let n = usize::from(peer.bytes(1).expect("a length")[0]);
                String::from_utf8(peer.bytes(n).expect("a name")).expect("text")
            }
        };
        let port = peer.bytes(2).map_or(0, |b| u16::from_be_bytes([b[0], b[1]]));
        if host == "refused.test" {
            return peer.send([5, 5, 0, 1, 0, 0, 0, 0, 0, 0]);
        }
        // A bound address given as a name has to be skipped in its own length.
        peer.send(b"\x05\x00\x00\x03\x03abc\x00\x01");
        while peer.request().is_some() {
            peer.answer(&format!("{host} {port}"));
        }
    })
}

#[track_caller]
fn through(client: &HttpClient, proxy: &str, url: &str) -> Result<String, (HttpErrorKind, String)> {
    let got = fetch(client, Request { proxy, ..Request::get(url) });
    got.map(|(_, body)| body).map_err(|e| (e.kind, e.message))
}

#[test]
fn socks5_looks_names_up_itself() {
    let server = socks(false);
    let proxy = format!("socks5://{}", server.addr);
    let client = client();
    for _ in 0..2 {
        assert_eq!(through(&client, &proxy, "http://a.test/x"), Ok("a.test 80".into()));
    }
    assert_eq!(server.connections(), 1);
    assert!(server.heard()[0].starts_with("GET /x HTTP/1.1\r\nHost: a.test\r\n"));
    assert_eq!(through(&client, &proxy, "http://10.1.2.3:99/"), Ok("[10, 1, 2, 3] 99".into()));
    let v6 = through(&client, &proxy, "http://[::5]/").expect("an answer");
    assert_eq!(v6, "[0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 5] 80");
    let (kind, message) = through(&client, &proxy, "http://refused.test/s").expect_err("refused");
    assert_eq!(kind, HttpErrorKind::Connect);
    let want =
        format!("refused.test:80: proxy {}: the proxy's connection was refused", server.addr);
    assert_eq!(message, want);
}

#[test]
fn socks5_with_a_password() {
    let addr = socks(true).addr;
    let proxy = |user: &str| format!("socks5h://{user}{addr}");
    assert_eq!(through(&client(), &proxy("us:er@"), "http://a.test/"), Ok("a.test 80".into()));
    for user in ["us:no@", ""] {
        let (kind, message) = through(&client(), &proxy(user), "http://a/").expect_err("locked");
        assert_eq!(kind, HttpErrorKind::Connect);
        assert!(!message.contains("us:no"), "{message}");
    }
}

#[test]
fn a_guard_gives_socks5_the_checked_address() {
    let proxy = format!("socks5://{}", socks(false).addr);
    let request = |url, guard: fn(IpAddr) -> bool| {
        let request = Request { proxy: &proxy, guard: Some(&guard), ..Request::get(url) };
        fetch(&with_names(), request).map(|(_, body)| body).map_err(|e| e.kind)
    };
    assert_eq!(request("http://inside.test/", any), Ok("[192, 0, 2, 7] 80".into()));
    assert_eq!(request("http://inside.test/", none), Err(HttpErrorKind::Guarded));
    assert_eq!(request("http://192.0.2.1/", none), Err(HttpErrorKind::Guarded));
    assert_eq!(request("http://other.test/", any), Err(HttpErrorKind::Resolve));
}

/// An HTTP proxy that tunnels for `us:er` and answers absolute requests itself.
fn http_proxy() -> Server {
    serve(|_, peer| {
        while let Some(request) = peer.request() {
            if !request.contains("\r\nProxy-Authorization: Basic dXM6ZXI=\r\n") {
                peer.send("HTTP/1.1 407 No\r\nContent-Length: 0\r\n\r\n");
            } else if request.starts_with("CONNECT ") {
                peer.send("HTTP/1.1 200 Fine\r\nVia: x\r\n\r\n");
                peer.request();
                peer.answer("tunnelled");
            } else {
                peer.answer("absolute");
            }
        }
    })
}

#[test]
fn http_through_an_http_proxy() {
    let server = http_proxy();
    let client = with_names();
    let proxy = format!("http://us:er@{}", server.addr);
    assert_eq!(through(&client, &proxy, "http://a.test:8080/x"), Ok("absolute".into()));
    let absolute = "GET http://a.test:8080/x HTTP/1.1\r\nHost: a.test:8080\r\n";
    assert!(server.heard()[0].starts_with(absolute));

    let url = "http://inside.test/x";
    let guarded = Request { proxy: &proxy, guard: Some(&any), ..Request::get(url) };
    assert_eq!(fetch(&client, guarded).expect("an answer").1, "tunnelled");
    let heard = server.heard();
    assert!(heard[1].starts_with("CONNECT 192.0.2.7:80 HTTP/1.1\r\n"), "{}", heard[1]);
    assert!(heard[2].starts_with("GET /x HTTP/1.1\r\nHost: inside.test\r\n"), "{}", heard[2]);
    assert!(!heard[2].contains("Proxy-Authorization"));
    let guarded = Request { proxy: &proxy, guard: Some(&none), ..Request::get(url) };
    assert_eq!(fetch(&client, guarded).expect_err("guarded").kind, HttpErrorKind::Guarded);
    assert_eq!(server.heard().len(), 3);
}

#[test]
fn https_through_a_proxy_that_wants_credentials() {
    let server = http_proxy();
    let proxy = format!("{}", server.addr);
    let (kind, message) = through(&client(), &proxy, "https://a.test/s").expect_err("407");
    assert_eq!(kind, HttpErrorKind::Connect);
    let cause = "the proxy wants other credentials (407)";
    assert_eq!(message, format!("a.test:443: proxy {}: {cause}", server.addr));
    assert!(server.heard()[0].starts_with("CONNECT a.test:443 HTTP/1.1\r\nHost: a.test:443\r\n"));
}

#[test]
fn unusable_proxies() {
    let error = |proxy| through(&client(), proxy, "http://a.test/").expect_err("an error");
    assert_eq!(error("https://p").0, HttpErrorKind::Url);
    assert_eq!(error("http://p:x").0, HttpErrorKind::Url);
    assert_eq!(error("http://127.0.0.97:9").0, HttpErrorKind::Connect);
}

#[test]
fn the_environment_decides_unless_the_request_does() {
    let (server, direct) = (
        http_proxy(),
        serve(|_, peer| {
            peer.request();
            peer.answer("direct");
        }),
    );
    let vars = |name: &str| match name {
        "HTTP_PROXY" => Some(format!("us:er@{}", server.addr)),
        "NO_PROXY" => Some("inside.test,127.0.0.0/8".to_owned()),
        _ => None,
    };
    let proxies = Proxies::from_vars(vars).expect("proxies");
    let client = HttpClient::with(Options { proxies, lookup: named, ..Options::plain() });
    let client = client.expect("a client");
    assert_eq!(get(&client, "http://a.test/").expect("an answer").1, "absolute");
    assert_eq!(get(&client, &direct.url("/")).expect("an answer").1, "direct");
    let own = format!("http://us:er@{}", server.addr);
    assert_eq!(through(&client, &own, &direct.url("/")), Ok("absolute".into()));
}
