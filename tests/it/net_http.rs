//! The HTTP client against servers that play by the rules, and others.

use std::io::Write;
use std::net::{IpAddr, Shutdown, SocketAddr};
use std::sync::Arc;
use std::sync::atomic::{AtomicU8, Ordering};
use std::time::{Duration, Instant};

use picoclaw::limits::{HTTP_HEAD_BYTES, POOL_CONNECTIONS};
use picoclaw::net::http::{HttpClient, HttpErrorKind, Options, Request};

use crate::harness::{SOON, eventually};
use crate::pause;
use crate::wire::{Peer, client, fetch, get, serve};

const SHORT: Duration = Duration::from_millis(150);

fn ok(body: &str) -> (u16, String) {
    (200, body.to_owned())
}

/// One request to a server that answers `response` and hangs up: the body, or the error's kind.
#[track_caller]
fn check(response: &'static str, want: Result<(u16, &str), HttpErrorKind>) {
    let server = serve(move |_, peer| {
        peer.request();
        peer.send(response);
    });
    let got = get(&client(), &server.url("/secret?token=1"));
    if let Err(e) = &got {
        assert!(e.message.starts_with(&format!("{}: ", server.addr)), "{e}");
        assert!(!e.message.contains("secret") && !e.message.contains("token"), "{e}");
    }
    assert_eq!(got.map_err(|e| e.kind), want.map(|(status, body)| (status, body.to_owned())));
}

#[test]
fn responses() {
    check("HTTP/1.1 200 OK\r\nContent-Length: 2\r\n\r\nhi", Ok((200, "hi")));
    check("HTTP/1.1 404 Not Found\r\nContent-Length: 0\r\n\r\n", Ok((404, "")));
    check("HTTP/1.1 200 OK\r\n\r\nuntil the end", Ok((200, "until the end")));
    check(
        "HTTP/1.1 100 Continue\r\n\r\nHTTP/1.1 103 Early Hints\r\nA: b\r\n\r\nHTTP/1.1 204 No\r\n\r\n",
        Ok((204, "")),
    );
    let chunked =
        "HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n3\r\nabc\r\n1\r\nd\r\n0\r\n\r\n";
    check(chunked, Ok((200, "abcd")));
}

#[test]
fn broken_responses() {
    use HttpErrorKind::{Broken, Protocol};
    check("", Err(Broken));
    check("HTTP/1.1 200 OK\r\nContent-Le", Err(Broken));
    check("HTTP/1.1 200 OK\r\nContent-Length: 3\r\n\r\nhi", Err(Broken));
    check("HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n3\r\nab", Err(Broken));
    check("HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\nzz\r\n", Err(Protocol));
    check("HTTP/1.1 200 OK\r\nContent-Length: x\r\n\r\n", Err(Protocol));
    check("220 mail ready\r\n\r\n", Err(Protocol));
    check("HTTP/1.1 101 Switching Protocols\r\n\r\n", Err(Protocol));
}

#[test]
fn limits() {
    let server = serve(|_, peer| match peer.request().expect("a request").split(' ').nth(1) {
        Some("/head") => {
            peer.send(format!("HTTP/1.1 200 OK\r\nA: {}", "x".repeat(HTTP_HEAD_BYTES)))
        }
        Some("/length") => peer.send("HTTP/1.1 200 OK\r\nContent-Length: 20000000\r\n\r\n"),
        Some("/interim") => peer.send("HTTP/1.1 100 Continue\r\n\r\n".repeat(20)),
        _ => {
            peer.send("HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n");
            (0..400).for_each(|_| peer.send(format!("1000\r\n{}\r\n", "y".repeat(4096))));
        }
    });
    for path in ["/head", "/length", "/interim", "/chunks"] {
        let e = get(&client(), &server.url(path)).expect_err("over a limit");
        assert_eq!(e.kind, HttpErrorKind::Protocol, "{e}");
    }
    let part = smol::block_on(async {
        let response = client().send(Request::get(&server.url("/chunks"))).await.expect("a head");
        response.head_of_body(5000).await
    });
    assert_eq!(part, [b'y'; 5000]);
}

