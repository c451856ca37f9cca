//! Ways of the model to addresses of the inside, through web_fetch: by encodings, by a name that moves, by a proxy.
#![cfg(feature = "web")]

use std::io::{self, Read, Write};
use std::net::{IpAddr, SocketAddr, TcpListener};
use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};

use picoclaw::config::WebConfig;
use picoclaw::net::http::{HttpClient, Options};
use picoclaw::provider::openai::OpenAi;
use picoclaw::tool::ToolResult;
use picoclaw::tool::web::fetch;
use serde_json::json;

use crate::provider_http::{ask, model};
use crate::web_fetch::{args, context};
use crate::wire::{client, serve};

fn visit(web: WebConfig, http: HttpClient, url: &str) -> ToolResult {
    smol::block_on(fetch(&context(web, http), &args(json!({ "url": url }))))
}

#[track_caller]
fn refused(result: &ToolResult, url: &str) {
    let text = &result.for_model;
    assert!(
        result.is_error
            && (text.contains("private or restricted")
                || text.contains("cannot resolve")
                || text.contains("the URL")),
        "{url}: {text}"
    );
}

#[test]
fn a_private_address_is_refused_in_every_notation() {
    let inside = serve(|_, peer| {
        peer.request();
        peer.answer("secret");
    });
    let port = inside.addr.port();
    for host in [
        "127.0.0.1",
        "localhost",
        "LOCALHOST.",
        "0.0.0.0",
        "0",
        "127.1",
        "127.0.1",
        "2130706433",
        "017700000001",
        "0x7f000001",
        "0x7f.0.0.1",
        "0177.0.0.01",
        "127.0.0.1.",
        "%31%32%37.0.0.1",
        "[::]",
        "[::1]",
        "[0:0:0:0:0:0:0:1]",
        "[::127.0.0.1]",
        "[::ffff:127.0.0.1]",
        "[::ffff:7f00:1]",
        "[::ffff:0:127.0.0.1]",
        "[64:ff9b::127.0.0.1]",
        "[64:ff9b::7f00:1]",
        "[64:ff9b:1::7f00:1]",
        "[2002:7f00:1::]",
        "[2002:7f00:0001::1]",
        "[2001:0:7f00:1::]",
        "[2001:0:808:808::80ff:fffe]",
        "[fe80::5efe:127.0.0.1]",
        "[fe80::1%25lo]",
        "[fd00:ec2::254]",
        "169.254.169.254",
        "[::ffff:169.254.169.254]",
        "[64:ff9b::169.254.169.254]",
        "[2002:a9fe:a9fe::]",
        "100.100.100.200",
        "168.63.129.16",
        "192.0.0.192",
        "255.255.255.255",
        "224.0.0.1",
    ] {
        let url = format!("http://{host}:{port}/");
        refused(&visit(WebConfig::default(), client(), &url), &url);
    }
    assert_eq!(inside.connections(), 0);
}

/// The name's addresses by turns: the public one (127.0.0.2 here), the inner one, both.
fn moving(_: &str) -> io::Result<Vec<SocketAddr>> {
    static ASKED: AtomicUsize = AtomicUsize::new(0);
    let (outer, inner) =
        (SocketAddr::from(([127, 0, 0, 2], 0)), SocketAddr::from(([127, 0, 0, 1], 0)));
    Ok(match ASKED.fetch_add(1, Ordering::SeqCst) % 3 {
        0 => vec![outer],
        1 => vec![inner],
        _ => vec![inner, outer],
    })
}

#[test]
fn a_name_that_moves_leads_nowhere_but_to_the_checked_address() {
    let inside = serve(|_, peer| {
        peer.request();
        peer.answer("secret");
    });
    let port = inside.addr.port();
    // The same port on the address that stands for the public one; it redirects to itself by name.
    let outer = TcpListener::bind(("127.0.0.2", port)).expect("the other address");
    let seen = Arc::new(AtomicUsize::new(0));
    let count = Arc::clone(&seen);
    std::thread::spawn(move || {
        for stream in outer.incoming() {
            let Ok(mut stream) = stream else { return };
            let _ = stream.read(&mut [0; 2048]);
            let answer = if count.fetch_add(1, Ordering::SeqCst) % 2 == 0 {
                format!(
                    "HTTP/1.1 302 Found\r\nLocation: http://moves.test:{port}/again\r\nContent-Length: 0\r\n\r\n"
                )
            } else {
                "HTTP/1.1 200 OK\r\nContent-Type: text/plain\r\nContent-Length: 6\r\n\r\npublic"
                    .to_owned()
            };
            let _ = stream.write_all(answer.as_bytes());
        }
    });
    let mut reached = 0;
    for _ in 0..9 {
        let web =
            WebConfig { private_host_whitelist: vec!["127.0.0.2".into()], ..WebConfig::default() };
        let http =
            HttpClient::with(Options { lookup: moving, ..Options::plain() }).expect("a client");
        let result = visit(web, http, &format!("http://moves.test:{port}/"));
        if result.is_error {
            refused(&result, "moves.test");
        } else {
            assert!(result.for_model.contains("public"), "{}", result.for_model);
            reached += 1;
        }
    }
    assert!(reached > 0 && seen.load(Ordering::SeqCst) > 0);
    assert_eq!(inside.connections(), 0);
}

