//! web_search against engines on 127.0.0.1.
#![cfg(feature = "web")]

use picoclaw::config::{SearchEngine, Secret, WebConfig};
use picoclaw::tool::ToolResult;
use picoclaw::tool::web::search;
use serde_json::json;

use crate::web_fetch::{args, context, typed};
use crate::wire::{Server, client, serve};

#[test]
fn wrong_arguments_are_named() {
    let ctx = context(WebConfig::default(), client());
    let result = smol::block_on(search(&ctx, &args(json!({"query": " "}))));
    assert_eq!(result, ToolResult::error("query is required"));
    let result = smol::block_on(search(&ctx, &args(json!({"query": "x", "range": "h"}))));
    assert_eq!(result, ToolResult::error("search failed: range must be one of d, w, m, y"));
}

fn searched(name: &str, server: &Server, a: serde_json::Value) -> ToolResult {
    let engine = SearchEngine {
        enabled: true,
        api_key: Secret::new("the-key"),
        base_url: server.url(""),
        max_results: 2,
    };
    let web = WebConfig {
        provider: "auto".into(),
        engines: [(name.to_owned(), engine)].into(),
        ..WebConfig::default()
    };
    smol::block_on(search(&context(web, client()), &args(a)))
}

#[test]
fn searches_ask_and_show() {
    let item = |n: u32| {
        format!(r#"{{"title":"T{n}","url":"http://x/{n}","description":"s{n}","content":"s{n}"}}"#)
    };
    let items = format!("[{},{},{}]", item(1), item(2), item(3));
    let shown = "\n1. T1\n   http://x/1\n   s1\n2. T2\n   http://x/2\n   s2";
    let brave = typed("application/json", format!(r#"{{"web":{{"results":{items}}}}}"#));
    let result = searched("brave", &brave, json!({"query": "q r"}));
    assert_eq!(result, ToolResult::text(format!("Results for: q r{shown}")));
    let heard = brave.heard();
    assert!(
        heard[0].starts_with("GET /res/v1/web/search?q=q%20r&count=2 HTTP/1.1\r\n"),
        "{}",
        heard[0]
    );
    assert!(heard[0].contains("X-Subscription-Token: the-key\r\n"));

    let tavily = typed("application/json", format!(r#"{{"results":{items}}}"#));
    let result = searched("tavily", &tavily, json!({"query": "q", "count": 1, "range": "d"}));
    assert_eq!(
        result,
        ToolResult::text("Results for: q (via Tavily)\n1. T1\n   http://x/1\n   s1")
    );
    let heard = tavily.heard();
    assert!(heard[0].starts_with("POST /search HTTP/1.1\r\n"));
    assert!(heard[0].contains("Authorization: Bearer the-key\r\n"));
    assert!(heard[0].ends_with(r#"{"max_results":1,"query":"q","time_range":"day"}"#));

    let searxng = typed("application/json", r#"{"results":[]}"#);
    let result = searched("searxng", &searxng, json!({"query": "q"}));
    assert_eq!(result, ToolResult::text("No results for: q"));

    let page = r#"<a class="result__a" href="//duckduckgo.com/l/?uddg=http%3A%2F%2Fx%2F1">T1</a><a class="result__snippet">s1</a>"#;
    let duck = typed("text/html", page);
    let result = searched("duckduckgo", &duck, json!({"query": "q", "range": "y"}));
    assert_eq!(
        result,
        ToolResult::text("Results for: q (via DuckDuckGo)\n1. T1\n   http://x/1\n   s1")
    );
    assert!(duck.heard()[0].starts_with("GET /html/?q=q&df=y HTTP/1.1\r\n"));
}

#[test]
fn searches_fail_with_a_reason_and_without_the_key() {
    let status = |line: &'static str| {
        serve(move |_, peer| {
            peer.request();
            peer.send(format!("HTTP/1.1 {line}\r\nLocation: http://127.0.0.1:1/\r\nContent-Length: 7\r\n\r\nthe-key"));
        })
    };
    for (line, want) in [
        ("401 X", "search failed: Brave answered 401 (is the api_key right?)"),
        ("429 X", "search failed: Brave answered 429 (too many searches)"),
        ("302 X", "search failed: Brave answered 302 (a redirect, which is not followed)"),
        ("500 X", "search failed: Brave answered 500"),
    ] {
        let result = searched("brave", &status(line), json!({"query": "q"}));
        assert_eq!(result, ToolResult::error(want));
    }
    let long = typed("application/json", " ".repeat(300 * 1024));
    assert!(searched("brave", &long, json!({"query": "q"})).is_error);
    let odd = typed("application/json", "<html>the-key");
    let result = searched("brave", &odd, json!({"query": "q"}));
    assert!(result.is_error && result.for_model.contains("not what Brave documents"));
    assert!(!result.for_model.contains("the-key"));
}