#[test]
fn a_body_that_drips_in_is_read_in_pieces() {
    let server = serve(|_, peer| {
        peer.request();
        for b in
            b"HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n2\r\nab\r\n1\r\nc\r\n0\r\n\r\n"
        {
            peer.send([*b]);
        }
    });
    assert_eq!(get(&client(), &server.url("/")).expect("a body"), ok("abc"));
}

#[test]
fn silence_ends_in_a_time_out() {
    let server = serve(|_, peer| {
        if peer.request().is_some_and(|r| r.starts_with("GET /body")) {
            peer.send("HTTP/1.1 200 OK\r\nContent-Length: 9\r\n\r\nhalf");
        }
        // Until the client gives up.
        peer.request();
    });
    for path in ["/hang", "/body"] {
        let url = server.url(path);
        let start = Instant::now();
        let request = Request { first_byte: SHORT, idle: SHORT, ..Request::get(&url) };
        let e = fetch(&client(), request).expect_err("a time-out");
        assert_eq!(e.kind, HttpErrorKind::Timeout, "{e}");
        assert!(start.elapsed() >= SHORT && start.elapsed() < SOON);
    }
}

#[test]
fn a_body_that_never_ends_is_given_up() {
    let server = serve(|_, peer| {
        peer.request();
        peer.send("HTTP/1.1 200 OK\r\n\r\n");
        while peer.stream.write_all(b"x").is_ok() {
            pause::slow(Duration::from_millis(10));
        }
    });
    let url = server.url("/");
    let start = Instant::now();
    let e = fetch(&client(), Request { total: SHORT, ..Request::get(&url) }).expect_err("a limit");
    assert_eq!(e.kind, HttpErrorKind::Timeout, "{e}");
    assert!(start.elapsed() >= SHORT && start.elapsed() < SOON);
}

#[test]
fn connections_are_used_again() {
    let server = serve(|_, peer| {
        while peer.request().is_some() {
            peer.answer("x");
        }
    });
    let client = client();
    for _ in 0..5 {
        assert_eq!(get(&client, &server.url("/")).expect("an answer"), ok("x"));
    }
    assert_eq!(server.connections(), 1);
    client.close_idle();
    get(&client, &server.url("/")).expect("an answer");
    assert_eq!(server.connections(), 2);
}

#[test]
fn few_idle_connections_are_kept() {
    let servers: Vec<_> = (0..POOL_CONNECTIONS + 2)
        .map(|_| {
            serve(|_, peer| {
                while peer.request().is_some() {
                    peer.answer("x");
                }
            })
        })
        .collect();
    let client = client();
    for server in &servers {
        get(&client, &server.url("/")).expect("an answer");
    }
    // The first two had to go.
    for (n, server) in servers.iter().enumerate().rev() {
        get(&client, &server.url("/")).expect("an answer");
        assert_eq!(server.connections(), if n < 2 { 2 } else { 1 }, "{n}");
    }
}

#[test]
fn connections_that_may_not_be_used_again_are_not() {
    let responses = [
        "HTTP/1.1 200 OK\r\nConnection: close\r\nContent-Length: 1\r\n\r\nx",
        "HTTP/1.0 200 OK\r\nContent-Length: 1\r\n\r\nx",
        "HTTP/1.1 200 OK\r\nContent-Length: 1\r\n\r\nxHTTP/1.1 200 smuggled",
    ];
    for response in responses {
        let server = serve(move |_, peer| {
            while peer.request().is_some() {
                peer.send(response);
            }
        });
        let client = client();
        assert_eq!(get(&client, &server.url("/")).expect("an answer"), ok("x"));
        assert_eq!(get(&client, &server.url("/")).expect("an answer"), ok("x"));
        assert_eq!(server.connections(), 2, "{response:?}");
    }
}