#[test]
fn a_proxy_is_given_the_address_that_was_checked() {
    fn public(host: &str) -> io::Result<Vec<SocketAddr>> {
        let ip: IpAddr = match host {
            "public.test" => [93, 184, 216, 34].into(),
            "inside.test" => [10, 0, 0, 1].into(),
            "127.0.0.1" => [127, 0, 0, 1].into(),
            _ => return Err(io::Error::other("no such name")),
        };
        Ok(vec![SocketAddr::new(ip, 0)])
    }
    let proxy = serve(|_, peer| {
        peer.request();
        peer.send("HTTP/1.1 200 Fine\r\n\r\n");
        peer.request();
        peer.send(
            "HTTP/1.1 302 Found\r\nLocation: http://inside.test/x\r\nContent-Length: 0\r\n\r\n",
        );
    });
    let web = || WebConfig {
        proxy: proxy.url("").replace("http://", "http://us:er@"),
        ..WebConfig::default()
    };
    let http =
        || HttpClient::with(Options { lookup: public, ..Options::plain() }).expect("a client");
    refused(&visit(web(), http(), "http://public.test/a"), "a redirect inside");
    for url in ["http://inside.test/", "https://inside.test/", "http://other.test/", "http://0/"] {
        refused(&visit(web(), http(), url), url);
    }
    let heard = proxy.heard();
    assert_eq!(heard.len(), 2, "{heard:?}");
    assert!(heard[0].starts_with("CONNECT 93.184.216.34:80 HTTP/1.1\r\n"), "{}", heard[0]);
    assert!(heard[1].starts_with("GET /a HTTP/1.1\r\nHost: public.test\r\n"), "{}", heard[1]);
    assert!(!heard[1].to_lowercase().contains("authorization"), "{}", heard[1]);
}

#[test]
fn no_key_follows_a_redirect() {
    let other = serve(|_, peer| {
        peer.request();
        peer.answer("seen");
    });
    for status in [301, 302, 303, 307, 308] {
        let to = other.url("/take");
        let server = serve(move |_, peer| {
            peer.request();
            peer.send(format!(
                "HTTP/1.1 {status} Moved\r\nLocation: {to}\r\nContent-Length: 0\r\n\r\n"
            ));
        });
        let provider = OpenAi::new(&model(&server.url("/v1")), client()).expect("a provider");
        let failure = ask(&provider).0.expect_err("a redirect is no answer");
        assert_eq!(failure.status, status);
        assert!(server.heard()[0].contains("Bearer key-123"), "{:?}", server.heard());
    }
    assert_eq!(other.connections(), 0);
    // web_fetch follows, and has nothing to carry along.
    let to = other.url("/take");
    let server = serve(move |_, peer| {
        peer.request();
        peer.send(format!(
            "HTTP/1.1 302 Found\r\nLocation: {to}\r\nSet-Cookie: a=b\r\nContent-Length: 0\r\n\r\n"
        ));
    });
    let web =
        WebConfig { private_host_whitelist: vec!["127.0.0.1".into()], ..WebConfig::default() };
    let result = visit(web, client(), &server.url("/"));
    assert!(result.for_model.contains("seen"), "{}", result.for_model);
    let heard = other.heard().join("").to_lowercase();
    assert!(!heard.contains("authorization:") && !heard.contains("cookie:"), "{heard}");
}

/// In a network namespace of its own: a global address of this machine's network, behind which a server is.
#[test]
fn a_neighbour_with_a_global_address_is_refused() {
    let run = || {
        // SAFETY: the call takes no pointers; it is this thread's namespace alone that changes.
        if unsafe { libc::unshare(libc::CLONE_NEWNET) } != 0 {
            crate::skip::skip(crate::skip::Missing::NetNamespace);
            return;
        }
        let ip = |line: &str| {
            let done = std::process::Command::new("ip").args(line.split(' ')).status();
            done.is_ok_and(|status| status.success())
        };
        if !(ip("link set lo up") && ip("-6 addr add 2a02:db:0:1::7/64 dev lo nodad")) {
            crate::skip::skip(crate::skip::Missing::Ipv6);
            return;
        }
        let server = TcpListener::bind("[2a02:db:0:1::7]:0").expect("a port");
        let port = server.local_addr().expect("an address").port();
        std::thread::spawn(move || {
            for stream in server.incoming().flatten() {
                let mut stream = stream;
                let mut request = [0; 4096];
                let _ = stream.read(&mut request);
                let _ = stream.write_all(b"HTTP/1.1 200 OK\r\nContent-Length: 6\r\n\r\nsecret");
            }
        });
        let client = || HttpClient::new().expect("a client");
        let url = format!("http://[2a02:db:0:1::7]:{port}/");
        refused(&visit(WebConfig::default(), client(), &url), &url);
        // The same network, another host.
        let other = "http://[2a02:db:0:1:5::9]/";
        refused(&visit(WebConfig::default(), client(), other), other);
        let list = vec!["2a02:db:0:1::/64".to_owned()];
        let allowed = WebConfig { private_host_whitelist: list, ..WebConfig::default() };
        let got = visit(allowed, client(), &url);
        assert!(got.for_model.contains("secret"), "{}", got.for_model);
        // Elsewhere is not refused, it is not there.
        let far = "http://[2a02:db:0:2::9]/";
        let got = visit(WebConfig::default(), client(), far).for_model;
        assert!(!got.contains("private or restricted"), "{got}");
    };
    std::thread::spawn(run).join().expect("the namespace's thread");
}
