//! Conformance rows ([`crate::rows`]) about web_fetch, web_search and cutting text.
#![cfg(feature = "web")]

use picoclaw::config::{SearchEngine, WebConfig};
use picoclaw::proto::{addr, html};
use picoclaw::tool::web::{fetch, search};
use serde_json::json;

use crate::rows::{rows, same, string};
use crate::web_fetch::context;
use crate::wire::{client, serve};

#[test]
fn ssrf() {
    rows("ssrf", |_, name, input, want| {
        let ip = string(&input["ip"]).parse().expect("an address");
        same(name, addr::is_blocked(ip), want["blocked"].as_bool().expect("a bool"))
    });
}

#[test]
fn html_to_markdown() {
    rows("html_to_markdown", |_, name, input, want| {
        let mut page = html::Converter::new(html::Style::Markdown, usize::MAX);
        page.feed(string(&input["input"]));
        same(name, page.finish().text.as_str(), string(&want["expected"]))
    });
}

#[test]
fn web() {
    rows("web", |test, name, input, want| match test {
        "TestNormalizeSearchRange" => {
            let server = serve(|_, peer| {
                peer.request();
                peer.answer("");
            });
            let engine =
                SearchEngine { enabled: true, base_url: server.url(""), ..SearchEngine::default() };
            let web = WebConfig {
                engines: [("duckduckgo".to_owned(), engine)].into(),
                ..WebConfig::default()
            };
            let args = json!({"query": "q", "range": input["input"]});
            let result = smol::block_on(search(
                &context(web, client()),
                args.as_object().expect("an object"),
            ));
            same(name, result.is_error, want["wantErr"].as_bool().expect("a bool"))?;
            same(name, server.heard()[0].contains(&format!("&df={} ", string(&want["want"]))), true)
        }
        "TestWebTool_WebFetch_TruncationNotice" => {
            let body = string(&input["body"]).to_owned();
            let kind = string(&input["contentType"]).to_owned();
            let server = serve(move |_, peer| {
                peer.request();
                let length = body.len();
                peer.send(format!("HTTP/1.1 200 OK\r\nContent-Type: {kind}\r\nContent-Length: {length}\r\n\r\n{body}"));
            });
            let web = WebConfig {
                format: string(&input["format"]).into(),
                private_host_whitelist: vec!["127.0.0.1".into()],
                ..WebConfig::default()
            };
            let args = json!({"url": server.url("/"), "maxChars": 100});
            let result = smol::block_on(fetch(
                &context(web, client()),
                args.as_object().expect("an object"),
            ));
            same(name, result.for_model.contains("truncated: true\nlength: 100\n"), true)
        }
        "TestApplySogouRangeHint" | "TestPrefersDuckDuckGoQuery" => {
            Err("Sogou is not one of the engines".into())
        }
        _ => Err("unknown test".into()),
    });
}
