//! Rows of `../shared/cases` about web_fetch, web_search and cutting text; skipped where that folder is not there.
#![cfg(feature = "web")]

use picoclaw::config::{SearchEngine, WebConfig};
use picoclaw::proto::{addr, html, text};
use picoclaw::tool::web::{fetch, search};
use serde_json::{Value, json};

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
        same(name, html::to_markdown(string(&input["input"])).as_str(), string(&want["expected"]))
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

#[test]
fn text_utils() {
    rows("text_utils", |test, name, input, want| match test {
        "TestTruncate" => {
            let max = input["maxLen"].as_u64().expect("a number") as usize;
            same(name, text::truncate(string(&input["input"]), max).as_str(), string(&want["want"]))
        }
        "TestSanitizeMessageContent" => {
            same(name, text::sanitize(string(&input["input"])).as_str(), string(&want["want"]))
        }
        "TestBM25Tokenize" => Err("waits for the search among tools".into()),
        _ => Err(format!("sub-turns and their budget are later work: {}", short(input))),
    });
}

fn short(input: &Value) -> String {
    text::truncate(&input.to_string(), 40)
}
