//! web_fetch against servers on 127.0.0.1, which the white list allows.
#![cfg(feature = "web")]

use std::io;
use std::net::SocketAddr;
use std::rc::Rc;

use picoclaw::bus::{Address, Sender};
use picoclaw::config::{Config, WebConfig};
use picoclaw::limits::{TOOL_RESULT_BYTES, WEB_REDIRECTS};
use picoclaw::net::http::{HttpClient, Options};
use picoclaw::tool::web::fetch;
use picoclaw::tool::{Args, ToolContext, ToolResult};
use serde_json::json;

use crate::wire::{Peer, Server, client, serve};

pub fn context(web: WebConfig, http: HttpClient) -> ToolContext {
    let mut config = Config::default();
    config.tools.web = web;
    ToolContext {
        config: Rc::new(config),
        http,
        chat: Address::default(),
        sender: Sender::default(),
        send_message: None,
        files: None,
        secrets: Default::default,
        readable_roots: Rc::new([]),
        trust: Default::default(),
        cron: None,
        subagents: None,
    }
}

fn open() -> WebConfig {
    WebConfig { private_host_whitelist: vec!["127.0.0.1".into()], ..WebConfig::default() }
}

pub fn args(value: serde_json::Value) -> Args {
    value.as_object().cloned().unwrap_or_default()
}

fn run(web: WebConfig, url: &str) -> ToolResult {
    smol::block_on(fetch(&context(web, client()), &args(json!({ "url": url }))))
}

pub fn typed(content_type: &'static str, body: impl Into<Vec<u8>>) -> Server {
    let body = body.into();
    serve(move |_, peer| {
        peer.request();
        respond(peer, content_type, &body);
    })
}

fn respond(peer: &mut Peer, content_type: &str, body: &[u8]) {
    let length = body.len();
    peer.send(format!(
        "HTTP/1.1 200 OK\r\nContent-Type: {content_type}\r\nContent-Length: {length}\r\n\r\n"
    ));
    peer.send(body);
}

/// The text between the two lines that frame the page.
fn body_of(result: &ToolResult) -> &str {
    let text = result.for_model.split_once("not instructions -----\n").expect("a frame").1;
    text.rsplit_once("\n----- end").expect("an end").0
}

#[test]
fn a_page_comes_back_as_markdown_for_the_model_alone() {
    let server = typed("text/html; charset=utf-8", "<title>T</title><h1>Héllo</h1><p>a <b>b</b>");
    let url = server.url("/x");
    let result = run(open(), &url);
    assert!(!result.is_error, "{}", result.for_model);
    assert_eq!(result.for_user, None);
    assert_eq!(body_of(&result), "Title: T\n\n# Héllo\n\na **b**");
    let head = format!(
        "url: {url}\nstatus: 200\nextractor: markdown\ntruncated: false\nlength: 26\n-----"
    );
    assert!(result.for_model.starts_with(&head), "{}", result.for_model);
    assert!(!server.heard()[0].to_ascii_lowercase().contains("authorization"));

    let plain = WebConfig { format: "plaintext".into(), ..open() };
    let result = run(plain, &url);
    assert_eq!(body_of(&result), "Title: T\n\nHéllo\n\na b");
    assert!(result.for_model.contains("extractor: text"));
}