#[test]
fn a_post_avoids_a_connection_that_the_server_closed() {
    // 0: keep it open; 1: close it; 2: it is closed, and the client's side has the end of it.
    let end = Arc::new(AtomicU8::new(0));
    let until = |end: &AtomicU8, stage| {
        let there = eventually(SOON, || (end.load(Ordering::SeqCst) >= stage).then_some(()));
        assert!(there.is_some());
    };
    let told = Arc::clone(&end);
    let server = serve(move |n, peer| {
        peer.request();
        peer.answer("x");
        if n == 0 {
            until(&told, 1);
            peer.stream.shutdown(Shutdown::Both).expect("closed");
            told.store(2, Ordering::SeqCst);
        }
    });
    let (client, url) = (client(), server.url("/"));
    get(&client, &url).expect("an answer");
    end.store(1, Ordering::SeqCst);
    until(&end, 2);
    let got = fetch(&client, Request::post_json(&url, b"{}")).expect("an answer");
    assert_eq!(got, ok("x"));
    assert_eq!(server.heard().len(), 2);
}

/// Answers the first request; reads a second one on the same connection and hangs up on it.
fn closes_under_the_second(n: usize, peer: &mut Peer) {
    peer.request();
    peer.answer("x");
    if n == 0 {
        peer.request();
    }
}

#[test]
fn only_a_get_is_repeated_after_the_server_may_have_seen_it() {
    let server = serve(closes_under_the_second);
    let (client_a, url) = (client(), server.url("/"));
    get(&client_a, &url).expect("an answer");
    let e = fetch(&client_a, Request::post_json(&url, b"{}")).expect_err("not sent twice");
    assert_eq!(e.kind, HttpErrorKind::Broken);
    assert_eq!(server.heard().len(), 2);

    let server = serve(closes_under_the_second);
    let (client_b, url) = (client(), server.url("/"));
    get(&client_b, &url).expect("an answer");
    assert_eq!(get(&client_b, &url).expect("the second try"), ok("x"));
    assert_eq!((server.connections(), server.heard().len()), (2, 3));
}

#[test]
fn requests_as_they_are_sent() {
    let server = serve(|_, peer| {
        while peer.request().is_some() {
            peer.answer("x");
        }
    });
    let client = client();
    let url = format!("http://us:er@{}/a b?c#d", server.addr);
    let long = "z".repeat(300_000);
    get(&client, &url).expect("an answer");
    let request = Request {
        headers: &[("User-Agent", "other"), ("X-Y", "z")],
        ..Request::post_json(&url, long.as_bytes())
    };
    fetch(&client, request).expect("an answer");
    let heard = server.heard();
    let head = format!("GET /a%20b?c HTTP/1.1\r\nHost: {}\r\n", server.addr);
    assert!(heard[0].starts_with(&head), "{}", heard[0]);
    assert!(heard[0].contains("\r\nAuthorization: Basic dXM6ZXI=\r\n"), "{}", heard[0]);
    assert!(!heard[0].contains("Content-Length"), "{}", heard[0]);
    assert!(heard[1].contains("\r\nUser-Agent: other\r\nX-Y: z\r\n"));
    assert!(heard[1].ends_with(&format!("\r\nContent-Length: 300000\r\n\r\n{long}")));
    let smuggle = Request { headers: &[("A", "b\r\nC: d")], ..Request::get(&url) };
    assert_eq!(fetch(&client, smuggle).expect_err("refused").kind, HttpErrorKind::Url);
}

#[cfg(feature = "media")]
#[test]
fn files_in_a_body_are_read_while_it_is_sent() {
    use picoclaw::net::upload::{Splice, SpliceContent};
    let server = serve(|_, peer| {
        while peer.request().is_some() {
            peer.answer("x");
        }
    });
    let path = std::env::temp_dir().join(format!("picoclaw-upload-{}", std::process::id()));
    let content: Vec<u8> = (0..100_000_u32).map(|i| b'a' + (i % 23) as u8).collect();
    std::fs::write(&path, &content).expect("a file");
    let file = std::sync::Arc::new(std::fs::File::open(&path).expect("the file"));
    let splice = |at, bytes, base64| {
        let content = if base64 { SpliceContent::Base64 } else { SpliceContent::Raw };
        Splice { at, content: content(file.clone()), bytes }
    };
    let url = format!("http://{}/", server.addr);
    let client = client();
    let send = |body: &[u8], files: &[Splice]| {
        fetch(&client, Request { files, ..Request::post_json(&url, body) })
    };
    send(b"<[>", &[splice(1, 100_000, false), splice(2, 5, true)]).expect("an answer");
    let whole = String::from_utf8_lossy(&content);
    let want = format!("\r\nContent-Length: 100011\r\n\r\n<{whole}[YWJjZGU=>");
    assert!(server.heard()[0].ends_with(&want));
    // One that has become shorter cannot be made up for.
    let e = send(b"", &[splice(0, 100_001, true)]).expect_err("too short");
    assert_eq!(e.kind, HttpErrorKind::Broken, "{e}");
    send(b"again", &[]).expect("an answer");
    std::fs::remove_file(path).expect("removed");
}

#[test]
fn a_refusal_before_the_body_is_read_is_heard() {
    let server = serve(|_, peer| {
        peer.bytes(100);
        peer.send("HTTP/1.1 413 Too Large\r\nContent-Length: 3\r\n\r\nbig");
        // Reads on, so that the kernel does not throw the answer away with a reset.
        while peer.bytes(1).is_some() {}
    });
    let body = vec![b'x'; 1 << 20];
    let got = fetch(&client(), Request::post_json(&server.url("/"), &body)).expect("an answer");
    assert_eq!(got, (413, "big".into()));
}

#[test]
fn nothing_listens() {
    let url = serve(|_, _| ()).url("/bot123:secret/x").replace("127.0.0.1", "127.0.0.99");
    let e = get(&client(), &url).expect_err("refused");
    assert_eq!(e.kind, HttpErrorKind::Connect);
    assert!(!e.message.contains("secret"), "{e}");
    let kind = |url| get(&client(), url).expect_err("not a URL").kind;
    assert_eq!(kind("ftp://x/"), HttpErrorKind::Url);
    assert_eq!(kind("socks5://x/"), HttpErrorKind::Url);
}

fn named(host: &str) -> std::io::Result<Vec<SocketAddr>> {
    match host {
        // Nothing listens on 127.0.0.98.
        "two.test" => Ok(["127.0.0.98:0", "127.0.0.1:0"].map(|a| a.parse().expect("one")).into()),
        _ => Err(std::io::Error::other("no resolv.conf")),
    }
}

#[test]
fn names() {
    let server = serve(|_, peer| {
        while peer.request().is_some() {
            peer.answer("x");
        }
    });
    let client = HttpClient::with(Options { lookup: named, ..Options::plain() }).expect("a client");
    let url = |host: &str| format!("http://{host}:{}/", server.addr.port());
    assert_eq!(get(&client, &url("two.test")).expect("the second address"), ok("x"));
    let e = get(&client, &url("none.test")).expect_err("no address");
    assert_eq!(e.kind, HttpErrorKind::Resolve);
    assert!(e.message.ends_with("cannot resolve none.test: no resolv.conf"), "{e}");
}

#[test]
fn a_guard_sees_every_address() {
    let server = serve(|_, peer| {
        while peer.request().is_some() {
            peer.answer("x");
        }
    });
    let client = HttpClient::with(Options { lookup: named, ..Options::plain() }).expect("a client");
    let url = format!("http://two.test:{}/", server.addr.port());
    let guarded = |guard: &dyn Fn(IpAddr) -> bool| {
        fetch(&client, Request { guard: Some(guard), ..Request::get(&url) })
    };
    // An open connection without the guard is no way around it.
    get(&client, &url).expect("an answer");
    let e = guarded(&|_| false).expect_err("guarded");
    assert_eq!((e.kind, server.connections()), (HttpErrorKind::Guarded, 1));
    assert_eq!(guarded(&|ip| ip.to_string() == "127.0.0.1").expect("the allowed one"), ok("x"));
    assert_eq!(server.connections(), 2);
    // Nor is the guarded one kept.
    assert_eq!(guarded(&|ip| ip.to_string() == "127.0.0.1").expect("the allowed one"), ok("x"));
    assert_eq!(server.connections(), 3);
    get(&client, &url).expect("an answer");
    assert_eq!(server.connections(), 3);
    let e = guarded(&|ip| ip.to_string() == "127.0.0.98").expect_err("only the dead one");
    assert_eq!(e.kind, HttpErrorKind::Connect);
}