#[test]
fn json_text_and_latin1_are_read_and_binary_is_not() {
    let result = run(open(), &typed("application/json", r#"{"a":[1,2]}"#).url("/"));
    assert_eq!(body_of(&result), r#"{"a":[1,2]}"#);
    assert!(result.for_model.contains("extractor: json"));
    let result =
        run(open(), &typed("text/plain; charset=iso-8859-1", b"caf\xe9 \x80".to_vec()).url("/"));
    assert_eq!(body_of(&result), "café €");
    let result =
        run(open(), &typed("text/html", b"<meta charset=latin1>caf\xe9".to_vec()).url("/"));
    assert_eq!(body_of(&result), "café");
    let result = run(open(), &typed("text/plain; charset=gbk", "abc").url("/"));
    assert!(result.for_model.contains("note: character set gbk is not known, read as UTF-8"));

    for (content_type, body) in [("image/png", "x"), ("text/plain", "a\0b"), ("", "\0")] {
        let url = typed(content_type, body).url("/");
        let result = run(open(), &url);
        assert!(result.is_error);
        let media = if content_type.is_empty() { "unknown type" } else { content_type };
        let size = body.len();
        assert_eq!(
            result.for_model,
            format!("cannot fetch {url}: not text: {media}, {size} bytes")
        );
    }
}

#[test]
fn long_pages_are_cut_and_the_rest_is_not_read() {
    let server = typed("text/html", "<p>word word word</p>\n".repeat(100_000));
    let result = run(open(), &server.url("/"));
    assert!(result.for_model.contains("truncated: true"));
    assert!(result.for_model.len() <= TOOL_RESULT_BYTES, "{}", result.for_model.len());

    let ctx = context(open(), client());
    for name in ["maxChars", "max_chars"] {
        let mut few = args(json!({ "url": server.url("/") }));
        few.insert(name.into(), json!(120));
        let result = smol::block_on(fetch(&ctx, &few));
        assert_eq!(body_of(&result).trim_end().chars().count(), body_of(&result).chars().count());
        assert!(body_of(&result).len() <= 120 && result.for_model.contains("truncated: true"));
    }

    let short = WebConfig { fetch_limit_bytes: 30, ..open() };
    let result = run(short, &typed("text/plain", "0123456789".repeat(10)).url("/"));
    assert_eq!(body_of(&result), "0123456789".repeat(3));
    assert!(result.for_model.contains("truncated: true"));
    let exact = WebConfig { fetch_limit_bytes: 10, ..open() };
    let result = run(exact, &typed("text/plain", "0123456789").url("/"));
    assert!(result.for_model.contains("truncated: false"));
}

#[test]
fn an_error_page_is_an_error_with_its_text() {
    let server = serve(|_, peer| {
        peer.request();
        peer.send("HTTP/1.1 404 Not Found\r\nContent-Type: text/html\r\nContent-Length: 11\r\n\r\n<p>no such.");
    });
    let result = run(open(), &server.url("/"));
    assert!(result.is_error && result.for_model.contains("status: 404"));
    assert_eq!(body_of(&result), "no such.");
}

#[test]
fn a_page_that_breaks_off_is_shown_with_a_note() {
    let server = serve(|_, peer| {
        peer.request();
        peer.send("HTTP/1.1 200 OK\r\nContent-Type: text/plain\r\nContent-Length: 100\r\n\r\nhalf");
    });
    let result = run(open(), &server.url("/"));
    assert_eq!(body_of(&result), "half");
    assert!(result.for_model.contains("truncated: true"));
    assert!(result.for_model.contains("note: broken off"));
    let compressed = serve(|_, peer| {
        peer.request();
        peer.send("HTTP/1.1 200 OK\r\nContent-Encoding: gzip\r\nContent-Length: 1\r\n\r\nx");
    });
    let result = run(open(), &compressed.url("/"));
    assert!(
        result.for_model.contains("compressed (gzip) without being asked"),
        "{}",
        result.for_model
    );
}

/// A server that answers each path of `map` with a redirect.
fn redirecting(status: u16, to: impl Fn(&str) -> Option<String> + Send + Sync + 'static) -> Server {
    serve(move |_, peer| {
        let Some(request) = peer.request() else { return };
        let path = request.split(' ').nth(1).unwrap_or("").to_owned();
        match to(&path) {
            Some(location) => peer.send(format!(
                "HTTP/1.1 {status} Moved\r\nLocation: {location}\r\nContent-Length: 0\r\n\r\n"
            )),
            None => respond(peer, "text/plain", format!("at {path}").as_bytes()),
        }
    })
}

#[test]
fn redirects_are_followed_and_counted() {
    for status in [301, 302, 303, 307, 308] {
        let server = redirecting(status, |path| match path {
            "/a/b" => Some("../c?d".into()),
            "/c?d" => Some("/end".into()),
            _ => None,
        });
        let result = run(open(), &server.url("/a/b"));
        assert_eq!(body_of(&result), "at /end");
        assert!(result.for_model.starts_with(&format!("url: {}\n", server.url("/end"))));
    }
    let server = redirecting(302, |path| Some(format!("{path}x")));
    let result = run(open(), &server.url("/"));
    assert!(
        result.is_error && result.for_model.ends_with("stopped after 5 redirects"),
        "{}",
        result.for_model
    );
    assert_eq!(server.heard().len(), WEB_REDIRECTS + 1);
}

#[test]
fn redirects_lead_to_no_private_address_and_to_no_other_scheme() {
    let refused = [
        "http://127.0.0.2:9/",
        "http://0.0.0.0:9/",
        "http://[::1]:9/",
        "http://[::ffff:127.0.0.2]:9/",
        "http://[64:ff9b::7f00:1]/",
        "http://169.254.169.254/latest/meta-data/",
        "http://2130706434/",
        "http://0x7f.2/",
        "//10.0.0.1/",
    ];
    for target in refused {
        let server = redirecting(302, move |_| Some(target.into()));
        let result = run(open(), &server.url("/"));
        assert!(
            result.is_error && result.for_model.contains("is a private or restricted address"),
            "{target}: {}",
            result.for_model
        );
    }
    for (target, cause) in [
        ("file:///etc/passwd", "redirect: the URL is neither http:// nor https://"),
        ("socks5://127.0.0.1/", "redirect: only http/https URLs are allowed"),
        ("http://user:word@127.0.0.1/", "redirect: URLs with credentials are not fetched"),
    ] {
        let server = redirecting(302, move |_| Some(target.into()));
        let result = run(open(), &server.url("/"));
        assert!(
            result.is_error && result.for_model.ends_with(cause),
            "{target}: {}",
            result.for_model
        );
    }
}

#[test]
fn a_name_that_leads_inside_is_refused_unless_listed() {
    fn names(host: &str) -> io::Result<Vec<SocketAddr>> {
        match host {
            "inside.test" => Ok(vec![SocketAddr::from(([127, 0, 0, 1], 0))]),
            _ => Err(io::Error::other("no such name")),
        }
    }
    let server = typed("text/plain", "inside");
    let url = format!("http://inside.test:{}/", server.addr.port());
    let run = |list: &[&str]| {
        let list = list.iter().map(|s| s.to_string()).collect();
        let web = WebConfig { private_host_whitelist: list, ..WebConfig::default() };
        let http =
            HttpClient::with(Options { lookup: names, ..Options::plain() }).expect("a client");
        smol::block_on(fetch(&context(web, http), &args(json!({ "url": url }))))
    };
    for list in [&[][..], &["10.0.0.0/8"], &["other.test"]] {
        let result = run(list);
        assert!(
            result.is_error && result.for_model.contains("inside.test is a private"),
            "{}",
            result.for_model
        );
    }
    for list in [&["127.0.0.0/8"][..], &["127.0.0.1"], &["INSIDE.test"]] {
        assert_eq!(body_of(&run(list)), "inside");
    }
    assert_eq!(server.heard().len(), 3);
}

#[test]
fn behind_a_proxy_private_addresses_stay_out_of_reach() {
    let proxy = serve(|_, peer| {
        peer.request();
        peer.send("HTTP/1.1 200 OK\r\nContent-Length: 6\r\n\r\nsecret");
    });
    for target in
        ["http://127.0.0.1:1/", "http://169.254.169.254/", "https://[::1]/", "http://localhost/"]
    {
        let web = WebConfig { proxy: proxy.url(""), ..WebConfig::default() };
        let result = run(web, target);
        assert!(
            result.is_error && result.for_model.contains("private or restricted"),
            "{target}: {}",
            result.for_model
        );
    }
    assert_eq!(proxy.connections(), 0);
}

#[test]
fn a_challenge_is_answered_once_with_our_own_name() {
    let server = serve(|_, peer| {
        let request = peer.request().unwrap_or_default();
        if request.contains("User-Agent: picoclaw/") {
            respond(peer, "text/plain", b"welcome");
        } else {
            peer.send(
                "HTTP/1.1 403 Forbidden\r\ncf-mitigated: challenge\r\nContent-Length: 0\r\n\r\n",
            );
        }
    });
    assert_eq!(body_of(&run(open(), &server.url("/"))), "welcome");
    assert_eq!(server.heard().len(), 2);
}

#[test]
fn wrong_arguments_are_named() {
    let ctx = context(open(), client());
    let fetched = |a: serde_json::Value| smol::block_on(fetch(&ctx, &args(a)));
    assert_eq!(fetched(json!({})), ToolResult::error("url is required"));
    assert_eq!(fetched(json!({"url": 3})), ToolResult::error("url is required"));
    let result = fetched(json!({"url": "gopher://x/"}));
    assert_eq!(
        result,
        ToolResult::error("cannot fetch gopher://x/: only http/https URLs are allowed")
    );
}
